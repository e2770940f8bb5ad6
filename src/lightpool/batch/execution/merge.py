"""Merge partial sums in a tree whose shape depends only on their number."""

from typing import Generic, TypeVar

from lightpool.batch.storage.partial import Partial

__all__ = ["MergeTree"]

P = TypeVar("P", bound=Partial)


class MergeTree(Generic[P]):
    """Merges neighbouring parts, then neighbouring pairs, and so on, as the parts arrive.

    The sums are rounded in the same way regardless of who computed the parts and in which order they were finished, so
    results are bit-identical for any number of workers. At most log2(n) + 1 of n parts are in memory.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, P]] = []  # each with its number of parts, which falls to the right

    def add(self, part: P) -> None:
        """Add the next part, in the order of the chunks; it must not be used afterwards."""
        n_part = 1
        while self._waiting and self._waiting[-1][0] == n_part:
            n_before, before = self._waiting.pop()
            before.merge(part)
            n_part, part = n_part + n_before, before
        self._waiting.append((n_part, part))

    def result(self) -> P | None:
        """Return the sum of all parts, after which no part can be added; None if there are none."""
        while len(self._waiting) > 1:
            n_last, last = self._waiting.pop()
            n_before, before = self._waiting.pop()
            before.merge(last)
            self._waiting.append((n_before + n_last, before))
        return self._waiting[0][1] if self._waiting else None
