"""Objects of Gammapy as arguments of lightpool's makers, datasets, maps and geometries."""

import astropy.units as u
import gammapy.data
import gammapy.datasets
import gammapy.irf
import gammapy.maps
import numpy as np
import pytest
from gammapy.modeling.models import LogParabolaNormSpectralModel, PowerLawNormSpectralModel
from regions import CircleSkyRegion

import lightpool.maps
from lightpool.data import DataStore, Observation, Observations
from lightpool.datasets import Datasets, MapDataset, SpectrumDataset
from lightpool.irf import IRFMap
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    ReflectedRegionsFinder,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from lightpool.makers.utils import make_map_exposure_true_energy
from lightpool.maps import Map, MapAxes, Maps, RegionGeom, RegionNDMap, WcsGeom, WcsNDMap
from lightpool.simulate import PointSource

POSITION = PointSource().position
REGION = CircleSkyRegion(POSITION, 0.3 * u.deg)


def energy_axis(package, name="energy"):
    return package.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name=name)


def geom_of(package, has_axis=True):
    axes = [energy_axis(package)] if has_axis else None
    return package.WcsGeom.create(skydir=POSITION, width=4.0, binsz=0.1, axes=axes)


def exclusion_mask(package):
    return geom_of(package, has_axis=False).region_mask([REGION], inside=False)


def assert_same(dataset, expected):
    assert dataset.maps.keys() == expected.maps.keys()
    for name, part in expected.maps.items():
        own, other = ((each.irf_map if isinstance(each, IRFMap) else each) for each in (dataset.maps[name], part))
        assert own.geom == other.geom
        np.testing.assert_array_equal(own.data, other.data, err_msg=name)


@pytest.fixture(scope="module")
def observations(crab_store):
    return DataStore.from_dir(crab_store).get_observations()[:2]


@pytest.fixture(scope="module")
def gammapy_observations(crab_store):
    store = gammapy.data.DataStore.from_dir(crab_store)
    return store.get_observations(store.obs_table["OBS_ID"][:2])


@pytest.fixture(scope="module")
def reduced(observations):
    """One run on the geometry of `geom_of`, with its safe mask."""
    dataset = MapDatasetMaker().run(MapDataset.create(geom_of(lightpool.maps), name="run"), observations[0])
    return SafeMaskMaker(methods=["offset-max"], offset_max="2 deg").run(dataset, observations[0])


def test_axes_of_gammapy_make_geometries():
    axis, expected = energy_axis(gammapy.maps), geom_of(lightpool.maps)
    assert WcsGeom.create(skydir=POSITION, width=4.0, binsz=0.1, axes=[axis]) == expected
    assert WcsGeom.create(skydir=POSITION, width=4.0, binsz=0.1, axes=gammapy.maps.MapAxes([axis])) == expected
    assert RegionGeom.create(REGION, axes=[axis]) == RegionGeom.create(REGION, axes=[energy_axis(lightpool.maps)])
    assert expected.to_image().to_cube([axis]) == expected
    assert MapAxes([axis]) == expected.axes


def test_geometries_of_gammapy_make_maps():
    geom, expected = geom_of(gammapy.maps), geom_of(lightpool.maps)
    for made in (Map.from_geom(geom), WcsNDMap(geom), Maps.from_geom(geom, names=["counts"])["counts"]):
        assert type(made) is WcsNDMap
        assert made.geom == expected
    region = gammapy.maps.RegionGeom.create(REGION, axes=[energy_axis(gammapy.maps)])
    assert type(Map.from_geom(region)) is RegionNDMap
    assert expected == geom


def test_maps_of_gammapy_take_part_in_arithmetic():
    own = Map.from_geom(geom_of(lightpool.maps), data=3.0, unit="m")
    other = gammapy.maps.Map.from_geom(geom_of(gammapy.maps), data=2.0, unit="cm")
    assert type(own * other) is WcsNDMap
    np.testing.assert_array_equal((own + other).data, 3.02)
    np.testing.assert_array_equal((own > other).data, True)
    own.stack(other, weights=gammapy.maps.Map.from_geom(geom_of(gammapy.maps), dtype=bool))
    np.testing.assert_array_equal(own.data, 3.0)


