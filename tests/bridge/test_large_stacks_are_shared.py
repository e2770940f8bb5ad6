"""A large stack, that of the benchmark of the conversion, is converted without a copy of any map."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from lightpool.gammapy import from_gammapy, to_gammapy

PATH = Path(__file__).parents[2] / "benchmarks" / "gammapy_conversion.py"


@pytest.fixture(scope="module")
def benchmark_module():
    """The benchmark, which is a script and not a part of the package."""
    spec = spec_from_file_location("gammapy_conversion", PATH)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module", params=[11, 31])
def stack(request, benchmark_module):
    return benchmark_module.make_stack(request.param, n_observation=3)


def arrays_of(dataset):
    maps = [dataset.counts, dataset.exposure, dataset.background, dataset.mask_safe]
    for response, data in ((dataset.psf, dataset.psf.psf_map), (dataset.edisp, dataset.edisp.edisp_map)):
        maps += [data, response.exposure_map]
    return [data.data for data in maps]


def test_a_large_stack_is_converted_without_a_copy(stack):
    there = to_gammapy(stack)
    back = from_gammapy(there)
    copy = there.copy(name="copy")
    elsewhere = from_gammapy(copy)
    for one, other in zip(arrays_of(stack), arrays_of(there), strict=True):
        assert np.shares_memory(one, other)
    for one, other in zip(arrays_of(stack), arrays_of(back), strict=True):
        assert np.shares_memory(one, other)
    for one, other in zip(arrays_of(copy), arrays_of(elsewhere), strict=True):
        assert np.shares_memory(one, other)
