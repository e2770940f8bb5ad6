"""Summary values of a dataset: sums, rates and ranges."""

import astropy.units as u
import numpy as np

from lightpool.arrays import DeferredNumbers, array_namespace
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import is_floating
from lightpool.datasets.base import DatasetBase
from lightpool.datasets.statistics import OffInfo, StatisticOfDataset, masked_sum
from lightpool.maps import Map

__all__ = ["InfoDict", "info_dict", "read_scalars"]


class InfoDict(OffInfo):
    """Summary values of a dataset by name."""

    name: str
    counts: int
    excess: float
    sqrt_ts: float
    background: float
    npred: float
    npred_background: float
    npred_signal: float
    exposure_min: u.Quantity
    exposure_max: u.Quantity
    livetime: u.Quantity
    ontime: u.Quantity
    counts_rate: u.Quantity
    background_rate: u.Quantity
    excess_rate: u.Quantity
    n_bins: int
    n_fit_bins: int
    stat_type: str
    stat_sum: float


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


def info_dict(
    dataset: DatasetBase, statistic: StatisticOfDataset[DatasetBase], in_safe_data_range: bool = True
) -> InfoDict:
    """Return the summary values of a dataset, under the names of Gammapy; see `MapDataset.info_dict`.

    Parameters
    ----------
    dataset : DatasetBase
    statistic : StatisticOfDataset, of this dataset
    in_safe_data_range : bool, whether to sum inside the safe mask only
    """
    numbers = read_scalars(_scalars(dataset, statistic, in_safe_data_range))
    counts, background = int(numbers.get("counts", 0)), numbers.get("background", np.nan)
    statistic_of_all = statistic.of_sums(numbers)
    excess, sqrt_ts = np.nan, np.nan
    if dataset.counts is not None:
        excess, sqrt_ts = float(statistic_of_all.n_sig), float(statistic_of_all.sqrt_ts)
    # Of a missing exposure, Gammapy gives the limits in cm s.
    unit = u.Unit("cm s") if dataset.exposure is None else dataset.exposure.unit
    livetime = _livetime(dataset)
    return {
        "name": dataset.name,
        "counts": counts,
        "excess": excess,
        "sqrt_ts": sqrt_ts,
        "background": background,
        "npred": numbers.get("npred", np.nan),
        "npred_background": numbers.get("npred_background", np.nan),
        "npred_signal": numbers.get("npred_signal", np.nan),
        "exposure_min": numbers.get("exposure_min", np.nan) * unit,
        "exposure_max": numbers.get("exposure_max", np.nan) * unit,
        "livetime": livetime,
        "ontime": u.Quantity(np.nan, "s") if dataset.gti is None else dataset.gti.time_sum,
        "counts_rate": counts / livetime,
        "background_rate": background / livetime,
        "excess_rate": excess / livetime,
        "n_bins": 0 if dataset.counts is None else int(np.prod(dataset.data_shape)),
        "n_fit_bins": int(numbers.get("n_fit_bins", 0)),
        "stat_type": dataset.stat_type,
        "stat_sum": numbers.get("stat_sum", np.nan),
        **statistic.info(numbers),
    }


def _livetime(dataset: DatasetBase) -> u.Quantity:
    if dataset.exposure is None:
        return np.nan * u.s
    return u.Quantity(dataset.exposure.meta.get("livetime", np.nan * u.s)).copy()


def _scalars(
    dataset: DatasetBase, statistic: StatisticOfDataset[DatasetBase], in_safe_data_range: bool
) -> dict[str, Array]:
    mask_safe = None if dataset.mask_safe is None else dataset.mask_safe.data
    mask = mask_safe if in_safe_data_range else None
    scalars: dict[str, Array] = {}
    if dataset.counts is not None:
        scalars["counts"] = masked_sum(_without_nan(dataset.counts.data), mask)
    background, predicted = dataset.background, dataset.npred_background()
    if background is not None and predicted is not None:
        npred_background = predicted.data
        xp = array_namespace(npred_background)
        npred = xp.where(npred_background < 0.0, xp.zeros_like(npred_background), npred_background)
        scalars["background"] = masked_sum(background.data, mask)
        scalars["npred_background"] = masked_sum(npred_background, mask)
        scalars["npred"] = masked_sum(npred, mask)
    if dataset.counterpart is not None and dataset.counterpart.has_sources():
        scalars["npred"] = masked_sum(dataset.npred().data, mask)
        scalars["npred_signal"] = masked_sum(dataset.npred_signal().data, mask)
    if dataset.counts is not None and statistic.is_meaningful:
        scalars["stat_sum"] = statistic.sum()
    scalars |= statistic.sums_inside(mask)
    if dataset.exposure is not None:
        # As in Gammapy, inside the safe mask whatever in_safe_data_range says.
        scalars |= _exposure_range(dataset.exposure, dataset.mask_safe)
    if dataset.mask is not None:
        fit_mask = dataset.mask.data
        xp = array_namespace(fit_mask)
        scalars["n_fit_bins"] = xp.sum(xp.astype(fit_mask, xp.int64))
    return scalars


def _without_nan(counts: Array) -> Array:
    """Replace NaN by 0, as in the corners of an all-sky map, which are not on the sky."""
    if not is_floating(counts):
        return counts
    xp = array_namespace(counts)
    return xp.where(xp.isnan(counts), xp.zeros_like(counts), counts)


def _any_energy(mask: Map) -> Array:
    """Return the image of the pixels in which any bin is True."""
    if not mask.geom.is_regular:
        return mask.reduce_over_axes(np.logical_or).data
    return array_namespace(mask.data).any(mask.data, axis=tuple(range(len(mask.geom.axes))))


def _exposure_range(exposure_map: Map, mask_safe: Map | None) -> dict[str, Array]:
    """Return the smallest and largest exposure above zero in pixels with a safe bin; of all bins if there is none."""
    exposure = exposure_map.data
    xp = array_namespace(exposure)
    mask = exposure > 0.0
    if mask_safe is not None:
        # An image, which broadcasts over the true energies: the mask has reconstructed ones.
        mask = mask & _any_energy(mask_safe)
    found = xp.any(mask)
    lowest = xp.min(xp.where(mask, exposure, xp.full_like(exposure, np.inf)))
    highest = xp.max(xp.where(mask, exposure, xp.full_like(exposure, -np.inf)))
    return {
        "exposure_min": xp.where(found, lowest, xp.min(exposure)),
        "exposure_max": xp.where(found, highest, xp.max(exposure)),
    }
