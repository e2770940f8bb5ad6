"""Responses at the pixels of a map that are worked out when they are asked for.

What is added to a stack right away is added in pieces that fit into the processor's cache. Arguments are those of the
functions of `lightpool.irf.projection.project`, of the same names but for the first word; the places of the pixels are
images, (ny, nx), or rows, which count as images of one row.

Gammapy sets negative interpolated values to zero before it normalises, which the algebra of node tables cannot see. A
weight is negative only beyond the outer nodes, so on the host those few pixels are evaluated anew, with the clip.
Elsewhere, finding them would mean to read the offsets back: all pixels go the direct way.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import LazyArray, array_namespace, device_of
from lightpool.arrays.devices.array_types import Array, Namespace
from lightpool.arrays.devices.blocks import blocks, blocks_that_fit, in_blocks
from lightpool.irf.projection.cuda_projection import can_fuse, fused_density, fused_kernel, fused_values
from lightpool.irf.projection.node_table_cache import (
    aeff_table,
    checked_axis,
    edisp_kernel_table,
    edisp_table,
    parametric_tables,
    psf_table,
)
from lightpool.irf.projection.node_tables import DensityNodes, KernelNodes, NodeTable
from lightpool.irf.projection.psf_profiles import parametric_parts
from lightpool.irf.projection.weights import Weights, beside, pixel_weights, place_of
from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.psf_parametric import ParametricPSF
from lightpool.maps import MapAxis

__all__ = ["as_images", "clip_at_zero", "lazy_aeff", "lazy_edisp", "lazy_edisp_kernel", "lazy_psf"]

_PER_SR = u.sr**-1
_PART = 2**17
"""Values that are worked out at once on the host (1 MiB)."""

_N_WORK = 4
"""Arrays of the size of a result that are in memory while it is made on other devices in many launches, measured."""

_Parts: TypeAlias = Callable[[Weights], Iterator[tuple[slice, Array]]]


def lazy_aeff(
    aeff: IRF,
    energy_true: MapAxis | u.Quantity,
    offset: Array | None = None,
    *,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
    dtype: str = "float64",
    factor: float = 1.0,
) -> LazyArray:
    """Effective area, shape (n_energy_true, ny, nx)."""
    nodes = aeff_table(aeff, energy_true)

    def parts(weights: Weights) -> Iterator[tuple[slice, Array]]:
        yield slice(None), _positive(nodes, weights, factor)

    return _lazy(nodes, nodes.values.shape[:1], parts, (offset, fov_lon, fov_lat), dtype)


def lazy_psf(
    psf: IRF,
    energy_true: MapAxis | u.Quantity,
    rad: MapAxis,
    offset: Array | None = None,
    *,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
    dtype: str = "float64",
    unit: str | u.UnitBase = "sr-1",
) -> LazyArray:
    """Point spread function, shape (n_energy_true, n_rad, ny, nx)."""
    factor, rad, place = float(_PER_SR.to(unit)), checked_axis(rad, "rad"), (offset, fov_lon, fov_lat)
    if isinstance(psf, ParametricPSF):
        tables = parametric_tables(psf, energy_true)
        leading = len(next(iter(tables.values())).values), rad.nbin

        def profiles(weights: Weights) -> Iterator[tuple[slice, Array]]:
            for rows, values in parametric_parts(psf, tables, rad, weights):
                values *= factor
                yield rows, values

        return _lazy(next(iter(tables.values())), leading, profiles, place, dtype, is_finite=False)
    nodes = psf_table(psf, energy_true, rad)
    return _lazy(
        nodes.table, nodes.table.values.shape[:2], lambda weights: _normalised(nodes, weights, factor), place, dtype
    )


def lazy_edisp(
    edisp: IRF,
    energy_true: MapAxis | u.Quantity,
    migra: MapAxis,
    offset: Array | None = None,
    *,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
    dtype: str = "float64",
) -> LazyArray:
    """Energy dispersion, shape (n_energy_true, n_migra, ny, nx)."""
    nodes, place = edisp_table(edisp, energy_true, migra), (offset, fov_lon, fov_lat)
    leading = nodes.table.values.shape[:2]
    return _lazy(nodes.table, leading, lambda weights: _normalised(nodes, weights), place, dtype)


def lazy_edisp_kernel(
    edisp: IRF,
    energy: MapAxis | u.Quantity,
    energy_true: MapAxis | u.Quantity,
    offset: Array | None = None,
    *,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
    dtype: str = "float64",
    threshold: float = 1e-8,
) -> LazyArray:
    """Probabilities of the bins of reconstructed energy, shape (n_energy_true, n_energy, ny, nx)."""
    nodes = edisp_kernel_table(edisp, energy, energy_true)

    def parts(weights: Weights) -> Iterator[tuple[slice, Array]]:
        if can_fuse(weights, nodes.density.table):
            yield slice(None), fused_kernel(nodes, weights, threshold)
            return
        for rows, kernel in _kernel(nodes, weights):
            if weights.device.is_host:
                np.copyto(kernel, 0.0, where=kernel < threshold)
                yield rows, kernel
            else:
                xp = array_namespace(kernel)
                yield rows, xp.where(kernel < threshold, xp.zeros_like(kernel), kernel)

    return _lazy(nodes.kernel, nodes.kernel.values.shape[:2], parts, (offset, fov_lon, fov_lat), dtype)


def _lazy(
    table: NodeTable,
    leading: tuple[int, ...],
    parts: _Parts,
    place: tuple[Array | None, ...],
    dtype: str,
    *,
    is_finite: bool = True,
) -> LazyArray:
    """Array of shape (*leading, ny, nx); ``parts`` gives pairs of rows and the values there, shape (..., P)."""
    images = as_images(*place_of(table, *place))
    (n_y, n_x), device = images[0].shape, device_of(images[0])

    def compute(rows: slice, columns: slice, mask: Array | None) -> Iterator[tuple[slice, Array]]:
        places = [image[rows, columns] for image in images]
        if mask is not None:
            places = [np.where(mask, place, np.nan) for place in places]  # what is no place has no weights
        weights = pixel_weights(table, *places, dtype=dtype)
        for lead, values in parts(weights):
            yield lead, array_namespace(values).reshape(values, (*values.shape[:-1], *places[0].shape))

    if device.is_host:
        height = max(1, _PART // max(1, leading[-1] * n_x))
    else:
        n_work = 1 if device.is_cuda and table.holes is None else _N_WORK
        height = blocks_that_fit(n_y, 8 * n_work * math.prod(leading) * n_x, device)[0].stop
    kind = getattr(device.xp, dtype)  # NumPy and CuPy have a class there, their arrays a data type
    kind = np.dtype(kind) if isinstance(kind, type) else kind
    return LazyArray((*leading, n_y, n_x), device, height, compute, kind, is_finite)


def as_images(*arrays: Array) -> list[Array]:
    """Arrays of two dimensions; of what has another number of them, one row is made."""
    return [x if x.ndim == 2 else array_namespace(x).reshape(x, (1, -1)) for x in arrays]


def _positive(table: NodeTable, weights: Weights, factor: float) -> Array:
    """Values at the pixels times a factor, at least zero; zero where the table holds no number."""
    if can_fuse(weights, table):
        return fused_values(table, weights, factor)
    device = weights.device
    values = weights.apply(beside(weights, table, "values") * factor)
    xp = array_namespace(values)
    if table.holes is not None:
        values = xp.where(weights.touched(beside(weights, table, "holes")), xp.zeros_like(values), values)
    if not device.is_host:
        return clip_at_zero(values, xp)
    for row in (*table.awkward, *(table.dipping if weights.extrapolates else ())):
        np.maximum(values[row], 0, out=values[row])
    return values


def clip_at_zero(values: Array, xp: Namespace) -> Array:
    """Values, at least zero."""
    return xp.maximum(values, xp.zeros(1, dtype=values.dtype, device=device_of(values).handle))


def _inverse(norm: Array, xp: Namespace) -> Array:
    """One over the norm, zero where that is not positive, or so small that its inverse is infinite."""
    valid = norm >= xp.finfo(norm.dtype).smallest_normal
    return xp.where(valid, 1 / xp.where(valid, norm, xp.ones_like(norm)), xp.zeros_like(norm))


def _density(table: NodeTable, weights: Weights, rows: NDArray[np.int64] | slice) -> Array:
    """Density at the pixels for some rows of true energy, clipped at zero."""
    values = weights.apply(beside(weights, table, "values")[rows, ...])
    xp = array_namespace(values)
    if table.holes is not None:
        values = xp.where(weights.touched(beside(weights, table, "holes")[rows, ...]), xp.zeros_like(values), values)
    return clip_at_zero(values, xp)


def _normalised(nodes: DensityNodes, weights: Weights, integral: float = 1.0) -> Iterator[tuple[slice, Array]]:
    """Density at the pixels with some integral, rows by rows."""
    if can_fuse(weights, nodes.table):
        yield slice(None), fused_density(nodes, weights, integral)
        return
    widths = beside(weights, nodes, "widths")

    def direct(weights: Weights, rows: NDArray[np.int64] | slice) -> Array:
        values = _density(nodes.table, weights, rows)
        xp = array_namespace(values)
        return values * (integral * _inverse(xp.matmul(widths, values), xp))[:, None, :]

    if not weights.device.is_host:
        yield slice(None), direct(weights, slice(None))
        return
    norm = weights.apply(beside(weights, nodes.norm, "values"))
    factor = integral * _inverse(norm, weights.device.xp)
    yield from _scaled(beside(weights, nodes.table, "values"), factor, direct, nodes.table, weights)


def _scaled(
    values: Array, factor: Array, direct: Callable[[Weights, Any], Array], table: NodeTable, weights: Weights
) -> Iterator[tuple[slice, Array]]:
    """Node values at the pixels times a factor, rows by rows; those where something may be clipped are put right."""
    outer = weights.outer_pixels() if table.dipping.size and weights.extrapolates else table.dipping[:0]
    clipped = dict(zip(table.dipping, direct(weights.select(outer), table.dipping), strict=True)) if outer.size else {}
    awkward = set(table.awkward)
    for rows in blocks(len(values), _PART // max(1, values.shape[1] * factor.shape[-1])):
        part = weights.apply_scaled(values[rows], factor[rows])
        for number, row in enumerate(range(rows.start, rows.stop)):
            if row in clipped:
                part[number][..., outer] = clipped[row]
            elif row in awkward:
                part[number] = direct(weights, slice(row, row + 1))[0]
        yield rows, part


def _kernel(nodes: KernelNodes, weights: Weights) -> Iterator[tuple[slice, Array]]:
    """Probabilities at the pixels, rows by rows of shape (n_energy_true, n_energy, P)."""
    device = weights.device
    density = nodes.density
    widths, shares = beside(weights, density, "widths"), beside(weights, nodes, "shares")

    def direct(weights: Weights, rows: NDArray[np.int64] | slice) -> Array:
        numbers = np.arange(len(density.table.values))[rows]

        def part(block: slice) -> Array:
            some = numbers[block] if device.is_host else block
            values = _density(density.table, weights, some)
            xp = array_namespace(values)
            norm = _inverse(xp.matmul(widths, values), xp)
            return xp.matmul(shares[some, ...], values) * norm[:, None, :]

        n_bytes = 8 * _N_WORK * density.widths.size * weights.coords[0].shape[0]  # migra bins and pixels meet
        return in_blocks(part, numbers.size, n_bytes, device)

    if not device.is_host:
        yield slice(None), direct(weights, slice(None))
        return
    norm = weights.apply(beside(weights, density.norm, "values"))
    factor = _inverse(norm, device.xp)
    yield from _scaled(beside(weights, nodes.kernel, "values"), factor, direct, density.table, weights)
