"""Spherical harmonics on the HEALPix grid."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import eval_legendre, lpmv, poch

from lightpool.arrays.kernels.healpix import pix_to_lonlat
from lightpool.arrays.kernels.healpix_harmonics import (
    _legendre_of_order,
    convolve_sphere,
    disk_window,
    gauss_window,
    profile_window,
)


def harmonic(degree, order, theta, phi):
    """The real part of a spherical harmonic; SciPy has a function of its own for it since 1.15 only."""
    norm = (2 * degree + 1) / (4 * np.pi) / poch(degree - order + 1, 2 * order)
    return np.sqrt(norm) * lpmv(order, degree, np.cos(theta)) * np.cos(order * phi)


@pytest.mark.parametrize("m", [0, 1, 2, 7, 30])
def test_legendre_functions_are_those_of_scipy(m):
    theta = np.linspace(0.01, 1.5, 9)
    found = _legendre_of_order(m, 40, np.cos(theta), np.sin(theta))
    for degree in range(m, 41):
        expected = harmonic(degree, m, theta, 0.0) * (-1) ** m
        assert_allclose(found[degree - m], expected, rtol=1e-10, atol=1e-14)


def test_legendre_functions_of_large_order_are_found_where_their_first_one_is_too_small_for_float64():
    m, l_max = 1200, 3100
    theta = np.array([0.5])
    found = _legendre_of_order(m, l_max, np.cos(theta), np.sin(theta))[:, 0]
    assert found[0] == 0.0
    assert np.abs(found[-100:]).max() > 0.1
    assert np.isfinite(found).all()


@pytest.mark.parametrize("nside", [4, 5, 8])
def test_a_harmonic_is_multiplied_by_the_factor_of_its_degree(nside):
    lon, lat = pix_to_lonlat(np.arange(12 * nside**2), nside, nest=False)
    window = gauss_window(0.3, 3 * nside - 1)
    for degree, order in ((0, 0), (1, 0), (3, 2), (5, 5)):
        image = harmonic(degree, order, np.pi / 2 - lat, lon)
        smooth = convolve_sphere(np.stack([image, 2 * image]), nside, np.stack([window, window]))
        assert_allclose(smooth[0], window[degree] * image, atol=1e-3)
        assert_allclose(smooth[1], 2 * smooth[0], atol=1e-12)


def test_the_sum_of_an_image_is_kept():
    image = np.random.default_rng(1).uniform(0, 1, (1, 768))
    smooth = convolve_sphere(image, 8, gauss_window(0.2, 23)[None])
    assert smooth.sum() == pytest.approx(image.sum(), rel=1e-3)
    assert smooth.std() < image.std() / 3


def test_windows_of_profiles_are_their_legendre_series():
    theta = np.linspace(0, 0.3, 500)
    values = np.exp(-0.5 * (theta / 0.05) ** 2)
    window = profile_window(values, theta, 30)
    expected = [np.trapezoid(values * np.sin(theta) * eval_legendre(d, np.cos(theta)), theta) for d in range(31)]
    assert_allclose(window, np.array(expected) / expected[0], rtol=1e-10)
    assert_allclose(window, gauss_window(0.05, 30), rtol=3e-3)
    assert disk_window(0.1, 5)[0] == 1
