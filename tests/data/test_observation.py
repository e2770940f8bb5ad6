import copy
import pickle
import threading

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time
from made_up_stores import HEADER, event_columns, events_hdu, gti_hdu, header_with, irf_hdus, write
from numpy.testing import assert_allclose

from lightpool.data import (
    DataStore,
    EventList,
    FixedPointingInfo,
    Observation,
    ObservationFilter,
    ObservationMetaData,
    Observations,
    PointingMode,
    observatory_locations,
)
from lightpool.errors import FormatError, MissingDataError


@pytest.fixture
def observation(three):
    return DataStore.from_dir(three.finish()).obs(1)


def read(tmp_path, header=None, gti=None, columns=None):
    hdus = [events_hdu(columns, header=header), gti_hdu() if gti is None else gti, *irf_hdus()]
    return Observation.read(write(tmp_path / "run.fits", *hdus))


def after_start(observation, seconds):
    return observation.tstart + seconds * u.s


def test_the_printed_text_is_that_of_gammapy(observation):
    assert str(observation) == (
        "Observation\n\n\tobs id            : 1 \n \ttstart            : 53067.41\n\ttstop             : 53067.41\n"
        "\tduration          : 100.00 s\n\tpointing (icrs)   : 84.0 deg, 22.5 deg\n\n\tdeadtime fraction : 10.0%\n"
    )


def test_live_time_is_the_time_without_the_dead_time(observation):
    assert observation.observation_time_duration == 100 * u.s
    assert_allclose(observation.observation_live_time_duration.to_value("s"), 90, rtol=1e-12)
    assert observation.observation_dead_time_fraction == 1 - HEADER["DEADC"]


def test_start_and_stop_span_all_intervals(tmp_path):
    observation = read(tmp_path, gti=gti_hdu([1e8 + 50, 1e8], [1e8 + 100, 1e8 + 20]))
    reference = observation.gti.time_ref
    for time, expected in ((observation.tstart, 1e8), (observation.tstop, 1e8 + 100), (observation.tmid, 1e8 + 50)):
        assert abs((time - reference).to_value("s") - expected) < 1e-6
    assert observation.observation_time_duration == 70 * u.s


def test_times_are_terrestrial_times_since_mjdref(observation):
    expected = Time(HEADER["MJDREFI"], HEADER["MJDREFF"], format="mjd", scale="tt") + 1e8 * u.s
    assert observation.tstart.scale == "tt"
    assert abs((observation.tstart - expected).to_value("s")) < 1e-9


def test_a_time_filter_crops_events_gti_and_live_time(observation):
    part = observation.select_time(after_start(observation, [20, 50]))
    assert part.events.energy.to_value("TeV").tolist() == [3, 4, 5]
    assert_allclose(part.observation_live_time_duration.to_value("s"), 27, rtol=1e-9)
    assert_allclose((part.tmid - observation.tstart).to_value("s"), 35, atol=1e-6)
    assert observation.observation_time_duration == 100 * u.s


def test_the_time_outside_an_interval_is_the_rest(observation):
    interval = after_start(observation, [20, 50])
    rest = observation.select_time(interval, inverted=True)
    assert len(rest.events) == 7
    assert_allclose(rest.observation_time_duration.to_value("s"), 70, rtol=1e-9)


def test_a_phase_filter_takes_its_share_of_the_live_time(observation):
    events = observation.events
    events.table["PHASE"] = np.arange(10) / 10
    observation.events = events
    observation.obs_filter = ObservationFilter(
        event_filters=[
            {"type": "custom", "opts": {"parameter": "PHASE", "values": (0.2, 0.6)}},
            {"type": "custom", "opts": {"parameter": "PHASE", "band": (0.4, 1.0)}},
            {"type": "sky_region", "opts": {"regions": "icrs;circle(83.63, 22.51, 3)"}},
        ]
    )
    assert observation.events.table["PHASE"].tolist() == [0.4, 0.5]
    assert_allclose(observation.observation_live_time_duration.to_value("s"), 90 * 0.2)


def test_a_filter_must_say_its_type():
    with pytest.raises(ValueError, match="expected 'type', one of"):
        ObservationFilter(event_filters=[{"type": "region", "opts": {}}])


