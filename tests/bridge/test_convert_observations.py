"""Observations of Gammapy and lightpool, converted both ways."""

import dataclasses
import gc
import pickle
import weakref

import astropy.units as u
import gammapy.data
import gammapy.irf
import gammapy.makers
import gammapy.maps
import numpy as np
import pytest
from astropy.io import fits
from gammapy.utils.fits import HDULocation as GammapyHDULocation

import lightpool.data
import lightpool.errors
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


# -- parts in memory


def memory_copy(observation):
    return observation.copy(in_memory=True)


def read_again(observation):
    return gammapy.data.Observation.read(vars(observation)["__events_hdu"].path())


@pytest.mark.parametrize("row", range(6))
@pytest.mark.parametrize("loaded", [memory_copy, read_again])
def test_an_observation_in_memory_is_reduced_as_that_in_its_files(theirs, ours, row, loaded):
    number = int(theirs.obs_ids[row])
    observation = loaded(theirs.obs(number, required_irf="all-optional"))
    converted = from_gammapy(observation)
    assert not converted.locations
    assert_bit_identical(reduced(converted), reduced(ours.obs(number, required_irf="all-optional")))
    assert np.shares_memory(converted.aeff.data, observation.aeff.data)
    assert converted.available_hdus == observation.available_hdus
    assert to_gammapy(converted) is observation


def test_parts_that_were_set_take_the_place_of_the_files(theirs, ours):
    number = int(theirs.obs_ids[0])
    observation, own = theirs.obs(number), ours.obs(number)
    table = observation.bkg
    table.data = 2 * table.data
    observation.bkg = table
    events = observation.events
    observation.events = events.select_row_subset(slice(0, 40))
    converted = from_gammapy(observation)
    assert set(converted.locations) == {"gti", "aeff", "edisp", "psf", "rad_max", "pointing"}
    assert len(converted.events) == 40
    assert np.array_equal(converted.bkg.data, 2 * own.bkg.data)
    table.data = 3 * table.data
    assert np.array_equal(from_gammapy(observation).bkg.data, 6 * own.bkg.data)
    found, expected = reduced(from_gammapy(observation)), reduced(own)
    assert np.allclose(found[2], 6 * expected[2], rtol=1e-5)  # the table is of float32
    assert found[0].sum() < 0.2 * expected[0].sum()


def test_a_write_into_a_response_of_gammapy_is_seen(theirs):
    observation = memory_copy(theirs.obs(int(theirs.obs_ids[0])))
    before = reduced(from_gammapy(observation))
    observation.aeff.data *= 2
    after = reduced(from_gammapy(observation))
    assert np.allclose(after[1], 2 * before[1], rtol=1e-12)


def test_a_part_that_is_missing_is_missing_for_those_only_who_need_it(theirs):
    observation = theirs.obs(int(theirs.obs_ids[0]))
    observation.psf = None
    converted = from_gammapy(observation)
    assert converted.psf is None
    assert converted.available_hdus == ["events", "gti", "aeff", "edisp", "bkg", "rad_max"]
    geom = WcsGeom.create(
        skydir=converted.pointing_radec, width=1.0, axes=[MapAxis.from_energy_bounds("1 TeV", "9 TeV", 2)]
    )
    dataset = MapDatasetMaker(selection=["counts"]).run(MapDataset.create(geom), converted)
    assert dataset.counts.data.sum() > 0
    with pytest.raises(lightpool.errors.MissingDataError):
        MapDatasetMaker(selection=["psf"]).run(MapDataset.create(geom), converted)


