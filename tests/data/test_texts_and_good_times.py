"""Text in place of quantities and times; good times that are replaced."""

import copy
import logging
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from lightpool.data import GTI, DataStore, EventList, FixedPointingInfo, Observation, get_irfs_features
from lightpool.irf import EffectiveAreaTable2D
from lightpool.makers.utils import make_map_exposure_true_energy
from lightpool.maps import MapAxis, WcsGeom

POINTING = FixedPointingInfo(fixed_icrs=SkyCoord(83.6, 22, unit="deg"))


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ({"livetime": "42 h"}, {"livetime": 42 * u.h}),
        ({"tstart": "1 h", "tstop": "3 h"}, {"tstart": 1 * u.h, "tstop": 3 * u.h}),
        ({"tstart": "1 h", "livetime": "2 h"}, {"tstart": 1 * u.h, "livetime": 2 * u.h}),
        ({"tstart": "60 min", "tstop": 3 * u.h}, {"tstart": 1 * u.h, "tstop": 3 * u.h}),
        (
            {"livetime": "2 h", "reference_time": "2010-01-01"},
            {"livetime": 2 * u.h, "reference_time": Time("2010-01-01")},
        ),
    ],
)
def test_an_observation_of_texts_is_that_of_quantities(text, quantity):
    made, expected = Observation.create(POINTING, **text), Observation.create(POINTING, **quantity)
    durations = [each.observation_live_time_duration.to_value("s") for each in (made, expected)]
    assert durations[0] == pytest.approx(durations[1], rel=1e-12)
    assert abs((made.tstart - expected.tstart).to_value("s")) < 1e-9


def test_time_ranges_may_be_text(three):
    store = DataStore.from_dir(three.finish())
    observation = store.obs(1)
    start, stop = (observation.tstart + 20 * u.s), (observation.tstart + 50 * u.s)
    texts, times = [start.utc.iso, stop.utc.iso], Time([start, stop])
    assert 0 < len(observation.events.select_time(texts)) == len(observation.events.select_time(times)) < 10
    cropped = observation.select_time(texts)
    assert cropped.observation_time_duration.to_value("s") == pytest.approx(30)
    day = ["2004-01-01", "2004-12-31"]
    assert len(store.obs_table.select_time_range(day)) == len(store.obs_table.select_time_range(Time(day)))
    rows = store.obs_table.select_observations({"type": "time_box", "time_range": ["2000-01-01", "2001-01-01"]})
    assert len(rows) == 0
    with pytest.raises(TypeError, match="length 2"):
        observation.events.select_time("2004-01-01")


def test_an_exposure_takes_its_livetime_as_text():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", 2, name="energy_true")
    area = EffectiveAreaTable2D([axis, MapAxis.from_edges([0, 2] * u.deg, name="offset")], np.ones((2, 1)), "m2")
    geom = WcsGeom.create(skydir=POINTING.fixed_icrs, width=1, binsz=0.5, axes=[axis])
    made = make_map_exposure_true_energy(POINTING.fixed_icrs, "42 h", area, geom)
    expected = make_map_exposure_true_energy(POINTING.fixed_icrs, 42 * u.h, area, geom)
    assert np.array_equal(made.data, expected.data)
    assert made.quantity.max().to_value("m2 h") == pytest.approx(42)


# -- good times that are replaced


def good_times(observation, *pairs):
    start = observation.tstart
    return GTI.create(start + [a for a, _ in pairs] * u.s, start + [b for _, b in pairs] * u.s)


@pytest.fixture
def observation(three):
    """Ten events, at 0, 10, ... 90 s of 100 s."""
    return DataStore.from_dir(three.finish()).obs(1)


def times(observation):
    return np.round((observation.events.time - observation.gti.time_start[0]).to_value("s"), 5).tolist()


def test_the_events_are_those_in_the_new_good_times(observation, caplog):
    observation.gti = good_times(observation, (0, 20), (45, 61))
    assert times(observation) == [0, 10, 20, 50, 60]
    assert observation.observation_time_duration.to_value("s") == pytest.approx(36)
    assert caplog.text == ""
    for other in (
        copy.deepcopy(observation),
        pickle.loads(pickle.dumps(observation)),
        observation.copy(in_memory=True),
    ):
        assert times(other) == [0, 10, 20, 50, 60]
    cropped = observation.select_time(Time([observation.tstart + 5 * u.s, observation.tstart + 55 * u.s]))
    assert len(cropped.events) == 3
    parts = observation.parts["events"].create()
    assert len(parts) == 5


def test_good_times_without_events_leave_none(observation):
    observation.gti = good_times(observation, (1, 2))
    assert len(observation.events) == 0


def test_good_times_beyond_the_earlier_ones_are_reported(observation, caplog):
    with caplog.at_level(logging.WARNING):
        observation.gti = good_times(observation, (-50, 30))
    assert "50 s of the good times" in caplog.text
    assert len(observation.events) == 4


def test_events_that_are_set_later_are_taken_as_they_are(observation):
    events = EventList(observation.events.table.copy())
    observation.gti = good_times(observation, (0, 20))
    observation.events = events
    assert len(observation.events) == 10


def test_features_take_text(observation):
    found = get_irfs_features([observation], "1 TeV", fixed_offset="0.5 deg")
    expected = get_irfs_features([observation], 1 * u.TeV, fixed_offset=0.5 * u.deg)
    assert found["psf-radius"] == expected["psf-radius"]
