"""Sums over the pixels of each plane."""

import math
from collections.abc import Sequence
from typing import Any

from lightpool.arrays.cuda.loader import BLOCK, contiguous, dtype_in_c, empty, launch
from lightpool.arrays.cuda.structs import struct
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace

__all__ = ["can_sum", "sums_in_masks"]

_MAX_ARRAYS = 4
_PLANES = [("n_map", "i8"), ("n_mask", "i8"), ("n_plane", "i8"), ("n_pixel", "i8")]
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
