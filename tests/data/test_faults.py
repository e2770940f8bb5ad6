"""Values that contradict themselves are reported by a reduction, with the run, and by the checks of a store."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from made_up_stores import event_columns, events_hdu, gti_hdu, header_with, irf_bytes
from regions import CircleSkyRegion

from lightpool.data import DataStore, EventList, FixedPointingInfo, Observation, ObservationTable
from lightpool.data.tables import faults
from lightpool.errors import FormatError
from lightpool.maps import Map, MapAxis, WcsGeom

EVERYWHERE = [
    WcsGeom.create(skydir=(83.63, 22.51), width=(360, 180), binsz=10, proj="CAR", axes=[]),
    WcsGeom.create(skydir=(0, 0), width=(360, 180), binsz=10, proj="AIT", frame="galactic", axes=[]),
    WcsGeom.create(skydir=(83.63, 22.51), width=10, binsz=1, proj="TAN", axes=[]),
]


def _run(store, columns=None, units=None, gti=None, **changes):
    """Observation 1 of a store; its events, good times and header may be changed."""
    changes = {"OBS_ID": 1} | changes
    header = header_with(**changes)
    path = store.add(1, events_hdu(columns, units, header), gti or gti_hdu())
    path.write_bytes(path.read_bytes() + irf_bytes())
    return DataStore.from_dir(store.finish())


def _loaded(data_store, caplog):
    """Observation with all that a reduction asks for, and the warnings that it gave."""
    observation = data_store.obs(1)
    for _ in range(2):
        observation.gti, observation.events, observation.meta, observation.pointing  # noqa: B018
        data_store.obs(1).loaded()
    return observation, _warnings(caplog)


def _warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "lightpool.data.tables.faults"]


DIRECTIONS = {
    "DEC beyond the pole": ("DEC", 95.0, "no direction"),
    "DEC beyond the other pole": ("DEC", -90.5, "no direction"),
    "DEC enormous": ("DEC", 1e30, "no direction"),
    "RA enormous": ("RA", 1e30, "no direction"),
    "RA enormous and negative": ("RA", -1e9, "no direction"),
    "RA infinite": ("RA", np.inf, "no direction"),
    "DEC not a number": ("DEC", np.nan, "no finite direction"),
    "energy negative": ("ENERGY", -1.0, "positive energy"),
    "energy infinite": ("ENERGY", np.inf, "positive energy"),
}


@pytest.mark.parametrize(("name", "value", "message"), DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("form", [np.float32, np.float64])
def test_events_that_fall_into_no_bin_are_reported_with_the_run(store, caplog, name, value, message, form):
    columns = event_columns()
    columns[name] = columns[name].astype(form)
    columns[name][1::2] = value
    observation, warnings = _loaded(_run(store, columns), caplog)
    assert len(warnings) == 1
    assert warnings[0].startswith("observation 1: ")
    assert "run_1.fits, HDU 'EVENTS': 5 of 10 events" in warnings[0]
    assert message in warnings[0]
    assert "fall into no bin" in warnings[0]
    events = observation.events
    assert len(events) == 10
    assert events.n_invalid == 5
    assert np.isfinite(events.radec.ra.deg).sum() >= 5  # astropy makes coordinates of them, and NaN of the others
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=1)
    for geom in EVERYWHERE:
        counts = Map.from_geom(geom.to_cube([energy]))
        counts.fill_events(events)
        assert np.nansum(counts.data) == 5  # corners of an AIT map are not on the sky
    region = CircleSkyRegion(SkyCoord(83.63, 22.51, unit="deg"), 5 * u.deg)
    if name != "ENERGY":
        assert len(events.select_region(region)) == 5


@pytest.mark.parametrize(
    ("shift", "warned"), [(-360.0, False), (0.0, False), (360.0, True), (720.0, True), (-720.0, True)]
)
def test_right_ascensions_of_other_turns_are_counted_and_those_beyond_one_turn_are_reported(
    store, caplog, shift, warned
):
    columns = event_columns()
    columns["RA"] = columns["RA"].astype(np.float64) + shift
    observation, warnings = _loaded(_run(store, columns), caplog)
    counts = Map.from_geom(EVERYWHERE[0])
    counts.fill_events(observation.events)
    assert counts.data.sum() == 10
    assert ["10 of 10 events have a right ascension beyond 360 deg" in text for text in warnings] == [True] * warned


@pytest.mark.parametrize("value", [1e30, 1e-20])
def test_energies_that_no_gamma_ray_has_are_reported(store, caplog, value):
    columns = event_columns()
    columns["ENERGY"][:3] = value
    observation, warnings = _loaded(_run(store, columns), caplog)
    assert len(warnings) == 1
    assert "3 of 10 events have an energy that no gamma ray has" in warnings[0]
    assert observation.events.n_invalid == 0


def test_degrees_in_a_column_that_says_radians_are_reported(store, caplog):
    _, warnings = _loaded(_run(store, units={"DEC": "rad"}), caplog)
    assert len(warnings) == 1
    assert "10 of 10 events have no direction on the sky" in warnings[0]
    assert "is the unit of the columns right?" in warnings[0]


def test_the_poles_are_on_the_sky_in_any_unit_and_precision(store, caplog):
    for form, unit, pole in (("f4", "rad", np.pi / 2), ("f8", "rad", np.pi / 2), ("f4", "deg", 90), ("f8", "deg", 90)):
        columns = event_columns()
        columns["DEC"] = np.full(10, pole, dtype=form)
        observation, warnings = _loaded(_run(store, columns, units={"DEC": unit}), caplog)
        assert not warnings
        assert observation.events.n_invalid == 0


def test_a_table_in_memory_has_the_same_rule(store):
    table = _run(store).obs(1).events.table
    table["DEC"][:4] = 95
    table["ENERGY"][4] = -1
    events = EventList(table)
    assert events.n_invalid == 5
    counts = Map.from_geom(EVERYWHERE[0])
    counts.fill_events(events)
    assert counts.data.sum() == 6
    assert np.isnan(events.radec.dec.deg).sum() == 4


TIMES = {
    "ten times as long": (
        gti_hdu(stop=[1.0e8 + 1000]),
        {},
        ["leave TSTART to TSTOP", "last 1000 s, but ONTIME is 100 s"],
    ),
    "from zero": (gti_hdu(start=[0.0]), {}, ["leave TSTART to TSTOP", "but ONTIME is 100 s"]),
    "another night": (gti_hdu(start=[1.0e8 + 86400], stop=[1.0e8 + 86500]), {}, ["leave TSTART to TSTOP"]),
    "endless": (gti_hdu(stop=[1e300]), {}, ["leave TSTART to TSTOP", "last 1e+300 s"]),
    "a tenth": (gti_hdu(stop=[1.0e8 + 10]), {}, ["last 10 s, but ONTIME is 100 s"]),
    "overlapping": (
        gti_hdu(start=[1.0e8, 1.0e8 + 20], stop=[1.0e8 + 60, 1.0e8 + 60]),
        {},
        ["the intervals overlap, 40 s count more than once"],
    ),
    "in hours": (gti_hdu(start=[1.0e8], stop=[1.0e8 + 100], unit="h"), {}, ["leave TSTART to TSTOP", "last 360000 s"]),
    "longer, where there is no ONTIME": (gti_hdu(stop=[1.0e8 + 1000]), {"ONTIME": None}, ["leave TSTART to TSTOP"]),
    "longer, where there is no TSTART": (gti_hdu(stop=[1.0e8 + 1000]), {"TSTART": None}, ["last 1000 s, but ONTIME"]),
    "LIVETIME longer than ONTIME": (None, {"LIVETIME": 150.0}, ["LIVETIME = 150 s is longer than ONTIME = 100 s"]),
    "DEADC and LIVETIME": (None, {"DEADC": 0.5}, ["DEADC = 0.5, but LIVETIME / ONTIME = 90 / 100 = 0.9"]),
    "no live time": (None, {"DEADC": 0.0, "LIVETIME": 0.0}, ["DEADC = 0: all of the time is dead"]),
    "TSTOP before TSTART": (None, {"TSTOP": 0.5e8}, ["all events are before", "TSTOP = 50000000 is before TSTART"]),
    "events of another night": (None, {"TSTART": 2e8, "TSTOP": 2e8 + 100}, ["all events are before", "leave TSTART"]),
    "some events outside": (
        gti_hdu(stop=[1.0e8 + 50]),
        {"TSTOP": 1.0e8 + 50, "ONTIME": 50.0, "LIVETIME": 45.0},
        ["4 of 10 events are before TSTART or after TSTOP"],
    ),
}


@pytest.mark.parametrize(("gti", "changes", "messages"), TIMES.values(), ids=TIMES)
def test_times_that_contradict_each_other_are_reported_once_with_the_run(store, caplog, gti, changes, messages):
    data_store = _run(store, gti=gti, **changes)
    _, warnings = _loaded(data_store, caplog)
    assert len(warnings) == len(messages)
    for message in messages:
        (text,) = [text for text in warnings if message in text]
        assert text.startswith("observation 1: ")
        assert "run_1.fits, HDU '" in text
    found = [each["msg"] for each in data_store.check(["observations"])]
    for message in messages:
        assert len([text for text in found if message in text]) == 1
    caplog.clear()
    Observation.read(store.folder / "data/run_1.fits")
    assert sorted(_warnings(caplog)) == sorted(warnings)


def test_a_whole_observation_and_one_whose_times_are_rounded_give_no_warning(store, caplog):
    assert not _loaded(_run(store), caplog)[1]
    rounded = {"TSTART": 1.0e8 + 0.4, "TSTOP": 1.0e8 + 99.6, "ONTIME": 99.5, "LIVETIME": 89.9}
    assert not _loaded(_run(store, **rounded), caplog)[1]


@pytest.mark.parametrize("changes", [{"TSTART": "soon"}, {"ONTIME": "long"}, {"LIVETIME": None, "ONTIME": None}])
def test_keywords_that_say_nothing_are_no_fault_of_the_times(store, caplog, changes):
    assert not _loaded(_run(store, **changes), caplog)[1]


@pytest.mark.parametrize("changes", [{"DEC_PNT": 95.0}, {"RA_PNT": 1e30}, {"RA_PNT": 400.0}, {"RA_PNT": np.inf}])
def test_a_pointing_off_the_sphere_is_refused(changes):
    with pytest.raises(FormatError, match=r"run: Keywords RA_PNT / DEC_PNT.*on the sphere; found RA_PNT"):
        FixedPointingInfo.from_fits_header({"RA_PNT": 83.63, "DEC_PNT": 22.51} | changes, where="run")


def test_a_pointing_off_the_sphere_in_the_index_is_refused(three):
    three.obs_rows[1]["DEC_PNT"] = 95.0
    folder = three.finish(".fits")
    table = ObservationTable.read(folder / "obs-index.fits")
    with pytest.raises(FormatError, match=r"obs-index\.fits: RA_PNT and DEC_PNT must be directions on the sky"):
        table.pointing_radec  # noqa: B018


def test_a_target_off_the_sphere_is_refused_when_it_is_asked_for(store):
    observation = _run(store, DEC_OBJ=95.0).obs(1)
    assert len(observation.events) == 10
    with pytest.raises(FormatError, match=r"DEC_OBJ = 95\.0, expected a direction on the sky"):
        observation.target_radec  # noqa: B018


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 7.0, 100.0, 1e-12, 1e12, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["lon", "lat", "energy", "time"])
def test_a_look_at_the_extremes_finds_what_a_look_at_each_value_finds(name, value):
    plain = {"lon": [0.1, 6.2], "lat": [-1.5, 1.5], "energy": [0.01, 50.0], "time": [10.0, 20.0]}
    plain = {key: np.array(column) for key, column in plain.items()}
    header = {"TSTART": 5.0, "TSTOP": 25.0}
    for row in (0, 1):
        changed = plain | {name: plain[name].copy()}
        changed[name][row] = value
        assert list(faults.value_faults(changed, header)) == list(faults._value_faults(changed, header))
    assert list(faults.value_faults(plain, header)) == []
    empty = {key: column[:0] for key, column in plain.items()}
    assert list(faults.value_faults(empty, header)) == list(faults._value_faults(empty, header)) == []
