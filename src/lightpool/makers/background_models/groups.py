"""Which runs share a background model: by zenith, azimuth, date, telescopes, or any column of the observation index."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal, Self, TypeAlias

import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import HostFloats
from lightpool.makers.background_models.sums import BackgroundSums
from lightpool.typing import TimeLike
from lightpool.utils.html import ShownInNotebooks

__all__ = ["GroupRunsBy", "RunGroup", "Validity", "group_runs"]

Validity: TypeAlias = tuple[float, float] | str
"""Interval of a quantity for which a model is made, from below the second number; or its one value, as text."""

Spacing: TypeAlias = Literal["counts", "cos_zenith", "linear"]
_COMPASS = {2: ("north", "south"), 4: ("north", "east", "south", "west")}
_ZENITH, _AZIMUTH = "ZEN_PNT", "AZ_PNT"


@dataclass(frozen=True)
class GroupRunsBy(ShownInNotebooks):
    """One way to divide runs into groups; several of them are crossed.

    Use `zenith`, `azimuth`, `by_column`, `telescopes` and `dates`.

    Attributes
    ----------
    column : str
        Column of `BackgroundSums.runs`.
    kind : {"edges", "quantiles", "sectors", "values"}
    edges : tuple of float
        Bins, half-open: a value on an edge is in the bin above it.
    n_bin : int
        Number of bins with ``quantiles`` (of equal statistics, or as in ``spacing``) and of ``sectors``.
    spacing : {"counts", "cos_zenith", "linear"}
        What is equal in all bins: the number of events, or the width in the cosine or in the value.
    label : str
        Name of the quantity in names of groups.
    """

    column: str
    kind: Literal["edges", "quantiles", "sectors", "values"]
    edges: tuple[float, ...] = ()
    n_bin: int = 0
    spacing: Spacing = "counts"
    label: str = ""

    def __post_init__(self) -> None:
        if self.kind == "edges" and (len(self.edges) < 2 or not np.all(np.diff(self.edges) > 0)):
            raise ValueError(f"groups by {self.column} need two or more ascending edges, got {self.edges}")
        if self.kind in ("quantiles", "sectors") and self.n_bin < 1:
            raise ValueError(f"groups by {self.column} need 1 or more bins, got {self.n_bin}")
        if self.spacing not in ("counts", "cos_zenith", "linear"):
            raise ValueError(f"spacing must be 'counts', 'cos_zenith' or 'linear', got {self.spacing!r}")

    @classmethod
    def zenith(cls, edges: Sequence[float] | None = None, *, n_bin: int = 0, spacing: Spacing = "counts") -> Self:
        """Group by the zenith angle of the pointing.

        Parameters
        ----------
        edges : sequence of float, deg, optional
        n_bin : int
            Number of bins, if there are no edges.
        spacing : {"counts", "cos_zenith"}
            Bins with about equal numbers of events, or of equal width in the cosine, between the runs that there are.
        """
        return cls._binned(_ZENITH, edges, n_bin, spacing, "zenith")

    @classmethod
    def azimuth(cls, n_sector: int = 2) -> Self:
        """Group by the azimuth of the pointing, in sectors of which the first one is centred on north.

        Parameters
        ----------
        n_sector : int
            2 for north and south.
        """
        return cls(_AZIMUTH, "sectors", n_bin=n_sector, label="azimuth")

    @classmethod
    def by_column(
        cls,
        column: str,
        edges: Sequence[float] | None = None,
        *,
        n_bin: int = 0,
        spacing: Spacing = "counts",
    ) -> Self:
        """Group by a column of the observation index, such as MUONEFF: each value, or bins of numbers.

        Parameters
        ----------
        column : str
        edges : sequence of float, optional
        n_bin : int
            Number of bins, if there are no edges; with neither, each value is a group.
        spacing : see `zenith`
        """
        if edges is None and not n_bin:
            return cls(column, "values", label=column)
        return cls._binned(column, edges, n_bin, spacing, column)

    @classmethod
    def telescopes(cls, column: str = "TELLIST") -> Self:
        """Group by the telescopes that took part: each value of a column."""
        return cls(column, "values", label="telescopes")

    @classmethod
    def dates(cls, edges: Sequence[TimeLike]) -> Self:
        """Group by the start of the runs.

        Parameters
        ----------
        edges : sequence of Time or str, UTC
        """
        return cls("MJD_START", "edges", tuple(float(Time(edge).utc.mjd) for edge in edges), label="date")

    @classmethod
    def _binned(cls, column: str, edges: Sequence[float] | None, n_bin: int, spacing: Spacing, label: str) -> Self:
        if (edges is None) == (n_bin == 0):
            raise ValueError(f"groups by {label}: give either edges or n_bin, got edges={edges} and n_bin={n_bin}")
        if edges is not None:
            return cls(column, "edges", tuple(map(float, edges)), label=label)
        return cls(column, "quantiles", n_bin=n_bin, spacing=spacing, label=label)

    # -- divisions

    def bins(self, sums: BackgroundSums) -> "list[tuple[str, Validity]]":
        """Return the names and intervals of the groups into which runs are divided.

        Parameters
        ----------
        sums : BackgroundSums
        """
        values = self.values_of(sums)
        if self.kind == "values":
            return [(f"{self.label} {value}", value) for value in sorted(set(map(_text, values)))]
        if self.kind == "sectors":
            half = 180.0 / self.n_bin
            names = _COMPASS.get(self.n_bin, tuple(f"azimuth {2 * half * i:g}" for i in range(self.n_bin)))
            if self.n_bin == 1:
                return [(names[0], (0.0, 360.0))]
            return [(name, ((2 * i - 1) * half % 360, (2 * i + 1) * half % 360)) for i, name in enumerate(names)]
        edges = self.edges if self.kind == "edges" else self._found_edges(np.asarray(values, dtype=float), sums)
        return [(f"{self.label} {_edge(a, self.label)} to {_edge(b, self.label)}", (a, b)) for a, b in pairwise(edges)]

    def values_of(self, sums: BackgroundSums) -> NDArray[np.generic]:
        """Return the values of the runs.

        Raises
        ------
        ValueError
            If there is no such column.
        """
        if self.column not in sums.runs:
            raise ValueError(
                f"groups by {self.label} need the column {self.column!r} of the runs; there are "
                f"{', '.join(sums.runs)}. Give the rows of the observation index to BackgroundModelMaker.run"
            )
        return np.asarray(sums.runs[self.column])

    def _found_edges(self, values: HostFloats, sums: BackgroundSums) -> tuple[float, ...]:
        known = np.isfinite(values)
        if not known.any():
            raise ValueError(f"no run has a finite {self.column}, so groups by {self.label} cannot be made")
        if self.spacing == "counts":
            return _equal_statistics(values[known], sums.run_counts()[known].astype(float), self.n_bin)
        low, high = float(values[known].min()), float(values[known].max())
        if self.spacing == "linear":
            return tuple(_widened(np.linspace(low, high, self.n_bin + 1)))
        cosines = np.linspace(math.cos(math.radians(low)), math.cos(math.radians(high)), self.n_bin + 1)
        return tuple(_widened(np.rad2deg(np.arccos(cosines))))


@dataclass(frozen=True, eq=False)
class RunGroup:
    """Runs that share a model.

    Attributes
    ----------
    name : str
    rows : array of int, places of the runs in the sums
    validity : dict of column to interval or value
    """

    name: str
    rows: NDArray[np.int64]
    validity: Mapping[str, Validity]


def group_runs(sums: BackgroundSums, by: Sequence[GroupRunsBy]) -> tuple[list[RunGroup], NDArray[np.int64]]:
    """Divide runs into groups.

    Parameters
    ----------
    sums : BackgroundSums
    by : sequence of GroupRunsBy
        They are crossed; with none, all runs are one group.

    Returns
    -------
    groups : list of RunGroup, without those that have no run
    ungrouped : array of int
        Numbers (OBS_ID) of runs that are in no group.
    """
    groups, used = [], np.zeros(len(sums), dtype=bool)
    values = {each.column: each.values_of(sums) for each in by}
    for combination in product(*(each.bins(sums) for each in by)):
        validity = {each.column: interval for each, (_, interval) in zip(by, combination, strict=True)}
        member = np.ones(len(sums), dtype=bool)
        for column, interval in validity.items():
            member &= in_validity(values[column], interval)
        member &= ~used
        used |= member
        if member.any():
            name = ", ".join(name for name, _ in combination) or "all"
            groups.append(RunGroup(name, np.flatnonzero(member), validity))
    return groups, sums.obs_ids[~used]


def in_validity(values: NDArray[np.generic], interval: Validity) -> NDArray[np.bool_]:
    """Return which values are in an interval, or are equal to a text.

    Parameters
    ----------
    values : array
    interval : pair of float, or str
        A pair whose first number is the larger one goes through north: azimuths from 270 to 90 deg.
    """
    if isinstance(interval, str):
        return np.array([_text(value) == interval for value in values], dtype=bool)
    numbers, (low, high) = np.asarray(values, dtype=float), interval
    if low > high:
        return np.asarray((numbers >= low) | (numbers < high))
    return np.asarray((numbers >= low) & (numbers < high))


def _text(value: object) -> str:
    """Return a value as text; whole numbers are equal to floats of the same value."""
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:.0f}" if number.is_integer() else f"{number!r}"
    return f"{value}".strip()


def _edge(edge: float, label: str) -> str:
    return str(Time(edge, format="mjd").isot).partition("T")[0] if label == "date" else f"{edge:.4g}"


def _equal_statistics(values: HostFloats, weights: HostFloats, n_bin: int) -> tuple[float, ...]:
    """Return edges of bins that hold about equal weights, half-way between values."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    if not weights.sum() > 0:
        weights = np.ones(len(weights))
    total = np.cumsum(weights)
    edges = [values[0]]
    for part in range(1, n_bin):
        # the run at whose end the sum is nearest to this part of the total
        place = int(np.argmin(np.abs(total - total[-1] * part / n_bin)))
        # Runs with one value stay together.
        above = np.searchsorted(values, values[place], side="right")
        if above < len(values):
            edges.append((values[above - 1] + values[above]) / 2)
    edges.append(values[-1])
    return tuple(_widened(np.unique(edges)))


def _widened(edges: HostFloats) -> list[float]:
    """Return edges of which the last one is just above the largest value, as bins are half-open."""
    *inner, last = (float(edge) for edge in edges)
    above = last + 1e-9 * max(abs(last), 1.0)
    # All runs may have one value, which is then the only edge.
    return [*inner, above] if inner else [last, above]
