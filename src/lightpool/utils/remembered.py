"""Results that depend on their key alone, such as decisions about axes, which most runs have in common."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Remembered"]

T = TypeVar("T")


class Remembered(Generic[T]):
    """The results that were used last, each under a key that determines it.

    Axes compare equal within a tolerance, so they cannot be keys of `functools.lru_cache`; ``axis.content`` can be a
    key here. Whoever gets a result shares it, so it must not be changed. Threads may use it at the same time.

    Parameters
    ----------
    max_size : int, number of results that are kept

    Examples
    --------
    >>> from lightpool.utils.remembered import Remembered
    >>> squares = Remembered[int](max_size=2)
    >>> squares.get(3, lambda: 3 * 3)
    9
    >>> squares.get(3, lambda: 0)
    9
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._results: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result under a key, made now if there is none.

        Parameters
        ----------
        key : hashable, everything that ``make`` depends on
        make : function without arguments
        """
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        made = make()  # without the lock: another thread may make it too, and `make` may use this object
        with self._lock:
            found = self._results.setdefault(key, made)
            while len(self._results) > self._max_size:
                self._results.popitem(last=False)
        return found

    def __len__(self) -> int:
        return len(self._results)
