"""Progress on a terminal or in a notebook. Nothing is shown unless it is asked for, and nothing in a pipe or a file.

The switch is that of Gammapy::

    from lightpool.utils import pbar

    pbar.SHOW_PROGRESS_BAR = True
"""

import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

__all__ = ["SHOW_PROGRESS_BAR", "bar_on", "busy", "live", "print_line", "progress_bar", "shown", "terminal"]

SHOW_PROGRESS_BAR = False
"""Whether loops over observations and files show how far they are."""

_PATIENCE = 1.0
"""Seconds that work may take before anything is shown."""

T = TypeVar("T")

_consoles: list[Any] = []
"""The console of what is drawn now, if anything is."""

_in_use = threading.Lock()  # a bar inside another would garble it


def print_line(text: str) -> None:
    """Print a line on standard error as it is, however long; above what is drawn there."""
    if _consoles:
        from rich.text import Text

        _consoles[-1].print(Text(text), soft_wrap=True)
    else:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


@contextmanager
def live(drawing: Any, console: Any) -> Iterator[None]:
    """Draw a bar or a status of rich inside a ``with`` block."""
    drawing.start()
    _consoles.append(console)
    try:
        yield
    finally:
        _consoles.remove(console)
        drawing.stop()


def terminal() -> Any:
    """Console of rich on standard error."""
    from rich.console import Console

    return Console(stderr=True)


def _console() -> Any:
    """Where progress is shown, None if it is not."""
    if not SHOW_PROGRESS_BAR or not (_is_terminal() or "ipykernel" in sys.modules):
        return None
    try:
        console = terminal()
    except ImportError:
        return None
    return console if console.is_terminal or console.is_jupyter else None


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def shown() -> Iterator[None]:
    """Show progress inside a ``with`` block."""
    global SHOW_PROGRESS_BAR
    before, SHOW_PROGRESS_BAR = SHOW_PROGRESS_BAR, True
    try:
        yield
    finally:
        SHOW_PROGRESS_BAR = before


def progress_bar(iterable: Iterable[T], desc: str = "", total: int | None = None) -> Iterable[T]:
    """Go through something and show how far it is, if that is asked for and takes longer than a second.

    Parameters
    ----------
    iterable : iterable
    desc : str, what the items are
    total : int, number of items; the length of the iterable by default

    Returns
    -------
    items : the iterable itself where nothing is shown, or an iterator over the same items
    """
    console = _console()
    if console is None:
        return iterable
    total = len(iterable) if total is None and isinstance(iterable, Sized) else total
    return _with_bar(iterable, desc, total, console)


def _with_bar(iterable: Iterable[T], desc: str, total: int | None, console: Any) -> Generator[T, None, None]:
    if not _in_use.acquire(blocking=False):
        yield from iterable
        return
    bar, begun = bar_on(console), time.monotonic()
    task, is_started = bar.add_task(desc, total=total), False
    try:
        with ExitStack() as stack:
            for item in iterable:
                if not is_started and time.monotonic() - begun > _PATIENCE:
                    stack.enter_context(live(bar, console))
                    is_started = True
                yield item
                bar.advance(task)
    finally:
        _in_use.release()


def bar_on(console: Any) -> Any:
    """Progress bar of rich, which is not started yet."""
    from rich import progress

    columns = [progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn()]
    columns += [progress.TimeElapsedColumn(), progress.TimeRemainingColumn()]
    return progress.Progress(*columns, console=console)


@contextmanager
def busy(text: str) -> Iterator[None]:
    """Show that something is being done, if that is asked for and takes longer than a second."""
    console = _console()
    if console is None or not _in_use.acquire(blocking=False):
        yield
        return
    status = console.status(text)
    timer = threading.Timer(_PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    _consoles.append(console)
    try:
        yield
    finally:
        _consoles.remove(console)
        timer.cancel()
        timer.join()
        status.stop()
        _in_use.release()
