"""Solid angles and bin volumes of a geometry as plain arrays on a device."""

from typing import Any

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, to_device

__all__ = ["along_axis", "bin_volume_of", "solid_angle_of"]


def along_axis(values: Any, geom: Any, axis_name: str, device: Device) -> Array:
    """Host values, one for each bin of an axis, on a device in a shape that broadcasts to the data."""
    shape = [1] * len(geom.data_shape)
    shape[geom.axes.index_data(axis_name)] = -1
    return to_device(np.asarray(values, dtype=float).reshape(shape), device)


def solid_angle_of(geom: Any, device: Device) -> Array:
    """Solid angle of the pixels in sr; broadcasts to the data of the geometry."""
    if hasattr(geom, "solid_angle_array"):
        return geom.solid_angle_array(device)
    return to_device(np.asarray(geom.solid_angle().to_value("sr")), device)


def bin_volume_of(geom: Any, device: Device) -> Array:
    """Solid angle in sr times the widths of the bins in the units of the axes; broadcasts to the data."""
    volume = solid_angle_of(geom, device)
    for axis in geom.axes:
        volume = volume * along_axis(axis.bin_width.value, geom, axis.name, device)
    return volume
