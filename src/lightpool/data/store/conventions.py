"""Who wrote the files of a store, by which conventions, and where these are not those of GADF.

Each rule says what the format asks for, what the files have, and what lightpool makes of it. Source of the rules:
https://gamma-astro-data-formats.readthedocs.io, version 0.3.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lightpool.data.store.hdu_checks import Finding, finding
from lightpool.data.tables.part_names import RESPONSES

__all__ = ["Conventions", "RunHeaders", "find_writer"]

Header: TypeAlias = Mapping[str, Any]

_MANDATORY = ("OBS_MODE", "EQUINOX")
"""Keywords of EVENTS that GADF demands, besides those whose absence `lightpool.data.store.hdu_checks` reports."""

_RESPONSE_CLASSES = {
    "EFF_AREA": {"AEFF_2D"},
    "EDISP": {"EDISP_2D"},
    "RPSF": {"PSF_TABLE", "PSF_3GAUSS", "PSF_KING", "PSF_GTPSF"},
    "BKG": {"BKG_2D", "BKG_3D"},
    "RAD_MAX": {"RAD_MAX_2D"},
}
_INDEX_CLASSES = {
    "events",
    "gti",
    "pointing",
    *(name.lower() for names in _RESPONSE_CLASSES.values() for name in names),
}
_MOST_RUNS = 4
"""So many runs are named in a message."""

_WRITERS: tuple[tuple[str, str, str], ...] = (
    # keyword, beginning of its value in capitals, what it means; the first that fits counts
    ("CREATOR", "LSTCHAIN", "LST-1 (lstchain)"),
    ("CREATOR", "MAGICCTAPIPE", "MAGIC and LST-1 (magic-cta-pipe)"),
    # Its events have no CREATOR, and its responses that of pyirf.
    ("INSTRUME", "LST-1_MAGIC", "MAGIC and LST-1 (magic-cta-pipe)"),
    ("INSTRUME", "LST1_M", "MAGIC and LST-1 (magic-cta-pipe)"),
    ("INSTRUME", "M1_M2", "MAGIC and LST-1 (magic-cta-pipe)"),
    ("CREATOR", "CTAPIPE", "ctapipe"),
    ("CREATOR", "PYIRF", "pyirf"),
    ("CREATOR", "PYV2DL3", "VERITAS (V2DL3)"),
    ("CREATOR", "FACT IRF", "FACT"),
    ("CREATOR", "SASH", "H.E.S.S. (first public data release)"),
    ("CREATOR", "CTOBSSIM", "simulated by ctools"),
    ("CREATOR", "LIGHTPOOL", "simulated or written by lightpool"),
    ("CREATOR", "GAMMAPY", "simulated or written by Gammapy"),
    ("TELESCOP", "VERITAS", "VERITAS"),
    ("TELESCOP", "FACT", "FACT"),
    ("TELESCOP", "MAGIC", "MAGIC"),
    ("TELESCOP", "HAWC", "HAWC"),
    ("TELESCOP", "SWGO", "SWGO"),
    ("TELESCOP", "GLAST", "Fermi-LAT"),
    ("TELESCOP", "FERMI", "Fermi-LAT"),
    ("TELESCOP", "HESS", "H.E.S.S."),
    ("TELESCOP", "LST", "LST-1"),
    ("TELESCOP", "CTA", "CTAO"),
)


@dataclass(frozen=True)
class RunHeaders:
    """Headers of the HDUs of an observation.

    Attributes
    ----------
    obs_id : int
    headers : dict of header by kind: "events", "gti", "aeff", "edisp", "psf", "bkg", "rad_max"
    index_classes : dict of HDU_CLASS in the index by kind
    n_same : int, the largest number of response HDUs of one class in one file
    is_own_file : bool, whether the responses are in the file of the events
    """

    obs_id: int
    headers: Mapping[str, Header]
    index_classes: Mapping[str, str]
    n_same: int = 1
    is_own_file: bool = True

    @property
    def events(self) -> Header:
        """Header of the events; empty if there are none."""
        return self.headers.get("events", {})

    @property
    def tables(self) -> dict[str, Header]:
        """Headers of the responses that are tables, by kind."""
        return {
            kind: header
            for kind, header in self.headers.items()
            if kind in RESPONSES and _text(header, "XTENSION") == "BINTABLE"
        }

    @property
    def is_pointlike(self) -> bool:
        """Whether the effective area was made with a directional cut."""
        return _text(self.headers.get("aeff", {}), "HDUCLAS3") == "POINT-LIKE"


def _text(header: Header, key: str) -> str:
    return str(header.get(key, "")).strip().upper()


def find_writer(headers: Mapping[str, Header]) -> str | None:
    """Return who wrote the files of an observation, or None if no keyword tells.

    Parameters
    ----------
    headers : mapping of header by kind, see `RunHeaders`
    """
    # The events tell first; the responses of LST-1 are those of pyirf.
    for header in headers.values():
        for key, start, name in _WRITERS:
            if _text(header, key).startswith(start):
                return name
    return None


def _traits(run: RunHeaders) -> str:
    """Describe the responses of an observation."""
    found = [kind for kind in RESPONSES if kind in run.headers]
    if not found:
        return "without responses"
    maps = [kind for kind in found if kind not in run.tables]
    if maps:
        return f"responses as maps on the sky ({', '.join(maps)})"
    if not run.is_pointlike:
        kind = "full-enclosure responses"
    elif "rad_max" in found:
        kind = "point-like responses with a cut for each energy (RAD_MAX_2D)"
    elif "RAD_MAX" in run.headers["aeff"]:
        kind = "point-like responses with one cut (RAD_MAX)"
    else:
        kind = "point-like responses without a cut"
    return f"{kind}: {', '.join(found)}; {'in the file of each run' if run.is_own_file else 'in files of their own'}"


@dataclass(frozen=True)
class _Rule:
    code: str
    text: str
    is_violated: Callable[[RunHeaders], bool]


def _lacks_keywords(run: RunHeaders) -> bool:
    return bool(run.events) and any(key not in run.events for key in _MANDATORY)


def _lacks_frame(run: RunHeaders) -> bool:
    return bool(run.events) and not {"RADECSYS", "RADESYS"} & set(run.events)


def _has_text_as_number(run: RunHeaders) -> bool:
    number = run.events.get("OBS_ID", 0)
    return not isinstance(number, int) and not str(number).strip().isdigit()


def _is_not_declared(run: RunHeaders) -> bool:
    declared = [header for kind, header in run.headers.items() if kind in ("events", "gti") or kind in run.tables]
    return any(
        _text(header, "HDUCLASS") not in ("GADF", "OGIP") or not _text(header, "HDUCLAS1") for header in declared
    )


def _has_other_classes(run: RunHeaders) -> bool:
    return any(
        _text(header, "HDUCLAS4") not in _RESPONSE_CLASSES.get(_text(header, "HDUCLAS2"), set())
        or _text(header, "HDUCLAS3") not in ("POINT-LIKE", "FULL-ENCLOSURE")
        for header in run.tables.values()
    )


def _has_maps(run: RunHeaders) -> bool:
    return any(kind in run.headers and kind not in run.tables for kind in RESPONSES)


def _has_no_cut(run: RunHeaders) -> bool:
    return run.is_pointlike and "rad_max" not in run.headers and "RAD_MAX" not in run.headers["aeff"]


def _has_no_alignment(run: RunHeaders) -> bool:
    return any("FOVALIGN" not in header and "DETX_LO" in _columns(header) for header in run.tables.values())


def _has_other_index_classes(run: RunHeaders) -> bool:
    return any(name.lower() not in _INDEX_CLASSES for name in run.index_classes.values())


def _has_several_responses(run: RunHeaders) -> bool:
    return run.n_same > 1


def _has_numbers_as_types(run: RunHeaders) -> bool:
    form = _columns(run.events).get("EVENT_TYPE", "X")
    return not form.upper().endswith("X")


def _has_other_energies(run: RunHeaders) -> bool:
    n_column = run.events.get("TFIELDS", 0)
    units = [
        _text(run.events, f"TUNIT{i}")
        for i in range(1, (n_column if isinstance(n_column, int) else 0) + 1)
        if _text(run.events, f"TTYPE{i}") == "ENERGY"
    ]
    return bool(units) and units[0] != "TEV"


def _lacks_event_numbers(run: RunHeaders) -> bool:
    return bool(run.events) and "EVENT_ID" not in _columns(run.events)


def _columns(header: Header) -> dict[str, str]:
    """Return the TFORM of each column by its name in capitals."""
    n_column = header.get("TFIELDS", 0)
    numbers = range(1, (n_column if isinstance(n_column, int) else 0) + 1)
    return {_text(header, f"TTYPE{i}"): _text(header, f"TFORM{i}") for i in numbers}


_RULES = (
    _Rule(
        "gadf-keywords",
        f"the header of EVENTS lacks keywords that GADF demands ({' or '.join(_MANDATORY)}); POINTING and 2000.0 are "
        "assumed",
        _lacks_keywords,
    ),
    _Rule(
        "gadf-frame",
        "the header of EVENTS does not name the frame of RA and DEC (RADECSYS); ICRS is assumed",
        _lacks_frame,
    ),
    _Rule("gadf-obs-id", "OBS_ID in EVENTS is not a whole number; that of the index is used", _has_text_as_number),
    _Rule(
        "gadf-hduclass",
        "an HDU does not declare its class (HDUCLASS = GADF and HDUCLAS1); its name and columns tell what it is",
        _is_not_declared,
    ),
    _Rule(
        "gadf-response",
        "HDUCLAS2, HDUCLAS3 or HDUCLAS4 of a response is not one of GADF, such as PSF for RPSF, 2D for AEFF_2D, or a "
        "class that GADF does not have; the columns decide",
        _has_other_classes,
    ),
    _Rule(
        "gadf-maps",
        "responses are maps on the sky, which GADF does not have; they are interpolated on the maps of a dataset",
        _has_maps,
    ),
    _Rule(
        "gadf-no-cut",
        "responses are point-like, without RAD_MAX and without a table RAD_MAX_2D, so their directional cut is not "
        "known; choose the region by hand, with the radius of the cut",
        _has_no_cut,
    ),
    _Rule(
        "gadf-alignment",
        "a response in DETX and DETY has no FOVALIGN, for which GADF assumes ALTAZ; RADEC is assumed, as Gammapy "
        "does: set FOVALIGN if the table turns with the horizon",
        _has_no_alignment,
    ),
    _Rule("gadf-index-class", "the index has an HDU_CLASS that GADF does not have", _has_other_index_classes),
    _Rule(
        "gadf-intervals",
        "a file has several responses of one class, and GADF does not say which one counts; that of the index is used. "
        "lightpool.data.split_by_responses makes an observation for each time interval or event type, and "
        "DatasetsMaker with response_sets the datasets of all types",
        _has_several_responses,
    ),
    _Rule(
        "gadf-event-type",
        "EVENT_TYPE is not a bit field (32X); its numbers are taken as bits. V2DL3 writes the number of telescopes: "
        "select such events by the value of the column",
        _has_numbers_as_types,
    ),
    _Rule("gadf-energy-unit", "ENERGY is not in TeV; it is converted", _has_other_energies),
    _Rule("gadf-event-id", "EVENTS has no column EVENT_ID", _lacks_event_numbers),
)


@dataclass
class Conventions:
    """Collects the conventions of the observations of a store; several threads may add to it."""

    _writers: dict[str, list[int]] = field(default_factory=dict)
    _violations: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, run: RunHeaders) -> None:
        """Add the headers of an observation."""
        writer = find_writer(run.headers) or "of a writer that is not known"
        violated = [(rule.code, rule.text) for rule in _RULES if rule.is_violated(run)]
        with self._lock:
            self._writers.setdefault(f"{writer}, {_traits(run)}", []).append(run.obs_id)
            for key in violated:
                self._violations.setdefault(key, []).append(run.obs_id)

    def findings(self) -> Iterator[Finding]:
        """Yield a note for each kind of writer, and for each rule of GADF that observations violate."""
        for text, runs in sorted(self._writers.items()):
            yield finding("convention", f"{_of_runs(runs)}: {text}", "note")
        for (code, text), runs in sorted(self._violations.items()):
            yield finding(code, f"not GADF, {_of_runs(runs)}: {text}", "note")


def _of_runs(runs: list[int]) -> str:
    """Name some of the observations."""
    first = ", ".join(map(str, sorted(runs)[:_MOST_RUNS]))
    more = len(runs) - _MOST_RUNS
    return f"{'run' if len(runs) == 1 else 'runs'} {first}{f' and {more} more' if more > 0 else ''}"
