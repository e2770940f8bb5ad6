"""What a quick look leaves in its folder beside the datasets: the settings, the report, and its pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lightpool.batch.engine import BatchResult
from lightpool.batch.storage.files import write_aside
from lightpool.batch.storage.folder import BatchFolder
from lightpool.config.settings import Settings
from lightpool.config.yaml_file import dump_yaml
from lightpool.errors import ResumeError
from lightpool.quicklook.choices import Choices
from lightpool.report import write_report
from lightpool.report.source_statistics import AtSource, rows_of, runs_of

__all__ = ["Quicklook", "SourceTotal", "refuse_to_replace", "show_results"]

SETTINGS, REPORT, PICTURES = "settings.yaml", "report.html", "pictures"
"""Names in the folder of the results."""

_NEXT_FOLDER = "reduced"
"""Folder of the reduction by the settings file, beside this file."""


@dataclass(frozen=True)
class SourceTotal:
    """Sum of the observations of a target at the source.

    Attributes
    ----------
    target : str
    at_source : AtSource or None
        None if the source is not in any observation.
    livetime : float, h
    n_run : int
    """

    target: str
    at_source: AtSource | None
    livetime: float
    n_run: int

    def cells(self) -> tuple[str, ...]:
        """Return the values as text: ON, background, excess, significance, livetime, runs."""
        found = self.at_source
        numbers = ["-"] * 4
        if found is not None:
            numbers[0] = f"{found.counts:.0f}"
            if found.background is not None:
                numbers[1] = f"{found.background:.1f}"
            if found.excess is not None and found.error is not None:
                numbers[2] = f"{found.excess:.1f} +/- {found.error:.1f}"
            if found.significance is not None:
                numbers[3] = f"{found.significance:.1f}"
        return self.target, *numbers, f"{self.livetime:.2f}", str(self.n_run)


@dataclass(frozen=True)
class Quicklook:
    """Results of a quick look; ``str(quicklook)`` describes them.

    Attributes
    ----------
    totals : list of SourceTotal
        One for each target.
    files : list of Path
        Files of the datasets.
    report, settings, pictures : Path
        The page, the settings file, and the folder of pictures.
    """

    totals: list[SourceTotal]
    files: list[Path]
    report: Path
    settings: Path
    pictures: Path

    def __str__(self) -> str:
        head = ("at the source", "ON", "background", "excess", "significance", "livetime [h]", "runs")
        rows = [head, *(total.cells() for total in self.totals)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(width) if n == 0 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        return "\n".join([*lines, "", *self._paths()])

    def _paths(self) -> Iterator[str]:
        yield f"Report    {self.report}"
        yield f"Pictures  {self.pictures}"
        yield f"Settings  {self.settings}"
        for number, file in enumerate(self.files):
            yield f"{'Datasets' if number == 0 else '':<10}{file}"


def refuse_to_replace(settings: Settings) -> None:
    """Refuse to start if the results of a quick look would replace files that no earlier one wrote.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    ResumeError
        Names the file.
    """
    folder = Path(settings.output.folder)
    if BatchFolder(folder).is_begun:
        return
    pictures = folder / PICTURES
    found = [folder / SETTINGS, folder / REPORT, *([] if pictures.is_dir() else [pictures])]
    found += [path for target in settings.targets for path in sorted(pictures.glob(f"{target.name}-*.png"))]
    for path in found:
        if path.exists():
            raise ResumeError(
                f"{path} existed before any quick look in this folder, which would replace it. Move it, or choose "
                "another output folder; --restart replaces it"
            )


def show_results(choices: Choices, result: BatchResult) -> Quicklook:
    """Write the settings file, the report and its pictures, and sum up the values at the source.

    Parameters
    ----------
    choices : Choices
    result : BatchResult
        Of a reduction with these settings.
    """
    folder = result.folder
    settings = folder / SETTINGS
    with write_aside(settings) as file:
        file.write(_settings_text(choices).encode())
    report = write_report(folder, folder / REPORT, pictures=folder / PICTURES)
    return Quicklook(list(_totals(choices.settings, result)), result.files, report, settings, folder / PICTURES)


def _settings_text(choices: Choices) -> str:
    """Return the text of a settings file, whose results go to another folder than those of the quick look."""
    lines = [
        "# Settings of `lightpool quicklook`, which chose:",
        *(f"# {label}: {text}" for label, text in choices.notes),
        f"# `lightpool reduce {SETTINGS}` repeats the reduction, in the folder {_NEXT_FOLDER} beside this file.",
        "",
    ]
    data = {key: value for key, value in choices.written.items() if value} | {"output": {"folder": _NEXT_FOLDER}}
    return "\n".join(lines) + dump_yaml(data)


def _totals(settings: Settings, result: BatchResult) -> Iterator[SourceTotal]:
    rows = rows_of(result.outcomes, {target.name for target in settings.targets if target.kind == "map"})
    for target in settings.targets:
        runs = [
            run for run in runs_of([row for row in rows if row.get("target") == target.name]) if run.sums is not None
        ]
        livetime = sum(run.livetime for run in runs) / 3600
        total = AtSource.total(run.sums for run in runs)
        yield SourceTotal(target.name, total, livetime, len({run.obs_id for run in runs}))
