"""A chunk as a task: what is sent to a worker, and what it returns."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightpool.batch.execution.reduce_chunk import Keep, reduce_observations, sources_of
from lightpool.batch.storage.code_version import package_versions, version_for
from lightpool.batch.storage.files import InputFile, sha256_of
from lightpool.batch.storage.folder import BatchFolder, ChunkRecord
from lightpool.batch.storage.outcomes import Outcome, failed_outcome
from lightpool.batch.storage.partial import Partial
from lightpool.batch.storage.partial_of_settings import empty_partial
from lightpool.batch.storage.provenance import Provenance
from lightpool.config.batch_settings import BatchSettings
from lightpool.config.kinds import settings_from_dict
from lightpool.errors import ConfigError, InputChangedError, ReductionError, VersionMismatchError
from lightpool.fits import BinTableHDU

__all__ = ["ChunkTask", "fail_chunk", "run_chunk", "try_chunk"]


@dataclass(frozen=True)
class ChunkTask:
    """What a worker receives: settings and observation numbers, never the observations themselves.

    Attributes
    ----------
    number : int
        Position in the plan.
    key : str
        Name of the chunk in the folder.
    obs_ids : tuple of int
    settings : dict
        See `BatchSettings.to_dict`.
    version : str
        See `version_for`.
    packages : mapping of str to str
        See `package_versions`.
    files : tuple of InputFile
        The files named in the settings, as they were before anything was read.
    copies : mapping of str to str
        Copies of these files, which are read instead of them, see `BatchFolder.keep_inputs`.
    index : str
        See `Sources.index_hash`.
    given_up : mapping of int to Exception
        Observations that have already failed, such as those that kill their worker.
    """

    number: int
    key: str
    obs_ids: tuple[int, ...]
    settings: dict[str, Any]
    version: str
    packages: Mapping[str, str] = field(default_factory=dict)
    files: tuple[InputFile, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    index: str = ""
    given_up: Mapping[int, Exception] = field(default_factory=dict)

    @property
    def settings_to_read(self) -> BatchSettings:
        """Settings in which the files are replaced by their copies."""
        return settings_from_dict(self.settings).with_files(self.copies)


def run_chunk(task: ChunkTask) -> ChunkRecord:
    """Reduce the observations of a chunk and save their sums in the folder of the results.

    Raises
    ------
    VersionMismatchError
        If this process runs a different version than the one that created the task.
    InputChangedError
        If an input file has changed; nothing is saved.
    """
    _require_same_code(task)
    settings, begun = settings_from_dict(task.settings), datetime.now(UTC)
    folder = BatchFolder(Path(settings.output.folder))
    files: dict[str, str] = {}
    to_read = task.settings_to_read
    sources = sources_of(to_read)
    # The sources are cached from chunk to chunk: files that have changed since must be noticed.
    sources.forget_pins()

    def inputs_of(obs_ids: Sequence[int]) -> list[InputFile]:
        files = [file for file in sources.input_files(obs_ids) if file.path not in task.copies.values()]
        return sorted([*files, *task.files], key=lambda file: file.path)

    def keep(outcome: Outcome, write: Callable[[Path, Sequence[BinTableHDU]], list[Path]]) -> None:
        more = Provenance.now(settings, [outcome], inputs_of([outcome.obs_id]), begun, task.version).to_hdus()
        for file in write(folder.path_inside("observations"), more):
            files[folder.name(file)] = sha256_of(file)

    partial, outcomes = _reduced(to_read, task, keep if settings.output.has_observations else None)
    # The files of observations that were given up are not opened: they may kill this process too.
    wanted = [obs_id for obs_id in task.obs_ids if obs_id not in task.given_up]
    inputs, index = inputs_of(wanted), sources.index_hash(task.obs_ids)
    if task.index and index != task.index:
        raise InputChangedError(
            f"the index of {settings.observations.datastore} changed during the reduction: the entries of observations "
            f"{task.obs_ids[0]} to {task.obs_ids[-1]} are not those with which it began. Use --resume to continue with "
            "the present index"
        )
    return folder.save_chunk(task.key, task.obs_ids, partial, outcomes, inputs, index, files, task.version)


def try_chunk(task: ChunkTask) -> None:
    """Reduce the observations of a chunk and discard the result, to find out whether this process survives."""
    _require_same_code(task)
    _reduced(task.settings_to_read, task, None)


def _reduced(settings: BatchSettings, task: ChunkTask, keep: Keep | None) -> tuple[Partial, list[Outcome]]:
    """Return the sums of the observations that were not given up, and the outcomes of all."""
    wanted = [obs_id for obs_id in task.obs_ids if obs_id not in task.given_up]
    if not task.given_up:
        return reduce_observations(settings, task.obs_ids, keep)
    done: Sequence[Outcome] = []
    partial = empty_partial(settings)
    if wanted:
        partial, done = reduce_observations(settings, wanted, keep)
    outcomes = {outcome.obs_id: outcome for outcome in done}
    for obs_id, error in task.given_up.items():
        outcomes[obs_id] = failed_outcome(ReductionError(obs_id, "reducing", error))
    return partial, [outcomes[obs_id] for obs_id in task.obs_ids]


def _require_same_code(task: ChunkTask) -> None:
    here = package_versions()
    differ = [
        f"{name} {version}, here {here.get(name)}"
        for name, version in task.packages.items()
        if here.get(name) != version
    ]
    try:
        version = version_for(settings_from_dict(task.settings))
    except ConfigError as error:
        raise VersionMismatchError(f"a worker on {platform.node()} cannot reduce anything: {error}") from error
    if task.version != version:
        differ.insert(0, f"lightpool {task.version}, here {version}")
    if differ:
        raise VersionMismatchError(
            f"a worker has different versions than the process that started the reduction: {'; '.join(differ)}. "
            "Results of two versions are never mixed: install the same versions everywhere, then use --resume"
        )


def fail_chunk(task: ChunkTask, error: Exception) -> ChunkRecord:
    """Save a chunk that no worker could reduce, with all observations as failed.

    Parameters
    ----------
    task : ChunkTask
    error : Exception
        Reason of the failure.

    Raises
    ------
    Exception
        The error itself, if ``on_error`` is "raise".
    """
    settings = settings_from_dict(task.settings)
    if settings.run.on_error == "raise":
        raise error
    outcomes = [failed_outcome(ReductionError(obs_id, "reducing", error)) for obs_id in task.obs_ids]
    folder = BatchFolder(Path(settings.output.folder))
    return folder.save_chunk(task.key, task.obs_ids, empty_partial(settings), outcomes, [], "", {}, task.version)
