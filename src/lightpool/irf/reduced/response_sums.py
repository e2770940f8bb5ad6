"""The sums of a growing stack of reduced responses: exposure times response, and exposure."""

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np

from lightpool.arrays import array_namespace, device_of
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.blocks import in_blocks
from lightpool.arrays.devices.dtypes import dtype_name
from lightpool.arrays.devices.lazy_array import LazyArray, lazy_zeros
from lightpool.arrays.devices.memory import n_bytes_of
from lightpool.irf.reduced.cumulative import finite_or_zero
from lightpool.maps import Map

__all__ = ["ResponseSums", "without_energy"]

_N_WORK = 4  # arrays of the size of the response that are in memory while sums are divided


@dataclass(frozen=True)
class ResponseSums:
    """Sums of a growing stack of responses, see `~lightpool.utils.accumulators.Accumulator`.

    Attributes
    ----------
    total : Map, the sum of exposure times response
    exposure : Map, the sum of the exposures
    unit : Unit of the mean response
    meta : dict, metadata of the mean response
    """

    total: Map
    exposure: Map
    unit: u.UnitBase
    meta: dict[str, Any]

    @classmethod
    def of_response(cls, mean: Map, exposure: Map) -> "ResponseSums":
        """Return the sums of one response, with which a stack begins.

        Parameters
        ----------
        mean : Map, the response
        exposure : Map, copied, because another response may hold it
        """
        unit = mean.unit * exposure.unit
        total = Map.from_geom(mean.geom, data=_product(mean, exposure), unit=unit, device=mean.device)
        return cls(total=total, exposure=exposure.copy(), unit=mean.unit, meta=mean.meta)

    def add(self, factors: list[Map], exposure: Map, weights: Map | None, nan_to_num: bool) -> None:
        """Add a response in place.

        Parameters
        ----------
        factors : list of Map, the response and its exposure, or the sum of their products
        exposure : Map
        weights : Map that multiplies all of them; optional
        nan_to_num : bool, whether values that are not finite count as zero
        """
        self.total.stack_product(factors, weights=weights, nan_to_num=nan_to_num)
        self.exposure.stack(exposure, weights=without_energy(weights), nan_to_num=nan_to_num)

    def stand_in(self) -> Map:
        """Return the mean response without values: it has the geometry, device and data type, and needs no memory."""
        total = self.total
        return type(total)(total.geom, data=total.outline().data, unit=self.unit, meta=self.meta, device=total.device)

    def finish(self) -> Map:
        """Return the mean response, the quotient of the sums."""
        mean = self.stand_in()
        mean.data = _mean_of_sums(self.total.data, self.exposure.data)
        return mean


def _product(mean: Map, exposure: Map) -> Array | LazyArray:
    """Return exposure times response."""
    if isinstance(exposure.stored, LazyArray) and exposure.stored.is_zero:
        return lazy_zeros(mean.geom.data_shape, dtype_name(exposure.stored), mean.device)
    weight = exposure.data
    if isinstance(weight, np.ndarray) and not weight.any():
        return np.zeros(mean.geom.data_shape, weight.dtype)  # memory that is not touched until it is written
    return mean.data * weight


def _mean_of_sums(sums: Array, exposure: Array) -> Array:
    """Divide sums by the exposure; zero where there is no exposure and where the quotient is not finite."""
    xp = array_namespace(sums)

    def part(block: slice) -> Array:
        # (n_energy_true, 1, ny, nx); an exposure of one energy broadcasts.
        weight = exposure[block, ...] if exposure.shape[0] > 1 else exposure
        is_exposed = weight != 0
        mean = sums[block, ...] / xp.where(is_exposed, weight, xp.ones_like(weight))
        return finite_or_zero(xp.where(is_exposed, mean, xp.zeros_like(mean)))

    n_bytes = _N_WORK * n_bytes_of(sums.shape[1:], dtype_name(sums))
    return in_blocks(part, sums.shape[0], n_bytes, device_of(sums))


def without_energy(weights: Map | None) -> Map | None:
    """Return the weights of the exposure: pixels that are used at any reconstructed energy.

    Parameters
    ----------
    weights : Map of bool, or None
    """
    if weights is None or "energy" not in weights.geom.axes.names:
        return weights
    data = weights.data
    xp = array_namespace(data)
    axis = weights.geom.axes.index_data("energy")
    # The exposure does not depend on the reconstructed energy, so one safe energy is enough.
    is_used = xp.any(xp.astype(data, xp.bool), axis=axis, keepdims=True)
    return Map.from_geom(weights.geom.squash(axis_name="energy"), data=is_used, device=weights.device)
