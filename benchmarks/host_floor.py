"""CPU time of the host per run, where there is almost no work on pixels: four Crab runs on pixels of one degree.

    OMP_NUM_THREADS=1 python benchmarks/host_floor.py --data DIR [--repeat 15] [--rooms] [--json FILE]

DIR is a DL3 folder with the H.E.S.S. public test data release 1 (runs 23523, 23592, 23526, 23559). Each job of
`peer.py` starts with the index files of the store and ends with the stacked dataset. Where files are cold, they are
read and decompressed anew in each repetition; where they are warm, the file cache holds their decompressed bytes, but
the tables in them are still parsed. The number of Python calls, those of the main thread, does not depend on how busy
the machine is. --rooms also prints the time in the functions of each sub-package, measured by cProfile, which about
doubles it.

The last rows compare the jobs on pixels of 0.02 deg with a bare probe that reads the files, decompresses them, writes
each map of a run once, reads it and adds it to the stack.
"""

import argparse
import cProfile
import json
import logging
import os
import platform
import pstats
import statistics
import sys
import time
import warnings
import zlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import peer

JOBS = {"loop": peer.CrabLoop, "DatasetsMaker": peer.CrabTrueEnergies, "spectra": peer.CrabSpectra}
Figures = dict[str, float]


def job_of(name: str, data: Path, binsz: float) -> peer.Job:
    job = JOBS[name]("lightpool", data)
    job.binsz = binsz
    return job


def cpu_time(function: Callable[[], Any]) -> float:
    """CPU time of one call, ms."""
    start = time.process_time()
    function()
    return 1e3 * (time.process_time() - start)


def measured(job: peer.Job, *, cold: bool, repeat: int) -> Figures:
    """CPU time per run, ms: median and minimum; number of Python calls per run."""
    times = []
    for _ in range(repeat + 1):  # the first fills the caches
        if cold:
            peer.forget_files("lightpool")
        times.append(cpu_time(job) / job.n_run)
    calls = pstats.Stats(profile(job, cold=cold)).total_calls / job.n_run
    return {"median": statistics.median(times[1:]), "minimum": min(times[1:]), "calls": calls}


def profile(job: peer.Job, *, cold: bool) -> cProfile.Profile:
    if cold:
        peer.forget_files("lightpool")
    found = cProfile.Profile()
    found.runcall(job)
    return found


def time_by_room(job: peer.Job, repeat: int) -> Figures:
    """Milliseconds per run in the functions of each sub-package of lightpool and in other packages, without callees."""
    seconds: dict[str, float] = defaultdict(float)
    for _ in range(repeat):
        for (path, _, name), (_, _, own, _, _) in pstats.Stats(profile(job, cold=True)).stats.items():  # type: ignore[attr-defined]
            seconds[room_of(path, name)] += own
    ordered = sorted(seconds.items(), key=lambda item: -item[1])
    return {room: 1e3 * value / repeat / job.n_run for room, value in ordered}


def room_of(path: str, name: str) -> str:
    """`irf`, `numpy`, `inflate`, ... for a function of a profile."""
    if path == "~":
        return "decompression" if "compress" in name else "built-in functions, array operations"
    parts = Path(path).parts
    for i, part in enumerate(parts[:-1]):
        if part == "lightpool" and parts[i - 1] == "src":
            return f"lightpool.{Path(parts[i + 1]).stem}"
        if part == "site-packages":
            return Path(parts[i + 1]).stem
    return "standard library and this script"


def decompression(job: peer.Job, repeat: int) -> Figures:
    """Decompressing the files with zlib alone, ms per run."""
    store = job.names["DataStore"].from_dir(job.data)
    paths = {path for observation in store.get_observations(job.runs) for path in observation.files}
    packed = [content for content in (path.read_bytes() for path in paths) if content[:2] == b"\x1f\x8b"]
    times = [cpu_time(lambda: [zlib.decompress(each, wbits=31) for each in packed]) for _ in range(repeat)]
    return {"median": statistics.median(times) / job.n_run, "minimum": min(times) / job.n_run}


def against_probe(name: str, data: Path, repeat: int) -> Figures:
    """A job on pixels of 0.02 deg, ms per run, beside a probe that only moves its bytes."""
    job = job_of(name, data, 0.02)
    result = job()
    times, probes = [], []
    for _ in range(repeat):
        peer.forget_files("lightpool")
        times.append(cpu_time(job) / job.n_run)
        floor = peer.floor(job, result)
        probes.append(1e3 * (floor["inflate"] + floor["move"]))
    ratios = [job_time / probe for job_time, probe in zip(times, probes, strict=True)]
    medians = {"job": times, "probe": probes, "ratio": ratios}
    return {key: statistics.median(values) for key, values in medians.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of hess-dl3-dr1")
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--rooms", action="store_true", help="also the time in each sub-package")
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")
    logging.getLogger("lightpool").setLevel(logging.ERROR)
    found: dict[str, Any] = {"zlib alone": decompression(job_of("loop", args.data, 1.0), args.repeat)}
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, one core")
    print(f"\n  {'CPU ms per run, pixels of 1 deg':36s}{'median':>9s}{'minimum':>9s}{'calls':>9s}")
    print(f"  {'zlib alone':36s}{found['zlib alone']['median']:9.2f}{found['zlib alone']['minimum']:9.2f}")
    for name in JOBS:
        for cold in (True, False):
            row = measured(job_of(name, args.data, 1.0), cold=cold, repeat=args.repeat)
            title = f"{name}, files {'cold' if cold else 'warm'}"
            print(f"  {title:36s}{row['median']:9.2f}{row['minimum']:9.2f}{row['calls']:9.0f}", flush=True)
            found[title] = row
    print(f"\n  {'CPU ms per run, pixels of 0.02 deg':36s}{'job':>9s}{'probe':>9s}{'ratio':>9s}")
    for name in ("loop", "DatasetsMaker"):
        row = against_probe(name, args.data, max(args.repeat // 2, 1))
        print(f"  {name:36s}{row['job']:9.2f}{row['probe']:9.2f}{row['ratio']:9.2f}", flush=True)
        found[f"{name}, 0.02 deg"] = row
    if args.rooms:
        for name in JOBS:
            rooms = time_by_room(job_of(name, args.data, 1.0), args.repeat)
            found[f"{name}, rooms"] = rooms
            print(f"\n  {name}, pixels of 1 deg, files cold: ms per run with cProfile")
            for room, value in rooms.items():
                if value >= 0.05:
                    print(f"  {room:40s}{value:9.2f}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
