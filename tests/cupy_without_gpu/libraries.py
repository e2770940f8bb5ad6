"""Loads the CUDA libraries that run on the host, and NVRTC. CuPy imports it first, and finds them by their names."""

import ctypes
import os
import sys
import sysconfig
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
_NVRTC = Path(sysconfig.get_path("purelib"), "nvidia", "cu13", "lib", "libnvrtc.so.13")
_OTHERS = [ctypes.CDLL(str(path)) for path in (*FOLDER.glob("libcu*.so.*"), _NVRTC)]
