"""Node tables: a response table at the energies of a dataset, with only the place in the field of view left open.

From one pixel to the next only the offset changes (or fov_lon and fov_lat), and a table is multilinear in its axes. So
it is interpolated in all other coordinates first, on the host, which leaves a tiny table; what has to be integrated or
normalised over another axis is linear too and is done here as well. `lightpool.irf.projection.project` multiplies with
the pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import Constant, Device, announce_constants, interpolation_weights, scale_values
from lightpool.arrays.devices.array_types import Array
from lightpool.irf.projection.empty_bins import (
    cap_in_energy,
    rises_from_empty_bins,
    touches_empty_bins,
    with_capped_edges,
)
from lightpool.irf.projection.wide_bins import split_bins
from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.table_scales import LOG_ZERO, scale_table
from lightpool.maps import MapAxis
from lightpool.maps.map_data import unit_factor

__all__ = [
    "BackgroundNodes",
    "DensityNodes",
    "KernelNodes",
    "Movable",
    "NodeTable",
    "SplitRates",
    "aeff_nodes",
    "background_nodes",
    "edisp_kernel_nodes",
    "edisp_nodes",
    "parameter_nodes",
    "psf_nodes",
]

Floats = NDArray[np.float64]
_PLACES = ("offset", "fov_lon", "fov_lat")
_NEVER = -1e5
"""A logarithm that means zero whatever is added to it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Movable:
    """Arrays on the host that are kept on each device, by their content."""

    _constants: dict[tuple[str, str], Constant] = field(default_factory=dict, repr=False)

    def on(self, device: Device, name: str, dtype: str = "float64") -> Array:
        """Array of a name on a device, in a data type."""
        return self._constant(name, dtype).on(device)

    def announce(self, device: Device, dtype: str) -> None:
        """Say that a projection on a device will ask for these arrays."""
        if not device.is_host:
            announce_constants(self.needed(device, dtype), device)

    def needed(self, device: Device, dtype: str) -> Iterator[Constant]:
        """Arrays that a projection asks for on a device, not the host, in the data type of its result."""
        raise NotImplementedError

    def _constant(self, name: str, dtype: str) -> Constant:
        key = name, dtype
        if key not in self._constants:
            self._constants[key] = Constant(getattr(self, name).astype(dtype, copy=False))
        return self._constants[key]


@dataclass(frozen=True, eq=False)
class NodeTable(Movable):
    """Values at the nodes of a table in the field of view.

    Attributes
    ----------
    values : ndarray, shape (..., n_node) or (..., n_lon, n_lat), finite
    nodes : one or two ndarrays, bin centres in rad, on the scale of their axis
    bounds : (lower, upper) of each of them, the edges of the axis on the same scale
    scales : scale of each of them
    unit : Unit of the values (of those that are interpolated in a scale: before scaling)
    values_scale : "lin", "log" or "sqrt"
    holes : ndarray of the shape of ``values`` or None, 1 where the table holds no number and 0 elsewhere
    """

    values: Floats
    nodes: tuple[Floats, ...]
    bounds: tuple[tuple[float, float], ...]
    scales: tuple[str, ...]
    unit: u.UnitBase = u.dimensionless_unscaled
    values_scale: str = "lin"
    holes: Floats | None = None

    def needed(self, device: Device, dtype: str) -> Iterator[Constant]:
        """Arrays that a projection asks for."""
        yield self._constant("values", dtype)
        if self.holes is not None:
            yield self._constant("holes", dtype)
        if device.is_cuda:  # see lightpool.irf.projection.cuda_projection
            yield self._constant("all_nodes", "float64")
        else:
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
        marked = (self.values < 0) & (self.values_scale == "lin")
        if self.holes is not None:
            marked = marked | (self.holes > 0)
        return _rows_with(marked)

    @cached_property
    def dipping(self) -> NDArray[np.int64]:
        """Numbers of the rows that are not awkward, but fall below zero somewhere beyond the outer nodes.

        The table is linear there in each coordinate, so it is lowest at an edge or a corner.
        """
        values = self.values
        for axis, (nodes, bounds) in enumerate(
            zip(self.nodes, self.bounds, strict=True), values.ndim - len(self.nodes)
        ):
            values = _with_edges(values, axis, nodes, bounds)
        marked = (values < 0) & (self.values_scale == "lin")
        return np.setdiff1d(_rows_with(marked), self.awkward)


