"""Working through NumPy arrays in pieces.

NumPy makes a new array for every step of a formula. For a map, such an array comes fresh from the operating system,
which costs many times what the arithmetic does; pieces of a few thousand points stay in the processor's cache.
"""

import math
from collections.abc import Iterator, Sequence

__all__ = ["BLOCK", "blocks", "pieces"]

BLOCK = 8192
"""Number of float64 in a piece: 64 KiB."""


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
