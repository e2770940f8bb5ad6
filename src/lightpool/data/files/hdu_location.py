"""Where the HDUs of an observation are, and how they are loaded."""

import os
import sys
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import IO, Any, TypeAlias

from lightpool.data.event_list import EventList
from lightpool.data.files.file_cache import FILE_CACHE, CachedFile
from lightpool.data.files.response_tables import copy_response, read_response
from lightpool.data.gti import GTI
from lightpool.data.metadata import EventListMetaData, ObservationMetaData
from lightpool.data.pointing import FixedPointingInfo
from lightpool.data.tables.faults import live_time_faults, warn_of_faults
from lightpool.data.tables.gadf_tables import read_events, run_of
from lightpool.errors import MissingDataError
from lightpool.fits import (
    BinTableHDU,
    ImageHDU,
    Place,
    PrimaryHDU,
    detached,
    expanded_text,
    is_address,
    join_address,
    make_path,
    missing_file_hint,
    parsing,
    place_of,
    readable_path,
)
from lightpool.irf import IRF, IRFMap
from lightpool.maps import Map
from lightpool.utils.html import ShownInNotebooks
from lightpool.utils.secret_texts import hide_secrets

__all__ = ["HDULocation", "Part"]

Part: TypeAlias = EventList | GTI | IRF | FixedPointingInfo | ObservationMetaData | Map | IRFMap | None
"""A part of an observation."""

# Keywords of the first public H.E.S.S. data release, by which Gammapy recognises it too.
_OLD_HESS = {"CREATOR": "SASH FITS::EventListWriter", "HDUVERS": "0.2"}


@dataclass(frozen=True)
class HDULocation(ShownInNotebooks):
    """One row of an HDU index: a class of data, and the HDU that holds it.

    Attributes
    ----------
    hdu_class : str, HDU_CLASS of GADF, or ``pointing`` and ``observation_metadata``, which come from the EVENTS header
    base_dir : str, folder of the index, or its address
    file_dir : str, relative to ``base_dir``, or to the working folder, absolute, or an address; variables are expanded
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

    def __repr__(self) -> str:
        """Return the fields, without passwords."""
        values = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self))
        return hide_secrets(f"{type(self).__name__}({values})")

    def __str__(self) -> str:
        """Return the path or the address of the file, without passwords."""
        return hide_secrets(str(self.place))

    def info(self, file: IO[str] | None = None) -> None:
        """Print the fields."""
        stream = sys.stdout if file is None else file
        for name in ("hdu_class", "base_dir", "file_dir", "file_name", "hdu_name"):
            stream.write(hide_secrets(f"{name.upper()} = {getattr(self, name)}\n"))

    def __reduce__(self) -> tuple[type["HDULocation"], tuple[str | bool | None, ...]]:
        return type(self), astuple(self)  # without the path that was found, which may differ on another machine

    @cached_property
    def _found(self) -> str:
        path, is_there = self._locate()
        if is_address(path):
            return sys.intern(path)  # not the path of its copy, which may be removed meanwhile
        if not is_there:
            raise MissingDataError(f"no file {Path(path)}: {missing_file_hint(path)}")
        # One text for all HDUs of a file, where a Path for each takes half a kB.
        return sys.intern(str(make_path(path)))

    def path(self, abs_path: bool = True) -> Path:
        """Return the path of the file: below ``base_dir`` if it exists there, else relative to the working folder.

        Of a file at an address it is the path of its copy, see `lightpool.fits.remote`.
        """
        return readable_path(self._locate()[0]) if abs_path else Path(self._below_working())

    @property
    def place(self) -> Place:
        """Path of the file, or its address; nothing is copied."""
        path = self._locate()[0]
        return path if is_address(path) else make_path(path)

    def _locate(self) -> tuple[str, bool]:
        """Return the path of the file, and whether the file exists."""
        parts = expanded_text(self.file_dir), self.file_name
        if any(map(is_address, (self.base_dir, *parts))):
            return join_address(str(place_of(self.base_dir)), *parts), True
        # Paths of pathlib take three times as long.
        below_base = os.path.join(expanded_text(self.base_dir), self._below_working())
        if os.path.exists(below_base):
            return below_base, True
        below_working = self._below_working()
        is_there = os.path.exists(below_working)
        return below_working if is_there else below_base, is_there

    def _below_working(self) -> str:
        return os.path.join(expanded_text(self.file_dir), self.file_name)

    def get_hdu(self) -> BinTableHDU | ImageHDU | PrimaryHDU:
        """Return the HDU as an astropy object."""
        file = FILE_CACHE.open(self._found).file
        return detached(file.hdulist[file.number(self.hdu_name)])

    def header(self) -> Mapping[str, Any]:
        """Return the header of the HDU as a plain dictionary."""
        return FILE_CACHE.open(self._found).file.values(self.hdu_name)

    def load(self, *, header: Mapping[str, Any] | None = None) -> Part:
        """Load the HDU as the class of its data.

        Each call returns a new object. The arrays of response tables are shared between all who load the same HDU, with
        all that is derived from them; they are read-only.

        Parameters
        ----------
        header : mapping, optional
            The header of the EVENTS HDU, which identifies old H.E.S.S. backgrounds, whose field of view is mirrored,
            and says how long the good times should be.

        Raises
        ------
        MissingDataError
            If the file or the HDU does not exist.
        FormatError
            If its content is not what the class needs.
        """
        cached = FILE_CACHE.open(self._found)
        where = f"{cached.file.source}, HDU {self.hdu_name!r}"
        with parsing(where):
            return self._read(cached, self.hdu_class.lower(), where, header)

    def _read(self, cached: CachedFile, kind: str, where: str, header: Mapping[str, Any] | None) -> Part:
        file = cached.file
        if kind == "events":
            # The columns are shared, but each caller gets an event list of its own.
            columns = cached.get((self.hdu_name, kind), lambda: read_events(file.table(self.hdu_name)))
            return EventList.from_columns(columns, EventListMetaData.from_header(file.values(self.hdu_name)))
        if kind == "gti":
            gti = cached.get(
                (self.hdu_name, kind),
                # Warnings about the times of a file are given once.
                lambda: GTI.from_table_data(
                    file.table(self.hdu_name), header, is_reported=cached.is_first(("times", self.hdu_name))
                ),
            )
            return gti.as_read_again()  # the numbers are shared, and replaced by a table when that is requested
        if kind == "pointing":
            return FixedPointingInfo.from_fits_header(file.values(self.hdu_name), where=where)
        if kind == "observation_metadata":
            known = file.values(self.hdu_name)
            if cached.is_first(("live time", self.hdu_name)):
                warn_of_faults(live_time_faults(known), run_of(where, known))
            return ObservationMetaData.from_header(known, where=where)
        if kind == "map":
            return Map.from_hdulist(file.hdulist, hdu=self.hdu_name, format=self.format)
        if kind in IRFMap.kinds:
            return IRFMap.kinds[kind].from_hdulist(file.hdulist, hdu=self.hdu_name)
        mirrored = kind.startswith("bkg") and header is not None and _is_old_hess(header)
        key = (self.hdu_name, kind, mirrored)
        return copy_response(cached.get(key, lambda: read_response(file, self.hdu_name, kind, mirrored=mirrored)))


def _is_old_hess(header: Mapping[str, Any]) -> bool:
    return all(header.get(key) == value for key, value in _OLD_HESS.items())
