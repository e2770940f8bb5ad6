"""Masks of pixels that touch a True pixel of a mask on another image, on the host, without a general interpolation.

A pixel is True where the interpolated mask is not zero. Between pixel centres that is where any of the four pixels
around is True. On the pixels of the mask themselves rounding decides which are around, and beyond its outer centres
weights are negative and may cancel. There, and only where the pixels in question differ, the mask is interpolated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.kernels.interpolation import interpolation_weights
from lightpool.maps.geoms.mask_lookup import linear_positions
from lightpool.maps.geoms.sky_window import SkyWindow
from lightpool.maps.pixel_values import interpolate_pixels

__all__ = ["touched_mask"]

_Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Neighbours:
    """The pixels that may have a weight at some positions along one dimension of a mask: one, two or three in a row.

    Attributes
    ----------
    first, last : arrays of int64, shape (n,)
    is_certain : array of bool, shape (n,)
        Whether all of them have a weight, which is positive.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    is_certain: _Mask

    @classmethod
    def around(cls, position: NDArray[np.float64], n_pixel: int, rounding: float) -> Self:
        """Return the neighbours of positions on the sky that are known up to rounding."""
        if n_pixel == 1:  # there is nothing to interpolate
            zero = np.zeros(position.size, dtype=np.int64)
            return cls(zero, zero, np.ones(position.size, dtype=bool))
        low, high = (np.floor(position + step).clip(0, n_pixel - 2).astype(np.int64) for step in (-rounding, rounding))
        is_inside = (position > rounding) & (position < n_pixel - 1 - rounding)
        return cls(low, high + 1, (low == high) & is_inside)

    @classmethod
    def on_axis(cls, position: NDArray[np.float64], n_bin: int) -> Self:
        """Return the neighbours of the bins of an axis, whose positions are exact."""
        below, fraction = interpolation_weights(position, np.arange(float(n_bin)))
        first, last = np.where(fraction == 1, below + 1, below), np.where(fraction == 0, below, below + 1)
        return cls(np.asarray(first), np.asarray(last), np.asarray((fraction >= 0) & (fraction <= 1)))

    def any_and_all(self, any_of: _Mask, all_of: _Mask, axis: int) -> tuple[_Mask, _Mask]:
        """Return whether any, and whether all of the neighbours along a dimension are True."""
        numbers = [self.first] if np.array_equal(self.first, self.last) else [self.first, self.last]
        if np.any(self.last - self.first > 1):
            numbers.append(self.first + 1)
        any_of_these = [any_of.take(number, axis=axis) for number in numbers]
        all_of_these = any_of_these if all_of is any_of else [all_of.take(number, axis=axis) for number in numbers]
        if len(numbers) == 1:
            return any_of_these[0], all_of_these[0]
        return np.logical_or.reduce(any_of_these), np.logical_and.reduce(all_of_these)


def touched_mask(
    planes: _Mask, window: SkyWindow, new_window: SkyWindow, bins: Sequence[NDArray[np.float64]]
) -> _Mask | None:
    """Return where a mask, interpolated at the pixel centres of another image, is not zero.

    Parameters
    ----------
    planes : array of bool, shape (ny, nx) or (n_bin, ny, nx)
    window, new_window : SkyWindow, of the mask and of the other image
    bins : positions of the bins of each axis on the mask, one array or none

    Returns
    -------
    mask : array of bool; None if the images have no plane of projection in common, or the mask more axes
    """
    if len(bins) != planes.ndim - 2 or planes.ndim > 3:
        return None
    found = new_window.grid.remembered(
        ("neighbours", new_window.box, window), lambda: _neighbours_on(window, new_window)
    )
    if found is None:
        return None
    if bins and len(planes) > 1 and (planes[1:] == planes[0]).all() and _are_between(bins[0], len(planes)):
        # Most masks are the same at all energies: the weights along the axis, whose sum is 1, leave the values alone.
        touched = _touched(planes[0], window, new_window, [], found)
        return np.repeat(touched[np.newaxis], len(bins[0]), axis=0)
    return _touched(planes, window, new_window, bins, found)


def _are_between(position: NDArray[np.float64], n_bin: int) -> bool:
    """Return whether positions are so near to the nodes of an axis that no weight is larger than 1.5."""
    return bool(position.min(initial=0.0) > -0.25 and position.max(initial=0.0) < n_bin - 0.75)


def _neighbours_on(window: SkyWindow, new_window: SkyWindow) -> tuple[_Neighbours, _Neighbours] | None:
    """Return the neighbours of columns and rows on the window of a mask, None if they share no plane of projection."""
    found = linear_positions(new_window, window)
    if found is None or (window.plane.period is not None and not _is_near(found[0][0], window)):
        return None
    (columns, rows), (rounding_x, rounding_y) = found
    return (
        _Neighbours.around(columns, window.box.nx, rounding_x),
        _Neighbours.around(rows, window.box.ny, rounding_y),
    )


def _touched(
    planes: _Mask,
    window: SkyWindow,
    new_window: SkyWindow,
    bins: Sequence[NDArray[np.float64]],
    found: tuple[_Neighbours, _Neighbours],
) -> _Mask:
    """Return the mask of `touched_mask`.

    Parameters
    ----------
    planes, window, new_window, bins : see `touched_mask`
    found : neighbours of the columns and of the rows, see `_neighbours_on`
    """
    x, y = found
    any_of, all_of = y.any_and_all(*x.any_and_all(planes, planes, -1), -2)
    is_certain = y.is_certain[:, None] & x.is_certain
    for position in bins:
        along = _Neighbours.on_axis(position, planes.shape[0])
        any_of, all_of = along.any_and_all(any_of, all_of, 0)
        is_certain = is_certain & along.is_certain[:, None, None]
    open_pixels = (any_of != all_of) & ~is_certain
    if open_pixels.ndim > 2:
        open_pixels = open_pixels.any(axis=0)
    row, column = np.nonzero(open_pixels)
    if row.size:
        box = new_window.box
        lon, lat = new_window.grid.plane.to_sky(column + float(box.x0), row + float(box.y0))
        pix = window.plane.from_sky(lon, lat)
        values = interpolate_pixels(planes, [*pix, *(position[:, None] for position in bins)])
        any_of[..., row, column] = np.asarray(values) != 0
    return any_of


def _is_near(columns: NDArray[np.float64], window: SkyWindow) -> bool:
    """Return whether positions are on the turn of the sky that a map is on, see `Plane.wrapped`."""
    plane = window.plane
    assert plane.period is not None
    if plane.has_repeats or plane.is_closed:
        return False
    return bool(np.abs(columns - (window.box.nx - 1) / 2).max(initial=0.0) < plane.period / 2 - 1)
