"""What a command says while it works, and how it ends."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, Self

import click

from lightpool.batch.folder import ChunkRecord
from lightpool.errors import ConfigError, FolderInUseError, LightpoolError, ResumeError

__all__ = ["ExitCode", "Progress", "ended_by_errors", "logging_to"]

log = logging.getLogger("lightpool")

_INTERVAL = 30.0
"""Seconds between two lines about the progress, where there is no terminal."""


class ExitCode(IntEnum):
    """How a command ended, for shell scripts."""

    WELL = 0
    FAILED = 1
    WRONG_USE = 2
    """Wrong arguments or settings, or a folder that holds another reduction; nothing was done."""
    SOME_FAILED = 3
    """The results are there, but some observations are not in them."""
    DAMAGED = 4
    """A check found errors in the data."""
    IN_USE = 5
    """Another reduction works in the folder; nothing was done."""


@contextmanager
def ended_by_errors() -> Iterator[None]:
    """End the command with a line and an exit code for each kind of error."""
    try:
        yield
    except (ConfigError, ResumeError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(ExitCode.WRONG_USE)
    except FolderInUseError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(ExitCode.IN_USE)
    except (LightpoolError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(ExitCode.FAILED)
    except MemoryError as error:
        click.echo(f"Error: the memory is not enough: {error}", err=True)
        sys.exit(ExitCode.FAILED)


@contextmanager
def logging_to(console: Any, log_file: Path | None, *, verbose: bool = False) -> Iterator[None]:
    """Show what is logged, and warnings, on a console and in a file."""
    from rich.logging import RichHandler

    handlers: list[logging.Handler] = [RichHandler(console=console, show_path=False, rich_tracebacks=False)]
    handlers[0].setLevel(logging.INFO if verbose else logging.WARNING)
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, encoding="utf-8"))
        handlers[1].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [log, logging.getLogger("py.warnings")]
    level = log.level
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for logger in loggers:
        for handler in handlers:
            logger.addHandler(handler)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        log.setLevel(level)
        for logger in loggers:
            for handler in handlers:
                logger.removeHandler(handler)
        for handler in handlers:
            handler.close()


class Progress:
    """A bar of observations on a terminal; elsewhere a line from time to time.

    Parameters
    ----------
    n_obs : int, observations of the plan
    console : rich.console.Console
    """

    def __init__(self, n_obs: int, console: Any) -> None:
        self.n_obs, self.n_done, self.n_failed = n_obs, 0, 0
        self._console = console
        self._start = self._last = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            from rich import progress

            columns = [progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn()]
            columns += [progress.TimeElapsedColumn(), progress.TimeRemainingColumn()]
            self._bar = progress.Progress(*columns, console=self._console)
            self._task = self._bar.add_task("observations", total=self.n_obs)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self.n_done:
            self._say()

    def __call__(self, record: ChunkRecord) -> None:
        """Take notice of a finished chunk."""
        failed = [outcome for outcome in record.outcomes if outcome.status == "failed"]
        self.n_done += len(record.outcomes)
        self.n_failed += len(failed)
        for outcome in failed:
            log.error("observation %s left out: %s failed with %s", outcome.obs_id, outcome.step, outcome.error)
        if self._bar is not None:
            self._bar.update(self._task, completed=self.n_done)
        elif time.monotonic() - self._last > _INTERVAL:
            self._last = time.monotonic()
            self._say()

    def _say(self) -> None:
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        seconds = time.monotonic() - self._start
        self._console.print(f"{self.n_done} of {self.n_obs} observations{failed}, {seconds:.0f} s", highlight=False)
