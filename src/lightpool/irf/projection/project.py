"""Node tables at the pixels of a map, in array code on the device of the pixels.

The functions take a node table (host) and the weights of P pixels; the result has the data type of the weights. On
CUDA, a table without holes is projected by one kernel launch (`lightpool.arrays.cuda.responses`).

Gammapy sets negative interpolated values to zero before it normalises, which the algebra of node tables cannot see. A
weight is negative only beyond the outer nodes, so on the host those few pixels are evaluated anew, with the clip.
Elsewhere, finding them would mean to read the offsets back: all pixels are evaluated directly.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, device_of
from lightpool.arrays.cuda import responses
from lightpool.arrays.devices.array_types import Array, Namespace
from lightpool.arrays.devices.blocks import blocks, in_blocks
from lightpool.irf.projection.node_tables import DensityNodes, KernelNodes, NodeTable
from lightpool.irf.projection.weights import Weights, can_fuse, kernel_coordinates, on_device_of

__all__ = ["HOST_BLOCK", "N_WORK_ARRAYS", "clip_at_zero", "project_density", "project_kernel", "project_values"]

Parts: TypeAlias = Iterator[tuple[slice, Array]]
"""Slices of the true energies, and the values there, shape (n_row, n_bin, P); together they cover all energies."""

Floats = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64] | slice
_Direct: TypeAlias = Callable[[Weights, Rows], Array]

HOST_BLOCK = 2**17
"""Values that are computed at once on the host (1 MiB), so that they stay in the processor's cache."""

N_WORK_ARRAYS = 4
"""Arrays of the size of a result that are in memory while it is made on other devices in many launches, measured."""


def project_values(table: NodeTable, weights: Weights, factor: float = 1.0) -> Array:
    """Return values at pixels, at least zero; zero where the table holds no number.

    Parameters
    ----------
    table : NodeTable, values of shape (n_energy_true, ...)
    weights : Weights of P pixels
    factor : float, multiplies the values

    Returns
    -------
    values : array, shape (n_energy_true, P)
    """
    if can_fuse(weights, table):
        nodes = on_device_of(weights, table, "values")
        return responses.project_values(nodes, kernel_coordinates(weights, table), factor)
    device = weights.device
    # The factor goes on the nodes, which are far fewer than the pixels.
    values = weights.apply(on_device_of(weights, table, "values") * factor)
    xp = array_namespace(values)
    if table.holes is not None:
        values = xp.where(weights.touched(on_device_of(weights, table, "holes")), xp.zeros_like(values), values)
    if not device.is_host:
        return clip_at_zero(values, xp)
    host = cast(Floats, values)
    # Only these rows can hold negative values; clipping all of them would be one more pass over the map.
    for rows in _runs([*table.awkward, *(table.dipping if weights.extrapolates else ())]):
        np.clip(host[rows], 0.0, np.inf, out=host[rows])  # faster than a maximum
    return values


def _runs(numbers: list[int]) -> Iterator[slice]:
    """Return slices of numbers that follow one another, which together cover all of them."""
    ordered = sorted(set(numbers))
    first = 0
    for place in range(1, len(ordered) + 1):
        if place == len(ordered) or ordered[place] > ordered[place - 1] + 1:
            yield slice(ordered[first], ordered[place - 1] + 1)
            first = place


def project_density(nodes: DensityNodes, weights: Weights, integral: float = 1.0) -> Parts:
    """Yield a density at pixels, normalised over its axis, for some true energies at a time.

    Parameters
    ----------
    nodes : DensityNodes
    weights : Weights of P pixels
    integral : float, sum of the density times the widths of the bins, where it is not zero

    Yields
    ------
    rows : slice of true energies
    values : array, shape (n_row, n_bin, P)
    """
    if can_fuse(weights, nodes.table):
        values, widths = on_device_of(weights, nodes.table, "values"), on_device_of(weights, nodes, "widths")
        yield slice(None), responses.project_density(values, widths, kernel_coordinates(weights, nodes.table), integral)
        return
    widths = on_device_of(weights, nodes, "widths")

    def direct(weights: Weights, rows: Rows) -> Array:
        values = _density(nodes.table, weights, rows)  # (n_row, n_bin, P); its norm has the shape (n_row, P)
        xp = array_namespace(values)
        return values * (integral * _inverse(xp.matmul(widths, values), xp))[:, None, :]

    if not weights.device.is_host:
        yield slice(None), direct(weights, slice(None))
        return
    norm = weights.apply(on_device_of(weights, nodes.norm, "values"))
    factor = integral * _inverse(norm, weights.device.xp)
    yield from _scaled(on_device_of(weights, nodes.table, "values"), factor, direct, nodes.table, weights)


