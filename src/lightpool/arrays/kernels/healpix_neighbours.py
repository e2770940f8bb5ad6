"""Pixels of the HEALPix grid next to others, and weights of interpolation; see `lightpool.arrays.kernels.healpix`."""

import math

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace
from lightpool.arrays.kernels.clipping import clip
from lightpool.arrays.kernels.healpix import Nside, face_to_pix, pix_to_face, ring_of_latitude, ring_to_nest

__all__ = ["interpolation_pixels", "neighbours"]

_STEPS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
"""Steps in (x, y) to the south-west, west, north-west, north, north-east, east, south-east and south."""


def neighbours(pix: Array, nside: Nside, *, nest: bool) -> Array:
    """Return the eight pixels around pixels.

    Parameters
    ----------
    pix : array of int64
    nside : int or array of int64
    nest : bool, whether pixels are numbered in the NESTED or in the RING scheme

    Returns
    -------
    pix : array of int64, shape (8, ...)
        To the south-west, west, north-west, north, north-east, east, south-east and south; -1 at those corners of
        faces where only three faces meet.
    """
    xp = array_namespace(pix)
    face, x, y = pix_to_face(pix, nside, nest=nest)
    n_side = face * 0 + nside
    found = []
    for dx, dy in _STEPS:
        to_face, to_x, to_y, exists = _across_edges(face, x + dx, y + dy, n_side)
        number = face_to_pix(to_face, to_x, to_y, nside, nest=nest)
        found.append(xp.where(exists, number, -1))
    return xp.stack(found)


def _across_edges(face: Array, x: Array, y: Array, n_side: Array) -> tuple[Array, Array, Array, Array]:
    """Return the pixels (face, x, y) of positions up to one pixel beyond a face, and whether they exist.

    Around the poles, where four faces meet in one point, the axes of neighbouring faces are turned by 90 deg.
    """
    xp = array_namespace(face)
    row, column = face // 4, face % 4
    over_x, under_x = x >= n_side, x < 0
    over_y, under_y = y >= n_side, y < 0
    at_north, at_south = row == 0, row == 2
    # Equatorial faces, and the sides of the others towards the equator: the axes stay parallel.
    step_x = xp.astype(over_x, xp.int64) - xp.astype(under_x, xp.int64)
    step_y = xp.astype(over_y, xp.int64) - xp.astype(under_y, xp.int64)
    next_row = row - step_x - step_y
    # the middle row is half a face to the west of the others
    turn = xp.astype(under_y | over_x, xp.int64) - xp.astype(row == 1, xp.int64)
    turn = xp.where(step_x + step_y == 0, step_x, turn)
    turn = xp.where((step_x == step_y) | ((step_x == 0) & (step_y == 0)), 0, turn)
    to_face = 4 * clip(next_row, 0, 2) + (column + turn) % 4
    to_x, to_y = x - step_x * n_side, y - step_y * n_side
    # Across the seams that meet at a pole
    north_x, north_y, south_x, south_y = at_north & over_x, at_north & over_y, at_south & under_x, at_south & under_y
    seams = (
        (north_x, 1, y, 2 * n_side - 1 - x),
        (north_y, 3, 2 * n_side - 1 - y, x),
        (north_x & north_y, 2, 2 * n_side - 1 - x, 2 * n_side - 1 - y),
        (south_x, 3, y, -1 - x),
        (south_y, 1, -1 - y, x),
        (south_x & south_y, 2, -1 - x, -1 - y),
    )
    for crosses, step, seam_x, seam_y in seams:
        to_face = xp.where(crosses, 4 * row + (column + step) % 4, to_face)
        to_x, to_y = xp.where(crosses, seam_x, to_x), xp.where(crosses, seam_y, to_y)
    # Three faces meet at the other corners: north and south of the middle row, east and west of the caps.
    is_corner = (over_x | under_x) & (over_y | under_y)
    is_vertical = (over_x & over_y) | (under_x & under_y)
    exists = ~is_corner | xp.where(row == 1, ~is_vertical, is_vertical)
    zero = xp.zeros_like(to_x)
    return to_face, xp.where(exists, to_x, zero), xp.where(exists, to_y, zero), exists


