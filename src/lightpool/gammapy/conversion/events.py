"""Event lists; the table is the same object on both sides.

Columns in the byte order of FITS files are shared as they are. Copies are:

- what lightpool computes from the table each time it is asked for: `EventList.arrays`, which are float64 in native byte
  order, in rad, TeV and s;
- the table of a list that lightpool read from a file; it is made when it is first asked for, and shared from then on;
- before Gammapy 2, the column TIME: it holds numbers there and times in lightpool, so the tables are two, which share
  all other columns.
"""

from typing import cast

import numpy as np
from astropy.table import Column, Table
from astropy.time import Time
from gammapy.data import EventList as GammapyEventList

from lightpool.data import EventList
from lightpool.data.metadata import EventListMetaData
from lightpool.data.tables.time_reference import TimeReference
from lightpool.gammapy.conversion.overrides import require_no_override
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.gammapy.installation import version

__all__ = ["events_from_gammapy", "events_to_gammapy"]


@from_gammapy.register(GammapyEventList)
def events_from_gammapy(events: GammapyEventList) -> EventList:
    """Return an event list of Gammapy as one of lightpool, with the same table."""
    require_no_override(events, GammapyEventList)
    # None before Gammapy 2, where it was not given.
    meta = None if events.meta is None else cast(EventListMetaData, from_gammapy(events.meta))
    return EventList(_with_times(events.table), meta)


@to_gammapy.register
def events_to_gammapy(events: EventList) -> GammapyEventList:
    """Return an event list as one of Gammapy, with the same table."""
    table = events.table
    if version() < (2, 0):
        table = _with_numbers(table, events.time_reference)
    return GammapyEventList(table, meta=to_gammapy(events.meta))


def _with_times(table: Table) -> Table:
    if "TIME" not in table.colnames or isinstance(table["TIME"], Time):
        return table
    seconds = np.asarray(table["TIME"], dtype=np.float64)
    return _with_column(table, TimeReference.from_header(table.meta, "event table").to_time(seconds))


def _with_numbers(table: Table, reference: TimeReference) -> Table:
    seconds = Column(reference.seconds(cast(Time, table["TIME"])), unit="s")
    table = _with_column(table, seconds)
    table.meta.update({key: value for key, value in reference.to_header().items() if key not in table.meta})
    return table


def _with_column(table: Table, time: Time | Column) -> Table:
    """Return a table of the same columns but TIME."""
    table = table.copy(copy_data=False)
    table["TIME"] = time
    return table
