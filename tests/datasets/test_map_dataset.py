import pickle
import time

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from lightpool.arrays import to_host
from lightpool.datasets import Datasets, FoVBackgroundModel, MapDataset, create_map_dataset_geoms
from lightpool.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from lightpool.maps import Map, MapAxis, WcsGeom
from lightpool.stats import cash

EMPTY = """MapDataset
----------

  Name                            : empty

  Total counts                    : 0
  Total background counts         : 0.00
  Total excess counts             : 0.00

  Predicted counts                : 0.00
  Predicted background counts     : 0.00
  Predicted excess counts         : nan

  Exposure min                    : 0.00e+00 m2 s
  Exposure max                    : 0.00e+00 m2 s

  Number of total bins            : 480
  Number of fit bins              : 0

  Fit statistic type              : cash
  Fit statistic value (-2 log(L)) : nan

  Number of models                : 0
  Number of parameters            : 0
  Number of free parameters       : 0

"""


def host(data):
    return to_host(data.data)


def test_an_empty_dataset_prints_as_in_gammapy(backend, geom):
    assert str(MapDataset.create(geom, name="empty")) == EMPTY


def test_the_help_of_create_names_all_its_arguments():
    names = ("geom", "energy_axis_true", "migra_axis", "rad_axis", "binsz_irf", "reference_time", "name", "meta_table")
    assert [name for name in names if name not in MapDataset.create.__doc__] == []


def test_a_new_dataset_lives_on_the_default_device_and_has_zeros(backend, geom):
    dataset = MapDataset.create(geom)
    assert dataset.device == backend.device
    assert len(dataset.name) == 8
    assert host(dataset.counts).dtype == np.float64
    assert host(dataset.mask_safe).dtype == bool
    assert dataset.exposure.unit == "m2 s"
    assert len(dataset.gti) == 0
    assert all(not host(dataset.maps[name]).any() for name in ("counts", "background", "exposure", "mask_safe"))


def test_responses_have_the_axes_and_pixels_of_gammapy(geom):
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
    geoms = create_map_dataset_geoms(geom, energy_axis_true=energy_true)
    assert geoms["geom_exposure"].data_shape == (6, 10, 12)
    assert geoms["geom_psf"].data_shape == (6, 66, 10, 12)  # pixels of 0.2 deg
    assert geoms["geom_edisp"].axes.names == ["energy", "energy_true"]
    assert create_map_dataset_geoms(geom)["geom_exposure"].axes["energy_true"].nbin == 4
    migra = MapAxis.from_edges([0.5, 1, 2], name="migra")
    rad = MapAxis.from_edges([0, 0.1, 0.3] * u.deg, name="rad")
    geoms = create_map_dataset_geoms(geom, migra_axis=migra, rad_axis=rad, binsz_irf=0.5, reco_psf=True)
    assert geoms["geom_edisp"].axes.names == ["migra", "energy_true"]
    assert geoms["geom_psf"].axes.names == ["rad", "energy"]
    assert geoms["geom_psf"].data_shape == (4, 2, 4, 5)
    with pytest.raises(ValueError, match="energy_true"):
        create_map_dataset_geoms(geom, energy_axis_true=geom.axes["energy"])


def test_the_kind_of_response_follows_from_the_axes(geom):
    migra = MapAxis.from_edges([0.5, 1, 2], name="migra")
    dataset = MapDataset.create(geom, migra_axis=migra, reco_psf=True)
    assert isinstance(dataset.edisp, EDispMap)
    assert isinstance(dataset.psf, RecoPSFMap)
    dataset = MapDataset.create(geom)
    assert isinstance(dataset.edisp, EDispKernelMap)
    assert isinstance(dataset.psf, PSFMap)


def test_wrong_parts_are_refused_by_name(geom):
    with pytest.raises(TypeError, match="psf must be a PSFMap or RecoPSFMap, got WcsNDMap"):
        MapDataset(psf=Map.from_geom(geom))
    with pytest.raises(ValueError, match="stat_type"):
        MapDataset(stat_type="chi2")
    with pytest.raises(ValueError, match="name must be a string"):
        MapDataset(name=3)
    with pytest.raises(ValueError, match="no geometry"):
        _ = MapDataset(name="a").data_shape


