"""Run a batch, from the plan to the result files; it can be stopped at any time and resumed."""

import json
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightpool.batch.execution.chunk import ChunkTask
from lightpool.batch.execution.executors import Executor, SerialExecutor
from lightpool.batch.execution.merge import MergeTree
from lightpool.batch.execution.observation_sources import Sources
from lightpool.batch.plan import Plan, make_plan
from lightpool.batch.products.product_of_settings import product_of
from lightpool.batch.storage.code_version import package_versions, version_for
from lightpool.batch.storage.files import InputFile, Inputs, changed_files, require_unchanged, sha256_of
from lightpool.batch.storage.folder import BatchFolder, ChunkRecord
from lightpool.batch.storage.foreign_files import refuse_to_replace
from lightpool.batch.storage.lock import locked
from lightpool.batch.storage.outcomes import Outcome, outcome_table
from lightpool.batch.storage.partial import Partial
from lightpool.batch.storage.provenance import Provenance, prov_document
from lightpool.config.batch_settings import BatchOutput, BatchSettings
from lightpool.errors import ConfigError, ResumeError, VersionMismatchError
from lightpool.typing import JSONValue
from lightpool.utils.html import ShownInNotebooks

__all__ = ["BatchResult", "plan_to_resume", "run_batch"]

log = logging.getLogger(__name__)

_OUTCOMES, _PROVENANCE = "outcomes.ecsv", "provenance.json"


@dataclass(frozen=True)
class BatchResult(ShownInNotebooks):
    """Result of a reduction.

    Attributes
    ----------
    folder : Path
    files : list of Path
        Files of the stacks.
    outcomes : list of Outcome
        In the order of the plan.
    n_reused : int
        Number of chunks that were already finished.
    """

    folder: Path
    files: list[Path]
    outcomes: list[Outcome]
    n_reused: int

    @property
    def n_failed(self) -> int:
        """Number of observations that failed and are not in any result."""
        return sum(outcome.status == "failed" for outcome in self.outcomes)


def plan_to_resume(settings: BatchSettings) -> Plan:
    """Plan to resume a reduction in its folder, with the observations that are selected now.

    Raises
    ------
    ResumeError
        If the settings differ from those of the reduction in a way that changes results.
    """
    folder = BatchFolder(Path(settings.output.folder))
    if not folder.is_begun:
        return make_plan(settings)
    before, chunks, _ = folder.read_plan()
    if before.hash() != settings.hash():
        raise ResumeError(
            f"the reduction in {folder.path} has different settings: {'; '.join(_differences(before, settings))}. "
            "Use the original settings, choose another output folder, or use --restart"
        )
    # With the chunks of before, because sums can be reused of whole chunks only.
    return make_plan(settings, previous=chunks)


def run_batch(
    plan: Plan,
    executor: Executor | None = None,
    *,
    resume: bool = False,
    restart: bool = False,
    progress: Callable[[ChunkRecord], None] | None = None,
) -> BatchResult:
    """Carry out a plan and write the results.

    Parameters
    ----------
    plan : Plan
    executor : Executor, optional
        By default, the chunks are reduced in this process.
    resume : bool
        Reuse the finished chunks in the folder.
    restart : bool
        Discard them.
    progress : callable, optional
        Called with the record of each chunk as soon as it is finished.

    Raises
    ------
    ResumeError
        If the folder contains a reduction and neither ``resume`` nor ``restart`` is set, or if a result would replace
        a file that no reduction wrote.
    FolderInUseError
        If another reduction is running in the folder.
    InputChangedError
        If an input file changes during the reduction; finished chunks are kept.
    ReductionError
        If an observation fails and ``on_error`` is "raise"; finished chunks are kept.
    """
    if resume and restart:
        raise ConfigError(
            "resume and restart are mutually exclusive: one reuses finished chunks, the other discards them"
        )
    folder = BatchFolder(Path(plan.settings.output.folder))
    with locked(folder.path_inside("state/lock")):
        _prepare(folder, plan.settings, resume=resume, restart=restart)
        return _reduce(plan, folder, executor or SerialExecutor(), progress or (lambda record: None))


