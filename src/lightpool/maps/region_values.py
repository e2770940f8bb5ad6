"""Values of a map in a region of the sky: the pixels that lie in it, reduced to one value for each image."""

from collections.abc import Callable
from typing import Protocol, Self

import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, array_namespace, device_of, to_device
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name, is_bool, is_floating
from lightpool.arrays.kernels.reductions import operation_name, sum_over
from lightpool.errors import DeviceError, GeometryError, NoOverlapError
from lightpool.maps.coord import MapCoordLike
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.regions import region_classes
from lightpool.typing import AngleLike, RegionLike

__all__ = ["SkyMap", "contains_pixels", "reduce_in_mask", "reduced_to_region", "region_geom_of", "scattered_mask"]

_NUMBERS = {"add": ("sum", 0.0), "multiply": ("prod", 1.0), "maximum": ("max", -np.inf), "minimum": ("min", np.inf)}


class SkyMap(Protocol):
    """What is needed of a map on a WCS grid, see `lightpool.maps.WcsNDMap`."""

    @property
    def geom(self) -> WcsGeom:
        """Geometry."""

    @property
    def data(self) -> Array:
        """Values."""

    @property
    def device(self) -> Device:
        """Device of the values."""

    def cutout(self, position: SkyCoord, width: "AngleLike | tuple[AngleLike, AngleLike]") -> Self:
        """Return a copy of a rectangle of the map.

        Parameters
        ----------
        position : SkyCoord
            Centre.
        width : angle, or pair of them for (lon, lat)
        """

    def interp_by_coord(self, coords: MapCoordLike, method: str = "linear") -> Array:
        """Interpolate the values at coordinates.

        Parameters
        ----------
        coords : tuple, dict or MapCoord
        method : ``linear`` or ``nearest``
        """


def contains_pixels(region: RegionLike, geom: WcsGeom) -> NDArray[np.bool_]:
    """Return whether each pixel centre of an image lies in a region; a point contains the pixel around it.

    Parameters
    ----------
    region : SkyRegion, PixelRegion, SkyCoord or str
    geom : WcsGeom

    Returns
    -------
    inside : array of bool on the host, shape (ny, nx)
    """
    image = geom.to_image()
    index = None
    if isinstance(region, region_classes.PointPixelRegion):
        index = image.pix_to_idx(region.center.xy)
    elif isinstance(region, region_classes.PointSkyRegion):
        index = image.coord_to_idx(region.center)
    if index is not None:
        x, y = (int(_[0]) for _ in index)
        inside = np.zeros(image.data_shape, dtype=bool)
        # -1 outside the image
        if x >= 0 and y >= 0:
            inside[y, x] = True
        return inside
    return np.asarray(image.region_mask_array([region], device="cpu"))


def region_geom_of(region: RegionLike, geom: WcsGeom) -> RegionGeom:
    """Return the geometry of a region with the axes and the WCS of a map.

    Parameters
    ----------
    region : SkyRegion, PixelRegion, SkyCoord or str
    geom : WcsGeom
    """
    return RegionGeom.from_regions(regions=region, axes=geom.axes, wcs=geom.wcs)


def reduced_to_region(
    m: SkyMap, region: "RegionLike | None", func: Callable[..., object], weights: SkyMap | None, method: str
) -> tuple[RegionGeom, Array]:
    """Reduce a map to a region, see `WcsNDMap.to_region_nd_map`.

    Parameters
    ----------
    m : WcsNDMap
    region : SkyRegion or SkyCoord, or None for the whole map
    func : NumPy function, see `reduce_in_mask`
    weights : WcsNDMap or None
        Factors, or a mask, of the same geometry.
    method : ``nearest`` or ``linear``
        How the values at a point are found.

    Returns
    -------
    geom : RegionGeom
    data : array on the device of the map, of the data type of the map
    """
    if weights is not None and m.geom != weights.geom:
        raise GeometryError("Incompatible spatial geoms between map and weights")
    is_whole = region is None
    geom = region_geom_of(m.geom.footprint_rectangle_sky_region if region is None else region, m.geom)
    if geom.is_all_point_sky_regions:
        return geom, as_dtype(_values_at_points(m, geom, weights, method), dtype_name(m.data))
    is_compact = not is_whole and geom.is_drawn
    part, part_weights = m, weights
    if is_compact:
        # only the pixels around the region are reduced
        part = m.cutout(position=geom.center_skydir, width=geom.width)
        part_weights = None if weights is None else weights.cutout(position=geom.center_skydir, width=geom.width)
    values, image = part.data, part.geom.to_image()
    if is_whole:
        xp = array_namespace(values)
        inside = xp.ones(image.data_shape, dtype=xp.bool, device=device_of(values).handle)
    elif is_compact:
        # geom.region, not region: one in pixels refers to the pixels of the map, not to those of the cutout.
        inside = image.region_mask_array([geom.known_region], device=m.device)
    else:
        inside = scattered_mask(m.geom, geom, m.device)
    if part_weights is not None:
        factors = part_weights.data
        inside = inside & factors if is_bool(factors) else inside
        values = values if is_bool(factors) else apply_operator("multiply", values, factors)
    return geom, as_dtype(reduce_in_mask(values, inside, func), dtype_name(m.data))


