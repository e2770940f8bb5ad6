"""Which directions on the sky lie in circles, ellipses, rectangles, rings and polygons: array code for any device."""

from dataclasses import dataclass

import numpy as np

from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import array_namespace, device_of
from lightpool.arrays.kernels.sphere import rotate

__all__ = ["PlaneShape", "SkyPolygon", "in_any_circle", "in_plane_shape", "in_polygon"]

_CIRCLES_AT_ONCE = 8
"""Circles whose cosines are computed together: more would need more memory, not less time."""


@dataclass(frozen=True, eq=False)
class PlaneShape:
    """A shape about a centre, in the plane that keeps distances from the centre (ARC).

    Attributes
    ----------
    kind : {"circle", "ellipse", "rectangle"}
    matrix : array of float64, shape (3, 3)
        Rotation to the field of view of the centre: along it, to its east, and to its north.
    lengths : tuple of float, rad
        Radius; or width and height.
    angle : float, rad
        From west over north to the width, as on maps, whose longitudes grow to the left.
    """

    kind: str
    matrix: HostFloats
    lengths: tuple[float, ...]
    angle: float = 0.0


@dataclass(frozen=True, eq=False)
class SkyPolygon:
    """A polygon whose sides are great circles.

    Attributes
    ----------
    matrix : array of float64, shape (3, 3)
        Rotation to the field of view of a direction in its middle.
    x, y : tuples of float
        Vertices in the gnomonic plane of that direction, to the east and to the north.
    """

    matrix: HostFloats
    x: tuple[float, ...]
    y: tuple[float, ...]


def in_any_circle(vectors: Array, centers: HostFloats, radii: HostFloats) -> Array:
    """Return which directions are nearer to any of some centres than its radius.

    Parameters
    ----------
    vectors : array of float64, shape (3, n)
        Unit vectors.
    centers : NumPy array of float64, shape (3, n_circle)
    radii : NumPy array of float64, shape (n_circle,), rad

    Returns
    -------
    inside : array of bool, shape (n,)
        False where a vector is NaN.
    """
    xp, device = array_namespace(vectors), device_of(vectors)
    # The cosine of an angle of 0.01 deg still fixes that angle to one part in 10^8.
    limits: HostFloats = np.cos(radii)
    inside = xp.zeros(vectors.shape[1:], dtype=xp.bool, device=device.handle)
    for start in range(0, len(radii), _CIRCLES_AT_ONCE):
        some = slice(start, start + _CIRCLES_AT_ONCE)
        cosines = xp.matmul(constant(np.ascontiguousarray(centers[:, some].T), device), vectors)
        inside = inside | xp.any(cosines > constant(limits[some, np.newaxis], device), axis=0)
    return inside


def in_plane_shape(vectors: Array, shape: PlaneShape) -> Array:
    """Return which directions lie in a circle, an ellipse or a rectangle about a centre; its border is outside.

    Parameters
    ----------
    vectors : array of float64, shape (3, n)
    shape : PlaneShape

    Returns
    -------
    inside : array of bool, shape (n,)
    """
    xp = array_namespace(vectors)
    about = rotate(shape.matrix, vectors)
    along, east, north = about[0, ...], about[1, ...], about[2, ...]
    sine = xp.sqrt(east * east + north * north)
    distance = xp.atan2(sine, along)
    if shape.kind == "circle":
        inside: Array = distance < shape.lengths[0]
        return inside
    scale = distance / xp.where(sine > 0, sine, 1.0)
    x, y = -scale * east, scale * north
    cos, sin = float(np.cos(shape.angle)), float(np.sin(shape.angle))
    across, up = (x * cos + y * sin) * (2 / shape.lengths[0]), (y * cos - x * sin) * (2 / shape.lengths[1])
    if shape.kind == "ellipse":
        return across * across + up * up < 1.0
    return (xp.abs(across) < 1.0) & (xp.abs(up) < 1.0)


def in_polygon(vectors: Array, polygon: SkyPolygon) -> Array:
    """Return which directions lie in a polygon: those from which a ray crosses an odd number of sides.

    Parameters
    ----------
    vectors : array of float64, shape (3, n)
    polygon : SkyPolygon

    Returns
    -------
    inside : array of bool, shape (n,)
    """
    xp, device = array_namespace(vectors), device_of(vectors)
    about = rotate(polygon.matrix, vectors)
    along = about[0, ...]
    seen = along > 0
    depth = xp.where(seen, along, 1.0)
    x, y = about[1, ...] / depth, about[2, ...] / depth
    inside = xp.zeros(seen.shape, dtype=xp.bool, device=device.handle)
    ends = zip(polygon.x[1:] + polygon.x[:1], polygon.y[1:] + polygon.y[:1], strict=True)
    for x1, y1, (x2, y2) in zip(polygon.x, polygon.y, ends, strict=True):
        if y1 == y2:
            continue  # a ray along x does not cross it
        crosses = (y >= min(y1, y2)) & (y < max(y1, y2)) & (x < x1 + (y - y1) * ((x2 - x1) / (y2 - y1)))
        inside = inside ^ crosses
    return inside & seen
