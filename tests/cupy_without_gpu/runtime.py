"""What the CUDA runtime on the host tells, and how it orders its work."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from cupy_without_gpu.libraries import RUNTIME

RUNTIME.host_counts.restype = ctypes.c_char_p
COUNTS_FOLDER = "CUPY_WITHOUT_GPU_COUNTS"
"""Environment variable: a folder in which each new process writes its counts, whenever it waits for the device."""
ORDERS = ("at once", "late", "shuffled")
_WAITS = ("waits for streams", "waits for events", "waits for device", "waits for copies")


def reset_counts() -> None:
    """Start to count anew."""
    RUNTIME.host_reset_counts()


def counts() -> dict[str, int]:
    """Return what was counted since then.

    Returns
    -------
    numbers : dict
        ``launches`` of kernels, and ``launches of NAME``; ``transforms`` of cuFFT and ``products`` of cuBLAS, each of
        which is one or more launches of a GPU; ``copies to device``, ``copies to host`` and ``copies on device``, with
        ``bytes to device`` and ``bytes to host``; ``fills``; ``allocations`` and ``pinned allocations``; and
        ``waits``, how often the host waited for the device. What was not used is left out.
    """
    return parsed(RUNTIME.host_counts().decode())


def parsed(text: str) -> dict[str, int]:
    """Return the numbers of `counts` from the text of the runtime, or from that in `COUNTS_FOLDER`."""
    numbers = {name: int(number) for name, _, number in (line.rpartition(" ") for line in text.splitlines())}
    return numbers | {"waits": sum(numbers.get(name, 0) for name in _WAITS)}


@contextmanager
def order_of_work(order: str, seed: int = 0) -> Iterator[None]:
    """Inside a ``with`` block, work queued on streams is done in another order.

    Parameters
    ----------
    order : str
        ``at once``; ``late``, only when the host waits for it; or ``shuffled``, now and then, on streams that are drawn
        by chance. Each of them keeps what CUDA promises about the order of work.
    seed : int
        Of the chance.
    """
    RUNTIME.host_set_order(ORDERS.index(order), seed)
    try:
        yield
    finally:
        RUNTIME.host_set_order(0, 0)
