"""Sky and pixel regions met with the pixels of a map, on the host."""

from typing import Any

import numpy as np

from lightpool.maps import shapes
from lightpool.maps.region_geom import RegionGeom

__all__ = ["contains_pixels", "region_geom_of"]


def contains_pixels(region: Any, geom: Any) -> np.ndarray[Any, Any]:
    """Whether each pixel centre of an image geometry lies in a region, shape (ny, nx); a point takes its pixel."""
    image = geom.to_image()
    if isinstance(region, shapes.PointSkyRegion | shapes.PointPixelRegion):
        in_pixels = isinstance(region, shapes.PointPixelRegion)
        index = image.pix_to_idx(region.center.xy) if in_pixels else image.coord_to_idx(region.center)
        x, y = (int(_[0]) for _ in index)
        inside = np.zeros(image.data_shape, dtype=bool)
        if x >= 0 and y >= 0:
            inside[y, x] = True
        return inside
    return np.asarray(image.region_mask([region], device="cpu").data)


def region_geom_of(region: Any, geom: Any) -> RegionGeom:
    """Region geometry with the axes of a map geometry, on its WCS."""
    return RegionGeom.from_regions(regions=region, axes=geom.axes, wcs=geom.wcs)
