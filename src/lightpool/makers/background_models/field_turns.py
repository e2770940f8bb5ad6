"""How a field of view turns against the sky during the good times of a run."""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import erfa
import numpy as np
from astropy.coordinates import EarthLocation

from lightpool.arrays import fov_matrix
from lightpool.arrays.devices.array_types import HostFloats
from lightpool.arrays.kernels.field_rotation import horizon_angle, horizon_matrix
from lightpool.data.tables.time_reference import TimeReference

__all__ = ["FieldSteps", "FieldTurns"]

_NODE_SPACING = 120.0  # s between times at which the rotation is computed
_SHORTEST_STEP = 1.0  # s; towards the zenith the field turns ever faster
_MOST_ROUNDS = 8
_NORTH = np.deg2rad(0.5)  # distance of the direction whose position in the field gives the rotation


@dataclass(frozen=True, eq=False)
class FieldSteps:
    """Steps of the good time during which the field of view stands nearly still.

    Attributes
    ----------
    seconds : array of float64, shape (n_step,)
        Length of each step.
    matrices : array of float64, shape (n_step, 3, 3)
        From ICRS to the field of view, in the middle of each step.
    """

    seconds: HostFloats
    matrices: HostFloats


@dataclass(frozen=True, eq=False)
class FieldTurns:
    """Orientation of a field of view over the time of a run.

    Attributes
    ----------
    matrix : array of float64, shape (3, 3)
        From ICRS to the field of view along RA and Dec.
    seconds, angle : arrays of float64, shape (n_node,), s and rad
        Angle of north from up at some times, see `horizon_angle`; no angles for a field that does not turn.
    altitude, azimuth : arrays of float64, shape (n_node,), rad, of the pointing
    """

    matrix: HostFloats
    seconds: HostFloats
    angle: HostFloats
    altitude: HostFloats
    azimuth: HostFloats

    @classmethod
    def of(
        cls,
        lon: float,
        lat: float,
        location: EarthLocation | None,
        reference: TimeReference,
        span: tuple[float, float],
        step: float | None,
    ) -> "FieldTurns":
        """Compute the orientation at times between which it changes by less than an angle.

        Parameters
        ----------
        lon, lat : float, rad
            The pointing in ICRS.
        location : EarthLocation or None
            Without it the altitude is not known, and the field must not turn.
        reference : TimeReference
            Origin of the seconds.
        span : pair of float, s
            First and last time.
        step : float, rad, or None for a field along RA and Dec
        """
        matrix, none = fov_matrix(lon, lat), np.zeros(0)
        if location is None:
            return cls(matrix, none, none, none, none)
        n_node = 3 if step is None else 2 + int((span[1] - span[0]) / _NODE_SPACING)
        seconds = np.linspace(*span, n_node)
        positions = _horizontal(lon, lat, location, reference, seconds)
        for _ in range(_MOST_ROUNDS if step is not None else 0):
            assert step is not None
            turned = np.abs(np.diff(horizon_angle(*positions)))
            wide = (turned > max(step, 1e-4)) & (np.diff(seconds) > _SHORTEST_STEP)
            if not wide.any():
                break
            more = [
                np.linspace(a, b, 2 + min(int(turn / step), int((b - a) / _SHORTEST_STEP)))[1:-1]
                for a, b, turn in zip(seconds[:-1][wide], seconds[1:][wide], turned[wide], strict=True)
            ]
            new = np.concatenate(more)
            if not new.size:
                break
            order = np.argsort(np.concatenate([seconds, new]), kind="stable")
            found = _horizontal(lon, lat, location, reference, new)
            positions = np.concatenate([positions, found], axis=-1)[..., order]
            seconds = np.concatenate([seconds, new])[order]
        angle = none if step is None else horizon_angle(*positions)
        return cls(matrix, seconds, angle, positions[0, 1], positions[0, 0])

    @property
    def is_turning(self) -> bool:
        """Whether the field is aligned with the horizon."""
        return self.angle.size > 0

    @property
    def mean_direction(self) -> tuple[float, float, float]:
        """Means over the time of the sine of the altitude, and of sine and cosine of the azimuth; NaN if not known."""
        if not self.seconds.size:
            return np.nan, np.nan, np.nan
        # By the trapezoidal rule: the times are denser where the field turns faster.
        length = self.seconds[-1] - self.seconds[0]
        values = np.stack([np.sin(self.altitude), np.sin(self.azimuth), np.cos(self.azimuth)])
        sine, east, north = np.trapezoid(values, self.seconds) / length if length > 0 else values.mean(axis=1)
        return float(sine), float(east), float(north)

    def angle_at(self, seconds: HostFloats) -> HostFloats:
        """Return the angle of north at some times; linear between the nodes."""
        return np.interp(seconds, self.seconds, self.angle)

    def steps(self, start: HostFloats, stop: HostFloats, step: float) -> FieldSteps:
        """Cut good time intervals into steps during which the field turns by no more than an angle.

        Parameters
        ----------
        start, stop : arrays of float64, shape (n_interval,), s
        step : float, rad
        """
        if not self.is_turning:
            return FieldSteps(np.array([float(np.sum(stop - start))]), self.matrix[np.newaxis])
        lengths, middles = [], []
        for first, last in zip(start, stop, strict=True):
            inner = self.seconds[(self.seconds > first) & (self.seconds < last)]
            nodes = np.concatenate([[first], inner, [last]])
            turned = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(self.angle_at(nodes))))])
            n_step = max(1, int(np.ceil(turned[-1] / step)))
            # Steps of equal rotation: a field that hardly turns, as one that culminates in the south, has few.
            cuts = nodes[[0, -1]]
            if n_step > 1:
                cuts = np.interp(np.linspace(0, turned[-1], n_step + 1), turned, nodes)
                cuts[[0, -1]] = first, last
            lengths.append(np.diff(cuts))
            middles.append((cuts[1:] + cuts[:-1]) / 2)
        matrices = horizon_matrix(self.angle_at(np.concatenate(middles))) @ self.matrix
        return FieldSteps(np.concatenate(lengths), matrices)


