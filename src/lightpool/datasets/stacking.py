"""Add one map dataset to another: sums, in the window of the one that is added."""

from lightpool.datasets.base import DatasetBase
from lightpool.maps import Map
from lightpool.maps.deferred_quantity import DeferredQuantity
from lightpool.utils.deviations import deviates

__all__ = ["stack_dataset"]


def stack_dataset(dataset: DatasetBase, other: DatasetBase, nan_to_num: bool = True) -> None:
    """Add a dataset to another one in place; see `MapDataset.stack` for the rules.

    Parameters
    ----------
    dataset : DatasetBase, changed in place
    other : DatasetBase, on the same geometry or a cutout of it
    nan_to_num : bool, whether values that are not finite count as zero
    """
    # first: an error later would leave a part of the other dataset in this one
    for mine, its in ((dataset.psf, other.psf), (dataset.edisp, other.edisp)):
        if mine is not None and its is not None:
            mine.require_stackable(its)
    _announce_differences(dataset, other)
    mask_safe = other.mask_safe
    if dataset.counts is not None and other.counts is not None:
        dataset.counts.stack(other.counts, weights=mask_safe, nan_to_num=nan_to_num)
    if dataset.exposure is not None and other.exposure is not None:
        # The mask is an image: it has reconstructed energies, the exposure has true ones.
        dataset.exposure.stack(other.exposure, weights=other.mask_safe_image, nan_to_num=nan_to_num)
        _add_livetime(dataset.exposure, other.exposure, mask_safe)
    # A dataset with OFF counts derives its background from its OFF sums, which it adds itself.
    if dataset.stat_type == "cash" and dataset.background is not None and other.background is not None:
        # First, so that the model of this dataset does not multiply what is added to it.
        _apply_background_model(dataset)
        _add_background(dataset.required("background"), other, nan_to_num)
    if dataset.psf is not None and other.psf is not None:
        dataset.psf.stack(other.psf, weights=other.mask_safe_psf)
    if dataset.edisp is not None and other.edisp is not None:
        dataset.edisp.stack(other.edisp, weights=other.mask_safe_edisp)
    if dataset.mask_safe is not None and mask_safe is not None:
        dataset.mask_safe.stack(mask_safe)
    if other.mask_fit is not None:
        if dataset.mask_fit is None:
            dataset.mask_fit = Map.from_geom(dataset.geom, dtype=bool, device=dataset.device)
        dataset.mask_fit.stack(other.mask_fit)


def _announce_differences(dataset: DatasetBase, other: DatasetBase) -> None:
    if dataset.stat_type == "cash" and dataset.background is not None and other.background is not None:
        if dataset.background_model is not None:
            deviates("stack onto a dataset that has a background model")
        if other.stat_type != "cash":
            deviates("OFF counts in the stack of a dataset without them")
    if other.mask_safe is None and dataset.exposure is not None and _has_livetime(other):
        deviates("livetime of a dataset without mask_safe in a stack")
    if other.mask_fit is not None and dataset.mask_fit is None and other.geom != dataset.geom:
        deviates("mask_fit of a cutout in a stack")


def _has_livetime(dataset: DatasetBase) -> bool:
    return dataset.exposure is not None and "livetime" in dataset.exposure.unread_meta


def _apply_background_model(dataset: DatasetBase) -> None:
    """Multiply the background of a dataset by its model, and forget the model."""
    applied = dataset.background_model
    if applied is not None:
        dataset.background = dataset.npred_background()
        dataset.models = [model for model in dataset.models or () if model is not applied]


def _add_background(background: Map, other: DatasetBase, nan_to_num: bool) -> None:
    """Add the background of a dataset with its model, whose factors are not multiplied into a map of their own.

    The background of a dataset with OFF counts is the measured one. Its prediction fits ON and OFF counts without a
    source, and so takes a part of a source for background.
    """
    factors = other.background_factors if other.stat_type == "cash" else None
    background.stack_product(
        [other.required("background")], other.mask_safe, nan_to_num, [] if factors is None else [factors]
    )


def _add_livetime(exposure: Map, other: Map, mask: Map | None) -> None:
    """Add the livetime of another exposure if a mask keeps any bin of it, without waiting for the device."""
    livetime, before = (each.unread_meta.get("livetime") for each in (other, exposure))
    if livetime is None:
        return
    device = exposure.device if mask is None else mask.device
    keeps_any = device.xp.ones((), dtype=device.xp.bool, device=device.handle)
    if mask is not None:
        keeps_any = device.xp.any(mask.data)
    exposure.meta = exposure.unread_meta | {"livetime": DeferredQuantity.total(before, livetime, keeps_any)}
