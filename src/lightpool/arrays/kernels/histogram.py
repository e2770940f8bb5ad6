"""Histograms: events or weights summed in bins."""

import math
from collections.abc import Sequence
from typing import TypeAlias, cast, overload

import array_api_compat
import numpy as np
from array_api_compat import device
from numpy.typing import NDArray

from lightpool.arrays.cuda import binning as cuda_binning
from lightpool.arrays.devices.array_types import Array, HostFloats, Namespace
from lightpool.arrays.devices.devices import array_namespace
from lightpool.arrays.kernels.clipping import clip

__all__ = ["flat_index", "histogram", "histogram_plain", "sum_by_bin", "sum_by_bin_plain"]

Indices: TypeAlias = NDArray[np.int64]


def histogram(index: Sequence[Array], shape: tuple[int, ...], weights: Array | None = None) -> Array:
    """Count events, or sum their weights, in each bin of an n-dimensional map.

    Parameters
    ----------
    index : sequence of arrays of int64 that broadcast together
        Bins on each axis of the map, in the order of ``shape``.
    shape : tuple of int
    weights : array of float64, bool or int that broadcasts with ``index``, or None for 1 each

    Returns
    -------
    counts : array of float64, shape ``shape``
        An event with any index outside its axis is dropped, with its weight.
    """
    xp = array_namespace(*index, weights)
    _check_axes(index, shape)
    if array_api_compat.is_cupy_namespace(xp) and len(shape) <= cuda_binning.MAX_AXES:
        return cuda_binning.histogram(index, shape, weights)
    flat, weights = _flat_index(index, shape, weights, xp=xp)
    return xp.reshape(sum_by_bin(flat, weights, math.prod(shape)), shape)


def histogram_plain(index: Sequence[Array], shape: tuple[int, ...], weights: Array | None = None) -> Array:
    """Count events with the array API standard alone: the reference implementation of `histogram`.

    Parameters
    ----------
    index, shape, weights : see `histogram`
    """
    xp = array_namespace(*index, weights)
    _check_axes(index, shape)
    flat, weights = _flat_index(index, shape, weights, xp=xp)
    return xp.reshape(sum_by_bin_plain(flat, weights, math.prod(shape)), shape)


def _check_axes(index: Sequence[Array], shape: tuple[int, ...]) -> None:
    if len(index) != len(shape):
        raise ValueError(f"got {len(index)} index arrays for a map of {len(shape)} axes, shape {shape}")


def flat_index(index: Sequence[Array], shape: tuple[int, ...]) -> Array:
    """Return one index into a flattened map for each event, -1 for one that is outside along any axis.

    Parameters
    ----------
    index, shape : see `histogram`

    Returns
    -------
    flat : array of int64, shape (n_event,)
    """
    return _flat_index(index, shape, None, xp=array_namespace(*index))[0]


def _flat_index(
    index: Sequence[Array], shape: tuple[int, ...], weights: Array | None, *, xp: Namespace
) -> tuple[Array, Array | None]:
    """Return one index into the flattened map, -1 outside, and the weights, both of shape (n,)."""
    flat = xp.zeros_like(index[0])
    inside: Array | None = None
    # Each axis is checked by itself: an index outside of one axis would name a bin of another row.
    for i, n in zip(index, shape, strict=True):
        flat = flat * n + i
        valid = (i >= 0) & (i < n)
        inside = valid if inside is None else inside & valid
    if inside is not None:
        flat = xp.where(inside, flat, xp.full_like(flat, -1))
    if weights is not None:
        flat, weights = xp.broadcast_arrays(flat, weights)
        weights = xp.reshape(weights, (-1,))
    return xp.reshape(flat, (-1,)), weights


@overload
def sum_by_bin(index: Indices, weights: HostFloats | None, n_bin: int) -> HostFloats: ...
@overload
def sum_by_bin(index: Array, weights: Array | None, n_bin: int) -> Array: ...
def sum_by_bin(index: Array, weights: Array | None, n_bin: int) -> Array:
    """Sum the weights in each bin.

    Parameters
    ----------
    index : array of int64, any shape; an index outside [0, n_bin) is dropped
    weights : array of float64, bool or int, shape of ``index``, or None for 1 each
    n_bin : int

    Returns
    -------
    sums : array of float64, shape (n_bin,)
    """
    xp = array_namespace(index, weights)
    if array_api_compat.is_numpy_namespace(xp):
        return _sum_by_bin_numpy(cast(Indices, index), cast("HostFloats | None", weights), n_bin)
    if array_api_compat.is_cupy_namespace(xp):
        return cuda_binning.histogram([index], (n_bin,), weights)
    return sum_by_bin_plain(index, weights, n_bin)


def _sum_by_bin_numpy(index: Indices, weights: HostFloats | None, n_bin: int) -> HostFloats:
    # np.bincount refuses negative numbers: events outside go to an extra bin, which is cut off. With weights of 1 it
    # counts in float64, the data type of maps; converting integers would need a second map.
    index = np.where((index >= 0) & (index < n_bin), index, n_bin).reshape(-1)
    weights = np.ones(index.size) if weights is None else np.asarray(weights, dtype=np.float64).reshape(-1)
    counts = np.bincount(index, weights, minlength=n_bin + 1)[:n_bin]
    return counts.astype(np.float64, copy=False)  # without events NumPy forgets the type of the weights


def sum_by_bin_plain(index: Array, weights: Array | None, n_bin: int) -> Array:
    """Sum weights with the array API standard alone: the reference implementation of `sum_by_bin`.

    Parameters
    ----------
    index, weights, n_bin : see `sum_by_bin`
    """
    xp = array_namespace(index, weights)
    index = xp.reshape(index, (-1,))
    if index.shape[0] == 0:
        return xp.zeros(n_bin, dtype=xp.float64, device=device(index))
    # Sorted, the events of a bin are a run. Those outside [0, n_bin) are in no run.
    order = xp.argsort(index)
    index = xp.take(index, order)
    bins = xp.arange(n_bin, dtype=index.dtype, device=device(index))
    start = xp.searchsorted(index, bins, side="left")
    end = xp.searchsorted(index, bins, side="right")
    if weights is None:
        return xp.astype(end - start, xp.float64)
    totals = xp.take(xp.reshape(xp.astype(weights, xp.float64), (-1,)), order)
    totals = _running_sum_in_bins(index, totals, xp=xp)
    # An empty bin at the start ends at 0; what is taken for empty bins is replaced by 0.
    last = xp.take(totals, clip(end - 1, 0))
    return xp.where(end > start, last, xp.zeros_like(last))


def _running_sum_in_bins(index: Array, weights: Array, *, xp: Namespace) -> Array:
    """Return running sums of sorted events that start anew in each bin.

    One running sum over all bins and its differences would be shorter, but a small bin after a large one would lose its
    digits, and a NaN would spread to every later bin. Doubling the reach adds in pairs, in log2(n) steps.
    """
    reach, n_event = 1, index.shape[0]
    while reach < n_event:
        same = index[reach:] == index[:-reach]
        head, tail = weights[:reach], weights[reach:]
        weights = xp.concat([head, tail + xp.where(same, weights[:-reach], xp.zeros_like(tail))])
        reach *= 2
    return weights
