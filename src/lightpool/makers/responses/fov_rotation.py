"""Responses in a field of view that is aligned with the horizon and so turns against the sky.

A response that turns is evaluated at several times of an observation. Backgrounds and exposures are means over the good
times; a PSF or an energy dispersion is the mean weighted with the effective area, so that exposure times response is
the integral of their product over time, as in a stack of short observations.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import astropy.units as u
import numpy as np
from astropy.constants import c as speed_of_light
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body_barycentric_posvel
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.arrays import Device, fov_lonlat, fov_matrix, fov_polar, frame_matrix, rotate, to_device
from lightpool.arrays.devices.array_types import Array
from lightpool.data import FixedPointingInfo, Observation, PointingMode
from lightpool.errors import FormatError
from lightpool.irf import IRF, FoVAlignment
from lightpool.irf.projection.requests import BackgroundRequest, ResponseRequest
from lightpool.maps import Geom
from lightpool.utils.deviations import deviates

__all__ = [
    "FieldRotation",
    "FovMoment",
    "Rotation",
    "Turning",
    "background_in_altaz",
    "icrs_directions",
    "mean_in_altaz",
    "rotation_times",
    "sky_to_fov",
    "trapezoidal_weights",
    "turns_against_the_sky",
    "weighted_mean_in_altaz",
]

# Towards the zenith, where cos(h) is 0, the field turns ever faster.
_SHORTEST_STEP = 1.0  # s
# A solar day: the sky turns 0.3 % faster, which is of no importance for the length of a step.
_TURNS_PER_DAY = 2 * np.pi / 86400  # rad / s
_MOST_TURN = 1.5
"""A step in which the field turns by more than this, in units of the step that was asked for, is halved."""
_DRIFT = math.radians(0.25)
"""Angle by which the sky moves through the field of view of a drift scan between two evaluations, as in its pieces."""

Vector = NDArray[np.float64]


def rotation_times(
    pointing: FixedPointingInfo, start: Time, ontime: u.Quantity, step: u.Quantity, location: EarthLocation
) -> Vector:
    r"""Return times between which the field of view turns by no more than about an angle.

    The field turns by :math:`\omega \cos\phi \cos A / \cos h` per unit of time, with the latitude :math:`\phi` of the
    observatory, azimuth :math:`A` and altitude :math:`h` of the pointing. This holds at the beginning of a step; a step
    in which the field turns half as much again is halved, down to 1 s. In a drift scan the sky moves through the field
    by up to :math:`\omega` per unit of time, and not only turns: there a step is no longer than 0.25 deg of that.

    Parameters
    ----------
    pointing : FixedPointingInfo
    start : Time of the observation
    ontime : Quantity, time
    step : Quantity, angle
    location : EarthLocation of the observatory

    Returns
    -------
    seconds : array of float, shape (n_time,), since ``start``; the first is 0, the last is ``ontime``
    """
    stop, angle = float(ontime.to_value("s")), float(step.to_value("rad"))
    if pointing.mode is PointingMode.DRIFT:
        n_step = max(1, math.ceil(stop * _TURNS_PER_DAY / min(angle, _DRIFT)))
        if n_step > 1:
            deviates("background of a drift scan aligned with the horizon")
        return np.linspace(0.0, stop, n_step + 1)
    seconds = [0.0]
    altaz = pointing.get_altaz(start, location)
    while seconds[-1] < stop:
        speed = _TURNS_PER_DAY * np.cos(location.lat.rad) * abs(np.cos(altaz.az.rad)) / np.cos(altaz.alt.rad)
        wait = max(angle / speed if speed > 0 else np.inf, _SHORTEST_STEP)
        turned = _field_angle(altaz, location)
        while True:
            end = float(min(seconds[-1] + wait, stop))
            altaz = pointing.get_altaz(start + end * u.s, location)
            turn = abs(math.remainder(_field_angle(altaz, location) - turned, 2 * math.pi))
            if turn <= _MOST_TURN * angle or end - seconds[-1] <= _SHORTEST_STEP:
                break
            deviates("field of view that turns faster and faster")
            wait = max((end - seconds[-1]) / 2, _SHORTEST_STEP)
        seconds.append(end)
    return np.asarray(seconds)


def _field_angle(altaz: SkyCoord, location: EarthLocation) -> float:
    """Return the angle at a position between the directions to the zenith and to the pole, rad."""
    azimuth, altitude, latitude = float(altaz.az.rad), float(altaz.alt.rad), float(location.lat.rad)
    up = math.sin(latitude) * math.cos(altitude) - math.cos(latitude) * math.sin(altitude) * math.cos(azimuth)
    return math.atan2(math.cos(latitude) * math.sin(azimuth), up)


@dataclass(frozen=True, eq=False)
class FovMoment:
    """How the sky lies in the field of view at one time.

    Attributes
    ----------
    weight : float, part of the observation for which it stands
    to_fov : array of float, shape (3, 3), matrix from ICRS to the field of view
    velocity : array of float, shape (3,), that of the Earth in units of that of light, see `sky_to_fov`
    """

    weight: float
    to_fov: Vector
    velocity: Vector

    def lonlat(self, geom: Geom, device: Device) -> tuple[Array, Array]:
        """Return field-of-view longitude and latitude of the pixels of a geometry; shape of the image, unit rad.

        Parameters
        ----------
        geom : Geom
        device : Device of the arrays
        """
        to_icrs = frame_matrix(geom.frame, "icrs")
        directions = rotate(to_device(to_icrs, device), geom.directions(device))
        return self.lonlat_of(directions, device)

    def lonlat_of(self, directions: Array, device: Device) -> tuple[Array, Array]:
        """Return field-of-view longitude and latitude of directions in ICRS; unit rad.

        Parameters
        ----------
        directions : array of float, shape (3, ny, nx), or (3, n_pix) of HEALPix pixels
        device : Device of the arrays
        """
        # Not normalised: `fov_lonlat` takes vectors of any length.
        velocity = self.velocity.reshape(3, *[1] * (directions.ndim - 1))
        apparent = directions + to_device(velocity, device)
        longitude, latitude = fov_lonlat(rotate(to_device(self.to_fov, device), apparent))
        return longitude, latitude

    def positions_of(self, directions: Array, field: tuple[str, ...], device: Device) -> dict[str, Array]:
        """Return the coordinates of directions that a response depends on; unit rad.

        Parameters
        ----------
        directions : array of float, shape (3, ny, nx), in ICRS
        field : tuple of str, names of the coordinates, see `lightpool.irf.tables.irf.FIELD_AXES`
        device : Device of the arrays
        """
        lon, lat = self.lonlat_of(directions, device)
        found = {"fov_lon": lon, "fov_lat": lat}
        if not set(field) <= set(found):
            found["rho"], found["phi"] = fov_polar(lon, lat)
            found["offset"] = found["rho"]
        return {name: found[name] for name in field}


class Rotation(Protocol):
    """A field of view that turns against the sky."""

    def moments(self) -> Iterator[FovMoment]:
        """Yield the times at which a response is evaluated."""
        ...


def trapezoidal_weights(seconds: Vector) -> Vector:
    """Return the part of the time for which each of some times stands, by the trapezoidal rule; their sum is 1."""
    # Each time has half of the interval before it and half of that after it.
    weights: Vector = np.convolve(np.diff(seconds), [0.5, 0.5])
    return np.asarray(weights / (seconds[-1] - seconds[0]))


@dataclass(frozen=True)
class FieldRotation:
    """How the field of view of an observation turns against the sky.

    Attributes
    ----------
    pointing : FixedPointingInfo
    spans : tuple of (Time, float), start and length, in s, of each interval of good time, in their order
    step : Quantity, angle by which the field turns between two evaluations of a response
    location : EarthLocation of the observatory
    """

    pointing: FixedPointingInfo
    spans: tuple[tuple[Time, float], ...]
    step: u.Quantity
    location: EarthLocation

    @classmethod
    def of(
        cls, pointing: object, start: Time | None, ontime: u.Quantity, step: u.Quantity, location: EarthLocation | None
    ) -> Self:
        """Return the rotation, if all that it takes is known.

        Parameters
        ----------
        pointing : FixedPointingInfo
        start : Time of the observation
        ontime : Quantity, time
        step, location : see `FieldRotation`

        Raises
        ------
        TypeError
            If the pointing is of another type, or the start or the location is None.
        """
        if not isinstance(pointing, FixedPointingInfo) or start is None or location is None:
            raise TypeError(
                "a background table with FOVALIGN=ALTAZ turns with the sky: expected a FixedPointingInfo, time_start "
                f"and location, got pointing of type {type(pointing).__name__}, time_start={start!r}, {location=}"
            )
        return cls(pointing, ((start, float(ontime.to_value("s"))),), step, location)

    @classmethod
    def of_observation(cls, observation: Observation, step: u.Quantity) -> Self:
        """Return the rotation in the good times of an observation.

        Parameters
        ----------
        observation : Observation
        step : Quantity, angle, see `FieldRotation`

        Raises
        ------
        FormatError
            If the place of the observatory is not known.
        """
        location = observation.observatory_earth_location
        if location is None:
            raise FormatError(
                f"observation {observation.obs_id}: a response is aligned with the horizon (FOVALIGN=ALTAZ), so it "
                "turns against the sky, and the place of the observatory is not known (GEOLON, GEOLAT and ALTITUDE in "
                "EVENTS); set observation.observatory_earth_location"
            )
        gti = observation.required("gti").union()
        seconds = gti.time_delta.to_value("s").tolist()
        spans = tuple((start, second) for start, second in zip(gti.time_start, seconds, strict=True) if second > 0)
        if len(spans) > 1:
            deviates("field of view that turns while there are gaps in the good times")
        # Without any good time all weights are of no importance, and the response is that of the start.
        return cls(observation.pointing, spans or ((observation.tstart, 0.0),), step, location)

    def moments(self) -> Iterator[FovMoment]:
        """Yield the times at which a response is evaluated, and how the sky lies then; their weights add up to 1."""
        yield from self._moments

    @cached_property
    def _moments(self) -> list[FovMoment]:
        return list(self._find_moments())

    def _find_moments(self) -> Iterator[FovMoment]:
        total = sum(length for _, length in self.spans)
        for start, length in self.spans:
            seconds, weights = np.zeros(1), np.ones(1)
            if length > 0:
                seconds = rotation_times(self.pointing, start, u.Quantity(length, "s"), self.step, self.location)
                weights = trapezoidal_weights(seconds) * (length / total)
            for second, weight in zip(seconds, weights, strict=True):
                time = start + second * u.s
                center, origin = (
                    self.pointing.get_icrs(time, self.location),
                    self.pointing.get_altaz(time, self.location),
                )
                yield FovMoment(float(weight), *sky_to_fov(center, origin, time, self.location))


@dataclass(frozen=True, eq=False)
class Turning:
    """Whether and how the responses of an observation turn against the sky.

    Attributes
    ----------
    observation : Observation
    step : Quantity, angle, see `FieldRotation`
    """

    observation: Observation
    step: u.Quantity

    def of(self, irf: IRF) -> FieldRotation | None:
        """Return the rotation of a table, None if it does not turn.

        Parameters
        ----------
        irf : IRF

        Raises
        ------
        FormatError
            If it turns, and the place of the observatory is not known.
        """
        return self._rotation if turns_against_the_sky(irf) else None

    @cached_property
    def _rotation(self) -> FieldRotation:
        return FieldRotation.of_observation(self.observation, self.step)


def turns_against_the_sky(irf: IRF) -> bool:
    """Return whether a table is aligned with the horizon, and not symmetric, so that it turns against the sky."""
    return not irf.has_offset_axis and irf.fov_alignment == FoVAlignment.ALTAZ


def background_in_altaz(
    background: BackgroundRequest, rotation: Rotation, geom: Geom, device: Device, dtype: str = "float64"
) -> Array:
    """Return the mean background rate per solid angle over an observation, by the trapezoidal rule in time.

    Parameters
    ----------
    background : BackgroundRequest of a Background3D aligned with the horizon, for the energies of ``geom``
    rotation : FieldRotation, or another one
    geom : Geom with an axis ``energy``
    device : Device of the rate
    dtype : ``float64`` or ``float32``, of the rate

    Returns
    -------
    rate : array of ``dtype`` on ``device``, shape of ``geom``, unit 1 / (s sr)
    """
    field = background.field

    def rate_at(moment: FovMoment, directions: Array) -> Array:
        return background.project(**moment.positions_of(directions, field, device), dtype=dtype)

    return _mean(rotation, icrs_directions(geom, device), rate_at)


def mean_in_altaz(
    response: ResponseRequest, rotation: Rotation, geom: Geom, device: Device, dtype: str = "float64"
) -> Array:
    """Return the mean of a response over an observation, by the trapezoidal rule in time.

    Parameters
    ----------
    response : ResponseRequest of a table aligned with the horizon
    rotation : FieldRotation, or another one
    geom : Geom, of which the image counts
    device : Device of the values
    dtype : ``float64`` or ``float32``, of the values

    Returns
    -------
    values : array of ``dtype`` on ``device``, shape ``(*shape, ny, nx)``
    """

    def value_at(moment: FovMoment, directions: Array) -> Array:
        return response.project(**moment.positions_of(directions, response.field, device), dtype=dtype).values()

    return _mean(rotation, icrs_directions(geom, device), value_at)


def weighted_mean_in_altaz(
    response: ResponseRequest,
    area: ResponseRequest,
    rotation: Rotation,
    geom: Geom,
    device: Device,
    dtype: str = "float64",
) -> Array:
    """Return the mean of a response over an observation, weighted with the effective area.

    Where the area is 0 all the time, it is the plain mean.

    Parameters
    ----------
    response, rotation, geom, device, dtype : see `mean_in_altaz`
    area : ResponseRequest of the effective area, at the true energies of ``response``

    Returns
    -------
    values : array of ``dtype`` on ``device``, shape (n_energy_true, n_bin, ny, nx)
    """
    xp = device.xp
    directions = icrs_directions(geom, device)
    plain = weighted = norm = None
    for moment in rotation.moments():
        values = response.project(**moment.positions_of(directions, response.field, device), dtype=dtype).values()
        weight = area.project(**moment.positions_of(directions, area.field, device), dtype=dtype).values()
        weight = xp.where(xp.isfinite(weight), weight, 0.0)[:, None, ...] * moment.weight
        plain = moment.weight * values if plain is None else plain + moment.weight * values
        # No area: the response may be anything there, also NaN.
        part = xp.where(weight > 0, weight * values, 0.0)
        weighted = part if weighted is None else weighted + part
        norm = weight if norm is None else norm + weight
    assert plain is not None  # a rotation has one moment at least
    assert norm is not None
    return xp.where(norm > 0, weighted / xp.where(norm > 0, norm, 1.0), plain)


def icrs_directions(geom: Geom, device: Device) -> Array:
    """Return the directions of the pixels in ICRS, shape (3, ny, nx).

    Parameters
    ----------
    geom : Geom
    device : Device of the directions
    """
    return rotate(to_device(frame_matrix(geom.frame, "icrs"), device), geom.directions(device))


def _mean(rotation: Rotation, directions: Array, value_at: Callable[[FovMoment, Array], Array]) -> Array:
    total = None
    for moment in rotation.moments():
        value = moment.weight * value_at(moment, directions)
        total = value if total is None else total + value
    assert total is not None  # a rotation has one moment at least
    return total


def sky_to_fov(center: SkyCoord, origin: SkyCoord, time: Time, location: EarthLocation) -> tuple[Vector, Vector]:
    """Return the matrix from ICRS to the field of view at one time, and the velocity that shifts the sky before it.

    Aberration moves a direction ``n`` to that of ``n + v / c``, to second order in the velocity ``v`` of the Earth; the
    rest of the way to the horizon is a rotation over a field of view. Three directions about the pointing fix it.

    Parameters
    ----------
    center, origin : SkyCoord, the pointing in ICRS and in the horizontal system
    time : Time
    location : EarthLocation
    """
    _, velocity = get_body_barycentric_posvel("earth", time)
    beta = (velocity.xyz / speed_of_light).to_value("")
    # (3, 3) once they are vectors, one in each column: three directions not in a plane, so that `sky` can be inverted.
    around = center.directional_offset_by(u.Quantity([0, 120, 240], "deg"), 2 * u.deg)
    sky = around.cartesian.xyz.value + beta[:, np.newaxis]
    # Of length 1, like the directions in `horizon`.
    sky /= np.linalg.norm(sky, axis=0)
    horizon = SkyCoord(around).transform_to(AltAz(obstime=time, location=location)).cartesian.xyz.value
    return fov_matrix(float(origin.az.rad), float(origin.alt.rad)) @ horizon @ np.linalg.inv(sky), beta
