"""Maps, safe masks, background norms and stacks of Gammapy's makers, plain and accelerated, are the same."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from copy import copy as shallow_copy
from copy import deepcopy

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import NoOverlapError
from gammapy.analysis import Analysis, AnalysisConfig
from gammapy.data import DataStore, Observation, Observations
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset
from gammapy.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, RegionGeom, WcsGeom, WcsNDMap
from gammapy.modeling.models import FoVBackgroundModel, PiecewiseNormSpectralModel, PowerLawNormSpectralModel
from regions import CircleSkyRegion
from same_datasets import assert_same_dataset, assert_same_map

from lightpool.arrays import count_transfers
from lightpool.gammapy import accelerated, restore
from lightpool.gammapy.acceleration.lazy_maps import pending_values
from lightpool.gammapy.acceleration.report import RECORDER
from lightpool.gammapy.installation import version
from lightpool.irf import IRFMap


@pytest.fixture(autouse=True)
def _no_traces():
    restore()
    RECORDER.clear()
    yield
    restore()


@pytest.fixture(scope="module")
def store(crab_store):
    return crab_store


def observations(store, numbers=None):
    """New objects each time, so that no run has what another one has read or changed."""
    found = DataStore.from_dir(store).get_observations()
    return found if numbers is None else [found[number] for number in numbers]


ENERGY = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=5)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.1 TeV", "50 TeV", nbin=9, name="energy_true")
MIGRA = MapAxis.from_bounds(0.2, 5, nbin=24, node_type="edges", name="migra")
CRAB = SkyCoord(83.63, 22.01, unit="deg")


def reference(name="reference", *, geom=None, **options):
    options = {"energy_axis_true": ENERGY_TRUE, **options}
    geom = sky() if geom is None else geom
    return MapDataset.create(geom, name=name, **options)


def sky(**options):
    return WcsGeom.create(**{"skydir": CRAB, "width": (4, 3), "binsz": 0.1, "axes": [ENERGY], **options})


def rows():
    return {row.what: row for row in RECORDER.report().rows}


def fallbacks():
    return {what: row.reasons for what, row in rows().items() if row.fallbacks}


def both(run, *, accelerated_methods):
    """Run a function plainly and accelerated; the methods must have been accelerated without falling back."""
    plain = run()
    with accelerated():
        ours = run()
    assert fallbacks() == {}
    assert set(accelerated_methods) <= set(rows())
    return ours, plain


# --- MapDatasetMaker


MAKER_OPTIONS = {
    "all": {},
    "counts alone": {"selection": ["counts"]},
    "no counts": {"selection": ["exposure", "background"]},
    "responses": {"selection": ["psf", "edisp"]},
    "oversampling": {"background_oversampling": 4},
    "gaps not filled": {"background_interp_missing_data": False},
    "not padded": {"background_pad_offset": False},
}


@pytest.mark.parametrize("options", MAKER_OPTIONS.values(), ids=MAKER_OPTIONS)
def test_maps_of_an_observation_with_each_option(store, options):
    def run():
        return MapDatasetMaker(**options).run(reference(), observations(store)[0])

    assert_same_dataset(*both(run, accelerated_methods=["MapDatasetMaker.run"]))


@pytest.mark.parametrize("number", range(6))
def test_maps_with_each_kind_of_response(store, number):
    def run():
        return MapDatasetMaker().run(reference(), observations(store)[number])

    assert_same_dataset(*both(run, accelerated_methods=["MapDatasetMaker.run"]))


GEOMETRIES = {
    "galactic": {"geom": sky(frame="galactic", proj="TAN", skydir=CRAB.galactic)},
    "migra": {"migra_axis": MIGRA},
    "coarse responses": {"binsz_irf": 0.5},
    "rad": {"rad_axis": MapAxis.from_bounds(0, 0.4, nbin=20, unit="deg", name="rad", node_type="edges")},
    "same energies": {"energy_axis_true": None},
    "far from the source": {"geom": sky(skydir=SkyCoord(83.63, 25.0, unit="deg"))},
}


@pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES)
def test_maps_on_each_kind_of_geometry(store, options):
    def run():
        return MapDatasetMaker().run(reference(**options), observations(store)[1])

    assert_same_dataset(*both(run, accelerated_methods=["MapDatasetMaker.run"]))


def test_maps_of_a_region(store):
    region = CircleSkyRegion(CRAB, 0.3 * u.deg)

    def run():
        geom = RegionGeom.create(region, axes=[ENERGY])
        empty = SpectrumDataset.create(geom, energy_axis_true=ENERGY_TRUE, name="spectrum")
        return MapDatasetMaker(selection=["counts", "exposure", "background", "edisp"]).run(
            empty, observations(store)[0]
        )

    assert_same_dataset(*both(run, accelerated_methods=["MapDatasetMaker.run"]))


# --- cutouts


CUTOUTS = {
    "inside": (CRAB, "1.5 deg", "trim"),
    "over the border": (SkyCoord(85.0, 22.8, unit="deg"), 2 * u.deg, "trim"),
    "partial": (SkyCoord(85.0, 22.8, unit="deg"), 2 * u.deg, "partial"),
    "two widths": (CRAB.galactic, (1.2, 0.7) * u.deg, "strict"),
    "wider than the map": (CRAB, 9 * u.deg, "trim"),
    "one pixel of the responses": (CRAB, 0.11 * u.deg, "trim"),
}


@pytest.mark.parametrize("cut", CUTOUTS.values(), ids=CUTOUTS)
def test_cutouts_are_those_of_gammapy(store, cut):
    position, width, mode = cut

    def run():
        made = MapDatasetMaker().run(reference(), observations(store)[0])
        made.mask_fit = made.mask_safe.copy()
        made.models = FoVBackgroundModel(dataset_name=made.name)
        return made.cutout(position, width, mode=mode, name="cut")

    assert_same_dataset(*both(run, accelerated_methods=["MapDataset.cutout"]))


def test_a_cutout_keeps_its_values_when_the_map_is_changed(store):
    with accelerated():
        made = MapDatasetMaker().run(reference(), observations(store)[0])
        cut = made.cutout(CRAB, "1 deg")
        before = made.counts.cutout(CRAB, "1 deg").data
        made.counts.data[...] = 5
        made.psf.psf_map.data[...] = 0
    np.testing.assert_array_equal(cut.counts.data, before)
    assert cut.psf.psf_map.data.any()


def test_windows_of_a_stack_keep_their_values_when_it_grows(store):
    def run():
        stacked = reference()
        stacked.stack(reduced(store, 0))
        cuts = [stacked.cutout(CRAB, "1 deg", name=f"cut {number}") for number in range(3)]
        first = float(cuts[0].exposure.data.sum())
        stacked.stack(reduced(store, 1))
        stacked.mask_safe.data[...] = False
        cuts.append(stacked.cutout(CRAB, "1 deg", name="cut 3"))
        again = cuts[1].cutout(CRAB, "0.5 deg", name="again")
        stacked.mask_safe.data[...] = True
        return [*cuts, again, stacked], first

    (ours, our_sum), (plain, plain_sum) = both(run, accelerated_methods=["MapDataset.cutout", "MapDataset.stack"])
    for one, other in zip(ours, plain, strict=True):
        assert_same_dataset(one, other, tolerances=STACK_TOLERANCES)
    np.testing.assert_allclose(our_sum, plain_sum, rtol=1e-5)


def test_errors_of_cutouts_are_those_of_gammapy():
    with pytest.raises(NoOverlapError, match="overlap") as plain:
        reference().cutout(SkyCoord(10, 10, unit="deg"), "1 deg")
    with accelerated(), pytest.raises(type(plain.value), match=str(plain.value)):
        reference().cutout(SkyCoord(10, 10, unit="deg"), "1 deg")


# --- SafeMaskMaker


SAFE = {
    "keywords": {"methods": ["aeff-default"]},
    "offset": {"methods": ["offset-max"], "offset_max": "1.2 deg"},
    "both": {"methods": ["aeff-default", "offset-max"], "offset_max": 1.2 * u.deg},
    "aeff": {"methods": ["aeff-max"], "aeff_percent": 20},
    "aeff of tables": {"methods": ["aeff-max"], "aeff_percent": 20, "irfs": "DL3"},
    "aeff at a position": {"methods": ["aeff-max"], "position": CRAB},
    "aeff at an offset": {"methods": ["aeff-max"], "fixed_offset": 0.7 * u.deg},
    "bias": {"methods": ["edisp-bias"], "bias_percent": 5},
    "bias of tables": {"methods": ["edisp-bias"], "bias_percent": 5, "irfs": "DL3"},
    "background": {"methods": ["bkg-peak"]},
    "background of tables": {"methods": ["bkg-peak"], "irfs": "DL3"},
    "all": {"methods": ["aeff-max", "edisp-bias", "offset-max", "bkg-peak", "aeff-default"]},
}


@pytest.mark.parametrize("migra", [None, MIGRA], ids=["kernels", "migra"])
@pytest.mark.parametrize("options", SAFE.values(), ids=SAFE)
def test_safe_masks_of_each_method(store, options, migra):
    def run():
        observation = observations(store)[0]
        made = MapDatasetMaker().run(reference(migra_axis=migra), observation)
        mask = SafeMaskMaker(**options).run(made, observation)
        assert mask is made
        return made

    if "edisp-bias" in options["methods"] and version() < (2, 1):
        plain = run()
        with accelerated():
            assert_same_dataset(run(), plain)
        assert rows()["SafeMaskMaker.run"].fallbacks == 1
        return
    assert_same_dataset(*both(run, accelerated_methods=["SafeMaskMaker.run"]))


@pytest.mark.parametrize("looked_at", [False, True])
def test_a_safe_mask_cuts_the_one_before_in_place(store, looked_at):
    def run():
        observation = observations(store)[0]
        made = MapDatasetMaker().run(reference(), observation)
        if looked_at:
            made.mask_safe.data[0] = False
        before = made.mask_safe
        SafeMaskMaker(["offset-max"], offset_max="1 deg").run(made, observation)
        SafeMaskMaker(["aeff-max"], aeff_percent=50).run(made)
        return made, before

    (ours, our_mask), (plain, plain_mask) = both(run, accelerated_methods=["SafeMaskMaker.run"])
    assert_same_dataset(ours, plain)
    assert_same_map("mask_safe", our_mask, plain_mask)


def test_a_safe_mask_of_a_dataset_without_one(store):
    def run():
        observation = observations(store)[0]
        made = MapDatasetMaker(["counts", "exposure"]).run(reference(), observation)
        made.mask_safe = None
        return SafeMaskMaker(["offset-max"], offset_max="1 deg").run(made, observation)

    assert_same_dataset(*both(run, accelerated_methods=["SafeMaskMaker.run"]))


def test_a_safe_mask_that_needs_an_observation_fails_as_in_gammapy(store):
    made = MapDatasetMaker().run(reference(), observations(store)[0])
    with pytest.raises(ValueError, match="offset-max") as plain:
        SafeMaskMaker(["offset-max"]).run(made.copy())
    with accelerated(), pytest.raises(ValueError, match=str(plain.value)):
        SafeMaskMaker(["offset-max"]).run(made.copy())


# --- FoVBackgroundMaker


def exclusion(**options):
    return sky(**options).region_mask([CircleSkyRegion(CRAB, 0.3 * u.deg)], inside=False)


def free_tilt():
    model = PowerLawNormSpectralModel()
    model.tilt.frozen = False
    return model


FOV = {
    "scale": {},
    "exclusion": {"exclusion_mask": exclusion()},
    "exclusion on other pixels": {"exclusion_mask": exclusion(binsz=0.04, width=2)},
    "exclusion in another frame": {"exclusion_mask": exclusion(frame="galactic", skydir=CRAB.galactic, proj="TAN")},
    "image as exclusion": {"exclusion_mask": exclusion().reduce_over_axes(np.logical_or)},
    "fit": {"method": "fit", "exclusion_mask": exclusion()},
    "norm of another kind": {
        "spectral_model": PiecewiseNormSpectralModel(energy=[0.5, 5] * u.TeV, norms=[1.1, 0.9]),
        "method": "fit",
    },
    "fit of norm and tilt": {"spectral_model": free_tilt(), "method": "fit"},
    "scale with free tilt": {"spectral_model": free_tilt()},
    "own model": {"spectral_model": PowerLawNormSpectralModel(tilt=0.1)},
}


@pytest.mark.parametrize("options", FOV.values(), ids=FOV)
def test_norms_of_the_background(store, options):
    def run():
        observation = observations(store)[0]
        made = MapDatasetMaker().run(reference(), observation)
        made = SafeMaskMaker(["offset-max"], offset_max="1.2 deg").run(made, observation)
        maker = FoVBackgroundMaker(**options)
        assert maker.run(made) is made
        return made

    ours, plain = both(run, accelerated_methods=["FoVBackgroundMaker.run"])
    # Minuit stops within its tolerance (docs/differences.md).
    assert_same_dataset(ours, plain, in_errors=0.03 if options.get("method") == "fit" else 0.0)


def test_limits_and_priors_are_those_of_gammapy(store):
    def run(limit):
        model = free_tilt()
        model.tilt.max = limit
        observation = observations(store)[0]
        made = MapDatasetMaker().run(reference(), observation)
        return FoVBackgroundMaker("fit", spectral_model=model).run(made)

    with accelerated():
        assert run(-0.5).background_model.spectral_model.tilt.value <= -0.5
    assert rows()["FoVBackgroundMaker.run"].fallbacks == 1


def test_a_norm_that_is_scaled_twice_stays_as_documented(store):
    def run():
        made = MapDatasetMaker().run(reference(), observations(store)[0])
        once = FoVBackgroundMaker().run(made).background_model.spectral_model.norm.value
        return once, FoVBackgroundMaker().run(made).background_model.spectral_model.norm.value

    ours, plain = both(run, accelerated_methods=["FoVBackgroundMaker.run"])
    np.testing.assert_allclose(ours[0], plain[0], rtol=1e-9)
    np.testing.assert_allclose(ours[1], ours[0], rtol=1e-9)


def test_norms_of_a_background_with_a_mask_and_a_model(store):
    def run():
        observation = observations(store)[0]
        made = MapDatasetMaker().run(reference(), observation)
        made.mask_fit = made.counts.geom.energy_mask(energy_min=1 * u.TeV)
        made.models = FoVBackgroundModel(dataset_name=made.name)
        return FoVBackgroundMaker(exclusion_mask=exclusion()).run(made)

    assert_same_dataset(*both(run, accelerated_methods=["FoVBackgroundMaker.run"]))


@pytest.mark.parametrize("limits", [{"min_counts": 1e6}, {"min_npred_background": 1e6}])
def test_a_background_that_is_not_normalised_masks_the_dataset_as_in_gammapy(store, limits):
    def run():
        made = MapDatasetMaker().run(reference(), observations(store)[0])
        return FoVBackgroundMaker(**limits).run(made)

    plain = run()
    with accelerated():
        ours = run()
    assert not ours.mask_safe.data.any()
    assert_same_dataset(ours, plain)


# --- stack


def reduced(store, number, chain=True, **options):
    observation = observations(store)[number]
    made = MapDatasetMaker().run(reference(f"run {number}", **options), observation)
    if chain:
        made = SafeMaskMaker(["offset-max", "aeff-max"], offset_max="1.2 deg").run(made, observation)
        made = FoVBackgroundMaker(exclusion_mask=exclusion()).run(made)
    return made


STACK_TOLERANCES = {"edisp": 2e-5, "psf": 2e-5, "background": 2e-5}


@pytest.mark.parametrize("options", [{}, {"migra_axis": MIGRA}], ids=["kernels", "migra"])
def test_stacks_of_runs_are_those_of_gammapy(store, options):
    def run():
        stacked = reference(**options)
        for number in range(4):
            stacked.stack(reduced(store, number, **options))
        return stacked

    assert_same_dataset(*both(run, accelerated_methods=["MapDataset.stack"]), tolerances=STACK_TOLERANCES)


def test_stacks_of_cutouts_are_those_of_gammapy(store):
    def run():
        stacked = reference(geom=sky(width=5))
        for number, observation in enumerate(observations(store)):
            cut = stacked.cutout(observation.get_pointing_icrs(observation.tmid), "2.4 deg", name=f"run {number}")
            made = MapDatasetMaker().run(cut, observation)
            made = SafeMaskMaker(["offset-max"], offset_max="1 deg").run(made, observation)
            stacked.stack(FoVBackgroundMaker(exclusion_mask=exclusion()).run(made))
        return stacked

    assert_same_dataset(*both(run, accelerated_methods=["MapDataset.stack"]), tolerances=STACK_TOLERANCES)


def test_a_stack_that_is_looked_at_and_changed_on_the_way(store):
    def run():
        stacked = reference()
        seen = []
        for number in range(4):
            stacked.stack(reduced(store, number))
            seen += [float(stacked.counts.data.sum()), float(stacked.psf.psf_map.data.sum())]
            stacked.counts.data[0] += 1
            stacked.exposure.data[...] *= 2
            stacked.edisp.exposure_map.data[...] *= 2
            stacked.background *= 1.5
        return stacked, seen

    (ours, our_numbers), (plain, plain_numbers) = both(run, accelerated_methods=["MapDataset.stack"])
    assert_same_dataset(ours, plain, tolerances=STACK_TOLERANCES)
    np.testing.assert_allclose(our_numbers, plain_numbers, rtol=1e-5)


def test_arrays_that_somebody_holds_grow_with_the_stack(store):
    def run():
        stacked = reference()
        held = {
            name: getattr(stacked, name).data[..., 1:] for name in ("counts", "exposure", "background", "mask_safe")
        }
        held["psf exposure"] = stacked.psf.exposure_map.data
        maps = {name: getattr(stacked, name) for name in ("counts", "exposure", "background", "mask_safe")}
        for number in range(2):
            stacked.stack(reduced(store, number))
        assert all(getattr(stacked, name) is each for name, each in maps.items())
        return stacked, held

    (ours, our_arrays), (plain, plain_arrays) = both(run, accelerated_methods=["MapDataset.stack"])
    assert_same_dataset(ours, plain, tolerances=STACK_TOLERANCES)
    for name, array in plain_arrays.items():
        np.testing.assert_allclose(our_arrays[name], array, rtol=1e-5, err_msg=name)


def test_a_stack_onto_the_result_of_a_maker(store):
    def run():
        stacked = reduced(store, 0, chain=False)
        copy = stacked.cutout(CRAB, "1 deg", name="copy")
        stacked.stack(reduced(store, 1))
        stacked.stack(reduced(store, 2))
        return stacked, copy

    (ours, our_copy), (plain, plain_copy) = both(run, accelerated_methods=["MapDataset.stack"])
    assert_same_dataset(ours, plain)
    assert_same_dataset(our_copy, plain_copy)


def test_a_stack_of_values_that_are_not_finite(store):
    def run():
        stacked = reference()
        made = reduced(store, 0)
        made.background.data[0, 3] = np.nan
        made.exposure.data[1, 4] = np.inf
        stacked.stack(made)
        other = reference("other")
        other.stack(made, nan_to_num=False)
        return stacked, other

    (ours, our_other), (plain, plain_other) = both(run, accelerated_methods=["MapDataset.stack"])
    assert_same_dataset(ours, plain, tolerances=STACK_TOLERANCES)
    assert_same_dataset(our_other, plain_other, tolerances=STACK_TOLERANCES)


def test_parts_that_only_one_dataset_has(store):
    def run():
        stacked = reference()
        stacked.psf = stacked.gti = None
        made = reduced(store, 0)
        made.mask_fit = made.counts.geom.energy_mask(energy_min=1 * u.TeV)
        stacked.stack(made)
        made = reduced(store, 1)
        made.edisp = None
        made.meta_table = None
        stacked.stack(made)
        return stacked

    assert_same_dataset(*both(run, accelerated_methods=["MapDataset.stack"]), tolerances=STACK_TOLERANCES)


def test_a_stack_of_pixels_that_do_not_fit_fails_as_in_gammapy_and_changes_nothing_more(store):
    def run():
        stacked = reference()
        stacked.stack(reduced(store, 0))
        with pytest.raises(ValueError, match="Can only stack") as error:
            stacked.stack(reduced(store, 1, geom=sky(binsz=0.07)))
        return stacked, str(error.value)

    plain, message = run()
    with accelerated():
        ours, our_message = run()
    assert our_message == message
    assert_same_dataset(ours, plain, tolerances=STACK_TOLERANCES)


def test_a_failure_in_the_middle_leaves_no_part_of_a_dataset_in_the_stack(store, monkeypatch):
    def run(fail=lambda number: None):
        stacked = reference()
        for number in range(3):
            made = reduced(store, number)
            with fail(number) or nullcontext():
                stacked.stack(made)
        return stacked

    @contextmanager
    def failing():
        def stack(*_, **__):
            raise RuntimeError("a fault of lightpool")

        with monkeypatch.context() as patch:
            patch.setattr(IRFMap, "stack", stack)
            yield

    plain = run()
    with accelerated():
        ours = run(lambda number: failing() if number == 1 else None)
    assert rows()["MapDataset.stack"].reasons == {"RuntimeError: a fault of lightpool": 1}
    assert_same_dataset(ours, plain, tolerances=STACK_TOLERANCES)


def test_results_share_no_memory(store):
    def arrays(dataset):
        responses = [dataset.psf.psf_map, dataset.psf.exposure_map, dataset.edisp.edisp_map, dataset.edisp.exposure_map]
        maps = [dataset.counts, dataset.exposure, dataset.background, dataset.mask_safe, *responses]
        return [each.data for each in maps]

    with accelerated():
        observation = observations(store)[0]
        made = [MapDatasetMaker().run(reference(), observation) for _ in range(2)]
        made[0] = SafeMaskMaker(["offset-max"], offset_max="1 deg").run(made[0], observation)
        stacks = [reference(), reference()]
        for stacked in stacks:
            stacked.stack(made[0])
        found = [array for each in (*made, *stacks, stacks[0].cutout(CRAB, "1 deg")) for array in arrays(each)]
    for number, array in enumerate(found):
        assert not any(np.shares_memory(array, other) for other in found[number + 1 :])


def test_maps_that_two_datasets_share_stay_shared(store):
    def run():
        one = reduced(store, 0)
        other = MapDataset(name="other", counts=one.counts, exposure=one.exposure, psf=one.psf, gti=one.gti.copy())
        other.stack(reduced(store, 1))
        one.stack(other)
        return one, other

    with accelerated():
        ours = run()
    for mine, theirs in zip(ours, run(), strict=True):
        assert_same_dataset(mine, theirs, tolerances=STACK_TOLERANCES)


def test_lists_that_are_stacked_are_those_of_gammapy(store):
    def run():
        return Datasets([reduced(store, number) for number in range(3)]).stack_reduce(name="sum")

    assert_same_dataset(*both(run, accelerated_methods=["MapDataset.stack"]), tolerances=STACK_TOLERANCES)


def test_copies_and_pickles_of_results_are_those_of_ordinary_maps(store):
    plain = reduced(store, 0, chain=False)
    with accelerated():
        copied = reduced(store, 0, chain=False).copy(name=plain.name)
        pickled = pickle.loads(pickle.dumps(reduced(store, 0, chain=False)))
        maps = [copy(reduced(store, 0, chain=False).counts) for copy in (lambda m: m.copy(), deepcopy, shallow_copy)]
    assert_same_dataset(copied, plain)
    assert_same_dataset(pickled, plain)
    for each in maps:
        assert_same_map("counts", each, plain.counts)


def test_values_are_created_when_they_are_read_and_only_then(store):
    with accelerated():
        made = reduced(store, 0, chain=False)
        assert pending_values(made.exposure) is not None
        assert str(made.exposure).startswith("WcsNDMap")
        before = made.exposure
        values = made.exposure.data
        assert made.exposure is before
        assert pending_values(made.exposure) is None
        assert made.exposure.data is values
        assert type(made.exposure) is WcsNDMap
        made.background.data = np.ones(made.background.data.shape)
        made.counts.quantity = made.counts.quantity * 2
        assert (type(made.background), type(made.counts)) == (WcsNDMap, WcsNDMap)


def test_threads_that_read_the_same_map_get_the_same_array(store):
    with accelerated():
        maps = [reduced(store, 0, chain=False).psf.psf_map for _ in range(5)]
        with ThreadPoolExecutor(4) as pool:
            for each in maps:
                arrays = list(pool.map(lambda _, each=each: each.data, range(8)))
                assert all(array is arrays[0] for array in arrays)


# --- DatasetsMaker


def chain(mask=True):
    safe = SafeMaskMaker(["offset-max", "aeff-max"], offset_max="1 deg")
    return [MapDatasetMaker(), safe, FoVBackgroundMaker(exclusion_mask=exclusion() if mask else None)]


@pytest.mark.parametrize("options", [{}, {"cutout_mode": "partial"}, {"cutout_width": "1.5 deg"}])
@pytest.mark.parametrize("stacks", [True, False])
def test_chains_of_makers_end_with_the_dataset_of_gammapy(store, options, stacks):
    def run():
        maker = DatasetsMaker(chain(), stack_datasets=stacks, **options)
        made = maker.run(reference(geom=sky(width=5)), observations(store))
        assert isinstance(made, Datasets)
        return made

    ours, plain = both(run, accelerated_methods=["DatasetsMaker.run", "MapDatasetMaker.run"])
    assert len(ours) == len(plain) == (1 if stacks else 6)
    for one, other in zip(ours, plain, strict=True):
        assert_same_dataset(one, other, same_name=stacks, tolerances=STACK_TOLERANCES if stacks else None)


def test_a_chain_in_several_processes_of_gammapy_is_one_process(store):
    def run():
        maker = DatasetsMaker(chain(), stack_datasets=False, n_jobs=2)
        made = maker.run(reference(geom=sky(width=5)), observations(store, [0, 1, 2]))
        assert maker.n_jobs == 2
        return made

    ours, plain = both(run, accelerated_methods=["DatasetsMaker.run", "MapDatasetMaker.run"])
    for one, other in zip(ours, plain, strict=True):
        assert_same_dataset(one, other, same_name=False)


def test_a_failure_in_one_of_several_processes_is_the_error_of_gammapy(store):
    broken = [*observations(store, [0, 1]), Observation()]
    for context in (nullcontext(), accelerated()):
        maker = DatasetsMaker(chain(), n_jobs=2, cutout_width="3 deg", cutout_mode="partial")
        with context, pytest.raises(RuntimeError, match="sub-process"):
            maker.run(reference(geom=sky(width=5)), Observations(broken))


@pytest.mark.skipif(version() < (2, 1), reason="before version 2.1 of Gammapy this is an error there")
def test_a_chain_leaves_out_what_lies_beside_the_map(store):
    def run():
        far = reference(geom=sky(skydir=SkyCoord(83.63, 26.0, unit="deg"), width=1))
        return DatasetsMaker(chain(), stack_datasets=False, cutout_width="1 deg").run(far, observations(store))

    plain = run()
    with accelerated():
        ours = run()
    assert len(ours) == len(plain) == 0


def test_a_chain_with_a_maker_of_ones_own(store):
    class Doubles(SafeMaskMaker):
        def run(self, dataset, observation=None):
            dataset.counts *= 2
            return dataset

    def run():
        return DatasetsMaker([*chain()[:2], Doubles()]).run(reference(), observations(store, [0, 1]))[0]

    plain = run()
    with accelerated():
        ours = run()
    assert_same_dataset(ours, plain, tolerances=STACK_TOLERANCES)
    assert rows()["MapDatasetMaker.run"].fallbacks == 0
    assert rows()["DatasetsMaker.run"].reasons == {"a maker of class Doubles": 1}


def test_a_chain_with_a_dataset_for_each_observation(store):
    def run():
        given = Datasets([reference(f"own {number}") for number in range(2)])
        return DatasetsMaker(chain(mask=False), stack_datasets=False).run(
            reference(), observations(store, [0, 1]), given
        )

    ours, plain = both(run, accelerated_methods=["DatasetsMaker.run"])
    for one, other in zip(ours, plain, strict=True):
        assert_same_dataset(one, other, same_name=False)


def test_a_maker_that_fails_in_a_chain_runs_once(store):
    calls = []

    class Fails(SafeMaskMaker):
        def run(self, dataset, observation=None):
            calls.append(observation.obs_id)
            raise ZeroDivisionError

    with accelerated(), pytest.raises(ZeroDivisionError):
        DatasetsMaker([*chain()[:1], Fails()]).run(reference(), observations(store, [0]))
    assert len(calls) == 1


# --- devices, settings and the high-level interface


def test_work_on_another_device_gives_arrays_of_numpy(store):
    pytest.importorskip("array_api_strict")

    def run():
        return DatasetsMaker(chain()).run(reference(geom=sky(width=5)), observations(store, [0, 1]))[0]

    plain = run()
    with accelerated(device="strict"), count_transfers() as transfers:
        ours = run()
    assert fallbacks() == {}
    # Maps stay on the device until somebody looks at them.
    assert transfers.to_host.bytes < 10_000
    assert_same_dataset(ours, plain, tolerances=STACK_TOLERANCES)


def test_strictly_gammapy_does_what_is_done_differently_on_purpose(store):
    def run():
        made = MapDatasetMaker().run(reference(), observations(store)[0])
        return FoVBackgroundMaker().run(FoVBackgroundMaker().run(made))

    plain = run()
    with accelerated(strict=True):
        ours = run()
    assert (rows()["FoVBackgroundMaker.run"].calls, rows()["FoVBackgroundMaker.run"].fallbacks) == (2, 1)
    assert_same_dataset(ours, plain)


def test_the_high_level_interface(store):
    config = AnalysisConfig()
    config.observations.datastore = store
    config.datasets.type = "3d"
    config.datasets.stack = True
    config.datasets.geom.wcs.skydir = {"frame": "icrs", "lon": "83.63 deg", "lat": "22.01 deg"}
    config.datasets.geom.wcs.width = {"width": "3 deg", "height": "2 deg"}
    config.datasets.geom.wcs.binsize = "0.1 deg"
    config.datasets.geom.axes.energy = {"min": "0.5 TeV", "max": "20 TeV", "nbins": 4}
    config.datasets.geom.axes.energy_true = {"min": "0.2 TeV", "max": "50 TeV", "nbins": 6}
    config.datasets.background.method = "fov_background"
    config.datasets.safe_mask.methods = ["offset-max"]
    config.datasets.safe_mask.parameters = {"offset_max": "1.5 deg"}

    def run():
        analysis = Analysis(config)
        analysis.get_observations()
        analysis.get_datasets()
        return analysis.datasets[0]

    ours, plain = both(run, accelerated_methods=["DatasetsMaker.run", "FoVBackgroundMaker.run"])
    assert_same_dataset(ours, plain, tolerances=STACK_TOLERANCES)
    assert str(ours) == str(plain)
