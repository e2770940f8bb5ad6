"""Many cases, in child processes that may crash, hang or run out of memory without harm."""

import argparse
import faulthandler
import gzip
import json
import os
import queue
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from fuzz.damages import DAMAGES
from fuzz.verdicts import FAULTS, Bench, Verdict
from lightpool.simulate import simulate_store

__all__ = ["main", "run_cases", "summary"]

MEMORY_BYTES = 3 * 2**30
"""Address space of a child."""

SECONDS_A_CASE = 60.0
"""Far more than a case takes, also on a machine with much else to do."""

_N_RUN = 6


def make_store(folder: Path) -> Path:
    """Store of short runs with every kind of response, whose files are not compressed although their names say so."""
    store = simulate_store(folder, _N_RUN, ontime=60.0, seed=3)
    for path in store.rglob("*.gz"):
        path.write_bytes(gzip.decompress(path.read_bytes()))
    return store


def run_cases(numbers: range, seed: int, store: Path) -> Iterator[Verdict]:
    """Judge cases, each of which depends on the seed and its number only.

    Parameters
    ----------
    numbers : range
    seed : int
    store : Path, see `make_store`
    """
    next_number = numbers.start
    while next_number < numbers.stop:
        child = _Child(range(next_number, numbers.stop), seed, store)
        for verdict in child.verdicts():
            next_number += 1
            yield verdict
        if next_number < numbers.stop:
            kind = list(DAMAGES)[next_number % len(DAMAGES)]
            yield Verdict(child.end(), kind, f"case {next_number} of seed {seed}", child.last_words())
            next_number += 1


class _Child:
    """A process that judges cases and writes a line about each."""

    def __init__(self, numbers: range, seed: int, store: Path) -> None:
        command = [sys.executable, str(Path(__file__).parent), "--child", str(store), "--seed", str(seed)]
        command += ["--first", str(numbers.start), "--cases", str(len(numbers))]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the child)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._is_hanging = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def verdicts(self) -> Iterator[Verdict]:
        """Verdicts until the child ends or is silent for too long."""
        while True:
            try:
                line = self._lines.get(timeout=SECONDS_A_CASE)
            except queue.Empty:
                self._is_hanging = True
                self._process.kill()
                return
            if not line:
                return
            yield Verdict(**json.loads(line))

    def end(self) -> str:
        """How the child ended before all its cases were done."""
        self._process.wait()
        return "hang" if self._is_hanging else "crash"

    def last_words(self) -> str:
        """Exit code and the end of what it wrote to standard error."""
        self._errors.seek(0)
        return f"exit code {self._process.returncode}: {self._errors.read()[-2000:].decode(errors='replace')}"


def _be_child(store: Path, numbers: range, seed: int) -> None:
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    bench = Bench(store)
    for number in numbers:
        sys.stdout.write(json.dumps(asdict(bench.judge(seed, number))) + "\n")
        sys.stdout.flush()


def summary(verdicts: list[Verdict], seed: int, seconds: float) -> str:
    """Table of outcomes by kind of damage, and all faults."""
    outcomes = ("refused", "warned", "same", "valid", *FAULTS)
    counts = Counter((verdict.kind, verdict.outcome) for verdict in verdicts)
    shown = [name for name in outcomes if any((kind, name) in counts for kind in DAMAGES) or name not in FAULTS]
    lines = [f"{len(verdicts)} cases, seed {seed}, {seconds:.0f} s", ""]
    lines += [f"| damage | {' | '.join(shown)} |", "|---|" + "---:|" * len(shown)]
    for kind in DAMAGES:
        lines.append(f"| {kind.replace('_', ' ')} | {' | '.join(str(counts[kind, name]) for name in shown)} |")
    totals = [sum(counts[kind, name] for kind in DAMAGES) for name in shown]
    lines.append(f"| all | {' | '.join(map(str, totals))} |")
    faults = [verdict for verdict in verdicts if verdict.outcome in FAULTS]
    lines += ["", f"{len(faults)} faults", *(_line(verdict) for verdict in faults)]
    return "\n".join(lines)


def _line(verdict: Verdict) -> str:
    return f"{verdict.outcome} ({verdict.kind}): {verdict.what}: {verdict.detail}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description="Read and reduce damaged files.")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.cases)
    if arguments.child is not None:
        _be_child(arguments.child, numbers, arguments.seed)
        return
    with tempfile.TemporaryDirectory() as folder:
        begin, verdicts = time.monotonic(), list[Verdict]()
        with suppress(KeyboardInterrupt):  # Ctrl-C ends it with the summary of what was done
            for verdict in run_cases(numbers, arguments.seed, make_store(Path(folder) / "store")):
                verdicts.append(verdict)
                if verdict.outcome in FAULTS:
                    sys.stdout.write(f"case {numbers[len(verdicts) - 1]}: {_line(verdict)}\n")
                    sys.stdout.flush()
    sys.stdout.write(summary(verdicts, arguments.seed, time.monotonic() - begin) + "\n")
    sys.exit(any(verdict.outcome in FAULTS for verdict in verdicts))
