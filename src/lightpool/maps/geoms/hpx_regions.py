"""Regions of HEALPix maps, as the keyword HPX_REG writes them, and the sizes of their pixels. On the host.

The texts are ``DISK(lon,lat,radius)``, with angles in deg, ``DISK_INC(lon,lat,radius,factor)`` of the pixels that a
disc touches, and ``HPX_PIXEL(NESTED,nside,pixel)`` or ``HPX_PIXEL(RING,nside,pixel)`` of those inside a larger one.
Source: gamma-astro-data-formats 0.3, HEALPix sky maps.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.kernels.healpix_discs import pixels_in_disc, pixels_touching_disc
from lightpool.arrays.kernels.sphere import angular_separation
from lightpool.errors import GeometryError
from lightpool.maps.geoms.hpx_host import Pixels, centers_of, corners_of, pixels_at, swapped_numbers

__all__ = [
    "EXPLICIT",
    "MAX_NSIDE",
    "HpxRegion",
    "is_power_of_two",
    "nearest_nside",
    "pixel_size",
    "region_of_disc",
]

EXPLICIT = "explicit"
"""Name of a region that is a list of pixels."""

MAX_NSIDE = 2**29
"""Pixels of this size are the smallest that can be numbered with 64 bits."""

_SIZES = np.array([32.0, 16.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.002])
"""Sizes in deg of pixels of nside 1, 2, 4, ..., rounded as Gammapy rounds them."""


def is_power_of_two(nside: ArrayLike) -> NDArray[np.bool_]:
    """Return whether numbers are powers of two."""
    values = np.asarray(nside, dtype=np.int64)
    found: NDArray[np.bool_] = (values > 0) & (values & (values - 1) == 0)
    return found


def nearest_nside(size: ArrayLike) -> Pixels:
    """Return the power of two, from 2 to 2**14, whose pixels are nearest to a size.

    Parameters
    ----------
    size : float or array of float, deg
    """
    known = 2 ** np.arange(1, 15, dtype=np.int64)
    # the side of a square of the area of a pixel
    sizes = np.rad2deg(np.sqrt(math.pi / 3.0) / known)
    nearest: Pixels = known[np.argmin(np.abs(sizes - np.atleast_1d(size)[..., None]), axis=-1)]
    return nearest


def pixel_size(nside: ArrayLike) -> NDArray[np.float64]:
    """Return a rounded size of pixels in deg, with which images of them are made.

    Parameters
    ----------
    nside : array of int
        Those of a power of two up to 2**13 have the sizes that Gammapy gives them, others the side of a square of their
        area.
    """
    values = np.atleast_1d(np.asarray(nside, dtype=np.int64))
    order = np.round(np.log2(values)).astype(int)
    is_known = is_power_of_two(values) & (order < len(_SIZES))
    exact: NDArray[np.float64] = np.rad2deg(np.sqrt(math.pi / 3.0) / values)
    return np.where(is_known, _SIZES[np.minimum(order, len(_SIZES) - 1)], exact)


def region_of_disc(lon: float, lat: float, radius: float) -> str:
    """Return the text of a disc.

    Parameters
    ----------
    lon, lat, radius : float, deg
    """
    return f"DISK({lon},{lat},{radius})"


@dataclass(frozen=True)
class HpxRegion:
    """A region of a HEALPix map.

    Attributes
    ----------
    kind : ``DISK``, ``DISK_INC`` or ``HPX_PIXEL``
    lon, lat, radius : float, deg; of a pixel, its centre and the angle to its farthest corner
    factor : int, of ``DISK_INC``, see `lightpool.arrays.kernels.healpix_discs.pixels_touching_disc`
    nside, number : int, of ``HPX_PIXEL``; the number is that in the RING scheme
    """

    kind: str
    lon: float
    lat: float
    radius: float
    factor: int = 4
    nside: int = 0
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> "HpxRegion":
        """Read a text, see `lightpool.maps.geoms.hpx_regions`.

        Raises
        ------
        GeometryError
            If it is not a region.
        """
        found = re.match(r"\s*([A-Za-z_]+)\s*\((.*)\)\s*$", text)
        kind = found[1].upper() if found else ""
        tokens = [token.strip() for token in found[2].split(",")] if found else []
        try:
            if kind in ("DISK", "DISK_INC"):
                lon, lat, radius = (float(_) for _ in tokens[:3])
                return cls(kind, lon, lat, radius, int(tokens[3]) if kind == "DISK_INC" else 4)
            if kind == "HPX_PIXEL" and tokens[0] in ("NESTED", "RING"):
                return cls._of_pixel(tokens[0] == "NESTED", int(tokens[1]), int(tokens[2]))
        except (ValueError, IndexError) as error:
            raise GeometryError(_not_a_region(text)) from error
        raise GeometryError(_not_a_region(text))

    @classmethod
    def _of_pixel(cls, nest: bool, nside: int, number: int) -> "HpxRegion":
        ring = int(swapped_numbers(np.array([number]), nside, nest=True)[0]) if nest else number
        center = centers_of(np.array([ring]), nside, nest=False)
        to_corners = angular_separation(*center, *corners_of(np.array([ring]), nside, nest=False)[..., 0])
        lon, lat = np.rad2deg(center)[:, 0].tolist()
        return cls("HPX_PIXEL", lon, lat, float(np.rad2deg(np.asarray(to_corners).max())), nside=nside, number=ring)

    def pixels(self, nside: int, *, nest: bool) -> Pixels:
        """Return the pixels of a grid in the region, ascending.

        Parameters
        ----------
        nside : int
        nest : bool
        """
        lon, lat, radius = (math.radians(_) for _ in (self.lon, self.lat, self.radius))
        if self.kind == "DISK":
            return pixels_in_disc(lon, lat, radius, nside, nest=nest)
        if self.kind == "DISK_INC":
            return pixels_touching_disc(lon, lat, radius, nside, nest=nest, factor=self.factor)
        if nside % self.nside == 0 and is_power_of_two(nside) and is_power_of_two(self.nside):
            parts = (nside // self.nside) ** 2
            first = int(swapped_numbers(np.array([self.number]), self.nside, nest=False)[0]) * parts
            inside = np.arange(first, first + parts, dtype=np.int64)
            return inside if nest else np.sort(swapped_numbers(inside, nside, nest=True))
        every = np.arange(12 * nside**2, dtype=np.int64)
        lon_all, lat_all = centers_of(every, nside, nest=nest)
        where = pixels_at(lon_all, lat_all, self.nside, nest=False)
        return np.flatnonzero(where == self.number)


def _not_a_region(text: str) -> str:
    return (
        f"region {text!r} of a HEALPix map is not known; write 'DISK(lon,lat,radius)', "
        "'DISK_INC(lon,lat,radius,factor)', both with angles in deg, or 'HPX_PIXEL(NESTED,nside,pixel)'"
    )
