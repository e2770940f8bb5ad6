"""The part of a report about a stack: values at the source and in the whole field, files and plots."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.batch.execution.source_counts import RADIUS, SUMS, Source, background_of
from lightpool.batch.storage.results import files_of
from lightpool.config import Settings
from lightpool.config.build import build_exclusion
from lightpool.config.targets import Target
from lightpool.datasets import MapDataset, SpectrumDataset, SpectrumDatasetOnOff, read_dataset
from lightpool.datasets.on_off import OnOffDataset
from lightpool.errors import LightpoolError
from lightpool.fits import read_fits
from lightpool.makers import ExcessMapEstimator
from lightpool.maps import Geom, Map, RegionNDMap
from lightpool.report.embedded_plot import DrawnPlot, EmbeddedPlot, embed_plots
from lightpool.report.healpix_excess import SkyMap, excess_of_pixels
from lightpool.report.source_statistics import AtSource, Row

__all__ = ["StackView", "stack_view"]


@dataclass(frozen=True)
class StackView:
    """Values of a stack on a page.

    Attributes
    ----------
    name : str
    files : list of Path
    error : str
        Why its file cannot be read; empty if it can.
    n_run : int or None
        Number of observations in it.
    livetime : float or None, h
    energy_min : float or None, TeV
        Lowest safe energy.
    at_source : AtSource or None
        None if the source is not on the map.
    counts, background : float or None
        Of the whole map inside the safe mask; None for a spectrum.
    plots : list of EmbeddedPlot
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
    plots: list[EmbeddedPlot] = field(default_factory=list)

    @property
    def links(self) -> list[tuple[str, Path]]:
        """Files with short names; of an OGIP set, only the first name is complete."""
        stem = self.files[0].name.partition(".fits")[0]
        short = [path.name.removeprefix(stem).strip("_").partition(".")[0] or path.name for path in self.files[1:]]
        return list(zip([self.files[0].name, *short], self.files, strict=True))

    @property
    def rate(self) -> tuple[float, float] | None:
        """Excess at the source per minute and its error."""
        return None if self.at_source is None else self.at_source.per_minute(self.livetime)


def stack_view(
    path: Path, settings: Settings, rows: Sequence[Row], *, has_plots: bool, pictures: Path | None = None
) -> StackView:
    """Return the view of a stack.

    Parameters
    ----------
    path : Path
        File of a map, or the PHA file of a set of OGIP files.
    settings : Settings
    rows : sequence of Row
        Of all observations.
    has_plots : bool
    pictures : Path, optional
        Folder to which the plots are written too.
    """
    try:
        file = read_fits(path)
        dataset, its_files = read_dataset(file), files_of(file)
    except (LightpoolError, OSError, ValueError, KeyError) as error:
        return StackView(path.name, [path], error=f"{type(error).__name__}: {error}")
    name = str(dataset.name)
    target = _target_of(name, settings)
    source = None if target is None else Source.of(target, dataset.required("counts").geom)
    background = background_of(dataset)
    if background is not None and not np.any(np.asarray(background.data)) and not isinstance(dataset, OnOffDataset):
        background = None  # a stack of spectra without background has zeros
    sums = None if source is None else source.sums(dataset, background)
    counts = np.asarray(dataset.required("counts").data)
    safe = np.ones(counts.shape, bool) if dataset.mask_safe is None else np.asarray(dataset.mask_safe.data)
    edges = dataset.required("counts").geom.axes["energy"].edges.to_value("TeV")
    is_safe = safe.any(axis=tuple(range(1, safe.ndim)))
    is_map = not dataset.required("counts").geom.is_region
    livetime = None if dataset.exposure is None else dataset.exposure.meta.get("livetime")
    known = [row for row in rows if name in row.get("stacks", ())]
    return StackView(
        name=name,
        files=its_files,
        n_run=len({row["obs_id"] for row in known}) if known else _n_in_table(dataset),
        livetime=None if livetime is None else float(livetime.to_value("h")),
        energy_min=float(edges[np.argmax(is_safe)]) if is_safe.any() else None,
        at_source=None if sums is None else AtSource.total([_as_dict(sums)]),
        counts=float(np.sum(counts, where=safe)) if is_map else None,
        background=float(np.nansum(np.asarray(background.data), where=safe))
        if is_map and background is not None
        else None,
        plots=embed_plots(_plots(dataset, background, target, source), name, pictures) if has_plots else [],
    )


