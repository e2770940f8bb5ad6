"""Sky and pixel regions met with the pixels of a map: which lie in them, and the values there."""

from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import device as array_device

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name, is_bool
from lightpool.errors import GeometryError, NoOverlapError
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.region_map import RegionNDMap
from lightpool.maps.region_sums import reduce_in_mask
from lightpool.maps.regions import region_classes

if TYPE_CHECKING:
    from lightpool.maps.wcs_map import WcsNDMap

__all__ = ["contains_pixels", "mask_of_torn", "reduced_to_region", "region_geom_of"]


def contains_pixels(region: Any, geom: Any) -> np.ndarray[Any, Any]:
    """Whether each pixel centre of an image geometry lies in a region, shape (ny, nx); a point takes its pixel."""
    image = geom.to_image()
    if isinstance(region, region_classes.PointSkyRegion | region_classes.PointPixelRegion):
        in_pixels = isinstance(region, region_classes.PointPixelRegion)
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


def reduced_to_region(m: "WcsNDMap", region: Any, func: Any, weights: "WcsNDMap | None", method: str) -> RegionNDMap:
    """Values of a map in a region, see `WcsNDMap.to_region_nd_map`."""
    if weights is not None and m._geom != weights.geom:
        raise GeometryError("Incompatible spatial geoms between map and weights")
    whole = region is None
    geom = region_geom_of(m._geom.footprint_rectangle_sky_region if whole else region, m._geom)
    if geom.is_all_point_sky_regions:
        data = _values_at_points(m, geom, weights, method)
    else:
        torn = not (whole or geom.is_drawn)
        window = {} if whole or torn else {"position": geom.center_skydir, "width": geom.width}
        cutout = m.cutout(**window) if window else m
        values = cutout.data
        # geom.region, not region: one in pixels counts those of the map, not of the cutout
        inside = mask_of_torn(m, geom).data if torn else _inside(m, cutout.geom, None if whole else geom.region)
        if weights is not None:
            factors = weights.cutout(**window).data if window else weights.data
            inside = inside & factors if is_bool(factors) else inside
            values = values if is_bool(factors) else apply_operator("multiply", values, factors)
        data = reduce_in_mask(values, inside, func)
    dtype = dtype_name(m._data)
    return RegionNDMap(geom, data=as_dtype(data, dtype), unit=m._unit, meta=dict(m.unread_meta), device=m.device)


def mask_of_torn(m: "WcsNDMap", geom: RegionGeom) -> Any:
    """Mask of a region on the whole image, for one whose pixels may lie anywhere on it: over a pole or a seam."""
    image = m._geom.to_image()
    mask = image.region_mask([geom.region], device="cpu")
    if not (mask.data.any() or image.contains(geom.center_skydir).any()):
        raise NoOverlapError(f"no pixel of the map has its centre in {geom.region!r}")
    return mask.to(m.device)


def _inside(m: "WcsNDMap", geom: Any, region: Any) -> Array:
    image = geom.to_image()
    if region is None:
        return m._xp.ones(image.data_shape, dtype=m._xp.bool, device=array_device(m._data))
    return image.region_mask([region], device=m.device).data


def _values_at_points(m: "WcsNDMap", geom: Any, weights: Any, method: str) -> Array:
    coords = geom.get_coord(sparse=True)
    if method == "nearest" and hasattr(geom.region, "center"):
        # Not the middle of the pixels that it touches, which for a point on an edge may be another pixel.
        coords = {"skycoord": geom.region.center.reshape((1, 1)), **{a: coords[a] for a in geom.axes.names}}
    values = m.interp_by_coord(coords, method=method)
    if weights is not None:
        values = values * weights.interp_by_coord(coords, method=method)
    return m._xp.reshape(values, tuple(geom.data_shape))
