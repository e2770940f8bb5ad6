"""Tables: columns with their units, and the keywords of their header."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError, MissingColumnError, WrongUnitError
from lightpool.fits.columns import ColumnForm, column_forms, name_of_column, physical, read_fixed
from lightpool.fits.header import CardDict
from lightpool.fits.layout import Layout
from lightpool.fits.name_matching import match_name
from lightpool.fits.variable_length import find_cells, read_cells
from lightpool.utils.on_demand import Deferred, DeferredMapping

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["TableData", "conversion_factor", "parse_unit", "read_columns", "require_numbers"]

Scalar = TypeVar("Scalar", bound=np.generic)
TableKind = TypeVar("TableKind", bound="Table")


@dataclass
class TableData:
    """A table of a FITS file, as plain arrays.

    Attributes
    ----------
    columns : mapping of name to ndarray, shape (n_row, ...), native byte order; text is ``str``, bits are bool
    units : dict of name to the unit as written in the file, "" where there is none
    header : dict of keyword to value
    nulls : mapping of name to bool ndarray, True where an integer column with a TNULL holds it
    name : str, of the HDU
    source : str, of the file
    n_row : int
    """

    columns: Mapping[str, NDArray[Any]]
    units: dict[str, str]
    header: dict[str, Any]
    nulls: Mapping[str, NDArray[np.bool_]]
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
        return self.cards.user_meta()

    @cached_property
    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """Masks of the integer columns in which a value is null (TNULL), by name."""
        return {name: mask for name, mask in self.nulls.items() if mask.any()}

    def column(self, name: str) -> NDArray[Any]:
        """Return a column; if no name matches exactly, upper and lower case count as the same.

        Raises
        ------
        FormatError
            If there is no such column.
        """
        return self.columns[self.find_name(name)]

    def find_name(self, name: str) -> str:
        """Return the name of a column as the file spells it.

        Raises
        ------
        FormatError
            If there is no such column, or several differ from the name only in case.
        """
        where = f"{self.source}, HDU {self.name!r}"
        known = name if name in self.columns else match_name(name, self.columns, where)
        if known is not None:
            return known
        raise MissingColumnError(
            f"{where}: no column {name!r}; it has {', '.join(self.columns) or 'no columns'}. "
            "Choose another HDU, or add the column to the file"
        )

    def spelled_as(self, names: Iterable[str]) -> "TableData":
        """Return the table with columns that differ from one of ``names`` only in case renamed to it.

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
        units = {found.get(name, name): unit for name, unit in self.units.items()}
        return replace(self, columns=_renamed(self.columns, found), units=units, nulls=_renamed(self.nulls, found))

    def unit(self, name: str) -> u.UnitBase:
        """Return the physical unit of a column; dimensionless if the file gives none."""
        known = self.find_name(name)
        return parse_unit(self.units[known], f"{self.source}, HDU {self.name!r}, column {known!r}")

    def quantity(self, name: str) -> u.Quantity:
        """Return a column with its unit."""
        return u.Quantity(self.column(name), self.unit(name), copy=False)

    @overload
    def to_table(self) -> "Table": ...
    @overload
    def to_table(self, kind: type[TableKind]) -> TableKind: ...
    def to_table(self, kind: "type[Table] | None" = None) -> "Table":
        """Return an `astropy.table.Table`, or a subclass of it, with units and meta data; the columns are copies."""
        from astropy.table import Column, MaskedColumn, Table

        columns: list[Column] = []
        for name, values in self.columns.items():
            unit = _parse_unit(self.units[name]) if self.units[name] else None
            if self.units[name] and unit is None:
                unit = u.UnrecognizedUnit(self.units[name])
            if name in self.masks:
                columns.append(MaskedColumn(values.copy(), mask=self.masks[name], unit=unit, name=name, copy=False))
            else:
                columns.append(Column(values.copy(), unit=unit, name=name, copy=False))
        return (Table if kind is None else kind)(columns, meta=dict(self.meta), copy=False)


def _renamed(
    columns: Mapping[str, NDArray[Scalar]], names: Mapping[str | None, str]
) -> DeferredMapping[NDArray[Scalar]]:
    """Return the columns under other names, still converted on demand."""
    return DeferredMapping({names.get(name, name): Deferred(partial(columns.__getitem__, name)) for name in columns})


