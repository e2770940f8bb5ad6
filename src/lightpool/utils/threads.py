"""Work that threads do ahead of where it is needed, in its order."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from typing import TypeVar

__all__ = ["computed_ahead", "n_core"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def n_core() -> int:
    """Return the number of processor cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def computed_ahead(
    items: Iterable[Item], compute: Callable[[Item], Result], *, depth: int, n_thread: int, name: str
) -> Generator[Result, None, None]:
    """Yield the result for each item in the order of the items, while threads compute the next ones.

    The threads end with the iteration, also if it is stopped early. If an error may keep the generator alive, close it,
    for instance with `contextlib.closing`. The context variables of the caller hold in the threads.

    Parameters
    ----------
    items : iterable
        It is read in the thread of the caller. Its own errors are raised after the results of the items before them.
    compute : function of an item
        Its error is raised in place of its result.
    depth : int
        Number of results that are computed, or being computed, ahead of the one that was yielded last.
    n_thread : int
    name : str
        Name of the threads.
    """
    with ThreadPoolExecutor(n_thread, thread_name_prefix=name) as pool:
        # A copy for each job: no two threads can be in one context.
        jobs = _jobs(items, lambda item: pool.submit(copy_context().run, compute, item))
        waiting = deque(islice(jobs, depth))
        try:
            while waiting:
                job = waiting.popleft()
                waiting.extend(islice(jobs, 1))
                yield job.result()
                del job  # it would keep its result in memory until the next one is ready
        finally:
            for job in waiting:
                job.cancel()


def _jobs(items: Iterable[Item], submit: Callable[[Item], "Future[Result]"]) -> Iterator["Future[Result]"]:
    """Yield jobs that compute the results; if an error ends the iterable, the last job raises it."""
    try:
        for item in items:
            yield submit(item)
    except Exception as error:
        failed: Future[Result] = Future()
        failed.set_exception(error)
        yield failed
