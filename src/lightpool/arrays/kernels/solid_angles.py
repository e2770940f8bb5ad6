"""Solid angles of pixels."""

from collections.abc import Callable
from typing import TypeAlias, cast, overload

import numpy as np
from array_api_compat import is_cupy_namespace, is_numpy_namespace
from numpy.typing import NDArray

from lightpool.arrays.cuda import directions as cuda_directions
from lightpool.arrays.devices.array_types import Array, HostFloats, Namespace
from lightpool.arrays.devices.blocks import BLOCK, blocks, joined
from lightpool.arrays.devices.devices import array_namespace

__all__ = ["are_turned", "solid_angles", "solid_angles_plain", "triangle_areas"]

Mask: TypeAlias = NDArray[np.bool_]

_NO_LENGTH = 1e-300
"""Added to a length, it changes only zero; zero divided by it is zero."""

_SHORT = 0.02
"""Chord up to which four terms of the arcsine are exact to the last bit: the next one is 35/294912 c^8, 3e-18."""

_TURN = 1e-5
"""Square of the size of a pixel over its distance from the axis of the sphere, up to which plane triangles are used.

The relative error of their area is a tenth of it: 1e-6. All pixels of 0.1 deg up to a declination of 38 deg, and of
0.02 deg up to 81 deg, have the areas of Gammapy.
"""


