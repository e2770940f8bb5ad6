"""Maps and datasets of Gammapy as accelerated methods exchange them: with values only where somebody looks at them.

The conversion of `lightpool.gammapy.conversion` returns maps that have their values. Here the maps of a result stay
lazy (see `lightpool.gammapy.acceleration.lazy_maps`), and a dataset whose maps are still lazy gives back what they were
made from, on the device where it is.
"""

from collections.abc import Iterable
from copy import deepcopy

from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.datasets import MapDatasetOnOff as GammapyMapDatasetOnOff
from gammapy.datasets import SpectrumDataset as GammapySpectrumDataset
from gammapy.datasets import SpectrumDatasetOnOff as GammapySpectrumDatasetOnOff
from gammapy.irf import EDispKernelMap as GammapyEDispKernelMap
from gammapy.irf import EDispMap as GammapyEDispMap
from gammapy.irf import PSFMap as GammapyPSFMap
from gammapy.irf import RecoPSFMap as GammapyRecoPSFMap
from gammapy.maps import Map as GammapyMap

from lightpool.arrays import Device, get_default_device
from lightpool.arrays.devices.lazy_array import lazy_zeros
from lightpool.datasets import FoVBackgroundModel, MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.gammapy.acceleration.lazy_maps import Pending, dtype_of, lazy_map, lightpool_values, pending_values
from lightpool.gammapy.acceleration.take_over import NotTakenOverError
from lightpool.gammapy.conversion import from_gammapy, to_gammapy
from lightpool.irf import EDispKernelMap, EDispMap, IRFMap, PSFMap, RecoPSFMap
from lightpool.maps import Geom, Map
from lightpool.typing import GammapyObject

__all__ = [
    "MAPS",
    "OFF_MAPS",
    "RESPONSES",
    "gammapy_map",
    "gammapy_response",
    "lightpool_background_model",
    "lightpool_dataset",
    "lightpool_map",
    "lightpool_response",
    "map_of_response",
    "reference_dataset",
    "require_dataset",
    "response_class",
]

MAPS = ("counts", "exposure", "background", "mask_safe", "mask_fit")
"""Parts of a dataset that are maps."""

RESPONSES = ("psf", "edisp")
"""Parts of a dataset that are responses."""

OFF_MAPS = ("counts_off", "acceptance", "acceptance_off")
"""Further maps of a dataset with OFF counts."""

_CLASSES: dict[type, type[IRFMap]] = {
    GammapyPSFMap: PSFMap,
    GammapyRecoPSFMap: RecoPSFMap,
    GammapyEDispMap: EDispMap,
    GammapyEDispKernelMap: EDispKernelMap,
}
_GAMMAPY_CLASSES = {ours: theirs for theirs, ours in _CLASSES.items()}
_DATASET_CLASSES: dict[type, type[MapDataset]] = {
    GammapyMapDataset: MapDataset,
    GammapyMapDatasetOnOff: MapDatasetOnOff,
    GammapySpectrumDataset: SpectrumDataset,
    GammapySpectrumDatasetOnOff: SpectrumDatasetOnOff,
}


def require_dataset(dataset: GammapyMapDataset) -> type[MapDataset]:
    """Return the class of lightpool for a dataset of Gammapy.

    Raises
    ------
    NotTakenOverError
        If it is of another kind.
    """
    kind = _DATASET_CLASSES.get(type(dataset))
    if kind is None:
        raise NotTakenOverError(f"a dataset of class {type(dataset).__name__}")
    return kind


# --- from Gammapy


def lightpool_map(values: GammapyMap, device: Device | None = None) -> Map:
    """Return a map of Gammapy as one on a device; whole numbers become floats of double precision.

    Parameters
    ----------
    values : Map of Gammapy
    device : Device, the default one if not given
    """
    found = lightpool_values(values).to(get_default_device() if device is None else device)
    if dtype_of(values).startswith(("int", "uint")) and pending_values(values) is None:
        return found.copy(data=found.device.xp.astype(found.data, found.device.xp.float64))
    return found


def map_of_response(response: GammapyObject) -> GammapyMap:
    """Return the map of a response, without its exposure."""
    return response.psf_map if isinstance(response, GammapyPSFMap) else response.edisp_map


def lightpool_response(response: GammapyObject) -> IRFMap:
    """Return a reduced response; one that grows in a stack goes on growing."""
    kind = response_class(response)
    parts = [pending_values(part) for part in (map_of_response(response), response.exposure_map)]
    owners = [part.owner for part in parts if part is not None]
    if len(owners) == 2 and owners[0] is owners[1] and isinstance(owners[0], IRFMap):
        return owners[0]
    exposure = None if response.exposure_map is None else lightpool_values(response.exposure_map)
    return kind(lightpool_values(map_of_response(response)), exposure)


