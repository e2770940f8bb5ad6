"""Where the values of an image lie: the radius and the region that contain a part of their sum."""

from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import Angle, SkyCoord
from numpy.typing import NDArray

from lightpool.arrays.devices.devices import to_host
from lightpool.bridge import accepts_gammapy
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.sky_regions import regions_to_compound_region
from lightpool.maps.wcs_map import WcsNDMap

if TYPE_CHECKING:
    from regions import PolygonSkyRegion, SkyRegion

__all__ = ["containment_radius", "containment_region"]


def _positive_image(map_: WcsNDMap) -> NDArray[np.float64]:
    if not isinstance(map_, WcsNDMap):
        raise TypeError(f"This function is only supported for WcsNDMap, got {type(map_)} instead.")
    if not map_.geom.is_flat:
        raise ValueError(f"an image is expected, got a map with the axes {map_.geom.axes.names}; sum_over_axes helps")
    values = to_host(map_.data).reshape(map_.geom.data_shape[-2:]).astype(float)  # host: the answer is an angle
    if not np.nanmax(values) > 0:
        raise ValueError("No positive values in the map.")
    return values


def _index_of_fraction(ordered: NDArray[np.float64], fraction: float) -> int:
    """Return the index at which the cumulative sum is nearest to a fraction of its maximum."""
    total = np.nancumsum(ordered)
    return int(np.argmin(np.abs(total / total.max() - fraction)))


@accepts_gammapy
def containment_radius(map_: WcsNDMap, fraction: float = 0.393, position: SkyCoord | None = None) -> Angle:
    """Return the radius of the circle that contains a fraction of the sum of an image; reads it to the host.

    Parameters
    ----------
    map_ : WcsNDMap
    fraction : float
        By default 1 - exp(-1/2), what a symmetric Gauss function has within one sigma.
    position : SkyCoord, optional
        Centre; by default that of the map.

    Raises
    ------
    ValueError
        If no pixel has a positive value.
    """
    values = _positive_image(map_)
    geom = map_.geom.to_image()
    separation = geom.separation(geom.center_skydir if position is None else position).ravel()
    order = np.argsort(separation)
    return separation[order][_index_of_fraction(values.ravel()[order], fraction)]


@accepts_gammapy
def containment_region(
    map_: WcsNDMap, fraction: float = 0.393, apply_union: bool = True
) -> "SkyRegion | list[PolygonSkyRegion]":
    """Return the region in which the highest values add up to a fraction of the sum; reads the map to the host.

    Parameters
    ----------
    map_ : WcsNDMap
    fraction : float
        By default 1 - exp(-1/2), what a symmetric Gauss function has within one sigma.
    apply_union : bool
        Whether parts that do not touch are returned as one region, or as a list.

    Raises
    ------
    ValueError
        If no pixel has a positive value, or no closed contour surrounds the fraction on the map.
    """
    from lightpool.plot.contours import contour_lines  # matplotlib is heavy and optional

    values = _positive_image(map_)
    ordered = np.sort(values, axis=None)[::-1]
    # NaN is sorted first here; it adds nothing to the sum
    lines = contour_lines(values, float(ordered[_index_of_fraction(ordered, fraction)]))
    if not lines:
        raise ValueError(
            f"no contour contains {fraction} of the sum within the map; take a smaller fraction or a wider map"
        )
    geom = map_.geom.to_image()
    parts: list[PolygonSkyRegion] = []
    for line in lines:
        lon, lat = geom.pix_to_coord((line[:, 0], line[:, 1]))
        parts.append(region_classes.PolygonSkyRegion(SkyCoord(lon, lat, frame=geom.frame)))
    if not apply_union:
        return parts
    return regions_to_compound_region(parts)