def _horizontal(
    lon: float, lat: float, location: EarthLocation, reference: TimeReference, seconds: HostFloats
) -> HostFloats:
    """Return azimuth and altitude of the pointing and of a direction to its north; shape (2, 2, n_time), rad."""
    north = lat + _NORTH
    # Over the pole the direction to the north is on the other side.
    lons, lats = ([lon, lon], [lat, north]) if north < np.pi / 2 else ([lon, lon + np.pi], [lat, np.pi - north])
    ra, dec = (np.array(values)[:, np.newaxis] for values in (lons, lats))
    start = reference.to_time(float(seconds[0])).utc
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", erfa.ErfaWarning)  # of years beyond the last known leap second
        # In a third of the time of astropy's frames, which look up the rotation of the Earth: without its irregular
        # part (UT1 - UTC) directions are at most 15 arcsec off, all by about the same. No pressure: no refraction.
        times, _ = erfa.apco13(
            *(start.jd1, start.jd2 + (seconds - seconds[0]) / 86400, 0.0),
            *_geodetic(*(float(each.to_value("m")) for each in (location.x, location.y, location.z))),
            *(0.0, 0.0, 0.0, 0.0, 0.0, 0.5),
        )
        azimuth, zenith, *_ = erfa.atioq(*erfa.atciqz(ra, dec, times), times)
    return np.stack([azimuth, np.pi / 2 - zenith], axis=1)


@lru_cache(maxsize=64)  # the runs of a batch are from one observatory, or a few
def _geodetic(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return longitude and latitude (rad) and height (m) of a place on the Earth."""
    lon, lat, height = EarthLocation.from_geocentric(x, y, z, unit="m").geodetic
    return float(lon.to_value("rad")), float(lat.to_value("rad")), float(height.to_value("m"))
