"""Nodes along one quantity, and the rule that turns values into pixel coordinates and back."""

import copy as copying
from collections.abc import Callable, Hashable, Iterator
from functools import cached_property
from typing import Any, Self, TypeVar
from weakref import WeakValueDictionary

import astropy.units as u
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import Device, array_namespace, device_of, find_device
from lightpool.arrays.kernels import binning
from lightpool.maps.axes.axis_base import AxisBase, AxisCoord, check_name
from lightpool.maps.axes.axis_nodes import (
    BOUNDARY_TYPES,
    ENERGY_NAMES,
    INTERPOLATIONS,
    NODE_TYPES,
    check_choice,
    node_values,
)
from lightpool.typing import QuantityLike, UnitLike

__all__ = ["NodeAxis"]

_Axis = TypeVar("_Axis", bound="NodeAxis")


class _Content:
    """Stands for the bins of axes in keys: it is compared by identity, which is fast."""

    __slots__ = ("__weakref__", "_bins")

    def __init__(self, bins: Hashable) -> None:
        self._bins = bins

    def __reduce__(self) -> tuple[Callable[[Hashable], "_Content"], tuple[Hashable]]:
        return _content_of, (self._bins,)


_contents: WeakValueDictionary[Hashable, _Content] = WeakValueDictionary()


def _content_of(bins: Hashable) -> _Content:
    found = _contents.get(bins)
    return _contents.setdefault(bins, _Content(bins)) if found is None else found


