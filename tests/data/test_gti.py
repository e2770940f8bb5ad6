import copy
import re

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_stores import gti_hdu, write
from numpy.testing import assert_allclose

from lightpool.data import GTI
from lightpool.errors import FormatError

REFERENCE = Time("2010-01-01T00:00:00", scale="tt")


def gti_of(start, stop, reference=REFERENCE):
    return GTI.create(start * u.s, stop * u.s, reference)


def seconds(gti):
    return gti.met_start.to_value("s"), gti.met_stop.to_value("s")


@pytest.fixture
def gti():
    return gti_of([0, 100, 350, 90, 400], [50, 200, 400, 120, 500])


def test_the_text_is_that_of_gammapy(gti):
    # Printed by Gammapy 2.1 for the same intervals, but for the digits that only rounding fills.
    rounded = re.sub(r"[0-9]+\.[0-9]{6,}", lambda match: f"{float(match[0]):.1f}", str(gti))
    assert rounded == (
        "GTI info:\n- Number of GTIs: 5\n- Duration: 330.0 s\n- Start: 0.0 s MET\n"
        "- Start: 2010-01-01T00:00:00.000 (time standard: TT)\n- Stop: 500.0 s MET\n"
        "- Stop: 2010-01-01T00:08:20.000 (time standard: TT)\n"
    )


def test_union_merges_what_overlaps_or_touches(gti):
    start, stop = seconds(gti.union())
    assert_allclose(start, [0, 90, 350], atol=1e-9)
    assert_allclose(stop, [50, 200, 500], atol=1e-9)


def test_union_can_leave_what_only_touches(gti):
    start, stop = seconds(gti.union(merge_equal=False))
    assert_allclose(start, [0, 90, 350, 400], atol=1e-9)
    assert_allclose(stop, [50, 200, 400, 500], atol=1e-9)


def test_union_can_refuse_overlaps(gti):
    assert gti.is_overlapping
    with pytest.raises(ValueError, match="20 s are in more than one of the 5 GTIs"):
        gti.union(overlap_ok=False)
    touching = gti_of([0, 10], [10, 20])
    assert not touching.is_overlapping
    assert len(touching.union(overlap_ok=False)) == 1


def test_select_time_crops_at_both_ends(gti):
    start, stop = seconds(gti.select_time(REFERENCE + [40, 360] * u.s))
    assert_allclose(start, [40, 100, 350, 90], atol=1e-9)
    assert_allclose(stop, [50, 200, 360, 120], atol=1e-9)


def test_an_interval_cut_out_of_the_middle_leaves_two():
    one = gti_of([0], [100])
    for cut in (one.delete_interval(REFERENCE + [20, 40] * u.s), one.select_time(REFERENCE + [20, 40] * u.s, True)):
        start, stop = seconds(cut)
        assert_allclose(start, [0, 40], atol=1e-9)
        assert_allclose(stop, [20, 100], atol=1e-9)


def test_what_is_kept_and_what_is_cut_add_up(gti):
    interval = REFERENCE + [40, 360] * u.s
    kept, cut = gti.select_time(interval), gti.delete_interval(interval)
    assert kept.duration_s + cut.duration_s == pytest.approx(gti.duration_s, abs=1e-9)


def test_intersection_is_what_is_good_in_both(gti):
    other = gti_of([10, 380], [95, 390])
    start, stop = seconds(gti.intersect(other))
    assert_allclose(start, [10, 90, 380], atol=1e-9)
    assert_allclose(stop, [50, 95, 390], atol=1e-9)
    assert len(gti.intersect(gti_of([60], [70]))) == 0


INTERVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=6)


@settings(max_examples=50, deadline=None)
@given(INTERVALS, INTERVALS)
def test_sets_of_intervals_obey_the_laws_of_sets(a, b):
    def members(gti):
        start, stop = gti._seconds()
        grid = np.arange(60) + 0.5
        return ((start[:, np.newaxis] <= grid) & (grid < stop[:, np.newaxis])).any(axis=0)

    first, second = (GTI.from_seconds([x for x, _ in pairs], [x + n for x, n in pairs]) for pairs in (a, b))
    both = GTI.from_stack([first, second])
    np.testing.assert_array_equal(members(both.union()), members(first) | members(second))
    np.testing.assert_array_equal(members(first.intersect(second)), members(first) & members(second))
    assert both.union().duration_s == members(both).sum()
    assert not first.union().is_overlapping
    assert first.is_overlapping == (first.duration_s > first.union().duration_s + 1e-9)


