"""Chunks whose workers die or hang: done again, and taken apart until the observation that is to blame is known.

A chunk is done again once, as a process may be killed by chance. When that fails too, each half is tried on its own,
and so on, as for memory. In the end the whole chunk is done without the observations to blame, in its order: its sums
are rounded as if these had failed in any other way.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lightpool.batch.execution.chunk import ChunkTask
from lightpool.errors import ReductionError, TimeLimitError, WorkerDiedError

__all__ = ["Job", "begin", "died", "hung", "survived"]

log = logging.getLogger(__name__)

MAX_DEATHS = 2
"""What killed its worker so often is not tried again as it is."""


@dataclass(eq=False)
class _Chunk:
    """What is known of a chunk."""

    task: ChunkTask
    n_trial: int = 0
    """Trials of parts that are not over."""
    in_vain: bool = False
    """Whether all parts survived, though the whole had not."""
    culprits: dict[int, Exception] = field(default_factory=dict)
    n_hung: Counter[int] = field(default_factory=Counter)


@dataclass(eq=False)
class Job:
    """What a worker is given to do.

    Attributes
    ----------
    task : ChunkTask
    is_trial : bool, whether it is done only to see whether the worker survives
    """

    task: ChunkTask
    is_trial: bool
    chunk: _Chunk
    n_death: int = 0

    @property
    def label(self) -> str:
        """Words for messages."""
        first, last = self.task.obs_ids[0], self.task.obs_ids[-1]
        return f"observation {first}" if first == last else f"observations {first} to {last}"


def begin(task: ChunkTask) -> Job:
    """Job of a chunk as a whole."""
    return Job(task, False, _Chunk(task))


def died(job: Job, how: str) -> list[Job]:
    """Jobs to do next, after the worker of a job died.

    Raises
    ------
    ReductionError
        If an observation is to blame and the settings say ``on_error: raise``.
    WorkerDiedError
        If no observation is left to blame.
    """
    job.n_death += 1
    suspects = [obs_id for obs_id in job.task.obs_ids if obs_id not in job.task.given_up]
    if job.n_death < MAX_DEATHS and (len(suspects) == 1 or not job.is_trial):
        log.warning("the worker of %s %s; trying again with a new one", job.label, how)
        return [job]
    if len(suspects) < 2 or job.chunk.in_vain:
        memory = "; is there enough memory?" if how.endswith("SIGKILL") else ""
        error = WorkerDiedError(f"the worker of {job.label} {how}, {MAX_DEATHS} times{memory}")
        if not suspects:  # it dies whatever it is given
            raise error
        return _blamed(job, suspects, error)
    log.warning("the worker of %s %s; looking for the one to blame", job.label, how)
    middle = len(suspects) // 2
    trials = [
        Job(replace(job.task, obs_ids=tuple(half)), True, job.chunk) for half in (suspects[:middle], suspects[middle:])
    ]
    job.chunk.n_trial += len(trials) - job.is_trial
    return trials


def hung(job: Job, obs_id: int, limit: str) -> list[Job]:
    """Jobs to do next, after an observation of a job took longer than the limit and its worker was ended.

    Raises
    ------
    ReductionError
        As for `died`.
    """
    run, chunk = job.task.settings["run"], job.chunk
    chunk.n_hung[obs_id] += 1
    n_try = 1 + run["retries"] if run["on_error"] == "retry" else 1
    if chunk.n_hung[obs_id] < n_try:
        log.warning("observation %s took longer than %s; trying again", obs_id, limit)
        return [job]
    return _blamed(job, [obs_id], TimeLimitError(f"it took longer than the limit of {limit} (run.observation_timeout)"))


def survived(job: Job) -> list[Job]:
    """Jobs to do next, after a worker survived a trial."""
    job.chunk.n_trial -= 1
    return _whole_again(job.chunk)


def _blamed(job: Job, obs_ids: Sequence[int], error: Exception) -> list[Job]:
    if job.task.settings["run"]["on_error"] == "raise":
        raise ReductionError(obs_ids[0], "reducing", error)
    for obs_id in obs_ids:
        log.warning("observation %s is left out: %s", obs_id, error)
    job.chunk.culprits |= dict.fromkeys(obs_ids, error)
    if not job.is_trial:
        return _whole_again(job.chunk)
    rest = tuple(obs_id for obs_id in job.task.obs_ids if obs_id not in obs_ids)
    if rest:
        return [Job(replace(job.task, obs_ids=rest), True, job.chunk)]
    return survived(job)


def _whole_again(chunk: _Chunk) -> list[Job]:
    """The whole chunk without the observations to blame, when all trials of its parts are over."""
    if chunk.n_trial:
        return []
    chunk.in_vain = chunk.culprits.keys() == dict(chunk.task.given_up).keys()
    chunk.task = replace(chunk.task, given_up=dict(chunk.culprits))
    return [Job(chunk.task, False, chunk)]
