"""Work shared out to processes of this machine."""

import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any

from lightpool.arrays.gpus import see_gpu
from lightpool.arrays.threads import one_thread_each
from lightpool.errors import WorkerDiedError

__all__ = ["in_processes", "is_given_up"]

_state: dict[str, Any] = {}
"""In a worker: the event that tells it to give up."""


def is_given_up() -> bool:
    """Whether the one who started this process wants no more of it; to be asked between two observations."""
    return "given up" in _state and _state["given up"].is_set()


def in_processes(
    n_process: int, do: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], gpus: Sequence[str] = ()
) -> Generator[Any, None, None]:
    """Do tasks in processes, started anew and not forked, and give the results in the order of the tasks.

    The first failure is raised at once. Then, and when the generator is closed, tasks that wait are dropped, and those
    that run are told to give up.

    Parameters
    ----------
    n_process : int
    do : function of a module
    tasks : iterable of tuple, arguments of the function; it is asked for a few more than there are processes
    gpus : sequence of str, of `lightpool.arrays.visible_gpus`
        GPUs that the processes take in turn: each sees one alone. Without them all see what this process sees.

    Raises
    ------
    WorkerDiedError
        If a process ends before its task is done.
    """
    context = get_context("spawn")
    given_up, number = context.Event(), context.Value("i", 0)
    initargs = given_up, number, tuple(gpus)
    pool = ProcessPoolExecutor(n_process, mp_context=context, initializer=_begin, initargs=initargs)
    jobs = (pool.submit(do, *task) for task in tasks)
    try:
        with one_thread_each():
            waiting = deque(islice(jobs, 2 * n_process))  # the results of more would only fill the memory
        while waiting:
            yield _first_result(waiting)
            waiting.extend(islice(jobs, 1))
    except BrokenProcessPool as error:
        raise WorkerDiedError(
            f"one of {n_process} processes ended before its work was done; is there enough memory?"
        ) from error
    finally:
        given_up.set()
        pool.shutdown(cancel_futures=True)


def _first_result(jobs: deque[Future[Any]]) -> Any:
    """Take the first job and wait for its result; what fails meanwhile raises its error."""
    running = set(jobs)
    while not jobs[0].done():
        finished, running = wait(running, return_when=FIRST_COMPLETED)
        for job in finished:
            if job.exception() is not None:
                job.result()
    return jobs.popleft().result()


def _begin(given_up: Any, number: Any, gpus: tuple[str, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started it decides what Ctrl-C means
    _state["given up"] = given_up
    if gpus:
        with number.get_lock():
            see_gpu(gpus[number.value % len(gpus)])
            number.value += 1
