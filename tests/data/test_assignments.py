"""What a user sets or changes counts from then on, and what would not count is refused."""

import copy
import inspect
import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time
from made_up_stores import events_hdu, gti_hdu, header_with, irf_bytes
from numpy.testing import assert_array_equal

from lightpool.data import (
    GTI,
    DataStore,
    EventList,
    FixedPointingInfo,
    Observation,
    ObservationMetaData,
    Observations,
)
from lightpool.datasets import Datasets, MapDataset, SpectrumDataset
from lightpool.errors import MissingDataError
from lightpool.irf import RadMax2D
from lightpool.makers import (
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

IRFS = ("aeff", "edisp", "psf", "bkg")


@pytest.fixture
def observation(three):
    return DataStore.from_dir(three.finish()).obs(1)


def _same(observation):
    return observation


def _copy_in_memory(observation):
    return observation.copy(in_memory=True)


def _all_times(observation):
    return observation.select_time(Time([observation.tstart - 1 * u.d, observation.tstop + 1 * u.d]))


MADE = [_same, Observation.copy, _copy_in_memory, _all_times, Observation.loaded]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("prefix", ["", "_"])
def test_every_part_of_an_observation_can_be_set(observation, made, prefix):
    one, other = made(observation), observation.copy(in_memory=True)
    gti = GTI.create([0] * u.s, [50] * u.s, reference_time=observation.tstart)
    events = observation.events.select_energy([3, 8] * u.TeV)
    setattr(one, f"{prefix}gti", gti)
    setattr(one, f"{prefix}events", events)
    assert one.observation_time_duration.to_value("s") == pytest.approx(50)
    assert_array_equal(one.events.energy.to_value("TeV"), [3, 4, 5, 6, 7])
    for name in IRFS:
        table = getattr(other, name)
        table.meta["MARK"] = name
        setattr(one, f"{prefix}{name}", table)
        assert getattr(one, name).meta["MARK"] == name
        setattr(one, f"{prefix}{name}", None)
        assert getattr(one, name) is None
    rad_max = RadMax2D.from_irf(_with_cut(other.aeff))
    setattr(one, f"{prefix}rad_max", rad_max)
    assert one.rad_max is rad_max
    setattr(one, f"{prefix}pointing", FixedPointingInfo.from_degrees(10.0, 20.0))
    assert one.pointing_radec.dec.deg == 20
    assert one.events.pointing_radec.dec.deg == 20  # the cuts of point-like responses are placed by it
    setattr(one, f"{prefix}meta", ObservationMetaData(deadtime_fraction=0.25))
    assert one.observation_live_time_duration.to_value("s") == pytest.approx(0.75 * 50)
    back = pickle.loads(pickle.dumps(one))
    assert len(back.events) == 5
    assert back.events.pointing_radec.dec.deg == 20
    assert back.observation_live_time_duration.to_value("s") == pytest.approx(0.75 * 50)


def _with_cut(aeff):
    aeff.meta["RAD_MAX"] = 0.1
    aeff._is_pointlike = True
    return aeff


def test_a_position_can_be_set_as_pointing(observation):
    observation.pointing = SkyCoord(1, 2, unit="deg", frame="galactic")
    assert observation.pointing_radec.galactic.b.deg == pytest.approx(2)


def test_a_fixed_cut_follows_the_effective_area_that_is_set(observation):
    assert observation.rad_max is None
    observation.aeff = _with_cut(observation.copy(in_memory=True).aeff)
    assert observation.rad_max.quantity.max() == 0.1 * u.deg


@pytest.mark.parametrize(("name", "value"), [("events", 3), ("gti", 3), ("pointing", "zenith"), ("meta", {"DEADC": 1})])
def test_what_is_no_such_part_is_refused(observation, name, value):
    for spelling in (name, f"_{name}"):
        with pytest.raises(TypeError, match=f"{name} must be an? "):
            setattr(observation, spelling, value)


@pytest.mark.parametrize("name", [*IRFS, "rad_max"])
@pytest.mark.parametrize("value", [3, "table.fits", np.ones(3)])
def test_what_is_no_response_is_refused(observation, name, value):
    with pytest.raises(TypeError, match=f"{name} of an observation must be a response"):
        setattr(observation, name, value)


def test_events_that_are_set_do_not_turn_the_background_of_the_file(three):
    # Background and events of the first H.E.S.S. release: that it is mirrored is known from the events of the file.
    changes = {"CREATOR": "SASH FITS::EventListWriter", "HDUVERS": "0.2"}
    path = three.add(4, events_hdu(header=header_with(OBS_ID=4, **changes)), gti_hdu())
    path.write_bytes(path.read_bytes() + irf_bytes())
    observation = DataStore.from_dir(three.finish()).obs(4)
    assert observation.bkg.fov_alignment == "REVERSE_LON_RADEC"
    observation.events = EventList(None)
    for made in (observation, observation.copy(), pickle.loads(pickle.dumps(observation)), observation.loaded()):
        assert made.bkg.fov_alignment == "REVERSE_LON_RADEC"


def test_a_response_of_another_kind_is_refused(observation):
    with pytest.raises(TypeError, match="aeff of an observation cannot be a EnergyDispersion2D"):
        observation.aeff = observation.edisp


@pytest.mark.parametrize("name", ["gtis", "_gtis", "event", "_edsip", "pontig", "location"])
def test_an_attribute_that_an_observation_does_not_have_is_refused(observation, name):
    for made in MADE:
        with pytest.raises(
            AttributeError, match=rf"Observation has no attribute '{name}' that can be set.*It has aeff, bkg"
        ):
            setattr(made(observation), name, 1)


def _dataset():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    return MapDataset.create(WcsGeom.create(width=1, binsz=0.5, axes=[axis]))


def _spectrum():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    return SpectrumDataset.create(RegionGeom.create("icrs;circle(0, 0, 1)", axes=[axis]))


MISSPELLED = [
    (_dataset, "mask_saef", "mask_safe"),
    (_dataset, "count", "counts"),
    (_spectrum, "exposures", "exposure"),
    (MapDatasetMaker, "selections", "selection"),
    (SpectrumDatasetMaker, "containment_corection", "containment_correction"),
    (SafeMaskMaker, "offset_maxx", "offset_max"),
    (FoVBackgroundMaker, "exclusion", "exclusion_mask"),
    (ReflectedRegionsBackgroundMaker, "region_findr", "region_finder"),
    (lambda: EventList(None), "tables", "table"),
    (lambda: GTI.create([0] * u.s, [1] * u.s), "tabel", "table"),
    (lambda: FixedPointingInfo.from_degrees(0, 0), "fixed", None),
    (Observations, "observations", None),
    (lambda: GTI.create([0] * u.s, [1] * u.s), "reference_time", None),
    (lambda: Datasets([_dataset()]), "datasets", None),
    (lambda: DatasetsMaker([MapDatasetMaker()]), "cutout_widht", "cutout_width"),
    (lambda: ObservationMetaData(deadtime_fraction=0), "deadtime", "deadtime_fraction"),
]


@pytest.mark.parametrize(("make", "wrong", "meant"), MISSPELLED)
def test_a_misspelled_attribute_is_refused_with_the_one_that_was_meant(make, wrong, meant):
    hint = rf"; did you mean '{meant}'\?" if meant else ""
    for thing in (make(), copy.copy(make())):
        with pytest.raises(AttributeError, match=f"no attribute '{wrong}' that can be set{hint}"):
            setattr(thing, wrong, 1)


def test_a_class_that_a_user_derives_may_have_attributes_of_its_own():
    class Mine(SafeMaskMaker):
        def __init__(self):
            super().__init__(methods=["offset-max"])
            self.mine = 1

    maker = Mine()
    maker.other = 2
    assert (maker.mine, maker.other) == (1, 2)


@pytest.mark.parametrize("made", MADE)
def test_changes_of_the_table_of_the_events_count(observation, made):
    observation = made(observation)
    observation.events.table["PHASE"] = np.linspace(0, 1, 10)
    observation.events.table["ENERGY"] *= 2
    observation.events.table.meta["OBJECT"] = "Nothing"
    for one in (observation, pickle.loads(pickle.dumps(observation)), observation.copy()):
        events = one.events
        assert_array_equal(events.energy.to_value("TeV"), 2 * np.arange(1, 11))
        assert len(events.select_parameter("PHASE", (0, 0.5))) == 5
        assert events.table.meta["OBJECT"] == "Nothing"


def test_changes_of_the_events_are_in_a_later_selection_and_not_the_other_way_round(observation):
    observation.events.table["ENERGY"] *= 2
    later = observation.select_time(Time([observation.tstart, observation.tstart + 45 * u.s]))
    assert_array_equal(later.events.energy.to_value("TeV"), [2, 4, 6, 8, 10])
    later.events.table["ENERGY"] *= 2
    assert_array_equal(later.events.energy.to_value("TeV"), [4, 8, 12, 16, 20])
    assert observation.events.energy.to_value("TeV")[0] == 2


@pytest.mark.parametrize("made", MADE)
def test_changes_of_the_table_of_the_good_times_count(observation, made):
    observation = made(observation)
    observation.gti.table["STOP"] -= 40 * u.s
    for one in (observation, pickle.loads(pickle.dumps(observation)), observation.copy()):
        assert one.observation_time_duration.to_value("s") == pytest.approx(60)


def test_changes_of_what_the_header_says_count(observation):
    observation.meta.deadtime_fraction = 0.5
    for one in (observation, pickle.loads(pickle.dumps(observation)), observation.copy()):
        assert one.observation_live_time_duration.to_value("s") == pytest.approx(50)


def test_changes_of_the_index_tables_count(three):
    store = DataStore.from_dir(three.finish())
    store.obs_table["ZEN_PNT"][0] = 80
    store.obs_table["MINE"] = [1, 2, 3]
    assert store.obs_table.select_range("ZEN_PNT", [75, 90] * u.deg)["OBS_ID"].tolist() == [1]
    assert store.obs_table.select_expression("MINE == 3")["OBS_ID"].tolist() == [3]
    store.hdu_table.remove_rows(np.flatnonzero(store.hdu_table["OBS_ID"] == 2))
    assert store.get_observations().ids == ["1", "3"]


def test_events_whose_table_nobody_asked_for_are_not_kept(observation):
    assert len(observation.events) == 10
    assert observation.events is not observation.events
    table = observation.events.table
    assert observation.events.table is table


def test_a_list_that_was_handed_out_before_does_not_come_back(observation):
    old = observation.events
    observation.events = observation.events.select_energy([3, 8] * u.TeV)
    old.table["ENERGY"] *= 2
    assert len(observation.events) == 5
    again = observation.copy()
    first, second = again.events, again.events
    first.table["ENERGY"] *= 2
    second.table["ENERGY"] *= 3
    assert again.events.energy.to_value("TeV")[0] == 3 * 2 * 3  # one list in memory


def test_of_two_lists_of_one_file_the_one_whose_table_was_asked_for_first_counts(observation):
    first, second = observation.events, observation.events
    first.table["ENERGY"] *= 2
    second.table["ENERGY"] *= 3
    assert observation.events.energy.to_value("TeV")[0] == 2


def test_changes_survive_a_filter_that_comes_and_goes(observation):
    observation.events.table["ENERGY"] *= 2
    observation.obs_filter.event_filters.append(
        {"type": "custom", "opts": {"parameter": "ENERGY", "values": (3 * u.TeV, 9 * u.TeV)}}
    )
    observation.events.table["ENERGY"] *= 2
    assert_array_equal(observation.events.energy.to_value("TeV"), [8, 12, 16])
    observation.obs_filter.event_filters.clear()
    assert_array_equal(observation.events.energy.to_value("TeV"), 2 * np.arange(1, 11))


def test_every_parameter_that_counts_as_an_attribute_is_one():
    for thing in (make() for make, _, _ in MISSPELLED):
        kind = type(thing)
        for name in list(inspect.signature(kind.__init__).parameters)[1:]:
            assert name in vars(thing) or hasattr(kind, name) or name in (*kind._consumed, "kwargs"), (kind, name)


def test_the_place_of_an_observation_can_be_set(observation):
    observation.observatory_earth_location = EarthLocation(lon=1 * u.deg, lat=2 * u.deg, height=3 * u.m)
    assert observation.get_pointing_altaz(observation.tmid).location.lat.deg == pytest.approx(2)


def test_an_observation_without_good_times_or_events_says_so(observation):
    observation.gti  # noqa: B018
    bare = Observation(obs_id=5, pointing=observation.pointing, aeff=observation.aeff, meta=observation.meta)
    for ask in ("observation_time_duration", "observation_live_time_duration"):
        with pytest.raises(MissingDataError, match="observation 5 has no GTI, so its duration is not known"):
            getattr(bare, ask)
    bare.gti = observation.gti
    with pytest.raises(MissingDataError, match="observation 5 has no 'events', it has"):
        MapDatasetMaker(selection=["counts"]).run(_dataset(), bare)
    assert MapDatasetMaker(selection=["exposure"]).run(_dataset(), bare).exposure.data.shape[0] > 0
