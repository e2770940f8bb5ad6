"""Values that are computed when they are asked for, asked for by several threads at the same time."""

import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lightpool.arrays import to_host
from lightpool.arrays.devices.lazy_array import lazy_zeros
from lightpool.datasets import MapDatasetOnOff
from lightpool.makers import DatasetsMaker, MapDatasetMaker, RingBackgroundMaker, SafeMaskMaker
from lightpool.maps import Map
from lightpool.utils.accumulators import MergedValue
from lightpool.utils.on_demand import Deferred, load

N_THREAD = 4


@pytest.fixture(autouse=True)
def threads_that_take_turns_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(ask):
    """What each of some threads gets that ask at the same time."""
    start = threading.Barrier(N_THREAD, timeout=60)

    def asked():
        start.wait()
        return ask()

    with ThreadPoolExecutor(N_THREAD) as pool:
        return [job.result() for job in [pool.submit(asked) for _ in range(N_THREAD)]]


def test_values_of_a_map_are_the_same_array_for_all(geom):
    """Each thread is in the computation when the others enter it."""
    inside = threading.Barrier(N_THREAD, timeout=60)
    zeros = lazy_zeros(geom.data_shape, "float64", Map.from_geom(geom).device)

    def compute(*window):
        inside.wait()
        return zeros.compute(*window)

    lazy = replace(zeros, compute=compute)
    on_map = Map.from_geom(geom, data=lazy)
    found = at_once(lambda: on_map.data)
    assert all(each is found[0] for each in found)


def test_counts_of_events_become_the_same_array_for_all(empty, observations):
    counts = MapDatasetMaker(["counts"]).run(empty(), observations[0]).counts
    expected = counts.copy().data.sum()
    lazy = MapDatasetMaker(["counts"]).run(empty(), observations[0]).counts
    found = at_once(lambda: lazy.data)
    assert all(each is found[0] for each in found)
    assert found[0].sum() == expected > 0


def test_a_deferred_attribute_is_the_same_object_for_all(empty, geom):
    inside = threading.Barrier(N_THREAD, timeout=60)
    dataset = empty()

    def make():
        inside.wait()
        return Map.from_geom(geom)

    dataset.counts = Deferred(make)
    found = at_once(lambda: dataset.counts)
    assert all(each is found[0] for each in found)


def test_additions_are_merged_once():
    merged = []

    def merge(parts):
        merged.append(len(parts))
        return sum(load(part) for part in parts)

    total = MergedValue(Deferred(lambda: 1), merge)
    for value in range(2, 200):
        total.add(MergedValue(value, merge))
    assert at_once(lambda: total.value) == [19900] * N_THREAD
    assert merged == [199]


ASKED = {
    "psf": lambda stack: stack.psf.psf_map.data,
    "exposure of psf": lambda stack: stack.psf.exposure_map.data,
    "copy of psf": lambda stack: stack.psf.copy().psf_map.data,
    "edisp on its device": lambda stack: stack.edisp.to("cpu").edisp_map.data,
    "counts_off": lambda stack: stack.counts_off.data,
    "acceptance_off": lambda stack: stack.acceptance_off.data,
    "background": lambda stack: stack.background.data,
    "pickle": lambda stack: pickle.loads(pickle.dumps(stack)).acceptance_off.data,
    "gti": lambda stack: np.asarray(stack.gti.time_start.mjd),
}


@pytest.mark.slow
def test_a_growing_stack_is_settled_once(empty, observations):
    makers = [MapDatasetMaker(), SafeMaskMaker(["offset-max"]), RingBackgroundMaker("0.4 deg", "0.4 deg")]
    single = DatasetsMaker(makers, stack_datasets=False).run(empty(), observations[:2])

    def make():
        stack = MapDatasetOnOff.from_geoms(**single[0].geoms)
        for dataset in single:
            stack.stack(dataset)
        return stack

    expected = {name: to_host(ask(make())) for name, ask in ASKED.items()}
    for name, ask in ASKED.items():
        stack = make()
        for found in at_once(lambda ask=ask, stack=stack: ask(stack)):
            assert_array_equal(to_host(found), expected[name], err_msg=name)
