"""The node tables that a projection asks for: each is made once for some axes, and known to its response table."""

from collections.abc import Hashable

import astropy.units as u

from lightpool.irf.projection.node_tables import (
    BackgroundNodes,
    DensityNodes,
    KernelNodes,
    Movable,
    NodeTable,
    aeff_nodes,
    background_nodes,
    edisp_kernel_nodes,
    edisp_nodes,
    parameter_nodes,
    psf_nodes,
)
from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.psf_parametric import ParametricPSF
from lightpool.maps import MapAxis

__all__ = [
    "aeff_table",
    "background_table",
    "bin_centers",
    "bin_edges",
    "checked_axis",
    "edisp_kernel_table",
    "edisp_table",
    "parametric_tables",
    "psf_table",
    "psf_tables",
]


def aeff_table(aeff: IRF, energy_true: MapAxis | u.Quantity) -> NodeTable:
    """Effective area at the centres of bins of true energy."""
    centers = bin_centers(energy_true)
    table: NodeTable = aeff.derived(("aeff", _key(centers)), lambda: aeff_nodes(aeff, centers))
    return table


def psf_table(psf: IRF, energy_true: MapAxis | u.Quantity, rad: MapAxis) -> DensityNodes:
    """Point spread function, of a table in ``rad``."""
    centers, axis = bin_centers(energy_true), checked_axis(rad, "rad")
    table: DensityNodes = psf.derived(("psf", _key(centers), _key(axis)), lambda: psf_nodes(psf, centers, axis))
    return table


def parametric_tables(psf: ParametricPSF, energy_true: MapAxis | u.Quantity) -> dict[str, NodeTable]:
    """Parameters of a point spread function, by their names."""
    centers = bin_centers(energy_true)
    key = ("psf parameters", _key(centers))
    tables: dict[str, NodeTable] = psf.derived(key, lambda: parameter_nodes(psf, centers))
    return tables


def psf_tables(psf: IRF, energy_true: MapAxis | u.Quantity, rad: MapAxis) -> list[Movable]:
    """All tables of a point spread function of any kind."""
    if isinstance(psf, ParametricPSF):
        return list(parametric_tables(psf, energy_true).values())
    return [psf_table(psf, energy_true, rad)]


def edisp_table(edisp: IRF, energy_true: MapAxis | u.Quantity, migra: MapAxis) -> DensityNodes:
    """Energy dispersion in bins of ``migra``."""
    centers, axis = bin_centers(energy_true), checked_axis(migra, "migra")
    key = ("edisp", _key(centers), _key(axis))
    table: DensityNodes = edisp.derived(key, lambda: edisp_nodes(edisp, centers, axis))
    return table


def edisp_kernel_table(edisp: IRF, energy: MapAxis | u.Quantity, energy_true: MapAxis | u.Quantity) -> KernelNodes:
    """Energy dispersion in bins of reconstructed energy."""
    edges, centers = bin_edges(energy), bin_centers(energy_true)
    key = ("edisp kernel", _key(edges), _key(centers))
    table: KernelNodes = edisp.derived(key, lambda: edisp_kernel_nodes(edisp, edges, centers))
    return table


def background_table(bkg: IRF, energy: MapAxis | u.Quantity) -> BackgroundNodes:
    """Background rate at the edges of bins of energy."""
    edges = bin_edges(energy)
    table: BackgroundNodes = bkg.derived(("background", _key(edges)), lambda: background_nodes(bkg, edges))
    return table


def bin_centers(axis: MapAxis | u.Quantity) -> u.Quantity:
    """Centres of the bins of an axis, or the centres that were given."""
    return axis.center if isinstance(axis, MapAxis) else u.Quantity(axis)


def bin_edges(axis: MapAxis | u.Quantity) -> u.Quantity:
    """Edges of the bins of an axis, or the edges that were given."""
    return axis.edges if isinstance(axis, MapAxis) else u.Quantity(axis)


def checked_axis(axis: MapAxis, name: str) -> MapAxis:
    """Axis whose bins have widths.

    Raises
    ------
    TypeError
        If it is something else, such as centres of bins.
    """
    if not isinstance(axis, MapAxis):
        raise TypeError(
            f"{name} must be a MapAxis, got {type(axis).__name__}; its bins have widths that are needed here"
        )
    return axis


def _key(axis: MapAxis | u.Quantity) -> Hashable:
    """Name for what is derived from a table at some coordinates."""
    if isinstance(axis, MapAxis):
        return axis.interp, axis.node_type, str(axis.unit), axis.edges_value.tobytes()
    return str(axis.unit), axis.value.tobytes()
