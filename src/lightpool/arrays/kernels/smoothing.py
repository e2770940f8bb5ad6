"""Separable filters as products with small matrices: one for each image axis, computed on the host."""

import math
from typing import Any

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace

__all__ = ["box_weights", "edge_index", "filter_matrix", "gauss_weights", "smooth_rows_and_columns"]

HostArray = np.ndarray[Any, Any]


def gauss_weights(sigma: float, truncate: float = 4.0) -> HostArray:
    """Return the weights of a Gaussian filter, normalised to 1.

    Parameters
    ----------
    sigma : float, unit bin
    truncate : float
        Number of standard deviations at which the filter is cut off.
    """
    radius = int(truncate * sigma + 0.5)  # as `scipy.ndimage.gaussian_filter`
    if sigma <= 0 or radius == 0:
        return np.ones(1)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def box_weights(size: int) -> HostArray:
    """Return the weights of a running mean over ``size`` bins; an even size reaches one bin further down."""
    size = max(int(size), 1)
    weights = np.zeros(2 * (size // 2) + 1)
    weights[:size] = 1.0 / size
    return weights


def edge_index(index: HostArray, n_bin: int, mode: str) -> HostArray:
    """Return the bin that replaces each index beyond the edges.

    Parameters
    ----------
    index : NumPy array of int, any shape
    n_bin : int
    mode : str
        As in `scipy.ndimage`: ``reflect`` (d c b a | a b c d), ``mirror`` (d c b | a b c d), ``nearest``, ``wrap`` or
        ``constant``.

    Returns
    -------
    index : NumPy array of int, shape of ``index``
        -1 where no bin replaces it (mode ``constant``).

    Raises
    ------
    ValueError
        If the mode is another one.
    """
    if mode == "nearest":
        return np.clip(index, 0, n_bin - 1)
    if mode == "constant":
        return np.where((index < 0) | (index >= n_bin), -1, index)
    if mode == "wrap":
        return np.asarray(index % n_bin)
    if mode == "reflect":
        index = index % (2 * n_bin)  # the edge bin occurs twice in a period
        return np.where(index >= n_bin, 2 * n_bin - 1 - index, index)
    if mode == "mirror":
        period = max(2 * (n_bin - 1), 1)  # the edge bins occur once
        index = index % period
        return np.where(index >= n_bin, period - index, index)
    raise ValueError(f"edge mode {mode!r} is not known; it must be one of reflect, mirror, nearest, wrap, constant")


def filter_matrix(n_bin: int, weights: HostArray, mode: str = "reflect") -> HostArray:
    """Return the matrix that applies centred weights along an axis, with the rule for the edges included.

    Parameters
    ----------
    n_bin : int
    weights : NumPy array of float64, shape (n,) with n odd
    mode : str, see `edge_index`

    Returns
    -------
    matrix : NumPy array of float64, shape (n_bin, n_bin)
    """
    radius = math.floor(len(weights) / 2)
    rows = np.repeat(np.arange(n_bin), len(weights))
    columns = edge_index(rows + np.tile(np.arange(len(weights)) - radius, n_bin), n_bin, mode)
    values = np.where(columns >= 0, np.tile(weights, n_bin), 0.0)
    matrix = np.zeros((n_bin, n_bin))
    # Added one by one: beyond an edge, several weights of a row belong to the same column.
    np.add.at(matrix, (rows, np.maximum(columns, 0)), values)
    return matrix


def smooth_rows_and_columns(image: Array, along_y: Array, along_x: Array) -> Array:
    """Filter images along both axes.

    Parameters
    ----------
    image : array of float64, shape (..., ny, nx)
    along_y : array of float64, shape (ny, ny), see `filter_matrix`
    along_x : array of float64, shape (nx, nx); all arrays are on one device
    """
    xp = array_namespace(image)
    return xp.matmul(xp.matmul(along_y, image), xp.matrix_transpose(along_x))
