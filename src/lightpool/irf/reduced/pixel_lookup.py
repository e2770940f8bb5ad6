"""Values of a response map at sky positions: pixels are located on the host, values are read on the device.

A response map has few pixels and is mostly read at a single position. So pixel coordinates are host numbers, and only
the requested values are read on the device.
"""

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, device_of, to_device
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.maps import Geom, HpxGeom, Map
from lightpool.maps.rows_and_columns import as_images

__all__ = ["gather_linear", "is_inside", "nearest_index", "pixel_coordinates", "take_pixel", "values_at"]

Floats = NDArray[np.float64]


def pixel_coordinates(geom: Geom, position: SkyCoord) -> tuple[Floats, Floats]:
    """Return the pixel coordinates (x, y) of sky positions, host arrays of the shape of the positions.

    In a region, or in a map of a single pixel, every position belongs to the only pixel: both coordinates are zero.

    Parameters
    ----------
    geom : Geom of the map
    position : SkyCoord, any shape
    """
    shape = np.shape(position)
    image = geom.to_image()
    if np.prod(image.data_shape) == 1:
        return np.zeros(shape), np.zeros(shape)
    if geom.is_hpx:
        # one row of pixels, in the order of the data; -1 is outside
        (place,) = image.data_index(image.coord_to_idx(position))
        return np.reshape(place.astype(np.float64), shape), np.zeros(shape)
    x, y = image.coord_to_pix(position)
    return np.reshape(np.asarray(x, dtype=np.float64), shape), np.reshape(np.asarray(y, dtype=np.float64), shape)


def values_at(m: Map, position: SkyCoord, *, zero_outside: bool = False) -> Array:
    """Interpolate a map between its pixels.

    Parameters
    ----------
    m : Map
    position : SkyCoord, any shape
    zero_outside : bool, whether values outside the map are zero; otherwise they are extrapolated, if that is possible

    Returns
    -------
    values : array of float64, shape ``(..., *position.shape)``, on the device of the map
    """
    geom = m.geom
    if isinstance(geom, HpxGeom) and geom.sky.n_pix > 1:
        (place,), weights = geom.to_image().interp_weights(np.atleast_1d(position))
        # pixels outside have no weight
        return _weighted(
            m.data, place.reshape(4, -1), np.where(place < 0, 0.0, weights).reshape(4, -1), np.shape(position)
        )
    x, y = pixel_coordinates(geom, position)
    images = as_images(m)
    values = gather_linear(images, x, y)
    if not zero_outside:
        return values
    # Here Gammapy evaluates a table whose axes are the pixels, which is zero outside the map.
    n_y, n_x = images.shape[-2:]
    inside = to_device(is_inside(x, n_x) & is_inside(y, n_y), device_of(values))
    return array_namespace(values).where(inside, values, 0.0)


def nearest_index(pix: float, n_pix: int) -> int:
    """Return the index of the nearest pixel: the lower one of two equally near, outside the map the border pixel.

    Parameters
    ----------
    pix : float, pixel coordinate along one direction
    n_pix : int, number of pixels along it
    """
    # `rint` would round halves to even numbers.
    return int(np.clip(np.ceil(pix - 0.5), 0, n_pix - 1))


def is_inside(pix: Floats, n_pix: int) -> NDArray[np.bool_]:
    """Return whether pixel coordinates are inside the map along one direction; both borders are inside.

    Parameters
    ----------
    pix : array of float, any shape, pixel coordinates
    n_pix : int, number of pixels along the direction
    """
    return (pix >= -0.5) & (pix <= n_pix - 0.5)


def take_pixel(data: Array, x: float, y: float) -> Array:
    """Return the values of the nearest pixel, shape ``data.shape[:-2]``.

    Parameters
    ----------
    data : array, shape (..., n_y, n_x)
    x, y : float, pixel coordinates
    """
    n_y, n_x = data.shape[-2:]
    return data[..., nearest_index(y, n_y), nearest_index(x, n_x)]


def gather_linear(data: Array, x: Floats, y: Floats) -> Array:
    """Interpolate linearly between pixel centres; extrapolate beyond the outer ones.

    Parameters
    ----------
    data : array of float, shape (..., n_y, n_x); a direction of one pixel is not interpolated
    x, y : host arrays of float of one shape, pixel coordinates

    Returns
    -------
    values : array of float64, shape ``(..., *x.shape)``, on the device of ``data``
    """
    xp = array_namespace(data)
    *lead, n_y, n_x = data.shape
    flat = xp.reshape(data, (*lead, n_y * n_x))
    along_x, along_y = _corners(np.ravel(x), n_x), _corners(np.ravel(y), n_y)
    corners = [(in_y, in_x) for in_y in along_y for in_x in along_x]
    index = np.stack([index_y * n_x + index_x for (index_y, _), (index_x, _) in corners])
    weight = np.stack([weight_y * weight_x for (_, weight_y), (_, weight_x) in corners])
    return _weighted(flat, index, weight, np.shape(x))


def _weighted(flat: Array, index: NDArray[np.int64], weights: Floats, shape: tuple[int, ...]) -> Array:
    """Sum pixels (..., n_pix) times weights; index and weights have one row for each of the pixels of a position."""
    xp, device = array_namespace(flat), device_of(flat)
    # Stacked, so that all of them need two copies to the device.
    on_device, factor = to_device(np.maximum(index, 0), device), to_device(weights, device)

    def part(i: int) -> Array:
        return as_dtype(xp.take(flat, on_device[i, :], axis=-1), "float64") * factor[i, :]

    values = part(0)
    for i in range(1, len(index)):
        values = values + part(i)
    return xp.reshape(values, (*flat.shape[:-1], *shape))


def _corners(pix: Floats, n_pix: int) -> list[tuple[NDArray[np.int64], Floats]]:
    """Return the indices and weights of the pixels that a coordinate lies between."""
    if n_pix == 1:
        return [(np.zeros(pix.shape, dtype=np.int64), np.ones(pix.shape))]
    # NaN has no whole number; it stays in the fraction, so that the value becomes NaN.
    finite = np.where(np.isfinite(pix), pix, 0.0)
    lower = np.clip(np.floor(finite), 0, n_pix - 2).astype(np.int64)
    fraction = pix - lower
    return [(lower, 1.0 - fraction), (lower + 1, fraction)]
