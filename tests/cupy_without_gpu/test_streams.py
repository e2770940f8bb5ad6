"""Work on streams in the least favourable order that CUDA allows: where an event is missing, maps are wrong."""

import threading
from importlib import import_module

import numpy as np
import pytest

from lightpool.arrays import to_host, use_device
from lightpool.arrays.devices import device_tables, staging
from lightpool.arrays.kernels import rings
from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.errors import DeviceError
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, RingBackgroundMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.maps.geoms import pixel_store

pytestmark = pytest.mark.gpu

ORDERS = [("late", 0), ("shuffled", 1), ("shuffled", 2)]


def geometry():
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
    return WcsGeom.create(skydir=(83.63, 22.01), width=3, binsz=0.1, axes=[energy])


def reduced(store, geom):
    """Maps of a stack of three runs, and the OFF counts in rings, as they lie on the device."""
    makers = [
        MapDatasetMaker(),
        SafeMaskMaker(methods=["offset-max"], offset_max="2 deg"),
        FoVBackgroundMaker(method="scale"),
    ]
    observations = DataStore.from_dir(store).get_observations()[:3]
    maker = DatasetsMaker(makers, cutout_mode="partial", cutout_width="2.5 deg")
    (dataset,) = maker.run(MapDataset.create(geom), observations)
    rings_around = RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg").run(dataset)
    maps = [dataset.counts, dataset.background, dataset.exposure, dataset.edisp.edisp_map, rings_around.counts_off]
    return [each.data for each in maps]


@pytest.fixture
def expected(crab_store):
    with use_device("cpu"):
        return reduced(crab_store, geometry())


def are_right(maps, expected):
    return all(np.allclose(to_host(x), y, rtol=1e-9, atol=1e-12) for x, y in zip(maps, expected, strict=True))


@pytest.mark.parametrize(("order", "seed"), ORDERS)
@pytest.mark.parametrize("own_stream", [False, True])
def test_maps_do_not_depend_on_when_the_device_works(device, runtime, crab_store, expected, own_stream, order, seed):
    cupy = import_module("cupy")
    with runtime.order_of_work(order, seed), cupy.cuda.Stream() if own_stream else cupy.cuda.Stream.null:
        geom = geometry()
        for _ in range(2):  # the second time with what is kept
            assert are_right(reduced(crab_store, geom), expected)


def maps_of_one_run(store, geom):
    """Maps of one run; nothing waits for the device."""
    observation = DataStore.from_dir(store).get_observations()[0]
    dataset = MapDatasetMaker().run(MapDataset.create(geom), observation)
    return [each.data for each in (dataset.counts, dataset.background, dataset.exposure, dataset.edisp.edisp_map)]


def test_on_a_second_stream_kept_arrays_would_be_used_before_they_are_computed(
    device, runtime, crab_store, monkeypatch
):
    with use_device("cpu"):
        expected = maps_of_one_run(crab_store, geometry())
    for module in (staging, device_tables, rings, pixel_store):
        monkeypatch.setattr(module, "require_one_stream", lambda device: None)
    cupy = import_module("cupy")
    geom = geometry()
    one, other = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
    with runtime.order_of_work("late"):  # shuffled work is done in time by chance
        with one:
            first = maps_of_one_run(crab_store, geom)
        with other:
            assert not are_right(maps_of_one_run(crab_store, geom), expected)
        cupy.cuda.Device().synchronize()
    assert are_right(first, expected)


def test_a_second_stream_is_refused(device, crab_store):
    cupy = import_module("cupy")
    geom = geometry()
    with cupy.cuda.Stream() as first:
        reduced(crab_store, geom)
    with cupy.cuda.Stream(), pytest.raises(DeviceError, match=r"this process has worked on .* before.* Use one stream"):
        reduced(crab_store, geom)
    with pytest.raises(DeviceError, match="Use one stream"):
        reduced(crab_store, geometry())  # on the default stream, with new pixels
    with first:
        reduced(crab_store, geom)


def test_threads_share_a_stream_but_not_the_one_that_each_has_for_itself(device, crab_store, expected):
    cupy = import_module("cupy")
    found = []

    def run(stream):
        with use_device("cuda"), stream:
            try:
                found.append(are_right(reduced(crab_store, geometry()), expected))
            except DeviceError as error:
                found.append(str(error))

    for stream in (cupy.cuda.Stream.ptds, cupy.cuda.Stream.ptds):
        thread = threading.Thread(target=run, args=(stream,), name="worker")
        thread.start()
        thread.join()
    assert found[0] is True
    assert "the default stream of thread 'worker'" in found[1]


def test_two_threads_on_one_stream_get_the_maps_of_one(device, runtime, crab_store, expected):
    stream = import_module("cupy").cuda.Stream()
    found = []

    def run():
        with use_device("cuda"), stream:
            found.append(are_right(reduced(crab_store, geom), expected))

    geom = geometry()
    with runtime.order_of_work("shuffled"):
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [True, True]
