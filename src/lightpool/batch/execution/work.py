"""What is made of the observations of a chunk, and added up."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from lightpool.arrays.devices.staging import Uploads
from lightpool.batch.execution.observation_sources import Sources
from lightpool.batch.storage.outcomes import DatasetSummary
from lightpool.batch.storage.partial import Partial
from lightpool.data import Observation
from lightpool.fits import BinTableHDU

__all__ = ["Work"]

P = TypeVar("P", bound=Partial)
M = TypeVar("M")
S = TypeVar("S")


class Work(Protocol[P, M, S]):
    """One kind of work on observations: M is what is made of one of them, P their sums, S values that are read later.

    Everything about files that fail, repeated attempts, memory that is short, and workers is the business of
    `lightpool.batch.execution.reduce_chunk.Reducer`.
    """

    def empty(self) -> P:
        """Return sums of no observation, on the device."""
        ...

    def send_ahead(self, observation: Observation, uploads: Uploads) -> None:
        """Send to the device, in the thread that reads ahead, what `make` is going to need."""
        ...

    def make(self, sources: Sources, obs_id: int, observation: Observation) -> M:
        """Make everything of an observation; raise an error if any part of it fails."""
        ...

    def is_empty(self, made: M) -> bool:
        """Return whether an observation contributes nothing."""
        ...

    def require_addable(self, partial: P, made: M) -> None:
        """Raise an error if a part of what was made cannot be added to the sums."""
        ...

    def add(self, partial: P, made: M) -> None:
        """Add what was made of an observation to the sums."""
        ...

    def pending(self, made: M) -> S:
        """Return values for the summaries of an observation that may still be on the device."""
        ...

    def summaries(self, pending: Sequence[S]) -> list[list[DatasetSummary]]:
        """Read the summaries of all observations of a chunk, together."""
        ...

    def write(self, made: M, obs_id: int, folder: Path, more: Sequence[BinTableHDU]) -> list[Path]:
        """Write what was made of a single observation, with more HDUs, and return the files."""
        ...
