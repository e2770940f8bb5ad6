"""Which intervals of a time axis lie inside of longer intervals."""

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.time import Time

if TYPE_CHECKING:
    from lightpool.maps.axes.time_axis import TimeMapAxis

__all__ = ["group_table"]


def group_table(axis: "TimeMapAxis", interval_edges: Any) -> Any:
    """Table of groups of intervals, see `TimeMapAxis.group_table`."""
    from astropy.table import Table

    if len(interval_edges) % 2:
        raise ValueError(f"interval_edges must be pairs of a start and an end, got {len(interval_edges)} times")
    times = [edge if isinstance(edge, Time) else axis.reference_time + edge for edge in interval_edges]
    groups = Table(
        names=("idx_min", "idx_max", "time_min", "time_max", "bin_type"), dtype=("i8", "i8", "f8", "f8", "S10")
    )
    for start, stop in zip(times[::2], times[1::2], strict=True):
        groups.add_row(_group(axis, start, stop))
    return groups


def _group(axis: "TimeMapAxis", start: Time, stop: Time) -> tuple[int, int, float, float, str]:
    begins_after, ends_before = axis.time_min >= start, axis.time_max <= stop
    inside = np.flatnonzero(begins_after & ends_before)
    if inside.size:
        first, last, kind = int(inside[0]), int(inside[-1]), "normal   "
    else:
        first = last = -1
        kind = "overflow" if np.any(begins_after) else "underflow" if np.any(ends_before) else "outflow"
    return first, last, axis.time_min[first].mjd, axis.time_max[last].mjd, kind
