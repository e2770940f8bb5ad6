"""A chain of makers over observations: one by one, in processes, stacked."""

import threading

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.arrays.staging import Uploads
from lightpool.datasets import MapDataset
from lightpool.errors import ReductionError
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.makers.core import Maker
from lightpool.maps import WcsGeom, fill


@pytest.fixture
def chain():
    return [MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.5 deg"), FoVBackgroundMaker()]


class FailingMaker(Maker):
    """Fails on one run."""

    tag = "FailingMaker"

    def run(self, dataset, observation=None):
        if observation.obs_id == 2:
            raise ValueError("the clouds came in")
        return dataset


def maps_of(dataset):
    maps = {name: getattr(dataset, name) for name in ("counts", "background", "exposure", "mask_safe")}
    maps |= {"psf": dataset.psf.psf_map, "edisp": dataset.edisp.edisp_map}
    return {name: to_host(value.data) for name, value in maps.items()}


def test_stack_is_the_sum_of_its_observations(backend, empty, observations, chain):
    stacked = DatasetsMaker(chain, cutout_width="3.6 deg").run(empty(), observations)[0]
    single = DatasetsMaker(chain, stack_datasets=False, cutout_width="3.6 deg").run(empty(), observations)
    counts, background = np.zeros((2, *stacked.counts.data.shape))
    for dataset in single:
        window = (slice(None), *dataset.counts.geom.cutout_slices(stacked.counts.geom)["parent-slices"])
        mask = to_host(dataset.mask_safe.data)
        counts[window] += np.where(mask, to_host(dataset.counts.data), 0)
        background[window] += np.where(mask, to_host(dataset.npred_background().data), 0)
    assert_array_equal(to_host(stacked.counts.data), counts)
    assert_allclose(to_host(stacked.background.data), background, rtol=1e-12, atol=1e-15)
    assert stacked.device == backend.device
    assert_allclose(stacked.gti.time_sum.to_value("s"), 1680 * len(observations))


def test_datasets_come_in_the_order_of_the_observations(empty, observations, chain):
    chosen = [observations[i] for i in (3, 0, 4)]
    datasets = DatasetsMaker(chain, stack_datasets=False).run(empty(), chosen)
    assert [d.meta_table["OBS_ID"][0] for d in datasets] == [4, 1, 5]
    assert len(set(datasets.names)) == 3


def test_the_stack_is_found_by_its_name(empty, observations, chain):
    assert DatasetsMaker(chain).run(empty(), observations[:1])["stacked"].counts.data.sum() > 0
    assert DatasetsMaker(chain).run(empty(name="crab"), observations[:1]).names == ["crab"]


# Other processes know nothing of the stand-in for CuPy.
@pytest.mark.parametrize(
    "device", ["cpu", "torch", "strict", pytest.param("cuda", marks=pytest.mark.gpu)], indirect=True
)
def test_processes_give_the_same_bits(device, empty, observations, chain):
    serial, parallel = empty(), empty()
    DatasetsMaker(chain, n_jobs=1).run(serial, observations[:3])
    DatasetsMaker(chain, n_jobs=2).run(parallel, observations[:3])
    for name, expected in maps_of(serial).items():
        assert_array_equal(maps_of(parallel)[name], expected, err_msg=name)


def test_cutout_is_twice_the_largest_offset_unless_given(chain):
    assert DatasetsMaker(chain).cutout_width.deg == 3
    assert DatasetsMaker(chain, cutout_width="2 deg").cutout_width.deg == 2
    assert DatasetsMaker(chain[:1]).cutout_width is None


def test_cutouts_change_no_number_inside(empty, observations, chain):
    small = DatasetsMaker(chain[:2], cutout_width="3.6 deg").run(empty(), observations[:2])[0]
    whole = DatasetsMaker(chain[:2], cutout_width="30 deg").run(empty(), observations[:2])[0]
    for name in ("counts", "background", "mask_safe"):
        assert_allclose(maps_of(small)[name], maps_of(whole)[name], rtol=1e-12, err_msg=name)


def test_an_observation_outside_the_map_is_left_out_with_a_warning(observations, geom, chain, caplog):
    far = WcsGeom.create(skydir=(250, -40), width=3, binsz=0.2, axes=geom.axes)
    stacked = DatasetsMaker(chain).run(MapDataset.create(far), observations[:1])[0]
    assert stacked.counts.data.sum() == 0
    assert "observation 1 left out" in caplog.text
    assert len(DatasetsMaker(chain, stack_datasets=False).run(MapDataset.create(far), observations[:1])) == 0


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_failure_names_the_observation_and_the_step(empty, observations, n_jobs):
    maker = DatasetsMaker([MapDatasetMaker(selection=["counts"]), FailingMaker()], n_jobs=n_jobs)
    with pytest.raises(ReductionError, match="observation 2: FailingMaker failed with ValueError: the clouds came in"):
        maker.run(empty(), observations[:3])


def test_what_was_stacked_before_a_failure_is_kept(empty, observations):
    stacked = empty()
    maker = DatasetsMaker([MapDatasetMaker(selection=["counts"]), FailingMaker()])
    with pytest.raises(ReductionError):
        maker.run(stacked, observations[:3])
    assert stacked.counts.data.sum() > 0


def test_events_are_sent_ahead_by_the_thread_that_reads(backend, empty, observations, monkeypatch):
    threads = {}

    def send(uploads, x):
        threads.setdefault("sent in", set()).add(threading.current_thread().name)
        return plain_send(uploads, x)

    def pack(events, arrays, geom):
        threads.setdefault("packed in", set()).add(threading.current_thread().name)
        return plain_pack(events, arrays, geom)

    plain_send, plain_pack = Uploads.send, fill._host_columns
    expected = DatasetsMaker([MapDatasetMaker(["counts"])]).run(empty(), observations)[0].counts
    monkeypatch.setattr(Uploads, "send", send)
    monkeypatch.setattr(fill, "_host_columns", pack)
    counts = DatasetsMaker([MapDatasetMaker(["counts"])]).run(empty(), observations)[0].counts
    assert_array_equal(to_host(counts.data), to_host(expected.data))
    if backend.device.is_host:
        assert threads == {"packed in": {"MainThread"}}
    else:
        assert threads == {"sent in": {"lightpool-read-ahead_0"}, "packed in": {"lightpool-read-ahead_0"}}


def test_events_that_a_filter_leaves_out_are_not_counted_for_having_been_sent(backend, empty, observations):
    observations = observations.select_time(observations[0].gti.time_ref + [0, 1e3] * u.h)
    observations[0].obs_filter.event_filters = [
        {"type": "custom", "opts": {"parameter": "ENERGY", "band": [1, 2] * u.TeV}}
    ]
    counts = DatasetsMaker([MapDatasetMaker(["counts"])]).run(empty(), observations[:1])[0].counts
    expected = MapDatasetMaker(["counts"]).run(empty(), observations[0]).counts
    assert_array_equal(to_host(counts.data), to_host(expected.data))


def test_a_failure_leaves_no_thread_behind(empty, observations):
    before = set(threading.enumerate())
    failure = None
    try:
        DatasetsMaker([MapDatasetMaker(selection=["counts"]), FailingMaker()]).run(empty(), observations)
    except ReductionError as error:
        failure = error  # its traceback keeps what was being iterated over
    assert failure is not None
    assert set(threading.enumerate()) == before


def test_one_reference_for_each_observation(empty, observations, chain):
    references = [empty(name=f"night-{i}") for i in range(2)]
    datasets = DatasetsMaker(chain, stack_datasets=False).run(empty(), observations[:2], datasets=references)
    assert [dataset.counts.data.shape for dataset in datasets] == [(4, 20, 20)] * 2, "used whole, not cut out"
    with pytest.raises(ValueError, match="2 datasets for 3 observations"):
        DatasetsMaker(chain).run(empty(), observations[:3], datasets=references)


def test_wrong_arguments_say_what_is_right(empty, observations, chain):
    with pytest.raises(ValueError, match="n_jobs"):
        DatasetsMaker(chain, n_jobs=0)
    with pytest.raises(TypeError, match="MapDataset"):
        DatasetsMaker(chain).run(empty().counts, observations)


def test_processes_are_started_in_one_way(chain):
    assert DatasetsMaker(chain, parallel_backend="multiprocessing").parallel_backend == "multiprocessing"
    with pytest.raises(ValueError, match="parallel_backend must be 'multiprocessing' or None, got 'ray'"):
        DatasetsMaker(chain, parallel_backend="ray")
