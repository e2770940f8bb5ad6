"""Filling of empty bins in a response table."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.irf.values import scale_table, unscale_table

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
    table = np.moveaxis(np.asarray(data), axis, 0)
    n_bin = table.shape[0]
    valid = np.isfinite(table) & (table != 0)
    if valid.all():
        return np.array(data)
    number = np.arange(n_bin).reshape(-1, *(1,) * (table.ndim - 1))
    before = np.maximum.accumulate(np.where(valid, number, -1), axis=0)
    after = np.minimum.accumulate(np.where(valid, number, n_bin)[::-1], axis=0)[::-1]
    fill = ~valid & (before >= 0) & (after < n_bin)
    filled = table.copy()
    if fill.any():
        place = np.nonzero(fill)
        low, high = before[place], after[place]
        scaled_low = scale_table(table[(low, *place[1:])], values_scale)
        scaled_high = scale_table(table[(high, *place[1:])], values_scale)
        slope = (scaled_high - scaled_low) / (high - low)
        filled[place] = unscale_table(scaled_low + slope * (place[0] - low), values_scale)
    return np.moveaxis(filled, 0, axis)
