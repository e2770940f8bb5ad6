"""The sums of which a stack consists, as plain arrays: what is saved of a stack that is to grow on."""

from typing import Any

from lightpool.arrays import use_device
from lightpool.arrays.devices.array_types import Array
from lightpool.datasets.map_dataset import MapDataset
from lightpool.datasets.on_off_sums import OnOffSums
from lightpool.maps import Map

__all__ = ["add_stack", "empty_stack", "set_sums", "sums_of"]

_RESPONSES = ("psf", "edisp")
_OFF = ("counts_off", "acceptance", "background", "acceptance_off")


def sums_of(dataset: MapDataset) -> dict[str, Array]:
    """Sums of a stack by name, on its device; a stack made of them again is the same to the last bit.

    Parameters
    ----------
    dataset : MapDataset, MapDatasetOnOff, SpectrumDataset or SpectrumDatasetOnOff

    Returns
    -------
    sums : dict of arrays
        ``counts, exposure, background, mask_safe, mask_fit`` as far as they are there, of ``psf`` and ``edisp`` the sum
        of exposure times response and of the exposure, and of a stack with OFF counts their sums, named ``off_...``.
    """
    off = getattr(dataset, "_sums", None)
    names = ("counts", "exposure", "mask_safe", "mask_fit") + (() if off is not None else ("background",))
    sums = {name: getattr(dataset, name).data for name in names if getattr(dataset, name) is not None}
    for name in _RESPONSES:
        if getattr(dataset, name) is not None:
            sums[name], sums[f"{name}_exposure"] = getattr(dataset, name).sums
    return sums | ({} if off is None else {f"off_{name}": getattr(off, name).data for name in _OFF})


def set_sums(dataset: MapDataset, sums: dict[str, Array]) -> None:
    """Make an empty dataset the stack that `sums_of` was asked about.

    Parameters
    ----------
    dataset : dataset of the same kind and geometries, changed in place
    sums : dict of arrays, on the device of the dataset
    """
    for name in ("counts", "exposure", "background", "mask_safe", "mask_fit"):
        if name in sums:
            before = getattr(dataset, name)
            new = Map.from_geom(dataset._geom, data=sums[name]) if before is None else before.copy(data=sums[name])
            setattr(dataset, name, new)
    for name in _RESPONSES:
        if name in sums:
            getattr(dataset, name).sums = sums[name], sums[f"{name}_exposure"]
    if "off_background" in sums:
        maps: dict[str, Any] = {name: Map.from_geom(dataset._geom, data=sums[f"off_{name}"]) for name in _OFF}
        dataset._sums = OnOffSums(**maps)


def empty_stack(dataset: MapDataset) -> MapDataset:
    """Stack of nothing, of the kind, geometries, device and precision of a dataset, which may be an outline."""
    options: dict[str, Any] = {"name": dataset.name, "precision": dataset.precision}
    if dataset.gti is not None:
        options["reference_time"] = dataset.gti.time_ref
    with use_device(dataset.device):
        empty: MapDataset = type(dataset).from_geoms(**dataset.geoms, **options)
    if dataset.gti is None:
        empty.gti = None
    return empty


def add_stack(dataset: MapDataset, part: MapDataset) -> None:
    """Add a stack of some observations to a stack, in place.

    Other than `MapDataset.stack` it adds all that is in the part: the safe masks of the observations were applied
    when they were stacked, each in its own window, and their union would cut more, or less, at the borders of these.

    Parameters
    ----------
    dataset : MapDataset or another kind
    part : of the same kind and geometries; its maps are not to be used afterwards
    """
    mask_safe, part.mask_safe = part.mask_safe, None
    dataset.stack(part)
    if dataset.mask_safe is not None and mask_safe is not None:
        dataset.mask_safe.stack(mask_safe)
