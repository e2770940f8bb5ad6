"""A reduction from its plan to the files of results; it can be stopped at any moment and goes on from what is done."""

import io
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
from lightpool.batch.reach import tell_of_targets_out_of_reach
from lightpool.batch.storage.code_version import code_version, package_versions
from lightpool.batch.storage.files import InputFile, Inputs, require_unchanged, sha256_of
from lightpool.batch.storage.folder import BatchFolder, ChunkRecord
from lightpool.batch.storage.foreign_files import refuse_to_replace
from lightpool.batch.storage.lock import locked
from lightpool.batch.storage.outcomes import Outcome, outcome_table
from lightpool.batch.storage.partial_stack import PartialStack
from lightpool.batch.storage.provenance import Provenance, prov_document
from lightpool.batch.storage.results import write_dataset
from lightpool.batch.storage.stack_names import StackNames
from lightpool.config.settings import Output, Settings
from lightpool.datasets import MapDataset, SpectrumDatasetOnOff
from lightpool.errors import ConfigError, ResumeError, VersionMismatchError

__all__ = ["BatchResult", "plan_to_resume", "run_batch"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchResult:
    """What a reduction gave.

    Attributes
    ----------
    folder : Path
    files : list of Path, of the stacks
    outcomes : list of Outcome, in the order of the plan
    n_reused : int, chunks that were done before
    """

    folder: Path
    files: list[Path]
    outcomes: list[Outcome]
    n_reused: int

    @property
    def n_failed(self) -> int:
        """Number of observations that are in no result because they failed."""
        return sum(outcome.status == "failed" for outcome in self.outcomes)


def plan_to_resume(settings: Settings) -> Plan:
    """Plan of a reduction that goes on in its folder, with the observations of now.

    Raises
    ------
    ResumeError
        If the settings ask for other numbers than those that the reduction began with.
    """
    folder = BatchFolder(Path(settings.output.folder))
    if not folder.is_begun:
        return make_plan(settings)
    before, chunks, _ = folder.read_plan()
    if before.hash() != settings.hash():
        raise ResumeError(
            f"{folder.path} was begun with other settings: {'; '.join(_differences(before, settings))}. "
            "Take the old settings, another output folder, or --restart"
        )
    return make_plan(settings, previous=chunks)


def run_batch(
    plan: Plan,
    executor: Executor | None = None,
    *,
    resume: bool = False,
    restart: bool = False,
    progress: Callable[[ChunkRecord], None] | None = None,
) -> BatchResult:
    """Do what a plan says and write the results.

    Parameters
    ----------
    plan : Plan
    executor : Executor; by default the chunks are done in this process
    resume : bool, go on from the chunks that are done in the folder
    restart : bool, forget them
    progress : function, called with the record of each chunk when it is there

    Raises
    ------
    ResumeError
        If a reduction has begun in the folder, and neither ``resume`` nor ``restart`` is set, or if a result would
        replace a file of somebody else.
    FolderInUseError
        If another reduction works in the folder.
    InputChangedError
        If a file that is read changes meanwhile; finished chunks are kept.
    ReductionError
        If an observation fails and the settings say ``on_error: raise``; finished chunks are kept.
    """
    if resume and restart:
        raise ConfigError("got resume as well as restart: one goes on from what is done, the other forgets it")
    folder = BatchFolder(Path(plan.settings.output.folder))
    with locked(folder.place("state/lock")):
        _prepare(folder, plan.settings, resume=resume, restart=restart)
        return _reduce(plan, folder, executor or SerialExecutor(), progress or (lambda record: None))


def _prepare(folder: BatchFolder, settings: Settings, *, resume: bool, restart: bool) -> None:
    if folder.is_begun and not (resume or restart):
        raise ResumeError(f"a reduction has begun in {folder.path}: --resume goes on with it, --restart forgets it")
    refuse_to_replace(folder, settings, may_be_ours=restart or folder.is_begun)
    results = [] if restart else [folder.name(path) for path in folder.results()]
    folder.write_files(results, folder.files_so_far())  # before records of chunks go, or are written anew
    if restart:
        folder.clear()
    if folder.is_begun:
        _tell_of_another_version(folder, code_version())
    folder.remove_leftovers()


def _reduce(plan: Plan, folder: BatchFolder, executor: Executor, tell: Callable[[ChunkRecord], None]) -> BatchResult:
    settings, version, begun = plan.settings, code_version(), datetime.now(UTC)
    shared = tuple(InputFile.of(path) for path in dict.fromkeys(settings.files))  # before they are read
    inputs, sources = Inputs(shared), Sources(settings)
    folder.write_plan(settings, plan.chunks, version)
    copies = folder.keep_inputs(shared)
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
        tell(record)
    tree, merged = MergeTree(), deque(tasks)

    def merge_what_is_next() -> None:
        while merged and merged[0].key in records:
            tree.add(folder.load_chunk(records[merged.popleft().key], settings))

    with closing(_run(executor, [task for task in tasks if task.key not in records])) as finished:
        for record in finished:
            _take_in(record, version, inputs)
            records[record.key] = record
            tell(record)
            merge_what_is_next()
    merge_what_is_next()
    require_unchanged(file for file in inputs if file.path not in copies)
    _tell_of_changed_settings(shared, copies)
    ordered = [records[task.key] for task in tasks]
    return _finish(plan, folder, ordered, tree.result(), begun, n_reused)


def _take_in(record: ChunkRecord, version: str, inputs: Inputs) -> None:
    """Check that a chunk was made by this version, of the files that the others were made of."""
    if (theirs := getattr(record, "version", "an older version")) != version:  # code that does not look itself
        raise VersionMismatchError(
            f"a worker runs lightpool {theirs}, this is {version}: install the same in both places, then --resume"
        )
    inputs.add(record.inputs)


def _finish(
    plan: Plan,
    folder: BatchFolder,
    records: Sequence[ChunkRecord],
    stacks: PartialStack | None,
    begun: datetime,
    n_reused: int,
) -> BatchResult:
    """Write the results of all chunks, and remove what former reductions left."""
    settings = plan.settings
    outcomes = [outcome for record in records for outcome in record.outcomes]
    inputs = [file for record in records for file in record.inputs]
    provenance = Provenance.now(settings, outcomes, inputs, begun, code_version())
    single = {name: sha256 for record in records for name, sha256 in record.files.items()}
    sets = _write_results(folder, settings, provenance, stacks, single)
    tell_of_targets_out_of_reach(settings, stacks or (), outcomes)
    results = [files[0] for files in sets]
    ours = {folder.name(file) for files in sets for file in files}.union(single)
    folder.keep_only(map(folder.name, results), ours, [record.key for record in records])
    return BatchResult(folder.path, results, outcomes, n_reused)


def _tell_of_another_version(folder: BatchFolder, version: str) -> None:
    _, _, before = folder.read_plan()
    if before != version:
        log.warning(
            "all observations are reduced again: %s was begun by lightpool %s, this is %s", folder.path, before, version
        )


def _tell_of_changed_settings(files: Iterable[InputFile], copies: Mapping[str, str]) -> None:
    for file in files:
        if not file.is_unchanged:
            log.warning(
                "%s has changed since the reduction began: the results are made with what it was then, which is kept "
                "in %s; --resume reduces again with what it is now",
                file.path,
                copies[file.path],
            )


def _run(executor: Executor, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
    if tasks:
        yield from executor.run(tasks)


def _done_before(
    folder: BatchFolder, output: Output, task: ChunkTask, sources: Sources, inputs: Inputs
) -> ChunkRecord | None:
    """Record of a chunk that need not be done again: all is there, nothing failed, and its input is what it was."""
    record = folder.record(task.key)
    if record is None:
        return None
    if failed := [outcome.obs_id for outcome in record.outcomes if outcome.status == "failed"]:
        reason = f"failed before: {', '.join(map(str, failed))}"
    elif changed := (compared := sources.compare(task.obs_ids, record.inputs))[1]:
        reason = f"changed since it was reduced: {', '.join(changed)}"
    elif task.index != record.index:
        reason = "the index of the store says something else of them"
    elif not folder.holds(record):
        reason = "its sums are missing or damaged"
    elif output.observations and not folder.holds_observations(record, compress=output.compress):
        reason = "datasets of single observations are asked for, and are missing"
    else:
        inputs.add(compared[0])
        return record
    log.warning("observations %s to %s are reduced again: %s", task.obs_ids[0], task.obs_ids[-1], reason)
    return None


def _write_results(
    folder: BatchFolder,
    settings: Settings,
    provenance: Provenance,
    stacks: PartialStack | None,
    single: Mapping[str, str],
) -> list[list[Path]]:
    """Write the files of each stack, and beside them what tells where all files come from.

    Those of single observations, ``single`` by name with SHA-256, are there already.
    """
    more, names, options = provenance.to_hdus(), StackNames(settings), settings.output.file_options
    done = {} if stacks is None else {names.of(key): stacks[key] for key in stacks}
    sets = [
        write_dataset(stack, folder.path, name, more=more, **options)
        for name, stack in done.items()
        if _has_contents(name, stack)
    ]
    table = io.StringIO()
    outcome_table(provenance.outcomes).write(table, format="ascii.ecsv")
    sums = {folder.name(file): sha256_of(file) for files in sets for file in files}
    document = json.dumps(prov_document(provenance, sums | dict(single)), indent=1)
    for name, text in (("outcomes.ecsv", table.getvalue()), ("provenance.json", document)):
        folder.write(name, text)
    return sets


def _has_contents(name: str, stack: MapDataset) -> bool:
    """Whether any observation is in a stack; a spectrum without one has no livetime, which its files need."""
    livetime = None if stack.exposure is None else stack.exposure.meta.get("livetime")
    if livetime is None and isinstance(stack, SpectrumDatasetOnOff):
        log.warning("%s is not written: it has no exposure with a livetime, as no observation contributes to it", name)
        return False
    return True


def _differences(before: Settings, now: Settings) -> list[str]:
    """Keys whose values differ between two settings, with both values."""
    old, new = (dict(_flat(settings.to_dict())) for settings in (before, now))
    keys = [key for key in {**old, **new} if not key.startswith(("output.", "observations."))]
    return [f"{key} was {old.get(key)!r} and is {new.get(key)!r}" for key in keys if old.get(key) != new.get(key)]


def _flat(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, data
