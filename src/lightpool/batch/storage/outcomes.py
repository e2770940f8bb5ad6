"""What became of each observation."""

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

import numpy as np
from astropy.table import Table

from lightpool.errors import ReductionError

__all__ = ["Outcome", "failed_outcome", "outcome_table"]

Status = Literal["done", "failed", "empty"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an observation.

    Attributes
    ----------
    obs_id : int
    status : str
        ``done``; ``failed``, then nothing of it is in any result; or ``empty``: it lies outside all targets and groups.
    step : str, the step that failed
    error : str, kind and text of the error
    traceback : str
    n_try : int, how often it was tried
    seconds : float, that the last try took
    device : str
    figures : list of dict of str to float, str or None
        Of each dataset that was made of it: target, division, group, counts, livetime, background norm and the like.
    """

    obs_id: int
    status: Status
    step: str = ""
    error: str = ""
    traceback: str = ""
    n_try: int = 1
    seconds: float = 0.0
    device: str = "cpu"
    figures: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Outcome of what `to_dict` gives."""
        return cls(**data)


def outcome_table(outcomes: Iterable[Outcome]) -> Table:
    """Table of one row per observation, without the figures."""
    rows: Sequence[Outcome] = list(outcomes)
    table = Table()
    for column in fields(Outcome):
        if column.name == "figures":
            continue
        values = [getattr(row, column.name) for row in rows]
        kind = {"obs_id": np.int64, "n_try": np.int64, "seconds": np.float64}.get(column.name, str)
        table[column.name.upper()] = np.array(values, dtype=kind)
    table["SECONDS"].unit = "s"
    return table


def failed_outcome(failure: ReductionError) -> Outcome:
    """Outcome of an observation that failed."""
    obs_id, step, error = failure.args
    text = "".join(traceback.format_exception(error))
    return Outcome(obs_id=obs_id, status="failed", step=step, error=f"{type(error).__name__}: {error}", traceback=text)
