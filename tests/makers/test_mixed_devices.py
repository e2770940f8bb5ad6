"""Datasets that live on another device than new maps: everything made of them stays with them."""

import astropy.units as u
import numpy as np
import pytest
from regions import CircleSkyRegion

from lightpool.arrays import count_transfers, device_of, use_device
from lightpool.data import EventList
from lightpool.datasets import Datasets, MapDataset, SpectrumDataset
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
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from lightpool.maps import Map, MapAxis, RegionGeom
from lightpool.simulate import PointSource

SOURCE = PointSource().position
CIRCLE = CircleSkyRegion(SOURCE, 0.3 * u.deg)


@pytest.fixture(params=[("cpu", "strict"), ("strict", "cpu"), ("strict", "torch")], ids=lambda p: f"{p[1]}-of-{p[0]}")
def place(request):
    """Where the dataset lives; inside the test new maps are made on another device."""
    default, where = request.param
    if "torch" in request.param:
        pytest.importorskip("torch")
    with use_device(default), count_transfers() as transfers:
        yield where
    if where == "cpu":
        assert transfers.to_device.number == transfers.to_host.number == 0


@pytest.fixture
def made(empty, observations, place):
    def make(number=0, makers=(), **kwargs):
        dataset = start(empty, place, **kwargs)
        for maker in (MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.5 deg"), *makers):
            dataset = maker.run(dataset, observations[number])
        return dataset

    return make


def start(create, place, **kwargs):
    """Empty dataset on a device."""
    with use_device(place):
        return create(**kwargs)


def places(value):
    """Devices of all maps in a dataset, a response or a dictionary."""
    if isinstance(value, Map):
        return {value.device.name}
    if hasattr(value, "maps"):
        value = value.maps
    elif hasattr(value, "exposure_map"):
        value = {"response": value._irf_map, "exposure": value.exposure_map}
    return set().union(*(places(item) for item in dict(value).values() if item is not None))


def exclusion(geom, place):
    return geom.region_mask([CIRCLE], inside=False, device=place)


def test_a_run_and_its_stack(made, geom, empty, observations, place):
    fov = FoVBackgroundMaker(exclusion_mask=exclusion(geom, place))
    assert places(made(makers=[fov])) == {place}
    chain = [MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.5 deg"), fov]
    for stack in (True, False):
        for dataset in DatasetsMaker(chain, stack_datasets=stack).run(start(empty, place), observations[:3]):
            assert places(dataset) == {place}


def test_every_method_for_the_safe_mask(made, observations, place):
    methods = ["aeff-default", "aeff-max", "edisp-bias", "offset-max", "bkg-peak"]
    for irfs in ("DL4", "DL3"):
        for method in methods:
            assert places(made(makers=[SafeMaskMaker([method], irfs=irfs)]).mask_safe) == {place}
    dataset = made()
    dataset.exposure.data = dataset.exposure.data * 0.0
    assert places(SafeMaskMaker(["aeff-max"]).run(dataset, observations[0]).mask_safe) == {place}


def test_a_background_that_cannot_be_normalised(made, place):
    assert places(made(makers=[FoVBackgroundMaker(min_counts=1e9)]).mask_safe) == {place}
    assert places(made(makers=[FoVBackgroundMaker("fit")])) == {place}


def test_what_a_dataset_becomes(made, place):
    dataset, energy = made(), MapAxis.from_energy_edges([0.5, 20] * u.TeV)
    for other in (
        dataset.copy(),
        dataset.to_masked(),
        dataset.to_image(),
        dataset.outline(),
        dataset.cutout(SOURCE, "2 deg"),
        dataset.pad(1),
        dataset.downsample(2),
        dataset.downsample(2, axis_name="energy"),
        dataset.resample_energy_axis(energy),
        dataset.slice_by_energy(1 * u.TeV, 10 * u.TeV),
        dataset.to_region_map_dataset(CIRCLE),
        dataset.to_spectrum_dataset(CIRCLE, containment_correction=True),
        Datasets([dataset, made(1)]).stack_reduce(),
    ):
        assert places(other) == {place}


def test_what_a_dataset_predicts(made, place):
    dataset = made(makers=[FoVBackgroundMaker()])
    maps = [dataset.npred(), dataset.npred_background(), dataset.excess, dataset.residuals(), *dataset.energy_range]
    maps += [dataset.mask, dataset.mask_image, dataset.mask_safe_psf, dataset.mask_safe_edisp, dataset.npred_signal()]
    assert set().union(*map(places, maps)) == {place}
    assert device_of(dataset.stat_array()).name == place


def test_what_responses_become(made, place):
    dataset = made()
    psf, edisp = dataset.psf, dataset.edisp
    for other in (psf.to_image(), psf.downsample(2, "energy_true"), psf.to_region_nd_map(SOURCE), edisp.to_image()):
        assert places(other) == {place}
    assert places(psf.containment_radius_map(1 * u.TeV)) == {place}
    kernel = psf.get_psf_kernel(dataset.exposure.geom)
    assert places(kernel.psf_kernel_map) == places(kernel.to_image().psf_kernel_map) == {place}
    assert places(psf.mask_safe_image) == {place}


def test_an_energy_dispersion_in_migra(geom, observations, place):
    migra = MapAxis.from_bounds(0.2, 5, nbin=20, name="migra", node_type="edges")
    dataset = MapDatasetMaker().run(start(lambda: MapDataset.create(geom, migra_axis=migra), place), observations[0])
    assert places(dataset) == {place}
    assert places(dataset.edisp.to_edisp_kernel_map(geom.axes["energy"])) == {place}


def test_maps_of_other_geometries(made, geom, place):
    counts = made().counts
    for other in (counts.interp_to_geom(geom.to_image().to_cube(geom.axes), preserve_counts=True), counts.outline()):
        assert places(other) == {place}
    assert places(counts.to_region_nd_map(CIRCLE)) == {place}
    assert places(counts.convolve(np.ones((3, 3)))) == places(counts.smooth("0.2 deg")) == {place}


def test_rings(made, geom, place):
    mask = exclusion(geom, place)
    rings = {"r_in": "0.5 deg", "width": "0.4 deg", "exclusion_mask": mask}
    ring = RingBackgroundMaker(**rings).run(made())
    adaptive = AdaptiveRingBackgroundMaker(r_out_max="1.6 deg", stepsize="0.2 deg", **rings)
    assert places(ring) == places(adaptive.run(made())) == {place}
    assert places(adaptive.make_ring_maps(made())) == {place}
    assert places(ring.to_map_dataset()) == {place}
    assert places(ExcessMapEstimator("0.3 deg").run(ring)) == {place}
    ring.stack(ring.copy())
    assert places(ring) == {place}


def test_masks_that_are_found(made, place):
    finder = ExclusionMaskFinder(ExcessMapEstimator("0.3 deg"))
    for maker in (None, FoVBackgroundMaker()):
        found = finder.run([made(), made(1)], maker)
        assert places(found.mask) | places(found.maps) == {place}


def test_other_runs_as_background(made, observations, place):
    maker = OffRunsBackgroundMaker(observations, max_zenith_difference="90 deg")
    assert places(maker.run(made(), observations[0])) == {place}


@pytest.mark.parametrize("use_region_center", [True, False])
def test_spectra(geom, observations, place, use_region_center):
    region = RegionGeom.create(CIRCLE, axes=[geom.axes["energy"]])
    dataset = SpectrumDatasetMaker(use_region_center=use_region_center, containment_correction=True).run(
        start(lambda: SpectrumDataset.create(region), place), observations[0]
    )
    assert places(dataset) == {place}
    on_off = ReflectedRegionsBackgroundMaker().run(dataset, observations[0])
    assert places(on_off) == {place}
    assert places(SafeMaskMaker(["aeff-max", "edisp-bias"]).run(on_off, observations[0])) == {place}
    assert places(ReflectedRegionsBackgroundMaker(min_region_number=99).run(dataset, observations[0])) == {place}
    assert places(on_off.to_spectrum_dataset()) == {place}
    on_off.stack(on_off.copy())
    assert places(on_off) == {place}


def test_phases(geom, observations, place):
    observation = observations[0].copy()
    table = observation.events.table
    table["PHASE"] = np.linspace(0, 0.999, len(table))
    observation.events = EventList(table)
    region = RegionGeom.create(CIRCLE, axes=[geom.axes["energy"]])
    dataset = SpectrumDatasetMaker(["counts"]).run(start(lambda: SpectrumDataset.create(region), place), observation)
    assert places(PhaseBackgroundMaker((0.0, 0.2), (0.4, 0.8)).run(dataset, observation)) == {place}