class NodeAxis(AxisBase):
    """Edges, centres and pixel coordinates of an axis of numbers; `MapAxis` adds how to make one from another.

    Parameters
    ----------
    nodes, interp, name, node_type, unit, boundary_type : see `MapAxis`
    """

    _consumed = ("nodes",)

    def __init__(
        self,
        nodes: QuantityLike,
        interp: str = "lin",
        name: str = "",
        node_type: str = "edges",
        unit: UnitLike = "",
        boundary_type: str = "monotonic",
    ) -> None:
        self._name = check_name(name)
        label = f"MapAxis {name!r}"
        interp = "lin" if interp == "linear" else interp  # two spellings, as in Gammapy
        self._interp = check_choice(interp, INTERPOLATIONS, f"interp of {label}")
        self._node_type = check_choice(node_type, NODE_TYPES, f"node_type of {label}")
        self._boundary_type = check_choice(boundary_type, BOUNDARY_TYPES, f"boundary_type of {label}")
        self._nodes, self._unit = node_values(nodes, unit, label)
        if node_type == "edges" and len(self._nodes) < 2:
            raise ValueError(f"{label} needs at least two edges, got {self._nodes}")
        if interp != "lin" and np.any(self._nodes < 0):
            raise ValueError(f"{label} with interp={interp!r} cannot have negative nodes, got {self._nodes}")
        if boundary_type == "periodic" and interp != "lin":
            raise ValueError(f"{label} is periodic and so needs interp='lin', got {interp!r}")
        self._on_device: dict[tuple[str, Device], Array] = {}
        self._given_edges: NDArray[np.float64] | None = None

    def __reduce__(self) -> tuple[type["NodeAxis"], tuple[object, ...], dict[str, NDArray[np.float64] | None]]:
        # without the copies on devices, which are made again where they are needed
        arguments = (self._nodes, self._interp, self._name, self._node_type, self._unit, self._boundary_type)
        return type(self), arguments, {"_given_edges": self._given_edges}

    # --- what it is

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the coordinate."""
        return self._unit

    @property
    def interp(self) -> str:
        """Scale on which pixel coordinates are linear: "lin", "log" or "sqrt"."""
        return self._interp

    @property
    def node_type(self) -> str:
        """Whether the nodes are "edges" or "center"."""
        return self._node_type

    @property
    def boundary_type(self) -> str:
        """Whether values outside are wrapped: "monotonic" or "periodic"."""
        return self._boundary_type

    @property
    def nbin(self) -> int:
        """Number of bins."""
        return len(self._nodes) - (self._node_type == "edges")

    @cached_property
    def content(self) -> Hashable:
        """What stands for everything that determines the bins, in keys: it is one object for all axes of equal bins.

        Unlike the equality of axes, it has no tolerance.
        """
        edges = None if self._given_edges is None else self._given_edges.tobytes()
        return _content_of(
            (self._interp, self._node_type, self._boundary_type, self._unit, self._nodes.tobytes(), edges)
        )

    @property
    def is_energy_axis(self) -> bool:
        """Whether the axis is named "energy" or "energy_true"."""
        return self.name in ENERGY_NAMES

    @property
    def nodes_value(self) -> NDArray[np.float64]:
        """Nodes as plain numbers, edges or centres, unit `unit`, on the host."""
        return self._nodes

    @cached_property
    def edges_value(self) -> NDArray[np.float64]:
        """Bin edges as plain numbers, shape (nbin + 1,), unit `unit`, on the host."""
        if self._given_edges is not None:
            return self._given_edges
        return _frozen(self._pix_to_value(np.arange(self.nbin + 1, dtype=np.float64) - 0.5))

    @cached_property
    def center_value(self) -> NDArray[np.float64]:
        """Bin centres as plain numbers, shape (nbin,), unit `unit`, on the host."""
        return _frozen(self._pix_to_value(np.arange(self.nbin, dtype=np.float64)))

    @cached_property
    def edges(self) -> u.Quantity:
        """Bin edges, shape (nbin + 1,)."""
        return u.Quantity(self.edges_value, self.unit, copy=None)

    @cached_property
    def center(self) -> u.Quantity:
        """Bin centres, shape (nbin,)."""
        return u.Quantity(self.center_value, self.unit, copy=None)

    @cached_property
    def center_pix(self) -> NDArray[np.float64]:
        """Pixel coordinates of the bin centres, whole numbers up to rounding, shape (nbin,)."""
        return _frozen(self.coord_to_pix(self.center_value))

    @property
    def edges_min(self) -> u.Quantity:
        """Lower bin edges, shape (nbin,)."""
        return self.edges[:-1]

    @property
    def edges_max(self) -> u.Quantity:
        """Upper bin edges, shape (nbin,)."""
        return self.edges[1:]

    @cached_property
    def bin_width(self) -> u.Quantity:
        """Bin widths, shape (nbin,)."""
        return self.edges[1:] - self.edges[:-1]

    @property
    def bounds(self) -> u.Quantity:
        """First and last edge, or first and last centre if the nodes are centres; shape (2,)."""
        return (self.edges if self.node_type == "edges" else self.center)[[0, -1]]

    @property
    def iter_by_edges(self) -> Iterator[tuple[u.Quantity, u.Quantity]]:
        """Lower and upper edge of one bin after another."""
        yield from zip(self.edges_min, self.edges_max, strict=True)

    @property
    def nbin_per_decade(self) -> float:
        """Number of bins per factor of ten, for axes with ``interp="log"``."""
        if self.interp != "log":
            raise ValueError(f"axis {self.name!r} has interp={self.interp!r}; bins per decade need 'log'")
        lower, upper = np.sort(self.bounds.value)
        return float(self.nbin / np.log10(upper / lower))

    def _values_on(self, which: str, device: str | Device | None) -> Array:
        target = find_device(device)
        key = (which, target)
        if key not in self._on_device:
            self._on_device[key] = constant(getattr(self, which), target)
        return self._on_device[key]

    def with_rounded_edges(self, edges: NDArray[np.float64]) -> Self:
        """Return an axis of the same nodes with edges that another program computed from them.

        They differ by rounding, which decides to which bin an event on an edge belongs.

        Parameters
        ----------
        edges : array of float64, shape (nbin + 1,), unit `unit`

        Raises
        ------
        ValueError
            If they differ by more.
        """
        # an edge near zero may be the difference of large numbers
        rounding = 1e-9 * np.abs(self.edges_value).max()
        if not (
            edges.shape == self.edges_value.shape and np.allclose(edges, self.edges_value, rtol=1e-9, atol=rounding)
        ):
            raise ValueError(f"axis {self.name!r} has the edges {self.edges_value}, got {edges}")
        axis = copying.copy(self)
        # a copy, which nobody else can write to
        axis._given_edges = _frozen(np.array(edges, dtype=np.float64))
        return axis

    def _with_same_edges(self, axis: _Axis) -> _Axis:
        """Give the edges of this axis, if another program computed them, to one with the same nodes."""
        axis._given_edges = self._given_edges
        return axis

    # --- coordinates

    def coord_to_pix(self, coord: AxisCoord) -> NDArray[np.float64]:
        """Return the pixel coordinates of values.

        Parameters
        ----------
        coord : Quantity, or array of float in unit `unit`

        Returns
        -------
        pix : array of float64, shape of ``coord`` but at least one-dimensional; outside the nodes extrapolated
        """
        with np.errstate(invalid="ignore"):  # infinity becomes NaN
            return np.asarray(self.coord_to_pix_array(np.atleast_1d(self._values(coord))))

    def coord_to_pix_array(self, coord: Array) -> Array:
        """Return the pixel coordinates of plain values (unit `unit`) on any device.

        Rounding takes no value out of its bin.
        """
        device, coord = device_of(coord), self._wrapped(coord)
        pix = binning.coord_to_pix(
            coord, self._values_on("_ascending_nodes", device), self.interp, node_type=self.node_type
        )
        if self._is_descending:
            # found on the ascending nodes, counted from the other end
            pix = (self.nbin - 1.0) - pix
        if len(self._nodes) == 1:
            return pix
        return binning.pix_in_bins(
            pix, coord, self._values_on("_ascending_edges", device), is_descending=self._is_descending
        )

    def pix_to_coord(self, pix: ArrayLike) -> u.Quantity:
        """Return the values at pixel coordinates, extrapolated outside the nodes."""
        return u.Quantity(self._pix_to_value(np.asarray(pix, dtype=np.float64)), self.unit, copy=None)

    def _pix_to_value(self, pix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at pixel coordinates; at a node it is the node, which a logarithm and back would round."""
        values = binning.pix_to_coord(pix, self._nodes, self.interp, node_type=self.node_type)
        # number of the node: edges are half a pixel below the centres of their bins
        number = np.asarray(pix) + (0.5 if self.node_type == "edges" else 0.0)
        is_node = (number == np.floor(number)) & (number >= 0) & (number < len(self._nodes))
        index = np.where(is_node, number, 0.0).astype(np.int64)
        return np.where(is_node, self._nodes[index], np.asarray(values))

    def coord_to_idx(self, coord: AxisCoord, clip: bool = False) -> NDArray[np.int64]:
        """Return the bins of values: lower edges belong to their bin, upper edges to the next one.

        Parameters
        ----------
        coord : Quantity, or array of float in unit `unit`
        clip : whether values outside get the nearest bin instead of -1

        Returns
        -------
        index : array of int64, shape of ``coord`` but at least one-dimensional; -1 outside and for NaN and infinity
        """
        with np.errstate(invalid="ignore"):
            return np.asarray(self.coord_to_idx_array(np.atleast_1d(self._values(coord)), clip=clip))

    def coord_to_idx_array(self, coord: Array, clip: bool = False) -> Array:
        """Return the bins of plain values on any device.

        Parameters
        ----------
        coord : array of float64, any shape, unit `unit`
        clip : whether values outside get the nearest bin instead of -1

        Returns
        -------
        index : array of int64, shape of ``coord``, see `coord_to_idx`
        """
        xp = array_namespace(coord)
        coord = self._wrapped(coord)
        index = binning.bin_index(coord, self._values_on("_ascending_edges", device_of(coord)), clip=clip)
        if len(self._nodes) == 1:  # its only bin has no width and holds the node itself
            index = xp.where(coord == float(self._nodes[0]), xp.zeros_like(index), index)
        return xp.where(index < 0, index, self.nbin - 1 - index) if self._is_descending else index

    def plain_edges(self, device: str | Device | None = None) -> Array | None:
        """Return the edges on a device if `lightpool.arrays.bin_index` finds the bins by them alone, else None.

        None is returned for axes in descending order, periodic ones, and those of a single node.
        """
        if self._is_descending or self._boundary_type == "periodic" or len(self._nodes) == 1:
            return None
        return self._values_on("_ascending_edges", device)

    @property
    def _is_descending(self) -> bool:
        return bool(self._nodes[0] > self._nodes[-1])

    @property
    def _ascending_nodes(self) -> NDArray[np.float64]:
        # a copy: PyTorch has no arrays with a negative stride
        return self._nodes[::-1].copy() if self._is_descending else self._nodes

    @property
    def _ascending_edges(self) -> NDArray[np.float64]:
        return self.edges_value[::-1].copy() if self._is_descending else self.edges_value

    def pix_to_idx(self, pix: ArrayLike, clip: bool = False) -> NDArray[Any]:
        """Return pixel coordinates where they are inside [0, nbin), and -1 elsewhere.

        Parameters
        ----------
        pix : array of int or float
        clip : whether coordinates outside become those of the nearest bin instead of -1

        Returns
        -------
        pix : array of the type and shape of ``pix``
        """
        pix = np.asarray(pix)
        if clip:
            return np.asarray(np.clip(pix, 0, self.nbin - 1))
        return np.asarray(np.where((pix < 0) | (pix >= self.nbin), -1, pix))

    def wrap_coord(self, coord: AxisCoord) -> u.Quantity:
        """Return the values shifted by whole periods into the range of the axis."""
        return u.Quantity(self._wrap(np.asarray(self._values(coord))), self.unit, copy=None)

    def round(self, coord: AxisCoord, clip: bool = False) -> u.Quantity:
        """Return the edges that are nearest to values, on the scale of the axis.

        Parameters
        ----------
        coord : Quantity, or array of float in unit `unit`
        clip : whether to keep values outside within the range of the axis, instead of extrapolating it
        """
        pix = self.coord_to_pix(coord)
        if clip:
            pix = np.clip(pix, -0.5, self.nbin - 0.5)
        return self.pix_to_coord(np.round(pix + 0.5) - 0.5)

    def _values(self, coord: AxisCoord) -> NDArray[np.float64]:
        """Return plain float64 in the unit of the axis; numbers without a unit are taken to be in it."""
        unit = getattr(coord, "unit", None)
        # a list may hold quantities with units of their own, which Quantity converts
        if unit is None or unit == self.unit or isinstance(coord, list | tuple):
            return u.Quantity(coord, self.unit, dtype=np.float64, copy=None).value
        return self.values_from_unit(u.Quantity(coord, dtype=np.float64, copy=None).value, unit)

    def to_axis_unit(self, coord: QuantityLike) -> u.Quantity:
        """Return values in the unit of the axis; those that are an edge up to rounding become the edge."""
        return u.Quantity(self._values(u.Quantity(coord)), self.unit, copy=None)

    def values_from_unit(self, values: NDArray[np.float64], unit: u.UnitBase) -> NDArray[np.float64]:
        """Return plain values in the unit of the axis from plain values in another unit, on the host.

        A value that is an edge up to the rounding of the conversion becomes the edge: 0.29 TeV lie on an edge at
        290 GeV, whichever way the product is rounded.

        Parameters
        ----------
        values : array of float64
        unit : Unit of the values
        """
        if unit == self.unit:
            return values
        converted = unit.to(self.unit, values)
        return binning.snap_to_edges(np.asarray(converted, dtype=np.float64), self._ascending_edges)

    def _wrapped(self, coord: Array) -> Array:
        return self._wrap(coord) if self._boundary_type == "periodic" else coord

    def _wrap(self, coord: Array) -> Array:
        # (x - lower) % period rounds, so values that are inside stay as they are
        lower, upper = float(np.min(self.edges_value)), float(np.max(self.edges_value))
        is_outside = (coord >= upper) | (coord < lower)
        return array_namespace(coord).where(is_outside, (coord - lower) % (upper - lower) + lower, coord)


def _frozen(values: NDArray[np.float64]) -> NDArray[np.float64]:
    values.flags.writeable = False
    return values
