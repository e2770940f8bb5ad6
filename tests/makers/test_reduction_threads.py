"""Large maps are reduced by several threads of the process; nothing but the time depends on their number."""

import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lightpool.arrays import to_host
from lightpool.datasets import MapDataset
from lightpool.errors import ReductionError
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    reduce,
)
from lightpool.makers.core import Maker


def safe():
    return SafeMaskMaker(["aeff-default", "offset-max"], offset_max="1.5 deg")


CHAINS = {
    "maps": [MapDatasetMaker()],
    "field of view": [MapDatasetMaker(), safe(), FoVBackgroundMaker()],
    "fit": [MapDatasetMaker(), safe(), FoVBackgroundMaker(method="fit")],
    "rings": [MapDatasetMaker(), safe(), RingBackgroundMaker(r_in="0.4 deg", width="0.4 deg")],
    "adaptive rings": [
        MapDatasetMaker(),
        safe(),
        AdaptiveRingBackgroundMaker(r_in="0.4 deg", width="0.4 deg", r_out_max="1.2 deg"),
    ],
}


class ThreadMaker(Maker):
    """Notes the thread in which it runs, and fails on one observation."""

    tag = "ThreadMaker"

    def __init__(self, fails_on=None):
        self._threads, self.fails_on = set(), fails_on

    def run(self, dataset, observation=None):
        self._threads.add(threading.current_thread().name.partition("_")[0])
        if observation.obs_id == self.fails_on:
            raise ValueError("the clouds came in")
        return dataset


class OurMaker(ThreadMaker):
    __module__ = "lightpool.makers.of_this_test"


@pytest.fixture
def with_threads(monkeypatch):
    """Let maps of any size be reduced by threads, of which there are as many as told."""

    def use(n_thread):
        monkeypatch.setattr(reduce, "_LEAST_BYTES_FOR_THREADS", 0)
        monkeypatch.setattr(reduce, "n_core", lambda: n_thread)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield use
    sys.setswitchinterval(before)


def content_of(dataset):
    maps = {"counts": dataset.counts, "mask": dataset.mask_safe, "exposure": dataset.exposure}
    maps |= {"psf": dataset.psf.psf_map, "edisp": dataset.edisp.edisp_map, "norm": dataset.psf.exposure_map}
    for name in ("background", "counts_off", "acceptance", "acceptance_off"):
        if getattr(dataset, name, None) is not None:
            maps[name] = getattr(dataset, name)
    arrays = {name: to_host(data.data) for name, data in maps.items()}
    times = dataset.gti.time_start.mjd
    return arrays | {"gti": times, "runs": np.array(dataset.meta_table["OBS_ID"])}


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("stacked", [True, False])
def test_results_do_not_depend_on_the_number_of_threads(empty, observations, with_threads, chain, stacked):
    results = []
    for n_thread in (1, 2, 3):
        with_threads(n_thread)
        maker = DatasetsMaker(CHAINS[chain], stack_datasets=stacked, cutout_width="3 deg")
        results.append([content_of(dataset) for dataset in maker.run(empty(), observations)])
    for other in results[1:]:
        assert len(other) == len(results[0])
        for expected, content in zip(results[0], other, strict=True):
            assert content.keys() == expected.keys()
            for name, array in content.items():
                assert_array_equal(array, expected[name], err_msg=name)


def test_threads_are_for_the_host_and_for_the_makers_of_this_package(backend, empty, observations, with_threads):
    with_threads(2)
    ours, other = OurMaker(), ThreadMaker()
    for maker in (ours, other):
        DatasetsMaker([MapDatasetMaker(["counts"]), maker]).run(empty(), observations)
    assert ours._threads == {"lightpool-reduction" if backend.device.is_host else "MainThread"}
    assert other._threads == {"MainThread"}


def test_small_maps_and_makers_that_read_the_maps_take_no_threads(empty, observations, with_threads, monkeypatch):
    monkeypatch.setattr(reduce, "n_core", lambda: 2)
    maker = OurMaker()
    DatasetsMaker([MapDatasetMaker(["counts"]), maker]).run(empty(), observations[:2])
    with_threads(2)
    DatasetsMaker([maker]).run(empty(), observations[:2])  # it reads the maps of the reference
    assert maker._threads == {"MainThread"}


def test_a_failure_keeps_what_comes_before_it_and_leaves_no_thread(empty, observations, with_threads):
    with_threads(3)
    stacked, before = empty(), set(threading.enumerate())
    with pytest.raises(ReductionError, match=r"3.*clouds"):
        DatasetsMaker([MapDatasetMaker(["counts"]), OurMaker(fails_on=3)]).run(stacked, observations)
    expected = DatasetsMaker([MapDatasetMaker(["counts"])]).run(empty(), observations[:2])[0]
    assert_array_equal(to_host(stacked.counts.data), to_host(expected.counts.data))
    assert set(threading.enumerate()) == before


def test_the_memory_of_threads_is_in_the_estimate(geom, with_threads):
    dataset, maker = MapDataset.create(geom), DatasetsMaker([MapDatasetMaker()])
    with_threads(1)
    one = maker.estimate_memory(dataset).parts
    with_threads(3)
    several = dict(maker.estimate_memory(dataset).parts)
    if dataset.device.is_host:
        assert several.pop("threads") == 3 * one["observation"]
    assert several == one
