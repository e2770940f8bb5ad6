"""Checks of a data store: faults that would surface later, or not at all."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lightpool.errors import FormatError, MissingDataError

if TYPE_CHECKING:
    from lightpool.data.data_store import DataStore
    from lightpool.data.event_list import EventList

__all__ = ["check_data_store", "check_events"]

_OBS_COLUMNS = {"OBS_ID": "", "RA_PNT": "deg", "DEC_PNT": "deg", "TSTART": "s", "TSTOP": "s"}
_EVENT_COLUMNS = {"EVENT_ID": "", "TIME": "s", "RA": "deg", "DEC": "deg", "ENERGY": "TeV"}
_EVENT_KEYWORDS = [
    "HDUCLASS",
    "HDUDOC",
    "HDUVERS",
    "HDUCLAS1",
    "OBS_ID",
    "TSTART",
    "TSTOP",
    "ONTIME",
    "LIVETIME",
    "DEADC",
    "RA_PNT",
    "DEC_PNT",
    "ORIGIN",
    "TELESCOP",
    "INSTRUME",
    "CREATOR",
    "MJDREFI",
    "MJDREFF",
    "TIMEUNIT",
    "TIMESYS",
    "TIMEREF",
    "GEOLON",
    "GEOLAT",
    "ALTITUDE",
]

Records = Iterator[dict[str, Any]]


def check_data_store(store: "DataStore", checks: Any = "all") -> Records:
    """Give a record (``level``, ``msg``, and ``obs_id`` or ``hdu``) for each fault.

    Parameters
    ----------
    store : DataStore
    checks : "all", or list of "obs_table", "hdu_table", "consistency", "observations"
    """
    known: dict[str, Callable[[DataStore], Records]] = {
        "obs_table": _check_obs_table,
        "hdu_table": _check_hdu_table,
        "consistency": _check_consistency,
        "observations": _check_observations,
    }
    for name in known if checks == "all" else checks:
        if name not in known:
            raise ValueError(f"check {name!r} is not known; there are {', '.join(known)}")
        yield from known[name](store)


def _check_obs_table(store: "DataStore") -> Records:
    table = store.obs_table
    if table is None:
        yield {"level": "error", "hdu": "obs-index", "msg": "There is no observation table"}
        return
    for key, value in (("HDUCLAS1", "INDEX"), ("HDUCLAS2", "OBS")):
        if table.meta.get(key) != value:
            yield {"level": "error", "hdu": "obs-index", "msg": f"{key} must be {value}"}
    if len(table) == 0:
        yield {"level": "error", "hdu": "obs-index", "msg": "Observation table has zero rows"}
    for name, unit in _OBS_COLUMNS.items():
        if name not in table.colnames:
            yield {"level": "error", "hdu": "obs-index", "msg": f"Missing table column: {name!r}"}
        elif str(table[name].unit or "") != unit:
            yield {"level": "error", "hdu": "obs-index", "msg": f"Invalid unit for column: {name!r}"}


def _check_hdu_table(store: "DataStore") -> Records:
    table = store.hdu_table
    for key, value in (("HDUCLAS1", "INDEX"), ("HDUCLAS2", "HDU")):
        if table.meta.get(key) != value:
            yield {"level": "error", "hdu": "hdu-index", "msg": f"Invalid header key. Must have {key}={value}"}
    for row in range(len(table)):
        location = table.location_info(row)
        try:
            location.header()
        except (MissingDataError, FormatError) as error:
            yield {"level": "error", "obs_id": int(table["OBS_ID"][row]), "msg": f"HDU not found: {error}"}


def _check_consistency(store: "DataStore") -> Records:
    if store.obs_table is None:
        return
    observed, listed = set(store.obs_table["OBS_ID"].tolist()), set(store.hdu_table["OBS_ID"].tolist())
    if observed != listed:
        differ = sorted(observed ^ listed)
        yield {"level": "error", "msg": f"Inconsistent OBS_ID in obs and HDU index tables: {differ}"}


def _check_observations(store: "DataStore") -> Records:
    for observation in store.get_observations(required_irf="all-optional", require_events=False):
        record = {"level": "error", "obs_id": observation.obs_id}
        for name in observation.available_hdus:
            try:
                part = getattr(observation, name)
                if name == "events":
                    yield from (record | fault for fault in check_events(part))
                if name == "gti" and len(part) == 0:
                    yield record | {"msg": "GTI table has zero rows"}
                if name in ("aeff", "edisp") and not np.max(part.data) > 0:
                    yield record | {"msg": f"maximum entry of {name} is <= 0"}
            except (MissingDataError, FormatError) as error:
                yield record | {"msg": f"Loading {name} failed: {error}"}


def check_events(events: "EventList") -> Records:
    """Give a record for each fault of an event list."""
    columns = events.columns
    missing = sorted(set(_EVENT_KEYWORDS) - set(columns.meta))
    if missing:
        yield {"msg": f"Missing meta keys: {missing!r}"}
    if len(events) == 0:
        yield {"msg": "Events table has zero rows"}
    for name, unit in _EVENT_COLUMNS.items():
        if name not in columns.columns:
            yield {"msg": f"Missing table column: {name!r}"}
        elif columns.units[name] != unit:
            yield {"msg": f"Invalid unit for column: {name!r}"}
    if events.n_invalid:
        yield {"msg": f"{events.n_invalid} events have no finite direction, time or positive energy"}
    time = columns.plain["time"]
    if "TSTART" in columns.meta and np.any(time < float(columns.meta["TSTART"])):
        yield {"msg": "Event times before obs start time"}
    if "TSTOP" in columns.meta and np.any(time > float(columns.meta["TSTOP"])):
        yield {"msg": "Event times after the obs end time"}
    if np.any(np.diff(time) < 0):
        yield {"msg": "Events are not time-ordered."}
