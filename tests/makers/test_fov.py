"""The background of a field of view, normalised on its counts."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import count_transfers, to_host
from lightpool.datasets import MapDataset, PiecewiseNormSpectralModel, PowerLawNormSpectralModel
from lightpool.makers import FoVBackgroundMaker
from lightpool.maps import Map, RegionGeom, WcsGeom
from lightpool.simulate import PointSource


@pytest.fixture
def exclusion(geom):
    """A function, so that the mask is made on the device of the test."""
    position = PointSource().position
    return lambda: geom.region_mask(f"icrs;circle({position.ra.deg}, {position.dec.deg}, 0.4)", inside=False)


def total(values, mask):
    return np.where(to_host(mask.data), to_host(values.data), 0).sum()


def test_counts_and_background_agree_outside_the_exclusion(backend, reduced, exclusion):
    mask = exclusion()
    before = reduced()
    counts, background = total(before.counts, mask), total(before.background, mask)
    dataset = FoVBackgroundMaker(exclusion_mask=mask).run(before)
    norm = dataset.background_model.spectral_model.norm
    assert_allclose(norm.value, counts / background, rtol=1e-12)
    assert_allclose(norm.error, np.sqrt(counts) / background, rtol=1e-12)
    assert_allclose(total(dataset.npred_background(), mask), counts, rtol=1e-12)
    assert dataset.device == backend.device


def test_the_norm_of_the_simulation_is_one(reduced, exclusion):
    dataset = FoVBackgroundMaker(exclusion_mask=exclusion()).run(reduced())
    norm = dataset.background_model.spectral_model.norm
    assert abs(norm.value - 1) < 4 * norm.error + 0.02


def test_running_it_twice_changes_nothing(reduced, exclusion):
    maker = FoVBackgroundMaker(exclusion_mask=exclusion())
    once = maker.run(reduced())
    first = once.background_model.spectral_model.norm
    value, error = first.value, first.error
    again = maker.run(once).background_model.spectral_model.norm
    assert_allclose([again.value, again.error], [value, error], rtol=1e-12)


def test_masks_of_the_dataset_count_too(backend, reduced):
    dataset = reduced()
    mask_safe = np.ones(dataset.counts.data.shape, dtype=bool)
    mask_safe[:, 5:, :] = False
    mask_fit = np.ones_like(mask_safe)
    mask_fit[0] = False
    dataset.mask_safe = Map.from_geom(dataset.counts.geom, data=mask_safe)
    dataset.mask_fit = Map.from_geom(dataset.counts.geom, data=mask_fit)
    kept = mask_safe & mask_fit
    expected = to_host(dataset.counts.data)[kept].sum() / to_host(dataset.background.data)[kept].sum()
    dataset = FoVBackgroundMaker().run(dataset)
    assert_allclose(dataset.background_model.spectral_model.norm.value, expected, rtol=1e-12)
    assert_array_equal(to_host(dataset.mask_fit.data), mask_fit)


def test_pixels_without_a_number_do_not_count(backend, reduced):
    dataset = reduced()
    background = to_host(dataset.background.data).copy()
    background[:, :3] = np.nan
    dataset.background = Map.from_geom(dataset.background.geom, data=background)
    expected = to_host(dataset.counts.data)[:, 3:].sum() / background[:, 3:].sum()
    norm = FoVBackgroundMaker().run(dataset).background_model.spectral_model.norm
    assert_allclose(norm.value, expected, rtol=1e-12)


def test_a_fit_of_the_norm_alone_is_the_scale(backend, reduced, exclusion):
    mask = exclusion()
    norms = []
    for method in ("scale", "fit"):
        dataset = FoVBackgroundMaker(method=method, exclusion_mask=mask).run(reduced())
        norms.append(dataset.background_model.spectral_model.norm)
    assert_allclose(norms[0].value, norms[1].value, rtol=1e-9)
    assert_allclose(norms[0].error, norms[1].error, rtol=1e-6)


@pytest.mark.parametrize("kind", ["tilt", "piecewise"])
def test_a_fit_makes_the_likelihood_better_and_keeps_its_errors(reduced, exclusion, kind):
    if kind == "tilt":
        model = PowerLawNormSpectralModel()
        model.tilt.frozen = False
    else:
        model = PiecewiseNormSpectralModel(energy=[0.5, 2, 20] * u.TeV, norms=[1.0, 1.0, 1.0])
    mask = exclusion()
    stats = []
    for maker in (
        FoVBackgroundMaker(exclusion_mask=mask),
        FoVBackgroundMaker("fit", exclusion_mask=mask, spectral_model=model),
    ):
        dataset = maker.run(reduced())
        counts, predicted = dataset.counts.data[mask.data], dataset.npred_background().data[mask.data]
        stats.append(2 * (predicted - counts * np.log(predicted)).sum())
    assert stats[1] <= stats[0]
    assert all(p.error > 0 for p in dataset.background_model.parameters if not p.frozen)
    assert model.parameters[0].error == 0, "the model of the maker itself stays as it was"


def test_a_node_at_energies_that_are_all_masked_masks_the_run_and_leaves_the_norms(backend, reduced, caplog):
    dataset = reduced()
    kept = np.ones(dataset.data_shape, dtype=bool)
    kept[dataset.counts.geom.axes["energy"].center > 2 * u.TeV] = False
    dataset.mask_safe = Map.from_geom(dataset.counts.geom, data=kept)
    model = PiecewiseNormSpectralModel(energy=[0.5, 2, 20] * u.TeV, norms=[1.0, 1.0, 1.0])
    dataset = FoVBackgroundMaker("fit", spectral_model=model).run(dataset)
    assert not to_host(dataset.mask_safe.data).any()
    assert [parameter.value for parameter in dataset.background_model.parameters] == [1, 1, 1]
    assert "no background is kept at the energies of the parameters ['norm_2']" in caplog.text
    model.parameters[2].frozen = True
    dataset.mask_safe = Map.from_geom(dataset.counts.geom, data=kept)
    dataset.models = None
    dataset = FoVBackgroundMaker("fit", spectral_model=model).run(dataset)
    assert_array_equal(to_host(dataset.mask_safe.data), kept)
    assert dataset.background_model.parameters[0].value != 1


def test_parameters_that_the_energy_bins_do_not_determine_are_named(reduced, caplog):
    model = PowerLawNormSpectralModel()
    model.tilt.frozen = False
    dataset = FoVBackgroundMaker("fit", spectral_model=model).run(reduced().to_image())
    assert not to_host(dataset.mask_safe.data).any()
    assert "1 energy bins with background do not determine norm, tilt; freeze one of them" in caplog.text
    model.tilt.frozen = True
    image = reduced().to_image()
    dataset = FoVBackgroundMaker("fit", spectral_model=model).run(image)
    assert to_host(dataset.mask_safe.data).any()
    assert dataset.background_model.spectral_model.norm.error > 0


def test_the_model_shows_in_the_models_of_the_dataset(reduced):
    dataset = FoVBackgroundMaker().run(reduced())
    assert dataset.models.names == ["run-bkg"]
    assert "run-bkg" in str(dataset.models)


def test_an_exclusion_on_another_geometry_is_projected(backend, reduced, exclusion):
    position = PointSource().position
    fine = WcsGeom.create(skydir=position, width=6, binsz=0.01, frame="galactic", proj="TAN")
    mask = fine.region_mask(f"icrs;circle({position.ra.deg}, {position.dec.deg}, 0.4)", inside=False)
    cube = mask.to_cube([reduced().counts.geom.axes["energy"].squash()])
    other = FoVBackgroundMaker(exclusion_mask=cube).run(reduced()).background_model.spectral_model.norm.value
    same = FoVBackgroundMaker(exclusion_mask=exclusion()).run(reduced()).background_model.spectral_model.norm.value
    assert_allclose(other, same, rtol=0.01)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"min_counts": 1e9}, "counts outside the exclusion"),
        ({"min_npred_background": 1e9}, "background outside the exclusion"),
    ],
)
def test_too_little_to_go_by_masks_the_dataset_and_says_why(backend, reduced, caplog, arguments, reason):
    dataset = FoVBackgroundMaker(**arguments).run(reduced())
    assert not to_host(dataset.mask_safe.data).any()
    assert dataset.background_model.spectral_model.norm.value == 1
    assert reason in caplog.text
    assert "run" in caplog.text


def test_a_norm_stays_on_its_device_until_it_is_asked_for(backend, reduced, exclusion, caplog):
    mask, is_host = exclusion(), backend.device.is_host
    maker, strict_maker = FoVBackgroundMaker(exclusion_mask=mask), FoVBackgroundMaker(min_counts=1e9)
    with count_transfers() as transfers:
        once, twice, poor = maker.run(reduced()), maker.run(maker.run(reduced())), maker.run(reduced())
        poor = strict_maker.run(poor)
        predicted = once.npred_background()
        assert transfers.to_host.number == 0
        assert bool(caplog.text) == is_host
        norms = [dataset.background_model.spectral_model.norm for dataset in (once, twice, poor)]
        assert_allclose([norm.value for norm in norms], norms[0].value, rtol=1e-12)
        assert_allclose([norm.error for norm in norms], norms[0].error, rtol=1e-12)
    assert transfers.to_host.number == (0 if is_host else 1)
    assert caplog.text.count("counts outside the exclusion are") == 1
    assert_allclose(total(predicted, mask), total(once.counts, mask), rtol=1e-12)
    assert not to_host(poor.mask_safe.data).any()
    assert str(once.models.copy()) == str(once.models)


def test_a_dataset_without_a_safe_mask_gets_none_where_all_is_well(backend, reduced, exclusion):
    dataset = reduced()
    dataset.mask_safe = None
    assert FoVBackgroundMaker(exclusion_mask=exclusion()).run(dataset).mask_safe is None
    assert not to_host(FoVBackgroundMaker(min_counts=1e9).run(dataset).mask_safe.data).any()


def test_an_exclusion_that_covers_all_masks_the_dataset(reduced, geom, caplog):
    nothing = Map.from_geom(geom, data=np.zeros(geom.data_shape, dtype=bool))
    dataset = FoVBackgroundMaker(exclusion_mask=nothing).run(reduced())
    assert not dataset.mask_safe.data.any()
    assert "background outside the exclusion is 0" in caplog.text


def test_no_background_says_what_to_run_first(reduced):
    with pytest.raises(ValueError, match="MapDatasetMaker"):
        FoVBackgroundMaker().run(reduced(selection=["counts"]))


def test_a_dataset_without_counts_says_so(reduced):
    with pytest.raises(ValueError, match="'run' has no counts to normalise the background on"):
        FoVBackgroundMaker().run(MapDataset(background=reduced().background, name="run"))


def test_an_exclusion_that_is_no_mask_is_refused(geom):
    for exclusion, kind in [("icrs;circle(83.6, 22, 1)", "a str"), (Map.from_geom(geom), "one of float64")]:
        with pytest.raises(TypeError, match=f"exclusion_mask must be a map of bool, got {kind}; geom.region_mask"):
            FoVBackgroundMaker(exclusion_mask=exclusion)


def test_a_dataset_on_a_region_is_refused(geom):
    region = RegionGeom.create(SkyCoord(83.63, 22.01, unit="deg"), axes=[geom.axes["energy"]])
    with pytest.raises(TypeError, match="ReflectedRegionsBackgroundMaker"):
        FoVBackgroundMaker().run(MapDataset(counts=Map.from_geom(region)))


def test_wrong_settings_say_what_is_right(geom):
    with pytest.raises(ValueError, match="scale"):
        FoVBackgroundMaker(method="divide")
    with pytest.raises(TypeError, match="region_mask"):
        FoVBackgroundMaker(exclusion_mask=Map.from_geom(geom))


def test_scale_needs_a_model_with_one_norm(reduced):
    model = PiecewiseNormSpectralModel(energy=[0.5, 20] * u.TeV, norms=[1.0, 1.0])
    with pytest.raises(TypeError, match="method='fit'"):
        FoVBackgroundMaker(spectral_model=model).run(reduced())


def test_the_steps_of_the_maker_use_the_masks_of_the_dataset(backend, reduced, exclusion):
    mask = exclusion()
    expected = FoVBackgroundMaker(exclusion_mask=mask).run(reduced()).background_model.spectral_model.norm
    dataset = reduced()
    dataset.mask_fit = mask
    maker = FoVBackgroundMaker()
    with pytest.raises(ValueError, match="make_default_fov_background_model adds one"):
        maker.make_background_scale(dataset)
    assert maker.make_default_fov_background_model(dataset) is dataset
    norm = maker.make_background_scale(dataset).background_model.spectral_model.norm
    assert_allclose((norm.value, norm.error), (expected.value, expected.error), rtol=1e-12)
    fitted = maker.make_background_fit(dataset).background_model.spectral_model.norm
    assert_allclose(fitted.value, expected.value, rtol=1e-9)


def test_settings_have_the_names_of_gammapy():
    maker = FoVBackgroundMaker(spectral_model=PowerLawNormSpectralModel())
    assert maker.default_spectral_model is maker.spectral_model
    assert maker.default_spatial_model is None
    other = maker.default_spectral_model = PowerLawNormSpectralModel()
    assert maker.spectral_model is other
    maker.method = "fit"
    with pytest.raises(ValueError, match="method must be one of"):
        maker.method = "magic"
