"""The product of some arrays, added to a window of another array in one launch."""

import math
from collections.abc import Sequence
from typing import Any, cast

from lightpool.arrays.cuda.loader import dtype_in_c, grid_for, launch
from lightpool.arrays.cuda.structs import struct
from lightpool.arrays.devices.array_types import Array, CudaArray

__all__ = ["MAX_DIMENSIONS", "MAX_FACTORS", "add_product"]

# Lengths of the arrays in the struct `Window` of accumulation.cu.
MAX_DIMENSIONS = 6
"""Dimensions that an array may have."""
MAX_FACTORS = 4
"""Arrays that may be multiplied at once."""
_TYPES = {"double": 0, "float": 1, "bool": 2}
_WINDOW = [
    ("n_factor", "i8"),
    ("skips_not_finite", "i8"),
    ("n_row", "i8"),
    ("n_x", "i8"),
    ("length", "i8", MAX_DIMENSIONS - 1),
    ("stride", "i8", MAX_DIMENSIONS),
    ("type", "i8", MAX_FACTORS),
    ("factor_stride", "i8", (MAX_FACTORS, MAX_DIMENSIONS)),
    ("number", "f8"),
]


def add_product(part: Array, factors: Sequence[Array], number: float, nan_to_num: bool) -> bool:
    """Add a number times the product of some arrays to an array or a part of one, in place.

    Parameters
    ----------
    part : array, at most `MAX_DIMENSIONS` dimensions
    factors : sequence of arrays that broadcast to the shape of ``part``
        They are multiplied in this order.
    number : float
    nan_to_num : bool
        Whether to add zero where the product is not finite.

    Returns
    -------
    done : bool
        False, with nothing done, if there is no kernel for so many arrays or dimensions, or for these data types.
    """
    kinds = [dtype_in_c(x) for x in factors]
    if len(factors) > MAX_FACTORS or part.ndim > MAX_DIMENSIONS or None in (dtype_in_c(part), *kinds):
        return False
    # Dimensions of length 1 come first, so that the last one is always that of a row.
    missing = MAX_DIMENSIONS - part.ndim
    lengths = [1] * missing + list(part.shape)
    window = struct(
        _WINDOW,
        n_factor=len(factors),
        skips_not_finite=nan_to_num,
        n_row=math.prod(lengths[:-1]),
        n_x=lengths[-1],
        length=lengths[:-1],
        stride=_strides(part, lengths),
        number=number,
    )
    for k, factor in enumerate(factors):
        window["type"][k] = _TYPES[str(kinds[k])]
        window["factor_stride"][k] = _strides(factor, lengths)
    arguments: list[Any] = [part, *factors, *[None] * (MAX_FACTORS - len(factors)), window]
    grid = grid_for(lengths[-1], math.prod(lengths[:-1]))
    launch("accumulation", f"add_product<{dtype_in_c(part)}>", grid, arguments, part)
    return True


def _strides(x: Array, lengths: Sequence[int]) -> list[int]:
    """Return the elements from one index to the next in each dimension of a window; 0 where an array is broadcast."""
    missing = len(lengths) - x.ndim
    if missing < 0 or any(n not in (1, length) for n, length in zip(x.shape, lengths[missing:], strict=True)):
        raise ValueError(f"an array of shape {x.shape} does not broadcast to a window of shape {tuple(lengths)}")
    array = cast(CudaArray, x)
    own = [
        0 if n == 1 and length > 1 else stride // array.itemsize
        for n, stride, length in zip(array.shape, array.strides, lengths[missing:], strict=True)
    ]
    return [0] * missing + own
