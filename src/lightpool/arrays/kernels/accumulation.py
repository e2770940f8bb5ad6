"""Sums of products of arrays, added to a window of another array."""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, TypeAlias, cast

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.cuda import accumulation as cuda_accumulation
from lightpool.arrays.devices.array_types import Array, HostFloats, Index, Scalar
from lightpool.arrays.devices.blocks import BLOCK, blocks_that_fit, pieces, quiet_on_windows
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name, is_bool, is_floating
from lightpool.arrays.devices.lazy_array import LazyArray, PartIndex
from lightpool.arrays.kernels.lazy_counts import LazyCounts

__all__ = ["add_at", "add_product", "add_product_plain"]

Factor: TypeAlias = Array | LazyArray | Scalar
"""What can be multiplied: an array, one that is computed by window, or a number of Python."""

HostFactor: TypeAlias = NDArray[np.float64] | Scalar
Mask: TypeAlias = NDArray[np.bool_]


_N_TOGETHER = 8 * BLOCK
"""Elements of a product that are computed and added at once on the host."""

_N_WORK = 4  # arrays of the size of a product that are in memory while it is made and added


def add_product(total: Array, factors: Sequence[Factor], window: Index = (...,), *, nan_to_num: bool = True) -> None:
    """Add the product of some arrays to a window of an array, in place; masks are combined with "or".

    Parameters
    ----------
    total : array of any type
    factors : sequence of arrays, `LazyArray` and Python numbers, at least one array
        They broadcast to the shape of the window. Masks count as 0 and 1. A `LazyArray` has the shape of the window; it
        is computed and added part by part.
    window : index of slices
    nan_to_num : bool
        Whether to add zero where the product is not finite.
    """
    # an image has one part; indices of parts have a dimension more than it
    lazy = next((factor for factor in factors if isinstance(factor, LazyArray) and len(factor.shape) > 2), None)
    # On the host always part by part, while a part is in the cache; on a device only if there are several parts.
    if lazy is not None and (lazy.device.is_host or lazy.height < lazy.shape[-2]):
        others = [_values(factor) for factor in factors if factor is not lazy]
        whole = total[window]
        if isinstance(lazy, LazyCounts) and lazy.is_sparse and _is_simple(total, others) and _are_masks(others):
            _add_counts_numpy(cast(HostFloats, whole), lazy, cast("Sequence[Mask]", others))
            return
        if lazy.device.is_host and _is_simple(total, others) and lazy.dtype == total.dtype:
            _add_parts_numpy(cast(HostFloats, whole), lazy, cast("Sequence[HostFactor]", others), nan_to_num)
            return
        for index, part in lazy.parts():
            rest = [_part(factor, index, whole.ndim) for factor in others]
            add_product(whole, [part, *rest], index, nan_to_num=nan_to_num)
        return
    factors = [_values(factor) for factor in factors]
    if _is_simple(total, factors):
        _add_product_numpy(cast(HostFloats, total[window]), cast("Sequence[HostFactor]", factors), nan_to_num)
    elif not (array_api_compat.is_cupy_array(total) and _add_product_cuda(total[window], factors, nan_to_num)):
        add_product_plain(total, factors, window, nan_to_num=nan_to_num)


def add_product_plain(
    total: Array, factors: Sequence[Factor], window: Index = (...,), *, nan_to_num: bool = True
) -> None:
    """Add the product of some arrays, with the array API standard alone: the reference implementation of `add_product`.

    Parameters
    ----------
    total, factors, window, nan_to_num : see `add_product`
    """
    values = [_values(factor) for factor in factors]
    whole = total[window]
    # Bytes for each index of the first axis; 8 also for float32, whose blocks are then smaller than necessary.
    n_dim, n_bytes = len(whole.shape), 8 * _N_WORK * math.prod(whole.shape[1:])
    planes = blocks_that_fit(whole.shape[0], n_bytes, device_of(total)) if n_dim > 2 else []
    if len(planes) < 2:
        _add_product(total, values, window, nan_to_num)
        return
    for block in planes:
        index = (block, ..., slice(None), slice(None))
        _add_product(whole, [_part(factor, index, n_dim) for factor in values], index, nan_to_num)


