"""Unpack gzip files, up to a limit: 20 MB of compressed zeros are 20 GB when unpacked."""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import IO

from lightpool.arrays.devices.memory import format_bytes, require_memory
from lightpool.errors import ConfigError, DamagedFileError, FormatError

try:
    from isal import igzip, isal_zlib
except ImportError:  # there are processors without it; zlib gives the same content, later
    igzip = isal_zlib = None  # type: ignore[assignment]

__all__ = ["MAX_FILE_VARIABLE", "gzip_stream", "is_gzip", "max_file_bytes", "too_large", "unpack_gzip"]

MAX_FILE_VARIABLE = "LIGHTPOOL_MAX_FILE_GB"
"""Environment variable with the largest size, in GB, that a data file may have once it is unpacked."""

_DEFAULT_GB = 4.0
_MAGIC = b"\x1f\x8b"
_UNKNOWN_FLAGS = 0xE0  # in the fourth byte of a member; RFC 1952 wants a member that has them refused, which zlib does
_UNCOUNTED = 2**28
"""Up to 256 MiB a file is unpacked at once; of larger ones the size is counted first, which takes no memory."""

_MOST_OUT = 2**26
_PIECE = 2**15
_ISAL_LEVEL, _ZLIB_LEVEL = 1, 6
"""Levels of compression: datasets of 44 MB are 1 % larger than with zlib, and written in a fourteenth of the time."""


def max_file_bytes() -> int:
    """Return the largest allowed size of an unpacked data file: 4 GB, or the value of the environment variable.

    Raises
    ------
    ConfigError
        If the value is not a number.
    """
    text = os.environ.get(MAX_FILE_VARIABLE, "").strip()
    try:
        size = float(text) if text else _DEFAULT_GB
        return int(size * 1e9)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{MAX_FILE_VARIABLE} = {text!r}, expected a number of GB such as 8") from error


def too_large(source: str, most: int) -> FormatError:
    """Return the error about a file that is too large once it is unpacked.

    Parameters
    ----------
    source : str, the name of the file
    most : int, the limit in bytes
    """
    return FormatError(
        f"{source} has more than {format_bytes(most)} when it is unpacked, which is the limit; check that it is the "
        f"right file, or set {MAX_FILE_VARIABLE} to a larger number of GB"
    )


def is_gzip(buffer: bytes) -> bool:
    """Return whether the bytes are those of a gzip file."""
    return buffer[:2] == _MAGIC


def unpack_gzip(buffer: bytes, source: str) -> bytes:
    """Return the content of a gzip file, of all its members.

    Parameters
    ----------
    buffer : bytes
    source : str, the name of the file, for error messages

    Raises
    ------
    DamagedFileError
        If it is truncated or damaged.
    FormatError
        If it unpacks to more than `max_file_bytes`.
    OutOfMemoryError
        If it unpacks to more than is free.
    """
    if isal_zlib is not None:
        # What is damaged is left to zlib, so that errors do not depend on what is installed.
        with suppress(DamagedFileError):
            return _unpacked(buffer, source, isal_zlib)
    return _unpacked(buffer, source, zlib)


def gzip_stream(stream: IO[bytes]) -> gzip.GzipFile:
    """Return a file that compresses what is written to it into another one; the bytes depend on the content alone.

    Parameters
    ----------
    stream : binary file, open for writing
    """
    # Without name and time in its header.
    if igzip is not None:
        packed: gzip.GzipFile = igzip.IGzipFile("", "wb", _ISAL_LEVEL, stream, 0)  # type: ignore[no-untyped-call]
        return packed
    return gzip.GzipFile("", "wb", _ZLIB_LEVEL, stream, 0)


def _unpacked(buffer: bytes, source: str, codec: ModuleType) -> bytes:
    most = max_file_bytes()
    parts, size, is_counted = [], 0, False
    for part in _unpack(buffer, source, codec):
        parts.append(part)
        size += len(part)
        if size > min(_UNCOUNTED, most) and not is_counted:
            is_counted = True
            total = _count(buffer, source, most, codec)
            # The parts are joined at the end, which takes the memory twice.
            require_memory(2 * total, "cpu", what=f"{source}, unpacked,", advice="split the file")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _count(buffer: bytes, source: str, most: int, codec: ModuleType) -> int:
    size = 0
    for part in _unpack(buffer, source, codec):
        size += len(part)
        if size > most:
            raise too_large(source, most)
    return size


def _unpack(buffer: bytes, source: str, codec: ModuleType) -> Iterator[bytes]:
    """Yield the content in parts; most files are unpacked in one. ``codec`` is zlib, or a module with its functions."""
    view, position, n_out, n_in = memoryview(buffer), 0, 0, len(buffer)
    while view[position : position + 2] == _MAGIC:
        if codec is not zlib and any(flags & _UNKNOWN_FLAGS for flags in view[position + 3 : position + 4]):
            raise DamagedFileError(f"{source}: the gzip data have flags that are not known")
        # 31 = 16 + 15: the header and the check sum of a gzip member are expected (RFC 1952).
        member = codec.decompressobj(wbits=31)
        while not member.eof:
            piece = view[position : position + n_in]
            try:
                part = member.decompress(piece, _MOST_OUT)
            except codec.error as error:
                raise DamagedFileError(
                    f"{source}: the gzip data are damaged ({error}); download the file again"
                ) from error
            # What is left over is copied in each step, so that of large files the steps after the first are small.
            left = member.unused_data if member.eof else member.unconsumed_tail
            position, n_in = position + len(piece) - len(left), _PIECE
            n_out += len(part)
            if part:
                yield part
            elif not piece and not member.eof:
                raise DamagedFileError(
                    f"{source}: the gzip data are cut off: {len(buffer)} bytes read gave {n_out} bytes, and the end "
                    "mark is missing; download the file again"
                )
    # Zeros after the last member are padding, which gzip ignores too.
    if bytes(view[position:]).strip(b"\0"):
        raise DamagedFileError(
            f"{source}: after {position} bytes of gzip data there are {len(buffer) - position} bytes of something "
            "else; download the file again"
        )
    if n_out == 0:
        yield b""
