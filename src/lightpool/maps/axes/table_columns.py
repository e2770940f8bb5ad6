"""One way to ask an astropy table and a `lightpool.fits.TableData` for a column."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, TableData, table_in_file

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = [
    "AnyTable",
    "column_names",
    "column_text",
    "column_values",
    "edges_from_lo_hi",
    "is_unit_of_kind",
    "read_intervals",
    "read_table",
    "table_meta",
]


AnyTable: TypeAlias = "Table | TableData"
"""A table of astropy, or one as `lightpool.fits` reads it."""


def read_table(hdu: BinTableHDU) -> AnyTable:
    """Return the table of an HDU."""
    from astropy.table import Table

    table = table_in_file(hdu)
    return Table.read(hdu) if table is None else table


def column_names(table: AnyTable) -> list[str]:
    """Return the names of the columns in their order."""
    return list(table.columns)


def table_meta(table: AnyTable) -> Mapping[str, Any]:
    """Return the keywords of the table."""
    return table.meta


def column_values(table: AnyTable, name: str) -> tuple[NDArray[np.float64], u.UnitBase]:
    """Read a column of numbers.

    Parameters
    ----------
    table : Table or TableData
    name : str

    Returns
    -------
    values : array of float64 in native byte order
    unit : Unit

    Raises
    ------
    FormatError
        If the column does not exist, holds no numbers, or its unit is not known.
    """
    if isinstance(table, TableData):
        return _floats(table.column(name), name), table.unit(name)
    if name not in table.columns:
        raise FormatError(f"the table has no column {name!r}; its columns are {column_names(table)}")
    column = table[name]
    unit = u.Unit(column.unit if column.unit is not None else "")
    # tables of astropy keep units that are not known, without an error
    if isinstance(unit, u.UnrecognizedUnit):
        raise FormatError(f"column {name!r} has the unit {str(unit)!r}, which is not known; write it as FITS does")
    return _floats(column, name), unit


def _floats(column: NDArray[Any], name: str) -> NDArray[np.float64]:
    values = np.asarray(column)
    # integers, unsigned integers and floats; neither bool nor text
    if values.dtype.kind not in "iuf":
        raise FormatError(f"column {name!r} should hold numbers, but has the type {values.dtype}")
    return values.astype(np.float64)


@lru_cache(maxsize=512)
def is_unit_of_kind(unit: u.UnitBase, example: str) -> bool:
    """Return whether a unit can be converted to another one.

    Parameters
    ----------
    unit : Unit
    example : str, a unit of the kind
    """
    return bool(unit.is_equivalent(example))


def column_text(table: AnyTable, name: str) -> NDArray[np.str_] | None:
    """Read a column of text.

    Parameters
    ----------
    table : Table or TableData
    name : str

    Returns
    -------
    text : array of str, or None if the column holds something else or does not exist
    """
    if name not in table.columns:
        return None
    values = np.asarray(table.columns[name])
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    return values if values.dtype.kind == "U" else None


def edges_from_lo_hi(lower: NDArray[np.float64], upper: NDArray[np.float64], what: str) -> NDArray[np.float64]:
    """Return the edges of contiguous bins from their lower and upper edges in the same unit.

    Parameters
    ----------
    lower, upper : arrays of float64, shape (n_bin,)
    what : str, names of the columns, for the error message

    Returns
    -------
    edges : array of float64, shape (n_bin + 1,)

    Raises
    ------
    FormatError
        If there is a gap or an overlap of more than a hundredth of a bin.
    """
    lower, upper = np.atleast_1d(lower), np.atleast_1d(upper)
    gap = np.abs(upper[:-1] - lower[1:])
    if np.any(gap > 0.01 * np.abs(upper - lower)[1:]):
        raise FormatError(
            f"{what}: the upper edges {upper} are not the lower edges {lower} of the bins that follow; an axis needs "
            "bins without gaps"
        )
    return np.append(lower, upper[-1:])


def read_intervals(
    table: AnyTable, lower: str, upper: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], u.UnitBase]:
    """Read the lower and upper edges of bins.

    Parameters
    ----------
    table : Table or TableData
    lower, upper : str, names of the two columns

    Returns
    -------
    low, high : arrays of float64
    unit : Unit of both; that of the first column, to which the second is converted

    Raises
    ------
    FormatError
        If a column cannot be read, or the units are not of one kind.
    """
    (low, unit), (high, unit_high) = column_values(table, lower), column_values(table, upper)
    if unit_high != unit:
        if not is_unit_of_kind(unit_high, unit.to_string()):
            raise FormatError(
                f"columns {lower!r} and {upper!r} have the units {str(unit)!r} and {str(unit_high)!r}, which do not fit"
            )
        high = high * unit_high.to(unit)
    return low, high, unit