def test_a_dataset_is_created_from_objects_of_gammapy():
    true = energy_axis(gammapy.maps, "energy_true")
    dataset = MapDataset.create(geom_of(gammapy.maps), energy_axis_true=true)
    expected = MapDataset.create(geom_of(lightpool.maps), energy_axis_true=energy_axis(lightpool.maps, "energy_true"))
    assert_same(dataset, expected)
    geom = gammapy.maps.RegionGeom.create(REGION, axes=[energy_axis(gammapy.maps)])
    assert SpectrumDataset.create(geom, energy_axis_true=true).counts.geom.region == REGION


def test_maps_of_gammapy_become_parts_of_a_dataset():
    mask = geom_of(gammapy.maps).region_mask([REGION])
    dataset = MapDataset(mask_safe=mask)
    dataset.mask_fit = mask
    for own in (dataset.mask_safe, dataset.mask_fit):
        assert type(own) is WcsNDMap
        assert np.shares_memory(own.data, mask.data)


@pytest.mark.parametrize(
    "make",
    [
        lambda mask: FoVBackgroundMaker("scale", exclusion_mask=mask),
        lambda mask: RingBackgroundMaker("0.7 deg", "0.3 deg", exclusion_mask=mask),
        lambda mask: AdaptiveRingBackgroundMaker("0.7 deg", "1.5 deg", "0.3 deg", exclusion_mask=mask),
    ],
    ids=["fov", "ring", "adaptive ring"],
)
def test_an_exclusion_mask_of_gammapy_excludes_the_same_pixels(make, reduced):
    results = []
    for package in (gammapy.maps, lightpool.maps):
        image = reduced.to_image(name="image")
        results.append(make(exclusion_mask(package)).run(image).npred_background())
    np.testing.assert_array_equal(results[0].data, results[1].data)


def test_reflected_regions_avoid_an_exclusion_mask_of_gammapy(observations):
    geom = RegionGeom.create(CircleSkyRegion(POSITION, 0.1 * u.deg), axes=[energy_axis(lightpool.maps)])
    excluded = CircleSkyRegion(POSITION.directional_offset_by(0 * u.deg, 1 * u.deg), 0.6 * u.deg)
    found = []
    for package in (gammapy.maps, lightpool.maps):
        mask = geom_of(package, has_axis=False).region_mask([excluded], inside=False)
        maker = ReflectedRegionsBackgroundMaker(exclusion_mask=mask)
        dataset = SpectrumDatasetMaker(selection=["counts"]).run(SpectrumDataset.create(geom), observations[0])
        found.append(maker.run(dataset, observations[0]))
        regions, _ = ReflectedRegionsFinder().run(geom.region, observations[0].pointing.fixed_icrs, mask)
        assert len(regions) > 0
    assert found[0].counts_off.data.sum() > 0
    np.testing.assert_array_equal(found[0].counts_off.data, found[1].counts_off.data)
    assert found[0].counts_off.geom == found[1].counts_off.geom


def test_observations_of_gammapy_are_reduced_by_makers(gammapy_observations, observations):
    def reduce(observation):
        dataset = MapDatasetMaker().run(MapDataset.create(geom_of(lightpool.maps), name="run"), observation)
        maker = SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="2 deg")
        return maker.run(dataset, observation)

    assert_same(reduce(gammapy_observations[0]), reduce(observations[0]))


@pytest.mark.parametrize("kind", [lambda found: found, list, iter], ids=["Observations", "list", "iterator"])
def test_observations_of_gammapy_are_reduced_by_a_chain_of_makers(kind, gammapy_observations, observations):
    def reduce(given, package):
        makers = [
            MapDatasetMaker(),
            SafeMaskMaker(methods=["offset-max"], offset_max="2 deg"),
            FoVBackgroundMaker("scale", exclusion_mask=exclusion_mask(package)),
        ]
        (stacked,) = DatasetsMaker(makers).run(MapDataset.create(geom_of(package), name="stacked"), given)
        assert type(stacked) is MapDataset
        return stacked

    assert_same(reduce(kind(gammapy_observations), gammapy.maps), reduce(observations, lightpool.maps))


def test_observations_of_gammapy_can_be_put_into_a_list(gammapy_observations):
    listed = Observations(list(gammapy_observations))
    assert [type(each) for each in listed] == [Observation, Observation]
    assert listed.ids == gammapy_observations.ids


