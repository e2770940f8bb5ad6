"""Reduce chunks in this process, or in several processes on this machine."""

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
from typing import Any, Literal, Protocol, TypeAlias

import astropy.units as u

from lightpool.arrays.devices.gpus import see_gpu
from lightpool.arrays.devices.lost_contexts import lost_context
from lightpool.batch.execution.chunk import ChunkTask, run_chunk, try_chunk
from lightpool.batch.execution.current_observation import set_listener
from lightpool.batch.execution.failed_chunks import Job, begin, died, hung, survived
from lightpool.batch.storage.folder import BatchFolder, ChunkRecord
from lightpool.errors import WorkerDiedError
from lightpool.makers.parallel.worker_processes import WorkerProcess

__all__ = ["Executor", "ProcessExecutor", "SerialExecutor", "lost_gpu", "time_limit"]

log = logging.getLogger(__name__)
_package_log = logging.getLogger("lightpool")

_MAX_FAILED_STARTS = 3
"""Number of processes in succession that may die while they start."""

_LAST_WAIT = 5.0
"""Seconds to wait for a process to end after SIGKILL: one that waits for a file system may never end."""

_MessageKind: TypeAlias = Literal["ready", "log", "started", "tried", "done", "failed", "lost"]


class Executor(Protocol):
    """Reduces chunks, in any order."""

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Yield the record of each chunk as soon as it is finished; closing the generator stops the work."""
        ...


class SerialExecutor:
    """Reduces one chunk after the other in this process.

    Some chunks get a process of their own: those with a time limit per observation, because a hanging observation can
    only be stopped by killing its process, and a chunk during which this program died or was killed before, because the
    chunk itself may be the cause. After an error of CUDA that destroys the context of this process, another process
    does that chunk and all that follow.
    """

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Yield the record of each chunk as soon as it is finished."""
        if any(time_limit(task.settings) for task in tasks):
            yield from ProcessExecutor(1).run(tasks)
            return
        for number, task in enumerate(tasks):
            folder = BatchFolder(Path(task.settings["output"]["folder"]))
            if folder.was_begun(task.key):
                log.warning(
                    "observations %s to %s are reduced in a separate process: the program died during them before",
                    task.obs_ids[0],
                    task.obs_ids[-1],
                )
                yield from ProcessExecutor(1).run([task])
                continue
            # The mark remains if this process is killed, see `BatchFolder.was_begun`.
            folder.begin_chunk(task.key)
            try:
                record = run_chunk(task)
            except Exception as error:
                reason = lost_context(error)
                if reason is None:
                    raise
            else:
                reason = None
            finally:
                folder.end_chunk(task.key)
            if reason is not None:
                log.warning(
                    "observations %s to %s, and those after them, are reduced in a separate process: this one %s",
                    task.obs_ids[0],
                    task.obs_ids[-1],
                    lost_gpu(reason),
                )
                yield from ProcessExecutor(1).run(tasks[number:])
                return
            yield record


@dataclass(eq=False)
class _Worker:
    """A process and its current job."""

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
        """Send it the next job, if there is one."""
        self.job, self.obs_id = waiting.popleft() if waiting else None, None
        if self.job is not None:
            with suppress(OSError):  # it died while idle, which the next read of the connection will show
                self.connection.send((self.job.task, self.job.is_trial))

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.connection.close()

    def how_it_ended(self) -> str:
        """Return a description of how the process ended."""
        self.process.join(_LAST_WAIT)
        return "does not answer" if self.process.is_alive() else self.process.how_it_ended()


