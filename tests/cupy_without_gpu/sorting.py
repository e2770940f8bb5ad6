"""Sorts on the host what CuPy sorts by Thrust, whose kernels are compiled in the wheel. CuPy imports it at its end."""

import ctypes
import math

import numpy as np
from cupy.cuda import get_current_stream, thrust

from cupy_without_gpu.libraries import RUNTIME

RUNTIME.host_sort.restype = RUNTIME.host_argsort.restype = ctypes.c_bool


def _call(function, dtype, pointers, shape):
    kind = ctypes.c_char(np.dtype(dtype).char.encode())
    addresses = [ctypes.c_void_p(each) for each in (get_current_stream().ptr, *pointers)]
    sizes = [ctypes.c_long(n) for n in (math.prod(shape[:-1]), shape[-1])]
    if not function(kind, *addresses, *sizes):
        raise NotImplementedError(f"numbers of type {dtype} are not sorted on the host")


def _sort(dtype, data_start, keys_start, shape):
    _call(RUNTIME.host_sort, dtype, [data_start], shape)


def _argsort(dtype, idx_start, data_start, keys_start, shape):
    _call(RUNTIME.host_argsort, dtype, [idx_start, data_start], shape)


thrust.sort, thrust.argsort = _sort, _argsort
