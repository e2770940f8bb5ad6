"""The first of several rings that is large enough for each pixel of an image; on the host, with little memory."""

from typing import TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array, HostFloats

__all__ = ["RingChoice", "is_enough"]

Mask: TypeAlias = NDArray[np.bool_]

_FEW = 4
"""Below this fraction of pixels, one by one they take less time than all of them."""


class RingChoice:
    """The first ring that is large enough for each pixel of an image.

    As long as many pixels have none, all of them are compared; then those that have none, by their position.

    Parameters
    ----------
    acceptance : array of float64, shape (ny, nx)
    width : int, number of columns of the torus
    threshold : float
    """

    def __init__(self, acceptance: HostFloats, width: int, threshold: float) -> None:
        self._shape, self._width, self._threshold = acceptance.shape, width, threshold
        self._wanted = acceptance
        # In the rows of the torus, so that a position means the same pixel in all arrays.
        self._number = np.full((acceptance.shape[0], width), -1, dtype=np.int64)
        self._sums = np.zeros((acceptance.shape[0], width))
        self._missing: Mask = np.ones(acceptance.shape, dtype=bool)
        self._positions: NDArray[np.intp] | None = None
        self._work = np.empty(acceptance.shape)
        self.n_missing = acceptance.size

    @property
    def number(self) -> NDArray[np.int64]:
        """Number of the ring of each pixel, -1 for none."""
        return self._number[:, : self._shape[1]]

    @property
    def sums(self) -> HostFloats:
        """Sum in this ring, 0 for none."""
        return self._sums[:, : self._shape[1]]

    def take(self, number: int, rows: HostFloats, noise: float) -> bool:
        """Take a ring for the pixels that have none so far and for which it is enough; return whether there are any.

        Parameters
        ----------
        number : int, of the ring
        rows : array of float64, shape (ny, width), the sums in it
        noise : float
        """
        if self._positions is not None:
            found = rows.take(self._positions)
            enough = is_enough(self._wanted, found, noise, self._threshold)
            taken = np.flatnonzero(enough)
            where = self._positions[taken]
            self._number.reshape(-1)[where], self._sums.reshape(-1)[where] = number, found[taken]
            self._keep(~enough)
            return bool(taken.size)
        enough = self._compare(rows[:, : self._shape[1]], noise, 0.0)
        np.copyto(self.number, number, where=enough)
        np.copyto(self.sums, rows[:, : self._shape[1]], where=enough)
        self._keep(self._missing & ~enough)
        return bool(enough.any())

    def give_up(self, rows: HostFloats, noise: float) -> None:
        """Forget the pixels for which not even all rings together are enough, see `take` for the parameters."""
        if self._positions is not None:
            self._keep(is_enough(self._wanted, rows.take(self._positions) + noise, 0.0, self._threshold))
        else:
            self._keep(self._compare(rows[:, : self._shape[1]], 0.0, noise))

    def _compare(self, sums: HostFloats, noise: float, more: float) -> Mask:
        """Return which of the missing pixels have enough."""
        if more:
            sums = sums + more
        enough = sums > noise
        enough &= self._wanted <= np.multiply(sums, self._threshold, out=self._work)
        enough &= self._missing
        return enough

    def _keep(self, missing: Mask) -> None:
        self.n_missing = int(np.count_nonzero(missing))
        if self._positions is not None:
            self._positions, self._wanted = self._positions[missing], self._wanted[missing]
            return
        self._missing = missing
        if _FEW * self.n_missing < missing.size:
            y, x = np.nonzero(missing)
            self._positions, self._wanted = y * self._width + x, self._wanted[y, x]


@overload
def is_enough(acceptance: HostFloats, sums: HostFloats, noise: float, threshold: float) -> Mask: ...
@overload
def is_enough(acceptance: Array, sums: Array, noise: Array, threshold: float) -> Array: ...
def is_enough(acceptance: Array, sums: Array, noise: Array | float, threshold: float) -> Array:
    """Return where sums in a ring are large enough for an acceptance; those that may be zero but for noise never are.

    Parameters
    ----------
    acceptance, sums : arrays of float64 of one shape
    noise : float, or array that broadcasts with them
    threshold : float
    """
    return (sums > noise) & (acceptance <= threshold * sums)
