"""Gammapy's tables of observations and HDUs: read from the index files of a store without astropy's parser.

It takes ten times as long to read an index as lightpool takes for the same bytes. The tables are those that astropy
makes, down to byte order and masks; what has columns of less common kinds is left to astropy.
"""

import re
from functools import lru_cache
from importlib.metadata import version
from os import PathLike

import astropy.units as u
import numpy as np
from astropy.table import Column, MaskedColumn, Table
from gammapy.data import HDUIndexTable as GammapyHDUIndexTable
from gammapy.data import ObservationTable as GammapyObservationTable
from numpy.typing import NDArray

from lightpool.fits import FitsFile, TableData, make_path, read_fits
from lightpool.gammapy.acceleration.take_over import Commit, NotTakenOverError, takes_over

__all__: list[str] = []

_NUMBERS = {"K": ">i8", "J": ">i4", "I": ">i2", "E": ">f4", "D": ">f8"}
_FORM = re.compile(r"(?:1?([KJIED])|(\d*)A)")
_UNCOMMON = ("TNULL", "TSCAL", "TZERO", "TDIM", "TDISP", "TCTYP", "TCUNI", "TCRPX", "TCRVL", "TCDLT", "TRPOS", "THEAP")
_STRIPS_TEXT = int(version("astropy").split(".")[0]) >= 8
"""Whether astropy strips blanks from columns of text when it reads them, as is done here."""


# Both without `relies_on`: they are methods of the class, which is compared below.
@takes_over(GammapyObservationTable, "read", relies_on=(), is_listed=False)
def _read_observations(kind: type[Table], filename: str | PathLike[str], **options: str) -> Commit:
    table = _read(kind, GammapyObservationTable, filename, options)
    return lambda: table


@takes_over(GammapyHDUIndexTable, "read", relies_on=(), is_listed=False)
def _read_hdus(kind: type[Table], filename: str | PathLike[str], **options: str) -> Commit:
    table = _read(kind, GammapyHDUIndexTable, filename, options)
    table.meta["BASE_DIR"] = make_path(filename).parent.as_posix()
    folders = table["FILE_DIR"]
    if isinstance(folders, MaskedColumn):
        # As Gammapy does, for empty names, which astropy masks.
        folders.fill_value = ""  # type: ignore[attr-defined]  # the stubs of astropy lack it
    filled = table.filled()
    return lambda: filled


def _read(kind: type[Table], expected: type[Table], filename: str | PathLike[str], options: dict[str, str]) -> Table:
    if kind is not expected or options not in ({}, {"format": "fits"}) or not _STRIPS_TEXT:
        raise NotTakenOverError("an index table with options of its own")
    file = read_fits(filename)
    table = _only_table(file)
    columns = [_column(table, number) for number in range(1, len(table.columns) + 1)]
    found = kind(columns, copy=False)
    found.meta.update(table.meta)
    return found


def _only_table(file: FitsFile) -> TableData:
    """Return the table of a file; an error if it has none or several, or one that astropy reads in another way."""
    infos = [file.hdu(number) for number in range(len(file.names))]
    tables = [number for number, info in enumerate(infos) if info.layout.is_table]
    if len(tables) != 1 or any(info.cards.damaged or info.cards.invalid for info in infos):
        raise NotTakenOverError("a file of another structure than an index table has")
    table = file.table(tables[0])
    is_uncommon = any(key.startswith(_UNCOMMON) for key in table.header)
    if is_uncommon or any("ASTROPY-SERIALIZED" in str(text) for text in table.meta.get("comments", ())):
        raise NotTakenOverError("an index table with columns of uncommon kinds")
    return table


def _column(table: TableData, number: int) -> Column:
    name = str(table.header[f"TTYPE{number}"])
    form = _FORM.fullmatch(str(table.header[f"TFORM{number}"]).strip())
    if form is None:
        raise NotTakenOverError("an index table with columns of uncommon kinds")
    letter, width = form.groups()
    values = table.columns[name]
    data: NDArray[np.generic]
    fill: float | bytes
    if letter is None:
        data = np.strings.encode(values, "ascii").astype(f"S{width or 1}")
        mask, fill = data == b"", b""
    else:
        data = values.astype(_NUMBERS[letter])
        mask, fill = np.isnan(data) if letter in "ED" else np.zeros(len(data), dtype=bool), np.nan
    made: Column | MaskedColumn
    if mask.any():
        made = MaskedColumn(data=data, name=name, mask=mask, copy=False, fill_value=fill)
    else:
        made = Column(data=data, name=name, copy=False)
    if table.units[name]:
        made.unit = _unit(table.units[name])
    return made


@lru_cache(maxsize=64)
def _unit(text: str) -> u.UnitBase:
    # A unit that astropy would warn of is an error here, and so the table is read by astropy.
    return u.Unit(text, format="fits", parse_strict="raise")