def test_figures_are_sums_inside_the_safe_mask(make_dataset):
    dataset = make_dataset(1, "a")
    mask, counts, background = host(dataset.mask_safe), host(dataset.counts), host(dataset.background)
    info = dataset.info_dict()
    assert info["counts"] == counts[mask].sum()
    assert info["background"] == pytest.approx(background[mask].sum(), rel=1e-12)
    assert info["excess"] == pytest.approx(counts[mask].sum() - background[mask].sum(), rel=1e-10)
    assert info["npred"] == info["npred_background"] == info["background"]
    exposure = host(dataset.exposure)[:, mask.any(axis=0)]
    assert info["exposure_min"] == exposure.min() * u.Unit("m2 s")
    assert info["exposure_max"] == exposure.max() * u.Unit("m2 s")
    assert info["livetime"] == 1001 * u.s
    assert info["ontime"].to_value("s") == pytest.approx(900)
    assert info["counts_rate"] == info["counts"] / (1001 * u.s)
    assert (info["n_bins"], info["n_fit_bins"]) == (mask.size, mask.sum())
    assert np.isnan(info["npred_signal"])
    assert np.isnan(info["stat_sum"])
    assert dataset.info_dict(in_safe_data_range=False)["counts"] == counts.sum()


def test_a_model_multiplies_the_background_at_the_centres_of_the_energies(make_dataset):
    dataset = make_dataset(2, "a")
    model = FoVBackgroundModel(dataset_name="a")
    model.spectral_model.norm.value, model.spectral_model.tilt.value = 1.5, 0.3
    dataset.models = [model]
    assert dataset.background_model is model
    factors = 1.5 * dataset.counts.geom.axes["energy"].center.to_value("TeV") ** -0.3
    npred = host(dataset.background) * factors[:, np.newaxis, np.newaxis]
    np.testing.assert_allclose(host(dataset.npred_background()), npred, rtol=1e-14)
    info, mask = dataset.info_dict(), host(dataset.mask_safe)
    assert info["npred"] == pytest.approx(npred[mask].sum(), rel=1e-12)
    counts = host(dataset.counts)[mask]
    assert info["stat_sum"] == pytest.approx(2 * np.sum(npred[mask] - counts * np.log(npred[mask])), rel=1e-12)
    assert dataset.stat_sum() == pytest.approx(info["stat_sum"], rel=1e-12)
    assert "Component 0: FoVBackgroundModel" in str(dataset)
    assert "Number of free parameters       : 1\n" in str(dataset)


def test_models_of_other_datasets_are_left_out(make_dataset):
    dataset = make_dataset(1, "a")
    dataset.models = [FoVBackgroundModel("b")]
    assert dataset.models.names == []
    assert dataset.background_model is None
    dataset.models = FoVBackgroundModel("a")
    assert dataset.background_model is not None
    dataset.models = None
    assert dataset.models is None


def test_a_prediction_is_never_below_zero(make_dataset):
    dataset = make_dataset(1)
    dataset.background.data = dataset.background.data - 1.0
    assert host(dataset.npred()).min() == 0.0
    assert host(dataset.npred_background()).min() < 0.0
    assert not host(dataset.npred_signal()).any()


def test_residuals_are_nan_outside_the_mask(make_dataset):
    dataset = make_dataset(1)
    counts, background, mask = host(dataset.counts), host(dataset.background), host(dataset.mask_safe)
    for method, divisor in {"diff": 1, "diff/model": background, "diff/sqrt(model)": np.sqrt(background)}.items():
        expected = np.where(mask, (counts - background) / divisor, np.nan)
        np.testing.assert_allclose(host(dataset.residuals(method)), expected, rtol=1e-12)
    np.testing.assert_allclose(host(dataset.excess), counts - background)
    with pytest.raises(ValueError, match="'ratio'"):
        dataset.residuals("ratio")


