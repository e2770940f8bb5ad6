"""Pixel coordinates on a WCS whose sky repeats itself along x, by wcslib on the host."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.wcs import WCS, Wcsprm
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.kernels.events import EDGE
from lightpool.arrays.projection_parameters import Projection
from lightpool.maps.wcs_header import (
    column_period,
    shifted_numbers,
    shifted_wcs,
    sky_projection,
    wcslib_to_pixel,
    wcslib_to_sky,
)

__all__ = ["Plane"]


@dataclass(frozen=True)
class Plane:
    """The pixels of a map between the sky and its WCS.

    On a cylindrical projection such as CAR a map may begin anywhere along the native longitude. wcslib knows one turn
    of it, from -180 to 180 deg; here positions are found on the turn that the map is on.

    Attributes
    ----------
    whole_wcs : WCS
        Of the map, or of one that the map is a part of.
    n_x, n_y : int, optional
        Number of columns and rows of the map. Positions are shifted by whole turns to be as close to the middle of the
        columns as possible; where there is no number of columns, or more than a turn, to the turn of wcslib.
    first : pair of int
        Pixel (x, y) of ``whole_wcs`` that is the first one of the map.
    whole : Plane, optional
        Of the other map, which knows the period already.
    """

    whole_wcs: WCS
    n_x: int | None = None
    n_y: int | None = None
    first: tuple[int, int] = (0, 0)
    whole: "Plane | None" = None

    def part(self, x0: int, y0: int, n_x: int, n_y: int) -> "Plane":
        """Return the plane of a part of the map, whose WCS is not made before it is needed.

        Parameters
        ----------
        x0, y0 : int, its first pixel
        n_x, n_y : int, its number of pixels
        """
        first = self.first[0] + x0, self.first[1] + y0
        return Plane(self.whole_wcs, n_x, n_y, first, self)

    @cached_property
    def wcs(self) -> WCS:
        """WCS whose pixel 0 is the first pixel of the map."""
        if self.whole is None:
            return self.whole_wcs
        assert self.n_x is not None
        assert self.n_y is not None
        return shifted_wcs(self.whole_wcs, *self.first, (self.n_x, self.n_y))

    @cached_property
    def numbers(self) -> Wcsprm:
        """The numbers of the WCS, as wcslib needs them; a WCS takes ten times as long to make."""
        if self.whole is None or "wcs" in self.__dict__:
            return self.wcs.wcs
        return shifted_numbers(self.whole_wcs.wcs, *self.first)

    @cached_property
    def period(self) -> float | None:
        """Number of columns after which the sky repeats itself; None where it does not."""
        return column_period(self.whole_wcs) if self.whole is None else self.whole.period

    @cached_property
    def projection(self) -> Projection | None:
        """Projection of `whole_wcs` as array code; None if it is not one of ours."""
        return sky_projection(self.whole_wcs)

    @cached_property
    def centre_of_tan(self) -> tuple[float, float] | None:
        """Centre, deg in the frame of the WCS, of a tangential projection on square pixels; None for any other WCS."""
        projection = self.projection
        if projection is None or projection.code != "TAN":
            return None
        matrix = np.asarray(projection.cd)
        square = matrix @ matrix.T  # a multiple of the unit matrix if the pixels are square, however they are turned
        is_square = np.allclose(square, square[0, 0] * np.eye(2), rtol=0, atol=1e-9 * square[0, 0])
        return projection.crval if is_square else None

    @cached_property
    def whole_period(self) -> int | None:
        """Period, if it is a whole number of columns, so that pixels fall on pixels one turn on."""
        if self.period is None or abs(self.period - round(self.period)) > 1e-6:
            return None
        return round(self.period)

    @property
    def is_closed(self) -> bool:
        """Whether the columns go once around, so that the last one has the first one for its neighbour."""
        return self.n_x is not None and self.n_x == self.whole_period

    @cached_property
    def has_repeats(self) -> bool:
        """Whether the map is wider than the sky."""
        return self.n_x is not None and self.period is not None and self.n_x > self.period + 1e-6

    @property
    def zero(self) -> float:
        """Pixel coordinate x of the native longitude 0."""
        # crpix counts from 1, pixel coordinates from 0
        return float(self.whole_wcs.wcs.crpix[0]) - self.first[0] - 1.0

    @property
    def reaches_over_seam(self) -> bool:
        """Whether pixels of the map lie at or beyond the end of the turn of wcslib."""
        if self.period is None or self.n_x is None or self.has_repeats:
            return False
        # 1e-6 of a pixel for rounding: a map that ends there does not reach over
        half = self.period / 2 - 1e-6
        return self.zero - half > -0.5 or self.n_x - 0.5 > self.zero + half

    def wrapped(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return pixel coordinates on the turn that the map is on; those on it already stay bit-identical."""
        if self.period is None or self.n_x is None or self.has_repeats or not np.size(x):
            return x
        middle, half = (self.n_x - 1) / 2, self.period / 2 - EDGE
        if np.min(x) >= middle - half and np.max(x) < middle + half:
            return x
        # EDGE: positions on the border of two turns belong to the upper one, as on the device (`events.on_turn`)
        turns = np.floor((x - middle + EDGE) / self.period + 0.5)
        return np.where(turns == 0, x, x - self.period * turns)

    def from_sky(self, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the pixel coordinates of sky positions.

        Parameters
        ----------
        lon, lat : arrays of float, deg in the frame of the WCS

        Returns
        -------
        x, y : arrays of float64; NaN where a position does not project
        """
        x, y = wcslib_to_pixel(self.numbers, lon, lat)
        return self.wrapped(x), y

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sky positions of pixel coordinates.

        Parameters
        ----------
        x, y : arrays of float

        Returns
        -------
        lon, lat : arrays of float64, deg in the frame of the WCS; NaN off the sky
        """
        if self.period is not None and not self.has_repeats:
            x = np.asarray(x, dtype=float)
            turns = np.round((x - self.zero) / self.period)
            # most maps lie on one turn, and keep bit-identical positions
            if np.any(turns != 0):
                x = np.where(turns == 0, x, x - self.period * turns)
        return wcslib_to_sky(self.numbers, x, y)
