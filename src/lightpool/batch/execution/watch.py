"""Telling whoever watches this process which observation it works on, for the limit of time."""

from collections.abc import Callable

__all__ = ["started", "watch_with"]

_listeners: list[Callable[[int | None], None]] = []


def watch_with(listener: Callable[[int | None], None] | None) -> None:
    """Let a function be called with the number of each observation that is begun, and None after the last one."""
    _listeners[:] = [] if listener is None else [listener]


def started(obs_id: int | None) -> None:
    """Say that an observation is begun, or with None that none is."""
    for listener in _listeners:
        listener(obs_id)
