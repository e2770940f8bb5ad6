"""The layout of an HDU from its header, checked against the FITS standard 4.0 before anything uses it.

The sizes determine how the bytes of the file are interpreted, so everything is checked here: the types of the values,
their signs, and that they agree with each other.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightpool.errors import FormatError
from lightpool.fits.header import CardDict

__all__ = ["Layout", "read_layout", "structure_integer", "structure_text"]

_BITPIX = (8, 16, 32, 64, -32, -64)
_MOST_AXES = 999  # FITS standard 4.0, 4.4.1.1, and of the columns of a table
_MOST = 2**63 - 1
# Doubled cards of these leave open how the bytes are to be read (FITS standard 4.0, 4.1.2.3).
_STRUCTURE = {"SIMPLE", "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "GROUPS", "TFIELDS", "THEAP"}
_STRUCTURE_STEMS = ("NAXIS", "TFORM", "TDIM", "TTYPE", "TUNIT", "TSCAL", "TZERO", "TNULL", "TBCOL")


@dataclass(frozen=True)
class Layout:
    """How to interpret the bytes of an HDU.

    Attributes
    ----------
    kind : str, ``PRIMARY`` or the type of extension: ``IMAGE``, ``TABLE``, ``BINTABLE`` or one that is not known
    shape : tuple of int, NAXIS1, NAXIS2, ...; the first runs fastest
    n_field : int, columns of a table
    heap : tuple of int, first byte of a table's heap and the one after its last, counted from its first row
    data_size : int, bytes without padding
    """

    kind: str
    shape: tuple[int, ...]
    n_field: int
    heap: tuple[int, int]
    data_size: int

    @property
    def is_table(self) -> bool:
        """Whether it has columns."""
        return self.kind in ("TABLE", "BINTABLE")


def read_layout(cards: CardDict, where: str, *, is_first: bool) -> Layout:
    """Read and check the keywords that determine where the data of an HDU are and where the next HDU begins.

    Parameters
    ----------
    cards : CardDict
    where : str, the file and HDU, which begin the message of an error
    is_first : bool, whether it is the primary HDU

    Raises
    ------
    FormatError
        If one is missing, is not a number, or has a value that the standard does not allow.
    """
    values = cards.values
    kind = _kind(values, where, is_first=is_first)
    _require_single(cards, where)
    bitpix = structure_integer(values, "BITPIX", where, low=-_MOST)
    if bitpix not in _BITPIX:
        raise FormatError(f"{where}: BITPIX = {bitpix}, expected one of {', '.join(map(str, _BITPIX))}")
    n_axis = structure_integer(values, "NAXIS", where, high=_MOST_AXES)
    shape = tuple([structure_integer(values, f"NAXIS{i}", where) for i in range(1, n_axis + 1)])
    if f"NAXIS{n_axis + 1}" in values:
        raise FormatError(f"{where}: NAXIS = {n_axis}, but the header has NAXIS{n_axis + 1} as well")
    # Extensions must have them (FITS standard 4.0, 4.4.1.2).
    pcount = structure_integer(values, "PCOUNT", where, default=0 if is_first else None)
    gcount = structure_integer(values, "GCOUNT", where, default=1 if is_first else None)
    if kind in ("TABLE", "BINTABLE") and (bitpix, n_axis, gcount) != (8, 2, 1):
        raise FormatError(
            f"{where}: BITPIX, NAXIS, GCOUNT = {bitpix}, {n_axis}, {gcount}, expected 8, 2, 1 for a table"
        )
    if (kind == "IMAGE" or kind == "TABLE") and (pcount, gcount) != (0, 1):
        raise FormatError(f"{where}: PCOUNT, GCOUNT = {pcount}, {gcount}, expected 0, 1 for {kind}")
    # Random groups (FITS standard 4.0, section 6): NAXIS1 is 0 and no side of the array.
    is_groups = is_first and values.get("GROUPS") is True and shape[:1] == (0,)
    sides = shape[1:] if is_groups else shape
    if not is_groups and is_first:
        pcount, gcount = 0, 1  # the standard ignores them there
    # FITS standard 4.0, 4.4.1.2; BITPIX is negative for floats.
    size = abs(bitpix) // 8 * gcount * (pcount + (math.prod(sides) if sides else 0))
    n_field, heap = _table_layout(values, where, shape, pcount) if kind in ("TABLE", "BINTABLE") else (0, (0, 0))
    return Layout(kind, shape, n_field, heap, size)


def _kind(values: Mapping[str, Any], where: str, *, is_first: bool) -> str:
    if is_first:
        if values.get("SIMPLE") is not True:
            raise FormatError(
                f"{where}: SIMPLE = {values.get('SIMPLE')!r}, expected T: the file follows no FITS standard"
            )
        return "PRIMARY"
    kind = structure_text(values, "XTENSION", where)
    return "BINTABLE" if kind == "A3DTABLE" else kind  # the name of binary tables before 1994


def _table_layout(
    values: Mapping[str, Any], where: str, shape: tuple[int, ...], pcount: int
) -> tuple[int, tuple[int, int]]:
    """Return the number of columns, and first and last byte of the heap."""
    n_field = structure_integer(values, "TFIELDS", where, high=_MOST_AXES)
    end_of_rows = shape[0] * shape[1]
    start = structure_integer(values, "THEAP", where, default=end_of_rows)
    stop = end_of_rows + pcount
    if pcount and not end_of_rows <= start <= stop:
        raise FormatError(
            f"{where}: THEAP = {start}, expected {end_of_rows} (the end of the rows) to {stop} (the end of the data)"
        )
    return n_field, (start, stop)


def _require_single(cards: CardDict, where: str) -> None:
    for key in cards.repeated:
        if key in _STRUCTURE or (
            key.startswith(_STRUCTURE_STEMS) and key.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ").isdigit()
        ):
            raise FormatError(f"{where}: {key} occurs twice with different values; which one holds is not known")


def structure_integer(
    values: Mapping[str, Any], key: str, where: str, *, default: int | None = None, low: int = 0, high: int = _MOST
) -> int:
    """Return the whole number of a keyword about the layout; unlike in `header_integer`, text is an error.

    Parameters
    ----------
    values : mapping of keyword to value
    key : str
    where : str, the file and HDU
    default : int, optional
        Returned if the keyword is missing; without a default that is an error.
    low, high : int, the limits

    Raises
    ------
    FormatError
        If it is missing, not a whole number, or outside the limits.
    """
    value = values.get(key, default)
    # Not isinstance: True is an int too.
    if type(value) is not int or not low <= value <= high:
        found = f"{key} = {value!r}" if key in values else f"{key} is missing"
        limit = "" if high == _MOST else f" to {high}"
        raise FormatError(f"{where}: {found}, expected a whole number from {low}{limit}")
    return value


def structure_text(values: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    """Return the text of a keyword about the layout, without leading and trailing blanks.

    Parameters
    ----------
    values : mapping of keyword to value
    key : str
    where : str, the file and HDU, which begin the message of an error
    default : str, optional
        Returned if the keyword is missing; without a default that is an error.

    Raises
    ------
    FormatError
        If it is missing, or is not text.
    """
    value = values.get(key, default)
    if not isinstance(value, str):
        found = f"{key} = {value!r}" if key in values else f"{key} is missing"
        raise FormatError(f"{where}: {found}, expected a text in quotes")
    return value.strip()