def _prepare(folder: BatchFolder, settings: BatchSettings, *, resume: bool, restart: bool) -> None:
    if folder.is_begun and not (resume or restart):
        raise ResumeError(
            f"{folder.path} contains a reduction; use --resume to continue it, or --restart to discard it"
        )
    product = product_of(settings)
    product.require_usable()
    documents = [path for name in (_OUTCOMES, _PROVENANCE) if (path := folder.path / name).exists()]
    paths = [*product.existing(folder), *documents]
    refuse_to_replace(paths, settings, product.may_hold, may_be_ours=restart or folder.is_begun)
    results = [] if restart else [folder.name(path) for path in folder.results()]
    folder.write_files(results, folder.files_so_far())  # before records of chunks, which name files, are removed
    if restart:
        folder.clear()
    if folder.is_begun:
        _warn_of_another_version(folder, version_for(settings))
    folder.remove_leftovers()


def _reduce(plan: Plan, folder: BatchFolder, executor: Executor, report: Callable[[ChunkRecord], None]) -> BatchResult:
    settings, version, begun = plan.settings, version_for(plan.settings), datetime.now(UTC)
    shared = tuple(InputFile.of(path) for path in dict.fromkeys(settings.files))  # before they are read
    inputs, sources = Inputs(shared), Sources(settings)
    folder.write_plan(settings, plan.chunks, version)
    copies = folder.keep_inputs(shared)
    # All chunks of the plan; those with a record that can be reused are not run.
    tasks = [
        ChunkTask(
            number=number,
            key=folder.key(settings, obs_ids, version),
            obs_ids=obs_ids,
            settings=settings.to_dict(),
            version=version,
            packages=package_versions(),
            files=shared,
            copies=copies,
            index=sources.index_hash(obs_ids),
        )
        for number, obs_ids in enumerate(plan.chunks)
    ]
    records = {
        task.key: record
        for task in tasks
        if (record := _done_before(folder, settings.output, task, sources, inputs)) is not None
    }
    n_reused = len(records)
    for record in records.values():
        report(record)
    tree: MergeTree[Any] = MergeTree()
    unmerged = deque(tasks)

    def merge_finished() -> None:
        # In the order of the plan, not in the order of completion, so that sums are rounded in the same way.
        while unmerged and unmerged[0].key in records:
            tree.add(folder.load_chunk(records[unmerged.popleft().key], settings))

    # Closing the generator stops the workers if an error ends this loop.
    with closing(_run(executor, [task for task in tasks if task.key not in records])) as finished:
        for record in finished:
            _check(record, version, inputs)
            records[record.key] = record
            report(record)
            merge_finished()
    merge_finished()
    # Chunks read the copies of these files, so a change of the originals is only worth a warning.
    require_unchanged((file for file in inputs if file.path not in copies), sources.addresses(plan.obs_ids))
    _warn_of_changed_files(shared, copies)
    ordered = [records[task.key] for task in tasks]
    return _finish(plan, folder, ordered, tree.result(), begun, n_reused)


def _check(record: ChunkRecord, version: str, inputs: Inputs) -> None:
    """Check that a chunk was reduced by this version, from the same files as the others."""
    if (theirs := getattr(record, "version", "an older version")) != version:  # workers too old to check it themselves
        raise VersionMismatchError(
            f"a worker runs lightpool {theirs}, this process runs {version}: install the same version everywhere, then "
            "use --resume"
        )
    inputs.add(record.inputs)


def _finish(
    plan: Plan,
    folder: BatchFolder,
    records: Sequence[ChunkRecord],
    sums: Partial | None,
    begun: datetime,
    n_reused: int,
) -> BatchResult:
    """Write the results of all chunks, and remove the files that only earlier reductions wrote."""
    settings = plan.settings
    outcomes = [outcome for record in records for outcome in record.outcomes]
    inputs = [file for record in records for file in record.inputs]
    provenance = Provenance.now(settings, outcomes, inputs, begun, version_for(settings))
    single = {name: sha256 for record in records for name, sha256 in record.files.items()}
    product = product_of(settings)
    single |= product.write_beside(folder, outcomes, sums)
    sets = product.write(folder, provenance, sums, single)
    _write_documents(folder, provenance, sets, single)
    results = [files[0] for files in sets]
    ours = {folder.name(file) for files in sets for file in files}.union(single)
    folder.keep_only(map(folder.name, results), ours, [record.key for record in records])
    return BatchResult(folder.path, results, outcomes, n_reused)


