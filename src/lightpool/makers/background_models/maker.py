"""Count the background events of runs, and integrate their exposure outside of an exclusion."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import (
    Device,
    array_namespace,
    bin_index,
    find_device,
    histogram,
    rotate,
    to_device,
    to_host,
    unit_vectors,
)
from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.kernels.field_rotation import to_horizon
from lightpool.arrays.kernels.histogram import sum_by_bin
from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation, tracking_pieces
from lightpool.errors import MissingDataError
from lightpool.irf import FoVAlignment
from lightpool.makers.background_models.exclusion import SkyExclusion
from lightpool.makers.background_models.field_bins import FieldBins
from lightpool.makers.background_models.field_turns import FieldSteps, FieldTurns
from lightpool.makers.background_models.sums import BackgroundSums, RunRow
from lightpool.makers.core import Described
from lightpool.maps import Map, MapAxis
from lightpool.typing import ProgressLike, RegionLike
from lightpool.utils.pbar import tracked

__all__ = ["BackgroundModelMaker"]

_POINTS_AT_ONCE = 2**17
"""Directions that are tested together: so many fit into the caches of a processor and keep a GPU busy."""


@dataclass(frozen=True, eq=False)
class _Work:
    """Arrays of a run on its device, not yet read back.

    Attributes
    ----------
    row : RunRow
    counts : array of float64, shape (n_energy * n_field * 2,)
    excluded : array of float64, shape (n_field,), s sr
    """

    row: RunRow
    counts: Array
    excluded: Array


class BackgroundModelMaker(Described):
    """Sum the background events and the exposure of runs, in bins of energy and field of view.

    The sums hold a block for each run, see `BackgroundSums`; `BackgroundTableMaker` makes tables of rates of them, for
    any groups of runs, without the events. Events and exposure are excluded by one function of the position on the sky:
    the exposure of a bin is its integral over the bin and over the good time, at points in the bin, in steps of the
    time during which no bin moves by more than a fraction of its width against the sky.

    Parameters
    ----------
    energy_axis : MapAxis
        Fine bins of reconstructed energy, name ``energy``. Tables can have any union of them.
    axes : MapAxis or sequence of MapAxis
        ``offset`` for a radial model, or ``fov_lon`` and ``fov_lat``.
    fov_alignment : {"ALTAZ", "RADEC"}
        Orientation of ``fov_lon`` and ``fov_lat``: along the horizon, as the camera, or along the sky.
    exclusion : SkyExclusion, Map of bool (False is excluded), regions, or None
    oversampling : int
        Number of points along each side of a bin at which the exclusion is evaluated.
    max_rotation : float
        Largest part of the width of a bin by which any bin may move against the sky in a step.
    device : Device or str, optional
        Where events are counted and the exposure is integrated; the default device if not given.
    """

    @accepts_gammapy
    def __init__(
        self,
        energy_axis: MapAxis,
        axes: MapAxis | Sequence[MapAxis],
        fov_alignment: FoVAlignment | str = FoVAlignment.ALTAZ,
        exclusion: "SkyExclusion | Map | RegionLike | None" = None,
        oversampling: int = 10,
        max_rotation: float = 0.2,
        device: Device | str | None = None,
    ) -> None:
        if energy_axis.name != "energy" or not energy_axis.unit.is_equivalent("TeV"):
            raise ValueError(
                f"energy_axis must be an axis 'energy' of reconstructed energies, got {energy_axis.name!r} in "
                f"{str(energy_axis.unit)!r}; MapAxis.from_energy_bounds makes one"
            )
        if isinstance(oversampling, bool) or int(oversampling) != oversampling or oversampling < 1:
            raise ValueError(f"oversampling must be a whole number of 1 or more, got {oversampling!r}")
        if not 0 < max_rotation <= 1:
            raise ValueError(f"max_rotation must be a fraction of a bin, above 0 and up to 1, got {max_rotation!r}")
        self.energy_axis = energy_axis
        self.axes = (axes,) if isinstance(axes, MapAxis) else tuple(axes)
        self.fov_alignment = FoVAlignment(fov_alignment)
        self.exclusion = _exclusion_of(exclusion)
        self.oversampling = int(oversampling)
        self.max_rotation = float(max_rotation)
        self.device = device
        self._field = FieldBins.of(self.axes, self.fov_alignment)
        self._edges = energy_axis.edges.to_value("TeV")

    @property
    def field(self) -> FieldBins:
        """Bins of the field of view."""
        return self._field

    def empty(self) -> BackgroundSums:
        """Return sums of no run, in the bins of this maker."""
        return BackgroundSums.empty(self.energy_axis, self._field)

    @accepts_gammapy
    def run(self, observation: Observation, row: RunRow | None = None) -> BackgroundSums:
        """Return the sums of one run.

        Parameters
        ----------
        observation : Observation
        row : mapping of str to value, optional
            Its row of the observation index, to group by. The good time, the livetime and the direction of the pointing
            are those of the observation, whatever the row says.

        Raises
        ------
        MissingDataError
            If there are no events or no good time, or, for a field along the horizon, no place of the observatory.
        """
        return self._read([self._start(observation, row)])

    @accepts_gammapy
    def run_all(
        self,
        observations: Iterable[Observation],
        rows: Iterable[RunRow | None] | None = None,
        *,
        progress: ProgressLike = None,
    ) -> BackgroundSums:
        """Return the sums of several runs; results are copied from a device once, for all together.

        Parameters
        ----------
        observations : iterable of Observation
        rows : iterable of mappings, optional, one for each observation, see `run`
        progress : bool or function, optional, see `~lightpool.makers.DatasetsMaker.run`
        """
        given: Iterable[RunRow | None] = iter(lambda: None, 0) if rows is None else rows
        with tracked(observations, "runs", progress=progress) as runs:
            works = [self._start(each, row) for each, row in zip(runs, given, strict=rows is not None)]
        return self._read(works)

    def _read(self, works: Sequence[_Work]) -> BackgroundSums:
        if not works:
            return self.empty()
        xp = array_namespace(works[0].counts)
        packed = xp.concat([part for work in works for part in (work.counts, work.excluded)])
        values = to_host(packed)  # host: the sums of all runs, which go to files and tables
        n_count, n_field = self.energy_axis.nbin * self._field.n_bin * 2, self._field.n_bin
        found = []
        for work, block in zip(works, values.reshape(len(works), n_count + n_field), strict=True):
            counts, excluded = block[:n_count], block[n_count:]
            found.append(BackgroundSums.of_run(self.energy_axis, self._field, work.row, counts, excluded))
        return BackgroundSums.merged(found)

    def _start(self, observation: Observation, row: RunRow | None) -> _Work:
        """Queue the work of a run on the device."""
        step = math.degrees(self._field.width * self.max_rotation)
        energies = float(self._edges[0]), float(self._edges[-1])
        pieces = [
            _Piece.of(piece, self._field, self._turn, energies) for piece in tracking_pieces(observation, f"{step} deg")
        ]
        if not pieces:
            raise MissingDataError(f"observation {observation.obs_id} has no good time; leave it out")
        device = find_device(self.device)
        parts = [self._sums_of(piece, device) for piece in pieces]
        counts, excluded = parts[0]
        for more_counts, more_excluded in parts[1:]:
            counts, excluded = counts + more_counts, excluded + more_excluded
        return _Work(_row_of(observation, pieces, row), counts, excluded)

    @property
    def _turn(self) -> float:
        """Largest angle by which the field may turn in a step, rad."""
        return self.max_rotation * self._field.width / self._field.reach

    def _sums_of(self, piece: "_Piece", device: Device) -> tuple[Array, Array]:
        near, distances = self.exclusion.near(piece.turns.matrix[0], self._field.reach)
        steps = piece.turns.steps(piece.start, piece.stop, self._turn)
        excluded = self._excluded_exposure(near, distances, steps, device)
        return self._counts(piece, near, device), excluded * piece.fraction

    def _counts(self, piece: "_Piece", near: SkyExclusion, device: Device) -> Array:
        columns = to_device(piece.columns, device)  # the one transfer of the events
        xp, shape = device.xp, (self.energy_axis.nbin, self._field.n_bin, 2)
        vectors = unit_vectors(columns[0, :], columns[1, :])
        in_field = rotate(piece.turns.matrix, vectors)
        if piece.turns.is_turning:
            in_field = to_horizon(in_field, columns[3, :])
        is_excluded = xp.astype(near.contains(vectors), xp.int64)
        index = [bin_index(columns[2, :], self._edges), self._field.find(in_field), is_excluded]
        return xp.reshape(histogram(index, shape), (-1,))

    def _excluded_exposure(
        self, near: SkyExclusion, distances: list[tuple[float, float]], steps: FieldSteps, device: Device
    ) -> Array:
        """Return the exposure of each bin that is excluded, shape (n_field,), s sr."""
        xp = device.xp
        total = xp.zeros(self._field.n_bin, dtype=xp.float64, device=device.handle)
        if near.is_empty:
            return total
        points = self._field.points(self.oversampling)
        vectors, number, share = points.on(device)
        # From the field of view back to the sky: the inverse of a rotation is its transpose.
        to_sky = np.ascontiguousarray(np.swapaxes(steps.matrices, 1, 2))
        for low, high in distances:
            some = points.between(low, high)
            n_point = some.stop - some.start
            if not n_point:
                continue
            # Distances from the pointing do not change as the field turns, so these points are enough at all times.
            seconds = xp.zeros(n_point, dtype=xp.float64, device=device.handle)
            at_once = max(1, _POINTS_AT_ONCE // n_point)
            for start in range(0, len(steps.seconds), at_once):
                block = slice(start, start + at_once)
                matrices = to_device(to_sky[block].reshape(-1, 3), device)
                # (n_step * 3, n_point), then the direction first
                sky = xp.reshape(xp.matmul(matrices, vectors[:, some]), (-1, 3, n_point))
                sky = xp.reshape(xp.permute_dims(sky, (1, 0, 2)), (3, -1))
                inside = xp.reshape(near.contains(sky), (-1, n_point))
                weights = to_device(steps.seconds[block, np.newaxis], device)
                seconds = seconds + xp.sum(xp.where(inside, weights, 0.0), axis=0)
            total = total + sum_by_bin(number[some], seconds * share[some], self._field.n_bin)
        return total


@dataclass(frozen=True, eq=False)
class _Piece:
    """A run, or a part of a drift scan during which the telescope nearly tracks.

    Attributes
    ----------
    turns : FieldTurns
    start, stop : arrays of float64, shape (n_interval,), s, good time intervals
    fraction : float, part of the good time that filters of phases keep
    columns : array of float64, shape (4, n_event)
        Right ascension and declination (rad), energy (TeV), and angle of the field (rad) of the events in good time
        and in the bins of energy.
    """

    turns: FieldTurns
    start: HostFloats
    stop: HostFloats
    fraction: float
    columns: HostFloats

    @classmethod
    def of(cls, observation: Observation, field: FieldBins, turn: float, energies: tuple[float, float]) -> "_Piece":
        events, gti = observation.required("events"), observation.required("gti").union()
        if not gti.duration_s > 0:
            raise MissingDataError(f"observation {observation.obs_id} has no good time; leave it out")
        location = observation.observatory_earth_location
        if location is None and field.turns:
            raise MissingDataError(
                f"observation {observation.obs_id}: a field of view along the horizon needs the place of the "
                "observatory (GEOLON, GEOLAT, ALTITUDE); set observation.observatory_earth_location, or choose RADEC"
            )
        arrays = events.arrays
        start, stop = gti.seconds_since(events.time_reference)
        lon, lat = np.deg2rad(observation.pointing_degrees)
        turns = FieldTurns.of(
            float(lon),
            float(lat),
            location,
            events.time_reference,
            (float(start[0]), float(stop[-1])),
            turn if field.turns else None,
        )
        time, energy = arrays["time"], arrays["energy"]
        # Many events are below the energies of the bins; they need not be sent to a device.
        good = np.flatnonzero(_inside(time, start, stop) & (energy >= energies[0]) & (energy < energies[1]))
        angle = turns.angle_at(time[good]) if turns.is_turning else np.zeros(len(good))
        columns = np.stack([arrays["lon"][good], arrays["lat"][good], energy[good], angle])
        return cls(turns, start, stop, observation.obs_filter.livetime_fraction, columns)

    @property
    def seconds(self) -> float:
        """Good time, dead time included."""
        return float(np.sum(self.stop - self.start)) * self.fraction


def _exclusion_of(given: "SkyExclusion | Map | RegionLike | None") -> SkyExclusion:
    if given is None:
        return SkyExclusion()
    if isinstance(given, SkyExclusion):
        return given
    return SkyExclusion.from_mask(given) if isinstance(given, Map) else SkyExclusion.from_regions(given)


def _inside(time: HostFloats, start: HostFloats, stop: HostFloats) -> NDArray[np.bool_]:
    """Return which times lie in intervals that are sorted and do not overlap; both ends are inside."""
    number = np.searchsorted(start, time, side="right") - 1
    return np.asarray((number >= 0) & (time <= stop[np.maximum(number, 0)]))


def _row_of(observation: Observation, pieces: Sequence[_Piece], row: RunRow | None) -> RunRow:
    """Return the row of a run: that of the index, with what is known of the run itself."""
    ontime = sum(piece.seconds for piece in pieces)
    live = 1 - observation.observation_dead_time_fraction
    # Columns of vectors and of dates are nothing to group by.
    known = {} if row is None else {key: _plain(value) for key, value in row.items()}
    found: dict[str, str | float] = {key: value for key, value in known.items() if value is not None}
    found |= {
        "OBS_ID": observation.obs_id or 0,
        "MJD_START": float(observation.tstart.utc.mjd),
        "ONTIME": ontime,
        "LIVETIME": ontime * live,
    }
    weights = np.array([piece.seconds for piece in pieces])
    sine, east, north = weights @ np.array([piece.turns.mean_direction for piece in pieces]) / weights.sum()
    if math.isfinite(sine):
        found["ZEN_PNT"] = math.degrees(math.acos(min(1.0, max(-1.0, sine))))
        found["AZ_PNT"] = math.degrees(math.atan2(east, north)) % 360
    found.setdefault("ZEN_PNT", math.nan)
    found.setdefault("AZ_PNT", math.nan)
    return found


def _plain(value: object) -> str | float | None:
    """Return a value of an index as text or number, NaN for a masked one; None for what is neither."""
    if value is np.ma.masked:
        return math.nan
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bytes):
        plain = plain.decode(errors="replace")
    if isinstance(plain, str):
        return plain.strip()
    return plain if isinstance(plain, bool | int | float) else None
