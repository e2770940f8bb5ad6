"""Spectra with reflected regions or phases: accelerated makers of Gammapy give what they give without acceleration."""

from copy import deepcopy

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from changed_stores import point_like, without_rad_max
from deep_comparison import differences
from gammapy.data import DataStore, EventList
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset
from gammapy.makers import (
    DatasetsMaker,
    MapDatasetMaker,
    PhaseBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    ReflectedRegionsFinder,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from regions import (
    CircleAnnulusSkyRegion,
    CircleSkyRegion,
    EllipseSkyRegion,
    PointSkyRegion,
    RectangleSkyRegion,
)
from same_datasets import SETS_SMALL_TO_ZERO

from lightpool.gammapy import accelerated, report
from lightpool.gammapy.acceleration.report import RECORDER
from lightpool.simulate import PointSource

SOURCE = SkyCoord(PointSource().position)
CIRCLE = CircleSkyRegion(SOURCE, 0.15 * u.deg)
NORTH = CircleSkyRegion(SOURCE.directional_offset_by(0 * u.deg, 0.4 * u.deg), 0.1 * u.deg)
ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=5)
ENERGY_TRUE = MapAxis.from_energy_bounds("0.3 TeV", "40 TeV", nbin=9, name="energy_true")


@pytest.fixture(autouse=True)
def _clear_report():
    RECORDER.clear()


@pytest.fixture(scope="module")
def any_region(crab_store, tmp_path_factory):
    return without_rad_max(crab_store, tmp_path_factory.mktemp("stores") / "any_region")


@pytest.fixture(scope="module")
def points(crab_store, tmp_path_factory):
    return point_like(crab_store, tmp_path_factory.mktemp("stores") / "point_like")


def empty(region=CIRCLE, name="run", kind=SpectrumDataset):
    return kind.create(RegionGeom.create(region, axes=[ENERGY]), energy_axis_true=ENERGY_TRUE, name=name)


def observations(store, ids=(1, 2)):
    """Read anew, so that no run depends on what another one has read."""
    return DataStore.from_dir(store).get_observations(list(ids))


def mask(frame="icrs", proj="CAR", radius=0.3, width=4.0, binsz=0.05, axes=None, skydir=SOURCE):
    geom = WcsGeom.create(skydir=skydir, frame=frame, proj=proj, width=width, binsz=binsz, axes=axes)
    return geom.region_mask([CircleSkyRegion(skydir, radius * u.deg)], inside=False)


def outcome(function, *args):
    """What a function returns, or the error that it raises."""
    try:
        return function(*args)
    except Exception as error:
        return type(error), str(error)


def assert_as_plain(function, fallbacks=0, strict=False):
    """Compare the results of a function with and without acceleration, and how often Gammapy did the work."""
    plain = outcome(function)
    with accelerated(strict=strict):
        ours = outcome(function)
    assert not isinstance(plain, tuple) or fallbacks, plain
    assert differences(plain, ours, close=True, without=("date",)) == []  # the date of creation
    rows = report().rows
    assert rows
    assert sum(row.fallbacks for row in rows) == fallbacks, str(report())
    return ours


def fallback_reasons():
    return [reason for row in report().rows for reason in row.reasons]


MAKER_OPTIONS = {
    "all": {},
    "counts only": {"selection": ["counts"]},
    "exposure and background": {"selection": ["exposure", "background"]},
    "no counts": {"selection": ["edisp", "exposure"]},
    "oversampled": {"background_oversampling": 3},
    "containment": {"containment_correction": True},
    "average": {"use_region_center": False},
}
REGIONS = {
    "circle": CIRCLE,
    "ellipse": EllipseSkyRegion(SOURCE, 0.3 * u.deg, 0.2 * u.deg, 30 * u.deg),
    "rectangle": RectangleSkyRegion(SOURCE, 0.3 * u.deg, 0.2 * u.deg, 30 * u.deg),
    "annulus": CircleAnnulusSkyRegion(SOURCE, 0.1 * u.deg, 0.2 * u.deg),
    "union": CIRCLE | NORTH,
    "galactic": CircleSkyRegion(SOURCE.galactic, 0.15 * u.deg),
}


@pytest.mark.parametrize(
    ("options", "region"),
    [
        *((name, "circle") for name in MAKER_OPTIONS),
        *((name, region) for name in ("all", "average") for region in REGIONS),
    ],
)
def test_a_spectrum_is_that_of_gammapy(any_region, options, region):
    def reduce():
        return SpectrumDatasetMaker(**MAKER_OPTIONS[options]).run(empty(REGIONS[region]), observations(any_region)[0])

    assert_as_plain(reduce)


