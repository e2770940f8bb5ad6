"""Response tables interpolated at the energies of a dataset: the node tables of all responses, made on the host."""

from dataclasses import replace
from typing import cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import interpolation_weights, scale_values
from lightpool.irf.projection.empty_bins import (
    cap_in_energy,
    rises_from_empty_bins,
    touches_empty_bins,
    with_capped_edges,
)
from lightpool.irf.projection.node_tables import BackgroundNodes, DensityNodes, KernelNodes, NodeTable, SplitRates
from lightpool.irf.projection.wide_bins import split_bins
from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.psf_parametric import ParametricPSF
from lightpool.irf.tables.table_scales import LOG_ZERO, scale_table
from lightpool.maps import MapAxis
from lightpool.maps.map_data import unit_factor

__all__ = [
    "aeff_nodes",
    "background_nodes",
    "edisp_kernel_nodes",
    "edisp_nodes",
    "parameter_nodes",
    "psf_nodes",
]

Floats = NDArray[np.float64]
Values = NDArray[np.floating]
_FIELD_AXES = ("offset", "fov_lon", "fov_lat")
_NEVER = -1e5
"""A logarithm that means zero whatever is added to it."""


def aeff_nodes(aeff: IRF, energy_true: u.Quantity) -> NodeTable:
    """Return an effective area at true energies, in the unit of the table.

    Parameters
    ----------
    aeff : EffectiveAreaTable2D
    energy_true : Quantity, shape (n_energy_true,)
    """
    values, outside = _at(aeff, {"energy_true": energy_true})
    values[outside["energy_true"]] = 0
    return _node_table(aeff, values)


def psf_nodes(psf: IRF, energy_true: u.Quantity, rad: MapAxis) -> DensityNodes:
    """Return a point spread function at true energies and distances, with the areas of the rings in sr.

    Parameters
    ----------
    psf : PSF3D
    energy_true : Quantity, shape (n_energy_true,)
    rad : MapAxis
    """
    values, outside = _at(psf, {"energy_true": energy_true, "rad": rad.center})
    values[outside["energy_true"]] = 0
    values[:, outside["rad"]] = 0
    center, width = rad.center.to_value("rad"), rad.bin_width.to_value("rad")
    # Areas of flat rings, width times circumference at the centre, as Gammapy normalises.
    return _density_nodes(psf, values, 2 * np.pi * center * width)


def edisp_nodes(edisp: IRF, energy_true: u.Quantity, migra: MapAxis) -> DensityNodes:
    """Return an energy dispersion at true energies and migra values.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    energy_true : Quantity, shape (n_energy_true,)
    migra : MapAxis
    """
    values, outside = _at(edisp, {"energy_true": energy_true, "migra": migra.center})
    # Only outside of both axes, as in `EnergyDispersion2D`: beyond one of them the table is extrapolated.
    values[outside["energy_true"][:, np.newaxis] & outside["migra"]] = 0
    return _density_nodes(edisp, values, migra.bin_width.to_value(""))


def edisp_kernel_nodes(edisp: IRF, energy: u.Quantity, energy_true: u.Quantity) -> KernelNodes:
    """Return an energy dispersion at true energies, and how it fills the bins of reconstructed energy.

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
    migra = energy.to_value("TeV") / energy_true.to_value("TeV")[:, np.newaxis]  # (n_energy_true, n_energy + 1)
    points = scale_values(migra, axis.interp)[..., np.newaxis]
    # Share of each migra bin below each edge, shape (n_energy_true, n_energy + 1, n_migra).
    filled = np.clip((points - edges[:-1]) / np.diff(edges), 0, 1)
    shares = np.diff(filled, axis=1) * density.widths  # (n_energy_true, n_energy, n_migra)
    flat = density.table.values.reshape(*density.table.values.shape[:2], -1)  # (n_energy_true, n_migra, n_node)
    kernel = (shares @ flat).reshape(*shares.shape[:2], *density.table.values.shape[2:])
    return KernelNodes(density, shares, _like(density.table, kernel))


def background_nodes(bkg: IRF, energy: u.Quantity) -> BackgroundNodes:
    """Return a background rate at the edges of energy bins.

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
    # Without `_constants={}` the copy would share the dictionary of the original.
    return replace(nodes, split=rates, _constants={})


def _rates(bkg: IRF, energy: u.Quantity) -> BackgroundNodes:
    values, outside = _at(bkg, {"energy": energy})
    table, capped = _node_table(bkg, values), None
    if table.values_scale == "log":
        table, capped = _without_rise(table, bkg, energy)
    factor = unit_factor(energy.unit * bkg.unit, "s-1 sr-1")
    log_energy = np.log(energy.value)
    logs = log_energy + np.log(factor)
    # The integration takes the logarithm of energy times rate, so energy and unit are sums here.
    if table.values_scale == "log":
        table = _like(table, table.values + _column(logs, table.values.ndim))
    else:
        # On the scale "sqrt" the value is squared later, and the unit with it.
        table = _like(table, table.values * (np.sqrt(factor) if table.values_scale == "sqrt" else factor))
    table.values[outside["energy"]] = _NEVER if table.values_scale == "log" else 0
    if capped is not None:
        capped.values[outside["energy"]] = 0
    return BackgroundNodes(table, energy.value, log_energy, LOG_ZERO + logs, capped=capped)


