"""Exclusion masks found from the data: they converge to the source, and find nothing where there is none."""

import logging

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from matplotlib import pyplot as plt
from numpy.testing import assert_array_equal

from lightpool.arrays import to_host
from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.errors import GeometryError
from lightpool.makers import (
    ExcessMapEstimator,
    ExclusionMaskFinder,
    FoVBackgroundMaker,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
)
from lightpool.maps import Map, MapAxis, WcsGeom
from lightpool.plot.significance import plot_significance_distribution, plot_significance_map
from lightpool.simulate import PointSource

SOURCE = PointSource().position


def reduced(store, width=None):
    """Runs as cutouts of one geometry, or all on the whole of it."""
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3)
    geom = WcsGeom.create(skydir=SOURCE, width=4, binsz=0.05, axes=[energy])
    runs = []
    for observation in DataStore.from_dir(store).get_observations()[:4]:
        dataset = MapDataset.create(geom, name=f"run-{observation.obs_id}")
        dataset = dataset if width is None else dataset.cutout(observation.pointing_radec, width, name=dataset.name)
        dataset = MapDatasetMaker(selection=["counts", "background"]).run(dataset, observation)
        runs.append(SafeMaskMaker(methods=["offset-max"], offset_max="2 deg").run(dataset, observation))
    return runs


def ring(**kwargs):
    return RingBackgroundMaker(r_in="0.4 deg", width="0.3 deg", **kwargs)


def finder(**kwargs):
    return ExclusionMaskFinder(ExcessMapEstimator("0.1 deg", correlate_off=False), **kwargs)


def excluded(found):
    """Separation from the source of the excluded pixels."""
    return found.mask.geom.separation(SOURCE)[~to_host(found.mask.data)]


@pytest.mark.slow
@pytest.mark.parametrize("maker", [ring(), FoVBackgroundMaker()], ids=lambda maker: maker.tag)
def test_with_a_source_the_exclusion_converges_to_it(backend, crab_store, maker):
    found = finder().run(reduced(crab_store), maker)
    assert found.is_stable
    assert found.mask.is_mask
    assert found.mask.geom.is_image
    assert {found.mask.device, found.maps["sqrt_ts"].device} == {backend.device}
    # it holds the source, in one piece, and is not wider than its PSF and the circle
    near = to_host(found.mask.geom.separation(SOURCE) < 0.15 * u.deg)
    assert not to_host(found.mask.data)[near].any()
    assert excluded(found).max() < 0.5 * u.deg
    assert len(found.n_excluded) >= 2
    assert found.n_excluded[-1] == found.n_excluded[-2] == excluded(found).size
    assert list(found.n_excluded) == sorted(found.n_excluded)
    # the background outside is measured without it
    sqrt_ts = to_host(found.maps["sqrt_ts"].data)[0]
    outside = to_host(found.mask.data) & np.isfinite(sqrt_ts)
    assert abs(sqrt_ts[outside].mean()) < 0.2
    assert abs(sqrt_ts[outside].std() - 1) < 0.12
    assert np.nanmax(sqrt_ts) > 30


def test_a_source_in_its_own_background_hides_pixels_that_later_rounds_find(crab_store):
    found = finder(max_rounds=6).run(reduced(crab_store), FoVBackgroundMaker())
    assert found.n_excluded[1] > found.n_excluded[0]
    again = finder().run(reduced(crab_store), FoVBackgroundMaker(exclusion_mask=found.mask))
    assert again.n_excluded == (found.n_excluded[-1],)
    assert_array_equal(again.mask.data, found.mask.data)


@pytest.mark.parametrize("maker", [ring(), FoVBackgroundMaker(), None], ids=["ring", "fov", "none"])
def test_on_an_empty_field_nothing_is_excluded(empty_store, maker):
    found = finder().run(reduced(empty_store), maker)
    assert found.n_excluded == (0,)
    assert found.is_stable
    assert found.mask.data.all()


def test_cutouts_and_whole_maps_lead_to_the_same_exclusion(crab_store):
    whole, cutouts = reduced(crab_store), reduced(crab_store, width="3.9 deg")
    estimator = finder(margin="0.1 deg")
    expected = estimator.run(whole, FoVBackgroundMaker())
    found = estimator.run(cutouts, FoVBackgroundMaker(), geom=whole[0].counts.geom)
    assert found.mask.geom == whole[0].counts.geom.to_image()
    assert np.count_nonzero(found.mask.data != expected.mask.data) < 0.1 * expected.n_excluded[-1]


