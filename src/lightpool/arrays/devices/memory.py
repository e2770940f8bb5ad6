"""Free memory of devices, checks whether something fits, and releasing what libraries hold unused."""

import ctypes
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from lightpool.arrays.devices.array_types import CudaDevice
from lightpool.arrays.devices.devices import Device, find_device
from lightpool.errors import OutOfMemoryError

__all__ = [
    "UNCHECKED_BYTES",
    "format_bytes",
    "free_memory",
    "keep_freed_memory",
    "memory_errors",
    "n_bytes_of",
    "release_memory",
    "require_memory",
    "total_memory",
]

UNCHECKED_BYTES = 2**26
"""Allocations below 64 MiB are made without checking what is free."""

_KEPT_BYTES = {-3: 2**25, -1: 2**28}
"""Of mallopt(3) in glibc: M_MMAP_THRESHOLD, at most 32 MiB; M_TRIM_THRESHOLD."""

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_SIGNS = ("out of memory", "can't allocate memory", "MemoryAllocation", "ALLOC_FAILED", "ALLOCATION_FAILED")
"""In the messages of CUDA's libraries and of PyTorch on the host, which raise a plain RuntimeError."""


class _PlanCache(Protocol):
    """The plans of Fourier transforms that CuPy keeps for a thread and a device."""

    def get_size(self) -> int:
        """Return the number of plans that it keeps at most."""

    def set_size(self, size: int) -> object:
        """Change that number; plans beyond it are dropped."""


def free_memory(device: str | Device | None = None) -> int | None:
    """Return the bytes that new arrays on a device can take; None if that is not known.

    Parameters
    ----------
    device : str, Device or None (the default device)

    Returns
    -------
    n_bytes : int or None
        On the host: what the operating system has available, within the limits of the control groups (containers, batch
        systems). On CUDA: what the device has free and what the memory pool of the library holds unused; with CuPy,
        within the limit of that pool.
    """
    target = find_device(device)
    if target.name in ("cpu", "torch", "strict"):
        return _free_on_host()
    if target.name.startswith("cuda"):
        return _free_in_cupy(target)
    if target.name.startswith("torch:cuda"):
        torch = import_module("torch").cuda
        unused = torch.memory_reserved(target.handle) - torch.memory_allocated(target.handle)
        return int(torch.mem_get_info(target.handle)[0] + unused)
    return None


def total_memory(device: str | Device | None = None) -> int | None:
    """Return the bytes of memory of a device; None if that is not known.

    Parameters
    ----------
    device : str, Device or None (the default device)
    """
    target = find_device(device)
    if target.name in ("cpu", "torch", "strict"):
        return _pages("SC_PHYS_PAGES")
    if target.name.startswith("cuda"):
        with cast(CudaDevice, target.handle):
            return int(import_module("cupy").cuda.runtime.memGetInfo()[1])
    if target.name.startswith("torch:cuda"):
        return int(import_module("torch").cuda.mem_get_info(target.handle)[1])
    return None


def _free_in_cupy(device: Device) -> int:
    cupy = import_module("cupy")
    with cast(CudaDevice, device.handle):
        pool = cupy.get_default_memory_pool()
        free = int(cupy.cuda.runtime.memGetInfo()[0] + pool.free_bytes())
        limit = int(pool.get_limit())  # 0 means none
        return min(free, max(limit - int(pool.used_bytes()), 0)) if limit else free


def _free_on_host() -> int | None:
    known = [n_bytes for n_bytes in (_available(), *_left_by_cgroups()) if n_bytes is not None]
    return min(known) if known else None


