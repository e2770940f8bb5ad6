"""lightpool on the devices of this machine: one command, without a network, in less than ten minutes.

    PYTHONPATH=src python benchmarks/gpu.py [--quick] [--runs 1000] [--data DIR] [--minutes 9]

It simulates its data, and measures the copies to, from and on each device; the main job (four runs on the Crab nebula,
with PSF and energy dispersion) beside NumPy, and how far its maps are from those of NumPy; the time of each stage on
the host and on the device; what crosses between them; a long job with its rate and its memory; Gammapy 2.1 if it is
installed; and last the tests marked ``gpu``. Without a GPU it says so, and does the same on ``cpu`` and ``torch``.

JSON and Markdown are written to benchmarks/results/ after each section, so that what was measured is there whatever
happens later. A section that fails is named there with its error, and the others go on. ``--data`` takes a DL3 folder
with the H.E.S.S. public test data release 1 for the main job.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import gpu_jobs as jobs
from backends import Field
from device_clock import copy_rates
from gpu_report import write_results

from lightpool.arrays import available_devices
from lightpool.arrays.installation import describe_installation

ROOT = Path(__file__).parents[1]
TESTS = ("arrays", "maps", "irf", "datasets", "makers", "stats", "data", "simulate", "plot", "test_backends.py")
PACKAGES = ("numpy", "astropy", "cupy-cuda12x", "cupy-cuda13x", "torch", "gammapy")


class Session:
    """The sections, what they gave, and the time that is left.

    Parameters
    ----------
    args : what was said on the command line
    folder : Path, for simulated data
    """

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.start = time.monotonic()
        self.devices = args.devices
        self.has_gpu = any("cuda" in name for name in args.devices)
        self.results: dict[str, Any] = {"errors": {}, "seconds": {}}
        self.expected: dict[str, Any] = {}

    @property
    def seconds_left(self) -> float:
        return 60 * self.args.minutes - (time.monotonic() - self.start)

    def section(self, title: str, work: Callable[[], Any], device: str | None = None) -> Any:
        """Do a section, keep what it gives or why it failed, and write all that there is."""
        name = title if device is None else f"{title}: {device}"
        print(f"[{time.monotonic() - self.start:5.0f} s] {name}", flush=True)
        begin, found = time.monotonic(), None
        try:
            found = work()
            if device is None:
                self.results[title] = found
            else:
                self.results.setdefault(title, {})[device] = found
        except Exception as error:
            self.results["errors"][name] = traceback.format_exc()
            print(f"          failed with {type(error).__name__}: {error}", flush=True)
        self.results["seconds"][name] = time.monotonic() - begin
        kind = "gpu" if self.has_gpu else "no-gpu"
        write_results(self.results, self.args.output / f"{datetime.now(UTC):%Y-%m-%d}-{kind}")
        return found

    def on_each_device(self, title: str, work: Callable[[str], Any]) -> None:
        for device in self.devices:
            self.section(title, partial(work, device), device)


def describe_machine(session: Session) -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.*)", cpuinfo.read_text(encoding="utf-8")) if cpuinfo.is_file() else []
    query = "--query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": output("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "processor": names[0] if names else platform.machine(),
        "processors": jobs.n_processor(),
        "threads of libraries": os.environ["OMP_NUM_THREADS"],
        "gpu": output("nvidia-smi", query, "--format=csv,noheader"),
        "has_gpu": session.has_gpu,
        "devices": session.devices,
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := version_of(name))},
        "installation": describe_installation().to_dict(),
        "quick": session.args.quick,
    }


def output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def main_job(session: Session, field: Field, device: str) -> dict[str, Any]:
    figures, maps = jobs.main_job(field, device, 2 if session.args.quick else 5)
    if not session.expected:
        session.expected = maps  # of the first device, which is the CPU
    return figures | {"differences": jobs.differences(maps, session.expected)}


def long_job(session: Session, field: Field, runs: Any, device: str) -> dict[str, Any]:
    """The long job; each device gets its share of half of the time that is left."""
    return jobs.long_job(field, runs, device, max(session.seconds_left / 2 / len(session.devices), 10))


def run_tests(session: Session) -> dict[str, Any]:
    """The tests marked ``gpu``, folder by folder; without a GPU those of the kernels on cpu and torch."""
    marks = ["-m", "gpu"] if session.has_gpu else ["-m", "not gpu", "-k", "cpu or torch"]
    places = TESTS if session.has_gpu and not session.args.quick else TESTS[:1]
    with ThreadPoolExecutor(min(4, max(1, jobs.n_processor() // 2))) as pool:
        return dict(zip(places, pool.map(partial(run_pytest, session, marks), places), strict=True))


def run_pytest(session: Session, marks: list[str], place: str) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--tb=short",
        "-rfE",
        *marks,
        f"tests/{place}",
    ]
    begin, limit = time.monotonic(), session.seconds_left
    if limit < 5:
        return {"ended": "not begun: no time was left", "s": 0.0, "counts": {}, "failures": [], "tail": ""}
    paths = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": paths, "MPLBACKEND": "agg"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
        text, ended = done.stdout + done.stderr, f"exit status {done.returncode}"
    except subprocess.TimeoutExpired as stopped:
        text, ended = (stopped.stdout or b"").decode(errors="replace"), f"stopped after {limit:.0f} s"
    counts = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|skipped|errors?|xfailed)\b", text[-400:])}
    failures = re.findall(r"^(?:FAILED|ERROR) (.*)$", text, flags=re.MULTILINE)
    tail = text[-6000:] if failures or not ended.endswith(" 0") else ""
    return {"ended": ended, "s": time.monotonic() - begin, "counts": counts, "failures": failures, "tail": tail}


def measure(session: Session) -> None:
    section = session.section
    section("machine", lambda: describe_machine(session))
    session.on_each_device("copies", lambda device: copy_rates(device, 2**26 if session.args.quick else 2**28))
    field = Field(session.args.data) if session.args.data else section_field(session)
    if field is None:
        return
    session.on_each_device("main job", partial(main_job, session, field))
    section("bytes to move, a run", partial(jobs.bytes_to_move, field))
    session.on_each_device("stages", partial(jobs.stage_times, field))
    runs: list[Any] = []
    section(
        "simulated runs", lambda: runs.append(jobs.simulate_runs(session.folder, session.args.runs)) or len(runs[0])
    )
    if runs:
        section("reading", partial(jobs.host_rates, runs[0][:100]))
        if find_spec("gammapy"):
            section("Gammapy", partial(jobs.beside_gammapy, field))
        session.on_each_device("long job", partial(long_job, session, field, runs[0]))
    section("tests", partial(run_tests, session))


def section_field(session: Session) -> Field | None:
    found: list[Field] = []
    session.section("simulated field", lambda: found.append(jobs.simulate_field(session.folder)) or 4)
    return found[0] if found else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of hess-dl3-dr1 for the main job; simulated by default")
    parser.add_argument("--runs", type=int, help="runs of the long job; 1000 by default, 100 with --quick")
    parser.add_argument("--quick", action="store_true", help="less of everything: two minutes")
    parser.add_argument("--minutes", type=float, default=9.0, help="when the tests are stopped")
    parser.add_argument("--devices", nargs="+", help="'cpu' first; by default one of each library")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results")
    args = parser.parse_args()
    args.runs = args.runs or (100 if args.quick else 1000)
    names = [name for name in available_devices() if name != "strict"]
    args.devices = args.devices or [name for name in names if name.endswith(":0") or ":" not in name]
    warnings.simplefilter("ignore")
    if not any("cuda" in name for name in args.devices):
        print(f"No GPU can be used here: the same is done on {' and '.join(args.devices)}.")
        for advice in describe_installation().missing.values():
            print(f"  {advice}")
    with tempfile.TemporaryDirectory(prefix="lightpool-gpu-") as folder:
        session = Session(args, Path(folder))
        measure(session)
    print((args.output / f"{datetime.now(UTC):%Y-%m-%d}-{'gpu' if session.has_gpu else 'no-gpu'}.md").read_text())
    return 1 if session.results["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
