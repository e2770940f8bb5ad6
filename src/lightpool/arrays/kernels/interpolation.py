"""Linear interpolation in tables: weights of the nodes, and sums with them."""

import math
from collections.abc import Sequence
from typing import Any, cast, overload

import array_api_compat
import numpy as np
from array_api_compat import device
from numpy.typing import NDArray

from lightpool.arrays.cuda import interpolation as cuda_interpolation
from lightpool.arrays.devices.array_types import Array, HostFloats, Namespace
from lightpool.arrays.devices.blocks import blocks
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name

__all__ = [
    "apply_basis",
    "hat_basis",
    "hat_basis_plain",
    "interpolate_grid",
    "interpolate_grid_nearest",
    "interpolate_grid_plain",
    "interpolation_weights",
    "interpolation_weights_plain",
]


@overload
def interpolation_weights(x: HostFloats, nodes: Array) -> tuple[NDArray[np.int64], HostFloats]: ...
@overload
def interpolation_weights(x: Array, nodes: Array) -> tuple[Array, Array]: ...
def interpolation_weights(x: Array, nodes: Array) -> tuple[Array, Array]:
    """Locate each point between two nodes.

    Parameters
    ----------
    x : array of float64, any shape
    nodes : array of float64, shape (n_node,), ascending, on the scale of ``x``; a NumPy array is copied to the device

    Returns
    -------
    index : array of int64, shape of ``x``
        The node below, at least 0 and at most ``n_node - 2`` (0 if there is one node).
    fraction : array of float64, shape of ``x``
        Weight of the node above. Beyond the outer nodes it is outside [0, 1], which extrapolates. 0 if there is one
        node.
    """
    xp = array_namespace(x)
    nodes = _on_device_of(nodes, x)
    if array_api_compat.is_cupy_namespace(xp):
        return cuda_interpolation.interpolation_weights(x, nodes)
    return interpolation_weights_plain(x, nodes)


def interpolation_weights_plain(x: Array, nodes: Array) -> tuple[Array, Array]:
    """Locate points with the array API standard alone: the reference implementation of `interpolation_weights`.

    Parameters
    ----------
    x, nodes : see `interpolation_weights`
    """
    xp = array_namespace(x)
    nodes = _on_device_of(nodes, x)
    n_node = nodes.shape[0]
    if n_node == 1:
        # The weight of the one node is 1, but a NaN stays a NaN.
        return xp.zeros_like(x, dtype=xp.int64), xp.where(xp.isnan(x), x, xp.zeros_like(x))
    flat = xp.reshape(x, (-1,))
    index: Array
    fraction: Array
    if array_api_compat.is_numpy_namespace(xp) and flat.size > n_node:
        index, fraction = _weights_numpy(cast(HostFloats, flat), cast(HostFloats, nodes))
    else:
        # Searching in the inner nodes alone does the clipping to [0, n_node - 2].
        index = xp.astype(xp.searchsorted(nodes[1:-1], flat, side="right"), xp.int64, copy=False)
        fraction = (flat - xp.take(nodes, index)) / xp.take(xp.diff(nodes), index)
    return xp.reshape(index, x.shape), xp.reshape(fraction, x.shape)


def _weights_numpy(x: HostFloats, nodes: HostFloats) -> tuple[NDArray[np.int64], HostFloats]:
    """Return the weights for many points, computed a block at a time."""
    index, fraction, widths = np.empty(x.size, np.int64), np.empty(x.size), np.diff(nodes)
    step = (nodes[-1] - nodes[0]) / len(widths)
    # Within half a step of even spacing a guess is nearly always right.
    is_even = np.abs(nodes - nodes[0] - step * np.arange(len(nodes))).max() < 0.5 * step
    for block in blocks(x.size):
        _weights_of_block(x[block], nodes, widths, step if is_even else None, index[block], fraction[block])
    return index, fraction