def test_residuals_are_smoothed_inside_the_mask(make_dataset):
    ndimage = pytest.importorskip("scipy.ndimage")
    dataset = make_dataset(1)
    mask = host(dataset.mask_safe)

    def smooth(values):
        return np.stack([ndimage.gaussian_filter(plane.astype(float), 1.5, mode="constant") for plane in values])

    counts, background = (smooth(host(data) * mask) / smooth(mask) for data in (dataset.counts, dataset.background))
    expected = np.where(mask, (counts - background) / np.sqrt(background), np.nan)
    found = dataset.residuals("diff/sqrt(model)", width=0.3 * u.deg)
    np.testing.assert_allclose(host(found), expected, rtol=1e-10)
    dataset.mask_safe = None
    assert np.isfinite(host(dataset.residuals(kernel="box", width=3))).all()


def test_residuals_on_the_sky_are_drawn_inside_the_mask(make_dataset):
    ndimage = pytest.importorskip("scipy.ndimage")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    dataset = make_dataset(1)
    mask = host(dataset.mask_safe)
    images = [
        ndimage.gaussian_filter((host(data) * mask).sum(axis=0), 1) for data in (dataset.counts, dataset.background)
    ]
    expected = np.where(mask.any(axis=0), (images[0] - images[1]) / np.sqrt(images[1]), np.nan)
    ax = dataset.plot_residuals_spatial(method="diff/sqrt(model)", smooth_radius="0.2 deg")
    drawn = ax.images[0].get_array()
    np.testing.assert_allclose(np.ma.filled(drawn, np.nan), expected, rtol=1e-10)
    assert ax.images[0].get_clim() == (-5, 5)
    matplotlib.pyplot.close("all")


def test_the_mask_is_that_of_both_masks(make_dataset, geom):
    dataset = make_dataset(1)
    dataset.mask_fit = geom.energy_mask(energy_min=2 * u.TeV)
    both = host(dataset.mask_safe) & host(dataset.mask_fit)
    np.testing.assert_array_equal(host(dataset.mask), both)
    np.testing.assert_array_equal(host(dataset.mask_image), both.any(axis=0))
    assert host(dataset.mask_fit_image).all()
    dataset.mask_safe = None
    assert dataset.mask is dataset.mask_fit
    assert dataset.mask_safe_image is None
    assert dataset.mask_safe_psf is None
    dataset.mask_fit = None
    assert dataset.mask is None
    assert host(dataset.mask_image).all()


def test_energy_ranges_are_the_edges_of_the_kept_bins(make_dataset, geom):
    dataset = make_dataset(1)
    mask = np.zeros(dataset.data_shape, dtype=bool)
    mask[1:3, 4, 5] = True
    dataset.mask_safe = Map.from_geom(geom, data=mask)
    low, high = dataset.energy_range
    edges = geom.axes["energy"].edges.value
    assert (host(low)[4, 5], host(high)[4, 5]) == (edges[1], edges[3])
    assert np.isnan(host(low)).sum() == np.isnan(host(high)).sum() == 119
    assert dataset.energy_range_total[1] == edges[3] * u.TeV
    assert host(dataset.energy_range_fit[1]).min() == edges[-1]
    assert low.unit == "TeV"


def test_the_safe_mask_follows_into_the_pixels_of_the_responses(make_dataset, geom):
    dataset = make_dataset(1)
    dataset.mask_safe = geom.energy_mask(energy_min=2 * u.TeV)
    assert host(dataset.mask_safe_psf).all()
    assert dataset.mask_safe_psf.geom.data_shape == (1, 1, 5, 6)
    kept = host(dataset.mask_safe_edisp)[0].all(axis=(1, 2))
    np.testing.assert_array_equal(kept, host(dataset.mask_safe)[:, 0, 0])


def test_a_copy_shares_nothing_and_has_no_models(make_dataset):
    dataset = make_dataset(1, "a")
    dataset.models = FoVBackgroundModel("a")
    copy = dataset.copy(name="b")
    assert (copy.name, copy.models) == ("b", None)
    copy.counts.data[...] = 7.0
    copy.exposure.meta["livetime"] = 0 * u.s
    copy.meta_table["OBS_ID"][0] = 0
    assert host(dataset.counts).max() < 100
    assert dataset.exposure.meta["livetime"] == 1001 * u.s
    assert dataset.meta_table["OBS_ID"][0] == 1
    assert dataset.copy().name != dataset.copy().name


