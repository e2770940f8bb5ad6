"""Binary tables from raw bytes to NumPy columns in native byte order."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError, MissingColumnError, WrongUnitError
from lightpool.fits.header import CardDict, user_meta
from lightpool.fits.names import match_name

__all__ = ["LazyColumns", "TableData", "conversion_factor", "parse_unit", "read_columns"]

_TFORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])")
_NUMPY = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8", "M": ">c16"}
# (TFORM letter, TZERO) of integers whose sign convention is turned, FITS standard 4.0, table 19.
_TURNED = {("B", -128): "i1", ("I", 2**15): "u2", ("J", 2**31): "u4", ("K", 2**63): "u8"}


def _forget() -> NDArray[Any]:
    raise AssertionError("a column is converted only once")


class LazyColumns(Mapping[str, NDArray[Any]]):
    """Columns by name, converted when first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], NDArray[Any]]]) -> None:
        self._makers = dict(makers)
        self._ready: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        maker = self._makers[name]
        if maker is not _forget:  # of two threads that ask at the same time, the first to finish counts
            self._ready.setdefault(name, maker())
            self._makers[name] = _forget  # lets go of the file's bytes once nothing needs them
        return self._ready[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)  # a pickle or deep copy holds the values, not the file's bytes

    def __repr__(self) -> str:
        return f"LazyColumns({', '.join(self._makers)})"


