"""Numbers that stay on their device until somebody asks for them.

Reading a number makes the host wait for the device, so a job that reads one in each step never runs ahead of it. Here a
number is handed on without being read; and the first one that is asked for brings all others with it, in one transfer.
"""

import threading
import weakref
from collections.abc import Callable
from typing import Any

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, array_namespace, device_of, find_device, to_host

__all__ = ["MAX_WAITING", "DeferredNumber", "DeferredNumbers", "read_deferred"]

MAX_WAITING = 1000
"""When as many sets of numbers wait on one device, they are read."""

Numbers = tuple[float, ...]

_lock = threading.RLock()
_waiting: dict[str, list[Callable[[], "DeferredNumbers | None"]]] = {}


class DeferredNumbers:
    """Some numbers on a device, which are read when somebody asks for one of them; on the host at once.

    Parameters
    ----------
    array : array of float64, shape (n,); it must not be changed afterwards
    when_read : function of the n numbers, optional
        Called once, when they have been read: to warn about them, for example. Numbers without it that nobody holds any
        more are not read.
    """

    def __init__(self, array: Array, when_read: Callable[[Numbers], None] | None = None) -> None:
        self.array = array
        self._when_read = when_read
        self._numbers: Numbers | None = None
        device = device_of(array)
        if device.is_host:
            self._take(array)
            self._report()
            return
        with _lock:
            waiting = _waiting.setdefault(device.name, [])
            waiting.append(weakref.ref(self) if when_read is None else lambda: self)
            if len(waiting) > MAX_WAITING:
                waiting[:] = [reference for reference in waiting if reference() is not None]
            is_full = len(waiting) > MAX_WAITING
        if is_full:
            read_deferred(device)

    @property
    def is_read(self) -> bool:
        """Whether the numbers are known on the host."""
        return self._numbers is not None

    @property
    def numbers(self) -> Numbers:
        """The numbers; read together with all others that wait on the device."""
        if self._numbers is None:
            read_deferred(device_of(self.array))
        if self._numbers is None:  # a transfer before has failed
            self._take(to_host(self.array))
            self._report()
        assert self._numbers is not None
        return self._numbers

    def __getitem__(self, index: int) -> "DeferredNumber":
        return DeferredNumber(self, index)

    def _take(self, values: Any) -> None:
        self._numbers = tuple(values.tolist())

    def _report(self) -> None:
        when_read, self._when_read = self._when_read, None
        if when_read is not None:
            when_read(self.numbers)


class DeferredNumber:
    """One of some `DeferredNumbers`: ``float(number)`` reads it, copies share it, a pickle of it is a float."""

    def __init__(self, source: DeferredNumbers, index: int) -> None:
        self._source = source
        self._index = index

    @property
    def array(self) -> Array:
        """The number on its device, an array without dimensions."""
        return self._source.array[self._index]

    @property
    def device(self) -> Device:
        """Where it lives."""
        return device_of(self._source.array)

    def __float__(self) -> float:
        return self._source.numbers[self._index]

    def __copy__(self) -> "DeferredNumber":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "DeferredNumber":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return float, (float(self),)


def read_deferred(device: str | Device | None = None) -> None:
    """Read all numbers that wait on a device, in one transfer, and say what there is to be said about them."""
    target = find_device(device)
    with _lock:
        found = [reference() for reference in _waiting.pop(target.name, [])]
        groups = [group for group in found if group is not None and not group.is_read]
        if groups:
            xp = array_namespace(groups[0].array)
            values = to_host(xp.concat([group.array for group in groups]))  # host: numbers that were asked for
            start = 0
            for group in groups:
                stop = start + group.array.shape[0]
                group._take(values[start:stop])
                start = stop
    for group in groups:
        group._report()
