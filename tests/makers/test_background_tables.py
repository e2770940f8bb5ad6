"""From sums to tables: groups, bins of energy, smoothing, extrapolation, norms, and files."""

import logging
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from background_runs import FOV, OFFSET
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.errors import FormatError
from lightpool.irf import Background2D, Background3D
from lightpool.makers import BackgroundModel, BackgroundSums, BackgroundTableMaker, GroupRunsBy
from lightpool.makers.background_models.field_bins import FieldBins
from lightpool.makers.background_models.rates import (
    centre_factors,
    fit_log_rate,
    fit_power_law,
    merged_edges,
)
from lightpool.maps import MapAxis

ENERGY = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=12)
RADIAL, FLAT = FieldBins.of([OFFSET]), FieldBins.of(FOV, "ALTAZ")
INDEX = 2.6


def spectrum(edges, index=INDEX):
    """Integral of E**-index between edges."""
    powers = edges ** (1 - index)
    return (powers[:-1] - powers[1:]) / (index - 1)


def true_rate(field, index=INDEX, amplitude=1.0):
    """Mean rate in bins, 1 / (s MeV sr), that falls with the offset; shape (n_energy, n_field)."""
    centres = np.meshgrid(*(axis.center.to_value("deg") for axis in field.axes), indexing="ij")
    squared = sum(each**2 for each in centres).ravel()
    edges = ENERGY.edges.to_value("TeV")
    mean = spectrum(edges, index) / np.diff(edges)
    return amplitude * 1e-5 * np.multiply.outer(mean, np.exp(-squared / 3))


def sums_of(n_run=6, field=RADIAL, rng=None, amplitude=1.0, rows=lambda i: {}, excluded=None):
    """Sums of runs with expected counts, or drawn ones."""
    width = np.diff(ENERGY.edges.to_value("MeV"))[:, None]
    parts = []
    for i in range(n_run):
        row = {"OBS_ID": i + 1, "MJD_START": 59000.0 + i, "ONTIME": 1500.0, "LIVETIME": 1400.0} | rows(i)
        out = np.zeros(field.n_bin) if excluded is None else excluded(i) * 1500.0 * field.solid_angle.ravel()
        factor = row.get("FACTOR", 1.0)
        left = 1500.0 * field.solid_angle.ravel() - out
        expected = factor * true_rate(field, amplitude=amplitude) * width * left
        counts = np.zeros((ENERGY.nbin, field.n_bin, 2))
        counts[..., 0] = np.rint(expected) if rng is None else rng.poisson(expected)
        parts.append(BackgroundSums.of_run(ENERGY, field, row, counts, out))
    return BackgroundSums.merged(parts)


# -- groups


def names_of(models):
    return {model.name: model.obs_ids.tolist() for model in models}


def test_runs_are_grouped_by_what_the_user_asks_for(caplog):
    zenith, azimuth = [10, 20, 30, 40, 50, 65], [350, 10, 100, 180, 260, 90]
    sums = sums_of(rows=lambda i: {"ZEN_PNT": zenith[i], "AZ_PNT": azimuth[i], "TELLIST": "1,2" if i < 2 else "1,2,3"})
    run = BackgroundTableMaker().run
    assert names_of(run(sums)) == {"all": [1, 2, 3, 4, 5, 6]}
    assert names_of(run(sums, [GroupRunsBy.azimuth(2)])) == {"north": [1, 2], "south": [3, 4, 5, 6]}
    assert names_of(run(sums, [GroupRunsBy.azimuth(4)])) == {
        "north": [1, 2], "east": [3, 6], "south": [4], "west": [5]
    }  # fmt: skip
    assert names_of(run(sums, [GroupRunsBy.telescopes()])) == {
        "telescopes 1,2": [1, 2],
        "telescopes 1,2,3": [3, 4, 5, 6],
    }
    with caplog.at_level(logging.WARNING):
        models = run(sums, [GroupRunsBy.zenith([0, 30, 60])])
    assert names_of(models) == {"zenith 0 to 30": [1, 2], "zenith 30 to 60": [3, 4, 5]}
    assert models.ungrouped.tolist() == [6]
    assert "1 run in no group and in no model: 6" in caplog.text
    crossed = run(sums, [GroupRunsBy.zenith([0, 30, 90]), GroupRunsBy.azimuth(2)])
    assert names_of(crossed) == {
        "zenith 0 to 30, north": [1, 2],
        "zenith 30 to 90, south": [3, 4, 5, 6],
    }
    by_date = run(sums, [GroupRunsBy.dates(["2020-05-31", "2020-06-03", "2020-12-31"])])
    assert names_of(by_date) == {"date 2020-05-31 to 2020-06-03": [1, 2, 3], "date 2020-06-03 to 2020-12-31": [4, 5, 6]}


