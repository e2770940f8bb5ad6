"""Work of the host before any array is computed: imports, the command line, opening data stores, reading files.

    pip install '.[peer]'
    OMP_NUM_THREADS=1 python benchmarks/host.py [--data DIR] [--repeat 9] [--n-run 10000] [--json FILE]

Figures are CPU time, in milliseconds, medians, each beside its peer in the same run: imports beside those of the parts
of astropy and regions, reading beside zlib alone on the same bytes, and everything beside Gammapy where that is
installed. DIR is a DL3 folder whose first four observations are read; without it, four runs are simulated.
"""

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
from astropy.table import Table

from lightpool.data import FILE_CACHE, DataStore
from lightpool.fits import read_fits
from lightpool.simulate import simulate_store

PARTS = "import astropy.units, astropy.io.fits, astropy.table, astropy.coordinates, astropy.time, astropy.wcs, regions"
IRFS = ("aeff", "edisp", "psf", "bkg")
HAS_GAMMAPY = importlib.util.find_spec("gammapy") is not None
Figures = dict[str, float]


# --- imports


def start_ups(repeat: int) -> Figures:
    """CPU time of fresh processes, in turn; the first of each only fills the caches of compiled modules."""
    jobs = {
        "parts of astropy, and regions": ["-c", PARTS],
        "lightpool.data, .datasets, .makers": ["-c", "import lightpool.data, lightpool.datasets, lightpool.makers"],
        "the same, and regions": ["-c", "import lightpool.data, lightpool.datasets, lightpool.makers, regions"],
        "lightpool": ["-c", "import lightpool"],
        "lightpool --help": ["-m", "lightpool", "--help"],
        "python alone": ["-c", "pass"],
    }
    if HAS_GAMMAPY:
        jobs["gammapy.data, .datasets, .makers"] = ["-c", "import gammapy.data, gammapy.datasets, gammapy.makers"]
        jobs["gammapy --help"] = ["-m", "gammapy.scripts.main", "--help"]
    times: dict[str, list[float]] = {name: [] for name in jobs}
    with tempfile.TemporaryDirectory() as folder:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = folder
        for _ in range(repeat + 1):
            for name, arguments in jobs.items():
                times[name].append(process_time([sys.executable, *arguments], environment))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def process_time(command: list[str], environment: dict[str, str]) -> float:
    """CPU time of a process, ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


# --- stores


def large_index(store: Path, folder: Path, n_run: int) -> Path:
    """Index files of many runs without data files: the rows of one run, repeated."""
    hdus, runs = Table.read(store / "hdu-index.fits.gz"), Table.read(store / "obs-index.fits.gz")
    one = hdus[hdus["OBS_ID"] == hdus["OBS_ID"][0]]
    numbers = np.arange(1, n_run + 1)
    many = one[np.tile(np.arange(len(one)), n_run)]
    many["OBS_ID"] = np.repeat(numbers, len(one))
    many["FILE_NAME"] = [f"run_{number:06d}.fits.gz" for number in many["OBS_ID"]]
    rows = runs[np.zeros(n_run, dtype=int)]
    rows["OBS_ID"] = numbers
    many.write(folder / "hdu-index.fits.gz")
    rows.write(folder / "obs-index.fits.gz")
    return folder


def store_jobs(store_class: Any, folder: Path) -> dict[str, Callable[[], Any]]:
    store = store_class.from_dir(folder)
    numbers = np.unique(np.asarray(store.hdu_table["OBS_ID"]))[:4].tolist()
    return {
        "open": lambda: store_class.from_dir(folder),
        "four observations": lambda: store.get_observations(numbers),
        "one observation": lambda: store.obs(numbers[0]),
    }


def open_stores(small: Path, large: Path, n_run: int, repeat: int) -> dict[str, Figures]:
    """Opening a store and choosing observations, without a look at their files."""
    found: dict[str, Figures] = {}
    for title, folder in (("store of DIR", small), (f"store of {n_run} runs", large)):
        jobs = {("lightpool", name): job for name, job in store_jobs(DataStore, folder).items()}
        if HAS_GAMMAPY:
            from gammapy.data import DataStore as GammapyStore

            jobs |= {("Gammapy", name): job for name, job in store_jobs(GammapyStore, folder).items()}
        for (package, name), value in in_turn(jobs, repeat).items():
            found.setdefault(f"{title}: {name}", {})[package] = value
    stores: dict[str, Any] = {"lightpool": DataStore.from_dir(large)}
    if HAS_GAMMAPY:
        stores["Gammapy"] = GammapyStore.from_dir(large)
    every = {package: cpu_time(store.get_observations) for package, store in stores.items()}  # once: it takes a minute
    found[f"store of {n_run} runs: all observations"] = every
    return found


# --- reading


def reading(folder: Path, repeat: int) -> dict[str, Figures]:
    """Reading four runs, ms per run: decompressing by zlib alone, opening the files, and all that a run holds."""
    observations = DataStore.from_dir(folder).get_observations()[:4]
    numbers = [observation.obs_id for observation in observations]
    paths = [observation._parts["events"].path() for observation in observations]
    packed = [path.read_bytes() for path in paths]
    size = sum(read_fits(path).size for path in paths) / len(paths)

    def unpack() -> None:
        for content in packed:
            if content[:2] == b"\x1f\x8b":
                zlib.decompress(content, wbits=31)

    def lightpool_reads() -> None:
        FILE_CACHE.clear()
        for observation in DataStore.from_dir(folder).get_observations(numbers):
            read_parts(observation)
            for name in ("lon", "lat", "energy", "time"):
                _ = observation.events.arrays[name]

    jobs: dict[Any, Callable[[], Any]] = {
        ("zlib", "decompress"): unpack,
        ("lightpool", "open files"): lambda: [read_fits(path) for path in paths],
        ("lightpool", "all parts"): lightpool_reads,
    }
    if HAS_GAMMAPY:
        from gammapy.data import DataStore as GammapyStore

        def gammapy_reads() -> None:
            for observation in GammapyStore.from_dir(folder).get_observations(numbers):
                read_parts(observation)
                _ = observation.events.radec, observation.events.energy, observation.events.time

        jobs["Gammapy", "all parts"] = gammapy_reads
    found: dict[str, Figures] = {"decompressed size, MB a run": {"zlib": size / 1e6}}
    for (package, name), value in in_turn(jobs, repeat).items():
        found.setdefault(f"reading: {name}", {})[package] = value / len(paths)
    return found


def read_parts(observation: Any) -> None:
    for name in ("events", "gti", "pointing", "meta", *(_ for _ in IRFS if _ in observation.available_irfs)):
        getattr(observation, name)
    _ = observation.get_pointing_icrs(observation.tmid), observation.observation_live_time_duration


def in_turn(jobs: dict[Any, Callable[[], Any]], repeat: int) -> dict[Any, float]:
    """Median CPU time of each job, ms; all are done once before, then in turn."""
    times: dict[Any, list[float]] = {name: [] for name in jobs}
    for _ in range(repeat + 1):
        for name, job in jobs.items():
            times[name].append(cpu_time(job))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def cpu_time(job: Callable[[], Any]) -> float:
    """CPU time of one call, ms."""
    start = time.process_time()
    job()
    return 1e3 * (time.process_time() - start)


# --- output


def print_start_ups(figures: Figures) -> None:
    parts = figures["parts of astropy, and regions"]
    print(f"\n  {'a fresh process, CPU ms':44s}{'ms':>10s}{'of the parts':>14s}")
    for name, value in figures.items():
        print(f"  {name:44s}{value:10.0f}{value / parts:14.2f}")


def print_rows(rows: dict[str, Figures]) -> None:
    print(f"\n  {'CPU ms':44s}{'lightpool':>12s}{'Gammapy':>12s}{'ratio':>9s}{'zlib':>9s}")
    for name, row in rows.items():
        cells = [
            f"{row[key]:{width}.2f}" if key in row else " " * width
            for key, width in (("lightpool", 12), ("Gammapy", 12))
        ]
        ratio = f"{row['Gammapy'] / row['lightpool']:9.1f}" if {"Gammapy", "lightpool"} <= set(row) else " " * 9
        zlib_cell = f"{row['zlib']:9.2f}" if "zlib" in row else ""
        print(f"  {name:44s}{''.join(cells)}{ratio}{zlib_cell}".rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="DL3 folder with index files; simulated by default")
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--n-run", type=int, default=10_000, help="runs of the large index")
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")
    versions = {name: version(name) for name in ("numpy", "astropy", "regions")}
    versions |= {"gammapy": version("gammapy")} if HAS_GAMMAPY else {}
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {versions}, one core")
    imports = start_ups(args.repeat)
    print_start_ups(imports)
    with tempfile.TemporaryDirectory() as name:
        simulated, large = Path(name, "store"), Path(name, "large")
        large.mkdir()
        simulate_store(simulated, 4)
        data = args.data or simulated
        rows = open_stores(data, large_index(simulated, large, args.n_run), args.n_run, args.repeat)
        rows |= reading(data, args.repeat)
    print_rows(rows)
    if args.json:
        args.json.write_text(json.dumps({"versions": versions, "imports": imports, "rows": rows}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
