import astropy.units as u
import pytest
from astropy.time import Time
from numpy.testing import assert_array_equal
from regions import CircleSkyRegion

from lightpool.arrays import find_device
from lightpool.data import FixedPointingInfo, Observation
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    ExcessMapEstimator,
    ExclusionMaskFinder,
    FoVBackgroundMaker,
    MapDatasetMaker,
    OffRunsBackgroundMaker,
    PhaseBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    ReflectedRegionsFinder,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from lightpool.makers.responses.fov_coordinates import FieldOfView
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom


def test_each_setting_of_a_maker_is_printed_in_one_line():
    text = str(FoVBackgroundMaker("fit", exclusion_mask=Map.create(npix=3, dtype="bool"), min_counts=2))
    assert text.splitlines() == [
        "FoVBackgroundMaker",
        "------------------",
        "",
        "  method               : fit",
        "  exclusion_mask       : WcsNDMap",
        "  spectral_model       : PowerLawNormSpectralModel",
        "  min_counts           : 2",
        "  min_npred_background : 0",
    ]


def test_a_chain_of_makers_names_them():
    chain = DatasetsMaker([MapDatasetMaker(), SafeMaskMaker()])
    assert "  makers           : [MapDatasetMaker, SafeMaskMaker]\n" in str(chain)
    assert "  cutout_width     : 6 deg\n" in str(chain)
    assert all(type(step).__name__ in chain._repr_html_() for step in chain.makers)


def test_sets_are_printed_in_one_order():
    assert "{'counts', 'exposure'}" in str(MapDatasetMaker(selection=["exposure", "counts"]))
    assert "{'aeff-default', 'offset-max'}" in str(SafeMaskMaker(methods=["offset-max", "aeff-default"]))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("offset_max", SafeMaskMaker),
        ("fixed_offset", SafeMaskMaker),
        ("fov_rotation_step", MapDatasetMaker),
        ("cutout_width", lambda **kwargs: DatasetsMaker([], **kwargs)),
        ("r_in", lambda **kwargs: RingBackgroundMaker(width="1 deg", **kwargs)),
        ("width", lambda **kwargs: RingBackgroundMaker("1 deg", **kwargs)),
        ("r_out_max", lambda **kwargs: AdaptiveRingBackgroundMaker("1 deg", width="1 deg", **kwargs)),
        ("theta", lambda **kwargs: AdaptiveRingBackgroundMaker("1 deg", "3 deg", "1 deg", **kwargs)),
        ("correlation_radius", ExcessMapEstimator),
        ("margin", ExclusionMaskFinder),
        ("max_zenith_difference", lambda **kwargs: OffRunsBackgroundMaker([], **kwargs)),
        ("angle_increment", ReflectedRegionsFinder),
        ("min_distance", ReflectedRegionsFinder),
        ("min_distance_input", ReflectedRegionsBackgroundMaker),
        ("binsz", lambda **kwargs: WobbleRegionsFinder(3, **kwargs)),
    ],
)
def test_an_angle_without_a_unit_of_angle_is_refused_by_its_name(name, make):
    for value in (2, "2", 2 * u.TeV):
        with pytest.raises(ValueError, match=f"{name} must be an angle with its unit, .* got "):
            make(**{name: value})


@pytest.fixture(scope="module")
def on_map():
    return MapDataset.create(WcsGeom.create(npix=2, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)]))


@pytest.fixture(scope="module")
def in_region():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1)
    return SpectrumDataset.create(RegionGeom.create("icrs;circle(0, 0, 1)", axes=[axis]))


@pytest.mark.parametrize(
    ("maker", "kind"),
    [
        (MapDatasetMaker(), "on_map"),
        (SpectrumDatasetMaker(), "in_region"),
        (SafeMaskMaker(["bkg-peak"]), "on_map"),
        (FoVBackgroundMaker(), "on_map"),
        (RingBackgroundMaker("1 deg", "1 deg"), "on_map"),
        (OffRunsBackgroundMaker([]), "on_map"),
        (ReflectedRegionsBackgroundMaker(), "in_region"),
        (PhaseBackgroundMaker((0.0, 0.3), (0.5, 0.9)), "in_region"),
    ],
    ids=lambda value: getattr(value, "tag", None),
)
def test_what_is_no_dataset_or_no_observation_is_refused(maker, kind, request):
    dataset = request.getfixturevalue(kind)
    center = WcsGeom.create(npix=1).center_skydir
    observation = Observation.create(FixedPointingInfo(fixed_icrs=center), livetime="1 h")
    with pytest.raises(TypeError, match=f"{maker.tag}.run got an observation and a dataset.* swap them"):
        maker.run(observation, dataset)
    with pytest.raises(TypeError, match=f"{maker.tag}.run.* got a dataset of type NoneType, expected a MapDataset"):
        maker.run(None, observation)
    with pytest.raises(TypeError, match=f"{maker.tag}.run.* got an observation of type int, .* DataStore"):
        maker.run(dataset, 23523)


@pytest.mark.parametrize("maker", [MapDatasetMaker(), PhaseBackgroundMaker((0.0, 0.3), (0.5, 0.9))])
def test_a_maker_that_needs_an_observation_says_so(maker, on_map):
    with pytest.raises(TypeError, match=f"{maker.tag}.run.* got an observation of type NoneType, expected an Obs"):
        maker.run(on_map)


def test_one_observation_is_no_list(on_map):
    observation = Observation.create(WcsGeom.create(npix=1).center_skydir, livetime="1 h")
    with pytest.raises(TypeError, match="observations must be a list of them, got one Observation"):
        DatasetsMaker([]).run(on_map, observation)


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_a_field_of_view_of_angles_is_that_of_the_position(frame):
    pointing = FixedPointingInfo.from_degrees(-83.4, 22.3)
    assert pointing.given_degrees == (276.6, 22.3)
    assert FixedPointingInfo(fixed_icrs=pointing.fixed_icrs).given_degrees is None
    image = WcsGeom.create(npix=(5, 4), binsz=0.5, skydir=pointing.fixed_icrs, frame=frame)
    region = RegionGeom.create(CircleSkyRegion(image.center_skydir, 0.3 * u.deg))
    cpu = find_device("cpu")
    for geom in (image, region):
        of_angles, of_position = FieldOfView(pointing.given_degrees, cpu), FieldOfView(pointing.fixed_icrs, cpu)
        assert_array_equal(of_angles.offset(geom), of_position.offset(geom))
        assert_array_equal(of_angles.lonlat(geom), of_position.lonlat(geom))
    assert of_angles.pointing.separation(of_position.pointing).deg == 0
    time = Time("2026-01-01")
    unread, read = (FixedPointingInfo.from_degrees(83.4, 22.3).get_icrs(time) for _ in range(2))
    assert repr(unread) == repr(read)