def _target_of(name: str, settings: Settings) -> Target | None:
    fitting = [target for target in settings.targets if name == target.name or name.startswith(f"{target.name}-")]
    return max(fitting, key=lambda target: len(target.name), default=None)


def _as_dict(sums: Array) -> dict[str, float | None]:
    values: list[float] = np.asarray(sums).tolist()
    return {name: value if np.isfinite(value) else None for name, value in zip(SUMS, values, strict=True)}


def _n_in_table(dataset: MapDataset) -> int | None:
    table = dataset.meta_table
    return None if table is None or "OBS_ID" not in table.colnames else int(np.size(table["OBS_ID"]))


def _plots(
    dataset: MapDataset, background: Map | None, target: Target | None, source: Source | None
) -> Iterator[DrawnPlot]:
    from lightpool.plot import report as plots

    if isinstance(dataset, SpectrumDataset | SpectrumDatasetOnOff):
        assert background is None or isinstance(background, RegionNDMap)  # as all maps of a spectrum
        figure = plots.plot_spectrum(dataset, background)
        yield DrawnPlot("Counts and background", figure, "the region, safe energies")
        return
    # without a background all counts would be an excess
    sqrt_ts, excess, note = (None, None, "") if background is None else _excess_maps(dataset, source)
    if sqrt_ts is not None and excess is not None:
        exclusion, warning = _exclusion_on(sqrt_ts.geom, target)
        titles = ("Significance", "Distribution of significances")
        for title, figure in zip(titles, plots.plot_significances(sqrt_ts, exclusion), strict=False):
            yield DrawnPlot(title, figure, f"{note}{warning}")
        yield DrawnPlot("Excess", plots.plot_image(excess, label="Excess"), note)
    yield DrawnPlot("Counts", plots.plot_image(_image_of(dataset.required("counts")), "sqrt", "Counts"), "each pixel")
    if dataset.exposure is not None:
        n_bin = dataset.exposure.geom.axes["energy_true"].nbin
        mean = _image_of(dataset.exposure) * (1 / n_bin)
        yield DrawnPlot("Exposure", plots.plot_image(mean, label="Exposure"), "mean over true energy")


def _image_of(values: Map) -> SkyMap:
    """Sum of a sky map over its axes."""
    image = values.reduce_over_axes()
    assert isinstance(image, SkyMap)  # spectra are plotted otherwise
    return image


def _excess_maps(dataset: MapDataset, source: Source | None) -> tuple[SkyMap | None, SkyMap | None, str]:
    """Images of significance and excess, and a note about their region; None without a background."""
    radius = RADIUS if source is None or source.radius is None else source.radius
    if dataset.required("counts").geom.is_hpx:
        return excess_of_pixels(dataset, radius)
    is_on_off = isinstance(dataset, OnOffDataset)  # neighbouring pixels share the OFF events of their rings
    estimator = ExcessMapEstimator(radius, correlate_off=not is_on_off)
    try:
        maps = estimator.run(dataset)
    except (LightpoolError, ValueError):
        return None, None, ""
    sqrt_ts, excess, counts, n_bkg = (
        _image_of(maps[name]) for name in ("sqrt_ts", "npred_excess", "counts", "npred_background")
    )
    # The estimator has 0 where nothing is counted and nothing expected, which would be a peak in the distribution.
    is_known = (np.asarray(counts.data) > 0) | (np.asarray(n_bkg.data) > 0)
    sqrt_ts.data = np.where(is_known, np.asarray(sqrt_ts.data), np.nan)
    excess.data = np.where(is_known, np.asarray(excess.data), np.nan)
    if not np.isfinite(sqrt_ts.data).any():
        return None, None, ""
    return sqrt_ts, excess, f"in circles of {estimator.correlation_radius:.3g} around each pixel, safe energies"


def _exclusion_on(geom: Geom, target: Target | None) -> tuple[SkyMap | None, str]:
    """Exclusion mask on a geometry, and a warning if its file no longer exists."""
    if target is None:
        return None, ""
    try:
        exclusion = build_exclusion(target)
    except (LightpoolError, OSError, ValueError):
        return None, "; the exclusion regions can no longer be read and are not drawn"
    if exclusion is None:
        return None, ""
    mask = exclusion.interp_to_geom(geom)
    assert isinstance(mask, SkyMap)  # the geometry is that of a sky map
    return mask, ""
