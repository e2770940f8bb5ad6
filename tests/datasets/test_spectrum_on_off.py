from itertools import permutations

import astropy.units as u
import numpy as np
import pytest

from lightpool.arrays import to_host
from lightpool.datasets import Datasets, MapDataset, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.datasets.on_off import OnOffDataset
from lightpool.maps import Map, MapAxis, RegionGeom

OFF_MAPS = ("counts", "counts_off", "acceptance", "acceptance_off")

ONE = """SpectrumDatasetOnOff
--------------------

  Name                            : one

  Total counts                    : 14
  Total background counts         : 3.20
  Total excess counts             : 10.80

  Predicted counts                : 5.00
  Predicted background counts     : 5.00
  Predicted excess counts         : nan

  Exposure min                    : 1.00e+08 m2 s
  Exposure max                    : 6.00e+08 m2 s

  Number of total bins            : 4
  Number of fit bins              : 3

  Fit statistic type              : wstat
  Fit statistic value (-2 log(L)) : 18.63

  Number of models                : 0
  Number of parameters            : 0
  Number of free parameters       : 0

  Total counts_off                : 16
  Acceptance                      : 3
  Acceptance off                  : 15
"""


def values(data):
    return to_host(data.data).ravel().astype(float)


def without_off(dataset):
    """What a maker gives where no OFF region was found, see `ReflectedRegionsBackgroundMaker`."""
    dataset.counts_off = None
    dataset.acceptance_off = dataset.acceptance_off * 0.0
    dataset.mask_safe = Map.from_geom(dataset.mask_safe.geom, dtype=bool)
    return dataset


# --- one dataset


def test_a_dataset_prints_as_in_gammapy(one):
    assert str(one) == ONE


def test_the_figures_are_those_of_gammapy(one):
    info = one.info_dict()
    # Gammapy 2.1, same dataset
    expected = {
        "name": "one",
        "counts": 14,
        "excess": 10.8,
        "sqrt_ts": 3.814204556255864,
        "background": 3.2,
        "npred": 5.0,
        "npred_background": 5.0,
        "npred_signal": np.nan,
        "exposure_min": 1e8 * u.Unit("m2 s"),
        "exposure_max": 6e8 * u.Unit("m2 s"),
        "livetime": 1000 * u.s,
        "ontime": 900 * u.s,
        "counts_rate": 0.014 / u.s,
        "background_rate": 0.0032 / u.s,
        "excess_rate": 0.0108 / u.s,
        "n_bins": 4,
        "n_fit_bins": 3,
        "stat_type": "wstat",
        "stat_sum": 18.630067050401923,
        "counts_off": 16,
        "acceptance": 3.0,
        "acceptance_off": 15.0,
        "alpha": 0.2,
    }
    assert list(info) == list(expected)
    for key, value in expected.items():
        if isinstance(value, str):
            assert info[key] == value
        else:
            np.testing.assert_allclose(u.Quantity(info[key]).value, u.Quantity(value).value, rtol=1e-12, err_msg=key)
            assert u.Quantity(info[key]).unit == u.Quantity(value).unit
    assert one.info_dict(in_safe_data_range=False)["excess"] == pytest.approx(10.2)


def test_predictions_and_statistic_per_bin_are_those_of_gammapy(one):
    # Gammapy 2.1, same dataset
    np.testing.assert_allclose(values(one.alpha), 0.2)
    np.testing.assert_allclose(values(one.background), [2.4, 0.8, 0.0, 0.6])
    np.testing.assert_allclose(values(one.excess), [4.6, 4.2, 2.0, -0.6])
    np.testing.assert_allclose(values(one.npred_background()), [19 / 6, 1.5, 1 / 3, 0.5])
    np.testing.assert_allclose(values(one.npred_off()), [95 / 6, 7.5, 5 / 3, 2.5])
    stat = [4.452170405609337, 7.010858767880366, 7.16703787691222, 1.093929340763728]
    np.testing.assert_allclose(to_host(one.stat_array()).ravel(), stat, rtol=1e-12)
    assert one.stat_sum() == pytest.approx(sum(stat[:3]), rel=1e-12)
    one.mask_fit = Map.from_geom(one.counts.geom, data=np.array([1, 0, 1, 1], bool).reshape(4, 1, 1))
    assert one.stat_sum() == pytest.approx(stat[0] + stat[2], rel=1e-12)


