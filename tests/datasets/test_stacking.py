import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpool.arrays import to_host, use_device
from lightpool.data import GTI
from lightpool.datasets import FoVBackgroundModel, MapDataset
from lightpool.datasets.merged_tables import DeferredRow, merge_gtis, merge_meta_tables, table_of_row
from lightpool.errors import GeometryError
from lightpool.maps import Map, MapAxis, WcsGeom


def host(data):
    return to_host(data.data)


def stack_of(geom, datasets):
    stacked = MapDataset.create(geom, name="stacked", binsz_irf=0.4)
    for dataset in datasets:
        stacked.stack(dataset)
    return stacked


def test_a_stack_holds_the_sums_inside_the_safe_masks(make_dataset, geom):
    parts = [make_dataset(1), make_dataset(2)]
    stacked = stack_of(geom, parts)
    for name in ("counts", "background"):
        expected = sum(host(part.maps[name]) * host(part.mask_safe) for part in parts)
        np.testing.assert_allclose(host(stacked.maps[name]), expected, rtol=1e-14)
    exposure = sum(host(part.exposure) * host(part.mask_safe).any(axis=0) for part in parts)
    np.testing.assert_allclose(host(stacked.exposure), exposure, rtol=1e-14)
    np.testing.assert_array_equal(host(stacked.mask_safe), host(parts[0].mask_safe) | host(parts[1].mask_safe))
    assert stacked.exposure.meta["livetime"] == 2003 * u.s
    assert stacked.gti.time_sum.to_value("s") == pytest.approx(1800)
    assert stacked.meta_table["OBS_ID"].tolist() == [[1, 2]]
    assert stacked.mask_fit is None


def test_the_parts_are_left_as_they_were(make_dataset, geom):
    part = make_dataset(1)
    before = {name: host(part.maps[name]).copy() for name in ("counts", "background", "exposure", "mask_safe")}
    stack_of(geom, [part, part])
    for name, data in before.items():
        np.testing.assert_array_equal(host(part.maps[name]), data)
    assert part.exposure.meta["livetime"] == 1001 * u.s
    assert len(part.gti) == 1
    assert part.meta_table["OBS_ID"].tolist() == [[1]]


@settings(max_examples=6, deadline=None)
@given(order=st.permutations([1, 2, 3, 4]), n_first=st.integers(1, 3))
def test_a_stack_does_not_depend_on_the_order_nor_on_partial_stacks(fill_dataset, order, n_first):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    geom = WcsGeom.create(skydir=(83.63, 22.01), npix=(4, 3), binsz=0.2, axes=[axis])
    parts = [fill_dataset(MapDataset.create(geom, binsz_irf=0.4), seed) for seed in order]
    total = stack_of(geom, sorted(parts, key=lambda part: part.meta_table["OBS_ID"][0][0]))
    merged = stack_of(geom, [stack_of(geom, parts[:n_first]), stack_of(geom, parts[n_first:])])
    np.testing.assert_array_equal(host(merged.counts), host(total.counts))
    np.testing.assert_array_equal(host(merged.mask_safe), host(total.mask_safe))
    for name in ("background", "exposure"):
        np.testing.assert_allclose(host(merged.maps[name]), host(total.maps[name]), rtol=1e-12)
    np.testing.assert_allclose(host(merged.psf.exposure_map), host(total.psf.exposure_map), rtol=1e-12)
    np.testing.assert_allclose(host(merged.psf.psf_map), host(total.psf.psf_map), rtol=1e-9, atol=1e-12)
    assert merged.exposure.meta["livetime"].value == pytest.approx(4010)
    assert merged.gti.time_sum.to_value("s") == pytest.approx(total.gti.time_sum.to_value("s"))
    assert sorted(np.ravel(merged.meta_table["OBS_ID"])) == [1, 2, 3, 4]


def test_a_cutout_is_added_in_its_window_only(make_dataset, geom):
    whole = make_dataset(1)
    cutout = whole.cutout(SkyCoord(83.2, 22.3, unit="deg"), "0.8 deg")
    stacked = stack_of(geom, [cutout])
    n_y, n_x = cutout.data_shape[-2:]
    assert (n_y, n_x) != whole.data_shape[-2:]
    assert host(stacked.counts).sum() == (host(cutout.counts) * host(cutout.mask_safe)).sum()
    assert host(stacked.mask_safe).sum() == host(cutout.mask_safe).sum()
    filled = np.argwhere(host(stacked.mask_safe).any(axis=0))
    assert (np.ptp(filled, axis=0) < (n_y, n_x)).all()
    nonzero = host(stacked.exposure) > 0
    np.testing.assert_array_equal(host(stacked.exposure)[nonzero], (host(whole.exposure))[nonzero])


def test_the_background_is_added_with_its_model(make_dataset, geom):
    part = make_dataset(1, "part")
    part.models = FoVBackgroundModel("part")
    part.background_model.spectral_model.norm.value = 1.4
    stacked = stack_of(geom, [part])
    np.testing.assert_allclose(host(stacked.background), 1.4 * host(part.background) * host(part.mask_safe), rtol=1e-14)


