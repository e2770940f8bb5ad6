"""A FITS file, opened once and decompressed once."""

import logging
from functools import cached_property
from io import BytesIO
from os import PathLike
from typing import Any

import numpy as np
from astropy.io import fits

from lightpool.errors import DamagedFileError, FormatError, MissingHDUError
from lightpool.fits.checksum import ones_complement_sum
from lightpool.fits.files import file_status, read_bytes
from lightpool.fits.gzip_file import is_gzip, max_file_bytes, too_large, unpack_gzip
from lightpool.fits.hdus_of_file import BytesOfHdu, HDUsOfFile
from lightpool.fits.header import CardDict
from lightpool.fits.large_file import LARGE, FileBytes, LargeFile, StreamOfLargeFile
from lightpool.fits.name_matching import match_name
from lightpool.fits.parse_errors import parsing
from lightpool.fits.remote import place_of
from lightpool.fits.scan import HduInfo, scan
from lightpool.fits.table import TableData
from lightpool.utils.secret_texts import hide_secrets

__all__ = ["FitsFile", "HduInfo", "read_fits"]

log = logging.getLogger(__name__)

_PRINTABLE = bytes(range(32, 127))
_TO_PRINTABLE = bytes(byte if byte in _PRINTABLE else ord("?") for byte in range(256))


def read_fits(path: str | PathLike[str], *, in_pieces: bool = False) -> "FitsFile":
    """Open a FITS file, plain or gzip, and keep its bytes in memory.

    Parameters
    ----------
    path : str or path-like, may hold ``~`` and environment variables, or be an address, as `fsspec` takes it
    in_pieces : bool
        Whether a large file that is not compressed may stay on disk: then what is asked for is read, once, which is
        faster for images. For files that are read and then left.

    Raises
    ------
    MissingDataError
        If there is no such file.
    UnreadableFileError
        If the system does not let it be read.
    FormatError
        If it is cut off, damaged, no FITS file or no file at all, or has more than 4 GB when it is unpacked; the
        environment variable ``LIGHTPOOL_MAX_FILE_GB`` sets another limit.
    """
    source = hide_secrets(str(place_of(path)))
    most = max_file_bytes()
    if file_status(path).st_size > most:
        raise too_large(source, most)
    with parsing(source):  # also where the memory is too small
        if in_pieces and (large := LargeFile.opened(path, source)) is not None and not is_gzip(large[:2]):
            return FitsFile(large, source)
        buffer = read_bytes(path, most=most)
        if is_gzip(buffer):
            buffer = unpack_gzip(buffer, source)
        return FitsFile(buffer, source)


