"""Unpack gzip files, up to a limit: 20 MB of compressed zeros are 20 GB when unpacked."""

import os
import zlib
from collections.abc import Iterator

from lightpool.arrays.devices.memory import format_bytes, require_memory
from lightpool.errors import ConfigError, DamagedFileError, FormatError

__all__ = ["MAX_FILE_VARIABLE", "is_gzip", "max_file_bytes", "too_large", "unpack_gzip"]

MAX_FILE_VARIABLE = "LIGHTPOOL_MAX_FILE_GB"
"""Environment variable with the largest size, in GB, that a data file may have once it is unpacked."""

_DEFAULT_GB = 4.0
_MAGIC = b"\x1f\x8b"
_UNCOUNTED = 2**28
"""Up to 256 MiB a file is unpacked at once; of larger ones the size is counted first, which takes no memory."""

_MOST_OUT = 2**26
_PIECE = 2**15


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
    most = max_file_bytes()
    parts, size, is_counted = [], 0, False
    for part in _unpack(buffer, source):
        parts.append(part)
        size += len(part)
        if size > min(_UNCOUNTED, most) and not is_counted:
            is_counted = True
            total = _count(buffer, source, most)
            # The parts are joined at the end, which takes the memory twice.
            require_memory(2 * total, "cpu", what=f"{source}, unpacked,", advice="split the file")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _count(buffer: bytes, source: str, most: int) -> int:
    size = 0
    for part in _unpack(buffer, source):
        size += len(part)
        if size > most:
            raise too_large(source, most)
    return size


def _unpack(buffer: bytes, source: str) -> Iterator[bytes]:
    """Yield the content in parts; most files are unpacked in one."""
    view, position, n_out, n_in = memoryview(buffer), 0, 0, len(buffer)
    while view[position : position + 2] == _MAGIC:
        # 31 = 16 + 15: zlib expects the header and the check sum of a gzip member (RFC 1952).
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            piece = view[position : position + n_in]
            try:
                part = member.decompress(piece, _MOST_OUT)
            except zlib.error as error:
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
