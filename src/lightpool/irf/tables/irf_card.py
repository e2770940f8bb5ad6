"""What notebooks show of response tables."""

from collections.abc import Mapping
from typing import Any, Protocol

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.memory import format_bytes
from lightpool.maps import MapAxes, MapAxis
from lightpool.maps.axes.axis_cards import axes_in_a_line, axes_table
from lightpool.utils.html import Card, Html, Picture, Section, fields, pictures, times

__all__ = ["TableToShow", "irf_card", "unit_of"]

_MOST = 20_000_000
"""Values of a table that are looked at."""


class TableToShow(Protocol):
    """An `IRF`."""

    meta: Any

    @property
    def axes(self) -> MapAxes:
        """Axes."""

    @property
    def map_axes(self) -> list[MapAxis]:
        """Axes as a list."""

    @property
    def data(self) -> NDArray[Any]:
        """Values."""

    @property
    def unit(self) -> u.UnitBase | Mapping[str, u.UnitBase]:
        """Unit, of parametric tables one for each parameter."""

    @property
    def is_pointlike(self) -> bool:
        """Whether a directional cut was applied."""

    @property
    def fov_alignment(self) -> Any:
        """Orientation."""


def _drawn(table: TableToShow) -> list[Picture]:
    from lightpool.plot.irf_previews import draw_irf  # matplotlib is heavy and optional

    return draw_irf(table)


def irf_card(table: TableToShow) -> Card:
    """Return the card of a response table.

    Parameters
    ----------
    table : IRF
    """
    data = table.data
    unit = "" if isinstance(table.unit, Mapping) else str(table.unit)
    kind = "parameters" if data.dtype.names else str(data.dtype)

    def plot() -> Html:
        if data.size > _MOST:
            return Html("")
        return pictures(lambda: _drawn(table), f"{type(table).__name__} against {', '.join(table.axes.names)}")

    def values() -> Html:
        rows = {
            "shape": times(data.shape),
            "unit": unit or "none",
            "dtype": kind,
            "memory": format_bytes(data.nbytes),
            "point-like": table.is_pointlike,
            "alignment": str(table.fov_alignment),
        }
        return fields({**_ranges(data, table.unit), **rows})

    meta: Mapping[str, object] = table.meta or {}
    return Card(
        type(table).__name__,
        "",
        [", ".join(table.axes.names), times(data.shape), unit, "point-like" if table.is_pointlike else ""],
        [
            Section("Plot", plot, is_open=True, only_alone=True),
            Section("Values", values, is_open=True),
            Section("Axes", lambda: axes_table(table.axes), axes_in_a_line(table.axes)),
            Section("Metadata", lambda: fields({key: str(value) for key, value in meta.items()}) if meta else Html("")),
        ],
    )


def unit_of(unit: u.UnitBase | Mapping[str, u.UnitBase], name: str) -> str:
    """Return the unit of a parameter, or of the values of a table.

    Parameters
    ----------
    unit : Unit, or mapping of parameter to unit
    name : str, of the parameter
    """
    return str(unit.get(name, "") if isinstance(unit, Mapping) else unit)


def _ranges(data: NDArray[Any], unit: u.UnitBase | Mapping[str, u.UnitBase]) -> dict[str, str]:
    """Return minimum and maximum of the values, or of each parameter."""
    if data.dtype.names:
        return {name: text for name in data.dtype.names if (text := _range(data[name], f" {unit_of(unit, name)}"))}
    text = _range(data, f" {unit}")
    return {"range": text} if text else {}


def _range(values: NDArray[Any], unit: str) -> str:
    if values.size > _MOST or not values.size:
        return ""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "no finite value"
    n_bad = values.size - finite.size
    text = f"{finite.min():.5g} to {finite.max():.5g}{unit}".strip()
    return f"{text}, {n_bad:,} not finite" if n_bad else text
