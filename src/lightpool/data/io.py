"""Readers and writers of event lists and observation tables by format, under the names of Gammapy."""

import logging
from typing import ClassVar

import astropy.units as u
import numpy as np
from astropy.table import Table

from lightpool.data.event_list import EventList
from lightpool.data.obs_table import ObservationTable
from lightpool.data.tables.gadf_tables import index_hdu, open_table, table_of_hdu
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import FormatError, MissingColumnError
from lightpool.fits import BinTableHDU, has_time_reference, parsing, read_fits
from lightpool.typing import PathInput

__all__ = ["EventListReader", "EventListWriter", "ObservationTableReader"]

log = logging.getLogger(__name__)

_FORMATS = ("gadf", "ogip")  # they do not differ in what is read here
_TIMES = ("TSTART", "TSTOP")


def _known_format(format: str) -> str:
    if format not in _FORMATS:
        raise ValueError(f"format {format!r} is not known; expected one of {', '.join(_FORMATS)}, or None")
    return format


class EventListReader:
    """Reads event lists.

    Parameters
    ----------
    hdu : str or int
    checksum : bool, verify CHECKSUM and DATASUM of the HDU: a wrong one is an error, missing ones a warning
    """

    def __init__(self, hdu: str | int = "EVENTS", checksum: bool = False) -> None:
        self.hdu = hdu
        self.checksum = checksum

    @staticmethod
    def from_gadf_hdu(events_hdu: BinTableHDU) -> EventList:
        """Return the event list of a table HDU in memory."""
        return EventList.from_table_data(table_of_hdu(events_hdu))

    @staticmethod
    def identify_format_from_hduclass(events_hdu: BinTableHDU) -> str:
        """Return the format that HDUCLASS names, in small letters; ``unknown`` if there is none."""
        return str(events_hdu.header.get("HDUCLASS", "unknown")).strip().lower()

    def read(self, filename: PathInput, format: str | None = "gadf") -> EventList:
        """Read from a file.

        Parameters
        ----------
        filename : str or path-like
        format : {"gadf", "ogip"}, or None for the one that the header names

        Raises
        ------
        ValueError
            If the format is not known.
        FormatError
            If a column is missing, or has a unit of another kind.
        """
        with parsing(filename):
            table = open_table(filename, self.hdu, checksum=self.checksum)
            _known_format(str(table.header.get("HDUCLASS", "unknown")).strip().lower() if format is None else format)
            return EventList.from_table_data(table)


class EventListWriter:
    """Converts event lists to table HDUs."""

    def to_hdu(self, event_list: EventList, format: str = "gadf") -> BinTableHDU:
        """Return the table HDU of an event list.

        Parameters
        ----------
        event_list : `EventList`
        format : {"gadf"}
        """
        if format != "gadf":
            raise ValueError(f"event lists are written in the format 'gadf', got {format!r}")
        return event_list.to_table_hdu(format)


class ObservationTableReader:
    """Reads observation tables; TSTART and TSTOP become times, where `ObservationTable.read` leaves seconds."""

    valid_formats: ClassVar[list[str]] = ["GADF", "OGIP"]

    def read(self, filename: PathInput, hdu: str | int | None = None) -> ObservationTable:
        """Read from a file.

        Parameters
        ----------
        filename : str or path-like
        hdu : str or int, optional; the first table by default

        Raises
        ------
        ValueError
            If HDUCLASS names another format.
        FormatError
            If there is no column OBS_ID.
        """
        with parsing(filename):
            table = (file := read_fits(filename)).table(index_hdu(file, hdu)).to_table()
        format = table.meta.get("HDUCLASS")
        if format is None:
            log.warning(f"{filename}: HDUCLASS does not say which format this is; it is read as GADF")
        elif str(format).strip().upper() not in self.valid_formats:
            raise ValueError(f"{filename}: HDUCLASS = {format!r}, expected one of {', '.join(self.valid_formats)}")
        return self._from_gadf_table(table)

    @staticmethod
    def _from_gadf_table(table_gadf: Table) -> ObservationTable:
        if "OBS_ID" not in table_gadf.colnames:
            raise MissingColumnError(
                f"an observation table needs the column OBS_ID; it has {', '.join(table_gadf.colnames)}"
            )
        table = ObservationTable(table_gadf, copy=True)
        for name in _TIMES:
            if name not in table.colnames:
                continue
            try:
                table[name] = _times(table, name)
            except (FormatError, TypeError, ValueError) as error:
                log.warning(f"observation table: column {name} is left out, as it cannot be made times: {error}")
                table.remove_column(name)
        return table


def _times(table: Table, name: str) -> object:
    if not has_time_reference(table.meta) or "TIMEUNIT" not in table.meta:
        raise FormatError("the keywords of the reference time, or TIMEUNIT, are missing")
    unit = u.Unit(table.meta["TIMEUNIT"])
    if not unit.is_equivalent("s"):
        raise FormatError(f"TIMEUNIT = {table.meta['TIMEUNIT']!r} is not a unit of time")
    values = u.Quantity(np.asarray(table[name]).astype(float), unit)
    return TimeReference.from_header(table.meta, "observation table").to_time(values.to_value("s"))