def _weights_of_block(
    x: HostFloats,
    nodes: HostFloats,
    widths: HostFloats,
    step: float | None,
    index: NDArray[np.int64],
    fraction: HostFloats,
) -> None:
    """Fill in the weights. Where the nodes are about one step apart, the node below is guessed, then checked."""
    last = len(widths) - 1
    if step is None:
        index[:] = np.searchsorted(nodes[1:-1], x, side="right")
    else:
        np.subtract(x, nodes[0], out=fraction)
        fraction *= 1 / step
        # fmin, not minimum: a NaN becomes a number that can be an index; its fraction is NaN again below.
        np.fmin(fraction, last, out=fraction)
        np.fmax(fraction, 0, out=fraction)
        index[:] = fraction  # rounds down, as no fraction is negative
    np.subtract(x, nodes.take(index), out=fraction)
    fraction /= widths.take(index)
    if fraction.min() >= 0 and fraction.max() < 1:
        return
    # Not beyond the outer nodes, where the weights extrapolate.
    wrong = np.flatnonzero(((fraction < 0) & (index > 0)) | ((fraction >= 1) & (index < last)))
    if wrong.size:
        index[wrong] = np.searchsorted(nodes[1:-1], x[wrong], side="right")
        fraction[wrong] = (x[wrong] - nodes.take(index[wrong])) / widths.take(index[wrong])


def _on_device_of(values: Array, x: Array, dtype: str = "float64") -> Array:
    return constant(values, device_of(x), dtype=dtype)


def hat_basis(x: Array, nodes: Array, lower: float, upper: float, dtype: str = "float64") -> Array:
    """Compute the weight of each node at each point, so that interpolating a table is a matrix product.

    Parameters
    ----------
    x : array of float64, any shape
    nodes : array of float64, shape (n_node,), ascending; a NumPy array is copied to the device
    lower, upper : float
        Edges of the axis. Between an outer node and the edge the weights extrapolate; outside [lower, upper], and where
        ``x`` is NaN, all of them are 0. Both edges are inside, as when Gammapy evaluates a table.
    dtype : str
        Data type of the weights. They are computed in float64, because they are differences of coordinates.

    Returns
    -------
    basis : array of ``dtype``, shape ``(n_node, *x.shape)``; a single node has weight 1 inside
    """
    xp = array_namespace(x)
    if array_api_compat.is_numpy_namespace(xp):
        return _hat_basis_numpy(cast(HostFloats, x), np.asarray(nodes, dtype=np.float64), lower, upper, dtype)
    if array_api_compat.is_cupy_namespace(xp):
        return cuda_interpolation.hat_basis(x, _on_device_of(nodes, x), lower, upper, dtype)
    return hat_basis_plain(x, nodes, lower, upper, dtype)


def hat_basis_plain(x: Array, nodes: Array, lower: float, upper: float, dtype: str = "float64") -> Array:
    """Compute weights with the array API standard alone: the reference implementation of `hat_basis`.

    Parameters
    ----------
    x, nodes, lower, upper, dtype : see `hat_basis`
    """
    xp = array_namespace(x)
    nodes = _on_device_of(nodes, x)
    n_node = nodes.shape[0]
    inside = (x >= lower) & (x <= upper)
    if n_node == 1:
        return as_dtype(inside, dtype)[None, ...]
    index, fraction = interpolation_weights_plain(x, nodes)
    zero = xp.zeros_like(fraction)
    below = as_dtype(xp.where(inside, 1.0 - fraction, zero), dtype)
    above = as_dtype(xp.where(inside, fraction, zero), dtype)
    zero = xp.zeros_like(below)
    return xp.stack(
        [xp.where(index == k, below, zero) + xp.where(index == k - 1, above, zero) for k in range(n_node)], axis=0
    )


