"""Times of files that count from something else than MJDREFI + MJDREFF, in other units and other scales."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_stores import HEADER, event_columns, events_hdu, gti_hdu, header_with, write
from numpy.testing import assert_allclose

from lightpool.data import GTI, DataStore, EventList, Observation, ObservationTable
from lightpool.errors import FormatError
from lightpool.fits import read_time_reference, seconds_since_reference
from lightpool.maps import TimeMapAxis

START = Time(51910, 0.000742870370370241, format="mjd", scale="tt") + 1e8 * u.s
NO_REFERENCE = {"MJDREFI": None, "MJDREFF": None}
# Keywords, and how many seconds they move all times.
MOVED = [
    ({"TIMEOFFS": 100.0}, 100),
    ({"TIMEOFFS": -1.5}, -1.5),
    ({"TIMEOFFS": "100"}, 100),
    ({"TIMEZERO": 100.0}, 100),
    ({"TIMEZERI": 99, "TIMEZERF": 1.0}, 100),
    ({"TIMEOFFS": 100.0, "TIMEZERO": 100.0}, 100),
    ({"TIMEOFFS": 1e6}, 1e6),
    ({**NO_REFERENCE, "MJDREF": 51910.000742870370370241}, 0),
    ({**NO_REFERENCE, "JDREF": 2451910.5}, -0.000742870370370241 * 86400),
    ({**NO_REFERENCE, "JDREFI": 2451910, "JDREFF": 0.500742870370370241}, 0),
    ({**NO_REFERENCE, "DATEREF": "2001-01-01T00:01:04.184"}, 0),
    ({"MJDREF": 51910.000742870370370241}, 0),
    ({"TIMESYS": "TDT"}, 0),
    ({"TIMESYS": "ET"}, 0),
    ({"TIMESYS": "TT(TAI)"}, 0),
    ({"TIMESYS": "tt"}, 0),
    ({"TIMESYS": None}, 0),
    ({"TIMESYS": "TAI"}, 32.184),
    ({"TIMESYS": "IAT"}, 32.184),
    ({"TIMESYS": "GPS"}, 51.184),
    ({"TIMESYS": "UTC"}, 64.184),
    ({"TIMESYS": "UTC(NIST)"}, 64.184),
    ({"TIMESYS": "GMT"}, 64.184),
]


def _shift(time):
    return (np.atleast_1d(time)[0].tt - START).to_value("s")


@pytest.mark.parametrize(("changes", "shift"), MOVED)
def test_all_times_of_a_run_move_together(tmp_path, changes, shift):
    header = header_with(**changes)
    good = gti_hdu()
    for key, value in changes.items():
        if value is None:
            del good.header[key]
        else:
            good.header[key] = value
    path = write(tmp_path / "run.fits", events_hdu(header=header), good)
    events, gti, observation = EventList.read(path), GTI.read(path), Observation.read(path)
    info = observation.meta.time_info
    for time in (events.time, events.table["TIME"], gti.time_start, observation.tstart, events.observation_time_start):
        assert _shift(time) == pytest.approx(shift, abs=2e-6)
    assert _shift(info.time_start) == pytest.approx(shift, abs=2e-6)
    assert len(events.select_time(Time([gti.time_start[0], gti.time_stop[0]]))) == 10
    events.write(tmp_path / "again.fits", gti=gti)
    again = EventList.read(tmp_path / "again.fits")
    for time in (again.time, again.observation_time_start, GTI.read(tmp_path / "again.fits").time_start):
        assert _shift(time) == pytest.approx(shift, abs=2e-6)
    store = DataStore.from_events_files([path])
    assert _shift(store.obs_table.time_start) == pytest.approx(shift, abs=2e-6)


@pytest.mark.parametrize(("unit", "seconds"), [("d", 86400), ("h", 3600), ("min", 60), ("a", 365.25 * 86400), ("s", 1)])
def test_times_of_a_file_are_in_its_timeunit(tmp_path, unit, seconds):
    changes = {"TIMEUNIT": unit, "TIMEOFFS": 50 / seconds, "TSTART": 1e8 / seconds, "TSTOP": (1e8 + 100) / seconds}
    columns = event_columns()
    columns["TIME"] = columns["TIME"] / seconds
    good = gti_hdu([1e8 / seconds], [(1e8 + 100) / seconds], None, TIMEUNIT=unit, TIMEOFFS=50 / seconds)
    path = write(tmp_path / "run.fits", events_hdu(columns, {"TIME": None}, header_with(**changes)), good)
    events = EventList.read(path)
    for time in (events.time, events.observation_time_start, GTI.read(path).time_start):
        assert _shift(time) == pytest.approx(50, abs=1e-5)
    assert events.observation_time_duration.to_value("s") == pytest.approx(100, abs=1e-5)
    assert GTI.read(path).duration_s == pytest.approx(100, abs=1e-5)


def test_the_observation_index_has_an_offset_too(tmp_path):
    columns = [fits.Column("OBS_ID", "K", array=[1]), fits.Column("TSTART", "D", array=[1e8 / 86400])]
    header = fits.Header({key: HEADER[key] for key in ("MJDREFI", "MJDREFF", "TIMESYS")})
    header.update({"TIMEOFFS": 1.0, "TIMEUNIT": "d"})
    path = write(tmp_path / "obs.fits", fits.BinTableHDU.from_columns(columns, header=header, name="OBS_INDEX"))
    assert _shift(ObservationTable.read(path).time_start) == pytest.approx(86400, abs=1e-5)


def test_a_time_axis_has_an_offset_too():
    axis = TimeMapAxis([0, 1] * u.h, [1, 2] * u.h, START)
    table = Table({"TIME_MIN": [0, 1] * u.h, "TIME_MAX": [1, 2] * u.h})
    table.meta.update(axis.to_header(idx=1), TIMEOFFS=30.0)
    assert _shift(TimeMapAxis.from_table(table).time_min) == pytest.approx(30, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TIMEOFFS": "soon"}, "TIMEOFFS = 'soon', expected a finite number"),
        ({"TIMEOFFS": True, "TIMEZERO": 7.0}, "give another offset, 7.0 s; keep one of them"),
        ({"TIMEOFFS": 1e30}, "expected a number of days below"),
        ({"TIMEOFFS": 5.0, "TIMEUNIT": "m"}, "unit 'm' is not a unit of time"),
        ({"TIMEUNIT": "fortnights"}, "unit 'fortnights' is not known"),
        ({"TIMESYS": "LOCAL"}, "TIMESYS = 'LOCAL', expected one of tt, utc.*LOCAL is a clock of its own"),
        ({"TIMESYS": "MST"}, "TIMESYS = 'MST', expected one of"),
        ({"TIMESYS": 3}, "TIMESYS = 3, expected one of"),
        ({**NO_REFERENCE, "DATEREF": "yesterday"}, "DATEREF = 'yesterday', expected a date"),
        ({"MJDREFI": "a", "MJDREFF": 0}, "MJDREFI = 'a', expected a finite number"),
        (NO_REFERENCE, "keyword 'MJDREFI', 'MJDREFF' is missing"),
        ({"MJDREFF": None}, "keyword 'MJDREFF' is missing"),
        ({"TCTYP2": "UTC"}, "TCTYP2 = 'UTC' gives the column 'TIME' another time scale than TIMESYS = 'TT'"),
        ({"TCRVL2": 5.0}, "TCRVL2 = 5.0 gives the column 'TIME' its own zero"),
    ],
)
def test_time_keywords_that_mean_nothing_are_refused(tmp_path, changes, message):
    hdu = events_hdu(header=header_with(**changes))
    for key, value in changes.items():
        if value is not None:
            hdu.header[key] = value
    with pytest.raises(FormatError, match=rf"run\.fits, HDU 'EVENTS'.*{message}"):
        EventList.read(write(tmp_path / "run.fits", hdu))


def test_references_that_contradict_each_other_are_reported_and_mjdref_counts(tmp_path, caplog):
    header = header_with(JDREF=2451911.5)
    events = EventList.read(write(tmp_path / "run.fits", events_hdu(header=header)))
    assert abs(_shift(events.time)) < 1e-6
    assert "contradict each other: MJDREFI = 51910" in caplog.text


@pytest.mark.parametrize(
    ("key", "value"), [("TREFPOS", "BARYCENTER"), ("TIMEREF", "SOLARSYSTEM"), ("TRPOS2", "GEOCENTER")]
)
def test_times_that_hold_elsewhere_are_reported(tmp_path, caplog, key, value):
    hdu = events_hdu()
    hdu.header[key] = value
    EventList.read(write(tmp_path / "run.fits", hdu))
    assert f"the times are those at '{value}'" in caplog.text


@pytest.mark.parametrize("value", ["LOCAL", "local", "TOPOCENTER", "TOPOCENT", ""])
def test_times_at_the_telescope_are_not_reported(tmp_path, caplog, value):
    EventList.read(write(tmp_path / "run.fits", events_hdu(header=header_with(TIMEREF=value))))
    assert "the times are those" not in caplog.text


@settings(max_examples=30, deadline=None)
@given(
    offset=st.floats(-1e7, 1e7),
    start=st.floats(0, 1e9),
    unit=st.sampled_from(["s", "d", "h"]),
    reference=st.sampled_from([{"MJDREFI": 51910, "MJDREFF": 0.25}, {"MJDREF": 51910.25}, {"JDREF": 2451910.75}]),
    scale=st.sampled_from(["TT", "UTC", "TAI", "GPS", "TDT", "TDB"]),
)
def test_a_header_in_seconds_means_the_same_and_is_left_alone_afterwards(offset, start, unit, reference, scale):
    factor = {"s": 1, "d": 86400, "h": 3600}[unit]
    header = {"TIMEOFFS": offset / factor, "TSTART": start / factor, "TIMEUNIT": unit, "TIMESYS": scale, **reference}
    made = seconds_since_reference(header)
    day, fraction, name = read_time_reference(made)
    assert seconds_since_reference(made) is made
    assert read_time_reference(header) == (day, fraction, name)
    gps = 19 if scale == "GPS" else 0
    assert_allclose((day - 51910.25 + fraction) * 86400, offset + gps, atol=1e-4)
    assert made["TSTART"] == pytest.approx(start, rel=1e-12)
