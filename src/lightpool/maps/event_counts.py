"""Counting the events in the pixels and bins of a map, on the device of the map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict
from weakref import WeakKeyDictionary

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, to_device, to_host
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.devices.staging import Sent, Uploads
from lightpool.arrays.kernels.events import bins_of_events, count_events, pixel_number
from lightpool.arrays.kernels.histogram import histogram
from lightpool.arrays.kernels.lazy_counts import LazyCounts
from lightpool.arrays.kernels.sphere import frame_matrix, lonlat, rotate, unit_vectors
from lightpool.fits import match_name
from lightpool.maps.axes.axes_format import AnyAxis
from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.maps.axes.time_axis import TimeMapAxis
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.geoms.hpx_pixel_geom import HpxPixelGeom
from lightpool.maps.geoms.planes_geom import PlanesWcsGeom
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.geoms.sky_pixel_geom import SkyPixelGeom
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.pixel_values import HostArray, count_pixels

__all__ = ["EventColumns", "Events", "EventsInColumns", "counts_of_map", "event_counts", "send_events"]


class EventColumns(Protocol):
    """Columns of an event file, as plain arrays with their units."""

    @property
    def columns(self) -> Mapping[str, HostArray]:
        """Values by name, as in the file."""

    @property
    def units(self) -> Mapping[str, str]:
        """Units by name of the column."""

    def quantity_or_values(self, name: str, /) -> u.Quantity | HostArray:
        """Return a column, with its unit if it has one."""


class Events(Protocol):
    """An event list, of lightpool or Gammapy; that of lightpool has `EventsInColumns` as well."""

    @property
    def radec(self) -> SkyCoord:
        """Directions of the events."""

    @property
    def energy(self) -> u.Quantity:
        """Energies of the events."""

    @property
    def time(self) -> Time:
        """Times of the events."""

    @property
    def table(self) -> Table:
        """All columns."""


class EventsInColumns(Events, Protocol):
    """An event list in plain arrays, such as `lightpool.data.EventList`."""

    @property
    def columns(self) -> EventColumns:
        """Columns of the file."""

    @property
    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        """Float64 arrays ``lon`` and ``lat`` (rad, ICRS) and ``energy`` (TeV), shape (n_event,)."""


@dataclass(frozen=True, eq=False)
class SentEvents:
    """Columns of an event list that were sent to a device.

    Attributes
    ----------
    columns : EventColumns, those of the list when they were sent
    content : everything that they depend on, apart from the events
    array : Sent, float64, a row for each column
    """

    columns: EventColumns
    content: tuple[Any, ...]
    array: Sent


# Known by the event list, not by its columns: the cache of files shares these, so they may live much longer.
_sent: WeakKeyDictionary[Events, SentEvents] = WeakKeyDictionary()


def event_counts(events: Events, geom: Geom, device: Device, weights: Array | None = None) -> Array:
    """Count events, or sum their weights, in the pixels and bins that contain them.

    Parameters
    ----------
    events : EventList, of lightpool or Gammapy
    geom : Geom
    device : Device
    weights : array on the device, shape (n_event,), optional

    Returns
    -------
    counts : array of float64, shape ``geom.data_shape``; events outside are ignored
    """
    arrays = _plain_arrays(events)
    if isinstance(geom, RegionGeom):
        return _counts_in_region(events, arrays, geom, device, weights)
    if not isinstance(geom, SkyPixelGeom | HpxPixelGeom):
        raise TypeError(f"events are counted in sky pixels or in a region, got a {type(geom).__name__}")
    lon, lat, *values = _sky_columns(events, arrays, geom, device)
    turn = None if geom.frame == "icrs" else frame_matrix("icrs", geom.frame)
    if isinstance(geom, HpxPixelGeom):
        if turn is not None:
            lon, lat = lonlat(rotate(turn, unit_vectors(lon, lat)))
        return _counts_in_hpx(lon, lat, values, geom, device, weights)
    n_y, n_x = geom.data_shape[-2:]
    if isinstance(geom, PlanesWcsGeom):
        if turn is not None:
            lon, lat = lonlat(rotate(turn, unit_vectors(lon, lat)))
        bins = [_bins(axis, column) for axis, column in zip(geom.axes, values, strict=True)]
        return count_pixels([*geom.plane_index_array(lon, lat, bins), *bins], geom.data_shape, weights)
    edges = _edges_in_array_code(geom, device)
    # one kernel for all dimensions, where the projection and all axes have array code
    if geom.sky_projection is not None and edges is not None:
        weights = None if weights is None else as_dtype(weights, "float64")
        return count_events(
            lon, lat, values, edges, geom.sky_projection, (n_y, n_x), weights=weights, **_image_of(geom, turn)
        )
    if turn is not None:
        lon, lat = lonlat(rotate(turn, unit_vectors(lon, lat)))
    x, y = geom.sky_to_pix_array(lon, lat)
    bins = [_bins(axis, column) for axis, column in zip(geom.axes, values, strict=True)]
    return count_pixels([pixel_number(x, n_x), pixel_number(y, n_y), *bins], geom.data_shape, weights)


def counts_of_map(events: Events, geom: Geom, device: Device, dtype: str) -> Array | LazyCounts:
    """Return the counts of `event_counts` for a new map; on the host as the bins of the events, if these are few.

    Parameters
    ----------
    events, geom, device : see `event_counts`
    dtype : ``float64`` or ``float32``
    """
    edges = _edges_in_array_code(geom, device) if device.is_host and type(geom) is WcsGeom else None
    if edges is None or not isinstance(geom, WcsGeom) or geom.sky_projection is None:
        return as_dtype(event_counts(events, geom, device), dtype)
    lon, lat, *values = _host_columns(events, _plain_arrays(events), geom)
    turn = None if geom.frame == "icrs" else frame_matrix("icrs", geom.frame)
    (n_y, n_x), borders = geom.data_shape[-2:], [np.asarray(each) for each in edges]
    counts = bins_of_events(lon, lat, values, borders, geom.sky_projection, (n_y, n_x), dtype, **_image_of(geom, turn))
    return counts if counts.is_sparse else counts.values()


class _ImageOfEvents(TypedDict):
    """Further arguments of `count_events`."""

    first: tuple[int, int]
    turn: NDArray[np.float64] | None
    columns: tuple[float, float] | None


def _image_of(geom: SkyPixelGeom, turn: NDArray[np.float64] | None) -> _ImageOfEvents:
    return {"first": geom.first_pixel, "turn": turn, "columns": geom.turn_of_columns}


def _edges_in_array_code(geom: Geom, device: Device) -> list[Array] | None:
    """Return the edges of all axes; None if the bins of one are not found by a search in its edges."""
    plain = [axis.plain_edges(device) if isinstance(axis, NodeAxis) else None for axis in geom.axes]
    edges = [borders for borders in plain if borders is not None]
    return edges if len(edges) == len(plain) else None


def _counts_in_hpx(
    lon: Array, lat: Array, values: Sequence[Array], geom: HpxPixelGeom, device: Device, weights: Array | None
) -> Array:
    """Return the counts in HEALPix pixels, of positions in the frame of the geometry, rad."""
    bins = [_bins(axis, column) for axis, column in zip(geom.axes, values, strict=True)]
    if geom.is_regular:
        return count_pixels([geom.sky.numbers_of(lon, lat, device), *bins], geom.data_shape, weights)
    # host: which grid an event belongs to depends on its bins, and such maps are small
    number, *index = geom.data_index(geom.pix_of_bins(to_host(lon), to_host(lat), [to_host(b) for b in bins]))
    places = [to_device(each, device) for each in (number, *index)]
    return count_pixels(places, geom.data_shape, weights)


def send_events(events: EventsInColumns, geom: Geom, uploads: Uploads) -> None:
    """Send the columns that are needed to count events in a map to its device, ahead of time and from any thread.

    Nothing is sent for regions, which select their events on the host, and for other axes than energy. What was sent
    stays in the memory of the device as long as the event list exists.

    Parameters
    ----------
    events : EventList
    geom : Geom
        Geometry of the map, or another one with the same frame and axes.
    uploads : Uploads to the device of the map
    """
    if not (uploads.device.is_host or geom.is_region) and all(axis.name == "energy" for axis in geom.axes):
        packed = np.stack(_host_columns(events, _plain_arrays(events), geom))
        _sent[events] = SentEvents(events.columns, _content(geom, uploads.device), uploads.send(packed))


def _sky_columns(events: Events, arrays: Mapping[str, HostArray], geom: Geom, device: Device) -> list[Array]:
    """Return longitude and latitude in rad, and the values along each axis, on a device."""
    columns = _columns_of(events)
    # classes with __slots__ may allow no weak references
    can_be_sent = not device.is_host and columns is not None and type(events).__weakrefoffset__ != 0
    sent = _sent.get(events) if can_be_sent else None
    # The user may have changed the table of the list, which then has other columns.
    if sent is not None and sent.columns is columns and sent.content == _content(geom, device):
        return _rows(sent.array.receive())
    return _on_device(_host_columns(events, arrays, geom), device)


def _host_columns(events: Events, arrays: Mapping[str, HostArray], geom: Geom) -> list[HostArray]:
    return [*_positions(events, arrays, geom.frame), *(_axis_values(events, arrays, axis) for axis in geom.axes)]


def _content(geom: Geom, device: Device) -> tuple[Any, ...]:
    """Return everything that the columns depend on, apart from the events."""
    axes = ((axis.name, axis.edges_value.tobytes() if isinstance(axis, NodeAxis) else axis) for axis in geom.axes)
    return device.name, geom.frame, tuple(axis.unit for axis in geom.axes), *axes


def _on_device(columns: Sequence[HostArray], device: Device) -> list[Array]:
    """Return columns of float64 on a device; they are sent as one array."""
    return list(columns) if device.is_host else _rows(to_device(np.stack(columns), device))


def _rows(together: Array) -> list[Array]:
    return [together[i, :] for i in range(together.shape[0])]


def _plain_arrays(events: Events) -> Mapping[str, HostArray]:
    arrays: Mapping[str, HostArray] | None = getattr(events, "arrays", None)
    if arrays is not None:
        return arrays
    radec = events.radec.icrs
    return {"lon": radec.ra.rad, "lat": radec.dec.rad, "energy": events.energy.to_value("TeV")}


def _columns_of(events: Events) -> EventColumns | None:
    columns: EventColumns | None = getattr(events, "columns", None)
    return columns


def _positions(events: Events, arrays: Mapping[str, HostArray], frame: str) -> tuple[HostArray, HostArray]:
    """Return right ascension and declination in rad, rounded as astropy rounds them when it transforms to a frame.

    Most files hold positions in single precision. astropy wraps right ascensions to 0 to 360 deg in that precision
    and, on the way to other frames, converts degrees to radians in it. That moves an event by up to 0.05 arcsec, and
    one in some thousands into the next pixel; the counts agree with Gammapy's only if we round in the same way.
    """
    columns = _columns_of(events)
    if columns is None or any(columns.units.get(name) != "deg" for name in ("RA", "DEC")):
        return arrays["lon"], arrays["lat"]
    lon, lat = columns.columns["RA"], columns.columns["DEC"]
    if lon.dtype != np.float32 or lat.dtype != np.float32:
        return arrays["lon"], arrays["lat"]
    lon = lon - np.floor(lon / np.float32(360)) * np.float32(360)
    if frame == "icrs":
        return np.deg2rad(lon.astype(np.float64)), np.deg2rad(lat.astype(np.float64))
    return np.deg2rad(lon).astype(np.float64), np.deg2rad(lat).astype(np.float64)


def _axis_values(events: Events, arrays: Mapping[str, HostArray], axis: AnyAxis) -> HostArray:
    """Return the values of the events along an axis in its unit; for an axis of times or labels, their bins.

    Raises
    ------
    KeyError
        If the events have no such column.
    """
    if isinstance(axis, NodeAxis) and axis.name == "energy" and "energy" in arrays:
        return np.asarray(axis.values_from_unit(*_energies(events, arrays)))
    if isinstance(axis, TimeMapAxis) and axis.name.upper() == "TIME":
        return np.asarray(axis.coord_to_idx(events.time), dtype=np.float64)
    columns = _columns_of(events)  # preferred, since the table of an EventList would have to be made first
    if not hasattr(columns, "quantity_or_values"):
        columns = None
    names = list(events.table.colnames) if columns is None else list(columns.columns)
    name = match_name(axis.name.upper(), names, "event list")  # the formats write column names in upper case
    if name is None:
        raise KeyError(f"Column not found in event list: {axis.name!r}; its columns are {names}")
    values = events.table[name] if columns is None else columns.quantity_or_values(name)
    if not isinstance(axis, NodeAxis):
        return np.asarray(axis.coord_to_idx(values), dtype=np.float64)
    column = u.Quantity(values, dtype=np.float64)
    return np.asarray(axis.values_from_unit(column.value, column.unit))


def _bins(axis: AnyAxis, column: Array) -> Array:
    return axis.coord_to_idx_array(column) if isinstance(axis, NodeAxis) else as_dtype(column, "int64")


def _energies(events: Events, arrays: Mapping[str, HostArray]) -> tuple[HostArray, u.UnitBase]:
    """Return energies in the unit of the file: a conversion to TeV and back could move one across a bin edge."""
    columns = _columns_of(events)
    unit = "TeV" if columns is None else columns.units.get("ENERGY", "TeV")
    if columns is None or unit == "TeV":
        return arrays["energy"], u.TeV
    return np.asarray(columns.columns["ENERGY"], dtype=np.float64), u.Unit(unit)


def _counts_in_region(
    events: Events, arrays: Mapping[str, HostArray], geom: RegionGeom, device: Device, weights: Array | None
) -> Array:
    """Return the counts in a region; its events are selected on the host, and only these are sent to the device."""
    rows = np.flatnonzero(geom.contains_icrs(*_positions(events, arrays, geom.frame)))
    xp = device.xp
    if weights is not None:
        weights = xp.take(weights, to_device(rows.astype(np.int64), device))
    columns = [_axis_values(events, arrays, axis)[rows] for axis in geom.axes]
    values = _on_device(columns, device) if columns else []
    bins = [_bins(axis, column) for axis, column in zip(geom.axes, values, strict=True)]
    # the sky has only one pixel, so it is no axis of the histogram
    index = bins[::-1] or [xp.zeros(rows.size, dtype=xp.int64, device=device.handle)]
    weights = None if weights is None else as_dtype(weights, "float64")
    return xp.reshape(histogram(index, geom.data_shape[:-2] or (1,), weights), geom.data_shape)
