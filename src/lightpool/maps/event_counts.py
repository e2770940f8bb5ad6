"""Events in the pixels and bins of a map, worked out on the device of the map."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, to_device
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.devices.staging import Sent, Uploads
from lightpool.arrays.kernels.events import count_events, pixel_number
from lightpool.arrays.kernels.sphere import frame_matrix, lonlat, rotate, unit_vectors
from lightpool.fits import match_name
from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.maps.axes.time_axis import TimeMapAxis
from lightpool.maps.pixel_values import count_pixels

__all__ = ["event_counts", "send_events"]

HostArray = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class SentEvents:
    """Columns of an event list that were sent to a device.

    Attributes
    ----------
    columns : EventColumns that they were made of
    content : all else that they depend on
    array : Sent, float64, a row for each column
    """

    columns: Any
    content: tuple[Any, ...]
    array: Sent


def event_counts(events: Any, geom: Any, device: Device, weights: Array | None = None) -> Array:
    """Count events, or add up their weights, in the pixels and bins that they fall into.

    Parameters
    ----------
    events : EventList, or anything with ``arrays``, or with ``radec``, ``energy`` and ``table``
    geom : Geom
    device : Device
    weights : array on the device, shape (n_event,), optional

    Returns
    -------
    counts : array of float64, shape ``geom.data_shape``; events outside are left out
    """
    arrays = _plain_arrays(events)
    if geom.is_region:
        return _counts_in_region(events, arrays, geom, device, weights)
    lon, lat, *values = _sky_columns(events, arrays, geom, device)
    turn = None if geom.frame == "icrs" else frame_matrix("icrs", geom.frame)
    edges = [axis.plain_edges(device) if isinstance(axis, NodeAxis) else None for axis in geom.axes]
    shape = geom.data_shape[-2:]
    if geom.sky_projection is not None and all(borders is not None for borders in edges):
        weights = None if weights is None else as_dtype(weights, "float64")
        place = {"projection": geom.sky_projection, "shape": shape, "first": geom.first_pixel, "turn": turn}
        return count_events(lon, lat, values, edges, **place, columns=geom.turn_of_columns, weights=weights)
    if turn is not None:
        lon, lat = lonlat(rotate(turn, unit_vectors(lon, lat)))
    x, y = geom.sky_to_pix_array(lon, lat)
    bins = [_bins(axis, column) for axis, column in zip(geom.axes, values, strict=True)]
    return count_pixels([pixel_number(x, shape[1]), pixel_number(y, shape[0]), *bins], geom.data_shape, weights)


def send_events(events: Any, geom: Any, uploads: Uploads) -> None:
    """Send what counting these events into a map will ask for to the device of the map, ahead of it, from any thread.

    For regions, which tell on the host what they contain, and for axes other than energy nothing is sent.

    Parameters
    ----------
    events : EventList
        It keeps what was sent, in the device's memory, as long as it lives.
    geom : Geom, or another one of the same frame and axes
    uploads : Uploads to the device of the map
    """
    if not (uploads.device.is_host or geom.is_region) and all(axis.name == "energy" for axis in geom.axes):
        packed = np.stack(_host_columns(events, _plain_arrays(events), geom))
        events.sent = SentEvents(events.columns, _content(geom, uploads.device), uploads.send(packed))


def _sky_columns(events: Any, arrays: Mapping[str, HostArray], geom: Any, device: Device) -> list[Array]:
    """Longitude and latitude in rad, and the values along each axis, on a device."""
    sent = getattr(events, "sent", None)
    # a table that was handed out may have changed; its columns are others
    if sent is not None and sent.columns is events.columns and sent.content == _content(geom, device):
        return _rows(sent.array.receive())
    return _on_device(_host_columns(events, arrays, geom), device)


def _host_columns(events: Any, arrays: Mapping[str, HostArray], geom: Any) -> list[HostArray]:
    return [*_positions(events, arrays, geom.frame), *(_axis_values(events, arrays, axis) for axis in geom.axes)]


def _content(geom: Any, device: Device) -> tuple[Any, ...]:
    """All that the columns depend on but the events."""
    axes = ((axis.name, axis.edges_value.tobytes() if isinstance(axis, NodeAxis) else axis) for axis in geom.axes)
    return device.name, geom.frame, tuple(axis.unit for axis in geom.axes), *axes


def _on_device(columns: list[HostArray], device: Device) -> list[Array]:
    """Columns of float64 on a device, sent as one array."""
    return columns if device.is_host else _rows(to_device(np.stack(columns), device))


def _rows(together: Array) -> list[Array]:
    return [together[i, :] for i in range(together.shape[0])]


def _plain_arrays(events: Any) -> Mapping[str, HostArray]:
    arrays = getattr(events, "arrays", None)
    if arrays is not None:
        return arrays  # type: ignore[no-any-return]
    radec = events.radec.icrs
    return {"lon": radec.ra.rad, "lat": radec.dec.rad, "energy": events.energy.to_value("TeV")}


def _positions(events: Any, arrays: Mapping[str, HostArray], frame: str) -> tuple[HostArray, HostArray]:
    """Right ascension and declination in rad, rounded as astropy rounds them on the way to a frame.

    Most files hold positions in single precision, and astropy keeps to it when it brings right ascensions into 0 to
    360 deg and, on the way to other frames, when it makes radians of degrees. That moves an event by up to 0.05 arcsec,
    and one in some thousands into the next pixel; counts are the same as Gammapy's only if they are moved here too.
    """
    columns = getattr(events, "columns", None)
    if columns is None or any(columns.units.get(name) != "deg" for name in ("RA", "DEC")):
        return arrays["lon"], arrays["lat"]
    lon, lat = columns.columns["RA"], columns.columns["DEC"]
    if lon.dtype != np.float32 or lat.dtype != np.float32:
        return arrays["lon"], arrays["lat"]
    lon = lon - np.floor(lon / np.float32(360)) * np.float32(360)
    if frame == "icrs":
        return np.deg2rad(lon.astype(np.float64)), np.deg2rad(lat.astype(np.float64))
    return np.deg2rad(lon).astype(np.float64), np.deg2rad(lat).astype(np.float64)


def _axis_values(events: Any, arrays: Mapping[str, HostArray], axis: Any) -> HostArray:
    """Values of the events along an axis, in the unit of the axis; for an axis of times or labels the bins.

    Raises
    ------
    KeyError
        If the events have no such column.
    """
    if axis.name == "energy" and "energy" in arrays:
        return np.asarray(axis.values_from_unit(*_energies(events, arrays)))
    if isinstance(axis, TimeMapAxis) and axis.name.upper() == "TIME":
        return np.asarray(axis.coord_to_idx(events.time), dtype=np.float64)
    columns = getattr(events, "columns", None)
    read = getattr(columns, "quantity_or_values", None)  # of an EventList, whose table would have to be made
    names = events.table.colnames if columns is None or read is None else list(columns.columns)
    name = match_name(axis.name.upper(), names, "event list")  # the formats write columns in capitals
    if name is None:
        raise KeyError(f"Column not found in event list: {axis.name!r}; its columns are {names}")
    values = events.table[name] if read is None else read(name)
    if not isinstance(axis, NodeAxis):
        return np.asarray(axis.coord_to_idx(values), dtype=np.float64)
    column = u.Quantity(values, dtype=np.float64)
    return np.asarray(axis.values_from_unit(column.value, column.unit))


def _bins(axis: Any, column: Array) -> Array:
    return axis.coord_to_idx_array(column) if isinstance(axis, NodeAxis) else as_dtype(column, "int64")


def _energies(events: Any, arrays: Mapping[str, HostArray]) -> tuple[HostArray, Any]:
    """Energies and their unit, as the file has them: a change of unit and back may move one over an edge."""
    columns = getattr(events, "columns", None)
    unit = "TeV" if columns is None else columns.units.get("ENERGY", "TeV")
    if columns is None or unit == "TeV":
        return arrays["energy"], u.TeV
    return np.asarray(columns.columns["ENERGY"], dtype=np.float64), u.Unit(unit)


def _counts_in_region(
    events: Any, arrays: Mapping[str, HostArray], geom: Any, device: Device, weights: Array | None
) -> Array:
    """Counts in a region, which tells on the host what it contains; no other events are sent."""
    rows = np.flatnonzero(geom.contains_icrs(*_positions(events, arrays, geom.frame)))
    xp = device.xp
    image = xp.zeros(rows.size, dtype=xp.int64, device=device.handle)
    if weights is not None:
        weights = xp.take(weights, to_device(rows.astype(np.int64), device))
    columns = [_axis_values(events, arrays, axis)[rows] for axis in geom.axes]
    values = _on_device(columns, device) if columns else []
    bins = [_bins(axis, column) for axis, column in zip(geom.axes, values, strict=True)]
    return count_pixels([image, image, *bins], geom.data_shape, weights)
