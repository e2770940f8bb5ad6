"""Excess and significance maps: sums in circles, Gammapy's numbers, and the laws of an empty sky and of a source."""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays import convolve_fft, to_host
from lightpool.data import DataStore
from lightpool.datasets import MapDataset, MapDatasetOnOff, SpectrumDataset
from lightpool.errors import GeometryError
from lightpool.makers import ExcessMapEstimator, MapDatasetMaker, RingBackgroundMaker, SafeMaskMaker
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom
from lightpool.simulate import PointSource
from lightpool.stats import CashCountsStatistic, WStatCountsStatistic

BANDS = [0.5, 2, 20] * u.TeV


def random_dataset(is_on_off):
    """Random counts and a safe mask, made by the lines of ``tests/peer/test_excess_both_ways.py``."""
    rng = np.random.default_rng(11)
    energy = MapAxis.from_energy_edges([0.5, 1, 2, 5, 20] * u.TeV)
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=(1.2, 0.9), binsz=0.06, axes=[energy])
    background = np.full(geom.data_shape, 4.0) * np.array([4, 2, 1, 0.5])[:, None, None]
    safe = np.ones(geom.data_shape, dtype=bool)
    safe[0, :, :4] = False
    safe[:, 10:, 16:] = False

    def filled(values):
        return Map.from_geom(geom, data=values, dtype=values.dtype)

    common = {"counts": filled(rng.poisson(background).astype(float)), "mask_safe": filled(safe), "name": "test"}
    if not is_on_off:
        return MapDataset(background=filled(background), **common)
    off = rng.uniform(2, 6, geom.data_shape)
    return MapDatasetOnOff(
        counts_off=filled(rng.poisson(background * off).astype(float)),
        acceptance=filled(np.ones(geom.data_shape)),
        acceptance_off=filled(off),
        **common,
    )


def in_circle(data, mask, y, x, radius):
    """Sum of the kept values of a cube not farther than some pixels from one, by a look at each pixel."""
    rows, columns = np.indices(data.shape[-2:])
    near = np.hypot(rows - y, columns - x) <= radius
    return data[mask & near].sum()


@pytest.mark.slow
@pytest.mark.parametrize("is_on_off", [False, True])
def test_counts_and_background_are_summed_in_the_circle_around_each_pixel(backend, is_on_off):
    dataset = random_dataset(is_on_off)
    maps = ExcessMapEstimator("0.16 deg", selection_optional=["errn-errp", "ul", "sensitivity"]).run(dataset)
    assert {m.device for m in maps.values()} == {backend.device}
    host = {name: to_host(m.data) for name, m in maps.items()}
    mask, counts = to_host(dataset.mask_safe.data), to_host(dataset.counts.data)
    for y, x in ((0, 0), (2, 3), (7, 9), (9, 15), (14, 15)):
        n_on = in_circle(counts, mask, y, x, 0.16 / 0.06)
        n_bkg = in_circle(to_host(dataset.background.data), mask, y, x, 0.16 / 0.06)
        statistic = CashCountsStatistic(n_on, n_bkg)
        if is_on_off:
            n_off = in_circle(to_host(dataset.counts_off.data), mask, y, x, 0.16 / 0.06)
            statistic = WStatCountsStatistic(n_on, n_off, n_bkg / n_off)
        expected = {
            "counts": n_on,
            "npred_background": n_bkg,
            "npred_excess": n_on - n_bkg,
            "ts": statistic.ts,
            "sqrt_ts": statistic.sqrt_ts,
            "npred_excess_err": statistic.error,
            "npred_excess_errn": statistic.compute_errn(),
            "npred_excess_errp": statistic.compute_errp(),
            "npred_excess_ul": statistic.compute_upper_limit(2),
            "npred_excess_sensitivity": statistic.n_sig_matching_significance(5),
        }
        assert set(host) == set(expected)
        for name, value in expected.items():
            assert_allclose(host[name][0, y, x], to_host(value), rtol=1e-7, atol=1e-9, err_msg=f"{name} at {y}, {x}")
    assert_array_equal(np.isnan(host["sqrt_ts"][0]), ~mask.any(axis=0))
    assert_array_equal(host["counts"][0][mask.any(axis=0)] % 1, 0)