def test_a_model_of_the_stack_itself_is_applied_once_and_forgotten(make_dataset):
    dataset, other = make_dataset(1, "a"), make_dataset(2, "b")
    dataset.models = FoVBackgroundModel("a")
    dataset.background_model.spectral_model.norm.value = 2.0
    expected = 2.0 * host(dataset.background) + host(other.background) * host(other.mask_safe)
    dataset.stack(other)
    np.testing.assert_allclose(host(dataset.background), expected, rtol=1e-14)
    np.testing.assert_allclose(host(dataset.npred_background()), expected, rtol=1e-14)
    assert dataset.background_model is None


def test_bins_that_are_not_finite_count_as_zero(make_dataset, geom):
    part = make_dataset(1)
    background = host(part.background).copy()
    background[0, 0, 0] = np.nan
    part.background = Map.from_geom(geom, data=background)
    part.mask_safe = Map.from_geom(geom, data=np.ones(part.data_shape, dtype=bool))
    assert host(stack_of(geom, [part]).background)[0, 0, 0] == 0.0
    stacked = MapDataset.create(geom, binsz_irf=0.4)
    stacked.stack(part, nan_to_num=False)
    assert np.isnan(host(stacked.background)[0, 0, 0])


def test_an_observation_without_safe_bins_adds_no_livetime(make_dataset, geom):
    part = make_dataset(1)
    part.mask_safe = Map.from_geom(geom, dtype=bool)
    stacked = stack_of(geom, [part])
    assert "livetime" not in stacked.exposure.meta
    assert stacked.info_dict()["counts"] == 0


def test_an_observation_without_mask_is_added_whole(make_dataset, geom):
    part = make_dataset(1)
    part.mask_safe = None
    stacked = stack_of(geom, [part])
    np.testing.assert_array_equal(host(stacked.counts), host(part.counts))
    assert stacked.exposure.meta["livetime"] == 1001 * u.s


def test_fit_masks_are_joined_by_or_also_from_a_cutout(make_dataset, geom):
    whole = make_dataset(1)
    whole.mask_fit = geom.energy_mask(energy_min=2 * u.TeV)
    cutout = whole.cutout(SkyCoord(83.2, 22.3, unit="deg"), "0.8 deg")
    stacked = stack_of(geom, [cutout])
    assert stacked.mask_fit.geom == stacked.counts.geom
    assert host(stacked.mask_fit).sum() == host(cutout.mask_fit).sum()
    stacked.stack(whole)
    np.testing.assert_array_equal(host(stacked.mask_fit), host(whole.mask_fit))


def test_masking_a_dataset_is_stacking_it_on_nothing(make_dataset):
    dataset = make_dataset(1, "a")
    masked = dataset.to_masked(name="b")
    np.testing.assert_array_equal(host(masked.counts), host(dataset.counts) * host(dataset.mask_safe))
    assert masked.name == "b"
    assert masked.device == dataset.device
    assert masked.info_dict()["counts"] == dataset.info_dict()["counts"]


def test_a_dataset_is_masked_where_it_lives(make_dataset):
    dataset = make_dataset(1)
    with use_device("cpu"):
        assert dataset.to_masked().device == dataset.device


def test_pixels_that_do_not_fit_are_refused(make_dataset):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    other = WcsGeom.create(skydir=(83.63, 22.01), npix=(12, 10), binsz=0.3, axes=[axis])
    with pytest.raises(GeometryError, match="stack"):
        make_dataset(1).stack(MapDataset.create(other))


def test_good_times_of_a_stack_are_a_union():
    def gti(start, stop):
        return GTI.create([start] * u.s, [stop] * u.s, reference_time="2010-01-01")

    union = merge_gtis([gti(0, 100), gti(50, 200), gti(500, 600)])
    assert len(union) == 2
    assert union.time_sum.to_value("s") == pytest.approx(300)


def test_tables_of_observations_keep_the_columns_that_all_have():
    first = Table({"OBS_ID": [[1]], "RA_PNT": [[83.0]]})
    second = Table({"OBS_ID": [[2, 3]], "ALT_PNT": [[60.0, 61.0]]})
    merged = merge_meta_tables([first, second])
    assert merged.colnames == ["OBS_ID"]
    assert merged["OBS_ID"].tolist() == [[1, 2, 3]]


def test_rows_are_merged_as_the_tables_that_they_become():
    rows = [
        {"TELESCOP": "HESS", "OBS_ID": 1, "OBS_MODE": "POINTING", "RA_PNT": 83.0, "DEC_PNT": 22.5},
        {"TELESCOP": "MAGIC", "OBS_ID": 20, "OBS_MODE": "DRIFT", "AZ_PNT": 1.0, "ALT_PNT": 60.5},
        {"TELESCOP": "Unknown", "OBS_ID": 3, "OBS_MODE": "POINTING", "RA_PNT": 80.0, "DEC_PNT": 22.0},
    ]
    for some in (rows, rows[::2], rows[1:]):
        merged = merge_meta_tables([DeferredRow(row) for row in some])
        expected = merge_meta_tables([table_of_row(row) for row in some])
        assert merged.colnames == expected.colnames
        for name in expected.colnames:
            assert merged[name].dtype == expected[name].dtype
            assert merged[name].unit == expected[name].unit
            assert merged[name].tolist() == expected[name].tolist()
    assert DeferredRow(rows[0]).create()["RA_PNT"].unit == "deg"
