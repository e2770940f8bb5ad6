"""Sums of some of the observations, whatever they are sums of."""

from pathlib import Path
from typing import ClassVar, Protocol, Self

from lightpool.arrays.devices.devices import Device

__all__ = ["Partial"]


class Partial(Protocol):
    """Sums of some of the observations of a batch, which can be saved and merged without loss."""

    suffix: ClassVar[str]
    """Suffix of their files."""

    def merge(self, other: Self) -> None:
        """Add the sums of other observations, which must not be used afterwards."""
        ...

    def to(self, device: Device | str) -> Self:
        """Return the sums on a device; themselves if they are already there."""
        ...

    def save(self, path: Path) -> None:
        """Write the sums to a file, atomically."""
        ...
