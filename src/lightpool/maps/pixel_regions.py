"""Many circles at once between sky and pixels, and what lies in regions; see `lightpool.maps.sky_regions`."""

from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS
from regions import CircleSkyRegion, CompoundSkyRegion, PixCoord, Region

from lightpool.maps.sky_regions import region_to_pixel

__all__ = ["circle_region", "circles_to_sky", "contains_pixel"]

HostArray = np.ndarray[Any, Any]


def circle_region(center: SkyCoord, radius: u.Quantity) -> CircleSkyRegion:
    """Circle on the sky."""
    return CircleSkyRegion(center=center, radius=radius)


def circles_to_sky(x: HostArray, y: HostArray, radius: float, wcs: WCS, meta: Any, visual: Any) -> list[Region]:
    """Sky regions of circles of one radius (pixels) around many pixel positions, all at once."""
    centers = wcs.pixel_to_world(x, y)
    _, scales = _centers_and_scales(centers, wcs)
    radii = Angle(radius / scales, "arcsec")
    return [
        CircleSkyRegion(center, size, meta=meta.copy(), visual=visual.copy())
        for center, size in zip(centers, radii, strict=True)
    ]


def contains_pixel(region: Region, wcs: WCS, x: HostArray, y: HostArray) -> HostArray:
    """Whether pixel coordinates on a WCS lie in a sky or pixel region; a union of circles is met all at once."""
    circles = _circles_of(region)
    if len(circles) < 2:
        return np.asarray(region_to_pixel(region, wcs).contains(PixCoord(x, y)))
    frame = circles[0].center.frame.name
    lon, lat = np.array([(_.center.data.lon.deg, _.center.data.lat.deg) for _ in circles]).T
    (x0, y0), scales = _centers_and_scales(SkyCoord(lon, lat, unit="deg", frame=frame), wcs)
    radii = np.array([_.radius.to_value("arcsec") for _ in circles]) * scales
    x, y = np.broadcast_arrays(x, y)
    inside = np.zeros(x.shape, dtype=bool)
    for center_x, center_y, radius in zip(x0, y0, radii, strict=True):
        inside |= np.hypot(x - center_x, y - center_y) < radius
    return inside


def _circles_of(region: Region) -> list[CircleSkyRegion]:
    """Circles of a union, in one frame; empty if there is anything else in it."""
    circles = []
    waiting = [region]
    while waiting:
        part = waiting.pop()
        if isinstance(part, CompoundSkyRegion) and part.operator.__name__ == "or_":
            waiting += [part.region1, part.region2]
        elif isinstance(part, CircleSkyRegion):
            circles.append(part)
        else:
            return []
    plain = all(_.meta.get("include", True) and _.center.frame.name == circles[0].center.frame.name for _ in circles)
    return circles if plain else []


def _centers_and_scales(centers: SkyCoord, wcs: WCS) -> tuple[tuple[HostArray, HostArray], HostArray]:
    """Pixels (x, y) of positions, and pixels per arcsec towards north there."""
    x, y = wcs.world_to_pixel(centers)
    x_north, y_north = wcs.world_to_pixel(centers.directional_offset_by(0.0, 1 * u.arcsec))
    return (x, y), np.hypot(x_north - x, y_north - y)