def require_numbers(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Return a column unchanged after checking that it holds one real number in each row.

    Parameters
    ----------
    values : ndarray, a column
    where : str, the file, HDU and column, which begin the message of an error

    Raises
    ------
    FormatError
        If it holds text, logical or complex values, or several values in a row.
    """
    if values.dtype.kind not in "iuf":
        raise FormatError(f"{where} holds {values.dtype}, expected numbers; check TFORM")
    if values.ndim != 1:
        raise FormatError(f"{where} has {values.shape[1:]} values in each row, expected one number; check TFORM")
    return values


@lru_cache(maxsize=512)
def _parse_unit(text: str) -> u.UnitBase | None:
    for spelling in ("fits", "generic", "ogip", "cds"):
        try:
            return u.Unit(text, format=spelling, parse_strict="raise")
        except (ValueError, TypeError):
            continue
    return None


def parse_unit(text: str, where: str) -> u.UnitBase:
    """Return the physical unit of a TUNIT text, in the spelling of FITS or of astropy.

    Parameters
    ----------
    text : str
    where : str, the file, HDU and column, which begin the message of an error

    Raises
    ------
    WrongUnitError
        If the unit is not known.
    """
    unit = _parse_unit(text.strip())
    if unit is None:
        raise WrongUnitError(
            f"{where}: unit {text!r} is not known; write it as FITS does, such as 'TeV', 'deg' or 'm2 s-1'"
        )
    return unit


def conversion_factor(text: str, unit: u.UnitBase, where: str) -> float | None:
    """Return the factor that converts from the unit of a TUNIT text to another unit.

    Parameters
    ----------
    text : str
    unit : `astropy.units.UnitBase`
    where : str, the file, HDU and column, which begin the message of an error

    Returns
    -------
    factor : float, or None if the units are of different kinds
    """
    return _factor(parse_unit(text, where), unit)


@lru_cache(maxsize=512)
def _factor(unit: u.UnitBase, other: u.UnitBase) -> float | None:
    return float(unit.to(other)) if unit.is_equivalent(other) else None


def read_columns(
    buffer: bytes, start: int, cards: CardDict, layout: Layout, where: str
) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[np.bool_]]]:
    """Return the columns of a binary table and masks of their null values, each converted on demand.

    Parameters
    ----------
    buffer : bytes, of the file
    start : int, the byte at which the rows begin
    cards : CardDict
    layout : Layout
    where : str, the file and HDU, which begin the message of an error

    Raises
    ------
    FormatError
        If the header is wrong about them, or a cell of variable length lies outside the heap.
    """
    columns: dict[str, Deferred[NDArray[Any]]] = {}
    nulls: dict[str, Deferred[NDArray[np.bool_]]] = {}
    first_of_heap, end_of_heap = layout.heap
    offset = start
    for name, form in cards.once("columns", lambda: _named_forms(cards.values, layout, where)):
        raw = partial(read_fixed, buffer, offset, layout, form)
        offset += form.n_byte
        if name in columns:
            # An error only when this column is used: the other columns can still be read.
            columns[name] = Deferred(partial(_refuse_double, name, where))
        elif form.pointer:
            column = f"{where}, column {name!r}"
            cells = find_cells(form, raw(), end_of_heap - first_of_heap, column)
            columns[name] = Deferred(partial(read_cells, form, cells, buffer, start + first_of_heap, column))
        else:
            columns[name] = Deferred(partial(_physical, form, raw))
        if form.null is not None and not form.pointer:
            # TNULL is a stored value, before scaling (FITS standard 4.0, 7.3.2).
            nulls[name] = Deferred(partial(_is_null, form, raw))
    return DeferredMapping(columns), DeferredMapping(nulls)


def _named_forms(header: Mapping[str, Any], layout: Layout, where: str) -> list[tuple[str, ColumnForm]]:
    forms = column_forms(header, layout, where)
    return [(name_of_column(header, i, where), form) for i, form in enumerate(forms, 1)]


def _physical(form: ColumnForm, raw: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    return physical(form, raw())


def _is_null(form: ColumnForm, raw: Callable[[], NDArray[Any]]) -> NDArray[np.bool_]:
    return np.asarray(np.equal(raw(), cast(int, form.null)))


def _refuse_double(name: str, where: str) -> NDArray[Any]:
    raise FormatError(f"{where}: two columns are called {name!r}; rename one of them (TTYPE) in the file")
