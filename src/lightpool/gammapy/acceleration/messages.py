"""Warnings that lightpool logs while it works for Gammapy: in the report, not in the log of a script for Gammapy."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["kept_messages", "stop_redirecting_messages"]

_kept: ContextVar[list[str] | None] = ContextVar("messages of an accelerated call", default=None)


class _Keeper(logging.Filter):
    """Takes records away from the loggers of lightpool; each has it, for the filters of parents are not asked."""

    def filter(self, record: logging.LogRecord) -> bool:
        kept = _kept.get()
        if kept is None:
            return True
        if record.levelno >= logging.WARNING:
            kept.append(record.getMessage())
        return False


_keeper = _Keeper()
_watched: set[str] = set()


def _watch_loggers() -> None:
    for name in list(logging.root.manager.loggerDict):
        if not name.startswith("lightpool") or name in _watched:
            continue
        logging.getLogger(name).addFilter(_keeper)
        _watched.add(name)


def stop_redirecting_messages() -> None:
    """Leave the loggers of lightpool as they were."""
    while _watched:
        logging.getLogger(_watched.pop()).removeFilter(_keeper)


@contextmanager
def kept_messages() -> Iterator[list[str]]:
    """Collect the warnings that lightpool logs in a ``with`` block of this thread."""
    _watch_loggers()  # of modules that were imported since
    messages: list[str] = []
    token = _kept.set(messages)
    try:
        yield messages
    finally:
        _kept.reset(token)
