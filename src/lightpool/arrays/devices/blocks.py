"""Working through arrays in pieces, for the sake of the processor's cache or of memory.

NumPy makes a new array for every step of a formula. For a map, such an array is fresh memory from the operating system,
which costs many times what the arithmetic does; pieces of a few thousand points stay in the processor's cache. Blocks
of some hundred MB serve another purpose, on all devices: the intermediate arrays must fit in memory along with the
result.
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
"""Most bytes of the intermediate arrays, 256 MiB: larger blocks are not faster, not even on a GPU."""

_SHARE = 4  # intermediate arrays take at most one part in so many of the free memory of a device

_BUFFER = 256
"""Elements that NumPy copies at once from a window, 2 KiB; by default they are 8192."""

_FEW = 2**14


@contextmanager
def quiet_on_windows(n_value: int | None = None) -> Iterator[None]:
    """Halve the time of arithmetic of NumPy on windows of images, without warnings of values that are not finite.

    NumPy copies the rows of a window, which are not contiguous in memory, into a buffer before it computes. A small
    buffer stays in the first-level cache.

    Parameters
    ----------
    n_value : int, optional
        Number of values that are computed: for a few, setting the size of the buffer takes longer than it saves.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # it puts the size of the buffer back too
        if n_value is None or n_value > _FEW:
            np.setbufsize(_BUFFER)
        yield


def blocks(n: int, size: int = BLOCK) -> Iterator[slice]:
    """Return slices that cover range(n).

    Parameters
    ----------
    n : int
    size : int
        Length of a slice, at most.
    """
    size = max(size, 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def pieces(shape: Sequence[int], size: int = 8 * BLOCK) -> Iterator[tuple[slice, ...]]:
    """Yield indices that cut an array into pieces, of whole images where these are not larger.

    Parameters
    ----------
    shape : sequence of int
    size : int
        Number of elements of a piece, at most.
    """
    if math.prod(shape) <= size or not shape:
        yield (slice(None),) * len(shape)
        return
    inner = math.prod(shape[1:])
    # At least one index at a time: if that is still too large, it is cut along the next dimension.
    for block in blocks(shape[0], size // inner):
        for rest in pieces(shape[1:], size):
            yield (block, *rest)


def blocks_that_fit(n: int, n_bytes: int, device: Device) -> list[slice]:
    """Return slices that cover range(n), such that the work on each fits in a share of the memory of a device.

    Parameters
    ----------
    n : int
    n_bytes : int
        Bytes of the intermediate arrays for each of the ``n``.
    device : Device
        On the host the blocks depend on the sizes alone, so that results do not depend on the free memory.
    """
    if n * n_bytes <= UNCHECKED_BYTES:
        return [slice(0, n)]
    free = None if device.is_host else free_memory(device)
    most = MOST_BYTES if free is None else min(MOST_BYTES, free // _SHARE)
    return list(blocks(n, most // n_bytes))


def in_blocks(make: Callable[[slice], Array], n: int, n_bytes: int, device: Device, axis: int = 0) -> Array:
    """Compute an array block by block along an axis of length ``n``; see `blocks_that_fit`.

    Parameters
    ----------
    make : function of a slice of range(n) that returns that part of the array
    n, n_bytes, device : see `blocks_that_fit`
    axis : int, not negative or counted from the end
    """
    return joined(make, blocks_that_fit(n, n_bytes, device), axis)


def joined(make: Callable[[slice], Array], slices: Sequence[slice], axis: int = 0) -> Array:
    """Compute an array part by part along an axis; there are never two parts in memory.

    Parameters
    ----------
    make : function of a slice that returns that part of the array
    slices : sequence of slices that cover the axis
    axis : int, not negative or counted from the end
    """
    first = make(slices[0])
    if len(slices) == 1:
        return first
    axis = axis % first.ndim
    before = (slice(None),) * axis
    xp, shape = array_namespace(first), (*first.shape[:axis], slices[-1].stop, *first.shape[axis + 1 :])
    whole = xp.empty(shape, dtype=first.dtype, device=device_of(first).handle)
    whole[(*before, slices[0], ...)] = first
    del first  # so that the next part can use its memory
    for block in slices[1:]:
        whole[(*before, block, ...)] = make(block)
    return whole
