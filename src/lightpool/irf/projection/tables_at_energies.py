"""Response tables interpolated at the energies of a dataset: the node tables of all responses, made on the host."""

from dataclasses import dataclass, replace
from typing import TypeAlias, cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import scale_values
from lightpool.irf.projection.axis_points import AxisPoints, Coordinates
from lightpool.irf.projection.empty_bins import (
    cap_in_energy,
    rises_from_empty_bins,
    touches_empty_bins,
    with_capped_edges,
)
from lightpool.irf.projection.node_tables import BackgroundNodes, DensityNodes, KernelNodes, NodeTable, SplitRates
from lightpool.irf.projection.wide_bins import split_bins
from lightpool.irf.tables.full_turn import is_full_turn, with_turn
from lightpool.irf.tables.irf import FIELD_AXES, IRF
from lightpool.irf.tables.psf_parametric import ParametricPSF
from lightpool.irf.tables.table_scales import LOG_ZERO, scale_table
from lightpool.maps import MapAxis
from lightpool.maps.units import unit_factor
from lightpool.utils.remembered import Remembered

__all__ = [
    "aeff_nodes",
    "background_nodes",
    "bin_shares",
    "edisp_kernel_nodes",
    "edisp_nodes",
    "parameter_nodes",
    "psf_nodes",
    "ring_areas",
]

Floats = NDArray[np.float64]
Values = NDArray[np.floating]
_NEVER = -1e5
"""A logarithm that means zero whatever is added to it."""

Wanted: TypeAlias = MapAxis | u.Quantity
"""Coordinates at which a table is wanted: the bins of an axis, or values."""


def aeff_nodes(aeff: IRF, energy_true: Wanted) -> NodeTable:
    """Return an effective area at true energies, in the unit of the table.

    Parameters
    ----------
    aeff : EffectiveAreaTable2D
    energy_true : MapAxis, or Quantity of centres, shape (n_energy_true,)
    """
    values, (energies,) = _at(aeff, {"energy_true": Coordinates.centers(energy_true)})
    values[energies.outside] = 0
    return _node_table(aeff, values)


def psf_nodes(psf: IRF, energy_true: Wanted, rad: MapAxis) -> DensityNodes:
    """Return a point spread function at true energies and distances, with the areas of the rings in sr.

    Parameters
    ----------
    psf : PSF3D
    energy_true : MapAxis, or Quantity of centres, shape (n_energy_true,)
    rad : MapAxis
    """
    wanted = {"energy_true": Coordinates.centers(energy_true), "rad": Coordinates.centers(rad)}
    values, (energies, distances) = _at(psf, wanted)
    values[energies.outside] = 0
    values[:, distances.outside] = 0
    return _density_nodes(psf, values, _WIDTHS.get(("rings", rad.content), lambda: ring_areas(rad)))


def ring_areas(rad: MapAxis) -> Floats:
    """Return the areas of flat rings in sr, width times circumference at the centre, as Gammapy normalises.

    Parameters
    ----------
    rad : MapAxis
    """
    center, width = rad.center.to_value("rad"), rad.bin_width.to_value("rad")
    areas: Floats = 2 * np.pi * center * width
    return areas


def edisp_nodes(edisp: IRF, energy_true: Wanted, migra: MapAxis) -> DensityNodes:
    """Return an energy dispersion at true energies and migra values.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    energy_true : MapAxis, or Quantity of centres, shape (n_energy_true,)
    migra : MapAxis
    """
    wanted = {"energy_true": Coordinates.centers(energy_true), "migra": Coordinates.centers(migra)}
    values, (energies, ratios) = _at(edisp, wanted)
    # `EnergyDispersion2D` is extrapolated beyond one of both axes, other classes are not: each says so itself.
    values[edisp.is_outside(energy_true=energies.outside[:, np.newaxis], migra=ratios.outside[np.newaxis, :])] = 0
    widths: Floats = _WIDTHS.get(("bins", migra.content), lambda: migra.bin_width.to_value(""))
    return _density_nodes(edisp, values, widths)


