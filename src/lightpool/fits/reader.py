"""A FITS file, opened once and decompressed once."""

import logging
import math
import zlib
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from os import PathLike
from typing import Any

import numpy as np
from astropy.io import fits

from lightpool.errors import DamagedFileError, FormatError, MissingDataError
from lightpool.fits.checksum import ones_complement_sum
from lightpool.fits.files import read_bytes
from lightpool.fits.header import BLOCK, CardDict, read_cards
from lightpool.fits.names import match_name
from lightpool.fits.paths import make_path
from lightpool.fits.table import TableData, read_columns

__all__ = ["FitsFile", "HduInfo", "decompress_gzip", "read_fits"]

log = logging.getLogger(__name__)

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class HduInfo:
    """Where an HDU lies in the file and what its header says."""

    name: str
    version: int
    kind: str
    cards: CardDict
    start: int
    data_start: int
    data_size: int


def read_fits(path: str | PathLike[str]) -> "FitsFile":
    """Open a FITS file, plain or gzip, and keep its bytes in memory.

    Parameters
    ----------
    path : str or path-like, may hold ``~`` and environment variables

    Raises
    ------
    MissingDataError
        If there is no such file.
    FormatError
        If it is cut off, damaged or no FITS file.
    """
    filename = make_path(path)
    buffer = read_bytes(filename, most=2**32, advice="reading it needs that much memory")
    if buffer[:2] == _GZIP:
        buffer = decompress_gzip(buffer, str(filename))
    return FitsFile(buffer, str(filename))


def decompress_gzip(buffer: bytes, source: str) -> bytes:
    """Content of a gzip file, of all its members; FormatError if it is cut off or damaged."""
    parts = []
    rest = buffer
    while rest[:2] == _GZIP:
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(rest))
        except zlib.error as error:
            raise DamagedFileError(f"{source}: the gzip data are damaged ({error}); fetch the file again") from error
        if not member.eof:
            raise DamagedFileError(
                f"{source}: the gzip data are cut off: {len(buffer)} bytes read gave {sum(map(len, parts))} bytes, "
                "and the end mark is missing; fetch the file again"
            )
        rest = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


