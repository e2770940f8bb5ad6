"""A ring of pixels around a pixel."""

import math
from dataclasses import dataclass

from lightpool.arrays.devices.array_types import HostFloats
from lightpool.arrays.kernels.convolution import ring_kernel

__all__ = ["Ring"]


@dataclass(frozen=True)
class Ring:
    """Ring around a pixel: pixels whose centres are from ``radius_in`` to ``radius_in + width`` away.

    Attributes
    ----------
    radius_in : float, unit pixel
    width : float, unit pixel
    """

    radius_in: float
    width: float

    @property
    def reach(self) -> int:
        """Distance of the farthest row or column, in pixels."""
        return math.ceil(2 * (self.radius_in + self.width)) // 2  # half the width of `ring_kernel`

    def kernel(self, reach: tuple[int, int] | None = None) -> HostFloats:
        """Return the image of the ring, 1 or 0, on the host.

        Parameters
        ----------
        reach : pair of int, optional
            Number of rows and columns to keep on each side of the centre.
        """
        kernel = ring_kernel(self.radius_in, self.width)
        if reach is None:
            return kernel
        y, x = (slice(max(self.reach - n, 0), self.reach + n + 1) for n in reach)
        return kernel[y, x]
