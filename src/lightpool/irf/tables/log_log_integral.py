"""The integral of a response along an axis, by the trapezoidal rule in the logarithms of its values and coordinates."""

from collections.abc import Callable, Mapping
from typing import cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import trapezoid_loglog
from lightpool.maps import MapAxes, MapAxis
from lightpool.typing import QuantityLike

__all__ = ["integrate_log_log"]


def integrate_log_log(
    evaluate: Callable[..., u.Quantity],
    axes: MapAxes,
    axis_name: str,
    coords: Mapping[str, QuantityLike],
    no_value: float,
) -> u.Quantity:
    """Return the integrals between the given coordinates of one axis.

    An interval in which the response is zero at one end is integrated in parts between the nodes and edges of the axis.

    Parameters
    ----------
    evaluate : function of the coordinates, by name of axis, that returns the values
    axes : MapAxes of the table
    axis_name : str, the axis to integrate along
    coords : Quantity by name of axis; that of ``axis_name`` has one value more than there are results
        It is a row, or, as those of a grid, wide in the dimension of its axis.
    no_value : float, the largest value that means zero
    """
    values, x = evaluate(**coords), u.Quantity(coords[axis_name])
    # The dimension of the coordinate counted from the end, where broadcasting aligns it.
    wide = [dim - x.ndim for dim, length in enumerate(x.shape) if length > 1]
    axis = wide[0] if len(wide) == 1 else axes.index(axis_name) - len(axes)
    if len(wide) > 1:  # coordinates of points: the dimension with the number of the axis, as in Gammapy
        axis = axes.index(axis_name) - values.ndim
    integral = trapezoid_loglog(values.value, np.broadcast_to(x.value, values.shape), axis)
    lost = np.moveaxis(values.value <= no_value, axis, 0)
    # An interval is lost if either end is.
    lost = np.moveaxis(lost[:-1] | lost[1:], 0, axis)
    # What is inside an interval counts, even if the rate is zero at one of its ends.
    # Only coordinates that vary in one dimension can be refined for all points together.
    if lost.any() and max(x.shape) == x.size:
        points, starts = _points_within(cast(MapAxis, axes[axis_name]), x.ravel())
        fine = points.reshape([-1 if length > 1 else 1 for length in x.shape])
        values = evaluate(**{**coords, axis_name: fine})
        parts = trapezoid_loglog(values.value, np.broadcast_to(fine.to_value(x.unit), values.shape), axis)
        # Sum the parts of each interval; the last one runs to the end.
        integral = np.where(lost, np.add.reduceat(parts, starts, axis=axis), integral)
    return u.Quantity(integral, values.unit * x.unit)


def _points_within(axis: MapAxis, x: u.Quantity) -> tuple[u.Quantity, NDArray[np.int64]]:
    """Return coordinates with the nodes and edges of an axis between them, and where the intervals begin."""
    given = x.to_value(axis.unit)
    known = np.concatenate([axis.center_value, axis.edges_value])
    points = np.union1d(given, known[(known > given[0]) & (known < given[-1])])
    return points * axis.unit, np.searchsorted(points, given[:-1])
