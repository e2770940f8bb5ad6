"""Origin, unit and scale of the times of an HDU: FITS standard 4.0, section 9."""

import logging
import math
from collections.abc import Mapping
from typing import Any

import astropy.units as u
from astropy.time import Time

from lightpool.errors import FormatError, WrongUnitError
from lightpool.fits.table import conversion_factor
from lightpool.utils.deviations import deviates

__all__ = [
    "TIME_SCALES",
    "has_time_reference",
    "read_time_reference",
    "seconds_per_time_unit",
    "seconds_since_reference",
    "time_position",
]

log = logging.getLogger(__name__)

TIME_SCALES = ("tt", "utc", "tai", "tdb", "tcb", "tcg", "ut1")
# Other names of scales in the standard (its table 30), and the seconds that TAI is ahead of them.
_OTHER_SCALES = {"tdt": ("tt", 0.0), "et": ("tt", 0.0), "iat": ("tai", 0.0), "gmt": ("utc", 0.0), "gps": ("tai", 19.0)}
_OFFSETS = ("TIMEOFFS", "TIMEZERO", "TIMEZERI", "TIMEZERF")
_REFERENCES = (("MJDREF", 0.0), ("JDREF", 2400000.5))
_UNUSUAL = (*_OFFSETS, "MJDREF", "JDREF", "JDREFI", "JDREFF", "DATEREF")
_POSITIONS = ("TREFPOS", "TIMEREF")
_AT_THE_TELESCOPE = ("LOCAL", "TOPOCENT")
_DAY = 86400.0
_LONGEST = 1e7  # days; astropy knows no calendar further out
# Days: references that agree to 1 ms are the same; their dates were rounded.
_SAME = 1e-3 / _DAY


def seconds_per_time_unit(unit: str, where: str) -> float:
    """Return the number of seconds in a unit of time.

    Parameters
    ----------
    unit : str; "" is seconds
    where : str, begins the message of an error

    Raises
    ------
    WrongUnitError
        If it is not a unit of time.
    """
    if not unit.strip():
        return 1.0
    factor = conversion_factor(unit, u.s, where)
    if factor is None:
        raise WrongUnitError(f"{where}: unit {unit!r} is not a unit of time, expected 's' or similar")
    return factor


def has_time_reference(header: Mapping[str, Any]) -> bool:
    """Return whether a header has a reference time."""
    return ("MJDREFI" in header and "MJDREFF" in header) or any(
        key in header for key in ("MJDREF", "JDREF", "JDREFI", "DATEREF")
    )


def read_time_reference(
    header: Mapping[str, Any], where: str = "header", scale: str = "tt"
) -> tuple[float, float, str]:
    """Return the instant that the times of an HDU count from, with TIMEOFFS added.

    The reference is MJDREFI + MJDREFF, or MJDREF, JDREFI + JDREFF, JDREF or DATEREF, in this order. TIMEOFFS (in
    TIMEUNIT, or TIMEZERO of older OGIP files) is the same for all times, so it is a part of the instant.

    Parameters
    ----------
    header : mapping of keyword to value; numbers may be written as text
    where : str, begins the message of an error
    scale : str, used where TIMESYS is missing

    Returns
    -------
    day, fraction : float, modified Julian date in days
    scale : str, one of `TIME_SCALES`

    Raises
    ------
    FormatError
        If no keyword gives the reference, a value is not a finite number, or the time scale is not known.
    """
    name, ahead = _scale(header, where, scale)
    day, fraction = _reference(header, where, name)
    shift = _offset(header, where) + ahead
    if shift:
        day, fraction = _split(day, fraction + shift / _DAY)
    if not abs(day + fraction) < _LONGEST:
        raise FormatError(
            f"{where}: the times count from the modified Julian date {day + fraction} (MJDREFI, MJDREFF, TIMEOFFS); "
            f"expected a number of days below {_LONGEST:.0e}"
        )
    return day, fraction, name


def seconds_since_reference(header: Mapping[str, Any], where: str = "header") -> Mapping[str, Any]:
    """Return a header whose times are in seconds since MJDREFI + MJDREFF; the same object if they are already.

    TSTART and TSTOP are converted from TIMEUNIT; the other keywords of the reference, and offsets, are removed.

    Parameters
    ----------
    header : mapping of keyword to value
    where : str, begins the message of an error
    """
    usual = str(header.get("TIMEUNIT", "s")).strip() in ("s", "") and not any(key in header for key in _UNUSUAL)
    if not has_time_reference(header):
        return header
    if usual and str(header.get("TIMESYS") or "tt").strip().lower() in TIME_SCALES:
        return header
    day, fraction, scale = read_time_reference(header, where)
    factor = seconds_per_time_unit(str(header.get("TIMEUNIT", "s")), f"{where}, TIMEUNIT")
    changed = {key: value for key, value in header.items() if key not in _UNUSUAL}
    # Offsets and other spellings of the reference are contained in these two numbers.
    changed |= {"MJDREFI": int(day) if day.is_integer() else day, "MJDREFF": fraction}
    changed |= {"TIMEUNIT": "s", "TIMESYS": scale.upper()}
    for key in ("TSTART", "TSTOP"):
        if key in header:
            changed[key] = _number(header, key, where) * factor
    return changed


