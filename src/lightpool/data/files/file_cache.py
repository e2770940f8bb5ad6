"""The files of the last observations, opened and decompressed once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, TypeVar, cast

import numpy as np

from lightpool.fits import FitsFile, file_status, read_fits, readable_path

__all__ = ["FILE_CACHE", "CachedFile", "FileCache"]

T = TypeVar("T")


@dataclass
class CachedFile:
    """An open file and the objects that were created from its HDUs.

    Attributes
    ----------
    file : `lightpool.fits.FitsFile`
    stamp : tuple, size, times of change and number of the file on disk
    """

    file: FitsFile
    stamp: tuple[int, ...]
    _made: dict[Hashable, Any] = field(default_factory=dict)
    # Reentrant, because creating one object may ask for another one of the same file.
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the object that is kept under a key, and create it if there is none.

        Other threads wait meanwhile, so that tables of 100 MB are not created twice.

        Parameters
        ----------
        key : hashable
        make : function without arguments that creates the object
        """
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            found: T = self._made[key]
            return found

    def is_first(self, key: Hashable) -> bool:
        """Return True for the first call with a key, so that a warning is given once."""
        with self._lock:
            known = ("asked", key) in self._made
            self._made[("asked", key)] = None
            return not known

    @property
    def n_bytes(self) -> int:
        """Bytes of the file, of the arrays created from it, and of what was derived from them on the host."""
        return self.file.size + _n_array_bytes(self._made)


def _n_array_bytes(thing: object) -> int:
    """Count the bytes of all arrays that an object refers to, each once; views of other memory are left out."""
    # A list of what is still to be looked at: a function that calls itself for each object takes several times as long.
    n_bytes, seen, waiting = 0, set[int](), [thing]
    while waiting:
        thing = waiting.pop()
        kind = type(thing)
        parts = _PARTS_OF[kind] if kind in _PARTS_OF else _PARTS_OF.setdefault(kind, _parts_of(kind))
        if parts is None or id(thing) in seen:
            continue
        seen.add(id(thing))
        if parts is _base_of and cast(_Array, thing).base is None:
            n_bytes += cast(_Array, thing).nbytes
        else:
            waiting += parts(thing)
    return n_bytes


_Array = np.ndarray[Any, Any]
_PARTS_OF: dict[type, "Callable[[Any], Iterable[object]] | None"] = {}
"""By class: a function that returns what an object refers to, or None if that cannot be an array."""


def _parts_of(kind: type) -> "Callable[[Any], Iterable[object]] | None":
    if issubclass(kind, np.ndarray):
        return _base_of
    if issubclass(kind, dict):
        return _values_of
    if issubclass(kind, (list, tuple)):
        return tuple
    return _attributes_of if kind.__module__.startswith("lightpool.") else None


def _base_of(array: _Array) -> Iterable[object]:
    return (array.base,)


def _values_of(items: dict[Any, object]) -> Iterable[object]:
    return list(items.values())  # a list at once: another thread may add to it meanwhile


def _attributes_of(thing: object) -> Iterable[object]:
    return list(getattr(thing, "__dict__", {}).values())


class FileCache:
    """Keeps the files used last, up to a number of bytes, so that the memory of a long batch stays flat.

    Parameters
    ----------
    max_bytes : int, of the files' decompressed content and the arrays created from it
        The file used last is kept whatever its size.
    """

    def __init__(self, max_bytes: int = 256 * 2**20) -> None:
        self.max_bytes = max_bytes
        self._files: OrderedDict[str, CachedFile] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def open(self, path: str | PathLike[str]) -> CachedFile:
        """Return the file, read again only if it has changed on disk.

        Raises
        ------
        MissingDataError
            If the file does not exist.
        """
        status = file_status(path)  # before the path of a copy, which is made again if it was removed
        name = str(readable_path(path))
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        with self._lock:
            found = self._files.get(name)
            if found is not None and found.stamp == stamp:
                self._files.move_to_end(name)
                return found
        # Read without the lock, so that other threads can use the cache meanwhile.
        entry = CachedFile(read_fits(path), stamp)  # by its address, which messages name
        with self._lock:
            self._weigh_last()
            self._files[name], self._sizes[name] = entry, entry.file.size
            self._files.move_to_end(name)
            self._shrink()
        return entry

    def _weigh_last(self) -> None:
        """Measure the file used last, now that another one follows: most of what is created from it exists by now."""
        if self._files:
            name, entry = next(reversed(self._files.items()))
            self._sizes[name] = entry.n_bytes

    def _shrink(self) -> None:
        total = sum(self._sizes.values())
        while total > self.max_bytes and len(self._files) > 1:
            oldest, _ = self._files.popitem(last=False)
            total -= self._sizes.pop(oldest)

    def forget(self, path: str | PathLike[str]) -> None:
        """Remove one file from the cache, so that the next one to open it reads it again."""
        name = str(readable_path(path))
        with self._lock:
            self._files.pop(name, None)
            self._sizes.pop(name, None)

    def clear(self) -> None:
        """Remove all files from the cache."""
        with self._lock:
            self._files.clear()
            self._sizes.clear()

    def __len__(self) -> int:
        return len(self._files)


FILE_CACHE = FileCache()
"""The cache that observations read through."""