class FitsFile:
    """The bytes of a FITS file, and the positions of its HDUs.

    Parameters
    ----------
    buffer : bytes or LargeFile, not compressed
    source : str, the name of the file, for error messages
    """

    def __init__(self, buffer: FileBytes, source: str = "<memory>") -> None:
        if buffer[:6] != b"SIMPLE":
            begin = "is empty" if not buffer else f"begins with {buffer[:8]!r}"
            raise FormatError(
                f"{source} is not a FITS file: it {begin}, expected b'SIMPLE'; check that it is the right file"
            )
        self.source = source
        self._buffer = buffer
        self._told: set[str] = set()  # names of HDUs for which a warning was given
        self._known: dict[str | int, HduInfo] = {}  # what was asked for, and checked, before
        self._hdus = scan(buffer, source)
        if isinstance(buffer, LargeFile) and any(
            info.layout.is_table and info.layout.data_size > LARGE for info in self._hdus
        ):
            self._buffer = buffer[:]  # the cells of a table are not in the order in which they are needed

    def __repr__(self) -> str:
        return f"FitsFile({self.source!r}, {self.names})"

    def __contains__(self, hdu: object) -> bool:
        return isinstance(hdu, str | int) and self._find(hdu) is not None

    @property
    def size(self) -> int:
        """Bytes of the file."""
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
        """Return an HDU by its name (upper and lower case are the same) or number.

        Raises
        ------
        MissingDataError
            If there is no such HDU.
        """
        if (known := self._known.get(hdu)) is not None:
            return known
        info = self._find(hdu)
        if info is None:
            is_cut = self._hdus[-1].data_end > self.size
            cut = f"The file is cut off at byte {self.size}, inside the last of these. " if is_cut else ""
            raise MissingHDUError(
                f"{self.source}: no HDU {hdu!r}; it has {', '.join(self.names)}. {cut}"
                "Name one of these, or correct the index that names this file"
            )
        if isinstance(hdu, str) and info.name not in self._told and self.names.count(info.name) > 1:
            self._told.add(info.name)
            log.warning(
                f"{self.source}: {self.names.count(info.name)} HDUs are called {info.name!r}; the first is read"
            )
        self._known[hdu] = info
        return info

    def number(self, hdu: str | int) -> int:
        """Return the number of an HDU, counted from 0; arguments and errors as for `hdu`."""
        return self._hdus.index(self.hdu(hdu))

    def values(self, hdu: str | int) -> dict[str, Any]:
        """Return the header as a plain dictionary of keyword to value; fast, without comments."""
        return dict(self.hdu(hdu).cards.values)

    def header(self, hdu: str | int) -> fits.Header:
        """Return the header as `astropy.io.fits.Header`."""
        info = self.hdu(hdu)
        with parsing(info.where):
            return fits.Header.fromstring(_for_astropy(self._buffer[info.start : info.data_start], info.cards))

    def table(self, hdu: str | int) -> TableData:
        """Return the table of an HDU.

        Raises
        ------
        MissingDataError
            If there is no such HDU.
        FormatError
            If it is not a table, is truncated, or its header is wrong about its columns.
        """
        info = self.hdu(hdu)
        if not info.layout.is_table:
            raise FormatError(f"{self.source}: HDU {info.name!r} is of type {info.kind}, expected a table (BINTABLE)")
        self._check_complete(info)
        return BytesOfHdu(self._buffer, info, self.source).table()

    def data_hash(self, hdu: str | int) -> int:
        """Return a 64-bit hash of the bytes of an HDU's data, the same for the same bytes in this process."""
        info = self.hdu(hdu)
        return hash(self._buffer[info.data_start : info.data_end])

    def checksum_fault(self, hdu: str | int) -> str:
        """Return what DATASUM and CHECKSUM of an HDU show to be changed: ``data``, ``header``, or nothing."""
        info = self.hdu(hdu)
        values, stop = info.cards.values, min(info.end, self.size)
        if "DATASUM" not in values and "CHECKSUM" not in values:
            return ""
        of_data = ones_complement_sum(self._buffer, min(info.data_start, stop), stop)
        if "DATASUM" in values and str(values["DATASUM"]).strip() != str(of_data):
            return "data"
        of_all = ones_complement_sum(self._buffer, info.start, stop)
        # A valid CHECKSUM makes the sum of all words minus zero, which ones' complement writes as all ones or as 0.
        return "header" if str(values.get("CHECKSUM", "")).strip() and of_all not in (0, 0xFFFFFFFF) else ""

    def verify_checksums(self, hdu: str | int | None = None) -> None:
        """Verify CHECKSUM and DATASUM; a warning names HDUs with data that have neither.

        Parameters
        ----------
        hdu : str or int, optional
            All HDUs by default.

        Raises
        ------
        DamagedFileError
            If one does not agree with the bytes of its HDU.
        """
        unknown = []
        for number in range(len(self._hdus)) if hdu is None else [self.number(hdu)]:
            info = self._hdus[number]
            if fault := self.checksum_fault(number):
                raise DamagedFileError(
                    f"the checksum of HDU {info.name!r} of {self.source} does not agree with its {fault}: the file was "
                    "damaged or changed after it was written; get it again, or read it without checksum=True"
                )
            if info.layout.data_size and not {"CHECKSUM", "DATASUM"} & set(info.cards.values):
                unknown.append(info.name)
        if unknown:
            log.warning(f"{self.source}: {', '.join(unknown)}: no checksum to verify")

    def _check_complete(self, info: HduInfo) -> None:
        there = max(self.size - info.data_start, 0)
        if there < info.layout.data_size:
            raise DamagedFileError(
                f"{self.source}: HDU {info.name!r} is cut off: its header promises {info.layout.data_size} bytes of "
                f"data, {there} are there; download the file again"
            )

    @staticmethod
    def _require_names(info: HduInfo) -> None:
        """Raise a FormatError if a column has no name: astropy cannot read such tables."""
        for i in range(1, info.layout.n_field + 1):
            if f"TTYPE{i}" not in info.cards.values:
                raise FormatError(
                    f"{info.where}: TTYPE{i} is missing: column {i} has no name; write one into the header"
                )

    def _stream_for_astropy(self) -> BytesIO | StreamOfLargeFile:
        if not any(info.cards.damaged or info.cards.invalid for info in self._hdus):
            if isinstance(self._buffer, LargeFile):
                return StreamOfLargeFile(self._buffer)
            return BytesIO(self._buffer)
        parts = []
        for info in self._hdus:
            parts.append(_for_astropy(self._buffer[info.start : info.data_start], info.cards))
            parts.append(self._buffer[info.data_start : info.end])
        return BytesIO(b"".join(parts))

    @cached_property
    def hdulist(self) -> fits.HDUList:
        """`astropy.io.fits.HDUList` on the same bytes, for images and maps.

        Raises
        ------
        FormatError
            If any HDU is cut off, or its header is wrong about its data.
        """
        # astropy trusts the header of a table, so it is checked before.
        for number, info in enumerate(self._hdus):
            self._check_complete(info)
            if info.layout.is_table:
                self.table(number)
                self._require_names(info)
        with parsing(self.source):
            hdulist = fits.open(self._stream_for_astropy(), memmap=False)
            if len(hdulist) != len(self._hdus):
                raise FormatError(f"{self.source}: astropy finds {len(hdulist)} HDUs in it, expected {self.names}")
            return HDUsOfFile.linked(hdulist, [BytesOfHdu(self._buffer, info, self.source) for info in self._hdus])


def _for_astropy(header: bytes, cards: CardDict) -> bytes:
    """Return a header that astropy can read: it fails on bytes and values that FITS does not allow, even if unused.

    Such a byte becomes a question mark, and such a value a text.
    """
    if not cards.damaged and not cards.invalid:
        return header
    mended = bytearray(header.translate(_TO_PRINTABLE))
    for key, start in cards.invalid.items():
        text = str(cards.values[key]).encode("ascii", "replace").translate(_TO_PRINTABLE).replace(b"'", b"")[:60]
        name = key.encode("ascii", "replace").ljust(8) if len(key) <= 8 else b"COMMENT "
        mended[start : start + 80] = (name + b"= '" + text + b"'").ljust(80)
    return bytes(mended)
