"""lightpool against Gammapy 2.1: the same jobs on the same files, in turn, in one process on one core.

    pip install '.[peer]'
    OMP_NUM_THREADS=1 python benchmarks/peer.py --data DIR [--repeat 5] [--json FILE]

DIR is a DL3 folder with the H.E.S.S. public test data release 1 (runs 23523, 23592, 23526, 23559). Each repetition
opens the store anew, so files are read each time. The whole job ends with the stacked dataset; writing it, without
compression, is a stage of its own. Stages nest: reading is also part of the stages that ask for what is read.
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

RUNS = [23523, 23592, 23526, 23559]
PACKAGES = ["lightpool", "gammapy"]
STAGES = {
    "cutout": ("datasets", "MapDataset", "cutout"),
    "counts": ("makers", "MapDatasetMaker", "make_counts"),
    "exposure": ("makers", "MapDatasetMaker", "make_exposure"),
    "background": ("makers", "MapDatasetMaker", "make_background"),
    "psf": ("makers", "MapDatasetMaker", "make_psf"),
    "edisp": ("makers", "MapDatasetMaker", "make_edisp_kernel"),
    "safe mask": ("makers", "SafeMaskMaker", "run"),
    "FoV background": ("makers", "FoVBackgroundMaker", "run"),
    "stack": ("datasets", "MapDataset", "stack"),
    "write": ("datasets", "MapDataset", "write"),
}
READING = {
    "lightpool": [("fits.reader", "FitsFile", "__init__"), ("fits.reader", "FitsFile", "table")],
    "gammapy": [("data.hdu_index_table", "HDULocation", "load")],
}


@contextmanager
def timed_stages(package: str) -> Iterator[dict[str, float]]:
    """Seconds in each stage, by wrapping the methods of the package for the time being."""
    seconds: dict[str, float] = defaultdict(float)
    places = list(STAGES.items())
    places += [("reading", place) for place in READING[package]]
    with ExitStack() as stack:
        for name, (module, owner, method) in places:
            cls = getattr(importlib.import_module(f"{package}.{module}"), owner)
            plain = cls.__dict__[method]
            stack.enter_context(patch.object(cls, method, _timed(plain, name, seconds)))
        yield seconds


def _timed(plain: Any, name: str, seconds: dict[str, float]) -> Any:
    kind = type(plain) if isinstance(plain, (staticmethod, classmethod)) else None
    function: Callable[..., Any] = plain.__func__ if kind else plain

    def run(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[name] += time.perf_counter() - start

    return kind(run) if kind else run


class Job:
    """One of the two loops, for one package."""

    def __init__(self, package: str, data: Path, *, true_energies: bool) -> None:
        self.package, self.data, self.true_energies = package, data, true_energies

    def __call__(self) -> Any:
        names = {}
        for module in ("data", "datasets", "makers", "maps"):
            names |= vars(importlib.import_module(f"{self.package}.{module}"))
        axis = names["MapAxis"]
        energy = axis.from_energy_bounds("1 TeV", "10 TeV", nbin=11)
        energy_true = axis.from_energy_bounds("0.3 TeV", "10 TeV", nbin=31, name="energy_true")
        observations = names["DataStore"].from_dir(self.data).get_observations(RUNS)
        geom = names["WcsGeom"].create(skydir=(83.63, 22.01), width=5, binsz=0.02, axes=[energy])
        mask_geom = names["WcsGeom"].create(skydir=(83.63, 22.01), width=5, binsz=0.05, axes=[energy])
        circle = CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.2 * u.deg)
        exclusion = mask_geom.region_mask([circle], inside=False)
        makers = [
            names["MapDatasetMaker"](),
            names["SafeMaskMaker"](methods=["aeff-default", "offset-max"], offset_max="3 deg"),
            names["FoVBackgroundMaker"](method="scale", exclusion_mask=exclusion),
        ]
        if not self.true_energies:
            return self._loop(names["MapDataset"].create(geom), observations, makers)
        dataset = names["MapDataset"].create(geom, energy_axis_true=energy_true)
        maker = names["DatasetsMaker"](makers, cutout_mode="partial", cutout_width="6 deg", n_jobs=1)
        return maker.run(dataset, observations)[0]

    def _loop(self, stacked: Any, observations: Any, makers: list[Any]) -> Any:
        for observation in observations:
            local = stacked.cutout(observation.get_pointing_icrs(observation.tmid), width="6 deg")
            for maker in makers:
                local = maker.run(local, observation)
            stacked.stack(local)
        return stacked


def compare(title: str, data: Path, repeat: int, *, true_energies: bool) -> dict[str, Any]:
    """Run both packages in turn, warm up once, and print a table."""
    jobs = {package: Job(package, data, true_energies=true_energies) for package in PACKAGES}
    counts = {package: float(job().info_dict()["counts"]) for package, job in jobs.items()}
    assert counts["lightpool"] == counts["gammapy"], counts
    times: dict[str, list[float]] = {package: [] for package in PACKAGES}
    stages: dict[str, list[dict[str, float]]] = {package: [] for package in PACKAGES}
    for _ in range(repeat):
        for package, job in jobs.items():
            start = time.perf_counter()
            job()
            times[package].append((time.perf_counter() - start) / len(RUNS))
            with timed_stages(package) as seconds, tempfile.TemporaryDirectory() as folder:
                job().write(Path(folder) / "stacked.fits", overwrite=True)
            stages[package].append({name: value / len(RUNS) for name, value in seconds.items()})
    ratios = [slow / fast for fast, slow in zip(times["lightpool"], times["gammapy"], strict=True)]
    print(f"\n{title}: counts {counts['lightpool']:.0f}, medians of {repeat}, milliseconds a run")
    rows = {"whole job": {package: statistics.median(values) for package, values in times.items()}}
    for name in ["reading", *STAGES]:
        rows[name] = {p: statistics.median(s.get(name, 0.0) for s in stages[p]) for p in PACKAGES}
    print(f"  {'':16s}{'lightpool':>12s}{'Gammapy':>12s}{'ratio':>9s}")
    for name, row in rows.items():
        ratio = row["gammapy"] / row["lightpool"] if row["lightpool"] else float("nan")
        print(f"  {name:16s}{1e3 * row['lightpool']:12.2f}{1e3 * row['gammapy']:12.2f}{ratio:9.1f}")
    print(f"  ratio pair by pair: median {statistics.median(ratios):.1f}, {min(ratios):.1f} to {max(ratios):.1f}")
    return {"title": title, "seconds_a_run": times, "ratios": ratios, "stages": rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of hess-dl3-dr1")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")
    versions = {name: importlib.import_module(name).__version__ for name in (*PACKAGES, "numpy", "astropy")}
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {versions}, one core")
    results = [
        compare("Crab loop, 250 x 250 x 11, stacked", args.data, args.repeat, true_energies=False),
        compare("DatasetsMaker, 31 true energies, stacked", args.data, args.repeat, true_energies=True),
    ]
    if args.json:
        args.json.write_text(json.dumps({"versions": versions, "jobs": results}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
