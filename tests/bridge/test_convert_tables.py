"""Event lists, good times, pointings, metadata and filters, converted both ways."""

import dataclasses
from importlib.metadata import version

import astropy.units as u
import gammapy.data
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.table import Column, Table
from astropy.time import Time
from gammapy.data.metadata import EventListMetaData as TheirEventListMetaData
from gammapy.data.metadata import GTIMetaData as TheirGTIMetaData
from gammapy.data.metadata import ObservationMetaData as TheirObservationMetaData
from gammapy.utils import metadata as their_metadata
from gammapy.utils.fits import HDULocation

import lightpool.data
from lightpool.data import metadata as own_metadata
from lightpool.gammapy import from_gammapy, to_gammapy

GAMMAPY = tuple(int(number) for number in version("gammapy").split(".")[:2])
before_2 = pytest.mark.skipif(GAMMAPY >= (2, 0), reason="for Gammapy before version 2")
since_2 = pytest.mark.skipif(GAMMAPY < (2, 0), reason="the column TIME holds times since Gammapy 2")
since_2_1 = pytest.mark.skipif(GAMMAPY < (2, 1), reason="Gammapy inverts filters since version 2.1")


@pytest.fixture
def events(crab_store):
    """Events of Gammapy, with the big-endian columns of their file."""
    return gammapy.data.EventList.read(next((crab_store / "data").glob("*000001*")))


def assert_equal_tables(one, other):
    assert one.colnames == other.colnames
    for name in one.colnames:
        if isinstance(one[name], Time):
            assert np.array_equal(one[name].jd1, other[name].jd1)
            assert np.array_equal(one[name].jd2, other[name].jd2)
            assert one[name].scale == other[name].scale
        elif name == "TIME":  # numbers, before Gammapy 2
            assert one[name].unit == other[name].unit
            assert np.allclose(one[name], other[name], rtol=0, atol=1e-6)
        else:
            assert one[name].dtype == other[name].dtype
            assert one[name].unit == other[name].unit
            assert np.array_equal(one[name], other[name])
    assert dict(one.meta) == dict(other.meta)


# -- event lists


@since_2
def test_event_lists_share_their_table(events):
    converted = from_gammapy(events)
    assert type(converted) is lightpool.data.EventList
    assert converted.table is events.table
    assert to_gammapy(converted).table is events.table
    back = lightpool.data.EventList.from_gammapy(events)
    assert back.table is events.table


def test_a_write_to_the_events_of_one_is_visible_in_the_other(events):
    converted = from_gammapy(events)
    events.table["ENERGY"][3] = 77
    assert converted.energy[3] == 77 * u.TeV
    assert converted.arrays["energy"][3] == 77
    converted.table["RA"][4] = 12
    assert events.radec[4].ra == 12 * u.deg
    again = to_gammapy(converted)
    again.table["DEC"][5] = -3
    assert converted.radec[5].dec == -3 * u.deg


def test_events_of_both_packages_agree(events):
    converted = from_gammapy(events)
    assert events.table["ENERGY"].dtype.byteorder == ">"
    assert len(converted) == len(events.table)
    assert np.array_equal(converted.energy, events.energy)
    assert converted.energy.unit == events.energy.unit
    assert np.array_equal(converted.radec.ra.deg, events.radec.ra.deg)
    assert abs(converted.time - events.time).max() < 1 * u.ns
    assert np.allclose(converted.offset.deg, events.offset.deg, atol=2e-5)  # float32 in Gammapy
    for name in ("observation_time_duration", "observation_live_time_duration"):
        assert abs(getattr(converted, name) - getattr(events, name)) < 1 * u.ns
    assert converted.observation_dead_time_fraction == events.observation_dead_time_fraction
    assert abs(converted.observation_time_start - events.observation_time_start) < 1 * u.ns
    for selected in (
        lambda x: x.select_energy([1, 10] * u.TeV),
        lambda x: x.select_region("icrs;circle(83.63, 22.01, 0.3)"),
        lambda x: x.select_offset([0, 0.5] * u.deg),
        lambda x: x.select_time(x.time[[10, 200]]),
        lambda x: x.select_row_subset(slice(5, 90)),
    ):
        assert np.array_equal(selected(converted).table["EVENT_ID"], selected(events).table["EVENT_ID"])