def edisp_kernel_nodes(edisp: IRF, energy: Wanted, energy_true: Wanted) -> KernelNodes:
    """Return an energy dispersion at true energies, and how it fills the bins of reconstructed energy.

    The cumulative distribution is linear in migra (in the scale of its axis) within a migra bin, 0 below the axis and 1
    above it.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    energy : MapAxis, or Quantity of edges, shape (n_energy + 1,)
    energy_true : MapAxis, or Quantity of centres, shape (n_energy_true,)
    """
    axis = edisp.axes["migra"]
    density = edisp_nodes(edisp, energy_true, axis)
    edges, centers = Coordinates.edges(energy), Coordinates.centers(energy_true)
    key = axis.content, edges.content, centers.content
    shares = _SHARES.get(key, lambda: bin_shares(axis, edges.values, centers.values, density.widths))
    flat = density.table.values.reshape(*density.table.values.shape[:2], -1)  # (n_energy_true, n_migra, n_node)
    kernel = (shares @ flat).reshape(*shares.shape[:2], *density.table.values.shape[2:])
    return KernelNodes(density, shares, _like(density.table, kernel))


def bin_shares(axis: MapAxis, energy: u.Quantity, energy_true: u.Quantity, widths: Floats) -> Floats:
    """Return what each migra bin of density 1 adds to each bin of energy, (n_energy_true, n_energy, n_migra).

    Parameters
    ----------
    axis : MapAxis, ``migra`` of a table
    energy : Quantity, edges of the bins of reconstructed energy
    energy_true : Quantity
    widths : ndarray, shape (n_migra,), of the migra bins
    """
    edges = scale_values(axis.edges_value, axis.interp)
    migra = energy.to_value("TeV") / energy_true.to_value("TeV")[:, np.newaxis]  # (n_energy_true, n_energy + 1)
    points = scale_values(migra, axis.interp)[..., np.newaxis]
    # Share of each migra bin below each edge, shape (n_energy_true, n_energy + 1, n_migra).
    filled = np.clip((points - edges[:-1]) / np.diff(edges), 0, 1)
    shares: Floats = np.diff(filled, axis=1) * widths
    return shares


def background_nodes(bkg: IRF, energy: Wanted) -> BackgroundNodes:
    """Return a background rate at the edges of energy bins.

    Parameters
    ----------
    bkg : Background2D or Background3D
    energy : MapAxis, or Quantity of edges, shape (n_edge,)

    Notes
    -----
    Beyond the outer nodes of a table of logarithms the rate does not rise where it would because a bin further in is
    empty, see `lightpool.irf.projection.empty_bins`.
    """
    edges = Coordinates.edges(energy)
    nodes, split = _rates(bkg, edges), split_bins(bkg, edges)
    if split is None:
        return nodes
    rates = _rates(bkg, Coordinates.edges(split.energy))
    # Without `_constants={}` the copy would share the dictionary of the original.
    parts = SplitRates(split.numbers, _node_table(bkg, split.marks), rates, split.parts)
    return replace(nodes, split=parts, _constants={})


@dataclass(frozen=True, eq=False)
class _Energies:
    """Energies, shape (n_edge,), and what a rate is multiplied by; the logarithm of both is ``logs``."""

    values: Floats
    log_values: Floats
    factor: float
    logs: Floats

    @classmethod
    def of(cls, energy: u.Quantity, unit: u.UnitBase) -> "_Energies":
        """Return energies of a table of rates in a unit."""
        factor, log_values = unit_factor(energy.unit * unit, "s-1 sr-1"), np.log(energy.value)
        return cls(energy.value, log_values, factor, log_values + np.log(factor))