def _without_rise(table: NodeTable, bkg: IRF, energy: u.Quantity) -> tuple[NodeTable, NodeTable | None]:
    """Return a node table whose logarithms do not rise beyond the outer nodes because of empty bins.

    The second table has 1 where a logarithm was capped; it is None if none was.
    """
    empty = bkg.data <= 0
    if not empty.any():
        return table, None
    axis, dim = bkg.axes["energy"], bkg.axes.index("energy")
    empty, x = np.moveaxis(empty, dim, 0), energy.to_value(axis.unit).astype(np.float64)
    index, above = interpolation_weights(scale_values(x, axis.interp), scale_values(axis.center_value, axis.interp))
    touched = touches_empty_bins(empty, index, above)
    capped = np.zeros(table.values.shape, dtype=bool)
    # Some energies lie beyond the outer nodes. A value that was capped no longer depends on the empty bin.
    if above.min() < 0 or above.max() > 1:
        logs = np.moveaxis(scale_table(bkg.data, "log"), dim, 0)
        capped = cap_in_energy(table.values, logs, empty, index, above)
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
    return NodeTable(marked.astype(np.float64), table.nodes, table.bounds, table.scales)


def parameter_nodes(psf: ParametricPSF, energy_true: u.Quantity) -> dict[str, NodeTable]:
    """Return the parameters of a point spread function at true energies, extrapolated without limit; angles in rad.

    Parameters
    ----------
    psf : ParametricPSF
    energy_true : Quantity, shape (n_energy_true,)
    """
    nodes = {}
    for name in psf.required_parameters:
        values, _ = _at(psf, {"energy_true": energy_true}, psf.data[name])
        unit = psf.unit[name]
        factor = unit.to("rad") if unit.is_equivalent("rad") else 1.0
        table = _node_table(psf, values * factor)
        # No bounds: the parameters are extrapolated over the whole map, as in Gammapy.
        nodes[name] = NodeTable(
            table.values, table.nodes, ((-np.inf, np.inf),) * len(table.nodes), table.scales, holes=table.holes
        )
    return nodes


def _at(
    irf: IRF, coords: dict[str, u.Quantity], data: Values | None = None
) -> tuple[Floats, dict[str, NDArray[np.bool_]]]:
    """Return scaled values at coordinates, and what is outside; the axes of the field of view are the last ones."""
    scale = irf.interp_kwargs.get("values_scale", "lin")
    values: Values = irf.data if data is None else data
    if scale != "lin":
        values = scale_table(values, scale)
    outside = {}
    for name, wanted in coords.items():
        axis = cast(MapAxis, irf.axes[name])
        x = wanted.to_value(axis.unit).astype(np.float64)
        # Negated, so that NaN is outside; both edges are inside.
        outside[name] = ~((x >= axis.edges_value[0]) & (x <= axis.edges_value[-1]))
        # The dimension stays where it is, so the indices of the axes hold for the next one too.
        values = _interpolated(values, irf.axes.index(name), axis, x)
    order = [*coords, *(name for name in irf.axes.names if name in _FIELD_AXES)]
    values = np.transpose(values, [irf.axes.index(name) for name in order])
    return np.ascontiguousarray(values, dtype=np.float64), outside


def _interpolated(values: Values, dim: int, axis: MapAxis, x: Floats) -> Floats:
    index, above = interpolation_weights(scale_values(x, axis.interp), scale_values(axis.center_value, axis.interp))
    low = np.asarray(_taken(values, index, dim), dtype=np.float64)  # new: the index is an array
    if axis.nbin == 1:
        return low
    high = np.asarray(_taken(values, index + 1, dim), dtype=np.float64)
    above = _column(above, values.ndim - dim)
    with np.errstate(invalid="ignore"):  # not a number and infinities stay what they are: holes
        low *= 1 - above
        high *= above
        low += high
    return low


def _taken(values: Values, index: NDArray[np.int64], dim: int) -> Values:
    selection: tuple[slice | NDArray[np.int64], ...] = (*(slice(None),) * dim, index)
    taken: Values = values[selection]
    return taken


def _column(x: Floats, ndim: int) -> Floats:
    return x.reshape(-1, *(1,) * (ndim - 1))


def _node_table(irf: IRF, values: Floats) -> NodeTable:
    axes = [cast(MapAxis, axis) for axis in irf.axes if axis.name in _FIELD_AXES]
    nodes, bounds = [], []
    for axis in axes:
        factor = unit_factor(axis.unit, "rad")
        # In rad before scaling: a logarithm depends on the unit.
        nodes.append(scale_values(axis.center_value * factor, axis.interp))
        lower, upper = scale_values(axis.edges_value[[0, -1]] * factor, axis.interp)
        bounds.append((float(lower), float(upper)))
    finite = np.isfinite(values)
    is_whole = bool(finite.all())
    # A weight of zero does not hide a NaN, so what is not finite becomes zero and is marked as a hole.
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
