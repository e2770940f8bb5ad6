"""What notebooks show of observations and stores.

A list of observations and a store are shown from what is in memory. One observation is shown with the times and the
pointing in its files if they are on this machine, as ``print`` does; files at an address are not copied for that, and
events and responses are never read.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from lightpool.data.event_card import MAX_EVENTS, draw_preview, time_text
from lightpool.data.event_list import EventList
from lightpool.data.files.hdu_location import HDULocation
from lightpool.fits import Place, TableData, is_address
from lightpool.maps.geoms.geom_card import position_text
from lightpool.utils.html import MAX_ROWS, Card, Html, Section, ShownInNotebooks, fields, grid, nested, note, pictures
from lightpool.utils.on_demand import Deferred
from lightpool.utils.secret_texts import hide_secrets
from lightpool.utils.text import number_of

__all__ = ["observation_card", "observations_card", "store_card"]

_RESPONSES = ("aeff", "edisp", "psf", "bkg", "rad_max")


class PartsToShow(Protocol):
    """An `Observation`, without what is computed from its files."""

    @property
    def obs_id(self) -> int | None:
        """Number."""

    @property
    def parts(self) -> Mapping[str, Any]:
        """Parts, or where they are."""

    @property
    def places(self) -> list[Place]:
        """Files of the parts."""

    @property
    def available_hdus(self) -> list[str]:
        """Names of the parts."""


class ObservationToShow(PartsToShow, Protocol):
    """An `Observation`."""

    @property
    def tstart(self) -> Time:
        """Start."""

    @property
    def tstop(self) -> Time:
        """Stop."""

    @property
    def tmid(self) -> Time:
        """Middle."""

    @property
    def observation_time_duration(self) -> u.Quantity:
        """Duration."""

    @property
    def observation_dead_time_fraction(self) -> float:
        """Dead time."""

    def get_pointing_icrs(self, time: Time) -> SkyCoord:
        """Return the pointing."""
        ...


def observation_card(observation: ObservationToShow) -> Card:
    """Return the card of an observation.

    Parameters
    ----------
    observation : Observation
        Its own state may change: what is read for the card is kept in it.
    """
    parts = observation.parts
    remote = [place for place in observation.places if is_address(str(place))]
    events = parts["events"]

    def summary() -> Html:
        if remote:
            return note(f"in files at {_shown_place(remote[0])}, which are not copied to show times and pointing")
        rows: dict[str, object] = {"obs id": observation.obs_id}
        if parts["gti"] is not None:
            rows |= {
                "tstart": lambda: time_text(observation.tstart),
                "tstop": lambda: time_text(observation.tstop),
                "duration": lambda: f"{observation.observation_time_duration:.2f}",
            }
            if parts["pointing"] is not None:
                rows["pointing (icrs)"] = lambda: position_text(observation.get_pointing_icrs(observation.tmid))
        return fields({**rows, "deadtime fraction": lambda: f"{observation.observation_dead_time_fraction:.1%}"})

    def plot() -> Html:
        if not isinstance(events, EventList) or not 0 < len(events) <= MAX_EVENTS:
            return Html("")
        return pictures(lambda: draw_preview(events), "Events on the sky and their energies")

    return Card(
        "Observation",
        f"{observation.obs_id}",
        [", ".join(observation.available_hdus)],
        [
            Section("Plot", plot, is_open=True, only_alone=True),
            Section("Summary", summary, is_open=True, only_alone=True),
            Section("Parts", lambda: _parts(parts), number_of(len(observation.available_hdus), "part")),
        ],
    )


def _parts(parts: Mapping[str, Any]) -> Html:
    rows = {name: _part(part) for name, part in parts.items() if part is not None}
    return fields(rows)


def _part(part: object) -> Html | str:
    if isinstance(part, HDULocation):
        return f"{os.path.basename(str(part))}, HDU {part.hdu_name or part.hdu_class}"
    if isinstance(part, Deferred):
        return note("made when it is used")
    if isinstance(part, ShownInNotebooks):
        return nested(part.html_card)
    return type(part).__name__


def observations_card(observations: Sequence[PartsToShow], title: str) -> Card:
    """Return the card of a list of observations.

    Parameters
    ----------
    observations : sequence of Observation
    title : str
    """

    def listed() -> Html:
        header = ("", "obs id", "events", "gti", *_RESPONSES)
        rows = [
            (i, each.obs_id, *(_mark(each.parts.get(name)) for name in header[2:]))
            for i, each in enumerate(observations[:MAX_ROWS])
        ]
        return grid(header, rows, len(observations))

    def places() -> Html:
        found = [place for each in observations[:MAX_ROWS] for place in each.places]
        return grid(("file",), [(_shown_place(place),) for place in dict.fromkeys(found)])

    n = len(observations)
    return Card(
        title,
        "",
        [number_of(n, "observation")],
        [
            Section("Parts", lambda: listed() if n else Html(""), "✓ in memory, file: read when it is used", True),
            Section("Files", lambda: places() if n else Html(""), f"of the first {MAX_ROWS}" if n > MAX_ROWS else ""),
        ],
    )


def _mark(part: object) -> str:
    if part is None:
        return ""
    return "file" if isinstance(part, HDULocation) else "✓"


def _shown_place(place: Place) -> str:
    return hide_secrets(str(place))


def store_card(title: str, hdus: TableData | Table, observations: TableData | Table | None) -> Card:
    """Return the card of a data store.

    Parameters
    ----------
    title : str
    hdus, observations : index tables; the observation index may be missing
    """
    obs_ids = np.unique(_column(hdus, "OBS_ID"))
    keywords: Mapping[str, Any] = hdus.meta

    def summary() -> Html:
        return fields(
            {
                "folder": hide_secrets(str(keywords.get("BASE_DIR", ""))) or None,
                "observations": len(obs_ids),
                "OBS_ID": f"{obs_ids[0]} to {obs_ids[-1]}" if len(obs_ids) else "none",
                "HDUs": len(hdus),
                "HDU types": lambda: _counted(_column(hdus, "HDU_TYPE")),
                "HDU classes": lambda: _counted(_column(hdus, "HDU_CLASS")),
            }
        )

    def index() -> Html:
        if observations is None:
            return note("no observation index")
        names = [name for name in _names(observations) if np.ndim(_column(observations, name)) == 1]
        shown = [name for name in _PREFERRED if name in names] or names[:8]
        rows = [[_text(_column(observations, name)[i]) for name in shown] for i in range(_n_shown(observations))]
        return grid(shown, rows, len(observations))

    n = len(obs_ids)
    return Card(
        title,
        "",
        [number_of(n, "observation"), number_of(len(hdus), "HDU")],
        [
            Section("Summary", summary, is_open=True),
            Section(
                "Observations",
                index,
                "" if observations is None else f"{number_of(len(observations), 'row')} of the index",
            ),
        ],
    )


_PREFERRED = ("OBS_ID", "OBJECT", "RA_PNT", "DEC_PNT", "ZEN_PNT", "ONTIME", "LIVETIME", "DATE-OBS")


def _n_shown(table: TableData | Table) -> int:
    return min(len(table), MAX_ROWS)


def _names(table: TableData | Table) -> Iterable[str]:
    return list(table.columns) if isinstance(table, TableData) else list(table.colnames)


def _column(table: TableData | Table, name: str) -> Any:
    if name not in _names(table):
        return np.zeros(0)
    return table.columns[name] if isinstance(table, TableData) else table[name]


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value).strip()


def _counted(values: Any) -> str:
    names, counts = np.unique([str(value).strip() for value in values], return_counts=True)
    return ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True)) or "none"
