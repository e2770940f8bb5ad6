import math

import numpy as np
import pytest

from lightpool.arrays import to_host
from lightpool.stats import CashCountsStatistic, cash, cash_sum


def test_the_statistic_is_the_logarithm_of_the_poisson_probability(backend):
    counts, expected = np.array([0.0, 3.0, 7.0]), np.array([0.5, 2.5, 9.0])
    probability = [mu**n * math.exp(-mu) / math.factorial(int(n)) for n, mu in zip(counts, expected, strict=True)]
    counts_alone = [2 * math.log(math.factorial(int(n))) for n in counts]
    stat = to_host(cash(backend.array(counts), backend.array(expected)))
    np.testing.assert_allclose(stat, -2 * np.log(probability) - counts_alone, rtol=1e-13)


def test_an_expectation_of_zero_or_below_is_raised_to_the_truncation_value(backend):
    stat = to_host(cash(backend.array([1.0, 0.0, 1.0]), backend.array([0.0, 0.0, -3.0])))
    np.testing.assert_allclose(stat, [115.129255, 2e-25, 115.129255], rtol=1e-7)  # Gammapy 2.1, gammapy.stats.cash


def test_a_truncation_value_of_zero_is_refused(backend):
    with pytest.raises(ValueError, match="positive"):
        cash(backend.array([1.0]), backend.array([1.0]), truncation_value=0.0)


def test_the_sum_counts_the_bins_that_the_mask_keeps(backend):
    counts, expected = np.array([[0.0, 1.0], [2.0, 5.0]]), np.array([[0.2, np.nan], [1.0, 4.0]])
    mask = np.array([[True, False], [True, True]])
    total = to_host(cash_sum(backend.array(counts), backend.array(expected), backend.array(mask)))
    one_by_one = sum(2 * (mu - n * math.log(mu)) for n, mu in zip(counts[mask], expected[mask], strict=True))
    assert float(total) == pytest.approx(one_by_one, rel=1e-13)


def test_an_expectation_that_is_nan_counts_as_the_truncation_value_in_the_sum(backend):
    total = to_host(cash_sum(backend.array([1.0]), backend.array([np.nan])))
    assert float(total) == pytest.approx(115.129255, rel=1e-7)


def test_excess_and_significance_of_counts_over_a_background(backend):
    stat = CashCountsStatistic(backend.array([5.0, 1.0, 0.0]), backend.array([2.0, 3.0, 1.0]))
    np.testing.assert_allclose(to_host(stat.n_sig), [3.0, -2.0, -1.0])
    np.testing.assert_allclose(to_host(stat.error), [math.sqrt(5), 1.0, 0.0])
    # Gammapy 2.1, CashCountsStatistic
    np.testing.assert_allclose(
        to_host(stat.sqrt_ts), [1.7784564427450986, -1.3426747270518578, -1.4142135623730951], rtol=1e-12
    )
    np.testing.assert_allclose(
        stat.p_value, [0.037664459829251484, 0.08968866082139187, 0.07864960352514053], rtol=1e-10
    )


def test_the_sum_of_bins_is_a_statistic_of_the_summed_counts(backend):
    stat = CashCountsStatistic(backend.array([5.0, 1.0]), backend.array([2.0, 3.0])).sum()
    assert float(to_host(stat.n_on)) == 6.0
    assert float(to_host(stat.n_bkg)) == 5.0


def test_plain_numbers_are_taken_too():
    assert float(CashCountsStatistic(2016, 1866.7218193293697).sqrt_ts) == pytest.approx(3.4104880190444806, rel=1e-12)
