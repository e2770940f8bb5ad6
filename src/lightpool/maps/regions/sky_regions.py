"""Regions on the sky: made of text or positions, put on pixels, united, and their centres.

Sky regions become pixel regions by the scale and direction of north at their centre, as in regions 0.10 and 0.11;
regions 0.12 takes a mean scale instead, which moves the border of masks.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import TYPE_CHECKING, TypeAlias, cast, overload

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord, angular_separation
from astropy.wcs import WCS
from numpy.typing import NDArray

from lightpool.errors import GeometryError
from lightpool.maps.regions import region_classes
from lightpool.maps.wcs_header import frame_of_wcs, lonlat_deg
from lightpool.typing import RegionLike

if TYPE_CHECKING:
    from regions import EllipsePixelRegion, EllipseSkyRegion, PixCoord, PixelRegion, Region, Regions, SkyRegion

__all__ = [
    "Position",
    "RegionKind",
    "all_parts",
    "angle_between",
    "centers_by_frame",
    "compound_region_to_regions",
    "honours_include",
    "is_point",
    "kind_of",
    "kinds_of_sky",
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
    "vertices_of",
    "without_points",
]

Steps: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Pixel coordinates x and y, and steps dx and dy on the pixels."""

Position: TypeAlias = SkyCoord | tuple[float, float]
"""A position, or its longitude and latitude in deg in a frame that is known."""

_OFFSET = 1 * u.arcsec  # the step from which `regions` up to 0.11 finds the scale
_OFFSET_DEG = float(_OFFSET.to_value("deg"))
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
class RegionKind:
    """A kind of region with a centre, lengths and perhaps an angle.

    Attributes
    ----------
    sky, pixel : classes of its sky and its pixel regions
    lengths : names of the attributes that are lengths; the widths come before the heights
    is_round : whether it has no angle
    is_elliptic : whether its border is one ellipse, or two
    """

    sky: "Callable[..., SkyRegion]"
    pixel: "Callable[..., PixelRegion]"
    lengths: tuple[str, ...]
    is_round: bool
    is_elliptic: bool

    def reach_of(self, lengths: list[float]) -> float:
        """Return the largest distance of the border from the centre, in the unit of the lengths."""
        if self.is_round:
            return float(max(lengths))
        half = len(lengths) // 2
        # to a corner of the outer rectangle; the corners of one around an ellipse are a bit too far
        return float(np.hypot(max(lengths[:half]), max(lengths[half:])) / 2)

    def lengths_of(self, region: "SkyRegion", unit: str) -> list[float]:
        """Return the lengths of a sky region of this kind as plain numbers.

        Parameters
        ----------
        region : SkyRegion
        unit : str, unit of angle
        """
        return [getattr(region, name).to_value(unit) for name in self.lengths]

    def angle_of(self, region: "SkyRegion") -> Angle:
        """Return the angle of a sky region of this kind, which is not round."""
        return cast("EllipseSkyRegion", region).angle


@cache
def _kinds() -> dict[type, RegionKind]:
    """Return the kinds of regions by their sky and by their pixel class."""
    kinds: dict[type, RegionKind] = {}
    for stem, lengths in _LENGTHS.items():
        sky, pixel = getattr(region_classes, f"{stem}SkyRegion"), getattr(region_classes, f"{stem}PixelRegion")
        is_round, is_elliptic = stem.startswith("Circle"), stem.startswith("Ellipse")
        kinds[sky] = kinds[pixel] = RegionKind(sky, pixel, lengths, is_round=is_round, is_elliptic=is_elliptic)
    return kinds


@cache
def kinds_of_sky() -> "tuple[type[SkyRegion], ...]":
    """Return the classes of sky regions with a centre and lengths that are no circles."""
    return tuple(_ for _ in _kinds() if issubclass(_, region_classes.SkyRegion) and _kinds()[_].lengths != ("radius",))


def kind_of(region: "Region") -> RegionKind | None:
    """Return the kind of a region with a centre and lengths; None for points, polygons and the like."""
    return _kinds().get(type(region))


def vertices_of(region: "Region") -> SkyCoord | None:
    """Return the vertices of a sky region; None if it has none."""
    vertices: SkyCoord | None = getattr(region, "vertices", None)
    return vertices


@cache
def honours_include() -> bool:
    """Return whether this version of ``regions`` takes a region with ``include`` False for all outside of it."""
    excluded = region_classes.CirclePixelRegion(region_classes.PixCoord(0.0, 0.0), 1.0, meta={"include": False})
    return bool(excluded.contains(region_classes.PixCoord(9.0, 9.0)))


