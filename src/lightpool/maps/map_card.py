"""What notebooks show of maps.

Nothing is computed, copied from a device, or changed by showing a map: its values are looked at only if they are an
array on the host already.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.arrays.devices.memory import format_bytes, n_bytes_of
from lightpool.maps.axes.axis_cards import axes_in_a_line
from lightpool.maps.deferred_quantity import DeferredQuantity
from lightpool.maps.geoms.geom import Geom
from lightpool.utils.html import Card, Html, Picture, Section, fields, nested, note, pictures, times
from lightpool.utils.text import number_of

__all__ = ["MAX_VALUES", "known_meta", "map_card", "map_row", "reason_not_shown", "values_to_show"]

MAX_VALUES = 10_000_000
"""Values that are looked at: to sum them over the axes takes a tenth of a second."""


class MapToShow(Protocol):
    """A map."""

    @property
    def geom(self) -> Geom:
        """Geometry."""

    @property
    def stored(self) -> Array | LazyArray:
        """Values as they are stored."""

    @property
    def unit(self) -> u.UnitBase:
        """Unit."""

    @property
    def device(self) -> Device:
        """Device."""

    @property
    def unread_meta(self) -> Mapping[str, Any]:
        """Metadata as they are stored."""

    @property
    def is_mask(self) -> bool:
        """Whether the values are True and False."""


def reason_not_shown(data: MapToShow, most: int | None = None) -> str | None:
    """Return why the values of a map are not looked at, None if they are.

    Parameters
    ----------
    data : Map
    most : int, number of values that are looked at; `MAX_VALUES` by default
    """
    most = MAX_VALUES if most is None else most
    stored = data.stored
    if isinstance(stored, LazyArray):
        return "zero everywhere, and takes no memory yet" if stored.is_zero else "computed when it is used"
    if not isinstance(stored, np.ndarray):
        return f'on {data.device}; nothing is copied from there to show it, .to("cpu") does that'
    if stored.size == 0:
        return "no pixels"
    if stored.dtype.kind not in "biuf" or isinstance(stored, np.ma.MaskedArray):
        return f"{type(stored).__name__} of {stored.dtype}, expected an array of real numbers"
    if not any(stored.strides) and stored.size > 1 and np.isnan(stored.item(0)):
        return "an outline, without values"
    if stored.size > most:
        return f"more than {most:,} values: too many to look at each time"
    return None


def values_to_show(data: MapToShow) -> NDArray[Any] | None:
    """Return the values of a map if they are looked at, see `reason_not_shown`; they must not be changed."""
    stored = data.stored
    return stored if reason_not_shown(data) is None and isinstance(stored, np.ndarray) else None


def _statistics(data: MapToShow) -> dict[str, object]:
    """Return rows about the values."""
    values = values_to_show(data)
    if values is None:
        return {"values": note(reason_not_shown(data))}
    if data.is_mask:
        n_true = int(np.count_nonzero(values))
        return {"True": f"{n_true:,} of {values.size:,} ({n_true / values.size:.1%})"}
    rows: dict[str, object] = {}
    with np.errstate(all="ignore"):
        total = values.sum(dtype=float)
        if not np.isfinite(total):
            finite = np.isfinite(values)
            n_bad = values.size - int(np.count_nonzero(finite))
            rows["not finite"] = f"{n_bad:,} of {values.size:,} values" if n_bad else None
            values = values[finite]
            total = values.sum(dtype=float)
    if not values.size:
        return rows
    unit = f" {data.unit}" if str(data.unit) else ""
    return {
        "min": f"{values.min():.6g}{unit}",
        "max": f"{values.max():.6g}{unit}",
        "mean": f"{total / values.size:.6g}{unit}",
        "sum": f"{total:.6g}{unit}",
        **rows,
    }


def known_meta(meta: Mapping[str, Any]) -> dict[str, object]:
    """Return metadata for a table; a value that waits on a device is not read.

    Parameters
    ----------
    meta : mapping, see `MapData.unread_meta`
    """
    return {key: _known_value(value) for key, value in meta.items()}


def _known_value(value: object) -> object:
    if isinstance(value, DeferredQuantity):
        if not value.numbers.is_read:
            return note("waits on the device until it is read")
        value = value.read()
    return f"{value:.8g}" if isinstance(value, u.Quantity) and value.isscalar else str(value)


def map_row(data: MapToShow) -> tuple[str, str, str, str, str]:
    """Return axes, shape, unit, data type and memory of a map, for a table of several."""
    shape = tuple(data.geom.data_shape)
    dtype = dtype_name(data.stored)
    unit = str(data.unit)
    return axes_in_a_line(data.geom.axes), times(shape[::-1]), unit, dtype, format_bytes(n_bytes_of(shape, dtype))


def _drawn(data: MapToShow) -> list[Picture]:
    from lightpool.plot.map_previews import draw_map  # matplotlib is heavy and optional

    return draw_map(data)


def map_card(data: MapToShow) -> Card:
    """Return the card of a map.

    Parameters
    ----------
    data : Map
    """
    geom = data.geom
    _, shape, unit, dtype, memory = map_row(data)

    def values() -> Html:
        rows = {"unit": unit or "none", "dtype": dtype, "device": data.device, "memory": memory}
        return fields({**_statistics(data), **rows})

    def plot() -> Html:
        if values_to_show(data) is None:
            return Html("")
        return pictures(lambda: _drawn(data), f"{type(data).__name__} on the sky or along an axis")

    return Card(
        type(data).__name__,
        "",
        [", ".join(geom.axes_names), shape, unit, dtype, str(data.device), memory],
        [
            Section("Plot", plot, is_open=True, only_alone=True),
            Section("Values", values, is_open=True),
            Section("Geometry", lambda: nested(geom.html_card), type(geom).__name__),
            Section(
                "Metadata",
                lambda: fields(known_meta(data.unread_meta)) if data.unread_meta else Html(""),
                number_of(len(data.unread_meta), "value"),
            ),
        ],
    )
