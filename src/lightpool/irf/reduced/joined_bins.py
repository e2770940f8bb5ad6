"""Responses with bins of an axis joined: which of them are added up, and which are averaged, and with which weights."""

from typing import TYPE_CHECKING, Any

import numpy as np

from lightpool.arrays import array_namespace, to_device
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name
from lightpool.arrays.kernels.reductions import block_sum
from lightpool.irf.reduced.cumulative import ring_areas
from lightpool.maps import Map
from lightpool.maps.upsampling import repeated

if TYPE_CHECKING:
    from lightpool.irf.reduced.irf_map import IRFMap

__all__ = ["joined_exposure", "joined_response"]


def joined_response(irf: "IRFMap", factor: int, axis_name: str, weights: Map | None = None) -> Map:
    """Map of a response with bins of one axis joined.

    Along the energy of the exposure, the response is the mean weighted by the exposure, as in a stack; where there is
    none, the plain mean. A density (along ``rad`` or ``migra``) is the mean weighted by the widths of its bins. The
    probabilities of the bins of reconstructed energy are added up.

    Parameters
    ----------
    irf : IRFMap
    factor : int, how many bins are joined
    axis_name : str
    weights : Map that multiplies the response before, optional
    """
    irf_map: Any = irf._irf_map
    if weights is not None:
        irf_map = irf_map.copy(data=irf_map.data * as_dtype(weights.data, dtype_name(irf_map.data)))
    if factor in (None, 1):
        unchanged: Map = irf_map.copy()
        return unchanged
    geom, data = irf_map.geom.downsample(factor, axis_name=axis_name), irf_map.data
    blocks = [1] * data.ndim
    blocks[irf_map.geom.axes.index_data(axis_name)] = factor
    if axis_name in irf.summed_axes:
        joined = block_sum(data, blocks)
    else:
        share = _weights(irf, irf_map, blocks, axis_name)
        joined = block_sum(data * share, blocks) / block_sum(share, blocks)
    new: Map = Map.from_geom(
        geom, data=as_dtype(joined, dtype_name(data)), unit=irf_map.unit, meta=irf_map.meta, device=irf_map.device
    )
    return new


def joined_exposure(irf: "IRFMap", factor: int, axis_name: str) -> Map | None:
    """Exposure with bins of one axis joined: their mean, or a copy if it does not depend on the axis."""
    exposure: Any = irf.exposure_map
    if exposure is None or axis_name not in exposure.geom.axes.names or exposure.geom.axes[axis_name].nbin == 1:
        return None if exposure is None else exposure.copy()
    mean: Map = exposure.downsample(factor=factor, axis_name=axis_name, preserve_counts=False)
    return mean


def _weights(irf: "IRFMap", irf_map: Any, blocks: list[int], axis_name: str) -> Array:
    """Weights of the bins of an axis in a mean, of a shape that broadcasts with the response; no block sums to zero."""
    axis, place = irf_map.geom.axes[axis_name], irf_map.geom.axes.index_data(axis_name)
    if axis_name == irf.required_axes[-1] and irf.exposure_map is not None:
        exposure = irf.exposure_map.data
        xp = array_namespace(exposure)
        spread = repeated(block_sum(exposure, blocks), blocks)
        return xp.where(spread > 0, exposure, xp.ones_like(exposure))
    widths = np.ones(axis.nbin)
    if axis_name == "rad":
        widths = ring_areas(axis.edges_value, axis.center_value)
    elif axis_name == "migra":
        widths = np.diff(axis.edges_value)
    shape = [1] * irf_map.data.ndim
    shape[place] = axis.nbin
    return to_device(widths.reshape(shape), irf_map.device, dtype=dtype_name(irf_map.data))