def test_stacking_converts_to_the_first_reference():
    first, second = gti_of([0], [10]), gti_of([0], [10], Time("2010-01-01T00:01:00", scale="tt"))
    first.stack(second)
    start, stop = seconds(first)
    assert_allclose(start, [0, 60], atol=1e-6)
    assert_allclose(stop, [10, 70], atol=1e-6)
    assert first.time_ref == REFERENCE


@pytest.mark.parametrize("scale", ["utc", "tai", "tdb"])
def test_stacking_knows_time_scales(scale):
    other_reference = getattr(REFERENCE, scale)
    other = gti_of([0], [10], other_reference)
    gti = GTI.from_stack([gti_of([0], [10]), other])
    assert abs((gti.time_start[1] - REFERENCE).to_value("s")) < 1e-6
    assert gti.time_sum.to_value("s") == pytest.approx(20, abs=1e-6)


def test_a_leap_second_counts():
    before = Time("2016-12-31T23:59:50", scale="utc")
    gti = GTI.create(before, Time("2017-01-01T00:00:10", scale="utc"), before)
    assert gti.time_sum.to_value("s") == pytest.approx(21, abs=1e-6)
    assert gti.duration_s == pytest.approx(21, abs=1e-6)


def test_a_changed_table_is_what_counts():
    gti = gti_of([0], [10])
    gti.table["STOP"][0] = REFERENCE + 20 * u.s
    assert gti.time_sum.to_value("s") == pytest.approx(20)
    assert gti.duration_s == pytest.approx(20)
    assert len(gti.union()) == 1


def test_a_copy_is_independent():
    gti = gti_of([0], [10])
    copy = gti.copy()
    copy.stack(gti)
    assert len(gti) == 1
    assert len(copy) == 2


@pytest.mark.parametrize("name", ["gti.fits", "gti.fits.gz"])
def test_a_file_gives_the_same_intervals(gti, tmp_path, name):
    gti.write(tmp_path / name)
    back = GTI.read(tmp_path / name)
    np.testing.assert_array_equal(back._seconds(), gti._seconds())
    assert back.reference == gti.reference
    assert GTI.from_table_hdu(gti.to_table_hdu()).duration_s == gti.duration_s


@pytest.mark.parametrize(
    ("unit", "timeunit", "factor"), [("s", "s", 1), (None, "s", 1), (None, "d", 86400), ("min", "s", 60)]
)
def test_the_unit_of_the_column_counts_and_else_timeunit(tmp_path, unit, timeunit, factor):
    path = write(tmp_path / "a.fits", gti_hdu([0], [10], unit, TIMEUNIT=timeunit))
    assert GTI.read(path).duration_s == 10 * factor


def test_a_missing_timeunit_is_seconds(tmp_path):
    hdu = gti_hdu([0], [10], None)
    del hdu.header["TIMEUNIT"]
    assert GTI.read(write(tmp_path / "a.fits", hdu)).duration_s == 10


@pytest.mark.parametrize("scale", ["TT", "tt", "UTC", "TDB"])
def test_times_are_in_the_scale_of_the_file(tmp_path, scale):
    gti = GTI.read(write(tmp_path / "a.fits", gti_hdu(TIMESYS=scale)))
    assert gti.time_start.scale == scale.lower()
    expected = Time(51910, 0.000742870370370241, format="mjd", scale=scale.lower()) + 1.0e8 * u.s
    assert abs((gti.time_start[0] - expected).to_value("s")) < 1e-9


