"""What lies in regions: pixels of a map, or any positions on it; on the host."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.kernels.events import EDGE
from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.region_shapes import (
    are_drawn_well,
    directions_in,
    drawn,
    drawn_together,
    sphere_contains,
    steps_to_north_of,
)
from lightpool.maps.regions.sky_regions import honours_include, is_point, kind_of
from lightpool.maps.wcs_header import frame_of_wcs
from lightpool.utils.deviations import deviates

if TYPE_CHECKING:
    from regions import CircleSkyRegion, PixelRegion, Region, SkyRegion

__all__ = ["PixelCentres", "Positions", "may_hold"]

_MARGIN = 1.2
"""Circles that are drawn as circles are up to 2 % wider on the sky than their radius; this is far on the safe side."""


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
            circles = _circles_of(region)
            if circles:
                return self._in_circles(circles)
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

    def _in_circles(self, circles: "list[CircleSkyRegion]") -> NDArray[np.bool_]:
        """Return whether the positions lie in any of some circles, which are put on the pixels all at once."""
        frame = circles[0].center.frame.name
        lon, lat = np.array([(_.center.data.lon.deg, _.center.data.lat.deg) for _ in circles]).T
        if frame != self.frame:
            centers = SkyCoord(lon, lat, unit="deg", frame=frame).transform_to(self.frame).data
            lon, lat = centers.lon.deg, centers.lat.deg
        reach = np.array([_.radius.to_value("deg") for _ in circles])
        is_drawn = are_drawn_well(lon, lat, reach, self.plane, torn_only=self._torn_only)
        x, y, dx, dy = steps_to_north_of(lon, lat, self.plane.wcs)
        x, radii = self.plane.wrapped(x), reach * 3600 * np.hypot(dx, dy)
        inside = np.zeros(self.x.shape, dtype=bool)
        for number, circle in enumerate(circles):
            # a circle on the pixels if it is one there, else by its shape on the sphere
            if is_drawn[number]:
                inside |= self._in_disk(x[number], y[number], radii[number])
            else:
                inside |= self._on_sphere(circle)
        return inside

    def _in_disk(self, x: float, y: float, radius: float) -> NDArray[np.bool_]:
        # `<`, as in `regions`: a position on the border is outside
        return np.asarray((self.x - x) ** 2 + (self.y - y) ** 2 < radius**2)


class PixelCentres(Positions):
    """Pixel centres of an image, shape (ny, nx); none off the sky lies in a region.

    Parameters
    ----------
    plane : Plane
    npix : number of pixels (x, y)
    lonlat : array, shape (2, ny, nx), of the pixel centres in deg, in the frame of the plane; NaN off the sky
    """

    _torn_only = True

    def __init__(self, plane: Plane, npix: tuple[int, int], lonlat: NDArray[np.float64]) -> None:
        y, x = np.mgrid[: npix[1], : npix[0]]
        super().__init__(plane, x, y, lambda: (lonlat[0], lonlat[1]))
        self._on_sky = np.isfinite(lonlat[0])

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
        return np.asarray(mask & self._on_sky)

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

    def _in_disk(self, x: float, y: float, radius: float) -> NDArray[np.bool_]:
        inside = np.zeros(self.x.shape, dtype=bool)
        # the pixels around the disk only; + 2 since `int` rounds down and a stop is not included
        window = tuple(slice(max(0, int(v - radius)), max(0, int(v + radius) + 2)) for v in (y, x))
        inside[window] = (self.x[window] - x) ** 2 + (self.y[window] - y) ** 2 < radius**2
        return inside


def may_hold(
    region: "Region", frame: str, lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> NDArray[np.int64] | None:
    """Return the positions that may lie in a union of circles: those in a box around it.

    Parameters
    ----------
    region : Region
    frame : str, name of the frame of the positions
    lon, lat : arrays of float, deg

    Returns
    -------
    rows : array of int, shape (n,)
        None if that is not known, or would not help: for other shapes and frames, large circles, and near a pole.
    """
    circles = _circles_of(cast("SkyRegion", region)) if np.ndim(lon) == 1 else []
    if not circles or circles[0].center.frame.name != frame:
        return None
    lon0, lat0, reach = np.array(
        [(_.center.data.lon.deg, _.center.data.lat.deg, _.radius.to_value("deg")) for _ in circles]
    ).T
    reach = _MARGIN * reach + 0.01
    highest = float(np.max(np.abs(lat0) + reach))
    if not highest < 80 or not np.max(reach) < 10:
        return None
    rows = np.flatnonzero((lat >= np.min(lat0 - reach)) & (lat <= np.max(lat0 + reach)))
    width, middle = reach / np.cos(np.deg2rad(highest)), lon0[0]
    east, centers = ((_ - middle + 180) % 360 - 180 for _ in (lon[rows], lon0))
    low, high = np.min(centers - width), np.max(centers + width)
    # beyond half a turn, the box would reach around the sky
    return rows[(east >= low) & (east <= high)] if low > -180 and high < 180 else None


def _bounding_window(region: "PixelRegion") -> tuple[slice, slice]:
    """Return slices (y, x) outside of which a region holds nothing."""
    simple = type(region).__name__.startswith(("Circle", "Ellipse", "Rectangle", "Polygon"))
    if not simple or not region.meta.get("include", True):  # an excluded region contains all that is outside it
        return slice(None), slice(None)
    box = region.bounding_box
    return slice(max(0, box.iymin - 1), max(0, box.iymax + 1)), slice(max(0, box.ixmin - 1), max(0, box.ixmax + 1))


def _circles_of(region: "SkyRegion") -> "list[CircleSkyRegion]":
    """Return the circles of a union, in one frame; empty if there is anything else in it."""
    circles: list[CircleSkyRegion] = []
    # a stack, not recursion: a union of n circles is n - 1 levels deep
    waiting: list[SkyRegion] = [region]
    while waiting:
        part = waiting.pop()
        included = part.meta.get("include", True)
        if included and isinstance(part, region_classes.CompoundSkyRegion) and part.operator.__name__ == "or_":
            waiting += [part.region1, part.region2]
        elif included and isinstance(part, region_classes.CircleSkyRegion):
            circles.append(part)
        else:
            return []
    frame = circles[0].center.frame.name
    return circles if all(_.center.frame.name == frame for _ in circles) else []