def test_the_background_of_a_spectrum_lies_on_its_on_region(one):
    off = RegionGeom.create("icrs;circle(83.63, 21.01, 0.2)", axes=one.counts.geom.axes)
    for name in ("counts_off", "acceptance_off"):
        setattr(one, name, Map.from_geom(off, data=getattr(one, name).data, device=one.device))
    background = one.to_spectrum_dataset().background
    assert background.geom.region == one.counts.geom.region != off.region
    np.testing.assert_allclose(values(background), [2.4, 0.8, 0.0, 0.6])


def test_the_significance_per_bin_is_formula_17_of_li_and_ma(one):
    n_on, n_off, alpha = 7.0, 12.0, 0.2
    on = n_on * np.log((1 + alpha) / alpha * n_on / (n_on + n_off))
    formula = np.sqrt(2 * (on + n_off * np.log((1 + alpha) * n_off / (n_on + n_off))))
    assert to_host(one.statistic.per_bin.sqrt_ts).ravel()[0] == pytest.approx(formula, rel=1e-12)


def test_all_maps_move_to_a_device_and_back(one, backend):
    assert one.device == backend.device
    host = one.to("cpu")
    assert host.device.is_host
    assert host.name == "one"
    assert sorted(host.maps) == sorted(one.maps)
    assert str(host) == ONE
    assert one.to(backend.device) is one


def test_off_counts_follow_from_a_known_background(backend):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.2)", axes=[axis])
    spectrum = SpectrumDataset.create(geom, name="known")
    spectrum.background = Map.from_geom(geom, data=np.array([2.0, 1.0]).reshape(2, 1, 1))
    dataset = SpectrumDatasetOnOff.from_spectrum_dataset(spectrum, acceptance=1, acceptance_off=4.0)
    np.testing.assert_allclose(values(dataset.counts_off), [8.0, 4.0])
    np.testing.assert_allclose(values(dataset.alpha), 0.25)
    assert to_host(dataset.acceptance.data).dtype == np.float64
    assert dataset.device == backend.device


def test_an_empty_dataset_has_zeros_and_figures(backend):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    dataset = SpectrumDatasetOnOff.create(RegionGeom.create(None, axes=[axis]), name="empty")
    assert all(not values(getattr(dataset, name)).any() for name in OFF_MAPS)
    assert (dataset.psf, dataset.stat_type) == (None, "wstat")
    info = dataset.info_dict()
    assert (info["counts"], info["counts_off"], info["stat_sum"], info["background"]) == (0, 0, 0.0, 0.0)
    assert np.isnan(info["acceptance_off"])


def test_a_dataset_without_maps_says_so():
    with pytest.raises(ValueError, match="has none of counts, counts_off"):
        _ = SpectrumDatasetOnOff(name="nothing").geom


def test_only_the_w_statistic_is_taken():
    with pytest.raises(ValueError, match="wstat"):
        SpectrumDatasetOnOff(stat_type="cash")


# --- no OFF region


def test_a_run_without_off_region_says_so_and_does_not_crash_later(one, two):
    lost = without_off(one)
    info = lost.info_dict()
    assert np.isnan([info["background"], info["excess"], info["sqrt_ts"], info["alpha"], info["acceptance_off"]]).all()
    assert (info["counts_off"], info["stat_sum"], info["n_fit_bins"]) == (0, 0.0, 0)
    assert (lost.background, lost.excess, lost.npred_background(), lost.npred_off()) == (None, None, None, None)
    assert "Total counts_off                : nan" in str(lost)
    np.testing.assert_array_equal(values(lost.alpha), 0.0)
    np.testing.assert_array_equal(to_host(lost.stat_array()), 0.0)
    for dataset in (lost.copy(), lost.to_image(), lost.slice_by_energy("2 TeV", "9 TeV"), lost.downsample(2, "energy")):
        assert dataset.counts_off is None
    assert lost.to_spectrum_dataset().background is None
    assert list(Datasets([lost, two]).info_table()["counts"]) == [0, 6]