def project_kernel(nodes: KernelNodes, weights: Weights, threshold: float) -> Parts:
    """Yield the probabilities of the bins of reconstructed energy at pixels, for some true energies at a time.

    Parameters
    ----------
    nodes : KernelNodes
    weights : Weights of P pixels
    threshold : float, smaller probabilities are zero

    Yields
    ------
    rows : slice of true energies
    values : array, shape (n_row, n_energy, P)
    """
    density = nodes.density
    if can_fuse(weights, density.table):
        values, widths = on_device_of(weights, density.table, "values"), on_device_of(weights, density, "widths")
        shares, reach = on_device_of(weights, nodes, "shares"), nodes.on(weights.device, "reach", "int64")
        pixels = kernel_coordinates(weights, density.table)
        yield slice(None), responses.project_kernel(values, widths, shares, reach, pixels, threshold)
        return
    for rows, kernel in _kernel(nodes, weights):
        if weights.device.is_host:
            host = cast(Floats, kernel)
            # In place: the array is new, and nobody else has it.
            np.copyto(host, 0.0, where=host < threshold)
            yield rows, kernel
        else:
            xp = array_namespace(kernel)
            yield rows, xp.where(kernel < threshold, xp.zeros_like(kernel), kernel)


def clip_at_zero(values: Array, xp: Namespace) -> Array:
    """Return values, at least zero.

    Parameters
    ----------
    values : array of float
    xp : namespace of ``values``
    """
    # One zero that broadcasts: `zeros_like` would take as much memory as the values.
    return xp.maximum(values, xp.zeros(1, dtype=values.dtype, device=device_of(values).handle))


def _inverse(norm: Array, xp: Namespace) -> Array:
    """Return one over the norm; zero where the norm is not positive, or so small that its inverse is infinite."""
    valid = norm >= xp.finfo(norm.dtype).smallest_normal
    # The inner `where` keeps NumPy from warning of a division by zero.
    return xp.where(valid, 1 / xp.where(valid, norm, xp.ones_like(norm)), xp.zeros_like(norm))


def _density(table: NodeTable, weights: Weights, rows: Rows) -> Array:
    """Return the density at the pixels for some rows of true energy, clipped at zero."""
    values = weights.apply(on_device_of(weights, table, "values")[rows, ...])
    xp = array_namespace(values)
    if table.holes is not None:
        # Where a node without a number has a weight, the whole value counts as zero.
        holes = on_device_of(weights, table, "holes")[rows, ...]
        values = xp.where(weights.touched(holes), xp.zeros_like(values), values)
    return clip_at_zero(values, xp)


def _scaled(values: Array, factor: Array, direct: _Direct, table: NodeTable, weights: Weights) -> Parts:
    """Yield node values at the pixels times a factor, some rows at a time; what may need a clip is evaluated anew."""
    # Rows that dip are negative beyond the outer nodes only, so only the pixels there are evaluated.
    outer = weights.outer_pixels() if table.dipping.size and weights.extrapolates else table.dipping[:0]
    clipped: dict[int, Floats] = {}
    if outer.size:
        # (n_dipping, n_bin, n_outer)
        evaluated = cast(Floats, direct(weights.select(outer), table.dipping))
        clipped = dict(zip(table.dipping.tolist(), evaluated, strict=True))
    awkward = set(table.awkward)
    for rows in blocks(values.shape[0], HOST_BLOCK // max(1, values.shape[1] * factor.shape[-1])):
        part = weights.apply_scaled(values[rows], factor[rows])
        for number, row in enumerate(range(rows.start, rows.stop)):
            if row in clipped:
                part[number][..., outer] = clipped[row]
            elif row in awkward:
                # A hole or a negative node acts between the nodes too, so all pixels of the row are evaluated.
                part[number] = direct(weights, slice(row, row + 1))[0]
        yield rows, part


def _kernel(nodes: KernelNodes, weights: Weights) -> Parts:
    """Yield probabilities at the pixels in many steps, some rows of (n_energy_true, n_energy, P) at a time."""
    device = weights.device
    density = nodes.density
    widths, shares = on_device_of(weights, density, "widths"), on_device_of(weights, nodes, "shares")

    def direct(weights: Weights, rows: Rows) -> Array:
        numbers = np.arange(len(density.table.values))[rows]

        def part(block: slice) -> Array:
            # On the host `rows` may be numbers of rows; elsewhere it is always all of them.
            some = numbers[block] if device.is_host else block
            # (n_row, n_migra, P); this large array is the reason for the blocks.
            values = _density(density.table, weights, some)
            xp = array_namespace(values)
            norm = _inverse(xp.matmul(widths, values), xp)
            return xp.matmul(shares[some, ...], values) * norm[:, None, :]

        n_bytes = 8 * N_WORK_ARRAYS * density.widths.size * weights.coords[0].shape[0]  # migra bins times pixels
        return in_blocks(part, numbers.size, n_bytes, device)

    if not device.is_host:
        yield slice(None), direct(weights, slice(None))
        return
    norm = weights.apply(on_device_of(weights, density.norm, "values"))
    factor = _inverse(norm, device.xp)
    yield from _scaled(on_device_of(weights, nodes.kernel, "values"), factor, direct, density.table, weights)
