"""The background of a pulsar, counted in off-pulse phases."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from lightpool.bridge import accepts_gammapy
from lightpool.data import Observation
from lightpool.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.makers.core import Maker, check_run
from lightpool.makers.differences import announce_of_dataset, announce_of_points, any_of
from lightpool.makers.rad_max import make_counts_rad_max
from lightpool.maps import Map, RegionGeom
from lightpool.utils.deviations import deviates, deviations_are_heard

__all__ = ["PhaseBackgroundMaker"]

Interval: TypeAlias = tuple[float, float]


class PhaseBackgroundMaker(Maker):
    """Make ON and OFF counts from the phases of the events.

    Parameters
    ----------
    on_phase, off_phase : tuple (start, stop), or list of them
        Phases ``start <= phase < stop``. An interval that crosses a whole number, such as (0.9, 1.1), (-0.1, 0.1) or
        (0.9, 0.1), is split there.
    phase_column_name : str
        Column of the event list with phases from 0 to 1.
    """

    tag = "PhaseBackgroundMaker"

    def __init__(
        self,
        on_phase: Interval | Sequence[Interval],
        off_phase: Interval | Sequence[Interval],
        phase_column_name: str = "PHASE",
    ) -> None:
        self.on_phase = _intervals(on_phase, "on_phase")
        self.off_phase = _intervals(off_phase, "off_phase")
        # Known before the intervals are brought between 0 and 1.
        self._is_beyond = any(_selects_else_in_gammapy(phases) for phases in (on_phase, off_phase))
        self.phase_column_name = phase_column_name

    def make_counts(self, dataset: MapDataset, observation: Observation) -> Map:
        """Return the counts in the ON phases.

        Parameters
        ----------
        dataset : MapDataset or SpectrumDataset
            Reference for geometry, device and precision.
        observation : Observation
        """
        return self._counts(dataset, observation, self.on_phase)

    def make_counts_off(self, dataset: MapDataset, observation: Observation) -> Map:
        """Return the counts in the OFF phases.

        Parameters
        ----------
        dataset, observation : see `make_counts`
        """
        return self._counts(dataset, observation, self.off_phase)

    def _counts(self, dataset: MapDataset, observation: Observation, phases: list[Interval]) -> Map:
        geom, device, precision = dataset.required("counts").geom, dataset.device, dataset.precision
        counts: Map = Map.from_geom(geom, dtype=precision, device=device)
        for phase in phases:
            events = observation.required("events").select_parameter(self.phase_column_name, phase)
            if isinstance(geom, RegionGeom) and geom.is_all_point_sky_regions:
                rad_max = observation.rad_max
                counts.stack(make_counts_rad_max(geom, rad_max, events, device=device, precision=precision))
            else:
                counts.fill_events(events)
        return counts

    @accepts_gammapy
    def run(
        self, dataset: MapDataset, observation: Observation | None = None
    ) -> MapDatasetOnOff | SpectrumDatasetOnOff:
        """Return a dataset with ON and OFF counts, and the lengths of the phase intervals as acceptances.

        Parameters
        ----------
        dataset : SpectrumDataset or MapDataset
            Its counts are replaced.
        observation : Observation
            Its events have a column of phases.

        Returns
        -------
        dataset : SpectrumDatasetOnOff or MapDatasetOnOff
            With the same name.
        """
        observation = check_run(self.tag, dataset, observation)
        announce_of_dataset(dataset)
        announce_of_points(dataset.required("counts").geom)
        if self._is_beyond:
            deviates("phases beyond 0 to 1")
        # Phases are uniform for the background, so its counts are in proportion to the length of the intervals.
        acceptance, acceptance_off = (
            sum(stop - start for start, stop in phases) for phases in (self.on_phase, self.off_phase)
        )
        kind: type[MapDatasetOnOff | SpectrumDatasetOnOff] = MapDatasetOnOff
        counts_off = self.make_counts_off(dataset, observation)
        if isinstance(dataset, SpectrumDataset):
            kind = SpectrumDatasetOnOff
            if deviations_are_heard() and any_of(counts_off.data == 0):
                deviates("OFF phases without counts in a spectrum")
        found = kind.from_map_dataset(
            dataset,
            acceptance=acceptance,
            acceptance_off=acceptance_off,
            counts_off=counts_off,
            name=dataset.name,
        )
        found.counts = self.make_counts(dataset, observation)
        return found


def _pairs(phases: Interval | Sequence[Interval]) -> Sequence[Interval]:
    return list(phases) if isinstance(phases, Iterable) and not isinstance(phases, tuple) else [phases]


def _selects_else_in_gammapy(phases: Interval | Sequence[Interval]) -> bool:
    """Return whether Gammapy, which splits one interval that wraps and shifts none, selects other phases."""
    wrapping = [start % 1 > stop % 1 for start, stop in _pairs(phases)]
    is_beyond = any(
        (start < 0 or stop > 1) and not wraps for (start, stop), wraps in zip(_pairs(phases), wrapping, strict=True)
    )
    # One that ends at 1 is split into itself.
    n_split = sum(wraps and stop != 1 for (_, stop), wraps in zip(_pairs(phases), wrapping, strict=True))
    return is_beyond or n_split > 1


def _intervals(phases: Interval | Sequence[Interval], name: str) -> list[Interval]:
    """Return the intervals between 0 and 1."""
    pairs = _pairs(phases)
    if not pairs or any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
        raise ValueError(f"{name} must be a tuple (start, stop) or a list of them, got {phases!r}")
    found: list[Interval] = []
    for start, stop in pairs:
        if start == stop or abs(stop - start) > 1:
            raise ValueError(f"{name}: an interval must be longer than 0 and at most 1, got {(start, stop)}")
        # Before the modulo, which would make an empty interval of a full turn.
        if stop - start == 1:
            found.append((0.0, 1.0))
            continue
        low, high = start % 1, stop % 1
        # Beyond a whole number there are two parts; the second is empty if the interval ends there (high is 0).
        found += [(low, high)] if low < high else [(low, 1.0), (0.0, high)] if high > 0 else [(low, 1.0)]
    return found