def test_a_run_without_off_region_adds_nothing_to_a_stack(one, two):
    lost = without_off(one)
    for datasets in ([lost, two], [two, lost]):
        stacked = Datasets(datasets).stack_reduce()
        np.testing.assert_allclose(values(stacked.counts), [0, 3, 1, 2])
        np.testing.assert_allclose(values(stacked.acceptance), [0, 1, 1, 1])
        np.testing.assert_allclose(values(stacked.alpha)[1:], 0.5)
        assert stacked.info_dict()["livetime"].value == 2000.0


def test_a_run_without_off_counts_but_with_safe_bins_is_not_stacked(one, two):
    one.counts_off = None
    for first, second in ((one, two), (two, one)):
        with pytest.raises(ValueError, match="'one' has safe bins but lacks counts_off"):
            first.stack(second)


def test_something_else_is_not_stacked(one):
    with pytest.raises(TypeError, match="OFF counts"):
        one.stack(one.to_spectrum_dataset())


# --- stacks


def test_the_stack_is_that_of_gammapy(one, two):
    stacked = Datasets([one, two]).stack_reduce(name="both")
    # Gammapy 2.1, which stacks in float32
    np.testing.assert_array_equal(values(stacked.counts), [7, 8, 3, 2])
    np.testing.assert_array_equal(values(stacked.counts_off), [12, 4, 0, 1])
    np.testing.assert_array_equal(values(stacked.acceptance), [1, 2, 2, 1])
    np.testing.assert_allclose(values(stacked.acceptance_off), [5.0, 10.0, 9.189188957214355, 2.0], rtol=1e-6)
    np.testing.assert_allclose(values(stacked.alpha), [0.2, 0.2, 0.21764706075191498, 0.5], rtol=1e-6)
    info = stacked.info_dict()
    assert info["sqrt_ts"] == pytest.approx(4.951559976749292, rel=1e-6)
    assert info["stat_sum"] == pytest.approx(31.01965363666623, rel=1e-6)
    assert info["acceptance_off"] == pytest.approx(27.567567825317383, rel=1e-6)
    assert (info["counts"], info["counts_off"], info["n_fit_bins"]) == (20, 17, 4)
    assert info["livetime"].value == 3000.0


def test_a_stack_keeps_counts_background_and_acceptance_of_the_safe_bins(one, two):
    stacked = Datasets([one, two]).stack_reduce()
    masks = [values(dataset.mask_safe) for dataset in (one, two)]
    for name in ("counts", "counts_off", "acceptance", "background"):
        parts = [values(getattr(dataset, name)) for dataset in (one, two)]
        np.testing.assert_allclose(
            values(getattr(stacked, name)), parts[0] * masks[0] + parts[1] * masks[1], rtol=1e-14
        )


def test_the_order_of_a_stack_does_not_matter(one, two, make_spectrum):
    three = make_spectrum([1, 1, 4, 2], [0, 3, 0, 9], 0.05, mask=[1, 0, 1, 1], name="three", number=3)
    stacks = [Datasets(list(order)).stack_reduce() for order in permutations([one, two, three])]
    for name in (*OFF_MAPS, "alpha", "background", "exposure", "mask_safe"):
        for stack in stacks[1:]:
            np.testing.assert_allclose(values(getattr(stack, name)), values(getattr(stacks[0], name)), rtol=1e-13)


def test_stacks_of_stacks_are_stacks(one, two, make_spectrum):
    three = make_spectrum([1, 1, 4, 2], [0, 3, 0, 9], 0.05, mask=[1, 0, 1, 1], name="three", number=3)
    at_once = Datasets([one, two, three]).stack_reduce()
    part = Datasets([two, three]).stack_reduce(name="part")
    for growing in (True, False):
        total = one.to_masked()
        if not growing:
            assert part.acceptance_off is not None
        total.stack(part)
        for name in OFF_MAPS:
            np.testing.assert_allclose(values(getattr(total, name)), values(getattr(at_once, name)), rtol=1e-13)


def test_a_look_at_a_growing_stack_does_not_change_it(one, two, make_spectrum):
    three = make_spectrum([1, 1, 4, 2], [0, 3, 0, 9], 0.05, mask=[1, 0, 1, 1], name="three", number=3)
    unseen, seen = one.to_masked(), one.to_masked()
    for dataset in (two, three):
        unseen.stack(dataset)
        seen.stack(dataset)
        assert seen.alpha is not None
        assert np.isfinite(seen.info_dict()["sqrt_ts"])
    for name in OFF_MAPS:
        np.testing.assert_allclose(values(getattr(seen, name)), values(getattr(unseen, name)), rtol=1e-13)


