"""Allow one reduction at a time in a folder."""

import logging
import os
import platform
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lightpool.errors import FolderInUseError, ResumeError
from lightpool.utils.file_locks import lock, unlock

__all__ = ["locked"]

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file during a ``with`` block.

    The operating system releases the lock when the process ends, even after SIGKILL, so an existing lock file says
    nothing by itself. The file must not be removed: a new file of the same name would have an independent lock.

    Parameters
    ----------
    path : Path
        Lock file; created if missing.

    Raises
    ------
    FolderInUseError
        If another process holds the lock.
    ResumeError
        If the path is not a regular file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path) as file:
        try:
            lock(file, wait=False)
        except BlockingIOError as error:
            file.seek(0)
            raise FolderInUseError(
                f"another reduction is running in {path.parent.parent} "
                f"({file.read().strip() or 'it has just started'}); wait for it to finish, or choose another "
                "output folder"
            ) from error
        except OSError as error:  # some network file systems have no locks
            log.warning(
                "%s cannot be locked (%s); make sure that no other reduction writes to this folder", path, error
            )
        try:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}\n")
            file.flush()
            yield
        finally:
            unlock(file)


def _opened(path: Path) -> TextIO:
    """Open the lock file, creating it if missing; never follow a link, nor block on a pipe."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        number = os.open(path, flags, 0o666)
    except OSError as error:
        if not path.is_symlink() and not path.is_dir():
            raise
        raise ResumeError(f"{path} is a link or a folder, but must be a regular file; remove it") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise ResumeError(f"{path} is not a regular file; remove it")
    return os.fdopen(number, "a+")
