"""Maps: values on a geometry. They are shared: a write to one map is visible in the other.

Copied are values on a device (one transfer), values in the byte order of another machine, and views with negative
strides, which no array library but NumPy takes. Values that are computed when they are needed are computed once, and
shared then. The dictionary of the metadata is shared too.
"""

from gammapy.maps import HpxNDMap as GammapyHpxNDMap
from gammapy.maps import Maps as GammapyMaps
from gammapy.maps import RegionNDMap as GammapyRegionNDMap
from gammapy.maps import WcsNDMap as GammapyWcsNDMap

from lightpool.arrays import to_host
from lightpool.gammapy.conversion.geoms import (
    hpx_geom_from_gammapy,
    hpx_geom_to_gammapy,
    region_geom_from_gammapy,
    region_geom_to_gammapy,
    wcs_geom_from_gammapy,
    wcs_geom_to_gammapy,
)
from lightpool.gammapy.conversion.kinds import require_class
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.maps import HpxNDMap, Map, Maps, RegionNDMap, WcsNDMap
from lightpool.typing import GammapyObject

__all__ = ["map_from_gammapy", "map_to_gammapy"]


@to_gammapy.register
def wcs_map_to_gammapy(m: WcsNDMap) -> GammapyWcsNDMap:
    """Return a map of sky pixels as one of Gammapy."""
    geom = wcs_geom_to_gammapy(m.geom)
    # host: Gammapy has NumPy arrays only
    return GammapyWcsNDMap(geom, data=to_host(m.data), meta=m.meta, unit=m.unit)


@from_gammapy.register(GammapyWcsNDMap)
def wcs_map_from_gammapy(m: GammapyWcsNDMap) -> WcsNDMap:
    """Return a map of sky pixels of Gammapy as one of lightpool."""
    data = m.data  # a map of an accelerated result gets its values, and with them its class, when they are read
    require_class(m, GammapyWcsNDMap)
    return WcsNDMap(wcs_geom_from_gammapy(m.geom), data=data, meta=m.meta, unit=m.unit, device="cpu")


@to_gammapy.register
def region_map_to_gammapy(m: RegionNDMap) -> GammapyRegionNDMap:
    """Return a map of a region as one of Gammapy."""
    geom = region_geom_to_gammapy(m.geom)
    # host: Gammapy has NumPy arrays only
    return GammapyRegionNDMap(geom, data=to_host(m.data), meta=m.meta, unit=m.unit)


@from_gammapy.register(GammapyRegionNDMap)
def region_map_from_gammapy(m: GammapyRegionNDMap) -> RegionNDMap:
    """Return a map of a region of Gammapy as one of lightpool."""
    data = m.data  # a map of an accelerated result gets its values, and with them its class, when they are read
    require_class(m, GammapyRegionNDMap)
    return RegionNDMap(region_geom_from_gammapy(m.geom), data=data, meta=m.meta, unit=m.unit, device="cpu")


@to_gammapy.register
def hpx_map_to_gammapy(m: HpxNDMap) -> GammapyHpxNDMap:
    """Return a map of HEALPix pixels as one of Gammapy, which needs healpy for it."""
    geom = hpx_geom_to_gammapy(m.geom)
    # host: Gammapy has NumPy arrays only
    return GammapyHpxNDMap(geom, data=to_host(m.data), meta=m.meta, unit=m.unit)


@from_gammapy.register(GammapyHpxNDMap)
def hpx_map_from_gammapy(m: GammapyHpxNDMap) -> HpxNDMap:
    """Return a map of HEALPix pixels of Gammapy as one of lightpool."""
    require_class(m, GammapyHpxNDMap)
    return HpxNDMap(hpx_geom_from_gammapy(m.geom), data=m.data, meta=m.meta, unit=m.unit, device="cpu")


@to_gammapy.register
def maps_to_gammapy(maps: Maps) -> GammapyMaps:
    """Return maps by name as those of Gammapy."""
    return GammapyMaps(**{name: map_to_gammapy(m) for name, m in maps.items()})


@from_gammapy.register(GammapyMaps)
def maps_from_gammapy(maps: GammapyMaps) -> Maps:
    """Return maps by name of Gammapy as those of lightpool."""
    return Maps(**{name: map_from_gammapy(m) for name, m in maps.items()})


def map_to_gammapy(m: Map) -> GammapyObject:
    """Return a map of any kind as one of Gammapy."""
    return to_gammapy(m)


def map_from_gammapy(m: GammapyObject) -> Map:
    """Return a map of Gammapy of any kind as one of lightpool."""
    found = from_gammapy(m)
    if not isinstance(found, Map):
        raise TypeError(f"expected a map of Gammapy, got a {type(m).__name__}")
    return found
