"""Reductions, grouping and padding along chosen dimensions; missing values (NaN) are left out."""

import math
import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeAlias, cast

import numpy as np
from array_api_compat import device, is_cupy_array, is_numpy_array
from numpy.typing import NDArray

from lightpool.arrays.cuda import reductions as cuda_reductions
from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.blocks import BLOCK
from lightpool.arrays.devices.devices import array_namespace
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name, is_bool, is_floating
from lightpool.arrays.kernels.lazy_counts import LazyCounts

Mask: TypeAlias = NDArray[np.bool_]

__all__ = [
    "block_sum",
    "operation_name",
    "pad",
    "reduce_groups",
    "reduce_over",
    "sum_over",
    "sums_in_masks",
    "sums_in_masks_plain",
]

_NEUTRAL = {"add": 0.0, "multiply": 1.0, "maximum": -math.inf, "minimum": math.inf}
"""Number that replaces a missing one in each reduction of numbers."""

_LOGIC = ("logical_and", "logical_or")
_ALIASES = {
    "sum": "add",
    "nansum": "add",
    "prod": "multiply",
    "max": "maximum",
    "amax": "maximum",
    "fmax": "maximum",
    "min": "minimum",
    "amin": "minimum",
    "fmin": "minimum",
    "any": "logical_or",
    "all": "logical_and",
}


def operation_name(func: Callable[..., object] | str) -> str:
    """Return the name of a reduction, from a NumPy function such as ``np.add`` or ``np.logical_or``, or from its name.

    Raises
    ------
    ValueError
        If it is not one of the reductions that are implemented here.
    """
    name = func if isinstance(func, str) else getattr(func, "__name__", repr(func))
    name = _ALIASES.get(name, name)
    if name not in _NEUTRAL and name not in _LOGIC:
        raise ValueError(f"reduction {name!r} is not known; it must be one of {sorted([*_NEUTRAL, *_LOGIC])}")
    return name


def reduce_over(x: Array, name: str, axis: int | tuple[int, ...], *, keepdims: bool = False) -> Array:
    """Reduce along dimensions; NaN counts as missing.

    Parameters
    ----------
    x : array of any shape and type; a mask is added up as 0 and 1, float32 in float64
    name : str, one of ``add, multiply, maximum, minimum, logical_and, logical_or``
    axis : int or tuple of int
    keepdims : bool

    Returns
    -------
    result : array; bool for the logical ones
    """
    xp = array_namespace(x)
    if name in _LOGIC:
        truth = as_dtype(x, "bool")
        if is_floating(x):
            # NaN is True as a bool, but it counts as missing and must not decide.
            truth = truth | xp.isnan(x) if name == "logical_and" else truth & ~xp.isnan(x)
        combine = xp.all if name == "logical_and" else xp.any
        return combine(truth, axis=axis, keepdims=keepdims)
    neutral = _NEUTRAL[name]
    if is_bool(x):
        x = as_dtype(x, "int64")
    elif is_floating(x):
        x = xp.where(xp.isnan(x), neutral, x)
    if name == "add":
        return sum_over(x, axis, keepdims=keepdims)
    function = {"multiply": xp.prod, "maximum": xp.max, "minimum": xp.min}[name]
    return function(x, axis=axis, keepdims=keepdims)


def sum_over(x: Array, axis: int | tuple[int, ...] | None, *, keepdims: bool = False) -> Array:
    """Sum along dimensions, in the data type of the array; float32 is summed in float64 and rounded once.

    Parameters
    ----------
    x : array of any shape
    axis : int, tuple of int or None (all dimensions)
    keepdims : bool
    """
    xp = array_namespace(x)
    if dtype_name(x) != "float32":
        return xp.sum(x, axis=axis, keepdims=keepdims)
    return xp.astype(xp.sum(x, axis=axis, keepdims=keepdims, dtype=xp.float64), x.dtype)


