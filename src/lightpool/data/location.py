"""Where the HDUs of an observation lie, and how they are loaded."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lightpool.data.event_list import EventList
from lightpool.data.file_cache import FILE_CACHE
from lightpool.data.gadf import read_events
from lightpool.data.gti import GTI
from lightpool.data.metadata import EventListMetaData, ObservationMetaData
from lightpool.data.pointing import FixedPointingInfo
from lightpool.errors import FormatError
from lightpool.fits import FitsFile, make_path
from lightpool.irf import IRF_CLASSES
from lightpool.maps import Map

__all__ = ["HDULocation"]

_OLD_HESS = {"CREATOR": "SASH FITS::EventListWriter", "HDUVERS": "0.2"}


@dataclass(frozen=True)
class HDULocation:
    """One row of an HDU index: a class of data, and the HDU that holds it.

    Attributes
    ----------
    hdu_class : str, HDU_CLASS of GADF, or ``pointing`` and ``observation_metadata``, which come from the EVENTS header
    base_dir : str, folder of the index
    file_dir : str, relative to ``base_dir``, or to the working folder, or absolute; variables are expanded
    file_name : str
    hdu_name : str
    cache : bool, kept for Gammapy's signature
    format : str, of a map
    """

    hdu_class: str
    base_dir: str = "."
    file_dir: str = ""
    file_name: str = ""
    hdu_name: str = ""
    cache: bool = True
    format: str | None = None

    def info(self, file: IO[str] | None = None) -> None:
        """Print the fields."""
        stream = sys.stdout if file is None else file
        for name in ("hdu_class", "base_dir", "file_dir", "file_name", "hdu_name"):
            stream.write(f"{name.upper()} = {getattr(self, name)}\n")

    def path(self, abs_path: bool = True) -> Path:
        """Path of the file: below ``base_dir`` if it is there, else as ``file_dir`` says."""
        below_base = make_path(self.base_dir) / make_path(self.file_dir) / self.file_name
        beside = make_path(self.file_dir) / self.file_name
        if abs_path and (below_base.exists() or not beside.exists()):
            return below_base
        return beside

    def get_hdu(self) -> Any:
        """HDU as astropy object."""
        file = FILE_CACHE.open(self.path()).file
        return file.hdulist[file.names.index(file.hdu(self.hdu_name).name)]

    def header(self) -> Mapping[str, Any]:
        """Header of the HDU as a plain dictionary."""
        return FILE_CACHE.open(self.path()).file.values(self.hdu_name)

    def load(self, *, header: Mapping[str, Any] | None = None) -> Any:
        """Load the HDU as the class of its data.

        Response tables and the columns of event lists are shared between all who load the same HDU.

        Parameters
        ----------
        header : mapping, optional
            That of the EVENTS HDU: it tells old H.E.S.S. backgrounds, whose field of view is mirrored.

        Raises
        ------
        MissingDataError
            If the file or the HDU is not there.
        FormatError
            If its content is not what the class needs.
        """
        file = FILE_CACHE.open(self.path())
        kind = self.hdu_class.lower()
        mirrored = kind.startswith("bkg") and header is not None and _is_old_hess(header)
        if kind == "events":
            columns, meta = file.get((self.hdu_name, kind), self._events)
            return EventList.from_columns(columns, meta)
        if kind == "gti":
            return GTI.from_table_data(file.file.table(self.hdu_name))
        return file.get((self.hdu_name, kind, self.format, mirrored), self._loader(kind, mirrored))

    def _events(self, file: FitsFile) -> Any:
        table = file.table(self.hdu_name)
        return read_events(table), EventListMetaData.from_header(table.header)

    def _loader(self, kind: str, mirrored: bool) -> Callable[[FitsFile], Any]:
        def load(file: FitsFile) -> Any:
            where = f"{file.source}, HDU {self.hdu_name!r}"
            if kind == "pointing":
                return FixedPointingInfo.from_fits_header(file.values(self.hdu_name), where=where)
            if kind == "observation_metadata":
                return ObservationMetaData.from_header(file.values(self.hdu_name), where=where)
            if kind == "map":
                return Map.from_hdulist(file.hdulist, hdu=self.hdu_name, format=self.format)
            table = file.table(self.hdu_name)
            if mirrored:
                table.meta["FOVALIGN"] = "REVERSE_LON_RADEC"
            return _irf_class(kind, where).from_table(table)

        return load


def _irf_class(kind: str, where: str) -> Any:
    if kind not in IRF_CLASSES:
        raise FormatError(f"{where}: HDU_CLASS is {kind!r}, expected one of {', '.join(sorted(IRF_CLASSES))}")
    return IRF_CLASSES[kind]


def _is_old_hess(header: Mapping[str, Any]) -> bool:
    return all(header.get(key) == value for key, value in _OLD_HESS.items())
