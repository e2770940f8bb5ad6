"""How far regions and unions of regions reach on the sphere, and their solid angle."""

import operator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from numpy.typing import NDArray

from lightpool.arrays.kernels.projections import pixel_directions
from lightpool.arrays.kernels.sphere import fov_matrix, lonlat
from lightpool.arrays.projection_parameters import Projection
from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.region_shapes import (
    border_vectors,
    center_vector,
    directions_in,
    drawn,
    have_their_shape,
    on_pixels,
    sphere_contains,
)
from lightpool.maps.regions.sky_regions import all_parts, honours_include, is_point, kind_of, scale_and_north
from lightpool.maps.wcs_header import frame_of_wcs, sky_projection

if TYPE_CHECKING:
    from regions import PixelRegion, SkyRegion

__all__ = [
    "angles_from",
    "bounding_box",
    "bounding_rectangle",
    "connected_groups",
    "drawn_parts",
    "is_drawn",
    "solid_angle_by_counting",
]

_N_COUNTED = 1000
"""Rows and columns on which the solid angle of overlapping regions is counted."""


def drawn_parts(region: "SkyRegion", plane: Plane) -> "list[PixelRegion] | None":
    """Return the pixel regions of all parts of a region; None if one of them cannot be drawn in its shape.

    Parameters
    ----------
    region : SkyRegion, single or compound
    plane : Plane
    """
    parts = all_parts(region)
    with_center = [part for part in parts if kind_of(part) is not None]
    # those with a centre first, all at once: one of them that cannot be drawn is enough to stop
    if with_center and not have_their_shape(with_center, plane).all():
        return None
    on_plane = iter(on_pixels(with_center, plane))
    found = [next(on_plane) if kind_of(part) is not None else drawn(part, plane) for part in parts]
    pixel_regions = [part for part in found if part is not None]
    return pixel_regions if len(pixel_regions) == len(parts) else None


def _borders(region: "SkyRegion", frame: str) -> list[NDArray[np.float64]]:
    """Return unit vectors, shape (3, n), of points on the border of each part."""
    return [border_vectors(part, frame) for part in all_parts(region)]


def angles_from(center: SkyCoord, region: "SkyRegion") -> float:
    """Return the largest angle between a position and the border of a region.

    Parameters
    ----------
    center : SkyCoord
    region : SkyRegion, single or compound

    Returns
    -------
    angle : float, deg
    """
    frame = center.frame.name
    direction = directions_in(frame, [center.data.lon.deg], [center.data.lat.deg], frame)
    return float(max(_angle(direction, border).max() for border in _borders(region, frame)))