STORED = {
    (False, True): [[-1.114508, -1.032789, 0.405461], [0.53781, 0.670299, -0.414125]],
    (True, True): [[-0.545368, 0.25858, -0.336575], [0.938379, 0.560561, -0.654495]],
    (True, False): [[-0.645646, 0.793021, 0.226291], [0.687626, 1.461874, 0.18901]],
}
"""Significances of Gammapy 2.1's estimator on the same dataset, by (is_on_off, correlate_off)."""


@pytest.mark.parametrize(("is_on_off", "correlate_off"), STORED)
def test_significances_in_bands_are_those_of_gammapy(backend, is_on_off, correlate_off):
    estimator = ExcessMapEstimator(correlate_off=correlate_off, energy_edges=BANDS)
    maps = estimator.run(random_dataset(is_on_off))
    assert_allclose(maps["sqrt_ts"].geom.axes["energy"].edges.value, BANDS.value)
    sqrt_ts = to_host(maps["sqrt_ts"].data)
    found = [[sqrt_ts[i, y, x] for y, x in ((2, 3), (7, 9), (14, 15))] for i in (0, 1)]
    assert_allclose(found, STORED[is_on_off, correlate_off], atol=1e-5)
    assert np.nansum(to_host(maps["counts"].data)) == 61050


def test_bands_of_single_bins_are_those_of_the_sliced_dataset(backend):
    dataset = random_dataset(True)
    each = ExcessMapEstimator(sum_over_energy_groups=False, correlate_off=False).run(dataset)
    assert each["ts"].geom == dataset.counts.geom
    for i in range(4):
        one = ExcessMapEstimator(correlate_off=False).run(dataset.slice_by_idx({"energy": slice(i, i + 1)}))
        found, expected = to_host(each["sqrt_ts"].data)[i], to_host(one["sqrt_ts"].data)[0]
        assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


def test_alpha_and_acceptances_can_be_asked_for(backend):
    dataset = random_dataset(True)
    maps = ExcessMapEstimator(selection_optional=["alpha", "acceptance_on", "acceptance_off"]).run(dataset)
    mask = to_host(dataset.mask_safe.data)
    expected = np.where(mask, to_host(dataset.acceptance_off.data), 0).sum(axis=0)
    found = to_host(maps["acceptance_off"].data)[0]
    assert_allclose(found[mask.any(axis=0)], expected[mask.any(axis=0)])
    ratio = to_host((maps["npred_background"] / maps["alpha"]).data)[0]
    assert_allclose(ratio[mask.any(axis=0)] % 1, 0.5, atol=0.5)
    assert 0.15 < np.nanmin(to_host(maps["alpha"].data)) < np.nanmax(to_host(maps["alpha"].data)) < 0.5


def test_both_masks_count_and_bins_without_off_acceptance_do_not(backend):
    dataset = random_dataset(True)
    off, fit = to_host(dataset.acceptance_off.data).copy(), np.ones(dataset.data_shape, dtype=bool)
    off[:, 5, 5], fit[2:, :, 8] = 0, False
    dataset.acceptance_off = Map.from_geom(dataset.geom, data=off)
    dataset.mask_fit = Map.from_geom(dataset.geom, data=fit)
    maps = ExcessMapEstimator("0.01 deg").run(dataset)
    counts = to_host(maps["counts"].data)[0]
    assert np.isnan(counts[5, 5])
    assert counts[3, 8] == to_host(dataset.counts.data)[:2, 3, 8].sum()


