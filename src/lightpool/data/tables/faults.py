"""Faults in the values of events and good times, which both a reduction and the checks of a store report."""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.data.tables.intervals import overlap
from lightpool.data.tables.time_reference import TimeReference
from lightpool.fits import seconds_since_reference

__all__ = [
    "Fault",
    "live_time_faults",
    "off_the_sphere",
    "time_faults",
    "valid_events",
    "value_faults",
    "warn_of_faults",
]

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

_SLACK = 1.0
"""Seconds by which times may leave the time of an observation: headers are rounded."""
_SHARE = 0.01
"""Share of an observation by which its times may contradict each other before a reduction reports it."""
_ROUNDED = 1 + 1e-6  # 90 deg in rad as float32 is beyond pi / 2
_NORTH = _ROUNDED * math.pi / 2
_ONE_TURN = _ROUNDED * 2 * math.pi
_MANY_TURNS = 10 * _ONE_TURN
_LEAST_ENERGY, _LARGEST_ENERGY = 1e-9, 1e9  # TeV: an X-ray, and ten times the largest that was ever seen


@dataclass(frozen=True)
class Fault:
    """A contradiction in the files of an observation.

    Attributes
    ----------
    code : str, the kind of fault, as in the findings of `lightpool.data.DataStore.check`
    text : str, what is wrong and how it is handled
    level : ``error`` where a result would be wrong or empty, else ``warning``
    is_reported : bool, whether a reduction reports it as well
    """

    code: str
    text: str
    level: str = "warning"
    is_reported: bool = True


def warn_of_faults(faults: Iterable[Fault], where: str) -> None:
    """Log a warning for each fault that a reduction reports.

    Parameters
    ----------
    faults : iterable of Fault
    where : str, the observation, file and HDU
    """
    for fault in faults:
        if fault.is_reported:
            log.warning(f"{where}: {fault.text}")


def off_the_sphere(plain: Mapping[str, Floats]) -> NDArray[np.bool_]:
    """Return which events have no valid direction: |declination| > 90 deg, or ten turns or more of right ascension."""
    return np.asarray((np.abs(plain["lat"]) > _NORTH) | (np.abs(plain["lon"]) > _MANY_TURNS))


def valid_events(plain: Mapping[str, Floats]) -> NDArray[np.bool_]:
    """Return which events can be binned: direction, time and energy are finite, and the energy is positive."""
    # Comparisons with NaN are False, but infinity is above zero.
    good = np.isfinite(plain["energy"]) & (plain["energy"] > 0)
    for name in ("lon", "lat", "time"):
        good &= np.isfinite(plain[name])
    return np.asarray(good)


