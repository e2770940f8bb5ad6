"""Merging partial stacks as a tree whose shape is given by their numbers alone."""

from lightpool.batch.storage.partial_stack import PartialStack

__all__ = ["MergeTree"]


class MergeTree:
    """Merges neighbours, then neighbours of those, and so on, as they come.

    The sums are rounded in the same way whoever made the parts and in whatever order they were finished. Of n parts,
    log2(n) + 1 are in memory at most.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, PartialStack]] = []  # how many parts each one holds, fewer to the right

    def add(self, part: PartialStack) -> None:
        """Take in the next part, in the order of the chunks; it is used up."""
        n_part = 1
        while self._waiting and self._waiting[-1][0] == n_part:
            n_before, before = self._waiting.pop()
            before.merge(part)
            n_part, part = n_part + n_before, before
        self._waiting.append((n_part, part))

    def result(self) -> PartialStack | None:
        """Sum of all parts, which ends the tree; None of nothing."""
        while len(self._waiting) > 1:
            n_last, last = self._waiting.pop()
            n_before, before = self._waiting.pop()
            before.merge(last)
            self._waiting.append((n_before + n_last, before))
        return self._waiting[0][1] if self._waiting else None
