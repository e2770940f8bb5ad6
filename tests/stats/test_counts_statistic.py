import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from lightpool.arrays import to_host
from lightpool.maps import MapAxis, RegionNDMap
from lightpool.stats import CashCountsStatistic, WStatCountsStatistic, cash

ON, OFF, ALPHA = [3.0, 0, 7, 12, 5, 200], [5.0, 4, 0, 90, 12, 10], [0.2, 0.5, 0.1, 0.05, 1.5, 10.0]
BACKGROUND = [0.5, 0.2, 3.0, 14, 0.1, 150.0]

# Gammapy 2.1, WStatCountsStatistic(ON, OFF, ALPHA) and CashCountsStatistic(ON, BACKGROUND), by number of sigma
WSTAT = {
    ("errn", 1): [1.5104162258, 1.1731640909, 2.3234571790, 3.1790805291, 6.0636346051, 37.527157631],
    ("errp", 1): [2.1188857032, 0.8781395676, 2.9890680726, 3.8319497848, 5.3362531050, 32.103857411],
    ("upper_limit", 1): [4.1188857032, -1.1218604324, 9.9890680726, 11.331949785, -7.6637468950, 132.10385741],
    ("errn", 3): [3.6394091961, 4.6542030130, 5.2652243445, 7.8358266275, 21.093496615, 132.30749432],
    ("errp", 3): [8.6095632351, 4.8781395676, 11.181436766, 13.644008841, 15.286622211, 84.772177032],
    ("upper_limit", 3): [10.609563235, 2.8781395676, 18.181436766, 21.144008841, 2.2866222112, 184.77217703],
}
CASH = {
    ("errn", 1): [1.4160257442, 0.0, 2.3234571790, 3.1391007838, 1.9159158410, 13.810785075],
    ("errp", 1): [2.0802366975, 0.5, 2.9890680726, 3.8051509887, 2.5811058071, 14.477414707],
    ("upper_limit", 1): [4.5802366975, 0.5, 6.9890680726, 1.8051509887, 7.4811058071, 64.477414707],
    ("errn", 3): [2.7306087893, 0.0, 5.2652243445, 7.6347361288, 4.1056870374, 39.480958593],
    ("errp", 3): [8.5421902531, 4.5, 11.181436766, 13.585367453, 9.9895903582, 45.477960744],
    ("upper_limit", 3): [11.042190253, 4.5, 15.181436766, 11.585367453, 14.889590358, 95.477960744],
}


def wstat_of(backend, n_on=ON, n_off=OFF, alpha=ALPHA, **kwargs):
    return WStatCountsStatistic(*(backend.array(np.asarray(x, dtype=float)) for x in (n_on, n_off, alpha)), **kwargs)


