"""Maps whose pixels differ by image plane: what is done one plane after the other."""

from collections.abc import Iterator
from typing import Any

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device, to_host
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.maps.coord import CoordArray, MapCoord, MapCoordLike
from lightpool.maps.geoms.planes_geom import PlanesWcsGeom

__all__ = ["empty_planes", "interpolated_scattered", "moved_planes"]


def empty_planes(data: Array, geom: PlanesWcsGeom) -> Array:
    """Return zeros, and NaN where a pixel of a floating-point map is not on the sky.

    Parameters
    ----------
    data : array of zeros, of the shape of the geometry
    geom : PlanesWcsGeom
    """
    xp = array_namespace(data)
    on_sky = np.isfinite(np.asarray(geom.get_coord().lon))
    return xp.where(to_device(on_sky, device_of(data)), data, float("nan"))


def _planes(geom: PlanesWcsGeom) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """Iterate over the indices of the planes in the data, with their numbers of pixels (x, y)."""
    n_lon, n_lat = geom.npix
    for index in np.ndindex(n_lon.shape):
        yield index[::-1], int(n_lon[index]), int(n_lat[index])


def moved_planes(data: Array, geom: PlanesWcsGeom, out: Array, more: tuple[int, int], cval: float) -> Array:
    """Copy each plane into a larger or smaller one.

    Parameters
    ----------
    data : array on the present planes
    geom : PlanesWcsGeom, the present planes
    out : array of the shape of the new planes, which is overwritten
    more : number of pixels (x, y) that are added at each border, or removed if negative
    cval : value of added pixels
    """
    for index, n_x, n_y in _planes(geom):
        new_x, new_y = n_x + 2 * more[0], n_y + 2 * more[1]
        if max(more) > 0:
            out[(*index, slice(0, new_y), slice(0, new_x))] = cval
        (old_x, to_x), (old_y, to_y) = (_shared(n, m) for n, m in zip((n_x, n_y), more, strict=True))
        out[(*index, to_y, to_x)] = data[(*index, old_y, old_x)]
    return out


def _shared(n: int, more: int) -> tuple[slice, slice]:
    """Return the pixels that a plane and the larger or smaller one share, on the one and on the other."""
    if more >= 0:
        return slice(0, n), slice(more, more + n)
    return slice(-more, n + more), slice(0, n + 2 * more)


def interpolated_scattered(data: Array, geom: PlanesWcsGeom, coords: MapCoordLike, method: str) -> Array:
    """Interpolate between all pixels of a map, as points in all dimensions; beyond them the nearest pixel counts.

    As in Gammapy, distances are those of the numbers of the coordinates. It happens on the host.

    Parameters
    ----------
    data : array
    geom : PlanesWcsGeom
    coords : tuple, dict or MapCoord
    method : ``linear`` or ``nearest``
    """
    from scipy.interpolate import griddata  # heavy

    if method not in ("linear", "nearest"):
        raise ValueError(f"interpolation method {method!r} is not known; it must be 'linear' or 'nearest'")
    centers = geom.get_coord()
    values = to_host(as_dtype(data, "float64"))  # host: SciPy
    used = np.isfinite(values) & np.isfinite(np.asarray(centers.lon))
    wanted = MapCoord.create(coords, frame=geom.frame, axis_names=geom.axes.names)
    points, places = [], []
    for name in geom.axes_names:
        known = centers[name]
        points.append(_plain(known, known)[used])
        places.append(_plain(wanted[name], known))
    places = list(np.broadcast_arrays(*places))
    known_points: Any = tuple(points)
    interpolate: Any = griddata
    found = np.atleast_1d(interpolate(known_points, values[used], tuple(places), method=method))
    missing = ~np.isfinite(found)
    if np.any(missing):
        left_out = tuple(np.atleast_1d(_)[missing] for _ in places)
        found[missing] = interpolate(known_points, values[used], left_out, method="nearest")
    return to_device(found, device_of(data))


def _plain(values: CoordArray, like: CoordArray) -> NDArray[np.float64]:
    unit = getattr(like, "unit", None)
    if unit is not None and isinstance(values, u.Quantity):
        return np.asarray(values.to_value(unit), dtype=float)
    return np.asarray(values, dtype=float)
