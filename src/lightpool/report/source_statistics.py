"""Counts, excess and significance at a source: per observation, per night, cumulative, and in total."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Self, TypedDict

import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.batch.execution.source_counts import SUMS
from lightpool.batch.storage.outcomes import DatasetSummary, Outcome, SourceSums
from lightpool.stats import CashCountsStatistic, CountsStatistic, WStatCountsStatistic

__all__ = [
    "AtSource",
    "Row",
    "Run",
    "ThetaSquaredTotal",
    "by_night",
    "cumulated",
    "rows_of",
    "runs_of",
    "theta_squared_of",
]


@dataclass(frozen=True)
class AtSource:
    """Counts at a source and their background.

    Attributes
    ----------
    counts : float
    background : float or None
        None if unknown.
    counts_off, acceptance, acceptance_off : float or None
        None if the background is not measured with OFF counts.
    """

    counts: float
    background: float | None = None
    counts_off: float | None = None
    acceptance: float | None = None
    acceptance_off: float | None = None

    @classmethod
    def total(cls, parts: Iterable[SourceSums | None]) -> Self | None:
        """Sum the values of observations; None if there are none.

        A value that is unknown for one observation is unknown for the sum, unless that observation has no counts.
        """
        known = [part for part in parts if part is not None]
        if not known:
            return None
        sums: dict[str, float | None] = {}
        for name in SUMS:
            values = [value for part in known if (value := part[name]) is not None]
            lacking = [part for part in known if part[name] is None and part["counts"]]
            sums[name] = sum(values) if values and not lacking else None
        return cls(**sums)  # type: ignore[arg-type]  # counts are always known

    @property
    def _statistic(self) -> CountsStatistic | None:
        if self.background is None:
            return None
        if self.counts_off is None:
            return CashCountsStatistic(self.counts, self.background) if self.background > 0 else None
        if self.counts_off > 0:
            return WStatCountsStatistic(self.counts, self.counts_off, self.background / self.counts_off)
        if not (self.acceptance and self.acceptance_off):
            return None
        return WStatCountsStatistic(self.counts, 0.0, self.acceptance / self.acceptance_off)

    @property
    def excess(self) -> float | None:
        """Counts minus background; None if that is unknown."""
        return None if self._statistic is None or self.background is None else self.counts - self.background

    @property
    def error(self) -> float | None:
        """Standard deviation of the excess, from the counts and, if there are any, the OFF counts."""
        return None if self._statistic is None else float(self._statistic.error)

    @property
    def significance(self) -> float | None:
        """Significance of the excess (Li & Ma with OFF counts, otherwise Cash); None without background."""
        return None if self._statistic is None else float(self._statistic.sqrt_ts)

    def per_minute(self, livetime: float | None) -> tuple[float, float] | None:
        """Return the excess per minute and its error for a livetime in h; None if one of them is unknown."""
        if self.excess is None or self.error is None or not livetime:
            return None
        return self.excess / (60 * livetime), self.error / (60 * livetime)


class Row(DatasetSummary, total=False):
    """Summary of a dataset of an observation, with the outcome of the observation."""

    obs_id: int
    status: str
    seconds: float
    at_source: AtSource | None


class ThetaSquaredTotal(TypedDict):
    """Sum of the theta-squared counts of ``n_run`` observations; see `ThetaSquaredCounts`."""

    max: float
    counts: NDArray[np.int64]
    counts_off: NDArray[np.int64]
    n_run: int


@dataclass(frozen=True)
class Run:
    """An observation, or the part of it that is in a stack.

    Attributes
    ----------
    obs_id : int
    start : str, UTC
    night : str
        Date of the evening at the observatory.
    livetime : float, s
    sums : mapping of str to float or None
        See `SUMS`; None if the source was outside the map, or no energy is safe.
    row : Row
        All recorded values.
    """

    obs_id: int
    start: str
    night: str
    livetime: float
    sums: SourceSums | None
    row: Row


def rows_of(outcomes: Iterable[Outcome], maps: Container[str]) -> list[Row]:
    """Return one row per observation and dataset.

    Parameters
    ----------
    outcomes : iterable of Outcome
    maps : container of str
        Names of the targets that are maps: only these have counts of the whole field.
    """
    rows = []
    for outcome in outcomes:
        for summary in outcome.summaries or [{}]:
            sums = summary.get("source")
            row: Row = {
                "obs_id": outcome.obs_id,
                "status": outcome.status,
                "seconds": outcome.seconds,
                **summary,
                "at_source": None if sums is None else AtSource.total([sums]),
            }
            if row.get("target") not in maps:
                row["counts"] = row["background"] = None
            rows.append(row)
    return rows


def runs_of(rows: Sequence[Row], *, are_disjoint: bool = True) -> list[Run]:
    """Return the observations in chronological order.

    Parameters
    ----------
    rows : sequence of Row
        Those without a start time are omitted.
    are_disjoint : bool
        Whether several rows of an observation cover different times. Otherwise, they contain different events of the
        same time, and the livetime is counted once.
    """
    found: dict[int, list[Row]] = {}
    for number, row in enumerate(rows):
        if row.get("start"):
            found.setdefault(number if are_disjoint else row["obs_id"], []).append(row)
    groups = list(found.values())
    if not groups:
        return []
    start = Time([group[0]["start"] for group in groups])
    lon = np.array([group[0].get("site_lon") or 0.0 for group in groups])
    # Nights last from local noon to noon, see `lightpool.batch.groups.night_of`; here for many observations at once.
    evening = np.floor(start.utc.mjd + (lon + 180.0) % 360.0 / 360.0 - 1.0)
    nights = [text.partition("T")[0] for text in Time(evening, format="mjd").isot]
    runs = []
    for group, night in zip(groups, nights, strict=True):
        # without a safe energy an observation has neither counts nor exposure, and its livetime is in no stack
        safe = [row for row in group if row.get("energy_min", 0.0) is not None]
        parts = [row["source"] for row in safe if row.get("source") is not None]
        sums = None
        if parts:
            total = AtSource.total(parts)
            sums = {name: getattr(total, name) for name in SUMS}
        first = group[0]
        runs.append(Run(first["obs_id"], first["start"], night, first.get("livetime") or 0.0, sums, first))
    return sorted(runs, key=lambda run: run.start)


def by_night(runs: Sequence[Run]) -> list[tuple[str, float, AtSource]]:
    """Return the nights with their livetime (s) and sums at the source, of observations with the source on the map."""
    nights: dict[str, list[Run]] = {}
    for run in runs:
        if run.sums is not None:
            nights.setdefault(run.night, []).append(run)
    found = []
    for night, members in sorted(nights.items()):
        total = AtSource.total(run.sums for run in members)
        if total is not None:
            found.append((night, sum(run.livetime for run in members), total))
    return found


def cumulated(runs: Sequence[Run]) -> list[tuple[float, AtSource]]:
    """Return livetime (s) and sums at the source of the first observation, the first two, and so on."""
    seen = [run for run in runs if run.sums is not None]
    found, livetime = [], 0.0
    total: dict[str, float | None] = {}
    for run in seen:
        livetime += run.livetime
        both = AtSource.total([run.sums] if not total else [total, run.sums])
        if both is not None:
            total = {name: getattr(both, name) for name in SUMS}
            found.append((livetime, both))
    return found


def theta_squared_of(rows: Iterable[Row]) -> ThetaSquaredTotal | None:
    """Sum the theta-squared counts of observations; None if none has any."""
    known = [(row["obs_id"], counts) for row in rows if (counts := row.get("theta2"))]
    if not known:
        return None
    return {
        "max": known[0][1]["max"],
        "counts": np.sum([counts["counts"] for _, counts in known], axis=0),
        "counts_off": np.sum([counts["counts_off"] for _, counts in known], axis=0),
        "n_run": len({obs_id for obs_id, _ in known}),
    }
