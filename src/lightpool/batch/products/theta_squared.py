"""Tables of counts over the squared angle from a position: counts of each dataset, and the files of their sums."""

import io
import logging
from collections.abc import Iterable, Mapping, Sequence

from astropy.table import Table

from lightpool.batch.storage.files import sha256_of
from lightpool.batch.storage.folder import BatchFolder
from lightpool.batch.storage.outcomes import DatasetSummary, Outcome
from lightpool.config.build import build_theta_squared
from lightpool.config.settings import Settings
from lightpool.makers import ThetaSquaredTable
from lightpool.makers.theta_squared import ObservedThetaSquared

__all__ = ["sum_theta_squared", "write_theta_squared"]

log = logging.getLogger(__name__)

_ENDING = "-theta-squared.ecsv"
"""What follows the name of a stack in the name of its table."""


def sum_theta_squared(maker: ThetaSquaredTable, summaries: Iterable[Mapping[str, object]]) -> Table | None:
    """Sum the counts of datasets; None if there are none.

    Parameters
    ----------
    maker : ThetaSquaredTable
    summaries : iterable of DatasetSummary

    Returns
    -------
    table : Table or None
        See `ThetaSquaredTable.run`; its metadata contain ``N_DATASET``, the number of datasets in it, and
        ``N_OMITTED``, that of datasets whose pointing is too close to the position.
    """
    found = [summary["theta_squared"] for summary in summaries if "theta_squared" in summary]
    counts = [ObservedThetaSquared(**each) for each in found if isinstance(each, dict)]
    if not sum(each.livetime for each in counts) > 0:
        return None
    table = maker.make_table(counts)
    table.meta |= {"N_DATASET": len(counts), "N_OMITTED": len(found) - len(counts)}
    return table


def write_theta_squared(folder: BatchFolder, settings: Settings, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Write a table for each stack of the targets that ask for one.

    The counts of the datasets are added in the order of the plan, so that any number of workers gives the same table.

    Parameters
    ----------
    folder : BatchFolder
    settings : Settings
    outcomes : sequence of Outcome
        Of all observations, in the order of the plan.

    Returns
    -------
    files : dict of str to str
        SHA-256 of each file by its name.
    """
    files = {}
    for target in settings.targets:
        maker = build_theta_squared(target)
        if maker is None:
            continue
        of_stacks: dict[str, list[DatasetSummary]] = {}
        for summary in (each for outcome in outcomes for each in outcome.summaries):
            for name in summary["stacks"] if summary["target"] == target.name else ():
                of_stacks.setdefault(name, []).append(summary)
        for name, summaries in sorted(of_stacks.items()):
            table = sum_theta_squared(maker, summaries)
            if table is None:
                log.warning("%s has no table of theta squared: all pointings are too close to the position", name)
                continue
            text = io.StringIO()
            table.write(text, format="ascii.ecsv")
            folder.write(f"{name}{_ENDING}", text.getvalue())
            files[f"{name}{_ENDING}"] = sha256_of(folder.path / f"{name}{_ENDING}")
    return files
