"""Reduced energy dispersion, as density in migra and as matrices. Stored numbers are of Gammapy 2.1."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion

from lightpool.arrays import to_host
from lightpool.irf import EDispKernel, EDispKernelMap, EDispMap
from lightpool.maps import Map, MapAxis, WcsGeom

ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true")
MIGRA = MapAxis.from_edges([0.2, 0.5, 0.8, 1.0, 1.3, 2.0, 4.0], name="migra")


def edisp_map(n_x=3, n_y=2):
    """Density that differs from pixel to pixel."""
    geom = WcsGeom.create(skydir=(0, 0), npix=(n_x, n_y), binsz=1, axes=[MIGRA, ENERGY_TRUE])
    data = np.random.default_rng(0).uniform(0, 1, geom.data_shape)
    exposure = Map.from_geom(geom.squash("migra"), data=np.ones(geom.squash("migra").data_shape), unit="m2 s")
    edisp = EDispMap(Map.from_geom(geom, data=data), exposure)
    edisp.normalize()
    return edisp


def test_a_perfect_response_is_spread_over_two_bins_of_migra(backend):
    edisp = EDispMap.from_diagonal_response(ENERGY_TRUE, MIGRA)
    assert edisp.device == backend.device
    assert_allclose(to_host(edisp.edisp_map.data)[0, :, 0, 0], [0, 0, 2.5, 1.6666666666667, 0, 0], rtol=1e-12)


def test_kernel_of_linear_migra(backend):
    kernel = EDispMap.from_diagonal_response(ENERGY_TRUE, MIGRA).get_edisp_kernel(ENERGY)
    expected = np.zeros((4, 5))
    expected[0, 0] = 0.6569111450402
    expected[1, 1:3] = 0.9936702931231, 0.0063297068769
    expected[2, 2:4] = 0.1430127409755, 0.8569872590245
    expected[3, 4] = 0.8091993444877
    assert isinstance(kernel, EDispKernel)
    assert_allclose(kernel.data, expected, rtol=1e-10)


def test_kernel_of_logarithmic_migra(backend):
    migra = MapAxis.from_edges(MIGRA.edges_value, name="migra", interp="log")
    kernel = EDispMap.from_diagonal_response(ENERGY_TRUE, migra).get_edisp_kernel(ENERGY)
    expected = np.zeros((4, 5))
    expected[0, 0] = 0.6452442813175
    expected[1, 1:3] = 0.9944243953966, 0.0055756046034
    expected[2, 2:4] = 0.1547557186825, 0.8452442813175
    expected[3, 4] = 0.8243223033551
    assert_allclose(kernel.data, expected, rtol=1e-10)


def test_kernels_agree_with_the_integral_of_the_density(backend):
    edisp = edisp_map()
    kernels = edisp.to_edisp_kernel_map(ENERGY)
    density = to_host(edisp.edisp_map.data)
    cumulative = np.concatenate(
        [np.zeros((4, 1, 2, 3)), np.cumsum(density * MIGRA.bin_width.value[:, None, None], 1)], 1
    )
    for k, energy_true in enumerate(ENERGY_TRUE.center_value):
        for y, x in np.ndindex(2, 3):
            integral = np.interp(ENERGY.edges_value / energy_true, MIGRA.edges_value, cumulative[k, :, y, x])
            assert_allclose(to_host(kernels.edisp_map.data)[k, :, y, x], np.diff(integral), atol=1e-14)
    assert kernels.exposure_map.geom.data_shape == (4, 1, 2, 3)
    assert kernels.edisp_map.device == backend.device


def test_a_kernel_over_all_energies_sums_to_one(backend):
    wide = MapAxis.from_energy_bounds("0.01 TeV", "300 TeV", nbin=20)
    kernels = edisp_map().to_edisp_kernel_map(wide)
    assert_allclose(to_host(kernels.edisp_map.data).sum(axis=1), 1, rtol=1e-12)


def test_small_probabilities_are_cut(backend):
    assert_array_equal(to_host(edisp_map().to_edisp_kernel_map(ENERGY, threshold=2.0).edisp_map.data), 0)


@pytest.mark.parametrize("convert", [False, True])
def test_the_kernel_at_a_position_is_that_of_its_pixel(backend, convert):
    edisp = edisp_map()
    kernels = to_host(edisp.to_edisp_kernel_map(ENERGY).edisp_map.data)
    source = edisp.to_edisp_kernel_map(ENERGY) if convert else edisp
    position = edisp.geom.to_image().get_coord().skycoord[1, 2]
    kernel = source.get_edisp_kernel(position=position, energy_axis=ENERGY)
    assert_allclose(kernel.data, kernels[..., 1, 2], rtol=1e-13)
    assert kernel.axes.names == ["energy_true", "energy"]


def test_the_kernel_in_a_region_is_the_mean(backend):
    edisp = edisp_map()
    region = CircleSkyRegion(edisp.geom.center_skydir, 10 * u.deg)
    expected = to_host(edisp.to_edisp_kernel_map(ENERGY).edisp_map.data).mean(axis=(-2, -1))
    assert_allclose(edisp.get_edisp_kernel(ENERGY, region).data, expected, rtol=1e-12)
    in_kernels = edisp.to_edisp_kernel_map(ENERGY).get_edisp_kernel(region)
    assert_allclose(in_kernels.data, expected, rtol=1e-12)


def test_where_there_is_no_response_the_nearest_one_is_taken(backend, caplog):
    kernels = edisp_map().to_edisp_kernel_map(ENERGY)
    kernels.edisp_map.data[..., 2] = 0.0
    expected = to_host(kernels.edisp_map.data)[..., 1, 1]
    position = kernels.geom.to_image().get_coord().skycoord[1, 2]
    assert_allclose(kernels.get_edisp_kernel(position).data, expected)
    assert "nearest pixel" in caplog.text


def test_a_kernel_map_refuses_other_energies(backend):
    kernels = EDispKernelMap.from_diagonal_response(ENERGY, ENERGY_TRUE)
    with pytest.raises(ValueError, match="cannot be rebinned"):
        kernels.get_edisp_kernel(energy_axis=MapAxis.from_energy_bounds("1 TeV", "2 TeV", nbin=5))


def test_kernel_map_of_one_matrix(backend):
    kernel = EDispKernel.from_gauss(ENERGY_TRUE, ENERGY, sigma=0.2, bias=0.1)
    geom = WcsGeom.create(skydir=(0, 0), npix=(3, 2), binsz=1)
    for kernels in (
        EDispKernelMap.from_edisp_kernel(kernel, geom=geom),
        EDispKernelMap.from_gauss(ENERGY, ENERGY_TRUE, sigma=0.2, bias=0.1, geom=geom),
    ):
        assert kernels.edisp_map.device == backend.device
        assert kernels.geom.data_shape == (4, 5, 2, 3)
        assert_allclose(kernels.get_edisp_kernel().data, kernel.data, rtol=1e-14)


def test_energy_bins_are_joined_under_a_mask(backend):
    kernels = edisp_map().to_edisp_kernel_map(ENERGY)
    data = to_host(kernels.edisp_map.data)
    keep = np.random.default_rng(1).uniform(size=(1, 5, 2, 3)) > 0.3
    weights = Map.from_geom(kernels.geom.squash("energy_true"), data=keep)
    image = to_host(kernels.to_image(weights=weights).edisp_map.data)
    assert_allclose(image, (data * keep).sum(axis=1, keepdims=True), rtol=1e-13)
    joined = kernels.resample_energy_axis(MapAxis.from_energy_edges(ENERGY.edges[[0, 2, 5]]), weights=weights)
    expected = np.stack([(data * keep)[:, :2].sum(1), (data * keep)[:, 2:].sum(1)], axis=1)
    assert_allclose(to_host(joined.edisp_map.data), expected, rtol=1e-13)


def test_a_single_pixel_map_answers_for_every_position(backend):
    geom = WcsGeom.create(skydir=(0, 0), npix=(1, 1), binsz=1)
    kernels = EDispKernelMap.from_diagonal_response(ENERGY, ENERGY_TRUE, geom=geom)
    assert kernels.has_single_spatial_bin
    far = kernels.get_edisp_kernel(SkyCoord(100, 50, unit="deg"))
    assert_array_equal(far.data, kernels.get_edisp_kernel().data)
