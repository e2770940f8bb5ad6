"""The whole reduction in single precision: every map is of float32, and near to that in double precision."""

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from float_mixing import refuse_mixing
from precision_bounds import BOUNDS, EXACT, assert_double, assert_single, deviation, maps_of
from regions import CircleSkyRegion, PointSkyRegion

from lightpool.arrays import to_host, use_device, use_precision
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.data import EventList
from lightpool.datasets import Datasets, MapDataset, MapDatasetOnOff, SpectrumDataset
from lightpool.irf import Background3D, FoVAlignment, RadMax2D
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    ExcessMapEstimator,
    FoVBackgroundMaker,
    MapDatasetMaker,
    OffRunsBackgroundMaker,
    PhaseBackgroundMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    make_counts_rad_max,
)
from lightpool.maps import Map, MapAxis, RegionGeom, WcsGeom
from lightpool.simulate import PointSource

SOURCE = PointSource().position
CIRCLE = CircleSkyRegion(SOURCE, 0.2 * u.deg)
ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=6, name="energy_true")
MIGRA = MapAxis.from_bounds(0.2, 5, nbin=20, node_type="edges", name="migra")
GEOM = WcsGeom.create(skydir=SOURCE, width=3, binsz=0.15, axes=[ENERGY])


def excluded():
    return GEOM.to_image().region_mask([CIRCLE], inside=False)


def sky_maps(observations, migra_axis=None, **kwargs):
    """The loop of the notebook, with every way to find energies that are safe."""
    makers = [
        MapDatasetMaker(background_oversampling=2),
        SafeMaskMaker(["aeff-default", "offset-max", "aeff-max", "edisp-bias", "bkg-peak"], offset_max="1.4 deg"),
        FoVBackgroundMaker("fit", exclusion_mask=GEOM.region_mask([CIRCLE], inside=False)),
    ]
    empty = MapDataset.create(GEOM, energy_axis_true=TRUE, migra_axis=migra_axis, **kwargs)
    return DatasetsMaker(makers, cutout_width="2.5 deg").run(empty, observations[:4])[0]


def migra_maps(observations, **kwargs):
    return sky_maps(observations, migra_axis=MIGRA, **kwargs)


