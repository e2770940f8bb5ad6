"""A chain of makers over observations: one by one, in processes, stacked."""

import os
import pickle
import threading

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.arrays.devices.staging import Uploads
from lightpool.data import Observation
from lightpool.datasets import MapDataset
from lightpool.errors import ReductionError, WorkerDiedError
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, RingBackgroundMaker, SafeMaskMaker
from lightpool.makers.core import Maker
from lightpool.maps import WcsGeom, event_counts


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


class DyingMaker(Maker):
    """Ends its process, as the system does when memory runs out."""

    tag = "DyingMaker"

    def run(self, dataset, observation=None):
        os._exit(1)


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


def assert_same_stack(found, expected):
    """The same counts and safe bins to the last bit, and the rest to rounding."""
    for name, values in maps_of(expected).items():
        rtol = 0 if name in ("counts", "mask_safe") else 1e-12
        assert_allclose(maps_of(found)[name], values, rtol=rtol, atol=1e-15 * values.max(), err_msg=name)
    assert_allclose(found.exposure.meta["livetime"].to_value("s"), expected.exposure.meta["livetime"].to_value("s"))
    assert found.meta_table["OBS_ID"].tolist() == expected.meta_table["OBS_ID"].tolist()
    assert_array_equal(found.gti.met_start, expected.gti.met_start)
    assert_array_equal(found.gti.met_stop, expected.gti.met_stop)


SMALL = {"cutout_width": "1.3 deg", "cutout_mode": "partial"}


# Other processes know nothing of the stand-in for CuPy.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "options"),
    [("cpu", {}), ("cpu", SMALL), ("torch", SMALL), ("strict", {}), pytest.param("cuda", SMALL, marks=pytest.mark.gpu)],
    indirect=["device"],
)
def test_sums_of_processes_are_those_of_one(device, empty, observations, chain, options):
    serial = DatasetsMaker(chain, n_jobs=1, **options).run(empty(), observations[:3])[0]
    parallel = DatasetsMaker(chain, n_jobs=2, **options).run(empty(), observations[:3])[0]
    assert parallel.device == serial.device
    assert parallel.name == "stacked"
    assert_same_stack(parallel, serial)


@pytest.mark.slow
def test_processes_add_to_what_is_there(empty, observations, chain):
    serial, parallel = empty(name="crab"), empty(name="crab")
    DatasetsMaker(chain).run(serial, observations[:4])
    DatasetsMaker(chain).run(parallel, observations[:1])
    DatasetsMaker(chain, n_jobs=2).run(parallel, observations[1:4])
    assert_same_stack(parallel, serial)


@pytest.mark.slow
def test_processes_stack_measured_backgrounds_as_one_does(empty, observations):
    ring = [
        MapDatasetMaker(["counts", "exposure", "psf", "edisp", "background"]),
        RingBackgroundMaker("0.4 deg", "0.4 deg"),
    ]
    serial = DatasetsMaker(ring).run(empty(), observations[:3])[0]
    parallel = DatasetsMaker(ring, n_jobs=2).run(empty(), observations[:3])[0]
    assert serial.background.data.sum() > 0
    assert_same_stack(parallel, serial)


@pytest.mark.slow
def test_processes_that_find_nothing_on_the_map_change_nothing(observations, geom, chain):
    far = WcsGeom.create(skydir=(250, -40), width=3, binsz=0.2, axes=geom.axes)
    stacked = DatasetsMaker(chain, n_jobs=2).run(MapDataset.create(far), observations[:2])[0]
    assert stacked.counts.data.sum() == 0
    assert stacked.meta_table is None


@pytest.mark.slow
def test_a_failure_ends_the_other_processes_and_adds_nothing(empty, observations):
    stacked, first, second = empty(), observations[0], observations[1]
    maker = DatasetsMaker([MapDatasetMaker(selection=["counts"]), FailingMaker()], n_jobs=2)
    with pytest.raises(ReductionError, match="observation 2"):
        maker.run(stacked, [*[first] * 3000, second, *[first] * 2999])  # the first half alone would take a minute
    assert stacked.counts.data.sum() == 0


@pytest.mark.slow
def test_a_process_that_dies_is_told(empty, observations):
    with pytest.raises(WorkerDiedError, match="one of 2 processes ended before its work was done: it ended with exit"):
        DatasetsMaker([DyingMaker()], n_jobs=2).run(empty(), observations[:2])


def test_an_outline_travels_without_its_values(empty):
    outline = empty().outline()
    assert len(pickle.dumps(outline.psf)) < 20_000
    again = pickle.loads(pickle.dumps(outline))
    assert again.geoms == outline.geoms
    assert_array_equal(to_host(again.counts.data), to_host(outline.counts.data))
    assert again.device == outline.device


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


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_failure_names_the_observation_and_the_step(empty, observations, n_jobs):
    maker = DatasetsMaker([MapDatasetMaker(selection=["counts"]), FailingMaker()], n_jobs=n_jobs)
    with pytest.raises(ReductionError, match="observation 2: FailingMaker failed with ValueError: the clouds came in"):
        maker.run(empty(), observations[:3])


def test_a_cutout_that_does_not_fit_names_the_observation(empty, observations):
    maker = DatasetsMaker([MapDatasetMaker(selection=["counts"])], cutout_mode="strict", cutout_width="5 deg")
    with pytest.raises(ReductionError, match=r"observation 1: the cutout .* failed with PartialOverlapError"):
        maker.run(empty(), observations[:1])


def test_an_observation_without_a_pointing_is_named(empty, observations):
    maker = DatasetsMaker([MapDatasetMaker(selection=["counts"])], cutout_width="5 deg")
    with pytest.raises(
        ReductionError, match=r"observation 77: the cutout .* failed with FormatError: .* no pointing: set"
    ):
        maker.run(empty(), [*observations[:1], Observation(obs_id=77)])


def test_settings_of_the_wrong_kind_are_refused():
    with pytest.raises(ValueError, match=r"cutout_mode must be one of .*, got 'cut'"):
        DatasetsMaker([MapDatasetMaker()], cutout_mode="cut")
    with pytest.raises(TypeError, match=r"got the class MapDatasetMaker; write MapDatasetMaker\(\)"):
        DatasetsMaker([MapDatasetMaker])


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

    plain_send, plain_pack = Uploads.send, event_counts._host_columns
    expected = DatasetsMaker([MapDatasetMaker(["counts"])]).run(empty(), observations)[0].counts
    monkeypatch.setattr(Uploads, "send", send)
    monkeypatch.setattr(event_counts, "_host_columns", pack)
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
