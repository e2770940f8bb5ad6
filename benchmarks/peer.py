"""lightpool against Gammapy 2.1: the same jobs on the same files, in turn, each in its own process, on one core.

    pip install '.[peer]'
    OMP_NUM_THREADS=1 python benchmarks/peer.py --data DIR [--cta DIR] [--repeat 5] [--jobs Ring ...] [--json FILE]

DIR is a DL3 folder with the H.E.S.S. public test data release 1 (runs 23523, 23592, 23526, 23559). With --cta, the
folder of the index files of the first CTA data challenge (index/gps), its run 110380 is reduced too. Each repetition
opens the store anew, so files are read each time. The floor of a job is the time to decompress its files at the rate
of zlib here, and to write each map of a run once, read it, and add it to the stack, at the rate at which this machine
copies memory. The whole job ends with the stacked dataset; writing it, without compression, is a stage of its own.
Stages nest: reading is also part of the stages that ask for what is read.
"""

import argparse
import gzip
import importlib
import inspect
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

RUNS = [23523, 23592, 23526, 23559]
CENTER = (83.63, 22.01)  # deg
PACKAGES = ["lightpool", "gammapy"]
STAGES = {  # module and name below the package; lightpool's own where it differs
    "reading": {
        "gammapy": ["data.hdu_index_table:HDULocation.load"],
        "lightpool": ["data.files.hdu_location:HDULocation.load"],
    },
    "cutout": "datasets:MapDataset.cutout",
    "counts": "makers:MapDatasetMaker.make_counts",
    "exposure": {
        "gammapy": ["makers:MapDatasetMaker.make_exposure"],
        "lightpool": ["makers:MapDatasetMaker._exposure"],
    },
    "background": {
        "gammapy": ["makers:MapDatasetMaker.make_background"],
        "lightpool": ["makers.responses.response_maps:BackgroundMapRequest.make"],
    },
    "psf": {
        "gammapy": ["makers:MapDatasetMaker.make_psf"],
        "lightpool": ["makers.responses.response_maps:PSFMapRequest.make"],
    },
    "edisp": {
        "gammapy": ["makers:MapDatasetMaker.make_edisp_kernel"],
        "lightpool": ["makers.responses.response_maps:EDispKernelMapRequest.make"],
    },
    "spectrum": "makers:SpectrumDatasetMaker.run",
    "reflected regions": "makers:ReflectedRegionsBackgroundMaker.run",
    "safe mask": "makers:SafeMaskMaker.run",
    "FoV background": "makers:FoVBackgroundMaker.run",
    "stack": "datasets:MapDataset.stack",
    "write": "datasets:MapDataset.write",
}


@contextmanager
def timed_stages(package: str) -> Iterator[dict[str, float]]:
    """Seconds in each stage."""
    seconds: dict[str, float] = defaultdict(float)
    with wrapped_stages(package, STAGES, lambda name, function: _timed(name, function, seconds)):
        yield seconds