class FitsFile:
    """The bytes of a FITS file, and what lies where in them.

    Parameters
    ----------
    buffer : bytes, not compressed
    source : str, the name of the file, for error messages
    """

    def __init__(self, buffer: bytes, source: str = "<memory>") -> None:
        if buffer[:6] != b"SIMPLE":
            begin = "is empty" if not buffer else f"begins with {buffer[:8]!r}"
            raise FormatError(
                f"{source} is no FITS file: it {begin}, expected b'SIMPLE'; check that it is the right file"
            )
        self.source = source
        self._buffer = buffer
        self._told: set[str] = set()  # names of HDUs for which a warning was given
        self._hdus = _scan(buffer, source)

    def __repr__(self) -> str:
        return f"FitsFile({self.source!r}, {self.names})"

    def __contains__(self, hdu: object) -> bool:
        return isinstance(hdu, str | int) and self._find(hdu) is not None

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self._buffer)

    @property
    def names(self) -> list[str]:
        """Names of the HDUs in order, as written; the first is ``PRIMARY`` if it has none."""
        return [hdu.name for hdu in self._hdus]

    def _find(self, hdu: str | int) -> HduInfo | None:
        if isinstance(hdu, int | np.integer):
            return self._hdus[hdu] if -len(self._hdus) <= hdu < len(self._hdus) else None
        name = match_name(hdu.strip(), self.names, self.source)
        return next((info for info in self._hdus if info.name == name), None)

    def hdu(self, hdu: str | int) -> HduInfo:
        """HDU by name (upper and lower case are the same) or number.

        Raises
        ------
        MissingDataError
            If there is no such HDU.
        """
        info = self._find(hdu)
        if info is None:
            end = self._hdus[-1].data_start + self._hdus[-1].data_size
            cut = f"The file is cut off at byte {self.size}, inside the last of these. " if end > self.size else ""
            raise MissingDataError(
                f"{self.source}: no HDU {hdu!r}; it has {', '.join(self.names)}. {cut}"
                "Name one of these, or mend the index that names this file"
            )
        if isinstance(hdu, str) and info.name not in self._told and self.names.count(info.name) > 1:
            self._told.add(info.name)
            log.warning(
                f"{self.source}: {self.names.count(info.name)} HDUs are called {info.name!r}; the first is read"
            )
        return info

    def values(self, hdu: str | int) -> dict[str, Any]:
        """Header as a plain dictionary of keyword to value; fast, without comments."""
        return self.hdu(hdu).cards.values

    def header(self, hdu: str | int) -> fits.Header:
        """Header as `astropy.io.fits.Header`."""
        info = self.hdu(hdu)
        return fits.Header.fromstring(self._buffer[info.start : info.data_start])

    def table(self, hdu: str | int) -> TableData:
        """Table of an HDU.

        Raises
        ------
        MissingDataError
            If there is no such HDU.
        FormatError
            If it is no table, or is cut off.
        """
        info = self.hdu(hdu)
        if info.kind not in ("BINTABLE", "TABLE"):
            raise FormatError(f"{self.source}: HDU {info.name!r} is of type {info.kind}, expected a table (BINTABLE)")
        self._check_complete(info)
        header = info.cards.values
        where = f"{self.source}, HDU {info.name!r}"
        read = read_columns(self._buffer, info.data_start, header, where) if info.kind == "BINTABLE" else None
        columns, masks = read if read is not None else self._astropy_columns(info)
        units = dict.fromkeys(columns, "")
        for i in range(1, int(header["TFIELDS"]) + 1):
            name = str(header.get(f"TTYPE{i}", f"col{i}")).strip()
            if name in units:
                units[name] = str(header.get(f"TUNIT{i}", "")).strip()
        return TableData(columns, units, header, masks, info.name, self.source, int(header["NAXIS2"]), info.cards)

    def data_hash(self, hdu: str | int) -> int:
        """Hash of the bytes of an HDU's data, 64 bits, the same for the same bytes in this process."""
        info = self.hdu(hdu)
        return hash(self._buffer[info.data_start : info.data_start + info.data_size])

    def checksum_fault(self, hdu: str | int) -> str:
        """What the keywords DATASUM and CHECKSUM of an HDU show to be changed: ``data``, ``header``, or nothing."""
        info = self.hdu(hdu)
        values, stop = info.cards.values, info.data_start + -(-info.data_size // BLOCK) * BLOCK
        if "DATASUM" not in values and "CHECKSUM" not in values:
            return ""
        of_data = ones_complement_sum(self._buffer, info.data_start, min(stop, self.size))
        if "DATASUM" in values and str(values["DATASUM"]).strip() != str(of_data):
            return "data"
        of_all = ones_complement_sum(self._buffer, info.start, min(stop, self.size))
        return "header" if str(values.get("CHECKSUM", "")).strip() and of_all not in (0, 0xFFFFFFFF) else ""

    def _check_complete(self, info: HduInfo) -> None:
        there = max(self.size - info.data_start, 0)
        if there < info.data_size:
            raise DamagedFileError(
                f"{self.source}: HDU {info.name!r} is cut off: its header promises {info.data_size} bytes of data, "
                f"{there} are there; fetch the file again"
            )

    def _astropy_columns(self, info: HduInfo) -> tuple[dict[str, Any], dict[str, Any]]:
        """Columns of variable length, and ASCII tables: rare, so astropy reads them."""
        data = self.hdulist[self._hdus.index(info)].data
        columns = {}
        for name in data.names:
            values = data[name]
            if values.dtype.kind in "SU":
                columns[name] = np.asarray(np.strings.rstrip(np.asarray(values).astype(str), " "))
            elif values.dtype.kind == "O":
                columns[name] = np.empty(len(values), dtype=object)
                columns[name][:] = [np.array(cell, dtype=np.asarray(cell).dtype.newbyteorder("=")) for cell in values]
            else:
                columns[name] = np.array(values, dtype=values.dtype.newbyteorder("="))
        return columns, {}

    @cached_property
    def hdulist(self) -> fits.HDUList:
        """`astropy.io.fits.HDUList` on the same bytes, for images and maps."""
        return fits.open(BytesIO(self._buffer), memmap=False)


def _scan(buffer: bytes, source: str) -> list[HduInfo]:
    hdus: list[HduInfo] = []
    start = 0
    while start < len(buffer) and (start == 0 or buffer[start : start + 8] == b"XTENSION"):
        cards = read_cards(buffer, start, source)
        info = _hdu_info(cards, start, source)
        hdus.append(info)
        start = info.data_start + -(-info.data_size // BLOCK) * BLOCK
    return hdus


def _hdu_info(cards: CardDict, start: int, source: str) -> HduInfo:
    values = cards.values
    try:
        shape = [int(values[f"NAXIS{i}"]) for i in range(1, int(values["NAXIS"]) + 1)]
        n_value = math.prod(shape) if shape else 0
        size = abs(int(values["BITPIX"])) // 8 * int(values.get("GCOUNT", 1)) * (int(values.get("PCOUNT", 0)) + n_value)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"{source}: the header at byte {start} lacks NAXIS, BITPIX or their like ({error})"
        ) from error
    return HduInfo(
        name=str(values.get("EXTNAME", "PRIMARY" if start == 0 else "")).strip(),
        version=int(values.get("EXTVER", 1)) if isinstance(values.get("EXTVER", 1), int) else 1,
        kind=str(values.get("XTENSION", "PRIMARY")).strip(),
        cards=cards,
        start=start,
        data_start=start + cards.size,
        data_size=size,
    )
