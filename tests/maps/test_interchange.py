"""Maps are shared with other array libraries without a copy, and are not read by NumPy in silence."""

import copy
import pickle

import numpy as np
import pytest
from array_api_compat import array_namespace
from numpy.testing import assert_array_equal

from lightpool.arrays.devices.devices import find_device, to_host
from lightpool.datasets import MapDataset
from lightpool.errors import DeviceError
from lightpool.maps import Map, MapAxis, RegionNDMap, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
GEOM = WcsGeom.create(npix=(4, 2), binsz=0.1, skydir=(83.63, 22.01), axes=[ENERGY])
VALUES = np.arange(24.0).reshape(3, 2, 4)


def address(array):
    """Where the first number of an array lies."""
    for name in ("data_ptr", "unsafe_buffer_pointer"):
        if hasattr(array, name):
            return getattr(array, name)()
    return array.data.ptr if hasattr(array.data, "ptr") else array.ctypes.data


def maps_of(dataset):
    """All maps of a dataset, those of its responses included."""
    maps = [dataset.counts, dataset.background, dataset.exposure, dataset.mask_safe]
    return [*maps, dataset.psf.psf_map, dataset.psf.exposure_map, dataset.edisp.edisp_map]


def test_every_map_of_a_dataset_is_handed_to_pytorch_without_a_copy():
    torch = pytest.importorskip("torch")
    for m in maps_of(MapDataset.create(GEOM)):
        tensor = torch.from_dlpack(m.data)
        assert address(tensor) == address(m.data)
        assert tuple(tensor.shape) == m.geom.data_shape
        assert (tensor.dtype == torch.bool) == m.is_mask


def test_every_map_of_a_dataset_on_pytorch_is_handed_to_numpy_without_a_copy():
    pytest.importorskip("torch")
    for m in maps_of(MapDataset.create(GEOM).to("torch")):
        array = np.from_dlpack(m.data)
        assert address(array) == address(m.data)
        assert array.dtype == (bool if m.is_mask else float)


def test_jax_takes_a_map_where_it_lies():
    pytest.importorskip("torch")
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        zero = Map.from_geom(GEOM, device="torch")  # PyTorch aligns its memory to 64 bytes, as JAX asks for
        for m in (zero, zero + 2.5, zero < 1):
            array = jax.numpy.from_dlpack(m.data)
            assert address(array) == address(m.data)
            assert_array_equal(np.asarray(array), to_host(m.data))
        array = jax.numpy.from_dlpack(Map.from_geom(GEOM, data=VALUES).data)  # NumPy to 16: JAX may copy
        assert_array_equal(np.asarray(array), VALUES)
        with pytest.raises(TypeError, match=r"ArrayImpl.*from_dlpack"):
            Map.from_geom(GEOM, data=array)
        again = Map.from_geom(GEOM, data=np.from_dlpack(array))
        assert address(again.data) == address(array)


@pytest.mark.gpu
def test_a_map_on_a_gpu_is_handed_to_pytorch_and_jax_without_a_copy():
    m = Map.from_geom(GEOM, data=VALUES, device="cuda")
    torch = pytest.importorskip("torch")
    for shared in (m, m > 3):
        tensor = torch.from_dlpack(shared.data)
        assert (tensor.device.type, address(tensor)) == ("cuda", address(shared.data))
        assert Map.from_geom(GEOM, data=tensor).data is tensor
    jax = pytest.importorskip("jax")
    if jax.default_backend() != "gpu":
        pytest.skip("JAX has no GPU here")
    with jax.enable_x64(True):
        assert address(jax.numpy.from_dlpack(m.data)) == address(m.data)


def test_what_one_library_writes_the_other_reads():
    torch = pytest.importorskip("torch")
    m = Map.from_geom(GEOM, device="cpu")
    torch.from_dlpack(m.data)[0, 1, 2] = 5.0
    assert m.data[0, 1, 2] == 5
    m *= 2.0
    assert m.data[0, 1, 2] == 10


def test_an_array_of_the_whole_shape_becomes_a_map_without_a_copy(backend):
    data = backend.array(VALUES)
    m = Map.from_geom(GEOM, data=data)
    assert m.data is data
    assert m.device == backend.device
    m.data = data
    assert m.data is data
    region = RegionNDMap.create(region=None, axes=[ENERGY])
    region.data = data[:, :1, :1]
    assert region.device == backend.device


def test_parts_and_turned_arrays_are_shared_too():
    torch = pytest.importorskip("torch")
    wide = np.arange(48.0).reshape(3, 2, 8)
    for data in (wide[:, :, ::2], np.asfortranarray(VALUES), np.ones((4, 2, 3)).T):
        m = Map.from_geom(GEOM, data=data)
        assert m.data is data
        tensor = torch.from_dlpack(m.data)
        assert address(tensor) == address(data)
        assert_array_equal(tensor.numpy(), data)


def test_views_that_run_backwards_are_copied_as_pytorch_has_none():
    torch = pytest.importorskip("torch")
    for data in (VALUES[::-1], VALUES[:, :, ::-1], VALUES[::-1, ::-1]):
        m = Map.from_geom(GEOM, data=data)
        assert min(m.data.strides) > 0
        assert_array_equal(torch.from_dlpack(m.data).numpy(), data)
    m.data = VALUES[::-1]
    assert min(m.data.strides) > 0


