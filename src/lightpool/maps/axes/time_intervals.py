"""The intervals of a time axis: their source, the check of their order, and which of them lie in longer ones."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import astropy.units as u
import numpy as np
from astropy.time import Time

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["TimeIntervals", "check_intervals", "group_table", "make_gti"]


class TimeIntervals(Protocol):
    """Good time intervals, see `lightpool.data.GTI`."""

    @property
    def time_ref(self) -> Time:
        """Time from which the intervals count."""

    @property
    def time_start(self) -> Time:
        """Starts of the intervals."""

    @property
    def time_stop(self) -> Time:
        """Ends of the intervals."""


def check_intervals(start: u.Quantity, stop: u.Quantity, label: str) -> None:
    """Raise `ValueError` unless the intervals are sorted, do not overlap, and have a positive length.

    Parameters
    ----------
    start, stop : Quantity of time, shape (n,)
    label : str, name of the axis, for the error message
    """
    for what, edges in (("edges_min", start), ("edges_max", stop)):
        if not edges.unit.is_equivalent("s"):
            raise ValueError(f"{what} of {label} must be times, got the unit {str(edges.unit)!r}")
    if start.shape != stop.shape or start.ndim != 1 or start.size == 0:
        raise ValueError(f"{label} needs as many starts as ends, at least one, got shapes {start.shape}, {stop.shape}")
    if not np.all(stop > start):
        raise ValueError(f"{label} has intervals that end before they begin: {start} to {stop}")
    if np.any(np.diff(start) < 0) or np.any(np.diff(stop) < 0):
        raise ValueError(f"{label} needs sorted intervals, got {start} to {stop}")
    if np.any(start[1:] < stop[:-1]):
        raise ValueError(f"intervals of {label} overlap: {start} to {stop}")


def make_gti(start: u.Quantity, stop: u.Quantity, reference_time: Time) -> Any:
    """Make the good time intervals of an axis.

    Parameters
    ----------
    start, stop : Quantity of time, shape (n,), counted from the reference time
    reference_time : Time

    Returns
    -------
    gti : `lightpool.data.GTI`
    """
    # by its name: the package of observations builds on this one
    return import_module("lightpool.data").GTI.create(start, stop, reference_time)


def group_table(
    time_min: Time, time_max: Time, reference_time: Time, interval_edges: Sequence[Time | u.Quantity] | Time
) -> "Table":
    """Return a table of groups of intervals, see `TimeMapAxis.group_table`.

    Parameters
    ----------
    time_min, time_max : Time, shape (nbin,), starts and ends of the intervals
    reference_time : Time, from which quantities in ``interval_edges`` count
    interval_edges : sequence of Time or Quantity: start, end, start, end...
    """
    from astropy.table import Table

    if len(interval_edges) % 2:
        raise ValueError(f"interval_edges must be pairs of a start and an end, got {len(interval_edges)} times")
    times = [edge if isinstance(edge, Time) else reference_time + edge for edge in interval_edges]
    groups = Table(
        names=("idx_min", "idx_max", "time_min", "time_max", "bin_type"), dtype=("i8", "i8", "f8", "f8", "S10")
    )
    for start, stop in zip(times[::2], times[1::2], strict=True):
        groups.add_row(_group(time_min, time_max, start, stop))
    return groups


def _group(time_min: Time, time_max: Time, start: Time, stop: Time) -> tuple[int, int, float, float, str]:
    begins_after, ends_before = time_min >= start, time_max <= stop
    inside = np.flatnonzero(begins_after & ends_before)
    if inside.size:
        # as long as "underflow", as Gammapy writes it
        first, last, kind = int(inside[0]), int(inside[-1]), "normal   "
    else:
        first = last = -1
        kind = "overflow" if np.any(begins_after) else "underflow" if np.any(ends_before) else "outflow"
    return first, last, float(time_min[first].mjd), float(time_max[last].mjd), kind
