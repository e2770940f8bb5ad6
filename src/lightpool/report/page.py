"""Write the report of a reduction: a single HTML page that contains its plots and links to the result files."""

from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from lightpool.batch.storage.code_version import code_version
from lightpool.batch.storage.folder import BatchFolder
from lightpool.batch.storage.outcomes import Outcome, SourceSums
from lightpool.config.background import BackgroundSettings
from lightpool.config.settings import Settings
from lightpool.errors import ResumeError
from lightpool.report.background import write_background_report
from lightpool.report.html import link_to, timing_of, write_page
from lightpool.report.source_statistics import AtSource, Row
from lightpool.report.stacks import StackView, stack_view
from lightpool.report.targets import TargetView, target_view
from lightpool.utils.optional_packages import require_package
from lightpool.utils.pbar import tracked

__all__ = ["write_report"]

_MAX_ROWS = 5000
"""Largest number of rows about observations; more would make the page too large for a browser."""


def write_report(folder: Path, output: Path | None = None, *, max_pictures: int = 40) -> Path:
    """Write the report of a reduction.

    Parameters
    ----------
    folder : Path
        Folder of the results; it may have been moved.
    output : Path, optional
        File of the page; ``report.html`` in the folder by default.
    max_pictures : int
        Number of stacks with plots; further stacks are only in the table.

    Returns
    -------
    output : Path

    Raises
    ------
    ResumeError
        If the folder contains no reduction.
    ConfigError
        If jinja2 or matplotlib is missing.
    """
    batch = BatchFolder(folder)
    if not batch.is_begun:
        raise ResumeError(f"{folder} contains no reduction; run `lightpool reduce CONFIG` first")
    settings, chunks, version = batch.read_plan()
    for package in ("jinja2", "matplotlib"):
        require_package(package, extra="report", purpose="a report")
    output = folder / "report.html" if output is None else output
    if isinstance(settings, BackgroundSettings):
        return write_background_report(batch, settings, output, max_pictures=max_pictures)
    assert isinstance(settings, Settings)  # there are no others
    found = [batch.record(batch.key(settings, chunk, version)) for chunk in chunks]
    records = [record for record in found if record is not None]
    outcomes = [outcome for record in records for outcome in record.outcomes]
    rows = list(_rows(outcomes, {target.name for target in settings.targets if target.kind == "map"}))
    targets, stacks = _views(settings, batch.results(), rows, max_pictures)
    write_page(
        output,
        "page.html.j2",
        title=folder.absolute().name,
        version=version,
        now_version=code_version(),
        settings=settings,
        yaml=settings.to_yaml(),
        n_planned=sum(map(len, chunks)),
        counts_by_status={kind: sum(each.status == kind for each in outcomes) for kind in ("done", "empty", "failed")},
        failed=[outcome for outcome in outcomes if outcome.status == "failed"],
        targets=targets,
        stacks=stacks,
        n_plotted=min(max_pictures, len(stacks)),
        rows=rows[:_MAX_ROWS],
        n_row=len(rows),
        links=[(path.name, link_to(path, output)) for path in _further_files(folder)],
        timing=timing_of(outcomes, records),
    )
    return output


def _views(
    settings: Settings, results: Sequence[Path], rows: Sequence[Row], max_pictures: int
) -> tuple[list[TargetView], list[StackView]]:
    """View of each target that has observations, and of each stack."""
    targets, stacks = [], []
    with tracked([*settings.targets, *enumerate(results)], "targets and stacks") as steps:
        for step in steps:
            if isinstance(step, tuple):
                stacks.append(stack_view(step[1], settings, rows, has_plots=step[0] < max_pictures))
            elif (view := target_view(step, settings, rows)) is not None:
                targets.append(view)
    return targets, stacks


def _rows(outcomes: Sequence[Outcome], maps: Container[str]) -> Iterator[Row]:
    """One row per observation and dataset; only maps have counts of the whole field."""
    for outcome in outcomes:
        for summary in outcome.summaries or [{}]:
            row: Row = {
                "obs_id": outcome.obs_id,
                "status": outcome.status,
                "seconds": outcome.seconds,
                **summary,
                "at_source": _at_source(summary.get("source")),
            }
            if row.get("target") not in maps:
                row["counts"] = row["background"] = None
            yield row


def _at_source(sums: SourceSums | None) -> AtSource | None:
    return None if sums is None else AtSource.total([sums])


def _further_files(folder: Path) -> list[Path]:
    names = ("outcomes.ecsv", "datasets.ecsv", "provenance.json", "exclusions", "observations")
    return [path for name in names if (path := folder / name).exists()]