def value_faults(plain: Mapping[str, Floats], header: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults of the values of events.

    Parameters
    ----------
    plain : mapping with ``lon``, ``lat`` (rad), ``energy`` and ``time`` (s), as the file has them
    header : mapping of keyword to value, times in seconds since the reference
    """
    yield from _event_time_faults(plain["time"], header) if _are_in_range(plain) else _value_faults(plain, header)


def _are_in_range(plain: Mapping[str, Floats]) -> bool:
    """Return whether all values are those of gamma rays, as in nearly all files, from their smallest and largest."""
    if len(plain["lon"]) == 0:
        return True
    # A NaN is the smallest and the largest of its column, and no comparison with it is true.
    (lon, lat, energy, time) = (
        (float(plain[_].min()), float(plain[_].max())) for _ in ("lon", "lat", "energy", "time")
    )
    return (
        lon[0] >= -_ONE_TURN
        and lon[1] <= _ONE_TURN
        and lat[0] >= -_NORTH
        and lat[1] <= _NORTH
        and energy[0] >= _LEAST_ENERGY
        and energy[1] <= _LARGEST_ENERGY
        and math.isfinite(time[0])
        and math.isfinite(time[1])
    )


def _value_faults(plain: Mapping[str, Floats], header: Mapping[str, Any]) -> Iterator[Fault]:
    n_event, off = len(plain["lon"]), off_the_sphere(plain)
    if n_off := int(np.count_nonzero(off)):
        first = int(np.argmax(off))
        lon, lat = (math.degrees(plain[name][first]) for name in ("lon", "lat"))
        text = (
            f"{n_off} of {n_event} events have no direction on the sky, such as RA = {lon:.6g}, DEC = {lat:.6g} deg "
            "(is the unit of the columns right?); their RA and DEC become NaN, they stay in the list and fall into no "
            "bin"
        )
        yield Fault("events-direction", text, "error" if n_off == n_event else "warning")
    if n_turned := int(np.count_nonzero((np.abs(plain["lon"]) > _ONE_TURN) & ~off)):
        text = f"{n_turned} of {n_event} events have a right ascension beyond 360 deg; it is taken modulo 360 deg"
        yield Fault("events-direction", text)
    # Without those off the sphere, which are reported already.
    if n_invalid := int(np.count_nonzero(~(valid_events(plain) | off))):
        text = (
            f"{n_invalid} of {n_event} events have no finite direction, time or positive energy; they stay in the list "
            "and fall into no bin"
        )
        yield Fault("events-invalid", text, "error" if n_invalid == n_event else "warning")
    energy = plain["energy"]
    extreme = (energy > 0) & np.isfinite(energy) & ((energy < _LEAST_ENERGY) | (energy > _LARGEST_ENERGY))
    if n_extreme := int(np.count_nonzero(extreme)):
        text = (
            f"{n_extreme} of {n_event} events have an energy that no gamma ray has, such as "
            f"{float(energy[np.argmax(extreme)]):.6g} TeV (is the unit of the column right?); they count as they are"
        )
        yield Fault("events-energy", text, "error" if n_extreme == n_event else "warning")
    yield from _event_time_faults(plain["time"], header)


def _event_time_faults(time: Floats, header: Mapping[str, Any]) -> Iterator[Fault]:
    first, last = _number(header, "TSTART"), _number(header, "TSTOP")
    if first is None or last is None or time.size == 0:
        return
    if first - _SLACK <= time.min() and time.max() <= last + _SLACK:
        return
    outside = int(np.count_nonzero((time < first - _SLACK) | (time > last + _SLACK)))
    if outside == time.size:
        yield Fault("events-time", "all events are before TSTART or after TSTOP; they are counted", "error")
    elif outside:
        text = f"{outside} of {time.size} events are before TSTART or after TSTOP; they are counted"
        yield Fault("events-time", text, is_reported=outside > _SHARE * time.size)


def time_faults(
    start: Floats, stop: Floats, reference: TimeReference, header: Mapping[str, Any], where: str = "header"
) -> Iterator[Fault]:
    """Yield the contradictions between good times, and between them and the header of the events.

    Parameters
    ----------
    start, stop : ndarray, shape (n_interval,), in s since ``reference``
    reference : TimeReference
    header : mapping of keyword to value, of the events (or of the good times, where it has TSTART and TSTOP)
    where : str, begins the message of an error
    """
    if start.size == 0 or np.any(stop < start):  # the latter is an error already when the times are read
        return
    duration = float(np.sum(stop - start))
    if (extra := overlap(start, stop)) > 0:
        text = f"the intervals overlap, {extra:.6g} s count more than once; see GTI.union"
        yield Fault("gti-overlap", text, "error")
    if np.any(np.diff(start) < 0):
        yield Fault("gti-order", "the intervals are not in chronological order", is_reported=False)
    yield from _range_faults(start, stop, reference, header, where)
    on_time = _number(header, "ONTIME")
    if on_time is not None and abs(duration - on_time) > max(_SLACK, _SHARE * abs(on_time)):
        text = (
            f"the good times last {duration:.6g} s, but ONTIME is {on_time:.6g} s; the exposure follows the good times"
        )
        yield Fault("gti-ontime", text, "error")


def _range_faults(
    start: Floats, stop: Floats, reference: TimeReference, header: Mapping[str, Any], where: str
) -> Iterator[Fault]:
    header = seconds_since_reference(header, where)
    ends = _number(header, "TSTART"), _number(header, "TSTOP")
    if ends[0] is None or ends[1] is None:
        return
    other = TimeReference.from_header(header, where)
    first, last = (_seconds_since(reference, other, end) for end in (ends[0], ends[1]))
    if last < first:
        yield Fault("time-order", f"TSTOP = {ends[1]:.12g} is before TSTART = {ends[0]:.12g}")
        return
    before, after = first - float(start.min()), float(stop.max()) - last
    if max(before, after) > _SLACK:
        text = (
            f"the good times leave TSTART to TSTOP: they begin {before:.6g} s before and end {after:.6g} s after; they "
            "count as they are"
        )
        yield Fault("gti-range", text, is_reported=max(before, after) > _SHARE * (last - first))


def live_time_faults(header: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the contradictions between DEADC, LIVETIME and ONTIME."""
    live, on_time, ratio = (_number(header, key) for key in ("LIVETIME", "ONTIME", "DEADC"))
    if ratio == 0:
        yield Fault("deadtime", "DEADC = 0: all of the time is dead, so the run has no exposure", "error")
    if live is None or on_time is None:
        return
    if live > on_time + max(_SLACK, _SHARE * abs(on_time)):
        text = f"LIVETIME = {live:.6g} s is longer than ONTIME = {on_time:.6g} s; the exposure follows DEADC"
        yield Fault("livetime", text, "error")
    elif on_time > 0 and ratio and abs(live / on_time - ratio) > _SHARE:
        text = (
            f"DEADC = {ratio:.6g}, but LIVETIME / ONTIME = {live:.6g} / {on_time:.6g} = {live / on_time:.6g}; the "
            "exposure follows DEADC"
        )
        yield Fault("livetime", text, "error")


def _seconds_since(reference: TimeReference, other: TimeReference, seconds: float) -> float:
    """Convert seconds since one reference to seconds since another."""
    if reference == other:
        return seconds
    if reference.ticks_like(other):
        return seconds + float(reference.seconds(other.time))
    return float(reference.seconds(other.to_time(seconds)))


def _number(header: Mapping[str, Any], key: str) -> float | None:
    try:
        value = float(header[key])
    except (KeyError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
