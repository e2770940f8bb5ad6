"""Axes, geometries and maps; the only door to WCS and regions."""

from lightpool.maps.axes import MapAxes
from lightpool.maps.axis import MapAxis
from lightpool.maps.coord import MapCoord
from lightpool.maps.label_axis import LabelMapAxis
from lightpool.maps.time_axis import TimeMapAxis

__all__ = ["LabelMapAxis", "MapAxes", "MapAxis", "MapCoord", "TimeMapAxis"]
