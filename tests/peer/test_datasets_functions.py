"""Functions on datasets beside those of Gammapy 2.1."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lightpool import datasets as ours
from lightpool.data import DataStore
from lightpool.datasets.utils import create_map_dataset_from_dl4
from lightpool.irf import EDispKernel
from lightpool.makers import MapDatasetMaker
from lightpool.maps import Map, MapAxis, WcsGeom

theirs = pytest.importorskip("gammapy.datasets")
their_utils = pytest.importorskip("gammapy.datasets.utils")
RECO = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")


@pytest.fixture(scope="module")
def runs(crab_store):
    return DataStore.from_dir(crab_store).get_observations()


@pytest.fixture
def dataset(runs):
    geom = WcsGeom.create(skydir=runs[0].pointing_radec, npix=(11, 8), binsz=0.4, axes=[RECO])
    empty = ours.MapDataset.create(geom, energy_axis_true=TRUE, name="run")
    return MapDatasetMaker().run(empty, runs[0])


def same_axes(mine, its):
    assert mine.names == its.names
    for one, other in zip(mine, its, strict=True):
        assert_allclose(one.edges.to_value(other.unit), other.edges.value, rtol=1e-9)


def test_counts_after_the_energy_dispersion_are_those_of_gammapy():
    edisp = EDispKernel.from_gauss(TRUE, RECO, sigma=0.2, bias=0.1)
    geom = WcsGeom.create(npix=(5, 3), axes=[TRUE])
    given = Map.from_geom(geom, data=np.random.default_rng(1).uniform(size=geom.data_shape), unit="cm-2")
    for matrix in (edisp, None):
        mine = ours.apply_edisp(given, matrix)
        its = theirs.apply_edisp(given.to_gammapy(), None if matrix is None else matrix.to_gammapy())
        same_axes(mine.geom.axes, its.geom.axes)
        assert_allclose(mine.data, its.data, rtol=1e-12)


@pytest.mark.parametrize("operator", [np.logical_and, np.logical_or, None])
def test_masks_in_a_block(dataset, operator):
    dataset.mask_fit = dataset.geom.region_mask("icrs;circle(83.63, 22.01, 1)")
    image = dataset.geom.to_image().to_binsz(0.3).region_mask("icrs;circle(83.9, 22.2, 1)")
    mask = image.to_cube([RECO.squash()])
    its = dataset.to_gammapy()
    settings = {"energy_min": 2.1 * u.TeV, "energy_max": 9 * u.TeV, "round_to_edge": True, "operator": operator}
    with (
        ours.set_and_restore_mask_fit([dataset], mask, **settings) as mine_in,
        theirs.set_and_restore_mask_fit([its], mask.to_gammapy(), **settings) as its_in,
    ):
        assert len(mine_in) == len(its_in) == 1
        np.testing.assert_array_equal(dataset.mask_fit.data, its.mask_fit.data)


def test_parts_of_a_dataset(dataset):
    """11 x 8 pixels in parts of 3 x 3: none is lost in Gammapy either."""
    its = theirs.split_dataset(dataset.to_gammapy(), 1.2 * u.deg, 0.4 * u.deg)
    mine = ours.split_dataset(dataset, 1.2 * u.deg, 0.4 * u.deg)
    assert len(mine) == len(its)
    for one, other in zip(mine, its, strict=True):
        np.testing.assert_array_equal(one.mask_fit.data, other.mask_fit.data)
        assert_allclose(one.counts.data, other.counts.data)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_empty_datasets_of_an_observation(runs, number):
    settings = {"spatial_width_max": 3 * u.deg, "spatial_bin_size_min": 0.2 * u.deg}
    mine = ours.create_empty_map_dataset_from_irfs(runs[number], **settings)
    its = theirs.create_empty_map_dataset_from_irfs(runs[number].to_gammapy(), **settings)
    assert mine.name == its.name
    for name in ("counts", "exposure"):
        same_axes(getattr(mine, name).geom.axes, getattr(its, name).geom.axes)
        assert getattr(mine, name).geom.to_gammapy() == getattr(its, name).geom
    same_axes(mine.edisp.edisp_map.geom.axes, its.edisp.edisp_map.geom.axes)
    same_axes(mine.psf.psf_map.geom.axes, its.psf.psf_map.geom.axes)


def test_datasets_of_an_observation(runs):
    settings = {
        "spatial_width": 3 * u.deg,
        "spatial_bin_size": 0.3 * u.deg,
        "frame": "galactic",
        "dataset_name": "mine",
    }
    mine = ours.create_map_dataset_from_observation(runs[0], energy_axis=RECO, energy_axis_true=TRUE, **settings)
    its = theirs.create_map_dataset_from_observation(
        runs[0].to_gammapy(), energy_axis=RECO.to_gammapy(), energy_axis_true=TRUE.to_gammapy(), **settings
    )
    assert_allclose(mine.exposure.data, its.exposure.data, rtol=1e-5)
    assert_allclose(mine.npred_background().data, its.npred_background().data, rtol=1e-5)
    assert mine.models.names == its.models.names


def test_datasets_made_of_maps_are_those_of_gammapy(dataset):
    its = their_utils.create_map_dataset_from_dl4(dataset.to_gammapy(), name="new")
    mine = create_map_dataset_from_dl4(dataset, name="new")
    np.testing.assert_array_equal(mine.counts.data, its.counts.data)
    for name in ("exposure", "background"):
        assert_allclose(getattr(mine, name).data, getattr(its, name).data, rtol=1e-5)
    assert_allclose(mine.psf.psf_map.data, its.psf.psf_map.data, rtol=1e-5, atol=1e-6)
    assert_allclose(mine.edisp.edisp_map.data, its.edisp.edisp_map.data, rtol=1e-5, atol=1e-6)
    assert_allclose(mine.edisp.exposure_map.data, its.edisp.exposure_map.data, rtol=1e-5)


@pytest.mark.parametrize("format", ["ogip", "ogip-sherpa"])
def test_files_of_spectra_go_both_ways(tmp_path, dataset, format):
    spectrum = dataset.to_spectrum_dataset("icrs;circle(83.63, 22.01, 1)")
    spectrum.counts.data[...] = np.arange(4.0)[:, None, None]
    on_off = ours.SpectrumDatasetOnOff.from_spectrum_dataset(spectrum, 1, 5, counts_off=spectrum.counts, name="run")
    on_off.exposure.meta["livetime"] = 100 * u.s
    ours.OGIPDatasetWriter(tmp_path / "mine.fits", format=format).write(on_off)
    its = theirs.OGIPDatasetReader(tmp_path / "mine.fits").read()
    assert_allclose(its.counts.data, on_off.counts.data)
    if format != "ogip":  # Gammapy 2.1 cannot write its other format
        return
    theirs.OGIPDatasetWriter(tmp_path / "its.fits").write(its)
    again = ours.OGIPDatasetReader(tmp_path / "its.fits").read()
    assert_allclose(again.counts.data, on_off.counts.data)
    assert_allclose(again.counts_off.data, on_off.counts_off.data, rtol=1e-6)
    assert_allclose(again.exposure.quantity.to_value("m2 s"), on_off.exposure.data, rtol=1e-6)


def test_metadata_of_a_reduced_observation(runs, dataset):
    from gammapy.makers import MapDatasetMaker as Maker

    empty = ours.MapDataset.create(dataset.geom, energy_axis_true=TRUE)
    its = Maker().run(empty.to_gammapy(), runs[0].to_gammapy()).meta
    mine = dataset.meta
    assert len(mine.obs_info) == len(its.obs_info) == 1
    assert mine.obs_info[0].obs_id == its.obs_info[0].obs_id
    assert mine.obs_info[0].telescope == its.obs_info[0].telescope
    assert mine.obs_info[0].observation_mode == its.obs_info[0].observation_mode
    assert mine.pointing[0].radec_mean.separation(its.pointing[0].radec_mean) < 1 * u.arcsec
