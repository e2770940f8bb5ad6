"""Arrays on geometries whose image planes have pixels of their own, computed plane by plane."""

from collections.abc import Sequence

from lightpool.arrays import Device, array_namespace, device_of
from lightpool.arrays.devices.array_types import Array
from lightpool.errors import GeometryError
from lightpool.maps import Geom

__all__ = ["existing_pixels", "joined_planes", "planes_of"]


def planes_of(geom: Geom) -> list[Geom]:
    """Return the geometries of the planes at each energy, with one bin of energy.

    Parameters
    ----------
    geom : Geom with the axis ``energy``

    Raises
    ------
    GeometryError
        If the pixels differ along another axis too.
    """
    planes: list[Geom] = [geom.slice_by_idx({"energy": slice(i, i + 1)}) for i in range(geom.axes["energy"].nbin)]
    if not all(plane.is_regular for plane in planes):
        raise GeometryError(
            f"pixels may differ along the axis 'energy' only, got a geometry with the axes {geom.axes.names} whose "
            "pixels differ along others too; make a geometry for each of their bins"
        )
    return planes


def joined_planes(geom: Geom, planes: Sequence[Array], fill: float | bool) -> Array:
    """Return planes as the data of their geometry.

    Parameters
    ----------
    geom : Geom
    planes : sequence of arrays, shape (..., 1 bin of energy, pixels of the plane)
    fill : number
        Value of the places behind the pixels of a plane that has fewer than others.
    """
    xp, shape = array_namespace(planes[0]), geom.data_shape
    axis = geom.axes.index_data("energy")
    return xp.concat([_padded(plane, (*shape[:axis], 1, *shape[axis + 1 :]), fill) for plane in planes], axis=axis)


def _padded(data: Array, shape: tuple[int, ...], fill: float | bool) -> Array:
    """Return an array with further elements at the ends of its dimensions."""
    xp = array_namespace(data)
    for axis, length in enumerate(shape):
        if data.shape[axis] < length:
            more = (*data.shape[:axis], length - data.shape[axis], *data.shape[axis + 1 :])
            rest = xp.full(more, fill, dtype=data.dtype, device=device_of(data).handle)
            data = xp.concat([data, rest], axis=axis)
    return data


def existing_pixels(geom: Geom, device: Device) -> Array:
    """Return where the data of a geometry have a pixel: array of bool, shape of the data.

    Parameters
    ----------
    geom : Geom
    device : Device of the result
    """
    planes = [device.xp.ones(plane.data_shape, dtype=device.xp.bool, device=device.handle) for plane in planes_of(geom)]
    return joined_planes(geom, planes, False)