def _rates(bkg: IRF, edges: Coordinates) -> BackgroundNodes:
    values, (points,) = _at(bkg, {"energy": edges})
    table, capped = _node_table(bkg, values), None
    if table.values_scale == "log":
        table, capped = _without_rise(table, bkg, points)
    energy = _ENERGIES.get((edges.content, bkg.unit), lambda: _Energies.of(edges.values, bkg.unit))
    # The integration takes the logarithm of energy times rate, so energy and unit are sums here.
    if table.values_scale == "log":
        table = _like(table, table.values + _column(energy.logs, table.values.ndim))
    else:
        # On the scale "sqrt" the value is squared later, and the unit with it.
        factor = np.sqrt(energy.factor) if table.values_scale == "sqrt" else energy.factor
        table = _like(table, table.values * factor)
    table.values[points.outside] = _NEVER if table.values_scale == "log" else 0
    if capped is not None:
        capped.values[points.outside] = 0
    return BackgroundNodes(table, energy.values, energy.log_values, LOG_ZERO + energy.logs, capped=capped)


def _without_rise(table: NodeTable, bkg: IRF, points: AxisPoints) -> tuple[NodeTable, NodeTable | None]:
    """Return a node table whose logarithms do not rise beyond the outer nodes because of empty bins.

    The second table has 1 where a logarithm was capped; it is None if none was.
    """
    nodes_used, used = points.used
    data = bkg.values_by("energy")[nodes_used]
    for name in table.periodic:
        number = table.field.index(name)
        data, _ = with_turn(data, data.ndim - len(table.nodes) + number, table.nodes[number], 2 * np.pi)
    empty = data <= 0
    if not empty.any():
        return table, None
    touched = touches_empty_bins(empty, used.lower, used.above)
    capped = np.zeros(table.values.shape, dtype=bool)
    # Some energies lie beyond the outer nodes. A value that was capped no longer depends on the empty bin.
    if points.extrapolates:
        capped = cap_in_energy(table.values, scale_table(data, "log"), empty, used.lower, used.above)
        touched &= ~capped
    if not rises_from_empty_bins(table.values, touched, len(table.nodes)):
        return table, _marks(table, capped)
    values, holes, nodes = table.values, table.holes, []
    for number, (inner, bounds) in enumerate(zip(table.nodes, table.bounds, strict=True), 1):
        if holes is not None and len(inner) > 1:
            # The edges are extrapolated from two nodes each, so a hole in one of these makes a hole.
            low, high = (
                np.take(holes, pair, axis=number).max(axis=number, keepdims=True) for pair in ([0, 1], [-2, -1])
            )
            holes = np.concatenate([low, holes, high], axis=number)
        values, touched, capped, outer = with_capped_edges(values, touched, capped, number, inner, bounds)
        nodes.append(outer)
    # New constants: those of the table belong to its old values.
    table = replace(table, values=values, nodes=tuple(nodes), holes=holes, _constants={})
    return table, _marks(table, capped)


def _marks(table: NodeTable, marked: NDArray[np.bool_]) -> NodeTable | None:
    """Return a table of 1 and 0 with the nodes of another one; None if nothing is marked."""
    if not marked.any():
        return None
    return replace(table, values=marked.astype(np.float64), values_scale="lin", holes=None, _constants={})


def parameter_nodes(psf: ParametricPSF, energy_true: Wanted) -> dict[str, NodeTable]:
    """Return the parameters of a point spread function at true energies, extrapolated without limit; angles in rad.

    Parameters
    ----------
    psf : ParametricPSF
    energy_true : MapAxis, or Quantity of centres, shape (n_energy_true,)
    """
    nodes, centers = {}, Coordinates.centers(energy_true)
    for name in psf.required_parameters:
        values, _ = _at(psf, {"energy_true": centers}, psf.data[name])
        unit = psf.unit[name]
        factor = unit.to("rad") if unit.is_equivalent("rad") else 1.0
        table = _node_table(psf, values * factor)
        # No bounds: the parameters are extrapolated over the whole map, as in Gammapy.
        everywhere = ((-np.inf, np.inf),) * len(table.nodes)
        nodes[name] = replace(
            table, bounds=everywhere, unit=u.dimensionless_unscaled, values_scale="lin", _constants={}
        )
    return nodes


