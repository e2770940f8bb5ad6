"""Histograms of the values of a map in a region."""

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device, to_host
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.kernels.binning import bin_index
from lightpool.arrays.kernels.histogram import histogram
from lightpool.errors import GeometryError
from lightpool.maps.axes.axis import MapAxis
from lightpool.typing import UnitLike

__all__ = ["bins_of_values", "histograms_in_mask"]


def bins_of_values(values: Array, mask: Array, nbin: int, unit: UnitLike) -> MapAxis:
    """Return bins around zero that reach as far as the values in a mask; reads one number to the host.

    Parameters
    ----------
    values : array of shape (..., ny, nx)
    mask : array of bool, shape (ny, nx)
    nbin : int
    unit : Unit or str, of the values
    """
    xp = array_namespace(values)
    numbers = as_dtype(values, "float64")
    counted = mask & xp.isfinite(numbers)
    largest = float(to_host(xp.max(xp.where(counted, xp.abs(numbers), 0.0))))  # host: axes are on the host
    if not largest > 0:
        raise GeometryError(
            "the region holds no pixel with a value that is finite and not zero, so that there are no bins for a "
            "histogram; give bins_axis"
        )
    return MapAxis.from_bounds(-largest, largest, nbin=nbin, interp="lin", unit=unit, name="bins")


def histograms_in_mask(values: Array, mask: Array, axis: MapAxis, density: bool) -> Array:
    """Count the values in a mask in bins, for each image; the last bin holds its upper edge, as in NumPy.

    Parameters
    ----------
    values : array of shape (..., ny, nx), in the unit of the axis
    mask : array of bool, shape (ny, nx)
    axis : MapAxis
    density : bool
        Whether to divide by the number of values and the widths of the bins.

    Returns
    -------
    counts : array of float64, shape (..., nbin)
    """
    xp, device = array_namespace(values), device_of(values)
    planes = xp.reshape(as_dtype(values, "float64"), (-1, values.shape[-2] * values.shape[-1]))
    edges = to_device(np.asarray(axis.edges_value), device)
    index = bin_index(planes, edges)
    index = xp.where(planes == edges[-1], axis.nbin - 1, index)
    # -1 is counted nowhere
    index = xp.where(xp.reshape(mask, (1, -1)), index, -1)
    n_plane = planes.shape[0]
    plane = xp.broadcast_to(xp.arange(n_plane, device=device.handle)[:, None], index.shape)
    flat = [xp.reshape(_, (-1,)) for _ in (plane, index)]
    counts = histogram(flat, (n_plane, axis.nbin))
    if density:
        total = xp.sum(counts, axis=-1, keepdims=True)
        widths = to_device(np.diff(axis.edges_value), device)
        counts = counts / (total * widths)
    return xp.reshape(counts, (*values.shape[:-2], axis.nbin))
