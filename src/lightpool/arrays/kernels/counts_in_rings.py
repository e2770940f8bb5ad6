"""Sums in rings of images that hold a few counts, count by count; on the host, without rounding."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import HostFloats
from lightpool.arrays.kernels.ring_shape import Ring

__all__ = ["CountList", "most_counts_in_chosen", "most_counts_in_ring"]


def most_counts_in_ring(reach: tuple[int, int], n_pixel: int) -> int:
    """Return the number of counts up to which `CountList.sums` takes less time than a transform of some pixels.

    Parameters
    ----------
    reach : pair of int
    n_pixel : int, number of pixels of the transform
    """
    # As measured: 3 ns for each end of a part of a row, of which a ring has two parts at most; 8 ns for each pixel.
    return 2 * n_pixel // (4 * (2 * reach[0] + 1))


def most_counts_in_chosen(reach: tuple[int, int], n_pixel: int) -> int:
    """Return the same for `CountList.sums_in_chosen`; ``n_pixel`` is that of all transforms together."""
    # As measured: 0.4 ns for each pixel around a count, and twenty times that for each pixel of a transform.
    return 10 * n_pixel // ((2 * reach[0] + 1) * (2 * reach[1] + 1))


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
        rows, columns = np.nonzero(filled)
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
        rings : sequence of Ring
        """
        (n_y, n_x), (reach_y, reach_x) = self.shape, self.reach
        least, n_square = _squares(rings, reach_y**2 + reach_x**2)
        least, n_square = least[number], n_square[number]
        squared = (np.arange(-reach_y, reach_y + 1)[:, None] ** 2 + np.arange(-reach_x, reach_x + 1) ** 2).astype(
            least.dtype
        )
        sums, part = np.zeros(self.shape), np.zeros(self.shape, dtype=np.uint8)
        for i, (y, x) in enumerate(zip(self._rows.tolist(), self._columns.tolist(), strict=True), 1):
            low_y, low_x = max(y - reach_y, 0), max(x - reach_x, 0)
            here = slice(low_y, y + reach_y + 1), slice(low_x, x + reach_x + 1)
            around = squared[low_y - y + reach_y : n_y - y + reach_y, low_x - x + reach_x : n_x - x + reach_x]
            # Numbers without a sign: a square below the least one becomes larger than any number of squares.
            part[here] += (around - least[here] < n_square[here]).view(np.uint8)
            if i % 255 == 0:  # the most that uint8 holds
                sums += part
                part[:] = 0
        return sums + part


def _squares(rings: Sequence[Ring], largest: int) -> tuple[NDArray[np.unsignedinteger], NDArray[np.unsignedinteger]]:
    """Return the least squared distance in each ring and the number of whole ones from it on, and zeros for no ring.

    Parameters
    ----------
    rings : sequence of Ring
    largest : int
        Squared distances above this do not occur.
    """
    # Squares of distances between pixels are whole, so limits may be rounded inwards.
    least = [min(math.ceil(ring.radius_in**2), largest + 1) for ring in rings]
    last = [min(math.floor((ring.radius_in + ring.width) ** 2), largest) for ring in rings]
    number = [max(high - low + 1, 0) for low, high in zip(least, last, strict=True)]
    dtype = np.min_scalar_type(largest + 2)
    return np.array([*least, 0], dtype=dtype), np.array([*number, 0], dtype=dtype)


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
