"""Values that grow by additions."""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar, cast

from lightpool.utils.on_demand import Deferred, load

__all__ = ["Accumulator", "MergedValue", "Parts", "Sums"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
SumsT = TypeVar("SumsT", bound="Sums[object]")


class Sums(Protocol[T_co]):
    """What an `Accumulator` holds while its value grows: plain sums, or parts that are still to be merged.

    A class of sums has a method to add to them too. Its arguments depend on what is added, so it is no part of this
    protocol: `lightpool.datasets.on_off_sums.OnOffSums` adds maps inside a mask, `Parts` adds values.
    """

    def finish(self) -> T_co:
        """Return the value that these sums stand for; called once, under the lock of the accumulator."""
        ...


class Accumulator(Generic[T, SumsT]):
    """A value that is kept as sums while it grows, and is computed from them when it is read.

    A stack of many observations holds values that are not sums themselves: the mean point spread function, the
    acceptance of the OFF region, the union of the good time intervals. Each of them follows from sums that can be
    extended in any order (see "The response algebra" in ``docs/explanation/architecture.md``), but computing it after
    each observation would be slow and would round once per observation. So an accumulator is in one of two states:

    - **finished**: it holds the value. `sums` is None.
    - **growing**: it holds the sums (a `Sums` object), to which anyone adds. `value` computes the value, stores it in
      place of the sums, and returns it. The accumulator is finished then.

    The owner of the accumulator decides how a finished value becomes sums again, and calls `grow` with them when
    something is to be added. What it costs to read a value in the middle of a stack is one such conversion, which is
    why methods that need no values (``copy``, ``to``, ``cutout``, saving a partial stack) use the sums.

    The three accumulators of a dataset are the responses (`lightpool.irf.reduced.response_sums.ResponseSums`), the maps
    of the OFF region (`lightpool.datasets.on_off_sums.OnOffSums`), and the good time intervals and the table of
    observations (`Parts`). `lightpool.datasets.sums.sums_of` collects the arrays of the first two, which is what a
    batch saves and merges.

    Threads may read the value at the same time: one of them computes it, the others wait, and all get the same object.
    Adding while others read is up to the caller to prevent, as for any container.

    Parameters
    ----------
    value : the finished value

    Examples
    --------
    The mean of numbers, as a sum and a count:

    >>> from lightpool.utils.accumulators import Accumulator
    >>> class SumAndCount:
    ...     def __init__(self, total, n):
    ...         self.total, self.n = total, n
    ...
    ...     def add(self, number):
    ...         self.total, self.n = self.total + number, self.n + 1
    ...
    ...     def finish(self):
    ...         print("divide")
    ...         return self.total / self.n
    >>> mean = Accumulator(4.0)
    >>> mean.grow(SumAndCount(4.0, 1))
    >>> mean.sums.add(5.0)
    >>> mean.sums.add(9.0)
    >>> mean.value
    divide
    6.0
    >>> mean.value, mean.sums
    (6.0, None)
    """

    def __init__(self, value: T) -> None:
        self._value: T = value
        self._sums: SumsT | None = None
        self._lock = threading.RLock()

    @classmethod
    def of_sums(cls, sums: SumsT) -> Self:
        """Make an accumulator that is growing."""
        new = cls(cast("T", None))  # replaced when the sums are finished, and not readable before
        new._sums = sums
        return new

    @property
    def sums(self) -> SumsT | None:
        """The sums while the value grows, else None. Read it once: another thread may finish the value meanwhile."""
        return self._sums

    @property
    def value(self) -> T:
        """The value, computed now if it was growing."""
        if self._sums is not None:
            with self._lock:
                sums = self._sums  # again, under the lock: another thread may have finished it
                if sums is not None:
                    self._value = cast("T", sums.finish())
                    self._sums = None  # last: a thread that sees None reads the value without the lock
        return self._value

    @value.setter
    def value(self, value: T) -> None:
        with self._lock:
            self._value, self._sums = value, None

    def grow(self, sums: SumsT) -> None:
        """Replace the value with the sums from which it will grow."""
        with self._lock:
            self._value, self._sums = cast("T", None), sums

    def __getstate__(self) -> dict[str, object]:
        with self._lock:
            return {"_value": self._value, "_sums": self._sums}

    # A lock cannot be pickled: each copy has its own.
    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())


class Parts(Generic[T]):
    """Sums whose addition is postponed: the values themselves, which are merged all at once.

    Parameters
    ----------
    values : list of values, each of which may be `Deferred`
    merge : function from two or more values, which may be `Deferred` too, to one
    """

    def __init__(self, values: list[T | Deferred[T]], merge: Callable[[list[T | Deferred[T]]], T]) -> None:
        self.values = values
        self._merge = merge

    def add(self, other: "Parts[T]") -> None:
        """Remember the values of another object of this kind."""
        self.values += other.values

    def copy(self) -> "Parts[T]":
        """Return a copy that can be added to independently."""
        return Parts(list(self.values), self._merge)

    def finish(self) -> T:
        """Merge the values."""
        return load(self.values[0]) if len(self.values) == 1 else self._merge(self.values)


class MergedValue(Accumulator[T | None, Parts[T | None]]):
    """An accumulator of values that are merged when the result is read, such as good time intervals.

    Parameters
    ----------
    value : the value so far, None if there is none; a `Deferred` is created when the value is read
    merge : function from two or more values, which may be `Deferred` too, to one
    """

    def __init__(self, value: T | Deferred[T | None] | None, merge: Callable[[list[T | Deferred[T]]], T]) -> None:
        super().__init__(None)
        self._merge = merge
        self._sums = self._parts_of(value)

    @classmethod
    def of(
        cls, value: "T | Deferred[T | None] | MergedValue[T] | None", merge: Callable[[list[T | Deferred[T]]], T]
    ) -> Self:
        """Make an accumulator of a value, or return the value itself if it is one.

        Parameters
        ----------
        value : as for the class, or an accumulator
        merge : function from two or more values, which may be `Deferred` too, to one
        """
        return value if isinstance(value, cls) else cls(cast("T | None", value), merge)

    def _parts_of(self, value: T | Deferred[T | None] | None) -> Parts[T | None]:
        return Parts([value], cast("Callable[[list[T | Deferred[T | None] | None]], T | None]", self._merge))

    def _parts(self) -> Parts[T | None]:
        with self._lock:
            return self._parts_of(self._value) if self._sums is None else self._sums

    @property
    def is_empty(self) -> bool:
        """Whether there is no value; nothing is created or merged to find out."""
        return self._parts().values[0] is None

    @property
    def unread(self) -> T | Deferred[T | None] | None:
        """The value as it was given, `Deferred` if nobody has read it; None if there are several, or none."""
        values = self._parts().values
        return values[0] if len(values) == 1 else None

    @property
    def known(self) -> T | None:
        """The value, if neither reading nor merging is needed for it; else None."""
        value = self.unread
        return None if isinstance(value, Deferred) else value

    @property
    def n_parts(self) -> int:
        """Number of values that are merged when the value is read: 1 if it was read, or is the only one."""
        return len(self._parts().values)

    def fork(self) -> Self:
        """Return a copy that grows independently; nothing is merged for it."""
        new = type(self)(None, self._merge)
        new._sums = self._parts().copy()
        return new

    def add(self, other: "MergedValue[T]") -> None:
        """Add the value of another accumulator, or all that it holds."""
        sums = self._parts()
        sums.add(other._parts())
        self.grow(sums)

    def __getstate__(self) -> dict[str, object]:
        return {"_value": self.value, "_sums": None, "_merge": self._merge}  # what is deferred may not be picklable
