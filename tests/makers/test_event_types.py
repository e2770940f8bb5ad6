"""One pass over the files makes a dataset for each type of events, with its own responses."""

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from numpy.testing import assert_array_equal
from typed_stores import with_types

from lightpool.arrays import to_host
from lightpool.data import DataStore, ResponseSet, count_event_types, find_response_sets, split_by_responses
from lightpool.data.files import file_cache
from lightpool.datasets import MapDataset
from lightpool.datasets.sums import sums_of
from lightpool.errors import FormatError, ReductionError
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom, event_counts
from lightpool.simulate import PointSource

ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=2)
TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=3, name="energy_true")
SETS = {"0": 1.0, "1,2": 2.0}


def disjoint(n_event):
    """Bits 0, 1 and 2 in turn."""
    return 2 ** (np.arange(n_event) % 3)


def with_odd_ones(n_event):
    """Every tenth event has no bit, or bit 7, or bits 0 and 1."""
    types = disjoint(n_event)
    types[::10] = np.resize([0, 128, 3], len(types[::10]))
    return types


@pytest.fixture(scope="module")
def typed(crab_store, tmp_path_factory):
    return with_types(crab_store, tmp_path_factory.mktemp("typed") / "store", SETS, disjoint, shared=("EDISP",))


@pytest.fixture(scope="module")
def odd(crab_store, tmp_path_factory):
    return with_types(crab_store, tmp_path_factory.mktemp("odd") / "store", SETS, with_odd_ones)


