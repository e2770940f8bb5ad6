"""Axes, geometries and maps; the only door to WCS and regions."""

from lightpool.maps.axes.axes import MapAxes
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.axes.label_axis import LabelMapAxis
from lightpool.maps.axes.time_axis import TimeMapAxis
from lightpool.maps.coord import MapCoord
from lightpool.maps.core import Map
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.geoms.hpx_geom import HpxGeom
from lightpool.maps.geoms.planes_geom import PlanesWcsGeom
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.hpx_map import HpxMap, HpxNDMap
from lightpool.maps.maps import Maps
from lightpool.maps.measure import containment_radius, containment_region
from lightpool.maps.region_map import RegionNDMap
from lightpool.maps.wcs_core import WcsMap
from lightpool.maps.wcs_map import WcsNDMap
from lightpool.names import show_public

__all__ = [
    "Geom",
    "HpxGeom",
    "HpxMap",
    "HpxNDMap",
    "LabelMapAxis",
    "Map",
    "MapAxes",
    "MapAxis",
    "MapCoord",
    "Maps",
    "PlanesWcsGeom",
    "RegionGeom",
    "RegionNDMap",
    "TimeMapAxis",
    "WcsGeom",
    "WcsMap",
    "WcsNDMap",
    "containment_radius",
    "containment_region",
]

show_public(__name__)