def test_a_circle_without_off_counts_has_the_alpha_of_its_acceptances(backend):
    dataset = random_dataset(True)
    dataset.counts_off = dataset.counts_off * 0.0
    maps = ExcessMapEstimator(selection_optional=["alpha"]).run(dataset)
    mask = to_host(dataset.mask_safe.data).any(axis=0)
    alpha, sqrt_ts = (to_host(maps[name].data)[0] for name in ("alpha", "sqrt_ts"))
    assert np.all((alpha[mask] > 1 / 6) & (alpha[mask] < 1 / 2))
    n_on = to_host(maps["counts"].data)[0]
    expected = WStatCountsStatistic(n_on[mask], np.zeros(mask.sum()), alpha[mask]).sqrt_ts
    assert_allclose(sqrt_ts[mask], expected, rtol=1e-6)


# --- laws


def reduced(store, device="cpu", binsz=0.05):
    """Runs on one geometry, with the background template that they were drawn from.

    The template is integrated in narrow steps: in bins as wide as these it would be 2 % too low.
    """
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6)
    geom = WcsGeom.create(skydir=PointSource().position, width=4, binsz=binsz, axes=[energy])
    runs = []
    for observation in DataStore.from_dir(store).get_observations():
        dataset = MapDataset.create(geom, name=f"run-{observation.obs_id}").to(device)
        dataset = MapDatasetMaker(selection=["counts", "background"], background_oversampling=5).run(
            dataset, observation
        )
        runs.append(SafeMaskMaker(methods=["offset-max"], offset_max="2 deg").run(dataset, observation))
    return runs


def stacked(runs):
    total = type(runs[0]).from_geoms(geom=runs[0].counts.geom, name="stacked")
    for run in runs:
        total.stack(run)
    return total


def spread_of_mean_and_width(mask, kernel):
    """Standard deviations of the mean and of the width of unit Gaussians that share pixels as circles do.

    The correlation of two circles is the part of them that overlaps; a mean of n has the variance of the summed
    correlations, a variance twice that of the summed squares.
    """
    overlap = convolve_fft(kernel, kernel, mode="full") / kernel.sum()
    n = mask.sum()
    width = np.sqrt(2 * (overlap**2).sum() / n) / 2
    return np.sqrt(overlap.sum() / n), width


@pytest.mark.parametrize("background", ["template", "ring"])
def test_significances_of_an_empty_field_are_a_unit_gaussian(empty_store, background):
    runs = reduced(empty_store)
    if background == "ring":
        ring = RingBackgroundMaker(r_in="0.4 deg", width="0.3 deg")
        runs = [ring.run(run) for run in runs]
    estimator = ExcessMapEstimator("0.12 deg", correlate_off=False)
    dataset = stacked(runs)
    maps = estimator.run(dataset)
    values, n_bkg = maps["sqrt_ts"].data, maps["npred_background"].data
    # Gaussian where there are counts enough
    mask = np.isfinite(values) & (n_bkg > 3)
    assert mask.sum() > 4000
    mean_spread, width_spread = spread_of_mean_and_width(mask, estimator.kernel(dataset.counts.geom))
    # Poisson numbers are skew: sqrt(ts) = z - z**2 / (6 sqrt(mu)) + ..., with z**2 = 1 in the mean.
    skew = -np.mean(1 / (6 * np.sqrt(n_bkg[mask])))
    assert mean_spread < 0.08
    assert abs(values[mask].mean() - skew) < 3 * mean_spread
    assert abs(values[mask].std() - 1) < 3 * width_spread
    assert np.abs(values[mask]).max() < 5


def injected_counts(store, runs, estimator):
    """Number of events that the simulation marks as the source's, in the circle around it."""
    total = Map.from_geom(runs[0].counts.geom)
    for observation, run in zip(DataStore.from_dir(store).get_observations(), runs, strict=True):
        events = observation.events
        counts = Map.from_geom(run.counts.geom)
        counts.fill_events(events.select_row_subset(np.asarray(events.table["MC_ID"]) == 1))
        total.stack(counts, weights=run.mask_safe)
    kernel = estimator.kernel(total.geom)
    return total.sum_over_axes(keepdims=False).convolve(kernel).data


