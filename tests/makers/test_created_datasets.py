"""Datasets whose maps follow from the responses of an observation, or from responses that are maps already."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.data import FixedPointingInfo
from lightpool.datasets import (
    FoVBackgroundModel,
    MapDataset,
    create_empty_map_dataset_from_irfs,
    create_map_dataset_from_observation,
)
from lightpool.datasets.utils import create_map_dataset_from_dl4
from lightpool.errors import GeometryError
from lightpool.irf import EDispKernelMap, EDispMap
from lightpool.makers import MapDatasetMaker
from lightpool.maps import MapAxis, WcsGeom

AXES = {
    "energy_axis": MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4),
    "energy_axis_true": MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy_true"),
}
SMALL = {"spatial_width": 2 * u.deg, "spatial_bin_size": 0.25 * u.deg}


def test_an_empty_dataset_has_axes_and_pixels_that_suit_the_responses(observations):
    run = observations[0]
    dataset = create_empty_map_dataset_from_irfs(run, spatial_bin_size_min="0.1 deg", spatial_width_max="3 deg")
    geom = dataset.geom
    assert dataset.name == f"obs_{run.obs_id}"
    assert geom.center_skydir.separation(run.pointing_radec) < 0.1 * u.deg
    assert geom.width.max() < 3.2 * u.deg
    assert geom.pixel_scales.max() >= 0.099 * u.deg
    assert geom.axes["energy"].nbin > 3
    assert isinstance(dataset.edisp, EDispMap)
    assert dataset.edisp.geom.axes["migra"] == run.edisp.axes["migra"]
    assert_allclose(
        dataset.exposure.geom.axes["energy_true"].edges[[0, -1]].to_value("TeV"),
        run.psf.axes["energy_true"].edges[[0, -1]].to_value("TeV"),
    )


def test_what_is_given_is_taken(observations):
    position = SkyCoord(83, 22, unit="deg")
    dataset = create_empty_map_dataset_from_irfs(
        observations[0], "mine", position=position, frame="galactic", **AXES, **SMALL
    )
    assert (dataset.name, dataset.geom.frame, dataset.data_shape) == ("mine", "galactic", (4, 8, 8))
    assert dataset.geom.center_skydir.separation(position) < 1 * u.arcsec


def test_a_drift_scan_needs_a_position(observations):
    run = observations[0].copy()
    run.pointing = FixedPointingInfo(fixed_altaz=SkyCoord(10, 70, unit="deg", frame="altaz"))
    with pytest.raises(NotImplementedError, match="give one: position="):
        create_empty_map_dataset_from_irfs(run, **AXES, **SMALL)


def test_a_dataset_of_an_observation_has_its_responses_and_no_counts(device, observations):
    run = observations[0]
    dataset = create_map_dataset_from_observation(run, **AXES, **SMALL)
    expected = MapDatasetMaker().run(create_empty_map_dataset_from_irfs(run, **AXES, **SMALL), run)
    for name in ("exposure", "background"):
        assert_array_equal(to_host(dataset.maps[name].data), to_host(expected.maps[name].data))
    assert not to_host(dataset.counts.data).any()
    assert dataset.background_model.spectral_model.norm.value == 1
    assert dataset.device.name == device


def test_a_model_of_the_background_that_is_given_is_kept(observations):
    model = FoVBackgroundModel(dataset_name="mine")
    model.spectral_model.norm.value = 2
    dataset = create_map_dataset_from_observation(observations[0], [model], "mine", **AXES, **SMALL)
    assert len(dataset.models) == 1
    assert dataset.background_model.spectral_model.norm.value == 2


# --- responses that are maps


@pytest.fixture
def dl4(empty, observations):
    def make(**kwargs):
        geom = WcsGeom.create(skydir=observations[0].pointing_radec, width=3, binsz=0.25, axes=[AXES["energy_axis"]])
        reference = MapDataset.create(geom, energy_axis_true=AXES["energy_axis_true"], name="run", **kwargs)
        return MapDatasetMaker().run(reference, observations[0])

    return make


def test_on_its_own_axes_a_dataset_keeps_its_responses(device, dl4):
    data = dl4()
    made = create_map_dataset_from_dl4(data, name="new")
    assert made.name == "new"
    assert_array_equal(to_host(made.counts.data), to_host(data.counts.data))
    assert_allclose(to_host(made.exposure.data), to_host(data.exposure.data), rtol=1e-9)
    assert_allclose(to_host(made.psf.psf_map.data), to_host(data.psf.psf_map.data), rtol=1e-9, atol=1e-12)
    assert_allclose(to_host(made.edisp.edisp_map.data), to_host(data.edisp.edisp_map.data), rtol=1e-9, atol=1e-12)
    assert not to_host(made.background.data).any()
    assert to_host(made.mask_safe.data).all()
    assert made.device.name == device


def test_responses_are_interpolated_on_other_axes(device, dl4):
    data = dl4()
    data.counts = None
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=3, name="energy_true")
    geom = WcsGeom.create(skydir=data.geom.center_skydir, width=2, binsz=0.5, axes=[AXES["energy_axis"]])
    made = create_map_dataset_from_dl4(data, geom=geom, energy_axis_true=energy_true)
    expected = data.exposure.interp_by_coord(made.exposure.geom.get_coord())
    assert_allclose(to_host(made.exposure.data), to_host(expected), rtol=1e-9)
    assert made.psf.psf_map.geom.axes["energy_true"] == energy_true
    assert made.psf.exposure_map.geom.axes["energy_true"] == energy_true
    assert isinstance(made.edisp, EDispKernelMap)


def test_counts_on_other_pixels_are_refused(dl4):
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=1, binsz=0.5, axes=[AXES["energy_axis"]])
    with pytest.raises(GeometryError, match="counts cannot be interpolated"):
        create_map_dataset_from_dl4(dl4(), geom=geom)


def test_a_dispersion_in_migra_becomes_kernels(dl4):
    migra = MapAxis.from_bounds(0.2, 3, nbin=30, name="migra")
    data = dl4(migra_axis=migra)
    with pytest.raises(ValueError, match="give a geom with an axis 'energy'"):
        create_map_dataset_from_dl4(data)
    made = create_map_dataset_from_dl4(data, geom=data.geom)
    assert isinstance(made.edisp, EDispKernelMap)
    kernel = made.edisp.get_edisp_kernel()
    assert np.all(kernel.pdf_matrix.sum(axis=1) <= 1 + 1e-6)
    assert kernel.pdf_matrix.sum() > 2


def test_an_observation_of_maps_is_reduced_and_one_of_tables_is_refused(device, dl4, observations):
    data = dl4()
    run = observations[0].copy()
    with pytest.raises(TypeError, match="expected a Map: responses that are tables"):
        create_map_dataset_from_dl4(run)
    run.aeff, run.psf, run.edisp, run.bkg = data.exposure, data.psf, data.edisp, None
    made = create_map_dataset_from_dl4(run)
    assert_array_equal(to_host(made.counts.data), to_host(data.counts.data))
    assert_allclose(to_host(made.exposure.data), to_host(data.exposure.data), rtol=1e-9)
    assert not to_host(made.background.data).any()


def test_kernels_are_made_of_a_map_in_migra_with_its_exposure(device, dl4, observations):
    data, run = dl4(migra_axis=MapAxis.from_bounds(0.2, 3, nbin=30, name="migra")), observations[0].copy()
    run.aeff, run.psf, run.edisp = data.exposure, data.psf, data.edisp
    made = create_map_dataset_from_dl4(run, geom=data.geom)
    expected = data.edisp.to_edisp_kernel_map(data.geom.axes["energy"])
    assert_allclose(to_host(made.edisp.edisp_map.data), to_host(expected.edisp_map.data), rtol=1e-9, atol=1e-12)
    assert_allclose(to_host(made.edisp.exposure_map.data), to_host(expected.exposure_map.data), rtol=1e-9)
