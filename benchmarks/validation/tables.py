"""All numbers of a validation as a table, and what changed since an earlier one."""

import platform
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from astropy.table import Table

from validation.running import Results

PACKAGES = ("lightpool", "gammapy", "numpy", "scipy", "astropy", "regions")
NOISE = 100
"""By how much the worst deviation may grow from one processor to another, as long as it is within the tolerance."""


def versions() -> dict[str, str]:
    """Return the versions of all that the numbers may depend on."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | {"Python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}


def table_of(results: Results) -> Table:
    """Return one row for each quantity of each run and stack."""
    rows = [asdict(row) | {"explanations": "; ".join(row.explanations)} for row in results.rows]
    for row in rows:
        for name in ("worst", "median", "worst_of_any"):
            row[name] = float(f"{row[name]:.3g}")  # beyond three digits it is noise
    table = Table(rows=rows)
    table.meta["versions"] = versions()
    return table


def read_table(path: Path) -> Table:
    return Table.read(path, format="ascii.ecsv")


def changes_since(earlier: Table, table: Table) -> list[str]:
    """Return what is not as in an earlier table: rows that are missing, outcomes, deviations that have grown.

    Rows that are new, and outcomes that are better, are no changes.

    Parameters
    ----------
    earlier, table : Table
    """
    ranks = {"equal": 0, "within": 0, "explained": 1, "not compared": 2, "failed": 3, "differs": 3}
    keys = ("kind", "field", "run", "quantity")
    now = {tuple(str(row[key]) for key in keys): row for row in table}
    found = []
    for before in earlier:
        key = tuple(str(before[name]) for name in keys)
        row = now.get(key)
        what = ", ".join(key)
        if row is None:
            found.append(f"{what}: was compared, is not")
        elif ranks[str(row["outcome"])] > ranks[str(before["outcome"])]:
            found.append(f"{what}: was {before['outcome']}, is {row['outcome']}")
        elif row["outcome"] == "explained" and row["n_beyond"] > 1.1 * before["n_beyond"] + 1:
            found.append(f"{what}: {before['n_beyond']} bins beyond the tolerance before, {row['n_beyond']} now")
        elif row["outcome"] == "within" and row["worst"] > max(NOISE * before["worst"], row["tolerance"] / NOISE):
            found.append(f"{what}: deviated by {before['worst']:.1e}, by {row['worst']:.1e} now")
    return found
