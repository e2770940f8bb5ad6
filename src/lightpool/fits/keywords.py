"""Values of header keywords, converted to the type that their use requires.

A card may hold a value of any type, and real files hold numbers as text. Code that computes with a keyword reads it
through these functions, so that a value that is not a number raises an error with the file, the HDU and the keyword.
"""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, cast

from astropy.io.fits.card import Undefined

from lightpool.errors import FormatError
from lightpool.fits.header import NUMBER, to_float

__all__ = ["header_integer", "header_number", "header_text"]


def header_number(
    header: Mapping[str, Any],
    key: str,
    where: str,
    *,
    default: float | None = None,
    low: float = -math.inf,
    high: float = math.inf,
    unit: str = "",
) -> float:
    """Return the finite number of a keyword; text of a number is accepted, a logical value is not.

    Parameters
    ----------
    header : mapping of keyword to value
    key : str
    where : str, the file and HDU, which begin the message of an error
    default : float, optional
        Returned if the keyword is missing or has no value; without a default that is an error.
    low, high : float, the smallest and largest valid value
    unit : str, for the message

    Raises
    ------
    FormatError
        If the keyword is missing, is not a finite number, or lies outside the limits.
    """
    value = _given(header, key)
    if value is None and default is not None:
        return default
    number = _number(value)
    if number is None or not low <= number <= high:
        raise FormatError(
            f"{where}: {_found(key, value)}, expected a number{_limits(low, high)}{unit and f' ({unit})'}"
        )
    return number


def header_integer(
    header: Mapping[str, Any],
    key: str,
    where: str,
    *,
    default: int | None = None,
    low: float = -(2**63),
    high: float = 2**63 - 1,
) -> int:
    """Return the whole number of a keyword.

    Parameters
    ----------
    header, key, where, default, low, high : see `header_number`

    Raises
    ------
    FormatError
        If the keyword is missing, is not a whole number, or lies outside the limits.
    """
    value = _given(header, key)
    if value is None and default is not None:
        return default
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    number = int(cast(int, value)) if is_whole else _number(value)  # whole numbers over 2**53 stay exact
    if number is None or number != math.floor(number) or not low <= number <= high:
        limits = "" if (low, high) == (-(2**63), 2**63 - 1) else _limits(low, high)
        raise FormatError(f"{where}: {_found(key, value)}, expected a whole number{limits}")
    return int(number)


def header_text(header: Mapping[str, Any], key: str, where: str, *, default: str | None = None) -> str:
    """Return the text of a keyword, without leading and trailing blanks.

    Parameters
    ----------
    header, key, where, default : see `header_number`

    Raises
    ------
    FormatError
        If the keyword is missing, or is not text.
    """
    value = _given(header, key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise FormatError(f"{where}: {_found(key, value)}, expected a text")
    return value.strip()


def _given(header: Mapping[str, Any], key: str) -> object:
    value: object = header.get(key)
    return None if isinstance(value, Undefined) else value


def _found(key: str, value: object) -> str:
    return f"keyword {key} is missing or has no value" if value is None else f"{key} = {value!r}"


def _number(value: object) -> float | None:
    """Return a value as a finite number, or None if it is none."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = to_float(value)
    # True is a number in Python, but a logical value in FITS.
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _limits(low: float, high: float) -> str:
    if low == -math.inf and high == math.inf:
        return ""
    if high == math.inf:
        return f" of at least {low:g}"
    return f" up to {high:g}" if low == -math.inf else f" from {low:g} to {high:g}"
