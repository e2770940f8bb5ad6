"""Gammapy's methods are replaced and put back; calls that are not for lightpool go to Gammapy."""

import numpy as np
import pytest
from gammapy.data import DataStore
from gammapy.datasets import MapDataset
from gammapy.makers import MapDatasetMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, WcsGeom

from lightpool.errors import DeviceError
from lightpool.gammapy import accelerate, accelerated, restore
from lightpool.gammapy.acceleration.report import RECORDER
from lightpool.gammapy.acceleration.take_over import TAKE_OVERS, original_of


@pytest.fixture(autouse=True)
def _no_traces():
    restore()
    RECORDER.clear()
    yield
    restore()


@pytest.fixture(scope="module")
def observations(crab_store):
    return DataStore.from_dir(crab_store).get_observations()


@pytest.fixture
def reference(observations):
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
    pointing = observations[0].pointing.fixed_icrs
    geom = WcsGeom.create(skydir=pointing, width=3, binsz=0.2, axes=[energy])
    return MapDataset.create(geom, name="reference")


def row(what="MapDatasetMaker.run"):
    return next(row for row in RECORDER.report().rows if row.what == what)


def classes_of_gammapy():
    return {(take_over.owner, name): value for take_over in TAKE_OVERS for name, value in vars(take_over.owner).items()}


def test_restore_leaves_the_classes_of_gammapy_exactly_as_they_were():
    before = classes_of_gammapy()
    accelerate()
    assert classes_of_gammapy() != before
    accelerate(strict=True)
    restore()
    restore()
    after = classes_of_gammapy()
    assert after.keys() == before.keys()
    assert all(after[key] is before[key] for key in before)


def test_contexts_nest_and_end_as_they_began(observations, reference):
    plain = MapDatasetMaker.run
    with accelerated():
        with accelerated(strict=True):
            assert MapDatasetMaker.run is not plain
        assert MapDatasetMaker.run is not plain
        MapDatasetMaker().run(reference, observations[0])
    assert MapDatasetMaker.run is plain
    assert (row().calls, row().fallbacks) == (1, 0)


def test_a_context_ends_with_an_error_too():
    plain = MapDatasetMaker.run
    with pytest.raises(KeyError), accelerated():
        raise KeyError
    assert MapDatasetMaker.run is plain


def test_what_somebody_else_puts_in_place_meanwhile_stays_there_and_still_works(observations, reference, monkeypatch):
    accelerate()
    ours = MapDatasetMaker.run

    def theirs(self, dataset, observation):
        return ours(self, dataset, observation)

    monkeypatch.setattr(MapDatasetMaker, "run", theirs)
    restore()
    assert MapDatasetMaker.run is theirs
    assert MapDatasetMaker().run(reference, observations[0]).counts.data.sum() > 0
    assert not RECORDER.report().rows
    monkeypatch.undo()  # puts the wrapper back
    with accelerated():
        MapDatasetMaker().run(reference, observations[0])
    assert row().calls == 1
    assert original_of(MapDatasetMaker.run) is MapDatasetMaker.run


def test_a_device_that_is_not_there_is_an_error_at_once():
    plain = MapDatasetMaker.run
    with pytest.raises(DeviceError):
        accelerate("cuda:99")
    assert MapDatasetMaker.run is plain


def test_a_class_that_overrides_a_step_runs_its_own_code(observations, reference):
    class Seven(MapDatasetMaker):
        @staticmethod
        def make_counts(geom, observation):
            counts = MapDatasetMaker.make_counts(geom, observation)
            counts.data[...] = 7
            return counts

    with accelerated():
        made = Seven().run(reference, observations[0])
    assert np.all(made.counts.data == 7)
    assert row().reasons == {"Seven.make_counts is not the one of Gammapy": 1}


def test_a_class_that_overrides_nothing_is_accelerated(observations, reference):
    class Mine(MapDatasetMaker):
        """Has a docstring of its own."""

    with accelerated():
        Mine(selection=["counts"]).run(reference, observations[0])
    assert (row().calls, row().fallbacks) == (1, 0)


def test_a_step_that_somebody_replaces_is_used(observations, reference, monkeypatch):
    with accelerated():
        maker = MapDatasetMaker(selection=["counts"])
        plain = MapDatasetMaker.make_counts
        monkeypatch.setattr(MapDatasetMaker, "make_counts", staticmethod(lambda geom, obs: plain(geom, obs) * 3))
        thrice = maker.run(reference, observations[0])
        monkeypatch.undo()
        once = maker.run(reference, observations[0])
        maker.make_counts = lambda geom, obs: plain(geom, obs) * 2
        twice = maker.run(reference, observations[0])
    total = once.counts.data.sum()
    assert [each.counts.data.sum() for each in (thrice, twice)] == [3 * total, 2 * total]
    assert row().fallbacks == 2


def test_settings_that_are_changed_later_are_used(observations, reference):
    with accelerated():
        maker = MapDatasetMaker()
        maker.selection = {"counts"}
        made = maker.run(reference, observations[0])
    assert made.background is None
    assert row().fallbacks == 0


def test_errors_are_those_of_gammapy(observations, reference):
    with pytest.raises(AttributeError) as plain:
        MapDatasetMaker().run(None, observations[0])
    with accelerated(), pytest.raises(AttributeError) as ours:
        MapDatasetMaker().run(None, observations[0])
    assert str(ours.value) == str(plain.value)
    with accelerated(), pytest.raises(TypeError, match="missing 1 required positional argument: 'observation'"):
        MapDatasetMaker().run(reference)


def test_methods_keep_their_names_and_docstrings():
    plain = MapDatasetMaker.run
    accelerate()
    assert MapDatasetMaker.run.__doc__ == plain.__doc__
    assert MapDatasetMaker.run.__qualname__ == plain.__qualname__
    assert original_of(MapDatasetMaker.run) is plain
    assert issubclass(SpectrumDatasetMaker, MapDatasetMaker)
