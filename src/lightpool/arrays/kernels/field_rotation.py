"""The field of view of a telescope that turns against the sky."""

from typing import overload

import numpy as np

from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.devices import array_namespace

__all__ = ["horizon_angle", "horizon_matrix", "to_horizon"]


def horizon_angle(pointing: HostFloats, north: HostFloats) -> HostFloats:
    """Return the angle of north in a field of view aligned with the horizon; on the host.

    Parameters
    ----------
    pointing, north : arrays of float64, shape (2, n)
        Azimuth and altitude of the pointing and of a direction to its north, rad.

    Returns
    -------
    angle : array of float64, shape (n,), rad
        From up (increasing altitude) to the direction of increasing azimuth, without jumps of a turn.
    """
    azimuth, altitude = north[0] - pointing[0], north[1]
    along = np.sin(altitude) * np.cos(pointing[1]) - np.cos(altitude) * np.sin(pointing[1]) * np.cos(azimuth)
    return np.unwrap(np.arctan2(np.cos(altitude) * np.sin(azimuth), along))


def horizon_matrix(angle: HostFloats) -> HostFloats:
    """Return the matrices that turn vectors of a field of view along RA and Dec into one aligned with the horizon.

    Parameters
    ----------
    angle : array of float64, shape (n,), see `horizon_angle`

    Returns
    -------
    matrices : array of float64, shape (n, 3, 3)
        Each is its own inverse: azimuth runs from north to east and right ascension the other way, so a mirror is part
        of it.
    """
    cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros(len(angle))
    rows = [[zero + 1.0, zero, zero], [zero, -cos, sin], [zero, sin, cos]]
    return np.moveaxis(np.array(rows), -1, 0)


@overload
def to_horizon(vectors: HostFloats, angle: HostFloats) -> HostFloats: ...
@overload
def to_horizon(vectors: Array, angle: Array) -> Array: ...
def to_horizon(vectors: Array, angle: Array) -> Array:
    """Turn vectors of a field of view along RA and Dec into one aligned with the horizon, each at its own time.

    Parameters
    ----------
    vectors : array of float64, shape (3, n)
        As `lightpool.arrays.fov_matrix` turns them.
    angle : array of float64, shape (n,), see `horizon_angle`

    Returns
    -------
    turned : array of float64, shape (3, n)
        Along the pointing, in the direction of increasing azimuth, and up.
    """
    xp = array_namespace(vectors)
    cos, sin = xp.cos(angle), xp.sin(angle)
    y, z = vectors[1, ...], vectors[2, ...]
    return xp.stack([vectors[0, ...], sin * z - cos * y, sin * y + cos * z])
