"""The next observations, read by a thread while the present one is reduced."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

from lightpool.data.observation import Observation

__all__ = ["read_ahead"]


def read_ahead(
    observations: Iterable[Any],
    *,
    depth: int = 2,
    n_thread: int = 1,
    before: Callable[[Observation], None] | None = None,
    prepare: Callable[[Observation], None] | None = None,
) -> Generator[Any, None, None]:
    """Give observations in their order, with their tables in memory.

    Files are opened, decompressed and made into tables by threads, at most ``depth`` observations ahead of the one that
    was given last. What cannot be read raises its error where it is asked for, as without threads: a damaged table
    that nobody asks for harms nobody.

    The threads end with the iteration, also when that is left early. Where an error may keep the generator alive,
    close it: `contextlib.closing` does.

    Parameters
    ----------
    observations : iterable of Observation; others are given as they are
    depth : int, at least 1
    n_thread : int, at least 1
    before : function, optional
        Called in the thread with each observation before it is read. An error of it is not reported: reading will tell.
    prepare : function, optional
        Called in the thread with each observation that was read. An error of it is not reported: it prepares what is
        done without it, too.

    Raises
    ------
    ValueError
        If ``depth`` or ``n_thread`` is too small.
    """
    if depth < 1 or n_thread < 1:
        raise ValueError(f"depth and n_thread must be at least 1, got {depth} and {n_thread}")
    return _read_ahead(observations, depth, n_thread, partial(_loaded, before=before, prepare=prepare))


def _read_ahead(
    observations: Iterable[Any], depth: int, n_thread: int, load: Callable[[Any], Any]
) -> Generator[Any, None, None]:
    with ThreadPoolExecutor(n_thread, thread_name_prefix="lightpool-read-ahead") as pool:
        jobs = _jobs(observations, lambda observation: pool.submit(load, observation))
        waiting = deque(islice(jobs, depth))
        try:
            while waiting:
                job = waiting.popleft()
                waiting.extend(islice(jobs, 1))
                yield job.result()
                del job  # it would keep its observation in memory while the next one is waited for
        finally:
            for job in waiting:
                job.cancel()


def _jobs(observations: Iterable[Any], submit: Callable[[Any], "Future[Any]"]) -> Iterator["Future[Any]"]:
    """Jobs that load the observations; where an error ends the iterable, a last job that raises it."""
    try:
        for observation in observations:
            yield submit(observation)
    except Exception as error:
        failed: Future[Any] = Future()
        failed.set_exception(error)
        yield failed


def _loaded(
    observation: Any, before: Callable[[Observation], None] | None, prepare: Callable[[Observation], None] | None
) -> Any:
    if not isinstance(observation, Observation):
        return observation
    if before is not None:
        with suppress(Exception):
            before(observation)
    loaded = observation.loaded()
    if prepare is not None:
        with suppress(Exception):
            prepare(loaded)
    return loaded