@dataclass(frozen=True, eq=False)
class DensityNodes(Movable):
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
        """Arrays that a projection asks for."""
        yield self._constant("widths", dtype)
        yield from self.table.needed(device, dtype)


@dataclass(frozen=True, eq=False)
class KernelNodes(Movable):
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
        """Arrays that a projection asks for."""
        yield self._constant("shares", dtype)
        if device.is_cuda:
            yield self._constant("reach", "int64")
        yield from self.density.needed(device, dtype)

    @cached_property
    def reach(self) -> NDArray[np.int64]:
        """Migra bins with a share, from the first to before the second; shape (n_energy_true, n_energy, 2)."""
        filled = self.shares != 0
        first, last = filled.argmax(axis=-1), filled.shape[-1] - filled[..., ::-1].argmax(axis=-1)
        return np.stack([first, np.where(filled.any(axis=-1), last, first)], axis=-1)


@dataclass(frozen=True, eq=False)
class BackgroundNodes(Movable):
    """A rate at the edges of energy bins, ready for the trapezoidal rule in the logarithms.

    Attributes
    ----------
    table : NodeTable, values of shape (n_edge, ...)
        Scaled rate, such that its integral is in s-1 sr-1; on a logarithmic scale, energy times rate.
    energy, log_energy : ndarray, shape (n_edge,)
    floor : ndarray, shape (n_edge,), a logarithm of energy times rate up to this one means zero
    split : SplitRates or None, the bins that are integrated in parts
    """

    table: NodeTable
    energy: Floats
    log_energy: Floats
    floor: Floats
    split: "SplitRates | None" = None

    def needed(self, device: Device, dtype: str) -> Iterator[Constant]:
        """Arrays that a projection asks for."""
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


def aeff_nodes(aeff: IRF, energy_true: u.Quantity) -> NodeTable:
    """Effective area at true energies, shape (n_energy_true, ...), in the unit of the table."""
    values, outside = _at(aeff, {"energy_true": energy_true})
    values[outside["energy_true"]] = 0
    return _node_table(aeff, values)


def psf_nodes(psf: IRF, energy_true: u.Quantity, rad: MapAxis) -> DensityNodes:
    """Point spread function at true energies and distances, with the areas of the rings in sr."""
    values, outside = _at(psf, {"energy_true": energy_true, "rad": rad.center})
    values[outside["energy_true"]] = 0
    values[:, outside["rad"]] = 0
    center, width = rad.center.to_value("rad"), rad.bin_width.to_value("rad")
    return _density_nodes(psf, values, 2 * np.pi * center * width)


def edisp_nodes(edisp: IRF, energy_true: u.Quantity, migra: MapAxis) -> DensityNodes:
    """Energy dispersion at true energies and migra values."""
    values, outside = _at(edisp, {"energy_true": energy_true, "migra": migra.center})
    values[outside["energy_true"][:, np.newaxis] & outside["migra"]] = 0
    return _density_nodes(edisp, values, migra.bin_width.to_value(""))


def edisp_kernel_nodes(edisp: IRF, energy: u.Quantity, energy_true: u.Quantity) -> KernelNodes:
    """Energy dispersion at true energies, with the way into bins of reconstructed energy.

    The cumulative distribution is linear in migra (in the scale of its axis) within a migra bin, 0 below the axis and 1
    above it.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    energy : Quantity, shape (n_energy + 1,), edges
    energy_true : Quantity, shape (n_energy_true,), centres
    """
    axis = edisp.axes["migra"]
    density = edisp_nodes(edisp, energy_true, axis)
    edges = scale_values(axis.edges_value, axis.interp)
    migra = energy.to_value("TeV") / energy_true.to_value("TeV")[:, np.newaxis]
    place = scale_values(migra, axis.interp)[..., np.newaxis]
    filled = np.clip((place - edges[:-1]) / np.diff(edges), 0, 1)
    shares = np.diff(filled, axis=1) * density.widths
    flat = density.table.values.reshape(*density.table.values.shape[:2], -1)
    kernel = (shares @ flat).reshape(*shares.shape[:2], *density.table.values.shape[2:])
    return KernelNodes(density, shares, _like(density.table, kernel))


