"""ASCII tables, which are rare: their layout is checked here, and astropy reads their values.

Source: FITS standard 4.0, section 7.2.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from lightpool.errors import FormatError
from lightpool.fits.header import BLOCK
from lightpool.fits.keywords import header_number
from lightpool.fits.layout import Layout, structure_integer, structure_text
from lightpool.fits.parse_errors import parsing

__all__ = ["check_ascii_table", "read_ascii_table"]

_TFORM = re.compile(r"[AI]([0-9]+)|[FED]([0-9]+)\.([0-9]+)")


def check_ascii_table(header: Mapping[str, Any], layout: Layout, where: str) -> None:
    """Check the keywords that describe the columns.

    Parameters
    ----------
    header : mapping of keyword to value
    layout : Layout
    where : str, the file and HDU, which begin the message of an error

    Raises
    ------
    FormatError
        If one violates the standard, or a column is not inside the rows.
    """
    for i in range(1, layout.n_field + 1):
        tform = structure_text(header, f"TFORM{i}", where)
        match = _TFORM.fullmatch(tform)
        if match is None:
            raise FormatError(
                f"{where}: TFORM{i} = {tform!r}, expected a form such as 'A8', 'I6' or 'F10.3' in an ASCII table"
            )
        first = structure_integer(header, f"TBCOL{i}", where, low=1)
        width = int(match[1] or match[2])
        if width < 1 or first - 1 + width > layout.shape[0]:
            raise FormatError(
                f"{where}: TBCOL{i} = {first} and TFORM{i} = {tform!r} end behind the row, whose length is "
                f"NAXIS1 = {layout.shape[0]}"
            )
        structure_text(header, f"TTYPE{i}", where, "")
        if tform[0] != "A":
            header_number(header, f"TZERO{i}", where, default=0.0)
            if header_number(header, f"TSCAL{i}", where, default=1.0) == 0:
                raise FormatError(f"{where}: TSCAL{i} = 0, expected another number")


def read_ascii_table(hdu: bytes, where: str) -> dict[str, NDArray[Any]]:
    """Return the columns of an ASCII table, in native byte order.

    Parameters
    ----------
    hdu : bytes, header and data
    where : str, the file and HDU, which begin the message of an error

    Raises
    ------
    FormatError
        If a value is not written as its TFORM says.
    """
    columns: dict[str, NDArray[Any]] = {}
    with parsing(where):
        # astropy expects whole blocks; ASCII tables are padded with blanks.
        data = fits.TableHDU.fromstring(hdu + b" " * (-len(hdu) % BLOCK)).data
        for name in data.names if data is not None else ():
            values: NDArray[Any] = data[name]
            if values.dtype.kind in "SU":
                columns[name] = np.asarray(np.strings.rstrip(np.asarray(values).astype(str), " "))
            else:
                columns[name] = np.array(values, dtype=values.dtype.newbyteorder("="))
    return columns
