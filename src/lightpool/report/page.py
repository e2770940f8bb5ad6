"""Write the report of a reduction: a single HTML page that contains its plots and links to the result files."""

from collections.abc import Sequence
from pathlib import Path

from lightpool.batch.storage.code_version import code_version
from lightpool.batch.storage.folder import BatchFolder
from lightpool.config.background import BackgroundSettings
from lightpool.config.settings import Settings
from lightpool.errors import ResumeError
from lightpool.report.background import write_background_report
from lightpool.report.html import link_to, timing_of, write_page
from lightpool.report.source_statistics import Row, rows_of
from lightpool.report.stacks import StackView, stack_view
from lightpool.report.targets import TargetView, target_view
from lightpool.utils.optional_packages import require_package
from lightpool.utils.pbar import tracked

__all__ = ["write_report"]

_MAX_ROWS = 5000
"""Largest number of rows about observations; more would make the page too large for a browser."""


def write_report(
    folder: Path, output: Path | None = None, *, max_pictures: int = 40, pictures: Path | None = None
) -> Path:
    """Write the report of a reduction.

    Parameters
    ----------
    folder : Path
        Folder of the results; it may have been moved.
    output : Path, optional
        File of the page; ``report.html`` in the folder by default.
    max_pictures : int
        Number of stacks with plots; further stacks are only in the table.
    pictures : Path, optional
        Folder to which the plots are written too, as PNG; it is created if needed.

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
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    if isinstance(settings, BackgroundSettings):
        return write_background_report(batch, settings, output, max_pictures=max_pictures, pictures=pictures)
    assert isinstance(settings, Settings)  # there are no others
    records = [r for chunk in chunks if (r := batch.record(batch.key(settings, chunk, version))) is not None]
    outcomes = [outcome for record in records for outcome in record.outcomes]
    rows = rows_of(outcomes, {target.name for target in settings.targets if target.kind == "map"})
    targets, stacks = _views(settings, batch.results(), rows, max_pictures, pictures)
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
    settings: Settings, results: Sequence[Path], rows: Sequence[Row], max_pictures: int, pictures: Path | None
) -> tuple[list[TargetView], list[StackView]]:
    """View of each target that has observations, and of each stack."""
    targets, stacks = [], []
    with tracked([*settings.targets, *enumerate(results)], "targets and stacks") as steps:
        for step in steps:
            if isinstance(step, tuple):
                has_plots = step[0] < max_pictures
                stacks.append(stack_view(step[1], settings, rows, has_plots=has_plots, pictures=pictures))
            elif (view := target_view(step, settings, rows, pictures)) is not None:
                targets.append(view)
    return targets, stacks


def _further_files(folder: Path) -> list[Path]:
    names = ("outcomes.ecsv", "datasets.ecsv", "provenance.json", "exclusions", "observations")
    return [path for name in names if (path := folder / name).exists()]
