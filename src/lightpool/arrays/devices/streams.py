"""Streams, events and pinned memory of CUDA, as CuPy and PyTorch have them; all work of a process is on one stream."""

import threading
from abc import ABC, abstractmethod
from functools import lru_cache
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array, CudaArray, CudaDevice, Handle
from lightpool.arrays.devices.devices import Device
from lightpool.errors import DeviceError

__all__ = ["CupyStreams", "Streams", "TorchStreams", "find_streams", "require_one_stream"]

S = TypeVar("S")
E = TypeVar("E")


class CupyEvent(Protocol):
    """An event of CuPy."""

    @property
    def done(self) -> bool:
        """Whether it has passed."""

    def record(self, stream: "CupyStream") -> None:
        """Make it pass when all work queued on a stream so far is done."""

    def synchronize(self) -> None:
        """Make the host wait for it."""


class CupyStream(Protocol):
    """A stream of CuPy: inside a ``with`` block, this thread works on it."""

    @property
    def ptr(self) -> int:
        """Handle of the stream in the CUDA runtime."""

    def wait_event(self, event: CupyEvent) -> None:
        """Make later work on the stream wait for an event."""

    def __enter__(self) -> object: ...
    def __exit__(self, *args: object) -> object: ...


class TorchEvent(Protocol):
    """An event of PyTorch."""

    def query(self) -> bool:
        """Return whether it has passed."""

    def record(self, stream: "TorchStream") -> None:
        """Make it pass when all work queued on a stream so far is done."""

    def synchronize(self) -> None:
        """Make the host wait for it."""


class TorchStream(Protocol):
    """A stream of PyTorch."""

    def wait_event(self, event: TorchEvent) -> None:
        """Make later work on the stream wait for an event."""


class Streams(ABC, Generic[S, E]):
    """The queues of one device, and what orders them. Only `synchronize` makes the host wait.

    Attributes
    ----------
    copying : stream for copies, which waits for no other stream by itself
    """

    copying: S

    @abstractmethod
    def current(self) -> S:
        """Return the stream on which this thread works."""

    def is_shared(self, stream: S) -> bool:
        """Return whether a stream is the same one in all threads."""
        return True

    @abstractmethod
    def pinned(self, n_bytes: int) -> NDArray[np.uint8]:
        """Allocate pinned memory on the host: an array of uint8 with any content."""

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], stream: S) -> Array:
        """Create an array with any content on a stream: its memory goes back to the work of that stream.

        Parameters
        ----------
        shape : tuple of int
        dtype : NumPy data type
        stream : stream of the library
        """

    @abstractmethod
    def copy(self, array: Array, pinned: NDArray[np.generic], start: int) -> None:
        """Let `copying` copy from pinned memory to a part of an array on the device.

        Parameters
        ----------
        array : contiguous array
        pinned : NumPy array in pinned memory, one-dimensional, of the same data type
        start : int
            Place of its first element among those of ``array``.
        """

    @abstractmethod
    def record(self, stream: S) -> E:
        """Return an event that passes when all work queued on a stream so far is done."""

    @abstractmethod
    def wait(self, stream: S, event: E) -> None:
        """Make later work on a stream wait for an event.

        Parameters
        ----------
        stream : stream of the library
        event : event of the library, see `record`
        """

    @abstractmethod
    def is_done(self, event: E) -> bool:
        """Return whether an event has passed."""

    @abstractmethod
    def synchronize(self, event: E) -> None:
        """Make the host wait for an event."""


class CupyStreams(Streams[CupyStream, CupyEvent]):
    """Streams of a CuPy device.

    Parameters
    ----------
    device : `cupy.cuda.Device`
    """

    def __init__(self, device: CudaDevice) -> None:
        self._cupy = import_module("cupy")
        self._device = device
        with device:
            # `non_blocking`: otherwise copies would wait for the default stream.
            self.copying: CupyStream = self._cupy.cuda.Stream(non_blocking=True)

    def current(self) -> CupyStream:
        """Return the stream on which this thread works."""
        with self._device:
            stream: CupyStream = self._cupy.cuda.get_current_stream()  # that of the current device
            return stream

    def is_shared(self, stream: CupyStream) -> bool:
        """Return whether a stream is the same one in all threads; the default stream of a thread is not."""
        return bool(stream.ptr != self._cupy.cuda.runtime.streamPerThread)

    def pinned(self, n_bytes: int) -> NDArray[np.uint8]:
        """Allocate pinned memory on the host."""
        pinned: NDArray[np.uint8] = import_module("cupyx").empty_pinned((n_bytes,), np.uint8)
        return pinned

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], stream: CupyStream) -> Array:
        """Create an array on a stream, see `Streams.empty`."""
        with self._device, stream:
            return cast(Array, self._cupy.empty(shape, dtype))

    def copy(self, array: Array, pinned: NDArray[np.generic], start: int) -> None:
        """Let `copying` copy to an array, see `Streams.copy`."""
        with self._device:
            place = cast(CudaArray, array).data + start * pinned.itemsize
            place.copy_from_host_async(pinned.ctypes.data, pinned.nbytes, self.copying)

    def record(self, stream: CupyStream) -> CupyEvent:
        """Return an event that passes when all work queued on a stream so far is done."""
        with self._device:
            # `block`: a host that waits for the event sleeps instead of polling.
            event: CupyEvent = self._cupy.cuda.Event(block=True, disable_timing=True)
            event.record(stream)
            return event

    def wait(self, stream: CupyStream, event: CupyEvent) -> None:
        """Make later work on a stream wait for an event, see `Streams.wait`."""
        with self._device:
            stream.wait_event(event)

    def is_done(self, event: CupyEvent) -> bool:
        """Return whether an event has passed."""
        return bool(event.done)

    def synchronize(self, event: CupyEvent) -> None:
        """Make the host wait for an event."""
        event.synchronize()


