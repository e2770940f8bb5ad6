"""Write the report of a reduction: a single HTML page that contains its plots and links to the result files."""

import os
from collections.abc import Container, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import numpy as np

from lightpool.batch.storage.code_version import code_version
from lightpool.batch.storage.files import write_aside
from lightpool.batch.storage.folder import BatchFolder, ChunkRecord
from lightpool.batch.storage.outcomes import Outcome, SourceSums
from lightpool.config.settings import Settings
from lightpool.errors import ResumeError
from lightpool.report.source_statistics import AtSource, Row
from lightpool.report.stacks import StackView, stack_view
from lightpool.report.targets import TargetView, target_view
from lightpool.utils.optional_packages import require_package
from lightpool.utils.pbar import progress_bar
from lightpool.utils.text import printable

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
    if not isinstance(settings, Settings):
        raise ResumeError(f"{folder} contains no reduction but the results of `lightpool {settings.command}`")
    jinja2 = require_package("jinja2", extra="report", purpose="a report")
    require_package("matplotlib", extra="report", purpose="a report")
    output = folder / "report.html" if output is None else output
    found = [batch.record(batch.key(settings, chunk, version)) for chunk in chunks]
    records = [record for record in found if record is not None]
    outcomes = [outcome for record in records for outcome in record.outcomes]
    rows = list(_rows(outcomes, {target.name for target in settings.targets if target.kind == "map"}))
    targets, stacks = _views(settings, batch.results(), rows, max_pictures)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    template = environment.from_string(files("lightpool.report").joinpath("page.html.j2").read_text(encoding="utf-8"))
    text = template.render(
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
        links=[(path.name, _link(path, output)) for path in _further_files(folder)],
        link=lambda path: _link(path, output),
        timing=_timing(outcomes, records),
    )
    with write_aside(output) as file:
        file.write(text.encode())
    return output


def _views(
    settings: Settings, results: Sequence[Path], rows: Sequence[Row], max_pictures: int
) -> tuple[list[TargetView], list[StackView]]:
    """View of each target that has observations, and of each stack."""
    targets, stacks = [], []
    for step in progress_bar([*settings.targets, *enumerate(results)], "targets and stacks"):
        if isinstance(step, tuple):
            stacks.append(stack_view(step[1], settings, rows, has_plots=step[0] < max_pictures))
        elif (view := target_view(step, settings, rows)) is not None:
            targets.append(view)
    return targets, stacks


def _shown(value: object) -> object:
    """Value as it is displayed: a dash for None, control characters as escapes."""
    if isinstance(value, str) and not hasattr(value, "__html__"):  # the output of macros contains displayed values only
        return printable(value)
    return "\N{EN DASH}" if value is None else value


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


def _link(path: Path, page: Path) -> str:
    """URL of a file: relative if it is in or below the folder of the page, so that both can be moved together."""
    target, start = os.path.abspath(path), os.path.dirname(os.path.abspath(page))
    if os.path.commonpath([target, start]) == start:
        return quote(os.path.relpath(target, start).encode(errors="surrogateescape"))
    return Path(target).as_uri()


def _timing(outcomes: Sequence[Outcome], records: Sequence[ChunkRecord]) -> dict[str, str]:
    seconds = np.array([outcome.seconds for outcome in outcomes])
    if seconds.size == 0:
        return {}
    n_byte = sum(file.size for record in records for file in record.inputs)
    return {
        "observations": str(seconds.size),
        "seconds of work": f"{seconds.sum():.1f}",
        "median time per observation": f"{1e3 * np.median(seconds):.0f} ms",
        "slowest observation": f"{1e3 * seconds.max():.0f} ms ({outcomes[int(seconds.argmax())].obs_id})",
        "rate per worker": f"{seconds.size / seconds.sum():.1f} observations per second" if seconds.sum() else "",
        "files read": f"{n_byte / 1e6:.1f} MB",
        "devices": ", ".join(sorted({outcome.device for outcome in outcomes})),
    }
