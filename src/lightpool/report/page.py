"""The report of a reduction as one HTML page that needs nothing beside it."""

import base64
import io
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import Angle

from lightpool.arrays.optional_packages import require_package
from lightpool.batch.code_version import code_version
from lightpool.batch.files import write_aside
from lightpool.batch.folder import BatchFolder, ChunkRecord
from lightpool.batch.outcomes import Outcome
from lightpool.batch.results import read_dataset
from lightpool.config import Settings
from lightpool.config.build import build_exclusion
from lightpool.datasets import MapDataset
from lightpool.errors import ResumeError
from lightpool.makers import ExcessMapEstimator

__all__ = ["write_report"]

_RADIUS = Angle("0.1 deg")
"""Circles in which significances are taken, unless pixels are too large for that."""

_MAX_PICTURES = 20
"""Stacks beyond these are in the table only."""


def write_report(folder: Path, output: Path | None = None) -> Path:
    """Write the report of a reduction.

    Parameters
    ----------
    folder : Path, of the results
    output : Path, of the page; ``report.html`` in the folder by default

    Returns
    -------
    output : Path

    Raises
    ------
    ResumeError
        If no reduction has begun in the folder.
    ConfigError
        If jinja2 or matplotlib is missing.
    """
    batch = BatchFolder(folder)
    if not batch.is_begun:
        raise ResumeError(f"no reduction has begun in {folder}; `lightpool reduce CONFIG` makes one")
    jinja2 = require_package("jinja2", extra="report", purpose="a report")
    require_package("matplotlib", extra="report", purpose="a report")
    settings, chunks, version = batch.read_plan()
    records = [batch.record(batch.key(settings, chunk, version)) for chunk in chunks]
    outcomes = [outcome for record in records if record is not None for outcome in record.outcomes]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
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
        rows=list(_rows(outcomes)),
        runs_picture=_runs_picture(outcomes),
        stacks=[_stack(path, settings, number < _MAX_PICTURES) for number, path in enumerate(batch.results())],
        timing=_timing(outcomes, [record for record in records if record is not None]),
    )
    output = folder / "report.html" if output is None else output
    with write_aside(output) as file:
        file.write(text.encode())
    return output


def _rows(outcomes: list[Outcome]) -> Iterator[dict[str, Any]]:
    """One row per observation and dataset, with its numbers."""
    for outcome in outcomes:
        for figures in outcome.figures or [{}]:
            row = {"obs_id": outcome.obs_id, "status": outcome.status, "seconds": outcome.seconds, **figures}
            if row.get("livetime"):
                row["counts_rate"] = row["counts"] / row["livetime"]
            yield row


def _runs_picture(outcomes: list[Outcome]) -> str | None:
    """Picture of the observations over time, by their first dataset."""
    from lightpool.plot.report import plot_observations

    rows = list({row["obs_id"]: row for row in reversed(list(_rows(outcomes))) if row.get("start")}.values())
    return _embedded(plot_observations(rows)) if rows else None


def _stack(path: Path, settings: Settings, has_picture: bool) -> dict[str, Any]:
    """What the page shows of a stack."""
    dataset = read_dataset(path)
    info = dataset.info_dict()
    numbers = {
        "counts": f"{info['counts']:.0f}",
        "background": f"{info['background']:.1f}",
        "excess": f"{info['excess']:.1f}",
        "significance": f"{info['sqrt_ts']:.1f}",
        "livetime": f"{info['livetime'].to('h'):.2f}",
        "observations": "" if dataset.meta_table is None else str(np.size(dataset.meta_table["OBS_ID"])),
    }
    picture = _embedded(_picture(dataset, settings)) if has_picture else None
    return {"name": dataset.name, "file": path.name, "numbers": numbers, "picture": picture}


def _picture(dataset: MapDataset, settings: Settings) -> Any:
    from lightpool.plot.report import plot_spectrum, plot_stack

    if dataset.counts.geom.is_region:
        return plot_spectrum(dataset)
    radius = max(_RADIUS, 1.01 * Angle(dataset.counts.geom.pixel_scales.max()))
    estimator = ExcessMapEstimator(radius, selection_optional=None)
    sqrt_ts = estimator.run(dataset)["sqrt_ts"].reduce_over_axes()
    target = max(
        (each for each in settings.targets if dataset.name.startswith(each.name)), key=lambda each: len(each.name)
    )
    exclusion = build_exclusion(target)
    on_pixels = None if exclusion is None else exclusion.interp_to_geom(sqrt_ts.geom)
    return plot_stack(dataset, sqrt_ts, radius, on_pixels)


def _timing(outcomes: list[Outcome], records: list[ChunkRecord]) -> dict[str, str]:
    seconds = np.array([outcome.seconds for outcome in outcomes])
    if seconds.size == 0:
        return {}
    n_byte = sum(file.size for record in records for file in record.inputs)
    return {
        "observations": str(seconds.size),
        "seconds of work": f"{seconds.sum():.1f}",
        "median of an observation": f"{1e3 * np.median(seconds):.0f} ms",
        "slowest": f"{1e3 * seconds.max():.0f} ms ({outcomes[int(seconds.argmax())].obs_id})",
        "rate of a worker": f"{seconds.size / seconds.sum():.1f} observations per second" if seconds.sum() else "",
        "files read": f"{n_byte / 1e6:.1f} MB",
        "devices": ", ".join(sorted({outcome.device for outcome in outcomes})),
    }


def _embedded(figure: Any) -> str:
    """Figure as an address that holds the picture itself."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
