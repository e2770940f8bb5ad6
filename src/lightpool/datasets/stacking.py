"""Adding one map dataset to another: sums, in the window of the one that is added."""

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from lightpool.data import GTI
from lightpool.maps import Map
from lightpool.maps.deferred_quantity import DeferredQuantity

if TYPE_CHECKING:
    from lightpool.datasets.map_dataset import MapDataset

__all__ = ["merge_gtis", "merge_meta_tables", "stack_map_dataset"]


def stack_map_dataset(dataset: "MapDataset", other: "MapDataset", nan_to_num: bool = True) -> None:
    """Add a dataset to another one in place; see `MapDataset.stack` for the rules."""
    mask_safe = other.mask_safe
    if dataset.counts is not None and other.counts is not None:
        dataset.counts.stack(other.counts, weights=mask_safe, nan_to_num=nan_to_num)
    if dataset.exposure is not None and other.exposure is not None:
        dataset.exposure.stack(other.exposure, weights=other.mask_safe_image, nan_to_num=nan_to_num)
        _add_livetime(dataset.exposure, other)
    if dataset.stat_type == "cash" and dataset.background is not None and other.background is not None:
        dataset._apply_background_model()
        _add_background(dataset.background, other, nan_to_num)
    if dataset.psf is not None and other.psf is not None:
        dataset.psf.stack(other.psf, weights=other.mask_safe_psf)
    if dataset.edisp is not None and other.edisp is not None:
        dataset.edisp.stack(other.edisp, weights=other.mask_safe_edisp)
    if dataset.mask_safe is not None and mask_safe is not None:
        dataset.mask_safe.stack(mask_safe)
    if other.mask_fit is not None:
        if dataset.mask_fit is None:
            dataset.mask_fit = Map.from_geom(dataset._geom, dtype=bool, device=dataset.device)
        dataset.mask_fit.stack(other.mask_fit)


def _add_background(background: Map, other: "MapDataset", nan_to_num: bool) -> None:
    """Add the background of a dataset with its model, whose factors are not multiplied into a map of their own.

    That of a dataset with OFF counts is the measured one. What it predicts by itself fits ON and OFF counts without a
    source, and so takes a part of a source for background.
    """
    factors = other._background_factors if other.stat_type == "cash" else None
    background.stack_product([other.background], other.mask_safe, nan_to_num, [] if factors is None else [factors])


def _add_livetime(exposure: Map, other: "MapDataset") -> None:
    """Add the livetime of a dataset that has a safe bin; on a device nobody waits for that."""
    livetime, before = (each.unread_meta.get("livetime") for each in (other.exposure, exposure))
    if livetime is None:
        return
    mask = other.mask_safe
    device = exposure.device if mask is None else mask.device
    keeps_any = device.xp.ones((), dtype=device.xp.bool, device=device.handle)
    if mask is not None:
        keeps_any = device.xp.any(mask.data)
    exposure.meta = exposure.unread_meta | {"livetime": DeferredQuantity.total(before, livetime, keeps_any)}


def merge_gtis(gtis: list[GTI]) -> GTI:
    """Union of good time intervals."""
    return GTI.from_stack(gtis).union()


def merge_meta_tables(tables: list[Table]) -> Table:
    """One row whose cells hold the values of all tables in order; columns that a table lacks are left out."""
    shared = [name for name in tables[0].colnames if all(name in table.colnames for table in tables)]
    merged = Table()
    for name in shared:
        values: Any = np.hstack([np.asarray(table[name])[0] for table in tables])
        merged[name] = values[np.newaxis, :]
    return merged
