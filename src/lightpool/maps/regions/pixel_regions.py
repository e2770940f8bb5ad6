"""Many circles at once between sky and pixels, and positions in other frames."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS

from lightpool.arrays.kernels.sphere import frame_matrix, lonlat, rotate, unit_vectors
from lightpool.maps.regions import lazy_regions
from lightpool.maps.regions.sky_regions import steps_to_north
from lightpool.maps.wcs_header import frame_of_wcs

if TYPE_CHECKING:
    from regions import CircleSkyRegion, Region

__all__ = ["circle_region", "circles_to_sky", "in_frame"]

HostArray = np.ndarray[Any, Any]
_FRAMES = ("icrs", "galactic")


def circle_region(center: SkyCoord, radius: u.Quantity) -> "CircleSkyRegion":
    """Circle on the sky."""
    return lazy_regions.CircleSkyRegion(center=center, radius=radius)


def circles_to_sky(x: HostArray, y: HostArray, radius: float, wcs: WCS, meta: Any, visual: Any) -> "list[Region]":
    """Sky regions of circles of one radius (pixels) around many pixel positions, all at once."""
    lon, lat = wcs.wcs_pix2world(x, y, 0)
    centers = SkyCoord(lon, lat, unit="deg", frame=frame_of_wcs(wcs))
    _, _, dx, dy = steps_to_north(centers, wcs)
    radii = Angle(radius / np.hypot(dx, dy), "arcsec")
    return [
        lazy_regions.CircleSkyRegion(center, size, meta=meta.copy(), visual=visual.copy())
        for center, size in zip(centers, radii, strict=True)
    ]


def in_frame(lon: HostArray, lat: HostArray, frame: str, other: str) -> tuple[HostArray, HostArray]:
    """Positions (arrays in rad) of one frame in another."""
    if frame == other:
        return lon, lat
    if frame in _FRAMES and other in _FRAMES:
        turned = lonlat(rotate(frame_matrix(frame, other), unit_vectors(lon, lat)))
        return np.asarray(turned[0]), np.asarray(turned[1])
    position = SkyCoord(lon, lat, unit="rad", frame=frame).transform_to(other)
    return np.asarray(position.data.lon.rad), np.asarray(position.data.lat.rad)