def _angle(v: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    half = np.sqrt(((v - w) ** 2).sum(axis=0)) / 2
    # from the chord: the arccos of a product is inaccurate for small angles; rounding may put `half` above 1
    return np.asarray(np.rad2deg(2 * np.arcsin(np.minimum(half, 1.0))))


def bounding_box(region: "SkyRegion", frame: str) -> tuple[SkyCoord, NDArray[np.float64]]:
    """Return the centre, and width and height in deg, of a box around a region of any size.

    The box lies in the plane of distances and position angles about the mean direction of the parts.

    Parameters
    ----------
    region : SkyRegion, single or compound
    frame : str, frame of the box
    """
    borders = _borders(region, frame)
    middles = np.stack([center_vector(part, frame) for part in all_parts(region)])
    mean = middles.mean(axis=0)
    if np.sqrt((mean**2).sum()) < 1e-3:  # opposite to each other
        mean = middles[0]
    lon, lat = (float(_) for _ in lonlat(mean))
    matrix = fov_matrix(lon, lat)
    along, east, north = matrix @ np.concatenate(borders, axis=1)
    across = np.hypot(east, north)
    # distance over its sine; at the middle itself east and north are zero, so any scale will do
    scale = np.arctan2(across, along) / np.where(across > 0, across, 1.0)
    # shape (2, 2): the ends along east and along north, rad
    sides = np.array([[np.min(v), np.max(v)] for v in (scale * east, scale * north)])
    x, y = sides.mean(axis=1)
    distance = np.hypot(x, y)
    # sine of the distance over the distance, to get from the plane back to the sphere; numpy's sinc has a pi in it
    stretch = np.sinc(distance / np.pi)
    # transposed: the inverse rotation, back to the frame of the box
    middle = matrix.T @ np.array([np.cos(distance), stretch * x, stretch * y])
    lon, lat = (float(_) for _ in lonlat(middle))
    return SkyCoord(lon, lat, unit="rad", frame=frame), np.rad2deg(np.diff(sides, axis=1)[:, 0])


def bounding_rectangle(region: "SkyRegion", wcs: WCS) -> tuple[SkyCoord, NDArray[np.float64]]:
    """Return the centre, and width and height in deg, of the pixels that a region touches.

    For a region that the pixels cannot show, they are those of a box around it on the sphere.

    Parameters
    ----------
    region : SkyRegion, single or compound
    wcs : WCS
    """
    place = _Place.of(region, wcs)
    return _bounding_rectangle(region, wcs) if place is None else _bounding_rectangle_at(place)


def is_drawn(region: "SkyRegion", wcs: WCS) -> bool:
    """Return whether a region has its shape on pixels.

    Parameters
    ----------
    region : SkyRegion, single or compound
    wcs : WCS
    """
    place = _Place.of(region, wcs)
    return drawn_parts(region, Plane(wcs)) is not None if place is None else _is_drawn_at(place)


@dataclass(frozen=True)
class _Place:
    """A circle or a point on pixels, by its numbers: each run of a reduction has a copy of the same one."""

    kind: type
    region_numbers: tuple[str, float, float, float]
    projection: Projection
    axis_names: tuple[str, str]
    region: "SkyRegion" = field(compare=False)
    wcs: WCS = field(compare=False)

    @classmethod
    def of(cls, region: "SkyRegion", wcs: WCS) -> "_Place | None":
        """Return the place of a region; None for regions and pixels that take more numbers."""
        if type(region) not in (region_classes.CircleSkyRegion, region_classes.PointSkyRegion):
            return None
        projection, center = sky_projection(wcs), region.center
        frame = center.frame.name
        # Other frames have attributes of their own, such as an equinox.
        if projection is None or frame not in _FRAMES or not region.meta.get("include", True):
            return None
        radius = getattr(region, "radius", None)
        lon, lat = float(center.data.lon.deg), float(center.data.lat.deg)
        numbers = frame, lon, lat, 0.0 if radius is None else float(radius.to_value("deg"))
        return cls(type(region), numbers, projection, (wcs.wcs.ctype[0], wcs.wcs.radesys), region, wcs)


_FRAMES = ("icrs", "galactic")


@lru_cache(maxsize=64)
def _bounding_rectangle_at(place: _Place) -> tuple[SkyCoord, NDArray[np.float64]]:
    return _bounding_rectangle(place.region, place.wcs)


@lru_cache(maxsize=64)
def _is_drawn_at(place: _Place) -> bool:
    return drawn_parts(place.region, Plane(place.wcs)) is not None


def _bounding_rectangle(region: "SkyRegion", wcs: WCS) -> tuple[SkyCoord, NDArray[np.float64]]:
    frame = frame_of_wcs(wcs)
    parts = drawn_parts(region, Plane(wcs))
    if parts is None:
        return bounding_box(region, frame)
    boxes = [part.bounding_box for part in parts]
    box = boxes[0]
    for other in boxes[1:]:
        box = box.union(other)
    # centre and shape of a box are (y, x) in `regions`
    y, x = box.center
    height, width = box.shape
    center = SkyCoord(*wcs.wcs_pix2world(x, y, 0), unit="deg", frame=frame)
    _, scale, _ = scale_and_north(center, wcs)
    # the scale is in pixels per arcsec; a point takes one pixel
    return center, np.array([max(width, 1), max(height, 1)]) / scale / 3600


def connected_groups(region: "SkyRegion") -> "list[list[SkyRegion]] | None":
    """Return the parts of a union, without points, in groups that do not touch; None if it is no plain union.

    Parts belong together where the circles around them overlap.
    """
    if not _is_plain_union(region):
        return None
    parts = [part for part in all_parts(region) if not is_point(part)]
    if not parts:
        return []
    borders = [border_vectors(part, "icrs") for part in parts]
    middles = np.stack([center_vector(part, "icrs") for part in parts], axis=1)
    reach = np.array([_angle(middles[:, [i]], border).max() for i, border in enumerate(borders)])
    label = np.arange(len(parts))
    for i in range(len(parts)):
        touching = _angle(middles[:, [i]], middles) < reach + reach[i]
        # all groups that this part touches become one
        label[np.isin(label, label[touching])] = label[i]
    return [[parts[i] for i in np.flatnonzero(label == number)] for number in np.unique(label)]


def _is_plain_union(region: "SkyRegion") -> bool:
    if not region.meta.get("include", True):
        return False
    if not isinstance(region, region_classes.CompoundSkyRegion):
        return True
    is_union = region.operator is operator.or_
    return is_union and _is_plain_union(region.region1) and _is_plain_union(region.region2)


def solid_angle_by_counting(region: "SkyRegion", frame: str) -> float:
    """Return the solid angle of a region in sr, from a count of small pixels of equal area (the projection ZEA).

    Parameters
    ----------
    region : SkyRegion, single or compound
    frame : str, frame of the projection
    """
    center, _ = bounding_box(region, frame)
    reach = min(angles_from(center, region) + 0.01, 180.0)
    # ZEA draws a circle of angular radius rho with the radius 2 sin(rho / 2)
    size = float(4 * np.rad2deg(np.sin(np.deg2rad(reach) / 2)) / _N_COUNTED)
    # in FITS pixels, which count from 1
    middle = (_N_COUNTED + 1) / 2
    position = float(center.data.lon.deg), float(center.data.lat.deg)
    projection = Projection("ZEA", (middle, middle), position, cdelt=(-size, size))
    vectors = pixel_directions(projection, (_N_COUNTED, _N_COUNTED), "cpu")
    inside = _inside(region, np.asarray(vectors), frame)
    return float(np.count_nonzero(inside) * np.deg2rad(size) ** 2)


def _inside(region: "SkyRegion", vectors: NDArray[np.float64], frame: str) -> NDArray[np.bool_]:
    if not isinstance(region, region_classes.CompoundSkyRegion):
        return sphere_contains(region, vectors, frame)
    parts = [_inside(part, vectors, frame) for part in (region.region1, region.region2)]
    inside = np.asarray(region.operator(*parts))
    return inside if region.meta.get("include", True) or not honours_include() else ~inside & np.isfinite(vectors[0])