def parse_regions(regions: "RegionLike | None") -> "list[Region]":
    """Return a list of regions.

    Parameters
    ----------
    regions : DS9 string, region, position (for a point region), or a sequence of them; None is empty

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
        found = list(region_classes.Regions.parse(data=regions, format="ds9"))
        if not found:
            raise ValueError(
                f"no region in {regions!r}, expected one in DS9 format, as 'icrs;circle(83.63, 22.01, 0.5)'"
            )
        return found
    if isinstance(regions, region_classes.Region):
        return [regions]
    if isinstance(regions, SkyCoord):
        return [region_classes.PointSkyRegion(center=_) for _ in regions.reshape(-1)]
    if isinstance(regions, (list, tuple, region_classes.Regions)):
        # lists may be nested, and a string may hold several regions
        return [region for item in regions for region in parse_regions(item)]
    raise TypeError(f"expected a region, a DS9 string, a SkyCoord, or a list of them, got {type(regions).__name__}")


def on_sky(regions: "Sequence[Region]", wcs: WCS | None) -> "list[SkyRegion]":
    """Return sky regions; those in pixels are converted by a WCS.

    Parameters
    ----------
    regions : sequence of SkyRegion or PixelRegion
    wcs : WCS, of the pixels

    Raises
    ------
    GeometryError
        If there is a pixel region but no WCS.
    """
    return [_region_on_sky(region, wcs) for region in regions]


def _region_on_sky(region: "Region", wcs: WCS | None) -> "SkyRegion":
    if not isinstance(region, region_classes.PixelRegion):
        return cast("SkyRegion", region)
    if wcs is None:
        raise GeometryError(f"{region} is in pixels, but no wcs says of which map; pass wcs=geom.wcs")
    return region_to_sky(region, wcs)


def is_point(region: "Region") -> bool:
    """Return whether a sky region is a point, or a union of points."""
    if isinstance(region, region_classes.CompoundSkyRegion):
        return is_point(region.region1) and is_point(region.region2)
    return isinstance(region, region_classes.PointSkyRegion)


def region_to_sky(region: "PixelRegion", wcs: WCS) -> "SkyRegion":
    """Return the sky region of a pixel region, the inverse of `region_to_pixel`.

    Parameters
    ----------
    region : PixelRegion
    wcs : WCS of the pixels
    """
    if isinstance(region, region_classes.CompoundPixelRegion):
        one, other = (region_to_sky(_, wcs) for _ in (region.region1, region.region2))
        return region_classes.CompoundSkyRegion(one, other, operator=region.operator, meta=region.meta.copy())
    kind = _kinds().get(type(region))
    if kind is None:
        return region.to_sky(wcs)
    center = wcs.pixel_to_world(region.center.x, region.center.y)
    _, scale, north = scale_and_north(center, wcs)
    lengths = [Angle(getattr(region, name) / scale, "arcsec") for name in kind.lengths]
    if kind.is_round:
        return kind.sky(center, *lengths, meta=region.meta.copy())
    # the inverse of the rule in `_drawn_at`
    angle = (cast("EllipsePixelRegion", region).angle - north + 90 * u.deg).to("deg")
    return kind.sky(center, *lengths, angle=angle, meta=region.meta.copy())


def without_points(region: "SkyRegion") -> "SkyRegion | None":
    """Return a union without its points; None if there was nothing else."""
    if is_point(region):
        return None
    if not isinstance(region, region_classes.CompoundSkyRegion) or region.operator is not operator.or_:
        return region
    parts = [_ for _ in _parts_of_union(region) if not is_point(_)]
    return regions_to_compound_region(parts)


def steps_to_north(positions: SkyCoord, wcs: WCS) -> Steps:
    """Return the pixels (x, y) of positions, and the steps (dx, dy) on the pixels by one arcsec towards north.

    Parameters
    ----------
    positions : SkyCoord
    wcs : WCS
    """
    frame, lat = positions.frame.name, positions.data.lat.deg
    if frame in ("icrs", "galactic") and frame == frame_of_wcs(wcs) and np.all(np.abs(lat) < _NEAR_POLE):
        lon = positions.data.lon.deg  # a SkyCoord in between takes thirty times as long
        both = np.stack([lat, lat + _OFFSET_DEG])
        (x, x_north), (y, y_north) = wcs.wcs_world2pix(np.broadcast_to(lon, both.shape), both, 0)
    else:
        x, y = wcs.world_to_pixel(positions)
        x_north, y_north = wcs.world_to_pixel(positions.directional_offset_by(0.0, _OFFSET))
    return x, y, x_north - x, y_north - y


def scale_and_north(position: SkyCoord, wcs: WCS) -> "tuple[PixCoord, float, u.Quantity]":
    """Return the pixel of a position, pixels per arcsec towards north, and the angle of north from the x axis.

    Parameters
    ----------
    position : SkyCoord
    wcs : WCS
    """
    x, y, dx, dy = (float(_) for _ in steps_to_north(position, wcs))
    north = float(np.arctan2(dy, dx)) * u.rad
    return region_classes.PixCoord(x, y), float(np.hypot(dx, dy)) / float(_OFFSET.value), north


def region_to_pixel(region: "Region", wcs: WCS) -> "PixelRegion":
    """Return the pixel region of a sky region; a pixel region stays as it is.

    Parameters
    ----------
    region : SkyRegion or PixelRegion
    wcs : WCS
    """
    if isinstance(region, region_classes.PixelRegion):
        return region
    return _sky_region_to_pixel(cast("SkyRegion", region), wcs)


def _sky_region_to_pixel(region: "SkyRegion", wcs: WCS) -> "PixelRegion":
    if isinstance(region, region_classes.CompoundSkyRegion):
        one, other = (region_to_pixel(_, wcs) for _ in (region.region1, region.region2))
        return region_classes.CompoundPixelRegion(one, other, operator=region.operator, meta=region.meta.copy())
    kind = _kinds().get(type(region))
    if kind is None:
        return region.to_pixel(wcs)
    return _drawn_at(region, *scale_and_north(region.center, wcs))


def _drawn_at(region: "SkyRegion", center: "PixCoord", scale: float, north: u.Quantity) -> "PixelRegion":
    """Return the pixel region of a sky region with a centre: its pixel, pixels per arcsec, and the angle of north."""
    kind = kind_of(region)
    assert kind is not None
    lengths = [length * scale for length in kind.lengths_of(region, "arcsec")]
    if kind.is_round:
        return kind.pixel(center, *lengths, meta=region.meta.copy())
    # the angle of a sky region counts from the axis of longitude, that of a pixel region from the x axis
    angle = (kind.angle_of(region) + north - 90 * u.deg).to("deg")
    return kind.pixel(center, *lengths, angle=angle, meta=region.meta.copy())


def regions_to_pixel(regions: "Sequence[SkyRegion]", wcs: WCS) -> "list[PixelRegion]":
    """Return the pixel regions of sky regions with a centre, as `region_to_pixel`, with one call of wcslib for many.

    Parameters
    ----------
    regions : sequence of SkyRegion
    wcs : WCS
    """
    if len(regions) == 1:
        return [region_to_pixel(regions[0], wcs)]
    steps = np.empty((4, len(regions)))  # x, y, dx, dy
    for numbers, centers in centers_by_frame(regions):
        # apart, so that one region near a pole does not send all of them the slow way
        near_pole = np.abs(centers.data.lat.deg) >= _NEAR_POLE
        for part in (near_pole, ~near_pole):
            if part.any():
                steps[:, numbers[part]] = steps_to_north(centers if part.all() else centers[part], wcs)
    x, y, dx, dy = steps
    scales, norths = np.hypot(dx, dy) / _OFFSET.value, np.arctan2(dy, dx)
    return [
        _drawn_at(region, region_classes.PixCoord(*xy), scale, north * u.rad)
        for region, xy, scale, north in zip(
            regions, zip(x.tolist(), y.tolist(), strict=True), scales.tolist(), norths.tolist(), strict=True
        )
    ]


def centers_by_frame(regions: "Sequence[SkyRegion]") -> list[tuple[NDArray[np.int64], SkyCoord]]:
    """Return numbers and centres, both of shape (n,), of the regions in each frame.

    Those in a frame with an epoch come one by one. Transforming one position takes milliseconds, and many no longer.
    """
    groups: dict[str | int, list[int]] = {}
    for number, region in enumerate(regions):
        frame = region.center.frame.name
        # the names of other frames do not tell whether their equinoxes are equal
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


def regions_to_compound_region(regions: "Sequence[SkyRegion]") -> "SkyRegion":
    """Return the union of regions."""
    # nested to the left: a union of n regions is n - 1 levels deep
    return reduce(lambda one, other: cast("SkyRegion", one.union(other)), regions)


def compound_region_to_regions(region: "SkyRegion | None") -> "Regions":
    """Return the single regions of a union.

    Raises
    ------
    ValueError
        If there is an intersection or a difference.
    """
    return region_classes.Regions([] if region is None else _parts_of_union(region))


def _parts_of_union(region: "SkyRegion") -> "list[SkyRegion]":
    return _taken_apart(region, only_unions=True)


@overload
def all_parts(region: "SkyRegion") -> "list[SkyRegion]": ...
@overload
def all_parts(region: "Region") -> "list[Region]": ...
def all_parts(region: "Region") -> "Sequence[Region]":
    """Return the single regions of any compound region, however they are combined."""
    return _taken_apart(region)


@overload
def _taken_apart(region: "SkyRegion", *, only_unions: bool = False) -> "list[SkyRegion]": ...
@overload
def _taken_apart(region: "Region", *, only_unions: bool = False) -> "list[Region]": ...
def _taken_apart(region: "Region", *, only_unions: bool = False) -> "Sequence[Region]":
    waiting, parts = [region], list["Region"]()
    while waiting:  # not by recursion, which fails for unions of many hundred
        part = waiting.pop()
        if not isinstance(part, region_classes.CompoundSkyRegion):
            parts.append(part)
            continue
        if only_unions and part.operator is not operator.or_:
            raise ValueError(f"only unions can be taken apart, got a compound region with {part.operator.__name__!r}")
        waiting += [part.region2, part.region1]
    return parts


def region_center(region: "SkyRegion") -> SkyCoord:
    """Return the centre of a region.

    That of a polygon is the mean direction of its vertices, that of a compound region the geometric median of the
    centres of its parts.
    """
    if isinstance(region, region_classes.CompoundSkyRegion):
        return _geometric_median([region_center(_) for _ in all_parts(region)])
    if hasattr(region, "center"):
        return region.center
    vertices = vertices_of(region)
    if vertices is not None:
        return mean_direction(vertices)
    raise TypeError(f"a region of type {type(region).__name__} has no centre")


def angle_between(one: SkyCoord, other: Position) -> float:
    """Return the angle between two positions in rad: `SkyCoord.separation` in a tenth of the time.

    Parameters
    ----------
    one : SkyCoord
    other : SkyCoord, or longitude and latitude in deg in the frame of the first position
    """
    frame = one.frame.name
    if isinstance(other, SkyCoord) and frame not in ("icrs", "galactic"):
        return float(one.separation(other).rad)  # a frame with an equinox is not known by its name alone
    lon, lat = np.deg2rad(lonlat_deg(other, frame))
    return float(angular_separation(one.data.lon.rad, one.data.lat.rad, lon, lat))


def mean_direction(positions: SkyCoord) -> SkyCoord:
    """Return the direction of the sum of the unit vectors of some positions."""
    lon, lat = positions.data.lon.rad, positions.data.lat.rad
    # a mean of longitudes would be wrong across longitude 0 and near a pole
    x, y, z = (np.mean(_) for _ in (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))
    return SkyCoord(np.arctan2(y, x), np.arctan2(z, np.hypot(x, y)), unit="rad", frame=positions.frame.name)


def _geometric_median(positions: Sequence[SkyCoord]) -> SkyCoord:
    """Find the position with the least sum of separations; between two of them all are, and the search decides."""
    from scipy.optimize import Bounds, minimize

    if len(positions) == 1:
        return positions[0]
    lon, lat = (u.Quantity([getattr(_.icrs, name) for _ in positions], "deg") for name in ("ra", "dec"))
    # wrapped at 180 deg, so that positions around longitude 0 are next to each other
    points = np.stack([Angle(lon).wrap_at("180d").deg, lat.value])

    def sum_of_separations(point: NDArray[np.float64]) -> float:
        lon_0, lat_0 = u.Quantity(point, "deg")
        separation = angular_separation(lon_0 % (360 * u.deg), lat_0, lon, lat)
        return float(np.sum(separation.to_value("deg")))

    # the search of Gammapy, since it decides where several positions are equally good
    low, high = points.min(axis=1), points.max(axis=1)
    bounds = None if np.all(low == high) else Bounds(lb=low, ub=high)
    lon_0, lat_0 = minimize(sum_of_separations, x0=points.mean(axis=1), bounds=bounds, method="L-BFGS-B").x
    return SkyCoord(lon_0, lat_0, unit="deg", frame="icrs")
