"""HEALPix pixels in NumPy arrays: `lightpool.arrays.kernels.healpix` with the types of the host."""

from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.kernels.healpix import lonlat_to_pix, nest_to_ring, pix_to_lonlat, pix_vertices, ring_to_nest
from lightpool.arrays.kernels.healpix_neighbours import interpolation_pixels, neighbours

__all__ = ["Pixels", "centers_of", "corners_of", "neighbours_of", "pixels_around", "pixels_at", "swapped_numbers"]

Floats = NDArray[np.float64]
Pixels = NDArray[np.int64]


def pixels_at(lon: ArrayLike, lat: ArrayLike, nside: "Pixels | int", *, nest: bool) -> Pixels:
    """Return the pixels that contain positions; -1 where they are not finite.

    Parameters
    ----------
    lon, lat : array of float, rad
    nside, nest : see `lightpool.arrays.kernels.healpix.lonlat_to_pix`
    """
    lon, lat = (np.asarray(_, dtype=np.float64) for _ in np.broadcast_arrays(lon, lat))
    return cast(Pixels, np.asarray(lonlat_to_pix(lon, lat, nside, nest=nest)))


def centers_of(pix: Pixels, nside: "Pixels | int", *, nest: bool) -> Floats:
    """Return longitude and latitude of the centres of pixels, shape (2, ...), rad.

    Parameters
    ----------
    pix, nside, nest : see `lightpool.arrays.kernels.healpix.pix_to_lonlat`
    """
    return np.stack([np.asarray(_) for _ in pix_to_lonlat(pix, nside, nest=nest)])


def corners_of(pix: Pixels, nside: "Pixels | int", *, nest: bool) -> Floats:
    """Return longitude and latitude of the corners of pixels (north, west, south, east), shape (2, 4, ...), rad.

    Parameters
    ----------
    pix, nside, nest : see `lightpool.arrays.kernels.healpix.pix_vertices`
    """
    return np.stack([np.asarray(_) for _ in pix_vertices(pix, nside, nest=nest)])


def neighbours_of(pix: Pixels, nside: "Pixels | int", *, nest: bool) -> Pixels:
    """Return the pixels around pixels, shape (8, ...), -1 where there are only seven.

    Parameters
    ----------
    pix, nside, nest : see `lightpool.arrays.kernels.healpix_neighbours.neighbours`
    """
    return np.asarray(neighbours(pix, nside, nest=nest), dtype=np.int64)


def pixels_around(lon: Floats, lat: Floats, nside: "Pixels | int", *, nest: bool) -> tuple[Pixels, Floats]:
    """Return the four pixels around positions and their weights, shape (4, ...).

    Parameters
    ----------
    lon, lat : array of float, finite, rad
    nside, nest : see `lightpool.arrays.kernels.healpix_neighbours.interpolation_pixels`
    """
    pix, weights = interpolation_pixels(lon, lat, nside, nest=nest)
    return np.asarray(pix, dtype=np.int64), np.asarray(weights, dtype=np.float64)


def swapped_numbers(pix: Pixels, nside: "Pixels | int", *, nest: bool) -> Pixels:
    """Return the numbers of pixels in the other scheme.

    Parameters
    ----------
    pix : array of int64
    nside : int or array of int64
    nest : bool, whether the numbers are those of the NESTED scheme
    """
    return np.asarray(nest_to_ring(pix, nside) if nest else ring_to_nest(pix, nside), dtype=np.int64)
