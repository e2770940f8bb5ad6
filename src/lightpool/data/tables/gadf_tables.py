"""Event lists and GTIs in the GADF file layout: from tables to plain values, and back to HDUs.

https://gamma-astro-data-formats.readthedocs.io
"""

import logging
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.data.tables.event_columns import EVENT_UNITS, EventColumns, plain_columns
from lightpool.data.tables.faults import Fault, value_faults, warn_of_faults
from lightpool.data.tables.time_reference import TimeReference
from lightpool.fits import (
    BinTableHDU,
    Column,
    FileKind,
    FitsFile,
    HDUList,
    PrimaryHDU,
    TableData,
    read_fits,
    require_kind,
    require_numbers,
    seconds_per_time_unit,
    seconds_since_reference,
    table_in_file,
    time_position,
)
from lightpool.irf.tables.hdu_classes import find_class, find_map_class, is_response
from lightpool.utils.on_demand import Deferred, DeferredMapping

__all__ = [
    "check_format",
    "classify_hdus",
    "events_hdu",
    "gti_hdu",
    "index_hdu",
    "load_events",
    "open_table",
    "read_events",
    "read_gti",
    "run_of",
    "table_of_hdu",
]

log = logging.getLogger(__name__)

Seconds = NDArray[np.float64]

_KINDS_BY_HDU = {"EVENTS": ("EventList.read", FileKind.EVENTS), "GTI": ("GTI.read", FileKind.GTI)}
_NOT_KEPT = ("GLON", "GLAT")  # they follow from RA and DEC; a file may hold others
# NumPy type to TFORM letter and TZERO; unsigned integers need an offset, see FITS standard 4.0, table 19.
_LETTERS: dict[str, tuple[str, int | None]] = {
    "bool": ("L", None),
    "uint8": ("B", None),
    "int8": ("B", -128),
    "int16": ("I", None),
    "uint16": ("I", 2**15),
    "int32": ("J", None),
    "uint32": ("J", 2**31),
    "int64": ("K", None),
    "uint64": ("K", 2**63),
    "float32": ("E", None),
    "float64": ("D", None),
    "complex64": ("C", None),
    "complex128": ("M", None),
}


def check_format(format: str | None) -> None:
    """Raise a ValueError unless the format is ``gadf``, or ``ogip``, which does not differ in anything read here."""
    if format not in ("gadf", "ogip", None):
        raise ValueError(f'Only the "gadf" format supported, got {format}')


def open_table(path: str | PathLike[str], hdu: str | int, *, checksum: bool = False) -> TableData:
    """Open a file and return the table of one of its HDUs.

    Parameters
    ----------
    path : str or path-like
    hdu : str or int
    checksum : bool, verify the checksum of the HDU, see `lightpool.fits.FitsFile.verify_checksums`
    """
    file = read_fits(path)
    if hdu in _KINDS_BY_HDU and hdu not in file:
        reader, kind = _KINDS_BY_HDU[hdu]
        require_kind(file, reader, kind)
    if checksum:
        file.verify_checksums(hdu)
    return file.table(hdu)


def index_hdu(file: FitsFile, hdu: str | int | None) -> str | int:
    """Return the HDU of an index table: the first table by default, and the only one of a file that has one.

    HAWC's index files have a table for each bin of the analysis, and those of a single bin the number of its HDU.

    Parameters
    ----------
    file : FitsFile
    hdu : str or int, optional
    """
    if hdu is None:
        return 1
    if hdu not in file and len(file.names) == 2:
        log.warning(f"{file.source}: there is no HDU {hdu!r}; the only table of the file is read")
        return 1
    return hdu


def table_of_hdu(hdu: BinTableHDU) -> TableData:
    """Return the table of an astropy HDU."""
    table = table_in_file(hdu)
    if table is not None:
        return table
    stream = BytesIO()
    # A copy, because writing changes the header of the HDU.
    HDUList([PrimaryHDU(), hdu.copy()]).writeto(stream)
    return FitsFile(stream.getvalue(), hdu.name or "<memory>").table(1)


def classify_hdus(file: FitsFile) -> list[tuple[str, str, str]]:
    """Return (name, HDU_TYPE, HDU_CLASS) of each HDU that an index lists; warn of unknown response tables."""
    found = []
    for number, name in enumerate(file.names):
        header = file.values(number)
        keys = [str(header.get(f"HDUCLAS{i}", "")).strip() for i in range(1, 5)]
        if keys[0].upper() in ("EVENTS", "GTI") or name.upper() in ("EVENTS", "GTI"):
            kind = keys[0].lower() or name.lower()
            found.append((name, kind, kind))
        elif is_response(header):
            known = find_map_class(header) or find_class(header)
            if known is not None:
                found.append((name, *known))
            else:
                log.warning(f"{file.source}, HDU {name!r}: unknown class HDUCLAS2={keys[1]!r}, HDUCLAS4={keys[3]!r}")
    return found


def read_events(table: TableData) -> EventColumns:
    """Return the columns of an EVENTS table, with a warning for each fault of their values; see `load_events`."""
    events, faults = load_events(table)
    warn_of_faults(faults, run_of(f"{table.source}, HDU {table.name!r}", table.header))
    return events


