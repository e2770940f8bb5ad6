"""Open files for reading: regular files only, up to a limit of bytes.

A named pipe makes a program wait for ever, a device such as ``/dev/zero`` never ends. Every file that a user names is
opened through `open_file`, so that a path that leads to one of these is refused before anything is read.
"""

import errno
import os
import stat
from collections.abc import Callable
from io import BufferedReader, BytesIO, TextIOWrapper
from os import PathLike
from pathlib import Path
from typing import TypeVar

from lightpool.arrays.devices.memory import format_bytes
from lightpool.errors import FormatError, MissingDataError, UnreadableFileError
from lightpool.fits.paths import missing_file_hint
from lightpool.fits.remote import place_of, readable_path

__all__ = ["MAX_TEXT_BYTES", "file_status", "open_file", "read_bytes", "read_text"]

MAX_TEXT_BYTES = 2**26
"""Of settings, regions, models and lists of observations: 64 MiB."""

_PIECE = 2**20
_N_COPY = 10
T = TypeVar("T")
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
# A pipe that replaces a file between the check and the opening must not block either.
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)


def open_file(path: str | PathLike[str]) -> BufferedReader:
    """Open a regular file for reading bytes.

    Parameters
    ----------
    path : str or path-like, may hold ``~`` and environment variables, or be an address

    Returns
    -------
    stream : binary file, to be used in a ``with`` statement

    Raises
    ------
    MissingDataError
        If there is no such file.
    FormatError
        If it is a folder, a named pipe, a device or a socket.
    UnreadableFileError
        If the system does not let it be read.
    """
    return _at(path, _opened)


def file_status(path: str | PathLike[str]) -> os.stat_result:
    """Return size and times of a regular file, without opening it; arguments and errors as for `open_file`."""
    return _at(path, _status)


def _at(path: str | PathLike[str], use: Callable[[Path], T]) -> T:
    """Call a function with the path of a file, or of its copy, which another process may remove to make space."""
    for n_left in reversed(range(_N_COPY)):
        filename = readable_path(path)
        try:
            return use(filename)
        except MissingDataError:
            if n_left == 0 or not isinstance(place_of(path), str):
                raise
    raise AssertionError  # the last turn returns or raises


def _opened(filename: Path) -> BufferedReader:
    _status(filename)
    try:
        stream = open(filename, "rb", opener=_open_without_waiting)  # noqa: SIM115 (the caller closes it)
    except OSError as error:
        raise _named(error, filename) from error
    try:
        _require_regular(os.fstat(stream.fileno()).st_mode, filename)
    except FormatError:
        stream.close()
        raise
    return stream


def _status(filename: Path) -> os.stat_result:
    try:
        status = os.stat(filename)
    except OSError as error:
        raise _named(error, filename) from error
    except ValueError as error:
        raise MissingDataError(f"no file {str(filename)!r}: no file can have this name ({error})") from error
    _require_regular(status.st_mode, filename)
    return status


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | _NO_WAITING)


def _require_regular(mode: int, filename: Path) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no file")
        raise FormatError(f"{filename} is {kind}, expected a regular file; check the path")


def _named(error: OSError, filename: Path) -> MissingDataError | UnreadableFileError:
    if error.errno in _ABSENT:
        return MissingDataError(f"no file {filename}: {missing_file_hint(filename)}")
    return UnreadableFileError(f"{filename} cannot be read: {error.strerror or error}; check its permissions")


def read_bytes(path: str | PathLike[str], *, most: int = MAX_TEXT_BYTES, advice: str = "check the path") -> bytes:
    """Read the bytes of a regular file.

    Parameters
    ----------
    path : str or path-like, may hold ``~`` and environment variables, or be an address
    most : int, bytes; a larger file is refused
    advice : str, what to do about a file that is too large

    Raises
    ------
    MissingDataError, UnreadableFileError
        See `open_file`.
    FormatError
        If it is not a regular file, or has more bytes than ``most``.
    """
    return _at(path, lambda filename: _content(filename, most, advice))


def _content(filename: Path, most: int, advice: str) -> bytes:
    size = _status(filename).st_size
    content = b""
    if size <= most:
        try:
            content = filename.read_bytes() if size else _read_in_pieces(filename, most)
        except OSError as error:
            raise _named(error, filename) from error
    if max(size, len(content)) > most:
        raise FormatError(f"{filename} has more than {format_bytes(most)}, which is the limit; {advice}")
    return content


def _read_in_pieces(path: Path, most: int) -> bytes:
    """Read a file that does not know its size, as those below ``/proc``, up to a piece more than ``most``."""
    content = b""
    with open_file(path) as stream:
        while len(content) <= most and (piece := stream.read(_PIECE)):
            content += piece
    return content


def read_text(path: str | PathLike[str], *, most: int = MAX_TEXT_BYTES) -> str:
    """Read a regular file as UTF-8 text.

    Parameters
    ----------
    path : str or path-like, may hold ``~`` and environment variables, or be an address
    most : int, bytes; a larger file is refused

    Raises
    ------
    MissingDataError, UnreadableFileError
        See `open_file`.
    FormatError
        If it is not a regular file, has more bytes than ``most``, or is not text.
    """
    content = read_bytes(path, most=most)
    try:
        # Unlike bytes.decode it converts the line ends of other systems, as open() does.
        return TextIOWrapper(BytesIO(content), encoding="utf-8").read()
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not text in UTF-8 ({error}); check the path") from error