def test_bins_of_equal_statistics_have_about_equal_counts():
    rng = np.random.default_rng(1)
    zenith = rng.uniform(0, 60, 60)
    sums = sums_of(60, rng=rng, rows=lambda i: {"ZEN_PNT": zenith[i], "FACTOR": np.cos(np.deg2rad(zenith[i]))})
    models = BackgroundTableMaker().run(sums, [GroupRunsBy.zenith(n_bin=4)])
    counts = [int(model.counts.sum()) for model in models]
    assert len(models) == 4
    assert sum(counts) == sums.total_counts().sum()
    assert max(counts) < 1.2 * min(counts)
    assert not len(models.ungrouped)
    equal = BackgroundTableMaker().run(sums, [GroupRunsBy.zenith(n_bin=3, spacing="cos_zenith")])
    edges = [model.validity["ZEN_PNT"] for model in equal]
    widths = [np.cos(np.deg2rad(low)) - np.cos(np.deg2rad(high)) for low, high in edges]
    assert_allclose(widths, widths[0], rtol=1e-6)
    assert not len(equal.ungrouped)


def test_runs_of_one_value_stay_together():
    sums = sums_of(6, rows=lambda i: {"MUONEFF": [0.7, 0.7, 0.7, 0.7, 0.9, 0.9][i]})
    models = BackgroundTableMaker().run(sums, [GroupRunsBy.by_column("MUONEFF", n_bin=3)])
    assert sorted(model.obs_ids.tolist() for model in models) == [[1, 2, 3, 4], [5, 6]]
    one = BackgroundTableMaker().run(sums.take([0, 1]), [GroupRunsBy.by_column("MUONEFF", n_bin=3)])
    assert names_of(one).popitem()[1] == [1, 2]


def test_long_numbers_stay_different_and_whole_ones_need_no_type():
    numbers = [123456789, 123456790, 123456790]
    sums = sums_of(3, rows=lambda i: {"SETUP": numbers[i]})
    models = BackgroundTableMaker().run(sums, [GroupRunsBy.by_column("SETUP")])
    assert names_of(models) == {"SETUP 123456789": [1], "SETUP 123456790": [2, 3]}
    assert models.model_of({"SETUP": 123456790.0}).obs_ids.tolist() == [2, 3]
    assert models.model_of({"SETUP": 1}) is None


def test_groups_that_make_no_sense_are_refused():
    sums = sums_of(2, rows=lambda i: {"ZEN_PNT": 20.0})
    with pytest.raises(ValueError, match="need the column 'MUONEFF'"):
        BackgroundTableMaker().run(sums, [GroupRunsBy.by_column("MUONEFF", n_bin=2)])
    with pytest.raises(ValueError, match="none of the 2 runs is in a group"):
        BackgroundTableMaker().run(sums, [GroupRunsBy.zenith([30, 60])])
    with pytest.raises(ValueError, match="either edges or n_bin"):
        GroupRunsBy.zenith()
    with pytest.raises(ValueError, match="ascending"):
        GroupRunsBy.zenith([30, 20])


# -- rates


@pytest.mark.parametrize("field", [RADIAL, FLAT], ids=["radial", "rectangles"])
def test_rates_are_counts_over_the_remaining_exposure(field):
    rng = np.random.default_rng(3)
    parts = rng.uniform(0, 0.8, (6, field.n_bin))
    sums = sums_of(field=field, amplitude=1e6, excluded=lambda i: parts[i])
    (model,) = BackgroundTableMaker(at_centre=False).run(sums)
    shape = (ENERGY.nbin, *field.shape)
    assert_allclose(model.rate, true_rate(field, amplitude=1e6).reshape(shape), rtol=0.01)
    assert_allclose(model.remaining.ravel(), 1 - parts.mean(axis=0))
    assert_allclose(model.predicted_counts(model.exposure), model.counts, rtol=1e-10)
    assert_allclose(model.error, model.rate / np.sqrt(model.counts))
    assert (model.n_run, model.ontime, model.livetime) == (6, 9000, 8400)


