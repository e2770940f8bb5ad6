"""Warnings that lightpool logs while it works for Gammapy: in the report, not in the log of a script for Gammapy."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["kept_messages", "redirect_messages", "stop_redirecting_messages"]

_package_log = logging.getLogger("lightpool")
_kept: ContextVar[list[str] | None] = ContextVar("messages of an accelerated call", default=None)


class _Redirection(logging.Handler):
    """Stands between the loggers of lightpool and the handlers of the program."""

    def emit(self, record: logging.LogRecord) -> None:
        kept = _kept.get()
        if kept is None:
            logging.getLogger().callHandlers(record)  # as if this handler were not there
        elif record.levelno >= logging.WARNING:
            kept.append(record.getMessage())


_redirection = _Redirection()


def redirect_messages() -> None:
    """Let `kept_messages` have what lightpool logs; elsewhere it is logged as ever."""
    if _redirection not in _package_log.handlers:
        _package_log.addHandler(_redirection)
        _package_log.propagate = False


def stop_redirecting_messages() -> None:
    """Undo `redirect_messages`."""
    if _redirection in _package_log.handlers:
        _package_log.removeHandler(_redirection)
        _package_log.propagate = True


@contextmanager
def kept_messages() -> Iterator[list[str]]:
    """Collect the warnings that lightpool logs in a ``with`` block of this thread."""
    messages: list[str] = []
    token = _kept.set(messages)
    try:
        yield messages
    finally:
        _kept.reset(token)
