"""Background models of eight runs on PKS 2155-304: lightpool and BAccMod in turn, on the same files and bins.

    OMP_NUM_THREADS=1 python benchmarks/background_models.py --data DIR --peer-python PYTHON [--repeat 3]

DIR is a DL3 folder with the H.E.S.S. public test data release 1. PYTHON is the interpreter of an environment with
BAccMod 0.4.1 (``pip install baccmod==0.4.1``). Times begin with the index files of the store and end with the
table; they are medians, in ms per run. The rates are compared bin by bin: BAccMod divides by the livetime, lightpool
by the time of observation, as GADF defines it, so BAccMod's rates are multiplied by the ratio of both.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np

RUNS = list(range(33787, 33795))
SOURCE = (329.716938, -30.225588)
RADIUS = 0.3  # deg
KINDS = {"radial": "5 rings", "altaz": "10 x 10 bins along the horizon"}
N_ENERGY = 10


def with_lightpool(kind: str, data: Path) -> dict[str, Any]:
    from lightpool.data import DataStore
    from lightpool.makers import BackgroundModelMaker, BackgroundTableMaker
    from lightpool.maps import MapAxis

    start = time.perf_counter()
    energy = MapAxis.from_energy_bounds("0.2 TeV", "20 TeV", nbin=N_ENERGY)
    if kind == "radial":
        axes = [MapAxis.from_bounds(0, 2.5, nbin=5, unit="deg", name="offset")]
    else:
        axes = [MapAxis.from_bounds(-2.5, 2.5, nbin=10, unit="deg", name=name) for name in ("fov_lon", "fov_lat")]
    maker = BackgroundModelMaker(energy, axes, "ALTAZ", f"icrs;circle({SOURCE[0]}, {SOURCE[1]}, {RADIUS})")
    sums = maker.run_all(DataStore.from_dir(data).get_observations(RUNS))
    (model,) = BackgroundTableMaker(at_centre=False).run(sums)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "rate": model.rate, "error": model.error, "live": model.livetime / model.ontime}


def with_baccmod(kind: str, data: Path) -> dict[str, Any]:
    import astropy.units as u
    from astropy.coordinates import SkyCoord
    from baccmod import Grid3DAcceptanceMapCreator, RadialAcceptanceMapCreator
    from gammapy.data import DataStore
    from gammapy.maps import MapAxis
    from regions import CircleSkyRegion

    start = time.perf_counter()
    energy = MapAxis.from_energy_bounds("0.2 TeV", "20 TeV", nbin=N_ENERGY)
    offset = MapAxis.from_bounds(0, 2.5, nbin=5, unit="deg", name="offset")
    region = CircleSkyRegion(SkyCoord(*SOURCE, unit="deg"), RADIUS * u.deg)
    kind_of_creator = RadialAcceptanceMapCreator if kind == "radial" else Grid3DAcceptanceMapCreator
    creator = kind_of_creator(energy, offset, exclude_regions=[region], oversample_map=10)
    table = creator.create_model(DataStore.from_dir(data).get_observations(RUNS, required_irf=[]))
    return {"seconds": time.perf_counter() - start, "rate": table.quantity.to_value("s-1 MeV-1 sr-1")}


def in_process(python: str, package: str, kind: str, data: Path) -> dict[str, Any]:
    """Run one package in a process of its own; the second of two models is timed, with everything imported."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.npz"
        command = [python, __file__, "--data", str(data), "--package", package, "--kind", kind, "--result", str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with np.load(file) as found:
            return {name: found[name] for name in found.files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peer-python")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--package", choices=["lightpool", "baccmod"])
    parser.add_argument("--kind", choices=list(KINDS))
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.package is not None:
        make = with_lightpool if options.package == "lightpool" else with_baccmod
        make(options.kind, options.data)
        np.savez(options.result, **make(options.kind, options.data))
        return
    if options.peer_python is None:
        parser.error("--peer-python is needed")
    for kind, name in KINDS.items():
        pythons = {"lightpool": sys.executable, "baccmod": options.peer_python}
        results: dict[str, list[dict[str, Any]]] = {package: [] for package in pythons}
        for _ in range(options.repeat):
            for package, python in pythons.items():
                results[package].append(in_process(python, package, kind, options.data))
        ours, theirs = (
            1e3 * statistics.median(float(each["seconds"]) for each in found) / len(RUNS) for found in results.values()
        )
        one, other = results["lightpool"][0], results["baccmod"][0]
        difference = (other["rate"] * one["live"] - one["rate"]) / one["error"]
        figures = {
            "bins": name,
            "lightpool, ms per run": round(ours, 1),
            "BAccMod, ms per run": round(theirs, 1),
            "ratio": round(theirs / ours, 1),
            "largest difference in standard deviations": round(float(np.nanmax(np.abs(difference))), 2),
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
