"""Responses with joined bins of an axis: which responses are summed, which are averaged, and with which weights."""

from collections.abc import Sequence

import numpy as np

from lightpool.arrays import array_namespace, to_device
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name
from lightpool.arrays.kernels.reductions import block_sum
from lightpool.irf.reduced.cumulative import ring_areas
from lightpool.maps import Map
from lightpool.maps.upsampling import repeated

__all__ = ["joined_exposure", "joined_response"]


def joined_response(
    irf_map: Map,
    exposure: Map | None,
    factor: int,
    axis_name: str,
    summed_axes: Sequence[str],
    energy_name: str,
    weights: Map | None = None,
) -> Map:
    """Return the map of a response with joined bins of one axis.

    Along the energy axis of the exposure, the response is averaged with the exposure as weight, as in a stack; where
    the exposure is zero, with equal weights. A density (along ``rad`` or ``migra``) is averaged with the widths of its
    bins as weights. The probabilities of bins of reconstructed energy are summed.

    Parameters
    ----------
    irf_map, exposure : Map, the response and its exposure
    factor : int, number of bins that are joined into one
    axis_name : str
    summed_axes : sequence of str, axes over whose bins the response is a probability
    energy_name : str, axis along which the response is weighted by the exposure
    weights : Map, optional, by which the response is multiplied first
    """
    if weights is not None:
        irf_map = irf_map.copy(data=irf_map.data * as_dtype(weights.data, dtype_name(irf_map.data)))
    if factor in (None, 1):
        return irf_map.copy()
    geom, data = irf_map.geom.downsample(factor, axis_name=axis_name), irf_map.data
    blocks = [1] * data.ndim
    blocks[irf_map.geom.axes.index_data(axis_name)] = factor
    if axis_name in summed_axes:
        joined = block_sum(data, blocks)
    else:
        share = _weights(irf_map, exposure if axis_name == energy_name else None, blocks, axis_name)
        joined = block_sum(data * share, blocks) / block_sum(share, blocks)
    return Map.from_geom(
        geom, data=as_dtype(joined, dtype_name(data)), unit=irf_map.unit, meta=irf_map.meta, device=irf_map.device
    )


def joined_exposure(exposure: Map | None, factor: int, axis_name: str) -> Map | None:
    """Return the exposure with joined bins of one axis: their mean, or a copy if it does not depend on the axis.

    Parameters
    ----------
    exposure : Map or None
    factor : int, number of bins that are joined into one
    axis_name : str
    """
    if exposure is None or axis_name not in exposure.geom.axes.names or exposure.geom.axes[axis_name].nbin == 1:
        return None if exposure is None else exposure.copy()
    return exposure.downsample(factor=factor, axis_name=axis_name, preserve_counts=False)


def _weights(irf_map: Map, exposure: Map | None, blocks: list[int], axis_name: str) -> Array:
    """Return the weights of bins in a mean, of a shape that broadcasts with the response; no block sums to zero."""
    axes, dimension = irf_map.geom.axes, irf_map.geom.axes.index_data(axis_name)
    if exposure is not None:
        weight = exposure.data
        xp = array_namespace(weight)
        # The sum of each block, at every bin of the block.
        spread = repeated(block_sum(weight, blocks), blocks)
        return xp.where(spread > 0, weight, xp.ones_like(weight))
    widths = np.ones(axes[axis_name].nbin)
    if axis_name == "rad":
        widths = ring_areas(axes["rad"].edges_value, axes["rad"].center_value)
    elif axis_name == "migra":
        widths = np.diff(axes["migra"].edges_value)
    # One weight for each bin of the axis, the same in all pixels.
    shape = [1] * irf_map.data.ndim
    shape[dimension] = axes[axis_name].nbin
    return to_device(widths.reshape(shape), irf_map.device, dtype=dtype_name(irf_map.data))
