"""Time of the work on a device, its copies and its memory, for the benchmarks."""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lightpool.arrays import Device, find_device, to_device, to_host
from lightpool.arrays.devices.memory import free_memory, release_memory
from lightpool.arrays.devices.staging import Uploads

SPIN_MS = 100.0
SPIN_SOURCE = """
extern "C" __global__ void spin(const long long cycles) {
    const long long start = clock64();
    while (clock64() - start < cycles) {}
}
"""


@dataclass(frozen=True)
class Lap:
    """Times of one piece of work in seconds.

    Attributes
    ----------
    host : from the call to its return
    device : that the device worked, None where that is not known
    waited : whether the host waited for the device inside the call
    """

    host: float
    device: float | None
    waited: bool


class Clock:
    """Times work on a device whose work is done when a call returns."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def synchronize(self) -> None:
        """Wait until the device is done."""

    def lap(self, work: Callable[[], Any]) -> tuple[Any, Lap]:
        """Do a piece of work on an idle device; give its result and its times."""
        start = time.perf_counter()
        result = work()
        return result, Lap(time.perf_counter() - start, None, False)


class CudaClock(Clock):
    """Times work on a GPU.

    The device is first given a kernel that does nothing for 0.1 s. Meanwhile the host launches the work, which then
    runs without a gap; two events tell how long. Where the host takes longer than that kernel, it waited for the
    device, and the time between the events holds gaps.
    """

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self._cycles_per_ms = 1e6
        for _ in range(3):  # the first round compiles
            self._cycles_per_ms *= SPIN_MS / max(self._spin_ms(), 1e-3)

    def _spin_ms(self) -> float:
        self.synchronize()
        first = self._event()
        self._spin(int(self._cycles_per_ms * SPIN_MS))
        return self._elapsed_ms(first, self._event())

    def lap(self, work: Callable[[], Any]) -> tuple[Any, Lap]:
        """Do a piece of work behind a kernel that does nothing."""
        self.synchronize()
        before = self._event()
        self._spin(int(self._cycles_per_ms * SPIN_MS))
        first, start = self._event(), time.perf_counter()
        result = work()
        host, last = time.perf_counter() - start, self._event()
        waited = host > 0.9e-3 * self._elapsed_ms(before, first)
        return result, Lap(host, self._elapsed_ms(first, last) / 1e3, waited)

    def _event(self) -> Any:
        raise NotImplementedError

    def _spin(self, cycles: int) -> None:
        raise NotImplementedError

    def _elapsed_ms(self, first: Any, last: Any) -> float:
        raise NotImplementedError


class CupyClock(CudaClock):
    """Times work that CuPy launches."""

    def __init__(self, device: Device) -> None:
        self._cupy = import_module("cupy")
        self._kernel = self._cupy.RawKernel(SPIN_SOURCE, "spin")
        super().__init__(device)

    def synchronize(self) -> None:
        """Wait until the device is done."""
        self.device.handle.synchronize()

    def _event(self) -> Any:
        with self.device.handle:
            event = self._cupy.cuda.Event()
            event.record()
            return event

    def _spin(self, cycles: int) -> None:
        with self.device.handle:
            self._kernel((1,), (1,), (np.int64(cycles),))

    def _elapsed_ms(self, first: Any, last: Any) -> float:
        last.synchronize()
        return float(self._cupy.cuda.get_elapsed_time(first, last))


class TorchClock(CudaClock):
    """Times work that PyTorch launches."""

    def __init__(self, device: Device) -> None:
        self._torch = import_module("torch")
        super().__init__(device)

    def synchronize(self) -> None:
        """Wait until the device is done."""
        self._torch.cuda.synchronize(self.device.handle)

    def _event(self) -> Any:
        event = self._torch.cuda.Event(enable_timing=True)
        event.record(self._torch.cuda.current_stream(self.device.handle))
        return event

    def _spin(self, cycles: int) -> None:
        with self._torch.cuda.device(self.device.handle):
            self._torch.cuda._sleep(cycles)

    def _elapsed_ms(self, first: Any, last: Any) -> float:
        last.synchronize()
        return float(first.elapsed_time(last))


def clock_of(device: Device) -> Clock:
    if device.name.startswith("cuda"):
        return CupyClock(device)
    return TorchClock(device) if device.name.startswith("torch:cuda") else Clock(device)


def copy_rates(name: str, n_bytes: int = 2**28) -> dict[str, float]:
    """Rates in GB/s, the best of some; a copy on the device counts what it reads and what it writes.

    Parameters
    ----------
    name : str, of a device
    n_bytes : int, what is copied to and from the host; on a GPU, eight times as much is copied on it
    """
    device = find_device(name)
    clock, x = clock_of(device), np.ones(n_bytes // 8)
    large = n_bytes if "cuda" not in name else min(8 * n_bytes, (free_memory(device) or n_bytes) // 4)
    with _place(device):
        rates = {"on the device": 2 * large / _best(clock, partial(device.xp.asarray, _ones(device, large), copy=True))}
    if not device.is_host:
        rates["to the device"] = n_bytes / _best(clock, partial(to_device, x, device))
    if "cuda" in name:  # PyTorch on the CPU shares its memory with NumPy
        uploads, part = Uploads(device), x[: 2**22]
        rates["to the device, sent ahead"] = part.nbytes / _best(clock, lambda: uploads.send(part).receive())
        rates["from the device"] = n_bytes / _best(clock, partial(to_host, to_device(x, device)))
    release_memory(device)
    return {what: rate / 1e9 for what, rate in rates.items()}


def _ones(device: Device, n_bytes: int) -> Any:
    return device.xp.ones(n_bytes // 8, dtype=device.xp.float64, device=device.handle)


def _place(device: Device) -> Any:
    return device.handle if device.name.startswith("cuda") else nullcontext()


def _best(clock: Clock, work: Callable[[], Any], n: int = 7) -> float:
    work()
    seconds = []
    for _ in range(n):
        clock.synchronize()
        start = time.perf_counter()
        kept = work()
        clock.synchronize()
        seconds.append(time.perf_counter() - start)
        del kept
    return min(seconds)


def memory_in_use(device: Device) -> dict[str, float]:
    """MB that this process holds: of the host, in arrays on the device, and in the pool of its library."""
    used = {"host": _resident() / 1e6}
    if device.name.startswith("cuda"):
        pool = import_module("cupy").get_default_memory_pool()
        used |= {"arrays": pool.used_bytes() / 1e6, "pool": pool.total_bytes() / 1e6}
    elif device.name.startswith("torch:cuda"):
        cuda = import_module("torch").cuda
        used["arrays"] = cuda.memory_allocated(device.handle) / 1e6
        used["pool"] = cuda.memory_reserved(device.handle) / 1e6
    return used


def _resident() -> float:
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return 1024.0 * int(line.split()[1])
    except OSError:
        pass
    resource = import_module("resource")  # the largest so far, where the system tells no more
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if os.uname().sysname == "Darwin" else 1024)