def _hat_basis_numpy(x: HostFloats, nodes: HostFloats, lower: float, upper: float, dtype: str) -> NDArray[Any]:
    """Compute each hat as the difference of two ramps: from 0 to 1 up to its node, and from 0 to 1 beyond it."""
    flat, first, widths = x.reshape(-1), nodes[:-1, None], np.diff(nodes)[:, None]
    basis = np.empty((len(nodes), flat.size), dtype)
    for block in blocks(flat.size):
        points, part = flat[block], basis[:, block]
        inside = (points >= lower) & (points <= upper)
        is_whole = inside.all()
        # Any finite number outside, since NaN times 0 would stay NaN: at the first node only the first weight is not 0.
        points = points if is_whole else np.where(inside, points, nodes[0])
        # In float64, and in place where that is the data type of the weights.
        ramps = part[1:] if part.dtype == points.dtype else np.empty((len(widths), points.size))
        np.subtract(points, first, out=ramps)
        ramps /= widths
        # The first ramp and the last extrapolate. `clip` takes a quarter of the time of a maximum and a minimum.
        np.clip(ramps[1:-1], 0.0, 1.0, out=ramps[1:-1])
        if len(ramps) > 1:
            np.clip(ramps[0], -np.inf, 1.0, out=ramps[0])
            np.clip(ramps[-1], 0.0, np.inf, out=ramps[-1])
        part[0] = 1.0
        if ramps.base is not part.base:
            part[1:] = ramps
        for row, ramp in zip(part, ramps, strict=False):  # one by one, so that NumPy makes no copy of ramps that change
            row -= ramp
        if not is_whole:
            part[0] *= inside
    return basis.reshape(len(nodes), *x.shape)


def apply_basis(table: Array, basis: Array) -> Array:
    """Interpolate a table at every point: the matrix product of its node values and the weights of `hat_basis`.

    Parameters
    ----------
    table : array of float, shape (..., n_node)
        Finite, because a weight of 0 does not hide a NaN. A NumPy array is copied to the device of ``basis``.
    basis : array of float32 or float64, shape ``(n_node, *spatial)``

    Returns
    -------
    values : array of the type of ``basis``, shape ``(..., *spatial)``
    """
    xp = array_namespace(basis)
    table = _on_device_of(table, basis, dtype_name(basis))
    n_node = basis.shape[0]
    if table.shape[-1] != n_node:
        raise ValueError(f"table has {table.shape[-1]} nodes in its last axis, the basis has {n_node} in its first")
    # The usual case, without two reshapes.
    if table.ndim == basis.ndim == 2:
        return xp.matmul(table, basis)
    n_row, n_point = _size(table.shape[:-1]), _size(basis.shape[1:])
    product = xp.matmul(xp.reshape(table, (n_row, n_node)), xp.reshape(basis, (n_node, n_point)))
    return xp.reshape(product, (*table.shape[:-1], *basis.shape[1:]))