@contextmanager
def wrapped_stages(
    package: str, stages: Iterable[str], wrap: Callable[[str, Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Put wrapped functions in the place of those of the package for the time being."""
    with ExitStack() as stack:
        for name in stages:
            places = STAGES[name]
            for place in [places] if isinstance(places, str) else places[package]:
                module, _, path = place.partition(":")
                *owners, attribute = path.split(".")
                owner: Any = importlib.import_module(f"{package}.{module}")
                for part in owners:
                    owner = getattr(owner, part)
                plain = inspect.getattr_static(owner, attribute)  # a base class may have it
                kind = type(plain) if isinstance(plain, (staticmethod, classmethod)) else None
                wrapped = wrap(name, plain.__func__ if kind else plain)
                stack.enter_context(patch.object(owner, attribute, kind(wrapped) if kind else wrapped))
        yield


def forget_files(package: str) -> None:
    """Clear the file cache of lightpool, so that each repetition reads the files anew."""
    if package == "lightpool":
        importlib.import_module("lightpool.data.files.file_cache").FILE_CACHE.clear()


def _timed(name: str, function: Callable[..., Any], seconds: dict[str, float]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[name] += time.perf_counter() - start

    return run


class Job:
    """A job, for one package: what it needs is made anew each time, but for the imports."""

    title: str
    n_run = len(RUNS)
    runs: tuple[int, ...] = tuple(RUNS)
    binsz = 0.02  # deg

    def __init__(self, package: str, data: Path) -> None:
        self.package = package
        self.data = data
        self.names: dict[str, Any] = {}
        for module in ("data", "datasets", "makers", "maps"):
            self.names |= vars(importlib.import_module(f"{package}.{module}"))

    def observations(self) -> Any:
        return self.names["DataStore"].from_dir(self.data).get_observations(RUNS)

    def energy(self) -> Any:
        return self.names["MapAxis"].from_energy_bounds("1 TeV", "10 TeV", nbin=11)

    def energy_true(self) -> Any:
        return self.names["MapAxis"].from_energy_bounds("0.3 TeV", "10 TeV", nbin=31, name="energy_true")

    def geom(self, binsz: float) -> Any:
        return self.names["WcsGeom"].create(skydir=CENTER, width=5, binsz=binsz, axes=[self.energy()])

    def exclusion(self) -> Any:
        circle = CircleSkyRegion(SkyCoord(*CENTER, unit="deg"), 0.2 * u.deg)
        return self.geom(max(self.binsz, 0.05)).region_mask([circle], inside=False)

    def map_makers(self) -> list[Any]:
        return [
            self.names["MapDatasetMaker"](),
            self.names["SafeMaskMaker"](methods=["aeff-default", "offset-max"], offset_max="3 deg"),
            self.names["FoVBackgroundMaker"](method="scale", exclusion_mask=self.exclusion()),
        ]

    def counts(self, result: Any) -> float:
        """Counts of a result, which must be the same for both packages."""
        return float(result.info_dict()["counts"])


class CrabLoop(Job):
    """The loop of the user's notebook."""

    title = "Crab loop, 250 x 250 x 11, stacked"

    def __call__(self) -> Any:
        stacked, makers = self.names["MapDataset"].create(self.geom(self.binsz)), self.map_makers()
        for observation in self.observations():
            local = stacked.cutout(observation.get_pointing_icrs(observation.tmid), width="6 deg")
            for maker in makers:
                local = maker.run(local, observation)
            stacked.stack(local)
        return stacked


class CrabTrueEnergies(Job):
    """The same with finer true energies, by the maker of many datasets."""

    title = "DatasetsMaker, 31 true energies, stacked"

    def __call__(self) -> Any:
        dataset = self.names["MapDataset"].create(self.geom(self.binsz), energy_axis_true=self.energy_true())
        maker = self.names["DatasetsMaker"](self.map_makers(), cutout_mode="partial", cutout_width="6 deg", n_jobs=1)
        return maker.run(dataset, self.observations())[0]


class Cta(Job):
    """One run of the CTA data challenge: counts, exposure, background, PSF and energy dispersion."""

    title = "CTA-1DC run 110380, 300 x 300 x 9, all products"
    n_run = 1
    runs = (110380,)

    def __call__(self) -> Any:
        observation = self.names["DataStore"].from_dir(self.data).get_observations(self.runs)[0]
        energy = self.names["MapAxis"].from_energy_bounds("0.1 TeV", "50 TeV", nbin=9)
        energy_true = self.names["MapAxis"].from_energy_bounds("0.05 TeV", "80 TeV", nbin=20, name="energy_true")
        geom = self.names["WcsGeom"].create(
            skydir=observation.get_pointing_icrs(observation.tmid), width=6, binsz=self.binsz, proj="TAN", axes=[energy]
        )
        empty = self.names["MapDataset"].create(geom, energy_axis_true=energy_true)
        dataset = self.names["MapDatasetMaker"]().run(empty, observation)
        for each in _arrays(dataset):
            _ = each.data  # lightpool computes some maps when they are read
        return dataset


class CrabSpectra(Job):
    """Spectra with reflected regions, stacked."""

    title = "Reflected-region spectra, stacked"

    def __call__(self) -> Any:
        circle = CircleSkyRegion(SkyCoord(*CENTER, unit="deg"), 0.2 * u.deg)
        geom = self.names["RegionGeom"].create(region=circle, axes=[self.energy()])
        empty = self.names["SpectrumDataset"].create(geom=geom, energy_axis_true=self.energy_true())
        exclusion = self.exclusion().reduce_over_axes(np.logical_or, keepdims=False)
        make = self.names["SpectrumDatasetMaker"](selection=["counts", "exposure", "edisp"])
        reflect = self.names["ReflectedRegionsBackgroundMaker"](exclusion_mask=exclusion)
        safe = self.names["SafeMaskMaker"](methods=["aeff-max"], aeff_percent=10)
        datasets = self.names["Datasets"]()
        for observation in self.observations():
            dataset = make.run(empty.copy(name=str(observation.obs_id)), observation)
            datasets.append(safe.run(reflect.run(dataset, observation), observation))
        return datasets.stack_reduce()


class Ring(Job):
    """Ring background of a large stacked dataset, which is made before; only the ring is timed."""

    title = "Ring background, 500 x 500 x 11"
    n_run = 1

    def __init__(self, package: str, data: Path) -> None:
        super().__init__(package, data)
        self.dataset = self.names["MapDataset"].create(self.geom(0.01))
        make = self.names["MapDatasetMaker"](selection=["counts", "exposure", "background"])
        safe = self.map_makers()[1]
        for observation in self.observations():
            local = self.dataset.cutout(observation.get_pointing_icrs(observation.tmid), width="6 deg")
            self.dataset.stack(safe.run(make.run(local, observation), observation))
        self.prepare()

    def prepare(self) -> None:
        self.maker = self.names["RingBackgroundMaker"](r_in="0.5 deg", width="0.3 deg", exclusion_mask=self.exclusion())

    def __call__(self) -> Any:
        return self.maker.run(self.dataset)


class AdaptiveRing(Ring):
    """The same with rings that grow where they hold too little; Gammapy's maker takes one plane of energy at a time."""

    title = "Adaptive ring background, 500 x 500 x 11, up to 20 rings"

    def prepare(self) -> None:
        # pixels of 0.01 deg have an alpha of about 1e-4: half of them are content with the first ring
        self.maker = self.names["AdaptiveRingBackgroundMaker"](
            r_in="0.5 deg",
            width="0.3 deg",
            r_out_max="1.2 deg",
            threshold_alpha=8.5e-5,
            exclusion_mask=self.exclusion(),
        )
        self.planes = [self.dataset]
        if self.package == "gammapy":
            self.planes = [self.dataset.slice_by_idx({"energy": slice(i, i + 1)}) for i in range(11)]

    def __call__(self) -> Any:
        return [self.maker.run(plane) for plane in self.planes]

    def counts(self, result: Any) -> float:
        return sum(float(plane.counts.data.sum()) for plane in result)  # info_dict fails on Gammapy's NaN


def floor(job: Job, result: Any) -> dict[str, float]:
    """Seconds per run that decompressing and moving memory take at least."""
    files = {path for observation in job.names["DataStore"].from_dir(job.data).get_observations(job.runs)
             for path in observation.files}  # fmt: skip
    packed = [path.read_bytes() for path in files]
    plain = [gzip.decompress(each) for each in packed if each[:2] == b"\x1f\x8b"]
    start = time.perf_counter()
    for each in packed:
        if each[:2] == b"\x1f\x8b":
            zlib.decompress(each, wbits=31)
    inflating = time.perf_counter() - start
    block = np.ones(2**24)
    target = np.empty_like(block)
    rate = 2 * block.nbytes / min(_seconds(lambda: np.copyto(target, block)) for _ in range(5))
    moved = 4 * sum(each.data.nbytes for each in _arrays(result))
    return {
        "inflate": inflating / job.n_run,
        "move": moved / rate,
        "MB": sum(map(len, plain)) / 1e6,
        "GB/s": rate / 1e9,
    }


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _arrays(result: Any) -> list[Any]:
    """Maps of a dataset."""
    found = [result.counts, result.background, result.exposure, result.mask_safe]
    found += [response.psf_map if hasattr(response, "psf_map") else response.edisp_map
              for response in (result.psf, result.edisp) if response is not None]  # fmt: skip
    return [each for each in found if each is not None]


class Runner:
    """A process in which a package does a job, so that neither package is affected by the memory of the other."""

    job: ClassVar[Job]

    def __init__(self, package: str, kind: type[Job], data: Path) -> None:
        about = package, kind.__name__, data, RUNS
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=self._begin, initargs=about)

    def __call__(self, function: Callable[[], Any]) -> Any:
        """Do one of the functions below there."""
        return self._pool.submit(function).result()

    def end(self) -> None:
        self._pool.shutdown()

    @classmethod
    def _begin(cls, package: str, kind: str, data: Path, runs: list[int]) -> None:
        warnings.simplefilter("ignore")
        RUNS[:] = runs
        cls.job = JOBS[kind](package, data)

    @classmethod
    def counts(cls) -> float:
        return cls.job.counts(cls.job())

    @classmethod
    def seconds(cls) -> float:
        """Seconds per run."""
        forget_files(cls.job.package)
        return _seconds(cls.job) / cls.job.n_run

    @classmethod
    def stages(cls) -> dict[str, float]:
        """Seconds per run in each stage."""
        forget_files(cls.job.package)
        with timed_stages(cls.job.package) as seconds, tempfile.TemporaryDirectory() as folder:
            result = cls.job()
            if isinstance(cls.job, (CrabLoop, CrabTrueEnergies)):
                result.write(Path(folder) / "stacked.fits", overwrite=True)
        return {name: value / cls.job.n_run for name, value in seconds.items()}

    @classmethod
    def floor(cls) -> dict[str, float]:
        return floor(cls.job, cls.job())


def compare(kind: type[Job], data: Path, repeat: int) -> dict[str, Any]:
    """Run both packages in turn, warm up once, and print a table."""
    runners = {package: Runner(package, kind, data) for package in PACKAGES}
    counts = {package: run(Runner.counts) for package, run in runners.items()}
    assert counts["lightpool"] == counts["gammapy"], counts
    times: dict[str, list[float]] = {package: [] for package in PACKAGES}
    stages: dict[str, list[dict[str, float]]] = {package: [] for package in PACKAGES}
    for _ in range(repeat):
        for package, run in runners.items():
            times[package].append(run(Runner.seconds))
        for package, run in runners.items():
            stages[package].append(run(Runner.stages))
    least = runners["lightpool"](Runner.floor) if kind in (CrabLoop, CrabTrueEnergies, Cta) else None
    for run in runners.values():
        run.end()
    ratios = [slow / fast for fast, slow in zip(times["lightpool"], times["gammapy"], strict=True)]
    print(f"\n{kind.title}: counts {counts['lightpool']:.0f}, medians of {repeat}, milliseconds per run")
    rows = {"whole job": {package: statistics.median(values) for package, values in times.items()}}
    for name in STAGES:
        rows[name] = {p: statistics.median(s.get(name, 0.0) for s in stages[p]) for p in PACKAGES}
    print(f"  {'':18s}{'lightpool':>12s}{'Gammapy':>12s}{'ratio':>9s}")
    for name, row in rows.items():
        if row["lightpool"]:
            milliseconds = f"{1e3 * row['lightpool']:12.2f}{1e3 * row['gammapy']:12.2f}"
            print(f"  {name:18s}{milliseconds}{row['gammapy'] / row['lightpool']:9.1f}")
    if least is not None:
        print(
            f"  floor: {1e3 * least['inflate']:.2f} ms to decompress, {1e3 * least['move']:.2f} ms to move maps "
            f"at {least['GB/s']:.1f} GB/s"
        )
    print(f"  ratio pair by pair: median {statistics.median(ratios):.1f}, {min(ratios):.1f} to {max(ratios):.1f}")
    return {"title": kind.title, "seconds_a_run": times, "ratios": ratios, "stages": rows, "floor": least}


JOBS = {kind.__name__: kind for kind in (CrabLoop, CrabTrueEnergies, Cta, CrabSpectra, Ring, AdaptiveRing)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of hess-dl3-dr1")
    parser.add_argument("--cta", type=Path, help="folder of cta-1dc")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")
    versions = {name: importlib.import_module(name).__version__ for name in (*PACKAGES, "numpy", "astropy")}
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {versions}, one core")
    places = {kind: args.cta if kind is Cta else args.data for kind in JOBS.values() if kind.__name__ in args.jobs}
    results = [compare(kind, place, args.repeat) for kind, place in places.items() if place is not None]
    if args.json:
        args.json.write_text(json.dumps({"versions": versions, "jobs": results}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
