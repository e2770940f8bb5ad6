"""What threads gain: a stack of large maps on one core and on several, in turn, each time in a process of its own.

    OMP_NUM_THREADS=1 python benchmarks/threads.py --data DIR [--cores 2] [--repeat 5] [--binsz 0.02 0.01]

DIR is a DL3 folder with the H.E.S.S. public test data release 1 (runs 33787 to 33794). The last column is the gain of
as many independent processes as there are cores, each on its own: what the memory of the machine allows.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from lightpool.data import DataStore
from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.datasets import MapDataset
from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import MapAxis, WcsGeom

RUNS = list(range(33787, 33795))
CENTER = (329.72, -30.23)  # deg, PKS 2155-304


def milliseconds_per_run(data: Path, binsz: float) -> float:
    """Reduce and stack the runs twice; the time of the second."""
    energy = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=24)
    true = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=40, name="energy_true")
    geom = WcsGeom.create(skydir=CENTER, width=5, binsz=binsz, axes=[energy])
    safe = SafeMaskMaker(["aeff-default", "offset-max"], offset_max="3 deg")
    maker = DatasetsMaker([MapDatasetMaker(), safe, FoVBackgroundMaker()], cutout_width="6 deg", cutout_mode="partial")
    for _ in range(2):
        FILE_CACHE.clear()
        observations = DataStore.from_dir(data).get_observations(RUNS)
        start = time.perf_counter()
        maker.run(MapDataset.create(geom, energy_axis_true=true), observations)
        seconds = time.perf_counter() - start
    return 1e3 * seconds / len(RUNS)


def on_cores(arguments: argparse.Namespace, binsz: float, *groups: set[int]) -> float:
    """Mean over processes that run at the same time, each on its cores."""
    command = [sys.executable, __file__, "--data", str(arguments.data), "--binsz", str(binsz), "--here"]
    running = [
        subprocess.Popen([*command, ",".join(map(str, cores))], stdout=subprocess.PIPE, text=True) for cores in groups
    ]
    return statistics.mean(float(process.communicate()[0]) for process in running)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--binsz", type=float, nargs="+", default=[0.02, 0.01])
    parser.add_argument("--here", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        os.sched_setaffinity(0, {int(core) for core in arguments.here.split(",")})
        print(milliseconds_per_run(arguments.data, arguments.binsz[0]))
        return
    cores = sorted(os.sched_getaffinity(0))[: arguments.cores]
    print(f"{'pixels':>8s} {'1 core':>10s} {f'{len(cores)} cores':>10s} {'gain':>6s} {'processes':>10s}")
    for binsz in arguments.binsz:
        rows = []
        for _ in range(arguments.repeat):
            one = on_cores(arguments, binsz, {cores[0]})
            several = on_cores(arguments, binsz, set(cores))
            alone = on_cores(arguments, binsz, *({core} for core in cores)) / len(cores)
            rows.append((one, several, one / several, one / alone))
        one, several, gain, processes = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{binsz:>4g} deg {one:>7.1f} ms {several:>7.1f} ms {gain:>6.2f} {processes:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