def test_an_observation_is_created_from_responses_of_gammapy(gammapy_observations):
    theirs = gammapy_observations[0]
    irfs = {"aeff": theirs.aeff, "bkg": theirs.bkg, "psf": theirs.psf, "edisp": theirs.edisp}
    created = Observation.create(pointing=theirs.pointing, livetime="10 min", irfs=irfs)
    dataset = MapDatasetMaker(selection=["exposure", "background", "psf", "edisp"]).run(
        MapDataset.create(geom_of(gammapy.maps)), created
    )
    assert dataset.exposure.data.max() > 0
    assert dataset.background.data.sum() > 0


def test_functions_that_make_maps_take_objects_of_gammapy(gammapy_observations, observations):
    geom = {
        package: package.WcsGeom.create(
            skydir=POSITION, width=2.0, binsz=0.1, axes=[energy_axis(package, "energy_true")]
        )
        for package in (gammapy.maps, lightpool.maps)
    }
    made, expected = (
        make_map_exposure_true_energy(each.pointing, 1 * u.h, each.aeff, geom[package])
        for each, package in ((gammapy_observations[0], gammapy.maps), (observations[0], lightpool.maps))
    )
    assert type(made) is WcsNDMap
    np.testing.assert_array_equal(made.data, expected.data)


def test_a_norm_model_of_gammapy_is_the_start_of_a_background_fit(reduced):
    model = PowerLawNormSpectralModel(norm=1.5, tilt=0.1)
    model.tilt.frozen = False
    maker = FoVBackgroundMaker("fit", spectral_model=model)
    assert maker.spectral_model.norm.value == 1.5
    assert not maker.spectral_model.tilt.frozen
    with pytest.raises(TypeError, match="LogParabolaNormSpectralModel, which lightpool has no class for"):
        FoVBackgroundMaker("fit", spectral_model=LogParabolaNormSpectralModel())


def test_what_lightpool_has_no_class_for_is_refused():
    class OwnGeom(gammapy.maps.WcsGeom):
        """A class of a user, which may do anything."""

    geom = OwnGeom.create(skydir=POSITION, width=1.0, binsz=0.1)
    with pytest.raises(TypeError, match="OwnGeom, which is derived from WcsGeom"):
        Map.from_geom(geom)


def test_a_dataset_of_gammapy_is_reduced_and_the_result_is_one_of_lightpool(observations):
    def reduce(package):
        kind = gammapy.datasets.MapDataset if package is gammapy.maps else MapDataset
        empty = kind.create(geom_of(package), energy_axis_true=energy_axis(package, "energy_true"), name="stacked")
        makers = [MapDatasetMaker(), SafeMaskMaker(methods=["offset-max"], offset_max="2 deg")]
        (stacked,) = DatasetsMaker(makers).run(empty, observations)
        return stacked

    made, expected = reduce(gammapy.maps), reduce(lightpool.maps)
    assert type(made) is MapDataset
    assert made.counts.data.sum() == expected.counts.data.sum() > 0
    np.testing.assert_allclose(made.exposure.data, expected.exposure.data, rtol=1e-6)
    np.testing.assert_allclose(made.background.data, expected.background.data, rtol=1e-5)


def test_a_single_step_takes_a_dataset_of_gammapy_and_returns_one_of_lightpool(reduced):
    theirs = reduced.copy(name="run").to_gammapy()
    result = FoVBackgroundMaker("scale", exclusion_mask=exclusion_mask(gammapy.maps)).run(theirs)
    expected = FoVBackgroundMaker("scale", exclusion_mask=exclusion_mask(lightpool.maps)).run(reduced.copy(name="run"))
    assert type(result) is MapDataset
    assert result.background_model.parameters["norm"].value == expected.background_model.parameters["norm"].value


def test_datasets_of_gammapy_can_be_put_into_a_list(reduced):
    theirs = gammapy.datasets.Datasets([reduced.copy(name="run").to_gammapy()])
    for listed in (Datasets(theirs), Datasets(list(theirs)), Datasets() + theirs[0]):
        assert type(listed) is Datasets
        assert type(listed[0]) is MapDataset
        assert np.shares_memory(listed[0].counts.data, theirs[0].counts.data)
