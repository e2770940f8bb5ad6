"""`cupy.RawModule` by a C++ compiler of the host."""

import ctypes
import getpass
import hashlib
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

COMPILER = shutil.which("g++") or shutil.which("clang++")
GUARD = 64  # bytes around arrays that kernels are to leave alone
_SHIM = Path(__file__).with_name("shim.h")


def _folder():
    """Where compiled sources are kept, for this user and later tests."""
    folder = Path(tempfile.gettempdir()) / f"cuda-on-host-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@cache
def _library(code, names):
    """Kernels of a source, compiled unless they were before."""
    entries = "\n".join(
        f'extern "C" void launch_{i}(void** args, const unsigned* grid, const unsigned* block, int turns)'
        f" {{ launch(&{name}, args, grid, block, turns); }}\n"
        f'extern "C" const char* types_{i}() {{ return types_of(&{name}); }}'
        for i, name in enumerate(names)
    )
    text = f"{_SHIM.read_text()}\n{code}\n{entries}\n"
    made = _folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.so"
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=_folder()) as own:
            source, library = Path(own, "kernels.cpp"), Path(own, "kernels.so")
            source.write_text(text)
            command = [COMPILER, "-std=c++17", "-O1", "-ffp-contract=off", "-w", "-shared", "-fPIC"]
            subprocess.run([*command, "-o", library, source], check=True)
            library.replace(made)
    return ctypes.CDLL(str(made))


class RawModule:
    """Kernels of a source; each of the arguments of a launch must have the type that the source says."""

    launched: list = []  # noqa: RUF012  names of all kernels, in the order of their launches

    def __init__(self, *, code, options=(), name_expressions=()):
        assert "--fmad=false" in options
        self.code, self.names = code, tuple(name_expressions)

    def get_function(self, name):
        number, library = self.names.index(name), _library(self.code, self.names)
        types = library[f"types_{number}"]
        types.restype = ctypes.c_char_p
        turns = 1 if "__syncthreads" in self.code else 2 if "atomicMax" in self.code else 0

        def kernel(grid, block, args):
            kinds = types().decode().split()
            assert len(kinds) == len(args), f"{name} takes {kinds}, got {len(args)} arguments"
            assert len(grid) == len(block) == 2
            assert min(grid) > 0
            assert 0 < block[0] * block[1] <= 1024
            assert grid[0] < 2**31
            assert grid[1] < 2**16
            kept = [_cell(args[i], kind, f"argument {i} of {name}") for i, kind in enumerate(kinds)]
            pointers = (ctypes.c_void_p * len(args))(*[cell.ctypes.data for cell in kept])
            shapes = [(ctypes.c_uint * 2)(*shape) for shape in (grid, block)]
            library[f"launch_{number}"](pointers, *shapes, ctypes.c_int(turns))
            for i, arg in enumerate(args):
                if hasattr(arg, "check_guard"):
                    arg.check_guard(f"{name} has written beyond argument {i}")
            self.launched.append(name)

        return kernel


def _cell(arg, kind, what):
    """Memory that holds an argument: a number or a structure itself, of an array its address."""
    if kind.startswith("*"):
        if arg is None:
            return np.zeros(1, dtype=np.uintp)
        assert hasattr(arg, "get"), f"{what} must be an array on the device, got {type(arg)}"
        assert kind in ("*any", f"*{arg.dtype.name}"), f"{what} must be {kind}, got {arg.dtype}"
        return np.array([arg.data.ptr], dtype=np.uintp)
    assert isinstance(arg, np.ndarray | np.generic), f"{what} must be a NumPy scalar, got {type(arg)}"
    assert arg.size == 1, f"{what} must be of size 1"
    found = arg.dtype.name if arg.dtype.names is None else f"struct:{arg.dtype.itemsize}"
    assert found == kind, f"{what} must be {kind}, got {found}"
    return np.ascontiguousarray(arg)
