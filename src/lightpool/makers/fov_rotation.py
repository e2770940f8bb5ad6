"""Backgrounds in a field of view that is aligned with the horizon and so turns against the sky."""

from typing import Any

import astropy.units as u
import numpy as np
from astropy.constants import c as speed_of_light
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body_barycentric_posvel
from astropy.time import Time

from lightpool.arrays import Device, fov_lonlat, fov_matrix, frame_matrix, rotate, to_device
from lightpool.arrays.devices.array_types import Array
from lightpool.data import FixedPointingInfo
from lightpool.irf.projection.project import project_background
from lightpool.maps import Geom

__all__ = ["background_in_altaz", "rotation_times"]

_SHORTEST_STEP = 1.0  # s
_TURNS_PER_DAY = 2 * np.pi / 86400  # rad / s

Vector = np.ndarray[Any, Any]


def rotation_times(
    pointing: FixedPointingInfo, start: Time, ontime: u.Quantity, step: u.Quantity, location: EarthLocation
) -> Vector:
    r"""Times between which the field of view turns by no more than an angle.

    The field turns by :math:`\omega \cos\phi \cos A / \cos h` per unit of time, with the latitude :math:`\phi` of the
    observatory, azimuth :math:`A` and altitude :math:`h` of the pointing.

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


def background_in_altaz(
    bkg: Any,
    pointing: FixedPointingInfo,
    geom: Geom,
    time_start: Time,
    ontime: u.Quantity,
    step: u.Quantity,
    location: EarthLocation,
    device: Device,
    dtype: str = "float64",
) -> Array:
    """Mean background rate per solid angle over an observation, by the trapezoidal rule in time.

    Parameters
    ----------
    bkg : Background3D aligned with the horizon
    step : Quantity, angle, see `rotation_times`
    dtype : ``float64`` or ``float32``, of the rate

    Returns
    -------
    rate : array of ``dtype`` on ``device``, shape of ``geom``, unit 1 / (s sr)
    """
    seconds = rotation_times(pointing, time_start, ontime, step, location)
    weights = np.convolve(np.diff(seconds), [0.5, 0.5]) / seconds[-1]
    to_icrs = frame_matrix(geom.frame, "icrs")
    directions = rotate(to_device(to_icrs, device), geom.directions(device))
    energy = geom.axes["energy"]
    rate = device.xp.zeros(geom.data_shape, dtype=getattr(device.xp, dtype), device=device.handle)
    for second, weight in zip(seconds, weights, strict=True):
        time = time_start + second * u.s
        to_fov, velocity = _sky_to_fov(pointing, time, location)
        apparent = directions + to_device(velocity[:, np.newaxis, np.newaxis], device)
        lon, lat = fov_lonlat(rotate(to_device(to_fov, device), apparent))
        rate = rate + float(weight) * project_background(bkg, energy, fov_lon=lon, fov_lat=lat, dtype=dtype)
    return rate


def _sky_to_fov(pointing: FixedPointingInfo, time: Time, location: EarthLocation) -> tuple[Vector, Vector]:
    """Matrix from ICRS to the field of view at one time, and the velocity that shifts the sky before it.

    Aberration moves a direction ``n`` to that of ``n + v / c``, to second order in the velocity ``v`` of the Earth; the
    rest of the way to the horizon is a rotation over a field of view. Three directions about the pointing fix it.
    """
    _, velocity = get_body_barycentric_posvel("earth", time)
    beta = (velocity.xyz / speed_of_light).to_value("")
    center = pointing.get_icrs(time, location)
    around = center.directional_offset_by([0, 120, 240] * u.deg, 2 * u.deg)
    sky = around.cartesian.xyz.value + beta[:, np.newaxis]
    sky /= np.linalg.norm(sky, axis=0)
    horizon = SkyCoord(around).transform_to(AltAz(obstime=time, location=location)).cartesian.xyz.value
    origin = pointing.get_altaz(time, location)
    return fov_matrix(origin.az.rad, origin.alt.rad) @ horizon @ np.linalg.inv(sky), beta