class TorchStreams(Streams[TorchStream, TorchEvent]):
    """Streams of a CUDA device of PyTorch.

    Parameters
    ----------
    device : `torch.device`
    """

    def __init__(self, device: Handle) -> None:
        self._torch = import_module("torch")
        self._device = device
        self.copying: TorchStream = self._torch.cuda.Stream(device)

    def current(self) -> TorchStream:
        """Return the stream on which this thread works."""
        stream: TorchStream = self._torch.cuda.current_stream(self._device)
        return stream

    def pinned(self, n_bytes: int) -> NDArray[np.uint8]:
        """Allocate pinned memory on the host."""
        pinned: NDArray[np.uint8] = self._torch.empty(n_bytes, dtype=self._torch.uint8, pin_memory=True).numpy()
        return pinned

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], stream: TorchStream) -> Array:
        """Create an array on a stream, see `Streams.empty`."""
        kind = self._torch.from_numpy(np.empty(0, dtype)).dtype
        with self._torch.cuda.stream(stream):
            return cast(Array, self._torch.empty(shape, dtype=kind, device=self._device))

    def copy(self, array: Array, pinned: NDArray[np.generic], start: int) -> None:
        """Let `copying` copy to an array, see `Streams.copy`."""
        with self._torch.cuda.stream(self.copying):
            part = self._torch.reshape(array, (-1,))[start : start + pinned.size]
            part.copy_(self._torch.from_numpy(pinned), non_blocking=True)

    def record(self, stream: TorchStream) -> TorchEvent:
        """Return an event that passes when all work queued on a stream so far is done."""
        event: TorchEvent = self._torch.cuda.Event()
        event.record(stream)
        return event

    def wait(self, stream: TorchStream, event: TorchEvent) -> None:
        """Make later work on a stream wait for an event, see `Streams.wait`."""
        stream.wait_event(event)

    def is_done(self, event: TorchEvent) -> bool:
        """Return whether an event has passed."""
        return bool(event.query())

    def synchronize(self, event: TorchEvent) -> None:
        """Make the host wait for an event."""
        event.synchronize()


@lru_cache(maxsize=16)
def find_streams(device: Device) -> CupyStreams | TorchStreams | None:
    """Return the streams of a device; None where all work is done in one queue."""
    if device.name.startswith("cuda"):
        return CupyStreams(cast(CudaDevice, device.handle))
    if device.name.startswith("torch:cuda"):
        return TorchStreams(device.handle)
    return None


_computing: dict[str, tuple[object, threading.Thread | None]] = {}
"""The stream of the first work on each device, and its thread if each thread has a stream of that name."""


def require_one_stream(device: Device) -> None:
    """Check that this thread works on the stream on which this process has worked on a device so far.

    Whatever keeps arrays for all later work (tables, directions of pixels, transformed rings) calls it before it keeps
    one or gives one out: no event orders the work of another stream after that of this one.

    Parameters
    ----------
    device : Device

    Raises
    ------
    DeviceError
        If it works on another stream.
    """
    streams: Streams[Any, Any] | None = None if device.is_host else find_streams(device)
    if streams is None:
        return
    here = streams.current()
    thread = None if streams.is_shared(here) else threading.current_thread()
    first, first_thread = _computing.setdefault(device.name, (here, thread))
    if here == first and thread is first_thread:
        return
    raise DeviceError(
        f"work on device '{device}' is on {_name(here, thread)}, but this process has worked on "
        f"{_name(first, first_thread)} before; arrays that are kept for all work on a device would be used before they "
        "are computed. Use one stream for all work of a process, or a process for each stream"
    )


def _name(stream: object, thread: threading.Thread | None) -> str:
    return f"{stream}" if thread is None else f"the default stream of thread {thread.name!r}"
