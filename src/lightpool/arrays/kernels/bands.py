"""Sums of maps over bands of neighbouring planes."""

from collections.abc import Sequence

from array_api_compat import is_cupy_array

from lightpool.arrays.cuda import reductions as cuda_reductions
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace
from lightpool.arrays.devices.dtypes import as_dtype

__all__ = ["sums_in_bands", "sums_in_bands_plain"]


def sums_in_bands(values: Sequence[Array], mask: Array, bands: Sequence[tuple[int, int]]) -> list[Array]:
    """Sum maps over the planes of each band, in each pixel.

    Parameters
    ----------
    values : arrays of numbers, shape (n_energy, ny, nx)
        Values that are not finite count as zero.
    mask : array of bool, the same shape
        True keeps a value.
    bands : sequence of (start, stop)
        Planes of each band, at least one.

    Returns
    -------
    sums : arrays of float64, shape (n_band, ny, nx), one for each map
    """
    if all(map(is_cupy_array, (*values, mask))) and cuda_reductions.can_sum_in_bands(values):
        return cuda_reductions.sums_in_bands(values, mask, bands)
    return sums_in_bands_plain(values, mask, bands)


def sums_in_bands_plain(values: Sequence[Array], mask: Array, bands: Sequence[tuple[int, int]]) -> list[Array]:
    """Sum maps with the array API standard alone: the reference implementation of `sums_in_bands`.

    Parameters
    ----------
    values, mask, bands : see `sums_in_bands`
    """
    xp = array_namespace(mask)
    sums = []
    for value in values:
        data = as_dtype(value, "float64")
        # NaN times a mask of 0 would be NaN.
        data = xp.where(mask & xp.isfinite(data), data, 0.0)
        sums.append(xp.stack([xp.sum(data[start:stop, ...], axis=0) for start, stop in bands]))
    return sums
