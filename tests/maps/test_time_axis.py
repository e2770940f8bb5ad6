import pickle
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time
from numpy.testing import assert_allclose

from lightpool.errors import FormatError
from lightpool.maps import MapAxis, TimeMapAxis
from lightpool.maps.axes.time_reference import time_ref_from_dict, time_ref_to_dict

START = Time("2020-03-19T00:00:00")


@pytest.fixture
def axis():
    return TimeMapAxis([0, 2, 5] * u.h, [1, 4, 6] * u.h, START)


def test_intervals_count_from_the_reference_time(axis):
    assert axis.nbin == 3
    assert axis.unit == "h"
    assert_allclose(axis.center.to_value("h"), [0.5, 3, 5.5])
    assert_allclose(axis.bin_width.to_value("h"), [1, 2, 1])
    assert axis.time_min[1].iso == "2020-03-19 02:00:00.000"
    assert axis.time_mid[1].iso == "2020-03-19 03:00:00.000"
    assert [t.iso for t in axis.time_bounds] == ["2020-03-19 00:00:00.000", "2020-03-19 06:00:00.000"]
    assert [(b - a).to_value("h") for a, b in axis.iter_by_edges] == [1, 2, 1]


def test_gaps_have_no_edges(axis):
    assert not axis.is_contiguous
    with pytest.raises(ValueError, match="has gaps"):
        _ = axis.edges
    closed = axis.to_contiguous()
    assert closed.is_contiguous
    assert_allclose(closed.edges.to_value("h"), [0, 1, 2, 4, 5, 6])


def test_an_interval_holds_its_start_but_not_its_end(axis):
    times = START + [-1, 0, 0.5, 1, 1.5, 2, 3, 4, 6, 7] * u.h
    assert axis.coord_to_idx(times).tolist() == [-1, 0, 0, -1, -1, 1, 1, -1, -1, -1]
    pix = [np.nan, -0.5, 0, np.nan, np.nan, 0.5, 1, np.nan, np.nan, np.nan]
    assert_allclose(axis.coord_to_pix(times), pix, atol=1e-14)
    assert axis.coord_to_idx(3 * u.h) == 1
    assert axis.coord_to_idx(times[2]) == 0
    assert axis.coord_to_idx(times[:4].reshape((2, 2))).shape == (2, 2)


def test_pixels_to_times_is_the_inverse(axis):
    times = axis.pix_to_coord([0.0, 0.5, 1.25, 2.0])
    assert_allclose(axis.coord_to_pix(times[[0, 2, 3]]), [0, 1.25, 2], atol=1e-12)
    assert axis.pix_to_coord(1).iso == "2020-03-19 03:00:00.000"
    outside = axis.pix_to_coord([-1.0, 0.0, 2.6])
    assert outside.mask.tolist() == [True, False, True]


def test_equal_intervals_between_two_times():
    axis = TimeMapAxis.from_time_bounds(START, START + 1 * u.d, nbin=24, unit="h")
    assert axis.nbin == 24
    assert_allclose(axis.edges.to_value("h"), np.arange(25), atol=1e-10)


def test_axis_of_good_time_intervals():
    gti = SimpleNamespace(
        time_start=START + [0, 2] * u.h, time_stop=START + [1, 3] * u.h, time_ref=Time("2000-01-01", scale="tt")
    )
    axis = TimeMapAxis.from_gti(gti)
    assert axis.reference_time == gti.time_ref
    assert_allclose(axis.bin_width.to_value("h"), [1, 1])
    equal = TimeMapAxis.from_gti_bounds(gti, t_delta=30 * u.min)
    assert equal.nbin == 6
    assert equal.unit == "min"
    with pytest.raises(ValueError, match="less than t_delta"):
        TimeMapAxis.from_gti_bounds(gti, t_delta=1 * u.d)


def test_other_axes_from_intervals(axis):
    assert_allclose(axis.slice(slice(1, 3)).edges_min.to_value("h"), [2, 5])
    assert axis.squash().nbin == 1
    assert_allclose(axis.squash().bin_width.to_value("h"), [6])
    assert axis.rename("run").name == "run"
    for change in (axis.upsample, axis.downsample):
        with pytest.raises(TypeError, match="time intervals"):
            change(2)
    with pytest.raises(TypeError, match="alignment is not defined"):
        axis.is_aligned(axis)


def test_equality_is_to_a_microsecond(axis):
    shifted = TimeMapAxis([-1, 1, 4] * u.h, [0, 3, 5] * u.h, START + 1 * u.h)
    assert axis == shifted == axis.copy() == pickle.loads(pickle.dumps(axis))
    assert hash(axis) == hash(shifted)
    assert axis != axis.copy(reference_time=START + 10 * u.us)
    assert axis != axis.slice(slice(0, 2))
    assert axis != MapAxis([1, 2], name="time")


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [
        ([0] * u.m, [1] * u.h, "edges_min .* must be times"),
        ([0] * u.h, [1] * u.m, "edges_max .* must be times"),
        ([0, 1] * u.h, [1] * u.h, "as many starts as ends"),
        ([1] * u.h, [0] * u.h, "end before they begin"),
        ([2, 0] * u.h, [3, 1] * u.h, "sorted"),
        ([0, 1] * u.h, [2, 3] * u.h, "overlap"),
    ],
)
def test_intervals_that_make_no_axis(start, stop, message):
    with pytest.raises(ValueError, match=message):
        TimeMapAxis(start, stop, START)


