"""Merge the good time intervals and the tables of observations of many datasets."""

from collections.abc import Sequence

import numpy as np
from astropy.table import MaskedColumn, Table, vstack
from numpy.typing import NDArray

from lightpool.data import GTI

__all__ = ["instruments_in", "merge_gtis", "merge_meta_tables", "rows_of_datasets"]


def merge_gtis(gtis: Sequence[GTI]) -> GTI:
    """Return the union of good time intervals."""
    return GTI.from_stack(list(gtis)).union()


def merge_meta_tables(tables: Sequence[Table]) -> Table:
    """Return one row whose cells hold the values of all tables in order, in the columns that all of them have."""
    shared = [name for name in tables[0].colnames if all(name in table.colnames for table in tables)]
    merged = Table()
    for name in shared:
        values: NDArray[np.generic] = np.hstack([np.asarray(table[name])[0] for table in tables])
        # (1, n_observation): one row whose cells are arrays, as in Gammapy.
        merged[name] = values[np.newaxis, :]
    return merged


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