def scattered_mask(geom: WcsGeom, region_geom: RegionGeom, device: Device) -> Array:
    """Return the mask of a region whose pixels may lie anywhere on the image: around a pole or across a seam.

    Parameters
    ----------
    geom : WcsGeom
    region_geom : RegionGeom
    device : Device

    Returns
    -------
    mask : array of bool on the device, shape (ny, nx)
    """
    image = geom.to_image()
    mask = np.asarray(image.region_mask_array([region_geom.known_region], device="cpu"))
    # a region smaller than a pixel may hold no pixel centre and still lie on the map
    if not (mask.any() or image.contains(region_geom.center_skydir).any()):
        raise NoOverlapError(f"no pixel of the map has its centre in {region_geom.region!r}")
    return to_device(mask, device)


def _values_at_points(m: SkyMap, geom: RegionGeom, weights: SkyMap | None, method: str) -> Array:
    found = geom.get_coord(sparse=True)
    coords: MapCoordLike = found
    center: SkyCoord | None = getattr(geom.region, "center", None)  # None for several points
    if method == "nearest" and center is not None:
        # Not the centre of the pixels that it touches: a point on an edge may lie in another pixel.
        axes = {name: found[name] for name in geom.axes.names}
        coords = {"skycoord": center.reshape((1, 1)), **axes}
    values = m.interp_by_coord(coords, method=method)
    if weights is not None:
        values = values * weights.interp_by_coord(coords, method=method)
    return array_namespace(values).reshape(values, geom.data_shape)


def reduce_in_mask(values: Array, inside: Array, func: Callable[..., object]) -> Array:
    """Reduce the pixels inside a mask, image by image.

    Parameters
    ----------
    values : array of shape (..., ny, nx)
    inside : mask of a shape that broadcasts to it
    func : NumPy function
        One of ``sum, mean, prod, max, min``, their ``nan`` versions, ``any`` and ``all``; on the host, any function
        of a one-dimensional array.

    Returns
    -------
    reduced : array of shape (...)
    """
    name = getattr(func, "__name__", "")
    xp = array_namespace(values)
    if name in ("mean", "nanmean"):
        return _mean(as_dtype(values, "float64"), inside, skip_nan=name == "nanmean")
    try:
        operation = operation_name(name.removeprefix("nan"))
    except ValueError:
        return _each_plane(values, xp.broadcast_to(inside, values.shape), func)
    if operation == "logical_and":
        return xp.all(as_dtype(values, "bool") | ~inside, axis=(-2, -1))
    if operation == "logical_or":
        return xp.any(as_dtype(values, "bool") & inside, axis=(-2, -1))
    if not is_floating(values):
        values = as_dtype(values, "float64")
    if name.startswith("nan"):
        inside = inside & ~xp.isnan(values)
    function, neutral = _NUMBERS[operation]
    # masks keep the shape: pixels outside get the value that does not change the result
    values = xp.where(inside, values, neutral)
    if function == "sum":
        return sum_over(values, (-2, -1))
    reduced: Array = getattr(xp, function)(values, axis=(-2, -1))
    return reduced


def _mean(values: Array, inside: Array, *, skip_nan: bool) -> Array:
    xp = array_namespace(values)
    counted = inside & ~xp.isnan(values) if skip_nan else inside
    total = xp.sum(xp.where(counted, values, 0.0), axis=(-2, -1))
    n_pixel = xp.sum(as_dtype(counted, "float64"), axis=(-2, -1))
    # NaN, not an error, where no pixel counts; avoids a division by zero
    is_known = n_pixel > 0.0
    return xp.where(is_known, total / xp.where(is_known, n_pixel, 1.0), np.nan)


def _each_plane(values: Array, inside: Array, func: Callable[..., object]) -> Array:
    if not (isinstance(values, np.ndarray) and isinstance(inside, np.ndarray)):
        raise DeviceError(
            f"{func!r} needs NumPy arrays, but the map is on device '{device_of(values)}'; use one of sum, mean, "
            'prod, max, min, any and all, or copy the map to the host first with .to("cpu")'
        )
    planes = values.reshape(-1, *values.shape[-2:])
    masks = inside.reshape(planes.shape)
    reduced = [func(plane[mask]) for plane, mask in zip(planes, masks, strict=True)]
    return np.asarray(reduced).reshape(values.shape[:-2])