def interpolation_pixels(lon: Array, lat: Array, nside: Nside, *, nest: bool) -> tuple[Array, Array]:
    """Return the four pixels around positions and their weights in a bilinear interpolation.

    The values are interpolated along the two rings of pixel centres north and south of the position, and then between
    the rings, linearly in longitude and in latitude. Beyond the first and the last ring, the mean of its four pixels is
    the value at the pole.

    Parameters
    ----------
    lon, lat : array of float64, finite, unit rad
    nside : int or array of int64
    nest : bool, whether pixels are numbered in the NESTED or in the RING scheme

    Returns
    -------
    pix : array of int64, shape (4, ...): two on the northern ring and two on the southern one
    weights : array of float64, shape (4, ...), with sum 1
    """
    xp = array_namespace(lon)
    n_side = xp.zeros_like(lon, dtype=xp.int64) + nside
    theta = math.pi / 2.0 - lat
    above = ring_of_latitude(lat, nside)
    last = 4 * n_side - 1
    has_north, has_south = above > 0, above < last
    rings = [_on_ring(lon, clip_to(ring, last), n_side) for ring in (above, above + 1)]
    (first, weight_1, theta_1), (second, weight_2, theta_2) = rings
    theta_1 = xp.where(has_north, theta_1, 0.0)
    theta_2 = xp.where(has_south, theta_2, math.pi)
    down = (theta - theta_1) / (theta_2 - theta_1)
    # At a pole: the two pixels opposite of those found, and an equal share of the mean in all four
    n_pix = 12 * n_side * n_side
    first = [xp.where(has_north, p, (q + 2) % 4) for p, q in zip(first, second, strict=True)]
    second = [xp.where(has_south, q, (p - (n_pix - 4) + 2) % 4 + n_pix - 4) for p, q in zip(first, second, strict=True)]
    share_north, share_south = xp.where(has_north, 0.0, (1.0 - down) / 4.0), xp.where(has_south, 0.0, down / 4.0)
    share = share_north + share_south
    up = 1.0 - down
    north = [xp.where(has_north, up * w, 0.0) + share for w in weight_1]
    south = [xp.where(has_south, down * w, 0.0) + share for w in weight_2]
    pix = xp.stack([*first, *second])
    return ring_to_nest(pix, nside) if nest else pix, xp.stack([*north, *south])


def clip_to(ring: Array, last: Array) -> Array:
    """Return rings, at least 1 and at most the last one.

    Parameters
    ----------
    ring, last : array of int64
    """
    xp = array_namespace(ring)
    return xp.minimum(xp.where(ring < 1, 1, ring), last)


def _on_ring(lon: Array, ring: Array, n_side: Array) -> tuple[list[Array], list[Array], Array]:
    """Return the two pixels of rings next to longitudes, their weights, and the colatitude of the rings."""
    xp = array_namespace(lon)
    in_cap = (ring < n_side) | (ring > 3 * n_side)
    n_quarter = xp.minimum(xp.minimum(ring, n_side), 4 * n_side - ring)
    half = xp.where(in_cap, 0.5, 0.5 * xp.astype(1 - ((ring - n_side) & 1), xp.float64))
    n_ring, size, number = 4 * n_quarter, xp.astype(n_side, xp.float64), xp.astype(ring, xp.float64)
    along = lon / (2.0 * math.pi) * xp.astype(n_ring, xp.float64) - half
    lower = xp.floor(along)
    weight = along - lower
    n_cap, n_pix = 2 * n_side * (n_side - 1), 12 * n_side * n_side
    south = n_pix - 2 * n_quarter * (n_quarter + 1)
    start = xp.where(
        in_cap, xp.where(ring < n_side, 2 * ring * (ring - 1), south), n_cap + (ring - n_side) * 4 * n_side
    )
    index = xp.astype(lower, xp.int64)
    z = (2.0 * size - number) * (2.0 / 3.0) / size
    depth = (xp.astype(n_quarter, xp.float64) / size) ** 2 / 3.0
    cos_cap = xp.sqrt(depth * (2.0 - depth))
    z_cap = xp.where(ring < n_side, 1.0 - depth, depth - 1.0)
    cos_lat = xp.where(in_cap, cos_cap, xp.sqrt(xp.where(in_cap, 1.0, (1.0 - z) * (1.0 + z))))
    theta = xp.atan2(cos_lat, xp.where(in_cap, z_cap, z))
    return [start + index % n_ring, start + (index + 1) % n_ring], [1.0 - weight, weight], theta