def test_events_come_back_as_they_were(events):
    expected = events.table.copy()
    back = to_gammapy(from_gammapy(events))
    assert type(back) is gammapy.data.EventList
    assert_equal_tables(back.table, expected)
    assert back.meta.event_class == events.meta.event_class
    assert back.meta.creation.creator == events.meta.creation.creator
    assert back.meta.optional == events.meta.optional


def test_events_of_lightpool_go_to_gammapy_and_back(crab_store, events):
    own = lightpool.data.EventList.read(next((crab_store / "data").glob("*000001*")))
    converted = to_gammapy(own)
    assert np.array_equal(converted.table["EVENT_ID"], events.table["EVENT_ID"])
    assert np.array_equal(converted.energy, events.energy)
    assert abs(converted.time - events.time).max() < 1 * u.ns
    assert dict(converted.table.meta)["RA_PNT"] == events.table.meta["RA_PNT"]
    back = from_gammapy(converted)
    for name in ("lon", "lat", "energy"):
        assert np.array_equal(back.arrays[name], own.arrays[name])
    assert np.abs(back.arrays["time"] - own.arrays["time"]).max() < 1e-6
    assert back.meta == own.meta


@since_2
def test_an_empty_event_list_is_converted():
    assert len(from_gammapy(gammapy.data.EventList(None))) == 0
    assert len(to_gammapy(lightpool.data.EventList(None)).table) == 0


@before_2
def test_numbers_become_times_and_other_columns_are_shared(events):
    converted = from_gammapy(events)
    assert isinstance(converted.table["TIME"], Time)
    assert np.shares_memory(converted.table["ENERGY"], events.table["ENERGY"])


def test_a_class_that_overrides_something_is_not_converted(events):
    class Derived(gammapy.data.EventList):
        @property
        def energy(self):
            return 2 * super().energy

    class Named(gammapy.data.EventList):
        """Overrides nothing."""

        survey = "none"

    assert len(from_gammapy(Named(events.table, events.meta))) == len(events.table)
    with pytest.raises(TypeError, match="overrides energy of EventList"):
        from_gammapy(Derived(events.table, events.meta))


# -- good times


@pytest.fixture(params=["tt", "utc"])
def gti(request):
    """Good times of Gammapy."""
    reference = Time("2001-01-01", scale=request.param)
    return gammapy.data.GTI.create([5, 100, 300] * u.s, [50, 200, 1000] * u.s, reference)


def test_good_times_share_their_table(gti):
    converted = from_gammapy(gti)
    assert type(converted) is lightpool.data.GTI
    assert converted.table is gti.table
    assert to_gammapy(converted) is gti
    gti.table["STOP"][2] += 100 * u.s
    assert converted.duration_s == pytest.approx(45 + 100 + 800, rel=1e-12)
    converted.table["START"][0] -= 5 * u.s
    assert gti.time_sum.to_value("s") == pytest.approx(50 + 100 + 800, rel=1e-12)


def test_good_times_of_both_packages_agree(gti):
    converted = from_gammapy(gti)
    assert converted.time_ref == gti.time_ref
    assert converted.time_ref.scale == gti.time_ref.scale
    for name in ("time_start", "time_stop"):
        assert np.array_equal(getattr(converted, name).jd2, getattr(gti, name).jd2)
        assert getattr(converted, name).scale == getattr(gti, name).scale
    for name in ("time_sum", "time_delta", "met_start", "met_stop"):
        assert np.array_equal(getattr(converted, name), getattr(gti, name))
    assert str(converted) == str(gti)