def background_nodes(bkg: IRF, energy: u.Quantity) -> BackgroundNodes:
    """Background rate at the edges of energy bins.

    Parameters
    ----------
    bkg : Background2D or Background3D
    energy : Quantity, shape (n_edge,)

    Notes
    -----
    Beyond the outer nodes of a table of logarithms the rate does not rise where it would because a bin further in is
    empty, see `lightpool.irf.projection.empty_bins`.
    """
    nodes, split = _rates(bkg, energy), split_bins(bkg, energy)
    if split is None:
        return nodes
    rates = SplitRates(split.numbers, _node_table(bkg, split.marks), _rates(bkg, split.energy), split.parts)
    return replace(nodes, split=rates, _constants={})


def _rates(bkg: IRF, energy: u.Quantity) -> BackgroundNodes:
    values, outside = _at(bkg, {"energy": energy})
    table = _node_table(bkg, values)
    if table.values_scale == "log":
        table = _without_rise(table, bkg, energy)
    factor = unit_factor(energy.unit * bkg.unit, "s-1 sr-1")
    log_energy = np.log(energy.value)
    logs = log_energy + np.log(factor)
    if table.values_scale == "log":
        table = _like(table, table.values + _column(logs, table.values.ndim))
    else:
        table = _like(table, table.values * (np.sqrt(factor) if table.values_scale == "sqrt" else factor))
    table.values[outside["energy"]] = _NEVER if table.values_scale == "log" else 0
    return BackgroundNodes(table, energy.value, log_energy, LOG_ZERO + logs)


def _without_rise(table: NodeTable, bkg: IRF, energy: u.Quantity) -> NodeTable:
    """Node table whose logarithms do not rise beyond the outer nodes because of empty bins."""
    empty = bkg.data <= 0
    if not empty.any():
        return table
    axis, dim = bkg.axes["energy"], bkg.axes.index("energy")
    empty, x = np.moveaxis(empty, dim, 0), energy.to_value(axis.unit).astype(np.float64)
    index, above = interpolation_weights(scale_values(x, axis.interp), scale_values(axis.center_value, axis.interp))
    touched = touches_empty_bins(empty, index, above)
    if above.min() < 0 or above.max() > 1:
        logs = np.moveaxis(scale_table(bkg.data, "log"), dim, 0)
        touched &= ~cap_in_energy(table.values, logs, empty, index, above)
    if not rises_from_empty_bins(table.values, touched, len(table.nodes)):
        return table
    values, holes, nodes = table.values, table.holes, []
    for number, (inner, bounds) in enumerate(zip(table.nodes, table.bounds, strict=True), 1):
        if holes is not None and len(inner) > 1:
            low, high = (
                np.take(holes, pair, axis=number).max(axis=number, keepdims=True) for pair in ([0, 1], [-2, -1])
            )
            holes = np.concatenate([low, holes, high], axis=number)
        values, touched, outer = with_capped_edges(values, touched, number, inner, bounds)
        nodes.append(outer)
    return replace(table, values=values, nodes=tuple(nodes), holes=holes, _constants={})


def parameter_nodes(psf: IRF, energy_true: u.Quantity) -> dict[str, NodeTable]:
    """Parameters of a point spread function at true energies, extrapolated without limit; angles in rad."""
    nodes = {}
    for name in psf.required_parameters:  # type: ignore[attr-defined]
        values, _ = _at(psf, {"energy_true": energy_true}, psf.data[name])
        unit = psf.unit[name]
        factor = unit.to("rad") if unit.is_equivalent("rad") else 1.0
        table = _node_table(psf, values * factor)
        nodes[name] = NodeTable(
            table.values, table.nodes, ((-np.inf, np.inf),) * len(table.nodes), table.scales, holes=table.holes
        )
    return nodes


