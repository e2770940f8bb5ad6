"""Energy bins over which a background cannot be integrated from their two edges.

The rate is taken as a power law between the edges of a bin, as in Gammapy. If an edge is in an empty part of the table,
or outside of it, the integral is zero, or nearly so, whatever the rate is inside the bin. Such bins are integrated in
parts, between the nodes of the table, at those positions in the field of view where this is needed.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.irf.projection.axis_points import AxisPoints, Coordinates
from lightpool.irf.projection.empty_bins import touches_empty_bins
from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.table_scales import scale_table
from lightpool.maps import MapAxis
from lightpool.utils.remembered import Remembered

__all__ = ["SplitBins", "split_bins"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class SplitBins:
    """Bins that are integrated in parts.

    Attributes
    ----------
    numbers : tuple of int, of the bins
    marks : ndarray, shape (n_bin, ...), 1 at the positions in the field of view where a bin must be split, else 0
    energy : Quantity, shape (n_edge,), edges of all the parts
    parts : tuple of slice, for each bin those of the intervals between the edges that it is made of
    """

    numbers: tuple[int, ...]
    marks: Floats
    energy: u.Quantity
    parts: tuple[slice, ...]


def split_bins(bkg: IRF, energy: Coordinates) -> SplitBins | None:
    """Return the bins that must be split, or None.

    A bin is split where some node of the table inside it has a rate (or, if no node is inside it, the nearest one), and

    - it reaches beyond the energies of the table: then what is inside counts; or
    - the rate at one of its edges is zero, or comes in part from an empty bin of the table.

    Parameters
    ----------
    bkg : Background2D or Background3D
    energy : Coordinates, shape (n_bin + 1,), edges
    """
    axis = bkg.axes["energy"]
    bins = _BINS.get((axis.content, energy.content), lambda: _BinsOnAxis.of(axis, energy))
    data = bkg.values_by("energy")
    empty = data <= 0  # what is no number is no empty bin: it stays a hole
    if not (bins.beyond.any() or empty.any()):
        return None
    is_split = np.zeros((len(bins.low), *data.shape[1:]), dtype=bool)
    # `_touch_empty_bins` looks at whole planes of energy, which is cheap; `_vanishes` looks at each position.
    touches = _touch_empty_bins(empty, bins.points)
    for number in np.flatnonzero(bins.has_part & (bins.beyond | bins.has_node & (touches[:-1] | touches[1:]))):
        inside = bins.inside[number]
        if bins.beyond[number]:
            near = inside if bins.has_node[number] else _nearest(axis, bins.low[number], bins.high[number])
            is_split[number] = (data[near] > 0).any(axis=0)
        else:
            vanishes = _vanishes(bkg, data, empty, bins.points, slice(number, number + 2))
            is_split[number] = (data[inside] > 0).any(axis=0) & vanishes.any(axis=0)
    numbers = np.flatnonzero(is_split.reshape(len(is_split), -1).any(axis=1))
    if not numbers.size:
        return None
    # Between an empty node and one that is not, the rate falls off at once, but in a float64 table to exactly zero.
    borders = axis.edges_value[1:-1][(empty[1:] != empty[:-1]).any(axis=tuple(range(1, empty.ndim)))]
    points, parts = _parts(np.union1d(axis.center_value, borders), bins.low[numbers], bins.high[numbers])
    return SplitBins(tuple(numbers.tolist()), is_split[numbers].astype(np.float64), points * axis.unit, parts)


@dataclass(frozen=True, eq=False)
class _BinsOnAxis:
    """Bins of energy on the axis of a table.

    Attributes
    ----------
    points : AxisPoints, of the n_bin + 1 edges
    low, high : ndarray, shape (n_bin,), the part of each bin that lies inside the energies of the table
    beyond : ndarray of bool, shape (n_bin,), whether an edge of the bin is outside the energies of the table
    inside : ndarray of bool, shape (n_bin, n_node), nodes inside the part
    has_part, has_node : ndarray of bool, shape (n_bin,), whether there is such a part, and a node in it
    """

    points: AxisPoints
    low: Floats
    high: Floats
    beyond: Bools
    inside: Bools
    has_part: Bools
    has_node: Bools

    @classmethod
    def of(cls, axis: MapAxis, energy: Coordinates) -> "_BinsOnAxis":
        """Find bins on an axis."""
        points, edges, nodes = AxisPoints.on(axis, energy), axis.edges_value, axis.center_value
        beyond = (points.x < edges[0]) | (points.x > edges[-1])
        low, high = np.maximum(points.x[:-1], edges[0]), np.minimum(points.x[1:], edges[-1])
        inside = (nodes > low[:, np.newaxis]) & (nodes < high[:, np.newaxis])
        return cls(points, low, high, beyond[:-1] | beyond[1:], inside, low < high, inside.any(axis=1))


_BINS = Remembered[_BinsOnAxis](64)


def _touch_empty_bins(empty: Bools, points: AxisPoints) -> Bools:
    """Return whether a bin of the table below or above an edge is empty at some position; shape (n_edge,)."""
    has_empty = np.any(empty.reshape(len(empty), -1), axis=1, keepdims=True)[:, 0]
    return np.asarray(has_empty[points.lower] | has_empty[np.minimum(points.lower + 1, len(empty) - 1)])


def _vanishes(bkg: IRF, data: Floats, empty: Bools, points: AxisPoints, edges: slice) -> Bools:
    """Return whether the rate at some edges is zero, or comes in part from an empty bin; shape (n_edge, ...)."""
    scale = bkg.interp_kwargs.get("values_scale", "lin")
    index, above = points.lower[edges], points.above[edges]
    if scale == "log":
        # In logarithms an empty bin makes the rate tiny, but not zero, so its weight decides.
        return touches_empty_bins(empty, index, above)
    upper, weight = np.minimum(index + 1, len(data) - 1), above.reshape(-1, *(1,) * (data.ndim - 1))
    values = scale_table(data, scale)
    # A hole of the table is NaN, which does not count as a rate of zero.
    with np.errstate(invalid="ignore"):
        return np.asarray(values[index] * (1 - weight) + values[upper] * weight <= 0)


def _nearest(axis: MapAxis, low: float, high: float) -> NDArray[np.int64]:
    """Return the bin of the table that contains a part of a bin, where no node is in this part."""
    number = np.searchsorted(axis.edges_value, 0.5 * (low + high), side="right") - 1
    return np.clip([number], 0, axis.nbin - 1)


def _parts(nodes: Floats, low: Floats, high: Floats) -> tuple[Floats, tuple[slice, ...]]:
    """Return the edges of the parts of bins, ascending, and the intervals between them that each bin consists of."""
    points: list[float] = []
    parts = []
    for lower, upper in zip(low, high, strict=True):
        if not points or points[-1] < lower:  # else it begins where the last one ended
            points.append(float(lower))
        start = len(points) - 1
        points += [float(node) for node in nodes if lower < node < upper] + [float(upper)]
        parts.append(slice(start, len(points) - 1))
    return np.asarray(points), tuple(parts)
