"""Event lists, observation tables and observations in memory are checked; readers choose by the format of a file."""

import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from lightpool.data import EventList, FixedPointingInfo, Observation, ObservationTable, observatory_locations
from lightpool.data.data_store import DataStore, DataStoreChecker, DataStoreMaker
from lightpool.data.event_list import EventListChecker
from lightpool.data.io import EventListReader, EventListWriter, ObservationTableReader
from lightpool.data.obs_table import ObservationTableChecker
from lightpool.errors import DamagedFileError, MissingColumnError

START = Time("2020-01-01T00:00:00", scale="tt")
META = {
    "OBS_ID": 5,
    "MJDREFI": 58849,
    "MJDREFF": 0.0,
    "TIMESYS": "TT",
    "TIMEUNIT": "s",
    "TSTART": 0.0,
    "TSTOP": 100.0,
    "GEOLON": 16.5,
    "GEOLAT": -23.27,
    "ALTITUDE": 1835.0,
}
META |= dict.fromkeys(EventListChecker.meta_required, "x") | META


def events(**changes):
    """Three events in chronological order, with right coordinates in all systems."""
    time = START + [1.0, 2.0, 3.0] * u.s
    radec = SkyCoord([10.0, 11, 12], [-20.0, -21, -22], unit="deg")
    columns = {"EVENT_ID": [1, 2, 3], "TIME": time, "RA": radec.ra, "DEC": radec.dec, "ENERGY": [1.0, 2, 3] * u.TeV}
    bare = EventList(Table(columns, meta=dict(META)))
    altaz = radec.transform_to(AltAz(obstime=time, location=bare.observatory_earth_location))
    columns |= {"GLON": radec.galactic.l, "GLAT": radec.galactic.b, "AZ": altaz.az, "ALT": altaz.alt}
    columns |= changes
    return EventList(Table({k: v for k, v in columns.items() if v is not None}, meta=dict(META)))


def test_a_good_event_list_has_no_faults():
    assert list(events().check()) == []


@pytest.mark.parametrize(
    ("changes", "check", "text"),
    [
        ({"EVENT_ID": None}, "columns", "'EVENT_ID' is missing"),
        ({"ENERGY": [1.0, 2, 3] * u.GeV}, "columns", "'GeV', expected 'TeV'"),
        ({"TIME": START + [-1.0, 2, 3] * u.s}, "times", "1 s before the start"),
        ({"TIME": START + [1.0, 2, 103] * u.s}, "times", "3 s after the end"),
        ({"TIME": START + [3.0, 2, 3] * u.s}, "times", "chronological"),
        ({"GLAT": [0.0, 0, 0] * u.deg}, "coordinates_galactic", "GLON / GLAT"),
        ({"ALT": [0.0, 0, 0] * u.deg}, "coordinates_altaz", "AZ / ALT"),
    ],
)
def test_each_fault_is_found_by_its_check(changes, check, text):
    records = list(events(**changes).check(check))
    assert [(record["level"], record["obs_id"]) for record in records] == [("error", 5)]
    assert text in records[0]["msg"]


def test_missing_keywords_are_named_and_unknown_checks_refused():
    found = events()
    del found.table.meta["TELESCOP"]
    assert [record["msg"] for record in found.check("meta")] == ["keywords TELESCOP are missing"]
    with pytest.raises(ValueError, match="coordinates_altaz"):
        found.check("nothing")


def test_an_event_list_without_events_says_so():
    empty = events().select_row_subset([False] * 3)
    assert ["no events" in record["msg"] for record in empty.check()] == [True]


def test_an_observation_table_is_checked():
    meta = dict.fromkeys(ObservationTableChecker.meta_required, "x") | {"HDUCLAS1": "INDEX", "HDUCLAS2": "OBS"}
    columns = {"OBS_ID": [1], "RA_PNT": [1] * u.deg, "DEC_PNT": [1] * u.deg, "TSTART": [1] * u.s, "TSTOP": [2] * u.s}
    table = ObservationTable(columns, meta=meta)
    assert list(ObservationTableChecker(table).run()) == []
    table["RA_PNT"].unit = "rad"
    del table.meta["GEOLON"]
    texts = [record["msg"] for record in ObservationTableChecker(table).run()]
    assert texts == ["keywords GEOLON are missing", "column 'RA_PNT' is in 'rad', expected 'deg'"]


def test_an_observation_says_what_cannot_be_loaded(three):
    store = DataStore.from_dir(three.finish())
    records = list(store.obs(1).check(["gti", "aeff", "edisp", "psf"]))
    assert [record["level"] for record in records] == ["debug"] * 4
    store.hdu_table["FILE_NAME"] = "bad"
    records = list(store.obs(1).check())
    assert [record["level"] for record in records] == ["debug", "warning"] * 5
    assert all(record["obs_id"] == 1 for record in records)
    assert [record["msg"].split()[0] for record in records[1::2]] == ["events", "gti", "aeff", "edisp", "psf"]
    assert {record["code"] for record in DataStoreChecker(store).run(["hdu_table"])} == {"file-missing"}
    with pytest.raises(ValueError, match="nothing"):
        DataStoreChecker(store).run("nothing")


