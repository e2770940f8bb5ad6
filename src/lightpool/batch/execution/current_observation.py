"""Report which observation this process is working on, for the time limit per observation."""

from collections.abc import Callable

__all__ = ["report_started", "set_listener"]

_listeners: list[Callable[[int | None], None]] = []


def set_listener(listener: Callable[[int | None], None] | None) -> None:
    """Set the function that is called with the number of each observation that starts, and None after the last one."""
    _listeners[:] = [] if listener is None else [listener]


def report_started(obs_id: int | None) -> None:
    """Report that an observation starts, or with None that there is none."""
    for listener in _listeners:
        listener(obs_id)
