"""Solid angles and bin volumes of a geometry as plain arrays on a device."""

import astropy.units as u
import numpy as np
from numpy.typing import ArrayLike

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, to_device
from lightpool.maps.geoms.geom import Geom

__all__ = ["along_axis", "bin_volume_of"]


def along_axis(values: ArrayLike, geom: Geom, axis_name: str, device: Device) -> Array:
    """Return host values, one for each bin of an axis, on a device in a shape that broadcasts to the data.

    Parameters
    ----------
    values : array of float, shape (nbin,)
    geom : Geom
    axis_name : str
    device : Device
    """
    shape = [1] * len(geom.data_shape)
    shape[geom.axes.index_data(axis_name)] = -1
    return to_device(np.asarray(values, dtype=float).reshape(shape), device)


def bin_volume_of(geom: Geom, device: Device) -> Array:
    """Return the solid angle in sr times the widths of the bins in the units of the axes.

    Parameters
    ----------
    geom : Geom
    device : Device

    Returns
    -------
    volume : array of float64 that broadcasts to the data of the geometry
    """
    volume = geom.solid_angle_array(device)
    for axis in geom.axes:
        # the bins of a label axis have plain numbers as widths
        volume = volume * along_axis(u.Quantity(axis.bin_width, copy=None).value, geom, axis.name, device)
    return volume
