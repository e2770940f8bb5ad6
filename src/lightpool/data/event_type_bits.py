"""Types of events, as bits of the column EVENT_TYPE."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EventTypeBits"]

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class EventTypeBits:
    """Bits of the column EVENT_TYPE: of an integer, or a bit field as in GADF (32X).

    Attributes
    ----------
    values : array of an integer or of bool, shape (n_event,) or (n_event, n_bit)
    """

    values: NDArray[Any]

    @property
    def _is_field(self) -> bool:
        return self.values.dtype == bool

    @property
    def n_bit(self) -> int:
        """Number of bits of an event."""
        if self._is_field:
            return int(self.values.shape[-1]) if self.values.ndim > 1 else 1
        return 8 * self.values.dtype.itemsize

    def has(self, bit: int) -> Bools:
        """Return which events have a bit, bool, shape (n_event,).

        Parameters
        ----------
        bit : int
            0 is the lowest of an integer, and the last of a bit field, as in files of Fermi-LAT.
        """
        if self._is_field:
            # Shape (n_event, n_bit), also of a field of one bit.
            return np.asarray(self.values.reshape(len(self.values), self.n_bit)[:, self.n_bit - 1 - bit])
        return np.asarray(self.values >> self.values.dtype.type(bit) & self.values.dtype.type(1), dtype=bool)

    def has_any(self, bits: Iterable[int]) -> Bools:
        """Return which events have any of some bits, bool, shape (n_event,).

        Parameters
        ----------
        bits : iterable of int

        Raises
        ------
        ValueError
            If the column does not have such bits.
        """
        wanted = [int(bit) for bit in bits]
        if self.values.dtype.kind not in "biu" or not all(0 <= bit < self.n_bit for bit in wanted):
            raise ValueError(
                f"event types {wanted} are the numbers of bits of EVENT_TYPE, which has {self.n_bit} of the type "
                f"{self.values.dtype}"
            )
        found = np.zeros(len(self.values), dtype=bool)
        for bit in wanted:
            found |= self.has(bit)
        return found