def test_a_pickle_holds_no_data(observation):
    for name in ("events", "gti", "aeff", "pointing", "meta"):
        getattr(observation, name)
    content = pickle.dumps(observation)
    assert len(content) < 3000
    other = pickle.loads(content)
    assert len(other.events) == 10
    assert str(other) == str(observation)
    assert len(copy.deepcopy(observation).events) == 10


def test_a_copy_in_memory_does_not_need_the_file(observation, three):
    other = observation.copy(in_memory=True, obs_id=77)
    (three.folder / "data" / "run_1.fits").unlink()
    assert other.obs_id == 77
    assert len(other.events) == 10
    assert other.available_irfs == ["aeff", "edisp", "psf", "bkg"]
    assert str(other.get_pointing_icrs(other.tmid).to_string()) == "84 22.51"
    with pytest.raises(MissingDataError):
        _ = observation.events
    with pytest.raises(ValueError, match="in_memory=True"):
        observation.copy(obs_id=3)


def test_many_threads_may_load_one_observation(observation):
    loaded = []
    threads = [threading.Thread(target=lambda: loaded.append(observation.aeff)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 8
    assert all(aeff.is_allclose(loaded[0]) for aeff in loaded)


def test_changed_events_do_not_reach_other_users_of_the_file(three):
    folder = three.finish()
    one, other = DataStore.from_dir(folder).obs(1), DataStore.from_dir(folder).obs(1)
    one.events.table["ENERGY"] *= 2
    assert one.events.energy.to_value("TeV")[0] == 2
    assert other.events.energy.to_value("TeV")[0] == 1


def test_a_changed_response_does_not_reach_other_users_of_the_file(observation):
    aeff = observation.aeff
    assert aeff.derived("key", lambda: [1]) is observation.aeff.derived("key", lambda: [2])
    with pytest.raises(ValueError, match="read-only"):
        aeff.data[0] = 2
    aeff.data = aeff.data * 2
    aeff.meta["LO_THRES"] = 3
    assert observation.aeff.data.max() == 1
    assert "LO_THRES" not in observation.aeff.meta
    observation.aeff = aeff
    assert observation.aeff.data.max() == 2
    copied = observation.copy(in_memory=True).psf
    copied.data[0] = 2


def test_parts_can_be_replaced(observation):
    observation.aeff = None
    assert observation.available_irfs == ["edisp", "psf", "bkg"]
    observation.events = EventList(None)
    assert len(observation.events) == 0
    with pytest.raises(TypeError, match="events must be an EventList"):
        observation.events = 3


def test_an_observation_is_written_and_read_back(observation, tmp_path):
    observation.write(tmp_path / "copy.fits.gz")
    back = Observation.read(tmp_path / "copy.fits.gz")
    assert str(back) == str(observation)
    assert len(back.events) == 10
    assert back.available_irfs == observation.available_irfs
    assert back.aeff.is_allclose(observation.aeff)
    assert back.bkg.is_allclose(observation.bkg)
    observation.write(tmp_path / "bare.fits", include_irfs=False)
    assert Observation.read(tmp_path / "bare.fits", tmp_path / "copy.fits.gz").psf is not None
    assert Observation.read(tmp_path / "bare.fits").available_irfs == []


def test_an_observation_can_be_made_up():
    pointing = FixedPointingInfo(fixed_icrs=SkyCoord(83.63, 22.01, unit="deg"))
    location = observatory_locations["hess"]
    made = Observation.create(pointing, location=location, obs_id=3, livetime="30 min", deadtime_fraction=0.1, irfs={})
    assert_allclose(made.observation_live_time_duration.to_value("min"), 27)
    assert made.tstart.iso.startswith("2000-01-01")
    assert made.observatory_earth_location is location
    assert made.events is None
    later = Observation.create(pointing, tstart=1 * u.h, tstop=2 * u.h)
    assert_allclose(later.observation_time_duration.to_value("s"), 3600, rtol=1e-12)
    assert Observation.create(SkyCoord(1, 2, unit="deg"), livetime=5 * u.s).pointing_radec.ra.deg == 1
    with pytest.raises(ValueError, match="needs a livetime, or tstop"):
        Observation.create(pointing)


# -- pointing


def test_a_fixed_pointing_stays_on_the_sky(observation):
    assert observation.pointing.mode is PointingMode.POINTING
    pointing = observation.get_pointing_icrs(observation.tmid)
    assert_allclose([pointing.ra.deg, pointing.dec.deg], [84, 22.51])
    assert observation.pointing_radec.separation(pointing).deg == 0
    assert_allclose(np.degrees(observation.pointing.lonlat), [84, 22.51])
    altaz = observation.get_pointing_altaz(observation.tmid)
    expected = pointing.transform_to(AltAz(obstime=observation.tmid, location=observation.observatory_earth_location))
    assert altaz.separation(expected).deg < 1e-9


def test_a_drift_scan_stays_above_the_ground(tmp_path):
    observation = read(tmp_path, header_with(OBS_MODE="DRIFT", ALT_PNT=70.0, AZ_PNT=180.0))
    assert observation.pointing.mode is PointingMode.DRIFT
    assert observation.pointing.fixed_icrs is None
    altaz = observation.get_pointing_altaz(observation.tmid)
    assert_allclose([altaz.az.deg, altaz.alt.deg], [180, 70])
    first, last = (observation.get_pointing_icrs(time) for time in (observation.tstart, observation.tstop))
    assert_allclose((last.ra - first.ra).to_value("deg"), 100 / 86164 * 360, rtol=0.01)
    assert observation.pointing_radec.separation(observation.get_pointing_icrs(observation.tmid)).deg < 1e-9


@pytest.mark.parametrize("mode", [None, "WOBBLE", "POINTING", "RASTER"])
def test_all_modes_but_drift_mean_a_fixed_pointing(mode):
    header = dict(header_with(OBS_MODE=mode))
    assert FixedPointingInfo.from_fits_header(header).mode is PointingMode.POINTING


def test_pointings_go_into_headers_and_back():
    for pointing in (
        FixedPointingInfo.from_degrees(83.63, 22.01),
        FixedPointingInfo(fixed_altaz=SkyCoord(180, 70, unit="deg", frame=AltAz())),
        FixedPointingInfo(fixed_altaz=AltAz(180 * u.deg, 70 * u.deg)),
    ):
        back = FixedPointingInfo.from_fits_header(pointing.to_fits_header())
        assert back.mode is pointing.mode
        assert_allclose(back.lonlat, pointing.lonlat)
    with pytest.raises(ValueError, match=r"only supported by GADF 0\.3"):
        pointing.to_fits_header(version="0.2")
    with pytest.raises(ValueError, match="depends on obstime and location"):
        pointing.get_icrs()


def test_a_pointing_is_printed_as_by_gammapy():
    assert str(FixedPointingInfo.from_degrees(83.633, 22.014)) == (
        "FixedPointingInfo:\n\nmode:        PointingMode.POINTING\ncoordinates: <SkyCoord (ICRS): (ra, dec) in deg\n"
        "    (83.633, 22.014)>"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give one of fixed_icrs and fixed_altaz"),
        ({"fixed_icrs": SkyCoord(0, 0, unit="deg", frame="galactic")}, "is in frame 'galactic', expected 'icrs'"),
        ({"fixed_icrs": SkyCoord(np.nan, 0, unit="deg")}, "expected finite angles"),
        ({"fixed_icrs": SkyCoord([1], [2], unit="deg")}, r"positions of shape \(1,\), expected one"),
    ],
)
def test_a_wrong_pointing_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        FixedPointingInfo(**arguments)
    with pytest.raises(TypeError, match="must be a SkyCoord"):
        FixedPointingInfo(fixed_icrs=(1, 2))


# -- faults, each with its rule in docs/reference/data_errors.md


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DEADC": None}, r"run\.fits, HDU 'EVENTS': DEADC = None, expected the live fraction"),
        ({"DEADC": 90.0}, r"DEADC = 90\.0, expected the live fraction"),
        ({"DEADC": "unknown"}, "DEADC = 'unknown'"),
        ({"RA_PNT": None}, "Keywords RA_PNT / DEC_PNT are required for pointing-mode POINTING.*RA_PNT = None"),
        ({"DEC_PNT": 95.0}, "DEC_PNT = 95.0"),
        ({"OBS_MODE": "DRIFT"}, "Keywords AZ_PNT / ALT_PNT are required for pointing-mode DRIFT"),
    ],
)
def test_a_header_without_what_decides_numbers_is_refused(tmp_path, changes, message):
    with pytest.raises(FormatError, match=message):
        read(tmp_path, header_with(**changes))


