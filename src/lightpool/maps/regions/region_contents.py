"""What lies in regions: pixels of a map, or any positions on it; on the host."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.kernels.events import EDGE
from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.circles import Circles
from lightpool.maps.regions.region_shapes import directions_in, drawn, drawn_together, sphere_contains
from lightpool.maps.regions.shape_unions import DrawnUnion
from lightpool.maps.regions.sky_regions import honours_include, is_point, kind_of
from lightpool.maps.wcs_header import frame_of_wcs
from lightpool.utils.deviations import deviates

if TYPE_CHECKING:
    from regions import PixelRegion, Region, SkyRegion

__all__ = ["PixelCentres", "Positions"]


class Positions:
    """Positions on a map, in pixel coordinates and on the sky.

    Parameters
    ----------
    plane : Plane
    x, y : arrays of one shape, pixel coordinates; NaN where a position does not project
    lonlat : function that returns longitude and latitude in deg, in the frame of the plane; NaN off the sky
    """

    _torn_only = False  # whether the shape that Gammapy draws is accepted, unless it is torn

    def __init__(self, plane: Plane, x: ArrayLike, y: ArrayLike, lonlat: Callable[[], Sequence[ArrayLike]]) -> None:
        self.plane = plane
        self.x, self.y = np.broadcast_arrays(x, y)
        self._lonlat = lonlat

    @cached_property
    def frame(self) -> str:
        """Frame of the plane."""
        return frame_of_wcs(self.plane.wcs)

    @cached_property
    def vectors(self) -> NDArray[np.float64]:
        """Unit vectors of the positions in the frame of the plane."""
        lon, lat = self._lonlat()
        return directions_in(self.frame, lon, lat, self.frame)

    def inside(self, region: "Region") -> NDArray[np.bool_]:
        """Return whether the positions lie in a region of any kind, bool of their shape."""
        if isinstance(region, region_classes.PixelRegion):
            return self._in_shape(region)
        return self._in_sky_region(cast("SkyRegion", region))

    def _in_sky_region(self, region: "SkyRegion") -> NDArray[np.bool_]:
        if isinstance(region, region_classes.CompoundSkyRegion):
            # all circles of a union with one call of wcslib
            circles = Circles.of(region)
            if circles is not None:
                return self.in_union(circles.drawn(self.plane, torn_only=self._torn_only))
            inside = np.asarray(region.operator(self.inside(region.region1), self.inside(region.region2)))
            return inside if region.meta.get("include", True) or not honours_include() else ~inside
        if is_point(region):
            return self._at_point(region)
        return self._in_drawn(region, drawn(region, self.plane, torn_only=self._torn_only))

    def _in_drawn(self, region: "SkyRegion", shape: "PixelRegion | None") -> NDArray[np.bool_]:
        return self._on_sphere(region) if shape is None else self._in_shape(shape)

    def _on_sphere(self, region: "SkyRegion") -> NDArray[np.bool_]:
        deviates("region that its pixels do not show in its shape")
        return sphere_contains(region, self.vectors, self.frame)

    def _at_point(self, region: "SkyRegion") -> NDArray[np.bool_]:
        return np.zeros(self.x.shape, dtype=bool)

    def _in_shape(self, shape: "PixelRegion") -> NDArray[np.bool_]:
        return np.asarray(shape.contains(region_classes.PixCoord(self.x, self.y)), dtype=bool)

    def in_union(self, drawn_union: DrawnUnion) -> NDArray[np.bool_]:
        """Return whether the positions lie in any of some shapes.

        Parameters
        ----------
        drawn_union : DrawnUnion, on the pixels of the plane
        """
        inside = np.zeros(self.x.shape, dtype=bool)
        for number in np.flatnonzero(drawn_union.is_drawn).tolist():
            window = self._window_of(drawn_union, number)
            inside[window] |= drawn_union.contains(number, self.x[window], self.y[window])
        if not drawn_union.is_drawn.all():
            # without their shape on the pixels: by that on the sphere
            for region, is_drawn in zip(drawn_union.union.regions(), drawn_union.is_drawn, strict=True):
                if not is_drawn:
                    inside |= self._on_sphere(region)
        return inside

    def _window_of(self, drawn_union: DrawnUnion, number: int) -> tuple[slice, ...]:
        """Return slices of the positions outside of which one of some shapes holds none."""
        return (slice(None),) * self.x.ndim


class PixelCentres(Positions):
    """Pixel centres of an image, shape (ny, nx); none off the sky lies in a region.

    Parameters
    ----------
    plane : Plane
    npix : number of pixels (x, y)
    lonlat : function that returns an array, shape (2, ny, nx)
        Positions of the pixel centres in deg, in the frame of the plane; NaN off the sky.
    """

    _torn_only = True

    def __init__(self, plane: Plane, npix: tuple[int, int], lonlat: Callable[[], NDArray[np.float64]]) -> None:
        y, x = np.mgrid[: npix[1], : npix[0]]
        super().__init__(plane, x, y, lambda: tuple(lonlat()))

    def in_any(self, regions: "Sequence[Region]") -> NDArray[np.bool_]:
        """Return whether the pixel centres lie in any region; a point holds the up to four centres next to it."""
        mask = np.zeros(self.x.shape, dtype=bool)
        with_center = [
            cast("SkyRegion", _)
            for _ in regions
            if kind_of(_) is not None and not isinstance(_, region_classes.PixelRegion)
        ]
        # those with a centre at once: one call of wcslib for all
        together = drawn_together(with_center, self.plane, torn_only=self._torn_only)
        for sky_region, shape in zip(with_center, together, strict=True):
            mask |= self._in_drawn(sky_region, shape)
        for region in regions:
            if kind_of(region) is None or isinstance(region, region_classes.PixelRegion):
                mask |= self.inside(region)
        return self._on_sky(mask)

    def _on_sky(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask without the pixels whose centres are off the sky."""
        rows, columns = np.nonzero(mask)
        # wcslib is slow, and most regions have few of the pixels
        if 4 * rows.size > mask.size or self.plane.has_repeats:
            return np.asarray(mask & np.isfinite(np.asarray(self._lonlat()[0])))
        if rows.size:
            lon, _ = self.plane.to_sky(columns.astype(float), rows.astype(float))
            mask[rows, columns] = np.isfinite(lon)
        return mask

    def _at_point(self, region: "SkyRegion") -> NDArray[np.bool_]:
        if isinstance(region, region_classes.CompoundSkyRegion):
            return self._at_point(region.region1) | self._at_point(region.region2)
        position = region.center if region.center.frame.name == self.frame else region.center.transform_to(self.frame)
        x, y = self.plane.from_sky(float(position.data.lon.deg), float(position.data.lat.deg))
        away = np.abs(self.x - x)
        if self.plane.is_closed:
            # the first and the last column are neighbours
            away = np.minimum(away, self.x.shape[1] - away)
        # a centre one pixel away is not next to the point, whichever way its position is rounded
        return np.asarray((away < 1 - EDGE) & (np.abs(self.y - y) < 1 - EDGE))

    def _in_shape(self, shape: "PixelRegion") -> NDArray[np.bool_]:
        inside = np.zeros(self.x.shape, dtype=bool)
        window = _bounding_window(shape)
        inside[window] = shape.contains(region_classes.PixCoord(self.x[window], self.y[window]))
        return inside

    def _window_of(self, drawn_union: DrawnUnion, number: int) -> tuple[slice, ...]:
        x, y, radius = (float(each[number]) for each in (drawn_union.x, drawn_union.y, drawn_union.reach))
        # the pixels around the shape only; + 2 since `int` rounds down and a stop is not included
        return tuple(slice(max(0, int(v - radius)), max(0, int(v + radius) + 2)) for v in (y, x))


def _bounding_window(region: "PixelRegion") -> tuple[slice, slice]:
    """Return slices (y, x) outside of which a region holds nothing."""
    simple = type(region).__name__.startswith(("Circle", "Ellipse", "Rectangle", "Polygon"))
    if not simple or not region.meta.get("include", True):  # an excluded region contains all that is outside it
        return slice(None), slice(None)
    box = region.bounding_box
    return slice(max(0, box.iymin - 1), max(0, box.iymax + 1)), slice(max(0, box.ixmin - 1), max(0, box.ixmax + 1))
