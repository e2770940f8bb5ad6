"""Finer bins: values repeated, or interpolated between bin centres."""

from collections.abc import Sequence

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device
from lightpool.arrays.devices.dtypes import as_dtype

__all__ = ["repeated", "upsampled"]


def repeated(data: Array, factors: Sequence[int]) -> Array:
    """Repeat each bin.

    Parameters
    ----------
    data : array
    factors : sequence of int
        How often, for each dimension.
    """
    xp = array_namespace(data)
    for axis, factor in enumerate(factors):
        if factor > 1:
            data = xp.repeat(data, factor, axis=axis)
    return data


def upsampled(data: Array, factors: Sequence[int]) -> Array:
    """Interpolate linearly at the centres of finer bins; beyond the outermost centres the values are constant.

    Parameters
    ----------
    data : array
    factors : sequence of int
        Into how many bins each is divided, for each dimension.

    Returns
    -------
    data : array of float64
    """
    xp = array_namespace(data)
    data = as_dtype(data, "float64")
    device = device_of(data)
    for axis, factor in enumerate(factors):
        n_bin = data.shape[axis]
        if factor == 1:
            continue
        # centres of the fine bins, counted in coarse bins and kept between the outermost centres
        position = np.clip((np.arange(n_bin * factor) - 0.5 * (factor - 1)) / factor, 0, n_bin - 1)
        # a dimension with one bin has no neighbour: lower and upper are the same
        lower = np.minimum(position.astype(np.int64), max(n_bin - 2, 0))
        upper = np.minimum(lower + 1, n_bin - 1)
        shape = [1] * data.ndim
        shape[axis] = -1
        weight = to_device((position - lower).reshape(shape), device)
        below = xp.take(data, to_device(lower, device), axis=axis)
        above = xp.take(data, to_device(upper, device), axis=axis)
        data = below * (1 - weight) + above * weight
    return data
