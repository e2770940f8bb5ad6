"""Validation: the same runs, reduced by lightpool and by Gammapy 2.1 in one process, number by number.

    nox -s bench -- validate.py --data DIR [--output FOLDER]          # the public data in DIR
    nox -s bench -- validate.py --data STORE --runs 1 2 3             # any DL3 store: maps around each pointing
    nox -s bench -- validate.py --settings FILE [--runs 1 2 3]        # the targets and runs of a batch

Without nox: `pip install '.[peer]'`, then `python benchmarks/validate.py ...`.

DIR contains the data sets that `gammapy download datasets` makes: hess-dl3-dr1, magic/rad_max/data, cta-1dc,
hawc/crab_events_pass4 and cta-prod5; those that are not there are left out. FOLDER gets a page (index.md), figures and
a table with all numbers (validation.ecsv). The exit status is 0 if all agree within the tolerance or are explained by a
row of docs/differences.md, 1 if not, and 2 if the arguments cannot be used. With --compare, outcomes are also compared
with those of an earlier table.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from validation.cases import cases_of_settings, cases_of_store, default_cases
from validation.figures import write_figures
from validation.page import write_page
from validation.reducing import Case
from validation.running import run_cases
from validation.tables import changes_since, read_table, table_of

from lightpool.config import Settings
from lightpool.errors import LightpoolError

INDEX = ("hdu-index.fits.gz", "hdu-index.fits")


def find_cases(data: Path | None, settings: Path | None, runs: Sequence[int]) -> list[Case]:
    """Return what is to be compared.

    Parameters
    ----------
    data : Path or None
        Folder of the public data, or a DL3 store.
    settings : Path or None
        File of the settings of a batch.
    runs : sequence of int
        Only these runs.
    """
    if settings is not None:
        return cases_of_settings(Settings.read(settings), runs)
    assert data is not None
    if any((data / name).is_file() for name in INDEX):
        return cases_of_store(data, runs)
    return default_cases(data, runs)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder of the public data, or a DL3 store")
    source.add_argument("--settings", type=Path, help="YAML file of `lightpool reduce`")
    parser.add_argument("--runs", type=int, nargs="+", default=[], help="only these runs")
    parser.add_argument("--output", type=Path, default=Path("validation"), help="folder of the page")
    parser.add_argument("--compare", type=Path, help="table of an earlier validation; another outcome is a failure")
    args = parser.parse_args(arguments)
    try:
        cases = find_cases(args.data, args.settings, args.runs)
        earlier = None if args.compare is None else read_table(args.compare)
    except (LightpoolError, OSError, ValueError) as error:
        print(f"validate.py: {error}", file=sys.stderr)
        return 2
    if not cases:
        runs = f" with any of the runs {args.runs}" if args.runs else ""
        print(f"validate.py: {args.data} contains no data set of the list above{runs}, and no hdu-index.fits.gz; "
              "see --help for the folders that are expected", file=sys.stderr)  # fmt: skip
        return 2
    results = run_cases(cases, say=lambda line: print(line, flush=True))
    args.output.mkdir(parents=True, exist_ok=True)
    table = table_of(results)
    table.write(args.output / "validation.ecsv", overwrite=True)
    figures = write_figures(results, args.output)
    write_page(results, cases, figures, args.output)
    changes = [] if earlier is None else changes_since(earlier, table)
    for line in changes:
        print(f"changed: {line}")
    for row in results.unexplained:
        place = f"{row.kind}, {row.field}, {row.run}, {row.quantity}"
        print(f"not explained: {place}: {row.outcome}, worst {row.worst:.1e} "
              f"in {row.n_unexplained} of {row.n_bin} bins {row.note}")  # fmt: skip
    print(f"{len(table)} quantities compared, {len(results.unexplained)} not explained: {args.output / 'index.md'}")
    return 0 if results.is_good and not changes else 1


if __name__ == "__main__":
    sys.exit(main())
