"""Scripts written for Gammapy, run by Gammapy alone and unchanged by ``python -m lightpool.gammapy``.

    pip install '.[gammapy]'
    OMP_NUM_THREADS=1 python benchmarks/gammapy_scripts.py --data DIR [--repeat 5] [--scripts ring_map] [--json FILE]

DIR is a DL3 folder with the H.E.S.S. public test data release 1 (runs 23523, 23592, 23526, 23559). The scripts, in the
folder ``written_for_gammapy``, import nothing but Gammapy. Each repetition is a process of its own, in turn with and
without acceleration and on one core. It reduces the runs twice, from two new copies of the files: the first time
includes what is loaded when it is first needed; the second one counts. It ends with all maps as arrays of NumPy in
objects of Gammapy, conversion included. The fit of the result, which Gammapy does in both cases, is measured apart.

The numbers of both are compared: counts and masks must be equal, other maps agree to a relative 1e-9 in double and
1e-5 in single precision, and fitted values and their errors to 1e-4. Sums in rings have the noise of Gammapy's Fourier
transforms, so they may also differ by 1e-6 of the largest value.
"""

import argparse
import importlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

FOLDER = Path(__file__).parent / "written_for_gammapy"
SCRIPTS = ["notebook_loop", "true_energies", "ring_map", "reflected_spectra"]
WAYS = {"Gammapy": [], "lightpool": ["-m", "lightpool.gammapy"]}
RUNS = [23523, 23592, 23526, 23559]
EXACT = {"counts", "counts_off", "mask_safe"}
RING_NOISE = 1e-6


def copy_runs(data: Path, target: Path) -> Path:
    """Copy the index files and the files of the runs."""
    target.mkdir()
    for name in ("obs-index.fits.gz", "hdu-index.fits.gz"):
        shutil.copy(data / name, target)
    index = Table.read(data / "hdu-index.fits.gz")
    for row in index[np.isin(index["OBS_ID"], RUNS)]:
        file = Path(str(row["FILE_DIR"]).strip(), str(row["FILE_NAME"]).strip())
        if not (target / file).exists():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(data / file, target / file)
    return target


def run(script: str, way: str, data: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Run a script in a process of its own, and return its times, its fitted values and its maps."""
    with tempfile.TemporaryDirectory() as name:
        target = Path(name)
        folders = [copy_runs(data, target / copy) for copy in ("first", "second")]
        command = [sys.executable, "-W", "ignore", *WAYS[way], FOLDER / f"{script}.py", target, *folders]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{script}, {way}:\n{done.stderr}")
        with np.load(target / "maps.npz") as maps:
            return json.loads((target / "record.json").read_text()), dict(maps)


def largest_differences(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], is_ring: bool) -> dict[str, float]:
    """Check the maps of both, and return the largest relative difference of each kind of map."""
    assert list(ours) == list(theirs)
    found: dict[str, float] = {}
    for key, plain in theirs.items():
        name, made = key.split("/")[1], ours[key]
        assert made.dtype == plain.dtype, (key, made.dtype, plain.dtype)
        if is_ring and name == "counts_off":
            plain = np.round(plain)
        if name in EXACT:
            np.testing.assert_array_equal(made, plain, err_msg=key)
            continue
        rtol = 1e-5 if plain.dtype == np.float32 else 1e-9
        largest = np.max(np.abs(plain[np.isfinite(plain)]), initial=0.0)
        noise = RING_NOISE if is_ring and name == "acceptance_off" else 1e-13
        np.testing.assert_allclose(made, plain, rtol=rtol, atol=noise * largest, err_msg=key)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.abs(made / plain - 1)[np.abs(plain) > noise * largest]
        found[name] = max(found.get(name, 0.0), float(np.max(relative[np.isfinite(relative)], initial=0.0)))
    return found


def compare(script: str, data: Path, repeat: int) -> dict[str, Any]:
    """Run a script in both ways in turn, compare the numbers, and print the times."""
    records: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    maps: dict[str, dict[str, np.ndarray]] = {}
    for _ in range(repeat):
        for way in WAYS:
            record, maps[way] = run(script, way, data)
            records[way].append(record)
    relative = largest_differences(maps["lightpool"], maps["Gammapy"], is_ring=script == "ring_map")
    fits = {way: each[-1]["numbers"] for way, each in records.items()}
    for name, value in fits["Gammapy"].items():
        np.testing.assert_allclose(fits["lightpool"][name], value, rtol=1e-4, err_msg=name)
    print(f"\n{script}: seconds, medians of {repeat}")
    print(f"  {'':28s}{'Gammapy':>10s}{'lightpool':>11s}{'ratio':>8s}")
    rows = {
        "reduction": [[each["reduction"][-1] for each in records[way]] for way in WAYS],
        "reduction, processor time": [[each["reduction_cpu"][-1] for each in records[way]] for way in WAYS],
        "first reduction of a process": [[each["reduction"][0] for each in records[way]] for way in WAYS],
        "fit": [[each["fit"] for each in records[way]] for way in WAYS],
    }
    for title, (slow, fast) in rows.items():
        ratio = statistics.median(a / b for a, b in zip(slow, fast, strict=True))
        print(f"  {title:28s}{statistics.median(slow):10.3f}{statistics.median(fast):11.3f}{ratio:8.1f}")
    print(f"  maps agree, largest relative difference {max(relative.values()):.1e}; counts and masks are equal")
    fitted = ", ".join(f"{name} {value:.5g}" for name, value in fits["lightpool"].items())
    worst = max(abs(fits["lightpool"][name] / value - 1) for name, value in fits["Gammapy"].items())
    print(f"  fit agrees to {worst:.1e}: {fitted}")
    return {"seconds": records, "differences": relative, "fits": fits}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of hess-dl3-dr1")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--scripts", nargs="+", choices=SCRIPTS, default=SCRIPTS)
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    args = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    versions = {
        name: importlib.import_module(name).__version__ for name in ("lightpool", "gammapy", "numpy", "astropy")
    }
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {versions}, one core")
    results = {script: compare(script, args.data, args.repeat) for script in args.scripts}
    if args.json:
        args.json.write_text(json.dumps({"versions": versions, "scripts": results}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
