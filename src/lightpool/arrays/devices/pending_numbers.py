"""Numbers that stay on their device until somebody asks for them.

See `DeferredNumbers`, which explains them with an example. Two related concepts have classes of their own: a large
array that is computed window by window is a `lightpool.arrays.LazyArray`, and a value that is created on demand is a
`lightpool.utils.on_demand.Deferred`.
"""

import threading
import weakref
from collections.abc import Callable

from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.devices import Device, array_namespace, device_of, find_device, to_host

__all__ = ["MAX_WAITING", "DeferredNumber", "DeferredNumbers", "read_deferred"]

MAX_WAITING = 1000
"""When more sets of numbers than this wait on one device, they are read."""

Numbers = tuple[float, ...]

_lock = threading.RLock()
_waiting: dict[str, list[Callable[[], "DeferredNumbers | None"]]] = {}


class DeferredNumbers:
    """A few numbers that a device computes, and that are read when somebody asks for one of them.

    Reading a number from a GPU makes the host wait until the device has finished everything that was launched before.
    A reduction that reads the norm of its background fit in each observation can never launch the work of the next
    observation ahead, and the device idles in between. So a maker hands the norm on as a `DeferredNumber`, which stands
    for a float that is not known on the host yet.

    - All numbers that wait on a device are read together, in one transfer: asking for one reads all.
    - `read_deferred` reads them at a time of one's choosing, such as the end of a job.
    - ``numbers[i]`` is one of the numbers, as a `DeferredNumber`. ``float()`` of it reads it, and so does pickling it;
      its ``array`` is the number on the device, for computing with it without reading it.
    - ``when_read`` is called with the numbers once they are read, for what can only be said then, such as a warning
      that a fit did not converge. Numbers that have it are always read in the end; others are forgotten with the last
      reference to them, without being read.
    - At most `MAX_WAITING` sets wait on a device; then all are read, so that they do not pile up in a long job.
    - Arrays on the host are read at once, so code that uses this needs no case for the host.
    - Threads may ask at the same time. One of them reads, the others wait for it and get the same numbers;
      ``when_read`` is called once, by a thread that holds no lock, so it may ask for other numbers.

    Parameters
    ----------
    array : array of float64, shape (n,)
        It must not be changed afterwards.
    when_read : function of the n numbers, optional
        Called once, when they have been read.

    Examples
    --------
    Two sets of numbers cross to the host in one transfer, when the first number is needed:

    >>> from lightpool.arrays import DeferredNumbers, count_transfers, to_device
    >>> def warn(numbers):
    ...     print("read", numbers)
    >>> norms = DeferredNumbers(to_device([1.0, 2.0], "strict"), warn)
    >>> livetime = DeferredNumbers(to_device([1580.0], "strict"))
    >>> norms.is_read
    False
    >>> with count_transfers() as transfers:
    ...     value = float(livetime[0])
    read (1.0, 2.0)
    >>> value, norms.numbers, transfers.to_host.number
    (1580.0, (1.0, 2.0), 1)
    """

    def __init__(self, array: Array, when_read: Callable[[Numbers], None] | None = None) -> None:
        self.array = array
        self._when_read = when_read
        self._numbers: Numbers | None = None
        device = device_of(array)
        if device.is_host:
            self._take(to_host(array))
            self._report()
            return
        with _lock:
            waiting = _waiting.setdefault(device.name, [])
            # With `when_read` the list keeps the object alive until it is read.
            waiting.append(weakref.ref(self) if when_read is None else lambda: self)
            if len(waiting) > MAX_WAITING:
                # First drop the sets that nobody refers to any more.
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
        """The numbers. They are read together with all others that wait on the device."""
        if self._numbers is None:
            read_deferred(device_of(self.array))
        if self._numbers is None:  # a transfer before has failed
            self._take(to_host(self.array))
            self._report()
        assert self._numbers is not None
        return self._numbers

    def __getitem__(self, index: int) -> "DeferredNumber":
        return DeferredNumber(self, index)

    def _take(self, values: HostFloats) -> None:
        self._numbers = tuple(values.tolist())

    def _report(self) -> None:
        when_read, self._when_read = self._when_read, None
        if when_read is not None:
            when_read(self.numbers)


class DeferredNumber:
    """One of some `DeferredNumbers`: ``float(number)`` reads it, copies share it, and it is pickled as a float.

    Parameters
    ----------
    source : DeferredNumbers
    index : int
        Which of the numbers it is.
    """

    def __init__(self, source: DeferredNumbers, index: int) -> None:
        self._source = source
        self._index = index

    @property
    def array(self) -> Array:
        """The number on its device, an array without dimensions."""
        return self._source.array[self._index]

    @property
    def is_read(self) -> bool:
        """Whether the number is known on the host."""
        return self._source.is_read

    @property
    def device(self) -> Device:
        """Device that holds the number."""
        return device_of(self._source.array)

    def __float__(self) -> float:
        return self._source.numbers[self._index]

    def __copy__(self) -> "DeferredNumber":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "DeferredNumber":
        return self

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


def read_deferred(device: str | Device | None = None) -> None:
    """Read all numbers that wait on a device, in one transfer, and call their ``when_read`` functions."""
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
