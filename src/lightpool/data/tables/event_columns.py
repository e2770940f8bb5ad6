"""The columns of an event list as plain arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import astropy.units as u
import numpy as np
from astropy.table import Column, Table
from astropy.time import Time
from numpy.typing import ArrayLike, NDArray

from lightpool.data.tables.faults import off_the_sphere
from lightpool.data.tables.time_reference import DEFAULT_REFERENCE, TIME_KEYWORDS, TimeReference
from lightpool.errors import MissingColumnError, WrongUnitError
from lightpool.fits import (
    conversion_factor,
    has_time_reference,
    match_name,
    parse_unit,
    require_numbers,
    seconds_since_reference,
)
from lightpool.utils.on_demand import Deferred, DeferredMapping

__all__ = [
    "EVENT_UNITS",
    "EventColumns",
    "columns_of_table",
    "plain_columns",
    "stack_columns",
    "table_of_columns",
]

Floats = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)

EVENT_UNITS = {"RA": "deg", "DEC": "deg", "ENERGY": "TeV", "TIME": "s"}
_PLAIN = {"lon": ("RA", u.rad), "lat": ("DEC", u.rad), "energy": ("ENERGY", u.TeV), "time": ("TIME", u.s)}


@dataclass(frozen=True, eq=False)
class EventColumns:
    """The columns of an event list.

    Attributes
    ----------
    columns : mapping of name to ndarray, shape (n_event, ...); TIME in s since ``reference``
    units : dict of name to unit text
    meta : dict of header keywords
    reference : what TIME counts from
    n_event : int
    plain : mapping with ``lon``, ``lat`` (rad, ICRS), ``energy`` (TeV) and ``time`` (s since ``reference``), float64
    """

    columns: Mapping[str, NDArray[Any]]
    units: dict[str, str]
    meta: dict[str, Any]
    reference: TimeReference
    n_event: int
    plain: Mapping[str, Floats]

    @classmethod
    def empty(cls) -> "EventColumns":
        """Return the columns of a list without events."""
        columns = {name: np.zeros(0) for name in ("TIME", "ENERGY", "RA", "DEC")}
        return cls.make(columns, dict(EVENT_UNITS), {}, DEFAULT_REFERENCE, 0, "empty event list")

    @classmethod
    def make(
        cls,
        columns: Mapping[str, NDArray[Any]],
        units: dict[str, str],
        meta: dict[str, Any],
        reference: TimeReference,
        n_event: int,
        where: str,
        plain: Mapping[str, Floats] | None = None,
    ) -> "EventColumns":
        """Check the units and prepare the plain arrays; where RA and DEC are no direction on the sky they become NaN.

        Parameters
        ----------
        columns, units, meta, reference, n_event : see the attributes
        where : str, the file and HDU, which begin the message of an error
        plain : mapping, optional
            What `plain_columns` returns for the same columns.

        Raises
        ------
        FormatError
            See `plain_columns`.
        """
        plain = plain_columns(columns, units, where) if plain is None else plain
        off = off_the_sphere(plain)
        if off.any():
            columns = {**columns, "RA": _without(columns["RA"], off), "DEC": _without(columns["DEC"], off)}
            plain = plain_columns(columns, units, where)
        return cls(columns, units, meta, reference, n_event, plain)

    def select(self, rows: slice | ArrayLike) -> "EventColumns":
        """Keep some rows: a boolean mask of shape (n_event,), indices or a slice."""
        if not isinstance(rows, slice):
            rows = np.atleast_1d(np.asarray(rows))
            if rows.dtype == bool and rows.shape != (self.n_event,):
                raise ValueError(f"a mask of shape {rows.shape} does not fit {self.n_event} events")
            rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.intp)
        n_event = len(range(*rows.indices(self.n_event))) if isinstance(rows, slice) else len(rows)
        columns, plain = _rows(self.columns, rows), _rows(self.plain, rows)
        return EventColumns(columns, self.units, self.meta, self.reference, n_event, plain)

    def find_name(self, name: str) -> str:
        """Return the name of a column as the file spells it.

        The exact name takes precedence over one that differs in case; several of those are an error.

        Raises
        ------
        FormatError
            If there is no such column.
        """
        known = match_name(name, self.columns, "event list")
        if known is None:
            raise MissingColumnError(f"Column not found in event list: {name!r}; it has {', '.join(self.columns)}")
        return known

    def quantity(self, name: str) -> u.Quantity:
        """Return a copy of a column with its unit."""
        known = self.find_name(name)
        return u.Quantity(
            self.columns[known].copy(), parse_unit(self.units[known], f"event column {known!r}"), copy=False
        )

    def quantity_or_values(self, name: str) -> u.Quantity | NDArray[Any]:
        """Return a copy of a column: with its unit if it has one, else the plain values."""
        known = self.find_name(name)
        return self.quantity(known) if self.units[known] else self.columns[known].copy()

    @property
    def time(self) -> Time:
        """Event times."""
        return self.reference.to_time(self.plain["time"])


def _without(values: NDArray[Any], rows: NDArray[np.bool_]) -> NDArray[Any]:
    # Integers cannot hold NaN.
    changed = values.astype(values.dtype if values.dtype.kind == "f" else np.float64)
    changed[rows] = np.nan
    return changed


def _rows(columns: Mapping[str, NDArray[Scalar]], rows: slice | NDArray[np.intp]) -> DeferredMapping[NDArray[Scalar]]:
    return DeferredMapping({name: Deferred(partial(_rows_of_column, columns, name, rows)) for name in columns})


def _rows_of_column(
    columns: Mapping[str, NDArray[Scalar]], name: str, rows: slice | NDArray[np.intp]
) -> NDArray[Scalar]:
    return columns[name][rows]


def plain_columns(columns: Mapping[str, NDArray[Any]], units: Mapping[str, str], where: str) -> DeferredMapping[Floats]:
    """Return the arrays ``lon``, ``lat`` (rad), ``energy`` (TeV) and ``time`` (s), each converted on demand.

    Parameters
    ----------
    columns : mapping of name to ndarray
    units : mapping of name to unit text
    where : str, the file and HDU, which begin the message of an error

    Raises
    ------
    FormatError
        If a column is missing, or its unit is missing or of another kind.
    """
    missing = [name for name in EVENT_UNITS if name not in columns]
    if missing:
        raise MissingColumnError(
            f"{where}: an event list needs the columns RA, DEC, ENERGY and TIME, missing: {', '.join(missing)}; "
            f"there are {', '.join(columns)}"
        )
    found = {}
    for plain, (name, unit) in _PLAIN.items():
        factor = conversion_factor(units[name], unit, f"{where}, column {name!r}")
        if factor is None:
            raise WrongUnitError(
                f"{where}: column {name!r} has unit {units[name]!r}, expected {EVENT_UNITS[name]!r} or one that "
                "converts to it; write the right unit (TUNIT) into the file"
            )
        found[plain] = Deferred(partial(_converted, columns, name, factor, where))
    return DeferredMapping(found)


def _converted(columns: Mapping[str, NDArray[Any]], name: str, factor: float, where: str) -> Floats:
    """Return the values of a column times a factor, read-only because they are shared."""
    values: Floats = np.multiply(require_numbers(columns[name], f"{where}, column {name!r}"), factor, dtype=np.float64)
    values.flags.writeable = False
    return values


def columns_of_table(table: Table) -> EventColumns:
    """Return the columns of a table whose column TIME holds `astropy.time.Time`."""
    if not isinstance(table, Table):
        raise TypeError(f"an EventList is made from an astropy Table, got {type(table).__name__}")
    where = "event table"
    if "TIME" in table.colnames and not isinstance(table["TIME"], Time):
        raise TypeError(f"column TIME of an event table holds {type(table['TIME']).__name__}, expected astropy Time")
    meta = seconds_since_reference(table.meta, where)
    reference = TimeReference.from_header(meta, where) if has_time_reference(meta) else DEFAULT_REFERENCE
    columns: dict[str, Deferred[NDArray[Any]]] = {}
    units = {}
    for name in table.colnames:
        column = table[name]
        if isinstance(column, Time):
            # Most of those who want directions or energies do not need the times, which take longest to convert.
            columns[name], units[name] = Deferred(partial(_seconds_of, column, reference)), "s"
        else:
            columns[name] = Deferred(partial(np.asarray, getattr(column, "value", column)))
            units[name] = "" if column.unit is None else column.unit.to_string()
    found = DeferredMapping(columns)
    return EventColumns.make(found, units, dict(meta), reference, len(table), where)


def _seconds_of(column: Time, reference: TimeReference) -> Floats:
    return np.atleast_1d(reference.seconds(column))


def table_of_columns(events: EventColumns) -> Table:
    """Return a table with the columns TIME, ENERGY, RA, DEC and the others; all are copies."""
    first = ("TIME", "ENERGY", "RA", "DEC")
    table = Table(meta=dict(events.meta))
    table["TIME"] = events.time
    for name in (*first[1:], *(name for name in events.columns if name not in first)):
        unit = events.units[name]
        table[name] = Column(events.columns[name].copy(), unit=parse_unit(unit, name) if unit else None, name=name)
    return table


def stack_columns(parts: Sequence[EventColumns]) -> EventColumns:
    """Concatenate the columns that all parts have, in the units and times of the first part.

    Header keywords in which parts differ are dropped, except the reference time.
    """
    first = parts[0]
    names = [name for name in first.columns if all(name in part.columns for part in parts)]
    columns = {name: np.concatenate([_in_units_of(first, part, name) for part in parts]) for name in names}
    meta = {k: v for k, v in first.meta.items() if all(k in part.meta and part.meta[k] == v for part in parts)}
    # The times are converted to the reference of the first part, so its keywords hold for all of them.
    meta |= {key: first.meta[key] for key in TIME_KEYWORDS if key in first.meta}
    units = {name: first.units[name] for name in names}
    n_event = sum(part.n_event for part in parts)
    return EventColumns.make(columns, units, meta, first.reference, n_event, "stacked event list")


def _in_units_of(first: EventColumns, part: EventColumns, name: str) -> NDArray[Any]:
    values = part.columns[name]
    if name == "TIME" and part.reference != first.reference:
        seconds = np.asarray(first.reference.seconds(part.time))
        return seconds / float(parse_unit(first.units[name], name).to(u.s))
    if part.units[name] == first.units[name]:
        return values
    return np.asarray(part.quantity(name).to_value(parse_unit(first.units[name], name)))
