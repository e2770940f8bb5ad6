"""Sky and pixel regions met with the pixels of a map, on the host."""

from typing import Any

import numpy as np

from lightpool.maps import shapes
from lightpool.maps.region_geom import RegionGeom
from lightpool.maps.sky_regions import region_to_pixel

__all__ = ["contains_pixels", "region_geom_of"]


def contains_pixels(region: Any, geom: Any) -> np.ndarray[Any, Any]:
    """Whether each pixel centre of an image geometry lies in a region, shape (ny, nx); a point takes its pixel."""
    region = region_to_pixel(region, geom.wcs)
    n_y, n_x = geom.data_shape[-2:]
    if isinstance(region, shapes.PointPixelRegion):
        y, x = (int(np.floor(v + 0.5)) for v in (region.center.y, region.center.x))
        inside = np.zeros((n_y, n_x), dtype=bool)
        if 0 <= y < n_y and 0 <= x < n_x:
            inside[y, x] = True
        return inside
    y, x = np.mgrid[:n_y, :n_x]
    return np.asarray(region.contains(shapes.PixCoord(x, y)), dtype=bool)


def region_geom_of(region: Any, geom: Any) -> RegionGeom:
    """Region geometry with the axes of a map geometry, on its WCS."""
    return RegionGeom.from_regions(regions=region, axes=geom.axes, wcs=geom.wcs)