def test_a_missing_place_is_told_when_it_is_needed(tmp_path):
    observation = read(tmp_path, header_with(GEOLON=None))
    assert observation.get_pointing_icrs(observation.tmid).ra.deg == pytest.approx(83.63)
    with pytest.raises(FormatError, match="does not say where the observatory is"):
        observation.get_pointing_altaz(observation.tmid)
    observation._location = EarthLocation(lon=16 * u.deg, lat=-23 * u.deg, height=1800 * u.m)
    assert observation.get_pointing_altaz(observation.tmid) is not None


def test_an_empty_gti_gives_no_time_and_no_start(tmp_path):
    observation = read(tmp_path, gti=gti_hdu([], []))
    assert observation.observation_live_time_duration == 0 * u.s
    with pytest.raises(MissingDataError, match="observation 1 has no good time interval"):
        _ = observation.tstart


def test_no_events_are_allowed(tmp_path):
    observation = read(tmp_path, columns={name: x[:0] for name, x in event_columns().items()})
    assert len(observation.events) == 0
    assert observation.observation_time_duration == 100 * u.s


# -- what the header says


def test_the_meta_data_are_those_of_the_header(observation):
    meta = observation.meta
    assert meta.obs_info.telescope == "POOL"
    assert meta.obs_info.obs_id == 1
    assert meta.target.name == "Crab Nebula"
    assert_allclose(observation.target_radec.ra.deg, 83.63)
    assert meta.pointing.radec_mean.ra.deg == 84
    assert meta.location.lat.deg == pytest.approx(-23.27)
    assert meta.time_info.to_header()["MJDREFI"] == 51910
    assert meta.optional == {}
    with pytest.raises(AttributeError, match="no attribute 'hello'"):
        _ = meta.hello
    with pytest.raises(ValueError, match="expected 0 to 1"):
        ObservationMetaData(deadtime_fraction=2)


