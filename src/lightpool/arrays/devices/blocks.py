"""Working through arrays in pieces, for the sake of the processor's cache or of memory.

NumPy makes a new array for every step of a formula. For a map, such an array comes fresh from the operating system,
which costs many times what the arithmetic does; pieces of a few thousand points stay in the processor's cache. Blocks
of some hundred MB serve another end, on all devices: that the arrays on the way to a result fit beside it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, array_namespace, device_of
from lightpool.arrays.devices.memory import UNCHECKED_BYTES, free_memory

__all__ = ["BLOCK", "MOST_BYTES", "blocks", "blocks_that_fit", "in_blocks", "joined", "pieces", "quiet_on_windows"]

BLOCK = 8192
"""Number of float64 in a piece: 64 KiB."""

MOST_BYTES = 2**28
"""What the arrays on the way to a result take at most, 256 MiB: larger blocks are no faster, on a GPU either."""

_SHARE = 4  # such arrays take no more than one part in so many of what a device has free

_BUFFER = 256
"""Elements that NumPy copies at once from a window, 2 KiB; by default they are 8192."""


@contextmanager
def quiet_on_windows() -> Iterator[None]:
    """Arithmetic of NumPy on parts of images: in half the time, and without warnings of what is not finite.

    NumPy copies the rows of a window, which do not stand together in memory, into a buffer before it computes. A small
    buffer stays in the processor's first cache.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # it puts the size of the buffer back too
        np.setbufsize(_BUFFER)
        yield


def blocks(n: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices of at most ``size`` that cover range(n)."""
    size = max(size, 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def pieces(shape: Sequence[int], size: int = 8 * BLOCK) -> Iterator[tuple[slice, ...]]:
    """Indices that cut an array into pieces of at most ``size`` elements, whole images where they are not larger."""
    if math.prod(shape) <= size or not shape:
        yield (slice(None),) * len(shape)
        return
    inner = math.prod(shape[1:])
    for block in blocks(shape[0], size // inner):
        for rest in pieces(shape[1:], size):
            yield (block, *rest)


def blocks_that_fit(n: int, n_bytes: int, device: Device) -> list[slice]:
    """Slices that cover range(n), such that the work on each fits in a share of the memory of a device.

    Parameters
    ----------
    n : int
    n_bytes : int
        What the arrays on the way to a result take for each of the ``n``.
    device : Device
        On the host the blocks depend on the sizes alone, so that the bits of a result never depend on free memory.
    """
    if n * n_bytes <= UNCHECKED_BYTES:
        return [slice(0, n)]
    free = None if device.is_host else free_memory(device)
    most = MOST_BYTES if free is None else min(MOST_BYTES, free // _SHARE)
    return list(blocks(n, most // n_bytes))


def in_blocks(make: Callable[[slice], Array], n: int, n_bytes: int, device: Device, axis: int = 0) -> Array:
    """Array that is made block by block along an axis of length ``n``; see `blocks_that_fit`.

    Parameters
    ----------
    make : function of a slice of range(n), gives the part of the array
    n, n_bytes, device : see `blocks_that_fit`
    axis : int, not negative or counted from the end
    """
    return joined(make, blocks_that_fit(n, n_bytes, device), axis)


def joined(make: Callable[[slice], Array], slices: Sequence[slice], axis: int = 0) -> Array:
    """Array that is made part by part along an axis, of slices that cover it; no two parts are there at a time."""
    first = make(slices[0])
    if len(slices) == 1:
        return first
    axis = axis % first.ndim
    before = (slice(None),) * axis
    xp, shape = array_namespace(first), (*first.shape[:axis], slices[-1].stop, *first.shape[axis + 1 :])
    whole = xp.empty(shape, dtype=first.dtype, device=device_of(first).handle)
    whole[(*before, slices[0], ...)] = first
    del first
    for block in slices[1:]:
        whole[(*before, block, ...)] = make(block)
    return whole
