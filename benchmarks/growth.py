"""Growth of time and memory with runs, pixels, energies and the size of a survey map.

    OMP_NUM_THREADS=1 python benchmarks/growth.py [--runs 1000] [--output FOLDER]

The runs are simulated first. Times are those of the processor, on one core, the least of some repetitions; each begins
with files that are not open yet. A line of slope one through the last point is drawn where growth should be linear.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import psutil
from matplotlib.figure import Figure

from lightpool.data import DataStore
from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.datasets import MapDataset
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom
from lightpool.simulate import simulate_store

CENTER = (83.633, 22.0145)
PICTURE = Path(__file__).parents[1] / "docs/performance/growth.png"


def reduce(
    store: Path, n_run: int, *, width: float = 3.0, binsz: float = 0.03, n_energy: int = 10, n_true: int = 10
) -> tuple[float, float]:
    """Reduce the first runs of a store; processor seconds, and resident memory afterwards in MB."""
    FILE_CACHE.clear()
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=n_energy)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=n_true, name="energy_true")
    geom = WcsGeom.create(skydir=CENTER, width=width, binsz=binsz, axes=[energy])
    makers = [MapDatasetMaker(), SafeMaskMaker(["offset-max"], offset_max="2 deg"), FoVBackgroundMaker()]
    observations = DataStore.from_dir(store).get_observations(range(1, n_run + 1))
    dataset = MapDataset.create(geom, energy_axis_true=energy_true)
    start = time.process_time()
    DatasetsMaker(makers, cutout_width="4 deg", cutout_mode="partial").run(dataset, observations)
    return time.process_time() - start, psutil.Process().memory_info().rss / 1e6


def series(store: Path, name: str, values: Sequence[Any], n_run: int = 4, repeat: int = 5) -> list[float]:
    """Milliseconds per run for some values of one argument."""
    found = []
    for value in values:
        seconds = min(reduce(store, n_run, **{name: value})[0] for _ in range(repeat))
        found.append(1e3 * seconds / n_run)
        print(f"  {name} = {value}: {found[-1]:.1f} ms per run", flush=True)
    return found


def measure(store: Path, most: int) -> dict[str, Any]:
    reduce(store, 4)
    runs = [n for n in (4, 10, 30, 100, 300, 1000) if n <= most]
    by_runs = []
    for n_run in runs:
        seconds, megabytes = min(reduce(store, n_run) for _ in range(5 if n_run <= 30 else 1))
        by_runs.append((1e3 * seconds / n_run, megabytes))
        print(f"  {n_run} runs: {by_runs[-1][0]:.1f} ms per run, {megabytes:.0f} MB", flush=True)
    sizes, true, widths = [0.12, 0.06, 0.03, 0.015, 0.0075], [5, 10, 20, 40, 80], [3.0, 5.0, 10.0, 20.0]
    return {
        "runs": {"n": runs, "ms": [ms for ms, _ in by_runs], "MB": [mb for _, mb in by_runs]},
        "pixels": {"n": [round(3.0 / size) ** 2 for size in sizes], "ms": series(store, "binsz", sizes)},
        "energies": {"n": true, "ms": series(store, "n_true", true)},
        "survey": {"deg": widths, "ms": series(store, "width", widths, n_run=8)},
    }


def draw(found: dict[str, Any], path: Path) -> None:
    figure = Figure(figsize=(11, 7))
    axes = figure.subplots(2, 2)
    runs, pixels, energies, survey = (found[name] for name in ("runs", "pixels", "energies", "survey"))
    ax = axes[0, 0]
    ax.plot(runs["n"], runs["ms"], "o-", label="time a run")
    ax.set(xscale="log", xlabel="runs", ylabel="ms per run", ylim=(0, None), title="Runs: flat")
    twin = ax.twinx()
    twin.plot(runs["n"], runs["MB"], "s--", color="tab:orange")
    twin.set(ylabel="resident memory [MB] (dashed)", ylim=(0, None))
    for ax, part, label in ((axes[0, 1], pixels, "pixels of a plane"), (axes[1, 0], energies, "true energies")):
        ax.plot(part["n"], part["ms"], "o-")
        last = part["n"][-1], part["ms"][-1]
        ax.plot([part["n"][0], last[0]], [last[1] * part["n"][0] / last[0], last[1]], ":", label="linear")
        ax.set(
            xscale="log", yscale="log", xlabel=label, ylabel="ms per run", title=f"{label.capitalize()}: at most linear"
        )
        ax.legend()
    ax = axes[1, 1]
    ax.plot(survey["deg"], survey["ms"], "o-")
    ax.set(xlabel="width of the map [deg]", ylabel="ms per run", ylim=(0, None), title="Survey: only the window counts")
    for ax in axes.flat:
        ax.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(simulate_store(Path(folder) / "dl3", args.runs, ontime=300.0), args.runs)
    draw(found, PICTURE)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / f"{time.strftime('%Y-%m-%d')}-growth.json").write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
