"""How often each job asks the device for something, and waits for it, counted under CuPy itself.

The numbers are bounds: a change that needs less lowers them.
"""

from dataclasses import dataclass

import astropy.units as u
import pytest
from regions import CircleSkyRegion

from lightpool.arrays import read_deferred
from lightpool.data import DataStore
from lightpool.datasets import MapDataset, SpectrumDataset
from lightpool.makers import (
    DatasetsMaker,
    ExcessMapEstimator,
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
)
from lightpool.maps import MapAxis, RegionGeom, WcsGeom
from lightpool.simulate import PointSource, simulate_store

pytestmark = pytest.mark.gpu

SOURCE = PointSource().position
ENERGY = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4)
TRUE = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=31, name="energy_true")
SAFE = SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="2 deg")


@dataclass(frozen=True)
class Cost:
    """What a job may cost.

    Attributes
    ----------
    launches : int
        Kernels, and calls of cuFFT and cuBLAS.
    to_device, to_host : int
        Copies.
    waits : int
        How often the host waits for the device.
    """

    launches: int
    to_device: int
    to_host: int
    waits: int

    @classmethod
    def of(cls, counts):
        launches = sum(counts.get(name, 0) for name in ("launches", "transforms", "products", "fills"))
        copies = (counts.get(name, 0) for name in ("copies to device", "copies to host"))
        return cls(launches, *copies, counts["waits"])

    def is_within(self, bound):
        return all(getattr(self, name) <= getattr(bound, name) for name in vars(bound))


def empty():
    geom = WcsGeom.create(skydir=SOURCE, width=4, binsz=0.2, axes=[ENERGY])
    return MapDataset.create(geom, energy_axis_true=TRUE)


def loop(stacked, observations):
    """The loop of the notebook."""
    for observation in observations:
        dataset = stacked.cutout(observation.pointing_radec, width="3.6 deg")
        dataset = SAFE.run(MapDatasetMaker().run(dataset, observation), observation)
        stacked.stack(FoVBackgroundMaker(method="scale").run(dataset))


def chain(stacked, observations):
    """`DatasetsMaker` with 31 true energies."""
    makers = [MapDatasetMaker(), SAFE, FoVBackgroundMaker(method="scale")]
    DatasetsMaker(makers, cutout_mode="partial", cutout_width="3.6 deg").run(stacked, observations)


def spectra(_, observations):
    """Spectra with OFF counts from reflected regions."""
    geom = RegionGeom.create(CircleSkyRegion(SOURCE, 0.2 * u.deg), axes=[ENERGY])
    makers = SpectrumDatasetMaker(["counts", "exposure", "edisp"]), ReflectedRegionsBackgroundMaker(), SAFE
    for observation in observations:
        dataset = SpectrumDataset.create(geom, energy_axis_true=TRUE, name=str(observation.obs_id))
        for maker in makers:
            dataset = maker.run(dataset, observation)


def ring(stacked, observations):
    """Rings around each pixel of each run."""
    for observation in observations:
        dataset = stacked.cutout(observation.pointing_radec, width="3.6 deg")
        dataset = MapDatasetMaker(["counts", "exposure", "background"]).run(dataset, observation)
        RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg").run(SAFE.run(dataset, observation))


PER_RUN = {loop: Cost(82, 1, 0, 0), chain: Cost(100, 2, 0, 0), spectra: Cost(52, 2, 0, 0), ring: Cost(83, 1, 1, 1)}


@pytest.mark.parametrize("job", PER_RUN)
def test_a_run_costs_no_more_than(device, runtime, crab_store, job):
    stacked, observations = empty(), DataStore.from_dir(crab_store).get_observations()
    job(stacked, observations)  # kernels, tables, directions of pixels: once for a geometry
    read_deferred(device)
    costs = []
    for n_run in (3, 6):
        runtime.reset_counts()
        job(stacked, observations[:n_run])
        costs.append(Cost.of(runtime.counts()))
        read_deferred(device)
    few, many = costs
    cost = Cost(*(-(-(getattr(many, name) - getattr(few, name)) // 3) for name in vars(many)))
    assert cost.is_within(PER_RUN[job]), cost


@pytest.fixture
def stack(device, crab_store):
    stacked = empty()
    loop(stacked, DataStore.from_dir(crab_store).get_observations()[:2])
    read_deferred(device)
    return stacked


WHOLE = {
    "stack": Cost(38, 0, 0, 0),
    "excess": Cost(37, 0, 0, 0),
    "excess with errors": Cost(48, 0, 0, 0),
    "excess over OFF counts": Cost(53, 0, 0, 0),
    "excess over OFF counts with errors": Cost(63, 0, 0, 0),
    "all about an excess over rings": Cost(79, 0, 0, 0),
}
ERRORS = ["errn-errp", "ul"]


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_done_once_costs_no_more_than(device, runtime, crab_store, stack, name):
    over_rings = RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg").run(stack)

    def excess(dataset, selection, **kwargs):
        return ExcessMapEstimator("0.3 deg", selection_optional=selection, **kwargs).run(dataset)

    jobs = {
        "stack": lambda: empty().stack(stack),
        "excess": lambda: excess(stack, []),
        "excess with errors": lambda: excess(stack, ERRORS),
        "excess over OFF counts": lambda: excess(over_rings, []),
        "excess over OFF counts with errors": lambda: excess(over_rings, ERRORS),
        "all about an excess over rings": lambda: excess(over_rings, "all", correlate_off=False),
    }
    jobs[name]()
    runtime.reset_counts()
    jobs[name]()
    cost = Cost.of(runtime.counts())
    assert cost.is_within(WHOLE[name]), cost


@pytest.mark.parametrize("n_process", [1, 2])
def test_a_run_of_a_batch_costs_the_same_in_any_number_of_processes(runtime, tmp_path, n_process):
    from cupy_without_gpu.batch_counts import counts_of_batch

    store = simulate_store(tmp_path / "store", 12, ontime=300.0, seed=3)
    found = counts_of_batch(store, tmp_path / "results", n_process, chunk_size=4)
    assert (found.n_process, found.n_run, found.n_failed) == (n_process, 12, 0)
    cost = Cost.of(found.counts)
    # Each process begins with some 10 copies and 100 launches; the sums of each of the three chunks are 9 arrays.
    assert cost.is_within(Cost(12 * 140 + 100 * n_process, 12 * 3 + 12 * n_process, 27, 27)), cost


def test_bytes_and_copies_are_those_that_lightpool_counts(device, runtime):
    import numpy as np

    from lightpool.arrays import count_transfers, to_device, to_host

    values = np.arange(1000.0)
    runtime.reset_counts()
    with count_transfers() as transfers:
        array = to_device(values, device)
        to_host(array + 1)
    counted = runtime.counts()
    assert counted["bytes to device"] == transfers.to_device.bytes == values.nbytes
    assert counted["bytes to host"] == transfers.to_host.bytes == values.nbytes
    assert (counted["launches"], counted["waits"]) == (1, 1)
