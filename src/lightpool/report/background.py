"""The report of background models: tables of groups with their plots, and the norm of each run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Row, Table
from astropy.time import Time

from lightpool.batch.storage.code_version import code_version
from lightpool.batch.storage.folder import BatchFolder
from lightpool.config.background import BackgroundSettings
from lightpool.errors import LightpoolError
from lightpool.makers import BackgroundModel
from lightpool.report.embedded_plot import DrawnPlot, EmbeddedPlot, embed_plots
from lightpool.report.html import timing_of, write_page
from lightpool.utils.pbar import tracked

__all__ = ["write_background_report"]

_MAX_ROWS = 5000
"""Largest number of rows about runs; more would make the page too large for a browser."""


@dataclass(frozen=True, kw_only=True)
class GroupView:
    """Values of a group on a page; they are those of a row of groups.ecsv, None where unknown."""

    name: str
    n_run: int
    ontime: float
    livetime: float
    counts: int
    n_energy: int
    n_invalid: int
    n_bin: int
    extrapolated_from: float | None
    norm_mean: float | None
    norm_std: float | None
    path: Path
    error: str = ""
    plots: list[EmbeddedPlot] = field(default_factory=list)


def write_background_report(
    batch: BatchFolder, settings: BackgroundSettings, output: Path, *, max_pictures: int, pictures: Path | None = None
) -> Path:
    """Write the report of background models.

    Parameters
    ----------
    batch : BatchFolder
    settings : BackgroundSettings
    output : Path
        File of the page.
    max_pictures : int
        Number of groups with plots; further groups are only in the table.
    pictures : Path, optional
        Folder to which the plots are written too.
    """
    _, chunks, version = batch.read_plan()
    found = [batch.record(batch.key(settings, chunk, version)) for chunk in chunks]
    records = [record for record in found if record is not None]
    outcomes = [outcome for record in records for outcome in record.outcomes]
    groups, runs = (_table(batch, name) for name in ("groups.ecsv", "runs.ecsv"))
    rows = [] if groups is None else list(groups)
    with tracked(rows, "groups") as items:
        steps = enumerate(items)
        views = [_group_view(batch, row, has_plots=n < max_pictures, pictures=pictures) for n, row in steps]
    run_rows = [] if runs is None else list(map(_run_row, runs))
    names = ("sums.fits", "groups.ecsv", "runs.ecsv", "outcomes.ecsv", "provenance.json", "observations")
    write_page(
        output,
        "background.html.j2",
        title=batch.path.absolute().name,
        version=version,
        now_version=code_version(),
        settings=settings,
        yaml=settings.to_yaml(),
        n_planned=sum(map(len, chunks)),
        n_done=sum(outcome.status == "done" for outcome in outcomes),
        failed=[outcome for outcome in outcomes if outcome.status == "failed"],
        groups=views,
        n_plotted=min(max_pictures, len(views)),
        ungrouped=[row["obs_id"] for row in run_rows if not row["group"]],
        norm_plots=embed_plots(_norm_plots(run_rows), "runs", pictures),
        runs=run_rows[:_MAX_ROWS],
        n_run=len(run_rows),
        paths=[*(view.path for view in views), *(path for name in names if (path := batch.path / name).exists())],
        timing=timing_of(outcomes, records),
    )
    return output


def _table(batch: BatchFolder, name: str) -> Table | None:
    """Return a table of the results; None if it was not written, or by something else."""
    path = batch.path / name
    return Table.read(path, format="ascii.ecsv") if path in batch.results() else None


def _group_view(batch: BatchFolder, row: Row, *, has_plots: bool, pictures: Path | None) -> GroupView:
    path = batch.path_inside(str(row["FILE"]))
    error, plots = "", list[EmbeddedPlot]()
    if has_plots:
        try:
            plots = embed_plots(_plots(BackgroundModel.read(path)), str(row["GROUP"]), pictures)
        except (LightpoolError, OSError, ValueError, KeyError) as problem:
            error = f"{type(problem).__name__}: {problem}"
    return GroupView(
        name=str(row["GROUP"]),
        n_run=int(row["N_RUN"]),
        ontime=float(row["ONTIME"]),
        livetime=float(row["LIVETIME"]),
        counts=int(row["COUNTS"]),
        n_energy=int(row["N_ENERGY"]),
        n_invalid=int(row["N_INVALID"]),
        n_bin=int(row["N_BIN"]),
        extrapolated_from=_number(row["EXTRAPOLATED_FROM"]),
        norm_mean=_number(row["NORM_MEAN"]),
        norm_std=_number(row["NORM_STD"]),
        path=path,
        error=error,
        plots=plots,
    )


def _number(value: Any) -> float | None:
    return float(value) if np.ma.is_masked(value) is False and np.isfinite(value) else None


def _run_row(row: Row) -> dict[str, Any]:
    return {
        "obs_id": int(row["OBS_ID"]),
        "group": "" if np.ma.is_masked(row["GROUP"]) else str(row["GROUP"]),
        "start": str(Time(float(row["MJD_START"]), format="mjd", scale="utc").isot),
        "ontime": float(row["ONTIME"]),
        "zenith": float(row["ZEN_PNT"]),
        "azimuth": float(row["AZ_PNT"]),
        "counts": int(row["COUNTS"]),
        "counts_excluded": int(row["COUNTS_EXCLUDED"]),
        "remaining": float(row["REMAINING"]),
        **{name: _number(row[name.upper()]) for name in ("predicted", "norm", "norm_error")},
    }


def _plots(model: BackgroundModel) -> Iterator[DrawnPlot]:
    from lightpool.plot import background_models as plots

    yield DrawnPlot("Spectrum", plots.plot_mean_rate(model), "mean of the field of view, with statistical errors")
    note = "in bins of energy" if model.field.is_radial else "mean over energies, weighted with their counts"
    yield DrawnPlot("Rate", plots.plot_field_rate(model), note)
    if not model.field.is_radial:
        figure = plots.plot_rate_images(model)
        yield DrawnPlot("Rate by energy", figure, "logarithmic, with colours of its own in each panel")
    residuals = plots.residuals_of(model)
    if residuals is not None:
        figure = plots.plot_residuals(model, residuals)
        note = "counts minus model over its square root; all energies that are not extrapolated"
        yield DrawnPlot("Residuals", figure, note)
    if (model.remaining < 1).any():
        figure = plots.plot_field_values(model, model.remaining, "remaining part of the exposure")
        yield DrawnPlot("Remaining exposure", figure, "outside of the exclusion")


def _norm_plots(rows: Sequence[dict[str, Any]]) -> Iterator[DrawnPlot]:
    from lightpool.plot import report as plots

    known = [row for row in rows if row["norm"] is not None]
    if known:
        figure = plots.plot_over_time([row["start"] for row in known], [row["norm"] for row in known], "norm")
        yield DrawnPlot("Norm of each run", figure, "counts over those that the model of its group predicts")