def test_a_bin_with_little_exposure_left_is_unknown_and_reported(caplog):
    out = np.zeros(RADIAL.n_bin)
    out[2], out[3] = 0.95, 1.0
    sums = sums_of(excluded=lambda i: out)
    with caplog.at_level(logging.WARNING):
        (model,) = BackgroundTableMaker(smoothing=2, extrapolate_below=100).run(sums)
    assert np.isnan(model.rate[:, 2:4]).all()
    assert np.isfinite(np.delete(model.rate, [2, 3], axis=1)).all()
    assert model.n_invalid == 2 * ENERGY.nbin
    assert "24 of 96 bins is not known" in caplog.text
    assert_array_equal(model.table.data[:, 2:4], 0)
    assert model.table.meta["N_INVALD"] == 24
    (other,) = BackgroundTableMaker(min_remaining=0.04).run(sums)
    assert np.isfinite(other.rate[:, 2]).all()
    assert np.isnan(other.rate[:, 3]).all()


def test_the_integral_of_the_table_is_the_number_of_events():
    """Between the centres of wide bins the table is a power law, as Gammapy interpolates it."""
    wide = MapAxis.from_energy_edges(ENERGY.edges[::3])
    sums = sums_of(amplitude=1e5)
    centre, mean = (BackgroundTableMaker(wide, at_centre=flag).run(sums)[0] for flag in (True, False))
    energies = np.geomspace(0.1, 10, 4001) * u.TeV
    expected = sums.total_counts().sum(axis=0) / sums.exposure.sum(axis=0)
    ratios = []
    for model in (centre, mean):
        rate = model.table.evaluate(energy=energies[:, None], offset=OFFSET.center[None, :])
        integral = np.trapezoid(rate * energies[:, None], np.log(energies.value), axis=0).to_value("s-1 sr-1")
        ratios.append(integral / expected)
    assert_allclose(ratios[0], 1, atol=0.003)
    assert np.all(ratios[1] > 1.05)
    assert_allclose(centre.mean_rate(), mean.rate, rtol=1e-10)
    assert_allclose(centre.centre_factor, spectrum(wide.edges.value) / np.diff(wide.edges.value)
                    / wide.center.value**-INDEX, rtol=1e-3)  # fmt: skip


def test_unions_of_bins_give_the_sums_of_their_counts():
    sums = sums_of(rng=np.random.default_rng(2))
    fine = BackgroundTableMaker(at_centre=False).run(sums)[0]
    wide = BackgroundTableMaker(MapAxis.from_energy_edges(ENERGY.edges[[1, 2, 5, 12]]), at_centre=False).run(sums)[0]
    assert_array_equal(wide.counts, np.add.reduceat(fine.counts[1:], [0, 1, 4]))
    width = np.diff(ENERGY.edges.value)[:, None]
    weights = np.add.reduceat(width[1:], [0, 1, 4])
    assert_allclose(wide.rate, np.add.reduceat((fine.rate * width)[1:], [0, 1, 4]) / weights)
    with pytest.raises(ValueError, match=r"0\.5 TeV is no edge of the fine bins"):
        BackgroundTableMaker(MapAxis.from_energy_edges([0.5, 10] * u.TeV)).run(sums)