def test_a_time_axis_is_always_linear(axis):
    with pytest.raises(ValueError, match="only interp='lin'"):
        axis.copy(interp="log")


def test_groups_of_intervals(axis):
    table = axis.group_table([START, START + 5 * u.h, 1 * u.d, 2 * u.d])
    assert table["idx_min"].tolist() == [0, -1]
    assert table["idx_max"].tolist() == [1, -1]
    assert [kind.strip() for kind in table["bin_type"]] == ["normal", "underflow"]
    with pytest.raises(ValueError, match="pairs of a start and an end"):
        axis.group_table([START])


def test_a_time_axis_is_read_from_the_columns_of_a_table(axis):
    assert axis.to_table().colnames == ["START", "STOP"]
    header = axis.to_header(idx=1)
    assert header["AXCOLS1"] == "TIME_MIN,TIME_MAX"
    table = Table({"TIME_MIN": axis.edges_min, "TIME_MAX": axis.edges_max}, meta=dict(header))
    assert TimeMapAxis.from_table(table) == axis
    table.meta["AXCOLS1"] = "TIME_MIN"
    with pytest.raises(FormatError, match="needs two"):
        TimeMapAxis.from_table(table)


def test_reference_times_are_kept_to_a_nanosecond():
    time = Time("2020-03-19T01:02:03.123456789", scale="utc")
    keywords = time_ref_to_dict(time)
    assert keywords["TIMESYS"] == "tt"
    assert abs((time_ref_from_dict(keywords) - time).sec) < 1e-9
    assert time_ref_from_dict({"MJDREFI": "51910", "MJDREFF": "7.4e-4"}).scale == "tt"  # some files have text
    with pytest.raises(FormatError, match="keyword 'MJDREFI', 'MJDREFF' is missing"):
        time_ref_from_dict({})
    with pytest.raises(FormatError, match="MJDREFI = 'x', expected a finite number"):
        time_ref_from_dict({"MJDREFI": "x", "MJDREFF": 0})


def test_the_text_of_a_time_axis_follows_its_time_format(axis):
    text = repr(axis)
    assert text.startswith("TimeMapAxis\n-----------\n\n  name           : time      \n  nbins          : 3 ")
    assert "  reference time : 2020-03-19 00:00:00.000\n  scale          : utc       \n" in text
    assert axis.as_plot_labels[0] == "2020-03-19 00:00:00.000 - 2020-03-19 01:00:00.000"
    axis.time_format = "mjd"
    assert axis.as_plot_labels[0].startswith("58927.0 - ")
    with pytest.raises(ValueError, match="'iso' or 'mjd'"):
        axis.time_format = "jd"


def test_intervals_become_good_times_and_good_times_intervals():
    axis = TimeMapAxis([0, 2, 5] * u.h, [1, 4, 6] * u.h, Time("2020-03-19T00:00:00", scale="tt"))
    gti = axis.to_gti()
    assert_allclose(gti.time_sum.to_value("h"), 4)
    assert gti.time_ref == axis.reference_time
    assert TimeMapAxis.from_gti(gti) == axis


def test_times_of_a_light_curve_count_from_its_keywords_in_its_unit():
    start = np.linspace(0, 240, 10)
    table = Table({"time_min": start, "time_max": start + 12})
    table.meta.update(time_ref_to_dict(Time("2006-02-12", scale="tt")) | {"TIMEUNIT": "h"})
    axis = TimeMapAxis.from_table(table, format="lightcurve")
    assert axis.nbin == 10
    assert axis.reference_time.mjd == 53778
    assert axis.time_mid.scale == "tt"
    assert_allclose(axis.time_mid[0].mjd, 53778.25)
    assert_allclose(axis.bin_width.to_value("h"), 12)
    # a unit of the column is converted to that of the keywords
    table["time_min"].unit = table["time_max"].unit = "min"
    assert_allclose(TimeMapAxis.from_table(table, format="lightcurve").bin_width.to_value("min"), 12)


def test_modified_julian_dates_of_a_light_curve_need_no_keywords():
    axis = TimeMapAxis.from_table(Table({"time_min": [58000.0], "time_max": [58000.5]}), format="lightcurve")
    assert_allclose(axis.time_min.mjd, 58000, rtol=0, atol=1e-10)  # Gammapy 2.1 is 37 leap seconds off
    assert_allclose(axis.time_max.mjd, 58000.5, rtol=0, atol=1e-10)
    assert axis.reference_time.scale == "utc"
    assert axis.reference_time.iso.startswith("2001-01-01")


def test_intervals_of_a_fermi_catalogue_share_their_edges():
    table = Table({"Hist_Start": [239557417.0, 242187417.0, 244817417.0] * u.s})
    table.meta.update({"MJDREFI": 51910, "MJDREFF": "7.428703703703703D-4", "TIMESYS": "TT"})
    axis = TimeMapAxis.from_table(table, format="fermi-fgl")
    assert axis.nbin == 2
    assert axis.is_contiguous
    assert_allclose(axis.time_min[0].mjd, 51910 + 7.428703703703703e-4 + 239557417 / 86400, rtol=1e-12)
    with pytest.raises(ValueError, match="lightcurve"):
        TimeMapAxis.from_table(table, format="unknown")
