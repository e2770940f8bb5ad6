"""Pixels of the HEALPix grid in discs on the sky, on the host: how many they are depends on the disc.

See `lightpool.arrays.kernels.healpix`.
"""

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import HostFloats
from lightpool.arrays.kernels.healpix import ring_to_nest, subpixel_centers

__all__ = ["pixel_radius", "pixels_in_disc", "pixels_touching_disc"]

Pixels = NDArray[np.int64]


def pixels_in_disc(lon: float, lat: float, radius: float, nside: int, *, nest: bool) -> Pixels:
    """Return the pixels whose centre is in a disc, ascending.

    Parameters
    ----------
    lon, lat, radius : float, unit rad
    nside : int
    nest : bool, whether pixels are numbered in the NESTED or in the RING scheme
    """
    if radius < 0.0:
        return np.zeros(0, dtype=np.int64)
    if radius >= math.pi:
        return np.arange(12 * nside**2, dtype=np.int64)
    ring = np.arange(1, 4 * nside, dtype=np.int64)
    n_quarter = np.minimum(np.minimum(ring, nside), 4 * nside - ring)
    depth = (n_quarter / nside) ** 2 / 3.0
    in_cap = n_quarter < nside
    equator = (2 * nside - ring) * (2.0 / 3.0) / nside
    z = np.where(in_cap, np.where(ring < 2 * nside, 1.0 - depth, depth - 1.0), equator)
    cos_lat = np.sqrt(np.where(in_cap, depth * (2.0 - depth), (1.0 - equator) * (1.0 + equator)))
    # Spherical law of cosines: how far in longitude the disc reaches on each ring
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (math.cos(radius) - z * math.sin(lat)) / (cos_lat * math.cos(lat))
    reach = np.arccos(np.clip(cosine, -1.0, 1.0))
    half = np.where(in_cap | ((ring - nside) % 2 == 0), 0.5, 0.0)
    per_radian = 4 * n_quarter / (2.0 * math.pi)
    first = np.ceil((lon - reach) * per_radian - half).astype(np.int64)
    last = np.floor((lon + reach) * per_radian - half).astype(np.int64)
    number = np.where(cosine > 1.0, 0, np.minimum(last - first + 1, 4 * n_quarter))
    number = np.maximum(np.where(cosine <= -1.0, 4 * n_quarter, number), 0)
    n_cap, n_all = 2 * nside * (nside - 1), 12 * nside**2
    south = n_all - 2 * n_quarter * (n_quarter + 1)
    start = np.where(in_cap, np.where(ring < nside, 2 * ring * (ring - 1), south), n_cap + (ring - nside) * 4 * nside)
    kept = number > 0
    # counted within each ring from its first pixel in the disc
    within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    along = (np.repeat(first[kept], number[kept]) + within) % np.repeat(4 * n_quarter[kept], number[kept])
    pix = np.repeat(start[kept], number[kept]) + along
    return np.sort(cast(Pixels, ring_to_nest(pix, nside)) if nest else pix)


def pixels_touching_disc(lon: float, lat: float, radius: float, nside: int, *, nest: bool, factor: int = 4) -> Pixels:
    """Return the pixels that a disc touches, and possibly a few next to it, ascending.

    Each pixel is divided into ``factor`` x ``factor`` parts: it is in the list if the centre of one of them is not
    farther from the disc than the corners of a part can be from its centre.

    Parameters
    ----------
    lon, lat, radius, nside, nest : see `pixels_in_disc`
    factor : int
    """
    fine = nside * factor
    near = pixels_in_disc(lon, lat, radius + pixel_radius(nside), nside, nest=nest)
    reach = radius + pixel_radius(fine)
    part_lon, part_lat = (cast(HostFloats, _) for _ in subpixel_centers(near, nside, factor, nest=nest))
    # haversine: exact for small angles too
    square = np.sin((part_lat - lat) / 2) ** 2 + np.cos(part_lat) * math.cos(lat) * np.sin((part_lon - lon) / 2) ** 2
    touches = 2.0 * np.arcsin(np.sqrt(np.minimum(square, 1.0))) <= reach
    kept: Pixels = near[touches.any(axis=-1)]
    return kept


def pixel_radius(nside: int) -> float:
    """Return the largest angle between the centre of a pixel and its corners, rad."""
    # the pixels between two caps, at z = 2/3, whose northern corner is at longitude zero
    z = 1.0 - (1.0 - 1.0 / nside) ** 2 / 3.0
    cosine = 2.0 / 3.0 * z + math.sqrt(5.0) / 3.0 * math.sqrt((1.0 - z) * (1.0 + z)) * math.cos(math.pi / (4.0 * nside))
    return math.acos(min(cosine, 1.0))
