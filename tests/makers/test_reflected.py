"""OFF counts of simulated runs, and runs that have none."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose
from regions import CircleSkyRegion, PointSkyRegion, RectangleSkyRegion

from lightpool.arrays import to_host
from lightpool.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from lightpool.irf import EffectiveAreaTable2D
from lightpool.makers import (
    DatasetsMaker,
    ReflectedRegionsBackgroundMaker,
    ReflectedRegionsFinder,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from lightpool.maps import MapAxis, RegionGeom, WcsGeom
from lightpool.maps.regions.circles import Circles
from lightpool.maps.regions.shapes import Shapes
from lightpool.maps.regions.sky_regions import compound_region_to_regions
from lightpool.simulate import PointSource

SOURCE = PointSource().position
CIRCLE = CircleSkyRegion(SOURCE, 0.15 * u.deg)
RECTANGLE = RectangleSkyRegion(SOURCE, 0.5 * u.deg, 0.3 * u.deg, 20 * u.deg)


@pytest.fixture
def energy():
    return MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)


@pytest.fixture
def reduce(energy, observations):
    """A function, so that the dataset is made on the device of the test."""
    energy_true = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy_true")

    def make(region=CIRCLE, run=0, selection=("counts", "exposure", "edisp")):
        geom = RegionGeom.create(region, axes=[energy])
        empty = SpectrumDataset.create(geom, energy_axis_true=energy_true, name=f"run-{run}")
        return SpectrumDatasetMaker(list(selection)).run(empty, observations[run])

    return make


@pytest.fixture
def nothing_left():
    """An exclusion mask that covers all; made on the device of the test."""
    geom = WcsGeom.create(skydir=SOURCE, width=6, binsz=0.1)
    return lambda: geom.region_mask([CircleSkyRegion(SOURCE, 10 * u.deg)], inside=False)


@pytest.mark.parametrize("region", [CIRCLE, RectangleSkyRegion(SOURCE, 0.2 * u.deg, 0.3 * u.deg, 20 * u.deg)])
def test_off_counts_are_the_events_in_the_off_regions(backend, reduce, observations, energy, region):
    found = ReflectedRegionsBackgroundMaker().run(reduce(region), observations[0])
    assert isinstance(found, SpectrumDatasetOnOff)
    assert found.name == "run-0"
    assert {data.device for data in (found.counts, found.counts_off, found.acceptance_off)} == {backend.device}
    geom, events = found.counts_off.geom, observations[0].events
    regions = compound_region_to_regions(geom.region)
    inside = [RegionGeom.create(one, wcs=geom.wcs).contains(events.radec) for one in regions]
    counts, _ = np.histogram(events.energy[np.any(inside, axis=0)].to_value("TeV"), energy.edges.to_value("TeV"))
    assert to_host(found.counts_off.data)[:, 0, 0].tolist() == counts.tolist()
    assert_allclose(to_host(found.acceptance_off.data), len(regions))
    assert_allclose(to_host(found.acceptance.data), 1)
    assert_allclose(to_host(found.alpha.data), 1 / len(regions))


@pytest.mark.parametrize(("region", "kind"), [(CIRCLE, Circles), (RECTANGLE, Shapes)])
def test_no_region_objects_are_made_for_off_regions_that_nobody_asks_for(
    backend, reduce, observations, monkeypatch, region, kind
):
    """Until then, stacks need their geometry only."""

    def refuse(self):
        raise AssertionError("region objects were made")

    with monkeypatch.context() as patch:
        patch.setattr(kind, "regions", refuse)
        maker = ReflectedRegionsBackgroundMaker()
        runs = Datasets([maker.run(reduce(region, run=i), observations[i]) for i in range(2)])
        assert to_host(runs.stack_reduce().counts_off.data).sum() > 0
    assert all(len(compound_region_to_regions(run.counts_off.geom.region)) > 2 for run in runs)


def test_a_finder_of_a_user_with_a_run_of_its_own_is_asked(reduce, observations):
    class FirstOnly(ReflectedRegionsFinder):
        def run(self, *args, **kwargs):
            regions, wcs = super().run(*args, **kwargs)
            return regions[:1], wcs

    found = ReflectedRegionsBackgroundMaker(region_finder=FirstOnly()).run(reduce(), observations[0])
    assert_allclose(to_host(found.acceptance_off.data), 1)
    assert isinstance(found.counts_off.geom.region, CircleSkyRegion)


def test_a_run_without_a_source_has_no_excess(empty_observations, energy):
    """Law of the method: in an empty field ON and OFF counts per area are the same."""
    geom = RegionGeom.create(CircleSkyRegion(SOURCE, 0.3 * u.deg), axes=[energy])
    on_off = Datasets()
    for observation in empty_observations:
        empty = SpectrumDataset.create(geom, name=str(observation.obs_id))
        dataset = SpectrumDatasetMaker(["counts"]).run(empty, observation)
        on_off.append(ReflectedRegionsBackgroundMaker().run(dataset, observation))
    info = on_off.stack_reduce().info_dict()
    assert info["counts"] > 100
    assert abs(info["sqrt_ts"]) < 4


@pytest.fixture
def empty_observations(empty_store):
    from lightpool.data import DataStore

    return DataStore.from_dir(empty_store).get_observations()


def test_excluded_sky_is_not_counted(backend, reduce, observations):
    dataset = reduce()
    every = ReflectedRegionsBackgroundMaker().run(dataset, observations[0])
    first = compound_region_to_regions(every.counts_off.geom.region)[0]
    mask = WcsGeom.create(skydir=SOURCE, width=4, binsz=0.02).region_mask([first], inside=False)
    left = ReflectedRegionsBackgroundMaker(exclusion_mask=mask).run(dataset, observations[0])
    assert to_host(left.acceptance_off.data).max() < to_host(every.acceptance_off.data).max()
    for region in compound_region_to_regions(left.counts_off.geom.region):
        assert region.center.separation(first.center) > 0.28 * u.deg


def test_an_exclusion_mask_may_have_an_axis_of_one_bin(reduce, observations):
    axis = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=1)
    mask = WcsGeom.create(skydir=SOURCE, width=4, binsz=0.05, axes=[axis]).region_mask([CIRCLE], inside=False)
    flat = mask.reduce_over_axes(np.logical_and, keepdims=False)
    found = [ReflectedRegionsBackgroundMaker(exclusion_mask=one).run(reduce(), observations[0]) for one in (mask, flat)]
    assert_allclose(found[0].counts_off.data, found[1].counts_off.data)


class TestNoOffRegion:
    """A run without any OFF region says so and does not crash later."""

    @pytest.fixture
    def lost(self, backend, reduce, observations, nothing_left):
        return ReflectedRegionsBackgroundMaker(exclusion_mask=nothing_left()).run(reduce(), observations[0])

    def test_without_regions_the_dataset_has_no_off_counts_and_no_safe_bin(self, lost, caplog):
        assert lost.counts_off is None
        assert not to_host(lost.mask_safe.data).any()
        assert not to_host(lost.acceptance_off.data).any()

    def test_the_log_names_the_dataset(self, reduce, observations, nothing_left, caplog):
        ReflectedRegionsBackgroundMaker(exclusion_mask=nothing_left()).run(reduce(), observations[0])
        assert "run-0: 0 OFF regions" in caplog.text
        assert "mask_safe is False" in caplog.text

    def test_it_can_be_printed_listed_and_masked(self, lost, observations):
        assert "Total counts_off" in str(lost)
        info = lost.info_dict()
        assert info["counts"] == 0
        assert info["counts_off"] == 0
        table = Datasets([lost]).info_table()
        assert table["name"][0] == "run-0"
        masked = SafeMaskMaker(["aeff-max"]).run(lost, observations[0])
        assert not to_host(masked.mask_safe.data).any()

    def test_a_stack_leaves_it_out(self, lost, reduce, observations):
        good = ReflectedRegionsBackgroundMaker().run(reduce(run=1), observations[1])
        stacked = Datasets([good, lost]).stack_reduce()
        for name in ("counts", "counts_off", "acceptance", "exposure"):
            assert_allclose(to_host(getattr(stacked, name).data), to_host(getattr(good, name).data), err_msg=name)
        assert_allclose(to_host(stacked.alpha.data), to_host(good.alpha.data), rtol=1e-12)

    def test_a_known_background_does_not_stand_in_for_it(self, backend, reduce, observations, nothing_left):
        dataset = reduce(selection=("counts", "background", "exposure"))
        found = ReflectedRegionsBackgroundMaker(exclusion_mask=nothing_left()).run(dataset, observations[0])
        assert found.counts_off is None
        assert not to_host(found.mask_safe.data).any()

    def test_the_dataset_that_it_was_made_of_is_as_before(self, reduce, observations, nothing_left):
        dataset = reduce()
        ReflectedRegionsBackgroundMaker(exclusion_mask=nothing_left()).run(dataset, observations[0])
        assert dataset.mask_safe.data.all()

    @pytest.mark.parametrize("radius", [0.51, 0.7, 2])
    def test_a_region_that_reaches_the_pointing(self, reduce, observations, radius, caplog):
        found = ReflectedRegionsBackgroundMaker().run(reduce(CircleSkyRegion(SOURCE, radius * u.deg)), observations[0])
        assert found.counts_off is None
        assert "no room" in caplog.text

    def test_a_region_that_touches_the_pointing_has_the_one_on_the_other_side_at_most(self, reduce, observations):
        region = CircleSkyRegion(SOURCE, 0.5 * u.deg)
        off, _ = ReflectedRegionsFinder().run(region, observations[0].pointing_radec)
        assert len(off) <= 1
        for one in off:
            assert one.center.separation(SOURCE) > 0.999 * u.deg

    def test_fewer_regions_than_asked_for(self, backend, reduce, observations, caplog):
        finder = WobbleRegionsFinder(3)
        found = ReflectedRegionsBackgroundMaker(finder, min_region_number=3).run(reduce(), observations[0])
        assert found.counts_off is not None
        found = ReflectedRegionsBackgroundMaker(finder, min_region_number=4).run(reduce(), observations[0])
        assert found.counts_off is None
        assert "3 OFF regions outside the exclusion mask, needed are 4" in caplog.text
        assert not to_host(found.mask_safe.data).any()


class TestPointLike:
    """The cut of point-like responses takes the place of the region."""

    @pytest.fixture
    def observation(self, observations):
        observation = observations[0].copy()
        aeff = observation.aeff
        observation.aeff = EffectiveAreaTable2D(
            axes=aeff.axes, data=aeff.data, unit=aeff.unit, is_pointlike=True, meta={"RAD_MAX": 0.15}
        )
        observation.rad_max = None
        return observation

    def test_points_count_like_circles_of_the_cut(self, backend, reduce, observation):
        maker = ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(3))
        circle = maker.run(reduce(CIRCLE), observation)
        point = maker.run(reduce(CIRCLE), observation)
        assert_allclose(to_host(point.counts_off.data), to_host(circle.counts_off.data))
        assert to_host(point.counts_off.data).sum() > 10

    def test_a_circle_of_another_size_is_refused(self, reduce, observation):
        with pytest.raises(ValueError, match=r"RAD_MAX = 0.15 deg, got 0.2 deg"):
            ReflectedRegionsBackgroundMaker().run(reduce(CircleSkyRegion(SOURCE, 0.2 * u.deg)), observation)

    def test_a_rectangle_is_refused(self, reduce, observation):
        region = RectangleSkyRegion(SOURCE, 0.2 * u.deg, 0.3 * u.deg)
        with pytest.raises(ValueError, match="PointSkyRegion"):
            ReflectedRegionsBackgroundMaker().run(reduce(region), observation)

    def test_a_cut_that_comes_with_full_responses_refuses_nothing(self, reduce, observations):
        assert observations[0].rad_max is not None
        assert not observations[0].aeff.is_pointlike
        assert ReflectedRegionsBackgroundMaker().run(reduce(), observations[0]).counts_off is not None

    def test_cuts_that_overlap_leave_no_regions(self, reduce, observations, caplog):
        dataset = reduce(PointSkyRegion(SOURCE))
        few = ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(3)).run(dataset, observations[0])
        assert few.counts_off is not None
        many = ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(60)).run(dataset, observations[0])
        assert many.counts_off is None
        assert "overlap" in caplog.text

    def test_a_point_has_no_reflected_regions(self, reduce, observations):
        with pytest.raises(TypeError, match="WobbleRegionsFinder"):
            ReflectedRegionsBackgroundMaker().run(reduce(PointSkyRegion(SOURCE)), observations[0])


def test_settings_are_checked_when_the_maker_is_made(energy):
    geom = WcsGeom.create(skydir=SOURCE, width=1, binsz=0.1, axes=[energy])
    with pytest.raises(ValueError, match="bool"):
        ReflectedRegionsBackgroundMaker(exclusion_mask=geom.region_mask([CIRCLE]) * 1.0)
    with pytest.raises(ValueError, match="more than one bin"):
        ReflectedRegionsBackgroundMaker(exclusion_mask=geom.region_mask([CIRCLE]))
    with pytest.raises(ValueError, match="min_distance"):
        ReflectedRegionsBackgroundMaker(region_finder=ReflectedRegionsFinder(), min_distance="0.1 rad")
    with pytest.raises(ValueError, match="min_region_number"):
        ReflectedRegionsBackgroundMaker(min_region_number=0)
    assert ReflectedRegionsBackgroundMaker(max_region_number=5).region_finder.max_region_number == 5


def test_a_region_in_another_frame_gives_the_same_counts(reduce, observations):
    counts = []
    for center in (SOURCE, SOURCE.galactic):
        dataset = reduce(CircleSkyRegion(center, 0.15 * u.deg))
        found = ReflectedRegionsBackgroundMaker(WobbleRegionsFinder(3)).run(dataset, observations[0])
        counts.append((found.counts.data.sum(), found.counts_off.data.sum()))
    assert_allclose(counts[0], counts[1], atol=2)  # an event at a border
    assert isinstance(SOURCE, SkyCoord)


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_chain_of_makers_gives_one_spectrum_for_each_run(energy, observations, n_jobs):
    geom = RegionGeom.create(CIRCLE, axes=[energy])
    mask = WcsGeom.create(skydir=SOURCE, width=4, binsz=0.05).region_mask([CIRCLE], inside=False)
    makers = [
        SpectrumDatasetMaker(["counts", "exposure", "edisp"]),
        ReflectedRegionsBackgroundMaker(exclusion_mask=mask),
        SafeMaskMaker(["aeff-max"]),
    ]
    chain = DatasetsMaker(makers, stack_datasets=False, n_jobs=n_jobs)
    datasets = chain.run(SpectrumDataset.create(geom, name="empty"), observations[:2])
    stacked = DatasetsMaker(makers, n_jobs=n_jobs).run(SpectrumDataset.create(geom), observations[:2])[0]
    assert type(stacked) is SpectrumDataset
    counts = [np.where(each.mask_safe.data, each.counts.data, 0) for each in datasets]
    backgrounds = [np.where(each.mask_safe.data, (each.alpha * each.counts_off).data, 0) for each in datasets]
    assert_allclose(stacked.counts.data, sum(counts), rtol=0)
    assert_allclose(stacked.background.data, sum(backgrounds), rtol=1e-12)
    assert stacked.background.data.sum() < 0.5 * sum(each.npred_background().data.sum() for each in datasets)
    assert [type(dataset) for dataset in datasets] == [SpectrumDatasetOnOff] * 2
    info = datasets.stack_reduce().info_dict()
    assert info["sqrt_ts"] > 10
    assert info["counts_off"] > 20


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"region_finder": "ring"}, "region_finder must be a RegionsFinder, got a str"),
        ({"exclusion_mask": 3}, "exclusion_mask must be a WcsNDMap of bool, got a int"),
    ],
)
def test_settings_of_the_wrong_kind_are_refused(option, message):
    with pytest.raises(TypeError, match=message):
        ReflectedRegionsBackgroundMaker(**option)


def test_a_dataset_of_pixels_is_refused(reduced, observations):
    with pytest.raises(TypeError, match="needs a dataset on a RegionGeom, got one on a WcsGeom; for sky maps use"):
        ReflectedRegionsBackgroundMaker().run(reduced(), observations[0])
