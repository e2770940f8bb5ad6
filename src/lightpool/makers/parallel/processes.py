"""Work distributed over processes of this machine."""

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
from contextvars import copy_context
from itertools import islice
from multiprocessing.connection import Connection
from typing import TextIO, TypeVar, cast

from lightpool.arrays.devices.gpus import see_gpu
from lightpool.arrays.devices.lost_contexts import lost_context
from lightpool.errors import TransferError, WorkerDiedError
from lightpool.makers.parallel.worker_processes import WorkerProcess, packed, unpacked
from lightpool.utils.deviations import deviates, deviations_are_heard, noted_deviations

__all__ = ["in_processes", "is_given_up", "one_is_done"]

Result = TypeVar("Result")

_package_log = logging.getLogger("lightpool")

_given_up = threading.Event()
"""Set in a worker that has been asked to stop."""

_senders: "list[_Sender]" = []
"""In a worker, what sends messages to its parent."""

# No pickled object is empty.
_NO_MORE = b""


def is_given_up() -> bool:
    """Return whether the parent has asked this process to stop; checked between two observations."""
    return _given_up.is_set()


def one_is_done() -> None:
    """Tell the parent that one of the items of a task is done; elsewhere nothing happens."""
    if _senders:
        _senders[-1].send("one", None)


def in_processes(
    n_process: int,
    do: Callable[..., Result],
    tasks: Iterable[tuple[object, ...]],
    gpus: Sequence[str] = (),
    advance: Callable[[], None] | None = None,
) -> Generator[Result, None, None]:
    """Call a function in processes, see `WorkerProcess`, and yield the results in the order of the tasks.

    The first failure is raised at once. Then, and when the generator is closed, waiting tasks are dropped, and
    working processes are asked to stop. Log records, warnings and announced differences from Gammapy arrive in this
    process.

    Parameters
    ----------
    n_process : int
        Number of processes.
    do : callable
    tasks : iterable of tuple
        Arguments of each call; only a few more than there are processes are taken in advance.
    gpus : sequence of str, see `lightpool.arrays.visible_gpus`
        GPUs that the processes use in turn: each sees only one. Without them each process sees those of this process.
    advance : function without arguments, optional
        Called whenever a process says that an item of its task is done, see `one_is_done`.

    Raises
    ------
    TransferError
        If the function, an argument or a result cannot be sent to another process.
    WorkerDiedError
        If a process ends before its task is done.
    """
    processes = _Processes(n_process, gpus, advance)
    pool = ThreadPoolExecutor(n_process)  # a thread for each process, which waits for its answers
    # A copy of the context for each job, which has the listeners of this thread.
    jobs = (
        pool.submit(copy_context().run, cast("Callable[..., Result]", processes.result_of), do, task) for task in tasks
    )
    try:
        waiting = deque(islice(jobs, 2 * n_process))  # the results of more would only use memory
        while waiting:
            yield _first_result(waiting)
            waiting.extend(islice(jobs, 1))
    finally:
        # First the request to stop: `shutdown` waits for threads, which wait for the answers of their processes.
        processes.give_up()
        pool.shutdown(cancel_futures=True)
        processes.end()


def _first_result(jobs: deque[Future[Result]]) -> Result:
    """Remove the first job and return its result; the error of any job that fails in the meantime is raised."""
    running = set(jobs)
    while not jobs[0].done():
        finished, running = wait(running, return_when=FIRST_COMPLETED)
        if jobs[0].done():  # a later job may have failed at the same time: results before it are kept
            break
        for job in finished:
            # `result` raises it.
            if job.exception() is not None:
                job.result()
    return jobs.popleft().result()


