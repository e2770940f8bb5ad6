"""Event lists."""

from collections.abc import Iterator, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import AltAz, Angle, SkyCoord, angular_separation
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.arrays.devices.devices import to_host
from lightpool.bridge import accepts_gammapy
from lightpool.data.checkers import EventListChecker
from lightpool.data.event_card import event_card
from lightpool.data.event_table import EventTable
from lightpool.data.event_type_bits import EventTypeBits
from lightpool.data.gti import GTI
from lightpool.data.metadata import CreatorMetaData
from lightpool.data.tables.gadf_tables import check_format, events_hdu, open_table
from lightpool.data.tables.time_reference import TimeInterval, ends_of_interval, snap
from lightpool.data.unit_errors import WrongRangeUnitError
from lightpool.fits import BinTableHDU, HDUList, PrimaryHDU, parsing, write_fits
from lightpool.irf import RadMax2D
from lightpool.maps import Geom, Map, MapCoord, RegionGeom
from lightpool.typing import Axes, PathInput, QuantityLike, RegionLike, Wcs
from lightpool.utils.html import Card, ShownInNotebooks

__all__ = ["EventList", "EventListChecker"]


class EventList(EventTable, ShownInNotebooks):
    """A list of events.

    The events of a file are kept as plain arrays (`arrays`) until the `table` is requested: the user may change that
    table, so from then on the table is used.

    Parameters
    ----------
    table : `astropy.table.Table` or None (no events)
        Columns RA and DEC (angles, ICRS), ENERGY (an energy) and TIME (`astropy.time.Time`), and any others.
    meta : `EventListMetaData`, optional

    Attributes
    ----------
    on_change : callable or None
        Called with the list when its table is handed out or it is changed; copies and pickles do not have it.

    Raises
    ------
    TypeError
        If ``table`` is not a table or TIME does not hold times.
    FormatError
        If a column is missing or has a unit of another kind.
    """

    @classmethod
    def read(
        cls, filename: PathInput, hdu: str | int = "EVENTS", checksum: bool = False, format: str = "gadf"
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
        """Return a table HDU in GADF layout; CREATED is now, and CREATOR lightpool where there is none."""
        check_format(format)
        known = self.meta.creation
        creation = CreatorMetaData()
        if known is not None:  # values of a header, which need not be valid
            creation = CreatorMetaData.unchecked(creator=known.creator, date=Time.now(), origin=known.origin)
        return events_hdu(self.columns, self.meta.to_header() | creation.to_header())

    def write(
        self,
        filename: PathInput,
        gti: GTI | None = None,
        overwrite: bool = False,
        format: str = "gadf",
        checksum: bool = False,
    ) -> None:
        """Write to a FITS file.

        Parameters
        ----------
        filename : str or path-like
        gti : GTI, optional, written to the same file
        overwrite : bool
        format : {"gadf", "ogip", None}
        checksum : bool, add CHECKSUM and DATASUM
        """
        hdus = [PrimaryHDU(), self.to_table_hdu(format)]
        if gti is not None:
            hdus.append(gti.to_table_hdu(format))
        write_fits(HDUList(hdus), filename, overwrite=overwrite, checksum=checksum)

    @property
    def radec(self) -> SkyCoord:
        """Directions in ICRS."""
        return SkyCoord(self.columns.quantity("RA"), self.columns.quantity("DEC"), frame="icrs")

    @property
    def galactic(self) -> SkyCoord:
        """Directions in Galactic coordinates, computed from RA and DEC."""
        return self.radec.galactic

    @property
    def energy(self) -> u.Quantity:
        """Reconstructed energies, in the unit of the file."""
        return self.columns.quantity("ENERGY")

    @property
    def galactic_median(self) -> SkyCoord:
        """Median direction in Galactic coordinates."""
        galactic = self.galactic
        # Wrapped at 180 deg, because around the Galactic centre longitudes near 0 and 360 deg are neighbours.
        return SkyCoord(np.median(galactic.l.wrap_at("180d")), np.median(galactic.b), frame="galactic")

    @property
    def offset(self) -> Angle:
        """Separation of each event from the pointing, in deg."""
        return self._separation(self.pointing_radec)

    @property
    def offset_from_median(self) -> Angle:
        """Separation of each event from the median direction, in deg."""
        return self._separation(self.galactic_median.icrs)

    def _separation(self, center: SkyCoord) -> Angle:
        arrays = self.arrays
        # On plain arrays: SkyCoord.separation would create coordinate objects for all events first.
        separation = angular_separation(center.ra.rad, center.dec.rad, arrays["lon"], arrays["lat"])
        return Angle(np.degrees(separation), unit="deg")

    @property
    def altaz_frame(self) -> AltAz:
        """Frame of altitude and azimuth at the times of the events."""
        return AltAz(obstime=self.time, location=self.observatory_earth_location)

    @property
    def altaz(self) -> SkyCoord:
        """Altitude and azimuth, computed from RA, DEC and TIME."""
        return self.radec.transform_to(self.altaz_frame)

    @property
    def altaz_from_table(self) -> SkyCoord:
        """Altitude and azimuth from the columns ALT and AZ."""
        return SkyCoord(self.table["AZ"], self.table["ALT"], unit="deg", frame=self.altaz_frame)

    # -- selections

    def select_energy(self, energy_range: QuantityLike) -> "EventList":
        """Keep energies in ``[energy_min, energy_max)``, a Quantity of length 2."""
        energy, limits = self.energy, _limits("energy_range", energy_range, "TeV")
        return self.select_row_subset((limits[0] <= energy) & (energy < limits[1]))

    def select_time(self, time_interval: TimeInterval, inverted: bool = False) -> "EventList":
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

    def select_offset(self, offset_band: QuantityLike) -> "EventList":
        """Keep offsets from the pointing in ``[offset_min, offset_max)``, an Angle or Quantity of length 2."""
        offset, limits = self.offset, _limits("offset_band", offset_band, "deg")
        return self.select_row_subset((limits[0] <= offset) & (offset < limits[1]))

    def select_region(self, regions: RegionLike, wcs: "Wcs | None" = None) -> "EventList":
        """Keep events inside one or several regions.

        Parameters
        ----------
        regions : str (DS9), `~regions.Region` or list of them
        wcs : `astropy.wcs.WCS`, optional, for pixel regions
        """
        return self.select_row_subset(RegionGeom.from_regions(regions, wcs=wcs).contains(self.radec))

    @accepts_gammapy
    def select_mask(self, mask: Map) -> "EventList":
        """Keep events where a mask is True (above zero).

        Parameters
        ----------
        mask : `lightpool.maps.Map`
        """
        return self.select_row_subset(to_host(mask.get_by_coord(self.map_coord(mask.geom))) > 0)

    def select_parameter(
        self, parameter: str, values: Time | u.Quantity | Sequence[Any], is_range: bool = True
    ) -> "EventList":
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
            mask |= _is_equal(column, value)
        return self.select_row_subset(mask)

    def select_event_type(self, types: Sequence[int]) -> "EventList":
        """Keep events of some types, by the column EVENT_TYPE.

        Parameters
        ----------
        types : sequence of int
            Numbers of bits, of which an event needs one; 0 is the lowest of an integer, and the last of a bit field,
            as in files of Fermi-LAT.

        Raises
        ------
        ValueError
            If the column does not have such bits.
        """
        return self.select_row_subset(self.event_type_bits.has_any(types))

    @property
    def event_type_bits(self) -> EventTypeBits:
        """Bits of the column EVENT_TYPE."""
        return EventTypeBits(np.asarray(self.columns.columns[self.columns.find_name("EVENT_TYPE")]))

    def select_rad_max(self, rad_max: RadMax2D, position: SkyCoord | None = None) -> "EventList":
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

    @accepts_gammapy
    def map_coord(self, geom: Geom) -> MapCoord:
        """Return the coordinates of the events on the axes of a geometry.

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
        coord: dict[str, SkyCoord | u.Quantity] = {"skycoord": self.radec}
        for axis in geom.axes:
            name = axis.name.upper() if axis.name.upper() in self.columns.columns else axis.name
            coord[axis.name] = u.Quantity(self.columns.quantity_or_values(name)).to(axis.unit)
        return MapCoord.create(coord)

    def check(self, checks: str | Sequence[str] = "all") -> Iterator[dict[str, Any]]:
        """Yield a record for each fault of the keywords, columns, times and coordinates, see `EventListChecker`.

        Parameters
        ----------
        checks : "all", or list of "meta", "columns", "times", "coordinates_galactic", "coordinates_altaz"
        """
        return EventListChecker(self).run(checks)

    # -- text and plots

    @property
    def stats(self) -> dict[str, int | u.Quantity]:
        """Number of events and smallest, largest and median energy (NaN without events), and largest offset."""
        energy = self.energy
        good = energy[np.isfinite(energy)]
        empty = u.Quantity(np.nan, energy.unit)
        stats: dict[str, int | u.Quantity] = {
            "n_event": len(self),
            "energy_min": good.min() if good.size else empty,
            "energy_max": good.max() if good.size else empty,
            "energy_median": u.Quantity(np.median(good)) if good.size else empty,
        }
        if self.is_pointed_observation:
            offset = self.offset
            stats["offset_max"] = offset.max() if offset.size else u.Quantity(np.nan, "deg")
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

    def html_card(self) -> Card:
        """Return what notebooks show of the events."""
        return event_card(self, self._meta)

    def peek(self, allsky: bool = False) -> None:
        """Draw counts map, offsets, energies and times, see `lightpool.plot.events.peek_events`."""
        from lightpool.plot.events import peek_events

        peek_events(self, allsky=allsky)

    def plot_energy(self, ax: "Axes | None" = None, **kwargs: object) -> Axes:
        """Draw the counts against the energy.

        Parameters
        ----------
        ax : `matplotlib.axes.Axes`, optional; the current axes by default
        **kwargs : keywords of ``Axes.hist``
        """
        from lightpool.plot.events import plot_event_energy

        return plot_event_energy(self, ax=ax, **kwargs)

    def plot_time(self, ax: "Axes | None" = None, **kwargs: object) -> Axes:
        """Draw the counts against the time.

        Parameters
        ----------
        ax : `matplotlib.axes.Axes`, optional; the current axes by default
        **kwargs : keywords of ``Axes.errorbar``
        """
        from lightpool.plot.events import plot_event_time

        return plot_event_time(self, ax=ax, **kwargs)

    def plot_offset2_distribution(
        self,
        ax: "Axes | None" = None,
        center: SkyCoord | None = None,
        max_percentile: float = 98,
        **kwargs: object,
    ) -> Axes:
        """Draw the counts against the squared offset.

        Parameters
        ----------
        ax : `matplotlib.axes.Axes`, optional; the current axes by default
        center : SkyCoord, optional; offsets are measured from the pointing by default
        max_percentile : float, percentage of the events inside the plotted range
        **kwargs : keywords of ``Axes.hist``
        """
        from lightpool.plot.events import plot_event_offset2

        return plot_event_offset2(self, ax=ax, center=center, max_percentile=max_percentile, **kwargs)

    def plot_energy_offset(self, ax: "Axes | None" = None, center: SkyCoord | None = None, **kwargs: object) -> Axes:
        """Draw the counts against energy and offset.

        Parameters
        ----------
        ax : `matplotlib.axes.Axes`, optional; the current axes by default
        center : SkyCoord, optional; offsets are measured from the pointing by default
        **kwargs : keywords of ``Axes.pcolormesh``
        """
        from lightpool.plot.events import plot_event_energy_offset

        return plot_event_energy_offset(self, ax=ax, center=center, **kwargs)

    def plot_image(self, ax: "Axes | None" = None, allsky: bool = False) -> Axes:
        """Draw a counts map of the sky.

        Parameters
        ----------
        ax : `matplotlib.axes.Axes`, optional; new axes by default
        allsky : bool, the whole sky instead of the region around the events
        """
        from lightpool.plot.events import plot_event_image

        return plot_event_image(self, ax=ax, allsky=allsky)


def _is_equal(column: Time | u.Quantity | NDArray[Any], value: Time | u.Quantity | float | str) -> NDArray[np.bool_]:
    """Return in which rows a column has a value; a NaN is equal to NaN."""
    if isinstance(column, Time) or isinstance(value, Time | str) or not np.isnan(value):
        return np.asarray(column == value)
    return np.asarray(np.isnan(column))


def _limits(name: str, value: QuantityLike, unit: str) -> u.Quantity:
    """Return two limits in a unit that converts to ``unit``."""
    limits = u.Quantity(value)
    message = f"{name} must be two values with their unit, as [1, 2] * u.{unit}, got {value!r}"
    if limits.shape != (2,):
        raise ValueError(message)
    if not limits.unit.is_equivalent(unit):
        raise WrongRangeUnitError(message)
    return limits
