"""Sums over the pixels of each plane, and over the planes of each band."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lightpool.arrays.cuda.loader import BLOCK, contiguous, dtype_in_c, empty, grid_for, launch
from lightpool.arrays.cuda.structs import struct
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import array_namespace, device_of

__all__ = ["can_sum", "can_sum_in_bands", "sums_in_bands", "sums_in_masks"]

_MAX_ARRAYS = 4
_MAX_IN_BANDS = 5
_PLANES = [("n_map", "i8"), ("n_mask", "i8"), ("n_plane", "i8"), ("n_pixel", "i8")]
_BANDS = [("n_map", "i8"), ("n_band", "i8"), ("n_pixel", "i8")]
_PER_THREAD = 8
"""Pixels that a thread adds up at least: fewer blocks leave fewer sums for the second launch."""


def can_sum(values: Sequence[Array], masks: Sequence[Array]) -> bool:
    """Return whether there is a kernel for so many maps and masks, and for the data types of the maps.

    Parameters
    ----------
    values : sequence of arrays
    masks : sequence of arrays of bool
    """
    kinds = {dtype_in_c(value) for value in values}
    return max(len(values), len(masks)) <= _MAX_ARRAYS and len(kinds) == 1 and kinds <= {"double", "float"}


def sums_in_masks(values: Sequence[Array], masks: Sequence[Array]) -> Array:
    """Sum maps in masks, as `lightpool.arrays.kernels.reductions.sums_in_masks`.

    Parameters
    ----------
    values, masks : see there, and `can_sum`
    """
    xp = array_namespace(values[0])
    planes, pixels = values[0].shape[:-2], values[0].shape[-2:]
    n_pixel, n_plane = math.prod(pixels), math.prod(planes)
    n_block = max(1, -(-n_pixel // (BLOCK * _PER_THREAD)))
    sums = empty((len(values), n_plane, n_block), "float64", values[0])
    extra: list[Any] = [None] * _MAX_ARRAYS
    args = [*[*map(contiguous, values), *extra][:_MAX_ARRAYS], *[*map(contiguous, masks), *extra][:_MAX_ARRAYS]]
    packed = struct(_PLANES, n_map=len(values), n_mask=len(masks), n_plane=n_plane, n_pixel=n_pixel)
    # 65535 is the limit of CUDA along y; beyond it a block takes several planes.
    grid = (n_block, min(n_plane, 65535)), (BLOCK, 1)
    launch("reductions", f"sums_in_masks<{dtype_in_c(values[0])}>", grid, [*args, packed, sums], sums)
    return xp.reshape(xp.sum(sums, axis=-1), (len(values), *planes))  # the sums of the blocks


def can_sum_in_bands(values: Sequence[Array]) -> bool:
    """Return whether there is a kernel for so many maps, and for their data types.

    Parameters
    ----------
    values : sequence of arrays
    """
    kinds = {dtype_in_c(value) for value in values}
    return len(values) <= _MAX_IN_BANDS and len(kinds) == 1 and kinds <= {"double", "float"}


def sums_in_bands(values: Sequence[Array], mask: Array, bands: Sequence[tuple[int, int]]) -> list[Array]:
    """Sum maps over bands, as `lightpool.arrays.kernels.bands.sums_in_bands`.

    Parameters
    ----------
    values, mask, bands : see there, and `can_sum_in_bands`
    """
    pixels = mask.shape[1:]
    n_pixel, n_band = math.prod(pixels), len(bands)
    sums = empty((len(values), n_band, *pixels), "float64", values[0])
    maps: list[Any] = [*map(contiguous, values), *[None] * (_MAX_IN_BANDS - len(values))]
    ends = constant(np.asarray(bands, dtype=np.int64), device_of(mask))
    packed = struct(_BANDS, n_map=len(values), n_band=n_band, n_pixel=n_pixel)
    args = [*maps, contiguous(mask), ends, packed, sums]
    launch("reductions", f"sums_in_bands<{dtype_in_c(values[0])}>", grid_for(n_pixel, n_band), args, sums)
    return [sums[k, ...] for k in range(len(values))]