def test_index_tables_are_made_in_steps(three):
    paths = sorted((three.finish() / "data").glob("*.fits"))
    maker = DataStoreMaker(paths)
    info = maker.read_events_info(paths[0])
    assert maker.get_events_info(paths[0]) == info
    assert info["EVENTS_FILENAME"] == str(paths[0])
    made = maker.run()
    assert made.obs_ids.tolist() == [1, 2, 3]
    assert maker.make_hdu_table().colnames == made.hdu_table.colnames
    assert len(list(maker.get_hdu_table_rows(paths[0]))) == np.sum(made.hdu_table["OBS_ID"] == info["OBS_ID"])
    with pytest.raises(TypeError, match="list"):
        DataStoreMaker(str(paths[0]))


# -- readers by format


@pytest.fixture
def events_file(tmp_path):
    events().write(tmp_path / "events.fits")
    return tmp_path / "events.fits"


@pytest.mark.parametrize(("hduclass", "is_known"), [("gadf", True), ("OGIP", True), ("bad", False), (None, False)])
def test_the_header_says_which_format_it_is(events_file, hduclass, is_known):
    with fits.open(events_file, mode="update") as hdus:
        hdus["EVENTS"].header["HDUCLASS"] = hduclass or ""
        if hduclass is None:
            del hdus["EVENTS"].header["HDUCLASS"]
        assert EventListReader.identify_format_from_hduclass(hdus["EVENTS"]) == str(hduclass or "unknown").lower()
        assert len(EventListReader.from_gadf_hdu(hdus["EVENTS"])) == 3
    assert len(EventListReader().read(events_file).table) == 3
    if is_known:
        assert len(EventListReader().read(events_file, format=None)) == 3
    else:
        with pytest.raises(ValueError, match="format"):
            EventListReader().read(events_file, format=None)


def test_a_wrong_checksum_is_reported_if_it_is_asked_for(tmp_path):
    path = tmp_path / "events.fits"
    events().write(path, checksum=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EventListReader(checksum=True).read(path)
    content = bytearray(path.read_bytes())
    content[-2880 * 1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DamagedFileError, match="checksum of HDU 'EVENTS'"):
        EventListReader(checksum=True).read(path)


def test_a_writer_takes_the_one_format():
    assert EventListWriter().to_hdu(events()).header["EXTNAME"] == "EVENTS"
    with pytest.raises(ValueError, match="unknown"):
        EventListWriter().to_hdu(events(), format="unknown")


INDEX = {"MJDREFI": 58849, "MJDREFF": 0.0, "TIMEUNIT": "s", "TIMESYS": "TT", "HDUCLASS": "GADF"}


@pytest.mark.parametrize(
    ("values", "changes", "text"),
    [
        ([100.0], {}, ""),
        ([100.0], {"TIMEUNIT": "m"}, "not a unit of time"),
        ([100.0], {"TIMEUNIT": "-"}, "-"),
        ([100.0], {"MJDREFI": None}, "reference time"),
        (["never"], {}, "never"),
    ],
)
def test_times_of_an_observation_table_become_times_or_are_left_out(tmp_path, caplog, values, changes, text):
    meta = {key: value for key, value in (INDEX | changes).items() if value is not None}
    Table({"OBS_ID": [1], "TSTART": values}, meta=meta).write(tmp_path / "index.fits")
    table = ObservationTableReader().read(tmp_path / "index.fits")
    assert ("TSTART" in table.colnames) == (text == "")
    if text:
        assert text in caplog.text
    else:
        assert (table["TSTART"][0] - START).to_value("s") == pytest.approx(100)


def test_observation_tables_of_other_formats_are_refused(tmp_path, caplog):
    Table({"OBS_ID": [1]}, meta={"HDUCLASS": "other"}).write(tmp_path / "other.fits")
    with pytest.raises(ValueError, match="other"):
        ObservationTableReader().read(tmp_path / "other.fits")
    Table({"OBS_ID": [1]}).write(tmp_path / "none.fits")
    assert len(ObservationTableReader().read(tmp_path / "none.fits")) == 1
    assert "GADF" in caplog.text
    Table({"RA_PNT": [1.0]}, meta=INDEX).write(tmp_path / "missing.fits")
    with pytest.raises(MissingColumnError, match="OBS_ID"):
        ObservationTableReader().read(tmp_path / "missing.fits")


# -- frames


def test_frames_of_the_field_of_view_are_around_the_pointing():
    place, pointing = observatory_locations["cta_south"], SkyCoord(83.6, -22, unit="deg")
    observation = Observation.create(
        FixedPointingInfo(fixed_icrs=pointing), location=place, livetime=1 * u.h, reference_time=START
    )
    time = START + [0, 1800] * u.s
    west = pointing.directional_offset_by(270 * u.deg, 1 * u.deg)
    frame = observation.get_fov_frame(time[0], "RADEC")
    found = west.transform_to(frame)
    np.testing.assert_allclose([found.fov_lon.deg, found.fov_lat.deg], [1, 0], atol=1e-4)
    assert found.icrs.separation(west) < 1e-9 * u.deg
    # At several times, the azimuth of the pointing changes, and its place in the field of view does not.
    frames = observation.get_fov_frame(time, "ALTAZ")
    np.testing.assert_allclose(pointing.transform_to(frames).fov_lat.deg, 0, atol=1e-9)
    np.testing.assert_allclose(west.transform_to(frames).separation(pointing.transform_to(frames)).deg, 1, rtol=1e-4)
    with pytest.raises(ValueError, match="UP"):
        observation.get_fov_frame(time, "UP")
