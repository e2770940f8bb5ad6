"""Kernels to convolve maps with. Stored numbers are of Gammapy 2.1 in float64."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import to_host
from lightpool.irf import PSFKernel, PSFMap
from lightpool.maps import Map, MapAxis, WcsGeom

ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true")
GEOM = WcsGeom.create(skydir=(10, 20), binsz=0.1, width=2, axes=[ENERGY_TRUE])


@pytest.fixture
def kernel(backend):
    psf = PSFMap.from_gauss(ENERGY_TRUE, sigma=[0.15, 0.1, 0.07, 0.05] * u.deg)
    return psf.get_psf_kernel(GEOM, max_radius="0.2 deg")


def test_the_kernel_of_a_gaussian_psf_is_that_of_gammapy(backend):
    kernel = PSFKernel.from_gauss(GEOM, "0.15 deg", max_radius="0.3 deg")
    data = to_host(kernel.data)
    expected = [0.0102926501886, 0.0301206079285, 0.0573503031086, 0.0710783697524]
    assert data.shape == (4, 7, 7)
    assert_allclose(data[0, 3, :4], expected, rtol=1e-9)
    assert_array_equal(data, np.broadcast_to(data[:1], data.shape))


def test_the_default_size_of_a_gaussian_kernel_is_five_sigma(backend):
    assert PSFKernel.from_gauss(GEOM.to_image(), 0.1 * u.deg).data.shape == (11, 11)


def test_image_is_weighted_by_a_power_law_of_index_two(kernel):
    image = to_host(kernel.to_image().data)
    expected = [0.0301899254231, 0.0776709954842, 0.1200635311523, 0.0776709954842, 0.0301899254231]
    assert image.shape == (1, 5, 5)
    assert_allclose(image[0, 2], expected, rtol=1e-9)


def test_image_is_weighted_by_the_exposure_too(kernel):
    image = to_host(kernel.to_image(exposure=[1, 2, 3, 4]).data)
    expected = [0.0257104201903, 0.0854459963722, 0.1562120833163, 0.0854459963722, 0.0257104201903]
    assert_allclose(image[0, 2], expected, rtol=1e-9)
    assert kernel.to_image(keepdims=False).data.shape == (5, 5)
    with pytest.raises(ValueError, match="one per energy"):
        kernel.to_image(exposure=[1, 2])


def test_an_image_of_zeros_stays_one_when_normalised(backend):
    kernel = PSFKernel(Map.from_geom(GEOM))
    assert not to_host(kernel.data).any()


def test_convolving_keeps_the_counts(kernel):
    counts = Map.from_geom(GEOM)
    counts.data[:, 10, 10] = 5.0
    smooth = counts.convolve(kernel)
    assert_allclose(to_host(smooth.data).sum(axis=(1, 2)), 5, rtol=1e-9)


def test_slice_and_round_trip(kernel, tmp_path):
    assert kernel.slice_by_idx({"energy_true": slice(1, 3)}).data.shape == (2, 5, 5)
    kernel.write(tmp_path / "kernel.fits")
    again = PSFKernel.read(tmp_path / "kernel.fits")
    assert_allclose(to_host(again.data), to_host(kernel.data), rtol=1e-14)
    assert_array_equal(to_host(kernel.to("cpu").data), to_host(kernel.data))