def response_class(response: GammapyObject) -> type[IRFMap]:
    """Return the class of lightpool for a reduced response of Gammapy.

    Raises
    ------
    NotTakenOverError
        If it is of another kind.
    """
    kind = _CLASSES.get(type(response))
    if kind is None:
        raise NotTakenOverError(f"a response of class {type(response).__name__}")
    return kind


def lightpool_dataset(dataset: GammapyMapDataset, *, parts: Iterable[str] = (*MAPS, *RESPONSES)) -> MapDataset:
    """Return a dataset on the default device, with the model of its background if it has one.

    Parameters
    ----------
    dataset : MapDataset, SpectrumDataset, or one of them with OFF counts, of Gammapy
    parts : names of the maps and responses that it shall have, besides those of the OFF region
    """
    kind, device = require_dataset(dataset), get_default_device()
    has_off = issubclass(kind, MapDatasetOnOff | SpectrumDatasetOnOff)
    names = [name for name in parts if not (has_off and name == "background")]
    made: dict[str, Map | IRFMap] = {}
    for name in (*names, *(OFF_MAPS if has_off else ())):
        part = getattr(dataset, name)
        if part is not None:
            made[name] = lightpool_response(part).to(device) if name in RESPONSES else lightpool_map(part, device)
    model = lightpool_background_model(dataset)
    models = None if model is None else [model]
    return kind(name=dataset.name, models=models, **made)  # type: ignore[arg-type]  # each name has the kind that it needs


def lightpool_background_model(dataset: GammapyMapDataset) -> FoVBackgroundModel | None:
    """Return the model of the background of a dataset, None if it has none."""
    model = dataset.background_model
    if model is None:
        return None
    found = from_gammapy(model)
    if not isinstance(found, FoVBackgroundModel):
        raise NotTakenOverError(f"a background model of class {type(model).__name__}")
    return found


def reference_dataset(dataset: GammapyMapDataset, *, parts: Iterable[str]) -> MapDataset:
    """Return a dataset of zeros with the geometries of one of Gammapy, whose values are not looked at.

    Parameters
    ----------
    dataset : MapDataset or SpectrumDataset of Gammapy
    parts : names of the maps and responses that it shall have
    """
    kind = require_dataset(dataset)
    made: dict[str, Map | IRFMap] = {}
    for name in parts:
        part = getattr(dataset, name)
        if part is None:
            raise NotTakenOverError(f"a dataset without {name}, so without the geometry of it")
        made[name] = response_class(part)(_empty(map_of_response(part))) if name in RESPONSES else _empty(part)
    return kind(name=dataset.name, **made)  # type: ignore[arg-type]  # as above


def _empty(values: GammapyMap) -> Map:
    geom = from_gammapy(values.geom)
    assert isinstance(geom, Geom)  # geometries are converted to geometries
    device = get_default_device()
    return Map.from_geom(geom, data=lazy_zeros(tuple(geom.data_shape), "float64", device), device=device)


# --- to Gammapy


def gammapy_map(
    values: Map,
    dtype: str,
    owner: object | None = None,
    *,
    is_sum: bool = False,
    like: GammapyMap | None = None,
) -> GammapyMap:
    """Return a map of Gammapy that gets its values when somebody reads them.

    Parameters
    ----------
    values : Map
    dtype : str, data type that Gammapy gives such a map
    owner : object, optional
        What the map is a part of; by default itself.
    is_sum : bool
        Whether it belongs to a stack alone, which may add to it in place.
    like : Map of Gammapy, optional
        Whose metadata it has; by default those of ``values``.
    """
    if owner is None:
        pending = Pending(values, lambda own: own, dtype, is_sum)
    else:
        pending = Pending(owner, lambda _: values, dtype, is_sum)
    meta = dict(values.meta) if like is None else deepcopy(like.meta)
    return lazy_map(to_gammapy(values.geom), pending, values.unit, meta)


def gammapy_response(response: IRFMap, like: GammapyObject | None = None) -> GammapyObject:
    """Return a reduced response of Gammapy whose maps get their values when somebody reads them.

    Parameters
    ----------
    response : IRFMap
    like : reduced response of Gammapy, optional
        Whose data types and metadata the maps have; by default double precision.
    """
    models = (None, None) if like is None else (map_of_response(like), like.exposure_map)
    values, exposure = (
        None
        if part is None
        else gammapy_map(part, "float64" if model is None else dtype_of(model), response, like=model)
        for part, model in zip((response.irf_map, response.exposure_map), models, strict=True)
    )
    return _GAMMAPY_CLASSES[type(response)](values, exposure)
