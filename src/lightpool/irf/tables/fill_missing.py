"""Filling of empty bins in a response table."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.irf.tables.table_scales import scale_table, unscale_table

__all__ = ["fill_missing"]


def fill_missing(data: NDArray[Any], axis: int, values_scale: str = "lin") -> NDArray[Any]:
    """Interpolate bins that are zero or not finite between the nearest valid ones along an axis.

    Parameters
    ----------
    data : ndarray of float
    axis : int
    values_scale : {"lin", "log", "sqrt"}, the scale in which the values change linearly with the bin number

    Returns
    -------
    filled : ndarray, shape and type of ``data``; bins without a valid one on both sides keep their value
    """
    filled = np.array(data)
    table = np.moveaxis(filled, axis, 0)
    valid = np.isfinite(table) & (table != 0)
    # A line with a gap has more than one run of valid bins; each run begins behind a bin that is not valid, or first.
    with_gaps = (valid[1:] > valid[:-1]).sum(axis=0) + valid[0] > 1
    if with_gaps.any():
        table[:, with_gaps] = _without_gaps(table[:, with_gaps], valid[:, with_gaps], values_scale)
    return filled


def _without_gaps(lines: NDArray[Any], valid: NDArray[np.bool_], values_scale: str) -> NDArray[Any]:
    """Fill the gaps between valid bins of lines of shape (n_bin, n_line)."""
    number = np.arange(len(lines))[:, np.newaxis]
    # Number of the nearest valid bin at or before each bin (-1 if none), and at or after it (n_bin if none).
    before = np.maximum.accumulate(np.where(valid, number, -1), axis=0)
    after = np.minimum.accumulate(np.where(valid, number, len(lines))[::-1], axis=0)[::-1]
    bins = np.nonzero(~valid & (before >= 0) & (after < len(lines)))
    low, high = before[bins], after[bins]
    scaled_low = scale_table(lines[low, bins[1]], values_scale)
    scaled_high = scale_table(lines[high, bins[1]], values_scale)
    slope = (scaled_high - scaled_low) / (high - low)
    lines[bins] = unscale_table(scaled_low + slope * (bins[0] - low), values_scale)
    return lines
