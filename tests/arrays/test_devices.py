import array_api_compat
import numpy as np
import pytest
from cuda_on_host import cupy_stand_in
from numpy.testing import assert_array_equal

from lightpool.arrays import (
    array_namespace,
    count_transfers,
    device_of,
    find_device,
    full_on,
    get_default_device,
    set_default_device,
    to_device,
    to_host,
    use_device,
)
from lightpool.errors import DeviceError


@pytest.fixture
def no_default(monkeypatch):
    monkeypatch.delenv("LIGHTPOOL_DEVICE", raising=False)
    set_default_device(None)
    yield
    set_default_device(None)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool"])
def test_array_comes_back_as_it_went(backend, dtype):
    values = np.array([[0, 1], [2, 3]]).astype(dtype)
    there = to_device(values, backend.device)
    assert device_of(there) == backend.device
    back = to_host(there)
    assert back.dtype == values.dtype
    assert_array_equal(back, values)


def test_array_that_is_there_already_is_not_copied(backend):
    there = backend.array([1.0, 2.0])
    assert to_device(there, backend.device) is there
    assert device_of(to_device(there, backend.device, dtype="float32")) == backend.device


def test_column_of_a_fits_table_gets_the_byte_order_of_the_machine(backend):
    column = np.array([1.5, -2.0], dtype=">f8")
    there = to_device(column, backend.device)
    assert to_host(there).dtype.isnative
    assert_array_equal(to_host(there), [1.5, -2.0])


def test_read_only_memory_and_plain_numbers_can_go(backend):
    frozen = np.arange(3.0)
    frozen.setflags(write=False)
    assert_array_equal(to_host(to_device(frozen, backend.device)), [0, 1, 2])
    assert_array_equal(to_host(to_device([1, 2], backend.device, dtype="float64")), [1.0, 2.0])


def test_default_is_the_nearest_of_block_call_and_environment(no_default, monkeypatch):
    assert get_default_device().name == "cpu"
    monkeypatch.setenv("LIGHTPOOL_DEVICE", "strict")
    assert get_default_device().name == "strict"
    set_default_device("cpu")
    assert find_device(None).name == "cpu"
    with use_device("strict") as device:
        assert get_default_device() == device == find_device("strict")
    assert get_default_device().name == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cpu:1", "cuda:one", "strict:2", ""])
def test_unknown_device_is_answered_with_those_there_are(name):
    with pytest.raises(DeviceError, match=r"is not known; devices are 'cpu', 'cuda'.*Available devices: cpu"):
        find_device(name)


def test_a_gpu_on_which_cupy_does_not_compute_is_refused(monkeypatch):
    with cupy_stand_in.installed() as cupy:
        monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 2)
        with pytest.raises(DeviceError, match=r"'cuda:1' .* computes on GPU 0 .*CUDA_VISIBLE_DEVICES=1 .*use\(\)"):
            find_device("cuda:1")
        assert find_device("cuda") == find_device("cuda:0")


def test_device_is_a_name_and_nothing_else():
    with pytest.raises(TypeError, match="must be a name such as 'cpu' or 'cuda', got 3 of type int"):
        find_device(3)
    with pytest.raises(TypeError, match="expected an array of NumPy, CuPy, PyTorch or array-api-strict, got list"):
        device_of([1.0])


@pytest.mark.parametrize("read", [float, int, bool, np.asarray, np.from_dlpack, [0, 1].__getitem__])
def test_strict_device_refuses_every_silent_way_back(read):
    x = to_device(np.ones((), dtype=np.int64), "strict")
    with pytest.raises((DeviceError, RuntimeError, TypeError)):
        read(x)
    assert to_host(x) == 1


@pytest.mark.parametrize(
    ("value", "dtype"), [(2.5, "float64"), (np.float32(2.5), "float32"), (3, "int64"), (True, "bool")]
)
def test_an_array_of_one_number_is_made_on_its_device(backend, value, dtype):
    with count_transfers() as transfers:
        there = full_on((2, 3), value, backend.device)
        assert transfers.to_device.number == 0
    assert device_of(there) == backend.device
    assert to_host(there).dtype == dtype
    assert_array_equal(to_host(there), np.full((2, 3), value))


def test_the_namespace_of_arrays_is_that_of_array_api_compat(backend):
    x = backend.array([1.0, 2.0])
    assert array_namespace(x) is array_namespace(x, None, 2.0) is backend.xp
    assert backend.xp is array_api_compat.array_namespace(x)


def test_without_an_array_there_is_no_namespace():
    with pytest.raises(TypeError):
        array_namespace()
    with pytest.raises(TypeError):
        array_namespace(None)


def test_strict_device_refuses_what_has_a_shape_that_depends_on_values():
    x = to_device(np.arange(4.0), "strict")
    xp, mask = array_namespace(x), x > 1.0
    calls = [lambda: x[mask], lambda: x[..., mask], lambda: xp.nonzero(x), lambda: xp.unique_values(x)]
    for call in [*calls, lambda: xp.clip(x, 0.0, 1.0), lambda: x.__setitem__(mask, 0.0)]:
        with pytest.raises(DeviceError, match="wait for"):
            call()
    assert x[1:].shape == (3,)
