"""Many circles at once between sky and pixels, and what lies in regions; see `lightpool.maps.sky_regions`."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS

from lightpool.arrays.sphere import frame_matrix, lonlat, rotate, unit_vectors
from lightpool.maps import shapes
from lightpool.maps.sky_regions import region_to_pixel, steps_to_north
from lightpool.maps.wcs_header import frame_of_wcs

if TYPE_CHECKING:
    from regions import CircleSkyRegion, Region

__all__ = ["circle_region", "circles_to_sky", "contains_pixel", "in_frame"]

HostArray = np.ndarray[Any, Any]
_FRAMES = ("icrs", "galactic")


def circle_region(center: SkyCoord, radius: u.Quantity) -> "CircleSkyRegion":
    """Circle on the sky."""
    return shapes.CircleSkyRegion(center=center, radius=radius)


def circles_to_sky(x: HostArray, y: HostArray, radius: float, wcs: WCS, meta: Any, visual: Any) -> "list[Region]":
    """Sky regions of circles of one radius (pixels) around many pixel positions, all at once."""
    lon, lat = wcs.wcs_pix2world(x, y, 0)
    centers = SkyCoord(lon, lat, unit="deg", frame=frame_of_wcs(wcs))
    _, _, dx, dy = steps_to_north(centers, wcs)
    radii = Angle(radius / np.hypot(dx, dy), "arcsec")
    return [
        shapes.CircleSkyRegion(center, size, meta=meta.copy(), visual=visual.copy())
        for center, size in zip(centers, radii, strict=True)
    ]


def contains_pixel(region: "Region", wcs: WCS, x: HostArray, y: HostArray) -> HostArray:
    """Whether pixel coordinates on a WCS lie in a sky or pixel region; a union of circles is met all at once."""
    circles = _circles_of(region)
    if not circles:
        return np.asarray(region_to_pixel(region, wcs).contains(shapes.PixCoord(x, y)))
    lon, lat = np.array([(_.center.data.lon.deg, _.center.data.lat.deg) for _ in circles]).T
    centers = SkyCoord(lon, lat, unit="deg", frame=circles[0].center.frame.name)
    x0, y0, dx, dy = steps_to_north(centers, wcs)
    radii = np.array([_.radius.to_value("arcsec") for _ in circles]) * np.hypot(dx, dy)
    x, y = np.broadcast_arrays(x, y)
    inside = np.zeros(x.shape, dtype=bool)
    for center_x, center_y, radius in zip(x0, y0, radii, strict=True):
        inside |= (x - center_x) ** 2 + (y - center_y) ** 2 < radius**2
    return inside


def _circles_of(region: "Region") -> "list[CircleSkyRegion]":
    """Circles of a union, in one frame; empty if there is anything else in it."""
    circles = []
    waiting = [region]
    while waiting:
        part = waiting.pop()
        if isinstance(part, shapes.CompoundSkyRegion) and part.operator.__name__ == "or_":
            waiting += [part.region1, part.region2]
        elif isinstance(part, shapes.CircleSkyRegion):
            circles.append(part)
        else:
            return []
    frame = circles[0].center.frame.name
    plain = frame in _FRAMES and all(_.meta.get("include", True) and _.center.frame.name == frame for _ in circles)
    return circles if plain else []


def in_frame(lon: HostArray, lat: HostArray, frame: str, other: str) -> tuple[HostArray, HostArray]:
    """Positions (arrays in rad) of one frame in another."""
    if frame == other:
        return lon, lat
    if frame in _FRAMES and other in _FRAMES:
        turned = lonlat(rotate(frame_matrix(frame, other), unit_vectors(lon, lat)))
        return np.asarray(turned[0]), np.asarray(turned[1])
    position = SkyCoord(lon, lat, unit="rad", frame=frame).transform_to(other)
    return np.asarray(position.data.lon.rad), np.asarray(position.data.lat.rad)
