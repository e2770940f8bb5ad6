"""Progress of loops over observations and files: a bar on a terminal or in a notebook, or a function of the user.

Nothing is shown unless it is asked for, and nothing ever reaches a pipe or a file. The switch for all loops is that of
Gammapy::

    from lightpool.utils import pbar

    pbar.SHOW_PROGRESS_BAR = True
"""

import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TextIO, TypeVar

from lightpool.typing import ProgressFunction, ProgressLike
from lightpool.utils.notebook_bar import NotebookBar, is_notebook

__all__ = [
    "SHOW_PROGRESS_BAR",
    "bar_on",
    "busy",
    "counted",
    "is_terminal",
    "live",
    "print_line",
    "progress_bar",
    "shown",
    "terminal",
    "tracked",
]

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.status import Status

SHOW_PROGRESS_BAR = False
"""Whether loops over observations and files show their progress."""

_PATIENCE = 1.0
"""Seconds that work may take before anything is shown, unless it was asked to be shown itself."""

_WIDTH_OF_BAR, _WIDTH_OF_TIMES = 40, 50
"""Columns of a terminal that are enough for a bar, and for the time used and left."""

T = TypeVar("T")

_consoles: "list[Console]" = []
"""The console that is drawn on now, if there is one."""

_in_use = threading.Lock()  # a bar inside another would garble it


class _Bar(Protocol):
    """What shows the number of items that are done."""

    def start(self) -> None: ...

    def update(self, n_done: int) -> None: ...

    def stop(self) -> None: ...


def print_line(text: str) -> None:
    """Print a line on standard error unchanged, however long; above a progress bar if there is one.

    Where standard error is closed, or its terminal has gone, nothing is printed: that must not end the work.
    """
    with suppress(OSError, ValueError):
        if _consoles:
            from rich.text import Text

            _consoles[-1].print(Text(text), soft_wrap=True)
        elif sys.stderr is not None:
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
    bar = _Drawing(console, drawing)
    try:
        bar.start()
        yield
    finally:
        bar.stop()


class _Drawing:
    """A display of rich on a console. A terminal may go away: that must not end the work whose progress it showed.

    Parameters
    ----------
    console : rich.console.Console
    drawing : rich.progress.Progress or rich.status.Status, not started yet
    """

    def __init__(self, console: "Console", drawing: "Progress | Status") -> None:
        self._console, self._drawing = console, drawing
        self._is_started = False

    def start(self) -> None:
        """Draw it."""
        # Whatever is interrupted here is undone by `stop`.
        self._is_started = True
        _consoles.append(self._console)
        with suppress(Exception):
            self._drawing.start()

    def stop(self) -> None:
        """End it, if it was drawn; an interrupt leaves the terminal as it was before, too."""
        if not self._is_started:
            return
        try:
            self._drawing.stop()
        except BaseException as error:
            with suppress(Exception):
                self._console.show_cursor(True)
            if not isinstance(error, Exception):
                raise
        finally:
            if self._console in _consoles:
                _consoles.remove(self._console)