def test_a_dataset_moves_to_another_device_with_its_name_and_models(make_dataset):
    dataset = make_dataset(1, "a")
    dataset.models = FoVBackgroundModel("a")
    moved = dataset.to("cpu")
    assert (moved.name, moved.device.name) == ("a", "cpu")
    assert moved.background_model is dataset.background_model
    assert isinstance(moved.counts.data, np.ndarray)
    back = moved.to(dataset.device)
    assert back.psf.device == dataset.device
    assert back.info_dict()["counts"] == dataset.info_dict()["counts"]


def test_two_datasets_added_make_a_list(make_dataset):
    both = make_dataset(1, "a") + make_dataset(2, "b")
    assert isinstance(both, Datasets)
    assert both.names == ["a", "b"]


def test_a_dataset_without_background_has_no_excess(geom):
    info = MapDataset(counts=Map.from_geom(geom), name="a").info_dict()
    assert np.isnan(info["excess"])
    assert np.isnan(info["npred"])
    assert np.isnan(info["exposure_min"].value)
    assert (info["counts"], info["n_bins"]) == (0, 480)
    assert "nan" in str(MapDataset(counts=Map.from_geom(geom)))


@pytest.mark.slow
def test_peek_draws_six_panels(make_dataset):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    make_dataset(1).peek()
    figure = matplotlib.pyplot.gcf()
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert len(titles) == 6
    matplotlib.pyplot.close(figure)


@pytest.mark.slow
def test_peek_draws_an_exposure_in_reconstructed_energies(make_dataset):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    dataset = make_dataset(1)
    MapDataset(counts=dataset.counts, exposure=Map.from_geom(dataset.geom, data=1.0, unit="m2 s")).peek()
    figure = matplotlib.pyplot.gcf()
    energy = dataset.geom.axes["energy"]
    titles = [ax.get_title() for ax in figure.axes]
    assert f"Exposure at {energy.center[energy.nbin // 2]:.2f}" in titles
    matplotlib.pyplot.close(figure)


def test_peek_says_what_is_missing(make_dataset):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    dataset = make_dataset(1)
    for name in ("exposure", "background", "psf", "edisp"):
        setattr(dataset, name, None)
    dataset.peek()
    figure = matplotlib.pyplot.gcf()
    texts = [ax.texts[0].get_text() if ax.texts else "" for ax in figure.axes if ax.get_title()]
    assert [bool(text) for text in texts] == [True, False, True, True, True, True]
    assert set(texts) == {"", "not in this dataset"}
    matplotlib.pyplot.close(figure)


def test_cutouts_of_a_galactic_map_keep_the_frame(backend):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    geom = WcsGeom.create(skydir=(0, 0), npix=20, binsz=0.1, axes=[axis], frame="galactic", proj="TAN")
    dataset = MapDataset.create(geom)
    cutout = dataset.cutout(SkyCoord(0.2, 0.1, unit="deg", frame="galactic"), "0.6 deg")
    assert cutout.counts.geom.frame == "galactic"
    assert cutout.data_shape == (2, 6, 6)


def test_a_dataset_without_background_predicts_nothing(make_dataset, backend):
    dataset = make_dataset(1)
    dataset.background = None
    assert dataset.npred().device == backend.device
    assert not to_host(dataset.npred().data).any()
    counts = to_host(dataset.counts.data)
    np.testing.assert_allclose(to_host(dataset.stat_array()), cash(counts, np.zeros_like(counts)), rtol=1e-12)


def test_hdus_in_memory_give_the_dataset_back(make_dataset, backend):
    dataset = make_dataset(1, name="run")
    other = MapDataset.from_hdulist(dataset.to_hdulist(), name="run")
    assert other.device == backend.device
    for name in ("counts", "background", "exposure", "mask_safe"):
        np.testing.assert_array_equal(to_host(getattr(other, name).data), to_host(getattr(dataset, name).data))


def test_a_dataset_keeps_the_time_at_which_it_was_created():
    before = Time.now()
    dataset = MapDataset(name="x")
    after = Time.now()
    time.sleep(0.01)
    copied = pickle.loads(pickle.dumps(dataset))
    assert before <= dataset.meta.creation.date <= after
    assert copied.meta.creation.date == dataset.meta.creation.date
    assert dataset.meta is dataset.meta
    assert dataset.meta.creation.creator.startswith("lightpool")
