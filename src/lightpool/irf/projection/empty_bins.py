"""Tables of logarithms with empty bins: beyond their outer nodes, nothing may rise because a bin further in is empty.

The logarithm of an empty bin is that of the smallest number, -87 for float32. Continued from such a bin over the last
one that is not empty, a background of 1e-9 becomes 1e9 within half a bin.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["cap_in_energy", "rises_from_empty_bins", "touches_empty_bins", "with_capped_edges"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def touches_empty_bins(empty: Bools, index: NDArray[np.int64], above: Floats) -> Bools:
    """Return whether an empty bin has a weight in a value that is interpolated along the first axis.

    Parameters
    ----------
    empty : ndarray, shape (n_bin, ...)
    index, above : ndarray, shape (n,), lower bin and weight of the upper one

    Returns
    -------
    touched : ndarray, shape (n, ...)
    """
    upper, weight = np.minimum(index + 1, len(empty) - 1), above.reshape(-1, *(1,) * (empty.ndim - 1))
    # A point on a node (weight 0 or 1) does not depend on the other node.
    touched: Bools = (empty[index] & (weight != 1)) | (empty[upper] & (weight != 0))
    return touched


def cap_in_energy(values: Floats, table: Floats, empty: Bools, index: NDArray[np.int64], above: Floats) -> Bools:
    """Cap values that were interpolated in energy, in place, at that of the outer bin where the next one is empty.

    Parameters
    ----------
    values : ndarray, shape (n, ...), table at n energies
    table, empty : ndarray, shape (n_bin, ...), logarithms, and whether the bin is empty
    index, above : ndarray, shape (n,), lower bin and weight of the upper one

    Returns
    -------
    capped : ndarray, shape of ``values``
    """
    upper, weight = np.minimum(index + 1, len(table) - 1), above.reshape(-1, *(1,) * (values.ndim - 1))
    capped = np.zeros(values.shape, dtype=bool)
    # Below the first node (negative weight) and above the last one (weight above 1).
    for is_beyond, border, inner in ((weight < 0, index, upper), (weight > 1, upper, index)):
        rises = is_beyond & empty[inner] & (values > table[border])
        np.copyto(values, table[border], where=rises)
        capped |= rises
    return capped


def rises_from_empty_bins(values: Floats, touched: Bools, n_axis: int) -> bool:
    """Return whether an outer node is above a neighbour that comes from an empty bin, on one of the last axes.

    Parameters
    ----------
    values, touched : ndarray of the same shape, logarithms, and whether they come from an empty bin
    n_axis : int, number of the last axes to look at
    """
    for axis in range(values.ndim - n_axis, values.ndim):
        if values.shape[axis] > 1:
            for border, inner in ((0, 1), (-1, -2)):
                above = _plane(values, border, axis) > _plane(values, inner, axis)
                if (above & _plane(touched, inner, axis)).any():
                    return True
    return False


def with_capped_edges(
    values: Floats, touched: Bools, capped: Bools, axis: int, nodes: Floats, bounds: tuple[float, float]
) -> tuple[Floats, Bools, Bools, Floats]:
    """Return a table with the edges of an axis as further nodes, extrapolated except where it rises from empty bins.

    Parameters
    ----------
    values, touched, capped : ndarray of the same shape
        Logarithms, whether they come from an empty bin, and whether they were capped already.
    axis : int
    nodes : ndarray, shape (n_node,)
    bounds : lower and upper edge of the axis

    Returns
    -------
    values, touched, capped, nodes : with two more nodes, or as they are where there is one node
    """
    if len(nodes) == 1:
        return values, touched, capped, nodes
    ends, marks, caps = [], [], []
    for edge, border, inner in ((bounds[0], 0, 1), (bounds[1], -1, -2)):
        last, before = _plane(values, border, axis), _plane(values, inner, axis)
        share = (edge - nodes[border]) / (nodes[border] - nodes[inner])
        found, from_empty = last + (last - before) * share, _plane(touched, inner, axis)
        rises = from_empty & (found > last)
        ends.append(np.where(rises, last, found))
        # A capped edge repeats the outer node, so it depends on that node only.
        marks.append(np.where(rises, False, from_empty) | _plane(touched, border, axis))
        caps.append(rises | _plane(capped, inner, axis) | _plane(capped, border, axis))
    return (
        np.concatenate([ends[0], values, ends[1]], axis=axis),
        np.concatenate([marks[0], touched, marks[1]], axis=axis),
        np.concatenate([caps[0], capped, caps[1]], axis=axis),
        np.concatenate([bounds[:1], nodes, bounds[1:]]),
    )


def _plane(values: NDArray[Any], number: int, axis: int) -> NDArray[Any]:
    # A list keeps the dimension, so that planes can be compared and joined.
    return np.take(values, [number], axis=axis)