def test_good_times_of_lightpool_go_to_gammapy_and_back():
    own = lightpool.data.GTI.from_seconds([5.0, 100.0], [50.0, 200.0])
    converted = to_gammapy(own)
    assert type(converted) is gammapy.data.GTI
    assert converted.table is own.table
    assert converted.time_sum.to_value("s") == pytest.approx(145, rel=1e-12)
    assert converted.time_ref == own.time_ref
    back = from_gammapy(converted)
    assert back.table is own.table
    assert back.reference == own.reference


def test_good_times_that_changed_are_not_taken_for_the_original(gti):
    converted = from_gammapy(gti)
    converted.stack(lightpool.data.GTI.from_seconds([2000.0], [3000.0]))
    other = to_gammapy(converted)
    assert other is not gti
    assert len(gti.table) == 3
    assert len(other.table) == 4
    assert other.time_ref == gti.time_ref


def test_a_derived_gti_without_methods_of_its_own_is_converted(gti):
    class Derived(gammapy.data.GTI):
        def select_time(self, time_interval, inverted=False):
            return self

    with pytest.raises(TypeError, match="overrides select_time of GTI"):
        from_gammapy(Derived(gti.table, gti.time_ref))


# -- pointing


def test_a_pointing_on_the_sky_shares_its_position():
    position = SkyCoord(83.6, 22.0, unit="deg", frame="icrs")
    theirs = gammapy.data.FixedPointingInfo(fixed_icrs=position)
    converted = from_gammapy(theirs)
    assert converted.fixed_icrs is position
    assert converted.mode.name == theirs.mode.name
    assert to_gammapy(converted) is theirs
    own = lightpool.data.FixedPointingInfo.from_degrees(83.6, 22.0)
    assert to_gammapy(own).fixed_icrs is own.fixed_icrs
    time = Time("2020-01-01")
    assert to_gammapy(own).get_icrs(time).separation(own.get_icrs(time)) == 0


def test_a_drift_scan_shares_its_position():
    position = AltAz(alt=70 * u.deg, az=30 * u.deg)
    theirs = gammapy.data.FixedPointingInfo(fixed_altaz=position)
    converted = from_gammapy(theirs)
    assert converted.fixed_altaz is position
    assert converted.mode.name == theirs.mode.name == "DRIFT"
    location, time = EarthLocation.from_geodetic(16.5, -23.3, 1800), Time("2020-01-01")
    assert to_gammapy(converted) is theirs
    assert converted.get_icrs(time, location).separation(theirs.get_icrs(time, location)) < 1e-9 * u.deg
    own = lightpool.data.FixedPointingInfo.from_degrees(30, 70, converted.mode)
    assert to_gammapy(own).fixed_altaz is own.fixed_altaz


# -- metadata


@pytest.fixture
def meta():
    """Metadata of Gammapy, with all values."""
    position, time = SkyCoord(83.6, 22.0, unit="deg", frame="icrs"), Time("2020-01-01", scale="tt")
    return TheirObservationMetaData(
        obs_info=their_metadata.ObsInfoMetaData(
            obs_id=5, telescope="HESS", instrument="I", sub_array="4", observation_mode="WOBBLE"
        ),
        pointing=their_metadata.PointingInfoMetaData(
            radec_mean=position, altaz_mean=AltAz(alt=70 * u.deg, az=30 * u.deg)
        ),
        target=their_metadata.TargetMetaData(name="Crab", position=position),
        location=EarthLocation.from_geodetic(16.5, -23.3, 1800),
        deadtime_fraction=0.07,
        time_info=their_metadata.TimeInfoMetaData(time_start=time, time_stop=time + 5 * u.s, reference_time=time),
        creation=their_metadata.CreatorMetaData(creator="me", date=time, origin="here"),
        optional={"N_TELS": 4, "CREATOR": "you"},
    )


