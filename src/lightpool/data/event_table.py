"""Events as plain columns or as a table, with what their header says."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.attributes import KnownAttributes
from lightpool.data.metadata import EventListMetaData, earth_location_from_header
from lightpool.data.tables.event_columns import EventColumns, columns_of_table, stack_columns, table_of_columns
from lightpool.data.tables.faults import valid_events
from lightpool.data.tables.gadf_tables import read_events
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import FormatError
from lightpool.fits import TableData, seconds_since_reference

__all__ = ["EventTable"]


class EventTable(KnownAttributes):
    """Events in the order of their file, and the keywords of its header.

    The events of a file stay plain arrays (`arrays`) until the `table` is asked for. A table that was handed out may be
    changed by the user, and from then on is what counts. Parameters and errors are those of `EventList`.
    """

    sent: Any
    on_change: "Callable[[Any], None] | None"

    def __init__(self, table: Any, meta: EventListMetaData | None = None) -> None:
        self._columns: EventColumns | None = None if table is not None else EventColumns.empty()
        self._table: Any = table
        self.meta = meta or EventListMetaData()
        self.sent = self.on_change = None
        if table is not None:
            columns_of_table(table)  # raises an error if it is no event list

    @classmethod
    def from_columns(cls, columns: EventColumns, meta: EventListMetaData | None = None) -> Self:
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
    def from_table_data(cls, table: TableData) -> Self:
        """Make from a table as `lightpool.fits.read_fits` gives it."""
        return cls.from_columns(read_events(table), EventListMetaData.from_header(table.header))

    # -- columns and keywords

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

    def with_keywords(self, keywords: Mapping[str, Any]) -> Self:
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
    def is_pointed_observation(self) -> bool:
        """Whether the header says where the telescopes pointed."""
        return "RA_PNT" in self._meta

    @property
    def pointing_radec(self) -> Any:
        """Pointing (RA_PNT, DEC_PNT) as `SkyCoord` in ICRS."""
        return SkyCoord(float(self._keyword("RA_PNT")), float(self._keyword("DEC_PNT")), unit="deg", frame="icrs")

    @property
    def observatory_earth_location(self) -> Any:
        """Place of the observatory as `astropy.coordinates.EarthLocation`."""
        return earth_location_from_header(self._meta)

    # -- rows

    def select_row_subset(self, row_specifier: Any) -> Self:
        """Keep some rows.

        Parameters
        ----------
        row_specifier : slice, int, array of int, or boolean mask of shape (n_event,)
        """
        if self._columns is not None:
            return self.from_columns(self._columns.select(row_specifier), self.meta)
        rows = row_specifier if isinstance(row_specifier, slice) else np.atleast_1d(np.asarray(row_specifier))
        return self.__class__(self._table[rows], self.meta)

    def stack(self, other: "EventTable") -> None:
        """Add the events of another list behind these, in place.

        Header keywords in which the two lists differ are dropped, but for the reference time: that of this list stays.
        """
        self._columns, self._table = stack_columns([self.columns, other.columns]), None
        self._tell()

    @classmethod
    def from_stack(cls, event_lists: Sequence["EventTable"], **kwargs: Any) -> Self:
        """Put several lists behind each other; header keywords in which they differ are dropped."""
        if not event_lists:
            raise ValueError("no event list to stack: the list is empty")
        return cls.from_columns(stack_columns([events.columns for events in event_lists]))

    def copy(self) -> Self:
        """Return an independent copy."""
        return copy.deepcopy(self)
