import numpy as np
import pytest

from lightpool.arrays import to_host
from lightpool.stats import get_wstat_gof_terms, get_wstat_mu_bkg, wstat, wstat_sum


def arrays_of(backend, *values):
    return [backend.array(np.asarray(value, dtype=float)) for value in values]


def likelihood_term(n_on, n_off, alpha, mu_sig, mu_bkg):
    """Slow and obvious reference for the statistic, without the terms of the counts alone."""
    mu_on = mu_sig + alpha * mu_bkg
    on = mu_on - (n_on * np.log(mu_on) if n_on else 0.0)
    return 2 * (on + mu_bkg - (n_off * np.log(mu_bkg) if n_off else 0.0))


CASES = [(3, 5, 0.2, 1.0), (0, 4, 0.5, 0.3), (7, 0, 0.1, 0.2), (12, 90, 0.05, 6.0), (2, 6, 1.7, 0.0)]


@pytest.mark.parametrize(("n_on", "n_off", "alpha", "mu_sig"), CASES)
def test_the_best_background_is_at_the_minimum_of_the_statistic(backend, n_on, n_off, alpha, mu_sig):
    arrays = arrays_of(backend, n_on, n_off, alpha, mu_sig)
    best = float(to_host(get_wstat_mu_bkg(*arrays)))
    found = float(to_host(wstat(*arrays, extra_terms=False)))
    assert found == pytest.approx(likelihood_term(n_on, n_off, alpha, mu_sig, best), rel=1e-12)
    for mu_bkg in (0.99 * best, 1.01 * best):
        expected = likelihood_term(n_on, n_off, alpha, mu_sig, mu_bkg)
        nearby = wstat(*arrays, mu_bkg=backend.array(mu_bkg), extra_terms=False)
        assert float(to_host(nearby)) == pytest.approx(expected, rel=1e-12)
        assert expected > found


def test_the_values_are_those_of_gammapy(backend):
    # Gammapy 2.1, gammapy.stats; the signal of the last one is below zero
    arrays = arrays_of(backend, [3, 0, 7, 12, 5], [5, 4, 0, 90, 2], [0.2, 0.5, 0.1, 0.05, 1.5], [1, 0.3, 0.2, 6, -1.2])
    stat = [0.3868081049458052, 3.8437208648653147, 29.570533819177186, 0.20025069711778087, 0.9619599484226313]
    mu_bkg = [5.473136969025019, 2.6666666666666665, 4.363636363636363, 90.63183485423859, 3.4124515496597096]
    gof = [6.6860528563496615, 3.0903548889591246, 13.242742086774385, 665.6035002543597, 4.866967846580785]
    np.testing.assert_allclose(to_host(wstat(*arrays)), stat, rtol=1e-11)
    np.testing.assert_allclose(to_host(get_wstat_mu_bkg(*arrays)), mu_bkg, rtol=1e-12)
    np.testing.assert_allclose(to_host(get_wstat_gof_terms(*arrays[:2])), gof, rtol=1e-12)


def test_perfect_agreement_gives_zero(backend):
    n_on, n_off, alpha = arrays_of(backend, [5.0, 0.0, 3.0], [10.0, 0.0, 0.0], [0.2, 0.3, 0.5])
    np.testing.assert_allclose(to_host(wstat(n_on, n_off, alpha, n_on - alpha * n_off)), 0.0, atol=1e-12)


def test_counts_where_none_can_be_are_infinitely_unlikely(backend):
    arrays = arrays_of(backend, [2.0], [0.0], [0.5], [0.0])
    assert to_host(wstat(*arrays, mu_bkg=backend.array([0.0])))[0] == np.inf


def test_an_on_region_without_acceptance_has_no_statistic_and_does_not_count_in_the_sum(backend):
    arrays = arrays_of(backend, [2.0, 3.0], [4.0, 5.0], [0.0, 0.2], [0.0, 1.0])
    stat = to_host(wstat(*arrays))
    assert np.isnan(stat[0])
    assert float(to_host(wstat_sum(*arrays))) == pytest.approx(stat[1])


def test_the_sum_is_over_the_bins_that_the_mask_keeps(backend):
    arrays = arrays_of(backend, [3, 0, 7], [5, 4, 0], [0.2, 0.5, 0.1], [1, 0.3, 0.2])
    stat = to_host(wstat(*arrays))
    mask = backend.array([True, False, True])
    assert float(to_host(wstat_sum(*arrays, mask))) == pytest.approx(stat[0] + stat[2])
    nothing = backend.array([False, False, False])
    assert float(to_host(wstat_sum(*arrays, nothing))) == 0.0
