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
    begun = np.logical_or.accumulate(valid, axis=0)
    goes_on = np.logical_or.accumulate(valid[::-1], axis=0)[::-1]
    place = np.nonzero(~valid & begun & goes_on)
    filled = table.copy()
    if place[0].size:
        number = np.arange(n_bin).reshape(-1, *(1,) * (table.ndim - 1))
        low = np.maximum.accumulate(np.where(valid, number, -1), axis=0)[place]
        high = np.minimum.accumulate(np.where(valid, number, n_bin)[::-1], axis=0)[::-1][place]
        scaled_low = scale_table(table[(low, *place[1:])], values_scale)
        scaled_high = scale_table(table[(high, *place[1:])], values_scale)
        slope = (scaled_high - scaled_low) / (high - low)
        filled[place] = unscale_table(scaled_low + slope * (place[0] - low), values_scale)
    return np.moveaxis(filled, 0, axis)
