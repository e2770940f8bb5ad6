"""Responses at pixels on devices that have kernels for it, in one launch each: the counterpart of `project`.

All functions take node tables (host) and the weights of the pixels, of which only the coordinates are used.
"""

from collections.abc import Sequence

from lightpool.arrays.cuda import responses
from lightpool.arrays.cuda.responses import FieldPlace
from lightpool.arrays.devices.array_types import Array
from lightpool.irf.projection.node_tables import BackgroundNodes, DensityNodes, KernelNodes, Movable, NodeTable
from lightpool.irf.projection.weights import Weights

__all__ = [
    "can_fuse",
    "fused_density",
    "fused_integrals",
    "fused_kernel",
    "fused_profile",
    "fused_values",
]


def can_fuse(weights: Weights, *tables: NodeTable) -> bool:
    """Whether the device of the pixels has kernels, and the tables hold a number at each node."""
    return weights.device.is_cuda and all(table.holes is None for table in tables)


def _place(table: NodeTable, weights: Weights) -> FieldPlace:
    n_node = [len(nodes) for nodes in table.nodes]
    return FieldPlace(weights.coords, table.on(weights.device, "all_nodes"), n_node, table.bounds)


def _beside(nodes: Movable, name: str, weights: Weights) -> Array:
    return nodes.on(weights.device, name, weights.dtype)


def fused_values(table: NodeTable, weights: Weights, factor: float) -> Array:
    """Values times a factor, at least zero."""
    return responses.project_values(_beside(table, "values", weights), _place(table, weights), factor)


def fused_density(nodes: DensityNodes, weights: Weights, integral: float) -> Array:
    """Density of some integral."""
    table, widths = _beside(nodes.table, "values", weights), _beside(nodes, "widths", weights)
    return responses.project_density(table, widths, _place(nodes.table, weights), integral)


def fused_kernel(nodes: KernelNodes, weights: Weights, threshold: float) -> Array:
    """Probabilities of the bins of reconstructed energy, zero below a threshold."""
    density = nodes.density
    table, widths = _beside(density.table, "values", weights), _beside(density, "widths", weights)
    shares, reach = _beside(nodes, "shares", weights), nodes.on(weights.device, "reach", "int64")
    return responses.project_kernel(table, widths, shares, reach, _place(density.table, weights), threshold)


def fused_integrals(nodes: BackgroundNodes, weights: Weights, factor: Array | None = None) -> Array:
    """Integrals over the energy bins of a rate whose logarithm is tabulated, times a factor for each pixel."""
    points, floor = (nodes.on(weights.device, name) for name in ("log_energy", "floor"))
    place = _place(nodes.table, weights)
    return responses.project_integrals(_beside(nodes.table, "values", weights), points, floor, place, factor)


def fused_profile(
    name: str, parameters: Sequence[NodeTable | None], rad: Array, areas: Array, weights: Weights
) -> Array:
    """Point spread function from tables of its parameters.

    Parameters
    ----------
    name : ``gauss`` or ``king``
    parameters : tables in the order of `lightpool.arrays.cuda.responses`, None for what is not used
    rad, areas : arrays of float64 on the device, shape (n_rad,)
    """
    project = {"gauss": responses.project_gauss, "king": responses.project_king}[name]
    first = next(table for table in parameters if table is not None)
    tables = [None if table is None else _beside(table, "values", weights) for table in parameters]
    return project(tables, rad, areas, _place(first, weights))
