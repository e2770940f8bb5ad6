"""What the NVIDIA driver reports about itself, without CuPy or PyTorch."""

import ctypes
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["CudaDriver", "cuda_driver"]

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_KERNEL_MODULE = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class CudaDriver:
    """A loaded driver.

    Attributes
    ----------
    release : str, such as ``580.65.06``; empty if the system does not report it
    cuda : pair of int, the newest CUDA version that it supports
    gpus : tuple of str, names of the GPUs that this process sees
    """

    release: str
    cuda: tuple[int, int]
    gpus: tuple[str, ...]

    @property
    def cuda_version(self) -> str:
        """The newest CUDA as text."""
        return ".".join(map(str, self.cuda))


@lru_cache(maxsize=1)
def cuda_driver() -> CudaDriver | None:
    """Return the driver of NVIDIA GPUs; None if there is none."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    version = ctypes.c_int(0)
    if library.cuDriverGetVersion(ctypes.byref(version)) != 0 or version.value <= 0:
        return None
    major, rest = divmod(version.value, 1000)  # 13010 is CUDA 13.1
    return CudaDriver(_release(), (major, rest // 10), _names_of_gpus(library))


def _release() -> str:
    try:
        # NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  (and the date).
        words = _KERNEL_MODULE.read_text(encoding="utf-8").splitlines()[0].split()
    except (OSError, IndexError):
        return ""
    return next((word for word in words if word[0].isdigit() and "." in word), "")


def _names_of_gpus(library: ctypes.CDLL) -> tuple[str, ...]:
    count = ctypes.c_int(0)
    # `cuInit` fails where there is a driver but no GPU.
    if library.cuInit(0) != 0 or library.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    names = []
    for number in range(count.value):
        handle, name = ctypes.c_int(0), ctypes.create_string_buffer(256)
        library.cuDeviceGet(ctypes.byref(handle), number)
        library.cuDeviceGetName(name, len(name), handle)
        names.append(name.value.decode(errors="replace"))
    return tuple(names)
