"""Image planes with pixels of their own, joined into one on the sky."""

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import to_device
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.errors import GeometryError
from lightpool.maps.access import MapAccess
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.geoms.planes_geom import PlanesWcsGeom

__all__ = ["any_of_planes", "require_same_pixels", "slices_of_planes", "summed_planes"]


def require_same_pixels(geom: Geom, what: str) -> None:
    """Refuse what would mix pixels at different positions.

    Parameters
    ----------
    geom : Geom
    what : str
        What needs planes with the same pixels, for the error.

    Raises
    ------
    GeometryError
        If the image planes have pixels of their own.
    """
    if not geom.is_regular:
        raise GeometryError(
            f"{what} needs the same pixels in each image plane, and those of this map differ; interpolate the map "
            "on a geometry with the same pixels in all planes first, or use `sum_over_axes`"
        )


def _joined_geom(geom: Geom, axis_name: str) -> Geom:
    squashed: Geom = geom.to_image().to_cube([a.squash() if a.name == axis_name else a for a in geom.axes])
    return squashed


def summed_planes(m: MapAccess, axis_name: str, data: Array) -> MapAccess:
    """Return a map of float64 in which each pixel is added to that which contains its centre.

    The new pixels are those of `to_image` of the geometry. The axis keeps one bin.

    Parameters
    ----------
    m : Map whose planes have pixels of their own
    axis_name : str
    data : array, of the shape of its data

    Raises
    ------
    GeometryError
        If a pixel lies outside the new ones.
    """
    geom = m.geom
    joined = _joined_geom(geom, axis_name)
    new = type(m)(joined, dtype="float64", device=m.device)
    coords, exists = geom.get_coord(), _existing(geom)
    outside = exists & ~np.asarray(joined.to_image().contains({"skycoord": coords.skycoord}))
    if outside.any():
        raise GeometryError(
            f"{int(outside.sum())} of {int(exists.sum())} pixels lie outside the image of this map, which has the "
            "pixel size of the first plane; make the map with the finest and widest plane first, or take planes with "
            "slice_by_idx"
        )
    xp = m.device.xp
    kept = xp.where(to_device(exists, m.device), as_dtype(data, "float64"), 0.0)
    new.fill_by_coord(coords, weights=kept)
    return new


def any_of_planes(m: MapAccess, axis_name: str, data: Array) -> MapAccess:
    """Return a mask that is True where the pixel that contains the position is True in any plane.

    Parameters
    ----------
    m : Map of bool, whose planes have pixels of their own
    axis_name : str
    data : array of bool, of the shape of its data
    """
    mask, joined = m.copy(data=data), _joined_geom(m.geom, axis_name)
    coords = joined.get_coord()
    fixed = {"skycoord": coords.skycoord} | {name: coords[name] for name in joined.axes.names}
    found = m.device.xp.zeros(joined.data_shape, dtype=m.device.xp.bool, device=m.device.handle)
    for center in m.geom.axes[axis_name].center:
        here = fixed | {axis_name: center}
        found = found | as_dtype(mask.get_by_coord(here, fill_value=0.0), "bool")
    return type(m)(joined, data=found, device=m.device)


def _existing(geom: Geom) -> NDArray[np.bool_]:
    """Return where the data have a pixel on the sky; behind those of a plane that has fewer they have not."""
    on_sky: NDArray[np.bool_] = np.isfinite(np.asarray(geom.get_coord().lon, dtype=float))
    if not isinstance(geom, PlanesWcsGeom):
        return on_sky
    n_lon, n_lat = (np.asarray(n).T[..., None, None] for n in geom.npix)
    rows, columns = np.indices(geom.data_shape[-2:])
    inside: NDArray[np.bool_] = (columns < n_lon) & (rows < n_lat)
    return on_sky & inside


def slices_of_planes(geom: Geom) -> tuple[str, list[dict[str, int | slice]]]:
    """Return an axis along which pixels may differ, and the slices of its bins."""
    axis = next(axis for axis in geom.axes if axis.nbin > 1)
    return axis.name, [{axis.name: slice(i, i + 1)} for i in range(axis.nbin)]
