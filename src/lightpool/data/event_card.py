"""What notebooks show of events and good time intervals."""

from collections.abc import Mapping
from typing import Any, Protocol

import astropy.units as u
from astropy.time import Time

from lightpool.data.tables.event_columns import EventColumns
from lightpool.maps.geoms.geom_card import position_text
from lightpool.utils.html import MAX_ROWS, Card, Html, Picture, Section, fields, grid, note, pictures
from lightpool.utils.on_demand import DeferredMapping
from lightpool.utils.text import number_of

__all__ = ["MAX_EVENTS", "draw_preview", "event_card", "gti_card", "time_text"]

MAX_EVENTS = 1_000_000
"""Events of which energies and offsets are looked at."""


class EventsToShow(Protocol):
    """An `EventList`."""

    @property
    def columns(self) -> EventColumns:
        """Columns."""

    @property
    def stats(self) -> dict[str, int | u.Quantity]:
        """Summary values."""

    @property
    def is_pointed_observation(self) -> bool:
        """Whether there is a pointing."""

    @property
    def pointing_radec(self) -> Any:
        """Pointing."""

    @property
    def observation_time_start(self) -> Time:
        """Start."""

    @property
    def observation_time_stop(self) -> Time:
        """Stop."""

    @property
    def observation_time_duration(self) -> u.Quantity:
        """Duration."""

    def __len__(self) -> int: ...


class IntervalsToShow(Protocol):
    """A `GTI`."""

    @property
    def time_sum(self) -> u.Quantity:
        """Sum of the lengths."""

    @property
    def time_delta(self) -> u.Quantity:
        """Lengths."""

    @property
    def time_start(self) -> Time:
        """Starts."""

    @property
    def time_stop(self) -> Time:
        """Stops."""

    def __len__(self) -> int: ...


def draw_preview(events: EventsToShow) -> list[Picture]:
    """Return a small plot of events, see `lightpool.plot.event_previews.draw_events`."""
    from lightpool.plot.event_previews import draw_events  # matplotlib is heavy and optional

    return draw_events(events)


def event_card(events: EventsToShow, keywords: Mapping[str, Any]) -> Card:
    """Return the card of an event list.

    Parameters
    ----------
    events : EventList
    keywords : mapping, of the header
    """
    n_event = len(events)

    def summary() -> Html:
        rows: dict[str, object] = {
            "instrument": keywords.get("INSTRUME"),
            "telescope": keywords.get("TELESCOP"),
            "number of events": f"{n_event:,}",
        }
        if keywords.get("TSTART", False):
            rows |= {
                "event rate": lambda: f"{n_event / events.observation_time_duration:.3f}",
                "time start": lambda: time_text(events.observation_time_start),
                "time stop": lambda: time_text(events.observation_time_stop),
            }
        if events.is_pointed_observation:
            rows["pointing"] = lambda: position_text(events.pointing_radec)
        if n_event > MAX_EVENTS:
            return fields({**rows, "energies": note(_TOO_MANY)})
        return fields(rows | _statistics(events))

    def plot() -> Html:
        if not 0 < n_event <= MAX_EVENTS:
            return Html("")
        return pictures(lambda: draw_preview(events), "Events on the sky and their energies")

    obs_id = keywords.get("OBS_ID")
    return Card(
        "EventList",
        "" if obs_id is None else f"observation {obs_id}",
        [number_of(n_event, "event"), keywords.get("TELESCOP")],
        [
            Section("Plot", plot, is_open=True, only_alone=True),
            Section("Summary", summary, is_open=True),
            Section("Columns", lambda: _columns(events.columns), number_of(len(events.columns.columns), "column")),
            Section("Header", lambda: fields({key: str(value) for key, value in keywords.items()}), "keywords"),
        ],
    )


_TOO_MANY = f"more than {MAX_EVENTS:,} events: too many to look at each time; events.stats has their energies"


def _statistics(events: EventsToShow) -> dict[str, object]:
    stats = events.stats
    names = {"energy_min": "min. energy", "energy_max": "max. energy", "energy_median": "median energy"}
    names |= {"offset_max": "max. offset"} if "offset_max" in stats else {}
    return {text: f"{stats[name]:.4g}" for name, text in names.items()}


def time_text(time: Time) -> str:
    """Return a time as a date with its scale, and as MJD."""
    return f"{time.iso} ({time.scale.upper()}), MJD {time.mjd:.2f}"


def _columns(columns: EventColumns) -> Html:
    """Return names, units and types; columns that nobody has used yet stay bytes of their file."""
    known = columns.columns
    shown = list(known)
    types = {name: "" if isinstance(known, DeferredMapping) else str(known[name].dtype) for name in shown}
    if not any(types.values()):
        return grid(("column", "unit"), [(name, columns.units.get(name, "")) for name in shown])
    return grid(("column", "unit", "type"), [(name, columns.units.get(name, ""), types[name]) for name in shown])


def gti_card(gti: IntervalsToShow) -> Card:
    """Return the card of good time intervals."""
    n_interval = len(gti)
    words = number_of(n_interval, "interval")
    if n_interval == 0:
        return Card("GTI", "", [words, "0 s"])
    start, stop = gti.time_start, gti.time_stop

    def intervals() -> Html:
        lengths = gti.time_delta
        shown = range(min(n_interval, MAX_ROWS))
        rows = [(start[i].iso, stop[i].iso, f"{lengths[i].to_value('s'):.6g} s") for i in shown]
        return grid(("start", "stop", "length"), rows, n_interval)

    duration = gti.time_sum
    rows = {
        "number of GTIs": n_interval,
        "duration": f"{duration:.8g}",
        "start": lambda: f"{start.min().iso} ({start.scale.upper()})",
        "stop": lambda: f"{stop.max().iso} ({stop.scale.upper()})",
    }
    return Card(
        "GTI",
        "",
        [words, f"{duration.to_value('h'):.4g} h"],
        [Section("Summary", lambda: fields(rows), is_open=True), Section("Intervals", intervals, words)],
    )
