import numpy as np
import pytest
from cuda_on_host import cupy_stand_in
from numpy.testing import assert_array_equal

from lightpool.arrays.kernels.clipping import clip, sign

VALUES = np.array([-np.inf, -2.0, -0.0, 0.0, 1e-300, 3.0, np.inf, np.nan])


@pytest.mark.parametrize("limits", [(0.0, None), (None, 1.0), (-1.0, 2.0), (None, None)])
def test_values_beyond_a_limit_take_it(backend, read, limits):
    clipped = read(clip(backend.array(VALUES), *limits))
    assert_array_equal(clipped, VALUES if limits == (None, None) else np.clip(VALUES, *limits))
    assert clipped.dtype == np.float64


def test_the_data_type_stays(backend, read):
    assert read(clip(backend.array([-1.0, 2.0], dtype="float32"), 0.0)).dtype == np.float32
    assert_array_equal(read(clip(backend.array([-1, 2]), 0)), np.array([0, 2]), strict=True)


def test_a_sign_is_that_of_numpy(backend, read):
    assert_array_equal(read(sign(backend.array(VALUES))), np.sign(VALUES))


def test_a_number_stays_a_number():
    assert type(clip(np.float64(-1.0), 0.0)) is np.float64


@pytest.mark.parametrize("backend", ["cuda on host"], indirect=True)
def test_nothing_waits_for_the_device(backend):
    x = backend.array(VALUES)
    cupy_stand_in.waits.clear()
    sign(clip(x, -1.0, 1.0))
    assert cupy_stand_in.waits == []
    with pytest.raises(TypeError, match="boolean mask"):
        backend.xp.clip(x, 0.0, None)
    with pytest.raises(TypeError, match="boolean mask"):
        backend.xp.sign(x)