@pytest.fixture(scope="module")
def timed(crab_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("timed") / "store"
    return with_types(crab_store, folder, SETS, disjoint, shared=("RPSF", "EDISP"), n_interval=3)


def runs(store, *numbers):
    return DataStore.from_dir(store).get_observations(list(numbers or (1, 2, 3)))


def empty(**kwargs):
    geom = WcsGeom.create(skydir=PointSource().position, width=3, binsz=0.3, axes=[ENERGY])
    return MapDataset.create(geom, energy_axis_true=TRUE, **kwargs)


def chain():
    return [MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.4 deg"), FoVBackgroundMaker()]


def bits(dataset):
    return {name: to_host(array).tobytes() for name, array in sums_of(dataset).items()}


@pytest.mark.slow
def test_a_stack_for_each_type_is_that_of_a_run_of_its_own(device, typed):
    found = DatasetsMaker(chain(), response_sets="files").run(empty(), runs(typed))
    assert found.names == ["stacked-type-0", "stacked-type-1+2"]
    split = split_by_responses(runs(typed))
    for label in split:
        (expected,) = DatasetsMaker(chain()).run(empty(), split[label])
        stack = found[f"stacked-type-{label}"]
        assert bits(stack) == bits(expected)
        assert stack.gti.time_sum == expected.gti.time_sum
    assert not np.array_equal(*(to_host(each.exposure.data) for each in found))


@pytest.mark.slow
def test_the_types_together_have_all_events_once(device, typed):
    makers = [MapDatasetMaker(["counts", "exposure"])]
    found = DatasetsMaker(makers, response_sets="files").run(empty(name="crab"), runs(typed))
    (whole,) = DatasetsMaker(makers).run(empty(), runs(typed))
    assert found.names == ["crab-type-0", "crab-type-1+2"]
    assert_array_equal(sum(to_host(each.counts.data) for each in found), to_host(whole.counts.data))
    assert_array_equal(to_host(found[1].exposure.data), 2 * to_host(found[0].exposure.data))


@pytest.mark.slow
def test_three_intervals_of_each_type_are_in_one_file(device, timed):
    """The area of interval i is i times that of the first one."""
    assert len(find_response_sets(runs(timed, 1)[0].files[0])) == 6
    makers = [MapDatasetMaker()]
    found = DatasetsMaker(makers, response_sets="files").run(empty(), runs(timed))
    split = split_by_responses(runs(timed))
    assert [len(each) for each in split.values()] == [9, 9]
    (whole,) = DatasetsMaker(makers).run(empty(), runs(timed))
    assert_array_equal(sum(to_host(each.counts.data) for each in found), to_host(whole.counts.data))
    for label in split:
        (expected,) = DatasetsMaker(makers).run(empty(), split[label])
        stack = found[f"stacked-type-{label}"]
        assert bits(stack) == bits(expected)
        assert stack.gti.time_sum.to_value("s") == pytest.approx(whole.gti.time_sum.to_value("s"), rel=1e-9)
    # The mean of 1, 2 and 3 times the area of the first interval, which is that of the index.
    np.testing.assert_allclose(to_host(found[0].exposure.data), 2 * to_host(whole.exposure.data), rtol=1e-5)
    single = DatasetsMaker(makers, stack_datasets=False, response_sets="files").run(empty(), runs(timed, 2))
    assert single.names[:3] == ["2-type-0", "2-type-0-interval-2", "2-type-0-interval-3"]
    assert len(single) == 6


def test_each_file_is_read_once_and_each_event_sent_once(typed, monkeypatch):
    read, counted = [], []
    file_cache.FILE_CACHE.clear()
    original, plain = file_cache.read_fits, event_counts._host_columns

    def reading(path):
        read.append(str(path))
        return original(path)

    def counting(events, arrays, geom):
        counted.append(len(events))
        return plain(events, arrays, geom)

    monkeypatch.setattr(file_cache, "read_fits", reading)
    monkeypatch.setattr(event_counts, "_host_columns", counting)
    observations = runs(typed)
    n_event = [len(each.events) for each in observations]
    file_cache.FILE_CACHE.clear()
    read.clear()
    DatasetsMaker([MapDatasetMaker()], response_sets="files").run(empty(), observations)
    assert len(read) == len(set(read))
    assert sum(counted) == sum(n_event)


@pytest.mark.slow
@pytest.mark.parametrize("stack", [True, False])
def test_processes_make_the_same_datasets(typed, stack):
    makers = [MapDatasetMaker(["counts", "exposure"])]
    alone, together = (
        DatasetsMaker(makers, stack, n_jobs, response_sets="files").run(empty(), runs(typed)) for n_jobs in (1, 2)
    )
    assert alone.names == together.names
    for one, other in zip(alone, together, strict=True):
        assert_array_equal(one.counts.data, other.counts.data)
        np.testing.assert_allclose(one.exposure.data, other.exposure.data, rtol=1e-12)


@pytest.mark.slow
def test_events_of_no_type_and_of_two_are_counted(odd, caplog):
    makers = [MapDatasetMaker(["counts"])]
    (observation,) = runs(odd, 2)
    counts = count_event_types(observation, find_response_sets(observation.files[0]))
    n_event = len(observation.events)
    n_odd = len(range(0, n_event, 10))
    none, unknown, both = (len(range(first, n_odd, 3)) for first in range(3))
    assert (counts.n_event, counts.n_without) == (n_event, none + unknown)
    assert (counts.bits_without, counts.n_several) == ({7: unknown}, {("0", "1+2"): both})
    # Each event is in one type, but for those that are reported.
    assert sum(counts.n_by_label.values()) == n_event - counts.n_without + both
    found = DatasetsMaker(makers, False, response_sets="files").run(empty(), [observation])
    assert f"observation 2: {none + unknown} of {n_event} events are of none of the types 0, 1+2" in caplog.text
    assert f"(bit 7: {unknown}), and in no dataset" in caplog.text
    assert f"{both} of {n_event} events are of both types 0 and 1+2, although these share no bit" in caplog.text
    assert found.names == ["2-type-0", "2-type-1+2"]


def test_types_that_overlap_by_definition_say_so(typed, caplog):
    (observation,) = runs(typed, 1)
    sets = [ResponseSet({"aeff": observation.aeff}, (0, 1)), ResponseSet({"aeff": observation.aeff}, (1, 2))]
    counts = count_event_types(observation, sets)
    assert counts.shared_bits == {("0+1", "1+2"): (1,)}
    split_by_responses(observation, sets)
    assert "are of both types 0+1 and 1+2, by definition, as both have bit 1" in caplog.text
    found = DatasetsMaker([MapDatasetMaker(["counts"])], response_sets=sets).run(empty(), [observation])
    assert found.names == ["stacked-type-0+1", "stacked-type-1+2"]


@pytest.mark.slow
def test_the_good_times_of_a_filter_are_split_too(timed, caplog):
    (observation,) = runs(timed, 1)
    start = observation.tstart
    limits = Time([start + 300 * u.s, start + 900 * u.s])
    for inverted, seconds in ((False, 600), (True, 1080)):
        chosen = observation.select_time(limits, inverted=inverted)
        parts = split_by_responses(chosen)["0"]
        total = sum(part.observation_time_duration.to_value("s") for part in parts)
        assert total == pytest.approx(seconds, rel=1e-6)
        n_event = sum(len(part.events) for part in parts)
        assert n_event == len(chosen.events.select_event_type([0]))


def test_intervals_that_overlap_are_refused(typed):
    (observation,) = runs(typed, 1)
    aeff, start, stop = {"aeff": observation.aeff}, observation.tstart, observation.tstop
    sets = [ResponseSet(aeff, None, Time([start, start + 500 * u.s])), ResponseSet(aeff, None, Time([start, stop]))]
    with pytest.raises(FormatError, match=r"observation 1: two sets of responses for the type 'all' hold at the same"):
        split_by_responses(observation, sets)
    with pytest.raises(FormatError, match="2 sets of responses hold for the type 'all' at the same time"):
        split_by_responses(observation, [ResponseSet(aeff), ResponseSet(aeff)])
    with pytest.raises(ReductionError, match="observation 1: splitting it by its sets of responses failed"):
        DatasetsMaker(chain(), response_sets=sets).run(empty(), [observation])
    # Of less than a second they are cut: the later interval begins where it says.
    sets = [
        ResponseSet(aeff, None, Time([start, start + 500.5 * u.s])),
        ResponseSet(aeff, None, Time([start + 500 * u.s, stop])),
    ]
    parts = split_by_responses(observation, sets)["all"]
    assert sum(len(part.events) for part in parts) == len(observation.events)


def test_settings_that_cannot_be_are_refused(typed):
    (observation,) = runs(typed, 1)
    with pytest.raises(ValueError, match="response_sets must be 'files', a list of ResponseSet, or None, got 'all'"):
        DatasetsMaker(chain(), response_sets="all")
    with pytest.raises(ValueError, match="response_sets needs one reference for all observations"):
        DatasetsMaker(chain(), response_sets="files").run(empty(), [observation], datasets=[empty()])
    aeff = {"aeff": observation.aeff}
    sets = [ResponseSet(aeff, (0,), label="good"), ResponseSet(aeff, (1,), label="good")]
    with pytest.raises(ValueError, match="give each type of events a label of its own"):
        split_by_responses(observation, sets)
