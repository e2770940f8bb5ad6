"""Progress on a terminal or in a notebook. It is shown on request only, and never in a pipe or a file.

The switch is that of Gammapy::

    from lightpool.utils import pbar

    pbar.SHOW_PROGRESS_BAR = True
"""

import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

__all__ = ["SHOW_PROGRESS_BAR", "bar_on", "busy", "live", "print_line", "progress_bar", "shown", "terminal"]

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

SHOW_PROGRESS_BAR = False
"""Whether loops over observations and files show their progress."""

_PATIENCE = 1.0
"""Seconds that work may take before anything is shown."""

T = TypeVar("T")

_consoles: "list[Console]" = []
"""The console that is drawn on now, if there is one."""

_in_use = threading.Lock()  # a bar inside another would garble it


def print_line(text: str) -> None:
    """Print a line on standard error unchanged, however long; above a progress bar if there is one."""
    if _consoles:
        from rich.text import Text

        _consoles[-1].print(Text(text), soft_wrap=True)
    else:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


@contextmanager
def live(drawing: "Progress", console: "Console") -> Iterator[None]:
    """Draw a progress bar of rich inside a ``with`` block.

    Parameters
    ----------
    drawing : rich.progress.Progress, not started yet
    console : rich.console.Console
    """
    drawing.start()
    _consoles.append(console)
    try:
        yield
    finally:
        _consoles.remove(console)
        drawing.stop()


def terminal() -> "Console":
    """Return a console of rich on standard error."""
    from rich.console import Console

    return Console(stderr=True)


def _console() -> "Console | None":
    """Return the console on which progress is shown; None if it is not shown."""
    if not SHOW_PROGRESS_BAR or not (_is_terminal() or "ipykernel" in sys.modules):
        return None
    try:
        console = terminal()
    except ImportError:  # without rich nothing is shown
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
    """Iterate and show the progress, if that was requested and takes longer than a second.

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


def _with_bar(iterable: Iterable[T], desc: str, total: int | None, console: "Console") -> Generator[T, None, None]:
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


def bar_on(console: "Console") -> "Progress":
    """Return a progress bar of rich, not started yet."""
    from rich import progress

    columns: list[progress.ProgressColumn] = [
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
    ]
    columns += [progress.TimeElapsedColumn(), progress.TimeRemainingColumn()]
    return progress.Progress(*columns, console=console)


@contextmanager
def busy(text: str) -> Iterator[None]:
    """Show that work is going on, if that was requested and it takes longer than a second."""
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
        timer.join()  # it may be starting the display at this moment, which must not happen after `stop`
        status.stop()
        _in_use.release()
