"""Pixels of the HEALPix grid: their numbers and their positions on the sky.

Source: Gorski et al. 2005, ApJ 622, 759 (sections 4 and 5). The sphere has 12 faces, each of ``nside`` x ``nside``
pixels of equal area; ``x`` grows to the north-east and ``y`` to the north-west. All functions go by way of
(face, x, y), where the numbers of the RING scheme, which counts along parallels, and of the NESTED scheme, which
interleaves the bits of x and y, are simple. Numbers are int64; ``nside`` is a number or an array of int64 that
broadcasts with the pixels. It is a power of two in the NESTED scheme.

One correction to the paper: in the equatorial rings its offset s is 1 or 2, not 1 or 0, so that each ring begins with
the first pixel centre at or after longitude zero, as in all software.
"""

import math
from typing import TypeAlias

from array_api_compat import device

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace

__all__ = [
    "Nside",
    "face_to_pix",
    "face_to_sky",
    "lonlat_to_pix",
    "nest_to_ring",
    "pix_to_face",
    "pix_to_lonlat",
    "pix_vertices",
    "ring_of_latitude",
    "ring_of_pixel",
    "ring_to_nest",
    "subpixel_centers",
]

Nside: TypeAlias = Array | int
"""Number of pixels along the side of a face."""

OUTSIDE = -1
"""Number of the pixel of a position that is not finite."""

Face: TypeAlias = tuple[Array, Array, Array]
"""Number of the face, x and y."""


def lonlat_to_pix(lon: Array, lat: Array, nside: Nside, *, nest: bool) -> Array:
    """Return the pixels that contain positions.

    Parameters
    ----------
    lon, lat : array of float64, unit rad
    nside : int or array of int64
    nest : bool, whether pixels are numbered in the NESTED or in the RING scheme

    Returns
    -------
    pix : array of int64; -1 where a position is not finite
    """
    xp = array_namespace(lon)
    valid = xp.isfinite(lon) & xp.isfinite(lat)
    lon, lat = xp.where(valid, lon, 0.0), xp.where(valid, lat, 0.0)
    pix = face_to_pix(*_sky_to_face(lon, lat, nside), nside, nest=nest)
    return xp.where(valid, pix, OUTSIDE)


def pix_to_lonlat(pix: Array, nside: Nside, *, nest: bool) -> tuple[Array, Array]:
    """Return the centres of pixels.

    Parameters
    ----------
    pix : array of int64, from 0 to 12 nside**2 - 1
    nside : int or array of int64
    nest : bool, whether pixels are numbered in the NESTED or in the RING scheme

    Returns
    -------
    lon, lat : array of float64, unit rad; longitudes from 0 to 2 pi
    """
    xp = array_namespace(pix)
    face, x, y = pix_to_face(pix, nside, nest=nest)
    return face_to_sky(face, xp.astype(x, xp.float64) + 0.5, xp.astype(y, xp.float64) + 0.5, nside)


def pix_vertices(pix: Array, nside: Nside, *, nest: bool) -> tuple[Array, Array]:
    """Return the corners of pixels.

    Parameters
    ----------
    pix, nside, nest : see `pix_to_lonlat`

    Returns
    -------
    lon, lat : array of float64, shape (4, ...), unit rad; north, west, south and east
    """
    xp = array_namespace(pix)
    face, x, y = pix_to_face(pix, nside, nest=nest)
    x, y = xp.astype(x, xp.float64), xp.astype(y, xp.float64)
    corners = [face_to_sky(face, x + dx, y + dy, nside) for dx, dy in ((1.0, 1.0), (0.0, 1.0), (0.0, 0.0), (1.0, 0.0))]
    return xp.stack([lon for lon, _ in corners]), xp.stack([lat for _, lat in corners])


