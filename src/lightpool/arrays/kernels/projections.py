"""Sky projections of FITS: from pixels to directions and back, in array code.

The numbers of the header are checked on the host, once (`Projection`); pixels and directions stay on their device.
Angles are in radians except in the header; pixel centres are whole numbers that start at 0.

Source: Calabretta & Greisen 2002, A&A 395, 1077; the rules for points that do not project are those of wcslib.
"""

import math

import numpy as np
from array_api_compat import is_cupy_namespace, is_numpy_array

from lightpool.arrays.cuda import directions as cuda_directions
from lightpool.arrays.devices.array_types import Array, Namespace
from lightpool.arrays.devices.devices import Device, array_namespace, find_device
from lightpool.arrays.kernels.native_coordinates import (
    angles_to_plane,
    plane_to_angles,
    plane_to_vector,
    vectors_to_plane,
)
from lightpool.arrays.kernels.sphere import lonlat, rotate, unit_vectors
from lightpool.arrays.projection_parameters import CYLINDRICAL, Projection

__all__ = [
    "pixel_directions",
    "pixel_directions_plain",
    "pixel_to_sky",
    "sky_to_pixel",
]


def _pixel_to_plane(projection: Projection, x: Array, y: Array) -> tuple[Array, Array]:
    """Return coordinates in the plane of projection, unit rad. Rows and columns of an unrotated grid stay separate."""
    (xx, xy), (yx, yy) = projection.cd_rad.tolist()
    # CRPIX counts pixels from 1, the coordinates here from 0.
    dx, dy = x - (projection.crpix[0] - 1.0), y - (projection.crpix[1] - 1.0)
    u = xx * dx if xy == 0 else xx * dx + xy * dy
    v = yy * dy if yx == 0 else yx * dx + yy * dy
    return u, v


def _plane_to_pixel(projection: Projection, u: Array, v: Array) -> tuple[Array, Array]:
    (xx, xy), (yx, yy) = np.linalg.inv(projection.cd_rad).tolist()
    x = xx * u if xy == 0 else xx * u + xy * v
    y = yy * v if yx == 0 else yx * u + yy * v
    return x + (projection.crpix[0] - 1.0), y + (projection.crpix[1] - 1.0)


def pixel_to_sky(projection: Projection, x: Array, y: Array) -> tuple[Array, Array]:
    """Convert pixel coordinates to directions.

    Parameters
    ----------
    projection : Projection
    x, y : arrays of float64 that broadcast together
        Pixel coordinates, whole numbers at pixel centres, from 0.

    Returns
    -------
    lon, lat : arrays of float64, the broadcast shape, unit rad, lon in [0, 2 pi]
        NaN where the pixel is outside of the projected sky.
    """
    xp = array_namespace(x, y)
    if projection.lon_shift is None:
        return lonlat(_directions(projection, x, y, xp=xp))
    u, v = _pixel_to_plane(projection, x, y)
    phi, theta, bad = plane_to_angles(projection.code, u, v)
    lon = xp.remainder(phi + projection.lon_shift, xp.full_like(phi, 2 * math.pi))
    nan = xp.full_like(bad, math.nan, dtype=xp.float64)
    return xp.where(bad, nan, lon), xp.where(bad, nan, theta)


def _directions(projection: Projection, x: Array, y: Array, *, xp: Namespace) -> Array:
    u, v = _pixel_to_plane(projection, x, y)
    if projection.code not in CYLINDRICAL:
        vectors, bad = plane_to_vector(projection.code, u, v)
        vectors = rotate(projection.matrix, vectors)
    else:
        phi, theta, bad = plane_to_angles(projection.code, u, v)
        if projection.lon_shift is None:
            vectors = rotate(projection.matrix, unit_vectors(phi, theta))
        else:
            vectors = unit_vectors(phi + projection.lon_shift, theta)
    # On a device, asking whether a pixel is bad would make the host wait.
    if bad is None or (is_numpy_array(bad) and not bad.any()):
        return vectors
    return xp.where(bad[None, ...], xp.full_like(vectors, math.nan), vectors)


def sky_to_pixel(projection: Projection, lon: Array, lat: Array) -> tuple[Array, Array]:
    """Convert directions to pixel coordinates; the inverse of `pixel_to_sky`.

    Parameters
    ----------
    projection : Projection
    lon, lat : arrays of float64 of one shape, unit rad, any multiple of a turn

    Returns
    -------
    x, y : arrays of float64, shape of ``lon``
        Pixel coordinates, not rounded; NaN where the direction does not project.
    """
    xp = array_namespace(lon, lat)
    if projection.lon_shift is not None:
        phi = lon - projection.lon_shift
        phi = phi - 2 * math.pi * xp.round(phi / (2 * math.pi))  # in [-pi, pi], the range of the map
        return _plane_to_pixel(projection, *angles_to_plane(projection.code, phi, lat))
    native = rotate(projection.matrix.T, unit_vectors(lon, lat))  # the inverse of a rotation is its transpose
    if projection.code not in CYLINDRICAL:
        return _plane_to_pixel(projection, *vectors_to_plane(projection.code, native))
    x, y, z = native[0, ...], native[1, ...], native[2, ...]
    phi, theta = xp.atan2(y, x), xp.atan2(z, xp.hypot(x, y))
    return _plane_to_pixel(projection, *angles_to_plane(projection.code, phi, theta))


def pixel_directions(
    projection: Projection,
    shape: tuple[int, int],
    device: str | Device | None = None,
    first: tuple[int, int] = (0, 0),
) -> Array:
    """Compute the unit vectors of the pixel centres of an image.

    Parameters
    ----------
    projection : Projection
    shape : pair of int, (ny, nx)
    device : str, Device or None (the default device)
    first : pair of int, (y, x) of the first pixel
        A part of an image is bit-identical to that part of the whole.

    Returns
    -------
    vectors : array of float64, shape (3, ny, nx); NaN where the pixel is outside of the projected sky
    """
    target = find_device(device)
    if is_cupy_namespace(target.xp):
        return cuda_directions.pixel_directions(projection, shape, target, first)
    return pixel_directions_plain(projection, shape, target, first)


def pixel_directions_plain(
    projection: Projection, shape: tuple[int, int], device: Device, first: tuple[int, int] = (0, 0)
) -> Array:
    """Compute unit vectors with the array API standard alone: the reference implementation of `pixel_directions`.

    Parameters
    ----------
    projection, shape, first : see `pixel_directions`
    device : Device
    """
    xp = device.xp
    (n_y, n_x), (y_0, x_0) = shape, first
    # Whole numbers, converted afterwards: the same for a pixel whatever the first one is.
    x = xp.astype(xp.arange(x_0, x_0 + n_x, device=device.handle), xp.float64)[None, :]
    y = xp.astype(xp.arange(y_0, y_0 + n_y, device=device.handle), xp.float64)[:, None]
    return _directions(projection, x, y, xp=xp)