def run_of(where: str, *headers: Mapping[str, Any] | None) -> str:
    """Return the name of observation, file and HDU for a warning.

    Parameters
    ----------
    where : str, the file and HDU
    *headers : mapping or None; the first that has OBS_ID names the observation
    """
    obs_id = next((header["OBS_ID"] for header in headers if header is not None and "OBS_ID" in header), None)
    return where if obs_id is None else f"observation {str(obs_id).strip()}: {where}"


def load_events(table: TableData) -> tuple[EventColumns, list[Fault]]:
    """Return the columns of an EVENTS table, and the faults of their values.

    Raises
    ------
    FormatError
        If RA, DEC, ENERGY or TIME is missing or has a unit of another kind, or the reference time is missing.
    """
    where = f"{table.source}, HDU {table.name!r}"
    meta = dict(seconds_since_reference(table.meta, where))
    reference = TimeReference.from_header(meta, where)
    table = table.spelled_as(EVENT_UNITS)
    names = [name for name in table.columns if name not in _NOT_KEPT]
    units = {name: table.units[name] for name in names}
    if "TIME" in units:
        # A column without TUNIT is in TIMEUNIT (FITS standard 4.0, section 9), else in seconds.
        units["TIME"] = units["TIME"] or str(table.header.get("TIMEUNIT", "s"))
        seconds_per_time_unit(units["TIME"], f"{where}, column 'TIME'")
    if position := time_position(table.header, "TIME", where):
        log.warning(
            f"{where}: the times are those at {position!r} (TREFPOS, TIMEREF), not at the telescope; they are used as "
            "they are, so altitudes and azimuths are those of another moment"
        )
    columns = DeferredMapping[NDArray[Any]](
        {name: Deferred(partial(table.columns.__getitem__, name)) for name in names}
    )
    plain = plain_columns(columns, units, where)
    faults = list(value_faults(plain, meta))
    return EventColumns.make(columns, units, meta, reference, table.n_row, where, plain), faults


def events_hdu(events: EventColumns, keywords: Mapping[str, Any]) -> BinTableHDU:
    """Return an EVENTS table HDU; times in s since the reference, other columns in their units.

    Parameters
    ----------
    events : EventColumns
    keywords : mapping of further keywords to values
    """
    columns = []
    for name, values in events.columns.items():
        if name == "TIME":
            columns.append(Column("TIME", "D", "s", array=events.plain["time"]))
        else:
            columns.append(_fits_column(name, values, events.units[name]))
    hdu = BinTableHDU.from_columns(columns, name="EVENTS")
    header = {"HDUCLASS": "GADF", "HDUVERS": "0.3", "HDUCLAS1": "EVENTS"} | events.meta
    header |= events.reference.to_header() | dict(keywords)
    for key, value in header.items():
        if key in ("comments", "HISTORY"):
            for line in np.atleast_1d(value):
                hdu.header["COMMENT" if key == "comments" else key] = str(line)
        # The checksums are those of the file that was read.
        elif key not in ("EXTNAME", "CHECKSUM", "DATASUM"):
            hdu.header[key if len(key) <= 8 else f"HIERARCH {key}"] = value
    return hdu


def _fits_column(name: str, values: NDArray[Any], unit: str) -> Column:
    if values.dtype.kind in "US":
        code = f"{max(int(values.astype('S').dtype.itemsize), 1)}A"
        return Column(name, code, array=values.astype("S"))
    n_value = int(np.prod(values.shape[1:], dtype=int))
    letter = _LETTERS[values.dtype.name]
    # TDIM counts the fastest dimension first, NumPy last: (n_row, 3, 2) becomes (2,3).
    shape = str(values.shape[:0:-1]).replace(" ", "") if values.ndim > 2 else None
    return Column(name, f"{n_value}{letter[0]}", unit or None, dim=shape, bzero=letter[1], array=values)


def read_gti(table: TableData) -> tuple[Seconds, Seconds, TimeReference]:
    """Return start and stop of a GTI table in seconds since the reference, and the reference.

    A column without a unit is in TIMEUNIT, or in seconds if the file does not have it.

    Raises
    ------
    FormatError
        If START or STOP is missing or its unit is not a unit of time, or the reference time is missing.
    """
    where = f"{table.source}, HDU {table.name!r}"
    default = str(table.header.get("TIMEUNIT", "s"))
    seconds = []
    for name in ("START", "STOP"):
        known = table.find_name(name)
        column = f"{where}, column {name!r}"
        scale = seconds_per_time_unit(table.units[known] or default, column)
        seconds.append(require_numbers(table.columns[known], column).astype(np.float64) * scale)
    return seconds[0], seconds[1], TimeReference.from_header(table.header, where)


def gti_hdu(start: Seconds, stop: Seconds, reference: TimeReference) -> BinTableHDU:
    """Return a GTI table HDU; times in s since the reference.

    Parameters
    ----------
    start, stop : ndarray, shape (n_interval,), in s since ``reference``
    reference : TimeReference
    """
    columns = [Column(name, "D", "s", array=values) for name, values in (("START", start), ("STOP", stop))]
    hdu = BinTableHDU.from_columns(columns, name="GTI")
    hdu.header.update(
        {
            "HDUCLASS": "GADF",
            "HDUDOC": "https://gamma-astro-data-formats.readthedocs.io",
            "HDUVERS": "0.3",
            "HDUCLAS1": "GTI",
            **reference.to_header(),
            # The times are those at the telescope.
            "TIMEREF": "LOCAL",
        }
    )
    return hdu
