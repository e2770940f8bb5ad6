"""Axes, geometries and maps; the only door to WCS and regions."""

from lightpool.maps.axes import MapAxes
from lightpool.maps.axis import MapAxis
from lightpool.maps.coord import MapCoord
from lightpool.maps.core import Map
from lightpool.maps.geom import Geom
from lightpool.maps.label_axis import LabelMapAxis
from lightpool.maps.maps import Maps
from lightpool.maps.region_geom import RegionGeom
from lightpool.maps.region_map import RegionNDMap
from lightpool.maps.time_axis import TimeMapAxis
from lightpool.maps.wcs_geom import WcsGeom
from lightpool.maps.wcs_map import WcsNDMap
from lightpool.names import show_public

__all__ = [
    "Geom",
    "LabelMapAxis",
    "Map",
    "MapAxes",
    "MapAxis",
    "MapCoord",
    "Maps",
    "RegionGeom",
    "RegionNDMap",
    "TimeMapAxis",
    "WcsGeom",
    "WcsNDMap",
]

show_public(__name__)
