"""Masks of an image on the host: regions, borders, footprints. Array code turns them into maps on a device."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.region_contents import PixelCentres
from lightpool.maps.regions.sky_regions import parse_regions
from lightpool.typing import QuantityLike, RegionLike

if TYPE_CHECKING:
    from regions import RectangleSkyRegion

__all__ = [
    "binary_structure",
    "block_mean",
    "rectangle_region",
    "region_mask_image",
    "round_up_to_even",
    "round_up_to_odd",
    "without_border",
]


def round_up_to_odd(value: float | NDArray[np.float64]) -> NDArray[np.int64]:
    """Round up to an odd whole number."""
    odd: NDArray[np.float64] = np.ceil(value) // 2 * 2 + 1
    return odd.astype(int)


def round_up_to_even(value: float) -> NDArray[np.int64]:
    """Round up to an even whole number."""
    even: NDArray[np.float64] = np.ceil(value + 1) // 2 * 2
    return even.astype(int)


def rectangle_region(center: SkyCoord, width: u.Quantity, height: u.Quantity) -> "RectangleSkyRegion":
    """Return a rectangle on the sky.

    Parameters
    ----------
    center : SkyCoord
    width, height : Quantity, angles
    """
    return region_classes.RectangleSkyRegion(center=center, width=width, height=height)


def region_mask_image(
    regions: "RegionLike | None", plane: Plane, npix: tuple[int, int], lonlat: Callable[[], NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Return a mask of the pixels in any of some regions.

    Parameters
    ----------
    regions : see `parse_regions`
    plane : Plane of the image
    npix : number of pixels (x, y)
    lonlat : function that returns an array, shape (2, ny, nx)
        Position of the pixel centres in deg; those with NaN are off the sky and in no region.

    Returns
    -------
    mask : array of bool, shape (ny, nx)
    """
    return PixelCentres(plane, npix, lonlat).in_any(parse_regions(regions))


def block_mean(image: NDArray[np.bool_], factor: int) -> NDArray[np.float64]:
    """Return the mean of blocks of pixels.

    Parameters
    ----------
    image : array, shape (ny, nx)
    factor : int, number of pixels along each side of a block
    """
    ny, nx = image.shape
    # (ny / factor, factor, nx / factor, factor)
    blocks = image.astype(float).reshape(ny // factor, factor, nx // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def binary_structure(width: QuantityLike, scales_deg: NDArray[np.float64], kernel: str = "disk") -> NDArray[np.float64]:
    """Return a footprint of ones, shape (ny, nx).

    Parameters
    ----------
    width : number of pixels or angle, one or a pair (lon, lat)
        Radius of a disk, side of a box; rounded up to an odd number of pixels.
    scales_deg : array of 2, pixel sizes (lon, lat) in deg
    kernel : ``disk`` or ``box``
    """
    size = u.Quantity(width)
    if size.unit.is_equivalent("deg"):
        size = size / u.Quantity(scales_deg, "deg")
    n_lon, n_lat = (int(_) for _ in np.broadcast_to(round_up_to_odd(size.to_value("")), 2))
    if kernel == "box":
        return np.ones((n_lat, n_lon))
    if kernel == "disk":
        y, x = np.mgrid[-n_lat : n_lat + 1, -n_lon : n_lon + 1]
        # (x / n_lon)**2 + (y / n_lat)**2 <= 1 in whole numbers: no pixel on the border is lost to rounding
        return np.asarray((x * n_lat) ** 2 + (y * n_lon) ** 2 <= (n_lon * n_lat) ** 2, dtype=float)
    raise ValueError(f"kernel must be 'disk' or 'box', got {kernel!r}")


def without_border(npix: tuple[int, int], box: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask of the pixels around which a box fits in the image.

    Parameters
    ----------
    npix : number of pixels (x, y)
    box : odd sides (ny, nx) of the box
    """
    mask = np.zeros(npix[::-1], dtype=bool)
    y, x = box[0] // 2, box[1] // 2
    # `max`: for a box larger than the image a negative stop would count from the end
    mask[y : max(y, npix[1] - y), x : max(x, npix[0] - x)] = True
    return mask
