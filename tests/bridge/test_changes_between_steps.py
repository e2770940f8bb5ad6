"""Scripts that hold, replace or look into maps between the steps of a reduction get what they get in Gammapy."""

import pickle
from copy import deepcopy

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore
from gammapy.datasets import MapDataset
from gammapy.makers import MapDatasetMaker, SafeMaskMaker
from gammapy.maps import Map, MapAxis, WcsGeom, WcsNDMap
from same_datasets import assert_same_dataset, assert_same_map

from lightpool.gammapy import accelerated, from_gammapy, restore
from lightpool.gammapy.acceleration.lazy_maps import pending_values
from lightpool.gammapy.acceleration.report import RECORDER

CRAB = SkyCoord(83.63, 22.01, unit="deg")
TOLERANCES = {"psf": 1e-5, "edisp": 1e-5, "exposure of psf": 1e-5}


@pytest.fixture(autouse=True)
def _no_traces():
    restore()
    RECORDER.clear()
    yield
    restore()


def reference():
    energy = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=3)
    energy_true = MapAxis.from_energy_bounds("0.1 TeV", "50 TeV", nbin=4, name="energy_true")
    geom = WcsGeom.create(skydir=CRAB, width=(2, 1.5), binsz=0.1, axes=[energy])
    return MapDataset.create(geom, name="reference", energy_axis_true=energy_true)


def made(store, number):
    observation = DataStore.from_dir(store).get_observations()[number]
    dataset = MapDatasetMaker().run(reference(), observation)
    return SafeMaskMaker(methods=["offset-max"], offset_max="1 deg").run(dataset, observation)


def both(run):
    plain = run()
    with accelerated():
        ours = run()
    return ours, plain


def test_a_map_without_values_has_the_class_of_an_ordinary_one(crab_store):
    def run():
        counts = made(crab_store, 0).counts
        return counts.__class__, isinstance(reference().counts, counts.__class__), repr(counts).split(" at ")[0]

    ours, plain = both(run)
    assert ours == plain
    assert ours[0] is WcsNDMap


def test_maps_without_values_are_compared(crab_store):
    def run():
        one, other = made(crab_store, 0), made(crab_store, 0)
        return one.counts.is_allclose(other.counts), one.exposure.is_allclose(reference().exposure)

    assert both(run) == ((True, False), (True, False))


@pytest.mark.parametrize("kind", [type, lambda m: m.__class__], ids=["type", "__class__"])
def test_maps_of_the_class_of_one_without_values_are_ordinary_maps(crab_store, kind):
    def run():
        counts = made(crab_store, 0).counts
        of_kind = kind(counts)
        new = of_kind(geom=counts.geom, data=counts.data * 2, unit=counts.unit)
        assert type(new) is WcsNDMap
        return [new, pickle.loads(pickle.dumps(new)), deepcopy(new), new.copy()]

    for one, other in zip(*both(run), strict=True):
        assert_same_map("counts", one, other)


def test_a_stack_fills_the_arrays_of_which_its_maps_are_views(crab_store):
    def run():
        stacked = reference()
        shape = stacked.counts.data.shape
        flat, larger = np.zeros(shape, "float32").ravel(), np.zeros((2 * shape[0], *shape[1:]))
        stacked.counts.data = flat.reshape(shape)
        stacked.background = Map.from_geom(stacked.background.geom, data=larger[: shape[0]])
        for number in range(2):
            stacked.stack(made(crab_store, number))
        return stacked, flat, larger

    (ours, *our_arrays), (plain, *plain_arrays) = both(run)
    assert_same_dataset(ours, plain, tolerances=TOLERANCES)
    assert plain_arrays[0].any()
    np.testing.assert_array_equal(our_arrays[0], plain_arrays[0])
    np.testing.assert_allclose(our_arrays[1], plain_arrays[1], rtol=1e-9)


def test_a_stack_of_values_that_cannot_be_written_to_fails_as_in_gammapy(crab_store):
    def run():
        stacked = reference()
        stacked.mask_safe.data = np.zeros((1, 1, 1), bool)  # Gammapy makes a view of it that repeats the value
        with pytest.raises(ValueError, match="read-only") as error:
            stacked.stack(made(crab_store, 0))
        return stacked.counts.data, str(error.value)

    (our_counts, our_error), (counts, error) = both(run)
    np.testing.assert_array_equal(our_counts, counts)
    assert our_error == error


def test_cutouts_have_the_metadata_that_their_map_has_now(crab_store):
    def run():
        stacked = reference()
        for number in range(2):
            stacked.stack(made(crab_store, number))
        window = stacked.cutout(CRAB, "1 deg", name="window")
        nested = window.cutout(CRAB, "0.5 deg", name="nested")
        dataset = made(crab_store, 2)
        dataset.exposure.meta["livetime"] = 5 * u.s
        dataset.psf.exposure_map.meta["note"] = "mine"
        cut = dataset.cutout(CRAB, "1 deg", name="cut")
        cut.exposure.meta["livetime"] *= 2
        return [window, nested, cut, dataset]

    for one, other in zip(*both(run), strict=True):
        assert_same_dataset(one, other, tolerances=TOLERANCES)


def test_a_converted_result_shares_its_arrays_and_metadata_with_the_original(crab_store):
    with accelerated():
        stacked = reference()
        for number in range(2):
            stacked.stack(made(crab_store, number))
        assert pending_values(stacked.counts) is not None
        ours = from_gammapy(stacked)
    assert ours.counts.data.dtype == stacked.counts.data.dtype
    stacked.counts.data[...] = 7
    assert (ours.counts.data == 7).all()
    assert ours.exposure.meta["livetime"] == stacked.exposure.meta["livetime"]
    assert np.shares_memory(ours.psf.exposure_map.data, stacked.psf.exposure_map.data)


def test_a_stack_onto_a_slice_leaves_the_psf_of_the_original_as_it_was(crab_store):
    with accelerated():
        stacked = reference()
        stacked.stack(made(crab_store, 0))
        before = stacked.psf.psf_map.data.copy()
        part = stacked.slice_by_energy(1 * u.TeV, 30 * u.TeV)
        assert np.shares_memory(part.psf.psf_map.data, stacked.psf.psf_map.data)
        part.stack(made(crab_store, 1).slice_by_energy(1 * u.TeV, 30 * u.TeV))
    np.testing.assert_array_equal(stacked.psf.psf_map.data, before)
