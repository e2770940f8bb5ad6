"""Event lists."""

import copy
import html
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import AltAz, Angle, SkyCoord, angular_separation
from numpy.typing import NDArray

from lightpool.arrays.devices import to_host
from lightpool.attributes import KnownAttributes
from lightpool.data.event_columns import EventColumns, columns_of_table, stack_columns, table_of_columns
from lightpool.data.faults import valid_events
from lightpool.data.gadf import check_format, events_hdu, open_table, read_events
from lightpool.data.metadata import EventListMetaData, earth_location_from_header
from lightpool.data.times import TimeReference, ends_of_interval, snap
from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, HDUList, PrimaryHDU, TableData, parsing, seconds_since_reference, write_fits
from lightpool.maps import MapCoord, RegionGeom

__all__ = ["EventList"]

log = logging.getLogger(__name__)


class EventList(KnownAttributes):
    """A list of events.

    The events of a file stay plain arrays (`arrays`) until the `table` is asked for. A table that was handed out may be
    changed by the user, and from then on is what counts.

    Parameters
    ----------
    table : `astropy.table.Table` or None (no events)
        Columns RA and DEC (angles, ICRS), ENERGY (an energy) and TIME (`astropy.time.Time`), and any others.
    meta : `EventListMetaData`, optional

    Attributes
    ----------
    sent : `lightpool.maps.fill.SentEvents` or None
        What was sent to a device ahead of its use; no copy and no pickle has it.
    on_change : callable or None
        Called with the list when its table is handed out or it is changed; no copy and no pickle has it.

    Raises
    ------
    TypeError
        If ``table`` is no table or TIME holds no times.
    FormatError
        If a column is missing or has a unit of another kind.
    """

    sent: Any
    on_change: "Callable[[EventList], None] | None"

    def __init__(self, table: Any, meta: EventListMetaData | None = None) -> None:
        self._columns: EventColumns | None = None if table is not None else EventColumns.empty()
        self._table: Any = table
        self.meta = meta or EventListMetaData()
        self.sent = self.on_change = None
        if table is not None:
            columns_of_table(table)  # raises an error if it is no event list

    @classmethod
    def from_columns(cls, columns: EventColumns, meta: EventListMetaData | None = None) -> "EventList":
        """Make from plain columns; no table is made."""
        events = cls.__new__(cls)
        events._columns, events._table = columns, None
        events.meta = meta or EventListMetaData()
        events.sent = events.on_change = None
        return events

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"sent": None, "on_change": None}

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change(self)

    @classmethod
    def from_table_data(cls, table: TableData) -> "EventList":
        """Make from a table as `lightpool.fits.read_fits` gives it."""
        return cls.from_columns(read_events(table), EventListMetaData.from_header(table.header))

    @classmethod
    def read(
        cls, filename: str | PathLike[str], hdu: str | int = "EVENTS", checksum: bool = False, format: str = "gadf"
    ) -> "EventList":
        """Read from a FITS file.

        Parameters
        ----------
        filename : str or path-like
        hdu : str or int
        checksum : bool
            Warn if CHECKSUM or DATASUM of the HDU is wrong or missing.
        format : {"gadf", "ogip", None}
        """
        check_format(format)
        with parsing(filename):
            return cls.from_table_data(open_table(filename, hdu, checksum=checksum))

    def to_table_hdu(self, format: str = "gadf") -> BinTableHDU:
        """Table HDU in GADF layout."""
        check_format(format)
        return events_hdu(self.columns, self.meta.to_header())

    def write(
        self,
        filename: str | PathLike[str],
        gti: Any = None,
        overwrite: bool = False,
        format: str = "gadf",
        checksum: bool = False,
    ) -> None:
        """Write to a FITS file, with the GTI beside it if one is given."""
        hdus = [PrimaryHDU(), self.to_table_hdu(format)]
        if gti is not None:
            hdus.append(gti.to_table_hdu(format))
        write_fits(HDUList(hdus), filename, overwrite=overwrite, checksum=checksum)

    # -- what it holds

    @property
    def columns(self) -> EventColumns:
        """The columns as plain arrays with units."""
        return self._columns if self._columns is not None else columns_of_table(self._table)

    @property
    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        """Plain arrays: ``lon``, ``lat`` (rad, ICRS), ``energy`` (TeV), ``time`` (s since `time_reference`), float64.

        They have shape (n_event,), are shared, and must not be changed.
        """
        return self.columns.plain

    @property
    def table(self) -> Any:
        """`astropy.table.Table` with columns TIME, ENERGY, RA, DEC and the others of the file."""
        if self._table is None:
            self._table = table_of_columns(self.columns)
            self._columns = None
        self._tell()
        return self._table

    @table.setter
    def table(self, table: Any) -> None:
        columns_of_table(table)
        self._table, self._columns = table, None
        self._tell()

    @property
    def _meta(self) -> dict[str, Any]:
        if self._columns is not None:
            return self._columns.meta
        return dict(seconds_since_reference(self._table.meta, "event table"))

    def with_keywords(self, keywords: Mapping[str, Any]) -> "EventList":
        """Events with other values of keywords that their header has; this very list if it has these already."""
        meta = self._meta
        changed = {key: value for key, value in keywords.items() if key in meta and meta[key] != value}
        changed.pop("OBS_MODE", None)  # says more in some files than how the telescopes pointed
        if not changed:
            return self
        if self._columns is not None:
            return self.from_columns(replace(self._columns, meta=meta | changed), self.meta)
        table = self._table.copy(copy_data=False)
        table.meta.update(changed)
        return self.__class__(table, self.meta)

    def _keyword(self, name: str) -> Any:
        try:
            return self._meta[name]
        except KeyError:
            raise FormatError(
                f"the event list has no header keyword {name!r}: it comes from a file without it, or is a stack of "
                f"lists that differ in it; set events.table.meta[{name!r}]"
            ) from None

    def __len__(self) -> int:
        return self._columns.n_event if self._columns is not None else len(self._table)

    @property
    def n_invalid(self) -> int:
        """Number of events that fall into no bin: direction, time or energy not finite, or energy not positive."""
        return int(np.count_nonzero(~valid_events(self.arrays)))

    @property
    def time_reference(self) -> TimeReference:
        """What ``arrays["time"]`` counts from."""
        return self.columns.reference

    @property
    def time_ref(self) -> Any:
        """Reference time as `astropy.time.Time`."""
        return TimeReference.from_header(self._meta, "event list").time

    @property
    def time(self) -> Any:
        """Event times as `astropy.time.Time`."""
        return self.columns.time if self._table is None else self._table["TIME"]

    @property
    def observation_time_start(self) -> Any:
        """Start of the observation (TSTART) as `astropy.time.Time`."""
        return self.time_ref + u.Quantity(float(self._keyword("TSTART")), "s")

    @property
    def observation_time_stop(self) -> Any:
        """Stop of the observation (TSTOP) as `astropy.time.Time`."""
        return self.time_ref + u.Quantity(float(self._keyword("TSTOP")), "s")

    @property
    def observation_time_duration(self) -> u.Quantity:
        """Time from start to stop in s, dead time included."""
        return u.Quantity((self.observation_time_stop - self.observation_time_start).sec, "s")

    @property
    def observation_live_time_duration(self) -> u.Quantity:
        """Live time (LIVETIME) in s."""
        return u.Quantity(float(self._keyword("LIVETIME")), "s")

    @property
    def observation_dead_time_fraction(self) -> float:
        """Dead time over observation time, ``1 - DEADC``."""
        return 1 - float(self._keyword("DEADC"))

    @property
    def radec(self) -> Any:
        """Directions as `SkyCoord` in ICRS."""
        return SkyCoord(self.columns.quantity("RA"), self.columns.quantity("DEC"), frame="icrs")

    @property
    def galactic(self) -> Any:
        """Directions as `SkyCoord` in Galactic coordinates, computed from RA and DEC."""
        return self.radec.galactic

    @property
    def energy(self) -> u.Quantity:
        """Reconstructed energies, in the unit of the file."""
        return self.columns.quantity("ENERGY")

    @property
    def galactic_median(self) -> Any:
        """Median direction as `SkyCoord` in Galactic coordinates."""
        galactic = self.galactic
        return SkyCoord(np.median(galactic.l.wrap_at("180d")), np.median(galactic.b), frame="galactic")

    @property
    def is_pointed_observation(self) -> bool:
        """Whether the header says where the telescopes pointed."""
        return "RA_PNT" in self._meta

    @property
    def pointing_radec(self) -> Any:
        """Pointing (RA_PNT, DEC_PNT) as `SkyCoord` in ICRS."""
        return SkyCoord(float(self._keyword("RA_PNT")), float(self._keyword("DEC_PNT")), unit="deg", frame="icrs")

    @property
    def offset(self) -> Any:
        """Separation of each event from the pointing, as `Angle` in deg."""
        return self._separation(self.pointing_radec)

    @property
    def offset_from_median(self) -> Any:
        """Separation of each event from the median direction, as `Angle` in deg."""
        return self._separation(self.galactic_median.icrs)

    def _separation(self, center: Any) -> Any:
        arrays = self.arrays
        separation = angular_separation(center.ra.rad, center.dec.rad, arrays["lon"], arrays["lat"])
        return Angle(np.degrees(separation), unit="deg")

    @property
    def observatory_earth_location(self) -> Any:
        """Place of the observatory as `astropy.coordinates.EarthLocation`."""
        return earth_location_from_header(self._meta)

    @property
    def altaz_frame(self) -> Any:
        """Frame of altitude and azimuth at the times of the events."""
        return AltAz(obstime=self.time, location=self.observatory_earth_location)

    @property
    def altaz(self) -> Any:
        """Altitude and azimuth, computed from RA, DEC and TIME, as `SkyCoord`."""
        return self.radec.transform_to(self.altaz_frame)

    @property
    def altaz_from_table(self) -> Any:
        """Altitude and azimuth as the columns AZ and ALT give them, as `SkyCoord`."""
        return SkyCoord(self.table["AZ"], self.table["ALT"], unit="deg", frame=self.altaz_frame)

    # -- selections

    def select_row_subset(self, row_specifier: Any) -> "EventList":
        """Keep some rows.

        Parameters
        ----------
        row_specifier : slice, int, array of int, or boolean mask of shape (n_event,)
        """
        if self._columns is not None:
            return self.from_columns(self._columns.select(row_specifier), self.meta)
        rows = row_specifier if isinstance(row_specifier, slice) else np.atleast_1d(np.asarray(row_specifier))
        return self.__class__(self._table[rows], self.meta)

    def select_energy(self, energy_range: Any) -> "EventList":
        """Keep energies in ``[energy_min, energy_max)``, a Quantity of length 2."""
        energy, limits = self.energy, _limits("energy_range", energy_range, "TeV")
        return self.select_row_subset((limits[0] <= energy) & (energy < limits[1]))

    def select_time(self, time_interval: Any, inverted: bool = False) -> "EventList":
        """Keep times in ``[start, stop)``, or outside if ``inverted``.

        Parameters
        ----------
        time_interval : `astropy.time.Time` of length 2
        inverted : bool
        """
        time, reference = self.arrays["time"], self.time_reference
        start, stop = (snap(float(reference.seconds(end)), time) for end in ends_of_interval(time_interval))
        mask = (start <= time) & (time < stop)
        return self.select_row_subset(~mask if inverted else mask)

    def select_offset(self, offset_band: Any) -> "EventList":
        """Keep offsets from the pointing in ``[offset_min, offset_max)``, an Angle or Quantity of length 2."""
        offset, limits = self.offset, _limits("offset_band", offset_band, "deg")
        return self.select_row_subset((limits[0] <= offset) & (offset < limits[1]))

    def select_region(self, regions: Any, wcs: Any = None) -> "EventList":
        """Keep events inside one or several regions.

        Parameters
        ----------
        regions : str (DS9), `~regions.Region` or list of them
        wcs : `astropy.wcs.WCS`, optional, for pixel regions
        """
        return self.select_row_subset(RegionGeom.from_regions(regions, wcs=wcs).contains(self.radec))

    def select_mask(self, mask: Any) -> "EventList":
        """Keep events where a mask is True (above zero).

        Parameters
        ----------
        mask : `lightpool.maps.Map`
        """
        return self.select_row_subset(to_host(mask.get_by_coord(self.map_coord(mask.geom))) > 0)

    def select_parameter(self, parameter: str, values: Any, is_range: bool = True) -> "EventList":
        """Keep events by the value of a column.

        Parameters
        ----------
        parameter : str, name of the column
        values : (min, max), of which the maximum is excluded; or any number of values if ``is_range`` is False
        is_range : bool
        """
        if is_range and len(values) != 2:
            raise ValueError(
                f"a range of {parameter!r} has two limits, got {len(values)}; for single values pass is_range=False"
            )
        column = self.time if parameter == "TIME" else self.columns.quantity_or_values(parameter)
        if is_range:
            return self.select_row_subset((values[0] <= column) & (column < values[1]))
        mask = np.zeros(len(self), dtype=bool)
        for value in values:
            is_nan = not isinstance(value, str) and np.isnan(value)
            mask |= np.isnan(column) if is_nan else np.asarray(column == value)
        return self.select_row_subset(mask)

    def select_rad_max(self, rad_max: Any, position: Any = None) -> "EventList":
        """Keep events inside the energy-dependent cut of a point-like response.

        Parameters
        ----------
        rad_max : `lightpool.irf.RadMax2D`
        position : `SkyCoord`, centre of the cut; the pointing by default
        """
        pointing = self.pointing_radec
        position = pointing if position is None else position
        limit = rad_max.evaluate(method="nearest", energy=self.energy, offset=position.separation(pointing))
        return self.select_row_subset(self._separation(position.icrs) <= limit)

    def map_coord(self, geom: Any) -> Any:
        """Coordinates of the events on the axes of a geometry.

        Parameters
        ----------
        geom : `lightpool.maps.Geom`

        Returns
        -------
        coord : `lightpool.maps.MapCoord`

        Raises
        ------
        FormatError
            If an axis has no column of its name. The name in capitals, as GADF writes its columns, takes precedence.
        """
        coord = {"skycoord": self.radec}
        for axis in geom.axes:
            name = axis.name.upper() if axis.name.upper() in self.columns.columns else axis.name
            coord[axis.name] = u.Quantity(self.columns.quantity_or_values(name)).to(axis.unit)
        return MapCoord.create(coord)

    # -- joining and copying

    def stack(self, other: "EventList") -> None:
        """Add the events of another list behind these, in place.

        Header keywords in which the two lists differ are dropped, but for the reference time: that of this list stays.
        """
        self._columns, self._table = stack_columns([self.columns, other.columns]), None
        self._tell()

    @classmethod
    def from_stack(cls, event_lists: Sequence["EventList"], **kwargs: Any) -> "EventList":
        """Put several lists behind each other; header keywords in which they differ are dropped."""
        if not event_lists:
            raise ValueError("no event list to stack: the list is empty")
        return cls.from_columns(stack_columns([events.columns for events in event_lists]))

    def copy(self) -> "EventList":
        """Return an independent copy."""
        return copy.deepcopy(self)

    # -- text and pictures

    @property
    def stats(self) -> dict[str, Any]:
        """Number of events and smallest, largest and median energy (NaN without events), and largest offset."""
        energy = self.energy
        good = energy[np.isfinite(energy)]
        empty = u.Quantity(np.nan, energy.unit)
        stats: dict[str, Any] = {"n_event": len(self)}
        for name, function in (("min", np.min), ("max", np.max), ("median", np.median)):
            stats[f"energy_{name}"] = function(good) if good.size else empty
        if self.is_pointed_observation:
            offset = self.offset
            stats["offset_max"] = np.max(offset) if offset.size else u.Quantity(np.nan, "deg")
        return stats

    def __str__(self) -> str:
        meta, stats = self._meta, self.stats
        lines = ["EventList", "---------", ""]
        lines += [f"  Instrument       : {meta.get('INSTRUME')}", f"  Telescope        : {meta.get('TELESCOP')}"]
        lines += [f"  Obs. ID          : {meta.get('OBS_ID', '')}", "", f"  Number of events : {len(self)}"]
        if meta.get("TSTART", False):
            rate = len(self) / self.observation_time_duration
            lines += [f"  Event rate       : {rate:.3f}", ""]
            lines += [f"  Time start       : {self.observation_time_start}"]
            lines += [f"  Time stop        : {self.observation_time_stop}", ""]
        lines += [f"  Min. energy      : {stats['energy_min']:.2e}", f"  Max. energy      : {stats['energy_max']:.2e}"]
        lines += [f"  Median energy    : {stats['energy_median']:.2e}", ""]
        if "offset_max" in stats:
            lines += [f"  Max. offset      : {stats['offset_max']:.1f}"]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def peek(self, allsky: bool = False) -> None:
        """Draw counts map, offsets, energies and times, see `lightpool.plot.data.peek_events`."""
        from lightpool.plot.data import peek_events

        peek_events(self, allsky=allsky)

    def plot_energy(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw counts over energy; keywords as for ``Axes.hist``."""
        from lightpool.plot.data import plot_event_energy

        return plot_event_energy(self, ax=ax, **kwargs)

    def plot_time(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw counts over time; keywords as for ``Axes.errorbar``."""
        from lightpool.plot.data import plot_event_time

        return plot_event_time(self, ax=ax, **kwargs)

    def plot_offset2_distribution(
        self, ax: Any = None, center: Any = None, max_percentile: float = 98, **kwargs: Any
    ) -> Any:
        """Draw counts over squared offset from ``center`` (the pointing by default); keywords as for ``Axes.hist``."""
        from lightpool.plot.data import plot_event_offset2

        return plot_event_offset2(self, ax=ax, center=center, max_percentile=max_percentile, **kwargs)

    def plot_energy_offset(self, ax: Any = None, center: Any = None, **kwargs: Any) -> Any:
        """Draw counts over energy and offset; keywords as for ``Axes.pcolormesh``."""
        from lightpool.plot.data import plot_event_energy_offset

        return plot_event_energy_offset(self, ax=ax, center=center, **kwargs)

    def plot_image(self, ax: Any = None, allsky: bool = False) -> Any:
        """Draw a counts map of the sky."""
        from lightpool.plot.data import plot_event_image

        return plot_event_image(self, ax=ax, allsky=allsky)


def _limits(name: str, value: Any, unit: str) -> u.Quantity:
    """Two limits in a unit that converts to ``unit``."""
    limits = u.Quantity(value)
    if limits.shape != (2,) or not limits.unit.is_equivalent(unit):
        raise ValueError(f"{name} must be two values with their unit, as [1, 2] * u.{unit}, got {value!r}")
    return limits
