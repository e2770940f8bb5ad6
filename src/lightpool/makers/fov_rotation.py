"""Backgrounds in a field of view that is aligned with the horizon and so turns against the sky."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import astropy.units as u
import numpy as np
from astropy.constants import c as speed_of_light
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body_barycentric_posvel
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.arrays import Device, fov_lonlat, fov_matrix, frame_matrix, rotate, to_device
from lightpool.arrays.devices.array_types import Array
from lightpool.data import FixedPointingInfo
from lightpool.irf import IRF, FoVAlignment
from lightpool.irf.projection.requests import BackgroundRequest
from lightpool.maps import Geom

__all__ = [
    "FieldRotation",
    "FovMoment",
    "Rotation",
    "background_in_altaz",
    "rotation_times",
    "sky_to_fov",
    "trapezoidal_weights",
    "turns_against_the_sky",
]

# Towards the zenith, where cos(h) is 0, the field turns ever faster.
_SHORTEST_STEP = 1.0  # s
# A solar day: the sky turns 0.3 % faster, which is of no importance for the length of a step.
_TURNS_PER_DAY = 2 * np.pi / 86400  # rad / s

Vector = NDArray[np.float64]


def rotation_times(
    pointing: FixedPointingInfo, start: Time, ontime: u.Quantity, step: u.Quantity, location: EarthLocation
) -> Vector:
    r"""Return times between which the field of view turns by no more than an angle.

    The field turns by :math:`\omega \cos\phi \cos A / \cos h` per unit of time, with the latitude :math:`\phi` of the
    observatory, azimuth :math:`A` and altitude :math:`h` of the pointing.

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
    stop = float(ontime.to_value("s"))
    seconds = [0.0]
    while seconds[-1] < stop:
        altaz = pointing.get_altaz(start + seconds[-1] * u.s, location)
        speed = _TURNS_PER_DAY * np.cos(location.lat.rad) * abs(np.cos(altaz.az.rad)) / np.cos(altaz.alt.rad)
        wait = step.to_value("rad") / speed if speed > 0 else np.inf
        seconds.append(float(min(seconds[-1] + max(wait, _SHORTEST_STEP), stop)))
    return np.asarray(seconds)


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
        directions : array of float, shape (3, ny, nx)
        device : Device of the arrays
        """
        # Not normalised: `fov_lonlat` takes vectors of any length.
        apparent = directions + to_device(self.velocity[:, np.newaxis, np.newaxis], device)
        longitude, latitude = fov_lonlat(rotate(to_device(self.to_fov, device), apparent))
        return longitude, latitude


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
    start : Time of the observation
    ontime : Quantity, time
    step : Quantity, angle by which the field turns between two evaluations of the background
    location : EarthLocation of the observatory
    """

    pointing: FixedPointingInfo
    start: Time
    ontime: u.Quantity
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
        start, ontime, step, location : see `FieldRotation`

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
        return cls(pointing, start, ontime, step, location)

    def moments(self) -> Iterator[FovMoment]:
        """Yield the times at which a response is evaluated, and how the sky lies then."""
        seconds = rotation_times(self.pointing, self.start, self.ontime, self.step, self.location)
        for second, weight in zip(seconds, trapezoidal_weights(seconds), strict=True):
            time = self.start + second * u.s
            center, origin = (
                self.pointing.get_icrs(time, self.location),
                self.pointing.get_altaz(time, self.location),
            )
            yield FovMoment(float(weight), *sky_to_fov(center, origin, time, self.location))


def turns_against_the_sky(bkg: IRF) -> bool:
    """Return whether a background table is aligned with the horizon, so that it turns against the sky."""
    return not bkg.has_offset_axis and bkg.fov_alignment == FoVAlignment.ALTAZ


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
    to_icrs = frame_matrix(geom.frame, "icrs")
    directions = rotate(to_device(to_icrs, device), geom.directions(device))
    rate = device.xp.zeros(geom.data_shape, dtype=getattr(device.xp, dtype), device=device.handle)
    for moment in rotation.moments():
        lon, lat = moment.lonlat_of(directions, device)
        rate = rate + moment.weight * background.project(fov_lon=lon, fov_lat=lat, dtype=dtype)
    return rate


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