def test_a_part_of_another_class_is_refused_by_name_when_it_is_needed(theirs):
    class UsersPSF(gammapy.irf.PSF3D):
        def evaluate(self, *args, **kwargs):
            return 0

    observation = theirs.obs(1, required_irf="all-optional")
    axes = [gammapy.maps.MapAxis.from_energy_bounds("1 TeV", "9 TeV", 2, name="energy_true")]
    axes.append(gammapy.maps.MapAxis.from_edges([0, 1, 2], name="offset", unit="deg"))
    axes.append(gammapy.maps.MapAxis.from_edges([0, 1, 2], name="rad", unit="deg"))
    observation.psf = UsersPSF(axes=axes, data=np.ones((2, 2, 2)), unit="sr-1")
    converted = from_gammapy(observation)
    assert len(converted.events) > 0
    with pytest.raises(TypeError, match="UsersPSF"):
        converted.psf  # noqa: B018 - it is converted when it is read


def test_an_observation_without_files_is_converted(theirs):
    stored = theirs.obs(int(theirs.obs_ids[0]))
    irfs = {name: getattr(stored, name) for name in RESPONSES}
    pointing = gammapy.data.FixedPointingInfo(fixed_icrs=stored.pointing.fixed_icrs)
    observation = gammapy.data.Observation.create(
        pointing, obs_id="a", livetime="20 min", irfs=irfs, deadtime_fraction=0.1, location=stored.meta.location
    )
    converted = from_gammapy(observation)
    assert converted.obs_id == "a"
    assert converted.events is None
    assert converted.observation_live_time_duration.to_value("s") == pytest.approx(0.9 * 1200, rel=1e-12)
    assert converted.tstart == observation.tstart
    assert converted.tstop == observation.tstop
    assert converted.observatory_earth_location is observation.observatory_earth_location
    assert converted.pointing.fixed_icrs is pointing.fixed_icrs
    time = observation.tmid
    assert converted.get_pointing_altaz(time).separation(observation.get_pointing_altaz(time)) == 0
    own = lightpool.data.Observation.create(
        converted.pointing, obs_id=3, livetime="20 min", irfs={"aeff": converted.aeff}, deadtime_fraction=0.1
    )
    back = to_gammapy(own)
    assert back.observation_live_time_duration.to_value("s") == pytest.approx(0.9 * 1200, rel=1e-12)
    assert np.shares_memory(back.aeff.data, own.aeff.data)
    assert back.available_irfs == ["aeff"]
    assert back.gti.table is own.gti.table
    assert from_gammapy(back).obs_id == 3


def test_simulated_events_are_converted(theirs):
    models = pytest.importorskip("gammapy.modeling.models")
    datasets = pytest.importorskip("gammapy.datasets")
    stored = theirs.obs(int(theirs.obs_ids[0]))
    axis = gammapy.maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", 3)
    axis_true = gammapy.maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", 3, name="energy_true")
    geom = gammapy.maps.WcsGeom.create(skydir=stored.pointing.fixed_icrs, width=1.0, binsz=0.1, axes=[axis])
    observation = memory_copy(stored)
    empty = datasets.MapDataset.create(geom, energy_axis_true=axis_true, name="test")
    dataset = gammapy.makers.MapDatasetMaker(selection=["exposure", "background", "psf", "edisp"]).run(
        empty, observation
    )
    spectrum = models.PowerLawSpectralModel(amplitude="1e-10 cm-2 s-1 TeV-1")
    position = models.PointSpatialModel(lon_0="83.63 deg", lat_0="22.01 deg", frame="icrs")
    dataset.models = [
        models.SkyModel(spectrum, position, name="source"),
        models.FoVBackgroundModel(dataset_name="test"),
    ]
    observation.events = datasets.MapDatasetEventSampler(random_state=0).run(dataset, observation)
    converted = from_gammapy(observation)
    assert 0 < len(converted.events) == len(observation.events.table)
    counts = datasets.MapDataset.create(geom).counts
    counts.fill_events(observation.events)
    own_geom = WcsGeom.create(
        skydir=converted.pointing_radec, width=1.0, binsz=0.1, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", 3)]
    )
    own = MapDatasetMaker(selection=["counts"]).run(MapDataset.create(own_geom), converted)
    assert np.array_equal(own.counts.data, counts.data)


