"""Solid angle of the region of a geometry, and the pixels under it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle
from astropy.wcs import WCS
from numpy.typing import NDArray

from lightpool.maps.axes.axes import MapAxes
from lightpool.maps.coord import MapCoord, SkyAngle
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.region_extent import connected_groups, solid_angle_by_counting
from lightpool.maps.regions.region_shapes import solid_angle_on_sphere
from lightpool.maps.regions.sky_regions import region_to_pixel, without_points

if TYPE_CHECKING:
    from regions import SkyRegion

__all__ = ["DrawnRegion", "coord_and_weights", "solid_angle_of"]

_MANY_PIXELS = 4096
"""Maximum number of rows or columns of the small pixels with which fractions of pixels are counted."""


class DrawnRegion(Protocol):
    """A region drawn on pixels, as `lightpool.maps.RegionGeom` is."""

    @property
    def known_region(self) -> "SkyRegion":
        """The region on the sky."""

    @property
    def wcs(self) -> WCS:
        """Pixels on which the region is drawn."""

    @property
    def frame(self) -> str:
        """Name of the frame."""

    @property
    def axes(self) -> MapAxes:
        """Non-spatial axes."""

    @property
    def binsz_wcs(self) -> Angle:
        """Pixel size of `wcs`."""

    @property
    def is_small(self) -> bool:
        """Whether areas are those of the plane."""

    def part(self, regions: "Sequence[SkyRegion]", /) -> "DrawnRegion":
        """Return some parts of the region."""

    def to_binsz_wcs(self, binsz: u.Quantity, /) -> "DrawnRegion":
        """Return the same region on pixels of another size."""

    def to_wcs_geom(self) -> WcsGeom:
        """Return the pixels around the region."""

    def solid_angle(self) -> u.Quantity:
        """Return the solid angle in sr."""

    def get_wcs_coord_and_weights(self, factor: int, /) -> tuple[MapCoord, NDArray[np.float64]]:
        """Return the coordinates of the pixels that the region touches, and the part of each in it."""


def solid_angle_of(geom: DrawnRegion) -> u.Quantity:
    """Return the solid angle of the region in sr, see `RegionGeom.solid_angle`."""
    region = geom.known_region
    is_compound = isinstance(region, region_classes.CompoundSkyRegion)
    if geom.is_small:
        if is_compound:
            # compound regions have no area in `regions`, and overlaps must count once
            return _solid_angle_on_pixels(geom)
        return _area_of_pixels(region_to_pixel(region, geom.wcs).area, geom.wcs)
    if not is_compound:
        return solid_angle_on_sphere(region) * u.sr
    groups = connected_groups(region)
    if groups is None or (len(groups) == 1 and len(groups[0]) > 1):
        # not a plain union, or parts that overlap: their areas do not add up
        return solid_angle_by_counting(region, geom.frame) * u.sr
    # each group on pixels around itself, where the projection distorts it least
    return sum((geom.part(group).solid_angle() for group in groups), start=0 * u.sr)


def _area_of_pixels(n_pixel: float, wcs: WCS) -> u.Quantity:
    # the determinant is the area of a pixel in the plane, deg2
    area = n_pixel * abs(float(np.linalg.det(wcs.pixel_scale_matrix)))
    return (area * u.deg**2).to("sr")


def _solid_angle_on_pixels(geom: DrawnRegion) -> u.Quantity:
    extended = without_points(geom.known_region)
    if extended is None:
        return 0 * u.sr
    # pixels a tenth as wide, as in Gammapy: 100 of them have the area of one pixel
    wcs = geom.to_binsz_wcs(geom.binsz_wcs / 10).wcs
    n_pixel = np.count_nonzero(region_to_pixel(extended, wcs).to_mask().data)
    return _area_of_pixels(n_pixel / 100, geom.wcs)


def coord_and_weights(geom: DrawnRegion, factor: int) -> tuple[MapCoord, NDArray[np.float64]]:
    """Return the coordinates and weights of the pixels that the region touches.

    Parameters
    ----------
    geom : RegionGeom
    factor : int, see `RegionGeom.get_wcs_coord_and_weights`
    """
    groups = None if geom.is_small else connected_groups(geom.known_region)
    if groups is not None and len(groups) > 1:
        return _coord_and_weights_of_parts(geom, groups, factor)
    pixels = geom.to_wcs_geom()
    # the mask of small pixels takes factor**2 times the memory of the image
    factor = max(1, min(factor, _MANY_PIXELS // max(pixels.data_shape[-2:])))
    weights: NDArray[np.float64] = (
        pixels.to_image().region_weights([geom.known_region], oversampling_factor=factor, device="cpu").data
    )
    inside = weights > 0
    coords = pixels.get_coord(sparse=True)
    lon, lat = (angle.reshape(inside.shape)[inside] for angle in (coords.lon, coords.lat))
    # (..., 1, 1) to (..., 1), which broadcasts with the (n_pixel,) of lon and lat
    on_axes = {name: cast(u.Quantity, coords[name]).squeeze(axis=-1) for name in geom.axes.names}
    return MapCoord({"lon": lon, "lat": lat, **on_axes}, frame=pixels.frame), weights[inside]


def _coord_and_weights_of_parts(
    geom: DrawnRegion, groups: "Sequence[Sequence[SkyRegion]]", factor: int
) -> tuple[MapCoord, NDArray[np.float64]]:
    found = [geom.part(group).get_wcs_coord_and_weights(factor) for group in groups]
    frame = geom.frame
    coords = [coord.to_frame(frame) for coord, _ in found]
    image = {"lon": _joined([_.lon for _ in coords]), "lat": _joined([_.lat for _ in coords])}
    on_axes = {name: coords[0][name] for name in geom.axes.names}
    return MapCoord({**image, **on_axes}, frame=frame), np.concatenate([weights for _, weights in found])


def _joined(angles: Sequence[SkyAngle]) -> u.Quantity:
    return u.Quantity(np.concatenate([u.Quantity(_, "deg") for _ in angles]), "deg")