def time_position(header: Mapping[str, Any], column: str, where: str = "header") -> str:
    """Return the position for which the times of a column hold: "" for the telescope, else its name in the header.

    Parameters
    ----------
    header : mapping of keyword to value
    column : str, name of the column
    where : str, begins the message of an error

    Raises
    ------
    FormatError
        If keywords of the column itself give it a scale other than TIMESYS, or its own zero.
    """
    # Keywords of the column, such as TCTYPn and TRPOSn, take precedence over those of the HDU.
    numbers = range(1, int(header.get("TFIELDS", 0)) + 1)
    number = next((i for i in numbers if str(header.get(f"TTYPE{i}", "")).strip() == column), None)
    own = str(header.get(f"TCTYP{number}", "")).strip()
    if own and own.upper() != column.upper() and _scale({"TIMESYS": own}, where, own) != _scale(header, where, "tt"):
        raise FormatError(
            f"{where}: TCTYP{number} = {own!r} gives the column {column!r} another time scale than TIMESYS = "
            f"{header.get('TIMESYS')!r}; convert the column, or remove the keyword"
        )
    if header.get(f"TCRVL{number}", 0) not in (0, None):
        raise FormatError(
            f"{where}: TCRVL{number} = {header[f'TCRVL{number}']!r} gives the column {column!r} its own zero, "
            "which is not read; write it as TIMEOFFS"
        )
    position = next((str(header[key]).strip() for key in (f"TRPOS{number}", *_POSITIONS) if header.get(key)), "")
    return "" if position.upper().startswith(_AT_THE_TELESCOPE) else position


def _split(day: float, fraction: float) -> tuple[float, float]:
    """Return the same date as a whole day and a fraction from 0 to 1."""
    whole = math.floor(day)
    # Whole days and the rest are never added up: a single float64 of a date is good to microseconds only.
    rest = (day - whole) + fraction
    return float(whole + math.floor(rest)), rest - math.floor(rest)


def _number(header: Mapping[str, Any], key: str, where: str, unit: str = "") -> float:
    try:
        value = float(header[key])
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(f"{where}: {key} = {header[key]!r}, expected a finite number{unit}")
    return value


def _reference(header: Mapping[str, Any], where: str, scale: str) -> tuple[float, float]:
    found = []
    for key, zero in _REFERENCES:
        whole, part = f"{key}I", f"{key}F"
        if whole in header and part in header:
            date = _number(header, whole, where, " (days)"), _number(header, part, where, " (days)")
            # MJDREFI and MJDREFF are kept as they are, without arithmetic that could round them.
            found.append(_split(date[0] - zero, date[1]) if zero else date)
        elif key in header:
            found.append(_split(_number(header, key, where, " (days)") - zero, 0.0))
    if "DATEREF" in header:
        found.append(_reference_date(header["DATEREF"], where, scale))
    if not found:
        missing = [key for key in ("MJDREFI", "MJDREFF") if key not in header]
        raise FormatError(
            f"{where}: keyword {', '.join(map(repr, missing))} is missing; without MJDREFI and MJDREFF (days) its "
            "times mean nothing"
        )
    first = found[0]
    if any(abs((other[0] - first[0]) + (other[1] - first[1])) > _SAME for other in found[1:]):
        keys = [
            key for key in ("MJDREFI", "MJDREFF", "MJDREF", "JDREFI", "JDREFF", "JDREF", "DATEREF") if key in header
        ]
        log.warning(
            f"{where}: the keywords of the reference time contradict each other: "
            f"{', '.join(f'{key} = {header[key]!r}' for key in keys)}; MJDREF counts before JDREF and DATEREF"
        )
    return first


def _reference_date(text: object, where: str, scale: str) -> tuple[float, float]:
    try:
        time = Time(str(text).strip(), format="fits", scale=scale)
    except ValueError as error:
        raise FormatError(f"{where}: DATEREF = {text!r}, expected a date such as '2001-01-01T00:00:00'") from error
    return _split(float(time.jd1) - 2400000.5, float(time.jd2))


def _offset(header: Mapping[str, Any], where: str) -> float:
    """Return the seconds that are added to all times."""
    if not any(key in header for key in _OFFSETS):
        return 0.0
    factor = seconds_per_time_unit(str(header.get("TIMEUNIT", "s")), f"{where}, TIMEUNIT")
    values = {key: _number(header, key, where, " (in TIMEUNIT)") * factor for key in _OFFSETS if key in header}
    # TIMEZERO, whole or split into TIMEZERI and TIMEZERF, is the older name of TIMEOFFS.
    old = values.get("TIMEZERO", values.get("TIMEZERI", 0.0) + values.get("TIMEZERF", 0.0))
    if "TIMEOFFS" in values and len(values) > 1 and old not in (0.0, values["TIMEOFFS"]):
        raise FormatError(
            f"{where}: TIMEOFFS = {header['TIMEOFFS']!r} and TIMEZERO or its parts give another offset, {old} s; keep "
            "one of them"
        )
    offset = values.get("TIMEOFFS", old)
    if offset:
        deviates("times with an offset TIMEOFFS or TIMEZERO")
    return offset


def _scale(header: Mapping[str, Any], where: str, default: str) -> tuple[str, float]:
    """Return the time scale of astropy, and the seconds that it is ahead of the scale in the header."""
    text = str(header.get("TIMESYS") or default).strip().lower() or default
    name = text.partition("(")[0].strip()  # TT(TAI), UTC(NIST): a realisation of the scale
    if name in TIME_SCALES:
        return name, 0.0
    if name in _OTHER_SCALES:
        return _OTHER_SCALES[name]
    reason = "; LOCAL is a clock of its own, write the scale that it follows" if name == "local" else ""
    known = ", ".join([*TIME_SCALES, *_OTHER_SCALES])
    raise FormatError(f"{where}: TIMESYS = {header['TIMESYS']!r}, expected one of {known}{reason}")
