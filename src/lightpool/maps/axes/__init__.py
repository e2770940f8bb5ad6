"""Axes: bins of energy or another quantity, of time, and of labels; several axes together; and their FITS tables."""

from lightpool.maps.axes.axes import UNIT_STRING_FORMAT, MapAxes
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.axes.label_axis import LabelMapAxis
from lightpool.maps.axes.time_axis import TimeMapAxis
from lightpool.names import show_public

__all__ = ["UNIT_STRING_FORMAT", "LabelMapAxis", "MapAxes", "MapAxis", "TimeMapAxis"]

show_public(__name__)
