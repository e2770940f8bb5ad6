"""Node tables of responses at the pixels of a map, with all that is done with the values of a pixel, in one launch."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lightpool.arrays.cuda.loader import contiguous, dtype_in_c, empty, grid_for, launch
from lightpool.arrays.cuda.structs import struct
from lightpool.arrays.devices.array_types import Array

__all__ = [
    "FieldPlace",
    "project_density",
    "project_gauss",
    "project_integrals",
    "project_kernel",
    "project_king",
    "project_values",
]

_FIELD = [("n_pixel", "i8"), ("n_axis", "i8"), ("n_node", "i8", 2), ("lower", "f8", 2), ("upper", "f8", 2)]


class FieldPlace(NamedTuple):
    """Where pixels lie among the nodes of tables: in one coordinate (offset), or in two of the field of view.

    Attributes
    ----------
    coords : one or two arrays of float64, shape (P,), on the scale of the nodes
    nodes : array of float64 on the device, the nodes of the axes one behind the other
    n_node : number of nodes of each axis
    bounds : (lower, upper) of each axis; outside, and where a coordinate is NaN, all values are zero
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
        """Arguments of a kernel: nodes, coordinates and the structure ``Field``."""
        coords: list[Any] = [contiguous(x) for x in self.coords]
        lower, upper = zip(*self.bounds, strict=True)
        field = struct(_FIELD, n_pixel=self.n_pixel, n_axis=len(coords), n_node=self.n_node, lower=lower, upper=upper)
        return [self.nodes, *coords, *[None] * (2 - len(coords)), field]


def project_values(table: Array, place: FieldPlace, factor: float) -> Array:
    """Values at the pixels times a factor, at least zero: (n_row, *nodes) to (n_row, P)."""
    n_row, n_cell = table.shape[0], math.prod(table.shape[1:])
    return _projected(
        "values", [table], place, [np.int64(n_row), np.int64(n_cell), np.float64(factor)], (n_row, place.n_pixel)
    )


def project_density(table: Array, widths: Array, place: FieldPlace, integral: float) -> Array:
    """Density at the pixels, at least zero, of some integral: (n_row, n_bin, *nodes) to (n_row, n_bin, P).

    Parameters
    ----------
    table : array, shape (n_row, n_bin, *nodes)
    widths : array of the same type, shape (n_bin,)
    """
    n_row, n_bin = table.shape[:2]
    numbers = [*map(np.int64, (n_row, n_bin, math.prod(table.shape[2:]))), np.float64(integral)]
    return _projected("density", [table, widths], place, numbers, (n_row, n_bin, place.n_pixel))


def project_kernel(
    table: Array, widths: Array, shares: Array, reach: Array, place: FieldPlace, threshold: float
) -> Array:
    """Probabilities of the bins that a density fills, zero below a threshold: shape (n_row, n_energy, P).

    Parameters
    ----------
    table, widths : as for `project_density`
    shares : array of the same type, shape (n_row, n_energy, n_bin), what each bin of density 1 adds
    reach : array of int64, shape (n_row, n_energy, 2), from where to before where the shares are not zero
    """
    n_row, n_energy, n_bin = shares.shape
    numbers = [*map(np.int64, (n_row, n_energy, n_bin, math.prod(table.shape[2:]))), np.float64(threshold)]
    return _projected("kernel", [table, widths, shares, reach], place, numbers, (n_row, n_energy, place.n_pixel))


def project_integrals(
    table: Array, points: Array, floor: Array, place: FieldPlace, factor: Array | None = None
) -> Array:
    """Integrals of the exponential of a table, as by `integrate_exponential`: (n_edge, *nodes) to (n_edge - 1, P).

    Parameters
    ----------
    table : array, shape (n_edge, *nodes)
    points, floor : arrays of float64, shape (n_edge,)
    factor : array of float64, P values in any shape, optional
    """
    n_edge, n_cell = table.shape[0], math.prod(table.shape[1:])
    kind = _kind(table)
    values = empty((n_edge - 1, place.n_pixel), table.dtype, table)
    numbers = [np.int64(n_edge), np.int64(n_cell)]
    factor = None if factor is None else contiguous(factor, "float64")
    args = [contiguous(table), contiguous(points), contiguous(floor), factor, *place.arguments(), *numbers, values]
    launch("responses", f"project_integrals<{kind}>", grid_for(place.n_pixel, min(1, n_edge - 1)), args, values)
    return values


def project_gauss(parameters: Sequence[Array | None], rad: Array, areas: Array, place: FieldPlace) -> Array:
    """Sums of Gaussians at the pixels, of integral 1 or zero: shape (n_row, n_rad, P).

    Parameters
    ----------
    parameters : arrays of shape (n_row, *nodes), in the order scale, sigma 1, sigma 2, amplitude 2, sigma 3,
        amplitude 3; None for what is not used
    rad, areas : arrays of float64, shape (n_rad,)
    """
    return _profile("gauss", parameters, rad, areas, place)


def project_king(parameters: Sequence[Array], rad: Array, areas: Array, place: FieldPlace) -> Array:
    """King profiles at the pixels, of integral 1 or zero; parameters are gamma and sigma, see `project_gauss`."""
    return _profile("king", parameters, rad, areas, place)


def _profile(name: str, parameters: Sequence[Array | None], rad: Array, areas: Array, place: FieldPlace) -> Array:
    first: Any = parameters[0]
    n_row, n_bin, n_cell = first.shape[0], rad.size, math.prod(first.shape[1:])
    tables = [None if table is None else contiguous(table) for table in parameters]
    values = empty((n_row, n_bin, place.n_pixel), first.dtype, first)
    numbers = map(np.int64, (n_row, n_bin, n_cell))
    args = [*tables, contiguous(rad), contiguous(areas), *place.arguments(), *numbers, values]
    launch("profiles", f"project_{name}<{_kind(first)}>", grid_for(place.n_pixel, n_row), args, values)
    return values


def _projected(
    name: str, tables: Sequence[Array], place: FieldPlace, numbers: Sequence[Any], shape: tuple[int, ...]
) -> Array:
    values = empty(shape, tables[0].dtype, tables[0])
    args = [*map(contiguous, tables), *place.arguments(), *numbers, values]
    launch("responses", f"project_{name}<{_kind(tables[0])}>", grid_for(place.n_pixel, shape[0]), args, values)
    return values


def _kind(table: Array) -> str:
    kind = dtype_in_c(table)
    if kind not in ("double", "float"):
        raise TypeError(f"a table of a response is of type {table.dtype}, expected float64 or float32")
    return kind