@pytest.mark.parametrize("kind", ["changed metadata", "changed background", "both in files"])
def test_old_hess_backgrounds_are_mirrored_where_gammapy_mirrors_them(theirs, kind):
    observation = theirs.obs(int(theirs.obs_ids[0]), required_irf="all-optional")
    if kind == "changed background":
        observation.bkg = observation.bkg
    if kind != "both in files":
        observation.meta.optional |= {"CREATOR": "SASH FITS::EventListWriter", "HDUVERS": "0.2"}
    converted = from_gammapy(observation)
    alignment = "RADEC" if kind == "both in files" else "REVERSE_LON_RADEC"
    assert converted.bkg.fov_alignment == alignment
    assert observation.bkg.fov_alignment.value == alignment
    assert converted.bkg.data.shape == observation.bkg.data.shape


def pointlike(observation, radius):
    """An observation with a point-like effective area that has a fixed cut, and no table of cuts."""
    observation._rad_max = None
    aeff = observation.aeff
    meta = dict(aeff.meta, RAD_MAX=radius)
    observation.aeff = gammapy.irf.EffectiveAreaTable2D(
        axes=aeff.axes, data=aeff.data, unit=aeff.unit, meta=meta, is_pointlike=True
    )
    return observation


def test_a_fixed_cut_is_that_of_the_effective_area(theirs):
    observation = pointlike(theirs.obs(int(theirs.obs_ids[0])), 0.12)
    converted = from_gammapy(observation)
    assert vars(observation)["_rad_max"] is None
    assert converted.rad_max.data == observation.rad_max.data == 0.12
    assert from_gammapy(observation).rad_max.data == 0.12
    full = theirs.obs(int(theirs.obs_ids[1]))
    full._rad_max = None
    assert full.rad_max is None
    assert from_gammapy(full).rad_max is None
    # Gammapy keeps the cut that it found first.
    observation.aeff = theirs.obs(int(theirs.obs_ids[0])).aeff
    assert observation.rad_max.data == from_gammapy(observation).rad_max.data == 0.12


def test_a_position_of_the_observatory_that_was_given_comes_before_the_header(theirs, ours):
    observation = theirs.obs(int(theirs.obs_ids[0]))
    assert from_gammapy(observation).observatory_earth_location == observation.observatory_earth_location
    assert to_gammapy(ours.obs(int(theirs.obs_ids[0]))).observatory_earth_location == observation.meta.location
    other = memory_copy(observation)
    assert from_gammapy(other).given_location is vars(other)["_location"]


class Named(gammapy.data.Observation):
    """A class that overrides nothing."""

    survey = "none"

    def __init__(self, survey, **kwargs):
        super().__init__(**kwargs)
        self.survey = survey


class Scaled(gammapy.data.Observation):
    @property
    def observation_live_time_duration(self):
        return 2 * super().observation_live_time_duration


def test_classes_that_override_nothing_are_converted(theirs):
    number = int(theirs.obs_ids[0])
    state = dict(vars(theirs.obs(number)))
    named, scaled = Named.__new__(Named), Scaled.__new__(Scaled)
    vars(named).update(state)
    vars(scaled).update(state)
    assert from_gammapy(named).locations == from_gammapy(theirs.obs(number)).locations
    with pytest.raises(TypeError, match="overrides observation_live_time_duration of Observation"):
        from_gammapy(scaled)


def test_a_place_that_only_gammapy_can_read_is_read_by_gammapy(theirs):
    class Doubled(GammapyHDULocation):
        def load(self):
            table = super().load()
            table.data = 2 * table.data
            return table

    observation = theirs.obs(int(theirs.obs_ids[0]))
    single = observation.aeff.data
    vars(observation)["_aeff_hdu"] = Doubled(**vars(vars(observation)["_aeff_hdu"]))
    assert np.array_equal(from_gammapy(observation).aeff.data, 2 * single)


