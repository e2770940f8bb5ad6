"""The sums of a stack as plain arrays, which a batch saves and merges.

A stack has an `~lightpool.utils.accumulators.Accumulator` for each value that is not a sum itself: the responses
and the maps of the OFF region. Stacking continues from the sums that they hold and the maps that are sums anyway.
"""

from dataclasses import fields
from typing import TypedDict

from astropy.time import Time

from lightpool.arrays import use_device
from lightpool.arrays.devices.array_types import Array
from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.on_off import OnOffDataset
from lightpool.datasets.on_off_sums import OnOffSums
from lightpool.datasets.stacking import require_stackable
from lightpool.irf import IRFMap
from lightpool.maps import Map

__all__ = ["add_stack", "empty_stack", "set_sums", "sums_of"]


class _Options(TypedDict, total=False):
    name: str
    precision: str
    reference_time: Time


def sums_of(dataset: MapDataset) -> dict[str, Array]:
    """Return the sums of a stack by name, on its device; a stack that `set_sums` makes of them is bit-identical.

    Parameters
    ----------
    dataset : MapDataset, MapDatasetOnOff, SpectrumDataset or SpectrumDatasetOnOff

    Returns
    -------
    sums : dict of arrays
        ``counts, exposure, background, mask_safe, mask_fit`` if the dataset has them, of ``psf`` and ``edisp`` the sum
        of exposure times response and of the exposure, and of a stack with OFF counts their sums, named ``off_...``.
    """
    off = dataset.off_sums if isinstance(dataset, OnOffDataset) else None
    # With OFF counts the background is no sum of its own: it follows from those of the OFF region.
    names = ("counts", "exposure", "mask_safe", "mask_fit") + (() if off is not None else ("background",))
    sums: dict[str, Array] = {}
    for name in names:
        data: Map | None = getattr(dataset, name)
        if data is not None:
            sums[name] = data.data
    for name, response in _responses(dataset).items():
        sums[name], sums[f"{name}_exposure"] = response.sums
    return sums | ({} if off is None else {f"off_{name}": total.data for name, total in off.maps.items() if total})


def _responses(dataset: MapDataset) -> dict[str, IRFMap]:
    return {name: part for name, part in (("psf", dataset.psf), ("edisp", dataset.edisp)) if part is not None}


def set_sums(dataset: MapDataset, sums: dict[str, Array]) -> None:
    """Turn an empty dataset into the stack from which the sums were taken.

    Parameters
    ----------
    dataset : dataset of the same kind and geometries, changed in place
    sums : dict of arrays, on the device of the dataset
    """
    for name in ("counts", "exposure", "background", "mask_safe", "mask_fit"):
        if name in sums:
            before: Map | None = getattr(dataset, name)
            # An empty stack has no mask_fit: the first observation that has one creates it.
            new = Map.from_geom(dataset.geom, data=sums[name]) if before is None else before.copy(data=sums[name])
            setattr(dataset, name, new)
    for name, response in _responses(dataset).items():
        if name in sums:
            response.sums = sums[name], sums[f"{name}_exposure"]
    if "off_background" in sums and isinstance(dataset, OnOffDataset):
        off = {each.name: Map.from_geom(dataset.geom, data=sums[f"off_{each.name}"]) for each in fields(OnOffSums)}
        dataset.off_sums = OnOffSums(**off)


def empty_stack(dataset: MapDataset) -> MapDataset:
    """Create an empty stack of the kind, geometries, device and precision of a dataset, which may be an outline."""
    options: _Options = {"name": dataset.name, "precision": dataset.precision}
    if dataset.gti is not None:
        options["reference_time"] = dataset.gti.time_ref
    with use_device(dataset.device):
        empty = type(dataset).from_geoms(**dataset.geoms, **options)
    # from_geoms creates an empty list of intervals; a dataset without one stays without.
    if dataset.gti is None:
        empty.gti = None
    return empty


def add_stack(dataset: MapDataset, part: MapDataset) -> None:
    """Add a stack of some observations to a stack, in place.

    Unlike `MapDataset.stack` it adds everything in the part: the safe masks of the observations were applied
    when they were stacked, each in its own window, and their union would cut more, or less, at the borders of these.

    Parameters
    ----------
    dataset : MapDataset or another kind
    part : of the same kind and geometries; its maps must not be used afterwards
    """
    # with the mask, which is not a part of what is stacked below
    require_stackable(dataset, part)
    mask_safe, part.mask_safe = part.mask_safe, None
    dataset.stack(part)
    if dataset.mask_safe is not None and mask_safe is not None:
        dataset.mask_safe.stack(mask_safe)
