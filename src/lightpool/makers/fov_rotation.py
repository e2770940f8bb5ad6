"""Backgrounds in a field of view that is aligned with the horizon and so turns against the sky."""

from dataclasses import dataclass
from typing import Self

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

__all__ = ["FieldRotation", "background_in_altaz", "rotation_times", "turns_against_the_sky"]

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


def turns_against_the_sky(bkg: IRF) -> bool:
    """Return whether a background table is aligned with the horizon, so that it turns against the sky."""
    return not bkg.has_offset_axis and bkg.fov_alignment == FoVAlignment.ALTAZ


def background_in_altaz(
    background: BackgroundRequest, rotation: FieldRotation, geom: Geom, device: Device, dtype: str = "float64"
) -> Array:
    """Return the mean background rate per solid angle over an observation, by the trapezoidal rule in time.

    Parameters
    ----------
    background : BackgroundRequest of a Background3D aligned with the horizon, for the energies of ``geom``
    rotation : FieldRotation
    geom : Geom with an axis ``energy``
    device : Device of the rate
    dtype : ``float64`` or ``float32``, of the rate

    Returns
    -------
    rate : array of ``dtype`` on ``device``, shape of ``geom``, unit 1 / (s sr)
    """
    pointing, location = rotation.pointing, rotation.location
    seconds = rotation_times(pointing, rotation.start, rotation.ontime, rotation.step, location)
    # Trapezoidal rule: each time has half of the interval before it and half of that after it; the sum is 1.
    weights = np.convolve(np.diff(seconds), [0.5, 0.5]) / seconds[-1]
    to_icrs = frame_matrix(geom.frame, "icrs")
    directions = rotate(to_device(to_icrs, device), geom.directions(device))
    rate = device.xp.zeros(geom.data_shape, dtype=getattr(device.xp, dtype), device=device.handle)
    for second, weight in zip(seconds, weights, strict=True):
        time = rotation.start + second * u.s
        to_fov, velocity = _sky_to_fov(pointing, time, location)
        # Not normalised: `fov_lonlat` takes vectors of any length.
        apparent = directions + to_device(velocity[:, np.newaxis, np.newaxis], device)
        lon, lat = fov_lonlat(rotate(to_device(to_fov, device), apparent))
        rate = rate + float(weight) * background.project(fov_lon=lon, fov_lat=lat, dtype=dtype)
    return rate


def _sky_to_fov(pointing: FixedPointingInfo, time: Time, location: EarthLocation) -> tuple[Vector, Vector]:
    """Return the matrix from ICRS to the field of view at one time, and the velocity that shifts the sky before it.

    Aberration moves a direction ``n`` to that of ``n + v / c``, to second order in the velocity ``v`` of the Earth; the
    rest of the way to the horizon is a rotation over a field of view. Three directions about the pointing fix it.
    """
    _, velocity = get_body_barycentric_posvel("earth", time)
    beta = (velocity.xyz / speed_of_light).to_value("")
    center = pointing.get_icrs(time, location)
    # (3, 3) once they are vectors, one in each column: three directions not in a plane, so that `sky` can be inverted.
    around = center.directional_offset_by(u.Quantity([0, 120, 240], "deg"), 2 * u.deg)
    sky = around.cartesian.xyz.value + beta[:, np.newaxis]
    # Of length 1, like the directions in `horizon`.
    sky /= np.linalg.norm(sky, axis=0)
    horizon = SkyCoord(around).transform_to(AltAz(obstime=time, location=location)).cartesian.xyz.value
    origin = pointing.get_altaz(time, location)
    return fov_matrix(float(origin.az.rad), float(origin.alt.rad)) @ horizon @ np.linalg.inv(sky), beta