def terminal() -> "Console":
    """Return a console of rich on standard error."""
    from rich.console import Console

    return Console(stderr=True)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal; a stream may be closed, or be missing.

    Variables such as ``FORCE_COLOR`` have rich take pipes for terminals, and a log would get the controls of a bar.
    """
    return stream is not None and not stream.closed and stream.isatty()


def _console() -> "Console | None":
    """Return the console of a terminal; None if there is none."""
    if not is_terminal(sys.stderr):
        return None
    try:
        console = terminal()
    except ImportError:  # without rich nothing is shown
        return None
    return console if console.is_terminal else None


@contextmanager
def shown() -> Iterator[None]:
    """Show progress inside a ``with`` block."""
    global SHOW_PROGRESS_BAR
    before, SHOW_PROGRESS_BAR = SHOW_PROGRESS_BAR, True
    try:
        yield
    finally:
        SHOW_PROGRESS_BAR = before


@contextmanager
def counted(what: str, total: int | None, progress: ProgressLike = None) -> Iterator[Callable[[], None]]:
    """Show the progress of the work in a ``with`` block; the bar ends with the block, also by an error.

    Parameters
    ----------
    what : str
        What the items are, such as ``observations``.
    total : int, optional
        Their number, if it is known.
    progress : bool or function, optional
        Whether to show a bar on a terminal or in a notebook; by default if `SHOW_PROGRESS_BAR` is set, for work of
        more than a second. Or a function that is called with the number of items that are done, and their total.

    Yields
    ------
    advance : function without arguments
        To be called, by any thread, when an item is done.
    """
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise TypeError(
            f"progress must be True, False, None, or a function of the numbers done and in total, got {progress!r}"
        )
    if callable(progress):
        progress(0, total)
        yield _Counter(total, progress).advance
        return
    is_shown = SHOW_PROGRESS_BAR if progress is None else progress
    if not is_shown or total == 0 or not _in_use.acquire(blocking=False):
        yield _advance_nothing
        return
    try:
        bar = _bar(what, total)
        if bar is None:
            yield _advance_nothing
            return
        with _displayed(bar, patience=_PATIENCE if progress is None else 0.0):
            yield _Counter(total, lambda n_done, _: bar.update(n_done)).advance
    finally:
        _in_use.release()


def _advance_nothing() -> None:
    """Count nothing, where nothing is shown."""


class _Counter:
    """Counts items for a function; several threads may do so.

    Parameters
    ----------
    total : int or None
    show : function of the numbers of items done and in total
    """

    def __init__(self, total: int | None, show: ProgressFunction) -> None:
        self._total, self._show = total, show
        self._n_done, self._one_at_a_time = 0, threading.Lock()

    def advance(self) -> None:
        """Count an item."""
        with self._one_at_a_time:
            self._n_done += 1
            self._show(self._n_done, self._total)


@contextmanager
def _displayed(bar: _Bar, patience: float) -> Iterator[None]:
    """Show a bar in a ``with`` block, from so many seconds after its beginning."""
    timer = threading.Timer(patience, bar.start)
    timer.daemon = True
    try:
        if patience > 0:
            timer.start()
        else:
            bar.start()
        yield
    finally:
        try:
            timer.cancel()
            if timer.ident is not None:
                timer.join()  # it may be starting the display at this moment, which must not happen after `stop`
        finally:
            bar.stop()


def _bar(what: str, total: int | None) -> _Bar | None:
    """Return a bar for the place where this runs; None for a pipe, a file, or if another bar is there."""
    if _consoles:
        return None
    if is_notebook():
        return NotebookBar(what, total)
    console = _console()
    return None if console is None else _TerminalBar(console, what, total)


class _TerminalBar(_Drawing):
    """A bar of rich, drawn on standard error.

    Parameters
    ----------
    console : rich.console.Console
    what : str
    total : int or None
    """

    def __init__(self, console: "Console", what: str, total: int | None) -> None:
        self._progress = bar_on(console)
        self._task = self._progress.add_task(what, total=total)
        super().__init__(console, self._progress)

    def update(self, n_done: int) -> None:
        """Draw it with so many items."""
        self._progress.update(self._task, completed=n_done)


@contextmanager
def tracked(
    items: Iterable[T], what: str, total: int | None = None, progress: ProgressLike = None
) -> Iterator[Iterator[T]]:
    """Show the progress of a loop in a ``with`` block, see `counted`.

    Parameters
    ----------
    items : iterable
    what : str
    total : int, optional
        Their number; the length of the iterable by default, if it has one.
    progress : bool or function, optional

    Yields
    ------
    items : iterator over the same items
        An item is done when the next one is asked for.
    """
    total = len(items) if total is None and isinstance(items, Sized) else total
    with counted(what, total, progress) as advance:
        yield _counting(items, advance)


def _counting(items: Iterable[T], advance: Callable[[], None]) -> Generator[T, None, None]:
    for item in items:
        yield item
        advance()


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
    return _with_bar(iterable, desc, total) if SHOW_PROGRESS_BAR else iterable


def _with_bar(iterable: Iterable[T], desc: str, total: int | None) -> Generator[T, None, None]:
    with tracked(iterable, desc, total) as items:
        yield from items


def bar_on(console: "Console") -> "Progress":
    """Return a progress bar of rich, not started yet."""
    from rich import progress

    columns: list[progress.ProgressColumn] = [progress.TextColumn("{task.description}")]
    # In a narrow window rich would cut all columns, also the numbers.
    if console.width >= _WIDTH_OF_BAR:
        columns.append(progress.BarColumn())
    columns.append(progress.MofNCompleteColumn())
    if console.width >= _WIDTH_OF_TIMES:
        columns += [progress.TimeElapsedColumn(), progress.TimeRemainingColumn()]
    # What scripts print while a bar is drawn goes above it, unless their output is a file: there it stays.
    return progress.Progress(*columns, console=console, redirect_stdout=is_terminal(sys.stdout))


class _Status(_Drawing):
    """A line that says that work is going on."""

    def __init__(self, console: "Console", text: str) -> None:
        super().__init__(console, console.status(text))

    def update(self, n_done: int) -> None:
        """Nothing is counted."""


@contextmanager
def busy(text: str) -> Iterator[None]:
    """Show that work is going on, if that was requested and it takes longer than a second."""
    console = _console() if SHOW_PROGRESS_BAR else None
    if console is None or not _in_use.acquire(blocking=False):
        yield
        return
    try:
        with _displayed(_Status(console, text), _PATIENCE):
            yield
    finally:
        _in_use.release()
