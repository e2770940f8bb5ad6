"""CUDA sources, compiled by NVRTC when one of their kernels is first launched; and the launch of kernels."""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module, resources
from typing import Any, cast

from lightpool.arrays.devices.array_types import Array, CudaArray, CudaLibrary, DType

__all__ = [
    "BLOCK",
    "KERNELS",
    "OPTIONS",
    "contiguous",
    "dtype_in_c",
    "empty",
    "grid_for",
    "launch",
    "source_text",
    "zeros",
]

_TABLES = ("double", "float")
KERNELS: dict[str, tuple[str, ...]] = {
    "accumulation": tuple(f"add_product<{kind}>" for kind in ("double", "float", "bool")),
    "binning": ("bin_index", *(f"histogram<{kind}>" for kind in ("double", "bool"))),
    "connected": ("plant", "join", "label"),
    "directions": ("pixel_directions", "rotate", "fov_lonlat", "separation", "solid_angles"),
    "events": ("count_events",),
    "interpolation": (
        "interpolation_weights",
        *(f"{name}<{kind}>" for name in ("hat_basis", "gather_bilinear") for kind in _TABLES),
        *(f"interpolate_grid<{kind}>" for kind in (*_TABLES, "bool")),
    ),
    "profiles": tuple(f"project_{name}<{kind}>" for name in ("gauss", "king") for kind in _TABLES),
    "reductions": tuple(f"sums_in_{name}<{kind}>" for name in ("masks", "bands") for kind in _TABLES),
    "responses": tuple(
        f"project_{name}<{kind}>" for name in ("values", "density", "kernel", "integrals") for kind in _TABLES
    ),
    "statistics": (
        *("cash_errors", "cash_excess", "cash_of", "cash_summary"),
        *("wstat_error", "wstat_excess", "wstat_of", "wstat_summary"),
    ),
}
"""Kernels of each source, by the names that NVRTC instantiates."""

OPTIONS = ("-std=c++17", "--fmad=false")
"""Products and sums are rounded one by one, as in array code, so that events on an edge fall in the same bin."""

BLOCK = 256
"""Threads of a block, at most."""

Grid = tuple[tuple[int, int], tuple[int, int]]
"""Numbers of blocks, and of threads in a block, along the items and along the rows."""

_MAX_BLOCKS = (2**31 - 1, 65535)  # limits of CUDA for a grid, along x and y
_INCLUDE = re.compile(r'^#include "([a-z_]+\.cuh)"\n', re.MULTILINE)
_IN_C = {"float64": "double", "float32": "float", "bool": "bool"}


@lru_cache
def source_text(name: str) -> str:
    """Return the source of some kernels, with the headers of this folder included.

    NVRTC gets one text: CuPy caches compiled kernels by their text, and would not notice that a header has changed.
    """
    folder = resources.files(__package__)

    def inserted(match: re.Match[str]) -> str:
        return folder.joinpath(match[1]).read_text(encoding="utf-8")

    return _INCLUDE.sub(inserted, folder.joinpath(f"{name}.cu").read_text(encoding="utf-8"))


@lru_cache
def _module(name: str) -> Any:
    cupy = import_module("cupy")
    return cupy.RawModule(code=source_text(name), options=OPTIONS, name_expressions=KERNELS[name])


@lru_cache
def _kernel(source: str, name: str) -> Any:
    return _module(source).get_function(name)


def grid_for(n_item: int, n_row: int = 1) -> Grid:
    """Return the grid for rows of items.

    A block takes several short rows, and a thread takes several items where there are very many.

    Parameters
    ----------
    n_item : int
        Number of items in a row.
    n_row : int
    """
    width = min(_power_of_two(n_item), BLOCK)
    height = min(_power_of_two(n_row), BLOCK // width)
    blocks = min(-(-n_item // width), _MAX_BLOCKS[0]), min(-(-n_row // height), _MAX_BLOCKS[1])
    return blocks, (width, height)


def _power_of_two(n: int) -> int:
    """Return the smallest power of two that is not below n."""
    return 1 << (max(n, 1) - 1).bit_length()


def launch(source: str, name: str, grid: Grid, args: Sequence[Any], like: Array) -> None:
    """Launch a kernel on the device of an array and its current stream; nothing is waited for.

    Parameters
    ----------
    source, name : str, see `KERNELS`
    grid : see `grid_for`; without blocks nothing is launched
    args : sequence of arrays on the device, numbers and structures
        Arrays are C-contiguous unless the kernel takes strides; None for an array that is left out. Numbers are NumPy
        scalars of the types of the kernel. Structures are structured NumPy arrays of size 1, which are passed by value.
    like : array on the device
    """
    blocks, threads = grid
    if 0 in blocks:
        return
    with cast(CudaArray, like).device:  # CuPy loads a module, and launches, on the current device
        _kernel(source, name)(blocks, threads, tuple(args))


def contiguous(x: Array, dtype: DType = None) -> CudaArray:
    """Return an array itself if it is C-contiguous and of a data type, or else a copy that is.

    Parameters
    ----------
    x : array of CuPy
    dtype : data type or its name; that of ``x`` by default
    """
    array = cast(CudaArray, x)
    if array.flags.c_contiguous and dtype in (None, array.dtype):
        return array
    with array.device:
        return _cupy().ascontiguousarray(array, dtype=dtype)


def empty(shape: tuple[int, ...], dtype: DType, like: Array) -> CudaArray:
    """Create an array for a kernel to fill.

    Parameters
    ----------
    shape : tuple of int
    dtype : data type or its name
    like : array on the device where it is created
    """
    with cast(CudaArray, like).device:
        return _cupy().empty(shape, dtype=dtype)


def zeros(shape: tuple[int, ...], dtype: DType, like: Array) -> CudaArray:
    """Create an array of zeros.

    Parameters
    ----------
    shape : tuple of int
    dtype : data type or its name
    like : array on the device where it is created
    """
    with cast(CudaArray, like).device:
        return _cupy().zeros(shape, dtype=dtype)


def _cupy() -> CudaLibrary:
    return cast(CudaLibrary, import_module("cupy"))


def dtype_in_c(x: Array) -> str | None:
    """Return the name of the type of a map in C++; None if there are no kernels for it."""
    return _IN_C.get(cast(CudaArray, x).dtype.name)
