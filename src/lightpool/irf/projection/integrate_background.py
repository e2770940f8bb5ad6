"""Background rates at the pixels of a map, integrated over energy bins by the trapezoidal rule in the logarithms."""

import math
from collections.abc import Sequence
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, device_of, integrate_exponential, trapezoid_loglog
from lightpool.arrays.cuda import responses
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.blocks import BLOCK, blocks, in_blocks, quiet_on_windows
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.irf.projection.node_tables import BackgroundNodes, SplitRates
from lightpool.irf.projection.project import clip_at_zero
from lightpool.irf.projection.weights import (
    Weights,
    can_fuse,
    kernel_coordinates,
    may_touch,
    on_device_of,
    pixel_weights,
)

__all__ = ["integrate_background"]

Floats = NDArray[np.float64]
Images: TypeAlias = Sequence[Array]

_N_WORK = 12
"""Arrays of the size of a background that are in memory while it is integrated elsewhere, measured."""

_N_INTEGRATED = BLOCK
"""Pixels that are integrated at once: with a dozen energies each, the intermediate arrays stay in the cache."""

_N_PARTS = 2
"""The weights of so many times as many pixels are in memory at once."""


def integrate_background(nodes: BackgroundNodes, coords: Images, factors: Images, dtype: str) -> Array:
    """Return background rates at pixels, integrated over energy bins.

    Parameters
    ----------
    nodes : BackgroundNodes
    coords : one or two arrays of float64, shape (ny, nx), unit rad, of the coordinates that the table depends on
    factors : arrays of float64, shape (ny, nx), that multiply the rates, such as a solid angle; they cost little here
    dtype : ``float64`` or ``float32``, of the result

    Returns
    -------
    rate : array of ``dtype``, shape (n_energy, ny, nx), unit s-1 sr-1, times the factors
        Zero where the pixel, or all of a bin, is outside the axes. Bins that reach beyond the energies of the table, or
        into an empty part of it, are integrated between its nodes, see `lightpool.irf.projection.wide_bins`.
    """
    integrate = _integrals_on_host if device_of(coords[0]).is_host else _integrals
    integrals = integrate(nodes, coords, factors, dtype)
    if nodes.split is not None:
        rows, columns = _window_with_split_bins(nodes.split, coords)
        here = [x[rows, columns] for x in coords]
        # Mostly none: on the host the parts are integrated only around the pixels that need them.
        if math.prod(here[0].shape):
            parts = integrate(nodes.split.nodes, here, [factor[rows, columns] for factor in factors], dtype)
            _replace_split_bins(integrals[:, rows, columns], nodes.split, parts, here)
    return integrals


def _window_with_split_bins(split: SplitRates, coords: Images) -> tuple[slice, slice]:
    """Return rows and columns around the pixels where a bin has to be split; all of them if not on the host."""
    if not device_of(coords[0]).is_host:
        return slice(None), slice(None)
    if not may_touch(split.marks, *coords):
        return slice(0, 0), slice(0, 0)
    marked = _split_pixels(split, coords)
    return _window_around(_on_host(array_namespace(marked).any(marked, axis=0)))


def _split_pixels(split: SplitRates, coords: Images) -> Array:
    """Return the pixels where each bin has to be split, shape (n_split, ny, nx)."""
    weights = pixel_weights(split.marks, *coords)
    marked = weights.touched(on_device_of(weights, split.marks, "values"))
    return array_namespace(marked).reshape(marked, (-1, *coords[0].shape))


def _replace_split_bins(integrals: Array, split: SplitRates, parts: Array, coords: Images) -> None:
    """Replace integrals by the sums of parts, in the pixels where a bin has to be split."""
    xp, marked = array_namespace(integrals), _split_pixels(split, coords)
    for row, (number, part) in enumerate(zip(split.numbers, split.parts, strict=True)):
        total = xp.sum(parts[part, ...], axis=0)
        integrals[number, ...] = xp.where(marked[row, ...], total, integrals[number, ...])


