"""The jobs of benchmarks/gpu.py: each returns plain values, ready for JSON."""

import os
import time
import zlib
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import peer
from backends import Field, deviation, is_counted, maps_of, stacked_maps, unequal
from device_clock import clock_of, memory_in_use

from lightpool.arrays import Device, count_transfers, find_device, use_device
from lightpool.arrays.devices.memory import release_memory
from lightpool.data import FILE_CACHE, DataStore, Observations
from lightpool.data.read_ahead import read_ahead
from lightpool.datasets import MapDataset
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.makers.core import Maker
from lightpool.simulate import simulate_store

STAGES = ("cutout", "counts", "exposure", "background", "psf", "edisp", "safe mask", "FoV background", "stack")
N_SAMPLE = 50  # of the memory in a long job
Figures = dict[str, Any]


def n_processor() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def simulate_field(folder: Path) -> Field:
    """Four runs of half an hour on the Crab nebula, with tables of the kinds that H.E.S.S. has published."""
    store = simulate_store(folder / "field", 4, psf_kinds=("psf_table",), background_kinds=("bkg_3d",))
    return Field(store, runs=(1, 2, 3, 4))


def simulate_runs(folder: Path, n_run: int) -> Observations:
    """Runs of five minutes with a few kinds of responses, made by all processors: each makes a store."""
    n_worker = min(n_processor(), 16, n_run)
    sizes = [len(part) for part in np.array_split(np.arange(n_run), n_worker)]
    with ProcessPoolExecutor(n_worker, mp_context=get_context("spawn")) as pool:
        stores = list(pool.map(_simulate_store, [folder / f"part-{seed}" for seed in range(n_worker)], sizes))
    return Observations.from_stack([DataStore.from_dir(store).get_observations() for store in stores])


def _simulate_store(folder: Path, n_run: int) -> Path:
    return simulate_store(folder, n_run, seed=int(folder.name.partition("-")[2]), ontime=300.0)


def host_rates(runs: list[Any]) -> Figures:
    """How fast files are read: by zlib alone, and with all tables made, by some numbers of threads."""
    files = [run.files[0] for run in runs]
    start = time.perf_counter()
    n_out = sum(len(zlib.decompress(path.read_bytes(), wbits=31)) for path in files)
    figures = {"zlib, MB/s decompressed": n_out / (time.perf_counter() - start) / 1e6}
    figures["MB a file"] = sum(path.stat().st_size for path in files) / len(files) / 1e6
    figures["MB a file, decompressed"] = n_out / len(files) / 1e6
    for n_thread in (1, 2, 4):
        FILE_CACHE.clear()
        start = time.perf_counter()
        with closing(read_ahead(runs, n_thread=n_thread, depth=2 * n_thread)) as ahead:
            n_event = sum(len(run.events.arrays["energy"]) for run in ahead)
        seconds = time.perf_counter() - start
        figures[f"runs/s read by {n_thread} threads"] = len(runs) / seconds
        figures["events a run"] = n_event / len(runs)
    return figures


def main_job(field: Field, name: str, repeat: int) -> tuple[Figures, dict[str, Any]]:
    """Time of a run, with files read anew and with files in memory, and its transfers; and the maps, on the host."""
    device, n_run = find_device(name), len(field.runs)
    clock, seconds = clock_of(device), defaultdict(list)
    with use_device(device):
        start = time.perf_counter()
        maps = maps_of(stacked_maps(field))
        first = (time.perf_counter() - start) / n_run
        for _ in range(repeat):
            for case in ("files read", "files in memory"):
                if case == "files read":
                    FILE_CACHE.clear()
                clock.synchronize()
                start = time.perf_counter()
                stacked_maps(field)
                clock.synchronize()
                seconds[case].append((time.perf_counter() - start) / n_run)
        with count_transfers() as transfers:
            stacked_maps(field)
    crossed = {"to the device": transfers.to_device, "to the host": transfers.to_host}
    return {
        "first time, s a run": first,
        "s a run": {case: {"median": median(x), "best": min(x), "all": x} for case, x in seconds.items()},
        "crossed a run": {way: {"arrays": x.number / n_run, "bytes": x.bytes / n_run} for way, x in crossed.items()},
        "counts": float(maps["counts"].sum()),
        "memory, MB": memory_in_use(device),
    }, maps


def differences(maps: dict[str, Any], expected: dict[str, Any]) -> Figures:
    """Bins that differ in counts and masks; the largest relative difference of the other maps."""
    found: Figures = {}
    for name, reference in expected.items():
        if is_counted(name, reference):
            found[name] = int(np.count_nonzero(unequal(maps[name], reference)))
        else:
            found[name] = deviation(maps[name], reference)
    return found