def same(one, other):
    """Whether two metadata hold the same values; those of lightpool need not be of the same class."""
    for name, value in vars(one).items():
        found = getattr(other, name)
        if isinstance(value, their_metadata.MetaData):
            same(value, found)
        else:
            assert found is value or found == value


def test_metadata_come_back_as_they_were(meta):
    converted = from_gammapy(meta)
    assert type(converted) is lightpool.data.ObservationMetaData
    assert converted.deadtime_fraction == 0.07
    assert not converted.is_changed
    same(meta, converted)
    back = to_gammapy(converted)
    assert type(back) is TheirObservationMetaData
    assert set(vars(back)) == set(vars(meta))
    assert back.model_dump_json() == meta.model_dump_json()


@pytest.mark.parametrize("theirs", [TheirEventListMetaData, TheirGTIMetaData, their_metadata.CreatorMetaData])
def test_all_kinds_of_metadata_are_converted(theirs):
    values = {"optional": {"DST_VER": "3"}, "event_class": "std", "reference_time": Time("2020-01-01"), "origin": "x"}
    original = theirs(**{name: value for name, value in values.items() if name in theirs.model_fields})
    converted = from_gammapy(original)
    assert type(converted) is getattr(own_metadata, theirs.__name__)
    assert to_gammapy(converted).model_dump_json() == original.model_dump_json()
    names = {field.name for field in dataclasses.fields(converted)}
    assert names >= set(theirs.model_fields)


def test_metadata_of_a_header_that_gammapy_would_refuse_are_converted():
    header = {"OBS_ID": "0042", "DEADC": 0.9, "OBJECT": "Crab"}
    own = lightpool.data.ObservationMetaData.from_header(header)
    converted = to_gammapy(own)
    assert converted.deadtime_fraction == own.deadtime_fraction
    assert converted.location is None
    assert converted.target.name == "Crab"
    assert converted.obs_info.obs_id == 42


# -- filters


def crab_region():
    return {"type": "sky_region", "opts": {"regions": "icrs;circle(83.63, 22.01, 0.3)"}}


@pytest.mark.parametrize("inverted", [False, pytest.param(True, marks=since_2_1)])
def test_filters_select_the_same_events_and_times(crab_store, inverted):
    theirs = gammapy.data.DataStore.from_dir(crab_store)
    observation = theirs.obs(int(theirs.obs_ids[0]))
    interval = observation.tstart + [100, 700] * u.s
    events = {"type": "custom", "opts": {"parameter": "ENERGY", "values": (1 * u.TeV, 5 * u.TeV)}}
    if GAMMAPY < (2, 0):
        events["opts"]["band"] = events["opts"].pop("values")
    observation.obs_filter = gammapy.data.ObservationFilter(interval, [crab_region(), events])
    if inverted:
        observation.obs_filter.inverted_time = True
    converted = from_gammapy(observation)
    assert 0 < len(converted.events) < 1000
    assert np.array_equal(converted.events.table["EVENT_ID"], observation.events.table["EVENT_ID"])
    if not inverted:  # Gammapy loses time on one side of the interval
        assert np.allclose(converted.gti.time_delta, observation.gti.time_delta, rtol=1e-10)
        assert converted.observation_live_time_duration.to_value("s") == pytest.approx(
            observation.observation_live_time_duration.to_value("s"), rel=1e-12
        )
    back = to_gammapy(converted.obs_filter)
    assert back.time_filter is observation.obs_filter.time_filter
    assert back.event_filters == observation.obs_filter.event_filters
    assert getattr(back, "inverted_time", False) == inverted


