"""Observations split by their sets of responses, and how many of their events are in which part.

No event is lost or counted twice without a word: events of no type that has responses, of several types, and outside
the intervals of all responses are counted and reported.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from astropy.time import Time, TimeDelta

from lightpool.bridge import accepts_gammapy
from lightpool.data.filters import ObservationFilter
from lightpool.data.observation import Observation
from lightpool.data.observations import Observations
from lightpool.data.response_sets import ResponseSet, find_response_sets
from lightpool.data.tables.part_names import RESPONSES
from lightpool.errors import FormatError, MissingDataError
from lightpool.utils.html import ShownInNotebooks

__all__ = ["EventTypeCounts", "TypedPart", "count_event_types", "parts_by_responses", "split_by_responses"]

log = logging.getLogger(__name__)

_GAP = 1.0
"""Good time, in s, that may be without responses before a warning, or with two sets of responses before an error."""

_MARGIN = 1e-3
"""An event at the end of the good times belongs to the last interval, in s."""


@dataclass(frozen=True)
class EventTypeCounts(ShownInNotebooks):
    """How many events of an observation are of which type.

    Attributes
    ----------
    obs_id : int or None
    n_event : int, of the observation
    n_by_label : dict of int by label of a type; an event may be of several
    n_without : int, of no type that has responses
    bits_without : dict of int by bit, of those that are of no type; they may have several bits, or none
    n_several : dict of int by the labels of two types, of events that are of both
    shared_bits : dict of tuple of int by the labels of two types, of bits that both types have by their definition
    n_outside : dict of int by label, of events of a type outside of the intervals of its responses
    """

    obs_id: int | None
    n_event: int
    n_by_label: dict[str, int]
    n_without: int = 0
    bits_without: dict[int, int] = field(default_factory=dict)
    n_several: dict[tuple[str, str], int] = field(default_factory=dict)
    shared_bits: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    n_outside: dict[str, int] = field(default_factory=dict)

    def messages(self) -> list[str]:
        """Return what a user should know: events in none of the parts, and in several."""
        said, labels = [], ", ".join(self.n_by_label)
        if self.n_without:
            bits = ", ".join(f"bit {bit}: {number}" for bit, number in sorted(self.bits_without.items()))
            said.append(
                f"{self.n_without} of {self.n_event} events are of none of the types {labels} that have responses "
                f"({bits or 'they have no bit of EVENT_TYPE'}), and in no dataset"
            )
        for pair, number in self.n_several.items():
            bits = " and ".join(map(str, self.shared_bits.get(pair, ())))
            why = f"by definition, as both have bit {bits}" if bits else "although these share no bit"
            said.append(
                f"{number} of {self.n_event} events are of both types {pair[0]} and {pair[1]}, {why}, and in the "
                "datasets of both"
            )
        for label, number in self.n_outside.items():
            said.append(
                f"{number} events of type {label} are outside the intervals of its responses, and in no dataset"
            )
        return said

    def report(self) -> None:
        """Log what a user should know, as warnings."""
        for message in self.messages():
            log.warning("observation %s: %s", self.obs_id, message)


@dataclass(frozen=True, eq=False)
class TypedPart:
    """The part of an observation for which a set of responses holds.

    Attributes
    ----------
    label : str, of the type of events
    number : int, of the interval of the type, from 1
    observation : Observation, with the events, good times and responses of the part
    """

    label: str
    number: int
    observation: Observation


@accepts_gammapy
def split_by_responses(
    observations: Observation | Iterable[Observation], sets: Sequence[ResponseSet] | None = None
) -> dict[str, Observations]:
    """Split observations into one for each set of responses, by the label of the type of events.

    `~lightpool.makers.DatasetsMaker` with ``response_sets`` makes the datasets of all types in one pass over the files.

    Parameters
    ----------
    observations : Observation or iterable of them
    sets : sequence of ResponseSet, by default those in the file that holds the effective area of each observation

    Returns
    -------
    observations : dict of `Observations` by label
        Each has the events of its type and the good times of its interval. An event that has the types of two sets is
        in both. Events in none or in several are reported, see `EventTypeCounts`.

    Raises
    ------
    MissingDataError
        If the responses of an observation are not in a file, and no sets are given.
    FormatError
        If the intervals of two sets for the same type overlap.
    """
    made: dict[str, Observations] = {}
    for observation in [observations] if isinstance(observations, Observation) else observations:
        for part in _split(observation, sets):
            made.setdefault(part.label, Observations()).append(part.observation)
    return made


def parts_by_responses(observation: Observation, sets: Sequence[ResponseSet] | None = None) -> list[TypedPart]:
    """Split an observation by its sets of responses, with all parts loaded: events are read and selected once.

    Parameters
    ----------
    observation, sets : see `split_by_responses`
    """
    parts = _split(observation.loaded(), sets)
    return [TypedPart(part.label, part.number, _in_memory(part.observation)) for part in parts]


def count_event_types(observation: Observation, sets: Sequence[ResponseSet]) -> EventTypeCounts:
    """Return how many events of an observation are of which type.

    Parameters
    ----------
    observation : Observation
    sets : sequence of ResponseSet
    """
    events = observation.events
    types = {each.label: each.event_types for each in sets}
    clash = next((each for each in sets if each.event_types != types[each.label]), None)
    if clash is not None:
        raise ValueError(
            f"sets of responses for the types {clash.event_types} and {types[clash.label]} have the label "
            f"{clash.label!r}; give each type of events a label of its own"
        )
    n_event = 0 if events is None else len(events)
    if events is None or all(bits is None for bits in types.values()):
        return EventTypeCounts(observation.obs_id, n_event, dict.fromkeys(types, n_event))
    column = events.event_type_bits
    every = np.ones(n_event, dtype=bool)
    member = {label: every if bits is None else column.has_any(bits) for label, bits in types.items()}
    without = ~np.any(list(member.values()), axis=0)
    lonely = {bit: int(np.sum(column.has(bit) & without)) for bit in range(column.n_bit)} if without.any() else {}
    several = {pair: int(np.sum(member[pair[0]] & member[pair[1]])) for pair in combinations(types, 2)}
    shared = {
        pair: tuple(sorted(set(one) & set(other)))
        for pair in several
        if (one := types[pair[0]]) is not None and (other := types[pair[1]]) is not None and set(one) & set(other)
    }
    return EventTypeCounts(
        observation.obs_id,
        n_event,
        {label: int(mask.sum()) for label, mask in member.items()},
        int(without.sum()),
        {bit: number for bit, number in lonely.items() if number},
        {pair: number for pair, number in several.items() if number},
        shared,
    )


def _split(observation: Observation, sets: Sequence[ResponseSet] | None) -> list[TypedPart]:
    """Return the parts of an observation, and report events and good times that are in none or in several."""
    own = _sets_of(observation) if sets is None else list(sets)
    if not own:
        raise MissingDataError(f"observation {observation.obs_id}: there are no responses to split it by")
    gti = observation.gti
    if gti is not None and not gti.duration_s > 0:
        log.warning("observation %s: it has no good time, so no responses hold, and it has no part", observation.obs_id)
    parts, outside = [], {}
    counts = count_event_types(observation, own)
    for label in dict.fromkeys(each.label for each in own):
        mine = _without_overlaps(observation, [each for each in own if each.label == label])
        kept = [_with_responses(observation, each) for each in mine]
        kept = [each for each in kept if (good := each.gti) is None or (len(good) > 0 and good.duration_s > 0)]
        parts += [TypedPart(label, number, each) for number, each in enumerate(kept, start=1)]
        if gti is not None and any(each.interval is not None for each in mine):
            _warn_of_gaps(observation, label, gti.duration_s - sum(each.required("gti").duration_s for each in kept))
            inside = sum(0 if each.events is None else len(each.events) for each in kept)
            if counts.n_by_label[label] > inside:
                outside[label] = counts.n_by_label[label] - inside
    counts.n_outside.update(outside)
    counts.report()
    return parts


def _sets_of(observation: Observation) -> list[ResponseSet]:
    locations = observation.locations
    known = [locations[name] for name in RESPONSES if name in locations]
    if not known:
        raise MissingDataError(
            f"observation {observation.obs_id}: its responses are not in a file in which sets of them could be found; "
            "give `sets`"
        )
    return find_response_sets(known[0].place)


def _without_overlaps(observation: Observation, sets: Sequence[ResponseSet]) -> list[ResponseSet]:
    """Return sets of one type in the order of their intervals, which meet but do not overlap.

    Raises
    ------
    FormatError
        If two overlap by more than rounding, or there are several for all of the time.
    """
    timed = [(each, each.interval) for each in sets if each.interval is not None]
    if len(timed) < len(sets):
        if len(sets) > 1:
            raise FormatError(
                f"observation {observation.obs_id}: {len(sets)} sets of responses hold for the type {sets[0].label!r} "
                "at the same time; give each an interval, or a type of its own"
            )
        return list(sets)
    origin = timed[0][1][0]
    timed.sort(key=lambda pair: float((pair[1][0] - origin).to_value("s")))
    gti = observation.gti
    made = []
    for number, (each, interval) in enumerate(timed):
        first, last = interval[0], interval[1]
        if number + 1 < len(timed):
            following = timed[number + 1][1][0]
            overlap = float((last - following).to_value("s"))
            if overlap > _GAP:
                raise FormatError(
                    f"observation {observation.obs_id}: two sets of responses for the type {each.label!r} hold at the "
                    f"same time, for {overlap:.6g} s from {following.iso}; correct TSTART and TSTOP of the responses"
                )
            last = following if overlap > 0 else last
        elif gti is not None and len(gti) and abs(float((last - gti.time_stop.max()).to_value("s"))) < _MARGIN:
            last = last + TimeDelta(_MARGIN, format="sec")
        if number == 0 and gti is not None and len(gti):
            early = abs(float((first - gti.time_start.min()).to_value("s"))) < _MARGIN
            first = first - TimeDelta(_MARGIN, format="sec") if early else first
        made.append(ResponseSet(each.parts, each.event_types, Time([first, last]), each.label))
    return made


def _with_responses(observation: Observation, chosen: ResponseSet) -> Observation:
    filters = observation.obs_filter.copy()
    made = observation.with_responses(chosen.parts)
    if filters.time_filter is not None and filters.inverted_time and chosen.interval is not None:
        # What is outside of one interval and inside of another is no filter: the first one is applied now.
        made.gti, made.events = observation.required("gti"), observation.required("events")
        filters = ObservationFilter(None, filters.event_filters)
    if chosen.event_types is not None:
        filters.event_filters.append({"type": "event_type", "opts": {"types": list(chosen.event_types)}})
    made.obs_filter = filters
    if chosen.interval is None:
        return made
    if filters.time_filter is None:
        return made.select_time(chosen.interval)
    # The filter of the observation and the interval: both are kept by the good times and events of the filtered one.
    first, last = (max if end == 0 else min for end in (0, 1))
    limits = [first(filters.time_filter[0], chosen.interval[0]), last(filters.time_filter[1], chosen.interval[1])]
    return made.select_time(Time(limits))


def _in_memory(part: Observation) -> Observation:
    """Return a part with its events and good times selected; filters of phases stay, which the live time needs."""
    events, gti, made = part.events, part.gti, part.loaded()
    phases = [each for each in part.obs_filter.event_filters if each["opts"].get("parameter") == "PHASE"]
    made.obs_filter = ObservationFilter(None, phases)
    if gti is not None:
        made.gti = gti
    if events is not None:
        made.events = events  # after the good times, from which it would take others
    return made


def _warn_of_gaps(observation: Observation, label: str, missing: float) -> None:
    """Warn if a part of the good times has no responses."""
    if missing > _GAP:
        log.warning(
            "observation %s: %.1f s of its good time are outside the intervals of its responses (type %s) and are lost",
            observation.obs_id,
            missing,
            label,
        )
