"""Sum background events and exposure of observations."""

from collections.abc import Sequence
from pathlib import Path

from lightpool.arrays.devices.devices import Device
from lightpool.arrays.devices.staging import Uploads
from lightpool.batch.execution.observation_sources import Sources
from lightpool.batch.storage.outcomes import DatasetSummary
from lightpool.batch.storage.partial_sums import PartialSums
from lightpool.config.background import BackgroundSettings
from lightpool.config.build_background import build_background_maker
from lightpool.data import Observation
from lightpool.fits import BinTableHDU
from lightpool.makers import BackgroundSums

__all__ = ["BackgroundWork"]


class BackgroundWork:
    """The maker of background sums, ready for observations; see `Work`.

    Parameters
    ----------
    settings : BackgroundSettings
    device : Device
    """

    def __init__(self, settings: BackgroundSettings, device: Device) -> None:
        self._maker = build_background_maker(settings, device)

    def empty(self) -> PartialSums:
        """Return sums of no run."""
        return PartialSums()

    def send_ahead(self, observation: Observation, uploads: Uploads) -> None:
        """Send nothing: the maker sends the events in good time and in the bins of energy, once.

        Parameters
        ----------
        observation : Observation
        uploads : Uploads
        """

    def make(self, sources: Sources, obs_id: int, observation: Observation) -> BackgroundSums:
        """Return the sums of a run.

        Without its row of the index, by which runs are grouped: the row is added when tables are made, so that a change
        of a column needs no second pass.

        Parameters
        ----------
        sources : Sources
        obs_id : int
        observation : Observation
        """
        return self._maker.run(observation)

    def is_empty(self, made: BackgroundSums) -> bool:
        """Return False: each run has exposure."""
        return False

    def require_addable(self, partial: PartialSums, made: BackgroundSums) -> None:
        """Refuse nothing: all sums have the same bins.

        Parameters
        ----------
        partial : PartialSums
        made : BackgroundSums
        """

    def add(self, partial: PartialSums, made: BackgroundSums) -> None:
        """Add the sums of a run.

        Parameters
        ----------
        partial : PartialSums
        made : BackgroundSums
        """
        partial.add(made)

    def pending(self, made: BackgroundSums) -> BackgroundSums:
        """Return the sums, which are on the host."""
        return made

    def summaries(self, pending: Sequence[BackgroundSums]) -> list[list[DatasetSummary]]:
        """Return no summaries: the values of runs are in their sums.

        Parameters
        ----------
        pending : sequence of BackgroundSums
        """
        return [[] for _ in pending]

    def write(self, made: BackgroundSums, obs_id: int, folder: Path, more: Sequence[BinTableHDU]) -> list[Path]:
        """Write nothing: tables are made of the sums of all runs.

        Parameters
        ----------
        made : BackgroundSums
        obs_id : int
        folder : Path
        more : sequence of BinTableHDU
        """
        return []