def test_the_containment_in_an_ellipse_is_the_error_of_gammapy(any_region):
    def reduce():
        maker = SpectrumDatasetMaker(containment_correction=True)
        return maker.run(empty(REGIONS["ellipse"]), observations(any_region)[0])

    assert_as_plain(reduce, fallbacks=1)


def test_settings_that_change_between_two_runs_are_used(any_region):
    def reduce():
        maker = SpectrumDatasetMaker()
        runs = observations(any_region)
        first = maker.run(empty(), runs[0])
        maker.use_region_center = False
        return [first, maker.run(empty(), runs[0])]

    assert_as_plain(reduce)


FINDERS = {
    "reflected": lambda: ReflectedRegionsFinder(),
    "few": lambda: ReflectedRegionsFinder(max_region_number=3, min_distance="0.2 rad", min_distance_input="0.5 rad"),
    "fine": lambda: ReflectedRegionsFinder(binsz=0.02 * u.deg, angle_increment="0.03 rad"),
    "wobble": lambda: WobbleRegionsFinder(n_off_regions=3),
}
MASKS = {
    "none": lambda: None,
    "of the source": mask,
    "galactic": lambda: mask(frame="galactic", proj="TAN", binsz=0.07),
    "small": lambda: mask(width=0.5),
    "with an energy": lambda: mask(axes=[MapAxis.from_energy_bounds("0.1 TeV", "100 TeV", nbin=1)]),
    "of a neighbour": lambda: mask(skydir=SOURCE.directional_offset_by(20 * u.deg, 0.7 * u.deg)),
}


@pytest.mark.parametrize(
    ("finder", "exclusion"),
    [
        *(("reflected", name) for name in MASKS),
        *((name, "of the source") for name in FINDERS if name != "reflected"),
        ("wobble", "of a neighbour"),
    ],
)
def test_reflected_regions_are_those_of_gammapy(any_region, finder, exclusion):
    def reduce():
        background = ReflectedRegionsBackgroundMaker(region_finder=FINDERS[finder](), exclusion_mask=MASKS[exclusion]())
        makers = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"]), background
        made = []
        for run in observations(any_region):
            dataset = empty(name=str(run.obs_id))
            for maker in makers:
                dataset = maker.run(dataset, run)
            made.append(dataset)
        return Datasets(made)

    assert_as_plain(reduce)


@pytest.mark.parametrize("region", ["ellipse", "rectangle", "galactic"])
def test_off_regions_have_the_shape_of_the_on_region(any_region, region):
    def reduce():
        run = observations(any_region)[0]
        dataset = SpectrumDatasetMaker().run(empty(REGIONS[region]), run)
        return ReflectedRegionsBackgroundMaker(exclusion_mask=mask()).run(dataset, run)

    assert_as_plain(reduce)


def test_a_union_has_off_regions_that_gammapy_lacks_unless_its_numbers_are_asked_for(any_region):
    def reduce():
        run = observations(any_region)[0]
        dataset = SpectrumDatasetMaker().run(empty(REGIONS["union"]), run)
        return ReflectedRegionsBackgroundMaker().run(dataset, run)

    assert outcome(reduce)[0] is AttributeError
    with accelerated():
        assert reduce().acceptance_off.data.max() > 0
    RECORDER.clear()
    assert_as_plain(reduce, fallbacks=1, strict=True)


def a_spectrum(store, **options):
    run = observations(store)[0]
    return SpectrumDatasetMaker(**options).run(empty(), run), run


@pytest.mark.parametrize("where", ["excluded everywhere", "at the pointing"])
def test_without_off_regions_and_background_gammapy_masks_the_run(any_region, where):
    def reduce():
        run = observations(any_region)[0]
        center = run.get_pointing_icrs(run.tmid) if where == "at the pointing" else SOURCE
        dataset = SpectrumDatasetMaker(selection=["counts"]).run(empty(CircleSkyRegion(center, 0.15 * u.deg)), run)
        exclusion = mask(radius=10) if where == "excluded everywhere" else None
        found = ReflectedRegionsBackgroundMaker(exclusion_mask=exclusion).run(dataset, run)
        return [found, dataset, found.mask_safe is dataset.mask_safe]

    assert_as_plain(reduce, fallbacks=1)


def test_a_known_background_does_not_stand_in_for_off_regions_unless_gammapys_numbers_are_asked_for(any_region):
    def reduce():
        dataset, run = a_spectrum(any_region)
        return ReflectedRegionsBackgroundMaker(exclusion_mask=mask(radius=10)).run(dataset, run)

    assert_as_plain(reduce, fallbacks=1, strict=True)
    with accelerated():
        found = reduce()
    assert found.counts_off.data.sum() == 0
    assert not found.mask_safe.data.any()
    assert type(found).__module__.startswith("gammapy.")


