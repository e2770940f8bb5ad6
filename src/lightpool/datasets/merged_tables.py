"""Merge the good time intervals and the tables of observations of many datasets."""

from collections.abc import Mapping, Sequence
from functools import partial

import astropy.units as u
import numpy as np
from astropy.table import MaskedColumn, Table, vstack
from numpy.typing import NDArray

from lightpool.data import GTI
from lightpool.typing import MetaValue
from lightpool.utils.on_demand import Deferred, load

__all__ = ["DeferredRow", "instruments_in", "merge_gtis", "merge_meta_tables", "rows_of_datasets", "table_of_row"]


class DeferredRow(Deferred[Table]):
    """A table of one row that is made when it is read; many of them are merged without making any.

    Parameters
    ----------
    row : mapping of name to value
        Names that end with ``_PNT`` are angles in deg.
    """

    def __init__(self, row: Mapping[str, MetaValue]) -> None:
        super().__init__(partial(table_of_row, row))
        self.row = row


def table_of_row(row: Mapping[str, MetaValue]) -> Table:
    """Return a table of one row; columns whose names end with ``_PNT`` are in deg."""
    table = Table([row])
    for name in table.colnames:
        if name.endswith("_PNT"):
            table[name].unit = u.deg
    return table


def merge_gtis(gtis: Sequence[GTI | Deferred[GTI]]) -> GTI:
    """Return the union of good time intervals."""
    return GTI.from_stack([load(gti) for gti in gtis]).union()


def merge_meta_tables(tables: Sequence[Table | Deferred[Table]]) -> Table:
    """Return one row whose cells hold the values of all tables in order, in the columns that all of them have."""
    rows = [_first_row(table) for table in tables]
    merged = Table()
    for name in (name for name in rows[0] if all(name in row for row in rows)):
        values: NDArray[np.generic] = np.hstack([row[name] for row in rows])
        # (1, n_observation): one row whose cells are arrays, as in Gammapy.
        merged[name] = values[np.newaxis, :]
    return merged


def _first_row(table: Table | Deferred[Table]) -> dict[str, NDArray[np.generic]]:
    if isinstance(table, DeferredRow):
        return {name: np.asarray(value) for name, value in table.row.items()}
    table = load(table)
    return {name: np.asarray(table[name])[0] for name in table.colnames}


def rows_of_datasets(tables: Sequence[Table | None]) -> Table:
    """Concatenate the tables of many datasets; a dataset without a table has a row of masked values."""
    known = [table for table in tables if table is not None]
    if not known:
        return Table()
    rows = [_masked_row(known[0]) if table is None else table for table in tables]
    return vstack(rows, metadata_conflicts="silent").copy()


def _masked_row(table: Table) -> Table:
    """Return a row of the same columns, all masked."""
    row = Table(table[:1], masked=True, copy=True)
    for column in row.itercols():
        assert isinstance(column, MaskedColumn)
        column.mask = np.ones(column.shape, dtype=bool)
    return row


def instruments_in(meta_table: Table | None) -> str:
    """Return the names of the telescopes in a table of observations, separated by commas."""
    if meta_table is None or "TELESCOP" not in meta_table.colnames:
        return ""
    return ", ".join(sorted({str(name) for name in np.ravel(meta_table["TELESCOP"])}))