@pytest.mark.parametrize(
    ("counts", "least", "ratio", "kept"),
    [
        ([0, 0, 9, 9, 9], 5, 100, [0, 1, 2, 3, 4, 5]),
        ([0, 0, 9, 3, 2], 5, 100, [0, 1, 2, 3, 5]),
        ([0, 1, 9, 9, 2], 5, 100, [0, 1, 3, 5]),
        ([0, 0, 9, 9, 0], 5, 1.9, [0, 1, 2, 3, 4, 5]),
        ([4, 0, 0, 1, 1], 5, 4, [0, 1, 3, 5]),
        ([0, 0, 0, 0, 0], 5, 100, [0, 1, 2, 3, 4, 5]),
        ([1, 0, 0, 0, 1], 9, 1e9, [0, 5]),
    ],
)
def test_bins_are_merged_from_the_top_until_they_have_enough_counts(counts, least, ratio, kept):
    assert merged_edges(np.array(counts, float), 2.0 ** np.arange(6), least, ratio).tolist() == kept


def test_merged_bins_lose_no_counts():
    sums = sums_of(rng=np.random.default_rng(8), amplitude=0.3, rows=lambda i: {"ZEN_PNT": 10.0 * i})
    models = BackgroundTableMaker(min_counts=30, max_energy_ratio=50).run(sums, [GroupRunsBy.zenith([0, 25, 60])])
    for model in models:
        places = np.flatnonzero(np.isin(sums.obs_ids, model.obs_ids))
        assert model.counts.sum() == sums.total_counts(places).sum()
        assert model.counts.sum(axis=1).min() >= 30
        assert model.energy_axis.edges[0] == ENERGY.edges[0]
        assert model.energy_axis.edges[-1] == ENERGY.edges[-1]
    common = BackgroundTableMaker(min_counts=30, common_energy_bins=True).run(sums, [GroupRunsBy.zenith([0, 25, 60])])
    assert_array_equal(common[0].energy_axis.edges, common[1].energy_axis.edges)


# -- fits


@pytest.mark.parametrize("field", [RADIAL, FLAT], ids=["radial", "rectangles"])
def test_a_smooth_fit_finds_a_smooth_rate(field):
    sums = sums_of(40, field=field, rng=np.random.default_rng(4), amplitude=3)
    (binned,), (smooth,) = (BackgroundTableMaker(smoothing=order, at_centre=False).run(sums) for order in (None, 2))
    true = true_rate(field, amplitude=3).reshape(smooth.rate.shape)
    assert np.mean((smooth.rate / true - 1) ** 2) < 0.5 * np.mean((binned.rate / true - 1) ** 2)
    pull = (smooth.rate - true) / smooth.error
    assert abs(pull.mean()) < 0.5
    assert 0.5 < pull.std() < 1.5
    # The number of events in each bin of energy is that which was counted.
    predicted = smooth.predicted_counts(smooth.exposure).reshape(ENERGY.nbin, -1).sum(axis=1)
    assert_allclose(predicted, smooth.counts.reshape(ENERGY.nbin, -1).sum(axis=1), rtol=1e-6)


def test_events_that_no_smooth_function_fits_keep_the_rates_of_their_bins(caplog):
    few = FieldBins.of([MapAxis.from_edges([0, 1, 2], unit="deg", name="offset")])
    sums = sums_of(4, field=few, rng=np.random.default_rng(1))
    with caplog.at_level(logging.WARNING):
        (model,) = BackgroundTableMaker(smoothing=4).run(sums)
    (binned,) = BackgroundTableMaker().run(sums)
    assert "no smooth function of order 4" in caplog.text
    assert_allclose(model.rate, binned.rate)
    assert model.n_invalid == 0


def test_the_fit_uses_the_remaining_exposure():
    out = np.linspace(0, 0.7, RADIAL.n_bin)
    sums = sums_of(20, amplitude=1e5, excluded=lambda i: out)
    (model,) = BackgroundTableMaker(smoothing=1, at_centre=False).run(sums)
    assert_allclose(model.rate, true_rate(RADIAL, amplitude=1e5), rtol=0.01)


def test_a_fit_of_the_logarithm_maximises_the_likelihood():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 30)
    design = np.stack([np.ones(30), x, x**2], axis=1)
    exposure = rng.uniform(1, 9, 30)
    counts = rng.poisson(exposure * np.exp(1 - 2 * x)).astype(float)
    fit = fit_log_rate(counts, exposure, design)

    def likelihood(values):
        return counts @ (design @ values) - exposure @ np.exp(design @ values)

    best = likelihood(fit.values)
    for step in rng.normal(size=(20, 3)) * 0.01:
        assert likelihood(fit.values + step) < best
    assert fit_log_rate(np.zeros(30), exposure, design) is None