def reduce_groups(x: Array, name: str, start: Sequence[int], stop: Sequence[int], axis: int) -> Array:
    """Reduce runs of neighbouring bins along one dimension.

    Parameters
    ----------
    x : array of any shape
    name : str, see `reduce_over`
    start, stop : sequences of int
        First index of each run, and the one after its last.
    axis : int

    Returns
    -------
    result : array, of length ``len(start)`` along the axis
    """
    xp = array_namespace(x)
    runs = []
    for lower, upper in zip(start, stop, strict=True):
        window = [slice(None)] * x.ndim
        window[axis] = slice(lower, upper)
        runs.append(reduce_over(x[tuple(window)], name, axis, keepdims=True))
    return xp.concat(runs, axis=axis)


def block_sum(x: Array, factors: Sequence[int]) -> Array:
    """Sum over blocks of bins; NaN counts as zero and bins beyond the last whole block are left out.

    Parameters
    ----------
    x : array of any shape; a mask is added up as 0 and 1
    factors : length of the blocks along each dimension

    Returns
    -------
    result : array of shape ``x.shape[i] // factors[i]``
    """
    xp = array_namespace(x)
    if is_bool(x):
        x = as_dtype(x, "int64")
    elif is_floating(x):
        x = xp.where(xp.isnan(x), 0.0, x)
    for axis, factor in reversed(list(enumerate(factors))):  # one after the other: sums over neighbours are fast
        if factor > 1:
            before, length, after = x.shape[:axis], x.shape[axis] // factor, x.shape[axis + 1 :]
            x = x[(*(slice(None),) * axis, slice(0, length * factor), ...)]
            x = sum_over(xp.reshape(x, (*before, length, factor, *after)), axis + 1)
    return x


def pad(x: Array, widths: Sequence[tuple[int, int]], *, mode: str = "constant", cval: float = 0) -> Array:
    """Add bins at both ends of each dimension.

    Parameters
    ----------
    x : array of any shape
    widths : number of bins before and after, along each dimension
    mode : ``constant`` fills with ``cval``, ``edge`` repeats the outermost bin
    cval : number

    Raises
    ------
    ValueError
        If the mode is another one.
    """
    xp = array_namespace(x)
    if mode not in ("constant", "edge"):
        raise ValueError(f"padding mode {mode!r} is not known; it must be 'constant' or 'edge'")
    if mode == "constant":
        shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
        padded = xp.full(shape, _scalar_like(x, cval), dtype=x.dtype, device=device(x))
        padded[tuple(slice(b, b + n) for n, (b, _) in zip(x.shape, widths, strict=True))] = x
        return padded
    for axis, (before, after) in enumerate(widths):
        index = [0] * before + list(range(x.shape[axis])) + [x.shape[axis] - 1] * after
        if before or after:
            x = xp.take(x, xp.asarray(index, device=device(x)), axis=axis)
    return x


def _scalar_like(x: Array, value: float) -> bool | int | float:
    if is_bool(x):
        return bool(value)
    return float(value) if is_floating(x) else int(value)


def sums_in_masks(values: Sequence[Array | LazyCounts], masks: Sequence[Array]) -> Array:
    """Sum some maps over the pixels of each plane that all masks keep and where no map is NaN.

    Parameters
    ----------
    values : arrays of float64 or float32, all of one shape (..., ny, nx), or `LazyCounts` of this shape
    masks : arrays of bool of this shape

    Returns
    -------
    sums : array of float64, shape (number of maps, ...)
    """
    # Small images have at most some thousand pixels, of which arrays are made at once.
    is_large = math.prod(values[0].shape[-2:]) >= BLOCK
    counts = {number: x for number, x in enumerate(values) if isinstance(x, LazyCounts) and x.is_sparse and is_large}
    arrays = [x if number in counts or not isinstance(x, LazyCounts) else x.values() for number, x in enumerate(values)]
    others = cast("Sequence[Array]", [x for number, x in enumerate(arrays) if number not in counts])
    if not counts and all(is_cupy_array(x) for x in (*others, *masks)) and cuda_reductions.can_sum(others, masks):
        return cuda_reductions.sums_in_masks(others, masks)
    if not all(is_numpy_array(x) for x in (*others, *masks)):
        return sums_in_masks_plain(cast("Sequence[Array]", arrays), masks)
    if not is_large:
        return _sums_of_small_images(cast("Sequence[HostFloats]", arrays), cast("Sequence[Mask]", masks))
    return _sums_in_masks_numpy(cast("Sequence[HostFloats | LazyCounts]", arrays), cast("Sequence[Mask]", masks))


