"""Columns of binary tables: what the header says about them, and their values from raw bytes.

Source: FITS standard 4.0, section 7.3.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError
from lightpool.fits.layout import Layout, structure_text

__all__ = ["ColumnForm", "column_forms", "name_of_column", "physical", "read_fixed"]

_TFORM = re.compile(r"\s*([0-9]*)(?:([LXBIJKAEDCM])|([PQ])([LXBIJKAEDCM]))")
_TDIM = re.compile(r"\(\s*([0-9]+(?:\s*,\s*[0-9]+)*)\s*\)")
_MOST_DIMENSIONS = 32
_MOST_EMPTY_ROWS = 10**6  # rows without a byte take memory all the same, which the size of the file does not limit
# Big-endian, as all values in FITS files (FITS standard 4.0, 5.2 and 5.3).
_NUMPY = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8", "M": ">c16"}
_DESCRIPTORS = {"P": ">i4", "Q": ">i8"}
# (TFORM letter, TZERO) of integers whose sign convention is inverted, FITS standard 4.0, table 19.
_TURNED: dict[tuple[str, float], str] = {("B", -128): "i1", ("I", 2**15): "u2", ("J", 2**31): "u4", ("K", 2**63): "u8"}


@dataclass(frozen=True)
class ColumnForm:
    """One column as TFORM, TDIM and the scaling keywords describe it.

    Attributes
    ----------
    letter : str, type of the values, one of LXBIJKAEDCM
    pointer : str, ``P`` or ``Q`` if the values are in the heap and the row holds their position, else ""
    repeat : int, values in a row; of a column in the heap, descriptors (0 or 1)
    shape : tuple of int, of a cell; the last dimension runs fastest
    scale, zero : float
    null : int or None
    """

    letter: str
    pointer: str
    repeat: int
    shape: tuple[int, ...]
    scale: float
    zero: float
    null: int | None

    @cached_property
    def n_byte(self) -> int:
        """Bytes in a row."""
        if self.letter == "X" and not self.pointer:
            # Bits are padded to whole bytes.
            return -(-self.repeat // 8)
        return self.repeat * self.value_bytes * (2 if self.pointer else 1)

    @cached_property
    def value_bytes(self) -> int:
        """Bytes of one value in the row, of a descriptor half of them."""
        if self.pointer:
            return np.dtype(_DESCRIPTORS[self.pointer]).itemsize
        return 1 if self.letter in "AX" else np.dtype(_NUMPY[self.letter]).itemsize

    @cached_property
    def stored(self) -> tuple[str, tuple[int, ...]]:
        """NumPy type and shape of the column as it is stored in a row of the file."""
        if self.pointer:
            return _DESCRIPTORS[self.pointer], (2 * self.repeat,)
        if self.letter == "X":
            return "u1", (self.n_byte,)
        if self.letter == "A":
            return f"S{max(self.shape[-1], 1)}", self.shape[:-1]
        return _NUMPY[self.letter], self.shape

    @cached_property
    def stored_in_heap(self) -> str:
        """NumPy type of the values in the heap: bits by bytes, text by characters."""
        return {"X": "u1", "A": "S1"}.get(self.letter) or _NUMPY[self.letter]


def name_of_column(header: Mapping[str, Any], number: int, where: str) -> str:
    """Return the name of a column: TTYPE, or ``col`` and its number.

    Parameters
    ----------
    header : mapping of keyword to value
    number : int, counted from 1
    where : str, the file and HDU, which begin the message of an error
    """
    return structure_text(header, f"TTYPE{number}", where, "") or f"col{number}"


def column_forms(header: Mapping[str, Any], layout: Layout, where: str) -> list[ColumnForm]:
    """Return the forms of all columns of a binary table, after checking that they fill its rows.

    Parameters
    ----------
    header : mapping of keyword to value
    layout : Layout
    where : str, the file and HDU, which begin the message of an error

    Raises
    ------
    FormatError
        If one is not as the standard says, or they do not fit the rows.
    """
    get, forms = header.get, []
    for i in range(1, layout.n_field + 1):
        tform = structure_text(header, f"TFORM{i}", where)
        tdim = structure_text(header, f"TDIM{i}", where, "")
        try:
            forms.append(_column_form(tform, tdim, get(f"TSCAL{i}", 1), get(f"TZERO{i}", 0), get(f"TNULL{i}")))
        except _BadCardError as error:
            keyword, text = error.args
            raise FormatError(
                f"{where}: column {name_of_column(header, i, where)!r} has {keyword}{i} = {text}"
            ) from None
    width, n_row = layout.shape
    if width == 0 and n_row > _MOST_EMPTY_ROWS:
        raise FormatError(f"{where}: NAXIS2 = {n_row} rows without a byte (NAXIS1 = 0)")
    needed = sum(form.n_byte for form in forms)
    if needed != width:
        raise FormatError(
            f"{where}: TFIELDS = {layout.n_field} columns take {needed} bytes a row (TFORM), but NAXIS1 = {width}"
        )
    return forms


class _BadCardError(ValueError):
    """Keyword without its number, and what is wrong with its value."""


@lru_cache(maxsize=1024, typed=True)  # files of one kind have the same columns; typed: 1, 1.0 and T are not the same
def _column_form(tform: str, tdim: str, scale: Any, zero: Any, null: Any) -> ColumnForm:
    match = _TFORM.match(tform)
    # A row holds at most one descriptor of a column (FITS standard 4.0, 7.3.5).
    if match is None or (match[3] and match[1] not in ("", "0", "1")):
        raise _BadCardError("TFORM", f"{tform!r}, expected a count and one of LXBIJKAEDCM, or P or Q and one of these")
    repeat, letter = int(match[1] or 1), match[2] or match[4]
    shape = () if match[3] else _shape(tdim, repeat, letter)
    if letter in "LXA":
        scale, zero = 1, 0  # the standard ignores them there
    for key, value in (("TSCAL", scale), ("TZERO", zero)):
        if type(value) not in (int, float) or not abs(value) < math.inf or (key == "TSCAL" and value == 0):
            raise _BadCardError(key, f"{value!r}, expected a number{' that is not 0' if key == 'TSCAL' else ''}")
    if letter not in "BIJK":
        null = None
    if null is not None and type(null) is not int:
        raise _BadCardError("TNULL", f"{null!r}, expected a whole number")
    return ColumnForm(letter, match[3] or "", repeat, shape, float(scale), float(zero), null)


def _shape(tdim: str, repeat: int, letter: str) -> tuple[int, ...]:
    """Return the shape of one cell; TDIM counts the fastest dimension first, NumPy last."""
    if tdim and repeat and letter != "X":
        match = _TDIM.fullmatch(tdim)
        sizes = tuple(int(size) for size in match[1].split(","))[::-1] if match else ()
        if not 1 <= len(sizes) <= _MOST_DIMENSIONS or min(sizes) < 1 or math.prod(sizes) > repeat:
            raise _BadCardError("TDIM", f"{tdim!r}, expected sizes such as '(3,2)' of no more than {repeat} values")
        return sizes
    if letter == "A":
        return (repeat,)
    return () if repeat == 1 else (repeat,)


def read_fixed(buffer: bytes, start: int, layout: Layout, form: ColumnForm) -> NDArray[Any]:
    """Return the stored values of a column, as a view of the file's bytes.

    Parameters
    ----------
    buffer : bytes, of the file
    start : int, the byte at which the column begins in the first row
    layout : Layout
    form : ColumnForm
    """
    width, n_row = layout.shape
    dtype, shape = np.dtype(form.stored[0]), form.stored[1]
    if n_row == 0 or form.repeat == 0:
        return np.zeros((n_row, *shape), dtype)
    steps = [dtype.itemsize]  # the last dimension runs fastest
    for n in shape[:0:-1]:
        steps.insert(0, steps[0] * n)
    # Not a copy: the first stride is the length of a row, which steps over the other columns.
    return np.ndarray((n_row, *shape), dtype, buffer, start, (width, *(steps if shape else ())))


def physical(form: ColumnForm, raw: NDArray[Any]) -> NDArray[Any]:
    """Convert stored values to those that users see: native byte order, scaled, text as ``str``.

    Parameters
    ----------
    form : ColumnForm
    raw : ndarray, see `read_fixed`
    """
    if form.letter == "A":
        return _text(raw) if form.repeat else np.full(raw.shape, "", dtype="U1")
    if form.letter == "L":
        # F and NUL, which stands for a missing value, are both False.
        return np.asarray(raw == b"T")
    if form.letter == "X":
        # The first bit is the highest of its byte, as np.unpackbits assumes; those that fill the last byte are cut off.
        return np.unpackbits(raw, axis=-1)[..., : form.repeat].astype(bool)
    if form.scale == 1 and form.zero == 0:
        return np.array(raw, dtype=raw.dtype.newbyteorder("="), order="C")
    turned = _TURNED.get((form.letter, form.zero))
    if form.scale == 1 and turned is not None:
        # Turning the highest bit adds or subtracts half of the range, without overflow.
        bits = np.array(raw, dtype=raw.dtype.newbyteorder("=")).view(f"u{raw.dtype.itemsize}")
        return np.asarray((bits ^ bits.dtype.type(1 << (8 * raw.dtype.itemsize - 1))).view(turned))
    # In double precision: float32 does not hold all integers of 32 bits.
    wide = np.complex128 if form.letter in "CM" else np.float64
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(raw.astype(wide) * form.scale + form.zero)


def _text(raw: NDArray[Any]) -> NDArray[Any]:
    """Return text without trailing blanks; a NUL ends it (FITS standard 4.0, 7.3.3.1)."""
    raw = np.ascontiguousarray(raw)
    codes = raw.view(np.uint8).reshape(*raw.shape, raw.dtype.itemsize)
    nul = codes == 0
    # What follows a NUL is undefined, but NumPy strips only NULs at the end.
    if (nul[..., :-1] & ~nul[..., 1:]).any():
        codes = np.where(np.logical_or.accumulate(nul, axis=-1), 0, codes)
    used = np.flatnonzero(codes.reshape(-1, codes.shape[-1]).any(axis=0))
    width = int(used[-1]) + 1 if used.size else 1
    # Code points of the first 256 characters are their Latin-1 bytes, and ASCII is the first half of these.
    text = codes[..., :width].astype(np.uint32).view(f"U{width}")[..., 0]
    return np.asarray(np.strings.rstrip(text, " "))
