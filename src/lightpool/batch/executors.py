"""Who does the chunks."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from lightpool.batch.chunk import ChunkTask, run_chunk
from lightpool.batch.folder import ChunkRecord

__all__ = ["Executor", "SerialExecutor"]


class Executor(Protocol):
    """Does tasks, in any order."""

    def run(self, tasks: Sequence[ChunkTask]) -> Iterator[ChunkRecord]:
        """Give the record of each chunk as soon as it is finished; closing the iterator drops what has not begun."""
        ...


class SerialExecutor:
    """Does one chunk after the other in this process."""

    def run(self, tasks: Sequence[ChunkTask]) -> Iterator[ChunkRecord]:
        """Give the record of each chunk as soon as it is finished."""
        yield from map(run_chunk, tasks)
