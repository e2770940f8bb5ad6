"""A chunk as a task: what travels to a worker, and what comes back."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightpool.batch.files import sha256_of
from lightpool.batch.folder import BatchFolder, ChunkRecord
from lightpool.batch.outcomes import Outcome, failed_outcome
from lightpool.batch.partial import PartialStack, StackKey, dataset_name
from lightpool.batch.provenance import Provenance
from lightpool.batch.reduce import reduce_observations, sources_of
from lightpool.batch.results import write_dataset
from lightpool.config.settings import Settings
from lightpool.datasets import MapDataset
from lightpool.errors import ReductionError

__all__ = ["ChunkTask", "fail_chunk", "run_chunk"]


@dataclass(frozen=True)
class ChunkTask:
    """What a worker is told: settings and numbers, never observations.

    Attributes
    ----------
    number : int, place in the plan
    key : str, name of the chunk in the folder
    obs_ids : tuple of int
    settings : dict, of `Settings.to_dict`
    version : str, see `code_version`
    """

    number: int
    key: str
    obs_ids: tuple[int, ...]
    settings: dict[str, Any]
    version: str


def run_chunk(task: ChunkTask) -> ChunkRecord:
    """Reduce the observations of a chunk and save their sums in the folder of the results."""
    settings, begun = Settings.from_dict(task.settings), datetime.now(UTC)
    folder, files = BatchFolder(Path(settings.output.folder)), {}

    def keep(outcome: Outcome, key: StackKey, dataset: MapDataset) -> None:
        inputs = sources_of(settings).input_files([outcome.obs_id])
        more = Provenance.now(settings, [outcome], inputs, begun, task.version).to_hdus()
        name, compress = dataset_name(outcome.obs_id, key), settings.output.compress
        for file in write_dataset(dataset, folder.observations, name, compress=compress, more=more):
            files[folder.name(file)] = sha256_of(file)

    partial, outcomes = reduce_observations(settings, task.obs_ids, keep if settings.output.observations else None)
    sources = sources_of(settings)
    inputs, index = sources.input_files(task.obs_ids), sources.index_hash(task.obs_ids)
    return folder.save_chunk(task.key, task.obs_ids, partial, outcomes, inputs, index, files)


def fail_chunk(task: ChunkTask, error: Exception) -> ChunkRecord:
    """Record of a chunk that no worker could do.

    Raises
    ------
    Exception
        The error itself, if the settings say ``on_error: raise``.
    """
    settings = Settings.from_dict(task.settings)
    if settings.run.on_error == "raise":
        raise error
    outcomes = [failed_outcome(ReductionError(obs_id, "reducing", error)) for obs_id in task.obs_ids]
    folder = BatchFolder(Path(settings.output.folder))
    return folder.save_chunk(task.key, task.obs_ids, PartialStack(settings), outcomes, [], "", {})
