"""Counting transfers between the host and the devices.

The two functions of `lightpool.arrays.devices.devices` that copy report every array that is really copied. This costs
nothing unless a `count_transfers` block is open.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["TransferCount", "Transfers", "count_transfers", "report_to_device", "report_to_host"]


@dataclass(frozen=True)
class Transfers:
    """Arrays that were copied in one direction.

    Attributes
    ----------
    number : int, how many
    bytes : int, all together
    """

    number: int = 0
    bytes: int = 0

    def __add__(self, other: "Transfers") -> "Transfers":
        return Transfers(self.number + other.number, self.bytes + other.bytes)

    def __str__(self) -> str:
        return f"{self.number} arrays, {self.bytes} bytes"


class TransferCount:
    """What crossed since a `count_transfers` block was entered.

    Attributes
    ----------
    to_device : Transfers, from the host to another device
    to_host : Transfers, from another device to the host
    """

    def __init__(self) -> None:
        self.to_device = Transfers()
        self.to_host = Transfers()

    def __str__(self) -> str:
        return f"to device: {self.to_device}; to host: {self.to_host}"


_lock = threading.Lock()
_counts: list[TransferCount] = []


@contextmanager
def count_transfers() -> Iterator[TransferCount]:
    """Count the arrays that cross between the host and other devices inside a ``with`` block, in all threads.

    Blocks may be nested: each counts all transfers while it is open. A copy between two arrays on the host is not a
    transfer; a copy between two devices goes through the host and counts in both directions. PyTorch on the CPU and the
    device ``strict`` count as devices, so that a job can be examined on a machine without a GPU.

    Yields
    ------
    transfers : TransferCount, which keeps its numbers after the block

    Examples
    --------
    >>> import numpy as np
    >>> from lightpool.arrays import count_transfers, to_device, to_host
    >>> with count_transfers() as transfers:
    ...     back = to_host(to_device(np.zeros(3), "strict"))
    >>> transfers.to_device.number, transfers.to_host.bytes
    (1, 24)
    """
    count = TransferCount()
    with _lock:
        _counts.append(count)
    try:
        yield count
    finally:
        with _lock:
            _counts[:] = [other for other in _counts if other is not count]


def report_to_device(n_bytes: int) -> None:
    """Count an array that was copied from the host to another device."""
    if _counts and n_bytes:  # looked at without the lock, so that it costs nothing where no block is open
        with _lock:
            for count in _counts:
                count.to_device += Transfers(1, n_bytes)


def report_to_host(n_bytes: int) -> None:
    """Count an array that was copied from another device to the host."""
    if _counts and n_bytes:
        with _lock:
            for count in _counts:
                count.to_host += Transfers(1, n_bytes)
