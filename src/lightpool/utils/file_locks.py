"""Locks on open files, which keep other processes out; the system releases them when the process ends."""

import errno
import os
import sys
from typing import IO, Any

__all__ = ["lock", "unlock"]

_PLACE_OF_LOCK = 2**30
"""On Windows nobody else may read locked bytes, so that the lock is on one that lies beyond the content."""


def lock(file: IO[Any], *, wait: bool) -> None:
    """Lock an open file until `unlock`.

    Parameters
    ----------
    file : file, open for writing; on Windows, its position changes
    wait : bool
        Whether to wait while another process holds the lock.

    Raises
    ------
    BlockingIOError
        If another process holds the lock, and ``wait`` is False.
    OSError
        If the file system has no locks.
    """
    if sys.platform == "win32":
        import msvcrt

        is_locked = False
        while not is_locked:
            os.lseek(file.fileno(), _PLACE_OF_LOCK, os.SEEK_SET)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
                is_locked = True
            except OSError as error:
                if not wait and error.errno == errno.EACCES:
                    raise BlockingIOError(errno.EAGAIN, "another process holds the lock") from error
                if not wait or error.errno != errno.EDEADLK:  # LK_LOCK gives up after ten seconds: wait on
                    raise
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def unlock(file: IO[Any]) -> None:
    """Release the lock of a file; if there is none, nothing happens.

    Parameters
    ----------
    file : file, open
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file.fileno(), _PLACE_OF_LOCK, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_UN)
    except OSError:
        pass
