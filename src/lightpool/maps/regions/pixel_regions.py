"""Many circles at once between sky and pixels, and positions in other frames."""

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS
from numpy.typing import NDArray

from lightpool.arrays.kernels.sphere import frame_matrix, lonlat, rotate, unit_vectors
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.sky_regions import steps_to_north
from lightpool.maps.wcs_header import frame_of_wcs

if TYPE_CHECKING:
    from regions import CircleSkyRegion, RegionMeta, RegionVisual, SkyRegion

__all__ = ["circle_region", "circles_to_sky", "in_frame"]

_FRAMES = ("icrs", "galactic")


def circle_region(center: SkyCoord, radius: u.Quantity) -> "CircleSkyRegion":
    """Return a circle on the sky.

    Parameters
    ----------
    center : SkyCoord
    radius : Quantity, an angle
    """
    return region_classes.CircleSkyRegion(center=center, radius=radius)


def circles_to_sky(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    radius: float,
    wcs: WCS,
    meta: "RegionMeta",
    visual: "RegionVisual",
) -> "list[SkyRegion]":
    """Return sky regions of circles of one radius around many pixel positions, all at once.

    Parameters
    ----------
    x, y : arrays of float, shape (n,), pixel coordinates
    radius : float, pixels
    wcs : WCS
    meta, visual : attributes of each region
    """
    lon, lat = wcs.wcs_pix2world(x, y, 0)
    centers = SkyCoord(lon, lat, unit="deg", frame=frame_of_wcs(wcs))
    _, _, dx, dy = steps_to_north(centers, wcs)
    # a step is one arcsec long, so dx and dy are pixels per arcsec
    radii = Angle(radius / np.hypot(dx, dy), "arcsec")
    return [
        region_classes.CircleSkyRegion(center, size, meta=meta.copy(), visual=visual.copy())
        for center, size in zip(centers, radii, strict=True)
    ]


def in_frame(
    lon: NDArray[np.float64], lat: NDArray[np.float64], frame: str, other: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Transform positions from one frame to another.

    Parameters
    ----------
    lon, lat : arrays of float, rad
    frame, other : str, names of the two frames

    Returns
    -------
    lon, lat : arrays of float64, rad
    """
    if frame == other:
        return lon, lat
    if frame in _FRAMES and other in _FRAMES:
        turned = lonlat(rotate(frame_matrix(frame, other), unit_vectors(lon, lat)))
        return np.asarray(turned[0]), np.asarray(turned[1])
    # other frames, such as FK4, are not related by a plain rotation
    position = SkyCoord(lon, lat, unit="rad", frame=frame).transform_to(other)
    return np.asarray(position.data.lon.rad), np.asarray(position.data.lat.rad)
