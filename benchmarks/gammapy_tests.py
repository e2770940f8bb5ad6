"""Gammapy's own tests, plain and on lightpool: each test that passes alone must pass accelerated.

    pip install '.[gammapy]' pytest-astropy-header pytest-timeout
    GAMMAPY_DATA=DIR python benchmarks/gammapy_tests.py [--packages makers datasets ...] [--folder RESULTS]

Without GAMMAPY_DATA, the tests that need data are skipped in both runs. A run whose result is in RESULTS is not
repeated unless --again asks for it. Tests whose numbers are those of a documented difference (docs/differences.md)
must pass in the mode ``strict``. What ran where is in RESULTS/PACKAGE-lightpool.report.txt.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

PACKAGES = ["makers", "datasets", "data", "analysis", "estimators", "irf"]
MODES = ["plain", "lightpool", "strict"]


def main() -> int:
    arguments = parse_arguments()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    n_broken = 0
    for package in arguments.packages:
        outcomes = {
            mode: test_outcomes(package, mode, folder, again=mode in arguments.again, timeout=arguments.timeout)
            for mode in arguments.modes
        }
        counts = ", ".join(f"{mode}: {count(results)}" for mode, results in outcomes.items())
        print(f"{package:12} {counts}", flush=True)
        for mode in set(outcomes) - {"plain"}:
            for test in sorted(broken_tests(outcomes.get("plain", {}), outcomes[mode])):
                n_broken += mode == "strict"
                print(f"    passes plain, not {mode}: {test}")
    return int(n_broken > 0)


def broken_tests(plain: dict[str, str], other: dict[str, str]) -> set[str]:
    return {test for test, outcome in plain.items() if outcome == "passed" and other.get(test) != "passed"}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", nargs="+", default=PACKAGES)
    parser.add_argument("--folder", type=Path, default=Path("gammapy-tests"))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--again", nargs="*", choices=MODES, default=[])
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one test")
    return parser.parse_args()


def test_outcomes(package: str, mode: str, folder: Path, *, again: bool, timeout: float) -> dict[str, str]:
    """Outcome of each test of a package of Gammapy: passed, failed or skipped."""
    results = folder / f"{package}-{mode}.xml"
    if again or not results.exists():
        run_tests(package, mode, results, timeout)
    return dict(map(outcome_of, ElementTree.parse(results).iter("testcase")))


def run_tests(package: str, mode: str, results: Path, timeout: float) -> None:
    plugin = [] if mode == "plain" else ["-p", "accelerated_session"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, "--timeout"]
    command += [f"{timeout:g}", "--durations", "20", "--junitxml", str(results), "--pyargs", f"gammapy.{package}"]
    here = str(Path(__file__).parent.resolve())
    environment = {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"} | os.environ
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    environment["LIGHTPOOL_STRICT"] = str(int(mode == "strict"))
    environment["LIGHTPOOL_REPORT"] = str(results.with_suffix(".report.txt"))
    with results.with_suffix(".txt").open("w") as output, tempfile.TemporaryDirectory() as place:
        subprocess.run(command, cwd=place, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)


def outcome_of(case: ElementTree.Element) -> tuple[str, str]:
    name = f"{case.get('classname')}::{case.get('name')}"
    if case.find("failure") is not None or case.find("error") is not None:
        return name, "failed"
    return name, "passed" if case.find("skipped") is None else "skipped"


def count(outcomes: dict[str, str]) -> str:
    return ", ".join(f"{n} {outcome}" for outcome, n in sorted(Counter(outcomes.values()).items()))


if __name__ == "__main__":
    raise SystemExit(main())
