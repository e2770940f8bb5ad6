"""Gammapy's `MapDataset.cutout`: windows of one map share what is computed for its pixels."""

from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.maps import Map as GammapyMap
from gammapy.utils.scripts import make_name

from lightpool.gammapy.acceleration.exchange import (
    MAPS,
    RESPONSES,
    gammapy_map,
    gammapy_response,
    lightpool_response,
    require_dataset,
)
from lightpool.gammapy.acceleration.lazy_maps import dtype_of
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError, takes_over
from lightpool.gammapy.conversion.maps import map_from_gammapy
from lightpool.maps import WcsNDMap
from lightpool.typing import GammapyObject

__all__: list[str] = []


@takes_over(GammapyMapDataset, "cutout", relies_on=(*MAPS, *RESPONSES, "stat_type"))
def _cutout(
    dataset: GammapyMapDataset,
    position: GammapyObject,
    width: GammapyObject,
    mode: str = "trim",
    name: str | None = None,
) -> Commit:
    require_dataset(dataset)
    parts: dict[str, GammapyObject] = {}
    for each in (*MAPS, *RESPONSES):
        part = getattr(dataset, each)
        if part is None:
            continue
        if each in RESPONSES:
            cut = lightpool_response(part).cutout(position, width, mode)
            # The maps of a response may differ.
            parts[each] = gammapy_response(cut, like=part)
        else:
            parts[each] = _cut_map(part, position, width, mode)
    result = type(dataset)(gti=dataset.gti, name=make_name(name), meta_table=dataset.meta_table, **parts)
    return lambda: result


def _cut_map(values: GammapyMap, position: GammapyObject, width: GammapyObject, mode: str) -> GammapyMap:
    ours = map_from_gammapy(values)
    if not isinstance(ours, WcsNDMap):
        raise NotTakenOverError("a cutout of a map without pixels")
    return gammapy_map(ours.cutout(position, width, mode), dtype_of(values))
