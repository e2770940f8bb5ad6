"""What an observation is made of: parts in memory, in files, and parts that are made when they are read."""

import copy
import pickle
from functools import partial

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lightpool.data import DataStore, EventList, Observation
from lightpool.utils.on_demand import Deferred


@pytest.fixture
def observation(crab_store):
    return DataStore.from_dir(crab_store).obs(1)


@pytest.mark.slow
def test_parts_are_where_they_come_from_until_they_are_changed(observation):
    parts = observation.parts
    assert parts == observation.locations
    for name in parts:
        getattr(observation, name)
    assert observation.parts == parts
    assert observation.given_location is None

    table = observation.events.table
    gti = observation.gti
    assert observation.parts["gti"] is parts["gti"]
    gti.table["STOP"] += 5 * u.s
    observation.meta.deadtime_fraction = 0.5
    observation.bkg = None
    changed = observation.parts
    assert changed["events"].table is table
    assert changed["gti"] is gti
    assert changed["meta"] is observation.meta
    assert changed["bkg"] is None
    for name in ("aeff", "edisp", "psf", "pointing", "rad_max"):
        assert changed[name] is parts[name]


def test_a_part_that_is_made_when_it_is_read_is_made_once(observation):
    calls = []

    def make(name):
        calls.append(name)
        return getattr(observation, name)

    names = ("events", "gti", "aeff", "edisp", "psf", "bkg", "rad_max", "pointing", "meta")
    made = Observation(obs_id=1, **{name: Deferred(partial(make, name)) for name in names})
    assert made.available_hdus == list(names[:7])
    assert not made.locations
    assert calls == []
    assert isinstance(made.events, EventList)
    assert made.events is made.events
    assert made.observation_live_time_duration == observation.observation_live_time_duration
    assert sorted(calls) == ["events", "gti", "meta"]
    assert made.loaded().aeff is not None
    assert sorted(calls) == sorted(names)
    before = made.parts
    assert made.events.table is not None
    assert all(made.parts[name] is before[name] for name in names)


def test_an_error_of_a_part_reaches_those_only_who_need_it(observation):
    def fail():
        raise TypeError("no such response")

    broken = Observation(obs_id=1, psf=Deferred(fail), **{k: v for k, v in observation.locations.items() if k != "psf"})
    assert len(broken.events) == len(observation.events)
    for _ in range(2):
        with pytest.raises(TypeError, match="no such response"):
            broken.psf  # noqa: B018 - it is made when it is read
    assert "psf" in broken.available_irfs


def test_tables_are_loaded_once_by_the_object_that_keeps_them(observation):
    aeff, gti = observation.aeff, observation.gti
    keeping = observation.with_tables_loaded_once()
    assert keeping.aeff is keeping.aeff is not aeff
    assert observation.aeff is not keeping.aeff
    assert keeping.parts == observation.parts == observation.locations
    gti.table["STOP"] += 5 * u.s
    assert keeping.gti is gti
    assert keeping.observation_time_duration == observation.observation_time_duration
    assert observation.with_tables_loaded_once().aeff is not keeping.aeff


def test_a_pickle_and_a_copy_hold_no_table_that_was_loaded_once(observation):
    keeping = observation.with_tables_loaded_once()
    aeff = keeping.aeff
    for other in (pickle.loads(pickle.dumps(keeping)), copy.copy(keeping)):
        assert other.parts == observation.parts
        assert other.aeff is not other.aeff
        assert other.aeff == aeff


def test_good_times_of_a_file_are_shared_until_they_are_changed(observation):
    again = observation.copy()
    before = observation.gti.met_stop.to_value("s")
    observation.gti.table["STOP"] += 10 * u.s
    np.testing.assert_allclose(observation.gti.met_stop.to_value("s"), before + 10)
    np.testing.assert_allclose(again.gti.met_stop.to_value("s"), before)
    assert again.tstop < observation.tstop


def test_times_of_a_file_are_not_changed_through_another_observation(observation, crab_store):
    again = DataStore.from_dir(crab_store).obs(1)
    format = again.gti.time_ref.format
    observation.gti.time_ref.format = "jd"
    observation.tmid.format = "jd"
    third = DataStore.from_dir(crab_store).obs(1)
    for other in (again, third):
        assert other.gti.time_ref.format == format
        assert other.tmid.format == format
        assert other.tmid == observation.tmid


def test_pointings_of_one_direction_are_independent_positions(observation):
    again = observation.copy()
    first, second = (x.get_pointing_icrs(x.tmid) for x in (observation, again))
    assert first is not second
    assert first.separation(second).deg == 0
    assert first.obstime == observation.tmid
    reference = SkyCoord(ra=observation.pointing.fixed_icrs.ra, dec=observation.pointing.fixed_icrs.dec, distance=1)
    assert (first.ra, first.dec, first.distance) == (reference.ra, reference.dec, reference.distance)
    first.location = None
    first.data.lon[...] = 0
    assert again.get_pointing_icrs(again.tmid).ra == reference.ra
    assert observation.get_pointing_icrs(observation.tstart).obstime == observation.tstart
    assert second.location is not None
