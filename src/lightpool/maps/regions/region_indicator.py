"""Sky regions as array code: which directions lie in them, by their shape on the sphere, on any device."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.kernels.sky_shapes import PlaneShape, SkyPolygon, in_plane_shape, in_polygon
from lightpool.arrays.kernels.sphere import fov_matrix, separation_of_vectors
from lightpool.errors import GeometryError
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.region_shapes import border_vectors, directions_in, reach_deg
from lightpool.maps.regions.sky_regions import is_point, kind_of, mean_direction, vertices_of

if TYPE_CHECKING:
    from regions import CompoundSkyRegion, Region, SkyRegion

__all__ = ["Cap", "RegionIndicator"]

_OPERATORS: dict[str, Callable[[Array, Array], Array]] = {
    "or_": operator.or_,
    "and_": operator.and_,
    "xor": operator.xor,
}
_LEAST_DEPTH = 0.02  # cosine of the largest distance of a vertex from the middle of its polygon

Test: TypeAlias = Callable[[Array], Array]
"""A function of unit vectors in ICRS, shape (3, n), that returns whether they lie in a region, shape (n,)."""


# Classes and not functions inside of functions, which cannot be sent to other processes.
@dataclass(frozen=True)
class _InShape:
    outer: PlaneShape
    hole: PlaneShape | None = None

    def __call__(self, vectors: Array) -> Array:
        inside = in_plane_shape(vectors, self.outer)
        return inside if self.hole is None else inside & ~in_plane_shape(vectors, self.hole)


@dataclass(frozen=True)
class _InPolygon:
    polygon: SkyPolygon

    def __call__(self, vectors: Array) -> Array:
        return in_polygon(vectors, self.polygon)


@dataclass(frozen=True)
class _Combined:
    one: Test
    other: Test
    operator: str

    def __call__(self, vectors: Array) -> Array:
        return _OPERATORS[self.operator](self.one(vectors), self.other(vectors))


@dataclass(frozen=True, eq=False)
class Cap:
    """A circle on the sky that encloses something.

    Attributes
    ----------
    center : array of float64, shape (3,), unit vector in ICRS
    radius : float, rad
    """

    center: HostFloats
    radius: float


@dataclass(frozen=True, eq=False)
class RegionIndicator:
    """A region as a function of directions.

    Attributes
    ----------
    contains : function of unit vectors in ICRS, array of float64 of shape (3, n) on any device
        Returns an array of bool, shape (n,).
    cap : Cap
        A circle that encloses the region.
    circle : Cap or None
        The region itself if it is a circle: many of them are faster together.
    """

    contains: Test
    cap: Cap
    circle: Cap | None = None

    @classmethod
    def of(cls, region: "Region") -> "RegionIndicator":
        """Make the indicator of a sky region of any kind with an area, or of a combination of them.

        Parameters
        ----------
        region : SkyRegion

        Raises
        ------
        TypeError
            If it is a region on pixels, or a point, line or text, or one that excludes (``-circle``).
        GeometryError
            If it is a polygon as wide as a hemisphere.
        """
        if isinstance(region, region_classes.PixelRegion):
            raise TypeError(
                f"got {region!r}, a region on pixels, expected one on the sky; region.to_sky(wcs) makes one"
            )
        if not region.meta.get("include", True):
            raise TypeError(
                f"got {region!r} with include=False ('-' in DS9 files), which means all that is outside of it; combine "
                "regions with & and ^ instead"
            )
        if isinstance(region, region_classes.CompoundSkyRegion):
            return cls._combined(region)
        vertices = vertices_of(region)
        if kind_of(region) is None and (vertices is None or is_point(region)):
            raise TypeError(f"got {region!r}, which has no area, expected a circle, an ellipse, a polygon, ...")
        sky_region = cast("SkyRegion", region)
        return cls._about_center(sky_region) if kind_of(region) is not None else cls._polygon(sky_region)

    @classmethod
    def _combined(cls, region: "CompoundSkyRegion") -> "RegionIndicator":
        one, other = cls.of(region.region1), cls.of(region.region2)
        apart = float(separation_of_vectors(one.cap.center, other.cap.center))
        # Not the smallest circle around both, but one that surely encloses them.
        cap = Cap(one.cap.center, max(one.cap.radius, apart + other.cap.radius))
        return cls(_Combined(one.contains, other.contains, region.operator.__name__), cap)

    @classmethod
    def _about_center(cls, region: "SkyRegion") -> "RegionIndicator":
        kind = kind_of(region)
        assert kind is not None
        position = region.center.icrs
        center = directions_in("icrs", [position.ra.deg], [position.dec.deg], "icrs")[:, 0]
        cap = Cap(center, float(np.deg2rad(reach_deg(region))))
        lengths = [float(length) for length in kind.lengths_of(region, "rad")]
        if type(region) is region_classes.CircleSkyRegion:
            shape = PlaneShape("circle", fov_matrix(float(position.ra.rad), float(position.dec.rad)), tuple(lengths))
            return cls(_InShape(shape), cap, circle=cap)
        # The angle of a region is in its own frame, whose north differs from that of ICRS.
        own = region.center
        matrix = fov_matrix(float(own.data.lon.rad), float(own.data.lat.rad)) @ _to_frame(own.frame.name)
        name = next(name for name in ("Circle", "Ellipse", "Rectangle") if type(region).__name__.startswith(name))
        angle = 0.0 if kind.is_round else float(kind.angle_of(region).to_value("rad"))
        # Of a ring: inner and outer width, then inner and outer height.
        n_part = 2 if "Annulus" in type(region).__name__ else 1
        *hole, outer = (PlaneShape(name.lower(), matrix, tuple(lengths[i::n_part]), angle) for i in range(n_part))
        return cls(_InShape(outer, *hole), cap)

    @classmethod
    def _polygon(cls, region: "SkyRegion") -> "RegionIndicator":
        vertices = vertices_of(region)
        assert vertices is not None
        middle = mean_direction(vertices).icrs
        matrix = fov_matrix(float(middle.ra.rad), float(middle.dec.rad))
        along, east, north = matrix @ border_vectors(region, "icrs")
        if not np.all(along > _LEAST_DEPTH):
            raise GeometryError(
                f"{region!r} is as wide as a hemisphere, so its inside is not known; take a union of smaller polygons"
            )
        polygon = SkyPolygon(matrix, tuple((east / along).tolist()), tuple((north / along).tolist()))
        cap = Cap(matrix[0], float(np.arccos(np.clip(along.min(), -1, 1))))
        return cls(_InPolygon(polygon), cap)


def _to_frame(frame: str) -> HostFloats:
    """Return the matrix from ICRS to a frame."""
    return np.stack([directions_in("icrs", lon, lat, frame) for lon, lat in ((0, 0), (90, 0), (0, 90))], axis=1)
