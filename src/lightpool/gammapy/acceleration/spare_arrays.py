"""Arrays that are used again: to get new memory takes several times as long as to fill it."""

import threading

from lightpool.arrays import device_of
from lightpool.arrays.devices.array_types import Array

__all__ = ["SpareArrays"]


class SpareArrays:
    """Copies of arrays in memory that earlier copies have had.

    Parameters
    ----------
    max_bytes : int
        Most memory that is kept while nobody needs it.
    """

    def __init__(self, max_bytes: int = 2**28) -> None:
        self._max_bytes = max_bytes
        self._spare: dict[object, list[Array]] = {}
        self._n_bytes = 0
        self._lock = threading.Lock()

    def copy(self, values: Array) -> Array:
        """Return a copy of an array."""
        with self._lock:
            spare = self._spare.get(_key(values))
            copy = spare.pop() if spare else None
            if copy is not None:
                self._n_bytes -= _n_bytes(copy)
        if copy is None:
            return device_of(values).xp.asarray(values, copy=True)
        copy[...] = values
        return copy

    def give_back(self, copy: Array) -> None:
        """Keep the memory of a copy that nobody uses any more."""
        with self._lock:
            if self._n_bytes + _n_bytes(copy) <= self._max_bytes:
                self._spare.setdefault(_key(copy), []).append(copy)
                self._n_bytes += _n_bytes(copy)


def _key(values: Array) -> object:
    return tuple(values.shape), str(values.dtype), device_of(values)


def _n_bytes(values: Array) -> int:
    # Of all arrays that are copied here, those of bool alone have less.
    n_bytes = 8
    for length in values.shape:
        n_bytes *= length
    return n_bytes
