"""Filters that an observation applies to its events and GTIs."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from lightpool.attributes import KnownAttributes
from lightpool.data.event_list import EventList
from lightpool.data.gti import GTI
from lightpool.data.tables.time_reference import TimeInterval
from lightpool.utils.deviations import deviates
from lightpool.utils.html import Card, Html, Section, ShownInNotebooks, fields
from lightpool.utils.text import number_of

__all__ = ["ObservationFilter", "in_good_times", "seconds_outside"]

Timed = TypeVar("Timed", EventList, GTI)


class ObservationFilter(KnownAttributes, ShownInNotebooks):
    """A time interval and selections of events.

    Parameters
    ----------
    time_filter : `astropy.time.Time` of length 2, optional
    event_filters : list of dict, optional
        Each with ``type``, a key of ``EVENT_FILTER_TYPES``, and ``opts``, the arguments of that method of
        `~lightpool.data.EventList`. An event is kept if it passes all of them.
    inverted_time : bool
        Keep what lies outside ``time_filter`` instead.
    """

    EVENT_FILTER_TYPES = {  # noqa: RUF012
        "sky_region": "select_region",
        "custom": "select_parameter",
        "event_type": "select_event_type",
    }

    def __init__(
        self,
        time_filter: TimeInterval | None = None,
        event_filters: Sequence[dict[str, Any]] | None = None,
        inverted_time: bool = False,
    ) -> None:
        self.time_filter = time_filter
        self.event_filters = list(event_filters or [])
        self.inverted_time = inverted_time
        for entry in self.event_filters:
            if entry.get("type") not in self.EVENT_FILTER_TYPES or "opts" not in entry:
                raise ValueError(
                    f"event filter {entry!r}: expected 'type', one of {sorted(self.EVENT_FILTER_TYPES)}, and 'opts'"
                )

    def html_card(self) -> Card:
        """Return what notebooks show of the filters."""
        where = "not in" if self.inverted_time else "in"
        rows = {f"{i}: {entry['type']}": str(entry["opts"]) for i, entry in enumerate(self.event_filters)}
        if self.time_filter is not None:
            rows["time"] = f"{where} {self.time_filter}"
        n = len(self.event_filters) + (self.time_filter is not None)
        facts = [number_of(n, "filter")]
        return Card(
            type(self).__name__, "", facts, [Section("Filters", lambda: fields(rows) if n else Html(""), "", True)]
        )

    @property
    def livetime_fraction(self) -> float:
        """Fraction of the live time that filters on the column PHASE keep: the width of their overlap."""
        low, high = 0.0, 1.0
        for entry in self.event_filters:
            opts = entry["opts"]
            if opts.get("parameter") == "PHASE" and opts.get("is_range", True):
                # `band` is the name of this argument before Gammapy 1.3.
                band = opts.get("values", opts.get("band"))
                low, high = max(low, float(band[0])), min(high, float(band[1]))
        fraction = max(high - low, 0.0)
        if fraction != self._width_of_first():
            deviates("live time with filters of phases")
        return fraction

    def _width_of_first(self) -> float:
        """Return the width of the first filter if it is one of phases, else 1: the fraction by Gammapy's rule."""
        first: dict[str, Any] = self.event_filters[0]["opts"] if self.event_filters else {}
        band = first.get("values", first.get("band"))
        return 1.0 if first.get("parameter") != "PHASE" or band is None else float(band[1]) - float(band[0])

    def filter_events(self, events: EventList) -> EventList:
        """Return the events that pass all filters."""
        events = self._filter_by_time(events)
        for entry in self.event_filters:
            opts = dict(entry["opts"])
            if "band" in opts:  # the name of this argument in files and scripts for Gammapy before 1.3
                opts["values"] = opts.pop("band")
            select: Callable[..., EventList] = getattr(events, self.EVENT_FILTER_TYPES[entry["type"]])
            events = select(**opts)
        return events

    def filter_gti(self, gti: GTI) -> GTI:
        """Return the GTI cropped to the time filter."""
        return self._filter_by_time(gti)

    def _filter_by_time(self, data: Timed) -> Timed:
        return data if self.time_filter is None else data.select_time(self.time_filter, self.inverted_time)

    @property
    def is_empty(self) -> bool:
        """Whether there are no filters."""
        return self.time_filter is None and not self.event_filters

    def snapshot(self) -> "ObservationFilter":
        """Return filters that hold the same objects and do not follow later changes of these filters."""
        other = copy.copy(self)
        other.event_filters = list(self.event_filters)
        return other

    def is_same(self, other: "ObservationFilter") -> bool:
        """Return whether both hold the same objects (identical, not equal)."""
        own, others = ([x.time_filter, *x.event_filters] for x in (self, other))
        same = len(own) == len(others) and all(a is b for a, b in zip(own, others, strict=True))
        return same and (self.time_filter is None or self.inverted_time == other.inverted_time)

    def copy(self) -> "ObservationFilter":
        """Return an independent copy."""
        return copy.deepcopy(self)


_ROUNDING = 1e-6  # s; times near 1e9 s since the reference are good to 1.2e-7 s


def in_good_times(events: EventList, gti: GTI) -> EventList:
    """Return the events in good time intervals; both ends belong to an interval.

    Parameters
    ----------
    events : `EventList`
    gti : `GTI`
    """
    merged = gti.union()
    seconds = events.time_reference.seconds
    # Whatever the reference of each, the seconds of both count from that of the events.
    start = seconds(merged.time_start) - _ROUNDING if len(merged) else np.zeros(0)
    stop = seconds(merged.time_stop) + _ROUNDING if len(merged) else np.zeros(0)
    time = events.arrays["time"]
    interval = np.searchsorted(start, time, side="right") - 1
    inside = interval >= 0
    inside[inside] = time[inside] <= stop[interval[inside]]
    return events if inside.all() else events.select_row_subset(inside)


def seconds_outside(gti: GTI, other: GTI) -> float:
    """Return how many seconds of good times are not in another set of good times.

    Parameters
    ----------
    gti, other : `GTI`
    """
    own = gti.union()
    return own.duration_s - own.intersect(other).duration_s
