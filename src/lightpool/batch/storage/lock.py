"""One reduction at a time in a folder."""

import logging
import os
import platform
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lightpool.errors import FolderInUseError, ResumeError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file for the time of a ``with`` block.

    The system releases it when the process ends, even by SIGKILL: that the file is there means nothing. It must not be
    removed, as another one under its name would have a lock of its own.

    Raises
    ------
    FolderInUseError
        If another process holds it.
    ResumeError
        If it is no regular file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path) as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise FolderInUseError(
                    f"another reduction works in {path.parent.parent}: {file.read().strip() or 'it has just begun'}; "
                    "wait until it has ended, or take another output folder"
                ) from error
            except OSError as error:  # some network file systems have no locks
                log.warning(
                    "%s cannot be locked (%s): see to it that nothing else reduces into this folder", path, error
                )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield


def _opened(path: Path) -> TextIO:
    """The file, made if it is not there; not what a link leads to, and no pipe, which would be waited for."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        number = os.open(path, flags, 0o666)
    except OSError as error:
        if not path.is_symlink() and not path.is_dir():
            raise
        raise ResumeError(f"{path} is a link or a folder, expected a regular file; remove it") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise ResumeError(f"{path} is no regular file; remove it")
    return os.fdopen(number, "a+")