def test_places_of_observatories_are_known_by_name():
    assert_allclose(observatory_locations["hess"].lon.deg, 16.5002, atol=1e-4)
    assert observatory_locations["magic"].lon.deg < 0 < observatory_locations["hegra"].lat.deg
    assert "veritas" in observatory_locations
    assert len(list(observatory_locations)) == 13


# -- lists of observations


@pytest.fixture
def observations(three):
    return DataStore.from_dir(three.finish()).get_observations()


def test_a_list_of_observations_behaves_as_a_list(observations):
    assert len(observations) == 3
    assert observations["2"].obs_id == observations[1].obs_id == 2
    assert observations[1:].ids == observations[["2", "3"]].ids == observations[[1, 2]].ids == ["2", "3"]
    assert observations[np.array([True, False, True])].ids == ["1", "3"]
    first = observations.pop(0)
    assert observations.ids == ["2", "3"]
    observations.insert(0, first)
    observations[2] = first
    assert observations.ids == ["1", "2", "1"]
    del observations["2"]
    assert observations.ids == ["1", "1"]
    assert Observations.from_stack([observations, observations]).ids == ["1"] * 4
    with pytest.raises(TypeError, match="holds Observation objects, got str"):
        observations.append("1")
    with pytest.raises(ValueError, match="no observation with ID '9'; there are 1, 1"):
        _ = observations["9"]


def test_the_same_observation_twice_is_told(observations, caplog):
    observations.append(observations[0])
    assert "obs_id 1 already belongs" in caplog.text


def test_observations_are_printed_one_after_the_other(observations):
    assert str(observations).startswith(
        "Observations\nNumber of observations: 3\nObservation\n\n\tobs id            : 1 "
    )
    assert repr(observations) == "Observations(['1', '2', '3'])"


