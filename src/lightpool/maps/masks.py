"""Masks of an image on the host: regions, borders, footprints. Array code turns them into maps on a device."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from lightpool.maps import shapes
from lightpool.maps.sky_regions import is_point, parse_regions, region_to_pixel

if TYPE_CHECKING:
    from regions import PixelRegion, RectangleSkyRegion, Region

__all__ = [
    "binary_structure",
    "block_mean",
    "rectangle_region",
    "region_mask_image",
    "round_up_to_even",
    "round_up_to_odd",
    "without_border",
]

HostArray = np.ndarray[Any, Any]


def round_up_to_odd(value: Any) -> Any:
    """Next odd whole number."""
    return (np.ceil(value) // 2 * 2 + 1).astype(int)


def round_up_to_even(value: Any) -> Any:
    """Next even whole number."""
    return (np.ceil(value + 1) // 2 * 2).astype(int)


def rectangle_region(center: SkyCoord, width: u.Quantity, height: u.Quantity) -> "RectangleSkyRegion":
    """Rectangle on the sky."""
    return shapes.RectangleSkyRegion(center=center, width=width, height=height)


def region_mask_image(regions: Any, wcs: WCS, npix: tuple[int, int], lon: HostArray) -> HostArray:
    """Mask of the pixels in any of some regions.

    Parameters
    ----------
    regions : see `parse_regions`
    wcs : WCS of the image
    npix : number of pixels (x, y)
    lon : array, shape (ny, nx)
        Longitude of the pixels; pixels with NaN are off the sky and count as pixel (-1, -1), as in Gammapy.

    Returns
    -------
    mask : array of bool, shape (ny, nx)
    """
    y, x = np.mgrid[: npix[1], : npix[0]]
    off_sky = np.isnan(lon)
    if np.any(off_sky):
        x, y = np.where(off_sky, -1, x), np.where(off_sky, -1, y)
    mask = np.zeros(npix[::-1], dtype=bool)
    for region in parse_regions(regions):
        pixel_region = region_to_pixel(region, wcs)
        if is_point(region):
            mask |= _next_to_points(region, wcs, x, y) & ~off_sky
        else:
            _add_region(mask, pixel_region, x, y, whole=bool(np.any(off_sky)))
    return mask


def _add_region(mask: HostArray, region: "PixelRegion", x: HostArray, y: HostArray, *, whole: bool) -> None:
    """Set the pixels in a region, looking only into its bounding box where it has one."""
    window = (slice(None), slice(None)) if whole else _bounding_window(region)
    mask[window] |= region.contains(shapes.PixCoord(x[window], y[window]))


def _bounding_window(region: "PixelRegion") -> tuple[slice, slice]:
    simple = type(region).__name__.startswith(("Circle", "Ellipse", "Rectangle", "Polygon"))
    if not simple or not region.meta.get("include", True):  # an excluded region contains all that is outside it
        return slice(None), slice(None)
    box = region.bounding_box
    return slice(max(0, box.iymin - 1), max(0, box.iymax + 1)), slice(max(0, box.ixmin - 1), max(0, box.ixmax + 1))


def _next_to_points(region: "Region", wcs: WCS, x: HostArray, y: HostArray) -> HostArray:
    if not hasattr(region, "center"):
        return _next_to_points(region.region1, wcs, x, y) | _next_to_points(region.region2, wcs, x, y)
    x0, y0 = wcs.world_to_pixel(region.center)
    return np.asarray((np.abs(x - x0) < 1) & (np.abs(y - y0) < 1))


def block_mean(image: HostArray, factor: int) -> HostArray:
    """Mean of blocks of ``factor`` x ``factor`` pixels."""
    ny, nx = image.shape
    blocks = image.astype(float).reshape(ny // factor, factor, nx // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def binary_structure(width: Any, scales_deg: HostArray, kernel: str = "disk") -> HostArray:
    """Footprint of ones, shape (ny, nx).

    Parameters
    ----------
    width : number of pixels or angle, one or a pair (lon, lat)
        Radius of a disk, side of a box; rounded up to an odd number of pixels.
    scales_deg : array of 2, pixel sizes (lon, lat) in deg
    kernel : ``disk`` or ``box``
    """
    width = u.Quantity(width)
    if width.unit.is_equivalent("deg"):
        width = width / u.Quantity(scales_deg, "deg")
    n_lon, n_lat = (int(_) for _ in np.broadcast_to(round_up_to_odd(width.to_value("")), 2))
    if kernel == "box":
        return np.ones((n_lat, n_lon))
    if kernel == "disk":
        y, x = np.mgrid[-n_lat : n_lat + 1, -n_lon : n_lon + 1]
        return np.asarray((x * n_lat) ** 2 + (y * n_lon) ** 2 <= (n_lon * n_lat) ** 2, dtype=float)
    raise ValueError(f"kernel must be 'disk' or 'box', got {kernel!r}")


def without_border(npix: tuple[int, int], box: tuple[int, ...]) -> HostArray:
    """Mask of the pixels that a box (ny, nx) of odd sides around them does not reach over the border."""
    mask = np.zeros(npix[::-1], dtype=bool)
    y, x = box[0] // 2, box[1] // 2
    mask[y : max(y, npix[1] - y), x : max(x, npix[0] - x)] = True
    return mask
