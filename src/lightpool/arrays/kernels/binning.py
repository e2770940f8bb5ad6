"""Coordinates to bins and to pixel numbers of an axis."""

import math
from typing import cast, overload

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.cuda import binning as cuda_binning
from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import array_namespace, device_of
from lightpool.arrays.kernels.clipping import clip
from lightpool.arrays.kernels.scales import scale_values, unscale_values

__all__ = [
    "bin_index",
    "bin_index_plain",
    "coord_to_pix",
    "pix_in_bins",
    "pix_to_coord",
    "scale_values",
    "snap_to_edges",
    "unscale_values",
]

_FIRST_NODE = {"center": 0.0, "edges": -0.5}

_EPS = float(np.finfo(np.float64).eps)

_ROUNDING_OF_UNITS = 4 * _EPS
"""Relative error of a value whose unit was converted: rounding of the factor, the product, and the stored value."""


@overload
def bin_index(x: HostFloats, edges: Array, *, clip: bool = False) -> NDArray[np.int64]: ...
@overload
def bin_index(x: Array, edges: Array, *, clip: bool = False) -> Array: ...
def bin_index(x: Array, edges: Array, *, clip: bool = False) -> Array:
    """Return the bin of each value; bins are half-open, [lower, upper).

    Parameters
    ----------
    x : array of float64, any shape
    edges : array of float64, shape (n_bin + 1,), ascending; a NumPy array is copied to the device
    clip : bool
        Whether finite values outside belong to the outer bins.

    Returns
    -------
    index : array of int64, shape of ``x``
        -1 outside, on the last edge, and where ``x`` is not finite.
    """
    xp = array_namespace(x)
    edges = constant(edges, device_of(x), dtype="float64")
    if array_api_compat.is_cupy_namespace(xp):
        return cuda_binning.bin_index(x, edges, clip)
    return bin_index_plain(x, edges, clip=clip)


def bin_index_plain(x: Array, edges: Array, *, clip: bool = False) -> Array:
    """Return the bin of each value, with the array API standard alone: the reference implementation of `bin_index`.

    Parameters
    ----------
    x, edges, clip : see `bin_index`; both arrays are on one device
    """
    xp = array_namespace(x)
    # Searching in the inner edges alone does the clipping to [0, n_bin - 1].
    index = xp.astype(xp.searchsorted(edges[1:-1], x, side="right"), xp.int64, copy=False)
    # A NaN, which the search puts into a bin too, fails both tests.
    valid = xp.isfinite(x) if clip else (x >= edges[0]) & (x < edges[-1])
    return xp.where(valid, index, xp.full_like(index, -1))


def snap_to_edges(x: HostFloats, edges: HostFloats) -> HostFloats:
    """Move values that differ from an edge only by the rounding of a unit conversion onto that edge; on the host.

    Parameters
    ----------
    x : NumPy array of float64, any shape
    edges : NumPy array of float64, shape (n_bin + 1,), ascending

    Returns
    -------
    snapped : NumPy array of float64, shape of ``x``
    """
    with np.errstate(invalid="ignore"):  # infinity minus infinity, where both are
        for side in (-1, 0):  # the edge below the value, then the one at or above it
            number = np.clip(np.searchsorted(edges, x) + side, 0, len(edges) - 1)
            nearest = edges[number]
            x = np.where(np.abs(x - nearest) <= _ROUNDING_OF_UNITS * np.abs(nearest), nearest, x)
    return x


@overload
def pix_in_bins(pix: HostFloats, x: HostFloats, edges: Array, *, is_descending: bool = False) -> HostFloats: ...
@overload
def pix_in_bins(pix: Array, x: Array, edges: Array, *, is_descending: bool = False) -> Array: ...
def pix_in_bins(pix: Array, x: Array, edges: Array, *, is_descending: bool = False) -> Array:
    """Correct pixel coordinates for their rounding, so that the nearest whole number is the bin of the value.

    Parameters
    ----------
    pix : array of float64, shape of ``x``, from `coord_to_pix`
    x : array of float64, any shape
    edges : array of float64, shape (n_bin + 1,), ascending; a NumPy array is copied to the device
    is_descending : bool
        Whether bins are counted from the last edge.

    Returns
    -------
    pix : array of float64
        floor(pix + 0.5) is the bin that `bin_index` finds, and no bin where the value is outside.
    """
    xp = array_namespace(x)
    edges = constant(edges, device_of(x), dtype="float64")
    n_bin = int(edges.shape[0]) - 1
    if array_api_compat.is_numpy_namespace(xp) and _are_in_bins(pix, x, edges, is_descending):
        return pix  # nearly always
    # -1 below the first edge, n_bin from the last edge on.
    bins = xp.astype(xp.searchsorted(edges, xp.reshape(x, (-1,)), side="right"), xp.float64) - 1.0
    bins = xp.reshape(bins, x.shape)
    if is_descending:
        bins = (n_bin - 1.0) - bins
    # Outside of the axis there is one bound only, so that values keep their distance from it. The upper bound is just
    # below the edge, which belongs to the next bin: adding 0.5 must not round up to it.
    low = xp.where(bins < 0, xp.full_like(bins, -math.inf), bins - 0.5)
    high = bins + 0.5
    high = xp.where(bins >= n_bin, xp.full_like(bins, math.inf), high - 4 * _EPS * xp.abs(high))
    # not `clip`: a NaN stays one
    pix = xp.where(pix < low, low, pix)
    return xp.where(pix > high, high, pix)


