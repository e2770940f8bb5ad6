"""Arrays copied to a GPU ahead of their use, while it computes: through pinned buffers and on a stream of their own.

Here "compute stream" is the one on which the arrays will be used, and "copy stream" the one on which they are copied.
Three things can go wrong where a copy runs concurrently with the computation, and no library reports them. Each is
excluded by the order of operations:

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
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, find_device, to_device
from lightpool.arrays.devices.streams import Streams, find_streams, require_one_stream
from lightpool.arrays.devices.transfers import report_to_device

__all__ = ["MAX_PINNED_BYTES", "Sent", "Uploads"]

MAX_PINNED_BYTES = 2**26
"""Pinned memory for the uploads to one device, at most."""

_N_BUFFER = 16
"""Pinned buffers, at most. An array takes at least one, so this is also the number of small arrays on their way."""

HostArray = NDArray[Any]


@dataclass(frozen=True)
class Arrival:
    """A copy that is under way on a stream.

    Attributes
    ----------
    streams : Streams of the device
    compute : stream on which the array will be used
    event : event that passes when the values have arrived
    """

    streams: Streams[Any, Any]
    compute: object
    event: object


class Sent:
    """An array that was sent to a device, and may still be on its way.

    Parameters
    ----------
    array : array
        On the device, if a copy to it is under way; on the host otherwise, and then `receive` copies it.
    device : Device
    arrival : Arrival, optional
    """

    def __init__(self, array: Array, device: Device, arrival: Arrival | None = None) -> None:
        self._array, self._device, self._arrival = array, device, arrival
        if arrival is not None:
            # called by `receive`, or else when this object dies, before its array does
            self._settle = weakref.finalize(self, arrival.streams.wait, arrival.compute, arrival.event)
            self._settle.atexit = False

    def receive(self) -> Array:
        """Return the array on the device, ready for work on the current stream of this thread; always the same one."""
        if self._arrival is None:
            self._array = to_device(self._array, self._device)
            return self._array
        self._settle()
        here = self._arrival.streams.current()
        if here != self._arrival.compute:
            self._arrival.streams.wait(here, self._arrival.event)
        return self._array


class Uploads:
    """Sends arrays to a device ahead of their use.

    Create it in the thread that will use the arrays: it remembers the stream of that thread. Any thread may send. On
    CUDA devices, of CuPy or PyTorch, the arrays are copied at once, concurrently with the computation. Other devices
    have no such copies: there the arrays are copied when they are received.

    Parameters
    ----------
    device : str, Device or None (the default device)
    """

    def __init__(self, device: str | Device | None = None) -> None:
        self.device = find_device(device)
        require_one_stream(self.device)
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
            return Sent(x.copy(), self.device)
        return self._lane.send(x, self.device, self._compute)


class _Lane:
    """What all uploads to one device share: its streams and the pinned buffers.

    Buffers have one size and are never given back: libraries keep pinned memory that was given back in pools of their
    own, where nothing limits it. Arrays larger than a buffer are copied in parts.
    """

    def __init__(self, streams: Streams[Any, Any], max_bytes: int = MAX_PINNED_BYTES) -> None:
        self.streams = streams
        self._buffer_bytes = max_bytes // _N_BUFFER
        self._n_buffer = 0
        # Those from which something is copied, or was, each with the event of its last copy, the oldest copy first.
        self._buffers: list[tuple[NDArray[np.uint8], object]] = []
        self._changed = threading.Condition()

    def send(self, x: HostArray, device: Device, compute: object) -> Sent:
        streams, dtype = self.streams, x.dtype.newbyteorder("=")
        array = streams.empty(x.shape, dtype, compute)
        streams.wait(streams.copying, streams.record(compute))  # point 2 of the module's text
        flat, n_item = x.reshape(-1), self._buffer_bytes // dtype.itemsize
        for start in range(0, flat.size, n_item):
            part = flat[start : start + n_item]
            buffer = self._take()  # point 1
            pinned = buffer[: part.nbytes].view(dtype)
            pinned[...] = part
            streams.copy(array, pinned, start)
            arrived = streams.record(streams.copying)  # for points 1 and 3
            with self._changed:
                self._buffers.append((buffer, arrived))
                self._changed.notify()
        report_to_device(x.nbytes)
        return Sent(array, device, Arrival(streams, compute, arrived))

    def _take(self) -> NDArray[np.uint8]:
        """Return a buffer from which nothing is being copied."""
        with self._changed:
            while True:
                for i, (buffer, event) in enumerate(self._buffers):
                    if self.streams.is_done(event):
                        del self._buffers[i]
                        return buffer
                if self._n_buffer < _N_BUFFER:
                    buffer = self.streams.pinned(self._buffer_bytes)
                    self._n_buffer += 1
                    return buffer
                if self._buffers:
                    buffer, event = self._buffers.pop(0)
                    break
                self._changed.wait()  # other threads are filling all of them
        self.streams.synchronize(event)  # the host waits: all memory that may be pinned is in use by copies
        return buffer


@lru_cache(maxsize=16)
def _lane_to(device: Device) -> _Lane | None:
    streams = find_streams(device)
    return None if streams is None else _Lane(streams)
