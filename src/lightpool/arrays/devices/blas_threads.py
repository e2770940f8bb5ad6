"""The number of threads that linear algebra uses in a process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_thread_each"]

# The libraries read these when a process loads them, so they have no effect on the process that sets them.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let processes that the block starts use one thread each for linear algebra: there is one process per core."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
