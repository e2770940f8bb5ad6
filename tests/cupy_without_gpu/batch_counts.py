"""Counts what the processes of a batch ask the device for, in the environment that `cupy_without_gpu.build` makes."""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cupy_without_gpu import runtime
from lightpool.batch import make_plan, run_batch
from lightpool.batch.execution.executors import ProcessExecutor
from lightpool.config import Settings
from lightpool.simulate import simulate_store

NAMES = (
    *("launches", "transforms", "products", "fills", "copies to device", "copies to host", "copies on device", "waits"),
    *("bytes to device", "bytes to host", "allocations", "pinned allocations"),
)


@dataclass(frozen=True)
class BatchCounts:
    """What a batch cost.

    Attributes
    ----------
    n_process, n_run, n_failed : int
    counts : dict of int
        Of all processes together, see `cupy_without_gpu.runtime.counts`.
    seconds : float
        On the host, which does the work of the device too.
    """

    n_process: int
    n_run: int
    n_failed: int
    counts: dict[str, int]
    seconds: float

    def per_run(self, name: str) -> float:
        """Return a count for each run."""
        return self.counts.get(name, 0) / self.n_run


def settings(store: Path, folder: Path, chunk_size: int) -> Settings:
    """Return the settings of a batch on the device: one map of 100 x 100 x 8 bins."""
    center = {"lon": "83.633 deg", "lat": "22.0145 deg"}
    target = {
        "name": "crab",
        "kind": "map",
        "center": center,
        "width": "4 deg",
        "binsz": "0.04 deg",
        "energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 8},
        "exclusion": [center | {"radius": "0.3 deg"}],
        "makers": [
            {"type": "MapDatasetMaker"},
            {"type": "SafeMaskMaker", "methods": ["aeff-default", "offset-max"], "offset_max": "2 deg"},
            {"type": "FoVBackgroundMaker"},
        ],
    }
    run = {"chunk_size": chunk_size, "device": "cuda"}
    return Settings.from_dict(
        {"observations": {"datastore": str(store)}, "targets": [target], "run": run, "output": {"folder": str(folder)}}
    )


def counts_of_batch(store: Path, folder: Path, n_process: int, chunk_size: int = 50) -> BatchCounts:
    """Reduce all runs of a store in some processes, and count.

    Parameters
    ----------
    store, folder : Path
        Of the runs; of the results, which is made.
    n_process, chunk_size : int
    """
    with tempfile.TemporaryDirectory() as place:
        os.environ[runtime.COUNTS_FOLDER] = place
        try:
            start = time.perf_counter()
            plan = make_plan(settings(store, folder, chunk_size))
            runtime.reset_counts()
            result = run_batch(plan, ProcessExecutor(n_process))
            here = runtime.counts()
            seconds = time.perf_counter() - start
        finally:
            del os.environ[runtime.COUNTS_FOLDER]
        counts: Counter[str] = Counter(here)
        files = list(Path(place).iterdir())
        for path in files:
            counts.update(runtime.parsed(path.read_text()))
    return BatchCounts(len(files), len(plan.obs_ids), result.n_failed, dict(counts), seconds)


def describe_batches(n_run: int, numbers: list[int], chunk_size: int) -> Iterator[str]:
    """Reduce simulated runs in several numbers of processes, and yield lines that say what each cost.

    Parameters
    ----------
    n_run : int
    numbers : list of int
        Of processes.
    chunk_size : int
    """
    with tempfile.TemporaryDirectory() as work:
        store = simulate_store(Path(work, "store"), n_run, ontime=300.0, seed=3)
        for n_process in numbers:
            found = counts_of_batch(store, Path(work, f"results-{n_process}"), n_process, chunk_size)
            yield f"{found.n_run} runs, {found.n_failed} failed, {found.n_process} workers, {found.seconds:.1f} s here"
            yield from (f"  {name:18}{found.per_run(name):12.2f} per run" for name in NAMES)