@pytest.mark.parametrize("n_off_regions", [1, 3, 30])
def test_points_are_counted_in_the_cuts_of_point_like_responses(points, n_off_regions):
    def reduce():
        run = observations(points)[0]
        dataset = SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"]).run(
            empty(PointSkyRegion(SOURCE)), run
        )
        finder = WobbleRegionsFinder(n_off_regions=n_off_regions)
        found = ReflectedRegionsBackgroundMaker(region_finder=finder).run(dataset, run)
        return SafeMaskMaker(methods=["aeff-max"]).run(found, run)

    assert_as_plain(reduce, fallbacks=int(n_off_regions == 30))  # so many overlap


def test_a_circle_does_not_go_with_point_like_responses(points):
    def reduce():
        dataset, run = a_spectrum(points)
        return ReflectedRegionsBackgroundMaker().run(dataset, run)

    with accelerated():
        assert outcome(reduce)[0] is ValueError
    assert_as_plain(reduce, fallbacks=2)


def test_a_finder_of_the_user_runs_in_gammapy(any_region):
    class Finder(WobbleRegionsFinder):
        def run(self, region, center, exclusion_mask=None):
            regions, wcs = super().run(region, center, exclusion_mask)
            return regions[:1], wcs

    def reduce():
        dataset, run = a_spectrum(any_region)
        return ReflectedRegionsBackgroundMaker(region_finder=Finder(n_off_regions=3)).run(dataset, run)

    assert_as_plain(reduce, fallbacks=1)
    assert fallback_reasons() == ["a region finder of class Finder"]


def test_a_finder_with_a_method_of_the_user_runs_in_gammapy(any_region):
    def reduce():
        dataset, run = a_spectrum(any_region)
        finder = WobbleRegionsFinder(n_off_regions=3)
        run_of_finder = finder.run
        finder.run = lambda **kwargs: (lambda found: (found[0][:1], found[1]))(run_of_finder(**kwargs))
        return ReflectedRegionsBackgroundMaker(region_finder=finder).run(dataset, run)

    found = assert_as_plain(reduce, fallbacks=1)
    assert found.acceptance_off.data.max() == 1


def test_a_maker_of_the_user_runs_in_gammapy(any_region):
    class Maker(SpectrumDatasetMaker):
        @staticmethod
        def make_counts(geom, observation):
            return 2 * SpectrumDatasetMaker.make_counts(geom, observation)

    def reduce():
        return Maker().run(empty(), observations(any_region)[0])

    assert_as_plain(reduce, fallbacks=1)


def test_a_chain_of_makers_gives_the_spectra_of_gammapy(any_region):
    def reduce():
        makers = [
            SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=True),
            ReflectedRegionsBackgroundMaker(exclusion_mask=mask()),
            SafeMaskMaker(methods=["aeff-max"], aeff_percent=10),
        ]
        maker = DatasetsMaker(makers, stack_datasets=False, n_jobs=1)
        return maker.run(empty(name="reference"), observations(any_region, (1, 2, 3)))

    plain = reduce()
    with accelerated():
        ours = reduce()
    assert differences(plain, ours, close=True, without=("_name", "date")) == []


def test_stacked_spectra_print_what_they_print_in_gammapy(any_region):
    def reduce():
        datasets = Datasets()
        make, reflect = SpectrumDatasetMaker(), ReflectedRegionsBackgroundMaker(exclusion_mask=mask())
        safe = SafeMaskMaker(methods=["aeff-max"])
        for run in observations(any_region, (1, 2, 3)):
            datasets.append(safe.run(reflect.run(make.run(empty(name=str(run.obs_id)), run), run), run))
        return str(datasets), str(datasets.stack_reduce(name="all"))

    plain = reduce()
    with accelerated():
        assert reduce() == plain


def with_phases(store):
    run = observations(store)[0]
    table = run.events.table.copy()
    seconds = (table["TIME"] - table["TIME"][0]).to_value("s") if hasattr(table["TIME"], "scale") else table["TIME"]
    table["PHASE"] = np.mod(np.asarray(seconds), 33.7) / 33.7
    run = run.copy(in_memory=True)
    run._events = EventList(table)
    return run


PHASES = {
    "one each": ((0.1, 0.3), (0.5, 1.0)),
    "over zero": ((0.9, 0.1), (0.5, 0.8)),
    "beyond one": ((0.9, 1.1), (0.4, 0.8)),
    "several": ([(0.1, 0.2), (0.3, 0.4)], [(0.5, 0.7), (0.8, 1.0)]),
}