@dataclass
class ProcessExecutor:
    """Reduces chunks in separate processes, which are spawned and not forked.

    If a process dies, or an error of CUDA destroys its context, a new one repeats its chunk. If that dies too, the
    chunk is split until the observation that causes it is found. A process that exceeds the time limit for an
    observation is killed.

    Parameters
    ----------
    n_worker : int
    gpus : sequence of str
        GPUs, see `lightpool.arrays.devices.gpus.visible_gpus`, which are assigned to the workers in turn: each worker
        sees only one. By default, all workers see what this process sees.
    """

    n_worker: int
    gpus: Sequence[str] = ()
    _n_failed_start: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.n_worker < 1:
            raise ValueError(f"n_worker must be a positive number of processes, got {self.n_worker}")

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Yield the record of each chunk as soon as it is finished; closing the generator kills the processes."""
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
                # All are killed before any is waited for, so that the waits do not add up.
                worker.end()
            for worker in workers:
                worker.process.join(_LAST_WAIT)

    def _start(self, gpu: str | None) -> _Worker:
        return _Worker(WorkerProcess(_work, gpu, _package_log.getEffectiveLevel()), gpu)

    def _listen(
        self, worker: _Worker, workers: list[_Worker], waiting: "deque[Job]"
    ) -> Generator[ChunkRecord, None, None]:
        """Handle a message of a worker; if it is a record, yield it."""
        job = worker.job
        assert job is not None  # only workers with a job are listened to
        try:
            kind, content = worker.connection.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            how = worker.how_it_ended()
            self._replace(worker, workers, waiting, died(job, how) if worker.is_ready else self._start_failed(job, how))
            return
        if kind == "ready":
            worker.is_ready, self._n_failed_start = True, 0
        elif kind == "log":
            logging.getLogger(content.name).handle(content)
        elif kind == "started":
            worker.obs_id, worker.since = content, time.monotonic()
        elif kind == "lost":
            self._replace(worker, workers, waiting, died(job, lost_gpu(content)))
        else:
            if job.is_trial:
                waiting.extendleft(survived(job))
            worker.give(waiting)
            self._wake(workers, waiting)
            if kind == "failed" and not job.is_trial:
                raise content
            if kind == "done":
                yield content

    def _start_failed(self, job: Job, how: str) -> list[Job]:
        """Return the jobs to do next after a worker died before it started any: no observation is to blame."""
        self._n_failed_start += 1
        if self._n_failed_start > _MAX_FAILED_STARTS:
            raise WorkerDiedError(
                f"workers cannot be started, the last one {how}: see its messages on standard error. Without "
                "--workers, this process does the work"
            )
        return [job]

    def _replace(self, worker: _Worker, workers: list[_Worker], waiting: "deque[Job]", jobs: Sequence[Job]) -> None:
        """Replace a worker that has died or must be killed."""
        worker.end()
        worker.process.join(_LAST_WAIT)
        # Reversed, because extendleft turns the order around.
        waiting.extendleft(reversed(jobs))
        new = workers[workers.index(worker)] = self._start(worker.gpu)
        worker.job = None
        new.give(waiting)
        self._wake(workers, waiting)

    def _wake(self, workers: Sequence[_Worker], waiting: "deque[Job]") -> None:
        """Give jobs to idle workers, after a chunk was split."""
        for worker in workers:
            if waiting and worker.job is None:
                worker.give(waiting)


def lost_gpu(reason: str) -> str:
    """Return a description of how a process ended, or has to end, because of an error of CUDA."""
    return f"lost its GPU by an error after which CUDA cannot be used any more ({reason})"


def time_limit(settings: dict[str, Any]) -> str | None:
    """Return the time limit per observation, such as ``10 min``; None if there is none."""
    limit: str | None = settings["run"].get("observation_timeout")
    return limit


def _seconds_left(worker: _Worker) -> float:
    """Return the seconds until the time limit of the current observation of a worker."""
    assert worker.job is not None  # an idle worker has no observation
    limit = time_limit(worker.job.task.settings)
    if limit is None or worker.obs_id is None:
        return float("inf")
    return float(u.Quantity(limit).to_value("s")) - (time.monotonic() - worker.since)


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    """Wait for a message or for the next time limit, and return the workers that have sent a message."""
    left = min(map(_seconds_left, workers))
    ready = wait([worker.connection for worker in workers], None if left == float("inf") else max(left, 0.0))
    return [worker for worker in workers if worker.connection in ready]


class _ParentHandler(QueueHandler):
    """Sends the log records of a worker to the parent process, which displays them."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._connection: Connection = connection

    def enqueue(self, record: logging.LogRecord) -> None:
        self.send("log", record)

    def send(self, kind: _MessageKind, content: object) -> None:
        """Send a message, under a lock: threads that read ahead may log at the same time."""
        with suppress(OSError), self.lock or nullcontext():  # if the parent is gone, no further task will come
            self._connection.send((kind, content))


def _work(connection: Connection, gpu: str | None, level: int) -> None:
    """Reduce chunks in a worker process until the parent closes the connection."""
    if gpu is not None:
        see_gpu(gpu)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    sender = _ParentHandler(connection)
    _package_log.setLevel(level)
    for logger in (_package_log, logging.getLogger("py.warnings")):
        logger.addHandler(sender)
    logging.captureWarnings(True)
    sender.send("ready", None)
    set_listener(lambda obs_id: sender.send("started", obs_id))
    kind: _MessageKind
    answer: ChunkRecord | Exception | str | None
    do: Callable[[ChunkTask], ChunkRecord | None]
    while True:
        try:
            task, is_trial = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # sys.exit would wait for threads that hang
        kind, do = ("tried", try_chunk) if is_trial else ("done", run_chunk)
        try:
            answer = do(task)
        except Exception as error:
            reason = lost_context(error)
            kind, answer = ("failed", _sendable(error)) if reason is None else ("lost", reason)
        sender.send(kind, answer)
        if kind == "lost":
            os._exit(1)  # at once: libraries of CUDA may hang when they end without a context
        del answer  # the traceback of an error refers to the arrays of the failed attempt


def _sendable(error: Exception) -> Exception:
    """Return an error that can be pickled; one that cannot be unpickled is replaced by its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
