"""Solid angle of the region of a geometry, and the pixels under it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from lightpool.maps.coord import MapCoord
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.region_extent import connected_groups, solid_angle_by_counting
from lightpool.maps.regions.region_shapes import solid_angle_on_sphere
from lightpool.maps.regions.sky_regions import region_to_pixel, without_points

if TYPE_CHECKING:
    from regions import Region

    from lightpool.maps.geoms.region_geom import RegionGeom

__all__ = ["coord_and_weights", "solid_angle_of"]

HostArray = np.ndarray[Any, Any]

_MANY_PIXELS = 4096
"""Rows or columns of small pixels by which parts of pixels are counted, at most."""


def solid_angle_of(geom: "RegionGeom") -> u.Quantity:
    """Solid angle of the region in sr, see `RegionGeom.solid_angle`."""
    region = geom._known_region()
    is_compound = isinstance(region, region_classes.CompoundSkyRegion)
    if geom._is_small:
        if is_compound:
            return _solid_angle_on_pixels(geom)
        area = region_to_pixel(region, geom._wcs).area
        return (area * abs(np.linalg.det(geom._wcs.pixel_scale_matrix)) * u.deg**2).to("sr")
    if not is_compound:
        return solid_angle_on_sphere(region) * u.sr
    groups = connected_groups(region)
    if groups is None or (len(groups) == 1 and len(groups[0]) > 1):
        return solid_angle_by_counting(region, geom.frame) * u.sr
    return sum((geom._part(group).solid_angle() for group in groups), start=0 * u.sr)


def _solid_angle_on_pixels(geom: "RegionGeom") -> u.Quantity:
    extended = without_points(geom._known_region())
    if extended is None:
        return 0 * u.sr
    wcs = geom.to_binsz_wcs(geom.binsz_wcs / 10).wcs
    n_pixel = np.count_nonzero(region_to_pixel(extended, wcs).to_mask())
    return (n_pixel / 100 * abs(np.linalg.det(geom._wcs.pixel_scale_matrix)) * u.deg**2).to("sr")


def coord_and_weights(geom: "RegionGeom", factor: int) -> tuple[MapCoord, HostArray]:
    """Coordinates and weights of the pixels that the region touches, see `RegionGeom.get_wcs_coord_and_weights`."""
    groups = None if geom._is_small else connected_groups(geom._known_region())
    if groups is not None and len(groups) > 1:
        return _coord_and_weights_of_parts(geom, groups, factor)
    pixels = geom.to_wcs_geom()
    factor = max(1, min(factor, _MANY_PIXELS // max(pixels.data_shape[-2:])))
    weights = pixels.to_image().region_weights([geom._known_region()], oversampling_factor=factor, device="cpu").data
    inside = weights > 0
    lon, lat, *others = pixels.get_coord(sparse=True)
    image = [np.reshape(_, inside.shape)[inside] for _ in (lon, lat)]
    on_axes = {name: np.squeeze(_, axis=-1) for name, _ in zip(geom.axes.names, others, strict=True)}
    return MapCoord({"lon": image[0], "lat": image[1], **on_axes}, frame=pixels.frame), weights[inside]


def _coord_and_weights_of_parts(
    geom: "RegionGeom", groups: "Sequence[Sequence[Region]]", factor: int
) -> tuple[MapCoord, HostArray]:
    found = [geom._part(group).get_wcs_coord_and_weights(factor) for group in groups]
    frame = geom.frame
    coords = [coord.to_frame(frame) for coord, _ in found]
    image = {name: u.Quantity(np.concatenate([_[name] for _ in coords]), "deg") for name in ("lon", "lat")}
    on_axes = {name: coords[0][name] for name in geom.axes.names}
    return MapCoord(image | on_axes, frame=frame), np.concatenate([weights for _, weights in found])
