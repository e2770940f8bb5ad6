"""Compiles CUDA kernels by g++ instead of NVRTC. CuPy imports it when the rest of it is there.

NVRTC too compiles the sources of modules, with the options that CuPy gives it, and its result is thrown away: an error
there is one here.
"""

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from cupy.cuda import compiler

from cupy_without_gpu.libraries import FOLDER

_HEADER = Path(__file__).resolve().parent / "native" / "kernels.h"
_KERNELS = FOLDER / "kernels"
_Nvrtc = compiler._NVRTCProgram
_COMPILE = ("g++", "-std=c++17", "-O1", "-w", "-fpermissive", "-ffp-contract=off", "-fPIC")
# What most of CuPy's kernels include; compiled once, as it takes twice as long as a kernel.
_PREFIX = f'''#include "{_HEADER}"
#include <cupy/complex.cuh>
#include <cupy/carray.cuh>
#include <cupy/atomics.cuh>
#include <cupy/math_constants.h>
'''
_MEET = re.compile("__syncthreads|__syncwarp|__shfl|_REDUCE")  # where threads of a block wait for each other
_NAME = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(')
_SHARED = re.compile(r"extern\s+__shared__\s+([\w ]+?)\s+(\w+)\[\];")


class Program:
    """A source of CUDA C++, in the place of `cupy.cuda.compiler._NVRTCProgram`.

    Parameters
    ----------
    src : str or bytes
    name : str
    headers, include_names : tuple of str
        Not used, as CuPy passes none.
    name_expressions : iterable of str, optional
        Names of the kernels, as C++ has them; otherwise those that are declared ``extern "C"``.
    method : str
        Not used: there is one kind of result.
    """

    def __init__(self, src, name="default_program", headers=(), include_names=(), name_expressions=None, method="ptx"):
        assert not headers
        self.source = src.decode() if isinstance(src, bytes) else src
        self.name, self.expressions = name, list(name_expressions or [])

    def compile(self, options=(), log_stream=None):
        """Return the path of the compiled kernels, which `cuModuleLoadData` loads, and their names there."""
        source = _SHARED.sub(r"\1* \2 = reinterpret_cast<\1*>(on_host::dynamic_shared.data());", self.source)
        in_turns = "true" if _MEET.search(source) else "false"
        kernels = self.expressions or _NAME.findall(source)
        names = [f"kernel_{i}" for i in range(len(kernels))] if self.expressions else kernels
        entries = "".join(
            f'extern "C" void* bind_{name}(void** arguments, const unsigned* grid, const unsigned* block)'
            f" {{ return on_host::prepare({kernel}, arguments, grid, block, {in_turns}); }}\n"
            for name, kernel in zip(names, kernels, strict=True)
        )
        flags = [option for option in options if option.startswith(("-I", "-D"))]
        library = self._library(f"#line 1\n{source}\n{entries}", flags, options)
        return bytes(library) + b"\0", dict(zip(kernels, names, strict=True)) if self.expressions else None

    def _library(self, text, flags, options):
        content = repr((_HEADER.read_text(), _PREFIX, text, flags))
        library = _KERNELS / f"{hashlib.sha256(content.encode()).hexdigest()[:24]}.so"
        if not library.exists():
            if self.expressions:  # a module, not one of the kernels that CuPy itself writes
                _Nvrtc(self.source, self.name, name_expressions=self.expressions, method="cubin").compile(options)
            prefix = _compiled_prefix([flag for flag in flags if flag.startswith("-I")])
            try:
                _compile(text, library, "-x", "c++", "-shared", *flags, "-include", prefix)
            except subprocess.CalledProcessError as error:
                log = error.stderr[:3000]
                raise compiler.CompileException(log, self.source, self.name, options, "g++") from error
        return library


def _compiled_prefix(folders):
    """Return a header that g++ has compiled already, if it is given the same flags."""
    name = hashlib.sha256(repr((_HEADER.read_text(), _PREFIX, folders)).encode()).hexdigest()[:24]
    header = _KERNELS / f"{name}.h"
    compiled = header.with_suffix(".h.gch")
    if not compiled.exists():
        _KERNELS.mkdir(exist_ok=True)
        header.write_text(_PREFIX)
        _compile(_PREFIX, compiled, "-x", "c++-header", *folders)
    return header


def _compile(text, result, *flags):
    with tempfile.TemporaryDirectory(dir=_KERNELS) as work:
        source, made = Path(work, "source.cpp"), Path(work, "made")
        source.write_text(text)
        subprocess.run([*_COMPILE, *flags, "-o", made, source], capture_output=True, text=True, check=True)
        os.replace(made, result)  # other processes may be making the same


compiler._NVRTCProgram = Program
