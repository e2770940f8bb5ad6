"""Checks of objects in memory: event lists, observations and observation tables. Those of files are in `data.store`.

Each checker yields records as Gammapy's do: dictionaries with
``level`` (``debug``, ``warning`` or ``error``) and ``msg``.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Protocol

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table
from astropy.time import Time

from lightpool.data.gti import GTI
from lightpool.data.tables.mandatory_keywords import EVENT_KEYWORDS, GTI_KEYWORDS
from lightpool.irf import IRF

__all__ = ["Checker", "EventListChecker", "ObservationChecker", "ObservationTableChecker"]

Record = dict[str, Any]


class Checker:
    """Base of checkers: runs the methods that ``CHECKS`` names."""

    CHECKS: ClassVar[dict[str, str]] = {}
    """Name of each check, and the method that does it."""

    def run(self, checks: str | Iterable[str] = "all") -> Iterator[Record]:
        """Yield the records of some checks.

        Parameters
        ----------
        checks : "all", or list of names

        Raises
        ------
        ValueError
            If there is no check of a name.
        """
        wanted = list(self.CHECKS) if checks == "all" else [checks] if isinstance(checks, str) else list(checks)
        if unknown := sorted(set(wanted) - set(self.CHECKS)):
            raise ValueError(f"checks {unknown} are not known; there are {', '.join(self.CHECKS)}")
        return self._run(wanted)

    def _run(self, wanted: Iterable[str]) -> Iterator[Record]:
        for name in wanted:
            check: Callable[[], Iterator[Record]] = getattr(self, self.CHECKS[name])
            yield from check()


def _keywords(meta: Iterable[str], needed: Iterable[str]) -> str:
    """Return a text that names the missing keywords; empty if there is none."""
    missing = sorted(set(needed) - set(meta))
    return f"keywords {', '.join(missing)} are missing" if missing else ""


def _columns(table: Table, needed: dict[str, str]) -> Iterator[str]:
    for name, unit in needed.items():
        if name not in table.colnames:
            yield f"column {name!r} is missing"
            continue
        found = table[name].unit if hasattr(table[name], "unit") else "s"  # a column of times has no unit
        if u.Unit(found or "") != u.Unit(unit):
            yield f"column {name!r} is in {str(found or '')!r}, expected {unit!r}"


class _Events(Protocol):
    """What a check needs of an `~lightpool.data.EventList`."""

    @property
    def table(self) -> Table: ...
    @property
    def time(self) -> Time: ...
    @property
    def radec(self) -> SkyCoord: ...
    @property
    def altaz(self) -> SkyCoord: ...
    @property
    def observation_time_start(self) -> Time: ...
    @property
    def observation_time_stop(self) -> Time: ...


class EventListChecker(Checker):
    """Check the keywords, columns, times and coordinates of an event list.

    Parameters
    ----------
    event_list : `EventList`
    """

    CHECKS: ClassVar[dict[str, str]] = {
        "meta": "check_meta",
        "columns": "check_columns",
        "times": "check_times",
        "coordinates_galactic": "check_coordinates_galactic",
        "coordinates_altaz": "check_coordinates_altaz",
    }

    accuracy: ClassVar[dict[str, u.Quantity]] = {"angle": Angle("1 arcsec"), "time": u.Quantity(1, "us")}
    """Differences up to these are rounding."""

    meta_required = list(EVENT_KEYWORDS)  # noqa: RUF012 - Gammapy has lists here
    """Keywords that GADF requires."""

    columns_required: ClassVar[dict[str, str]] = {
        "EVENT_ID": "",
        "TIME": "s",
        "RA": "deg",
        "DEC": "deg",
        "ENERGY": "TeV",
    }
    """Columns that GADF requires, and their units."""

    def __init__(self, event_list: _Events) -> None:
        self.event_list = event_list

    def _error(self, text: str) -> Record:
        return {"level": "error", "obs_id": self.event_list.table.meta.get("OBS_ID"), "msg": text}

    def check_meta(self) -> Iterator[Record]:
        """Yield a record if keywords are missing."""
        if text := _keywords(self.event_list.table.meta, self.meta_required):
            yield self._error(text)

    def check_columns(self) -> Iterator[Record]:
        """Yield a record for each column that is missing or has another unit, and if there is no event."""
        if len(self.event_list.table) == 0:
            yield self._error("there are no events")
        for text in _columns(self.event_list.table, self.columns_required):
            yield self._error(text)

    def check_times(self) -> Iterator[Record]:
        """Yield a record if events are outside of the observation, or not in chronological order."""
        if len(self.event_list.table) == 0:
            return
        events, accuracy = self.event_list, self.accuracy["time"].to_value("s")
        since_start = (events.time - events.observation_time_start).to_value("s")
        if since_start.min() < -accuracy:
            yield self._error(f"events are up to {-since_start.min():g} s before the start of the observation")
        since_stop = (events.time - events.observation_time_stop).to_value("s")
        if since_stop.max() > accuracy:
            yield self._error(f"events are up to {since_stop.max():g} s after the end of the observation")
        if np.any(np.diff(since_stop) < -accuracy):
            yield self._error("the events are not in chronological order")

    def _check_coordinates(self, names: tuple[str, str], frame: object, expected: SkyCoord) -> Iterator[Record]:
        table = self.event_list.table
        found = SkyCoord(table[names[0]], table[names[1]], unit="deg", frame=frame)
        largest = found.separation(expected).max()
        if largest > self.accuracy["angle"]:
            text = f"{' / '.join(names)} are up to {largest.to_value('arcsec'):.3g} arcsec from RA / DEC"
            yield self._error(text)

    def check_coordinates_galactic(self) -> Iterator[Record]:
        """Yield a record if GLON and GLAT are not the directions of RA and DEC."""
        if {"GLON", "GLAT"} <= set(self.event_list.table.colnames) and len(self.event_list.table):
            yield from self._check_coordinates(("GLON", "GLAT"), "galactic", self.event_list.radec.galactic)

    def check_coordinates_altaz(self) -> Iterator[Record]:
        """Yield a record if AZ and ALT are not the directions of RA and DEC."""
        if {"AZ", "ALT"} <= set(self.event_list.table.colnames) and len(self.event_list.table):
            expected = self.event_list.altaz
            yield from self._check_coordinates(("AZ", "ALT"), expected.frame.replicate_without_data(), expected)


class ObservationTableChecker(Checker):
    """Check the keywords and columns of an observation table.

    Parameters
    ----------
    obs_table : `ObservationTable`
    """

    CHECKS: ClassVar[dict[str, str]] = {"meta": "check_meta", "columns": "check_columns"}

    meta_required = list(GTI_KEYWORDS)  # noqa: RUF012
    """Keywords that GADF requires."""

    columns_required: ClassVar[dict[str, str]] = {
        "OBS_ID": "",
        "RA_PNT": "deg",
        "DEC_PNT": "deg",
        "TSTART": "s",
        "TSTOP": "s",
    }
    """Columns that GADF requires, and their units."""

    def __init__(self, obs_table: Table) -> None:
        self.obs_table = obs_table

    @staticmethod
    def _error(text: str) -> Record:
        return {"level": "error", "hdu": "obs-index", "msg": text}

    def check_meta(self) -> Iterator[Record]:
        """Yield a record if keywords are missing, and for each that does not say that this is an observation table."""
        if text := _keywords(self.obs_table.meta, self.meta_required):
            yield self._error(text)
        for key, value in (("HDUCLAS1", "INDEX"), ("HDUCLAS2", "OBS")):
            if self.obs_table.meta.get(key, "") != value:
                yield self._error(f"{key} is {self.obs_table.meta.get(key, '')!r}, expected {value!r}")

    def check_columns(self) -> Iterator[Record]:
        """Yield a record for each column that is missing or has another unit, and if there is no observation."""
        if len(self.obs_table) == 0:
            yield self._error("there is no observation")
        for text in _columns(self.obs_table, self.columns_required):
            yield self._error(text)


class _Observation(Protocol):
    """What a check needs of an `~lightpool.data.Observation`."""

    obs_id: Any


class ObservationChecker(Checker):
    """Check the parts of an observation; those that cannot be loaded are reported.

    Parameters
    ----------
    observation : `Observation`
    """

    CHECKS: ClassVar[dict[str, str]] = {
        "events": "check_events",
        "gti": "check_gti",
        "aeff": "check_aeff",
        "edisp": "check_edisp",
        "psf": "check_psf",
    }

    def __init__(self, observation: _Observation) -> None:
        self.observation = observation

    def _record(self, level: str, text: str) -> Record:
        return {"level": level, "obs_id": self.observation.obs_id, "msg": text}

    def _loaded(self, name: str) -> Iterator[tuple[Record | None, Any]]:
        """Yield the record that a part is checked, and then its failure to load, or the part."""
        yield self._record("debug", f"checking {name}"), None
        try:
            part = getattr(self.observation, name)
        except Exception as error:  # any error that a damaged file causes
            yield self._record("warning", f"{name} cannot be loaded: {error}"), None
            return
        if part is None:
            yield self._record("warning", f"the observation has no {name}"), None
            return
        yield None, part

    def _check(self, name: str, faults: Callable[[Any], Iterator[str]] | None) -> Iterator[Record]:
        for record, part in self._loaded(name):
            if record is not None:
                yield record
            elif faults is not None:
                for text in faults(part):
                    yield self._record("error", text)

    def check_events(self) -> Iterator[Record]:
        """Yield the records of the event list, see `EventListChecker`."""
        for record, events in self._loaded("events"):
            if record is not None:
                yield record
            else:
                yield from EventListChecker(events).run()

    def check_gti(self) -> Iterator[Record]:
        """Yield a record if there is no good time interval."""
        yield from self._check("gti", _faults_of_gti)

    def check_aeff(self) -> Iterator[Record]:
        """Yield records if the effective area is nowhere positive, or its thresholds exclude all energies."""
        yield from self._check("aeff", _faults_of_area)

    def check_edisp(self) -> Iterator[Record]:
        """Yield a record if the energy dispersion is nowhere positive."""
        yield from self._check("edisp", _faults_of_response)

    def check_psf(self) -> Iterator[Record]:
        """Yield a record if the PSF cannot be loaded."""
        yield from self._check("psf", None)


def _faults_of_gti(gti: GTI) -> Iterator[str]:
    if len(gti) == 0:
        yield "there is no good time interval"


def _faults_of_area(aeff: IRF) -> Iterator[str]:
    low, high = aeff.meta.get("LO_THRES"), aeff.meta.get("HI_THRES")
    if isinstance(low, int | float) and isinstance(high, int | float) and low >= high:
        yield f"LO_THRES = {low} is not below HI_THRES = {high}"
    yield from _faults_of_response(aeff)


def _faults_of_response(irf: IRF) -> Iterator[str]:
    if hasattr(irf, "data") and not np.any(np.asarray(irf.data) > 0):
        yield f"no value of the {irf.tag} is positive"
