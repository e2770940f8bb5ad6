"""Streams, events and pinned memory of CUDA, as CuPy and PyTorch have them."""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any, cast

import numpy as np

from lightpool.arrays.devices.array_types import Array, CudaArray
from lightpool.arrays.devices.devices import Device, TorchArray

__all__ = ["CupyStreams", "Streams", "TorchStreams", "find_streams"]

HostArray = np.ndarray[Any, Any]


class Streams(ABC):
    """The queues of one device, and what orders them. Nothing here makes the host wait but `synchronize`.

    Attributes
    ----------
    copying : stream for copies, which waits for no other stream by itself
    """

    copying: Any

    @abstractmethod
    def current(self) -> Any:
        """Stream on which this thread works."""

    def is_shared(self, stream: Any) -> bool:
        """Whether a stream is the same one in all threads."""
        return True

    @abstractmethod
    def pinned(self, n_bytes: int) -> HostArray:
        """Pinned memory on the host, an array of uint8 with any content."""

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], stream: Any) -> Array:
        """Array with any content, made on a stream: its memory goes back to the work of that stream."""

    @abstractmethod
    def copy(self, array: Array, pinned: HostArray) -> None:
        """Let `copying` copy from pinned memory to a contiguous array of the same shape and type."""

    @abstractmethod
    def record(self, stream: Any) -> Any:
        """Event that has passed when all that is on a stream by now is done."""

    @abstractmethod
    def wait(self, stream: Any, event: Any) -> None:
        """Let what comes on a stream wait for an event."""

    @abstractmethod
    def is_done(self, event: Any) -> bool:
        """Whether an event has passed."""

    @abstractmethod
    def synchronize(self, event: Any) -> None:
        """Let the host wait for an event."""


class CupyStreams(Streams):
    """Streams of a CuPy device.

    Parameters
    ----------
    device : `cupy.cuda.Device`
    """

    def __init__(self, device: Any) -> None:
        self._cupy = import_module("cupy")
        self._device = device
        with device:
            self.copying = self._cupy.cuda.Stream(non_blocking=True)

    def current(self) -> Any:
        """Stream on which this thread works."""
        with self._device:
            return self._cupy.cuda.get_current_stream()

    def is_shared(self, stream: Any) -> bool:
        """Whether a stream is the same one in all threads; the default stream of a thread is not."""
        return bool(stream.ptr != self._cupy.cuda.runtime.streamPerThread)

    def pinned(self, n_bytes: int) -> HostArray:
        """Pinned memory on the host."""
        pinned: HostArray = import_module("cupyx").empty_pinned((n_bytes,), np.uint8)
        return pinned

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], stream: Any) -> Array:
        """Array with any content."""
        with self._device, stream:
            return cast(Array, self._cupy.empty(shape, dtype))

    def copy(self, array: Array, pinned: HostArray) -> None:
        """Let `copying` copy to an array."""
        with self._device:
            cast(CudaArray, array).data.copy_from_host_async(pinned.ctypes.data, pinned.nbytes, self.copying)

    def record(self, stream: Any) -> Any:
        """Event that has passed when all that is on a stream by now is done."""
        with self._device:
            event = self._cupy.cuda.Event(block=True, disable_timing=True)
            event.record(stream)
            return event

    def wait(self, stream: Any, event: Any) -> None:
        """Let what comes on a stream wait for an event."""
        with self._device:
            stream.wait_event(event)

    def is_done(self, event: Any) -> bool:
        """Whether an event has passed."""
        return bool(event.done)

    def synchronize(self, event: Any) -> None:
        """Let the host wait for an event."""
        event.synchronize()


class TorchStreams(Streams):
    """Streams of a CUDA device of PyTorch.

    Parameters
    ----------
    device : `torch.device`
    """

    def __init__(self, device: Any) -> None:
        self._torch = import_module("torch")
        self._device = device
        self.copying = self._torch.cuda.Stream(device)

    def current(self) -> Any:
        """Stream on which this thread works."""
        return self._torch.cuda.current_stream(self._device)

    def pinned(self, n_bytes: int) -> HostArray:
        """Pinned memory on the host."""
        pinned: HostArray = self._torch.empty(n_bytes, dtype=self._torch.uint8, pin_memory=True).numpy()
        return pinned

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any], stream: Any) -> Array:
        """Array with any content."""
        kind = self._torch.from_numpy(np.empty(0, dtype)).dtype
        with self._torch.cuda.stream(stream):
            return cast(Array, self._torch.empty(shape, dtype=kind, device=self._device))

    def copy(self, array: Array, pinned: HostArray) -> None:
        """Let `copying` copy to an array."""
        with self._torch.cuda.stream(self.copying):
            cast(TorchArray, array).copy_(self._torch.from_numpy(pinned), non_blocking=True)

    def record(self, stream: Any) -> Any:
        """Event that has passed when all that is on a stream by now is done."""
        event = self._torch.cuda.Event()
        event.record(stream)
        return event

    def wait(self, stream: Any, event: Any) -> None:
        """Let what comes on a stream wait for an event."""
        stream.wait_event(event)

    def is_done(self, event: Any) -> bool:
        """Whether an event has passed."""
        return bool(event.query())

    def synchronize(self, event: Any) -> None:
        """Let the host wait for an event."""
        event.synchronize()


def find_streams(device: Device) -> Streams | None:
    """Streams of a device; None where all work is done in one queue."""
    if device.name.startswith("cuda"):
        return CupyStreams(device.handle)
    if device.name.startswith("torch:cuda"):
        return TorchStreams(device.handle)
    return None