def solid_angles(corners: Array) -> Array:
    """Compute the solid angles of pixels from their corners, to a relative 2e-6 anywhere on the sphere.

    Parameters
    ----------
    corners : array of float64, shape (3, ny + 1, nx + 1)
        Unit vectors; NaN where a corner does not project.

    Returns
    -------
    solid_angle : array of float64, shape (ny, nx), unit sr
        NaN where a corner does not project.

    Notes
    -----
    Where that is accurate, pixels are computed as in Gammapy: as two plane triangles whose sides are arcs, and whose
    angles are differences of position angles, of which one pair is taken at neighbouring corners. The relative error is
    the square of the turn of north across a pixel: 3e-8 for pixels of 0.02 deg at a declination of 22 deg, but a factor
    of two for the pixels around a pole. Pixels that are large, or near a pole, are computed as two spherical triangles,
    whose sides are great circles.
    """
    xp = array_namespace(corners)
    if is_cupy_namespace(xp):
        return cuda_directions.solid_angles(corners)
    if not is_numpy_namespace(xp):
        return solid_angles_plain(corners)
    n_y, n_x = (n - 1 for n in corners.shape[1:])
    # Without rows, `joined` still needs one part, of which it takes the shape.
    rows = list(blocks(n_y, max(BLOCK // max(n_x, 1), 1))) or [slice(0, 0)]
    return joined(lambda part: _solid_angles(corners[:, part.start : part.stop + 1, :], _arcs_numpy, _some, xp), rows)


def solid_angles_plain(corners: Array) -> Array:
    """Compute solid angles with the array API standard alone: the reference implementation of `solid_angles`."""
    xp = array_namespace(corners)
    return _solid_angles(corners, lambda chord: _arcs(chord, xp), _all, xp)


Replace = Callable[[Array, tuple[Array, Array, Array], Array, int], Array]


def _solid_angles(corners: Array, arcs: Callable[[Array], Array], replace: Replace, xp: Namespace) -> Array:
    n_y, width = corners.shape[1] - 1, corners.shape[2]
    if n_y == 0:
        return corners[0, :0, 1:]
    # All corners in one row, which is faster than windows of an image: corner i has i + 1 on its right and i + width
    # above it. After the last pixel of each row comes one without meaning, between two rows.
    x, y, z = (xp.reshape(corners[i, ...], (-1,)) for i in range(3))
    radius = x * x + y * y  # squared
    along_x, east_x, inner_x = _steps(x, y, z, 1, arcs, xp)
    along_y, east_y, inner_y = _steps(x, y, z, width, arcs, xp)
    north_right = radius[:-1] * z[1:] - z[:-1] * inner_x
    north_up = radius[1:-width] * z[width + 1 :] - z[1:-width] * inner_y[1:]
    north_down = radius[width:-1] * z[: -width - 1] - z[width:-1] * inner_y[:-1]
    right = _bearing(east_x, north_right)
    at_lower_right = _sine_between([_[:-width] for _ in right], _bearing(east_y[1:], north_up), xp)
    at_upper_left = _sine_between(_bearing(-east_y[:-1], north_down), [_[width:] for _ in right], xp)
    area = along_y[:-1] * along_x[width:] * at_upper_left + along_y[1:] * along_x[:-width] * at_lower_right
    area = 0.5 * xp.abs(area)
    area = replace(area, (along_x, along_y, radius), xp.reshape(corners, (3, -1)), width)
    # One more, so that the rows are whole; their last column is the one without meaning.
    return xp.reshape(xp.concat([area, area[:1]]), (n_y, width))[:, :-1]


def _steps(
    x: Array, y: Array, z: Array, stride: int, arcs: Callable[[Array], Array], xp: Namespace
) -> tuple[Array, Array, Array]:
    """Return angles to the unit vectors a stride further on; vector and inner products across the axis of the sphere.

    With these, the position angle of a step has the sine x y' - y x' and the cosine r^2 z' - z (x x' + y y'), not
    normalised.
    """
    (x, x_stop), (y, y_stop), (z, z_stop) = ((_[:-stride], _[stride:]) for _ in (x, y, z))
    dx, dy, dz = x_stop - x, y_stop - y, z_stop - z
    chord = xp.sqrt(dx * dx + dy * dy + dz * dz)
    return arcs(chord), x * y_stop - y * x_stop, x * x_stop + y * y_stop


def _turn_north(sizes: tuple[Array, Array, Array], width: int) -> Array:
    """Return which pixels are too large, or too near a pole, for plane triangles."""
    along_x, along_y, radius = sizes
    size = along_x[:-width] * along_x[:-width] + along_y[:-1] * along_y[:-1]  # squared
    return size > _TURN * radius[: -width - 1]


def are_turned(corners: HostFloats, margin: float = 1.0) -> bool:
    """Return whether some pixel is too large, or too near a pole, for the plane triangles of `solid_angles`.

    Parameters
    ----------
    corners : ndarray of float64, shape (3, ny + 1, nx + 1)
    margin : float
        Factor on the squares of the sizes of the pixels.
    """
    width = corners.shape[2]
    x, y, z = corners.reshape(3, -1)
    along_x, along_y = (_steps(x, y, z, stride, _arcs_numpy, array_namespace(corners))[0] for stride in (1, width))
    turned = cast(Mask, _turn_north((along_x * margin**0.5, along_y * margin**0.5, x * x + y * y), width))
    # The last column of each row lies between two rows and has no meaning.
    is_pixel = np.arange(turned.size) % width < width - 1
    return bool(np.any(turned & is_pixel))


def _some(area: Array, sizes: tuple[Array, Array, Array], corners: Array, width: int) -> Array:
    """Replace some areas by those of spherical triangles, on the host."""
    along_x, along_y, radius = (cast(HostFloats, x) for x in sizes)
    # Leave out the steps from the end of one row to the start of the next; NaN compares as False.
    longest = np.max(np.reshape(along_x[: area.shape[0] + 1], (-1, width))[:, :-1], initial=0.0)
    # The usual case: not even the longest sides together are too long for the pixel nearest to a pole.
    if longest * longest + np.max(along_y) ** 2 <= _TURN * np.min(radius):
        return area
    number = np.flatnonzero(cast(Mask, _turn_north(sizes, width)))
    if number.size:
        first, right, up, far = (cast(HostFloats, corners)[:, number + step] for step in (0, 1, width, width + 1))
        area[number] = np.abs(triangle_areas(first, right, far) + triangle_areas(first, far, up))
    return area


def _all(area: Array, sizes: tuple[Array, Array, Array], corners: Array, width: int) -> Array:
    """Replace areas as `_some` does, on any device: all spherical triangles are computed."""
    xp = array_namespace(area)
    first, right, up, far = (
        corners[:, : -width - 1],
        corners[:, 1:-width],
        corners[:, width:-1],
        corners[:, width + 1 :],
    )
    true = xp.abs(triangle_areas(first, right, far) + triangle_areas(first, far, up))
    return xp.where(_turn_north(sizes, width), true, area)


@overload
def triangle_areas(a: HostFloats, b: HostFloats, c: HostFloats) -> HostFloats: ...
@overload
def triangle_areas(a: Array, b: Array, c: Array) -> Array: ...
def triangle_areas(a: Array, b: Array, c: Array) -> Array:
    """Compute the areas of spherical triangles.

    Parameters
    ----------
    a, b, c : arrays of float64, shape (3, n)
        Unit vectors of the corners.

    Returns
    -------
    area : array of float64, shape (n,), unit sr
        Positive where the corners run counter-clockwise as seen from outside.

    Notes
    -----
    Source: van Oosterom & Strackee 1983, IEEE Trans. Biomed. Eng. 30, 125.
    """
    xp = array_namespace(a, b, c)
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = ([v[i, ...] for i in range(3)] for v in (a, b, c))
    # Differences first: the triple product of three nearly equal vectors would lose its digits.
    ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
    volume = ax * (uy * vz - uz * vy) + ay * (uz * vx - ux * vz) + az * (ux * vy - uy * vx)
    inner = (ax * bx + ay * by + az * bz) + (bx * cx + by * cy + bz * cz) + (cx * ax + cy * ay + cz * az)
    return 2 * xp.atan2(volume, 1.0 + inner)


def _arcs(chord: Array, xp: Namespace) -> Array:
    """Return the angles between the ends of chords of the unit sphere."""
    # Between opposite directions, rounding may make half of the chord larger than 1.
    return 2 * xp.asin(xp.minimum(0.5 * chord, xp.ones_like(chord)))


def _arcs_numpy(chord: Array) -> HostFloats:
    """Compute `_arcs` by a series where chords are short, which takes a third of the time.

    Each result depends on its own chord alone, so parts of an image are bit-identical to the whole.
    """
    chord = cast(HostFloats, chord)
    square = chord * chord
    arc = chord * (1 + square * (1 / 24 + square * (3 / 640 + square * (5 / 7168))))
    long = np.flatnonzero(chord > _SHORT)
    arc[long] = 2 * np.arcsin(np.minimum(0.5 * chord[long], 1.0))
    return arc


def _bearing(east: Array, north: Array) -> list[Array]:
    """Return the sine and cosine of the position angle of a step, not normalised, and the sum of their squares."""
    return [east, north, east * east + north * north]


def _sine_between(start: list[Array], stop: list[Array], xp: Namespace) -> Array:
    """Return the sine of the angle from one bearing to another; 0 where one of the steps has no length."""
    east, north, square = start
    east_stop, north_stop, square_stop = stop
    return (east_stop * north - north_stop * east) / (xp.sqrt(square * square_stop) + _NO_LENGTH)
