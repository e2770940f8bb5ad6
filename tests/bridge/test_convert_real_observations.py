"""Observations of H.E.S.S., MAGIC, CTA and HAWC: both packages find the same in them, converted or not."""

import gammapy.data
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from regions import PointSkyRegion

import lightpool.data
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.gammapy import from_gammapy, to_gammapy
from lightpool.makers import MapDatasetMaker, SpectrumDatasetMaker
from lightpool.maps import MapAxis, RegionGeom, WcsGeom

pytestmark = pytest.mark.reference

STORES = {
    "hess": ("hess-dl3-dr1", "", "full-enclosure"),
    "magic": ("magic-rad-max", "", "point-like"),
    "cta": ("cta-1dc", "index/gps", "full-enclosure"),
}
CRAB = SkyCoord(83.6331, 22.0145, unit="deg")


@pytest.fixture(params=sorted(STORES))
def pair(request, shared):
    """The first observation of a store in both packages."""
    folder, index, required = STORES[request.param]
    path = shared / "data" / folder / index
    stores = [gammapy.data.DataStore.from_dir(path), lightpool.data.DataStore.from_dir(path)]
    return [store.obs(int(store.obs_ids[0]), required_irf=required) for store in stores]


@pytest.fixture(params=["in files", "read", "in memory"])
def observation(request, pair):
    """The observation of Gammapy, with its parts in files, kept by Gammapy or in memory."""
    found = pair[0]
    if request.param == "read":
        for name in ("meta", "gti", "pointing", "rad_max", "bkg"):
            getattr(found, name)
    return found.copy(in_memory=True) if request.param == "in memory" else found


def maps_of(observation):
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5, name="energy_true")
    if observation.rad_max is not None:
        geom = RegionGeom.create(PointSkyRegion(CRAB), axes=[energy])
        maker = SpectrumDatasetMaker(containment_correction=False, selection=["counts", "exposure", "edisp"])
        dataset = maker.run(SpectrumDataset.create(geom, energy_axis_true=energy_true), observation)
        return [dataset.counts, dataset.exposure, dataset.edisp.edisp_map]
    geom = WcsGeom.create(skydir=observation.pointing_radec, width=4.0, binsz=0.2, axes=[energy])
    dataset = MapDatasetMaker().run(MapDataset.create(geom, energy_axis_true=energy_true), observation)
    return [dataset.counts, dataset.exposure, dataset.background, dataset.psf.psf_map, dataset.edisp.edisp_map]


def test_it_is_reduced_as_lightpools_own(observation, pair):
    for found, expected in zip(maps_of(from_gammapy(observation)), maps_of(pair[1]), strict=True):
        assert np.sum(expected.data) > 0
        assert np.array_equal(found.data, expected.data)


def test_both_packages_say_the_same_of_it(observation):
    converted = from_gammapy(observation)
    assert converted.obs_id == observation.obs_id
    assert converted.available_irfs == observation.available_irfs
    assert len(converted.events) == len(observation.events.table)
    assert np.array_equal(converted.events.energy, observation.events.energy)
    for name in ("tstart", "tstop", "tmid"):
        assert abs((getattr(converted, name) - getattr(observation, name)).to_value("s")) < 1e-6
    for name in ("observation_time_duration", "observation_live_time_duration"):
        expected = getattr(observation, name).to_value("s")
        assert getattr(converted, name).to_value("s") == pytest.approx(expected, rel=1e-12)
    assert converted.observation_dead_time_fraction == observation.observation_dead_time_fraction
    assert converted.observatory_earth_location == observation.observatory_earth_location
    time = observation.tmid
    assert converted.get_pointing_icrs(time).separation(observation.get_pointing_icrs(time)).deg == 0
    assert converted.get_pointing_altaz(time).separation(observation.get_pointing_altaz(time)).deg < 1e-9
    assert converted.target_radec.separation(observation.target_radec).deg == 0
    if observation.bkg is not None:
        assert converted.bkg.fov_alignment == observation.bkg.fov_alignment.value
    if observation.rad_max is None:
        assert converted.rad_max is None
    else:
        assert np.array_equal(converted.rad_max.data, observation.rad_max.data)


def test_it_comes_back_from_lightpool(pair):
    theirs, own = pair
    back = to_gammapy(own)
    for name in theirs.available_irfs:
        assert np.array_equal(getattr(back, name).data, getattr(theirs, name).data)
    assert np.array_equal(back.events.table["EVENT_ID"], theirs.events.table["EVENT_ID"])
    assert back.observation_live_time_duration == theirs.observation_live_time_duration
    assert str(back.meta.model_dump(exclude={"creation"})) == str(theirs.meta.model_dump(exclude={"creation"}))


def test_a_copy_in_memory_of_lightpool_holds_what_gammapy_reads(pair):
    theirs, own = pair
    back = to_gammapy(own.copy(in_memory=True))
    theirs.meta  # noqa: B018 - Gammapy 1.3 aligns the background once it has read them
    for name in theirs.available_irfs:
        mine, expected = getattr(back, name), getattr(theirs, name)
        assert np.array_equal(mine.data, expected.data)
        if not isinstance(expected.unit, dict):  # the units of the parameters of a PSF are not all in the file
            assert mine.unit == expected.unit
        assert mine.is_pointlike == expected.is_pointlike
        assert mine.fov_alignment == expected.fov_alignment
    assert np.array_equal(back.events.energy, theirs.events.energy)
    assert back.meta.model_dump_json(exclude={"creation", "time_info"}) == theirs.meta.model_dump_json(
        exclude={"creation", "time_info"}
    )


def test_responses_of_hawc_are_maps_in_both_packages(shared):
    path = shared / "data" / "hawc" / "crab_events_pass4"
    hdus = gammapy.data.HDUIndexTable.read(path / "hdu-index-table-NN-Crab.fits.gz", hdu=6)
    table = gammapy.data.ObservationTable.read(path / "obs-index-table-NN-Crab.fits.gz")
    theirs = gammapy.data.DataStore(hdus, table).get_observations(required_irf="all-optional")[0]
    assert vars(theirs)["_aeff_hdu"].hdu_class == "map"
    loaded = [getattr(theirs, name) for name in ("aeff", "bkg")]
    for is_in_memory in (False, True):
        if is_in_memory:
            theirs.aeff, theirs.bkg = loaded
        observation = from_gammapy(theirs)
        assert len(observation.events) == len(theirs.events.table) > 0
        for found, expected in zip([observation.aeff, observation.bkg], loaded, strict=True):
            assert found.unit == expected.unit
            assert np.array_equal(found.data, expected.data)
    back = to_gammapy(from_gammapy(theirs))
    assert back is theirs
