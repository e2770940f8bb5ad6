"""What a command says while it works, and how it ends."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lightpool.cli.output import logged, say
from lightpool.errors import ConfigError, FolderInUseError, InputChangedError, LightpoolError, ResumeError
from lightpool.utils import pbar

if TYPE_CHECKING:
    from lightpool.batch.storage.folder import ChunkRecord

__all__ = ["ExitCode", "Progress", "ended_by_errors"]

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
    CHANGED = 6
    """A file that was read changed meanwhile; what is done is kept."""


@contextmanager
def ended_by_errors(log_file: Path | None = None, *, verbose: bool = False) -> Iterator[None]:
    """Show what a command logs and how far it is, and end it with a line and an exit code for each kind of error."""
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
    except (LightpoolError, OSError) as error:
        say(f"Error: {error}", err=True)
        sys.exit(ExitCode.FAILED)
    except MemoryError as error:
        say(f"Error: the memory is not enough: {error}", err=True)
        sys.exit(ExitCode.FAILED)


class Progress:
    """A bar of observations on a terminal; elsewhere a line from time to time.

    Parameters
    ----------
    n_obs : int, observations of the plan
    """

    def __init__(self, n_obs: int) -> None:
        self.n_obs, self.n_done, self.n_failed = n_obs, 0, 0
        self._start = self._last = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._drawing = ExitStack()

    def __enter__(self) -> Self:
        console = pbar.terminal()
        if console.is_terminal:
            self._bar = pbar.bar_on(console)
            self._task = self._bar.add_task("observations", total=self.n_obs)
            self._drawing.enter_context(pbar.live(self._bar, console))
        return self

    def __exit__(self, *_: object) -> None:
        self._drawing.close()
        if self.n_done:
            self._say()

    def __call__(self, record: "ChunkRecord") -> None:
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
        pbar.print_line(f"{self.n_done} of {self.n_obs} observations{failed}, {seconds:.0f} s")
