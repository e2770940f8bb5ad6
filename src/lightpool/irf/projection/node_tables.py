"""Node tables: a response table at the energies of a dataset, with only the position in the field of view left open.

From one pixel to the next only the offset changes (or fov_lon and fov_lat), and a table is multilinear in its axes. So
it is interpolated in all other coordinates first, on the host, which leaves a tiny table
(`lightpool.irf.projection.tables_at_energies`). Integrals and norms over another axis are linear too, and are computed
from the node table. `lightpool.irf.projection.project` multiplies node tables with the weights of the pixels.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import Constant, Device
from lightpool.arrays.devices.array_types import Array

__all__ = ["BackgroundNodes", "DensityNodes", "DeviceTables", "KernelNodes", "NodeTable", "SplitRates"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class DeviceTables(ABC):
    """Arrays on the host of which each device keeps a copy, identified by their content."""

    _constants: dict[tuple[str, str], Constant] = field(default_factory=dict, repr=False)

    def on(self, device: Device, name: str, dtype: str = "float64") -> Array:
        """Return an array on a device.

        Parameters
        ----------
        device : Device
        name : str, attribute that holds the array
        dtype : str, data type that is wanted
        """
        return self._constant(name, dtype).on(device)

    @abstractmethod
    def needed(self, device: Device, dtype: str) -> Iterator[Constant]:
        """Return the arrays that a projection needs on a device other than the host.

        Parameters
        ----------
        device : Device
        dtype : str, data type of the result
        """

    def _constant(self, name: str, dtype: str) -> Constant:
        key = name, dtype
        if key not in self._constants:
            values: NDArray[np.generic] = getattr(self, name)
            self._constants[key] = Constant(values.astype(dtype, copy=False))
        return self._constants[key]


@dataclass(frozen=True, eq=False)
class NodeTable(DeviceTables):
    """Values at the nodes of a table in the field of view.

    Attributes
    ----------
    values : ndarray, shape (..., n_node) or (..., n_lon, n_lat), finite
    field : names of the one or two coordinates in the field of view, see `lightpool.irf.tables.irf.FIELD_AXES`
    nodes : one or two ndarrays, bin centres in rad, on the scale of their axis
    bounds : (lower, upper) of each of them, the edges of the axis on the same scale
    scales : scale of each of them
    periodic : names of the coordinates that are angles of a full turn between their bounds
    unit : Unit of the values (of those that are interpolated in a scale: before scaling)
    values_scale : "lin", "log" or "sqrt"
    holes : ndarray of the shape of ``values`` or None, 1 where the table holds no number and 0 elsewhere
    """

    values: Floats
    field: tuple[str, ...]
    nodes: tuple[Floats, ...]
    bounds: tuple[tuple[float, float], ...]
    scales: tuple[str, ...]
    periodic: tuple[str, ...] = ()
    unit: u.UnitBase = u.dimensionless_unscaled
    values_scale: str = "lin"
    holes: Floats | None = None

    def needed(self, device: Device, dtype: str) -> Iterator[Constant]:
        """Return the arrays that a projection needs on a device.

        Parameters
        ----------
        device, dtype : see `DeviceTables.needed`
        """
        yield self._constant("values", dtype)
        if self.holes is not None:
            yield self._constant("holes", dtype)
        if device.is_cuda:  # see lightpool.arrays.cuda.responses
            yield self._constant("all_nodes", "float64")
        else:
            # Without CUDA kernels, the weights are computed one axis at a time.
            yield from map(Constant, self.nodes)

    @cached_property
    def all_nodes(self) -> Floats:
        """Nodes of all axes, one behind the other."""
        return np.concatenate(self.nodes)

    @cached_property
    def awkward(self) -> NDArray[np.int64]:
        """Numbers of the rows (along the first axis) that have holes or negative values.

        In all other rows nothing has to be clipped as long as no weight is negative.
        """
        # On the other scales a negative number does not stand for a negative value.
        has_negative = self.values_scale == "lin" and bool(self.values.size) and bool(self.values.min() < 0)
        if self.holes is None and not has_negative:  # most tables; one pass, without an array of marks
            return np.zeros(0, dtype=np.int64)
        marked = self.values < 0 if has_negative else np.zeros(self.values.shape, dtype=bool)
        if self.holes is not None:
            marked |= self.holes > 0
        return _rows_with(marked)

    @cached_property
    def dipping(self) -> NDArray[np.int64]:
        """Numbers of the rows that are not awkward, but fall below zero somewhere beyond the outer nodes.

        The table is linear there in each coordinate, so it is lowest at an edge or a corner.
        """
        # On the other scales a negative number does not stand for a negative value.
        if self.values_scale != "lin":
            return np.zeros(0, dtype=np.int64)
        values = self.values
        # The axes of the field of view are the last ones.
        *inner, (last, (nodes, bounds)) = enumerate(
            zip(self.nodes, self.bounds, strict=True), values.ndim - len(self.nodes)
        )
        for axis, (its_nodes, its_bounds) in inner:
            values = _with_edges(values, axis, its_nodes, its_bounds)
        # Of the last axis the edges alone, unless the edges of the first one may be negative at its nodes.
        parts = [*_at_edges(values, last, nodes, bounds), *([values] if inner or len(nodes) == 1 else [])]
        is_dipping = np.zeros(len(values), dtype=bool)
        for part in parts:
            if part.size and part.min() < 0:  # in most tables nothing is
                is_dipping |= (part < 0).reshape(len(part), -1).any(axis=1)
        rows = np.flatnonzero(is_dipping)
        # Awkward rows are evaluated directly in any case.
        return np.setdiff1d(rows, self.awkward) if rows.size and self.awkward.size else rows


@dataclass(frozen=True, eq=False)
class DensityNodes(DeviceTables):
    """A density over one axis, and what it takes to normalise it.

    Attributes
    ----------
    table : NodeTable, values of shape (n_energy_true, n_bin, ...)
    widths : ndarray, shape (n_bin,), of the bins; areas of rings for ``rad``
    norm : NodeTable, values of shape (n_energy_true, ...): the sums of value times width
    """

    table: NodeTable
    widths: Floats
    norm: NodeTable

    def needed(self, device: Device, dtype: str) -> Iterator[Constant]:
        """Return the arrays that a projection needs on a device.

        Parameters
        ----------
        device, dtype : see `DeviceTables.needed`
        """
        yield self._constant("widths", dtype)
        yield from self.table.needed(device, dtype)


@dataclass(frozen=True, eq=False)
class KernelNodes(DeviceTables):
    """A density over migra, and how it fills the bins of reconstructed energy.

    Attributes
    ----------
    density : DensityNodes over the migra axis of the table
    shares : ndarray, shape (n_energy_true, n_energy, n_migra)
        What each migra bin of density 1 adds to each bin of reconstructed energy.
    kernel : NodeTable, values of shape (n_energy_true, n_energy, ...), the sums of value times share
    """

    density: DensityNodes
    shares: Floats
    kernel: NodeTable

    def needed(self, device: Device, dtype: str) -> Iterator[Constant]:
        """Return the arrays that a projection needs on a device.

        Parameters
        ----------
        device, dtype : see `DeviceTables.needed`
        """
        yield self._constant("shares", dtype)
        if device.is_cuda:
            yield self._constant("reach", "int64")
        yield from self.density.needed(device, dtype)

    @cached_property
    def reach(self) -> NDArray[np.int64]:
        """Migra bins with a share, from the first to before the second; shape (n_energy_true, n_energy, 2)."""
        filled = self.shares != 0
        first, last = filled.argmax(axis=-1), filled.shape[-1] - filled[..., ::-1].argmax(axis=-1)
        # Without any share, `argmax` is 0 at both ends, which would mean the whole row.
        return np.stack([first, np.where(filled.any(axis=-1), last, first)], axis=-1)


@dataclass(frozen=True, eq=False)
class BackgroundNodes(DeviceTables):
    """A rate at the edges of energy bins, ready for the trapezoidal rule in the logarithms.

    Attributes
    ----------
    table : NodeTable, values of shape (n_edge, ...)
        Scaled rate, such that its integral is in s-1 sr-1; on a logarithmic scale, energy times rate.
    energy, log_energy : ndarray, shape (n_edge,)
    floor : ndarray, shape (n_edge,), a logarithm of energy times rate up to this one means zero
    split : SplitRates or None, the bins that are integrated in parts
    capped : NodeTable or None, values of shape (n_edge, ...), 1 where the rate would rise because of an empty bin
    """

    table: NodeTable
    energy: Floats
    log_energy: Floats
    floor: Floats
    split: "SplitRates | None" = None
    capped: NodeTable | None = None

    def needed(self, device: Device, dtype: str) -> Iterator[Constant]:
        """Return the arrays that a projection needs on a device.

        Parameters
        ----------
        device, dtype : see `DeviceTables.needed`
        """
        # Always float64: the distances between energies are computed before they are rounded to the type of the result.
        for name in ("log_energy", "floor") if self.table.values_scale == "log" else ("energy",):
            yield self._constant(name, "float64")
        yield from self.table.needed(device, dtype)
        if self.split is not None:
            yield from self.split.marks.needed(device, dtype)
            yield from self.split.nodes.needed(device, dtype)


@dataclass(frozen=True, eq=False)
class SplitRates:
    """Bins that are integrated in parts, see `lightpool.irf.projection.wide_bins`.

    Attributes
    ----------
    numbers : tuple of int, of the bins
    marks : NodeTable, values of shape (n_bin, ...), 1 where a bin has to be split
    nodes : BackgroundNodes at the edges of the parts
    parts : tuple of slice, for each bin those of the parts that it is made of
    """

    numbers: tuple[int, ...]
    marks: NodeTable
    nodes: BackgroundNodes
    parts: tuple[slice, ...]


def _rows_with(marked: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.flatnonzero(marked.reshape(len(marked), -1).any(axis=1))


def _with_edges(values: Floats, axis: int, nodes: Floats, bounds: tuple[float, float]) -> Floats:
    """Return values with those extrapolated to the edges of an axis before and after those at its nodes."""
    edges = _at_edges(values, axis, nodes, bounds)
    return np.concatenate([edges[0], values, edges[1]], axis=axis) if edges else values


def _at_edges(values: Floats, axis: int, nodes: Floats, bounds: tuple[float, float]) -> tuple[Floats, ...]:
    """Return values extrapolated to the lower and the upper edge of an axis; nothing if it has one node."""
    if len(nodes) == 1:
        return ()  # constant over the bin
    before: tuple[slice, ...] = (slice(None),) * axis
    first, second, last_but_one, last = (
        values[(*before, part)] for part in (slice(0, 1), slice(1, 2), slice(-2, -1), slice(-1, None))
    )
    low: Floats = first + (second - first) * ((bounds[0] - nodes[0]) / (nodes[1] - nodes[0]))
    high: Floats = last + (last - last_but_one) * ((bounds[1] - nodes[-1]) / (nodes[-1] - nodes[-2]))
    return low, high
