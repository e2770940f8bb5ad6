"""Sums of background events and exposure of some of the runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from lightpool.arrays.devices.devices import Device
from lightpool.batch.storage.files import write_aside
from lightpool.makers import BackgroundSums

__all__ = ["PartialSums"]


class PartialSums:
    """Background sums of some of the runs, on the host: each run is read back from its device when it is done.

    Parameters
    ----------
    parts : sequence of BackgroundSums
    """

    suffix: ClassVar[str] = "fits"

    def __init__(self, parts: Sequence[BackgroundSums] = ()) -> None:
        self._parts = list(parts)

    def add(self, sums: BackgroundSums) -> None:
        """Add the sums of a run."""
        self._parts.append(sums)

    def merge(self, other: Self) -> None:
        """Add the sums of other runs, which must not be used afterwards."""
        self._parts += other._parts

    @property
    def sums(self) -> BackgroundSums | None:
        """All sums as one, in the order of the runs; None if there are none."""
        if len(self._parts) > 1:
            self._parts = [BackgroundSums.merged(self._parts)]
        return self._parts[0] if self._parts else None

    def to(self, device: Device | str) -> Self:
        """Return the sums, which are on the host.

        Parameters
        ----------
        device : Device or str
        """
        return self

    def save(self, path: Path) -> None:
        """Write the sums to a file, atomically; an empty file if there are none."""
        sums = self.sums
        if sums is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            sums.write(path, overwrite=True)
            return
        with write_aside(path):
            pass

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that `save` wrote.

        Parameters
        ----------
        path : Path
        """
        return cls([BackgroundSums.read(path)] if path.stat().st_size else [])