def stage_times(field: Field, name: str) -> Figures:
    """Seconds per run in each stage, each on an idle device, files in memory."""
    device, laps = find_device(name), defaultdict(list)
    clock, inside = clock_of(device), False

    def wrap(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:  # part of another stage
                return function(*args, **kwargs)
            inside = True
            try:
                result, lap = clock.lap(partial(function, *args, **kwargs))
            finally:
                inside = False
            laps[stage].append(lap)
            return result

        return run

    with use_device(device), peer.wrapped_stages("lightpool", STAGES, wrap):
        for _ in range(2):
            laps.clear()
            stacked_maps(field)
    n_run = len(field.runs)
    stages: Figures = {}
    for stage in STAGES:
        some = laps[stage]
        known = [lap.device for lap in some if lap.device is not None]
        stages[stage] = {
            "host, s": sum(lap.host for lap in some) / n_run,
            "device, s": sum(known) / n_run if known else None,
            "waited": sum(lap.waited for lap in some) / n_run,
        }
    on_device = [times["device, s"] for times in stages.values() if times["device, s"] is not None]
    return {"stages": stages, "device, s a run": sum(on_device) if on_device else None}


def bytes_to_move(field: Field) -> float:
    """Bytes per run that no way of stacking can spare: the stack under a run is read and written once."""
    with use_device("cpu"):
        dataset = MapDataset.create(field.geom, energy_axis_true=field.energy_true)
        maker = DatasetsMaker([MapDatasetMaker()], stack_datasets=False, cutout_mode="partial", cutout_width="6 deg")
        made = maker.run(dataset, field.observations())
    return 2 * sum(values.nbytes for each in made for values in maps_of(each).values()) / len(made)


class Watch(Maker):
    """Changes nothing; samples time and memory."""

    tag = "Watch"

    def __init__(self, device: Device, every: int) -> None:
        self._device, self._every, self._n = device, every, 0
        self._start = time.perf_counter()
        self.samples: list[dict[str, float]] = []

    def run(self, dataset: MapDataset, observation: Any = None) -> MapDataset:
        self._n += 1
        if self._n % self._every == 0:
            seconds = time.perf_counter() - self._start
            self.samples.append({"runs": self._n, "s": seconds} | memory_in_use(self._device))
        return dataset


def long_job(field: Field, runs: Observations, name: str, limit: float) -> Figures:
    """Stack many runs on one map; as many as fit into a time limit in s, by the rate of the first ones."""
    device, n_try = find_device(name), min(20, len(runs))
    release_memory(device)
    clock = clock_of(device)
    with use_device(device):
        _stack(field, runs[:n_try], Watch(device, n_try))
        clock.synchronize()
        start = time.perf_counter()
        _stack(field, runs[:n_try], Watch(device, n_try))
        clock.synchronize()
        rate = n_try / (time.perf_counter() - start)
        chosen = runs[: max(n_try, min(len(runs), int(limit * rate)))]
        watch = Watch(device, max(1, len(chosen) // N_SAMPLE))
        FILE_CACHE.clear()
        start = time.perf_counter()
        stacked = _stack(field, chosen, watch)
        counts = stacked.info_dict()["counts"]  # waits for the device
        seconds = time.perf_counter() - start
    return {
        "runs": len(chosen),
        "s": seconds,
        "runs/s": len(chosen) / seconds,
        "counts": float(counts),
        "growth, MB in 1000 runs": growth(watch.samples),
        "samples": watch.samples,
    }


def _stack(field: Field, runs: Observations, watch: Watch) -> MapDataset:
    exclusion = field.geom.region_mask([field.circle], inside=False)
    safe = SafeMaskMaker(methods=["aeff-default", "offset-max"], offset_max="2.5 deg")
    makers = [MapDatasetMaker(), safe, FoVBackgroundMaker(method="scale", exclusion_mask=exclusion), watch]
    dataset = MapDataset.create(field.geom, energy_axis_true=field.energy_true)
    return DatasetsMaker(makers, cutout_mode="partial", cutout_width="5 deg").run(dataset, runs)[0]


def growth(samples: list[dict[str, float]]) -> dict[str, float]:
    """Slope of a straight line through the second half of the samples of memory."""
    half = samples[len(samples) // 2 :]
    if len(half) < 3:
        return {}
    runs = [sample["runs"] for sample in half]
    kinds = [kind for kind in half[0] if kind not in ("runs", "s")]
    return {kind: 1000 * float(np.polyfit(runs, [sample[kind] for sample in half], 1)[0]) for kind in kinds}


def beside_gammapy(field: Field) -> Figures:
    """The main job by lightpool on the CPU and by Gammapy, in turn."""
    peer.RUNS[:] = field.runs
    return peer.compare(peer.CrabTrueEnergies, field.data, repeat=1)