def _available() -> int | None:
    """Return the memory of the machine that is available without swapping; None on systems that do not report it."""
    try:
        for line in (_PROC / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    return _pages("SC_AVPHYS_PAGES")


def _pages(name: str) -> int | None:
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _left_by_cgroups() -> Iterator[int]:
    """Yield what each control group of this process leaves, including its parents."""
    try:
        lines = (_PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        # Version 2 has one line, 0::/path; version 1 has one for each controller, 5:memory:/path.
        if controllers == "":
            root, names = _CGROUPS, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            root = _CGROUPS / "memory"
        else:
            continue
        group = root / path.lstrip("/")
        # Up to the root of the groups: the limit of a parent holds for all its groups together.
        for folder in [group, *group.parents][: len(group.parts) - len(root.parts) + 1]:
            left = _left_by_cgroup(folder, *names)
            if left is not None:
                yield left


def _left_by_cgroup(folder: Path, limit: str, used: str, cache: str) -> int | None:
    """Return the limit of a control group minus what it uses; cached files do not count: they can be dropped."""
    try:
        most = (folder / limit).read_text().strip()
        if most == "max":
            return None
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        in_use = int((folder / used).read_text()) - int(statistics.get(cache, 0))
        return max(int(most) - in_use, 0)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Let this process keep up to 256 MiB of what it frees on the host, for the next arrays.

    glibc returns large arrays to the system at once, and the system clears each page that is requested again. When one
    observation follows the other, that takes a tenth of the time, and a third where the environment asks for it as
    Dask's workers do.

    Returns
    -------
    is_kept : bool
        False on systems without glibc, where nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS and musl lack the function, Windows refuses CDLL(None)
        return False
    return all(mallopt(parameter, n_bytes) == 1 for parameter, n_bytes in _KEPT_BYTES.items())


def release_memory(device: str | Device | None = None, *, if_free_below: float = 1.0) -> None:
    """Return to the device what libraries hold unused: blocks of memory pools, work areas of Fourier transforms.

    On the host there is nothing to do. Arrays in use are not affected. The next allocations take longer, because each
    asks the driver, so call it after a group of observations, not after each of them.

    Parameters
    ----------
    device : str, Device or None (the default device)
    if_free_below : float
        Do nothing while the driver has at least this share of the memory of the device free for everybody.
    """
    target = find_device(device)
    if target.name.startswith("cuda"):
        cupy = import_module("cupy")
        with cast(CudaDevice, target.handle):
            if _is_below(cupy.cuda.runtime.memGetInfo(), if_free_below):
                _drop_plans(cupy.fft.config.get_plan_cache())
                cupy.get_default_memory_pool().free_all_blocks()
                cupy.get_default_pinned_memory_pool().free_all_blocks()
    elif target.name.startswith("torch:cuda"):
        torch = import_module("torch")
        if _is_below(torch.cuda.mem_get_info(target.handle), if_free_below):
            torch.backends.cuda.cufft_plan_cache[target.handle].clear()
            torch.cuda.empty_cache()


def _is_below(memory: tuple[int, int], share: float) -> bool:
    free, total = memory
    return share >= 1.0 or free < share * total


def _drop_plans(plans: _PlanCache) -> None:
    """Drop the plans of this thread with their work areas.

    `clear` would also collect the garbage of the whole process, which takes longer than many observations.
    """
    size = plans.get_size()
    plans.set_size(0)
    plans.set_size(size)


def require_memory(n_bytes: int, device: str | Device | None = None, *, what: str, advice: str) -> None:
    """Check that something fits in memory before it is created. Below 64 MiB nothing is checked.

    Parameters
    ----------
    n_bytes : int
    device : str, Device or None (the default device)
    what : str
        Names and shapes of what will be created, for the error.
    advice : str
        What to change, after "To need less, ".

    Raises
    ------
    OutOfMemoryError
        If less is free.
    """
    if n_bytes <= UNCHECKED_BYTES:
        return
    target = find_device(device)
    free = free_memory(target)
    if free is not None and n_bytes > free:
        raise OutOfMemoryError(
            f"{what} would take {format_bytes(n_bytes)} on device '{target}', where {format_bytes(free)} are free. "
            f"To need less, {advice}."
        )


@contextmanager
def memory_errors(device: str | Device | None = None, *, what: str | Callable[[], str], advice: str) -> Iterator[None]:
    """Convert out-of-memory errors of all libraries to OutOfMemoryError inside a ``with`` block.

    Parameters
    ----------
    device : str, Device or None (the default device)
        Device on which the work is done.
    what : str or function that returns it
        What is being done; a function if the text takes time to make.
    advice : str
        What to change, as for `require_memory`.

    Raises
    ------
    OutOfMemoryError
        Instead of the error of NumPy, CuPy, PyTorch or a library of CUDA, which is its ``__cause__``.
    """
    try:
        yield
    except OutOfMemoryError:  # from an inner block, which knows better what was being done
        raise
    except (MemoryError, RuntimeError) as error:
        if not _is_about_memory(error):
            raise
        target = find_device(device)
        free = free_memory(target)
        left = "an unknown amount is" if free is None else f"{format_bytes(free)} are"
        job = what if isinstance(what, str) else what()
        raise OutOfMemoryError(
            f"{job} needs more memory than device '{target}' has, where {left} free: {error}. To need less, {advice}."
        ) from error


def _is_about_memory(error: Exception) -> bool:
    # By its name: CuPy and PyTorch need not be imported for this.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)
    return any(sign in text for sign in _SIGNS)


@lru_cache(maxsize=32)
def _item_bytes(dtype: str) -> int:
    return np.dtype(dtype).itemsize


def n_bytes_of(shape: Sequence[int], dtype: str = "float64") -> int:
    """Return the size of an array in bytes.

    Parameters
    ----------
    shape : sequence of int
    dtype : str
        Name of the data type.
    """
    return math.prod(shape) * _item_bytes(dtype)


def format_bytes(n_bytes: float) -> str:
    """Return a text such as ``1.5 GB``, in powers of ten."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 999.5:  # 999.5 would be written as 1e+03
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"