def test_a_selection_of_time_is_carried_over(crab_store):
    theirs = gammapy.data.DataStore.from_dir(crab_store)
    observations = theirs.get_observations()
    interval = observations[1].tstart + [100, 700] * u.s
    chosen = observations.select_time(interval)
    converted = from_gammapy(chosen)
    assert len(converted) == len(chosen) == 1
    assert converted[0].locations == from_gammapy(observations[1]).locations
    assert np.array_equal(converted[0].events.table["EVENT_ID"], chosen[0].events.table["EVENT_ID"])
    again = to_gammapy(from_gammapy(observations).select_time(interval))
    assert again[0].observation_time_duration.to_value("s") == pytest.approx(600, rel=1e-9)


def test_a_filter_of_phases_reduces_the_live_time(crab_store):
    theirs = gammapy.data.DataStore.from_dir(crab_store)
    observation = theirs.obs(int(theirs.obs_ids[0]))
    events = observation.events
    events.table["PHASE"] = Column(np.linspace(0, 1, len(events.table)), unit="")
    observation.events = events
    entry = {"type": "custom", "opts": {"parameter": "PHASE", "band": (0.2, 0.5)}}
    observation.obs_filter = gammapy.data.ObservationFilter(event_filters=[entry])
    converted = from_gammapy(observation)
    assert converted.obs_filter.livetime_fraction == observation.obs_filter.livetime_fraction
    assert converted.observation_live_time_duration.to_value("s") == pytest.approx(
        observation.observation_live_time_duration.to_value("s"), rel=1e-12
    )
    assert converted.obs_filter.event_filters[0] is entry
    phase = converted.events.table["PHASE"]
    assert 0 < len(phase) < len(events.table)
    assert phase.min() >= 0.2
    assert phase.max() < 0.5


def test_a_filter_with_methods_of_its_own_is_not_converted(crab_store):
    class Derived(gammapy.data.ObservationFilter):
        def filter_gti(self, gti):
            return gti

    theirs = gammapy.data.DataStore.from_dir(crab_store)
    observation = theirs.obs(int(theirs.obs_ids[0]))
    observation.obs_filter = Derived()
    with pytest.raises(TypeError, match="overrides filter_gti of ObservationFilter"):
        from_gammapy(observation)


def test_tables_of_any_origin_are_accepted():
    table = Table({"START": Time(["2020-01-01"], scale="tt"), "STOP": Time(["2020-01-02"], scale="tt")})
    converted = to_gammapy(lightpool.data.GTI(table))
    assert converted.table is table


# -- places of HDUs


@pytest.mark.parametrize("base_dir", [".", "$STORE_OF_TEST", "absolute"])
@pytest.mark.parametrize("file_dir", ["", "data", "../other/data", "absolute", "$STORE_OF_TEST/data"])
def test_places_of_hdus_are_the_same_files(tmp_path, monkeypatch, base_dir, file_dir):
    folder = tmp_path / "store"
    for each in (folder, folder / "data", tmp_path / "other" / "data"):
        each.mkdir(parents=True, exist_ok=True)
        (each / "run.fits").touch()
    monkeypatch.setenv("STORE_OF_TEST", str(folder))
    monkeypatch.chdir(folder)
    base_dir = str(folder) if base_dir == "absolute" else base_dir
    file_dir = tmp_path / "other" / "data" if file_dir == "absolute" else file_dir
    location = HDULocation("aeff_2d", base_dir, file_dir, "run.fits", "AEFF", cache=False, format="gadf")
    converted = from_gammapy(location)
    assert converted.path().resolve() == location.path().resolve()
    assert converted.path().exists()
    back = to_gammapy(converted)
    assert vars(back) == {**vars(location), "file_dir": str(file_dir)}


def test_pointing_tables_share_their_table():
    table = Table({"TIME": [0.0, 1.0], "RA_PNT": [1.0, 2.0], "DEC_PNT": [3.0, 4.0]})
    own = lightpool.data.PointingInfo(table)
    there = to_gammapy(own)
    assert type(there).__module__ == "gammapy.data.pointing"
    assert there.table is own.table
    assert from_gammapy(there).table is own.table