def _at(irf: IRF, wanted: dict[str, Coordinates], data: Values | None = None) -> tuple[Floats, list[AxisPoints]]:
    """Return scaled values at coordinates, and where these lie; the axes of the field of view are the last ones."""
    scale, names = irf.interp_kwargs.get("values_scale", "lin"), irf.axes.names
    values: Values = irf.data if data is None else data
    points = [AxisPoints.on(cast(MapAxis, irf.axes[name]), coords) for name, coords in wanted.items()]
    dims, on_nodes = [names.index(name) for name in wanted], list(points)
    if scale != "lin":  # only the nodes that are used, as logarithms take longer than all the rest
        span, on_nodes[0] = points[0].used
        values = scale_table(values[(*(slice(None),) * dims[0], span)], scale)
    for dim, found in zip(dims, on_nodes, strict=True):
        # The dimension stays where it is, so the indices of the axes hold for the next one too.
        values = found.interpolate(values, dim)
    order = [*wanted, *(name for name in FIELD_AXES if name in names)]
    values = np.transpose(values, [names.index(name) for name in order])
    return np.ascontiguousarray(values, dtype=np.float64), points


def _column(x: Floats, ndim: int) -> Floats:
    return x.reshape(-1, *(1,) * (ndim - 1))


@dataclass(frozen=True, eq=False)
class _FieldAxes:
    """Axes of a table in the field of view as `NodeTable` holds them."""

    field: tuple[str, ...]
    nodes: tuple[Floats, ...]
    bounds: tuple[tuple[float, float], ...]
    scales: tuple[str, ...]
    periodic: tuple[str, ...]

    @classmethod
    def of(cls, axes: list[MapAxis], periodic: tuple[str, ...]) -> "_FieldAxes":
        """Return the nodes and bounds of axes, in rad and on their scales."""
        nodes, bounds = [], []
        for axis in axes:
            factor = unit_factor(axis.unit, "rad")
            # In rad before scaling: a logarithm depends on the unit.
            nodes.append(scale_values(axis.center_value * factor, axis.interp))
            lower, upper = scale_values(axis.edges_value[[0, -1]] * factor, axis.interp)
            bounds.append((float(lower), float(upper)))
        turning = tuple(axis.name for axis in axes if axis.name in periodic and is_full_turn(axis))
        names, scales = tuple(axis.name for axis in axes), tuple(axis.interp for axis in axes)
        return cls(names, tuple(nodes), tuple(bounds), scales, turning)


def _node_table(irf: IRF, values: Floats) -> NodeTable:
    by_name = {axis.name: axis for axis in irf.map_axes}
    axes = [by_name[name] for name in FIELD_AXES if name in by_name]
    key = (irf.periodic_axes, *(axis.content for axis in axes))
    field = _FIELDS.get(key, lambda: _FieldAxes.of(axes, irf.periodic_axes))
    nodes = list(field.nodes)
    for name in field.periodic:
        number = field.field.index(name)
        values, nodes[number] = with_turn(values, values.ndim - len(nodes) + number, nodes[number], 2 * np.pi)
    finite = np.isfinite(values)
    is_whole = bool(finite.all())
    # A weight of zero does not hide a NaN, so what is not finite becomes zero and is marked as a hole.
    return NodeTable(
        values=values if is_whole else np.where(finite, values, 0.0),
        field=field.field,
        nodes=tuple(nodes),
        bounds=field.bounds,
        scales=field.scales,
        periodic=field.periodic,
        unit=irf.unit if isinstance(irf.unit, u.UnitBase) else u.dimensionless_unscaled,
        values_scale=irf.interp_kwargs.get("values_scale", "lin"),
        holes=None if is_whole else (~finite).astype(np.float64),
    )


def _like(table: NodeTable, values: Floats) -> NodeTable:
    holes = table.holes if values.shape == table.values.shape else None
    return replace(table, values=values, holes=holes, _constants={})


def _density_nodes(irf: IRF, values: Floats, widths: Floats) -> DensityNodes:
    table = _node_table(irf, values)
    norm = np.tensordot(widths, table.values, axes=(0, 1))
    return DensityNodes(table, widths, _like(table, norm))


# What depends on axes alone: most runs have these in common.
_WIDTHS = Remembered[Floats](64)
_SHARES = Remembered[Floats](32)
_ENERGIES = Remembered[_Energies](64)
_FIELDS = Remembered[_FieldAxes](64)