def cash_of(backend, n_on=ON, mu_bkg=BACKGROUND):
    return CashCountsStatistic(backend.array(np.asarray(n_on)), backend.array(np.asarray(mu_bkg)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n_sigma"), list(WSTAT))
def test_errors_and_limits_with_a_measured_background_are_those_of_gammapy(backend, name, n_sigma):
    found = getattr(wstat_of(backend), f"compute_{name}")(n_sigma)
    np.testing.assert_allclose(to_host(found), WSTAT[name, n_sigma], rtol=2e-9)


@pytest.mark.parametrize(("name", "n_sigma"), list(CASH))
def test_errors_and_limits_with_a_known_background_are_those_of_gammapy(backend, name, n_sigma):
    found = getattr(cash_of(backend), f"compute_{name}")(n_sigma)
    np.testing.assert_allclose(to_host(found), CASH[name, n_sigma], rtol=2e-9)


def test_the_significance_is_formula_17_of_li_and_ma(backend):
    n_on, n_off, alpha = (np.array(x) for x in ([120.0, 4.0, 67.0], [700.0, 5.0, 15.0], [0.1, 0.2, 2.0]))
    total = n_on + n_off
    on_term = n_on * np.log((1 + alpha) / alpha * n_on / total)
    formula = np.sqrt(2 * (on_term + n_off * np.log((1 + alpha) * n_off / total)))
    np.testing.assert_allclose(to_host(wstat_of(backend, n_on, n_off, alpha).sqrt_ts), formula, rtol=1e-12)


def test_the_significance_is_that_of_published_examples(backend):
    """Cousins, Linnemann & Tucker 2008, NIM A 595, 480, table 1: counts and profile likelihood significances.

    The rows in which the two printed digits of tau are enough.
    """
    n_on, n_off = [4, 6, 9, 17, 50, 67, 200], [5, 18.78, 17.83, 40.11, 55, 15, 10]
    tau = np.array([5.0, 14.44, 4.69, 10.56, 2.0, 0.5, 0.1])
    published = [1.95, 2.81, 1.99, 4.57, 3.02, 3.04, 2.38]
    found = to_host(wstat_of(backend, n_on, n_off, 1 / tau).sqrt_ts)
    np.testing.assert_allclose(found, published, atol=0.01)


def test_the_limit_is_that_of_trolke(backend):
    """ROOT 5.34, tutorials/math/Rolke.C, model 4: 1 ON and 7 OFF counts, tau 5, efficiency 0.25, 68 %: [0, 4.08807]."""
    limit = wstat_of(backend, [1], [7], [1 / 5]).compute_upper_limit(np.sqrt(chi2.ppf(0.68, 1)))
    assert to_host(limit)[0] / 0.25 == pytest.approx(4.08807, abs=1e-4)


def test_a_deficit_has_a_significance_below_zero(backend):
    stat = wstat_of(backend, [2.0, 8.0], [50.0, 50.0], [0.1, 0.1])
    # Gammapy 2.1
    np.testing.assert_allclose(to_host(stat.sqrt_ts), [-1.4724610705, 1.1658980794], rtol=1e-9)
    np.testing.assert_allclose(stat.p_value, 0.5 * chi2.sf(to_host(stat.sqrt_ts) ** 2, 1), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n_sigma", [0.5, 1.0, 3.0, 5.0, 8.0])
def test_an_interval_ends_where_the_statistic_has_risen_by_the_square(backend, n_sigma):
    stat = wstat_of(backend)
    for end in (stat.n_sig + stat.compute_errp(n_sigma), stat.compute_upper_limit(n_sigma)):
        np.testing.assert_allclose(to_host(stat._stat(end) - stat.stat_max), n_sigma**2, rtol=1e-8)
    known = cash_of(backend)
    rise = cash(known.n_on, known.n_on + known.compute_errp(n_sigma)) - known.stat_max
    np.testing.assert_allclose(to_host(rise), n_sigma**2, rtol=1e-8)


def test_the_interval_of_very_many_counts_is_their_square_root_and_a_third_more(backend):
    counts = np.array([1e6, 1e9, 1e15])
    stat = cash_of(backend, counts, np.zeros(3))
    np.testing.assert_allclose(to_host(stat.compute_errp()) - np.sqrt(counts), 1 / 3, atol=1e-4)
    np.testing.assert_allclose(to_host(stat.compute_errn()) - np.sqrt(counts), -1 / 3, atol=1e-4)


def test_many_sigma_without_counts_have_a_limit_where_gammapy_finds_none(backend):
    errp = to_host(wstat_of(backend, [0.0], [0.0], [0.5]).compute_errp(10.0))
    assert errp[0] == pytest.approx(50.0)  # the statistic rises by 2 per count


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(1e-3, 100)), min_size=1, max_size=5),
    st.sampled_from([0.1, 1.0, 4.0]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_interval_encloses_the_excess_for_all_counts(cases, n_sigma):
    n_on, n_off, alpha = (np.array(x, dtype=float) for x in zip(*cases, strict=True))
    stat = WStatCountsStatistic(n_on, n_off, alpha)
    errn, errp = stat.compute_errn(n_sigma), stat.compute_errp(n_sigma)
    assert np.all(np.isfinite(errn))
    assert np.all(errn >= 0)
    assert np.all(errp > 0)


@pytest.mark.slow
@pytest.mark.parametrize("significance", [-1.0, -0.1, 0.5, 5.0, 30.0])
def test_the_excess_that_matches_a_significance_has_it(backend, significance):
    stat = wstat_of(backend)
    excess = stat.n_sig_matching_significance(significance)
    again = WStatCountsStatistic(excess + stat.n_bkg, stat.n_off, stat.alpha).sqrt_ts
    known = to_host(stat.n_bkg) > 0
    if significance < 0:  # the deficit of no counts at all is the largest one
        lowest = -np.sqrt(2 * to_host(stat.n_off) * np.log1p(to_host(stat.alpha)))
        known &= lowest < significance
    np.testing.assert_allclose(to_host(again)[known], significance, rtol=1e-6)
    assert np.isnan(to_host(excess)[~known]).all() == (significance < 0)
    background = cash_of(backend)
    excess = background.n_sig_matching_significance(significance)
    known = (to_host(background.mu_bkg) * 2 > significance**2) | (significance > 0)
    again = CashCountsStatistic(excess + background.mu_bkg, background.mu_bkg).sqrt_ts
    np.testing.assert_allclose(to_host(again)[known], significance, rtol=1e-6)


def test_gammapy_finds_the_same_matching_excess(backend):
    # Gammapy 2.1, n_sig_matching_significance
    wstat_excess = [11.2667044157, 17.6932929136, 5.2129048928, 15.0291623591, 51.6711180628, 262.678855524]
    cash_excess = [6.6984841016, 5.1703867552, 12.221692967, 22.524718528, 4.3394771553, 65.275652216]
    np.testing.assert_allclose(to_host(wstat_of(backend).n_sig_matching_significance(5)), wstat_excess, rtol=1e-8)
    np.testing.assert_allclose(to_host(cash_of(backend).n_sig_matching_significance(5)), cash_excess, rtol=1e-8)
    deficit = [-0.1345843335, -0.0824920773, -0.3396772833, -0.7416346834, -0.0561496861, -2.4428139642]
    np.testing.assert_allclose(to_host(cash_of(backend).n_sig_matching_significance(-0.2)), deficit, rtol=1e-8)


def test_the_sum_keeps_counts_background_and_signal(backend):
    stat = wstat_of(backend, mu_sig=backend.array([0.5] * 6))
    total = stat.sum()
    for name in ("n_on", "n_off", "n_bkg", "n_sig", "mu_sig"):
        assert to_host(getattr(total, name)).item() == pytest.approx(to_host(getattr(stat, name)).sum())
    rows = WStatCountsStatistic(*(backend.array(np.reshape(x, (2, 3))) for x in (ON, OFF, ALPHA))).sum(axis=0)
    np.testing.assert_allclose(to_host(rows.n_bkg), np.sum(np.reshape(np.multiply(OFF, ALPHA), (2, 3)), axis=0))


def test_without_off_counts_the_sum_has_the_mean_alpha_and_all_counts_are_excess(backend):
    total = wstat_of(backend, [3, 4], [0, 0], [0.2, 0.4]).sum()
    assert to_host(total.alpha).item() == pytest.approx(0.3)
    assert to_host(total.n_sig).item() == 7.0
    assert to_host(total.sqrt_ts).item() == pytest.approx(np.sqrt(14 * np.log(1.3 / 0.3)))


def test_a_part_of_the_bins_keeps_its_signal(backend):
    part = wstat_of(backend, mu_sig=backend.array([0.5] * 6))[1:3]
    np.testing.assert_array_equal(to_host(part.n_on), [0, 7])
    np.testing.assert_array_equal(to_host(part.mu_sig), [0.5, 0.5])
    assert to_host(cash_of(backend)[2].n_bkg).item() == 3.0


def test_numbers_sequences_and_maps_are_taken(backend):
    assert float(WStatCountsStatistic(13, 11, 0.5).sqrt_ts) == pytest.approx(2.0928323685)  # Gammapy 2.1
    assert WStatCountsStatistic([1, 5], 3, 0.2).n_bkg.shape == (2,)
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    counts = RegionNDMap.create(region=None, axes=[axis], data=backend.array(np.ones((2, 1, 1))))
    np.testing.assert_array_equal(to_host(CashCountsStatistic(counts, 0.25).n_sig).ravel(), [0.75, 0.75])


PRINTED = """WStatCountsStatistic
  Total counts                    : 1.00
  Total background counts         : 0.60
  Total excess counts             : 0.40
  Total significance              : 0.42
  p - value                       : 0.336
  Total number of bins            : 1
  Off counts                      : 3.00
  alpha                           : 0.20
  Predicted signal counts         : 0.00
"""


def test_a_statistic_prints_as_in_gammapy(backend):
    text = str(wstat_of(backend, 1.0, 3.0, 0.2))
    assert [line.rstrip() for line in text.splitlines()] == PRINTED.splitlines()
    assert "Predicted background counts     : 3.00" in str(cash_of(backend)[2])
    assert "[" in str(cash_of(backend))
    assert list(cash_of(backend).info_dict()) == ["n_on", "background", "excess", "significance", "p_value", "mu_bkg"]
