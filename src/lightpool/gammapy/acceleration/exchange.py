"""Maps and datasets of Gammapy as accelerated methods exchange them: with values only where somebody looks at them.

The conversion of `lightpool.gammapy.conversion` returns maps that have their values. Here the maps of a result stay
lazy (see `lightpool.gammapy.acceleration.lazy_maps`), and a dataset whose maps are still lazy gives back what they were
made from, on the device where it is.
"""

from collections.abc import Iterable

from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.datasets import SpectrumDataset as GammapySpectrumDataset
from gammapy.irf import EDispKernelMap as GammapyEDispKernelMap
from gammapy.irf import EDispMap as GammapyEDispMap
from gammapy.irf import PSFMap as GammapyPSFMap
from gammapy.irf import RecoPSFMap as GammapyRecoPSFMap
from gammapy.maps import Map as GammapyMap

from lightpool.arrays import Device, get_default_device
from lightpool.arrays.devices.lazy_array import lazy_zeros
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.gammapy.acceleration.lazy_maps import Pending, lazy_map, pending_values
from lightpool.gammapy.acceleration.take_over import NotTakenOverError
from lightpool.gammapy.conversion import from_gammapy, to_gammapy
from lightpool.gammapy.conversion.maps import map_from_gammapy
from lightpool.irf import EDispKernelMap, EDispMap, IRFMap, PSFMap, RecoPSFMap
from lightpool.maps import Geom, Map
from lightpool.typing import GammapyObject

__all__ = [
    "MAPS",
    "gammapy_map",
    "gammapy_response",
    "lightpool_dataset",
    "lightpool_map",
    "lightpool_response",
    "map_of_response",
    "reference_dataset",
]

MAPS = ("counts", "exposure", "background", "mask_safe", "mask_fit")
"""Parts of a dataset that are maps."""

_CLASSES: dict[type, type[IRFMap]] = {
    GammapyPSFMap: PSFMap,
    GammapyRecoPSFMap: RecoPSFMap,
    GammapyEDispMap: EDispMap,
    GammapyEDispKernelMap: EDispKernelMap,
}
_DATASET_CLASSES: dict[type, type[MapDataset]] = {
    GammapyMapDataset: MapDataset,
    GammapySpectrumDataset: SpectrumDataset,
}
_GAMMAPY_CLASSES = {ours: theirs for theirs, ours in _CLASSES.items()}


# --- from Gammapy


def lightpool_map(values: GammapyMap, device: Device | None = None) -> Map:
    """Return a map on a device, the default one if not given."""
    return map_from_gammapy(values).to(get_default_device() if device is None else device)


def map_of_response(response: GammapyObject) -> GammapyMap:
    """Return the map of a response, without its exposure."""
    return response.psf_map if isinstance(response, GammapyPSFMap) else response.edisp_map


def lightpool_response(response: GammapyObject) -> IRFMap:
    """Return a reduced response on the default device; a stack that grows goes on growing."""
    kind = _CLASSES.get(type(response))
    if kind is None:
        raise NotTakenOverError(f"a response of class {type(response).__name__}")
    parts = [pending_values(part) for part in (map_of_response(response), response.exposure_map)]
    owners = {id(part.owner): part.owner for part in parts if part is not None}
    if None not in parts and len(owners) == 1:
        (owner,) = owners.values()
        if isinstance(owner, IRFMap):
            return owner.to(get_default_device())
    exposure = None if response.exposure_map is None else lightpool_map(response.exposure_map)
    return kind(lightpool_map(map_of_response(response)), exposure)


def lightpool_dataset(dataset: GammapyMapDataset, *, parts: Iterable[str] = (*MAPS, "psf", "edisp")) -> MapDataset:
    """Return a dataset on the default device, without models.

    Parameters
    ----------
    dataset : MapDataset or SpectrumDataset of Gammapy, without OFF counts
    parts : names of the maps and responses that it shall have
    """
    made: dict[str, Map | IRFMap] = {}
    for name in parts:
        part = getattr(dataset, name)
        if part is not None:
            made[name] = lightpool_map(part) if name in MAPS else lightpool_response(part)
    kind = _dataset_class(dataset)
    return kind(name=dataset.name, **made)  # type: ignore[arg-type]  # each name has the kind that it needs


def reference_dataset(dataset: GammapyMapDataset, *, parts: Iterable[str]) -> MapDataset:
    """Return a dataset of zeros with the geometries of one of Gammapy, whose values are not looked at.

    Parameters
    ----------
    dataset : MapDataset or SpectrumDataset of Gammapy
    parts : names of the maps and responses that it shall have
    """
    made: dict[str, Map | IRFMap] = {}
    for name in parts:
        part = getattr(dataset, name)
        if part is None:
            raise NotTakenOverError(f"a dataset without {name}, so without the geometry of it")
        if name in MAPS:
            made[name] = _empty(part)
            continue
        kind = _CLASSES.get(type(part))
        if kind is None:
            raise NotTakenOverError(f"a response of class {type(part).__name__}")
        made[name] = kind(_empty(map_of_response(part)))
    return _dataset_class(dataset)(name=dataset.name, **made)  # type: ignore[arg-type]  # as above


def _empty(values: GammapyMap) -> Map:
    geom = from_gammapy(values.geom)
    assert isinstance(geom, Geom)  # as the error of the conversion says
    device = get_default_device()
    zeros = lazy_zeros(tuple(geom.data_shape), "float64", device)
    return Map.from_geom(geom, data=zeros, unit=values.unit, device=device)


def _dataset_class(dataset: GammapyMapDataset) -> type[MapDataset]:
    kind = _DATASET_CLASSES.get(type(dataset))
    if kind is None:
        raise NotTakenOverError(f"a dataset of class {type(dataset).__name__}")
    return kind


# --- to Gammapy


def gammapy_map(values: Map, dtype: str, owner: object | None = None) -> GammapyMap:
    """Return a map of Gammapy that gets its values when somebody reads them.

    Parameters
    ----------
    values : Map
    dtype : str, data type that Gammapy gives such a map
    owner : object, optional
        What the map is a part of; by default itself.
    """
    pending = Pending(values if owner is None else owner, lambda: values, dtype)
    return lazy_map(to_gammapy(values.geom), pending, values.unit, dict(values.meta))


def gammapy_response(response: IRFMap, dtype: str = "float64") -> GammapyObject:
    """Return a reduced response of Gammapy whose maps get their values when somebody reads them.

    Parameters
    ----------
    response : IRFMap
    dtype : str, data type of both maps
    """
    exposure = response.exposure_map
    theirs = _GAMMAPY_CLASSES[type(response)]
    return theirs(
        gammapy_map(response.irf_map, dtype, response),
        None if exposure is None else gammapy_map(exposure, dtype, response),
    )
