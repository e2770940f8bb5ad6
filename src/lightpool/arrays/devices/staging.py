"""Arrays sent to a GPU ahead of their use, beside its work: through pinned buffers and on a stream of their own.

Here "compute stream" is the one on which the arrays will be used, and "copy stream" the one on which they travel. Three
things can go wrong where a copy runs beside the work, and nothing would report them. Each is excluded by an order:

1. A pinned buffer is written anew while a copy still reads it. So a buffer has the event of its last copy, and is
   taken again only after that event.
2. The memory of the new array is still in use. Pools of CuPy and PyTorch hand out memory as soon as the host has let
   go of an array, to the stream on which that was made, and work launched there may still be on it. So the array is
   made on the compute stream, and the copy waits for an event that is recorded there afterwards.
3. The array is used before it has arrived; or nobody uses it, and its memory is handed out while the copy is still on
   its way. So the compute stream waits for the event of the copy before the array is given out, and also if it never
   was, before its memory goes back.

The host waits for none of these but the first, and only where `MAX_PINNED_BYTES` are on their way.
"""

import threading
import weakref
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, find_device, to_device
from lightpool.arrays.devices.streams import Streams, find_streams
from lightpool.arrays.devices.transfers import report_to_device

__all__ = ["MAX_PINNED_BYTES", "Sent", "Uploads"]

MAX_PINNED_BYTES = 2**26
"""Pinned memory that is kept for the uploads to one device; a larger array has a buffer of its own."""

_SMALLEST = 2**16  # bytes of a pinned buffer; others are twice as large, and so on

HostArray = np.ndarray[Any, Any]


class Sent(ABC):
    """An array that was sent to a device."""

    @abstractmethod
    def receive(self) -> Array:
        """Array on the device, ready for work on the current stream of this thread; each time the same."""


class Uploads:
    """Sends arrays to a device ahead of their use.

    It is made in the thread that will use the arrays, and remembers its stream; any thread may send. On CUDA devices,
    of CuPy or PyTorch, the arrays travel at once and beside the work. Elsewhere nothing travels beside anything, and
    they are moved when they are received.

    Parameters
    ----------
    device : str, Device or None (the default device)
    """

    def __init__(self, device: str | Device | None = None) -> None:
        self.device = find_device(device)
        self._lane = _lane_to(self.device)
        if self._lane is not None:
            self._compute = self._lane.streams.current()
            if not self._lane.streams.is_shared(self._compute):
                self._lane = None  # other threads could not name the stream on which the arrays will be used

    def send(self, x: HostArray) -> Sent:
        """Send an array; it may be changed or dropped afterwards.

        Parameters
        ----------
        x : array of numbers or booleans on the host, any shape
        """
        if self._lane is None or x.nbytes == 0:
            return _Later(x.copy(), self.device)
        return self._lane.send(x, self._compute)


class _Later(Sent):
    """An array that is moved when it is received."""

    def __init__(self, x: HostArray, device: Device) -> None:
        self._array: Array = x
        self._device = device

    def receive(self) -> Array:
        self._array = to_device(self._array, self._device)
        return self._array


class _OnItsWay(Sent):
    """An array on the device, and the event after which its values are there."""

    def __init__(self, array: Array, arrived: Any, streams: Streams, compute: Any) -> None:
        self._array, self._arrived, self._streams, self._compute = array, arrived, streams, compute
        # called by `receive`, or else when this object dies, before its array does
        self._settle = weakref.finalize(self, streams.wait, compute, arrived)
        self._settle.atexit = False

    def receive(self) -> Array:
        self._settle()
        here = self._streams.current()
        if here != self._compute:
            self._streams.wait(here, self._arrived)
        return self._array


class _Lane:
    """What all uploads to one device share: its streams, and the pinned buffers."""

    def __init__(self, streams: Streams, max_bytes: int = MAX_PINNED_BYTES) -> None:
        self.streams = streams
        self._max_bytes = max_bytes
        self._buffers: list[tuple[HostArray, Any]] = []  # each with the event of its last copy, the oldest copy first
        self._lock = threading.Lock()

    def send(self, x: HostArray, compute: Any) -> Sent:
        streams, dtype = self.streams, x.dtype.newbyteorder("=")
        array = streams.empty(x.shape, dtype, compute)
        streams.wait(streams.copying, streams.record(compute))
        buffer = self._take(x.nbytes)
        pinned = buffer[: x.nbytes].view(dtype).reshape(x.shape)
        pinned[...] = x
        streams.copy(array, pinned)
        arrived = streams.record(streams.copying)
        with self._lock:
            self._buffers.append((buffer, arrived))
        report_to_device(x.nbytes)
        return _OnItsWay(array, arrived, streams, compute)

    def _take(self, n_bytes: int) -> HostArray:
        """Buffer out of which nothing is copied any more."""
        size = 1 << max(n_bytes - 1, _SMALLEST - 1).bit_length()
        with self._lock:
            for i, (buffer, event) in enumerate(self._buffers):
                if buffer.nbytes >= n_bytes and self.streams.is_done(event):
                    del self._buffers[i]
                    return buffer
            while self._buffers and size + sum(buffer.nbytes for buffer, _ in self._buffers) > self._max_bytes:
                buffer, event = self._buffers.pop(0)
                self.streams.synchronize(event)  # the host waits: all that may be pinned is on its way
                if buffer.nbytes >= n_bytes:
                    return buffer
        return self.streams.pinned(size)


@lru_cache(maxsize=16)
def _lane_to(device: Device) -> _Lane | None:
    streams = find_streams(device)
    return None if streams is None else _Lane(streams)