def test_stacking_does_not_change_the_dataset_that_is_added(one, two):
    before = {name: values(getattr(two, name)) for name in OFF_MAPS}
    one.stack(two)
    one.counts_off.data = one.counts_off.data * 0.0
    for name, data in before.items():
        np.testing.assert_array_equal(values(getattr(two, name)), data)


def test_a_map_given_to_a_growing_stack_is_kept(one, two):
    stacked = one.to_masked()
    stacked.stack(two)
    stacked.acceptance_off = stacked.acceptance * 10.0
    np.testing.assert_allclose(values(stacked.alpha), 0.1)
    np.testing.assert_array_equal(values(stacked.counts_off), [12, 4, 0, 1])


def test_without_any_off_counts_a_stack_has_the_summed_acceptance(make_spectrum):
    datasets = [make_spectrum([1, 0, 2, 0], [0, 0, 0, 0], alpha, name=str(alpha)) for alpha in (0.1, 0.25)]
    stacked = Datasets(datasets).stack_reduce()
    np.testing.assert_allclose(values(stacked.acceptance_off), 14.0)
    info = stacked.info_dict()
    assert (info["excess"], info["alpha"]) == pytest.approx((6.0, 1 / 7))
    assert info["sqrt_ts"] == pytest.approx(np.sqrt(2 * 6 * np.log(8)))


# --- other bins


def test_joined_bins_keep_the_background_of_the_safe_ones(one):
    image = one.to_image(name="image")
    assert values(image.counts) == [14.0]
    assert values(image.counts_off) == [16.0]
    np.testing.assert_allclose(values(image.background), 3.2)
    np.testing.assert_allclose(values(image.acceptance), 3.0)
    np.testing.assert_allclose(values(image.acceptance_off), 15.0)
    halves = one.downsample(2, axis_name="energy")
    np.testing.assert_allclose(values(halves.counts_off), [16.0, 0.0])
    np.testing.assert_allclose(values(halves.background), [3.2, 0.0], atol=1e-15)
    np.testing.assert_allclose(values(halves.alpha), 0.2)


def test_a_part_of_the_energies_has_its_off_maps(one):
    part = one.slice_by_idx({"energy": slice(1, 3)}, name="part")
    np.testing.assert_array_equal(values(part.counts_off), [4, 0])
    np.testing.assert_array_equal(values(part.acceptance_off), [5, 5])
    assert part.info_dict()["counts"] == 7


def test_a_known_background_is_alpha_times_the_off_counts(one):
    known = one.to_spectrum_dataset(name="known")
    assert (type(known), known.name, known.psf) == (SpectrumDataset, "known", None)
    np.testing.assert_allclose(values(known.background), values(one.background))
    assert type(one.to_map_dataset()) is MapDataset


# --- maps with pixels share the logic


def test_off_maps_with_pixels_stack_in_the_window_of_a_cutout(make_dataset, geom):
    whole, added = (make_dataset(seed, name=str(seed)) for seed in (1, 2))

    def with_off(dataset, alpha):
        rng = np.random.default_rng(7)
        n_off = Map.from_geom(dataset.geom, data=rng.poisson(3.0, dataset.data_shape).astype(float))
        return OnOffDataset.from_map_dataset(dataset, 1.0, 1 / alpha, counts_off=n_off, name=dataset.name)

    whole, added = with_off(whole, 0.1), with_off(added, 0.3)
    window = added.cutout(geom.center_skydir, "1 deg")
    assert window.counts_off.geom.data_shape == (4, 5, 5)
    before = {name: to_host(getattr(whole, name).data) for name in ("counts_off", "background")}
    whole.stack(window)
    mask = to_host(window.mask_safe.data)
    for name, data in before.items():
        expected = data.copy()
        slices = window.counts.geom.cutout_info["parent-slices"]
        expected[(slice(None), *slices)] += to_host(getattr(window, name).data) * mask
        np.testing.assert_allclose(to_host(getattr(whole, name).data), expected, rtol=1e-12, atol=1e-12)
