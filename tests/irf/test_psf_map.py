"""Containment and kernels of reduced point spread functions."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose

from lightpool.arrays import to_host
from lightpool.irf import PSFMap, RecoPSFMap
from lightpool.irf.reduced.psf_map import RAD_AXIS_DEFAULT
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom

ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true")
SIGMA = [0.15, 0.1, 0.07, 0.05] * u.deg


@pytest.fixture
def psf(backend):
    return PSFMap.from_gauss(ENERGY_TRUE, sigma=SIGMA)


def kernel_geom(**kwargs):
    return WcsGeom.create(skydir=(10, 20), binsz=0.1, width=2, axes=[ENERGY_TRUE], **kwargs)


# Numbers without another origin are of Gammapy 2.1 in float64, for the same PSFMap.from_gauss.


def test_containment_at_energy_centres(psf):
    rad = [0.05, 0.1, 0.2, 0.3] * u.deg
    expected = [0.054070021551, 0.393886519751, 0.9840746205201, 1.0016725166037]
    assert_allclose(psf.containment(rad, ENERGY_TRUE.center), expected, rtol=1e-11)


def test_containment_is_linear_between_energies_and_extrapolated_in_the_outer_bins(psf):
    energy = [0.31, 1, 2, 29] * u.TeV
    expected = [0.1076450662383, 0.3055267871281, 0.4303734169871, 0.9734973593341]
    assert_allclose(psf.containment("0.1 deg", energy), expected, rtol=1e-11)


def test_containment_of_scalars_has_one_element(psf):
    assert psf.containment(0.1 * u.deg, 1 * u.TeV).shape == (1,)
    assert psf.containment_radius(0.68, 1 * u.TeV).shape == (1,)


def test_containment_radius_is_on_a_fine_grid_and_the_smallest_one_beyond_the_energies(psf):
    radius = psf.containment_radius(0.68, [0.31, 1, 2, 29, 31] * u.TeV)
    assert_allclose(radius.to_value("deg"), [0.25775, 0.18225, 0.14375, 0.06525, 0.00025], rtol=1e-12)


def test_containment_radius_of_several_fractions(psf):
    radius = psf.containment_radius(np.array([0.1, 0.5, 0.95]), 1 * u.TeV)
    assert_allclose(radius.to_value("deg"), [0.05325, 0.13975, 0.31925], rtol=1e-12)


def test_containment_radius_of_a_gaussian(psf):
    radius = psf.containment_radius(0.5, ENERGY_TRUE.center).to_value("deg")
    assert_allclose(radius, SIGMA.value * np.sqrt(2 * np.log(2)), rtol=0.01)


def test_containment_grows_to_one(psf):
    rad = RAD_AXIS_DEFAULT.edges
    contained = psf.containment(rad, ENERGY_TRUE.center[:1]).value
    assert contained[0] == 0
    assert np.all(np.diff(contained) >= 0)
    assert contained[-1] == pytest.approx(1, rel=1e-3)


def test_the_map_of_radii_agrees_with_radii_at_positions(backend):
    geom = WcsGeom.create(skydir=(0, 0), npix=(3, 2), binsz=1, axes=[RAD_AXIS_DEFAULT, ENERGY_TRUE])
    width = np.linspace(0.05, 0.2, 6).reshape(2, 3)
    rad = RAD_AXIS_DEFAULT.center_value.reshape(-1, 1, 1)
    profile = np.exp(-0.5 * (rad / width) ** 2) / (2 * np.pi * width**2)
    psf = PSFMap(Map.from_geom(geom, data=np.broadcast_to(profile, geom.data_shape).copy(), unit="deg-2"))
    image = psf.containment_radius_map(1 * u.TeV, fraction=0.5)
    position = geom.to_image().get_coord().skycoord
    radius = psf.containment_radius(0.5, 1 * u.TeV, position)
    assert image.device == backend.device
    assert_allclose(to_host(image.data), radius.to_value("deg"), rtol=1e-12)
    assert_allclose(to_host(image.data), width * np.sqrt(2 * np.log(2)), rtol=0.01)
    between = psf.containment(0.1 * u.deg, 1 * u.TeV, SkyCoord(0.0, 0.0, unit="deg"))
    pair = psf.containment(0.1 * u.deg, 1 * u.TeV, position[:, 1])
    assert_allclose(between, pair.mean(), rtol=1e-9)


def test_outside_of_the_map_nothing_is_contained(backend):
    geom = WcsGeom.create(skydir=(0, 0), npix=(3, 3), binsz=1)
    psf = PSFMap.from_gauss(ENERGY_TRUE, sigma=SIGMA, geom=geom)
    radius = psf.containment_radius(0.68, 1 * u.TeV, SkyCoord([0, 3], [0, 0], unit="deg"))
    assert_allclose(radius.to_value("deg"), [0.18225, 0.00025], rtol=1e-9)


def test_kernel_size_and_values(psf):
    kernel = psf.get_psf_kernel(kernel_geom())
    data = to_host(kernel.data)
    assert data.shape == (4, 13, 13)
    assert_allclose(data.sum(axis=(1, 2)), 1, rtol=1e-13)
    wide = [2.9525461558881e-05, 3.1598472649393e-04, 2.1934111409579e-03, 9.8860797191348e-03, 2.8961798106613e-02]
    assert_allclose(data[0, 6, :7], [*wide, 5.5186397500675e-02, 6.8423842019118e-02], rtol=1e-9)
    narrow = [0, 0, 0, 0, 0.0008640938929, 0.1067711480118, 0.4707220061623]
    assert_allclose(data[3, 6, :7], narrow, rtol=1e-9)


def test_kernel_up_to_a_radius(psf):
    kernel = psf.get_psf_kernel(kernel_geom(), max_radius="0.2 deg")
    expected = [0.0237206929723, 0.095048419338, 0.1507532899276, 0.095048419338, 0.0237206929723]
    assert_allclose(to_host(kernel.data)[1, 2], expected, rtol=1e-9)


def test_kernel_is_taken_where_there_is_a_psf(backend, caplog):
    geom = WcsGeom.create(skydir=(0, 0), npix=(3, 3), binsz=1)
    psf = PSFMap.from_gauss(ENERGY_TRUE, sigma=SIGMA, geom=geom)
    expected = to_host(psf.get_psf_kernel(kernel_geom()).data)
    psf.psf_map.data[..., :, :2] = 0.0
    kernel = psf.get_psf_kernel(kernel_geom(), position=SkyCoord(1, 0, unit="deg"))
    assert_allclose(to_host(kernel.data), expected, rtol=1e-9)
    assert "nearest pixel" in caplog.text


def test_image_weights_energies_by_exposure_and_spectrum(psf):
    image = psf.to_image()
    expected = [39314.23760750734, 38803.26777629215, 37815.25399328723, 36413.02169112238, 34679.420862821506]
    assert_allclose(to_host(image.psf_map.data)[0, :5, 0, 0], expected, rtol=1e-12)
    assert image.geom.axes["energy_true"].nbin == 1


def test_image_of_a_psf_without_exposure_is_refused(psf):
    with pytest.raises(ValueError, match="exposure"):
        PSFMap(psf.psf_map).to_image()


def test_a_normalized_psf_contains_everything_within_its_last_edge(backend):
    psf = PSFMap.from_gauss(ENERGY_TRUE, sigma=SIGMA)
    psf.psf_map.data *= 3.0
    psf.normalize()
    assert_allclose(psf.containment(0.66 * u.deg, ENERGY_TRUE.center), 1, rtol=1e-12)


def test_psf_in_reconstructed_energy(backend):
    axis = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4)
    psf = RecoPSFMap.from_gauss(axis, sigma=SIGMA)
    assert psf.energy_name == "energy"
    radius = psf.containment_radius(fraction=0.68, energy=[0.31, 1] * u.TeV)
    assert_allclose(radius.to_value("deg"), [0.25775, 0.18225], rtol=1e-12)
    assert psf.containment_radius_map(energy=1 * u.TeV).data.shape == (1, 2)
    geom = WcsGeom.create(skydir=(10, 20), binsz=0.1, width=2, axes=[axis])
    assert psf.get_psf_kernel(geom).data.shape == (4, 13, 13)


def test_an_empty_psf_from_a_geometry(backend):
    geom = WcsGeom.create(npix=(2, 2), binsz=1, axes=[RAD_AXIS_DEFAULT, ENERGY_TRUE])
    psf = PSFMap.from_geom(geom)
    assert psf.psf_map.unit == "sr-1"
    assert psf.exposure_map.unit == "m2 s"
    assert psf.exposure_map.geom.data_shape == (4, 1, 2, 2)
    assert not psf.has_single_spatial_bin


def test_profiles_are_those_of_the_gaussians(psf):
    rad = psf.geom.axes["rad"].center
    for energy, sigma in zip(ENERGY_TRUE.center, SIGMA, strict=True):
        expected = (np.exp(-0.5 * (rad / sigma).to_value("") ** 2) / (2 * np.pi * sigma**2)).to_value("sr-1")
        assert_allclose(psf.profile(energy).to_value("sr-1"), expected, rtol=1e-9, atol=1e-9)


def test_a_kernel_for_a_region_is_that_of_its_pixels(psf):
    region = RegionGeom.create("icrs;circle(10, 20, 0.3)", axes=[ENERGY_TRUE], binsz_wcs="0.1 deg")
    kernel = psf.get_psf_kernel(region, max_radius="0.3 deg")
    expected = psf.get_psf_kernel(region.to_wcs_geom(), max_radius="0.3 deg")
    assert kernel.psf_kernel_map.device == psf.device
    assert_allclose(to_host(kernel.data), to_host(expected.data), rtol=1e-12)


def test_an_image_may_have_no_axis_of_energy(psf):
    image, cube = psf.to_image(keepdims=False), psf.to_image()
    assert image.psf_map.geom.axes.names == image.exposure_map.geom.axes.names == ["rad"]
    assert image.device == psf.device
    assert_allclose(to_host(image.psf_map.data), to_host(cube.psf_map.data)[0], rtol=1e-12)


def test_a_psf_in_reconstructed_energy_holds_as_much(backend):
    axis = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4)
    psf = RecoPSFMap.from_gauss(axis, sigma=SIGMA)
    assert_allclose(psf.containment(SIGMA, axis.center), 1 - np.exp(-0.5), rtol=0.01)


def test_an_image_is_weighted_by_exposure_and_spectrum(psf):
    class PowerLaw:
        """Index 3, integrated."""

        def integral(self, energy_min, energy_max):
            return (energy_min.to_value("TeV") ** -2 - energy_max.to_value("TeV") ** -2) * u.Unit("cm-2 s-1")

    exposure = psf.exposure_map
    factors = np.arange(1.0, 5.0).reshape(4, 1, 1, 1)
    psf.exposure_map = Map.from_geom(exposure.geom, data=to_host(exposure.data) * factors, unit=exposure.unit)
    image = psf.to_image(PowerLaw())
    expected = [3.05244063e04, 2.05245055e04, 8.46719997e03, 5.52169181e00]
    assert_allclose(to_host(image.psf_map.data)[0, [0, 10, 20, 60], 0, 0], expected, rtol=1e-8)
    assert_allclose(to_host(image.exposure_map.data), 1.1107110711071106)


def test_a_map_of_radii_in_reconstructed_energy_has_the_fraction_that_was_asked_for(backend):
    psf = RecoPSFMap.from_gauss(ENERGY_TRUE.copy(name="energy"), sigma=SIGMA)
    for fraction in (0.4, 0.68, 0.9):
        radius = psf.containment_radius(fraction, 1 * u.TeV).to_value("deg")
        image = psf.containment_radius_map(energy=1 * u.TeV, fraction=fraction)
        assert_allclose(to_host(image.data), np.full((1, 2), radius), rtol=1e-12)
