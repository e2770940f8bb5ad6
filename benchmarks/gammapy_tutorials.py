"""Gammapy's tutorials, plain and on lightpool: whether each runs, how long it takes, and whether it prints the same.

    pip install '.[gammapy]'
    GAMMAPY_TUTORIALS=DIR GAMMAPY_DATA=DIR python benchmarks/gammapy_tutorials.py [--only PART ...] [--folder RESULTS]

GAMMAPY_TUTORIALS is a folder of scripts, such as ``examples/tutorials`` of Gammapy's repository. Each script runs
unchanged in a process and a folder of its own, first alone and then with ``python -m lightpool.gammapy``. What it
printed is kept in RESULTS and compared. A run whose result is there is not repeated unless --again asks for it, or
a longer --timeout may let it end.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from printed_output import Comparison, compare_outputs

COMMANDS = {
    "plain": [sys.executable],
    "lightpool": [sys.executable, "-m", "lightpool.gammapy", "--report"],
    "strict": [sys.executable, "-m", "lightpool.gammapy", "--report", "--strict"],
}
ENVIRONMENT = {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "COLUMNS": "200"}
TIMED_OUT = 124


@dataclass(frozen=True)
class Run:
    """One run of one script."""

    returncode: int
    seconds: float
    timeout: float
    output: str = ""
    errors: str = ""

    @property
    def is_over(self) -> bool:
        return self.returncode != TIMED_OUT

    @property
    def reason(self) -> str:
        """Last line of the errors."""
        if not self.is_over:
            return f"longer than {self.timeout:.0f} s"
        return (self.errors.strip().splitlines() or [""])[-1]


def main() -> int:
    arguments = parse_arguments()
    scripts = find_scripts(arguments.tutorials, arguments.only)
    known = {script: load_run(arguments.folder / name_of(script, arguments.tutorials), "plain") for script in scripts}
    scripts.sort(key=lambda script: run.seconds if (run := known[script]) else script.stat().st_size / 200)
    n_different = 0
    others = [mode for mode in arguments.modes if mode != "plain"]
    for script in scripts:
        folder = arguments.folder / name_of(script, arguments.tutorials)
        runs = {
            mode: run_or_load(script, folder, mode, timeout=arguments.timeout, again=mode in arguments.again)
            for mode in arguments.modes
        }
        plain = runs.get("plain")
        print(f"{folder.relative_to(arguments.folder).as_posix():48} {describe(plain)}", flush=True)
        for mode in others:
            comparison = compare_runs(plain, runs[mode])
            n_different += mode == others[-1] and comparison is not None and not comparison.is_same
            print(f"    {mode:44} {describe(runs[mode], comparison)}", flush=True)
    return int(n_different > 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tutorials", type=Path, default=os.environ.get("GAMMAPY_TUTORIALS"))
    parser.add_argument("--folder", type=Path, default=Path("gammapy-tutorials"))
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the names of scripts")
    parser.add_argument("--modes", nargs="+", choices=list(COMMANDS), default=["plain", "lightpool"])
    parser.add_argument("--again", nargs="*", choices=list(COMMANDS), default=[])
    parser.add_argument("--timeout", type=float, default=400.0, help="seconds")
    arguments = parser.parse_args()
    if arguments.tutorials is None or "GAMMAPY_DATA" not in os.environ:
        parser.error("set GAMMAPY_TUTORIALS (or --tutorials) and GAMMAPY_DATA to folders of Gammapy's")
    return arguments


def find_scripts(folder: Path, parts: Iterable[str]) -> list[Path]:
    return sorted(path.resolve() for path in folder.rglob("*.py") if any(part in path.as_posix() for part in parts))


def name_of(script: Path, folder: Path) -> str:
    return script.relative_to(folder.resolve()).with_suffix("").as_posix()


def load_run(folder: Path, mode: str) -> Run | None:
    path = folder / f"{mode}.json"
    return Run(**json.loads(path.read_text())) if path.exists() else None


def run_or_load(script: Path, folder: Path, mode: str, *, timeout: float, again: bool) -> Run:
    known = load_run(folder, mode)
    if known is not None and not again and (known.is_over or known.timeout >= timeout):
        return known
    run = run_script(script, folder / mode, COMMANDS[mode], timeout)
    (folder / f"{mode}.json").write_text(json.dumps(asdict(run), indent=1))
    return run


def run_script(script: Path, folder: Path, command: list[str], timeout: float) -> Run:
    """Run a script in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, str(script)],
        cwd=folder,
        env=ENVIRONMENT | os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
        output, errors = process.communicate()
        code = TIMED_OUT
    return Run(code, time.perf_counter() - start, timeout, output, errors)


def compare_runs(plain: Run | None, other: Run) -> Comparison | None:
    """Compare a plain run that succeeded with another one."""
    if plain is None or plain.returncode != 0 or other.returncode != 0:
        return None
    return compare_outputs(plain.output, other.output)


def describe(run: Run | None, comparison: Comparison | None = None) -> str:
    """Time of a run or why it failed, and the lines that differ."""
    if run is None:
        return ""
    text = f"{run.seconds:6.1f} s" if run.returncode == 0 else f"FAILS ({run.reason})"
    if comparison is None:
        return text
    if comparison.is_same:
        return f"{text}, same (to {comparison.largest:.1e})"
    return text + ", DIFFERS" + "".join(f"\n    - {a}\n    + {b}" for a, b in [*comparison.texts, *comparison.numbers])


if __name__ == "__main__":
    raise SystemExit(main())
