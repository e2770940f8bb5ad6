"""Regions on the sky: made of text or positions, put on pixels, united, and their centres.

Sky regions become pixel regions by the scale and direction of north at their centre, as in regions 0.10 and 0.11;
regions 0.12 takes a mean scale instead, which moves the border of masks.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord, angular_separation
from astropy.wcs import WCS

from lightpool.errors import GeometryError
from lightpool.maps.regions import lazy_regions
from lightpool.maps.wcs_header import frame_of_wcs

if TYPE_CHECKING:
    from regions import PixCoord, PixelRegion, Region, Regions

__all__ = [
    "all_parts",
    "centers_by_frame",
    "compound_region_to_regions",
    "honours_include",
    "is_point",
    "kind_of",
    "mean_direction",
    "on_sky",
    "parse_regions",
    "region_center",
    "region_to_pixel",
    "region_to_sky",
    "regions_to_compound_region",
    "regions_to_pixel",
    "scale_and_north",
    "steps_to_north",
    "without_points",
]

_OFFSET = 1 * u.arcsec
_NEAR_POLE = 89.9
"""Latitude in deg from which a step towards north is made on the sphere."""

_LENGTHS = {
    "Circle": ("radius",),
    "CircleAnnulus": ("inner_radius", "outer_radius"),
    "Ellipse": ("width", "height"),
    "Rectangle": ("width", "height"),
    "EllipseAnnulus": ("inner_width", "outer_width", "inner_height", "outer_height"),
    "RectangleAnnulus": ("inner_width", "outer_width", "inner_height", "outer_height"),
}
"""Attributes that are lengths, by the first part of the names of the sky and the pixel region."""


@dataclass(frozen=True)
class _Kind:
    """A kind of region with a centre, lengths and perhaps an angle."""

    sky: Any
    pixel: Any
    lengths: tuple[str, ...]
    is_round: bool


@cache
def _kinds() -> dict[Any, _Kind]:
    """Kinds of regions by their sky and by their pixel class."""
    kinds: dict[Any, _Kind] = {}
    for stem, lengths in _LENGTHS.items():
        sky, pixel = getattr(lazy_regions, f"{stem}SkyRegion"), getattr(lazy_regions, f"{stem}PixelRegion")
        kinds[sky] = kinds[pixel] = _Kind(sky, pixel, lengths, is_round=stem.startswith("Circle"))
    return kinds


def kind_of(region: Any) -> _Kind | None:
    """Kind of a region with a centre and lengths; None for points, polygons and the like."""
    return _kinds().get(type(region))


@cache
def honours_include() -> bool:
    """Whether this version of ``regions`` takes a region with ``include`` False for all outside of it."""
    excluded = lazy_regions.CirclePixelRegion(lazy_regions.PixCoord(0.0, 0.0), 1.0, meta={"include": False})
    return bool(excluded.contains(lazy_regions.PixCoord(9.0, 9.0)))


def parse_regions(regions: Any) -> "list[Region]":
    """List of regions from a DS9 string, a region, a position (a point region), or a sequence of them; None is empty.

    Raises
    ------
    TypeError
        If there is something else.
    ValueError
        If there is no region in a string.
    """
    if regions is None:
        return []
    if isinstance(regions, str):
        found = list(lazy_regions.Regions.parse(data=regions, format="ds9"))
        if not found:
            raise ValueError(
                f"no region in {regions!r}, expected one in DS9 format, as 'icrs;circle(83.63, 22.01, 0.5)'"
            )
        return found
    if isinstance(regions, lazy_regions.Region):
        return [regions]
    if isinstance(regions, SkyCoord):
        return [lazy_regions.PointSkyRegion(center=_) for _ in regions.reshape(-1)]
    if isinstance(regions, (list, tuple, lazy_regions.Regions)):
        return [region for item in regions for region in parse_regions(item)]
    raise TypeError(f"expected a region, a DS9 string, a SkyCoord, or a list of them, got {type(regions).__name__}")


def on_sky(regions: "Sequence[Region]", wcs: WCS | None) -> "list[Region]":
    """Sky regions; those in pixels are brought to the sky by a WCS.

    Raises
    ------
    GeometryError
        If there is a pixel region but no WCS.
    """
    pixel_regions = [region for region in regions if isinstance(region, lazy_regions.PixelRegion)]
    if wcs is None and pixel_regions:
        raise GeometryError(f"{pixel_regions[0]} is in pixels, but no wcs says of which map; pass wcs=geom.wcs")
    return [
        region_to_sky(region, wcs) if isinstance(region, lazy_regions.PixelRegion) else region for region in regions
    ]


def is_point(region: "Region") -> bool:
    """Whether a sky region is a point, or a union of points."""
    if isinstance(region, lazy_regions.CompoundSkyRegion):
        return is_point(region.region1) and is_point(region.region2)
    return isinstance(region, lazy_regions.PointSkyRegion)


def region_to_sky(region: "PixelRegion", wcs: WCS) -> "Region":
    """Sky region of a pixel region, the inverse of `region_to_pixel`."""
    if isinstance(region, lazy_regions.CompoundPixelRegion):
        parts = [region_to_sky(_, wcs) for _ in (region.region1, region.region2)]
        return lazy_regions.CompoundSkyRegion(*parts, operator=region.operator, meta=region.meta.copy())
    kind = _kinds().get(type(region))
    if kind is None:
        return region.to_sky(wcs)
    center = wcs.pixel_to_world(region.center.x, region.center.y)
    _, scale, north = scale_and_north(center, wcs)
    lengths = [Angle(getattr(region, name) / scale, "arcsec") for name in kind.lengths]
    if kind.is_round:
        return kind.sky(center, *lengths, meta=region.meta.copy())
    return kind.sky(center, *lengths, angle=(region.angle - north + 90 * u.deg).to("deg"), meta=region.meta.copy())


def without_points(region: "Region") -> "Region | None":
    """Take the points out of a union; None if there was nothing else."""
    if is_point(region):
        return None
    if not isinstance(region, lazy_regions.CompoundSkyRegion) or region.operator is not operator.or_:
        return region
    parts = [_ for _ in compound_region_to_regions(region) if not is_point(_)]
    return regions_to_compound_region(parts)


def steps_to_north(positions: SkyCoord, wcs: WCS) -> tuple[Any, Any, Any, Any]:
    """Pixels (x, y) of positions, and the steps (dx, dy) on the pixels by one arcsec towards north."""
    frame, lat = positions.frame.name, positions.data.lat.deg
    if frame in ("icrs", "galactic") and frame == frame_of_wcs(wcs) and np.all(np.abs(lat) < _NEAR_POLE):
        lon = positions.data.lon.deg  # a SkyCoord in between takes thirty times as long
        x, y = wcs.wcs_world2pix(lon, lat, 0)
        x_north, y_north = wcs.wcs_world2pix(lon, lat + _OFFSET.to_value("deg"), 0)
    else:
        x, y = wcs.world_to_pixel(positions)
        x_north, y_north = wcs.world_to_pixel(positions.directional_offset_by(0.0, _OFFSET))
    return x, y, x_north - x, y_north - y


def scale_and_north(position: SkyCoord, wcs: WCS) -> "tuple[PixCoord, float, u.Quantity]":
    """Pixel of a position, pixels per arcsec towards north, and the angle of north from the x axis."""
    x, y, dx, dy = (float(_) for _ in steps_to_north(position, wcs))
    return lazy_regions.PixCoord(x, y), float(np.hypot(dx, dy)) / _OFFSET.value, np.arctan2(dy, dx) * u.rad


def region_to_pixel(region: "Region", wcs: WCS) -> "PixelRegion":
    """Pixel region of a sky region; a pixel region stays as it is."""
    if isinstance(region, lazy_regions.PixelRegion):
        return region
    if isinstance(region, lazy_regions.CompoundSkyRegion):
        parts = [region_to_pixel(_, wcs) for _ in (region.region1, region.region2)]
        return lazy_regions.CompoundPixelRegion(*parts, operator=region.operator, meta=region.meta.copy())
    kind = _kinds().get(type(region))
    if kind is None:
        return region.to_pixel(wcs)
    return _drawn_at(region, *scale_and_north(region.center, wcs))


def _drawn_at(region: "Region", center: "PixCoord", scale: float, north: u.Quantity) -> "PixelRegion":
    """Pixel region of a sky region with a centre: where this is, pixels per arcsec, and the angle of north."""
    kind = kind_of(region)
    assert kind is not None
    lengths = [getattr(region, name).to_value("arcsec") * scale for name in kind.lengths]
    if kind.is_round:
        return kind.pixel(center, *lengths, meta=region.meta.copy())
    # the angle of a sky region counts from the axis of longitude, that of a pixel region from the x axis
    angle = (region.angle + north - 90 * u.deg).to("deg")
    return kind.pixel(center, *lengths, angle=angle, meta=region.meta.copy())


def regions_to_pixel(regions: "Sequence[Region]", wcs: WCS) -> "list[PixelRegion]":
    """Pixel regions of sky regions with a centre, as of `region_to_pixel`, but with one call of wcslib for many."""
    if len(regions) == 1:
        return [region_to_pixel(regions[0], wcs)]
    steps = np.empty((4, len(regions)))
    for numbers, centers in centers_by_frame(regions):
        near_pole = np.abs(centers.data.lat.deg) >= _NEAR_POLE
        for part in (near_pole, ~near_pole):
            if part.any():
                steps[:, numbers[part]] = steps_to_north(centers if part.all() else centers[part], wcs)
    x, y, dx, dy = steps
    scales, norths = np.hypot(dx, dy) / _OFFSET.value, np.arctan2(dy, dx)
    return [
        _drawn_at(region, lazy_regions.PixCoord(*xy), scale, north * u.rad)
        for region, xy, scale, north in zip(
            regions, zip(x.tolist(), y.tolist(), strict=True), scales.tolist(), norths.tolist(), strict=True
        )
    ]


def centers_by_frame(regions: "Sequence[Region]") -> list[tuple[np.ndarray[Any, Any], SkyCoord]]:
    """Numbers and centres, both of shape (n,), of the regions in each frame; those in a frame with an epoch one by one.

    To transform one position takes milliseconds, and many no longer.
    """
    groups: dict[Any, list[int]] = {}
    for number, region in enumerate(regions):
        frame = region.center.frame.name
        groups.setdefault(frame if frame in ("icrs", "galactic") else number, []).append(number)
    found = []
    for numbers in groups.values():
        centers = [regions[number].center for number in numbers]
        if len(centers) == 1:
            together = centers[0].reshape((1,))
        else:
            lon, lat = ([getattr(_.data, name).deg for _ in centers] for name in ("lon", "lat"))
            together = SkyCoord(lon, lat, unit="deg", frame=centers[0].frame.name)
        found.append((np.array(numbers), together))
    return found


def regions_to_compound_region(regions: "Sequence[Region]") -> "Region":
    """Union of regions."""
    return reduce(lambda one, other: one.union(other), regions)


def compound_region_to_regions(region: "Region | None") -> "Regions":
    """Single regions of a union.

    Raises
    ------
    ValueError
        If there is an intersection or a difference.
    """
    if region is None:
        return lazy_regions.Regions([])
    if not isinstance(region, lazy_regions.CompoundSkyRegion):
        return lazy_regions.Regions([region])
    if region.operator is not operator.or_:
        raise ValueError(f"only unions can be taken apart, got a compound region with {region.operator.__name__!r}")
    parts = [compound_region_to_regions(_) for _ in (region.region1, region.region2)]
    return lazy_regions.Regions([*parts[0], *parts[1]])


def all_parts(region: "Region") -> "list[Region]":
    """Single regions of any compound region, however they are combined."""
    if isinstance(region, lazy_regions.CompoundSkyRegion):
        return [*all_parts(region.region1), *all_parts(region.region2)]
    return [region]


def region_center(region: "Region") -> SkyCoord:
    """Centre of a region.

    That of a polygon is the mean direction of its vertices, that of a compound region the geometric median of the
    centres of its parts.
    """
    if isinstance(region, lazy_regions.CompoundSkyRegion):
        return _geometric_median([region_center(_) for _ in all_parts(region)])
    if hasattr(region, "center"):
        return region.center
    if hasattr(region, "vertices"):
        return mean_direction(region.vertices)
    raise TypeError(f"a region of type {type(region).__name__} has no centre")


def mean_direction(positions: SkyCoord) -> SkyCoord:
    """Direction of the sum of the unit vectors of some positions."""
    lon, lat = positions.data.lon.rad, positions.data.lat.rad
    x, y, z = (np.mean(_) for _ in (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))
    return SkyCoord(np.arctan2(y, x), np.arctan2(z, np.hypot(x, y)), unit="rad", frame=positions.frame.name)


def _geometric_median(positions: Sequence[SkyCoord]) -> SkyCoord:
    """Position with the least sum of separations; between two positions every one is, and the search decides."""
    from scipy.optimize import Bounds, minimize

    if len(positions) == 1:
        return positions[0]
    lon, lat = (u.Quantity([getattr(_.icrs, name) for _ in positions], "deg") for name in ("ra", "dec"))
    points = np.stack([Angle(lon).wrap_at("180d").deg, lat.value])

    def sum_of_separations(point: np.ndarray[Any, Any]) -> float:
        lon_0, lat_0 = u.Quantity(point, "deg")
        separation = angular_separation(lon_0 % (360 * u.deg), lat_0, lon, lat)
        return float(np.sum(separation.to_value("deg")))

    low, high = points.min(axis=1), points.max(axis=1)
    bounds = None if np.all(low == high) else Bounds(lb=low, ub=high)
    lon_0, lat_0 = minimize(sum_of_separations, x0=points.mean(axis=1), bounds=bounds, method="L-BFGS-B").x
    return SkyCoord(lon_0, lat_0, unit="deg", frame="icrs")
