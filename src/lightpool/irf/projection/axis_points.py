"""Where coordinates lie between the nodes of the axes of tables: found once for all tables with the same axes."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import interpolation_weights, scale_values
from lightpool.maps import MapAxis
from lightpool.utils.remembered import Remembered

__all__ = ["AxisPoints", "Coordinates"]

Floats = NDArray[np.float64]
Values = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Coordinates at which tables are evaluated.

    Attributes
    ----------
    values : Quantity, shape (n,)
    content : hashable, equal for equal values and units
    """

    values: u.Quantity
    content: Hashable

    @classmethod
    def centers(cls, axis: MapAxis | u.Quantity) -> "Coordinates":
        """Return the bin centres of an axis; a Quantity holds them itself."""
        return cls(axis.center, ("center", axis.content)) if isinstance(axis, MapAxis) else cls._of_values(axis)

    @classmethod
    def edges(cls, axis: MapAxis | u.Quantity) -> "Coordinates":
        """Return the edges of the bins of an axis; a Quantity holds them itself."""
        return cls(axis.edges, ("edges", axis.content)) if isinstance(axis, MapAxis) else cls._of_values(axis)

    @classmethod
    def _of_values(cls, values: u.Quantity) -> "Coordinates":
        values = u.Quantity(values)
        return cls(values, (values.unit, values.dtype.str, values.value.tobytes()))


@dataclass(frozen=True, eq=False)
class AxisPoints:
    """Coordinates on the axis of a table.

    Attributes
    ----------
    x : ndarray of float64, shape (n,), in the unit of the axis
    outside : ndarray of bool, shape (n,); what is not a number is outside, both edges are inside
    n_node : int, number of bins of the axis
    lower : ndarray of int64, shape (n,), the node below
    above : ndarray of float64, shape (n,), weight of the node above, see `~lightpool.arrays.interpolation_weights`
    """

    x: Floats
    outside: NDArray[np.bool_]
    n_node: int
    lower: NDArray[np.int64]
    above: Floats

    @classmethod
    def on(cls, axis: MapAxis, coords: Coordinates) -> "AxisPoints":
        """Find coordinates on an axis.

        Parameters
        ----------
        axis : MapAxis, of a table
        coords : Coordinates
        """
        return _POINTS.get((axis.content, coords.content), lambda: cls._find(axis, coords.values))

    @classmethod
    def _find(cls, axis: MapAxis, wanted: u.Quantity) -> "AxisPoints":
        x = wanted.to_value(axis.unit).astype(np.float64)
        # Negated, so that NaN is outside; both edges are inside.
        outside = ~((x >= axis.edges_value[0]) & (x <= axis.edges_value[-1]))
        nodes = scale_values(axis.center_value, axis.interp)
        return cls(x, outside, axis.nbin, *interpolation_weights(scale_values(x, axis.interp), nodes))

    @cached_property
    def upper(self) -> NDArray[np.int64]:
        """The node above, that below if there is one node."""
        return np.minimum(self.lower + 1, self.n_node - 1)

    @cached_property
    def below(self) -> Floats:
        """Weight of the node below."""
        return 1 - self.above

    @cached_property
    def are_nodes(self) -> bool:
        """Whether the points are all nodes, in their order."""
        numbers = self.lower + self.above  # the weight is exactly 0 or 1 at a node
        return len(numbers) == self.n_node and bool((numbers == np.arange(self.n_node)).all())

    @cached_property
    def extrapolates(self) -> bool:
        """Whether some coordinates lie beyond the outer nodes."""
        return bool(np.any((self.above < 0) | (self.above > 1)))

    def interpolate(self, values: Values, dim: int) -> Floats:
        """Interpolate the values at the nodes along a dimension; returns a new array.

        Parameters
        ----------
        values : ndarray, n_node long in the dimension
        dim : int
        """
        # At a node the other one has no weight; but zero times what is not finite is a hole.
        if self.n_node == 1 or (self.are_nodes and np.isfinite(values).all()):
            return np.array(values if self.are_nodes else _taken(values, self.lower, dim), dtype=np.float64)
        shape = (-1, *(1,) * (values.ndim - dim - 1))
        with np.errstate(invalid="ignore"):  # not a number and infinities stay what they are: holes
            low: Floats = np.multiply(_taken(values, self.lower, dim), self.below.reshape(shape))
            low += np.multiply(_taken(values, self.upper, dim), self.above.reshape(shape))
        return low

    @cached_property
    def used(self) -> "tuple[slice, AxisPoints]":
        """Return the nodes that have a weight at some point, and the points on these nodes alone."""
        first, last = int(self.lower.min(initial=self.n_node)), int(self.upper.max(initial=0))
        if first > last:  # no point at all
            return slice(0, self.n_node), self
        return slice(first, last + 1), replace(self, n_node=last + 1 - first, lower=self.lower - first)


_POINTS = Remembered[AxisPoints](512)


def _taken(values: Values, index: NDArray[np.int64], dim: int) -> Values:
    selection: tuple[slice | NDArray[np.int64], ...] = (*(slice(None),) * dim, index)
    taken: Values = values[selection]
    return taken
