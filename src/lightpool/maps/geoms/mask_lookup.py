"""Masks looked up at the pixel centres of an image of another pixel size, on the host.

Which pixel of a mask holds a pixel centre is what wcslib says, since Gammapy asks it. But where both images share one
plane of projection, the position on the mask is a linear function of the column, and another one of the row. It
differs from that of wcslib by its rounding alone, which decides where a centre lies on the edge between two pixels of
the mask; and there it matters only where their values differ.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.projection_parameters import Projection
from lightpool.maps.geoms.sky_window import SkyWindow
from lightpool.maps.wcs_header import wcslib_to_pixel, wcslib_to_sky

__all__ = ["MaskLookup", "linear_positions"]

_ROUNDING_DEG = 1e-10
"""A thousand times the error of a position that wcslib has converted from a plane to the sky and back."""

_ROUNDING_PIXEL = 1e-6
"""Positions nearer to an edge are left to wcslib, however large the pixels are."""

_SAME_MATRIX = 1e-13
"""Projections whose rotations to the sky differ by less share a plane: 1e-11 deg are within the rounding."""

_FURTHEST = 0.7
"""Distance from the reference point, rad in the plane, within which no projection of ours magnifies that rounding."""


@dataclass(frozen=True)
class _Positions:
    """Pixels along one dimension of a mask, from -1, before the first, to the number of pixels, after the last one.

    Attributes
    ----------
    below, above : arrays of int64, shape (n,)
        Pixel that holds each position; two neighbours where rounding decides between them.
    """

    below: NDArray[np.int64]
    above: NDArray[np.int64]

    @classmethod
    def near(cls, position: NDArray[np.float64], n_pixel: int, rounding: float) -> Self:
        """Return the pixels within the rounding of some positions."""
        low, high = (np.floor(position + 0.5 + step).clip(-1, n_pixel) for step in (-rounding, rounding))
        return cls(low.astype(np.int64), high.astype(np.int64))

    @cached_property
    def open(self) -> NDArray[np.int64]:
        """Numbers of the positions for which two pixels are left."""
        return np.flatnonzero(self.below != self.above)


@dataclass(frozen=True)
class MaskLookup:
    """Where the columns and rows of a window lie on that of a mask.

    Attributes
    ----------
    window, mask_window : SkyWindow
    columns, rows : pixels of the mask that hold the columns and rows of the window
    """

    window: SkyWindow
    mask_window: SkyWindow
    columns: _Positions
    rows: _Positions

    @classmethod
    def between(cls, window: SkyWindow, mask_window: SkyWindow) -> Self | None:
        """Make the lookup for a window.

        Parameters
        ----------
        window : SkyWindow, of the pixel centres
        mask_window : SkyWindow, of the mask

        Returns
        -------
        lookup : MaskLookup, or None if the windows do not share a plane, their rows and columns, or lie far out
        """
        found = linear_positions(window, mask_window)
        if found is None:
            return None
        positions, roundings = found
        columns, rows = (
            _Positions.near(position, n, rounding)
            for position, n, rounding in zip(positions, mask_window.box[2:], roundings, strict=True)
        )
        return cls(window, mask_window, columns, rows)

    def values(self, planes: NDArray[np.bool_], fill_value: bool) -> NDArray[np.bool_]:
        """Return the values of a mask at the pixel centres of the window.

        Parameters
        ----------
        planes : array of bool, shape (..., ny, nx) of the mask
        fill_value : value outside the mask

        Returns
        -------
        values : array of bool, shape (..., ny, nx) of the window
        """
        shape = (*planes.shape[:-2], self.rows.below.size, self.columns.below.size)
        several = planes.reshape(-1, *planes.shape[-2:])
        if len(several) > 1 and np.array_equal(several[1:], np.broadcast_to(several[0], several[1:].shape)):
            values = np.empty(shape, dtype=bool)  # most masks are the same at all energies
            values[...] = self.values(several[0], fill_value)
            return values
        n_y, n_x = planes.shape[-2:]
        framed = np.full((*planes.shape[:-2], n_y + 2, n_x + 2), fill_value)  # pixel -1 is the first one
        framed[..., 1:-1, 1:-1] = planes
        # + 1 for the frame of `fill_value` around the mask
        values = framed.take(self.columns.below + 1, axis=-1).take(self.rows.below + 1, axis=-2)
        y, x = np.divmod(np.flatnonzero(self._depends_on_rounding(framed)), values.shape[-1])  # faster than `nonzero`
        if x.size:
            values[..., y, x] = framed[..., *self._by_wcslib(x, y)]
        return values

    def _depends_on_rounding(self, framed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return whether the pixels that may hold a centre differ in any plane, shape (ny, nx) of the window."""
        columns, rows = self.columns, self.rows
        found = np.zeros((rows.below.size, columns.below.size), dtype=bool)
        planes = tuple(range(framed.ndim - 2))
        # Where two columns are possible, they matter if they differ in a row that is possible; likewise two rows.
        below, above = (framed.take(side[columns.open] + 1, axis=-1) for side in (columns.below, columns.above))
        differs = (below != above).any(axis=planes)
        found[:, columns.open] = differs.take(rows.below + 1, axis=0) | differs.take(rows.above + 1, axis=0)
        below, above = (framed.take(side[rows.open] + 1, axis=-2) for side in (rows.below, rows.above))
        differs = (below != above).any(axis=planes)
        found[rows.open] |= differs.take(columns.below + 1, axis=1) | differs.take(columns.above + 1, axis=1)
        return found

    def _by_wcslib(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the row and the column in the framed mask of some pixels of the window."""
        grid, box = self.window.grid, self.window.box
        lon, lat = wcslib_to_sky(grid.wcs.wcs, x + float(box.x0), y + float(box.y0))
        positions = wcslib_to_pixel(self.mask_window.plane.numbers, lon, lat)
        column, row = (
            np.floor(position + 0.5).clip(-1, n).astype(np.int64) + 1
            for position, n in zip(positions, self.mask_window.box[2:], strict=True)
        )
        return row, column


def linear_positions(window: SkyWindow, mask_window: SkyWindow) -> tuple[list[NDArray[np.float64]], list[float]] | None:
    """Return the pixel coordinates of the columns and of the rows of a window on that of a mask, and their rounding.

    Parameters
    ----------
    window, mask_window : SkyWindow

    Returns
    -------
    positions : pair of arrays (columns, rows)
    roundings : pair of float, by how much those of wcslib may differ
        Nothing, None, if the windows do not share a plane, their rows and columns, or lie far out.
    """
    one, other = window.grid.projection, mask_window.grid.projection
    if one is None or other is None or window.grid.frame != mask_window.grid.frame or not _same_plane(one, other):
        return None
    positions, roundings, furthest = [], [], 0.0
    for axis in (0, 1):
        first, n_pixel = window.box[axis], window.box[axis + 2]
        # intermediate world coordinates (FITS standard, section 8) in rad; crpix counts from 1
        plane = (np.arange(first, first + n_pixel) - (one.crpix[axis] - 1)) * one.cd_rad[axis, axis]
        scale = float(other.cd_rad[axis, axis])
        positions.append(plane / scale + (other.crpix[axis] - 1 - mask_window.box[axis]))
        roundings.append(max(_ROUNDING_PIXEL, float(np.deg2rad(_ROUNDING_DEG)) / abs(scale)))
        furthest = float(np.hypot(furthest, np.abs(plane).max(initial=0.0)))
    # pixels of the mask so small that rounding would leave too many centres to wcslib
    return None if furthest > _FURTHEST or max(roundings) > 0.1 else (positions, roundings)


def _same_plane(one: Projection, other: Projection) -> bool:
    """Return whether two projections have one plane, in which the rows and columns of both are parallel to its axes.

    The position of a geometry that was made of another one is rounded: it comes from wcslib.
    """
    return (
        one.code == other.code
        and bool(np.abs(one.matrix - other.matrix).max() < _SAME_MATRIX)
        # a diagonal matrix: x depends on the column alone, and y on the row
        and all(np.count_nonzero(each.cd_rad) == 2 and each.cd_rad[0, 0] != 0 for each in (one, other))
    )
