"""Observations with more than one set of responses: for parts of their time, or for types of events.

GADF has one set of responses for an observation. Arrays of telescopes plan several: one for each interval of time in
which they hold, and one for each type of event, such as those seen by many telescopes.
`lightpool.data.split_by_responses` splits an observation into one for each of them, which any maker reduces.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from astropy.time import Time

from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.data.files.hdu_location import HDULocation
from lightpool.data.tables.gadf_tables import classify_hdus
from lightpool.data.tables.part_names import RESPONSES
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import FormatError
from lightpool.fits import folder_and_name, header_number, place_of
from lightpool.irf import IRF, IRFMap
from lightpool.maps import Map
from lightpool.utils.html import ShownInNotebooks

__all__ = ["ALL_TYPES", "ResponseSet", "find_response_sets"]

ResponsePart: TypeAlias = IRF | IRFMap | Map | HDULocation
"""A response, or where it is."""

ALL_TYPES = "all"
"""Label of responses that hold for events of any type."""

_Span = tuple[float, float] | None
_Key = tuple[_Span, tuple[int, ...] | None]
"""Interval, in s, and type of a response; None if it has no such keyword."""

_TYPE_KEYWORDS = ("EVT_TYPE", "EV_TYPE")


@dataclass(frozen=True, eq=False)
class ResponseSet(ShownInNotebooks):
    """Responses that hold for a part of an observation.

    Attributes
    ----------
    parts : mapping of "aeff", "edisp", "psf", "bkg" and "rad_max" to a response, or to its `HDULocation`
    event_types : tuple of int, numbers of the bits of ``EVENT_TYPE``; an event needs one of them. None: all events
    interval : Time of length 2, in which the responses hold; None: always
    label : str, of the type; by default the numbers of the bits, or ``all``
    """

    parts: Mapping[str, ResponsePart]
    event_types: tuple[int, ...] | None = None
    interval: Time | None = None
    label: str = ""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.parts) - set(RESPONSES))
        if unknown or not self.parts:
            raise ValueError(f"parts of a ResponseSet must be out of {', '.join(RESPONSES)}, got {list(self.parts)}")
        if not self.label:
            types = self.event_types
            object.__setattr__(self, "label", ALL_TYPES if types is None else "+".join(map(str, types)))


def find_response_sets(filename: str | PathLike[str]) -> list[ResponseSet]:
    """Return the sets of responses in a file.

    Responses with the keywords TSTART and TSTOP hold for this interval, those with EVT_TYPE (or EV_TYPE)
    for events with these bits, given as numbers such as ``3`` or ``0,1``; with both they hold for these events in this
    interval. A response without an interval belongs to all intervals of its type, one without a type to all types. A
    text, the same for all responses of a file, is no type: magic-cta-pipe writes how they were made.

    Parameters
    ----------
    filename : str or path

    Raises
    ------
    FormatError
        If two responses of one kind belong to the same set, or to HDUs of one name.
    """
    path = place_of(filename)
    file = FILE_CACHE.open(path).file
    folder, file_name = folder_and_name(path)
    found: dict[_Key, dict[str, HDULocation]] = {}
    intervals: dict[tuple[float, float], Time] = {}
    repeated = {name for name in file.names if file.names.count(name) > 1}
    responses = [each for each in classify_hdus(file) if each[1] in RESPONSES]
    only_text = _only_text(file.values(name) for name, _, _ in responses)
    for name, kind, hdu_class in responses:
        where = f"{file.source}, HDU {name!r}"
        if name in repeated:
            raise FormatError(f"{where}: several HDUs have this name; give each response a name of its own (EXTNAME)")
        header = file.values(name)
        span = None
        if "TSTART" in header and "TSTOP" in header:
            first, last = (header_number(header, key, where, unit="time in s") for key in ("TSTART", "TSTOP"))
            reference = header if "MJDREFI" in header else file.values("EVENTS")
            span = (first, last)
            intervals[span] = TimeReference.from_header(reference, where).to_time(np.array([first, last]))
        given = next((header[key] for key in _TYPE_KEYWORDS if key in header), None)
        types = None if given is None or only_text == {str(given)} else _bits(given, where)
        parts = found.setdefault((span, types), {})
        if kind in parts:
            raise _ambiguous(where, kind, parts[kind].hdu_name)
        parts[kind] = HDULocation(hdu_class, folder, "", file_name, name)
    return [
        ResponseSet(_parts_for(key, found, str(path)), key[1], None if key[0] is None else intervals[key[0]])
        for key in _keys_of_sets(found)
    ]


def _only_text(headers: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the type of all responses of a file if it is one text, such as ``software`` of magic-cta-pipe.

    It says how the responses were made, and tells no events of the file from others.
    """
    texts = {str(header[key]) for header in headers for key in _TYPE_KEYWORDS if key in header}
    is_text = len(texts) == 1 and not next(iter(texts)).replace(",", "").replace(" ", "").lstrip("-").isdigit()
    return texts if is_text else set()


def _keys_of_sets(found: Iterable[_Key]) -> list[_Key]:
    """Return interval and type of each set: the intervals of a type, and those of responses of any type."""
    known: list[tuple[int, ...] | None] = [types for _, types in found if types is not None]
    keys: list[_Key] = []
    for each in dict.fromkeys(known or [None]):
        spans: list[_Span] = [span for span, types in found if span is not None and types in (None, each)]
        keys += [(span, each) for span in dict.fromkeys(spans or [None])]
    return keys if found else []


def _parts_for(key: _Key, found: Mapping[_Key, Mapping[str, HDULocation]], where: str) -> dict[str, HDULocation]:
    """Return the responses for an interval and a type: those of both, of one of them, or of neither."""
    span, types = key
    parts = dict(found.get((None, None), {}))
    by_span = {} if span is None else found.get((span, None), {})
    by_type = {} if types is None else found.get((None, types), {})
    both = found.get(key, {})
    for kind in set(by_span) & set(by_type) - set(both):
        raise _ambiguous(f"{where}, HDU {by_span[kind].hdu_name!r}", kind, by_type[kind].hdu_name)
    return {**parts, **by_span, **by_type, **both}


def _ambiguous(where: str, kind: str, other: str) -> FormatError:
    return FormatError(
        f"{where}: there is another response of the kind {kind!r} for the same time and type, {other!r}; TSTART and "
        "TSTOP, or EVT_TYPE, must tell them apart"
    )


def _bits(value: object, where: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(word) for word in str(value).replace(",", " ").split()}))
    except ValueError as error:
        raise FormatError(
            f"{where}: the event type is {value!r}, expected the numbers of bits, such as 3 or '0,1'"
        ) from error
