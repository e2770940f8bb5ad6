"""Circles on the sky, and positions in other frames."""

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays.kernels.sphere import frame_matrix, lonlat, rotate, unit_vectors
from lightpool.maps.regions import region_classes

if TYPE_CHECKING:
    from regions import CircleSkyRegion

__all__ = ["circle_region", "in_frame"]

_FRAMES = ("icrs", "galactic")


def circle_region(center: SkyCoord, radius: u.Quantity) -> "CircleSkyRegion":
    """Return a circle on the sky.

    Parameters
    ----------
    center : SkyCoord
    radius : Quantity, an angle
    """
    return region_classes.CircleSkyRegion(center=center, radius=radius)


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
