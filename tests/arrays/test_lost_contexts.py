import pickle

import pytest
from cuda_on_host.cupy_stand_in import CUDARuntimeError

from lightpool.arrays.devices.lost_contexts import lost_context
from lightpool.errors import OutOfMemoryError, ReductionError


@pytest.mark.parametrize("status", [214, 700, 719])
def test_an_error_that_destroys_the_context_is_found_wherever_it_is(status):
    error = CUDARuntimeError(status)
    text = str(error)
    assert lost_context(error) == text
    assert lost_context(ReductionError(7, "MapDatasetMaker", error)) == text
    assert lost_context(pickle.loads(pickle.dumps(ReductionError(7, "reading", error)))) == text
    outer = ValueError("no map")
    outer.__cause__ = error
    assert lost_context(outer) == text


@pytest.mark.parametrize(
    "error",
    [
        None,
        CUDARuntimeError(2),
        CUDARuntimeError(98),
        OutOfMemoryError("counts needs more memory than device 'cuda:0' has"),
        RuntimeError("kernels.cu(3): error: identifier is undefined"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        ValueError("cudaErrorIllegalAddress: in the name of a file"),
        RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
    ],
)
def test_other_errors_leave_the_context_as_it_is(error):
    assert lost_context(error) is None


@pytest.mark.parametrize(
    "text",
    [
        "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered",
        "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure",
        "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: device-side assert triggered",
    ],
)
def test_the_driver_and_pytorch_say_it_in_other_words(text):
    assert lost_context(RuntimeError(text)) == text.splitlines()[0]


def test_errors_that_are_causes_of_each_other_end():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert lost_context(one) is None
