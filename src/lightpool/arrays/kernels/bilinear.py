"""Bilinear interpolation: sums over the four neighbours of points in a table of two coordinates."""

import math
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.cuda import interpolation as cuda_interpolation
from lightpool.arrays.devices.array_types import Array, HostFloats, Namespace
from lightpool.arrays.devices.blocks import BLOCK, blocks
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import array_namespace, device_of
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name

__all__ = ["gather_bilinear", "gather_bilinear_in_parts"]

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Indices: TypeAlias = NDArray[np.int64]

_PART = BLOCK // 4
"""Points in a part: the dozen numbers for each of them, and the values, fit in the processor's cache."""

_N_KEPT = 8  # matrices that a thread keeps; with one more, all of them are dropped


class _Kept(threading.local):
    """Matrices of a thread, of some 100 kB each; they are filled in place, so threads cannot share them."""

    def __init__(self) -> None:
        self.matrices: dict[tuple[int, int, int, str], csr_array[Any]] = {}


_KEPT = _Kept()


def gather_bilinear(table: Array, ix: Array, fx: Array, iy: Array, fy: Array, dtype: str = "float64") -> Array:
    """Interpolate a table in two coordinates at every point, with the weights of its four neighbours.

    Parameters
    ----------
    table : array of float, shape (..., nx, ny)
        A NumPy array is copied to the device of the points. On the host it is read fastest where the values of a node
        are contiguous in memory.
    ix, iy : arrays of int64, any shape
        Nodes below, as `interpolation_weights` returns them.
    fx, fy : arrays of float64, shape of ``ix``
        Weights of the nodes above, as `interpolation_weights` returns them.
    dtype : str
        Data type of the values. The weights of the four neighbours are computed in float64 before.

    Returns
    -------
    values : array of ``dtype``, shape ``(..., *ix.shape)``
    """
    xp = array_namespace(ix, fx, iy, fy)
    table = constant(table, device_of(fx), dtype=dtype)
    leading, shape, (n_x, n_y) = table.shape[:-2], ix.shape, table.shape[-2:]
    ix, fx, iy, fy = (xp.reshape(v, (-1,)) for v in (ix, fx, iy, fy))
    if array_api_compat.is_numpy_namespace(xp):
        values: Array = np.empty((math.prod(leading), math.prod(shape)), dtype)
        for part, found in gather_bilinear_in_parts(table, ix, fx, iy, fy, dtype):
            values[:, part] = found
    elif array_api_compat.is_cupy_namespace(xp):
        values = cuda_interpolation.gather_bilinear(xp.reshape(table, (-1, n_x, n_y)), ix, fx, iy, fy)
    else:
        values = _gather_plain(xp.reshape(table, (math.prod(leading), n_x * n_y)), ix, fx, iy, fy, n_x, n_y, xp=xp)
    return xp.reshape(values, (*leading, *shape))


def gather_bilinear_in_parts(
    table: Array, ix: Array, fx: Array, iy: Array, fy: Array, dtype: str = "float64", size: int = _PART
) -> Iterator[tuple[slice, Array]]:
    """Interpolate NumPy arrays as `gather_bilinear` does, a part of the points at a time, while they are in the cache.

    Parameters
    ----------
    table, ix, fx, iy, fy, dtype : see `gather_bilinear`
        The points have one dimension, of length P.
    size : int
        Number of points in a part. Results do not depend on it.

    Yields
    ------
    part : slice of range(P)
    values : array of ``dtype``, shape (n_row, points in the part)
        The leading dimensions of the table are one. Not contiguous: the values of a point are neighbours in memory.
    """
    n_x, n_y = table.shape[-2:]
    nodes = np.reshape(cast(HostFloats, table), (math.prod(table.shape[:-2]), n_x * n_y))
    by_node = np.ascontiguousarray(nodes.T, dtype)  # (n_node, n_row): the values of a node are neighbours
    # int32 is the type of indices in the matrix. An axis with a single node has no upper neighbour.
    first, n_corner = cast(Indices, ix * n_y + iy).astype(np.int32), (1 + (n_x > 1)) * (1 + (n_y > 1))
    for part in blocks(ix.shape[0], size):
        matrix = _rows_of(part.stop - part.start, n_corner, len(by_node), dtype)
        # Views: what fills them fills the matrix.
        columns, weights = (x.reshape(-1, n_corner) for x in (matrix.indices, matrix.data))
        for number, (step, weight) in enumerate(_corners(fx[part], fy[part], n_x, n_y)):
            np.add(first[part], step, out=columns[:, number])
            weights[:, number] = cast(HostFloats, weight)
        yield part, (matrix @ by_node).T


def _rows_of(n_point: int, n_corner: int, n_node: int, dtype: str) -> "csr_array[Any]":
    """Return a sparse matrix with a row for each point, to be filled: its product reads all of a node at once.

    Building one costs as much as its product, so each thread keeps the last ones and fills them again.
    """
    key, kept = (n_point, n_corner, n_node, dtype), _KEPT.matrices
    if key not in kept:
        if len(kept) == _N_KEPT:
            kept.clear()
        kept[key] = _new_rows(*key)
    return kept[key]


def _new_rows(n_point: int, n_corner: int, n_node: int, dtype: str) -> "csr_array[Any]":
    from scipy.sparse import csr_array  # importing it takes longer than most programs need `arrays` for

    # Every row has the same number of entries, so it starts at the same place however the matrix is filled.
    starts = np.arange(0, n_point * n_corner + 1, n_corner, dtype=np.int32)
    empty = np.zeros(n_point * n_corner, dtype), np.zeros(n_point * n_corner, np.int32)
    return csr_array((*empty, starts), shape=(n_point, n_node))


def _corners(fx: Array, fy: Array, n_x: int, n_y: int) -> list[tuple[int, Array]]:
    """Return the step of each existing neighbour from the first one in the flat table, and its weight."""
    if n_x == 1 and n_y == 1:
        return [(0, 1.0 - fx)]  # 1, or NaN where the coordinate is NaN
    if n_x == 1:
        return [(0, 1.0 - fy), (1, fy)]
    if n_y == 1:
        return [(0, 1.0 - fx), (n_y, fx)]
    both = fx * fy
    # (1 - fx) (1 - fy) and so on, with a single product.
    return [(0, 1.0 - fx - fy + both), (1, fy - both), (n_y, fx - both), (n_y + 1, both)]


def _gather_plain(
    table: Array, ix: Array, fx: Array, iy: Array, fy: Array, n_x: int, n_y: int, *, xp: Namespace
) -> Array:
    first, dtype, corners = ix * n_y + iy, dtype_name(table), _corners(fx, fy, n_x, n_y)
    terms = [xp.take(table, first + step, axis=1) * as_dtype(weight, dtype)[None, :] for step, weight in corners]
    values = terms[0]
    for term in terms[1:]:
        values = values + term
    return values
