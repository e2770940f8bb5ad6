"""Working through NumPy arrays in pieces.

NumPy makes a new array for every step of a formula. For a map, such an array comes fresh from the operating system,
which costs many times what the arithmetic does; pieces of a few thousand points stay in the processor's cache.
"""

from collections.abc import Iterator

__all__ = ["BLOCK", "blocks"]

BLOCK = 8192
"""Number of float64 in a piece: 64 KiB."""


def blocks(n: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices of at most ``size`` that cover range(n)."""
    size = max(size, 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
