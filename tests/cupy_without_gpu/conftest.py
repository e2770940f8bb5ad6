"""Tests of CuPy on the host, which need the environment that `cupy_without_gpu.build` makes."""

from importlib import import_module

import pytest

from lightpool.arrays import forget_constants, use_device
from lightpool.arrays.devices import streams
from lightpool.arrays.kernels import rings


@pytest.fixture
def runtime():
    """The CUDA runtime on the host; a real one counts nothing, and keeps its own order."""
    try:
        return import_module("cupy_without_gpu.runtime")
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture
def device(runtime, monkeypatch):
    """CuPy's device, on which nothing is kept, and on whose streams nothing was done."""
    with use_device("cuda") as device:
        monkeypatch.setattr(streams, "_computing", {})
        monkeypatch.setattr(rings, "_CACHE", rings._TransformCache(2**28))
        forget_constants(device)
        yield device
        forget_constants(device)
