"""Draw how many times faster than Gammapy each job of `peer.py` is, as bars.

    python benchmarks/bars.py [RESULT.json ...] [--output FILE]

Without arguments it takes the results in `benchmarks/results`, the latest for each job, and writes
docs/performance/bars.svg.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/performance/bars.svg"
LABELS = {  # of the titles of peer.py, which say more than fits beside a bar
    "Crab loop, 250 x 250 x 11, stacked": "Four Crab runs,\nstacked map",
    "DatasetsMaker, 31 true energies, stacked": "The same with PSF\nand energy dispersion",
    "CTA-1DC run 110380, 300 x 300 x 9, all products": "CTA-1DC run,\nall products",
    "Reflected-region spectra, stacked": "Spectra with\nreflected regions",
    "Ring background, 500 x 500 x 11": "Ring background",
    "Adaptive ring background, 500 x 500 x 11, up to 20 rings": "Adaptive ring\nbackground",
}


def latest_results() -> list[Path]:
    """Find the stored results of `peer.py`, the oldest first."""
    found = (ROOT / "benchmarks/results").glob("*-peer*.json")
    order = {"": 0, "later": 1, "evening": 2}
    return sorted(found, key=lambda path: (path.stem[:10], order.get(path.stem.partition("-peer")[2].strip("-"), 3)))


@dataclass(frozen=True)
class Job:
    """Medians of the seconds for each run of both packages, and the ratios of the pairs of measurements."""

    lightpool: float
    gammapy: float
    ratios: list[float]


def jobs_of(paths: Sequence[Path]) -> dict[str, Job]:
    """Read the jobs of some results; a job in a later file replaces that of an earlier one."""
    jobs = {}
    for path in paths:
        for job in json.loads(path.read_text())["jobs"]:
            medians = {name: statistics.median(seconds) for name, seconds in job["seconds_a_run"].items()}
            jobs[job["title"]] = Job(**medians, ratios=job["ratios"])
    return jobs


def in_words(seconds: float) -> str:
    """Give a time with two digits, such as 43 ms or 2.4 s."""
    return f"{1e3 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def draw(jobs: dict[str, Job]) -> Figure:
    """Draw a bar for each job, as long as the median of its ratios, with their range."""
    figure = Figure(figsize=(7.2, 0.52 * len(jobs) + 0.9), layout="constrained")
    ax = figure.add_subplot()
    for row, job in enumerate(jobs.values()):
        median = statistics.median(job.ratios)
        ax.barh(row, median, height=0.62, color="#0072b2")
        ax.plot([min(job.ratios), max(job.ratios)], [row, row], color="black", linewidth=1, solid_capstyle="butt")
        digits = 1 if median < 10 else 0
        text = f"{median:.{digits}f} x   ({in_words(job.lightpool)}; Gammapy: {in_words(job.gammapy)})"
        ax.text(max(job.ratios) + 1, row, text, va="center", fontsize=9)
    ax.axvline(1, color="#d55e00", linewidth=1.5)
    ax.text(1.4, -0.55, "Gammapy 2.1", color="#d55e00", va="bottom", fontsize=9)
    ax.set_yticks(range(len(jobs)), [LABELS.get(title, title) for title in jobs], fontsize=9)
    ax.set_ylim(len(jobs) - 0.5, -1.1)
    ax.set_xlim(0, max(max(job.ratios) for job in jobs.values()) + 32)
    ax.set_xlabel(
        "Speed relative to Gammapy 2.1 (lines: range). In brackets: time for each run, one core, files read", fontsize=9
    )
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return figure


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="*", type=Path, help="files of peer.py --json; a later one replaces a job")
    parser.add_argument("--output", type=Path, default=PICTURE)
    args = parser.parse_args()
    figure = draw(jobs_of(args.results or latest_results()))
    with rc_context({"svg.hashsalt": "bars"}):  # the same results give the same file
        figure.savefig(args.output, dpi=150, metadata={"Date": None} if args.output.suffix == ".svg" else None)
    print(f"wrote {args.output}")


if __name__ == "__main__":
    main()
