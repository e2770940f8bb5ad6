"""Observations with more than one set of responses: for parts of their time, or for types of events.

GADF has one set of responses for an observation. Arrays of telescopes plan several: one for each interval of time in
which they hold, and one for each type of event, such as those seen by many telescopes. An observation is split into one
for each of them, which any maker reduces.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TypeAlias

import numpy as np
from astropy.time import Time

from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.data.files.hdu_location import HDULocation
from lightpool.data.filters import ObservationFilter
from lightpool.data.observation import Observation
from lightpool.data.observations import Observations
from lightpool.data.tables.gadf_tables import classify_hdus
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import folder_and_name, header_number, place_of
from lightpool.irf import IRF, IRFMap
from lightpool.maps import Map

__all__ = ["ALL_TYPES", "ResponseSet", "find_response_sets", "split_by_responses"]

log = logging.getLogger(__name__)

ResponsePart: TypeAlias = IRF | IRFMap | Map | HDULocation
"""A response, or where it is."""

ALL_TYPES = "all"
"""Label of responses that hold for events of any type."""

_RESPONSES = ("aeff", "edisp", "psf", "bkg", "rad_max")
_TYPE_KEYWORDS = ("EVT_TYPE", "EV_TYPE")
_GAP = 1.0
"""Good time, in s, that may be without responses before a warning."""


@dataclass(frozen=True, eq=False)
class ResponseSet:
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
        unknown = sorted(set(self.parts) - set(_RESPONSES))
        if unknown or not self.parts:
            raise ValueError(f"parts of a ResponseSet must be out of {', '.join(_RESPONSES)}, got {list(self.parts)}")
        if not self.label:
            types = self.event_types
            object.__setattr__(self, "label", ALL_TYPES if types is None else "+".join(map(str, types)))


def find_response_sets(filename: str | PathLike[str]) -> list[ResponseSet]:
    """Return the sets of responses in a file.

    Responses with the keywords TSTART and TSTOP hold for this interval, those with EVT_TYPE (or EV_TYPE)
    for events with these bits, given as numbers such as ``3`` or ``0,1``. A response without them belongs to all sets.

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
    found: dict[tuple[tuple[float, float] | None, tuple[int, ...] | None], dict[str, HDULocation]] = {}
    intervals: dict[tuple[float, float], Time] = {}
    repeated = {name for name in file.names if file.names.count(name) > 1}
    for name, kind, hdu_class in classify_hdus(file):
        if kind not in _RESPONSES:
            continue
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
        parts = found.setdefault((span, None if given is None else _bits(given, where)), {})
        if kind in parts:
            raise FormatError(
                f"{where}: there is another response of the kind {kind!r} for the same time and type, "
                f"{parts[kind].hdu_name!r}; TSTART and TSTOP, or EVT_TYPE, must tell them apart"
            )
        parts[kind] = HDULocation(hdu_class, folder, "", file_name, name)
    shared = found.pop((None, None), {})
    if not found:
        return [ResponseSet(shared)] if shared else []
    return [
        ResponseSet({**shared, **parts}, types, None if span is None else intervals[span])
        for (span, types), parts in found.items()
    ]


def _bits(value: object, where: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(word) for word in str(value).replace(",", " ").split()}))
    except ValueError as error:
        raise FormatError(
            f"{where}: the event type is {value!r}, expected the numbers of bits, such as 3 or '0,1'"
        ) from error


def split_by_responses(
    observations: Observation | Iterable[Observation], sets: Sequence[ResponseSet] | None = None
) -> dict[str, Observations]:
    """Split observations into one for each set of responses, by the label of the type of events.

    Parameters
    ----------
    observations : Observation or iterable of them
    sets : sequence of ResponseSet, by default those in the file that holds the effective area of each observation

    Returns
    -------
    observations : dict of `Observations` by label
        Each has the events of its type and the good times of its interval. An event that has the types of two sets is
        in both.

    Raises
    ------
    MissingDataError
        If the responses of an observation are not in a file, and no sets are given.
    """
    made: dict[str, Observations] = {}
    for observation in [observations] if isinstance(observations, Observation) else observations:
        own = _sets_of(observation) if sets is None else sets
        for each in own:
            made.setdefault(each.label, Observations()).append(_with_responses(observation, each))
        _warn_of_gaps(observation, own)
    return made


def _sets_of(observation: Observation) -> list[ResponseSet]:
    locations = observation.locations
    known = [locations[name] for name in _RESPONSES if name in locations]
    if not known:
        raise MissingDataError(
            f"observation {observation.obs_id}: its responses are not in a file in which sets of them could be found; "
            "give `sets`"
        )
    return find_response_sets(known[0].place)


def _with_responses(observation: Observation, chosen: ResponseSet) -> Observation:
    filters = observation.obs_filter.copy()
    if chosen.event_types is not None:
        filters.event_filters.append({"type": "event_type", "opts": {"types": list(chosen.event_types)}})
    parts = {name: part for name, part in observation.parts.items() if name not in _RESPONSES}
    made = Observation(
        obs_id=observation.obs_id,
        location=observation.given_location,
        obs_filter=ObservationFilter(filters.time_filter, filters.event_filters, filters.inverted_time),
        **{**parts, **chosen.parts},  # type: ignore[arg-type]  # each part has the type of its name
    )
    if chosen.interval is None:
        return made
    if filters.time_filter is None:
        return made.select_time(chosen.interval)
    # The filter of the observation and the interval: both are kept by the good times and events of the filtered one.
    first, last = (max if end == 0 else min for end in (0, 1))
    limits = [first(filters.time_filter[0], chosen.interval[0]), last(filters.time_filter[1], chosen.interval[1])]
    return made.select_time(Time(limits))


def _warn_of_gaps(observation: Observation, sets: Sequence[ResponseSet]) -> None:
    """Warn if a part of the good times has no responses."""
    gti = observation.gti
    spans = [each.interval for each in sets]
    if gti is None or not spans or any(span is None for span in spans):
        return
    for label in {each.label for each in sets}:
        covered = sum(
            gti.select_time(each.interval).duration_s
            for each in sets
            if each.label == label and each.interval is not None
        )
        missing = gti.duration_s - covered
        if missing > _GAP:
            log.warning(
                "observation %s: %.1f s of its good time are outside the intervals of its responses (type %s) and are "
                "lost",
                observation.obs_id,
                missing,
                label,
            )
