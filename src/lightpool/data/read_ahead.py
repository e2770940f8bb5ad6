"""Read the next observations in a thread while the current one is reduced."""

from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from lightpool.data.observation import Observation
from lightpool.utils.threads import computed_ahead

__all__ = ["read_ahead"]


def read_ahead(
    observations: Iterable[Any],
    *,
    depth: int = 2,
    n_thread: int = 1,
    before: Callable[[Observation], None] | None = None,
    prepare: Callable[[Observation], None] | None = None,
) -> Generator[Any, None, None]:
    """Yield observations in their order, with their tables in memory.

    Threads open and decompress the files and create the tables, at most ``depth`` observations ahead of the one that
    was yielded last. A table that cannot be read raises its error when it is used, as without threads: a damaged table
    that is not used does no harm.

    The threads end with the iteration, also if it is stopped early. If an error may keep the generator alive, close it,
    for instance with `contextlib.closing`.

    Parameters
    ----------
    observations : iterable of Observation; other objects are yielded unchanged
    depth : int, at least 1
    n_thread : int, at least 1
    before : function, optional
        Called in the thread with each observation before it is read. Its errors are ignored: reading will raise them.
    prepare : function, optional
        Called in the thread with each observation after it was read. Its errors are ignored: it only prepares work that
        is otherwise done later.

    Raises
    ------
    ValueError
        If ``depth`` or ``n_thread`` is too small.
    """
    if depth < 1 or n_thread < 1:
        raise ValueError(f"depth and n_thread must be at least 1, got {depth} and {n_thread}")
    load = partial(_loaded, before=before, prepare=prepare)
    return computed_ahead(observations, load, depth=depth, n_thread=n_thread, name="lightpool-read-ahead")


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