def _integrals_on_host(nodes: BackgroundNodes, coords: Images, factors: Images, dtype: str) -> Array:
    """Integrate over the energy bins piece by piece, and only in the window where the result is not zero."""
    table = nodes.table
    wanted = _on_host(pixel_weights(table, *coords).inside).reshape(coords[0].shape)
    for factor in factors:
        finite = np.isfinite(_on_host(factor))
        # Zero times a factor that is not finite is not zero, so these pixels are computed as well.
        wanted = wanted if finite.all() else wanted | ~finite
    integrals = np.empty((nodes.energy.size - 1, *wanted.shape), dtype)
    rows, columns = _zero_around(integrals, wanted)
    width = columns.stop - columns.start
    # Whole parts: one that is not full costs nearly as much as one that is.
    for block in blocks(rows.stop - rows.start, _N_PARTS * max(_N_INTEGRATED // width, 1)):
        part = slice(rows.start + block.start, rows.start + block.stop), columns
        weights = pixel_weights(table, *(x[part] for x in coords), dtype=dtype)
        scale = _on_host(weights.inside).reshape(-1, width)
        for factor in factors:
            scale = scale * _on_host(factor)[part].astype(dtype, copy=False)
        _integrate_rows(nodes, weights, scale, integrals[:, *part])
    return integrals


def _on_host(x: Array) -> Floats:
    """Declare an array of the host as a NumPy array, for type checkers."""
    return cast(Floats, x)


def _zero_around(integrals: Floats, wanted: Floats) -> tuple[slice, slice]:
    """Set the pixels around the wanted ones to zero; return the rows and columns of the window of these."""
    rows, columns = window = _window_around(wanted)
    integrals[:, : rows.start], integrals[:, rows.stop :] = 0, 0
    integrals[:, rows, : columns.start], integrals[:, rows, columns.stop :] = 0, 0
    return window


def _window_around(wanted: Floats) -> tuple[slice, slice]:
    """Return the rows and columns of the smallest window with all wanted pixels; without any, no rows."""
    rows, columns = (np.flatnonzero(wanted.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return slice(0, 0), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _integrate_rows(nodes: BackgroundNodes, weights: Weights, scale: Floats, integrals: Floats) -> None:
    """Integrate over the energy bins and multiply by a scale of shape (ny, nx), a few rows at a time."""
    table, width = nodes.table, scale.shape[1]
    hole = None if table.holes is None else weights.touched(on_device_of(weights, table, "holes"))
    # Whole rows of pixels at a time, so that each part is a window of the image.
    for part, sums in weights.parts(on_device_of(weights, table, "values"), width * max(_N_INTEGRATED // width, 1)):
        # The sums of `gather_bilinear_in_parts` are a transposed view, but the integration works along rows of pixels.
        rate = np.ascontiguousarray(_on_host(sums))
        found = _on_host(_integrated(nodes, rate, None if hole is None else hole[:, part]))
        rows = slice(part.start // width, part.stop // width)
        with quiet_on_windows():
            np.multiply(found.reshape(len(found), -1, width), scale[rows], out=integrals[:, rows])


def _integrals(nodes: BackgroundNodes, coords: Images, factors: Images, dtype: str) -> Array:
    """Integrate over the energy bins: shape (n_energy, ny, nx)."""
    weights, table = pixel_weights(nodes.table, *coords, dtype=dtype), nodes.table
    if can_fuse(weights, table) and table.values_scale == "log":
        points, floor = (nodes.on(weights.device, name) for name in ("log_energy", "floor"))
        pixels, factor = kernel_coordinates(weights, table), factors[0] if factors else None
        values = on_device_of(weights, table, "values")
        # The kernel multiplies by one factor; others follow below.
        integrals, factors = responses.project_integrals(values, points, floor, pixels, factor), factors[1:]
    else:
        n_pixel, n_bytes = weights.coords[0].shape[0], 8 * _N_WORK * (nodes.energy.size - 1)
        integrals = in_blocks(lambda block: _masked(nodes, weights.select(block)), n_pixel, n_bytes, weights.device, -1)
    integrals = array_namespace(integrals).reshape(integrals, (nodes.energy.size - 1, *coords[0].shape))
    for factor in factors:
        integrals *= as_dtype(factor, dtype)
    return integrals


def _masked(nodes: BackgroundNodes, weights: Weights) -> Array:
    """Integrate over the energy bins in many steps: shape (n_energy, P); zero outside the axes."""
    table = nodes.table
    sums = weights.apply(on_device_of(weights, table, "values"))
    hole = None if table.holes is None else weights.touched(on_device_of(weights, table, "holes"))
    return _integrated(nodes, sums, hole) * as_dtype(weights.inside, weights.dtype)


def _integrated(nodes: BackgroundNodes, values: Array, hole: Array | None) -> Array:
    """Integrate interpolated values, shape (n_edge, P), over the energy bins; without meaning outside the axes."""
    device, table, xp = device_of(values), nodes.table, array_namespace(values)
    if table.values_scale == "log":
        # -1e30: the exponential is zero, also in float32, and unlike infinity it leaves no NaN in differences.
        values = values if hole is None else xp.where(hole, -1e30, values)
        return integrate_exponential(values, nodes.on(device, "log_energy"), nodes.on(device, "floor"))
    rate = values * values if table.values_scale == "sqrt" else clip_at_zero(values, xp)
    rate = rate if hole is None else xp.where(hole, xp.zeros_like(rate), rate)
    return trapezoid_loglog(rate, nodes.on(device, "energy"), 0)
