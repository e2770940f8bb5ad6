"""Axes, geometries and maps; the only door to WCS and regions."""

from lightpool.maps.axes import MapAxes
from lightpool.maps.axis import MapAxis
from lightpool.maps.coord import MapCoord
from lightpool.maps.geom import Geom
from lightpool.maps.label_axis import LabelMapAxis
from lightpool.maps.region_geom import RegionGeom
from lightpool.maps.time_axis import TimeMapAxis
from lightpool.maps.wcs_geom import WcsGeom

__all__ = ["Geom", "LabelMapAxis", "MapAxes", "MapAxis", "MapCoord", "RegionGeom", "TimeMapAxis", "WcsGeom"]
