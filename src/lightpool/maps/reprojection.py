"""Maps on the pixels of another geometry, by adding up or averaging pixels that are made small first."""

import math
from collections.abc import Iterator
from typing import Protocol, Self, TypeVar

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace
from lightpool.errors import GeometryError
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.geoms.hpx_pixel_geom import HpxPixelGeom
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.geoms.sky_pixel_geom import SkyPixelGeom

__all__ = ["ReprojectableMap", "reprojected", "reprojected_images"]


class ReprojectableMap(Protocol):
    """What is needed of a `lightpool.maps.Map`."""

    @property
    def geom(self) -> Geom:
        """Geometry."""

    @property
    def data(self) -> Array:
        """Values."""

    def upsample(
        self, factor: int | None, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None
    ) -> Self:
        """Return the map with narrower pixels, or narrower bins of an axis, see `lightpool.maps.Map.upsample`."""

    def resample(self, geom: Geom, weights: None = None, preserve_counts: bool = True, smooth: bool = False) -> Self:
        """Return a map of another geometry to which each pixel is added, see `lightpool.maps.Map.resample`."""

    def iter_by_image(self, keepdims: bool = False) -> Iterator[Self]:
        """Iterate over the images."""


_Map = TypeVar("_Map", bound=ReprojectableMap)


def _least_scale(geom: Geom) -> float:
    """Return the least pixel size in deg; of a region, on its own WCS."""
    image = geom.to_wcs_geom() if isinstance(geom, RegionGeom) else geom
    if not isinstance(image, SkyPixelGeom | HpxPixelGeom):
        raise TypeError(f"maps are reprojected between sky pixels and regions, got a {type(geom).__name__}")
    return float(np.min(image.pixel_scales.to_value("deg")))


def reprojected(m: _Map, geom: Geom, preserve_counts: bool, precision_factor: int) -> _Map:
    """Reproject a map, see `lightpool.maps.Map.reproject_to_geom`.

    Parameters
    ----------
    m : Map
    geom : Geom
    preserve_counts : bool
    precision_factor : int
    """
    axes = m.geom.axes
    if not geom.is_image and geom.axes.names != axes.names:
        raise GeometryError(
            f"Axis names and order should be the same, the map has {axes.names} and the geometry {geom.axes.names}"
        )
    fine = m
    if not m.geom.is_region:  # the only pixel of a region is not divided
        ratio = _least_scale(geom) / _least_scale(m.geom)
        if ratio < precision_factor:
            factor = math.ceil(precision_factor / ratio)
            if m.geom.is_hpx:  # its pixels are divided by powers of two
                factor = 2 ** math.ceil(math.log2(precision_factor / ratio))
            fine = m.upsample(factor, preserve_counts=preserve_counts)
    found = fine.resample(geom.to_image().to_cube(list(axes)), preserve_counts=preserve_counts, smooth=True)
    if geom.is_image or geom.axes == axes:
        return found
    for old, new in zip(axes, geom.axes, strict=True):
        if isinstance(old, MapAxis) and isinstance(new, MapAxis):
            ratio = float(np.diff(old.edges_value).min() / np.diff(new.edges.to_value(old.unit)).min())
            if ratio < precision_factor:
                factor = math.ceil(precision_factor / ratio)
                found = found.upsample(factor, preserve_counts=preserve_counts, axis_name=old.name)
    return found.resample(geom, preserve_counts=preserve_counts, smooth=True)


def reprojected_images(m: ReprojectableMap, geom: Geom, preserve_counts: bool, precision_factor: int) -> Array:
    """Reproject one image of a map after the other, see `lightpool.maps.Map.reproject_by_image`.

    Parameters
    ----------
    m : Map
    geom : Geom without axes
    preserve_counts : bool
    precision_factor : int

    Returns
    -------
    data : array of the shape of ``geom`` with the axes of the map
    """
    if not geom.is_image:
        raise TypeError(f"This method is only valid for 2d geom, got one with the axes {geom.axes.names}")
    # `iter_by_image` counts the first axis slowest, the data of a map the last one
    images = [reprojected(image, geom, preserve_counts, precision_factor).data for image in m.iter_by_image()]
    xp = array_namespace(*images)
    shape = m.geom.axes.shape
    data = xp.reshape(xp.stack(images), (*shape, *geom.data_shape))
    n_axis = len(shape)
    return xp.permute_dims(data, (*reversed(range(n_axis)), *range(n_axis, data.ndim)))