@dataclass
class TableData:
    """One table of a FITS file.

    Attributes
    ----------
    columns : mapping of name to ndarray, shape (n_row, ...), native byte order; text is ``str``, bits are bool
    units : dict of name to the unit as written in the file, "" where there is none
    header : dict of keyword to value
    masks : dict of name to bool ndarray, True where an integer column holds its TNULL; only columns that have any
    name : str, of the HDU
    source : str, of the file
    n_row : int
    """

    columns: Mapping[str, NDArray[Any]]
    units: dict[str, str]
    header: dict[str, Any]
    masks: Mapping[str, NDArray[np.bool_]]
    name: str
    source: str
    n_row: int
    cards: CardDict = field(repr=False, default_factory=CardDict)

    def __len__(self) -> int:
        return self.n_row

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Keywords that describe the content (no layout, no columns), as ``Table.read(...).meta``."""
        return user_meta(self.cards)

    def column(self, name: str) -> NDArray[Any]:
        """Column by name; upper and lower case are the same if there is no exact match.

        Raises
        ------
        FormatError
            If there is no such column.
        """
        return self.columns[self.find_name(name)]

    def find_name(self, name: str) -> str:
        """Name of a column as the file spells it; FormatError if there is none, or if several differ only in case."""
        where = f"{self.source}, HDU {self.name!r}"
        known = name if name in self.columns else match_name(name, self.columns, where)
        if known is not None:
            return known
        raise MissingColumnError(
            f"{where}: no column {name!r}; it has {', '.join(self.columns) or 'no columns'}. "
            "Choose another HDU, or add the column to the file"
        )

    def spelled_as(self, names: Iterable[str]) -> "TableData":
        """Table in which columns that differ from one of ``names`` only in case have that name.

        Raises
        ------
        FormatError
            If several columns differ from a name only in case, and none is exact.
        """
        missing = {name for name in names if name not in self.columns}
        found = {match_name(name, self.columns, f"{self.source}, HDU {self.name!r}"): name for name in missing}
        found.pop(None, None)
        if not found:
            return self
        columns = LazyColumns({found.get(name, name): partial(self.columns.__getitem__, name) for name in self.columns})
        units = {found.get(name, name): unit for name, unit in self.units.items()}
        masks = {found.get(name, name): mask for name, mask in self.masks.items()}
        return replace(self, columns=columns, units=units, masks=masks)

    def unit(self, name: str) -> u.UnitBase:
        """Physical unit of a column; dimensionless where the file gives none."""
        known = self.find_name(name)
        return parse_unit(self.units[known], f"{self.source}, HDU {self.name!r}, column {known!r}")

    def quantity(self, name: str) -> u.Quantity:
        """Column with its unit."""
        return u.Quantity(self.column(name), self.unit(name), copy=False)

    def to_table(self, kind: type[Any] | None = None) -> Any:
        """`astropy.table.Table` (or a sub-class) with units and meta data; the columns are copies."""
        from astropy.table import Column, MaskedColumn, Table

        columns = []
        for name, values in self.columns.items():
            unit = _parse_unit(self.units[name]) if self.units[name] else None
            if self.units[name] and unit is None:
                unit = u.UnrecognizedUnit(self.units[name])
            if name in self.masks:
                columns.append(MaskedColumn(values.copy(), mask=self.masks[name], unit=unit, name=name, copy=False))
            else:
                columns.append(Column(values.copy(), unit=unit, name=name, copy=False))
        return (Table if kind is None else kind)(columns, meta=dict(self.meta), copy=False)


@lru_cache(maxsize=512)
def _parse_unit(text: str) -> u.UnitBase | None:
    for spelling in ("fits", "generic", "ogip", "cds"):
        try:
            return u.Unit(text, format=spelling, parse_strict="raise")
        except (ValueError, TypeError):
            continue
    return None


def parse_unit(text: str, where: str) -> u.UnitBase:
    """Physical unit of a TUNIT text, in FITS or astropy spelling; ``where`` begins the message of an error."""
    unit = _parse_unit(text.strip())
    if unit is None:
        raise WrongUnitError(
            f"{where}: unit {text!r} is not known; write it as FITS does, such as 'TeV', 'deg' or 'm2 s-1'"
        )
    return unit


def conversion_factor(text: str, unit: u.UnitBase, where: str) -> float | None:
    """Factor from the unit of a TUNIT text to another one; None if they are of different kinds."""
    return _factor(parse_unit(text, where), unit)


@lru_cache(maxsize=512)
def _factor(unit: u.UnitBase, other: u.UnitBase) -> float | None:
    return float(unit.to(other)) if unit.is_equivalent(other) else None


@dataclass(frozen=True)
class _ColumnForm:
    """One column as TFORM, TDIM and the scaling keywords describe it."""

    name: str
    letter: str
    repeat: int
    shape: tuple[int, ...]
    scale: float
    zero: float
    null: int | None

    @cached_property
    def n_byte(self) -> int:
        if self.letter == "X":
            return -(-self.repeat // 8)
        if self.letter == "A":
            return self.repeat
        return self.repeat * np.dtype(_NUMPY[self.letter]).itemsize

    @cached_property
    def stored(self) -> tuple[str, tuple[int, ...]]:
        """NumPy type and shape of the column as it lies in a row of the file."""
        if self.letter == "X":
            return "u1", (self.n_byte,)
        if self.letter == "A":
            width = self.shape[-1] if self.shape else self.repeat
            return f"S{max(width, 1)}", self.shape[:-1]
        return _NUMPY[self.letter], self.shape


def _column_forms(header: Mapping[str, Any], source: str) -> list[_ColumnForm] | None:
    """Forms of all columns, or None if a column needs the heap (variable length)."""
    get, forms = header.get, []
    for i in range(1, int(header["TFIELDS"]) + 1):
        name = str(get(f"TTYPE{i}", "")).strip() or f"col{i}"
        tform, tdim = str(get(f"TFORM{i}", "")), str(get(f"TDIM{i}", ""))
        form = _column_form(name, tform, tdim, get(f"TSCAL{i}", 1), get(f"TZERO{i}", 0), get(f"TNULL{i}"))
        if form is None:
            raise FormatError(
                f"{source}: column {name!r} has TFORM{i} = {tform!r}, expected a count and one of LXBIJKAEDCMPQ"
            )
        if form.letter in "PQ":
            return None
        forms.append(form)
    return forms


@lru_cache(maxsize=1024)  # files of one kind have the same columns
def _column_form(name: str, tform: str, tdim: str, scale: Any, zero: Any, null: int | None) -> _ColumnForm | None:
    match = _TFORM.match(tform)
    if match is None:
        return None
    repeat, letter = int(match[1] or 1), match[2]
    return _ColumnForm(name, letter, repeat, _shape(tdim, repeat, letter), float(scale), float(zero), null)


def _shape(tdim: str, repeat: int, letter: str) -> tuple[int, ...]:
    """Shape of one cell; TDIM counts the fastest dimension first, NumPy last."""
    sizes = tuple(int(n) for n in re.findall(r"\d+", tdim))[::-1]
    if sizes and math.prod(sizes) == repeat:
        return sizes
    if letter == "A":
        return (repeat,)
    return () if repeat == 1 else (repeat,)


def read_columns(buffer: bytes, start: int, header: Mapping[str, Any], source: str) -> tuple[Any, Any] | None:
    """Columns and masks of the table whose rows begin at byte ``start``; None if a column is of variable length."""
    forms = _column_forms(header, source)
    if forms is None:
        return None
    n_row, width = int(header["NAXIS2"]), int(header["NAXIS1"])
    needed = sum(form.n_byte for form in forms)
    if needed > width:
        raise FormatError(f"{source}: the columns need {needed} bytes a row, but NAXIS1 is {width}")
    makers, masks = {}, {}
    for form in forms:
        raw = _raw_column(buffer, start, n_row, width, *form.stored)
        start += form.n_byte
        makers[form.name] = _twice(form.name, source) if form.name in makers else _maker(form, raw)
        if form.null is not None and form.letter in "BIJK":
            masks[form.name] = _null_maker(form, raw)
    return LazyColumns(makers), _Masks(masks)


def _raw_column(buffer: bytes, start: int, n_row: int, width: int, stored: str, shape: tuple[int, ...]) -> NDArray[Any]:
    dtype = np.dtype(stored)
    if n_row == 0 or 0 in shape:
        return np.zeros((n_row, *shape), dtype)
    steps = [dtype.itemsize]  # the last dimension runs fastest
    for n in shape[:0:-1]:
        steps.insert(0, steps[0] * n)
    return np.ndarray((n_row, *shape), dtype, buffer, start, (width, *(steps if shape else ())))


def _maker(form: _ColumnForm, raw: NDArray[Any]) -> Callable[[], NDArray[Any]]:
    return lambda: _physical(form, raw)


def _twice(name: str, source: str) -> Callable[[], NDArray[Any]]:
    def refuse() -> NDArray[Any]:
        raise FormatError(f"{source}: two columns are called {name!r}; rename one of them (TTYPE) in the file")

    return refuse


def _null_maker(form: _ColumnForm, raw: NDArray[Any]) -> Callable[[], NDArray[np.bool_]]:
    return lambda: np.asarray(raw == form.null)


def _physical(form: _ColumnForm, raw: NDArray[Any]) -> NDArray[Any]:
    """Values as a user means them: native, scaled, text as str."""
    if form.letter == "A":
        return _text(raw) if form.repeat else np.full(raw.shape, "", dtype="U1")
    if form.letter == "L":
        return np.asarray(raw == b"T")
    if form.letter == "X":
        return np.unpackbits(raw, axis=-1)[..., : form.repeat].astype(bool)
    if form.scale == 1 and form.zero == 0:
        return np.array(raw, dtype=raw.dtype.newbyteorder("="), order="C")
    turned = _TURNED.get((form.letter, int(form.zero)))
    if form.scale == 1 and turned is not None:
        # Turning the highest bit adds or subtracts half of the range, without overflow.
        bits = np.array(raw, dtype=raw.dtype.newbyteorder("=")).view(f"u{raw.dtype.itemsize}")
        return np.asarray((bits ^ bits.dtype.type(1 << (8 * raw.dtype.itemsize - 1))).view(turned))
    return np.asarray(raw.astype(np.float64) * form.scale + form.zero)


def _text(raw: NDArray[Any]) -> NDArray[Any]:
    """Text without trailing blanks; a NUL ends it (FITS standard 4.0, 7.3.3.1)."""
    raw = np.ascontiguousarray(raw)
    codes = raw.view(np.uint8).reshape(*raw.shape, raw.dtype.itemsize)
    nul = codes == 0
    if (nul[..., :-1] & ~nul[..., 1:]).any():
        codes = np.where(np.logical_or.accumulate(nul, axis=-1), 0, codes)
    used = np.flatnonzero(codes.reshape(-1, codes.shape[-1]).any(axis=0))
    width = int(used[-1]) + 1 if used.size else 1
    # Code points of the first 256 characters are their Latin-1 bytes, and ASCII is the first half of these.
    text = codes[..., :width].astype(np.uint32).view(f"U{width}")[..., 0]
    return np.asarray(np.strings.rstrip(text, " "))


class _Masks(LazyColumns):
    """Masks of the columns where a null value occurs; the columns are looked at when first asked."""

    @cached_property
    def _hit(self) -> list[str]:
        return [name for name in self._makers if LazyColumns.__getitem__(self, name).any()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._hit)

    def __len__(self) -> int:
        return len(self._hit)

    def __contains__(self, name: object) -> bool:
        return name in self._hit

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._hit:
            raise KeyError(name)
        return super().__getitem__(name)