def on_off_maps(observations, maker, **kwargs):
    makers = [MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.4 deg"), maker]
    empty = MapDataset.create(GEOM, energy_axis_true=TRUE, **kwargs)
    stacked = MapDatasetOnOff.create(GEOM, energy_axis_true=TRUE, **kwargs)
    for dataset in DatasetsMaker(makers, stack_datasets=False).run(empty, observations[:3]):
        stacked.stack(dataset)
    return stacked


def rings(observations, **kwargs):
    return on_off_maps(observations, RingBackgroundMaker("0.5 deg", "0.3 deg", excluded()), **kwargs)


def adaptive_rings(observations, **kwargs):
    maker = AdaptiveRingBackgroundMaker("0.4 deg", "1.2 deg", "0.3 deg", "0.1 deg", exclusion_mask=excluded())
    return on_off_maps(observations, maker, **kwargs)


def off_runs(observations, **kwargs):
    maker = OffRunsBackgroundMaker(observations, acceptance="livetime", max_zenith_difference="60 deg")
    return on_off_maps(observations, maker, **kwargs)


def spectrum(observations, use_region_center=False, **kwargs):
    """Spectra with reflected regions, one by one and added up."""
    empty = SpectrumDataset.create(RegionGeom(CIRCLE, axes=[ENERGY]), energy_axis_true=TRUE, **kwargs)
    makers = [
        SpectrumDatasetMaker(use_region_center=use_region_center, containment_correction=use_region_center),
        SafeMaskMaker(["aeff-max"]),
        ReflectedRegionsBackgroundMaker(exclusion_mask=excluded()),
    ]
    return DatasetsMaker(makers, stack_datasets=False).run(empty, observations[:3]).stack_reduce()


def spectrum_at_center(observations, **kwargs):
    return spectrum(observations, use_region_center=True, **kwargs)


def spectrum_with_template(observations, **kwargs):
    """A spectrum whose background is the template."""
    empty = SpectrumDataset.create(RegionGeom(CIRCLE, axes=[ENERGY]), energy_axis_true=TRUE, **kwargs)
    return DatasetsMaker([SpectrumDatasetMaker()]).run(empty, observations[:2])[0]


def phases(observations, **kwargs):
    """ON and OFF counts by the phases of a pulsar."""
    observation = observations[0].copy()
    table = observation.events.table
    table["PHASE"] = np.linspace(0, 0.999, len(table))
    observation.events = EventList(table)
    empty = SpectrumDataset.create(RegionGeom(CIRCLE, axes=[ENERGY]), energy_axis_true=TRUE, **kwargs)
    return PhaseBackgroundMaker((0.0, 0.2), (0.4, 0.8)).run(
        SpectrumDatasetMaker(["counts", "exposure", "edisp"]).run(empty, observation), observation
    )


def turning_background(observations, **kwargs):
    """A template that is aligned with the horizon."""
    observation = next(run for run in observations if isinstance(run.bkg, Background3D)).copy()
    bkg = observation.bkg
    observation.bkg = Background3D(bkg.axes, data=bkg.data, unit=bkg.unit, fov_alignment=FoVAlignment.ALTAZ)
    return MapDatasetMaker().run(MapDataset.create(GEOM, energy_axis_true=TRUE, **kwargs), observation)


JOBS = [
    sky_maps,
    migra_maps,
    rings,
    adaptive_rings,
    off_runs,
    spectrum,
    spectrum_at_center,
    spectrum_with_template,
    phases,
    turning_background,
]


@pytest.fixture(scope="module")
def in_double(observations):
    """Result of each job in double precision on the host, made once; single as default must not show in it."""
    made = {}

    def make(job):
        if job not in made:
            with use_precision("single"):
                made[job] = job(observations, precision="double")
        return made[job]

    return make


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_every_map_is_single_and_within_the_bounds(backend, job, observations, in_double, monkeypatch):
    expected = in_double(job).to("cpu")
    if backend.device.name == "strict":
        refuse_mixing(monkeypatch, backend.xp)
    dataset = job(observations, precision="single")
    assert dataset.device == backend.device
    assert_single(dataset, expected)


@pytest.mark.parametrize("job", JOBS)
def test_no_map_of_a_double_job_is_single_where_single_is_the_default(job, in_double):
    assert_double(in_double(job))


def test_counts_inside_a_cut_that_depends_on_energy(backend, observations):
    offset = MapAxis.from_edges([0, 2] * u.deg, name="offset")
    table = RadMax2D(axes=[ENERGY, offset], data=[[0.4], [0.3], [0.2], [0.1]], unit="deg", is_pointlike=True)
    geom = RegionGeom(PointSkyRegion(SOURCE), axes=[ENERGY])
    single, double = (
        make_counts_rad_max(geom, table, observations[0].events, precision=precision)
        for precision in ("single", "double")
    )
    assert (single.precision, double.precision) == ("single", "double")
    np.testing.assert_array_equal(to_host(single.data), to_host(double.data))


# --- with what a dataset in single precision is


@pytest.fixture(params=["cpu", "strict"])
def single(request, observations, monkeypatch):
    """A function that reduces a run in single precision; float32 and float64 do not meet on ``strict``."""
    with use_device(request.param) as device:
        if request.param == "strict":
            refuse_mixing(monkeypatch, device.xp)

        def make(number=0, makers=()):
            dataset = MapDataset.create(GEOM, energy_axis_true=TRUE, precision="single")
            for maker in (MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.4 deg"), *makers):
                dataset = maker.run(dataset, observations[number])
            return dataset

        yield make


def types_of(value):
    """Data types of all maps in a dataset, a response or a map, but for masks."""
    if isinstance(value, Map):
        return {dtype_name(value.data)} - {"bool"}
    maps = maps_of(value) if hasattr(value, "maps") else {"response": value.irf_map, "exposure": value.exposure_map}
    return set().union(*(types_of(data) for data in maps.values()))


def test_what_a_dataset_becomes_is_single(single):
    dataset = single(makers=[FoVBackgroundMaker()])
    for other in (
        dataset.copy(),
        dataset.to_masked(),
        dataset.to_image(),
        dataset.outline(),
        dataset.cutout(SOURCE, "2 deg"),
        dataset.pad(1),
        dataset.downsample(2),
        dataset.downsample(2, axis_name="energy"),
        dataset.resample_energy_axis(MapAxis.from_energy_edges([0.5, 20] * u.TeV)),
        dataset.slice_by_energy(1 * u.TeV, 10 * u.TeV),
        dataset.to_region_map_dataset(CIRCLE),
        dataset.to_spectrum_dataset(CIRCLE, containment_correction=True),
        Datasets([dataset, single(1)]).stack_reduce(),
    ):
        assert types_of(other) == {"float32"}
        assert other.precision == "single"


def test_what_a_dataset_predicts_is_single_and_its_statistic_double(single):
    dataset = single(makers=[FoVBackgroundMaker()])
    maps = [dataset.npred(), dataset.npred_background(), dataset.npred_signal(), dataset.excess, dataset.residuals()]
    assert set().union(*map(types_of, maps)) == {"float32"}
    assert types_of(dataset.residuals("diff/sqrt(model)", width="0.2 deg")) == {"float32"}
    assert dtype_name(dataset.stat_array()) == "float64"


def test_what_responses_become_is_single(single):
    dataset = single()
    psf, edisp = dataset.psf, dataset.edisp
    for other in (psf.to_image(), psf.downsample(2, "energy_true"), psf.to_region_nd_map(SOURCE), edisp.to_image()):
        assert types_of(other) == {"float32"}
    psf.get_psf_kernel(dataset.exposure.geom).to_image()
    psf.containment_radius_map(1 * u.TeV)
    psf.normalize()
    assert types_of(psf) == {"float32"}


def test_what_maps_become_is_single(single):
    counts = single().counts
    for other in (
        counts.interp_to_geom(GEOM.to_image().to_cube(GEOM.axes), preserve_counts=True),
        counts.smooth("0.2 deg"),
        counts.convolve(np.ones((3, 3))),
        counts.sum_over_axes(),
        counts.upsample(2, order=1),
        counts.resample(GEOM.downsample(2)),
        counts.cumsum("energy"),
        counts.to_region_nd_map(CIRCLE),
        counts.to_region_nd_map(CIRCLE).upsample(2, order=1),
        counts * 0.3,
        counts.to_unit("0.1"),
    ):
        assert types_of(other) == {"float32"}


def test_excess_maps_of_a_dataset_in_single_precision(single, observations):
    ring = single(makers=[RingBackgroundMaker("0.5 deg", "0.3 deg", excluded())])
    maps = ExcessMapEstimator("0.3 deg").run(ring)
    expected = ExcessMapEstimator("0.3 deg").run(ring.to(precision="double"))
    for name in ("counts", "npred_excess", "sqrt_ts"):
        np.testing.assert_allclose(to_host(maps[name].data), to_host(expected[name].data), rtol=1e-5, atol=1e-5)


# --- where the two precisions meet


def test_precision_of_a_dataset_is_changed_by_name(observations):
    dataset = MapDatasetMaker().run(MapDataset.create(GEOM, energy_axis_true=TRUE), observations[0])
    single = dataset.to(precision="single")
    assert single.precision == "single"
    assert dataset.precision == "double"
    assert single.name == dataset.name
    assert dataset.to(precision="double") is dataset
    assert single.to("cpu", "single") is single
    np.testing.assert_array_equal(single.background.data, dataset.background.data.astype(np.float32))
    single.background = single.background.to(precision="double")
    assert single.precision == "double", "one map of float64 is enough"
    assert_single(single.to(precision="single"), dataset)
    assert_double(single.to(precision="double"))
    stacked = dataset.to_masked()
    stacked.psf.stack(dataset.psf)
    assert types_of(stacked.psf.to(precision="single")) == {"float32"}


def test_dataset_in_single_precision_takes_half_the_memory():
    sizes = {
        precision: [
            data.data.nbytes for name, data in maps_of(create(precision)).items() if not name.startswith("mask")
        ]
        for precision in ("single", "double")
    }
    assert [2 * size for size in sizes["single"]] == sizes["double"]


def create(precision):
    return MapDataset.create(GEOM, energy_axis_true=TRUE, precision=precision)


@pytest.mark.parametrize("stack", ["single", "double"])
def test_stack_has_its_own_precision_whatever_is_added(backend, stack, observations):
    other = "double" if stack == "single" else "single"
    stacked, alike = create(stack), create(stack)
    for observation in observations[:3]:
        stacked.stack(MapDatasetMaker().run(create(other), observation))
        alike.stack(MapDatasetMaker().run(create(stack), observation))
    assert stacked.precision == stack
    for name, data in maps_of(stacked).items():
        reference = to_host(maps_of(alike)[name].data)
        if name in EXACT:
            np.testing.assert_array_equal(to_host(data.data), reference)
        else:
            assert deviation(to_host(data.data), reference) < 1e-5


def test_runs_in_single_precision_are_stacked_in_double_by_a_reference_for_each(observations):
    runs = observations[:3]
    stacked, single = create("double"), create("single")
    makers = DatasetsMaker([MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.4 deg")])
    references = [single.outline(run.pointing_radec, "2.8 deg") for run in runs]
    makers.run(stacked, runs, datasets=references)
    assert_double(stacked)
    assert_single(stacked.to(precision="single"), makers.run(create("double"), runs)[0])


@pytest.mark.parametrize("precision", ["half", "float32"])
def test_unknown_precision_of_a_dataset_is_refused(precision):
    with pytest.raises(ValueError, match="precision must be 'double'"):
        create(precision)
    with pytest.raises(ValueError, match="precision must be 'double'"):
        create("single").to(precision=precision)


def test_figures_are_sums_in_double_precision():
    dataset = MapDataset.create(WcsGeom.create(npix=500, binsz=0.02, axes=[ENERGY]), precision="single")
    dataset.mask_safe.data[...] = True
    dataset.background.data[...] = 0.1
    dataset.counts.data[...] = 33.0
    dataset.counts.data[0, 0, 0] = 34.0
    info = dataset.info_dict()
    assert info["background"] == pytest.approx(float(np.float32(0.1)) * 10**6, rel=1e-12)
    assert info["counts"] == 33 * 10**6 + 1, "more than 2^24, and not one lost"


@pytest.mark.parametrize("n_run", [1, 4, 100, 1000])
def test_sums_of_many_runs_in_single_precision(n_run):
    # the worst of these bins is off by 2e-6 after 1000 runs, that of a PSF by 6e-6
    geom, rng = WcsGeom.create(npix=20, axes=[ENERGY]), np.random.default_rng(0)
    single, double = (Map.from_geom(geom, dtype=dtype) for dtype in ("float32", "float64"))
    for _ in range(n_run):
        run = Map.from_geom(geom, data=rng.uniform(0.5, 1.5, geom.data_shape).astype(np.float32))
        single.stack(run)
        double.stack(run)
    np.testing.assert_allclose(single.data, double.data, rtol=1e-5 * max(1, n_run / 1000))


def test_bounds_are_those_of_the_documentation():
    page = (Path(__file__).parents[2] / "docs/explanation/precision.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    stated = {row[0]: row[3] for row in rows if len(row) == 4}
    assert stated[", ".join(EXACT)] == "equal"
    assert {name: float(stated[name]) for name in BOUNDS} == BOUNDS
    for name, bound in BOUNDS.items():
        measured = next(row[1:3] for row in rows if row[0] == name)
        assert max(map(float, measured)) < bound
