"""The Poisson fit of the background norm: laws, a slow reference, and counts that cannot determine it."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from lightpool.datasets import PiecewiseNormSpectralModel, PowerLawNormSpectralModel
from lightpool.makers.background.norm_fit import fit_norm, poisson_regression

ENERGY = np.geomspace(0.5, 20, 9) * u.TeV
TEMPLATE = 400 * ENERGY.to_value("TeV") ** -1.7


def power_law(**frozen):
    model = PowerLawNormSpectralModel()
    for name, value in frozen.items():
        getattr(model, name).frozen = value
    return model


def test_a_norm_alone_is_the_ratio_of_the_sums():
    counts = np.random.default_rng(0).poisson(1.3 * TEMPLATE).astype(float)
    model = power_law()
    assert fit_norm(model, ENERGY, counts, TEMPLATE).reason is None
    assert_allclose(model.norm.value, counts.sum() / TEMPLATE.sum(), rtol=1e-12)
    assert_allclose(model.norm.error, np.sqrt(counts.sum()) / TEMPLATE.sum(), rtol=1e-12)
    assert model.tilt.value == 0
    assert model.tilt.error == 0


def test_norm_and_tilt_are_found_again_without_noise():
    counts = TEMPLATE * 0.8 * ENERGY.to_value("TeV") ** -0.25
    model = power_law(tilt=False)
    assert fit_norm(model, ENERGY, counts, TEMPLATE).reason is None
    assert_allclose([model.norm.value, model.tilt.value], [0.8, 0.25], rtol=1e-9)


def test_agrees_with_a_general_minimiser():
    counts = np.random.default_rng(1).poisson(TEMPLATE).astype(float)
    x = np.log(ENERGY.to_value("TeV"))

    def stat(parameters):
        predicted = parameters[0] * np.exp(-parameters[1] * x) * TEMPLATE
        return np.sum(predicted - counts * np.log(predicted))

    slow = minimize(stat, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9})
    model = power_law(tilt=False)
    assert fit_norm(model, ENERGY, counts, TEMPLATE).reason is None
    assert_allclose([model.norm.value, model.tilt.value], slow.x, atol=1e-6)


def test_errors_are_the_curvature_of_the_likelihood():
    counts = np.random.default_rng(2).poisson(TEMPLATE).astype(float)
    x = np.log(ENERGY.to_value("TeV"))
    model = power_law(tilt=False)
    fit = fit_norm(model, ENERGY, counts, TEMPLATE)

    def stat(norm, tilt):
        predicted = norm * np.exp(-tilt * x) * TEMPLATE
        return np.sum(predicted - counts * np.log(predicted))

    best, step = np.array([model.norm.value, model.tilt.value]), 1e-4
    hessian = np.empty((2, 2))
    for i, di in enumerate(np.eye(2) * step):
        for j, dj in enumerate(np.eye(2) * step):
            corners = [stat(*(best + s * di + t * dj)) for s, t in [(1, 1), (1, -1), (-1, 1), (-1, -1)]]
            hessian[i, j] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * step**2)
    expected = np.linalg.inv(hessian)
    assert_allclose([model.norm.error, model.tilt.error], np.sqrt(np.diag(expected)), rtol=1e-4)
    order = [model.parameters.names.index(name) for name in ("norm", "tilt")]
    assert_allclose(fit.covariance[np.ix_(order, order)], expected, rtol=1e-3)
    assert np.count_nonzero(fit.covariance) == 4


def test_piecewise_norms_pass_through_what_was_put_in():
    nodes = [0.5, 2, 20] * u.TeV
    truth = PiecewiseNormSpectralModel(energy=nodes, norms=[0.7, 1.2, 0.9])
    counts = TEMPLATE * truth(ENERGY)
    model = PiecewiseNormSpectralModel(energy=nodes, norms=[1.0, 1.0, 1.0])
    assert fit_norm(model, ENERGY, np.asarray(counts), TEMPLATE).reason is None
    assert_allclose([parameter.value for parameter in model.parameters], [0.7, 1.2, 0.9], rtol=1e-9)
    assert all(parameter.error > 0 for parameter in model.parameters)


def test_bins_without_background_do_not_count():
    template = TEMPLATE.copy()
    template[3] = 0
    counts = np.full(9, 5.0)
    model = power_law()
    assert fit_norm(model, ENERGY, counts, template).reason is None
    assert_allclose(model.norm.value, 40 / template.sum(), rtol=1e-12)


def test_one_energy_bin_cannot_determine_a_tilt_and_says_so():
    template = np.zeros(9)
    template[2] = 100.0
    model = power_law(tilt=False)
    reason = fit_norm(model, ENERGY, np.full(9, 50.0), template).reason
    assert reason is not None
    # Whether the equations are singular to the last bit depends on the linear algebra of the installed SciPy.
    assert "did not converge" in reason or "do not determine norm, tilt" in reason
    assert (model.norm.value, model.tilt.value) == (1, 0)


def test_a_model_without_free_parameters_says_so():
    reason = fit_norm(power_law(norm=True), ENERGY, TEMPLATE, TEMPLATE).reason
    assert reason is not None
    assert "frozen" in reason


def test_regression_refuses_a_singular_design():
    with pytest.raises(np.linalg.LinAlgError):
        poisson_regression(np.ones(3), np.ones(3), np.zeros((3, 1)), np.zeros(1))
