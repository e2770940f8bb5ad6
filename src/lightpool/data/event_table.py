"""Events as plain columns or as a table, with the keywords of their header."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.table import Table
from astropy.time import Time
from numpy.typing import ArrayLike, NDArray

from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, accepts_gammapy
from lightpool.data.metadata import EventListMetaData, earth_location_from_header
from lightpool.data.tables.event_columns import EventColumns, columns_of_table, stack_columns, table_of_columns
from lightpool.data.tables.faults import valid_events
from lightpool.data.tables.gadf_tables import read_events
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import FormatError
from lightpool.fits import TableData, seconds_since_reference

__all__ = ["EventTable"]


class EventTable(ConvertibleToGammapy, KnownAttributes):
    """Events in the order of their file, and the keywords of its header.

    The events of a file are kept as plain arrays (`arrays`) until the `table` is requested: the user may change that
    table, so from then on the table is used. Parameters and errors are those of `EventList`.
    """

    on_change: "Callable[[EventTable], None] | None"

    def __init__(self, table: Table | None, meta: EventListMetaData | None = None) -> None:
        self._content: EventColumns | Table = EventColumns.empty() if table is None else table
        self.meta = meta or EventListMetaData()
        self.on_change = None
        if table is not None:
            columns_of_table(table)  # raises an error if it is not an event list

    @classmethod
    def from_columns(cls, columns: EventColumns, meta: EventListMetaData | None = None) -> Self:
        """Create from plain columns, without a table.

        Parameters
        ----------
        columns : EventColumns
        meta : EventListMetaData, optional
        """
        events = cls.__new__(cls)
        events._content = columns
        events.meta = meta or EventListMetaData()
        events.on_change = None
        return events

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"on_change": None}

    def _announce_change(self) -> None:
        if self.on_change is not None:
            self.on_change(self)

    @classmethod
    def from_table_data(cls, table: TableData) -> Self:
        """Create from a table of a file that `lightpool.fits.read_fits` opened."""
        return cls.from_columns(read_events(table), EventListMetaData.from_header(table.header))

    # -- columns and keywords

    @property
    def columns(self) -> EventColumns:
        """The columns as plain arrays with units."""
        return self._content if isinstance(self._content, EventColumns) else columns_of_table(self._content)

    @property
    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        """Plain arrays: ``lon``, ``lat`` (rad, ICRS), ``energy`` (TeV), ``time`` (s since `time_reference`), float64.

        They have shape (n_event,), are shared, and must not be changed.
        """
        return self.columns.plain

    @property
    def table(self) -> Table:
        """Table with columns TIME, ENERGY, RA, DEC and the others of the file; its changes take effect from now on."""
        if isinstance(self._content, EventColumns):
            self._content = table_of_columns(self._content)
        self._announce_change()
        return self._content

    @table.setter
    def table(self, table: Table) -> None:
        columns_of_table(table)
        self._content = table
        self._announce_change()

    @property
    def _meta(self) -> dict[str, Any]:
        if isinstance(self._content, EventColumns):
            return self._content.meta
        return dict(seconds_since_reference(self._content.meta, "event table"))

    def with_keywords(self, keywords: Mapping[str, Any]) -> Self:
        """Return the events with other values of keywords that their header has; the same list if nothing differs."""
        meta = self._meta
        changed = {key: value for key, value in keywords.items() if key in meta and meta[key] != value}
        changed.pop("OBS_MODE", None)  # some files use it for more than the mode of pointing
        if not changed:
            return self
        if isinstance(self._content, EventColumns):
            return self.from_columns(replace(self._content, meta=meta | changed), self.meta)
        # Other keywords, but the same columns in memory.
        table = self._content.copy(copy_data=False)
        table.meta.update(changed)
        return self.__class__(table, self.meta)

    def _number(self, name: str) -> float:
        """Return the number that a keyword holds."""
        try:
            return float(self._meta[name])
        except KeyError:
            raise FormatError(
                f"the event list has no header keyword {name!r}: it comes from a file without it, or is a stack of "
                f"lists that differ in it; set events.table.meta[{name!r}]"
            ) from None

    def __len__(self) -> int:
        return self._content.n_event if isinstance(self._content, EventColumns) else len(self._content)

    @property
    def n_invalid(self) -> int:
        """Number of events that fall into no bin: direction, time or energy not finite, or energy not positive."""
        return int(np.count_nonzero(~valid_events(self.arrays)))

    @property
    def time_reference(self) -> TimeReference:
        """The origin of ``arrays["time"]``."""
        return self.columns.reference

    @property
    def time_ref(self) -> Time:
        """Reference time."""
        return TimeReference.from_header(self._meta, "event list").time

    @property
    def time(self) -> Time:
        """Event times."""
        return self._content.time if isinstance(self._content, EventColumns) else cast(Time, self._content["TIME"])

    @property
    def observation_time_start(self) -> Time:
        """Start of the observation (TSTART)."""
        return self.time_ref + u.Quantity(self._number("TSTART"), "s")

    @property
    def observation_time_stop(self) -> Time:
        """Stop of the observation (TSTOP)."""
        return self.time_ref + u.Quantity(self._number("TSTOP"), "s")

    @property
    def observation_time_duration(self) -> u.Quantity:
        """Time from start to stop in s, dead time included."""
        return u.Quantity((self.observation_time_stop - self.observation_time_start).sec, "s")

    @property
    def observation_live_time_duration(self) -> u.Quantity:
        """Live time (LIVETIME) in s."""
        return u.Quantity(self._number("LIVETIME"), "s")

    @property
    def observation_dead_time_fraction(self) -> float:
        """Dead time over observation time, ``1 - DEADC``."""
        return 1 - self._number("DEADC")

    @property
    def is_pointed_observation(self) -> bool:
        """Whether the header says where the telescopes pointed."""
        return "RA_PNT" in self._meta

    @property
    def pointing_radec(self) -> SkyCoord:
        """Pointing (RA_PNT, DEC_PNT) in ICRS."""
        return SkyCoord(self._number("RA_PNT"), self._number("DEC_PNT"), unit="deg", frame="icrs")

    @property
    def observatory_earth_location(self) -> EarthLocation:
        """Position of the observatory on the Earth."""
        return earth_location_from_header(self._meta)

    # -- rows

    def select_row_subset(self, row_specifier: slice | ArrayLike) -> Self:
        """Keep some rows.

        Parameters
        ----------
        row_specifier : slice, int, array of int, or boolean mask of shape (n_event,)
        """
        if isinstance(self._content, EventColumns):
            return self.from_columns(self._content.select(row_specifier), self.meta)
        rows = row_specifier if isinstance(row_specifier, slice) else np.atleast_1d(np.asarray(row_specifier))
        return self.__class__(self._content[rows], self.meta)

    @accepts_gammapy
    def stack(self, other: "EventTable") -> None:
        """Append the events of another list, in place.

        Header keywords in which the two lists differ are dropped, except the reference time of this list.
        """
        self._content = stack_columns([self.columns, other.columns])
        self._announce_change()

    @classmethod
    def from_stack(cls, event_lists: Sequence["EventTable"], **kwargs: object) -> Self:
        """Concatenate several lists; header keywords in which they differ are dropped.

        Parameters
        ----------
        event_lists : sequence of EventList
        **kwargs : not used; Gammapy has them
        """
        if not event_lists:
            raise ValueError("no event list to stack: the list is empty")
        return cls.from_columns(stack_columns([events.columns for events in event_lists]))

    def copy(self) -> Self:
        """Return an independent copy."""
        return copy.deepcopy(self)
