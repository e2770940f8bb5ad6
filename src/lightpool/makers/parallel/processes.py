"""Work shared out to processes of this machine."""

import logging
import queue
import signal
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any

from lightpool.arrays.devices.gpus import see_gpu
from lightpool.errors import TransferError, WorkerDiedError
from lightpool.makers.parallel.worker_processes import WorkerProcess, packed, unpacked

__all__ = ["in_processes", "is_given_up"]

_package_log = logging.getLogger("lightpool")

_given_up = threading.Event()
"""In a worker: it is told to give up."""

_NO_MORE = b""


def is_given_up() -> bool:
    """Whether the one who started this process wants no more of it; to be asked between two observations."""
    return _given_up.is_set()


def in_processes(
    n_process: int, do: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], gpus: Sequence[str] = ()
) -> Generator[Any, None, None]:
    """Do tasks in processes, see `WorkerProcess`, and give the results in the order of the tasks.

    The first failure is raised at once. Then, and when the generator is closed, tasks that wait are dropped, and those
    that run are told to give up. What is logged, and warnings, arrive in this process.

    Parameters
    ----------
    n_process : int
    do : callable
    tasks : iterable of tuple, arguments of the function; it is asked for a few more than there are processes
    gpus : sequence of str, of `lightpool.arrays.visible_gpus`
        GPUs that the processes take in turn: each sees one alone. Without them all see what this process sees.

    Raises
    ------
    TransferError
        If the function, an argument or a result cannot be sent to another process.
    WorkerDiedError
        If a process ends before its task is done.
    """
    team = _Team(n_process, gpus)
    pool = ThreadPoolExecutor(n_process)  # a thread for each process, which listens to it
    jobs = (pool.submit(team.do, do, task) for task in tasks)
    try:
        waiting = deque(islice(jobs, 2 * n_process))  # the results of more would only fill the memory
        while waiting:
            yield _first_result(waiting)
            waiting.extend(islice(jobs, 1))
    finally:
        team.give_up()
        pool.shutdown(cancel_futures=True)
        team.end()


def _first_result(jobs: deque[Future[Any]]) -> Any:
    """Take the first job and wait for its result; what fails meanwhile raises its error."""
    running = set(jobs)
    while not jobs[0].done():
        finished, running = wait(running, return_when=FIRST_COMPLETED)
        for job in finished:
            if job.exception() is not None:
                job.result()
    return jobs.popleft().result()


class _Team:
    """The processes of one call; each does one task at a time.

    Parameters
    ----------
    n_process : int
    gpus : sequence of str, see `in_processes`
    """

    def __init__(self, n_process: int, gpus: Sequence[str]) -> None:
        self._workers: list[WorkerProcess] = []
        self._idle: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        try:
            for number in range(n_process):
                gpu = gpus[number % len(gpus)] if gpus else None
                self._workers.append(WorkerProcess(_work, gpu, _package_log.getEffectiveLevel()))
                self._idle.put(self._workers[-1])
        except BaseException:
            self.give_up()
            self.end()
            raise

    def do(self, do: Callable[..., Any], task: tuple[Any, ...]) -> Any:
        """Result of a task, from a process that has nothing to do."""
        message = packed((do, task))
        worker = self._idle.get()
        try:
            return self._answer(worker, message)
        finally:
            self._idle.put(worker)

    def _answer(self, worker: WorkerProcess, message: bytes) -> Any:
        try:
            worker.send_bytes(message)
            while (answer := unpacked(worker.connection.recv_bytes()))[0] not in ("done", "failed"):
                _pass_on(*answer)
        except (EOFError, OSError) as error:
            raise WorkerDiedError(_death(worker, len(self._workers))) from error
        if answer[0] == "done":
            return answer[1]
        _, failure, cause = answer
        raise failure from cause

    def give_up(self) -> None:
        """Tell all processes that nobody wants more of them."""
        for worker in self._workers:
            with suppress(OSError):  # it has ended already
                worker.send_bytes(_NO_MORE)

    def end(self) -> None:
        """Wait until all processes have ended."""
        for worker in self._workers:
            worker.connection.close()
            worker.join()


def _death(worker: WorkerProcess, n_process: int) -> str:
    how = worker.how_it_ended()
    if how.endswith("SIGKILL"):
        advice = "the system does so when memory runs out: take fewer processes (n_jobs)"
    else:
        advice = "what it said is on the standard error; n_jobs=1 does the same in this process"
    return f"one of {n_process} processes ended before its work was done: it {how}; {advice}"


def _pass_on(kind: str, content: Any) -> None:
    """Log what a process logged, or warn as it warned."""
    if kind == "log":
        logging.getLogger(content.name).handle(content)
    else:
        text, category, filename, line = content
        warnings.warn_explicit(text, category, filename, line)


def _work(connection: Connection, gpu: str | None, level: int) -> None:
    """What a process does: tasks, until it is told that there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started it decides what Ctrl-C means
    if gpu is not None:
        see_gpu(gpu)
    sender = _Sender(connection, level)
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, messages), daemon=True).start()
    while message := messages.get():
        sender.send(*_outcome(message))


def _receive(connection: Connection, messages: "queue.SimpleQueue[bytes]") -> None:
    """Take what is sent while a task is done: the word to give up comes then."""
    message = b"?"
    while message:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            message = _NO_MORE
        if not message:
            _given_up.set()
        messages.put(message)


def _outcome(message: bytes) -> tuple[Any, ...]:
    """The result of a task, or its error and what caused it."""
    try:
        do, arguments = unpacked(message)
        return "done", do(*arguments)
    except Exception as error:
        error.add_note(f"In another process:\n{traceback.format_exc()}")
        return "failed", error, error.__cause__


class _Sender(logging.Handler):
    """Sends results, what is logged and warnings to the process that started this one.

    Parameters
    ----------
    connection : Connection
    level : int, of what is logged
    """

    def __init__(self, connection: Connection, level: int) -> None:
        super().__init__(level)
        self._connection, self._one_at_a_time = connection, threading.Lock()
        _package_log.setLevel(level)
        _package_log.addHandler(self)
        warnings.showwarning = self._warn

    def send(self, kind: str, *content: Any) -> None:
        """Send a message; an object that cannot travel becomes an error that says so."""
        try:
            data = packed((kind, *content))
        except TransferError as error:
            if kind == "failed":  # the text of the error travels always
                text = f"{type(content[0]).__name__}: {content[0]}"
                data = packed(("failed", RuntimeError(text), None))
            else:
                data = packed(("failed", TransferError(f"a result cannot come back from its process: {error}"), None))
        with self._one_at_a_time:  # threads that read ahead may log meanwhile
            self._connection.send_bytes(data)

    def emit(self, record: logging.LogRecord) -> None:
        """Send what is logged, as text."""
        text = self.format(record)  # what else a record holds may not travel
        self.send(
            "log", logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, text, None, None)
        )

    def _warn(
        self, message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: str | None = None
    ) -> None:
        self.send("warning", (str(message), category, filename, lineno))
