"""Node tables of responses at the pixels of a map, and everything that follows for a pixel, in one launch."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lightpool.arrays.cuda.loader import contiguous, dtype_in_c, empty, grid_for, launch
from lightpool.arrays.cuda.structs import struct
from lightpool.arrays.devices.array_types import Array

__all__ = [
    "NodePositions",
    "project_density",
    "project_gauss",
    "project_integrals",
    "project_kernel",
    "project_king",
    "project_values",
]

# `Field` of field.cuh: arrays have two places, of which a table in the offset alone uses the first.
_FIELD = [("n_pixel", "i8"), ("n_axis", "i8"), ("n_node", "i8", 2), ("lower", "f8", 2), ("upper", "f8", 2)]


class NodePositions(NamedTuple):
    """Positions of pixels among the nodes of tables: in one coordinate (offset), or in two of the field of view.

    Attributes
    ----------
    coords : sequence of one or two arrays of float64, shape (P,), on the scale of the nodes
    nodes : array of float64 on the device, the nodes of all axes, one axis after the other
    n_node : sequence of int
        Number of nodes of each axis.
    bounds : sequence of (lower, upper)
        Range of each axis; outside, and where a coordinate is NaN, all values are zero.
    """

    coords: Sequence[Array]
    nodes: Array
    n_node: Sequence[int]
    bounds: Sequence[tuple[float, float]]

    @property
    def n_pixel(self) -> int:
        """Number of pixels."""
        return int(self.coords[0].size)

    def arguments(self) -> list[Any]:
        """Return arguments of a kernel: nodes, coordinates and the structure ``Field``."""
        coords: list[Any] = [contiguous(x) for x in self.coords]
        lower, upper = zip(*self.bounds, strict=True)
        field = struct(_FIELD, n_pixel=self.n_pixel, n_axis=len(coords), n_node=self.n_node, lower=lower, upper=upper)
        return [self.nodes, *coords, *[None] * (2 - len(coords)), field]


def project_values(table: Array, positions: NodePositions, factor: float) -> Array:
    """Interpolate values at the pixels and multiply them by a factor; negative values become zero.

    Parameters
    ----------
    table : array, shape ``(n_row, *nodes)``
    positions : NodePositions
    factor : float

    Returns
    -------
    values : array of the type of ``table``, shape (n_row, P)
    """
    n_row, n_cell = table.shape[0], math.prod(table.shape[1:])
    return _projected(
        "values",
        [table],
        positions,
        [np.int64(n_row), np.int64(n_cell), np.float64(factor)],
        (n_row, positions.n_pixel),
    )


def project_density(table: Array, widths: Array, positions: NodePositions, integral: float) -> Array:
    """Interpolate a density at the pixels and normalise it; negative values become zero before.

    Parameters
    ----------
    table : array, shape ``(n_row, n_bin, *nodes)``
    widths : array of the same type, shape (n_bin,)
    positions : NodePositions
    integral : float
        Integral over the bins that the result has.

    Returns
    -------
    density : array of the type of ``table``, shape (n_row, n_bin, P)
    """
    n_row, n_bin = table.shape[:2]
    numbers = [*map(np.int64, (n_row, n_bin, math.prod(table.shape[2:]))), np.float64(integral)]
    return _projected("density", [table, widths], positions, numbers, (n_row, n_bin, positions.n_pixel))


def project_kernel(
    table: Array, widths: Array, shares: Array, reach: Array, positions: NodePositions, threshold: float
) -> Array:
    """Interpolate a density at the pixels and integrate it in energy bins; values below a threshold become zero.

    Parameters
    ----------
    table, widths : see `project_density`
    shares : array of the same type, shape (n_row, n_energy, n_bin)
        Contribution of each bin of density 1 to each energy.
    reach : array of int64, shape (n_row, n_energy, 2)
        First bin whose share is not zero, and the one after the last.
    positions : NodePositions
    threshold : float

    Returns
    -------
    kernel : array of the type of ``table``, shape (n_row, n_energy, P)
    """
    n_row, n_energy, n_bin = shares.shape
    numbers = [*map(np.int64, (n_row, n_energy, n_bin, math.prod(table.shape[2:]))), np.float64(threshold)]
    return _projected(
        "kernel", [table, widths, shares, reach], positions, numbers, (n_row, n_energy, positions.n_pixel)
    )


def project_integrals(
    table: Array, points: Array, floor: Array, positions: NodePositions, factor: Array | None = None
) -> Array:
    """Integrate the exponential of a table at the pixels, as `lightpool.arrays.integrate_exponential`.

    Parameters
    ----------
    table : array, shape ``(n_edge, *nodes)``
    points, floor : arrays of float64, shape (n_edge,)
    positions : NodePositions
    factor : array of float64, P values in any shape, optional
        Factor of each pixel.

    Returns
    -------
    integrals : array of the type of ``table``, shape (n_edge - 1, P)
    """
    n_edge, n_cell = table.shape[0], math.prod(table.shape[1:])
    kind = _kind(table)
    values = empty((n_edge - 1, positions.n_pixel), table.dtype, table)
    numbers = [np.int64(n_edge), np.int64(n_cell)]
    factor = None if factor is None else contiguous(factor, "float64")
    # One row: a thread goes through all edges of its pixel, and uses each interpolated value twice.
    args = [contiguous(table), contiguous(points), contiguous(floor), factor, *positions.arguments(), *numbers, values]
    launch("responses", f"project_integrals<{kind}>", grid_for(positions.n_pixel, min(1, n_edge - 1)), args, values)
    return values


def project_gauss(parameters: Sequence[Array | None], rad: Array, areas: Array, positions: NodePositions) -> Array:
    """Evaluate sums of Gaussians at the pixels, normalised to 1; zero where they cannot be.

    Parameters
    ----------
    parameters : sequence of arrays, shape ``(n_row, *nodes)``, or None
        Scale, sigma 1, sigma 2, amplitude 2, sigma 3, amplitude 3; None for what is not used.
    rad, areas : arrays of float64, shape (n_rad,)
        Offsets from the centre, and solid angles of their bins.
    positions : NodePositions

    Returns
    -------
    profiles : array of the type of the parameters, shape (n_row, n_rad, P)
    """
    return _profile("gauss", parameters, rad, areas, positions)


def project_king(parameters: Sequence[Array], rad: Array, areas: Array, positions: NodePositions) -> Array:
    """Evaluate King profiles at the pixels, normalised to 1; zero where they cannot be.

    Parameters
    ----------
    parameters : pair of arrays, shape ``(n_row, *nodes)``
        Gamma and sigma.
    rad, areas, positions : see `project_gauss`
    """
    return _profile("king", parameters, rad, areas, positions)


def _profile(
    name: str, parameters: Sequence[Array | None], rad: Array, areas: Array, positions: NodePositions
) -> Array:
    first = parameters[0]
    assert first is not None
    n_row, n_bin, n_cell = first.shape[0], rad.size, math.prod(first.shape[1:])
    tables = [None if table is None else contiguous(table) for table in parameters]
    values = empty((n_row, n_bin, positions.n_pixel), first.dtype, first)
    numbers = map(np.int64, (n_row, n_bin, n_cell))
    args = [*tables, contiguous(rad), contiguous(areas), *positions.arguments(), *numbers, values]
    launch("profiles", f"project_{name}<{_kind(first)}>", grid_for(positions.n_pixel, n_row), args, values)
    return values


def _projected(
    name: str, tables: Sequence[Array], positions: NodePositions, numbers: Sequence[Any], shape: tuple[int, ...]
) -> Array:
    values = empty(shape, tables[0].dtype, tables[0])
    args = [*map(contiguous, tables), *positions.arguments(), *numbers, values]
    launch("responses", f"project_{name}<{_kind(tables[0])}>", grid_for(positions.n_pixel, shape[0]), args, values)
    return values


def _kind(table: Array) -> str:
    kind = dtype_in_c(table)
    if kind not in ("double", "float"):
        raise TypeError(f"a table of a response is of type {table.dtype}, expected float64 or float32")
    return kind
