"""Progress of a command, and its exit code for each kind of error."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lightpool.cli.output import logged, say
from lightpool.errors import ConfigError, FolderInUseError, InputChangedError, LightpoolError, ResumeError
from lightpool.utils import pbar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from lightpool.batch.storage.folder import ChunkRecord

__all__ = ["ExitCode", "Progress", "ended_by_errors"]

log = logging.getLogger("lightpool")

_INTERVAL = 30.0
"""Seconds between two lines about the progress without a terminal."""


class ExitCode(IntEnum):
    """Exit codes of commands, for shell scripts."""

    OK = 0
    FAILED = 1
    WRONG_USE = 2
    """Wrong arguments or settings, or a folder that contains another reduction; nothing was done."""
    SOME_FAILED = 3
    """The results are complete except for observations that failed."""
    DAMAGED = 4
    """A check found errors in the data."""
    IN_USE = 5
    """Another reduction is running in the folder; nothing was done."""
    CHANGED = 6
    """An input file changed during the reduction; completed chunks are saved."""


@contextmanager
def ended_by_errors(log_file: Path | None = None, *, verbose: bool = False) -> Iterator[None]:
    """Show log messages and progress of a command, and end it with a message and an exit code if an error occurs.

    Parameters
    ----------
    log_file : Path, optional
        Messages are also written to this file.
    verbose : bool
        Whether to show messages of level INFO.
    """
    try:
        with logged(log_file, verbose=verbose), pbar.shown():
            yield
    except (ConfigError, ResumeError) as error:
        say(f"Error: {error}", err=True)
        sys.exit(ExitCode.WRONG_USE)
    except FolderInUseError as error:
        say(f"Error: {error}", err=True)
        sys.exit(ExitCode.IN_USE)
    except InputChangedError as error:
        say(f"Error: {error}", err=True)
        sys.exit(ExitCode.CHANGED)
    except BrokenPipeError:
        raise  # nobody reads the output any more, as behind `| head`: click ends the command without a word
    except (LightpoolError, OSError) as error:
        say(f"Error: {error}", err=True)
        sys.exit(ExitCode.FAILED)
    except MemoryError as error:
        say(f"Error: out of memory: {error}", err=True)
        sys.exit(ExitCode.FAILED)


class Progress:
    """A progress bar of observations on a terminal; elsewhere a line every 30 seconds.

    Parameters
    ----------
    n_obs : int
        Number of observations of the plan.
    """

    def __init__(self, n_obs: int) -> None:
        self.n_obs, self.n_done, self.n_failed = n_obs, 0, 0
        self._start = self._last = time.monotonic()
        self._bar: tuple[Bar, TaskID] | None = None
        self._drawing = ExitStack()

    def __enter__(self) -> Self:
        console = pbar.terminal()
        if pbar.is_terminal(sys.stderr) and console.is_terminal:
            bar = pbar.bar_on(console)
            self._bar = bar, bar.add_task("observations", total=self.n_obs)
            self._drawing.enter_context(pbar.live(bar, console))
        return self

    def __exit__(self, *_: object) -> None:
        self._drawing.close()
        if self.n_done:
            self._say()

    def __call__(self, record: "ChunkRecord") -> None:
        """Count the observations of a finished chunk."""
        failed = [outcome for outcome in record.outcomes if outcome.status == "failed"]
        self.n_done += len(record.outcomes)
        self.n_failed += len(failed)
        for outcome in failed:
            log.error("observation %s omitted: %s failed with %s", outcome.obs_id, outcome.step, outcome.error)
        if self._bar is not None:
            bar, task = self._bar
            bar.update(task, completed=self.n_done)
        elif time.monotonic() - self._last > _INTERVAL:
            self._last = time.monotonic()
            self._say()

    def _say(self) -> None:
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        seconds = time.monotonic() - self._start
        pbar.print_line(f"{self.n_done} of {self.n_obs} observations{failed}, {seconds:.0f} s")
