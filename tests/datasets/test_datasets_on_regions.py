"""Datasets of maps brought to one region."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion, EllipseSkyRegion, PointSkyRegion

from lightpool.arrays import to_host
from lightpool.datasets import Datasets, FoVBackgroundModel, MapDataset
from lightpool.datasets.on_off import OnOffDataset
from lightpool.errors import GeometryError
from lightpool.maps import Map

CENTER = SkyCoord(83.63, 22.01, unit="deg")
CIRCLE = CircleSkyRegion(CENTER, 0.5 * u.deg)


def values(data):
    return to_host(data.data)[..., 0, 0]


def pixels_of(region, dataset):
    """Pixels of the region, a slow twin of the mask."""
    geom = dataset.geom.to_image()
    return region.contains(geom.get_coord().skycoord, geom.wcs)


def with_mask(dataset, flags):
    data = np.broadcast_to(np.reshape(np.asarray(flags, dtype=bool), (-1, 1, 1)), dataset.data_shape)
    dataset.mask_safe = Map.from_geom(dataset.geom, data=data.copy(), device=dataset.device)
    return dataset


@pytest.fixture
def dataset(make_dataset):
    return with_mask(make_dataset(1, name="one"), [1, 1, 1, 0])


@pytest.fixture
def on_off(dataset):
    rng = np.random.default_rng(3)
    shape = dataset.data_shape
    # A ring as seen from each pixel: its acceptance differs, and one energy has no OFF counts.
    counts_off = rng.poisson(30.0, shape) * np.reshape([1.0, 1.0, 0.0, 1.0], (4, 1, 1))
    maps = {"acceptance": rng.uniform(0.5, 1.0, shape), "acceptance_off": rng.uniform(5.0, 9.0, shape)}
    maps = {name: Map.from_geom(dataset.geom, data=data, device=dataset.device) for name, data in maps.items()}
    counts_off = Map.from_geom(dataset.geom, data=counts_off, device=dataset.device)
    return OnOffDataset.from_map_dataset(dataset, counts_off=counts_off, name="ring", **maps)


def test_a_spectrum_has_the_safe_counts_and_the_mean_exposure_of_the_region(dataset):
    inside = pixels_of(CIRCLE, dataset)
    spectrum = dataset.to_spectrum_dataset(CIRCLE, name="spectrum")
    safe = np.array([1, 1, 1, 0])
    assert (spectrum.tag, spectrum.name, spectrum.device) == ("SpectrumDataset", "spectrum", dataset.device)
    assert_array_equal(values(spectrum.counts), to_host(dataset.counts.data)[:, inside].sum(axis=1) * safe)
    assert_allclose(values(spectrum.background), to_host(dataset.background.data)[:, inside].sum(axis=1) * safe)
    assert_allclose(values(spectrum.exposure), to_host(dataset.exposure.data)[:, inside].mean(axis=1))
    assert spectrum.exposure.unit == "m2 s"
    assert_array_equal(values(spectrum.mask_safe), [True, True, True, False])
    assert spectrum.info_dict()["livetime"] == dataset.info_dict()["livetime"]
    assert spectrum.psf is None
    assert len(spectrum.gti.table) == 1
    assert spectrum.meta_table["OBS_ID"][0] == [1]


def test_without_off_counts_there_is_no_acceptance_of_them_in_the_region(on_off):
    on_off.counts_off = None
    spectrum = on_off.to_spectrum_dataset(CIRCLE)
    assert spectrum.counts_off is None
    assert spectrum.acceptance_off is None
    inside = pixels_of(CIRCLE, on_off)
    expected = to_host(on_off.acceptance.data)[:, inside].mean(axis=1) * [1, 1, 1, 0]
    assert_allclose(values(spectrum.acceptance), expected)


def test_off_maps_are_written_after_the_tables_as_in_gammapy(on_off):
    names = [hdu.name for hdu in on_off.to_hdulist()]
    assert names.index("MASK_SAFE") < names.index("GTI") < names.index("META_TABLE") < names.index("COUNTS_OFF")
    assert names[-6::2] == ["COUNTS_OFF", "ACCEPTANCE", "ACCEPTANCE_OFF"]
    back = OnOffDataset.from_hdulist(on_off.to_hdulist())
    assert_array_equal(to_host(back.counts_off.data), to_host(on_off.counts_off.data))


def test_responses_are_those_of_the_pixel_at_the_centre_of_the_region(dataset):
    region = CircleSkyRegion(SkyCoord(84.1, 22.3, unit="deg"), 0.5 * u.deg)
    in_region = dataset.to_region_map_dataset(region)
    for name in ("psf", "edisp"):
        found, full = (getattr(getattr(one, name), f"{name}_map") for one in (in_region, dataset))
        x, y = (pix.item() for pix in full.geom.to_image().coord_to_idx(region.center))
        assert_array_equal(values(found), to_host(full.data)[..., y, x])
        exposure = getattr(dataset, name).exposure_map
        assert_array_equal(values(getattr(in_region, name).exposure_map), to_host(exposure.data)[..., y, x])


def test_the_background_model_is_applied_and_not_taken_over(dataset):
    before = values(dataset.to_spectrum_dataset(CIRCLE).background)
    dataset.models = [FoVBackgroundModel(dataset_name=dataset.name)]
    dataset.background_model.spectral_model.norm.value = 1.5
    spectrum = dataset.to_spectrum_dataset(CIRCLE, name=dataset.name)
    assert_allclose(values(spectrum.background), 1.5 * before)
    assert not spectrum.models


def test_the_containment_correction_is_the_part_of_the_psf_in_the_circle(dataset):
    exposure = values(dataset.to_spectrum_dataset(CIRCLE).exposure)
    corrected = values(dataset.to_spectrum_dataset(CIRCLE, containment_correction=True).exposure)
    energy_true = dataset.exposure.geom.axes["energy_true"].center
    part = dataset.psf.containment(rad=CIRCLE.radius, energy_true=energy_true, position=CENTER)
    assert_allclose(corrected, exposure * part.value)


def test_a_containment_correction_needs_a_circle_and_a_psf(dataset):
    with pytest.raises(TypeError, match="circles, got a EllipseSkyRegion"):
        dataset.to_spectrum_dataset(EllipseSkyRegion(CENTER, 0.8 * u.deg, 0.6 * u.deg), containment_correction=True)
    dataset.psf = None
    with pytest.raises(ValueError, match="'one' has no PSF"):
        dataset.to_spectrum_dataset(CIRCLE, containment_correction=True)


@pytest.mark.parametrize("kind", ["text", "galactic", "pixels", "list"])
def test_a_region_may_be_given_in_many_ways(dataset, kind):
    given = {
        "text": "icrs;circle(83.63, 22.01, 0.5)",
        "galactic": CircleSkyRegion(CENTER.galactic, 0.5 * u.deg),
        "pixels": CIRCLE.to_pixel(dataset.geom.wcs),
        "list": [CIRCLE, CircleSkyRegion(CENTER, 0.1 * u.deg)],
    }
    found, expected = dataset.to_spectrum_dataset(given[kind]), dataset.to_spectrum_dataset(CIRCLE)
    assert_array_equal(values(found.counts), values(expected.counts))
    assert_allclose(values(found.exposure), values(expected.exposure))


def test_a_point_takes_its_pixel(dataset):
    x, y = (pix.item() for pix in dataset.geom.to_image().coord_to_idx(CENTER))
    spectrum = dataset.to_spectrum_dataset(PointSkyRegion(CENTER))
    assert_array_equal(values(spectrum.counts), to_host(dataset.counts.data)[:, y, x] * [1, 1, 1, 0])
    assert_array_equal(values(spectrum.mask_safe), [True, True, True, False])


def test_without_a_region_the_whole_map_is_taken(dataset):
    found = dataset.to_region_map_dataset(None)
    assert_allclose(values(found.background).sum(), dataset.info_dict()["background"])
    assert isinstance(found, MapDataset)
    assert found.psf is not None


def test_a_region_over_the_border_is_refused(dataset):
    over = CircleSkyRegion(SkyCoord(84.8, 22.01, unit="deg"), 0.5 * u.deg)
    with pytest.raises(GeometryError, match="reaches over the border of dataset 'one'"):
        dataset.to_spectrum_dataset(over)
    for empty in (CircleSkyRegion(SkyCoord(183, 22, unit="deg"), 0.5 * u.deg), CircleSkyRegion(CENTER, 1 * u.arcsec)):
        with pytest.raises(GeometryError, match="holds no pixel centre of dataset 'one'"):
            dataset.to_spectrum_dataset(empty)


def test_a_mask_that_cuts_through_the_region_is_refused(make_dataset):
    dataset = make_dataset(1, name="holes")
    with pytest.raises(GeometryError, match="mask of dataset 'holes' cuts through"):
        dataset.to_spectrum_dataset(CIRCLE)


def test_masks_to_fit_come_along(dataset):
    dataset.mask_fit = with_mask(dataset.copy(), [0, 1, 0, 1]).mask_safe
    assert_array_equal(values(dataset.to_spectrum_dataset(CIRCLE).mask_fit), [False, True, False, True])


def test_a_spectrum_of_a_dataset_with_off_counts_keeps_its_excess(on_off):
    inside = pixels_of(CIRCLE, on_off)
    spectrum = on_off.to_spectrum_dataset(CIRCLE, name="spectrum")
    assert (spectrum.tag, spectrum.stat_type) == ("SpectrumDatasetOnOff", "wstat")
    background = to_host(on_off.background.data)[:, inside].sum(axis=1)
    assert_allclose(values(spectrum.background), background * [1, 1, 1, 0])
    assert_array_equal(
        values(spectrum.counts_off), to_host(on_off.counts_off.data)[:, inside].sum(axis=1) * [1, 1, 1, 0]
    )
    assert_allclose(values(spectrum.acceptance), to_host(on_off.acceptance.data)[:, inside].mean(axis=1) * [1, 1, 1, 0])
    # without OFF counts the mean alpha of the other energies, as in a stack
    alpha = background[:2].sum() / to_host(on_off.counts_off.data)[:2, inside].sum()
    assert_allclose(values(spectrum.alpha)[2], alpha)
    assert np.isfinite(spectrum.info_dict()["sqrt_ts"])


def test_a_region_of_a_dataset_with_off_counts_has_them_too(on_off):
    found = on_off.to_region_map_dataset(CIRCLE, name="region")
    assert (type(found), found.name) == (OnOffDataset, "region")
    assert_allclose(values(found.background), values(on_off.to_spectrum_dataset(CIRCLE).background))
    on_off.counts_off = None
    assert on_off.to_spectrum_dataset(CIRCLE).counts_off is None


def test_all_datasets_become_spectra_under_their_names(make_dataset):
    datasets = Datasets([with_mask(make_dataset(seed, name=f"run {seed}"), [1, 1, 0, 1]) for seed in (1, 2)])
    spectra = datasets.to_spectrum_datasets(CIRCLE)
    assert spectra.names == ["run 1", "run 2"]
    for spectrum, dataset in zip(spectra, datasets, strict=True):
        assert_array_equal(values(spectrum.counts), values(dataset.to_spectrum_dataset(CIRCLE).counts))
