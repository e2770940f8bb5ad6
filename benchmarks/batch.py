"""Batches: one process, one and two Dask workers; identity of results, speed-up, and memory over the runs.

    pip install '.[batch]' matplotlib
    OMP_NUM_THREADS=1 python benchmarks/batch.py [--data DIR] [--runs 1000] [--chunk 50] [--repeat 3] [--output FOLDER]

DIR is a DL3 folder with real runs, which are reduced to maps around four targets and a spectrum in one pass; left out
without it. The simulated runs are made first and are not timed. The start of the workers is not timed either: a batch
is long. Every way begins in an empty folder and ends with the files of results. One and two workers take turns, and the
speed-up is the median of the ratios of neighbours.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import psutil
from astropy.io import fits

import lightpool
from lightpool.batch import make_plan, run_batch
from lightpool.batch.execution.dask_cluster import dask_cluster
from lightpool.batch.execution.executors import SerialExecutor
from lightpool.config import Settings
from lightpool.simulate import simulate_store

TARGETS = {"crab": (83.63, 22.01), "msh15-52": (228.53, -59.16), "pks2155": (329.72, -30.22), "3c273": (187.28, 2.05)}
WAYS = {"serial": None, "Dask, 1 worker": "local:1", "Dask, 2 workers": "local:2"}
FILES = Path(__file__).parent / "results"
PICTURE = Path(__file__).parents[1] / "docs/explanation/batch_memory.png"


def map_target(name: str, lon: float, lat: float, **more: Any) -> dict[str, Any]:
    center = {"lon": f"{lon} deg", "lat": f"{lat} deg"}
    return {
        "name": name,
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
    } | more


def spectrum_target(name: str, lon: float, lat: float) -> dict[str, Any]:
    center = {"lon": f"{lon} deg", "lat": f"{lat} deg"}
    return {
        "name": name,
        "kind": "spectrum",
        "region": center | {"radius": "0.15 deg"},
        "energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 8},
        "exclusion": [center | {"radius": "0.3 deg"}],
        "makers": [
            {"type": "SpectrumDatasetMaker", "selection": ["counts", "exposure", "edisp"]},
            {"type": "ReflectedRegionsBackgroundMaker"},
        ],
    }


def real_job(data: Path) -> dict[str, Any]:
    targets = [map_target(name, *place) for name, place in TARGETS.items()]
    return {
        "observations": {"datastore": str(data.absolute())},
        "targets": [*targets, spectrum_target("crab-spectrum", *TARGETS["crab"])],
        "groups": [{"name": "all"}],
        "run": {"chunk_size": 2},
    }


def simulated_job(store: Path, chunk_size: int) -> dict[str, Any]:
    return {
        "observations": {"datastore": str(store)},
        "targets": [map_target("crab", 83.633, 22.0145)],
        "run": {"chunk_size": chunk_size},
    }


class Memory:
    """Resident memory of this process and of its children, looked at twice a second."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float, float]] = []  # seconds, MB of this process, MB of the largest child
        self._stop = threading.Event()

    @contextmanager
    def watched(self) -> Iterator["Memory"]:
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _watch(self) -> None:
        process, start = psutil.Process(), time.perf_counter()
        while not self._stop.wait(0.5):
            try:
                children = [child.memory_info().rss for child in process.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            here = process.memory_info().rss
            self.samples.append((time.perf_counter() - start, here / 1e6, max(children, default=0) / 1e6))


def bits_of(folder: Path) -> dict[str, str]:
    """Hash of the data of each HDU of the results, without headers, which contain times."""
    found = {}
    for path in sorted(folder.glob("*.fits*")):
        with fits.open(path) as hdus:
            for hdu in hdus:
                if hdu.data is not None and hdu.name not in ("PROVENANCE", "OUTCOMES", "INPUTS"):
                    found[f"{path.name}[{hdu.name}]"] = hashlib.sha256(
                        np.ascontiguousarray(hdu.data).tobytes()
                    ).hexdigest()
    return found


def run(job: dict[str, Any], way: str, folder: Path) -> dict[str, Any]:
    """Do a job in one way, from an empty folder to its files."""
    shutil.rmtree(folder, ignore_errors=True)
    settings = Settings.from_dict(job | {"output": {"folder": str(folder)}})
    cluster = WAYS[way]
    done: list[tuple[float, int]] = []
    with nullcontext(SerialExecutor()) if cluster is None else dask_cluster(cluster) as executor:
        plan, memory, start = make_plan(settings), Memory(), time.perf_counter()

        def progress(record: Any) -> None:
            before = done[-1][1] if done else 0
            done.append((time.perf_counter() - start, before + len(record.obs_ids)))

        with memory.watched():
            result = run_batch(plan, executor, progress=progress)
        seconds = time.perf_counter() - start
    print(f"  {way:18s}{seconds:8.1f} s{1e3 * seconds / len(plan.obs_ids):8.1f} ms per run, {result.n_failed} failed")
    return {
        "seconds": seconds,
        "n_run": len(plan.obs_ids),
        "n_failed": result.n_failed,
        "done": done,
        "memory": memory.samples,
        "bits": bits_of(folder),
    }


def compare(title: str, job: dict[str, Any], folder: Path, repeat: int) -> dict[str, Any]:
    """Do a job in all ways; the results must be bit-identical."""
    print(title)
    rounds = [{way: run(job, way, folder / "out") for way in WAYS} for _ in range(repeat)]
    bits = [result.pop("bits") for each in rounds for result in each.values()]
    assert bits[0], "there are no results"
    assert all(other == bits[0] for other in bits), "the results differ between the ways"
    one, two = list(WAYS)[1:]
    speed_ups = [each[one]["seconds"] / each[two]["seconds"] for each in rounds]
    speed_up = statistics.median(speed_ups)
    print(f"  bit-identical in {len(bits[0])} HDUs; two workers are {speed_up:.2f} x as fast as one", end=" ")
    print(f"({min(speed_ups):.2f} to {max(speed_ups):.2f})")
    seconds = {way: [each[way]["seconds"] for each in rounds] for way in WAYS}
    about = {"title": title, "seconds": seconds, "speed_ups": speed_ups, "speed_up": speed_up, "n_hdu": len(bits[0])}
    return about | {"ways": rounds[0]}


def draw(result: dict[str, Any], path: Path) -> None:
    """Plot memory over the runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4))
    ax = figure.add_subplot()
    for way, each in result["ways"].items():
        when, here, child = np.array(each["memory"]).T
        runs = np.interp(when, *np.array([(0.0, 0.0), *each["done"]]).T)
        ax.plot(runs, here if way == "serial" else child, label=way if way == "serial" else f"{way}: the largest")
    ax.set(xlabel="runs", ylabel="resident memory [MB]", ylim=(0, None), title=result["title"])
    ax.legend()
    ax.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real runs, such as hess-dl3-dr1")
    parser.add_argument("--runs", type=int, default=1000, help="simulated runs")
    parser.add_argument("--chunk", type=int, default=50, help="simulated runs of a chunk")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--output", type=Path, default=FILES)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        if args.runs:
            store = Path(folder) / "dl3"
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as another:  # it takes memory of its own
                another.submit(simulate_store, store, args.runs, ontime=300.0).result()
            job = simulated_job(store, args.chunk)
            results.append(compare(f"{args.runs} simulated runs: one map", job, Path(folder), args.repeat))
            draw(results[-1], PICTURE)
        if args.data is not None:
            results.append(
                compare("Real runs: four maps and a spectrum", real_job(args.data), Path(folder), args.repeat)
            )
    args.output.mkdir(parents=True, exist_ok=True)
    about = {"lightpool": lightpool.__version__, "python": platform.python_version(), "cores": os.cpu_count()}
    path = args.output / f"{time.strftime('%Y-%m-%d')}-batch.json"
    path.write_text(json.dumps({"about": about, "jobs": results}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
