"""Who does the chunks: this process, or some processes of this machine."""

import logging
import os
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

import astropy.units as u

from lightpool.arrays.devices.gpus import see_gpu
from lightpool.batch.execution.chunk import ChunkTask, run_chunk, try_chunk
from lightpool.batch.execution.failed_chunks import Job, begin, died, hung, survived
from lightpool.batch.execution.watch import watch_with
from lightpool.batch.storage.folder import BatchFolder, ChunkRecord
from lightpool.errors import WorkerDiedError
from lightpool.makers.parallel.worker_processes import WorkerProcess

__all__ = ["Executor", "ProcessExecutor", "SerialExecutor", "time_limit"]

log = logging.getLogger(__name__)
_package_log = logging.getLogger("lightpool")

_MOST_STILLBORN = 3
"""Processes that may die at their start, one after the other."""

_LAST_WAIT = 5.0
"""Seconds that a process is given to end after SIGKILL: what waits for a file system may never end."""


class Executor(Protocol):
    """Does tasks, in any order."""

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Give the record of each chunk as soon as it is finished; closing the generator ends the work."""
        ...


class SerialExecutor:
    """Does one chunk after the other in this process.

    What needs a process of its own gets one: observations with a limit of time, as nothing else ends what hangs, and a
    chunk during which this program died or was killed before, as it may be the chunk that kills it.
    """

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Give the record of each chunk as soon as it is finished."""
        if any(time_limit(task.settings) for task in tasks):
            yield from ProcessExecutor(1).run(tasks)
            return
        for task in tasks:
            folder = BatchFolder(Path(task.settings["output"]["folder"]))
            if folder.was_begun(task.key):
                log.warning(
                    "observations %s to %s are reduced by a process of their own: the program ended during them before",
                    task.obs_ids[0],
                    task.obs_ids[-1],
                )
                yield from ProcessExecutor(1).run([task])
                continue
            folder.begin_chunk(task.key)
            try:
                record = run_chunk(task)
            finally:
                folder.end_chunk(task.key)
            yield record