class _Processes:
    """The processes of one call; each does one task at a time.

    Parameters
    ----------
    n_process, gpus, advance : see `in_processes`
    """

    def __init__(self, n_process: int, gpus: Sequence[str], advance: Callable[[], None] | None) -> None:
        self._advance = advance
        self._workers: list[WorkerProcess] = []
        self._gpus = gpus
        self._idle: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        try:
            for number in range(n_process):
                self._workers.append(self._started(number))
                self._idle.put(self._workers[-1])
        except BaseException:
            self.give_up()
            self.end()
            raise

    def result_of(self, function: Callable[..., object], arguments: tuple[object, ...]) -> object:
        """Return the result of a function, called in an idle process.

        Parameters
        ----------
        function : callable
        arguments : tuple
        """
        # Before a worker is taken: what cannot be sent does not occupy one.
        message = packed((function, arguments, deviations_are_heard()))
        worker = self._idle.get()
        try:
            return self._answer(worker, message)
        except Exception as error:
            # It would fail at everything, and hide which task was the first.
            if lost_context(error) is not None:
                worker = self._replaced(worker)
            raise
        finally:
            self._idle.put(worker)

    def _replaced(self, worker: WorkerProcess) -> WorkerProcess:
        """Start a process in the place of one that cannot go on."""
        worker.kill()
        worker.connection.close()
        worker.join()
        place = self._workers.index(worker)
        self._workers[place] = self._started(place)
        return self._workers[place]

    def _started(self, number: int) -> WorkerProcess:
        gpu = self._gpus[number % len(self._gpus)] if self._gpus else None
        return WorkerProcess(_call_functions, gpu, _package_log.getEffectiveLevel())

    def _answer(self, worker: WorkerProcess, message: bytes) -> object:
        try:
            worker.send_bytes(message)
            while (answer := _received(worker.connection))[0] not in ("done", "failed"):
                if answer[0] != "one":
                    _pass_on(answer)
                elif self._advance is not None:
                    self._advance()
        except (EOFError, OSError) as error:
            raise WorkerDiedError(_death(worker, len(self._workers))) from error
        if answer[0] == "done":
            for what in cast("list[str]", answer[2]):
                deviates(what)
            return answer[1]
        _, failure, cause = cast("tuple[str, BaseException, BaseException | None]", answer)
        # Pickling drops the cause of an error, therefore it comes separately.
        raise failure from cause

    def give_up(self) -> None:
        """Ask all processes to stop."""
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
        advice = "the system does so when memory runs out: use fewer processes (n_jobs)"
    else:
        advice = "its messages are on the standard error; n_jobs=1 does the same in this process"
    return f"one of {n_process} processes ended before its work was done: it {how}; {advice}"


def _received(connection: Connection) -> tuple[object, ...]:
    """Return the next message of a process: its kind and its contents."""
    return cast("tuple[object, ...]", unpacked(connection.recv_bytes()))


def _pass_on(message: tuple[object, ...]) -> None:
    """Log what a process logged, or repeat its warning."""
    _, content = message
    if isinstance(content, logging.LogRecord):
        logging.getLogger(content.name).handle(content)
    else:
        text, category, filename, line = cast("tuple[str, type[Warning], str, int]", content)
        # The filters of this process decide what becomes of it.
        warnings.warn_explicit(text, category, filename, line)


def _call_functions(connection: Connection, gpu: str | None, level: int) -> None:
    """Run tasks in a worker process until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent decides what Ctrl-C means
    if gpu is not None:
        see_gpu(gpu)
    sender = _Sender(connection, level)
    _senders.append(sender)
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, messages), daemon=True).start()
    while message := messages.get():
        sender.send(*_outcome(message))


def _receive(connection: Connection, messages: "queue.SimpleQueue[bytes]") -> None:
    """Receive messages while a task runs: a request to stop arrives then."""
    message = b"?"
    while message:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            message = _NO_MORE
        if not message:
            _given_up.set()
        messages.put(message)


def _outcome(message: bytes) -> tuple[str, *tuple[object, ...]]:
    """Return the result of a task with the differences it announced, or its error and the cause of it."""
    try:
        do, arguments, is_heard = cast("tuple[Callable[..., object], tuple[object, ...], bool]", unpacked(message))
        if not is_heard:
            return "done", do(*arguments), []
        with noted_deviations() as found:
            result = do(*arguments)
        return "done", result, found
    except Exception as error:
        # A traceback cannot be pickled, but notes can.
        error.add_note(f"In another process:\n{traceback.format_exc()}")
        return "failed", error, error.__cause__


class _Sender(logging.Handler):
    """Sends results, log records and warnings to the process that started this one.

    Parameters
    ----------
    connection : Connection
    level : int
        Level of the log.
    """

    def __init__(self, connection: Connection, level: int) -> None:
        super().__init__(level)
        self._connection, self._one_at_a_time = connection, threading.Lock()
        _package_log.setLevel(level)
        _package_log.addHandler(self)
        warnings.showwarning = self._warn

    def send(self, kind: str, *content: object) -> None:
        """Send a message; an object that cannot be sent is replaced by an error that says so.

        Parameters
        ----------
        kind : {"done", "failed", "log", "warning", "one"}
        *content
            The result and the announced differences; the error and its cause; the record; text, category, file
            and line; or nothing.
        """
        try:
            data = packed((kind, *content))
        except TransferError as error:
            if kind == "failed":  # the text of an error can always be sent
                text = f"{type(content[0]).__name__}: {content[0]}"
                data = packed(("failed", RuntimeError(text), None))
            else:
                data = packed(("failed", TransferError(f"a result cannot come back from its process: {error}"), None))
        with self._one_at_a_time:  # threads that read ahead may log meanwhile
            self._connection.send_bytes(data)

    def emit(self, record: logging.LogRecord) -> None:
        """Send what is logged, as text."""
        text = self.format(record)  # other contents of a record may not be picklable
        self.send(
            "log", logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, text, None, None)
        )

    def _warn(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        self.send("warning", (str(message), category, filename, lineno))
