"""Loads the CUDA libraries that run on the host. CuPy imports it first, and finds them by their names."""

import ctypes
import os
import sys
from pathlib import Path

FOLDER = Path(sys.prefix) / "cuda-on-host"

if not FOLDER.is_dir():
    raise ImportError(
        f"{sys.prefix} has no CUDA on the host: `python -m cupy_without_gpu build` makes such an environment"
    )

os.environ["CUPY_ACCELERATORS"] = ""  # CUB needs the real compiler
os.environ["CUPY_CACHE_DIR"] = str(FOLDER / "kernels")

# global: CuPy's wrapper of the runtime names no library
RUNTIME = ctypes.CDLL(str(FOLDER / "libcudart_on_host.so"), mode=ctypes.RTLD_GLOBAL)
_OTHERS = [ctypes.CDLL(str(path)) for path in FOLDER.glob("libcu*.so.*")] + [
    ctypes.CDLL(str(FOLDER / "libnvrtc.so.13"))
]