def add_at(total: Array, places: NDArray[np.int64], values: Array) -> Array:
    """Add values to some elements of the last dimension of an array; masks are combined with "or".

    Parameters
    ----------
    total : array, shape (..., n); on the host it is changed in place
    places : array of int64 on the host, shape (m,), without repeats; what has -1 is added nowhere
    values : array, shape (..., m), of the data type of ``total``

    Returns
    -------
    total : array; on the host that which was given
    """
    xp = array_namespace(total)
    kept = places >= 0
    if isinstance(total, np.ndarray) and isinstance(values, np.ndarray):
        where, more = (places, values) if kept.all() else (places[kept], values[..., kept])
        # row by row: NumPy selects elements of one dimension in half the time
        for row in np.ndindex(total.shape[:-1]):
            here = total[row].take(where)
            total[row][where] = np.logical_or(here, more[row]) if is_bool(total) else here + more[row]
        return total
    # The standard has no assignment to numbered elements: each element takes its value, or an extra zero at the end.
    source = np.full(total.shape[-1], places.size, dtype=np.int64)
    source[places[kept]] = np.flatnonzero(kept)
    zero = xp.zeros((*values.shape[:-1], 1), dtype=values.dtype, device=device_of(values).handle)
    added = xp.take(xp.concat([values, zero], axis=-1), to_device(source, device_of(total)), axis=-1)
    return total | added if is_bool(total) else total + added


def _add_product(total: Array, factors: Sequence[Array | Scalar], window: Index, nan_to_num: bool) -> None:
    product = cast(Array, _product(factors))
    if nan_to_num and is_floating(product):
        xp = array_namespace(product)
        # Selected, not multiplied by a mask: NaN times 0 is NaN.
        product = xp.where(xp.isfinite(product), product, 0.0)
    product = as_dtype(product, dtype_name(total))
    if is_bool(total):
        total[window] = total[window] | product
    else:
        total[window] += product


def _values(factor: Factor) -> Array | Scalar:
    return factor.values() if isinstance(factor, LazyArray) else factor


def _part(factor: Array | Scalar, index: PartIndex, n_dim: int) -> Array | Scalar:
    """Return the part of a factor at an index (lead, ..., rows, columns) of an array that it broadcasts to."""
    if isinstance(factor, int | float):
        return factor
    lead, _, rows, columns = index
    slices = [lead, *(n_dim - 3) * [slice(None)], rows, columns][n_dim - factor.ndim :]
    # A dimension of length 1 is broadcast: there is no part of it to select.
    return factor[tuple(slice(None) if n == 1 else s for s, n in zip(slices, factor.shape, strict=True))]


def _size(factor: Array | Scalar) -> int:
    return -1 if isinstance(factor, int | float) else math.prod(factor.shape)  # numbers come before all arrays


def _product(factors: Sequence[Array | Scalar]) -> Array | Scalar:
    """Return the product; small arrays are multiplied before large ones, which is less work."""
    return reduce(lambda x, y: apply_operator("multiply", cast(Array, y), x), sorted(factors, key=_size))


def _is_simple(total: Array, factors: Sequence[Factor]) -> bool:
    """Return whether NumPy adds float64 or float32, and all factors have this type or are bool."""
    arrays = [factor for factor in factors if not isinstance(factor, int | float)]
    return is_floating(total) and all(
        array_api_compat.is_numpy_array(x) and x.dtype in (total.dtype, np.bool_) for x in (total, *arrays)
    )


def _add_product_cuda(part: Array, factors: Sequence[Factor], nan_to_num: bool) -> bool:
    """Add a product by a CUDA kernel; return whether there is one for these arrays."""
    number = math.prod(x for x in factors if isinstance(x, int | float))
    arrays = sorted((_values(x) for x in factors if not isinstance(x, int | float)), key=_size)
    return cuda_accumulation.add_product(part, cast("Sequence[Array]", arrays), number, nan_to_num)


def _add_parts_numpy(whole: HostFloats, lazy: LazyArray, factors: Sequence[HostFactor], nan_to_num: bool) -> None:
    image = whole.shape[-2:]
    # With `nan_to_num` an excluded pixel adds 0 whatever its value, so it need not be computed. Without, NaN times 0
    # is NaN, and such masks are factors like all others.
    masks = [np.reshape(x, image) for x in factors if nan_to_num and _is_image_mask(x, image)]
    others = [x for x in factors if not (nan_to_num and _is_image_mask(x, image))]
    # A mask of all planes multiplies each part by itself: a product with it would be one more array of the whole size.
    cubes = [x for x in others if _size(x) == whole.size and is_bool(cast(HostFloats, x))]
    others = [x for x in others if not any(x is cube for cube in cubes)]
    factor = _product(others) if others else 1.0
    if not isinstance(factor, int | float):
        factor = cast(HostFloats, as_dtype(factor, dtype_name(whole)))
    is_finite = not nan_to_num or (lazy.is_finite and bool(np.all(np.isfinite(factor))))
    with quiet_on_windows(whole.size):
        for index, values in lazy.parts(reduce(np.logical_and, masks) if masks else None):
            part = cast(HostFloats, values)
            for cube in cubes:
                part *= cast(HostFactor, _part(cube, index, whole.ndim))
            if others:
                # In place: parts are new arrays that their consumer may overwrite.
                part *= cast(HostFactor, _part(factor, index, whole.ndim))
            if not is_finite and not _is_all_finite(part):
                part = np.where(np.isfinite(part), part, 0.0)
            target = whole[index]
            np.add(target, part, out=target)