def _sums_in_masks_numpy(values: Sequence[HostFloats | LazyCounts], masks: Sequence[Mask]) -> HostFloats:
    """Sum by scalar products with the masks; a mask that neighbouring planes share is converted to numbers once."""
    planes = values[0].shape[:-2]
    sums = np.zeros((len(values), *planes))
    arrays = [(number, x) for number, x in enumerate(values) if not isinstance(x, LazyCounts)]
    for number, value in enumerate(values):
        if isinstance(value, LazyCounts):
            sums[number] = value.sums_in_masks(masks)
    kept: Mask | None = None
    factor = np.zeros(0)
    for plane in np.ndindex(planes):
        mask: Mask = reduce(np.logical_and, [mask[plane] for mask in masks])
        if kept is None or not np.array_equal(mask, kept):
            kept, factor = mask, mask.reshape(-1).astype(np.float64)
        if kept.any():
            for number, array in arrays:
                sums[number, *plane] = _dot(array[plane].reshape(-1), factor)
            # NaN times 0 is NaN: sum this plane again, without its NaN.
            if not np.isfinite(sums[:, *plane]).all():
                maps = [_on_host(x)[plane] for x in values]
                sums[:, *plane] = cast(HostFloats, sums_in_masks_plain(maps, [kept]))
    return sums


def _on_host(values: HostFloats | LazyCounts) -> HostFloats:
    return cast(HostFloats, values.values()) if isinstance(values, LazyCounts) else values


def _sums_of_small_images(values: Sequence[HostFloats], masks: Sequence[Mask]) -> HostFloats:
    """Sum all planes at once; a scalar product of a plane is not longer than those of `_dot`."""
    planes, n_pixel = values[0].shape[:-2], math.prod(values[0].shape[-2:])
    kept = reduce(np.logical_and, masks).reshape(-1, n_pixel)
    factors = kept.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinity times 0 is NaN
        products = [np.vecdot(value.reshape(-1, n_pixel), factors) for value in values]
    sums = np.stack(products).astype(np.float64, copy=False)
    is_used = kept.any(axis=1)
    sums[:, ~is_used] = 0.0
    # NaN times 0 is NaN: sum these planes again, without their NaN.
    for number in np.flatnonzero(~np.isfinite(sums).all(axis=0)):
        shape = values[0].shape[-2:]
        maps, mask = [value.reshape(-1, *shape)[number] for value in values], kept[number].reshape(shape)
        sums[:, number] = cast(HostFloats, sums_in_masks_plain(maps, [mask]))
    return sums.reshape(len(values), *planes)


def _dot(x: HostFloats, y: HostFloats) -> float:
    """Compute a scalar product in blocks that are too short for BLAS to split among threads.

    Otherwise the last bits would depend on the number of threads.
    """
    n = x.size - x.size % BLOCK
    blocks = np.vecdot(x[:n].reshape(-1, BLOCK), y[:n].reshape(-1, BLOCK))
    return float(np.sum(blocks) + np.dot(x[n:], y[n:]))


def sums_in_masks_plain(values: Sequence[Array], masks: Sequence[Array]) -> Array:
    """Sum maps with the array API standard alone: the reference implementation of `sums_in_masks`.

    Parameters
    ----------
    values, masks : see `sums_in_masks`
    """
    xp = array_namespace(values[0])
    kept = reduce(operator.and_, [*masks, *(~xp.isnan(value) for value in values)])
    if len({dtype_name(value) for value in values}) > 1:
        values = [as_dtype(value, "float64") for value in values]
    both = xp.where(kept, xp.stack(list(values)), xp.zeros_like(values[0]))
    return xp.sum(both, axis=(-2, -1), dtype=xp.float64)