def _at(
    irf: IRF, coords: dict[str, u.Quantity], data: NDArray[Any] | None = None
) -> tuple[Floats, dict[str, NDArray[np.bool_]]]:
    """Scaled values at some coordinates, these first and the place in the field of view last; and what is outside."""
    scale = irf.interp_kwargs.get("values_scale", "lin")
    values: NDArray[Any] = irf.data if data is None else data
    if scale != "lin":
        values = scale_table(values, scale)
    outside = {}
    for name, wanted in coords.items():
        axis = cast(MapAxis, irf.axes[name])
        x = wanted.to_value(axis.unit).astype(np.float64)
        outside[name] = ~((x >= axis.edges_value[0]) & (x <= axis.edges_value[-1]))
        values = _interpolated(values, irf.axes.index(name), axis, x)
    order = [*coords, *(name for name in irf.axes.names if name in _PLACES)]
    values = np.transpose(values, [irf.axes.index(name) for name in order])
    return np.ascontiguousarray(values, dtype=np.float64), outside


def _interpolated(values: NDArray[Any], dim: int, axis: MapAxis, x: Floats) -> Floats:
    index, above = interpolation_weights(scale_values(x, axis.interp), scale_values(axis.center_value, axis.interp))
    before = (slice(None),) * dim
    low = np.asarray(values[(*before, index)], dtype=np.float64)  # new: the index is an array
    if axis.nbin == 1:
        return low
    high = np.asarray(values[(*before, index + 1)], dtype=np.float64)
    above = _column(above, values.ndim - dim)
    with np.errstate(invalid="ignore"):  # not a number and infinities stay what they are: holes
        low *= 1 - above
        high *= above
        low += high
    return low


def _rows_with(marked: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.flatnonzero(marked.reshape(len(marked), -1).any(axis=1))


def _with_edges(values: Floats, axis: int, nodes: Floats, bounds: tuple[float, float]) -> Floats:
    """Values extrapolated to the two edges of an axis, before and behind those at its nodes."""
    if len(nodes) == 1:
        return values
    first, second, last_but_one, last = (np.take(values, [i], axis=axis) for i in (0, 1, -2, -1))
    low = first + (second - first) * ((bounds[0] - nodes[0]) / (nodes[1] - nodes[0]))
    high = last + (last - last_but_one) * ((bounds[1] - nodes[-1]) / (nodes[-1] - nodes[-2]))
    return np.concatenate([low, values, high], axis=axis)


def _column(x: Floats, ndim: int) -> Floats:
    return x.reshape(-1, *(1,) * (ndim - 1))


def _node_table(irf: IRF, values: Floats) -> NodeTable:
    axes = [cast(MapAxis, axis) for axis in irf.axes if axis.name in _PLACES]
    nodes, bounds = [], []
    for axis in axes:
        factor = unit_factor(axis.unit, "rad")
        nodes.append(scale_values(axis.center_value * factor, axis.interp))
        lower, upper = scale_values(axis.edges_value[[0, -1]] * factor, axis.interp)
        bounds.append((float(lower), float(upper)))
    finite = np.isfinite(values)
    is_whole = bool(finite.all())
    return NodeTable(
        values=values if is_whole else np.where(finite, values, 0.0),
        nodes=tuple(nodes),
        bounds=tuple(bounds),
        scales=tuple(axis.interp for axis in axes),
        unit=irf.unit if isinstance(irf.unit, u.UnitBase) else u.dimensionless_unscaled,
        values_scale=irf.interp_kwargs.get("values_scale", "lin"),
        holes=None if is_whole else (~finite).astype(np.float64),
    )


def _like(table: NodeTable, values: Floats) -> NodeTable:
    holes = table.holes if values.shape == table.values.shape else None
    return NodeTable(values, table.nodes, table.bounds, table.scales, table.unit, table.values_scale, holes)


def _density_nodes(irf: IRF, values: Floats, widths: Floats) -> DensityNodes:
    table = _node_table(irf, values)
    norm = np.tensordot(widths, table.values, axes=(0, 1))
    return DensityNodes(table, widths, _like(table, norm))
