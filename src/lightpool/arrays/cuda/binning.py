"""Values to bins, and bins to sums."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lightpool.arrays.cuda.loader import contiguous, empty, grid_for, launch, zeros
from lightpool.arrays.cuda.structs import struct
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace

__all__ = ["MAX_AXES", "bin_index", "histogram"]

MAX_AXES = 6  # length of the arrays in `BinnedMap`, and the number of index arrays of the kernel
_BINNED_MAP = [("n_entry", "i8"), ("n_axis", "i8"), ("length", "i8", MAX_AXES)]


def bin_index(x: Array, edges: Array, clip: bool) -> Array:
    """Return the bins of values, as `lightpool.arrays.bin_index`.

    Parameters
    ----------
    x, edges : arrays of float64 on one device
    clip : bool
    """
    x = contiguous(x)
    index = empty(x.shape, "int64", x)
    args = [x, contiguous(edges), np.int64(x.size), np.int64(edges.size - 1), np.bool_(clip), index]
    launch("binning", "bin_index", grid_for(x.size), args, x)
    return index


def histogram(index: Sequence[Array], shape: tuple[int, ...], weights: Array | None) -> Array:
    """Sum in the bins of a map, as `lightpool.arrays.kernels.histogram.histogram`.

    Weights are summed by atomic operations, in no fixed order: sums of numbers that are not whole may differ in the
    last digit from one run to the next.

    Parameters
    ----------
    index : sequence of arrays of int64, at most `MAX_AXES`
    shape : tuple of int
    weights : array of float64, bool or int, or None
    """
    together = array_namespace(*index).broadcast_arrays(*index, *(() if weights is None else (weights,)))
    columns: list[Any] = [contiguous(i, "int64") for i in together[: len(index)]]
    kind = "double"
    if weights is not None:
        # A mask is read as it is; all other weights are converted.
        kind = "bool" if weights.dtype == bool else "double"
        weights = contiguous(together[-1], None if kind == "bool" else "float64")
    sums = zeros(shape, "float64", columns[0])
    n_entry = columns[0].size if math.prod(shape) else 0  # without bins nothing is launched
    binned_map = struct(_BINNED_MAP, n_entry=n_entry, n_axis=len(shape), length=shape)
    columns += [None] * (MAX_AXES - len(columns))
    launch("binning", f"histogram<{kind}>", grid_for(n_entry), [*columns, weights, binned_map, sums], sums)
    return sums