def _warn_of_another_version(folder: BatchFolder, version: str) -> None:
    _, _, before = folder.read_plan()
    if before != version:
        log.warning(
            "all observations are reduced again: the reduction in %s was started by lightpool %s, and this is %s",
            folder.path,
            before,
            version,
        )


def _warn_of_changed_files(files: Iterable[InputFile], copies: Mapping[str, str]) -> None:
    for path in changed_files(files):
        log.warning(
            "%s has changed since the reduction began; the results were made with the original version, of which "
            "%s is a copy. Use --resume to reduce again with the new version",
            path,
            copies[path],
        )


def _run(executor: Executor, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
    if tasks:
        yield from executor.run(tasks)


def _done_before(
    folder: BatchFolder, output: BatchOutput, task: ChunkTask, sources: Sources, inputs: Inputs
) -> ChunkRecord | None:
    """Return the record of a chunk if it can be reused: it is complete, nothing failed, no input has changed."""
    record = folder.record(task.key)
    if record is None:
        return None
    if failed := [outcome.obs_id for outcome in record.outcomes if outcome.status == "failed"]:
        reason = f"failed before: {', '.join(map(str, failed))}"
    elif changed := (compared := sources.compare(task.obs_ids, record.inputs))[1]:
        reason = f"input files have changed: {', '.join(changed)}"
    elif task.index != record.index:
        reason = "their entries in the index of the data store have changed"
    elif not folder.holds(record):
        reason = "their sums are missing or damaged"
    elif output.has_observations and not folder.holds_observations(record, compress=output.compress):
        reason = "the datasets of single observations are requested but missing"
    else:
        unchanged, _, missing = compared
        if missing:
            # A disk that is not mounted must not cost the work of days: what was read then is still right.
            log.warning(
                "observations %s to %s: the sums of before are used, though %d of their files are missing now: %s ...",
                task.obs_ids[0],
                task.obs_ids[-1],
                len(missing),
                missing[0],
            )
        inputs.add(unchanged)
        return record
    log.warning("observations %s to %s are reduced again: %s", task.obs_ids[0], task.obs_ids[-1], reason)
    return None


def _write_documents(
    folder: BatchFolder, provenance: Provenance, sets: Sequence[Sequence[Path]], single: Mapping[str, str]
) -> None:
    """Write the outcomes and the provenance document; ``single`` has the files of chunks with their SHA-256."""
    sums = {folder.name(file): sha256_of(file) for files in sets for file in files}
    document = json.dumps(prov_document(provenance, sums | dict(single)), indent=1)
    folder.write_table(_OUTCOMES, outcome_table(provenance.outcomes))
    folder.write(_PROVENANCE, document)


def _differences(before: BatchSettings, now: BatchSettings) -> list[str]:
    """Describe the keys whose values differ between two settings."""
    if type(before) is not type(now):
        return [f"they were those of `lightpool {before.command}`, now those of `lightpool {now.command}`"]
    old, new = (dict(_flat(settings.hashed())) for settings in (before, now))
    return [
        f"{key} was {old.get(key)!r}, now {new.get(key)!r}" for key in {**old, **new} if old.get(key) != new.get(key)
    ]


def _flat(data: JSONValue, path: str = "") -> Iterator[tuple[str, bool | int | float | str | None]]:
    """Yield the values of nested dicts and lists, each with its path, such as ``targets.0.binsz``."""
    if isinstance(data, dict | list):
        items: Iterable[tuple[int | str, JSONValue]] = data.items() if isinstance(data, dict) else enumerate(data)
        for key, value in items:
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    elif data is None or isinstance(data, bool | int | float | str):
        yield path, data