@pytest.mark.parametrize("phases", PHASES.values(), ids=list(PHASES))
@pytest.mark.parametrize("kind", ["spectrum", "map"])
def test_phases_are_counted_as_in_gammapy(any_region, kind, phases):
    run = with_phases(any_region)
    geom = WcsGeom.create(skydir=SOURCE, width=2, binsz=0.2, axes=[ENERGY])

    def reduce():
        if kind == "map":
            dataset = MapDatasetMaker().run(MapDataset.create(geom, energy_axis_true=ENERGY_TRUE, name="run"), run)
        else:
            dataset = SpectrumDatasetMaker().run(empty(), run)
        dataset = SafeMaskMaker(methods=["aeff-max"]).run(dataset, run)
        on, off = deepcopy(phases)
        return PhaseBackgroundMaker(on_phase=on, off_phase=off).run(dataset, run)

    with accelerated():
        ours = reduce()
    plain = reduce()
    if not SETS_SMALL_TO_ZERO:
        kernels = plain.edisp.edisp_map.data
        kernels[kernels < 1e-8] = 0
    if kind == "spectrum":  # a documented difference
        plain.acceptance_off.data[plain.counts_off.data == 0] = ours.acceptance_off.data.max()
    assert differences(plain, ours, close=True, without=("_name", "date")) == []
    (row,) = (row for row in report().rows if row.what == "PhaseBackgroundMaker.run")
    assert (row.calls, row.fallbacks) == (1, 0)


def test_phases_beyond_one_select_nothing_only_if_gammapys_numbers_are_asked_for(any_region):
    run = with_phases(any_region)

    def counts(strict):
        with accelerated(strict=strict):
            return (
                PhaseBackgroundMaker((1.1, 1.3), (0.5, 0.8)).run(SpectrumDatasetMaker().run(empty(), run), run).counts
            )

    assert counts(strict=False).data.sum() > 0
    assert counts(strict=True).data.sum() == 0


def test_a_missing_column_of_phases_is_the_error_of_gammapy(any_region):
    def reduce():
        dataset, run = a_spectrum(any_region)
        return PhaseBackgroundMaker((0.1, 0.2), (0.5, 0.8), phase_column_name="MISSING").run(dataset, run)

    assert_as_plain(reduce, fallbacks=1)


def test_what_is_given_is_not_changed(any_region):
    dataset, run = a_spectrum(any_region)
    reference, before = empty(), deepcopy(dataset)
    with accelerated():
        SpectrumDatasetMaker().run(reference, run)
        ReflectedRegionsBackgroundMaker(exclusion_mask=mask()).run(dataset, run)
        ReflectedRegionsBackgroundMaker(region_finder=WobbleRegionsFinder(n_off_regions=2)).run(dataset, run)
    assert differences(dataset, before, without=("date",)) == []
    assert differences(reference, empty(), without=("date",)) == []


@pytest.mark.reference
@pytest.mark.parametrize(("name", "ids"), [("hess-dl3-dr1", (23523, 23592)), ("magic-rad-max", (5029747, 5029748))])
def test_spectra_of_real_runs_are_those_of_gammapy(shared, name, ids):
    is_hess = name.startswith("hess")
    center = SkyCoord(83.6331, 22.0145, unit="deg")

    def reduce():
        runs = DataStore.from_dir(shared / "data" / name).get_observations(
            list(ids), required_irf="full-enclosure" if is_hess else "point-like"
        )
        region = CircleSkyRegion(center, 0.11 * u.deg) if is_hess else PointSkyRegion(center)
        finder = ReflectedRegionsFinder() if is_hess else WobbleRegionsFinder(n_off_regions=3)
        makers = [
            SpectrumDatasetMaker(selection=["counts", "exposure", "edisp"], containment_correction=is_hess),
            ReflectedRegionsBackgroundMaker(region_finder=finder, exclusion_mask=mask(skydir=center)),
            SafeMaskMaker(methods=["aeff-max"], aeff_percent=10),
        ]
        made = []
        for run in runs:
            dataset = empty(region, name=str(run.obs_id))
            for maker in makers:
                dataset = maker.run(dataset, run)
            made.append(dataset)
        return Datasets(made)

    # The effective area of MAGIC ends below 100 TeV, where Gammapy has no safe energy: a documented difference.
    found = assert_as_plain(reduce, fallbacks=0 if is_hess else len(ids), strict=not is_hess)
    assert all(dataset.counts_off.data.sum() > 0 for dataset in found)
    if not is_hess:
        with accelerated():
            ours = reduce()
        assert all(
            dataset.mask_safe.data.all() and not plain.mask_safe.data.any()
            for dataset, plain in zip(ours, found, strict=True)
        )
        for dataset, plain in zip(ours, found, strict=True):
            dataset.mask_safe = plain.mask_safe
        assert differences(found, ours, close=True, without=("date",)) == []
