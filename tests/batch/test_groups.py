"""Which stack an observation, or a part of it, belongs to."""

from itertools import pairwise

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from numpy.testing import assert_allclose

from lightpool.batch.groups import Division, night_of
from lightpool.config.settings import Groups
from lightpool.data import GTI, DataStore, Observation, ObservationTable
from lightpool.errors import ConfigError


@pytest.fixture
def observation(crab_store):
    return DataStore.from_dir(crab_store).get_observations([1])[0]


def parts(observation, row=None, **settings):
    division = Division(Groups(name="division", **settings))
    return {part.group: part.observation for part in division.parts(observation, row or {})}


def test_all_of_an_observation_is_one_group(observation):
    assert parts(observation, by="all") == {"all": observation}


def test_an_observation_after_midnight_belongs_to_the_evening_before(observation):
    evening = night_of(observation)
    assert list(parts(observation, by="night")) == [evening]
    middle = observation.tmid.utc
    longitude = observation.observatory_earth_location.lon.deg
    hours_after_local_noon = ((middle.mjd + longitude / 360 - 0.5) % 1) * 24
    assert evening == Time(middle - hours_after_local_noon * u.h).isot[:10]


def test_time_bins_share_the_good_time_and_the_events(observation):
    start = (observation.tstart + 100 * u.s).utc.isot
    found = parts(observation, by="time", time_start=start, time_width="600 s")
    seconds = [part.gti.time_sum.to_value("s") for part in found.values()]
    assert_allclose(seconds, [100, 600, 600, 380], rtol=1e-9)
    n_event = sum(len(part.events) for part in found.values())
    assert n_event == len(observation.events)


def test_intervals_of_a_file_are_groups_and_the_rest_is_in_none(observation, tmp_path):
    start = observation.tstart
    gti = GTI.create([100, 5000] * u.s, [300, 6000] * u.s, reference_time=start)
    gti.write(tmp_path / "gti.fits")
    found = parts(observation, by="gti", file=str(tmp_path / "gti.fits"))
    assert list(found) == ["interval-1"]
    assert_allclose(found["interval-1"].gti.time_sum.to_value("s"), 200, rtol=1e-9)


def test_events_in_bins_of_a_column_keep_the_livetime(observation):
    found = parts(observation, by="events", expression="ENERGY", edges=[1, 2, 4])
    energy = observation.events.energy.to_value("TeV")
    for (low, high), part in zip([(1, 2), (2, 4)], found.values(), strict=True):
        assert len(part.events) == np.sum((energy >= low) & (energy < high))
        assert part.observation_live_time_duration == observation.observation_live_time_duration
    assert list(found) == ["1-2", "2-4"]


def test_events_by_a_condition_are_yes_and_no(observation):
    found = parts(observation, by="events", expression="ENERGY > 2 and DEC < 22.5")
    assert list(found) == ["no", "yes"]
    assert sum(len(part.events) for part in found.values()) == len(observation.events)
    assert np.all(found["yes"].events.energy > 2 * u.TeV)


def test_events_by_the_values_of_a_column(observation):
    found = parts(observation, by="events", expression="MC_ID")
    values, counts = np.unique(np.asarray(observation.events.table["MC_ID"]), return_counts=True)
    assert {name: len(part.events) for name, part in found.items()} == dict(
        zip(map(str, values), counts.tolist(), strict=True)
    )


@pytest.mark.parametrize(("zenith", "group"), [(10.0, "0-20"), (20.0, "20-40"), (50.0, None), (np.nan, None)])
def test_observations_in_bins_of_a_column(observation, zenith, group):
    found = parts(observation, {"ZEN_PNT": zenith}, by="observations", expression="ZEN_PNT", edges=[0, 20, 40])
    assert list(found) == ([] if group is None else [group])


def test_bins_that_differ_little_are_groups_of_their_own(observation):
    edges = (observation.events.time_ref.mjd + np.array([0.875, 0.8751, 0.8752])).tolist()
    found = parts(observation, by="events", expression=f"TIME / 86400 + {observation.events.time_ref.mjd}", edges=edges)
    assert list(found) == [f"{low!r}-{high!r}" for low, high in pairwise(edges)]


def test_time_bins_are_found_whatever_the_order_of_the_intervals(observation):
    start = observation.tstart
    ordered = GTI.create([0, 900] * u.s, [500, 1500] * u.s, reference_time=start)
    reversed_ = GTI.create([900, 0] * u.s, [1500, 500] * u.s, reference_time=start)
    seconds = []
    for gti in (ordered, reversed_):
        found = parts(Observation(obs_id=1, gti=gti), by="time", time_start=start.isot, time_width="600 s")
        seconds.append({name: each.gti.time_sum.to_value("s") for name, each in found.items()})
    assert seconds[1] == pytest.approx(seconds[0])


def test_edges_may_be_angles(observation):
    found = parts(observation, {"OFFSET": 0.5}, by="observations", expression="OFFSET", edges=["0 deg", "60 arcmin"])
    assert list(found) == ["0-1"]


def test_texts_become_names_of_files(observation):
    by_object = Groups(name="objects", by="observations", expression="OBJECT")
    texts = ["Crab Nebula", "Vela X 1", "Vela X/1", "outside", "all", ""]
    division = Division(by_object, ObservationTable({"OBS_ID": np.arange(6), "OBJECT": texts}))
    found = [next(division.parts(observation, {"OBJECT": text})).group for text in texts]
    assert found[0] == "Crab_Nebula"
    assert found[1].startswith("Vela_X_1-")
    assert found[2].startswith("Vela_X_1-")
    assert found[3] == "outside"
    assert found[4].startswith("all-")  # `all` alone is the group of everything
    assert found[5] == "none"
    assert len(set(found)) == 6


def test_bins_of_time_that_begin_within_a_second_are_groups_of_their_own(observation):
    start = observation.tstart
    gti = GTI.create([0] * u.s, [1] * u.s, reference_time=start)
    one = Observation(obs_id=1, gti=gti)
    found = parts(one, by="time", time_start=start.isot, time_width="0.25 s")
    seconds = [part.gti.time_sum.to_value("s") for part in found.values()]
    assert len(seconds) >= 4
    assert sum(seconds) == pytest.approx(1)


def test_an_unknown_column_is_named(observation):
    with pytest.raises(ConfigError, match="no column 'ZENITH'"):
        parts(observation, {"ZEN_PNT": 1.0}, by="observations", expression="ZENITH")


def test_edges_of_groups_must_ascend():
    with pytest.raises(ConfigError, match="edges must be strictly ascending"):
        Division(Groups(name="a", by="events", expression="ENERGY", edges=[2, 1]))