def test_the_datasets_and_the_maker_stay_as_they_are(crab_store):
    runs, maker = reduced(crab_store), FoVBackgroundMaker()
    maker.run(runs[0])
    norm = runs[0].background_model.spectral_model.norm.value
    before = [(run.background.data.copy(), run.mask_safe.data.copy()) for run in runs]
    finder().run(runs, maker)
    assert maker.exclusion_mask is None
    assert runs[0].background_model.spectral_model.norm.value == norm
    assert runs[1].models is None
    for run, (background, safe) in zip(runs, before, strict=True):
        assert_array_equal(run.background.data, background)
        assert_array_equal(run.mask_safe.data, safe)


def test_a_mask_with_energies_starts_with_the_pixels_excluded_in_any(backend, empty_store):
    runs = reduced(empty_store)
    geom = runs[0].counts.geom
    data = np.ones(geom.data_shape, dtype=bool)
    data[1, 20:24, 30:35] = False
    found = finder().run(runs, ring(exclusion_mask=Map.from_geom(geom, data=data)))
    assert found.n_excluded == (20,)
    assert found.mask.device == backend.device
    assert_array_equal(to_host(found.mask.data), data[1])


# --- which pixels are significant


def significances(backend, n_plane=1):
    """A strong group with a weak rim, a weak group, a strong one of two pixels, and a NaN."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=n_plane)
    geom = WcsGeom.create(skydir=SOURCE, npix=(30, 20), binsz=0.1, axes=[energy])
    data = np.zeros(geom.data_shape)
    data[0, 3:8, 4:9] = 4
    data[-1, 5, 6] = 9
    data[0, 12:16, 4:9] = 4
    data[0, 12, 20:22] = 8
    data[0, 0, 0] = np.nan
    return Map.from_geom(geom, data=data)


def test_a_low_threshold_holds_for_pixels_that_touch_a_significant_one(backend):
    expected = np.zeros((20, 30), dtype=bool)
    expected[3:8, 4:9] = True
    found = ExclusionMaskFinder(threshold=5, threshold_low=3, min_size=3).significant(significances(backend))
    assert_array_equal(to_host(found), expected)
    expected[:] = False
    expected[5, 6] = True
    found = ExclusionMaskFinder(threshold=8.5, threshold_low=8.5, min_size=1).significant(significances(backend))
    assert_array_equal(to_host(found), expected)


def test_a_group_that_is_too_small_is_not_excluded(backend):
    counts = {}
    for min_size in (1, 2, 3, 25, 26):
        found = ExclusionMaskFinder(min_size=min_size).significant(significances(backend))
        counts[min_size] = int(to_host(found).sum())
    assert counts == {1: 27, 2: 27, 3: 25, 25: 25, 26: 0}


def test_a_pixel_that_is_significant_in_any_band_counts(backend):
    found = ExclusionMaskFinder(min_size=3).significant(significances(backend, n_plane=2))
    assert int(to_host(found).sum()) == 25


def test_a_margin_is_excluded_too(backend):
    found = ExclusionMaskFinder(threshold=8.5, threshold_low=8.5, min_size=1, margin="0.25 deg")
    mask = to_host(found.significant(significances(backend)))
    rows, columns = np.indices(mask.shape)
    assert_array_equal(mask, np.hypot(rows - 5, columns - 6) <= 2.5)


# --- bad input


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"threshold": 2}, "threshold_low must be above zero and at most the threshold, got 3.0 and 2"),
        ({"threshold_low": 0}, "threshold_low must be above zero"),
        ({"min_size": 0}, "min_size must be at least 1"),
        ({"max_rounds": 0}, "max_rounds must be at least 1"),
        ({"margin": "-1 deg"}, "margin must be an angle that is not negative"),
    ],
)
def test_wrong_arguments_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        ExclusionMaskFinder(**arguments)


def test_wrong_datasets_and_makers_are_refused(empty_store):
    runs = reduced(empty_store)
    with pytest.raises(ValueError, match="no datasets were given"):
        finder().run([])
    with pytest.raises(TypeError, match="MapDatasets with counts and background, got a MapDatasetOnOff"):
        finder().run(ring().run(runs[0]))
    with pytest.raises(TypeError, match="SafeMaskMaker has no exclusion_mask"):
        finder().run(runs, SafeMaskMaker())
    with pytest.raises(ValueError, match="after round 1 no pixel is left outside the exclusion"):
        finder(threshold=0.5, threshold_low=0.1, min_size=1, margin="3 deg").run(runs)
    other = WcsGeom.create(skydir=SOURCE, width=4, binsz=0.07, axes=runs[0].counts.geom.axes)
    with pytest.raises(GeometryError):
        finder().run([runs[0], MapDataset.create(other)])


def test_an_exclusion_that_still_grows_says_so(crab_store, caplog):
    with caplog.at_level(logging.WARNING):
        found = finder(max_rounds=1).run(reduced(crab_store), ring())
    assert not found.is_stable
    assert "still grows after 1 rounds" in caplog.text


# --- plots


@pytest.fixture
def figure():
    plt.switch_backend("agg")
    yield plt.figure()
    plt.close("all")


def test_the_plot_shows_map_exclusion_and_distribution(backend, crab_store, figure):
    found = finder().run(reduced(crab_store), ring())
    left, right = found.plot(figure=figure)
    assert [text.get_text() for text in left.texts] == ["contours: 5, 10, 20, 40"]
    assert len(left.collections) == 2
    labels = [text.get_text() for text in right.get_legend().get_texts()]
    assert labels[1].startswith("Outside the exclusion: mean -0.0")
    outside = to_host(found.mask.data) & np.isfinite(to_host(found.maps["sqrt_ts"].data)[0])
    drawn = sum(bar.get_height() for bar in right.patches if hasattr(bar, "get_height"))
    assert drawn == np.count_nonzero(outside)


def test_the_distribution_without_an_exclusion_is_that_of_all_pixels(empty_store, figure):
    (dataset, *_) = reduced(empty_store)
    found = finder().estimator.run(ring().run(dataset.to_image()))
    ax = plot_significance_distribution(found["sqrt_ts"])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(labels) == 2
    assert labels[0].startswith("All pixels: mean")


def test_an_empty_map_has_neither_contours_nor_an_exclusion(empty_store, figure):
    found = finder().run(reduced(empty_store), ring())
    ax = plot_significance_map(found.maps["sqrt_ts"], found.mask)
    assert len(ax.collections) == 0
    assert len(ax.texts) == 0


def test_contours_are_seen_on_the_colours_beside_them(figure):
    geom = WcsGeom.create(skydir=SkyCoord(83.6, 22.0, unit="deg"), width=2, binsz=0.02)
    distance = geom.separation(geom.center_skydir).to_value("deg")
    ax = plot_significance_map(Map.from_geom(geom, data=50 * np.exp(-(distance**2) / 0.1)))
    (image,), (contours,) = ax.images, ax.collections
    lines = contours.get_edgecolor()
    weights = [0.2126, 0.7152, 0.0722]
    for level, line in zip(contours.levels, lines, strict=True):
        beside = image.to_rgba(np.array([level]))[0]
        assert abs(np.dot(weights, line[:3] - beside[:3])) > 0.4, level
    assert contours.levels.tolist() == [5, 10, 20, 40]


def test_plots_of_other_pixels_or_without_values_are_refused(backend, figure):
    sqrt_ts = significances(backend)
    other = WcsGeom.create(skydir=SkyCoord(0, 0, unit="deg"), npix=(30, 20))
    with pytest.raises(GeometryError, match="exclusion_mask must be a map of bool on the pixels"):
        plot_significance_distribution(sqrt_ts, Map.from_geom(other, dtype=bool))
    with pytest.raises(GeometryError, match="exclusion_mask must be a map of bool on the pixels"):
        plot_significance_map(sqrt_ts, Map.from_geom(sqrt_ts.geom.to_image()))
    with pytest.raises(ValueError, match="no pixel outside the exclusion has a significance"):
        plot_significance_distribution(sqrt_ts, Map.from_geom(sqrt_ts.geom.to_image(), dtype=bool))
    with pytest.raises(TypeError, match="only an image can be drawn"):
        plot_significance_map(significances(backend, n_plane=2))
