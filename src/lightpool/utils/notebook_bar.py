"""A progress bar in a notebook: one display that is replaced, so that a saved notebook keeps its last state.

It needs nothing but IPython, which every notebook has, and no widgets, which pages made of notebooks cannot show.
"""

import html
import sys
import time
from contextlib import suppress
from importlib import import_module
from typing import Protocol

__all__ = ["NotebookBar", "is_notebook"]

_INTERVAL = 0.2
"""Least number of seconds between two displays."""


class _Handle(Protocol):
    """Of IPython, which has no types: a display that can be replaced."""

    def update(self, shown: object) -> None: ...


def is_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, which shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class NotebookBar:
    """A bar, the number of items that are done, the time used and an estimate of the time that is left.

    Parameters
    ----------
    what : str
        What the items are.
    total : int or None
        Their number, if it is known.
    """

    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total = what, total
        self._n_done, self._has_ended = 0, False
        self._begun, self._displayed = time.monotonic(), 0.0
        self._handle: _Handle | None = None

    def start(self) -> None:
        """Show it below the cell."""
        with suppress(Exception):  # what cannot be shown must not end the work
            self._handle = import_module("IPython.display").display(self, display_id=True)

    def update(self, n_done: int) -> None:
        """Show so many items, unless the last display was just now."""
        self._n_done = n_done
        if self._handle is not None and time.monotonic() - self._displayed > _INTERVAL:
            self._displayed = time.monotonic()
            self._show()

    def stop(self) -> None:
        """Show how many items were done, if it was shown."""
        self._has_ended = True
        self._show()

    def _show(self) -> None:
        if self._handle is not None:
            with suppress(Exception):
                self._handle.update(self)

    def __repr__(self) -> str:
        of_total = "" if self._total is None else f" of {self._total}"
        seconds = time.monotonic() - self._begun
        text = f"{self._n_done}{of_total} {self._what}, {_clock(seconds)}"
        if self._has_ended or self._total is None or not 0 < self._n_done < self._total:
            return text
        return f"{text}, about {_clock(seconds / self._n_done * (self._total - self._n_done))} left"

    def _repr_html_(self) -> str:
        text = html.escape(repr(self))
        if self._total is None:
            bar = "" if self._has_ended else "<progress></progress> "
        else:
            bar = f'<progress value="{self._n_done}" max="{self._total}"></progress> '
        return f"<div>{bar}{text}</div>"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