def _are_in_bins(pix: Array, x: Array, edges: Array, is_descending: bool) -> bool:
    """Return whether each value lies between the edges of the bin of its pixel coordinate; False if one is not finite.

    A search for the bins of the values takes several times as long.
    """
    pix, x, edges = cast(HostFloats, pix), cast(HostFloats, x), cast(HostFloats, edges)
    n_bin = len(edges) - 1
    # fmin, not minimum: a NaN becomes a number that can be an index
    number = np.maximum(np.fmin(np.floor(pix + 0.5), float(n_bin)), -1.0).astype(np.intp)
    if is_descending:
        number = (n_bin - 1) - number
    # The bins -1 and n_bin, of values outside, extend to infinity.
    bounds = np.concatenate([[-np.inf], edges, [np.inf]])
    number += 1
    if not np.all(np.take(bounds, number) <= x):
        return False
    number += 1
    return bool(np.all(x < np.take(bounds, number)))


@overload
def coord_to_pix(x: HostFloats, nodes: Array, scale: str = "lin", *, node_type: str = "center") -> HostFloats: ...
@overload
def coord_to_pix(x: Array, nodes: Array, scale: str = "lin", *, node_type: str = "center") -> Array: ...
def coord_to_pix(x: Array, nodes: Array, scale: str = "lin", *, node_type: str = "center") -> Array:
    """Convert values to pixel coordinates, not rounded: linear between the nodes on a scale, extrapolating.

    Parameters
    ----------
    x : array of float64, any shape
    nodes : array of float64, shape (n_node,), ascending, not scaled; a NumPy array is copied to the device
    scale : str
        ``lin``, ``log`` or ``sqrt``.
    node_type : str
        ``center`` (the first node is pixel 0) or ``edges`` (it is pixel -0.5).

    Returns
    -------
    pix : array of float64, shape of ``x``
        If there is only one node, all values lie on its pixel.
    """
    xp = array_namespace(x)
    nodes = scale_values(constant(nodes, device_of(x), dtype="float64"), scale)
    flat = xp.reshape(scale_values(x, scale), (-1,))
    if nodes.shape[0] == 1:
        pix = xp.where(xp.isnan(flat), flat, xp.zeros_like(flat))
    else:
        # The order of this weighted sum makes the result bit-identical to that of Gammapy's spline of degree 1.
        below = xp.astype(xp.searchsorted(nodes[1:-1], flat, side="right"), xp.int64, copy=False)
        lower, upper = xp.take(nodes, below), xp.take(nodes, below + 1)
        slope = 1.0 / (upper - lower)
        below = xp.astype(below, xp.float64)
        pix = below * (slope * (upper - flat)) + (below + 1.0) * (slope * (flat - lower))
    return xp.reshape(pix + _FIRST_NODE[node_type], x.shape)


@overload
def pix_to_coord(pix: HostFloats, nodes: Array, scale: str = "lin", *, node_type: str = "center") -> HostFloats: ...
@overload
def pix_to_coord(pix: Array, nodes: Array, scale: str = "lin", *, node_type: str = "center") -> Array: ...
def pix_to_coord(pix: Array, nodes: Array, scale: str = "lin", *, node_type: str = "center") -> Array:
    """Convert pixel coordinates to values; the inverse of `coord_to_pix`.

    Parameters
    ----------
    pix : array of float64, any shape
    nodes, scale, node_type : see `coord_to_pix`
    """
    xp = array_namespace(pix)
    nodes = scale_values(constant(nodes, device_of(pix), dtype="float64"), scale)
    n_node = nodes.shape[0]
    flat = xp.reshape(pix - _FIRST_NODE[node_type], (-1,))
    if n_node == 1:
        return unscale_values(xp.reshape(xp.where(xp.isnan(flat), flat, nodes[0]), pix.shape), scale)
    # A NaN cannot be converted to an index: it takes node 0 and stays NaN by its fraction.
    below = clip(xp.floor(xp.where(xp.isnan(flat), xp.zeros_like(flat), flat)), 0.0, float(n_node - 2))
    index = xp.astype(below, xp.int64)
    # Beyond the outer nodes one weight is negative, which extrapolates.
    scaled = xp.take(nodes, index) * (below + 1.0 - flat) + xp.take(nodes, index + 1) * (flat - below)
    return unscale_values(xp.reshape(scaled, pix.shape), scale)
