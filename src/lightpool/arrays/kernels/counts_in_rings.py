"""Sums in rings of images that hold a few counts, count by count; on the host, without rounding."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import HostFloats
from lightpool.arrays.kernels.ring_shape import Ring

__all__ = ["CountList", "are_in_order", "most_counts_in_chosen", "most_counts_in_ring"]


def most_counts_in_ring(reach: tuple[int, int], n_pixel: int) -> int:
    """Return the number of counts up to which `CountList.sums` takes less time than a transform of some pixels.

    Parameters
    ----------
    reach : pair of int
    n_pixel : int, number of pixels of the transform
    """
    # As measured: 3 ns for each end of a part of a row, of which a ring has two parts at most; 8 ns for each pixel.
    return 2 * n_pixel // (4 * (2 * reach[0] + 1))


def most_counts_in_chosen(reach: tuple[int, int], n_pixel: int, n_column: int) -> int:
    """Return the number of counts up to which `CountList.sums_in_chosen` takes less time than transforms.

    Parameters
    ----------
    reach : pair of int
    n_pixel : int, number of pixels of all transforms together
    n_column : int, number of columns of the image
    """
    # As measured: 0.1 ns for each pixel in the rows around a count, eighty times that for each pixel of a transform.
    return 32 * n_pixel // ((2 * reach[0] + 1) * (n_column + reach[1]))


class CountList:
    """The counts of an image, one by one.

    Parameters
    ----------
    rows, columns : arrays of int, shape (n,)
        Pixel of each count.
    shape : pair of int
        Number of rows and columns of the image.
    reach : pair of int
        Number of rows and columns of rings to keep on each side of the centre.
    """

    def __init__(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, int], reach: tuple[int, int]
    ) -> None:
        self._rows, self._columns = rows, columns
        self.shape, self.reach = shape, reach

    @classmethod
    def of(cls, image: HostFloats, reach: tuple[int, int], most: int) -> "CountList | None":
        """Return the counts of an image, or None if it holds other numbers, or too many.

        Parameters
        ----------
        image : array of float64, shape (ny, nx)
        reach : pair of int
            See above.
        most : int
            Number of counts, at most.
        """
        filled = image != 0
        if np.count_nonzero(filled) > most:
            return None
        rows, columns = np.divmod(np.flatnonzero(filled), image.shape[1])  # takes a fifth of the time of `nonzero`
        values = image[rows, columns]
        if not np.all((values > 0) & (values == np.rint(values))) or not np.sum(values) <= most:
            return None
        counts = values.astype(np.intp)
        return cls(np.repeat(rows, counts), np.repeat(columns, counts), (image.shape[0], image.shape[1]), reach)

    def sums(self, ring: Ring) -> HostFloats:
        """Return the sums in a ring around each pixel, shape (ny, nx)."""
        (n_y, n_x), (reach_y, reach_x) = self.shape, self.reach
        # Each count adds 1 to a ring around it: from the first to the last pixel in each part of each row.
        width = n_x + 2 * reach_x + 1
        position = (self._rows * width + self._columns)[:, None]
        first, after = (
            np.bincount((position + end).ravel(), minlength=(n_y + 2 * reach_y) * width)
            for end in (y * width + x for y, x in _ends(ring, self.reach))
        )
        change = (first - after).reshape(-1, width)[reach_y : reach_y + n_y]
        # whole numbers: their running totals take a fifth of the time of those of float64
        return np.cumsum(change, axis=1)[:, reach_x : reach_x + n_x].astype(np.float64)

    def sums_in_chosen(self, number: NDArray[np.int64], rings: Sequence[Ring]) -> HostFloats:
        """Return the sums in the ring that was chosen for each pixel.

        Parameters
        ----------
        number : array of int64, shape (ny, nx)
            Number of the ring; -1 for none, where the sum is 0.
        rings : sequence of Ring, for which `are_in_order` is True
        """
        (n_y, n_x), (reach_y, reach_x) = self.shape, self.reach
        # Rows with a margin, so that the pixels around a count are one piece of memory: NumPy takes as long for the
        # step from one row to the next as for a hundred numbers. What reaches over the end of a row is in its margin.
        width = n_x + reach_x
        chosen = np.full((n_y, width), _NONE, dtype=np.uint8)
        chosen[:, :n_x] = number  # -1 becomes _NONE
        around, n_around = (each.ravel() for each in _rings_around(rings, self.reach, width))
        sums, part = np.zeros((n_y, width)), np.zeros(n_y * width, dtype=np.uint8)
        flat, difference = chosen.ravel(), np.empty_like(around)
        inside = np.empty(around.shape, dtype=bool)
        for i, (y, x) in enumerate(zip(self._rows.tolist(), self._columns.tolist(), strict=True), 1):
            low, high = max(y - reach_y, 0) * width + x - reach_x, min(y + reach_y + 1, n_y) * width
            first = (max(y - reach_y, 0) - y + reach_y) * width - min(low, 0)
            low = max(low, 0)
            n = min(high - low, around.size - first)
            # Numbers without a sign: one below the first ring becomes larger than any number of rings.
            np.subtract(flat[low : low + n], around[first : first + n], out=difference[:n])
            np.less(difference[:n], n_around[first : first + n], out=inside[:n])
            part[low : low + n] += inside[:n].view(np.uint8)
            if i % 255 == 0:  # the most that uint8 holds
                sums += part.reshape(n_y, width)
                part[:] = 0
        sums += part.reshape(n_y, width)
        return np.ascontiguousarray(sums[:, :n_x])


_NONE = 255
"""Number of no ring, as uint8."""


def are_in_order(rings: Sequence[Ring]) -> bool:
    """Return whether neither radius ever decreases, and numbers of rings fit into a byte, see `sums_in_chosen`."""
    radii = np.array([(ring.radius_in, ring.radius_in + ring.width) for ring in rings])
    return len(rings) < _NONE and bool(np.all(np.diff(radii, axis=0) >= 0))


def _rings_around(
    rings: Sequence[Ring], reach: tuple[int, int], width: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the first ring that holds each pixel around a count, and how many do, shape (2 * reach_y + 1, width).

    Rings in order that hold a pixel follow each other.

    Parameters
    ----------
    rings : sequence of Ring
    reach : pair of int
    width : int, number of columns; in those beyond the reach nothing is held
    """
    rows, columns = (np.arange(-n, n + 1) ** 2 for n in reach)
    squared = rows[:, None] + columns
    # The same comparisons as in `ring_kernel`: from the first to the last radius.
    first = np.searchsorted([(ring.radius_in + ring.width) ** 2 for ring in rings], squared, side="left")
    after = np.searchsorted([ring.radius_in**2 for ring in rings], squared, side="right")
    around, n_around = (np.zeros((rows.size, width), dtype=np.uint8) for _ in range(2))
    around[:, : columns.size] = first
    n_around[:, : columns.size] = np.maximum(after - first, 0)
    return around, n_around


@lru_cache(maxsize=128)
def _ends(
    ring: Ring, reach: tuple[int, int]
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return rows and columns of the first pixels of the parts of each row of a ring, and those after the last."""
    kernel = ring.kernel(reach)
    # A ring that does not reach as far has a smaller image, with the same centre.
    y0, x0 = (n - size // 2 for n, size in zip(reach, kernel.shape, strict=True))
    change = np.diff(kernel, axis=1, prepend=0.0, append=0.0)
    first, after = np.nonzero(change > 0), np.nonzero(change < 0)
    return (first[0] + y0, first[1] + x0), (after[0] + y0, after[1] + x0)
