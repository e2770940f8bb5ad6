"""Linear interpolation in tables."""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from lightpool.arrays.cuda.loader import contiguous, dtype_in_c, empty, grid_for, launch
from lightpool.arrays.cuda.structs import struct
from lightpool.arrays.devices.array_types import Array, CudaArray

__all__ = ["can_interpolate", "gather_bilinear", "hat_basis", "interpolate_grid", "interpolation_weights"]

_MAX_AXES = 4  # length of the arrays in `Grid` of interpolation.cu
_GRID = [
    ("n", "i8"),
    ("n_axis", "i8"),
    ("length", "i8", _MAX_AXES),
    ("shape", "i8", _MAX_AXES),
    ("stride", "i8", (_MAX_AXES, _MAX_AXES)),
]


def interpolation_weights(x: Array, nodes: Array) -> tuple[Array, Array]:
    """Locate points between nodes, as `lightpool.arrays.interpolation_weights`.

    Parameters
    ----------
    x, nodes : arrays of float64 on one device
    """
    x = contiguous(x)
    index, fraction = empty(x.shape, "int64", x), empty(x.shape, "float64", x)
    args = [x, contiguous(nodes), np.int64(x.size), np.int64(nodes.size), index, fraction]
    launch("interpolation", "interpolation_weights", grid_for(x.size), args, x)
    return index, fraction


def hat_basis(x: Array, nodes: Array, lower: float, upper: float, dtype: str) -> Array:
    """Compute the weights of nodes, as `lightpool.arrays.hat_basis`.

    Parameters
    ----------
    x, nodes : arrays of float64 on one device
    lower, upper : float
        Edges of the axis.
    dtype : str
        Data type of the weights.
    """
    x = contiguous(x)
    basis = empty((nodes.size, *x.shape), dtype, x)
    bounds = np.float64(lower), np.float64(upper)
    args = [x, contiguous(nodes), np.int64(x.size), np.int64(nodes.size), *bounds, basis]
    launch("interpolation", f"hat_basis<{dtype_in_c(basis)}>", grid_for(x.size), args, x)
    return basis


def gather_bilinear(table: Array, ix: Array, fx: Array, iy: Array, fy: Array) -> Array:
    """Interpolate a table in two coordinates, as `lightpool.arrays.gather_bilinear`.

    Parameters
    ----------
    table : array of float, shape (n_row, nx, ny)
    ix, iy : arrays of int64, shape (P,)
    fx, fy : arrays of float64, shape (P,)
    """
    n_row, n_x, n_y = table.shape
    values = empty((n_row, ix.size), table.dtype, table)
    points = [contiguous(v) for v in (ix, fx, iy, fy)]
    args = [contiguous(table), *points, *map(np.int64, (n_row, n_x, n_y, ix.size)), values]
    launch("interpolation", f"gather_bilinear<{dtype_in_c(table)}>", grid_for(ix.size, n_row), args, table)
    return values


def can_interpolate(table: Array, shape: tuple[int, ...]) -> bool:
    """Return whether there is a kernel for a table and points.

    Parameters
    ----------
    table : array
    shape : tuple of int
        Broadcast shape of the points.
    """
    return max(table.ndim, len(shape)) <= _MAX_AXES and dtype_in_c(table) is not None


def interpolate_grid(table: Array, nodes: Sequence[Array], coords: Sequence[Array], shape: tuple[int, ...]) -> Array:
    """Interpolate a table in any number of coordinates, as `lightpool.arrays.interpolate_grid`.

    Parameters
    ----------
    table : array, shape (n_1, ..., n_d), see `can_interpolate`
    nodes : sequence of d arrays of float64
    coords : sequence of d arrays of float64 that broadcast together
    shape : tuple of int
        Broadcast shape of the coordinates.
    """
    lengths = [1] * (_MAX_AXES - len(shape)) + list(shape)
    grid = struct(_GRID, n=math.prod(shape), n_axis=len(nodes), length=table.shape, shape=lengths)
    for axis, x in enumerate(cast("Sequence[CudaArray]", coords)):
        # Stride 0 reads one value for many points, so coordinates are not broadcast in memory.
        own = [0 if n == 1 else stride // x.itemsize for n, stride in zip(x.shape, x.strides, strict=True)]
        grid["stride"][axis] = [0] * (_MAX_AXES - x.ndim) + own
    values = empty(shape, "float64", table)
    missing: list[Any] = [None] * (_MAX_AXES - len(nodes))
    args = [contiguous(table), *map(contiguous, nodes), *missing, *coords, *missing, grid, values]
    launch("interpolation", f"interpolate_grid<{dtype_in_c(table)}>", grid_for(math.prod(shape)), args, values)
    return values