def _size(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


def interpolate_grid(values: Array, nodes: Sequence[Array], coords: Sequence[Array]) -> Array:
    """Interpolate a table in any number of coordinates at scattered points: linear in each coordinate, extrapolating.

    Parameters
    ----------
    values : array of float64 or bool, shape (n_1, ..., n_d); a NumPy array is copied to the device of the points
    nodes : sequence of d arrays of float64, shapes (n_1,), ..., (n_d,), ascending; an axis of length 1 is ignored
    coords : sequence of d arrays of float64 that broadcast together

    Returns
    -------
    interpolated : array of float64, the broadcast shape of ``coords``; NaN where a coordinate is NaN
    """
    xp = array_namespace(*coords)
    if array_api_compat.is_cupy_namespace(xp):
        table, shape = to_device(values, device_of(coords[0])), np.broadcast_shapes(*(x.shape for x in coords))
        if cuda_interpolation.can_interpolate(table, shape):
            return cuda_interpolation.interpolate_grid(
                table, [_on_device_of(n, coords[0]) for n in nodes], coords, shape
            )
    return interpolate_grid_plain(values, nodes, coords)


def interpolate_grid_plain(values: Array, nodes: Sequence[Array], coords: Sequence[Array]) -> Array:
    """Interpolate with the array API standard alone: the reference implementation of `interpolate_grid`.

    Parameters
    ----------
    values, nodes, coords : see `interpolate_grid`
    """
    xp = array_namespace(*coords)
    weights = [interpolation_weights_plain(x, n) for x, n in zip(coords, nodes, strict=True)]
    flat, strides = _flat_table(values, coords[0], xp=xp)
    steps = [(s, fraction) for s, (_, fraction), n in zip(strides, weights, values.shape, strict=True) if n > 1]
    index = [i for i, _ in weights]
    if _is_apart(coords, values.shape[0]):
        # All nodes of the first axis in place of its points: (n_node, 1, ..., 1).
        nodes_of_first = xp.reshape(
            xp.arange(values.shape[0], dtype=index[0].dtype, device=device(flat)), (-1, *coords[0].shape[1:])
        )
        # Values at the nodes of the first axis: (n_node, ...).
        planes = _interpolate_corner(flat, _base_index([nodes_of_first, *index[1:]], strides), steps[1:], xp=xp)
        below, fraction = xp.reshape(index[0], (-1,)), weights[0][1]
        result = xp.take(planes, below, axis=0) * (1.0 - fraction) + xp.take(planes, below + 1, axis=0) * fraction
    else:
        result = _interpolate_corner(flat, _base_index(index, strides), steps, xp=xp)
    for (_, fraction), n in zip(weights, values.shape, strict=True):
        if n == 1:
            result = result + fraction  # 0, or NaN where the coordinate is
    return result


def _is_apart(coords: Sequence[Array], n_node: int) -> bool:
    """Return whether the first coordinate has a dimension of its own, which needs at least every other of its nodes.

    Then the values at its nodes are interpolated once in the other coordinates, and not below and above each point.
    """
    n_dim, first = max(x.ndim for x in coords), coords[0].shape
    is_alone = len(first) == n_dim > 1 and math.prod(first[1:]) == 1
    return is_alone and 1 < n_node < 2 * first[0] and all(x.ndim < n_dim or x.shape[0] == 1 for x in coords[1:])


def _flat_table(values: Array, like: Array, *, xp: Namespace) -> tuple[Array, list[int]]:
    strides = [_size(values.shape[axis + 1 :]) for axis in range(values.ndim)]
    return xp.reshape(to_device(values, device_of(like)), (-1,)), strides


def _base_index(index: list[Array], strides: list[int]) -> Array:
    base = index[0] * strides[0]
    for i, stride in zip(index[1:], strides[1:], strict=True):
        base = base + i * stride
    return base


def _interpolate_corner(flat: Array, offset: Array, steps: list[tuple[int, Array]], *, xp: Namespace) -> Array:
    """Halve the corners one coordinate after the other; the last pair is read from the table."""
    if not steps:
        return _taken(flat, offset, xp=xp)
    (stride, fraction), rest = steps[0], steps[1:]
    low = _interpolate_corner(flat, offset, rest, xp=xp)
    high = _interpolate_corner(flat, offset + stride, rest, xp=xp)
    return low * (1.0 - fraction) + high * fraction


def _taken(flat: Array, offset: Array, *, xp: Namespace) -> Array:
    values = xp.take(flat, xp.reshape(offset, (-1,)))
    return xp.reshape(xp.astype(values, xp.float64, copy=False), offset.shape)


def interpolate_grid_nearest(values: Array, nodes: Sequence[Array], coords: Sequence[Array]) -> Array:
    """Look up a table in any number of coordinates at scattered points: the value of the nearest node.

    Parameters
    ----------
    values, nodes, coords : see `interpolate_grid`
        Half way between two nodes the lower one is taken.

    Returns
    -------
    values : array of float64, the broadcast shape of ``coords``; NaN where a coordinate is NaN
    """
    xp = array_namespace(*coords)
    weights = [interpolation_weights(x, n) for x, n in zip(coords, nodes, strict=True)]
    flat, strides = _flat_table(values, coords[0], xp=xp)
    # Beyond the outer nodes too: there the weight is below 0 or above 1.
    index = [i + xp.astype(fraction > 0.5, xp.int64) for i, fraction in weights]
    offset = _base_index(index, strides)
    result = _taken(flat, offset, xp=xp)
    for _, fraction in weights:
        result = xp.where(xp.isnan(fraction), xp.asarray(xp.nan, dtype=xp.float64, device=device(fraction)), result)
    return result
