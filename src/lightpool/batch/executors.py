"""Who does the chunks: this process, or some processes of this machine."""

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from logging.handlers import QueueHandler
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from lightpool.arrays.gpus import see_gpu
from lightpool.arrays.threads import one_thread_each
from lightpool.batch.chunk import ChunkTask, fail_chunk, run_chunk
from lightpool.batch.folder import ChunkRecord
from lightpool.errors import WorkerDiedError

__all__ = ["Executor", "ProcessExecutor", "SerialExecutor"]

log = logging.getLogger(__name__)
_package_log = logging.getLogger("lightpool")

MAX_DEATHS = 2
"""A chunk whose worker died so often is not tried again."""


class Executor(Protocol):
    """Does tasks, in any order."""

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Give the record of each chunk as soon as it is finished; closing the generator ends the work."""
        ...


class SerialExecutor:
    """Does one chunk after the other in this process."""

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Give the record of each chunk as soon as it is finished."""
        yield from map(run_chunk, tasks)


@dataclass(eq=False)
class _Worker:
    """A process and what it is doing."""

    process: Any
    connection: Connection
    gpu: str | None
    task: ChunkTask | None = None


@dataclass
class ProcessExecutor:
    """Does chunks in processes of their own, which are started anew and not forked.

    A process that is killed is noticed: its chunk is done again by a new one, and fails when that dies too.

    Parameters
    ----------
    n_worker : int
    gpus : sequence of str, of `lightpool.arrays.visible_gpus`
        GPUs that the workers take in turn: each sees one alone. Without them all see what this process sees.
    """

    n_worker: int
    gpus: Sequence[str] = ()
    _deaths: dict[str, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.n_worker < 1:
            raise ValueError(f"n_worker must be a positive number of processes, got {self.n_worker}")

    def run(self, tasks: Sequence[ChunkTask]) -> Generator[ChunkRecord, None, None]:
        """Give the record of each chunk as soon as it is finished; closing the generator ends the processes."""
        waiting = deque(tasks)
        workers: list[_Worker] = []
        try:
            for number in range(min(self.n_worker, len(tasks))):
                workers.append(self._start(self.gpus[number % len(self.gpus)] if self.gpus else None))
                _give(workers[-1], waiting)
            while any(worker.task is not None for worker in workers):
                for ready in wait([worker.connection for worker in workers if worker.task is not None]):
                    worker = next(worker for worker in workers if worker.connection is ready)
                    try:
                        answer = worker.connection.recv()
                    except (EOFError, OSError):
                        workers[workers.index(worker)], record = self._replaced(worker, waiting)
                        if record is not None:
                            yield record
                        continue
                    if isinstance(answer, logging.LogRecord):
                        logging.getLogger(answer.name).handle(answer)
                        continue
                    _give(worker, waiting)
                    if isinstance(answer, BaseException):
                        raise answer
                    yield answer
        finally:
            for worker in workers:
                worker.process.terminate()
                worker.connection.close()
            for worker in workers:
                worker.process.join()

    def _start(self, gpu: str | None) -> _Worker:
        context = get_context("spawn")
        mine, its = context.Pipe()
        process = context.Process(target=_work, args=(its, gpu, _package_log.getEffectiveLevel()), daemon=True)
        with one_thread_each():
            process.start()
        its.close()
        return _Worker(process, mine, gpu)

    def _replaced(self, worker: _Worker, waiting: deque[ChunkTask]) -> tuple[_Worker, ChunkRecord | None]:
        """Give a new worker in place of one that died, and the record of its chunk if that is given up."""
        task = worker.task
        assert task is not None  # only workers with a task are listened to
        worker.connection.close()
        worker.process.join()
        first, last, how = task.obs_ids[0], task.obs_ids[-1], _how_it_ended(worker.process.exitcode)
        self._deaths[task.key] = self._deaths.get(task.key, 0) + 1
        record = None
        if self._deaths[task.key] < MAX_DEATHS:
            log.warning("the worker of observations %s to %s %s; trying again with a new one", first, last, how)
            waiting.appendleft(task)
        else:
            text = f"the worker of observations {first} to {last} {how}, {MAX_DEATHS} times; is there enough memory?"
            record = fail_chunk(task, WorkerDiedError(text))
        new = self._start(worker.gpu)
        _give(new, waiting)
        return new, record


def _give(worker: _Worker, waiting: deque[ChunkTask]) -> None:
    """Give a worker the next task, if there is one."""
    worker.task = waiting.popleft() if waiting else None
    if worker.task is not None:
        with suppress(OSError):  # it died while it had nothing to do: listening to it will tell
            worker.connection.send(worker.task)


class _ToParent(QueueHandler):
    """Sends what is logged in a worker to the process that started it, which knows where it is to be shown."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._connection = connection

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # nobody listens any more
            self._connection.send(record)


def _end_with_parent() -> None:
    """End this process as soon as the one that started it has ended, however that came about."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # a worker has been started by someone
    parent.join()
    os._exit(1)


def _work(connection: Connection, gpu: str | None, level: int) -> None:
    """What a worker does: chunks, until nobody listens any more."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu is not None:
        see_gpu(gpu)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started it decides what Ctrl-C means
    sender = _ToParent(connection)
    _package_log.setLevel(level)
    for logger in (_package_log, logging.getLogger("py.warnings")):
        logger.addHandler(sender)
    logging.captureWarnings(True)
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer: Any = run_chunk(task)
        except Exception as error:
            answer = error
        with suppress(OSError), sender.lock or nullcontext():  # threads that read ahead may log meanwhile
            connection.send(answer)  # if nobody listens any more, the next task does not come


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
