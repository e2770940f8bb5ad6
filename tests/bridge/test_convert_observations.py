"""Observations of Gammapy and lightpool, converted both ways."""

import astropy.units as u
import gammapy.data
import numpy as np
import pytest
from gammapy.utils.fits import HDULocation as GammapyHDULocation

import lightpool.data
from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.gammapy import from_gammapy, to_gammapy
from lightpool.makers import MapDatasetMaker, SafeMaskMaker, SpectrumDatasetMaker
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

RESPONSES = ("aeff", "edisp", "psf", "bkg")


@pytest.fixture(scope="module")
def theirs(crab_store):
    """A data store of Gammapy."""
    return gammapy.data.DataStore.from_dir(crab_store)


@pytest.fixture(scope="module")
def ours(crab_store):
    """The same store of lightpool."""
    return lightpool.data.DataStore.from_dir(crab_store)


def reduced(observation):
    """Counts, exposure, background and responses of an observation, as arrays."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
    position = observation.get_pointing_icrs(observation.tmid)
    geom = WcsGeom.create(skydir=position, width=2.0, binsz=0.2, axes=[energy])
    maker = SafeMaskMaker(["offset-max"], offset_max="1 deg")
    dataset = MapDatasetMaker().run(MapDataset.create(geom, energy_axis_true=energy_true), observation)
    dataset = maker.run(dataset, observation)
    region = RegionGeom.create("icrs;circle(83.63, 22.01, 0.2)", axes=[energy])
    spectrum = SpectrumDatasetMaker(containment_correction=True).run(
        SpectrumDataset.create(region, energy_axis_true=energy_true), observation
    )
    maps = [dataset.counts, dataset.exposure, dataset.background, dataset.mask_safe]
    maps += [dataset.psf.psf_map, dataset.edisp.edisp_map, spectrum.counts, spectrum.exposure]
    return [each.data for each in maps]


def assert_bit_identical(one, other):
    for first, second in zip(one, other, strict=True):
        assert np.array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.parametrize("row", range(6))
def test_an_observation_of_a_store_is_reduced_as_that_of_lightpools_own_store(theirs, ours, row):
    number = int(ours.obs_ids[row])
    converted = from_gammapy(theirs.obs(number, required_irf="all-optional"))
    own = ours.obs(number, required_irf="all-optional")
    assert converted.locations == own.locations
    assert_bit_identical(reduced(converted), reduced(own))


def test_to_convert_an_observation_opens_no_file(theirs):
    FILE_CACHE.clear()
    observation = theirs.obs(int(theirs.obs_ids[0]))
    before = set(vars(observation))
    from_gammapy(observation)
    assert len(FILE_CACHE) == 0
    assert set(vars(observation)) == before


def test_an_observation_that_did_not_change_is_converted_once(theirs):
    observation = theirs.obs(int(theirs.obs_ids[0]))
    converted = from_gammapy(observation)
    assert from_gammapy(observation) is converted
    assert to_gammapy(converted) is observation
    assert lightpool.data.Observation.from_gammapy(observation) is converted


@pytest.mark.parametrize("change", ["aeff", "_events", "obs_filter", "meta", "obs_id"])
def test_an_observation_that_changed_is_converted_again(theirs, change):
    observation = theirs.obs(int(theirs.obs_ids[0]))
    observation.meta  # noqa: B018 - it is kept once it was read
    converted = from_gammapy(observation)
    duration = converted.observation_live_time_duration
    if change == "meta":
        observation.meta.deadtime_fraction = 0.5
    elif change == "obs_filter":
        observation.obs_filter = gammapy.data.ObservationFilter(time_filter=observation.tstart + [0, 100] * u.s)
    elif change == "obs_id":
        observation.obs_id = 7
    else:
        setattr(observation, change, None)
    again = from_gammapy(observation)
    assert again is not converted
    assert to_gammapy(again) is observation
    assert (again.observation_live_time_duration != duration) == (change in ("meta", "obs_filter"))
    assert again.observation_live_time_duration.to_value("s") == pytest.approx(
        observation.observation_live_time_duration.to_value("s"), rel=1e-12
    )


def test_changes_of_a_converted_observation_stay_with_it(theirs):
    observation = theirs.obs(int(theirs.obs_ids[0]))
    for change in (
        lambda x: setattr(x, "bkg", None),
        lambda x: x.events.table,
        lambda x: setattr(x.meta, "deadtime_fraction", 0.5),
        lambda x: setattr(x.obs_filter, "inverted_time", True),
        lambda x: setattr(x, "observatory_earth_location", x.meta.location),
    ):
        converted = from_gammapy(observation)
        change(converted)
        assert from_gammapy(observation) is not converted
        assert from_gammapy(observation) is from_gammapy(observation)


def test_parts_that_were_read_are_the_same(theirs, ours):
    number = int(theirs.obs_ids[1])
    observation, own = theirs.obs(number), ours.obs(number)
    before = reduced(from_gammapy(observation))
    for name in ("meta", "gti", "pointing", "rad_max"):
        getattr(observation, name)
    converted = from_gammapy(observation)
    assert {"meta", "gti", "pointing"}.isdisjoint(converted.locations)
    assert converted.gti.table is observation.gti.table
    assert converted.pointing.fixed_icrs is observation.pointing.fixed_icrs
    assert_bit_identical(reduced(converted), before)
    assert converted.tstart == own.tstart
    assert converted.observation_live_time_duration == own.observation_live_time_duration


def test_an_observation_of_lightpool_is_read_by_gammapy(theirs, ours):
    number = int(theirs.obs_ids[0])
    own, expected = ours.obs(number), theirs.obs(number)
    converted = to_gammapy(own)
    assert type(converted) is gammapy.data.Observation
    kept = {key: value for key, value in vars(converted).items() if isinstance(value, GammapyHDULocation)}
    for key, location in kept.items():
        assert vars(location) == vars(vars(expected)[key])
    assert from_gammapy(converted).locations == own.locations
    assert set(kept) >= {"_aeff_hdu", "_edisp_hdu", "_psf_hdu", "__bkg_hdu", "__events_hdu", "__gti_hdu"}
    assert converted.obs_id == number
    assert converted.observation_live_time_duration == expected.observation_live_time_duration
    assert converted.tstart == expected.tstart
    assert np.array_equal(converted.aeff.data, expected.aeff.data)


def test_lists_are_converted_one_by_one(theirs, ours):
    observations = theirs.get_observations()
    converted = from_gammapy(observations)
    assert type(converted) is lightpool.data.Observations
    assert converted.ids == observations.ids
    assert list(to_gammapy(converted)) == list(observations)
    assert to_gammapy(ours.get_observations()).ids == observations.ids