def test_rates_above_the_last_events_are_a_power_law(caplog):
    sums = sums_of(10, rng=np.random.default_rng(12), amplitude=0.4)
    (plain,), (model,) = (BackgroundTableMaker(extrapolate_below=least).run(sums) for least in (None, 60))
    per_energy = plain.counts.sum(axis=1)
    last = np.flatnonzero(per_energy >= 60)[-1]
    assert_array_equal(model.is_extrapolated, np.arange(ENERGY.nbin) > last)
    assert 2 <= model.is_extrapolated.sum() <= 9
    assert_array_equal(model.counts, plain.counts)
    assert_allclose(model.mean_rate()[: last + 1], plain.mean_rate()[: last + 1], rtol=1e-12)
    true = true_rate(RADIAL, amplitude=0.4)
    ratio = model.mean_rate().sum(axis=1) / true.sum(axis=1)
    assert_allclose(ratio[last + 1 :], 1, atol=0.5)
    assert np.all(np.abs(model.mean_rate() - true)[last + 1 :] < 5 * model.error[last + 1 :])
    assert_allclose(model.keywords["EXTRAPOL"], ENERGY.edges[last + 1].to_value("TeV"))
    # Relative errors grow with the distance from the fitted bins.
    relative = (model.error / model.rate)[last + 1 :].mean(axis=1)
    assert np.all(np.diff(relative) > -1e-9)


def test_a_power_law_is_found_with_its_errors():
    rng = np.random.default_rng(5)
    edges = np.geomspace(1, 100, 11)
    found = []
    for _ in range(200):
        law = fit_power_law(rng.poisson(500 * spectrum(edges)).astype(float), 1.0, edges)
        found.append(((law.index - INDEX) / np.sqrt(law.covariance[1, 1]), law.index))
    pull = np.array(found)[:, 0]
    assert abs(pull.mean()) < 0.3
    assert 0.85 < pull.std() < 1.15
    assert fit_power_law(np.array([5.0, 0.0]), 1.0, edges[:3]) is None


def test_centre_factors_of_a_power_law_are_exact():
    edges = np.geomspace(1, 1000, 7)
    mean = spectrum(edges) / np.diff(edges)
    centres = np.sqrt(edges[1:] * edges[:-1])
    assert_allclose(centre_factors(mean, edges), mean / centres**-INDEX, rtol=1e-9)
    curved = mean * np.exp(-0.3 * np.log(centres / centres[2]) ** 2)
    # Followed exactly, or a straight line where the errors leave the curvature open.
    exact, open_ = centre_factors(curved, edges), centre_factors(curved, edges, np.full(6, 10.0))
    assert np.all(exact[1:-1] < open_[1:-1] - 0.01)
    gap = centre_factors(np.where(np.arange(6) == 3, 0, mean), edges)
    assert gap[3] == 1
    assert_array_equal(centre_factors(np.zeros(6), edges), 1)


def test_fluctuations_of_bins_do_not_grow_in_rates_at_their_centres():
    rng = np.random.default_rng(3)
    edges = np.geomspace(1, 100, 25)
    expected = 3e3 * spectrum(edges)
    width, centres = np.diff(edges), np.sqrt(edges[1:] * edges[:-1])
    found = []
    for _ in range(100):
        counts = rng.poisson(expected)[:15]
        factor = centre_factors(counts / width[:15], edges[:16], 1 / np.sqrt(np.maximum(counts, 1)))
        found.append(counts / width[:15] / factor / (3e3 * centres[:15] ** -INDEX))
    scatter = np.std(found, axis=0) * np.sqrt(expected[:15])
    assert scatter.mean() < 1.1  # 1.05; 1.5 if the slopes are followed exactly
    assert_allclose(np.mean(found), 1, atol=0.01)


# -- models of runs


