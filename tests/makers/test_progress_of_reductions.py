"""`DatasetsMaker.run(progress=...)`: every observation is counted once, however the work is divided."""

import pytest
from numpy.testing import assert_array_equal
from typed_stores import with_types

from lightpool.arrays import to_host
from lightpool.data import DataStore, Observations
from lightpool.errors import ReductionError
from lightpool.makers import BackgroundModelMaker, DatasetsMaker, MapDatasetMaker, reduce
from lightpool.makers.core import Maker
from lightpool.maps import MapAxis


class FailsOn(Maker):
    """Fails on one observation."""

    tag = "FailsOn"

    def __init__(self, obs_id):
        self.obs_id = obs_id

    def run(self, dataset, observation=None):
        if observation.obs_id == self.obs_id:
            raise ValueError("the clouds came in")
        return dataset


def counting(calls):
    return lambda n_done, n_total: calls.append((n_done, n_total))


def up_to(n_obs):
    return [(n_done, n_obs) for n_done in range(n_obs + 1)]


def chain(**kwargs):
    return DatasetsMaker([MapDatasetMaker(selection=["counts"])], **kwargs)


WAYS = {
    "stack": {},
    "list": {"stack_datasets": False},
    "stack in processes": {"n_jobs": 2},
    "list in processes": {"n_jobs": 2, "stack_datasets": False},
}
IN_ANY_WAY = pytest.mark.parametrize(
    "how", [pytest.param(how, id=name, marks=[pytest.mark.slow] * ("n_jobs" in how)) for name, how in WAYS.items()]
)


@IN_ANY_WAY
def test_every_observation_is_counted(empty, observations, how):
    calls = []
    found = chain(**how).run(empty(), observations, progress=counting(calls))
    assert calls == up_to(6)
    silent = chain(**how).run(empty(), observations)
    for one, other in zip(found, silent, strict=True):
        assert_array_equal(to_host(one.counts.data), to_host(other.counts.data))


@pytest.mark.slow
@IN_ANY_WAY
def test_every_observation_of_several_types_is_counted_once(empty, crab_store, tmp_path, how):
    store = with_types(
        crab_store, tmp_path / "store", {"0": 1.0, "1,2": 2.0}, lambda n: [2 ** (i % 3) for i in range(n)]
    )
    observations = DataStore.from_dir(store).get_observations([1, 2, 3])
    calls = []
    chain(response_sets="files", **how).run(empty(), observations, progress=counting(calls))
    assert calls == up_to(3)


def test_threads_are_counted(empty, observations, monkeypatch):
    monkeypatch.setattr(reduce, "_LEAST_BYTES_FOR_THREADS", 1)
    monkeypatch.setattr(reduce, "n_core", lambda: 2)
    calls = []
    chain().run(empty(), observations, progress=counting(calls))
    assert calls == up_to(6)


@pytest.mark.parametrize(
    ("some", "n_obs"),
    [
        (lambda obs: Observations([]), 0),
        (lambda obs: [obs[0]], 1),
        (lambda obs: (each for each in obs), 6),
        (lambda obs: [obs[0], obs[0]], 2),
    ],
    ids=["none", "one", "generator", "twice"],
)
def test_the_total_is_known_whatever_holds_the_observations(empty, observations, some, n_obs):
    calls = []
    chain().run(empty(), some(observations), progress=counting(calls))
    assert calls == up_to(n_obs)


def test_an_observation_outside_of_the_map_is_done_too(empty, observations):
    calls = []
    maker = chain(cutout_width="0.2 deg")
    far = empty().cutout(observations[0].pointing_radec, "0.4 deg")
    maker.run(far, observations, progress=counting(calls))
    assert calls == up_to(6)


def test_references_of_their_own_are_counted(empty, observations):
    calls = []
    references = [empty() for _ in observations]
    chain(stack_datasets=False).run(empty(), observations, references, progress=counting(calls))
    assert calls == up_to(6)


@IN_ANY_WAY
def test_an_error_of_a_maker_is_raised_as_without_progress(empty, observations, how):
    calls = []
    maker = DatasetsMaker([MapDatasetMaker(selection=["counts"]), FailsOn(3)], **how)
    with pytest.raises(ReductionError, match="observation 3: FailsOn failed with ValueError: the clouds came in"):
        maker.run(empty(), observations, progress=counting(calls))
    assert calls[0] == (0, 6)
    assert len(calls) < 7


@IN_ANY_WAY
def test_a_function_can_end_the_reduction(empty, observations, how):
    class EnoughError(Exception):
        pass

    def stop(n_done, _):
        if n_done == 2:
            raise EnoughError

    with pytest.raises(EnoughError):
        chain(**how).run(empty(), observations, progress=stop)
    # Nothing is left behind that a later reduction stumbles over.
    assert len(chain(**how).run(empty(), observations[:2])) == (1 if how.get("stack_datasets", True) else 2)


def test_a_wrong_argument_is_refused_before_anything_is_reduced(empty, observations):
    stack = empty()
    with pytest.raises(TypeError, match="progress must be"):
        chain().run(stack, observations, progress="bar")
    assert to_host(stack.counts.data).sum() == 0


def test_runs_of_a_background_model_are_counted(observations):
    calls = []
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
    offset = MapAxis.from_edges([0, 1, 2], unit="deg", name="offset")
    BackgroundModelMaker(energy, offset).run_all(observations, progress=counting(calls))
    assert calls == up_to(6)