def subpixel_centers(pix: Array, nside: Nside, factor: int, *, nest: bool) -> tuple[Array, Array]:
    """Return the centres of the parts of pixels that are divided into a square of smaller ones.

    Parameters
    ----------
    pix, nside, nest : see `pix_to_lonlat`
    factor : int, number of parts along each side

    Returns
    -------
    lon, lat : array of float64, shape (..., factor**2), unit rad
    """
    xp = array_namespace(pix)
    face, x, y = (part[..., None] for part in pix_to_face(pix, nside, nest=nest))
    parts = xp.arange(factor * factor, dtype=xp.int64, device=device(pix))
    dx = (xp.astype(parts % factor, xp.float64) + 0.5) / factor
    dy = (xp.astype(parts // factor, xp.float64) + 0.5) / factor
    x, y = xp.astype(x, xp.float64) + dx, xp.astype(y, xp.float64) + dy
    return face_to_sky(xp.broadcast_to(face, x.shape), x, y, nside)


def nest_to_ring(pix: Array, nside: Nside) -> Array:
    """Return the numbers in the RING scheme of pixels in the NESTED scheme.

    Parameters
    ----------
    pix : array of int64
    nside : int or array of int64
    """
    return face_to_pix(*pix_to_face(pix, nside, nest=True), nside, nest=False)


def ring_to_nest(pix: Array, nside: Nside) -> Array:
    """Return the numbers in the NESTED scheme of pixels in the RING scheme.

    Parameters
    ----------
    pix : array of int64
    nside : int or array of int64
    """
    return face_to_pix(*pix_to_face(pix, nside, nest=False), nside, nest=True)


def pix_to_face(pix: Array, nside: Nside, *, nest: bool) -> Face:
    """Return face, x and y of pixels.

    Parameters
    ----------
    pix, nside, nest : see `pix_to_lonlat`
    """
    if not nest:
        return _ring_to_face(pix, nside)
    inside = pix % (nside * nside)
    return pix // (nside * nside), _even_bits(inside), _even_bits(inside >> 1)


def face_to_pix(face: Array, x: Array, y: Array, nside: Nside, *, nest: bool) -> Array:
    """Return the numbers of pixels.

    Parameters
    ----------
    face, x, y : array of int64
    nside, nest : see `pix_to_lonlat`
    """
    if nest:
        return face * (nside * nside) + (_to_even_bits(x) | (_to_even_bits(y) << 1))
    xp = array_namespace(face)
    row, column = face // 4, face % 4
    ring = (row + 2) * nside - x - y - 1
    n_side = ring * 0 + nside  # of the shape of the pixels
    n_quarter = xp.minimum(xp.minimum(ring, n_side), 4 * n_side - ring)
    is_equatorial = (ring >= n_side) & (ring <= 3 * n_side)
    shift = xp.where(is_equatorial, 1 + ((ring - n_side) & 1), 1)
    along = ((_first_longitude(row, column) * n_quarter + x - y + shift) // 2 - 1) % (4 * n_quarter)
    return _first_of_ring(ring, n_quarter, n_side) + along


def face_to_sky(face: Array, x: Array, y: Array, nside: Nside) -> tuple[Array, Array]:
    """Return the sky positions of points on the faces.

    Parameters
    ----------
    face : array of int64
    x, y : array of float64, from 0 to nside; the centre of pixel (0, 0) is at (0.5, 0.5)
    nside : int or array of int64

    Returns
    -------
    lon, lat : array of float64, unit rad
    """
    xp = array_namespace(x)
    row, column = face // 4, face % 4
    n_side = xp.astype(face * 0 + nside, xp.float64)
    ring = xp.astype(row + 2, xp.float64) * n_side - x - y
    n_quarter = xp.minimum(xp.minimum(ring, n_side), 4 * n_side - ring)
    # 1 - |z| of a ring of a cap: exact next to the poles, where z itself rounds
    depth = (n_quarter / n_side) ** 2 / 3.0
    z_cap = xp.where(ring < 2 * n_side, 1.0 - depth, depth - 1.0)
    z_equator = (2 * n_side - ring) * (2.0 / 3.0) / n_side
    in_cap = n_quarter < n_side
    z = xp.where(in_cap, z_cap, z_equator)
    cos_lat = xp.sqrt(xp.where(in_cap, depth * (2.0 - depth), (1.0 - z_equator) * (1.0 + z_equator)))
    turn = xp.astype(_first_longitude(row, column), xp.float64) * n_quarter + x - y
    # at a pole all longitudes are one
    at_pole = n_quarter <= 0.0
    lon = xp.where(at_pole, 0.0, turn / xp.where(at_pole, 1.0, n_quarter)) * (math.pi / 4.0)
    return xp.where(lon < 0.0, lon + 2.0 * math.pi, lon), xp.atan2(z, cos_lat)


def ring_of_latitude(lat: Array, nside: Nside) -> Array:
    """Return the ring of pixel centres at or north of latitudes, int64, from 1; 0 north of the first one.

    Parameters
    ----------
    lat : array of float64, unit rad
    nside : int or array of int64
    """
    xp = array_namespace(lat)
    z = xp.sin(lat)
    in_equator = xp.abs(z) <= 2.0 / 3.0
    n_side = xp.astype(xp.zeros_like(lat, dtype=xp.int64) + nside, xp.float64)
    equator = xp.floor(n_side * (2.0 - 1.5 * z))
    cap = xp.floor(_cap_ring(lat, n_side))
    polar = xp.where(z > 0.0, cap, 4.0 * n_side - cap - 1.0)
    return xp.astype(xp.where(in_equator, equator, polar), xp.int64)


def ring_of_pixel(pix: Array, nside: Nside) -> tuple[Array, Array, Array, Array]:
    """Return where pixels of the RING scheme lie in their rings.

    Parameters
    ----------
    pix : array of int64
    nside : int or array of int64

    Returns
    -------
    ring : array of int64, from 1 to 4 nside - 1
    along : array of int64, number in the ring, from 0
    n_quarter : array of int64, a quarter of the number of pixels in the ring
    shift : array of int64, 1 if the ring begins half a pixel after longitude zero, 2 if it begins there
    """
    xp = array_namespace(pix)
    n_side = pix * 0 + nside
    n_cap, n_all = 2 * n_side * (n_side - 1), 12 * n_side * n_side
    in_north, in_south = pix < n_cap, pix >= n_all - n_cap
    # counted from the nearest pole
    number = xp.where(in_south, n_all - 1 - pix, pix)
    from_pole = _cap_ring_of_number(xp.where(in_north | in_south, number, 0))
    in_cap = number - 2 * from_pole * (from_pole - 1)
    beyond = xp.where(in_north | in_south, 0, pix - n_cap)
    ring = xp.where(in_north, from_pole, xp.where(in_south, 4 * n_side - from_pole, n_side + beyond // (4 * n_side)))
    along = xp.where(in_north, in_cap, xp.where(in_south, 4 * from_pole - 1 - in_cap, beyond % (4 * n_side)))
    n_quarter = xp.where(in_north | in_south, from_pole, n_side)
    shift = xp.where(in_north | in_south, 1, 1 + ((ring - n_side) & 1))
    return ring, along, n_quarter, shift


def _ring_to_face(pix: Array, nside: Nside) -> Face:
    xp = array_namespace(pix)
    n_side = pix * 0 + nside
    ring, along, n_quarter, shift = ring_of_pixel(pix, nside)
    twice = 2 * (along + 1) - shift  # twice the longitude in pixels of the ring
    # Between the caps: the two families of diagonals, as in `_sky_to_face`
    equator = _crossing_diagonals((twice + ring - n_side) >> 1, (twice + 3 * n_side - ring) >> 1, n_side)
    in_south = ring > 3 * n_side
    column = along // n_quarter
    row = 2 * xp.astype(in_south, xp.int64)
    across = twice - _first_longitude(row, column) * n_quarter  # x - y
    up = (row + 2) * n_side - ring - 1  # x + y
    in_cap = (ring < n_side) | in_south
    cap = 4 * row + column, (up + across) >> 1, (up - across) >> 1
    face, x, y = (xp.where(in_cap, a, b) for a, b in zip(cap, equator, strict=True))
    return face, x, y


def _sky_to_face(lon: Array, lat: Array, nside: Nside) -> Face:
    xp = array_namespace(lon)
    n_side = xp.zeros_like(lon, dtype=xp.int64) + nside
    size = xp.astype(n_side, xp.float64)
    z = xp.sin(lat)
    quarters = xp.remainder(lon, 2.0 * math.pi) * (2.0 / math.pi)
    quarters = xp.where(quarters >= 4.0, 0.0, quarters)
    down = xp.astype(xp.floor(size * (0.5 + quarters) - size * z * 0.75), xp.int64)
    up = xp.astype(xp.floor(size * (0.5 + quarters) + size * z * 0.75), xp.int64)
    equator = _crossing_diagonals(down, up, n_side)
    column = xp.floor(quarters)
    part, distance = quarters - column, _cap_ring(lat, size)
    east = xp.minimum(xp.astype(xp.floor(part * distance), xp.int64), n_side - 1)
    west = xp.minimum(xp.astype(xp.floor((1.0 - part) * distance), xp.int64), n_side - 1)
    column = xp.astype(column, xp.int64)
    in_north = z > 0.0
    cap = (
        xp.where(in_north, column, 8 + column),
        xp.where(in_north, n_side - 1 - west, east),
        xp.where(in_north, n_side - 1 - east, west),
    )
    in_equator = xp.abs(z) <= 2.0 / 3.0
    face, x, y = (xp.where(in_equator, a, b) for a, b in zip(equator, cap, strict=True))
    return face, x, y


def _crossing_diagonals(down: Array, up: Array, n_side: Array) -> Face:
    """Return the pixel between the caps where a descending and an ascending diagonal cross."""
    xp = array_namespace(down)
    face_down, face_up = down // n_side, up // n_side
    face = xp.where(
        face_down == face_up,
        4 + face_down % 4,
        xp.where(face_down < face_up, face_down % 4, 8 + face_up % 4),
    )
    return face, up % n_side, n_side - 1 - down % n_side


def _cap_ring(lat: Array, size: Array) -> Array:
    """Return nside sqrt(3 (1 - abs(z))): the ring of a latitude in a cap, without rounding next to the poles."""
    xp = array_namespace(lat)
    return size * xp.cos(lat) * xp.sqrt(3.0 / (1.0 + xp.abs(xp.sin(lat))))


def _cap_ring_of_number(number: Array) -> Array:
    """Return the ring, from 1, of pixels counted from a pole."""
    xp = array_namespace(number)
    ring = xp.astype(xp.floor(0.5 + xp.sqrt(0.25 + 0.5 * xp.astype(number, xp.float64))), xp.int64)
    # the square root of a large number rounds
    ring = xp.where(2 * ring * (ring - 1) > number, ring - 1, ring)
    return xp.where(2 * ring * (ring + 1) <= number, ring + 1, ring)


def _first_of_ring(ring: Array, n_quarter: Array, n_side: Array) -> Array:
    """Return the number of the first pixel of rings in the RING scheme."""
    xp = array_namespace(ring)
    n_cap, n_all = 2 * n_side * (n_side - 1), 12 * n_side * n_side
    between = n_cap + (ring - n_side) * 4 * n_side
    south = n_all - 2 * n_quarter * (n_quarter + 1)
    return xp.where(ring < n_side, 2 * ring * (ring - 1), xp.where(ring > 3 * n_side, south, between))


def _first_longitude(row: Array, column: Array) -> Array:
    """Return the longitude of the middle of faces, in units of pi / 4."""
    return 2 * column + 1 - (row & 1)


def _to_even_bits(value: Array) -> Array:
    """Move bit n of numbers below 2**30 to bit 2 n."""
    for step, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):
        value = (value | (value << step)) & mask
    return value


def _even_bits(value: Array) -> Array:
    """Move bit 2 n of numbers below 2**60 to bit n, and drop the others."""
    value = value & 0x5555555555555555
    for step, mask in (
        (1, 0x3333333333333333),
        (2, 0x0F0F0F0F0F0F0F0F),
        (4, 0x00FF00FF00FF00FF),
        (8, 0x0000FFFF0000FFFF),
        (16, 0x00000000FFFFFFFF),
    ):
        value = (value | (value >> step)) & mask
    return value
