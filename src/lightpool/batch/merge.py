"""Merging partial stacks as a tree whose shape is given by their numbers alone."""

from collections.abc import Iterable

from lightpool.batch.partial import PartialStack

__all__ = ["merge_tree"]


def merge_tree(parts: Iterable[PartialStack]) -> PartialStack | None:
    """Merge neighbours, then neighbours of those, and so on; None of nothing.

    The sums are rounded in the same way whoever made the parts and in whatever order they were finished. Of n parts,
    log2(n) + 1 are in memory at most.

    Parameters
    ----------
    parts : iterable of PartialStack, in the order of their chunks; they are used up
    """
    waiting: list[tuple[int, PartialStack]] = []  # how many parts each one holds, fewer to the right
    for part in parts:
        n_part = 1
        while waiting and waiting[-1][0] == n_part:
            n_before, before = waiting.pop()
            before.merge(part)
            n_part, part = n_part + n_before, before
        waiting.append((n_part, part))
    while len(waiting) > 1:
        n_last, last = waiting.pop()
        n_before, before = waiting[-1]
        before.merge(last)
        waiting[-1] = n_before + n_last, before
    return waiting[0][1] if waiting else None
