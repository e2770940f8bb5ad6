"""Sets of time intervals as plain arrays of starts and stops, in seconds."""

import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError

__all__ = ["check_order", "complement_within", "intersection", "merge", "overlap"]

Seconds = NDArray[np.float64]


def check_order(start: Seconds, stop: Seconds, where: str) -> None:
    """Check that intervals are finite and that none stops before it starts.

    Parameters
    ----------
    start, stop : ndarray, in s
    where : str, begins the message of an error

    Raises
    ------
    FormatError
        If they are not.
    """
    if start.shape != stop.shape or start.ndim != 1:
        raise FormatError(
            f"{where}: START has shape {start.shape}, STOP {stop.shape}; expected one list each, equally long"
        )
    if not (np.isfinite(start).all() and np.isfinite(stop).all()):
        raise FormatError(f"{where}: a START or STOP is not finite: START = {start}, STOP = {stop}")
    wrong = np.nonzero(stop < start)[0]
    if wrong.size:
        row = int(wrong[0])
        raise FormatError(
            f"{where}: interval {row} starts at {start[row]} s and stops at {stop[row]} s, before it starts; "
            "correct the table: its duration would be negative"
        )


def merge(start: Seconds, stop: Seconds, *, touching: bool = True) -> tuple[Seconds, Seconds]:
    """Merge intervals that overlap, and sort them by their start.

    Parameters
    ----------
    start, stop : ndarray, shape (n_interval,), in s
    touching : bool, whether to merge intervals that only touch as well
    """
    if start.size == 0:
        return start, stop
    order = np.argsort(start, kind="stable")
    start, stop = start[order], stop[order]
    # Of all earlier intervals, not only of the one before: a long interval may contain several short ones.
    latest = np.maximum.accumulate(stop)
    gap = start[1:] > latest[:-1] if touching else start[1:] >= latest[:-1]
    first = np.concatenate([[True], gap])
    last = np.concatenate([gap, [True]])
    return start[first], latest[last]


def overlap(start: Seconds, stop: Seconds) -> float:
    """Return how many seconds are counted more than once.

    Parameters
    ----------
    start, stop : ndarray, shape (n_interval,), in s
    """
    if start.size < 2:
        return 0.0
    merged_start, merged_stop = merge(start, stop)
    twice = float(np.sum(stop - start) - np.sum(merged_stop - merged_start))
    order = np.argsort(start, kind="stable")
    latest = np.maximum.accumulate(stop[order])
    # The difference of two sums is rounded: without a true overlap it counts as zero.
    return max(twice, 0.0) if bool(np.any(start[order][1:] < latest[:-1])) else 0.0


def intersection(start: Seconds, stop: Seconds, other_start: Seconds, other_stop: Seconds) -> tuple[Seconds, Seconds]:
    """Return the times that are in both sets of intervals, sorted and merged.

    Parameters
    ----------
    start, stop : ndarray, shape (n_interval,), in s
    other_start, other_stop : ndarray, shape (n_other,), in s
    """
    a, b = merge(start, stop), merge(other_start, other_stop)
    # All pairs, (n_interval, n_other); pairs that do not overlap end before they begin.
    begin = np.maximum(a[0][:, np.newaxis], b[0]).ravel()
    end = np.minimum(a[1][:, np.newaxis], b[1]).ravel()
    good = begin < end
    return merge(begin[good], end[good], touching=False)


def complement_within(start: Seconds, stop: Seconds, first: float, last: float) -> tuple[Seconds, Seconds]:
    """Return what is left of the intervals when [first, last] is cut out, in order.

    Parameters
    ----------
    start, stop : ndarray, shape (n_interval,), in s
    first, last : float, in s
    """
    before = np.minimum(stop, first)
    after = np.maximum(start, last)
    # Each interval gives the part before the cut and the part after it, in this order; empty parts are dropped.
    begin = np.stack([start, after], axis=1).ravel()
    end = np.stack([before, stop], axis=1).ravel()
    good = begin < end
    return begin[good], end[good]