def test_runs_have_norms_on_the_model_of_their_group():
    factors = np.array([0.8, 0.9, 1.0, 1.0, 1.1, 1.2])
    sums = sums_of(6, amplitude=100, rows=lambda i: {"FACTOR": factors[i], "ZEN_PNT": [10, 10, 10, 40, 40, 70][i]})
    models = BackgroundTableMaker().run(sums, [GroupRunsBy.zenith([0, 30, 60])])
    norms = models.run_norms(sums)
    assert_allclose(norms["NORM"][:3], factors[:3] / factors[:3].mean(), rtol=0.01)
    assert norms["GROUP"].tolist()[5] == ""
    assert np.isnan(norms["NORM"][5])
    assert_allclose(norms["NORM_ERROR"][:5], norms["NORM"][:5] / np.sqrt(norms["COUNTS"][:5]))
    run = models.of_run(sums, 0)
    assert_allclose(run.rate, norms["NORM"][0] * models[0].rate)
    assert run.norm == norms["NORM"][0]
    assert_allclose(run.predicted_counts(sums.exposure[0]).sum(), sums.run_counts()[0])
    assert models.of_run(sums, 5) is None
    with pytest.raises(ValueError, match="needs 'ZEN_PNT'"):
        models.model_of({"OBS_ID": 3})


def test_between_zenith_bins_rates_are_linear_in_the_cosine():
    cosines = np.array([0.5, 0.7, 0.9])
    zenith = np.rad2deg(np.arccos(cosines))
    sums = sums_of(6, amplitude=1e5, rows=lambda i: {"ZEN_PNT": zenith[i % 3], "AZ_PNT": 0.0 if i < 3 else 180.0,
                                                     "FACTOR": cosines[i % 3] * (1 if i < 3 else 2)})  # fmt: skip
    models = BackgroundTableMaker().run(sums, [GroupRunsBy.zenith([0, 30, 50, 70]), GroupRunsBy.azimuth(2)])
    assert len(models) == 6
    for cosine, expected in ((0.6, 0.6), (0.7, 0.7), (0.85, 0.85), (0.95, 0.9), (0.2, 0.5)):
        row = {"ZEN_PNT": float(np.rad2deg(np.arccos(cosine))), "AZ_PNT": 190.0}
        model = models.model_of(row, interpolate_zenith=True)
        assert_allclose(model.mean_rate(), 2 * expected * true_rate(RADIAL, amplitude=1e5), rtol=0.01)
        assert np.all(model.error > 0)


def test_models_in_other_bins_of_energy_are_not_interpolated():
    sums = sums_of(2, rng=np.random.default_rng(1), rows=lambda i: {"ZEN_PNT": 10 + 40 * i, "FACTOR": 1 - 0.9 * i})
    by, row = [GroupRunsBy.zenith([0, 30, 60])], {"ZEN_PNT": 30.0}
    models = BackgroundTableMaker(min_counts=40).run(sums, by)
    with pytest.raises(ValueError, match="common_energy_bins"):
        models.model_of(row, interpolate_zenith=True)
    common = BackgroundTableMaker(min_counts=40, common_energy_bins=True).run(sums, by)
    assert common.model_of(row, interpolate_zenith=True).n_run == 2


# -- files


@pytest.mark.parametrize(("field", "kind"), [(RADIAL, Background2D), (FLAT, Background3D)])
def test_a_file_of_a_model_is_a_table_of_gadf_and_more(tmp_path, field, kind):
    out = np.zeros(field.n_bin)
    out[3] = 1.0
    sums = sums_of(
        8, field=field, rng=np.random.default_rng(1), excluded=lambda i: out,
        rows=lambda i: {"ZEN_PNT": 5.0 * i, "TELLIST": "1,2,3"},
    )  # fmt: skip
    by = [GroupRunsBy.zenith([0, 22, 60]), GroupRunsBy.telescopes(), GroupRunsBy.dates(["2020-01-01", "2021-01-01"])]
    model = BackgroundTableMaker(smoothing=1, extrapolate_below=20).run(sums, by)[1].scaled(1.1, 0.02)
    path = tmp_path / "model.fits.gz"
    model.write(path)
    table = kind.read(path)
    assert_allclose(table.data, np.nan_to_num(model.rate))
    assert table.unit == "s-1 MeV-1 sr-1"
    if field is FLAT:
        assert table.fov_alignment == "ALTAZ"
    assert table.meta["CBD10001"] == "ZEN_PNT(22-60)deg"
    assert table.meta["CBD20001"] == 'TELLIST("1,2,3")'
    assert table.meta["N_RUN"] == 3
    again = BackgroundModel.read(path)
    for name, value in vars(model).items():
        found = getattr(again, name)
        if isinstance(value, np.ndarray):
            assert_array_equal(found, value, err_msg=name)
            assert found.dtype.kind == value.dtype.kind
        elif name not in ("energy_axis", "field", "table"):
            assert found == value, name
    assert_allclose(again.energy_axis.edges, model.energy_axis.edges, rtol=1e-15)
    table.write(tmp_path / "plain.fits")
    with pytest.raises(FormatError, match="no background model"):
        BackgroundModel.read(tmp_path / "plain.fits")


