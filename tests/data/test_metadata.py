"""Metadata check what is set on them, read headers and write them."""

import astropy.units as u
import numpy as np
import pytest
import yaml
from astropy.coordinates import AltAz, SkyCoord
from astropy.time import Time

from lightpool.data import EventListMetaData, GTIMetaData, ObservationMetaData, observatory_locations
from lightpool.data.metadata import (
    CreatorMetaData,
    ObsInfoMetaData,
    PointingInfoMetaData,
    TargetMetaData,
    TimeInfoMetaData,
)

HEADER = {
    "OBS_ID": 5,
    "TELESCOP": "HESS",
    "INSTRUME": "phase 1",
    "OBS_MODE": "WOBBLE",
    "OBJECT": "Crab Nebula",
    "RA_OBJ": 83.63,
    "DEC_OBJ": 22.01,
    "RA_PNT": 83.63,
    "DEC_PNT": 22.51,
    "ALT_PNT": 41.5,
    "AZ_PNT": 12.25,
    "GEOLON": 16.5,
    "GEOLAT": -23.25,
    "ALTITUDE": 1835.0,
    "DEADC": 0.9375,
    "MJDREFI": 51910,
    "MJDREFF": 0.5,
    "TIMESYS": "TT",
    "TSTART": 100.0,
    "TSTOP": 1800.5,
}


def observation_metadata(**changes):
    values = {
        "obs_info": {"obs_id": "7", "telescope": "cta-north"},
        "pointing": PointingInfoMetaData(altaz_mean=AltAz(alt=70 * u.deg, az=10 * u.deg)),
        "location": "ctao_north",
        "deadtime_fraction": 0.05,
        "time_info": {"time_start": "2024-01-01 00:00:00", "time_stop": "2024-01-01 00:30:00"},
        "target": {"name": "Crab", "position": SkyCoord(184.557, -5.784, unit="deg", frame="galactic")},
        "optional": {"test": 0.5},
    }
    return ObservationMetaData(**(values | changes))


def test_names_texts_and_dicts_become_the_values_they_stand_for():
    meta = observation_metadata()
    assert meta.obs_info == ObsInfoMetaData(7, "cta-north")
    assert meta.location == observatory_locations["ctao_north"]
    assert (meta.time_info.time_stop - meta.time_info.time_start).to_value("min") == pytest.approx(30)
    assert meta.target.position.frame.name == "icrs"
    assert meta.pointing.altaz_mean.alt.deg == pytest.approx(70)
    meta.target.position = None
    assert meta.target.position is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deadtime_fraction", 2.0),
        ("deadtime_fraction", "much"),
        ("location", "bad"),
        ("target", "Crab"),
        ("target", {"nome": "Crab"}),
        ("obs_info", {"obs_id": "seven"}),
        ("optional", 3),
        ("time_info", {"time_start": "yesterday"}),
        ("nothing", 1),
    ],
)
def test_a_value_that_is_not_valid_is_refused_when_created_and_when_set(name, value):
    with pytest.raises(ValueError, match=name):
        observation_metadata(**{name: value})
    if name != "nothing":
        with pytest.raises(ValueError, match=name):
            setattr(observation_metadata(), name, value)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        (TargetMetaData(), "position", "J1749-2901"),
        (TargetMetaData(), "position", SkyCoord([1, 2], [3, 4], unit="deg")),
        (TargetMetaData(), "name", 5),
        (PointingInfoMetaData(), "altaz_mean", SkyCoord(1, 2, unit="deg")),
        (CreatorMetaData(), "date", "soon"),
        (EventListMetaData(), "creation", 5),
        (GTIMetaData(), "reference_time", "soon"),
    ],
)
def test_parts_check_their_values(part, name, value):
    with pytest.raises(ValueError, match=f"{type(part).__name__}.{name}"):
        setattr(part, name, value)


@pytest.mark.parametrize("kind", [EventListMetaData, GTIMetaData, CreatorMetaData, TimeInfoMetaData])
def test_an_unknown_value_is_refused_by_its_name(kind):
    with pytest.raises(ValueError, match="'location'"):
        kind(location="ctao_north")


def test_a_header_of_an_observation_comes_back():
    meta = ObservationMetaData.from_header(HEADER)
    header = meta.to_header()
    assert header["CREATOR"].startswith("lightpool")
    for key, value in HEADER.items():
        expected = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
        assert header[key] == (expected if key != "TIMESYS" else "tt")
    assert meta.tag == "observation"
    again = ObservationMetaData.from_header(header)
    assert again.target.position.separation(meta.target.position).deg == 0
    assert again.time_info.time_stop == meta.time_info.time_stop


@pytest.mark.parametrize("kind", [ObservationMetaData, EventListMetaData, GTIMetaData, CreatorMetaData])
def test_other_formats_than_gadf_are_refused(kind):
    with pytest.raises(ValueError, match="bad"):
        kind.from_header(HEADER, format="bad")
    with pytest.raises(ValueError, match="bad"):
        kind().to_header(format="bad")


def test_good_times_have_the_scale_of_their_reference():
    meta = GTIMetaData("2023-01-01 00:00:00", CreatorMetaData("Test", "2020-01-01 00:00:00"))
    header = meta.to_header()
    assert (header["MJDREFI"], header["MJDREFF"], header["TIMESYS"]) == (59945, 0.0, "utc")
    assert header["CREATOR"] == "Test"
    again = GTIMetaData.from_header(header)
    assert again.reference_time == meta.reference_time
    assert again.creation == meta.creation
    assert GTIMetaData.from_header({}).reference_time is None


def test_the_date_of_a_header_is_a_time_and_what_is_none_stays_text():
    creation = CreatorMetaData.from_header({"CREATED": "2026-11-22 10:47:39.801", "CREATOR": "me"})
    assert isinstance(creation.date, Time)
    assert creation.to_header() == {"CREATED": "2026-11-22 10:47:39.801", "CREATOR": "me"}
    assert CreatorMetaData.from_header({"CREATED": "in spring"}).date == "in spring"
    before = Time.now()
    creation.update_time()
    assert creation.date >= before


def test_yaml_shows_all_values():
    found = yaml.safe_load(observation_metadata(creation=CreatorMetaData("me", Time("2020-01-01"), None)).to_yaml())
    meta = found["metadata"]
    assert meta["obs_info"]["obs_id"] == 7
    assert meta["creation"] == {"creator": "me", "date": "2020-01-01 00:00:00.000", "origin": None}
    assert meta["target"]["position"].startswith("lon: 83.6")
    assert meta["location"].startswith("lon: -17.89")
    assert meta["deadtime_fraction"] == 0.05
    assert np.isclose(meta["optional"]["test"], 0.5)


def test_a_number_of_an_observation_that_is_text_is_kept():
    info = ObservationMetaData.from_header(HEADER | {"OBS_ID": "chunks 103 - 133"}).obs_info
    assert (info.obs_id, info.telescope) == ("chunks 103 - 133", "HESS")
    with pytest.raises(ValueError, match="obs_id"):
        info.obs_id = "chunks"
