"""What a reduction takes is estimated before it runs, stays flat over many observations, and is named when it fails."""

import gc
import tracemalloc
from concurrent.futures import Future

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lightpool.arrays import use_device
from lightpool.arrays.devices import memory
from lightpool.data import FILE_CACHE, DataStore, Observations
from lightpool.datasets import MapDataset
from lightpool.errors import OutOfMemoryError, ReductionError
from lightpool.makers import (
    AdaptiveRingBackgroundMaker,
    DatasetsMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
)
from lightpool.makers.core import Maker
from lightpool.makers.parallel import processes
from lightpool.maps import Map, MapAxis, WcsGeom
from lightpool.simulate import simulate_store

CRAB = SkyCoord(83.63, 22.01, unit="deg")
MB = 1_000_000


def reference(npix=60, binsz=0.1, n_energy=3, n_true=5, n_rad=15, binsz_irf=0.5):
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=n_energy)
    true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=n_true, name="energy_true")
    rad = MapAxis.from_bounds(0, 0.6, nbin=n_rad, unit="deg", name="rad")
    geom = WcsGeom.create(skydir=CRAB, npix=npix, binsz=binsz, axes=[energy])
    return MapDataset.create(geom, energy_axis_true=true, rad_axis=rad, binsz_irf=binsz_irf)


def safe():
    return SafeMaskMaker(methods=["offset-max"], offset_max="2 deg")


CHAINS = {
    "maps": [MapDatasetMaker()],
    "field of view": [MapDatasetMaker(), safe(), FoVBackgroundMaker()],
    "rings": [MapDatasetMaker(), safe(), RingBackgroundMaker(r_in="0.5 deg", width="0.3 deg")],
    "adaptive rings": [
        MapDatasetMaker(),
        safe(),
        AdaptiveRingBackgroundMaker(r_in="0.5 deg", width="0.3 deg", r_out_max="1 deg", stepsize="0.1 deg"),
    ],
}
SIZES = {
    "fine pixels": {"npix": 300, "binsz": 0.02, "n_energy": 5},
    "fine responses": {"npix": 120, "binsz": 0.05, "binsz_irf": 0.1, "n_rad": 40, "n_true": 12},
}


def n_map():
    """How many maps there are."""
    return sum(isinstance(thing, Map) for thing in gc.get_objects())


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
def test_what_is_let_go_is_free_at_once_without_a_collection_of_garbage(device, crab_store, chain):
    observations = DataStore.from_dir(crab_store).get_observations()[:3]

    def reduce():
        DatasetsMaker(CHAINS[chain]).run(reference().to(device), observations)
        DatasetsMaker(CHAINS[chain], stack_datasets=False).run(reference().to(device), observations)

    reduce()  # what caches keep
    gc.collect()
    gc.disable()  # it does not know how much of a device is left
    try:
        before = n_map()
        reduce()
        assert n_map() == before
    finally:
        gc.enable()


CASES = [(name, chain, "fine pixels") for name in ("cpu", "strict") for chain in CHAINS]
CASES += [(name, "field of view", "fine responses") for name in ("cpu", "strict")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "chain", "size"), CASES)  # PyTorch takes its memory unseen
def test_a_reduction_takes_what_was_estimated(name, crab_store, chain, size):
    maker, options = DatasetsMaker(CHAINS[chain]), SIZES[size]
    observations = DataStore.from_dir(crab_store).get_observations()[:3]
    maker.run(reference().to(name), observations)  # files and all that is not the larger for larger maps
    gc.collect()
    tracemalloc.start()
    try:
        with use_device(name):
            dataset = reference(**options)
        estimate = maker.estimate_memory(dataset)
        maker.run(dataset, observations)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.5 < peak / estimate.n_bytes < 1.2
    assert estimate.parts["stack"] == dataset.memory.n_bytes
    assert estimate.parts == maker.estimate_memory(dataset.outline()).parts


def test_datasets_that_are_not_stacked_are_counted_one_by_one():
    dataset = reference()
    one, many = (DatasetsMaker([MapDatasetMaker()], stack_datasets=False).estimate_memory(dataset, n) for n in (1, 10))
    assert many.parts["datasets"] == 10 * one.parts["datasets"] == 10 * dataset.memory.n_bytes
    assert "datasets" not in DatasetsMaker([MapDatasetMaker()]).estimate_memory(dataset, 10).parts
    with pytest.raises(ValueError, match="n_observations must be 0 or more, got -1"):
        DatasetsMaker([MapDatasetMaker()]).estimate_memory(dataset, -1)


def test_each_process_takes_as_much_as_a_reduction_of_its_own():
    dataset = reference()
    alone, three = (DatasetsMaker([MapDatasetMaker()], n_jobs=n).estimate_memory(dataset) for n in (1, 3))
    assert three.n_bytes == 4 * alone.n_bytes
    assert "processes" in str(three)