def test_long_texts_and_names_of_columns_are_not_cut_in_files(tmp_path):
    telescopes, column = ",".join(map(str, range(1, 120))), "MEAN_OF_THE_OPTICAL_EFFICIENCY_OF_ALL_MIRRORS"
    sums_of(4, rows=lambda i: {"TELLIST": telescopes, column: float(i)}).write(tmp_path / "sums.fits")
    sums = BackgroundSums.read(tmp_path / "sums.fits")
    by = [GroupRunsBy.telescopes(), GroupRunsBy.by_column(column, n_bin=2)]
    for model in BackgroundTableMaker().run(sums, by):
        model.write(tmp_path / "model.fits", overwrite=True)
        again = BackgroundModel.read(tmp_path / "model.fits")
        assert (again.name, again.validity, again.means) == (model.name, model.validity, model.means)
        assert again.validity["TELLIST"] == telescopes
        assert Background2D.read(tmp_path / "model.fits").meta["CBD10001"] == f'TELLIST("{telescopes}")'


def test_files_in_other_units_are_read_in_theirs(tmp_path):
    sums = sums_of(3, rows=lambda i: {"ZEN_PNT": 10.0 * i})
    model = BackgroundTableMaker().run(sums, [])[0]
    for value, hdu, name, unit, factor in (
        (sums, "AXES", "energy", "GeV", 1e3),
        (sums, "RUNS", "ZEN_PNT", "rad", np.pi / 180),
        (sums, "RUNS", "EXCLUDED", "h sr", 1 / 3600),
        (model, "AXES", "offset", "arcmin", 60),
        (model, "STATISTICS", "RATE", "s-1 TeV-1 sr-1", 1e6),
    ):
        path = tmp_path / f"{hdu}-{name}.fits"
        value.write(path)
        with fits.open(path, mode="update") as hdus:
            hdus[hdu].data[name] *= factor
            hdus[hdu].columns[name].unit = unit
        again = type(value).read(path)
        assert_allclose(again.exposure, value.exposure)
        assert_allclose(again.energy_axis.edges, value.energy_axis.edges)
        assert_allclose(again.field.axes[0].edges, value.field.axes[0].edges)
        if value is model:
            assert_allclose(again.rate, model.rate)
        else:
            assert_allclose(again.runs["ZEN_PNT"], sums.runs["ZEN_PNT"])


def test_models_are_summed_up_in_a_table():
    sums = sums_of(4, rows=lambda i: {"ZEN_PNT": 10.0 * i})
    models = BackgroundTableMaker(extrapolate_below=50).run(sums, [GroupRunsBy.zenith([0, 15, 40])])
    table = models.summary()
    assert table["GROUP"].tolist() == [model.name for model in models]
    assert table["COUNTS"].sum() == sums.total_counts().sum()
    assert models[:1][0] is models[0]


@pytest.mark.parametrize(
    "bad",
    [
        {"min_counts": -1}, {"max_energy_ratio": 1.0}, {"smoothing": 9}, {"extrapolate_below": 0}, {"min_remaining": 0},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        BackgroundTableMaker(**bad)


def test_settings_change_the_models_and_not_the_sums():
    sums = sums_of(4, rng=np.random.default_rng(1))
    before = replace(sums)
    BackgroundTableMaker(smoothing=2, min_counts=50, extrapolate_below=10).run(sums)
    assert_array_equal(sums.events, before.events)
    assert_array_equal(sums.excluded, before.excluded)
