"""Energy dispersion matrices. Stored numbers are of Gammapy 2.1 in float64."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lightpool.irf import EDispKernel
from lightpool.maps import MapAxis

ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=4, name="energy_true")


@pytest.fixture
def kernel():
    return EDispKernel.from_gauss(ENERGY_TRUE, ENERGY, sigma=0.2, bias=np.array([0.3, 0.1, 0.02, -0.05]))


@pytest.fixture
def fine_kernel():
    return EDispKernel.from_gauss(
        energy_axis_true=MapAxis.from_energy_bounds("0.1 TeV", "30 TeV", nbin=12, name="energy_true"),
        energy_axis=MapAxis.from_energy_bounds("0.2 TeV", "30 TeV", nbin=20),
        sigma=0.2,
        bias=0,
    )


def test_a_gaussian_kernel_has_the_matrix_of_gammapy(kernel):
    expected = [
        [9.6459987873742e-01, 4.8322132526946e-04, 0, 0, 0],
        [8.1437621504529e-03, 8.2846147493921e-01, 1.6339476291033e-01, 0, 0],
        [0, 8.4915414456232e-04, 2.0685075843753e-01, 7.9224368917073e-01, 5.6398247189282e-05],
        [0, 0, 0, 2.6781925137479e-02, 8.5357594556122e-01],
    ]
    assert_allclose(kernel.pdf_matrix, expected, rtol=1e-9, atol=1e-15)


def test_mean_bias_and_resolution_of_a_kernel_are_those_of_gammapy(kernel):
    center = ENERGY_TRUE.center
    assert_allclose(
        kernel.get_mean(center).to_value("TeV"), [0.72345786, 1.77532626, 5.89545363, 13.61050939], rtol=1e-8
    )
    bias = [0.3561008432327, 0.0523420425319, 0.1050857361671, -0.193223712933]
    assert_allclose(kernel.get_bias(center), bias, rtol=1e-9)
    resolution = [0.0330881530183, 0.3657477479888, 0.2633102233545, 0.0734698768382]
    assert_allclose(kernel.get_resolution(center), resolution, rtol=1e-9)


def test_energy_of_a_bias(fine_kernel):
    for bias, energy in [
        (0.1, 0.2489969536048),
        (0.05, 0.2726353012377),
        (0.5, 0.2189012256914),
        (-0.2, 0.1014619892083),
    ]:
        assert_allclose(fine_kernel.get_bias_energy(bias).to_value("TeV"), [energy], rtol=1e-10)


def test_a_bias_that_is_nowhere_reached_gives_the_lower_limit(fine_kernel):
    assert_allclose(fine_kernel.get_bias_energy(0.1, energy_min=1 * u.TeV).to_value("TeV"), [1.1])
    energy = fine_kernel.get_bias_energy(0.1, energy_max=0.2 * u.TeV)
    assert_allclose(energy.to_value("TeV"), [0.1395102351615], rtol=1e-10)


def test_energy_of_a_bias_does_not_depend_on_the_unit(fine_kernel):
    axes = [axis.copy(unit="GeV", nodes=axis.edges.to("GeV")) for axis in fine_kernel.axes]
    in_gev = EDispKernel(axes=axes, data=fine_kernel.data)
    assert_allclose(in_gev.get_bias_energy(0.1).to_value("TeV"), [0.2489969536048], rtol=1e-9)


def test_where_nothing_is_reconstructed_the_mean_is_zero():
    empty = EDispKernel(axes=[ENERGY_TRUE, ENERGY], data=np.zeros((4, 5)))
    assert_allclose(empty.get_mean(ENERGY_TRUE.center).value, 0)
    assert_allclose(empty.get_bias(ENERGY_TRUE.center), -1)


def test_a_diagonal_response_shares_bins_by_their_overlap(kernel):
    expected = [
        [0.6916831362838, 0, 0, 0, 0],
        [0.0472653756724, 0.5562693435932, 0.3964652807343, 0, 0],
        [0, 0, 0.2424990012847, 0.7575009987153, 0],
        [0, 0, 0, 0.0037386726936, 0.508769562115],
    ]
    assert_allclose(EDispKernel.from_diagonal_response(ENERGY_TRUE, ENERGY).data, expected, rtol=1e-10)
    assert_allclose(EDispKernel.from_diagonal_response(ENERGY_TRUE).data, np.eye(4), atol=1e-14)


def test_image_sums_between_two_energies(kernel):
    assert_allclose(kernel.to_image().data[:, 0], kernel.data.sum(axis=1))
    edges = ENERGY.edges
    between = kernel.to_image(lo_threshold=edges[1], hi_threshold=edges[3])
    assert_allclose(between.data[:, 0], kernel.data[:, 1:3].sum(axis=1))
    assert between.axes["energy"].nbin == 1
    assert_allclose(kernel.pdf_in_safe_range(None, None), kernel.data)