def _are_masks(factors: Sequence[Array | Scalar]) -> bool:
    """Return whether all factors are masks: then a product is zero wherever there are no counts."""
    return all(not isinstance(x, int | float) and is_bool(x) for x in factors)


def _add_counts_numpy(whole: HostFloats, counts: LazyCounts, masks: Sequence[Mask]) -> None:
    """Add counts to the bins that have any."""
    places, numbers = counts.occupied
    for mask in masks:
        # `broadcast_to` makes no copy, and one index selects its elements too.
        numbers = numbers * np.broadcast_to(mask, whole.shape)[places]
    whole[places] += numbers


def _is_image_mask(x: Array | Scalar, image: tuple[int, ...]) -> bool:
    # (1, ..., 1, ny, nx)
    return not isinstance(x, int | float) and is_bool(x) and x.shape == (1,) * (x.ndim - 2) + tuple(image)


def _is_all_finite(values: HostFloats) -> bool:
    """Return whether all values are finite, in one pass; also False if the sum of their squares overflows."""
    row = values.reshape(-1) if values.flags.c_contiguous else None
    return bool(np.isfinite(values.sum() if row is None else np.dot(row, row)))  # BLAS is twice as fast as a sum


def _add_product_numpy(part: HostFloats, factors: Sequence[HostFactor], nan_to_num: bool) -> None:
    # Small factors are multiplied once, and not again for each piece.
    small = [x for x in factors if _size(x) < part.size]
    large = [x for x in factors if _size(x) == part.size]
    large += [cast(HostFactor, _product(small))] if small else []
    if not isinstance(large[0], int | float) and is_bool(large[0]):
        large = [1.0, *large]  # NumPy multiplies two masks to a mask; this makes it a product of numbers
    # Views of the shape of `part`, without copies, so that one index cuts all of them.
    views = [
        x if isinstance(x, int | float) or x.shape == part.shape else np.broadcast_to(x, part.shape) for x in large
    ]
    memory = None if part.size <= _N_TOGETHER else _ProductMemory()
    with quiet_on_windows(part.size):
        for piece in pieces(part.shape, _N_TOGETHER):
            here: list[HostFloats] = [cast(HostFloats, x if isinstance(x, int | float) else x[piece]) for x in views]
            product: HostFloats = reduce(np.multiply, here) if memory is None else memory.product(here)
            added = product
            if nan_to_num and not _is_all_finite(product):
                added = np.where(np.isfinite(product), product, 0.0)
            np.add(part[piece], added, out=part[piece])


class _ProductMemory:
    """Products one after the other in the same memory: with a new array for each they would not fit in the cache.

    A mask is converted to numbers once for all planes that share it: numbers are multiplied in a third of the time.
    """

    def __init__(self) -> None:
        self._product: HostFloats | None = None
        self._mask: Mask | None = None
        self._numbers = np.zeros(0)

    def product(self, factors: Sequence[HostFloats]) -> HostFloats:
        """Return the product of some arrays, as `reduce` computes it; it is valid until the next one.

        Parameters
        ----------
        factors : arrays of one shape, or numbers of Python
        """
        first, *others = factors
        if not others:
            return first
        # A number of Python times a mask has float64 in NumPy.
        dtype = first.dtype.type if isinstance(first, np.ndarray) else np.float64
        others = [self._as_numbers(cast(Mask, x), dtype) if _is_mask(x) else x for x in others]
        fits = self._product is not None and self._product.shape == np.broadcast_shapes(*map(np.shape, factors))
        product: HostFloats = np.multiply(first, others[0], out=self._product if fits else None)
        for factor in others[1:]:
            np.multiply(product, factor, out=product)
        self._product = product
        return product

    def _as_numbers(self, mask: Mask, dtype: type[np.floating[Any]]) -> HostFloats:
        if self._mask is None or not np.array_equal(mask, self._mask):
            self._mask, self._numbers = mask, mask.astype(dtype)
        return self._numbers


def _is_mask(x: HostFloats) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == np.bool_
