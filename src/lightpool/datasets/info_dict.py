"""The figures of a map dataset: sums, rates and ranges."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from lightpool.arrays import DeferredNumbers, array_namespace
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import is_floating

if TYPE_CHECKING:
    from lightpool.datasets.map_dataset import MapDataset

__all__ = ["info_dict", "masked_sum", "read_scalars"]


def read_scalars(scalars: dict[str, Array]) -> dict[str, float]:
    """Read numbers back from a device, all in one transfer, together with those that wait there.

    Parameters
    ----------
    scalars : dict of arrays without dimensions, of any real or bool type, on one device

    Returns
    -------
    numbers : dict of float
    """
    if not scalars:
        return {}
    xp = array_namespace(*scalars.values())
    values = xp.stack([xp.astype(value, xp.float64) for value in scalars.values()])
    return dict(zip(scalars, DeferredNumbers(values).numbers, strict=True))


def info_dict(dataset: "MapDataset", in_safe_data_range: bool = True) -> dict[str, Any]:
    """Figures of a dataset, under the names of Gammapy; see `MapDataset.info_dict`."""
    numbers = read_scalars(_scalars(dataset, in_safe_data_range))
    counts = int(numbers.get("counts", 0))
    background = numbers.get("background", np.nan)
    npred_background = numbers.get("npred_background", np.nan)
    statistic = dataset._statistic_of_sums(numbers)
    unit = u.Unit("cm s") if dataset.exposure is None else dataset.exposure.unit
    livetime = _livetime(dataset)
    info: dict[str, Any] = {
        "name": dataset.name,
        "counts": counts,
        "excess": float(statistic.n_sig) if dataset.counts is not None else np.nan,
        "sqrt_ts": float(statistic.sqrt_ts) if dataset.counts is not None else np.nan,
        "background": background,
        "npred": numbers.get("npred", np.nan),
        "npred_background": npred_background,
        "npred_signal": np.nan,
        "exposure_min": numbers.get("exposure_min", np.nan) * unit,
        "exposure_max": numbers.get("exposure_max", np.nan) * unit,
        "livetime": livetime,
        "ontime": u.Quantity(np.nan, "s") if dataset.gti is None else dataset.gti.time_sum,
    }
    for name in ("counts", "background", "excess"):
        info[f"{name}_rate"] = info[name] / livetime
    info["n_bins"] = 0 if dataset.counts is None else int(np.prod(dataset.data_shape))
    info["n_fit_bins"] = int(numbers.get("n_fit_bins", 0))
    info["stat_type"] = dataset.stat_type
    info["stat_sum"] = numbers.get("stat_sum", np.nan)
    return info | dataset._further_info(numbers)


def _livetime(dataset: "MapDataset") -> u.Quantity:
    if dataset.exposure is None:
        return np.nan * u.s
    return u.Quantity(dataset.exposure.meta.get("livetime", np.nan * u.s)).copy()


def _scalars(dataset: "MapDataset", in_safe_data_range: bool) -> dict[str, Array]:
    mask_safe = None if dataset.mask_safe is None else dataset.mask_safe.data
    mask = mask_safe if in_safe_data_range else None
    scalars: dict[str, Array] = {}
    if dataset.counts is not None:
        scalars["counts"] = masked_sum(_without_nan(dataset.counts.data), mask)
    if dataset.background is not None:
        npred_background = dataset.npred_background().data  # type: ignore[union-attr]  # there is a background
        xp = array_namespace(npred_background)
        npred = xp.where(npred_background < 0.0, xp.zeros_like(npred_background), npred_background)
        scalars["background"] = masked_sum(dataset.background.data, mask)
        scalars["npred_background"] = masked_sum(npred_background, mask)
        scalars["npred"] = masked_sum(npred, mask)
    if dataset.counts is not None and dataset._has_statistic:
        scalars["stat_sum"] = dataset._stat_sum_array()
    scalars |= dataset._further_scalars(mask)
    if dataset.exposure is not None:
        scalars |= _exposure_range(dataset.exposure.data, mask_safe)
    if dataset.mask is not None:
        fit_mask = dataset.mask.data
        xp = array_namespace(fit_mask)
        scalars["n_fit_bins"] = xp.sum(xp.astype(fit_mask, xp.int64))
    return scalars


def _without_nan(counts: Array) -> Array:
    """Counts with 0 in the corners of an all-sky map, which are not on the sky."""
    if not is_floating(counts):
        return counts
    xp = array_namespace(counts)
    return xp.where(xp.isnan(counts), xp.zeros_like(counts), counts)


def masked_sum(data: Array, mask: Array | None = None) -> Array:
    """Sum of an array where a mask of the same shape is True, everywhere if there is none; in float64."""
    xp = array_namespace(data)
    return xp.sum(data if mask is None else xp.where(mask, data, xp.zeros_like(data)), dtype=xp.float64)


def _exposure_range(exposure: Array, mask_safe: Array | None) -> dict[str, Array]:
    """Smallest and largest exposure above zero in the pixels with a safe bin; of all bins if there is none."""
    xp = array_namespace(exposure)
    mask = exposure > 0.0
    if mask_safe is not None:
        mask = mask & xp.any(mask_safe, axis=tuple(range(mask_safe.ndim - 2)))
    found = xp.any(mask)
    lowest = xp.min(xp.where(mask, exposure, xp.full_like(exposure, np.inf)))
    highest = xp.max(xp.where(mask, exposure, xp.full_like(exposure, -np.inf)))
    return {
        "exposure_min": xp.where(found, lowest, xp.min(exposure)),
        "exposure_max": xp.where(found, highest, xp.max(exposure)),
    }
