"""The numbers of a report: sums of observations at a source, night by night and together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from astropy.time import Time

from lightpool.batch.execution.source_counts import SUMS
from lightpool.stats import CashCountsStatistic, CountsStatistic, WStatCountsStatistic

__all__ = ["AtSource", "Run", "by_night", "cumulated", "runs_of", "theta_squared_of"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class AtSource:
    """Counts at a source and their background.

    Attributes
    ----------
    counts : float
    background : float or None, if it is not known
    counts_off, acceptance, acceptance_off : float or None, where the background is not measured with OFF counts
    """

    counts: float
    background: float | None = None
    counts_off: float | None = None
    acceptance: float | None = None
    acceptance_off: float | None = None

    @classmethod
    def total(cls, parts: Iterable[Mapping[str, float | None] | None]) -> Self | None:
        """Sum of what observations record; None of nothing.

        What one of them does not know is not known of the sum either, unless it has no counts: no region was seen.
        """
        known = [part for part in parts if part is not None]
        if not known:
            return None
        sums: dict[str, float | None] = {}
        for name in SUMS:
            values = [part[name] for part in known if part[name] is not None]
            lacking = [part for part in known if part[name] is None and part["counts"]]
            sums[name] = sum(values) if values and not lacking else None  # type: ignore[arg-type]
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
        """Counts less background, None where that is not known."""
        return None if self._statistic is None or self.background is None else self.counts - self.background

    @property
    def error(self) -> float | None:
        """Standard deviation of the excess: of the counts, and of the OFF counts where there are any."""
        return None if self._statistic is None else float(self._statistic.error)

    @property
    def significance(self) -> float | None:
        """Significance of the excess (Li & Ma with OFF counts, else Cash); None without a background."""
        return None if self._statistic is None else float(self._statistic.sqrt_ts)

    def per_minute(self, livetime: float | None) -> tuple[float, float] | None:
        """Excess per minute of a livetime in h, and its error; None where one of them is not known."""
        if self.excess is None or self.error is None or not livetime:
            return None
        return self.excess / (60 * livetime), self.error / (60 * livetime)


@dataclass(frozen=True)
class Run:
    """An observation, or the part of it that is in a stack.

    Attributes
    ----------
    obs_id : int
    start : str, UTC
    night : str, date of the evening at the observatory
    livetime : float, s
    sums : mapping of `SUMS`, None where the source was not seen
    row : mapping, all that is recorded
    """

    obs_id: int
    start: str
    night: str
    livetime: float
    sums: Mapping[str, float | None] | None
    row: Row


def runs_of(rows: Sequence[Row], *, are_disjoint: bool = True) -> list[Run]:
    """Observations in the order of time.

    Parameters
    ----------
    rows : sequence of mapping, what observations record; those without a start are left out
    are_disjoint : bool
        Whether several rows of an observation are of different times; otherwise of different events at the same time,
        and its livetime counts once.
    """
    found: dict[Any, list[Row]] = {}
    for number, row in enumerate(rows):
        if row.get("start"):
            found.setdefault(number if are_disjoint else row["obs_id"], []).append(row)
    groups = list(found.values())
    if not groups:
        return []
    start = Time([group[0]["start"] for group in groups])
    lon = np.array([group[0].get("site_lon") or 0.0 for group in groups])
    evening = np.floor(start.utc.mjd + (lon + 180.0) % 360.0 / 360.0 - 1.0)
    nights = [text.partition("T")[0] for text in Time(evening, format="mjd").isot]
    runs = []
    for group, night in zip(groups, nights, strict=True):
        parts = [row["source"] for row in group if row.get("source") is not None]
        sums = None
        if parts:
            total = AtSource.total(parts)
            sums = {name: getattr(total, name) for name in SUMS}
        first = group[0]
        runs.append(Run(first["obs_id"], first["start"], night, first.get("livetime") or 0.0, sums, first))
    return sorted(runs, key=lambda run: run.start)


def by_night(runs: Sequence[Run]) -> list[tuple[str, float, AtSource]]:
    """Nights with their livetime (s) and sums at the source, of the observations that see it."""
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
    """Livetime (s) and sums at the source of the first observation, the first two, and so on."""
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


def theta_squared_of(rows: Iterable[Row]) -> dict[str, Any] | None:
    """Sum of the theta-squared counts of observations, with their number; None if none has any."""
    kept = [row for row in rows if row.get("theta2")]
    known = [row["theta2"] for row in kept]
    if not known:
        return None
    return {
        "max": known[0]["max"],
        "counts": np.sum([each["counts"] for each in known], axis=0),
        "counts_off": np.sum([each["counts_off"] for each in known], axis=0),
        "n_run": len({row["obs_id"] for row in kept}),
    }
