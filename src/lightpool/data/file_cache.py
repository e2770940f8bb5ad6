"""The files of the last observations, opened and decompressed once."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from lightpool.errors import MissingDataError
from lightpool.fits import FitsFile, make_path, missing_file_hint, read_fits

__all__ = ["FILE_CACHE", "CachedFile", "FileCache"]


@dataclass
class CachedFile:
    """An open file and what was already made from its HDUs.

    Attributes
    ----------
    file : `lightpool.fits.FitsFile`
    stamp : tuple, size and time of change of the file on disk
    """

    file: FitsFile
    stamp: tuple[int, int]
    _made: dict[Any, Any] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what was made under a key, making it first if need be."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]


class FileCache:
    """Keeps the files used last, up to a number of bytes, so that the memory of a long batch stays flat.

    Parameters
    ----------
    max_bytes : int, of the files' decompressed content; the file used last is kept however large it is
    """

    def __init__(self, max_bytes: int = 128 * 2**20) -> None:
        self.max_bytes = max_bytes
        self._files: OrderedDict[str, CachedFile] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, path: str | PathLike[str]) -> CachedFile:
        """Return the file, read again only if it has changed on disk.

        Raises
        ------
        MissingDataError
            If there is no such file.
        """
        filename = make_path(path)
        try:
            status = filename.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingDataError(f"no file {filename}: {missing_file_hint(filename)}") from error
        name, stamp = str(filename), (status.st_size, status.st_mtime_ns)
        with self._lock:
            found = self._files.get(name)
            if found is not None and found.stamp == stamp:
                self._files.move_to_end(name)
                return found
        entry = CachedFile(read_fits(filename), stamp)
        with self._lock:
            self._files[name] = entry
            self._files.move_to_end(name)
            self._shrink()
        return entry

    def _shrink(self) -> None:
        total = sum(entry.file.size for entry in self._files.values())
        while total > self.max_bytes and len(self._files) > 1:
            _, oldest = self._files.popitem(last=False)
            total -= oldest.file.size

    def clear(self) -> None:
        """Let go of all files."""
        with self._lock:
            self._files.clear()

    def __len__(self) -> int:
        return len(self._files)


FILE_CACHE = FileCache()
"""The cache that observations read through."""