def test_observations_are_chosen_by_time(observations):
    start = observations[0].tstart
    chosen = observations.select_time(
        [Time([start - 1 * u.h, start + 30 * u.s]), Time([start + 60 * u.s, start + 1 * u.h])]
    )
    assert chosen.ids == ["1", "2", "3", "1", "2", "3"]
    assert_allclose([x.observation_time_duration.to_value("s") for x in chosen], [30] * 3 + [40] * 3, rtol=1e-6)
    assert len(observations.select_time(Time(["2000-01-01", "2000-01-02"]))) == 0
    assert len(observations.select_time(Time(["2000-01-01", "2000-01-02"]), inverted=True)) == 3


@pytest.mark.parametrize("interval", [5, "2004-12-04", Time("2000-01-01"), [5, 6], ["2000-01-01"], None])
def test_what_is_no_time_interval_is_refused(observations, interval):
    observation = observations[0]
    for selects in (observation, observation.events, observation.gti, observations):
        with pytest.raises(TypeError, match=r"must be a Time of length 2, as Time\(\[start, stop\]\), got"):
            selects.select_time(interval)


def test_observations_are_grouped_by_label(observations):
    groups = observations.group_by_label(["a", "b", "a"])
    assert {key: value.ids for key, value in groups.items()} == {"group_a": ["1", "3"], "group_b": ["2"]}
    with pytest.raises(ValueError, match="2 labels for 3 observations"):
        observations.group_by_label([1, 2])


def test_observations_are_loaded_one_after_the_other(observations):
    assert [len(x.events) for x in observations.in_memory_generator()] == [10, 10, 10]


def test_times_and_places_of_one_observation_are_not_changed_through_another(three):
    one, other = DataStore.from_dir(three.finish()).get_observations([1, 2])
    expected = other.tmid.copy()
    one.gti.time_ref.format = "jd"
    one.tmid.format = "jd"
    one.pointing.fixed_icrs.data.lon[...] = 0
    assert other.tmid.format == "mjd"
    assert (other.tmid.jd1, other.tmid.jd2) == (expected.jd1, expected.jd2)
    assert other.pointing_radec.ra.deg == 85
    assert other.observatory_earth_location == one.observatory_earth_location


def test_a_fixed_pointing_prints_as_a_sky_position(three):
    pointing = DataStore.from_dir(three.finish()).obs(1).pointing
    expected = SkyCoord(84, 22.51, unit="deg")
    assert repr(pointing.fixed_icrs) == repr(expected)
    assert pointing.fixed_icrs.separation(expected).deg == 0


@pytest.mark.parametrize("place", [None, EarthLocation(lon=16.5 * u.deg, lat=-23.27 * u.deg, height=1835 * u.m)])
def test_a_pointing_at_a_time_is_the_position_with_time_and_place(place):
    pointing, time = FixedPointingInfo.from_degrees(83.63, 22.01), Time(55000.25, format="mjd")
    position, expected = (
        pointing.get_icrs(time, place),
        SkyCoord(pointing.fixed_icrs.data, location=place, obstime=time),
    )
    assert repr(position) == repr(expected)
    assert position.obstime == time
    assert (position.location is None) if place is None else (position.location == place)
    if place is not None:
        assert position.altaz.separation(expected.altaz).deg == 0


def test_a_pointing_given_with_its_distance_keeps_it():
    pointing = FixedPointingInfo(SkyCoord(1, 2, 3, unit=("deg", "deg", "kpc")))
    assert pointing.get_icrs().distance.to_value("kpc") == pytest.approx(3)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (2, 2)])
@pytest.mark.parametrize(
    "header", [{"RA_PNT": 83.63, "DEC_PNT": 22.51}, {"OBS_MODE": "DRIFT", "AZ_PNT": 9.0, "ALT_PNT": 60.0}]
)
def test_a_pointing_has_the_shape_of_the_times(three, shape, header):
    observation = Observation.read(three.folder / "data/run_1.fits")
    observation = observation.copy(in_memory=True, pointing=FixedPointingInfo.from_fits_header(header))
    hours = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
    times = observation.tstart + hours * u.h
    for pointing_at in (observation.get_pointing_icrs, observation.get_pointing_altaz):
        pointings = pointing_at(times)
        assert pointings.shape == shape
        for index in np.ndindex(shape):
            assert pointings[index].separation(pointing_at(times[index])).deg < 1e-9
    assert observation.get_pointing_icrs(times).obstime.shape == shape
