"""The part of a report about a target: excess and significance at its source, over all observations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lightpool.batch.execution.source_counts import Source
from lightpool.batch.products.theta_squared import sum_theta_squared
from lightpool.config import Settings
from lightpool.config.build import build_dataset, build_theta_squared
from lightpool.config.targets import Target
from lightpool.report.embedded_plot import DrawnPlot, EmbeddedPlot, embed_plots
from lightpool.report.source_statistics import AtSource, Row, Run, by_night, cumulated, runs_of, theta_squared_of

__all__ = ["TargetView", "scope_of", "source_of", "target_view"]

_OVER_TIME: tuple[tuple[Literal["norm", "energy_min"], str], ...] = (
    ("norm", "norm of the background"),
    ("energy_min", "lowest safe energy [TeV]"),
)


@dataclass(frozen=True)
class TargetView:
    """Values of a target on a page.

    Attributes
    ----------
    name : str
    scope : str
        The region of the source, in words.
    part : str
        Which observations are included, in words.
    at_source : AtSource or None
        None if the source is not on the map of any observation.
    livetime : float, h
        Of the observations with the source on their map.
    n_run : int
        Number of these observations.
    plots : list of EmbeddedPlot
    """

    name: str
    scope: str
    part: str
    at_source: AtSource | None
    livetime: float
    n_run: int
    plots: list[EmbeddedPlot]

    @property
    def rate(self) -> tuple[float, float] | None:
        """Excess per minute and its error."""
        return None if self.at_source is None else self.at_source.per_minute(self.livetime)


def source_of(target: Target) -> Source:
    """Return the source of a target, on the geometry of its whole map."""
    return Source.of(target, build_dataset(target).outline().required("counts").geom)


def scope_of(source: Source) -> str:
    """Describe the region of a source."""
    position = source.position.icrs
    where = f"RA {position.ra.deg:.4f}, Dec {position.dec.deg:+.4f} deg"
    if not source.is_region:
        return f"circle of {source.radius:.3g} at {where}, safe energies"
    size = "region" if source.radius is None else f"region of radius {source.radius:.3g}"
    return f"{size} at {where}, safe energies"


_BY_EVENTS = ("events", "event_types")
"""Divisions whose groups share the times of an observation."""


def target_view(
    target: Target, settings: Settings, rows: Sequence[Row], pictures: Path | None = None
) -> TargetView | None:
    """Return the view of a target; None if none of its observations is reduced.

    Parameters
    ----------
    target : Target
    settings : Settings
    rows : sequence of Row
        Of all observations.
    pictures : Path, optional
        Folder to which the plots are written too.
    """
    ours = [row for row in rows if row.get("target") == target.name]
    divisions = [groups for groups in settings.groups if any(row["division"] == groups.name for row in ours)]
    if not divisions:
        return None
    chosen = next((groups for groups in divisions if groups.by not in _BY_EVENTS), divisions[0])
    ours = [row for row in ours if row["division"] == chosen.name]
    runs = runs_of(ours, are_disjoint=chosen.by not in _BY_EVENTS)
    seen = [run for run in runs if run.sums is not None]
    source = source_of(target)
    return TargetView(
        name=target.name,
        scope=scope_of(source),
        part="all observations" if chosen.by == "all" else f"all groups of the division {chosen.name!r} together",
        at_source=AtSource.total(run.sums for run in seen),
        livetime=sum(run.livetime for run in seen) / 3600,
        n_run=len({run.obs_id for run in seen}),
        plots=embed_plots(_plots(source, target, runs, ours), target.name, pictures),
    )


def _plots(source: Source, target: Target, runs: Sequence[Run], rows: Sequence[Row]) -> Iterator[DrawnPlot]:
    from lightpool.plot import report as plots

    counter = build_theta_squared(target)
    if counter is not None and (table := sum_theta_squared(counter, rows)) is not None:
        low, high = table.meta["Energy_filter"]
        off = (
            "one OFF position" if counter.position_off is not None else f"{counter.off_regions_number} OFF per pointing"
        )
        omitted = f"; {table.meta['N_OMITTED']} datasets left out" if table.meta["N_OMITTED"] else ""
        note = f"{table.meta['N_DATASET']} datasets, {off}; {low:.3g} to {high:.3g}, without safe mask{omitted}"
        yield DrawnPlot("Theta squared", plots.plot_theta_squared_of_table(table), note)
    elif (theta := theta_squared_of(rows)) is not None:
        radius = None if source.radius is None else float(source.radius.deg)
        energies = build_dataset(target).outline().required("counts").geom.axes["energy"].edges
        n_run = len({row["obs_id"] for row in rows})
        note = f"{theta['n_run']} of {n_run} observations; {energies[0]:.3g} to {energies[-1]:.3g}, without safe mask"
        figure = plots.plot_theta_squared(theta["counts"], theta["counts_off"], theta["max"], radius)
        yield DrawnPlot("Theta squared", figure, note)
    growth = [(livetime, each.significance) for livetime, each in cumulated(runs) if each.significance is not None]
    if growth:
        figure = plots.plot_significance_growth([livetime / 3600 for livetime, _ in growth], [s for _, s in growth])
        yield DrawnPlot("Cumulative significance", figure, "at the source")
    nights = [each for each in by_night(runs) if each[2].excess is not None and each[1] > 0]
    if nights:
        minutes = [livetime / 60 for _, livetime, _ in nights]
        rates = [(each.excess or 0.0) / time for (_, _, each), time in zip(nights, minutes, strict=True)]
        errors = [(each.error or 0.0) / time for (_, _, each), time in zip(nights, minutes, strict=True)]
        mean = sum(each.excess or 0.0 for _, _, each in nights) / sum(minutes)
        figure = plots.plot_night_rates([night for night, _, _ in nights], rates, errors, mean)
        yield DrawnPlot("Excess rate per night", figure, f"at the source; nights: {len(nights)}")
    for name, label in _OVER_TIME:
        values = [run.row.get(name) for run in runs]
        if any(value is not None for value in values):
            figure = plots.plot_over_time([run.start for run in runs], values, label)
            yield DrawnPlot(label.partition(" [")[0].capitalize(), figure, "each observation")
