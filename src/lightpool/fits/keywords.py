"""Values of header keywords by the type that their use asks for.

A card may hold a value of any type, and real files hold numbers as text. Whoever computes with a keyword asks for it
here, so that what is no number is an error that names the file, the HDU and the keyword.
"""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

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
    """Finite number of a keyword; text that is a number counts as one, a logical value does not.

    Parameters
    ----------
    header : mapping of keyword to value
    key : str
    where : str, the file and HDU, which begin the message of an error
    default : float, optional
        What counts if the keyword is not there or has no value; without it that is an error.
    low, high : float, the least and the largest value that makes sense
    unit : str, for the message

    Raises
    ------
    FormatError
        If the keyword is missing, is no finite number, or lies outside the limits.
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
    """Whole number of a keyword; arguments and errors as for `header_number`."""
    value = _given(header, key)
    if value is None and default is not None:
        return default
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    number = int(value) if is_whole else _number(value)  # whole numbers over 2**53 stay exact
    if number is None or number != math.floor(number) or not low <= number <= high:
        limits = "" if (low, high) == (-(2**63), 2**63 - 1) else _limits(low, high)
        raise FormatError(f"{where}: {_found(key, value)}, expected a whole number{limits}")
    return int(number)


def header_text(header: Mapping[str, Any], key: str, where: str, *, default: str | None = None) -> str:
    """Text of a keyword, without blanks around it; arguments and errors as for `header_number`."""
    value = _given(header, key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise FormatError(f"{where}: {_found(key, value)}, expected a text")
    return value.strip()


def _given(header: Mapping[str, Any], key: str) -> Any:
    value = header.get(key)
    return None if isinstance(value, Undefined) else value


def _found(key: str, value: Any) -> str:
    return f"keyword {key} is missing or has no value" if value is None else f"{key} = {value!r}"


def _number(value: Any) -> float | None:
    """Finite number, or None."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = to_float(value)
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