def test_read_only_arrays_and_arrays_without_numbers_are_shared():
    torch = pytest.importorskip("torch")
    frozen = VALUES.copy()
    frozen.setflags(write=False)
    m = Map.from_geom(GEOM, data=frozen)
    assert not m.data.flags.writeable
    assert address(torch.from_dlpack(m.data)) == address(frozen)
    assert not np.from_dlpack(m.data).flags.writeable
    outline = torch.from_dlpack(m.outline().data)  # one NaN for all pixels
    assert outline.stride() == (0, 0, 0)
    nothing = Map.from_geom(GEOM).data[:0]
    assert tuple(torch.from_dlpack(nothing).shape) == (0, 2, 4)


def test_a_tensor_with_a_gradient_stays_in_its_graph():
    torch = pytest.importorskip("torch")
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    m = Map.from_geom(GEOM, data=scale * torch.from_dlpack(VALUES.copy()))
    (m * 2.0).data.sum().backward()
    assert float(scale.grad) == 2 * VALUES.sum()
    assert_array_equal(to_host(m.data), VALUES)


def test_the_namespace_of_the_data_is_that_of_the_device(backend):
    data = Map.from_geom(GEOM).data
    assert array_namespace(data) is backend.xp
    if backend.device.name in ("cpu", "strict"):  # tensors of PyTorch have none of their own
        assert data.__array_namespace__().__name__ in ("numpy", "array_api_strict")


@pytest.mark.parametrize(
    "read",
    [np.asarray, np.sum, np.sqrt, lambda m: np.ones((3, 2, 4)) * m, lambda m: m.quantity],
    ids=["asarray", "sum", "sqrt", "product", "quantity"],
)
def test_no_map_on_a_device_is_read_by_numpy_in_silence(backend, read):
    m = Map.from_geom(GEOM, data=VALUES)
    if not backend.device.is_host:
        with pytest.raises(DeviceError, match=rf"on device '{backend.device}'.*\.to\(\"cpu\"\)"):
            read(m)
    assert_array_equal(read(m.to("cpu")), read(Map.from_geom(GEOM, data=VALUES, device="cpu")))


def test_a_map_is_not_a_number(backend):
    one = Map.from_geom(WcsGeom.create(npix=1), data=1.0)
    for number in (float, int):
        with pytest.raises(TypeError, match="WcsNDMap"):
            number(one)


def test_numpy_gets_the_array_itself_as_in_gammapy():
    m = Map.from_geom(GEOM, data=VALUES)
    assert np.shares_memory(np.asarray(m), VALUES)
    assert np.asarray(m, dtype="float32").dtype == np.float32
    assert not np.shares_memory(np.array(m), VALUES)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(m, dtype="float32", copy=False)


def test_a_pickle_comes_back_to_the_device_it_was_made_on(backend):
    m = Map.from_geom(GEOM, data=VALUES, unit="m2 s", meta={"livetime": 3})
    for other in (pickle.loads(pickle.dumps(m)), copy.deepcopy(m)):
        assert other.device == backend.device
        assert (other.unit, other.meta, other.geom == m.geom) == (m.unit, m.meta, True)
        assert_array_equal(to_host(other.data), VALUES)
        other.data[0, 0, 0] = -1.0
    assert_array_equal(to_host(m.data), VALUES)
    assert pickle.loads(pickle.dumps(backend.device)) == backend.device


def test_a_pickle_for_a_device_that_is_not_there_says_which():
    state = Map.from_geom(GEOM).__getstate__() | {"_device": "cuda:77"}
    with pytest.raises(DeviceError, match="'cuda:77'"):
        Map.from_geom(GEOM).__setstate__(state)
    assert find_device("cpu").is_host


@pytest.mark.parametrize(
    "meet",
    [
        lambda one, other: one + other,
        lambda one, other: one > other,
        lambda one, other: (one > 1) & (other > 1),
        lambda one, other: one.stack(other),
        lambda one, other: one.stack(one.copy(), weights=other > 3),
    ],
    ids=["sum", "comparison", "logic", "stack", "weights"],
)
@pytest.mark.parametrize("where", [("torch", "cpu"), ("cpu", "strict"), ("strict", "torch")])
def test_maps_on_two_devices_do_not_meet_in_silence(where, meet):
    if "torch" in where:
        pytest.importorskip("torch")
    one, other = (Map.from_geom(GEOM, data=VALUES, device=name) for name in where)
    with pytest.raises(
        DeviceError, match=rf"'{where[0]}' is combined with one on '{where[1]}'; .*\.to\(\"{where[0]}\"\)"
    ):
        meet(one, other)


def test_arrays_of_the_host_are_sent_to_a_map_and_those_of_other_devices_are_not(backend):
    pytest.importorskip("torch")
    m = Map.from_geom(GEOM, data=VALUES)
    assert_array_equal(to_host((m * VALUES).data), VALUES**2)
    for name in {"strict", "torch"} - {backend.device.name}:
        other = Map.from_geom(GEOM, data=VALUES, device=name).data
        with pytest.raises(DeviceError, match=rf"'{backend.device}' is combined with one on '{name}'"):
            m * other


@pytest.mark.parametrize("number", [np.float64(2.5), np.float32(2.5), np.int64(2), np.bool_(True)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool"])
def test_numbers_of_numpy_meet_a_map_as_on_the_host(backend, number, dtype):
    on_host = Map.from_geom(GEOM, data=VALUES.astype(dtype), device="cpu")
    m = Map.from_geom(GEOM, data=backend.array(VALUES, dtype))
    for name in ("__mul__", "__add__", "__truediv__", "__gt__", "__and__"):
        result, expected = getattr(m, name)(number), getattr(on_host, name)(number)
        assert result.device == backend.device
        assert_array_equal(to_host(result.data), expected.data, strict=True)
