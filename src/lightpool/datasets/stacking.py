"""Add one map dataset to another: sums, in the window of the one that is added."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import astropy.units as u

from lightpool.arrays.devices.array_types import Array
from lightpool.datasets.base import DatasetBase
from lightpool.maps import Map
from lightpool.maps.deferred_quantity import DeferredQuantity
from lightpool.utils.deviations import deviates

__all__ = ["naming", "require_stackable", "stack_dataset"]


def stack_dataset(dataset: DatasetBase, other: DatasetBase, nan_to_num: bool = True) -> None:
    """Add a dataset to another one in place; see `MapDataset.stack` for the rules.

    Parameters
    ----------
    dataset : DatasetBase, changed in place
    other : DatasetBase, on the same geometry or a cutout of it
    nan_to_num : bool, whether values that are not finite count as zero
    """
    weights = _Weights.of(dataset, other)
    _require_stackable(dataset, other, weights)
    _announce_differences(dataset, other)
    mask_safe = weights.mask_safe
    if dataset.counts is not None and other.counts is not None:
        dataset.counts.stack(other.counts, weights=mask_safe, nan_to_num=nan_to_num)
    if dataset.exposure is not None and other.exposure is not None:
        dataset.exposure.stack(other.exposure, weights=weights.image, nan_to_num=nan_to_num)
        _add_livetime(dataset.exposure, other.exposure, mask_safe)
    if weights.adds_background:
        # First, so that the model of this dataset does not multiply what is added to it.
        _apply_background_model(dataset)
        dataset.required("background").stack_product(
            [other.required("background")], mask_safe, nan_to_num, weights.background_factors
        )
    if dataset.psf is not None and other.psf is not None:
        dataset.psf.stack(other.psf, weights=weights.psf)
    if dataset.edisp is not None and other.edisp is not None:
        dataset.edisp.stack(other.edisp, weights=weights.edisp)
    if dataset.mask_safe is not None and mask_safe is not None:
        dataset.mask_safe.stack(mask_safe)
    if other.mask_fit is not None:
        if dataset.mask_fit is None:
            dataset.mask_fit = Map.from_geom(dataset.geom, dtype=bool, device=dataset.device)
        dataset.mask_fit.stack(other.mask_fit)


def require_stackable(dataset: DatasetBase, other: DatasetBase) -> None:
    """Refuse a dataset that cannot be added to another one, before anything is changed.

    Parameters
    ----------
    dataset, other : DatasetBase, see `stack_dataset`

    Raises
    ------
    GeometryError, DeviceError, astropy.units.UnitConversionError, ValueError, TypeError
        As from the maps and responses, with a note that names the part.
    """
    _require_stackable(dataset, other, _Weights.of(dataset, other))


@dataclass(frozen=True)
class _Weights:
    """Factors of the parts of the dataset that is added.

    Attributes
    ----------
    mask_safe : Map, of counts and background
    image : Map, of the exposure; it has true energies, the mask reconstructed ones
    psf, edisp : Map
    adds_background : bool
        A dataset with OFF counts derives its background from its OFF sums, which it adds itself.
    background_factors : list of arrays
        Of the background model, which are not multiplied into a map of their own. The background of a dataset with OFF
        counts is the measured one: its prediction fits ON and OFF counts without a source, and so takes a part of a
        source for background.
    """

    mask_safe: Map | None
    image: Map | None
    psf: Map | None
    edisp: Map | None
    adds_background: bool
    background_factors: list[Array]

    @classmethod
    def of(cls, dataset: DatasetBase, other: DatasetBase) -> Self:
        adds_background = (
            dataset.stat_type == "cash" and dataset.background is not None and other.background is not None
        )
        factors = other.background_factors if adds_background and other.stat_type == "cash" else None
        return cls(
            mask_safe=other.mask_safe,
            image=None if dataset.exposure is None or other.exposure is None else other.mask_safe_image,
            psf=None if dataset.psf is None or other.psf is None else other.mask_safe_psf,
            edisp=None if dataset.edisp is None or other.edisp is None else other.mask_safe_edisp,
            adds_background=adds_background,
            background_factors=[] if factors is None else [factors],
        )


def _require_stackable(dataset: DatasetBase, other: DatasetBase, weights: _Weights) -> None:
    # a stack without mask_fit gets one on the geometry of its counts
    stack_of_mask_fit = dataset.counts if dataset.mask_fit is None else dataset.mask_fit
    maps: list[tuple[str, Map | None, Map | None, Map | None]] = [
        ("counts", dataset.counts, other.counts, weights.mask_safe),
        ("exposure", dataset.exposure, other.exposure, weights.image),
        ("mask_safe", dataset.mask_safe, other.mask_safe, None),
        ("mask_fit", stack_of_mask_fit, other.mask_fit, None),
    ]
    if weights.adds_background:
        maps.append(("background", dataset.background, other.background, weights.mask_safe))
    for name, mine, its, factor in maps:
        if mine is not None and its is not None:
            with naming(name, dataset, other):
                is_new = name == "mask_fit" and dataset.mask_fit is None
                mine.require_stackable([its], factor, u.dimensionless_unscaled if is_new else None)
    responses = (("psf", dataset.psf, other.psf, weights.psf), ("edisp", dataset.edisp, other.edisp, weights.edisp))
    for name, response, its_response, factor in responses:
        if response is not None and its_response is not None:
            with naming(name, dataset, other):
                response.require_stackable(its_response, factor)


@contextmanager
def naming(name: str, dataset: DatasetBase, other: DatasetBase) -> Iterator[None]:
    """Add to errors which part of which datasets they are about.

    Parameters
    ----------
    name : str, of the part
    dataset, other : DatasetBase, the stack and what is added
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"{name} of dataset {other.name!r} cannot be stacked on {dataset.name!r}; nothing was added")
        raise


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
