"""What a report says of a stack: its numbers at the source and in the whole field, its files and its pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lightpool.batch.execution.source_counts import SUMS, Source, background_of
from lightpool.batch.storage.results import files_of
from lightpool.config import Settings
from lightpool.config.build import build_exclusion
from lightpool.config.targets import Target
from lightpool.datasets import MapDataset, read_dataset
from lightpool.datasets.on_off import OnOffDataset
from lightpool.errors import LightpoolError
from lightpool.fits import read_fits
from lightpool.makers import ExcessMapEstimator
from lightpool.report.numbers import AtSource, Row
from lightpool.report.pictures import Picture

__all__ = ["StackView", "stack_view"]


@dataclass(frozen=True)
class StackView:
    """What a page shows of a stack.

    Attributes
    ----------
    name : str
    files : list of Path
    error : str, why its file cannot be read; empty if it can
    n_run : int or None, observations in it
    livetime : float or None, h
    energy_min : float or None, TeV, lowest safe energy
    at_source : AtSource or None, if the source is not on the map
    counts, background : float or None, of the whole map inside the safe mask; None of a spectrum
    pictures : list of Picture
    """

    name: str
    files: list[Path]
    error: str = ""
    n_run: int | None = None
    livetime: float | None = None
    energy_min: float | None = None
    at_source: AtSource | None = None
    counts: float | None = None
    background: float | None = None
    pictures: list[Picture] = field(default_factory=list)

    @property
    def links(self) -> list[tuple[str, Path]]:
        """Files with short names: of a set, the whole name of the first."""
        stem = self.files[0].name.partition(".fits")[0]
        short = [path.name.removeprefix(stem).strip("_").partition(".")[0] or path.name for path in self.files[1:]]
        return list(zip([self.files[0].name, *short], self.files, strict=True))

    @property
    def rate(self) -> tuple[float, float] | None:
        """Excess at the source per minute and its error."""
        return None if self.at_source is None else self.at_source.per_minute(self.livetime)


def stack_view(path: Path, settings: Settings, rows: Sequence[Row], *, has_pictures: bool) -> StackView:
    """What a page shows of a stack.

    Parameters
    ----------
    path : Path, the file of a map, or the one of a set of OGIP files that names the others
    settings : Settings
    rows : sequence of mapping, what observations record
    has_pictures : bool
    """
    try:
        file = read_fits(path)
        dataset, its_files = read_dataset(file), files_of(file)
    except (LightpoolError, OSError, ValueError, KeyError) as error:
        return StackView(path.name, [path], error=f"{type(error).__name__}: {error}")
    name = str(dataset.name)
    target = _target_of(name, settings)
    source = None if target is None else Source.of(target, dataset.counts.geom)
    background = background_of(dataset)
    if background is not None and not np.any(background.data) and not isinstance(dataset, OnOffDataset):
        background = None  # a stack of spectra without one has zeros
    sums = None if source is None else source.sums(dataset, background)
    safe = np.ones(dataset.counts.data.shape, bool) if dataset.mask_safe is None else dataset.mask_safe.data
    edges = dataset.counts.geom.axes["energy"].edges.to_value("TeV")
    is_safe = safe.any(axis=(-2, -1))
    is_map = not dataset.counts.geom.is_region
    livetime = None if dataset.exposure is None else dataset.exposure.meta.get("livetime")
    known = [row for row in rows if name in row.get("stacks", ())]
    return StackView(
        name=name,
        files=its_files,
        n_run=len({row["obs_id"] for row in known}) if known else _n_in_table(dataset),
        livetime=None if livetime is None else float(livetime.to_value("h")),
        energy_min=float(edges[np.argmax(is_safe)]) if is_safe.any() else None,
        at_source=None if sums is None else AtSource.total([_as_dict(sums)]),
        counts=float(np.sum(dataset.counts.data, where=safe)) if is_map else None,
        background=float(np.nansum(background.data, where=safe)) if is_map and background is not None else None,
        pictures=list(_pictures(dataset, background, target, source)) if has_pictures else [],
    )


def _target_of(name: str, settings: Settings) -> Target | None:
    fitting = [target for target in settings.targets if name == target.name or name.startswith(f"{target.name}-")]
    return max(fitting, key=lambda target: len(target.name), default=None)


def _as_dict(sums: Any) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in zip(SUMS, sums.tolist(), strict=True)}


def _n_in_table(dataset: MapDataset) -> int | None:
    table = dataset.meta_table
    return None if table is None or "OBS_ID" not in table.colnames else int(np.size(table["OBS_ID"]))


def _pictures(dataset: MapDataset, background: Any, target: Target | None, source: Source | None) -> Iterator[Picture]:
    from lightpool.plot import report as plots

    if dataset.counts.geom.is_region:
        yield Picture.of("Counts and background", plots.plot_spectrum(dataset, background), "the region, safe energies")
        return
    sqrt_ts, excess, note = _excess_maps(dataset, source)
    if sqrt_ts is not None:
        exclusion, warning = _exclusion_on(sqrt_ts.geom, target)
        titles = ("Significance", "Distribution of significances")
        for title, figure in zip(titles, plots.plot_significances(sqrt_ts, exclusion), strict=False):
            yield Picture.of(title, figure, f"{note}{warning}")
        yield Picture.of("Excess", plots.plot_image(excess), note)
    yield Picture.of("Counts", plots.plot_image(dataset.counts.reduce_over_axes(), "sqrt"), "each pixel")
    if dataset.exposure is not None:
        n_bin = dataset.exposure.geom.axes["energy_true"].nbin
        mean = dataset.exposure.reduce_over_axes() * (1 / n_bin)
        yield Picture.of("Exposure", plots.plot_image(mean), "mean over true energy")


def _excess_maps(dataset: MapDataset, source: Source | None) -> tuple[Any, Any, str]:
    """Images of significance and excess, and where they are taken; None where there is no background."""
    radius = "0.1 deg" if source is None or source.radius is None else source.radius
    is_on_off = isinstance(dataset, OnOffDataset)  # neighbouring pixels share the OFF events of their rings
    estimator = ExcessMapEstimator(radius, correlate_off=not is_on_off)
    try:
        maps = estimator.run(dataset)
    except (LightpoolError, ValueError):
        return None, None, ""
    sqrt_ts, excess = (maps[name].reduce_over_axes() for name in ("sqrt_ts", "npred_excess"))
    if not np.isfinite(sqrt_ts.data).any():
        return None, None, ""
    return sqrt_ts, excess, f"in circles of {estimator.correlation_radius:.3g} around each pixel, safe energies"


def _exclusion_on(geom: Any, target: Target | None) -> tuple[Any, str]:
    """Exclusion mask on a geometry, and a warning if its file is not there any more."""
    if target is None:
        return None, ""
    try:
        exclusion = build_exclusion(target)
    except (LightpoolError, OSError, ValueError):
        return None, "; the exclusion regions cannot be read any more and are not drawn"
    return (None if exclusion is None else exclusion.interp_to_geom(geom)), ""
