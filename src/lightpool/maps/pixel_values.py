"""Reading, filling and interpolating arrays at pixel coordinates.

Pixel coordinates are in the order of `Geom.coord_to_pix`, (x, y, axis 0, axis 1, ...), host arrays that broadcast
with each other. The data have the reverse order of dimensions and may be on any device.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from array_api_compat import device
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.devices.array_types import Array, Index
from lightpool.arrays.devices.blocks import in_blocks
from lightpool.arrays.devices.device_tables import Constant, announce_constants
from lightpool.arrays.devices.devices import Device, array_namespace, device_of, to_device
from lightpool.arrays.devices.dtypes import as_dtype, is_bool, is_floating
from lightpool.arrays.kernels.events import EDGE
from lightpool.arrays.kernels.histogram import histogram
from lightpool.arrays.kernels.interpolation import (
    interpolate_grid,
    interpolate_grid_nearest,
)
from lightpool.arrays.kernels.scales import scale_values, unscale_values

__all__ = [
    "HostArray",
    "Pix",
    "count_pixels",
    "interpolate_pixels",
    "is_inside",
    "nearest_index",
    "put_pixels",
    "take_pixels",
]

HostArray: TypeAlias = NDArray[Any]
Pix: TypeAlias = Sequence[ArrayLike]
"""Pixel coordinates or indices, (x, y, axis 0, axis 1, ...)."""


def nearest_index(pix: Pix, edge: float = EDGE) -> tuple[HostArray, ...]:
    """Return the pixel that contains each pixel coordinate; halves belong to the upper pixel.

    Parameters
    ----------
    pix : pixel coordinates; integers are returned as they are
    edge : float
        On the sky (the first two coordinates), a position within this distance of a half counts as the half.

    Returns
    -------
    index : tuple of arrays of int64 with at least one dimension; -1 where a coordinate is not finite
    """
    index = []
    for number, values in enumerate(pix):
        array = np.atleast_1d(np.asarray(values))
        if not np.issubdtype(array.dtype, np.integer):
            rounded = np.floor(array + (0.5 + edge if number < 2 else 0.5))
            array = np.where(np.isfinite(rounded), rounded, -1.0).astype(np.int64)
        index.append(array)
    return tuple(index)


def is_inside(index: Sequence[HostArray], shape: Sequence[int]) -> HostArray:
    """Return whether each pixel is inside data of a shape.

    Parameters
    ----------
    index : pixel indices
    shape : shape of the data, in the reverse order of the indices
    """
    inside = np.ones((1,), dtype=bool)
    for values, length in zip(index, reversed(shape), strict=True):
        inside = inside & (values >= 0) & (values < length)
    return inside


def _flat_index(index: Sequence[HostArray], shape: Sequence[int]) -> HostArray:
    """Return the index of each pixel in the flattened data; pixels outside are moved to the nearest one inside."""
    flat: HostArray | int = 0
    for values, length in zip(reversed(index), shape, strict=True):
        # row-major, with the indices in the order of the data
        flat = flat * length + np.clip(values, 0, length - 1)
    return np.asarray(flat)


def take_pixels(data: Array, index: Sequence[HostArray]) -> Array:
    """Return the values of pixels.

    Parameters
    ----------
    data : array on any device
    index : pixel indices; those outside the data are moved to the nearest pixel inside

    Returns
    -------
    values : array on the device of the data, of the broadcast shape of the indices, with at least one dimension
    """
    xp, target = array_namespace(data), device_of(data)
    table = xp.reshape(data, (-1,))

    def part(*index: HostArray) -> Array:
        flat = _flat_index(index, data.shape)
        taken = xp.take(table, to_device(flat.reshape(-1).astype(np.int64), target), axis=0)
        return xp.reshape(taken, flat.shape)

    return _in_blocks(part, np.broadcast_arrays(*index), 4, target)


def _in_blocks(make: Callable[..., Array], pix: Sequence[Array], n_array: int, target: Device) -> Array:
    """Compute values at coordinates that broadcast together, a few planes or rows at a time if memory is short.

    ``make`` is a function of the coordinates, which have the same number of dimensions, at least one. It needs
    ``n_array`` arrays with 8 bytes for each value.
    """
    shape = np.broadcast_shapes(*(values.shape for values in pix))
    axis = next((i for i, length in enumerate(shape) if length > 1), 0)

    def part(block: slice) -> Array:
        index: Index = (*[slice(None)] * axis, block, ...)
        return make(*(values[index] if values.shape[axis] > 1 else values for values in pix))

    return in_blocks(part, shape[axis], 8 * n_array * math.prod(shape[axis + 1 :]), target, axis)


def put_pixels(data: Array, index: Sequence[HostArray], values: object) -> Array:
    """Return a copy of the data with new values in some pixels.

    Parameters
    ----------
    data : array on any device
    index : pixel indices
        Pixels outside the data are ignored; if one occurs several times, its last value counts.
    values : array or number that broadcasts to the shape of the indices
    """
    xp = array_namespace(data)
    inside = is_inside(index, data.shape)
    flat = np.broadcast_to(_flat_index(index, data.shape), inside.shape)
    source = np.full(int(np.prod(data.shape)), -1, dtype=np.int64)  # which of the values goes into each pixel
    # NumPy keeps the last of repeated indices; other libraries do not promise one
    source[flat[inside]] = np.arange(inside.size).reshape(inside.shape)[inside]
    target = device_of(data)
    # such as torch.float32, without the name of the library
    new = as_dtype(to_device(values, target), str(data.dtype).rpartition(".")[2])
    new = xp.reshape(xp.broadcast_to(new, inside.shape), (-1,))
    chosen = to_device(source, target)
    taken = xp.take(new, xp.where(chosen < 0, 0, chosen), axis=0)
    return xp.reshape(xp.where(chosen < 0, xp.reshape(data, (-1,)), taken), data.shape)


def count_pixels(index: Sequence[Array], shape: Sequence[int], weights: Array | None = None) -> Array:
    """Count the entries in each pixel, or sum their weights.

    Parameters
    ----------
    index : pixel indices, arrays on one device; entries outside the data are ignored
    shape : shape of the data, in the reverse order of the indices
    weights : array on the same device, optional

    Returns
    -------
    counts : array of float64
    """
    xp = array_namespace(*index)
    spread = xp.broadcast_arrays(*index) if weights is None else xp.broadcast_arrays(*index, weights)
    flat = [xp.reshape(values, (-1,)) for values in spread]
    if weights is None:
        # reversed, into the order of the data
        return histogram(flat[::-1], tuple(shape))
    # all but the last, the weights
    return histogram(flat[-2::-1], tuple(shape), weights=as_dtype(flat[-1], "float64"))


def interpolate_pixels(
    data: Array,
    pix: Pix,
    *,
    method: str = "linear",
    fill_value: float | None = None,
    values_scale: str = "lin",
) -> Array:
    """Interpolate between pixel centres, in float64.

    Parameters
    ----------
    data : array; values that are not finite count as zero
    pix : pixel coordinates, host arrays
    method : ``linear`` or ``nearest``
    fill_value : number, optional
        Value outside the data and where the result is not finite; by default the outermost bins are extrapolated.
    values_scale : ``lin``, ``log`` or ``sqrt``
        Scale on which the values are interpolated.

    Raises
    ------
    ValueError
        If the method is not known.
    """
    if method not in ("linear", "nearest"):
        raise ValueError(f"interpolation method {method!r} is not known; it must be 'linear' or 'nearest'")
    if not (is_bool(data) and values_scale == "lin"):  # a mask is converted only where it is read
        data = scale_values(_finite(as_dtype(data, "float64")), values_scale)
    host = [np.asarray(values, dtype=float) for values in pix]
    if method == "nearest":  # at equal distance the upper pixel, as in `nearest_index`
        host = [values + EDGE if number < 2 else values for number, values in enumerate(host)]
    n_dim, target = max(values.ndim for values in host), device_of(data)
    # all with the same number of dimensions, as `_in_blocks` needs them
    host = [values.reshape((1,) * (n_dim - values.ndim) + values.shape) for values in host]
    constants = [Constant(values) for values in reversed(host)]
    # all coordinates go to the device in one transfer
    announce_constants(constants, target)
    coords = [each.on(target) for each in constants]

    def part(*coords: Array) -> Array:
        return _interpolated(data, coords, method, fill_value, values_scale)

    return _in_blocks(part, coords, 4 * data.ndim, target) if n_dim else part(*coords)


def _interpolated(
    data: Array, coords: Sequence[Array], method: str, fill_value: float | None, values_scale: str
) -> Array:
    """Interpolate scaled data and undo the scale; the coordinates are in the order of the data."""
    xp = array_namespace(data)
    nodes = [xp.arange(length, dtype=xp.float64, device=device(data)) for length in data.shape]
    interpolate = interpolate_grid if method == "linear" else interpolate_grid_nearest
    values = unscale_values(interpolate(data, nodes, coords), values_scale)
    shape = np.broadcast_shapes(*(v.shape for v in coords))
    values = xp.broadcast_to(values, shape)  # dimensions with one bin are not interpolated
    if fill_value is None:
        return values
    valid = xp.isfinite(values)
    for number, (coord, length) in enumerate(zip(coords, data.shape, strict=True)):
        nearest = xp.floor(coord + (0.5 + EDGE if number >= data.ndim - 2 else 0.5))
        valid = valid & (nearest >= 0) & (nearest < length)  # False for NaN too
    return xp.where(valid, values, float(fill_value))


def _finite(data: Array) -> Array:
    """Replace values that are not finite by zero, unless all are."""
    if not is_floating(data):
        return data
    xp = array_namespace(data)
    finite = xp.isfinite(data)
    # `any` stays on the device: an `if` would wait for it
    return xp.where(finite | ~xp.any(finite), data, 0.0)
