"""Outcome of each observation: reduced, failed, or outside all targets."""

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, TypeAlias, TypedDict

import astropy.units as u
import numpy as np
from astropy.table import Column, Table

from lightpool.errors import ReductionError
from lightpool.utils.secret_texts import hide_secrets

__all__ = [
    "DatasetSummary",
    "Outcome",
    "SourceSums",
    "ThetaSquaredCounts",
    "ThetaSquaredOfTable",
    "dataset_table",
    "failed_outcome",
    "outcome_table",
]

Status = Literal["done", "failed", "empty"]

SourceSums: TypeAlias = Mapping[str, float | None]
"""Sums at the source by name, see `lightpool.batch.execution.source_counts.SUMS`; None where unknown."""

_SUMMARIES_KEY = "figures"
"""Key of the summaries in JSON; the records of existing reductions have it."""


class ThetaSquaredCounts(TypedDict):
    """Counts in bins of the squared angle from the source, up to ``max`` (deg2), and from its mirror position."""

    max: float
    counts: list[int]
    counts_off: list[int]


class ThetaSquaredOfTable(TypedDict):
    """Counts of an observation in the bins of the table of its target, see `ObservedThetaSquared`."""

    counts: list[int]
    counts_off: list[int]
    n_off: int
    livetime: float  # s


class DatasetSummary(TypedDict, total=False):
    """Summary values of the dataset of one observation, as JSON stores them; older versions wrote fewer of them."""

    target: str
    division: str
    group: str
    stacks: list[str]
    start: str  # UTC
    site_lon: float | None  # deg
    livetime: float | None  # s
    zenith: float | None  # deg
    lon: float  # deg, pointing, ICRS
    lat: float  # deg
    theta2: ThetaSquaredCounts | None
    theta_squared: ThetaSquaredOfTable | None  # if the target asks for a table, None if ON and OFF region overlap
    counts: float | None  # inside the safe mask
    background: float | None
    source: SourceSums | None
    energy_min: float | None  # TeV, lower edge of the first energy bin with a safe pixel
    energy_max: float | None  # TeV, upper edge of the last one
    thresholds: dict[str, list[float | None]]  # TeV, lowest and highest energy of each method of SafeMaskMaker
    norm: float | None  # of the background
    norms: list[list[float]]  # of a piecewise norm: energy in TeV and norm of each node


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome of one observation.

    Attributes
    ----------
    obs_id : int
    status : str
        ``done``; ``failed``, in which case none of its data are in any result; or ``empty``, if it lies outside all
        targets and groups.
    step : str
        The step that failed.
    error : str
        Class and message of the error.
    traceback : str
    n_try : int
        Number of attempts.
    seconds : float
        Duration of the last attempt.
    device : str
    summaries : list of DatasetSummary
        One for each dataset made from the observation.
    """

    obs_id: int
    status: Status
    step: str = ""
    error: str = ""
    traceback: str = ""
    n_try: int = 1
    seconds: float = 0.0
    device: str = "cpu"
    summaries: list[DatasetSummary] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-compatible dict, whose values are those of the outcome and not copies."""
        # Not `asdict`, which copies all values, for each observation of a batch.
        return {_SUMMARIES_KEY if name == "summaries" else name: getattr(self, name) for name in _NAMES}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Create an outcome from the output of `to_dict`."""
        return cls(**{"summaries" if key == _SUMMARIES_KEY else key: value for key, value in data.items()})

    def header_values(self) -> dict[str, str | int | float]:
        """Return the values that fit into one line of a table or document: all but traceback and summaries."""
        return {name: getattr(self, name) for name in _NAMES if name not in ("summaries", "traceback")}


_NAMES = tuple(column.name for column in fields(Outcome))


def outcome_table(outcomes: Iterable[Outcome]) -> Table:
    """Return a table with one row per observation, without the summaries."""
    rows: Sequence[Outcome] = list(outcomes)
    table = Table()
    for column in fields(Outcome):
        if column.name == "summaries":
            continue
        values = [getattr(row, column.name) for row in rows]
        kind = {"obs_id": np.int64, "n_try": np.int64, "seconds": np.float64}.get(column.name, str)
        table[column.name.upper()] = np.array(values, dtype=kind)
    table["SECONDS"].unit = u.s
    return table


_DATASET_COLUMNS: tuple[tuple[str, str], ...] = (
    ("livetime", "s"),
    ("zenith", "deg"),
    ("lon", "deg"),
    ("lat", "deg"),
    ("counts", ""),
    ("background", ""),
    ("norm", ""),
    ("energy_min", "TeV"),
    ("energy_max", "TeV"),
)
"""Numbers of a summary that are columns of the table of datasets, and their units."""


def dataset_table(outcomes: Iterable[Outcome]) -> Table:
    """Return a table with one row per dataset of an observation.

    Parameters
    ----------
    outcomes : iterable of Outcome

    Returns
    -------
    table : Table
        ``OBS_ID, TARGET, DIVISION, GROUP, START`` (UTC), the numbers of `DatasetSummary` with their units, NaN where
        unknown, ``NORMS`` (the nodes of piecewise norms) if there are any, and for each method of the safe mask, such
        as ``aeff-max``, the energies that it has chosen:
        ``AEFF_MAX_MIN`` and ``AEFF_MAX_MAX``, if it has any.
    """
    rows = [(outcome.obs_id, summary) for outcome in outcomes for summary in outcome.summaries]
    table = Table()
    table["OBS_ID"] = np.array([obs_id for obs_id, _ in rows], dtype=np.int64)
    for name in ("target", "division", "group", "start"):
        table[name.upper()] = np.array([str(row.get(name, "")) for _, row in rows], dtype=str)
    for name, unit in _DATASET_COLUMNS:
        table[name.upper()] = _column([row.get(name) for _, row in rows], unit)
    if any(row.get("norms") for _, row in rows):
        texts = [", ".join(f"{energy:.6g} TeV: {norm:.6g}" for energy, norm in row.get("norms", [])) for _, row in rows]
        table["NORMS"] = np.array(texts, dtype=str)
    methods = sorted({method for _, row in rows for method in row.get("thresholds", {})})
    for method in methods:
        found = [row.get("thresholds", {}).get(method, [None, None]) for _, row in rows]
        for number, end in enumerate(("MIN", "MAX")):
            values = [each[number] for each in found]
            if any(value is not None for value in values):
                table[f"{method.replace('-', '_').upper()}_{end}"] = _column(values, "TeV")
    return table


def _column(values: Iterable[object], unit: str) -> Column:
    return Column(np.array([np.nan if value is None else value for value in values], dtype=float), unit=unit or None)


def failed_outcome(failure: ReductionError) -> Outcome:
    """Return the outcome of an observation that failed."""
    obs_id, step, error = failure.args
    text = "".join(traceback.format_exception(error))
    message = hide_secrets(f"{type(error).__name__}: {error}")
    return Outcome(obs_id=obs_id, status="failed", step=step, error=message, traceback=hide_secrets(text))
