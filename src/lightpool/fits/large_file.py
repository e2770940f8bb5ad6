"""Large files, of which only what is asked for is read.

To read a file into memory as a whole, and then copy the values of its maps, takes three times as long as reading the
values to where they stay, because the memory must be provided twice.
"""

import os
import weakref
from io import RawIOBase
from os import PathLike
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lightpool.errors import DamagedFileError
from lightpool.fits.files import open_file

__all__ = ["LARGE", "FileBytes", "LargeFile", "StreamOfLargeFile"]

LARGE = 2**25
"""32 MiB: reading a smaller file as a whole takes less time."""

_PIECE = 2**20
"""Bytes that are read and brought into the order of the machine at a time; they stay in the cache of the processor."""


class LargeFile:
    """The bytes of a file on disk: slices and `find` are those of `bytes`.

    Parameters
    ----------
    descriptor : int, of the open file
    source : str, the name of the file, for messages
    """

    def __init__(self, descriptor: int, source: str) -> None:
        self._descriptor, self._source = descriptor, source
        self._state = self._state_now()

    @classmethod
    def opened(cls, path: str | PathLike[str], source: str) -> Self | None:
        """Open a file; None if it is small, or if the system cannot read from any position.

        Parameters
        ----------
        path : str or path-like
        source : str, the name of the file, for messages
        """
        if not (hasattr(os, "pread") and hasattr(os, "preadv")):
            return None
        stream = open_file(path)
        file = cls(stream.fileno(), source)
        weakref.finalize(file, stream.close)
        return file if len(file) >= LARGE else None

    def _state_now(self) -> tuple[int, int]:
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns

    def __len__(self) -> int:
        return self._state[0]

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        n_byte = max(stop - start, 0)
        content = os.pread(self._descriptor, n_byte, start)
        while len(content) < n_byte and (
            more := os.pread(self._descriptor, n_byte - len(content), start + len(content))
        ):
            content += more
        self._require_unchanged(is_short=len(content) < n_byte)
        return content

    def __reduce__(self) -> tuple[Any, ...]:
        return bytes, (self[:],)

    def find(self, text: bytes, start: int, stop: int) -> int:
        """Return where a text begins; -1 if it is not found.

        Parameters
        ----------
        text : bytes
        start, stop : int, positions between which it lies
        """
        place = self[start:stop].find(text)
        return place if place < 0 else start + place

    def fill(self, target: memoryview, start: int) -> None:
        """Read the bytes from a position on, as many as the target has.

        Parameters
        ----------
        target : memoryview, to write to
        start : int, position in the file

        Raises
        ------
        DamagedFileError
            If the file was changed since it was opened.
        """
        done = 0
        while done < len(target):
            n_byte = os.preadv(self._descriptor, [target[done:]], start + done)
            if n_byte == 0:
                break
            done += n_byte
        self._require_unchanged(is_short=done < len(target))

    def _require_unchanged(self, *, is_short: bool) -> None:
        if is_short or self._state_now() != self._state:
            raise DamagedFileError(f"{self._source}: the file was changed while it was read; read it again")

    def numbers(self, dtype: DTypeLike, n_value: int, start: int) -> NDArray[Any]:
        """Read numbers in the byte order of the machine.

        Parameters
        ----------
        dtype : of the numbers in the file
        n_value : int
        start : int, byte of the first one
        """
        in_file = np.dtype(dtype)
        values = np.empty(n_value, in_file.newbyteorder("="))
        content = values.view(np.uint8).data
        step = _PIECE // in_file.itemsize
        for first in range(0, n_value, step):
            piece = values[first : first + step]
            begin = first * in_file.itemsize
            self.fill(content[begin : begin + piece.nbytes], start + begin)
            if not in_file.isnative:
                piece.byteswap(inplace=True)
        return values


FileBytes: TypeAlias = bytes | LargeFile
"""The content of a file, not compressed."""


class StreamOfLargeFile(RawIOBase):
    """A large file as a stream, for astropy; closing it leaves the file open.

    Parameters
    ----------
    file : LargeFile
    """

    def __init__(self, file: LargeFile) -> None:
        self._file, self._position = file, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position, in bytes, and return it."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._file)}[whence]
        self._position = origin + offset
        return self._position

    def readinto(self, target: Any, /) -> int:
        """Fill a buffer as far as there are bytes, and return how many."""
        view = memoryview(target).cast("B")
        n_byte = max(0, min(len(view), len(self._file) - self._position))
        self._file.fill(view[:n_byte], self._position)
        self._position += n_byte
        return n_byte