@pytest.mark.parametrize(
    ("hdu", "message"),
    [
        (gti_hdu([10], [0]), r"interval 0 starts at 10\.0 s and stops at 0\.0 s"),
        (gti_hdu([np.nan], [0]), "is not finite"),
        (gti_hdu(unit="TeV"), "column 'START': unit 'TeV' is not a unit of time"),
        (gti_hdu(TIMESYS="LOCAL"), "TIMESYS = 'LOCAL', expected one of tt"),
        (gti_hdu(MJDREFI="here"), "MJDREFI = 'here'"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, hdu, message):
    with pytest.raises(FormatError, match=message):
        GTI.read(write(tmp_path / "a.fits", hdu))


def test_a_missing_reference_is_refused(tmp_path):
    hdu = gti_hdu()
    del hdu.header["MJDREFF"]
    with pytest.raises(FormatError, match="keyword 'MJDREFF' is missing"):
        GTI.read(write(tmp_path / "a.fits", hdu))


def test_a_reference_written_as_text_is_read(tmp_path):
    gti = GTI.read(write(tmp_path / "a.fits", gti_hdu(MJDREFI="51910", MJDREFF="0.5")))
    assert gti.reference.fraction == 0.5


def test_overlapping_intervals_in_a_file_are_told(tmp_path, caplog):
    gti = GTI.read(write(tmp_path / "a.fits", gti_hdu([0, 5], [10, 20])))
    assert "the intervals overlap, 5 s count more than once" in caplog.text
    assert gti.duration_s == 25


def test_no_interval_is_allowed():
    gti = GTI.create([] * u.s, [] * u.s)
    assert len(gti) == len(gti.table) == 0
    assert gti.time_sum == 0 * u.s
    assert "Number of GTIs: 0" in str(gti)
    assert len(gti.union()) == 0
    gti.stack(gti_of([0], [10]))
    assert gti.duration_s == 10


def test_a_table_must_hold_times():
    with pytest.raises(TypeError, match="expected astropy Time"):
        GTI(Table({"START": [1.0], "STOP": [2.0]}))
    with pytest.raises(FormatError, match="expected START and STOP"):
        GTI(Table({"START": [1.0]}))
    with pytest.raises(TypeError, match="made from an astropy Table"):
        GTI([1, 2])


def test_time_intervals_go_both_ways(gti):
    back = GTI.from_time_intervals(gti.time_intervals, REFERENCE)
    assert_allclose(back._seconds(), gti._seconds(), atol=1e-9)


def test_group_table_tells_where_each_interval_lies():
    gti = gti_of([0, 100, 300, 600], [50, 200, 400, 700])
    table = gti.group_table([REFERENCE + [50, 210] * u.s, REFERENCE + [300, 500] * u.s])
    assert table["group_idx"].tolist() == [-1, 0, 1, -1]
    assert [str(x) for x in table["bin_type"]] == ["underflow", "", "", "overflow"]


def test_instants_follow_the_intervals_and_are_independent():
    gti = GTI.from_seconds([0.0, 100.0], [50.0, 200.0])
    assert gti.instant(0.5) is not gti.instant(0.5)
    first = gti.instant(0.5)
    first.format = "iso"
    assert gti.instant(0.5).format != "iso"
    shared = copy.copy(gti)
    assert abs((shared.instant(1) - gti.time_ref).sec - 200) < 1e-9
    gti.stack(GTI.from_seconds([300.0], [400.0]))
    assert abs((gti.instant(1) - gti.time_ref).sec - 400) < 1e-9
    assert abs((gti.instant(0.5) - gti.time_ref).sec - 200) < 1e-9
    assert abs((shared.instant(1) - gti.time_ref).sec - 200) < 1e-9


def test_derived_intervals_keep_scale_and_format_of_their_times():
    hours = [f"2020-01-01 0{hour}:00:00.000" for hour in (1, 3, 5)]
    gti = GTI.create(Time(hours), Time(hours) + 45 * u.min)
    derived = {
        "delete": gti.delete_interval(Time(["2020-01-01 03:20:00", "2020-01-01 05:20:00"])),
        "select": gti.select_time(Time(["2020-01-01 03:20:00", "2020-01-01 05:20:00"])),
        "union": gti.union(),
        "copy": gti.copy(),
    }
    for name, other in derived.items():
        assert {other.table["START"].scale, other.table["STOP"].scale} == {"utc"}, name
        assert other.table["START"].format == gti.table["START"].format
    assert derived["delete"].time_start.iso[2] == "2020-01-01 05:20:00.000"
    assert derived["select"].time_sum.to_value("min") == pytest.approx(45)
    empty = gti.select_time(Time(["2021-01-01", "2021-01-02"]))
    assert len(empty) == 0
    assert len(empty.union()) == 0