@pytest.mark.parametrize("background", ["template", "ring"])
def test_the_injected_excess_is_recovered(crab_store, background):
    runs = reduced(crab_store)
    estimator = ExcessMapEstimator("0.15 deg", correlate_off=False, selection_optional=["errn-errp", "ul"])
    injected = injected_counts(crab_store, runs, estimator)
    if background == "ring":
        geom = runs[0].counts.geom
        exclusion = geom.to_image().separation(PointSource().position) > 0.4 * u.deg
        mask = Map.from_geom(geom.to_image(), data=exclusion)
        ring = RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg", exclusion_mask=mask)
        runs = [ring.run(run) for run in runs]
    maps = {name: m.data[0] for name, m in ExcessMapEstimator.run(estimator, stacked(runs)).items()}
    y, x = (int(i) for i in np.unravel_index(np.nanargmax(maps["sqrt_ts"]), maps["sqrt_ts"].shape))
    lon, lat = runs[0].counts.geom.to_image().pix_to_coord((x, y))
    found = PointSource().position.separation(type(PointSource().position)(lon, lat))
    assert found < 0.08 * u.deg
    # what is left are the fluctuations of the background, as large as its errors
    spread = np.sqrt(maps["npred_background"][y, x])
    assert injected[y, x] > 500
    assert abs(maps["npred_excess"][y, x] - injected[y, x]) < 3 * spread
    assert maps["npred_excess"][y, x] - 3 * maps["npred_excess_errn"][y, x] < injected[y, x]
    assert maps["npred_excess_ul"][y, x] > maps["npred_excess"][y, x]


# --- bad input


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"correlation_radius": "0 deg"}, "correlation_radius must be one positive angle"),
        ({"correlation_radius": [1, 2] * u.deg}, "correlation_radius must be one positive angle"),
        ({"n_sigma": 0}, "n_sigma must be positive"),
        ({"n_sigma_ul": -1}, "n_sigma_ul must be positive"),
        ({"n_sigma_sensitivity": 0}, "n_sigma_sensitivity must be positive"),
        ({"selection_optional": ["flux"]}, "must be 'all' or a list out of .*'ul'"),
        ({"selection_optional": "ul"}, "must be 'all' or a list out of"),
    ],
)
def test_wrong_arguments_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        ExcessMapEstimator(**arguments)


def test_datasets_without_what_is_needed_are_refused():
    estimator, dataset = ExcessMapEstimator(), random_dataset(False)
    with pytest.raises(TypeError, match="needs a MapDataset or MapDatasetOnOff, got a WcsNDMap"):
        estimator.run(dataset.counts)
    with pytest.raises(GeometryError, match=r"is 41 pixels wide, but the map has 20 x 15"):
        ExcessMapEstimator("1.2 deg").run(dataset)
    with pytest.raises(ValueError, match="no bin of axis 'energy'"):
        ExcessMapEstimator(energy_edges=[30, 40] * u.TeV).run(dataset)
    with pytest.raises(ValueError, match=r"\['alpha'\] are maps of datasets with OFF counts"):
        ExcessMapEstimator(selection_optional=["alpha"]).run(dataset)
    dataset.background = None
    with pytest.raises(ValueError, match="'test' has no background, so no background is known"):
        estimator.run(dataset)
    dataset.counts = None
    with pytest.raises(ValueError, match="'test' has no counts"):
        estimator.run(dataset)
    on_off = random_dataset(True)
    on_off.counts_off = None
    with pytest.raises(ValueError, match="has no counts_off"):
        estimator.run(on_off)
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    spectrum = SpectrumDataset.create(RegionGeom.create("icrs;circle(83.63, 22.01, 0.2)", axes=[energy]), name="s")
    with pytest.raises(TypeError, match="'s' has one region and no pixels"):
        estimator.run(spectrum)


@pytest.mark.slow
def test_all_selects_what_the_dataset_has(backend):
    estimator = ExcessMapEstimator(selection_optional="all")
    assert "alpha" in estimator.run(random_dataset(True))
    assert "alpha" not in estimator.run(random_dataset(False))
    assert "correlation_radius" in str(estimator)