def test_an_hdu_that_the_file_does_not_have_is_an_error_that_names_it(theirs):
    observation = theirs.obs(int(theirs.obs_ids[0]))
    vars(observation)["_psf_hdu"].hdu_name = "NOWHERE"
    assert observation.psf is None
    with pytest.raises(lightpool.errors.MissingDataError, match="NOWHERE"):
        from_gammapy(observation).psf  # noqa: B018 - it is loaded when it is read


def test_a_converted_observation_travels_to_another_process(theirs):
    for observation in (theirs.obs(int(theirs.obs_ids[0])), memory_copy(theirs.obs(int(theirs.obs_ids[0])))):
        converted = from_gammapy(observation)
        assert_bit_identical(reduced(pickle.loads(pickle.dumps(converted))), reduced(converted))


def test_converted_observations_are_freed_with_the_original(theirs):
    observation = memory_copy(theirs.obs(int(theirs.obs_ids[0])))
    converted = from_gammapy(observation)
    reduced(converted)
    held = [weakref.ref(each) for each in (observation, converted, observation.aeff, converted.events)]
    del observation, converted
    gc.collect()
    assert [each() for each in held] == [None] * 4


# -- changes of observations of lightpool


def test_changes_of_an_observation_of_lightpool_go_to_gammapy(ours):
    number = int(ours.obs_ids[0])
    own = ours.obs(number)
    own.events.table["ENERGY"] *= 2
    own.gti.table["STOP"] += 60 * u.s
    own.meta.deadtime_fraction = 0.25
    own.bkg = None
    converted = to_gammapy(own)
    assert np.array_equal(converted.events.energy, own.events.energy)
    assert converted.gti.table is own.gti.table
    assert converted.meta.deadtime_fraction == 0.25
    assert converted.bkg is None
    assert converted.observation_live_time_duration.to_value("s") == pytest.approx(
        own.observation_live_time_duration.to_value("s"), rel=1e-12
    )
    assert set(from_gammapy(converted).locations) == {"aeff", "edisp", "psf", "rad_max", "pointing"}


@pytest.fixture
def old_hess(crab_store, tmp_path):
    """The first run in both packages, with a file that says that it is of the first H.E.S.S. data release."""
    found = []
    for package in (gammapy, lightpool):
        store = package.data.DataStore.from_dir(crab_store)
        found.append(store.obs(1))
    path = tmp_path / "run.fits"
    with fits.open(found[1].files[0]) as hdus:
        hdus["EVENTS"].header.update(CREATOR="SASH FITS::EventListWriter", HDUVERS="0.2")
        hdus.writeto(path)
    theirs, own = found
    for location in vars(theirs).values():
        if isinstance(location, GammapyHDULocation):
            location.base_dir, location.file_dir, location.file_name = str(tmp_path), "", "run.fits"
    moved = {
        name: dataclasses.replace(place, base_dir=str(tmp_path), file_dir="", file_name="run.fits")
        for name, place in own.locations.items()
    }
    return theirs, lightpool.data.Observation(obs_id=1, **moved)


def test_old_hess_backgrounds_in_files_are_mirrored_in_both_packages(old_hess):
    theirs, own = old_hess
    for observation in (own, from_gammapy(theirs)):
        assert "bkg" in observation.locations
        assert observation.bkg.fov_alignment == "REVERSE_LON_RADEC"
    assert theirs.meta is not None  # Gammapy 1.3 aligns the background once it has read them
    assert theirs.bkg.fov_alignment.value == "REVERSE_LON_RADEC"
    theirs.events = theirs.events.select_row_subset(slice(0, 10))
    assert from_gammapy(theirs).bkg.fov_alignment == "REVERSE_LON_RADEC"
    own.meta = lightpool.data.ObservationMetaData(deadtime_fraction=0.5)
    assert own.bkg.fov_alignment == "REVERSE_LON_RADEC"
    back = to_gammapy(own)
    assert back.bkg.fov_alignment.value == "REVERSE_LON_RADEC"
    assert back.meta.deadtime_fraction == 0.5
