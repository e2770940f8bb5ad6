"""Weights of the nodes of a table at pixels in the field of view."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import (
    Device,
    apply_basis,
    device_of,
    gather_bilinear,
    gather_bilinear_in_parts,
    hat_basis,
    interpolation_weights,
    scale_values,
)
from lightpool.arrays.cuda import responses
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.blocks import blocks
from lightpool.arrays.devices.devices import array_namespace
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.irf.projection.node_tables import DeviceTables, NodeTable

__all__ = [
    "OffsetWeights",
    "PlaneWeights",
    "Weights",
    "can_fuse",
    "field_coordinates",
    "kernel_coordinates",
    "may_touch",
    "on_device_of",
    "pixel_weights",
]


class Weights(Protocol):
    """What a projection needs to know of P pixels, which are flattened to one dimension.

    Coordinates are float64. The weights, which are differences of coordinates, have the data type of the result.
    """

    @property
    def dtype(self) -> str:
        """Data type of the weights, ``float64`` or ``float32``."""

    @property
    def device(self) -> Device:
        """Device of the pixels."""

    @property
    def coords(self) -> tuple[Array, ...]:
        """Coordinates of the pixels, one array of shape (P,) for each axis of the table, on the scales of its nodes."""

    @property
    def inside(self) -> Array:
        """Pixels inside the axes of the table, bool of shape (P,)."""

    @property
    def extrapolates(self) -> bool:
        """Whether some weight is negative; only on the host."""

    def outer_pixels(self) -> NDArray[np.int64]:
        """Return the numbers of the pixels inside the axes where a weight is negative; only on the host."""

    def select(self, pixels: NDArray[np.int64] | slice) -> Self:
        """Return the weights of some of the pixels; by numbers only on the host."""

    def apply(self, values: Array) -> Array:
        """Sum values times weights: (..., nodes) to (..., P); zero outside the axes."""

    def parts(self, values: Array, size: int) -> Iterator[tuple[slice, Array]]:
        """Yield the sums of `apply` for some pixels at a time: their slice, and (rows, pixels); only on the host.

        Parameters
        ----------
        values : array, shape (..., nodes)
        size : int, number of pixels at a time

        Notes
        -----
        Outside the axes the sums are finite, but have no meaning.
        """

    def apply_scaled(self, values: Array, factor: Array) -> Array:
        """Return the sum of `apply`, times a factor.

        Parameters
        ----------
        values : array, shape (E, N, nodes)
        factor : array, shape (E, P)

        Returns
        -------
        sums : array, shape (E, N, P)
        """

    def touched(self, holes: Array) -> Array:
        """Return whether a node that is marked with 1 has a weight: (..., nodes) to bool of (..., P)."""


def field_coordinates(field: tuple[str, ...], **positions: Array | None) -> tuple[Array, ...]:
    """Return those coordinates of the pixels that a response depends on.

    Parameters
    ----------
    field : tuple of str, names of the coordinates that it depends on
    **positions : array of float64, any shape, unit rad, by name of coordinate; None if not known

    Raises
    ------
    ValueError
        If a coordinate that the response depends on is not known.
    """
    found = tuple(x for x in map(positions.get, field) if x is not None)
    if len(found) < len(field):
        what = "the offset; give `offset`" if field == ("offset",) else f"({', '.join(field)}); give both"
        raise ValueError(f"this response depends on {what}, in rad")
    return found


def pixel_weights(table: NodeTable, *coords: Array, dtype: str = "float64") -> Weights:
    """Return the weights of the nodes of a table at pixels.

    Parameters
    ----------
    table : NodeTable
    coords : array of float64, any shape, unit rad, for each coordinate of the table
    dtype : ``float64`` or ``float32``, of the weights and of what they are applied to
    """
    turned = [_row(x) for x in coords]
    for number, name in enumerate(table.field):
        if name in table.periodic:
            turned[number] = _within_turn(turned[number], *table.bounds[number])
    scaled = [scale_values(x, scale) for x, scale in zip(turned, table.scales, strict=True)]
    if len(scaled) == 1:
        return OffsetWeights(scaled[0], table.nodes[0], table.bounds[0], dtype)
    return PlaneWeights(scaled[0], scaled[1], table.nodes, table.bounds, dtype)


def may_touch(marks: NodeTable, *coords: Array) -> bool:
    """Return whether a marked node may have a weight at a pixel, from the ranges of the coordinates; only on the host.

    Parameters
    ----------
    marks : NodeTable, values of shape (..., nodes), other than 0 at marked nodes
    coords : array of float64, any shape, unit rad, for each coordinate of the table
    """
    near = marks.values
    axes = zip(coords, marks.field, marks.scales, marks.nodes, marks.bounds, strict=True)
    for axis, (x, name, scale, nodes, (lower, upper)) in enumerate(axes, start=-len(coords)):
        if name in marks.periodic:
            continue  # any direction may occur
        host = cast("NDArray[np.float64]", x)
        # fmin and fmax leave out NaN.
        ends = np.array([ends.reduce(host, axis=None, initial=np.nan) for ends in (np.fmin, np.fmax)])
        low, high = np.asarray(scale_values(ends, scale))
        if not (low <= upper and high >= lower):  # also without a single number
            return False
        # As in `interpolation_weights`: the nodes below and above, and the outer two beyond them.
        first, last = np.searchsorted(nodes[1:-1], [max(low, lower), min(high, upper)], side="right")
        near = np.take(near, range(first, min(last + 2, len(nodes))), axis=axis)
    return bool(near.any())


def on_device_of(weights: Weights, nodes: DeviceTables, name: str) -> Array:
    """Return an array of a table on the device of the pixels, in the data type of their weights.

    Parameters
    ----------
    weights : Weights of the pixels
    nodes : DeviceTables that hold the array
    name : str, attribute of the array
    """
    return nodes.on(weights.device, name, weights.dtype)


def can_fuse(weights: Weights, *tables: NodeTable) -> bool:
    """Return whether a response can be computed in one kernel launch.

    The device must have kernels (`lightpool.arrays.cuda.responses`), and the tables a number at each node.

    Parameters
    ----------
    weights : Weights of the pixels
    tables : NodeTable
    """
    return weights.device.is_cuda and all(table.holes is None for table in tables)


def kernel_coordinates(weights: Weights, table: NodeTable) -> responses.NodePositions:
    """Return the pixels and nodes in the field of view as the kernels of `lightpool.arrays.cuda.responses` take them.

    Parameters
    ----------
    weights : Weights of the pixels, of which only the coordinates are used
    table : NodeTable
    """
    n_node = [len(nodes) for nodes in table.nodes]
    return responses.NodePositions(weights.coords, table.on(weights.device, "all_nodes"), n_node, table.bounds)


def _within_turn(angle: Array, low: float, high: float) -> Array:
    """Return angles between bounds that are a full turn apart."""
    xp = array_namespace(angle)
    turn = 2 * np.pi
    wrapped = low + (angle - low) - turn * xp.floor((angle - low) / turn)
    # Rounding must not put an angle beyond the last edge; NaN stays NaN.
    return xp.where(wrapped > high, xp.full_like(wrapped, high), wrapped)


def _row(x: Array) -> Array:
    return array_namespace(x).reshape(x, (-1,))


@dataclass(frozen=True, eq=False)
class OffsetWeights:
    """Weights in offset: a matrix (n_node, P), most of it zero, which BLAS multiplies faster than a gather."""

    x: Array
    nodes: NDArray[np.float64]
    bounds: tuple[float, float]
    dtype: str = "float64"

    @cached_property
    def basis(self) -> Array:
        """Weights, shape (n_node, P)."""
        return hat_basis(self.x, self.nodes, *self.bounds, self.dtype)

    @property
    def device(self) -> Device:
        """Device of the pixels."""
        return device_of(self.x)

    @property
    def coords(self) -> tuple[Array, ...]:
        """Offset of the pixels, on the scale of the nodes."""
        return (self.x,)

    @property
    def inside(self) -> Array:
        """Pixels inside the axis, bool of shape (P,)."""
        return (self.x >= self.bounds[0]) & (self.x <= self.bounds[1])

    @property
    def extrapolates(self) -> bool:
        """Whether some weight is negative; only on the host."""
        return bool(self._outer.size)

    def outer_pixels(self) -> NDArray[np.int64]:
        """Return the numbers of the pixels inside the axis but beyond its outer nodes; only on the host."""
        return self._outer

    @cached_property
    def _outer(self) -> NDArray[np.int64]:
        if len(self.nodes) == 1:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(((self.x < self.nodes[0]) | (self.x > self.nodes[-1])) & self.inside)

    def select(self, pixels: NDArray[np.int64] | slice) -> "OffsetWeights":
        """Return the weights of some of the pixels; by numbers only on the host."""
        return OffsetWeights(self.x[pixels], self.nodes, self.bounds, self.dtype)

    def apply(self, values: Array) -> Array:
        """Sum values times weights: (..., n_node) to (..., P)."""
        return apply_basis(values, self.basis)

    def parts(self, values: Array, size: int) -> Iterator[tuple[slice, Array]]:
        """Yield the sums for some pixels at a time; only on the host.

        Parameters
        ----------
        values, size : see `Weights.parts`
        """
        return ((part, apply_basis(values, self.basis[:, part])) for part in blocks(self.x.shape[0], size))

    def apply_scaled(self, values: Array, factor: Array) -> Array:
        """Return the sum times a factor.

        Parameters
        ----------
        values : array, shape (E, N, n_node)
        factor : array, shape (E, P)
        """
        # The weights are few, so the factor goes there and not into the large product.
        return array_namespace(values).matmul(values, self.basis[None, ...] * factor[:, None, :])

    def touched(self, holes: Array) -> Array:
        """Return whether a marked node has a weight: (..., n_node) to bool of (..., P)."""
        # The sum counts the marked nodes, so rounding cannot reach 0.5.
        return apply_basis(holes, as_dtype(self.basis != 0, self.dtype)) > 0.5


@dataclass(frozen=True, eq=False)
class PlaneWeights:
    """Weights in two coordinates, as (fov_lon, fov_lat) or (rho, phi): four neighbours of each pixel."""

    lon: Array
    lat: Array
    nodes: tuple[NDArray[np.float64], ...]
    bounds: tuple[tuple[float, float], ...]
    dtype: str = "float64"

    @cached_property
    def neighbours(self) -> tuple[Array, Array, Array, Array]:
        """Lower node and fraction in both coordinates; those of the first node outside the axes."""
        xp = array_namespace(self.lon)
        lon, lat = self.lon, self.lat
        # On a GPU the question whether all pixels are inside would wait for the device, so it is not asked.
        # Pixels outside, and those whose coordinate is NaN, go to the first node: then their sums are finite.
        if not (self.device.is_host and cast("NDArray[np.bool_]", self.inside).all()):
            lon, lat = (
                xp.where(self.inside, x, xp.full_like(x, float(nodes[0])))
                for x, nodes in zip((lon, lat), self.nodes, strict=True)
            )
        return (*interpolation_weights(lon, self.nodes[0]), *interpolation_weights(lat, self.nodes[1]))

    @property
    def device(self) -> Device:
        """Device of the pixels."""
        return device_of(self.lon)

    @property
    def coords(self) -> tuple[Array, ...]:
        """Longitude and latitude of the pixels, on the scales of the nodes."""
        return self.lon, self.lat

    @cached_property
    def inside(self) -> Array:
        """Pixels inside the axes, bool of shape (P,)."""
        (west, east), (south, north) = self.bounds
        return (self.lon >= west) & (self.lon <= east) & (self.lat >= south) & (self.lat <= north)

    @property
    def extrapolates(self) -> bool:
        """Whether some weight is negative; only on the host."""
        return bool(self.outer_pixels().size)

    def outer_pixels(self) -> NDArray[np.int64]:
        """Return the numbers of the pixels inside the axes but beyond the outer nodes of one; only on the host."""
        beyond = np.zeros(self.lon.shape, dtype=bool)
        for x, nodes in ((self.lon, self.nodes[0]), (self.lat, self.nodes[1])):
            if len(nodes) > 1:
                beyond |= (x < nodes[0]) | (x > nodes[-1])
        return np.flatnonzero(beyond & self.inside)

    def select(self, pixels: NDArray[np.int64] | slice) -> "PlaneWeights":
        """Return the weights of some of the pixels; by numbers only on the host."""
        return PlaneWeights(self.lon[pixels], self.lat[pixels], self.nodes, self.bounds, self.dtype)

    def apply(self, values: Array) -> Array:
        """Sum values times weights: (..., n_lon, n_lat) to (..., P)."""
        # Pixels outside have the value of the first node here, see `neighbours`.
        result = gather_bilinear(values, *self.neighbours, self.dtype)
        xp = array_namespace(result)
        return xp.where(self.inside, result, xp.zeros_like(result))

    def parts(self, values: Array, size: int) -> Iterator[tuple[slice, Array]]:
        """Yield the sums for some pixels at a time; only on the host.

        Parameters
        ----------
        values, size : see `Weights.parts`
        """
        return gather_bilinear_in_parts(values, *self.neighbours, self.dtype, size)

    def apply_scaled(self, values: Array, factor: Array) -> Array:
        """Return the sum times a factor.

        Parameters
        ----------
        values : array, shape (E, N, n_lon, n_lat)
        factor : array, shape (E, P)
        """
        return self.apply(values) * factor[:, None, :]

    def touched(self, holes: Array) -> Array:
        """Return whether a marked node has a weight: (..., n_lon, n_lat) to bool of (..., P)."""
        xp = array_namespace(self.lon)
        ix, fx, iy, fy = self.neighbours
        # Half way between the nodes all neighbours that count have a weight; on a node only that one has.
        sides = [xp.where(f == 0, f, xp.where(f == 1, f, xp.full_like(f, 0.5))) for f in (fx, fy)]
        # Each marked neighbour that counts adds at least 0.5 * 0.5.
        return gather_bilinear(holes, ix, sides[0], iy, sides[1], self.dtype) > 0.1
