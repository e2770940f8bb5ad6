"""Faults of one HDU of an observation: its checksum, columns, units, times and ranges."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lightpool.arrays import to_host
from lightpool.data.files.file_cache import CachedFile
from lightpool.data.files.response_tables import read_response
from lightpool.data.gti import GTI
from lightpool.data.metadata import deadtime_fraction
from lightpool.data.pointing import FixedPointingInfo
from lightpool.data.pointing_spread import PointingSpread, spread_in_file
from lightpool.data.tables.event_columns import EVENT_UNITS
from lightpool.data.tables.faults import Fault, live_time_faults, time_faults
from lightpool.data.tables.gadf_tables import load_events, read_gti
from lightpool.data.tables.mandatory_keywords import EVENT_KEYWORDS
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import DamagedFileError, FormatError, MissingColumnError, WrongUnitError
from lightpool.fits import FitsFile
from lightpool.irf import IRF, IRFMap
from lightpool.irf.tables.table_rules import n_not_finite
from lightpool.maps import Map

__all__ = ["Finding", "check_hdu", "check_times", "finding"]

Finding = dict[str, Any]

_CODES = ((DamagedFileError, "file-damaged"), (MissingColumnError, "column-missing"), (WrongUnitError, "unit"))
_NEVER_NEGATIVE = ("aeff", "edisp", "bkg", "rad_max")


def finding(code: str, message: str, level: str = "error") -> Finding:
    """Return the record of a fault.

    Parameters
    ----------
    code : str, the kind of fault
    message : str
    level : ``error`` if an observation cannot be reduced or would be wrong, else ``warning``
    """
    return {"level": level, "code": code, "msg": message}


def check_hdu(cached: CachedFile, hdu: str, hdu_class: str) -> list[Finding]:
    """Return a finding for each fault of an HDU.

    Parameters
    ----------
    cached : CachedFile
    hdu : str, an HDU of the file
    hdu_class : str, HDU_CLASS of GADF in small letters
    """
    file = cached.file
    found = list(_check_sum(file, hdu))
    check = {"events": _check_events, "gti": _check_gti}.get(hdu_class)
    if check is not None:
        return found + list(check(file, hdu))
    if hdu_class == "pointing":
        return found  # the pointing that is used is that of the events
    if hdu_class == "map" or hdu_class in IRFMap.kinds:
        with _codes(found, "irf-range"):
            found += _check_map(file, hdu, hdu_class)
        return found
    with _codes(found, "irf-range"):
        # Kept as long as the file, so that another table of equal content shares its values and findings.
        irf = cached.get((hdu, hdu_class, False), lambda: read_response(file, hdu, hdu_class))
        found += irf.derived("findings", lambda: list(_check_response(irf, hdu_class.split("_")[0])))
        found += _check_thresholds(irf)
    return found


@contextmanager
def _codes(found: list[Finding], otherwise: str) -> Iterator[None]:
    """Turn the error of a reader into a finding."""
    try:
        yield
    except FormatError as error:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), otherwise)
        found.append(finding(code, str(error)))


def _check_map(file: FitsFile, hdu: str, hdu_class: str) -> Iterator[Finding]:
    """Check a response that is a map on the sky, as of HAWC."""
    if hdu_class == "map":
        values = Map.from_hdulist(file.hdulist, hdu=hdu)
    else:
        values = IRFMap.kinds[hdu_class].from_hdulist(file.hdulist, hdu=hdu).irf_map
    n_bad = n_not_finite(to_host(values.data))  # host: it was read from a file
    if n_bad:
        yield finding("irf-values", f"{n_bad} of {values.data.size} values are not finite")


def _check_sum(file: FitsFile, hdu: str) -> Iterator[Finding]:
    changed = file.checksum_fault(hdu)
    if changed == "data":
        yield finding("checksum", "the data differ from those that DATASUM was computed from: download the file again")
    elif changed:
        yield finding("checksum", "the header was changed after CHECKSUM was computed", "warning")


def _check_events(file: FitsFile, hdu: str) -> list[Finding]:
    header, found = file.values(hdu), []
    where = f"{file.source}, HDU {hdu!r}"
    missing = [key for key in EVENT_KEYWORDS if key not in header]
    if missing:
        found.append(finding("keyword-missing", f"keywords {', '.join(missing)} are missing", "warning"))
    with _codes(found, "pointing"):
        FixedPointingInfo.from_fits_header(header, where=where)
        found += _check_spread(spread_in_file(file, hdu))
    with _codes(found, "deadtime"):
        deadtime_fraction(header, where)
        found += _as_findings(live_time_faults(header))
    with _codes(found, "time-reference"):
        TimeReference.from_header(header, where)
        with _codes(found, "events-format"):
            found += _check_event_values(file, hdu)
    return found


def _check_spread(spread: PointingSpread) -> Iterator[Finding]:
    """Check for telescopes that point in different directions, or move."""
    if spread.is_divergent:
        yield finding(
            "pointing-divergent",
            f"telescopes point in different directions ({spread.reason}); responses are used around RA_PNT, DEC_PNT, "
            "and those that depend on one offset hold only if the array is symmetric about that direction",
            "warning",
        )
    elif spread.is_moving:
        yield finding(
            "pointing-moves",
            f"the pointing moves ({spread.reason}); all responses are those at RA_PNT, DEC_PNT",
            "warning",
        )


def _check_event_values(file: FitsFile, hdu: str) -> Iterator[Finding]:
    events, faults = load_events(file.table(hdu))
    for name, unit in EVENT_UNITS.items():
        if events.units[name] != unit:
            yield finding("unit", f"column {name!r} is in {events.units[name]!r}, GADF asks for {unit!r}", "warning")
    if "EVENT_ID" not in events.columns:
        yield finding("column-missing", "there is no column 'EVENT_ID'", "warning")
    if events.n_event == 0:
        yield finding("events-empty", "there are no events", "warning")
        return
    yield from _as_findings(faults)
    if np.any(np.diff(events.plain["time"]) < 0):
        yield finding("events-order", "the events are not in chronological order", "warning")


def _as_findings(faults: Iterable[Fault]) -> list[Finding]:
    """Return the findings about faults that a reduction reports as well."""
    return [finding(fault.code, fault.text, fault.level) for fault in faults]


def _check_gti(file: FitsFile, hdu: str) -> list[Finding]:
    found: list[Finding] = []
    where = f"{file.source}, HDU {hdu!r}"
    with _codes(found, "time-reference"):
        TimeReference.from_header(file.values(hdu), where)
        with _codes(found, "gti-order"):
            start, stop, reference = read_gti(file.table(hdu))
            GTI.from_seconds(start, stop, reference, where=where)
            if start.size == 0:
                found.append(finding("gti-empty", "there is no good time interval"))
            found += _as_findings(time_faults(start, stop, reference, file.values(hdu), where))
    return found


def check_times(cached: CachedFile, events: str, gti_file: CachedFile, gti: str) -> list[Finding]:
    """Return the contradictions between the header of the events and the good times.

    Parameters
    ----------
    cached : CachedFile, with the events
    events : str, their HDU
    gti_file : CachedFile, with the good times
    gti : str, their HDU
    """
    try:
        header, table = cached.file.values(events), gti_file.file.table(gti)
        return _as_findings(time_faults(*read_gti(table), header, f"{cached.file.source}, HDU {events!r}"))
    except FormatError:  # a finding of its HDU
        return []


def _check_response(irf: IRF, kind: str) -> Iterator[Finding]:
    """Yield the faults of the values; tables of equal content are checked once."""
    needed = kind in ("aeff", "edisp")
    names = irf.data.dtype.names or ("",)
    for name in names:
        values = irf.data[name] if name else irf.data
        text = f"of the values {name}".rstrip()
        if n_bad := int(np.count_nonzero(~np.isfinite(values))):
            level = "error" if needed or n_bad == values.size else "warning"
            yield finding("irf-range", f"{n_bad} of {values.size} {text} are not finite", level)
        if kind in _NEVER_NEGATIVE and (n_bad := int(np.count_nonzero(values < 0))):
            yield finding("irf-range", f"{n_bad} of {values.size} {text} are negative", "warning")
        if name == names[0] and not np.any(values > 0):
            yield finding("irf-empty", f"none {text} is positive")


def _check_thresholds(irf: IRF) -> Iterator[Finding]:
    """Yield a finding if LO_THRES and HI_THRES (TeV) exclude all energies of the table."""
    if "LO_THRES" not in irf.meta or "energy_true" not in irf.axes.names:
        return
    edges = irf.axes["energy_true"].edges.to_value("TeV")
    texts = f"LO_THRES = {irf.meta['LO_THRES']!r}, HI_THRES = {irf.meta.get('HI_THRES')!r}"
    try:
        low, high = (float(x) for x in (irf.meta["LO_THRES"], irf.meta.get("HI_THRES", edges[-1])) if x is not None)
    except (TypeError, ValueError):
        low = high = np.nan
    if low in (0.0, -1.0):  # these values mean that there is no threshold
        return
    if not (low < high and low < edges[-1] and high > edges[0]):
        text = f"{texts} keep nothing of the energies from {edges[0]:.4g} to {edges[-1]:.4g} TeV"
        yield finding("irf-threshold", text, "warning")
