"""What a batch writes of the sums of its chunks."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lightpool.batch.storage.folder import BatchFolder
from lightpool.batch.storage.outcomes import Outcome
from lightpool.batch.storage.provenance import Provenance
from lightpool.fits import FileKind

__all__ = ["Product"]


class Product(Protocol):
    """One kind of results."""

    def existing(self, folder: BatchFolder) -> Iterator[Path]:
        """Yield the files in a folder whose names may be those of results."""
        ...

    def may_hold(self, kind: FileKind) -> bool:
        """Return whether a result may have contents of a kind."""
        ...

    def require_usable(self) -> None:
        """Check, before anything is done, that nothing outside of the folder of the results would be replaced."""
        ...

    def write_beside(self, folder: BatchFolder, outcomes: Sequence[Outcome], sums: Any) -> dict[str, str]:
        """Write what is no result by itself, such as tables, and return the names with their SHA-256."""
        ...

    def write(
        self, folder: BatchFolder, provenance: Provenance, sums: Any, single: Mapping[str, str]
    ) -> list[list[Path]]:
        """Write the results.

        Parameters
        ----------
        folder : BatchFolder
        provenance : Provenance
        sums : Partial or None
            Of all chunks; None if there are none.
        single : mapping of str to str
            Files of single observations that the chunks wrote.

        Returns
        -------
        files : list of lists of Path
            Files of each result, of which the first one stands for the others.
        """
        ...
