"""Gammapy's `MapDataset.cutout`: windows of one map share what is computed for its pixels.

A window of a stack is not copied before somebody looks at it, or the stack grows: most are never looked at, since
the makers that are run on them need geometries only.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from weakref import ref

from gammapy.datasets import MapDataset as GammapyMapDataset
from gammapy.maps import Map as GammapyMap
from gammapy.utils.scripts import make_name

from lightpool.gammapy.acceleration.exchange import (
    MAPS,
    RESPONSES,
    gammapy_map,
    gammapy_response,
    lightpool_response,
    map_of_response,
    require_dataset,
)
from lightpool.gammapy.acceleration.lazy_maps import Pending, dtype_of, lazy_map, lightpool_values, pending_values
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError, takes_over
from lightpool.gammapy.conversion import from_gammapy, to_gammapy
from lightpool.irf import IRFMap
from lightpool.maps import Map, WcsGeom, WcsNDMap
from lightpool.typing import GammapyObject

__all__: list[str] = []

_LEAST = 3
"""Pixels of a response, so that it can be interpolated."""


@dataclass(frozen=True)
class _Window:
    """Where to cut, and the geometries that were cut out already: the maps of a dataset share theirs."""

    position: GammapyObject
    width: GammapyObject
    mode: str
    cut: dict[tuple[int, int], GammapyObject] = field(default_factory=dict)

    def of(self, values: Map) -> Map:
        """Return a window of a map."""
        if not isinstance(values, WcsNDMap):
            raise NotTakenOverError("a cutout of a map without pixels")
        return values.cutout(self.position, self.width, self.mode)

    def of_response(self, response: IRFMap) -> IRFMap:
        """Return a window of a reduced response."""
        return response.cutout(self.position, self.width, self.mode)

    def later(self, values: GammapyMap, find: Callable[[], Map], min_npix: int = 1) -> GammapyMap:
        """Return a window of a stack, which is cut out when somebody looks at it.

        Parameters
        ----------
        values : Map of Gammapy whose values are sums
        find : function that cuts it out
        min_npix : int
        """
        key = id(values.geom), min_npix
        if key not in self.cut:
            geom = from_gammapy(values.geom)
            if not isinstance(geom, WcsGeom):
                raise NotTakenOverError("a cutout of a map without pixels")
            self.cut[key] = to_gammapy(geom.cutout(self.position, self.width, self.mode, min_npix=min_npix))
        made = lazy_map(
            self.cut[key], Pending(None, lambda _: find(), dtype_of(values)), values.unit, deepcopy(values.meta)
        )
        pending = pending_values(values)
        assert pending is not None  # its values are sums
        pending.windows.append(ref(made))
        return made


@takes_over(GammapyMapDataset, "cutout", relies_on=(*MAPS, *RESPONSES, "stat_type"))
def _cutout(
    dataset: GammapyMapDataset,
    position: GammapyObject,
    width: GammapyObject,
    mode: str = "trim",
    name: str | None = None,
) -> Commit:
    require_dataset(dataset)
    window = _Window(position, width, mode)
    parts: dict[str, GammapyObject] = {}
    for each in (*MAPS, *RESPONSES):
        part = getattr(dataset, each)
        if part is not None:
            parts[each] = _cut_response(part, window) if each in RESPONSES else _cut_map(part, window)
    result = type(dataset)(gti=dataset.gti, name=make_name(name), meta_table=dataset.meta_table, **parts)
    return lambda: result


def _cut_map(values: GammapyMap, window: _Window) -> GammapyMap:
    pending = pending_values(values)
    if pending is not None and pending.is_sum:
        return window.later(values, lambda: window.of(pending.values()))
    # Scripts may have added to its metadata.
    return gammapy_map(window.of(lightpool_values(values)), dtype_of(values), like=values)


def _cut_response(response: GammapyObject, window: _Window) -> GammapyObject:
    theirs, exposure = map_of_response(response), response.exposure_map
    pending = pending_values(theirs)
    if pending is None or not all(_is_sum(part) for part in (theirs, exposure)):
        return gammapy_response(window.of_response(lightpool_response(response)), like=response)

    @lru_cache(maxsize=1)  # for both maps
    def cut() -> IRFMap:
        return window.of_response(pending.owner)

    return type(response)(
        window.later(theirs, lambda: cut().irf_map, _LEAST), window.later(exposure, lambda: _exposure(cut()), _LEAST)
    )


def _is_sum(values: GammapyMap | None) -> bool:
    pending = pending_values(values)
    return pending is not None and pending.is_sum


def _exposure(response: IRFMap) -> Map:
    exposure = response.exposure_map
    assert exposure is not None  # without one it could not have been stacked
    return exposure
