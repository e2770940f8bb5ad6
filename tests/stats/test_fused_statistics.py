"""Fused kernels of the statistics against their reference implementations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lightpool.arrays import device_of, to_host
from lightpool.stats import CashCountsStatistic, WStatCountsStatistic
from lightpool.stats.cash import cash, cash_plain
from lightpool.stats.poisson import (
    excess_of_significance,
    excess_of_significance_plain,
    likelihood_interval,
    likelihood_interval_plain,
)
from lightpool.stats.wstat import wstat, wstat_plain
from lightpool.stats.wstat_intervals import wstat_error, wstat_error_plain, wstat_excess, wstat_excess_plain

BACKENDS = ["cuda on host", pytest.param("cuda", marks=pytest.mark.gpu)]
pytestmark = [
    pytest.mark.parametrize("backend", BACKENDS, indirect=True),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

# Counts as of a map: none, few, many, fractions, impossible ones, NaN.
VALUES = np.array([0.0, 1.0, 2.0, 17.0, 400.0, 1e7, 0.3, np.nan])
N_ON, N_OFF = (x.ravel() for x in np.meshgrid(VALUES, VALUES))
ALPHA = np.resize([0.1, 1.0, 0.0, 2.5, 0.03], N_ON.shape)
SIGNAL = np.resize([0.0, 3.0, 0.0, -0.5], N_ON.shape)


def check(backend, fused, plain, *arrays, rtol=1e-9, atol=1e-9, **kwargs):
    """Compare, with a tolerance for the difference of the logarithms of two libraries."""
    found = fused(*map(backend.array, arrays), **kwargs)
    assert device_of(found).is_cuda
    assert_allclose(to_host(found), plain(*arrays, **kwargs), rtol=rtol, atol=atol)


def test_the_cash_statistic_is_that_of_many_steps(backend):
    check(backend, cash, cash_plain, N_ON, N_OFF)


def test_the_w_statistic_is_that_of_many_steps(backend):
    check(backend, wstat, wstat_plain, N_ON, N_OFF, ALPHA, SIGNAL)


@pytest.mark.parametrize("is_upper", [False, True])
@pytest.mark.parametrize("n_sigma", [0.5, 1.0, 3.0])
def test_ends_of_profile_likelihood_intervals_are_those_of_many_steps(backend, n_sigma, is_upper):
    # The statistic of 1e7 counts has 9 digits less than a difference of 1 needs.
    few = (N_ON < 1e6) & (N_OFF < 1e6) | np.isnan(N_ON) | np.isnan(N_OFF)
    arrays = [x[few] for x in (N_ON, N_OFF, ALPHA, SIGNAL)]
    check(backend, wstat_error, wstat_error_plain, *arrays, n_sigma=n_sigma, is_upper=is_upper, atol=1e-7)


@pytest.mark.parametrize("significance", [-2.0, 0.0, 1.0, 5.0])
def test_the_excess_of_a_significance_is_that_of_many_steps(backend, significance):
    check(backend, excess_of_significance, excess_of_significance_plain, VALUES, significance=significance, atol=1e-8)
    few = ~(N_OFF > 1e6)
    arrays = N_OFF[few], ALPHA[few]
    check(backend, wstat_excess, wstat_excess_plain, *arrays, significance=significance, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("n_sigma", [0.0, 1.0, 10.0])
def test_intervals_of_counts_are_those_of_many_steps(backend, n_sigma):
    found = likelihood_interval(backend.array(VALUES), n_sigma)
    for end, expected in zip(found, likelihood_interval_plain(VALUES, 0.5 * n_sigma**2), strict=True):
        assert_allclose(to_host(end), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("statistic", "arrays"),
    [(CashCountsStatistic, (N_ON, N_OFF)), (WStatCountsStatistic, (N_ON, N_OFF, ALPHA, SIGNAL))],
)
def test_a_summary_has_what_the_properties_have(backend, statistic, arrays):
    found = statistic(*map(backend.array, arrays)).summary()
    properties = statistic(*arrays)
    assert len(found) == 5
    for name, values in found._asdict().items():
        assert device_of(values).is_cuda
        # The test statistic is a small difference of numbers up to 1e8, and the significance its root.
        rtol, atol = {"ts": (1e-9, 1e-6), "sqrt_ts": (1e-9, 1e-3)}.get(name, (1e-12, 0))
        assert_allclose(to_host(values), getattr(properties, name), rtol=rtol, atol=atol, err_msg=name)
