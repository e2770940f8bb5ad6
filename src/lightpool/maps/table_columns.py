"""One way to ask an astropy table and a `lightpool.fits.TableData` for a column."""

from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, TableData

__all__ = ["column_names", "column_quantity", "column_text", "edges_from_lo_hi", "read_table", "table_meta"]


def read_table(hdu: BinTableHDU) -> Any:
    """Astropy table of an HDU."""
    from astropy.table import Table

    return Table.read(hdu)


def column_names(table: Any) -> list[str]:
    """Names of the columns in their order."""
    return list(table.columns)


def table_meta(table: Any) -> Mapping[str, Any]:
    """Keywords of the table."""
    meta: Mapping[str, Any] = table.meta
    return meta


def column_quantity(table: Any, name: str) -> u.Quantity:
    """Read a column of numbers with its unit, float64 in native byte order.

    Raises
    ------
    FormatError
        If the column is not there, holds no numbers, or its unit is not known.
    """
    if isinstance(table, TableData):
        return u.Quantity(table.quantity(name), dtype=np.float64, copy=None)
    if name not in table.columns:
        raise FormatError(f"the table has no column {name!r}; its columns are {column_names(table)}")
    column = table[name]
    unit = column.unit if column.unit is not None else ""
    if isinstance(unit, u.UnrecognizedUnit):
        raise FormatError(f"column {name!r} has the unit {str(unit)!r}, which is not known; write it as FITS does")
    try:
        return u.Quantity(np.asarray(column), unit, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FormatError(f"column {name!r} should hold numbers, but has the type {column.dtype}") from error


def column_text(table: Any, name: str) -> NDArray[np.str_] | None:
    """Read a column of text; None if the column holds something else or is not there."""
    if name not in table.columns:
        return None
    values = np.asarray(table.columns[name])
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    return values if values.dtype.kind == "U" else None


def edges_from_lo_hi(lower: u.Quantity, upper: u.Quantity, what: str) -> u.Quantity:
    """Edges of bins that touch, from their lower and upper edges.

    Raises
    ------
    FormatError
        If there is a gap or an overlap of more than a hundredth of a bin.
    """
    lower, upper = np.atleast_1d(lower), np.atleast_1d(upper.to(lower.unit))
    gap = np.abs(upper[:-1] - lower[1:])
    if np.any(gap > 0.01 * np.abs(upper - lower)[1:]):
        raise FormatError(
            f"{what}: the upper edges {upper} are not the lower edges {lower} of the bins that follow; an axis needs "
            "bins without gaps"
        )
    return np.append(lower, upper[-1:])