@dataclass(eq=False)
class _Worker:
    """A process and what it is doing."""

    process: WorkerProcess
    gpu: str | None
    is_ready: bool = False
    job: Job | None = None
    obs_id: int | None = None
    since: float = 0.0

    @property
    def connection(self) -> Connection:
        return self.process.connection

    def give(self, waiting: "deque[Job]") -> None:
        """Give it the next job, if there is one."""
        self.job, self.obs_id = waiting.popleft() if waiting else None, None
        if self.job is not None:
            with suppress(OSError):  # it died while it had nothing to do: listening to it will tell
                self.connection.send((self.job.task, self.job.is_trial))

    def end(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.connection.close()

    def how_it_ended(self) -> str:
        """Words for the end of the process."""
        self.process.join(_LAST_WAIT)
        return "does not answer" if self.process.is_alive() else self.process.how_it_ended()


@dataclass
class ProcessExecutor:
    """Does chunks in processes of their own, which are started anew and not forked.

    A process that dies is noticed: its chunk is done again by a new one, and taken apart if that dies too, until the
    observation that is to blame is known. One that takes longer over an observation than the settings allow is ended.

    Parameters
    ----------
    n_worker : int
    gpus : sequence of str, of `lightpool.arrays.visible_gpus`
        GPUs that the workers take in turn: each sees one alone. Without them all see what this process sees.
    """

    n_worker: int
    gpus: Sequence[str] = ()
    _n_stillborn: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.n_worker < 1:
            raise ValueError(f"n_worker must be a positive number of processes, got {self.n_worker}")

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Give the record of each chunk as soon as it is finished; closing the generator ends the processes."""
        waiting = deque(map(begin, tasks))
        workers: list[_Worker] = []
        try:
            for number in range(min(self.n_worker, len(tasks))):
                workers.append(self._start(self.gpus[number % len(self.gpus)] if self.gpus else None))
                workers[-1].give(waiting)
            while busy := [worker for worker in workers if worker.job is not None]:
                for worker in _ready(busy):
                    yield from self._listen(worker, workers, waiting)
                for worker in busy:
                    if worker.job is not None and worker.obs_id is not None and _seconds_left(worker) <= 0:
                        job, obs_id = worker.job, worker.obs_id
                        self._replace(worker, workers, waiting, hung(job, obs_id, time_limit(job.task.settings) or ""))
        finally:
            for worker in workers:
                worker.end()
            for worker in workers:
                worker.process.join(_LAST_WAIT)

    def _start(self, gpu: str | None) -> _Worker:
        return _Worker(WorkerProcess(_work, gpu, _package_log.getEffectiveLevel()), gpu)

    def _listen(
        self, worker: _Worker, workers: list[_Worker], waiting: "deque[Job]"
    ) -> Generator[ChunkRecord, None, None]:
        """Take what a worker says; its records are given on."""
        job = worker.job
        assert job is not None  # only workers with a job are listened to
        try:
            kind, content = worker.connection.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            how = worker.how_it_ended()
            self._replace(worker, workers, waiting, died(job, how) if worker.is_ready else self._stillborn(job, how))
            return
        if kind == "ready":
            worker.is_ready, self._n_stillborn = True, 0
        elif kind == "log":
            logging.getLogger(content.name).handle(content)
        elif kind == "started":
            worker.obs_id, worker.since = content, time.monotonic()
        else:
            if job.is_trial:
                waiting.extendleft(survived(job))
            worker.give(waiting)
            self._wake(workers, waiting)
            if kind == "failed" and not job.is_trial:
                raise content
            if kind == "done":
                yield content

    def _stillborn(self, job: Job, how: str) -> list[Job]:
        """Jobs to do next, after a worker died before it began with any: no observation is to blame."""
        self._n_stillborn += 1
        if self._n_stillborn > _MOST_STILLBORN:
            raise WorkerDiedError(
                f"no worker starts, the last one {how}: what it said is on the standard error; without --workers this "
                "process does the work"
            )
        return [job]

    def _replace(self, worker: _Worker, workers: list[_Worker], waiting: "deque[Job]", jobs: Sequence[Job]) -> None:
        """Put a new worker in the place of one that died or has to."""
        worker.end()
        worker.process.join(_LAST_WAIT)
        waiting.extendleft(reversed(jobs))
        new = workers[workers.index(worker)] = self._start(worker.gpu)
        worker.job = None
        new.give(waiting)
        self._wake(workers, waiting)

    def _wake(self, workers: Sequence[_Worker], waiting: "deque[Job]") -> None:
        """Give work to those that had none, when a chunk was taken apart."""
        for worker in workers:
            if waiting and worker.job is None:
                worker.give(waiting)


def time_limit(settings: dict[str, Any]) -> str | None:
    """Limit of time of an observation, such as ``10 min``; None without one."""
    limit: str | None = settings["run"].get("observation_timeout")
    return limit


def _seconds_left(worker: _Worker) -> float:
    """Seconds until the limit of the observation that a worker is doing."""
    assert worker.job is not None  # otherwise there is no observation
    limit = time_limit(worker.job.task.settings)
    if limit is None or worker.obs_id is None:
        return float("inf")
    return float(u.Quantity(limit).to_value("s")) - (time.monotonic() - worker.since)


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    """Workers that have something to say; waits for that, or for the next limit of time."""
    left = min(map(_seconds_left, workers))
    ready = wait([worker.connection for worker in workers], None if left == float("inf") else max(left, 0.0))
    return [worker for worker in workers if worker.connection in ready]


class _ToParent(QueueHandler):
    """Sends what is logged in a worker to the process that started it, which knows where it is to be shown."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._connection = connection

    def enqueue(self, record: logging.LogRecord) -> None:
        self.tell("log", record)

    def tell(self, kind: str, content: Any) -> None:
        """Send a message; threads that read ahead may log meanwhile."""
        with suppress(OSError), self.lock or nullcontext():  # nobody may listen any more: then no next task comes
            self._connection.send((kind, content))


def _work(connection: Connection, gpu: str | None, level: int) -> None:
    """What a worker does: chunks, until nobody listens any more."""
    if gpu is not None:
        see_gpu(gpu)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started it decides what Ctrl-C means
    sender = _ToParent(connection)
    _package_log.setLevel(level)
    for logger in (_package_log, logging.getLogger("py.warnings")):
        logger.addHandler(sender)
    logging.captureWarnings(True)
    sender.tell("ready", None)
    watch_with(lambda obs_id: sender.tell("started", obs_id))
    answer: Any
    do: Callable[[ChunkTask], Any]
    while True:
        try:
            task, is_trial = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # threads that hang would keep it alive
        kind, do = ("tried", try_chunk) if is_trial else ("done", run_chunk)
        try:
            answer = do(task)
        except Exception as error:
            kind, answer = "failed", _sendable(error)
        sender.tell(kind, answer)
        del answer  # an error refers to all that failed


def _sendable(error: Exception) -> Exception:
    """Error that another process can take: one whose class cannot be made again becomes its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
