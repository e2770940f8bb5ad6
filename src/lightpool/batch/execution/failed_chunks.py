"""Chunks whose workers die or hang: they are repeated, then split until the observation that causes it is found.

A chunk is repeated once, because a process may be killed for other reasons. If that fails too, each half is tried on
its own, and so on (a binary search). In the end the whole chunk is reduced without the observations to blame, in the
original order, so that its sums are rounded as if these observations had failed in any other way.
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
"""A job that killed its worker this often is not repeated unchanged."""


@dataclass(eq=False)
class _Chunk:
    """State of a chunk whose workers died."""

    task: ChunkTask
    n_trial: int = 0
    """Number of unfinished trials of its parts."""
    found_nothing: bool = False
    """Whether all parts survived although the whole chunk did not."""
    culprits: dict[int, Exception] = field(default_factory=dict)
    n_hung: Counter[int] = field(default_factory=Counter)


@dataclass(eq=False)
class Job:
    """A unit of work for a worker.

    Attributes
    ----------
    task : ChunkTask
    is_trial : bool
        Whether the only purpose is to see whether the worker survives; the result is discarded.
    """

    task: ChunkTask
    is_trial: bool
    chunk: _Chunk
    n_death: int = 0

    @property
    def label(self) -> str:
        """Name of the job in messages."""
        first, last = self.task.obs_ids[0], self.task.obs_ids[-1]
        return f"observation {first}" if first == last else f"observations {first} to {last}"


def begin(task: ChunkTask) -> Job:
    """Return the job that reduces a whole chunk."""
    return Job(task, False, _Chunk(task))


def died(job: Job, how: str) -> list[Job]:
    """Return the jobs to do next after the worker of a job died.

    Parameters
    ----------
    job : Job
    how : str
        Description of the death, such as "was killed by SIGKILL".

    Raises
    ------
    ReductionError
        If an observation is to blame and ``on_error`` is "raise".
    WorkerDiedError
        If no observation is left to blame.
    """
    job.n_death += 1
    suspects = [obs_id for obs_id in job.task.obs_ids if obs_id not in job.task.given_up]
    # A trial of several observations is not repeated: it is divided further at once.
    if job.n_death < MAX_DEATHS and (len(suspects) == 1 or not job.is_trial):
        log.warning("the worker of %s %s; trying again with a new one", job.label, how)
        return [job]
    if len(suspects) < 2 or job.chunk.found_nothing:
        memory = "; is there enough memory?" if how.endswith("SIGKILL") else ""
        error = WorkerDiedError(f"the worker of {job.label} {how}, {MAX_DEATHS} times{memory}")
        if not suspects:  # workers die whatever they do
            raise error
        return _blamed(job, suspects, error)
    log.warning("the worker of %s %s; searching for the observation to blame", job.label, how)
    middle = len(suspects) // 2
    trials = [
        Job(replace(job.task, obs_ids=tuple(half)), True, job.chunk) for half in (suspects[:middle], suspects[middle:])
    ]
    # A trial that is split is replaced by its halves.
    job.chunk.n_trial += len(trials) - job.is_trial
    return trials


def hung(job: Job, obs_id: int, limit: str) -> list[Job]:
    """Return the jobs to do next after an observation exceeded the time limit and its worker was killed.

    Parameters
    ----------
    job : Job
    obs_id : int
        The observation.
    limit : str
        The time limit, such as "10 min".

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
    """Return the jobs to do next after a worker survived a trial."""
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
    """Return the job of the chunk without the observations to blame, once all trials of its parts are finished."""
    if chunk.n_trial:
        return []
    chunk.found_nothing = chunk.culprits.keys() == dict(chunk.task.given_up).keys()
    chunk.task = replace(chunk.task, given_up=dict(chunk.culprits))
    return [Job(chunk.task, False, chunk)]
