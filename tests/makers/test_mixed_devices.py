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
def target(request):
    """Where the dataset lives; inside the test new maps are made on another device."""
    default, where = request.param
    if "torch" in request.param:
        pytest.importorskip("torch")
    with use_device(default), count_transfers() as transfers:
        yield where
    if where == "cpu":
        assert transfers.to_device.number == transfers.to_host.number == 0


@pytest.fixture
def made(empty, observations, target):
    def make(number=0, makers=(), **kwargs):
        dataset = start(empty, target, **kwargs)
        for maker in (MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.5 deg"), *makers):
            dataset = maker.run(dataset, observations[number])
        return dataset

    return make


def start(create, target, **kwargs):
    """Empty dataset on a device."""
    with use_device(target):
        return create(**kwargs)


def devices_of(value):
    """Devices of all maps in a dataset, a response or a dictionary."""
    if isinstance(value, Map):
        return {value.device.name}
    if hasattr(value, "maps"):
        value = value.maps
    elif hasattr(value, "exposure_map"):
        value = {"response": value.irf_map, "exposure": value.exposure_map}
    return set().union(*(devices_of(item) for item in dict(value).values() if item is not None))


def exclusion(geom, target):
    return geom.region_mask([CIRCLE], inside=False, device=target)


def test_a_run_and_its_stack(made, geom, empty, observations, target):
    fov = FoVBackgroundMaker(exclusion_mask=exclusion(geom, target))
    assert devices_of(made(makers=[fov])) == {target}
    chain = [MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="1.5 deg"), fov]
    for stack in (True, False):
        for dataset in DatasetsMaker(chain, stack_datasets=stack).run(start(empty, target), observations[:3]):
            assert devices_of(dataset) == {target}


def test_every_method_for_the_safe_mask(made, observations, target):
    methods = ["aeff-default", "aeff-max", "edisp-bias", "offset-max", "bkg-peak"]
    for irfs in ("DL4", "DL3"):
        for method in methods:
            assert devices_of(made(makers=[SafeMaskMaker([method], irfs=irfs)]).mask_safe) == {target}
    dataset = made()
    dataset.exposure.data = dataset.exposure.data * 0.0
    assert devices_of(SafeMaskMaker(["aeff-max"]).run(dataset, observations[0]).mask_safe) == {target}


def test_a_background_that_cannot_be_normalised(made, target):
    assert devices_of(made(makers=[FoVBackgroundMaker(min_counts=1e9)]).mask_safe) == {target}
    assert devices_of(made(makers=[FoVBackgroundMaker("fit")])) == {target}


def test_what_a_dataset_becomes(made, target):
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
        assert devices_of(other) == {target}


def test_what_a_dataset_predicts(made, target):
    dataset = made(makers=[FoVBackgroundMaker()])
    maps = [dataset.npred(), dataset.npred_background(), dataset.excess, dataset.residuals(), *dataset.energy_range]
    maps += [dataset.mask, dataset.mask_image, dataset.mask_safe_psf, dataset.mask_safe_edisp, dataset.npred_signal()]
    assert set().union(*map(devices_of, maps)) == {target}
    assert device_of(dataset.stat_array()).name == target


def test_what_is_made_of_responses_is_on_their_device(made, target):
    dataset = made()
    psf, edisp = dataset.psf, dataset.edisp
    for other in (psf.to_image(), psf.downsample(2, "energy_true"), psf.to_region_nd_map(SOURCE), edisp.to_image()):
        assert devices_of(other) == {target}
    assert devices_of(psf.containment_radius_map(1 * u.TeV)) == {target}
    kernel = psf.get_psf_kernel(dataset.exposure.geom)
    assert devices_of(kernel.psf_kernel_map) == devices_of(kernel.to_image().psf_kernel_map) == {target}
    assert devices_of(psf.mask_safe_image) == {target}


def test_an_energy_dispersion_in_migra(geom, observations, target):
    migra = MapAxis.from_bounds(0.2, 5, nbin=20, name="migra", node_type="edges")
    dataset = MapDatasetMaker().run(start(lambda: MapDataset.create(geom, migra_axis=migra), target), observations[0])
    assert devices_of(dataset) == {target}
    assert devices_of(dataset.edisp.to_edisp_kernel_map(geom.axes["energy"])) == {target}


def test_maps_of_other_geometries(made, geom, target):
    counts = made().counts
    for other in (counts.interp_to_geom(geom.to_image().to_cube(geom.axes), preserve_counts=True), counts.outline()):
        assert devices_of(other) == {target}
    assert devices_of(counts.to_region_nd_map(CIRCLE)) == {target}
    assert devices_of(counts.convolve(np.ones((3, 3)))) == devices_of(counts.smooth("0.2 deg")) == {target}


def test_ring_backgrounds_are_on_the_device_of_the_dataset(made, geom, target):
    mask = exclusion(geom, target)
    rings = {"r_in": "0.5 deg", "width": "0.4 deg", "exclusion_mask": mask}
    ring = RingBackgroundMaker(**rings).run(made())
    adaptive = AdaptiveRingBackgroundMaker(r_out_max="1.6 deg", stepsize="0.2 deg", **rings)
    assert devices_of(ring) == devices_of(adaptive.run(made())) == {target}
    assert devices_of(adaptive.make_ring_maps(made())) == {target}
    assert devices_of(ring.to_map_dataset()) == {target}
    assert devices_of(ExcessMapEstimator("0.3 deg").run(ring)) == {target}
    ring.stack(ring.copy())
    assert devices_of(ring) == {target}


def test_masks_that_are_found(made, target):
    finder = ExclusionMaskFinder(ExcessMapEstimator("0.3 deg"))
    for maker in (None, FoVBackgroundMaker()):
        found = finder.run([made(), made(1)], maker)
        assert devices_of(found.mask) | devices_of(found.maps) == {target}


def test_other_runs_as_background(made, observations, target):
    maker = OffRunsBackgroundMaker(observations, max_zenith_difference="90 deg")
    assert devices_of(maker.run(made(), observations[0])) == {target}


@pytest.mark.parametrize("use_region_center", [True, False])
def test_spectra_are_on_the_device_of_the_dataset(geom, observations, target, use_region_center):
    region = RegionGeom.create(CIRCLE, axes=[geom.axes["energy"]])
    dataset = SpectrumDatasetMaker(use_region_center=use_region_center, containment_correction=True).run(
        start(lambda: SpectrumDataset.create(region), target), observations[0]
    )
    assert devices_of(dataset) == {target}
    on_off = ReflectedRegionsBackgroundMaker().run(dataset, observations[0])
    assert devices_of(on_off) == {target}
    assert devices_of(SafeMaskMaker(["aeff-max", "edisp-bias"]).run(on_off, observations[0])) == {target}
    assert devices_of(ReflectedRegionsBackgroundMaker(min_region_number=99).run(dataset, observations[0])) == {target}
    assert devices_of(on_off.to_spectrum_dataset()) == {target}
    on_off.stack(on_off.copy())
    assert devices_of(on_off) == {target}


def test_phase_backgrounds_are_on_the_device_of_the_dataset(geom, observations, target):
    observation = observations[0].copy()
    table = observation.events.table
    table["PHASE"] = np.linspace(0, 0.999, len(table))
    observation.events = EventList(table)
    region = RegionGeom.create(CIRCLE, axes=[geom.axes["energy"]])
    dataset = SpectrumDatasetMaker(["counts"]).run(start(lambda: SpectrumDataset.create(region), target), observation)
    assert devices_of(PhaseBackgroundMaker((0.0, 0.2), (0.4, 0.8)).run(dataset, observation)) == {target}