def simulated(folder, n_run):
    """Short simulated runs."""
    kinds = {"psf_kinds": ("psf_3gauss",), "background_kinds": ("bkg_2d",)}
    return DataStore.from_dir(simulate_store(folder, n_run, ontime=20.0, seed=3, **kinds)).get_observations()


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("few"), 3)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("many"), 50)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "chain"), [("cpu", "field of view"), ("cpu", "rings"), ("torch", "rings"), ("strict", "field of view")]
)
def test_memory_is_flat_over_many_observations(name, many, chain, monkeypatch):
    if name == "torch":
        pytest.importorskip("torch")
    # Both are full before what is measured begins.
    monkeypatch.setattr(FILE_CACHE, "max_bytes", MB)
    monkeypatch.setattr("lightpool.fits.header._MOST_KEPT", 8)
    dataset, maker = reference(npix=30, binsz=0.2, n_true=3, n_rad=5).to(name), DatasetsMaker(CHAINS[chain])
    maker.run(dataset, many[:10])
    taken = []
    tracemalloc.start()
    try:
        for first in (10, 20, 30, 40):
            maker.run(dataset, many[first : first + 10])
            gc.collect()
            taken.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # A leak is in each ten; what is kept once, or until a cache of a fixed size is full, is not.
    per_observation = np.diff(taken).min() / 10
    assert per_observation < 8000, f"{per_observation:.0f} bytes; times, names and a row of the table take 2000"


def test_a_reduction_leaves_nothing_loaded_in_the_observations_of_the_user(few):
    DatasetsMaker(CHAINS["field of view"]).run(reference(), few[:3])
    assert all(not observation._loaded for observation in few[:3])


def test_parts_that_the_user_set_by_hand_or_holds_are_kept(few):
    observation = few[0].copy()
    aeff, gti = observation.aeff, observation.gti
    observation.aeff = aeff
    DatasetsMaker(CHAINS["field of view"]).run(reference(), Observations([observation]))
    assert observation.aeff is aeff
    assert observation.gti is gti


class NoProcesses:
    """Stands in for the processes: does each task here."""

    def __init__(self, n_process, gpus, advance):
        pass

    def result_of(self, function, arguments):
        return function(*arguments)

    def give_up(self):
        pass

    end = give_up


class OneByOne:
    """Stands in for a pool of threads: does what is submitted at once."""

    def __init__(self, n_process, **kwargs):
        pass

    def submit(self, function, *args):
        future = Future()
        future.set_result(function(*args))
        return future

    def shutdown(self, cancel_futures):
        pass


def test_results_of_processes_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(processes, "ThreadPoolExecutor", OneByOne)
    monkeypatch.setattr(processes, "_Processes", NoProcesses)
    begun = []
    tasks = ((begun.append(number) or number,) for number in range(30))
    for n_done, result in enumerate(processes.in_processes(2, abs, tasks)):
        assert result == n_done
        assert len(begun) - n_done <= 5
    assert n_done == 29


class Hungry(Maker):
    """Asks for more memory than there is."""

    tag = "Hungry"

    def run(self, dataset, observation=None):
        xp = dataset.device.xp
        return xp.ones(2**50, dtype=xp.float64, device=dataset.device.handle)


def test_a_step_that_runs_out_of_memory_is_named_with_its_maps(device, few):
    with pytest.raises(ReductionError, match="observation 1: Hungry failed with OutOfMemoryError") as caught:
        DatasetsMaker([MapDatasetMaker(), Hungry()]).run(reference(), few[:2])
    cause = caught.value.__cause__
    assert isinstance(cause, OutOfMemoryError)
    assert "Hungry on a MapDataset (counts 3 x 60 x 60 86.4 kB, exposure" in str(cause)
    assert f"than device '{device}' has" in str(cause)
    assert "To need less, take larger pixels" in str(cause)


def no_room(*args, **kwargs):
    raise MemoryError("no room")


@pytest.mark.parametrize("chain", ["maps", "rings"])
def test_a_stack_that_runs_out_of_memory_says_so(device, few, chain, monkeypatch):
    first, second = DatasetsMaker(CHAINS[chain], stack_datasets=False, cutout_width="9 deg").run(reference(), few[:2])
    monkeypatch.setattr("lightpool.maps.stacking.add_product", no_room)
    message = rf"stacking on a {first.tag} \(counts .*\) needs more memory than device '{first.device}' has.*no room"
    with pytest.raises(OutOfMemoryError, match=message):
        first.stack(second)


def test_maps_of_an_observation_that_do_not_fit_are_refused_before_they_are_made(device, few, monkeypatch):
    dataset = reference(npix=1000, binsz=0.004, n_energy=4)
    monkeypatch.setattr(memory, "free_memory", lambda device: 50 * MB)
    message = r"what MapDatasetMaker makes of observation 1 \(counts 4 x 1000 x 1000 32 MB, .*\) would take 68 MB"
    with pytest.raises(OutOfMemoryError, match=message):
        MapDatasetMaker().run(dataset, few[0])


def test_cutouts_that_a_maker_needs_are_refused_before_they_are_made(few, monkeypatch):
    dataset = reference(npix=1000, binsz=0.004, n_energy=9)
    counts = np.asarray(dataset.counts.data)
    monkeypatch.setattr(memory, "free_memory", lambda device: 50 * MB)
    maker = DatasetsMaker([safe(), MapDatasetMaker()])
    with pytest.raises(OutOfMemoryError, match="a cutout of a MapDataset"):
        maker.run(dataset, few[:1])
    assert np.all(counts == 0)
