"""Labels, limits and scales of plots along an axis of a map."""

from collections.abc import Callable

import astropy.units as u
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.dates import DateFormatter
from matplotlib.ticker import Formatter

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

_date_formatter: Callable[[str], Formatter] = DateFormatter
_TICK_ROTATION = 30  # degrees; horizontal labels or dates would overlap


def axis_label(axis: AxisBase, unit: u.UnitBase | None = None) -> str:
    """Return the label of an axis: its quantity and, in brackets, the unit.

    Parameters
    ----------
    axis : MapAxis, LabelMapAxis or TimeMapAxis
    unit : Unit, optional
        Unit in which the axis is drawn; its own by default.
    """
    quantity = QUANTITIES.get(axis.name, axis.name.capitalize())
    if isinstance(axis, TimeMapAxis):
        return f"{quantity} [{axis.time_format}]"
    if isinstance(axis, MapAxis):
        text = (axis.unit if unit is None else unit).to_string(UNIT_STRING_FORMAT)
        return f"{quantity} [{text}]" if axis.unit != "" else quantity
    return quantity


def format_xaxis(axis: AxisBase, ax: Axes) -> Axes:
    """Set scale, limits, ticks and label of the x axis of a plot.

    Parameters
    ----------
    axis : MapAxis, LabelMapAxis or TimeMapAxis
    ax : Axes
        Returned. If quantities have been drawn on it, its unit is kept.
    """
    _format(axis, ax.xaxis, ax.set_xlabel, ax.set_xscale, ax.set_xlim)
    return ax


def format_yaxis(axis: AxisBase, ax: Axes) -> Axes:
    """Set scale, limits, ticks and label of the y axis of a plot.

    Parameters
    ----------
    axis, ax : see `format_xaxis`
    """
    _format(axis, ax.yaxis, ax.set_ylabel, ax.set_yscale, ax.set_ylim)
    return ax


def _format(
    axis: AxisBase,
    drawn: Axis,
    set_label: Callable[[str], object],
    set_scale: Callable[[str], object],
    set_limits: Callable[[float, float], object],
) -> None:
    if isinstance(axis, LabelMapAxis):
        drawn.set_ticks(
            axis.as_plot_center, labels=axis.as_plot_labels, rotation=_TICK_ROTATION, ha="right", rotation_mode="anchor"
        )
        return
    # Matplotlib keeps whatever the unit converter of the drawn values set: a unit only for quantities.
    unit: u.UnitBase | None = getattr(drawn, "units", None)
    unit = unit if hasattr(unit, "to_string") else None
    set_label(axis_label(axis, unit))
    if isinstance(axis, TimeMapAxis):
        is_date = axis.time_format == "iso"
        drawn.set_major_formatter(_date_formatter("%Y-%m-%d %H:%M:%S") if is_date else "{x:,.5f}")
        for text in drawn.get_majorticklabels():
            text.set(rotation=_TICK_ROTATION, ha="right", rotation_mode="anchor")
    elif isinstance(axis, MapAxis):
        set_scale(axis.as_plot_scale)
        lower, upper = axis.bounds.value if unit is None else axis.bounds.to_value(unit)
        if lower != upper:
            set_limits(lower, upper)
