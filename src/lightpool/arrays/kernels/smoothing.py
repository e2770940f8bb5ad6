"""Separable filters as products with small matrices: one per image axis, made on the host."""

import math
from typing import Any

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace

__all__ = ["box_weights", "edge_index", "filter_matrix", "gauss_weights", "smooth_rows_and_columns"]

HostArray = np.ndarray[Any, Any]


def gauss_weights(sigma: float, truncate: float = 4.0) -> HostArray:
    """Weights of a Gauss filter, cut at ``truncate`` standard deviations, adding up to 1; sigma in bins."""
    radius = int(truncate * sigma + 0.5)
    if sigma <= 0 or radius == 0:
        return np.ones(1)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def box_weights(size: int) -> HostArray:
    """Weights of a running mean over ``size`` bins, adding up to 1; an even size reaches one bin further down."""
    size = max(int(size), 1)
    weights = np.zeros(2 * (size // 2) + 1)
    weights[:size] = 1.0 / size
    return weights


def edge_index(index: HostArray, n_bin: int, mode: str) -> HostArray:
    """Bin that stands for each index beyond the edges; -1 where there is none (mode ``constant``).

    Modes are those of `scipy.ndimage`: ``reflect`` (d c b a | a b c d), ``mirror`` (d c b | a b c d), ``nearest``,
    ``wrap`` and ``constant``.

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
        index = index % (2 * n_bin)
        return np.where(index >= n_bin, 2 * n_bin - 1 - index, index)
    if mode == "mirror":
        period = max(2 * (n_bin - 1), 1)
        index = index % period
        return np.where(index >= n_bin, period - index, index)
    raise ValueError(f"edge mode {mode!r} is not known; it must be one of reflect, mirror, nearest, wrap, constant")


def filter_matrix(n_bin: int, weights: HostArray, mode: str = "reflect") -> HostArray:
    """Matrix of shape (n_bin, n_bin) that applies centred weights along an axis, with the rule at the edges in it."""
    radius = math.floor(len(weights) / 2)
    rows = np.repeat(np.arange(n_bin), len(weights))
    columns = edge_index(rows + np.tile(np.arange(len(weights)) - radius, n_bin), n_bin, mode)
    values = np.where(columns >= 0, np.tile(weights, n_bin), 0.0)
    matrix = np.zeros((n_bin, n_bin))
    np.add.at(matrix, (rows, np.maximum(columns, 0)), values)
    return matrix


def smooth_rows_and_columns(image: Array, along_y: Array, along_x: Array) -> Array:
    """Filter images of shape (..., ny, nx) by matrices of shape (ny, ny) and (nx, nx) on the same device."""
    xp = array_namespace(image)
    return xp.matmul(xp.matmul(along_y, image), xp.matrix_transpose(along_x))
