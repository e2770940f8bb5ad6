"""Labels, limits and scales of plots along an axis of a map."""

from typing import Any

from matplotlib.dates import DateFormatter

from lightpool.maps.axes.axes import UNIT_STRING_FORMAT
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.axes.axis_base import AxisBase
from lightpool.maps.axes.label_axis import LabelMapAxis
from lightpool.maps.axes.time_axis import TimeMapAxis

__all__ = ["axis_label", "format_xaxis", "format_yaxis"]

QUANTITIES = {
    "energy": "Energy",
    "energy_true": "True Energy",
    "offset": "FoV Offset",
    "rad": "Source Offset",
    "migra": "Energy / True Energy",
    "fov_lon": "FoV Lon.",
    "fov_lat": "FoV Lat.",
    "time": "Time",
}

_TICK_TEXT = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}


def axis_label(axis: AxisBase, unit: Any = None) -> str:
    """Text beside an axis: its quantity and, in brackets, the unit it is drawn in (by default its own).

    Parameters
    ----------
    axis : MapAxis, LabelMapAxis or TimeMapAxis
    unit : Unit, optional
    """
    quantity = QUANTITIES.get(axis.name, axis.name.capitalize())
    if isinstance(axis, TimeMapAxis):
        return f"{quantity} [{axis.time_format}]"
    if isinstance(axis, MapAxis):
        text = (axis.unit if unit is None else unit).to_string(UNIT_STRING_FORMAT)
        return f"{quantity} [{text}]" if axis.unit != "" else quantity
    return quantity


def format_xaxis(axis: AxisBase, ax: Any) -> Any:
    """Set scale, limits, ticks and label of the x axis of a plot.

    Parameters
    ----------
    axis : MapAxis, LabelMapAxis or TimeMapAxis
    ax : matplotlib Axes, returned

    Notes
    -----
    If ``ax`` has been drawn to with quantities, its unit is kept.
    """
    return _format(axis, ax, "x")


def format_yaxis(axis: AxisBase, ax: Any) -> Any:
    """Set scale, limits, ticks and label of the y axis of a plot, see `format_xaxis`."""
    return _format(axis, ax, "y")


def _format(axis: AxisBase, ax: Any, which: str) -> Any:
    drawn = getattr(ax, f"{which}axis")
    unit = getattr(drawn, "units", None)
    unit = unit if hasattr(unit, "to_string") else None
    if isinstance(axis, LabelMapAxis):
        drawn.set_ticks(axis.as_plot_center, labels=axis.as_plot_labels, **_TICK_TEXT)
        return ax
    getattr(ax, f"set_{which}label")(axis_label(axis, unit))
    if isinstance(axis, TimeMapAxis):
        is_date = axis.time_format == "iso"
        drawn.set_major_formatter(DateFormatter("%Y-%m-%d %H:%M:%S") if is_date else "{x:,.5f}")
        for text in drawn.get_majorticklabels():
            text.set(**_TICK_TEXT)
    elif isinstance(axis, MapAxis):
        getattr(ax, f"set_{which}scale")(axis.as_plot_scale)
        lower, upper = axis.bounds.value if unit is None else axis.bounds.to_value(unit)
        if lower != upper:
            getattr(ax, f"set_{which}lim")(lower, upper)
    return ax
