"""Responses at the pixels of a map, in array code on the device of the pixels.

Every function takes a table (host), the energies (host) and the place of the pixels in the field of view: ``offset``
for a table that depends on it, else ``fov_lon`` and ``fov_lat``; arrays of float64 in rad of any shape, below called
``*pixels``. The weights of the pixels, the tables and the result have the data type ``dtype``, float64 or float32.
"""

from collections.abc import Sequence
from typing import TypeAlias

import astropy.units as u
import numpy as np

from lightpool.arrays import LazyArray, array_namespace, device_of, integrate_exponential, trapezoid_loglog
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.blocks import BLOCK, blocks, in_blocks, quiet_on_windows
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.irf.projection.cuda_projection import can_fuse, fused_integrals
from lightpool.irf.projection.lazy import as_images, clip_at_zero, lazy_aeff, lazy_edisp, lazy_edisp_kernel, lazy_psf
from lightpool.irf.projection.node_table_cache import background_table
from lightpool.irf.projection.node_tables import BackgroundNodes, SplitRates
from lightpool.irf.projection.weights import Weights, beside, pixel_weights, place_of
from lightpool.irf.tables.irf import IRF
from lightpool.maps import MapAxis

Images: TypeAlias = Sequence[Array]

__all__ = ["project_aeff", "project_background", "project_edisp", "project_edisp_kernel", "project_psf"]

_N_WORK = 12
"""Arrays of the size of a background that are in memory while it is integrated elsewhere, measured."""

_N_INTEGRATED = BLOCK
"""Pixels that are integrated at once: with a dozen energies each, the arrays on the way are in the cache."""

_N_PARTS = 2
"""The weights of so many times as many pixels are in memory at once."""


def project_aeff(
    aeff: IRF,
    energy_true: MapAxis | u.Quantity,
    offset: Array | None = None,
    *,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
    dtype: str = "float64",
    factor: float = 1.0,
) -> Array:
    """Effective area at pixels.

    Parameters
    ----------
    aeff : EffectiveAreaTable2D
    energy_true : MapAxis, or Quantity of n_energy_true centres
    offset, fov_lon, fov_lat, dtype : see the module
    factor : float, such as a time; it costs nothing here

    Returns
    -------
    area : array, shape (n_energy_true, *pixels), in the unit of the table, times the factor; zero outside its axes
    """
    place = {"offset": offset, "fov_lon": fov_lon, "fov_lat": fov_lat}
    return _shaped(lazy_aeff(aeff, energy_true, **place, dtype=dtype, factor=factor), offset, fov_lon)


def project_psf(
    psf: IRF,
    energy_true: MapAxis | u.Quantity,
    rad: MapAxis,
    offset: Array | None = None,
    *,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
    dtype: str = "float64",
    unit: str | u.UnitBase = "sr-1",
) -> Array:
    """Point spread function at pixels, normalised over ``rad``.

    Parameters
    ----------
    psf : PSF3D, EnergyDependentMultiGaussPSF or PSFKing
    energy_true : MapAxis, or Quantity of n_energy_true centres
    rad : MapAxis of n_rad bins
    offset, fov_lon, fov_lat, dtype : see the module
    unit : str or Unit, of the result

    Returns
    -------
    psf : array, shape (n_energy_true, n_rad, *pixels)
        The sum of value times ring area is 1, or all values are zero: outside the axes of a table. Parameters are
        extrapolated without limit, as Gammapy does it.
    """
    place = {"offset": offset, "fov_lon": fov_lon, "fov_lat": fov_lat}
    return _shaped(lazy_psf(psf, energy_true, rad, **place, dtype=dtype, unit=unit), offset, fov_lon)


def project_edisp(
    edisp: IRF,
    energy_true: MapAxis | u.Quantity,
    migra: MapAxis,
    offset: Array | None = None,
    *,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
    dtype: str = "float64",
) -> Array:
    """Energy dispersion at pixels, normalised over ``migra``.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    energy_true : MapAxis, or Quantity of n_energy_true centres
    migra : MapAxis of n_migra bins
    offset, fov_lon, fov_lat, dtype : see the module

    Returns
    -------
    density : array, shape (n_energy_true, n_migra, *pixels), no unit; zero outside the offsets of the table
    """
    place = {"offset": offset, "fov_lon": fov_lon, "fov_lat": fov_lat}
    return _shaped(lazy_edisp(edisp, energy_true, migra, **place, dtype=dtype), offset, fov_lon)


def project_edisp_kernel(
    edisp: IRF,
    energy: MapAxis | u.Quantity,
    energy_true: MapAxis | u.Quantity,
    offset: Array | None = None,
    *,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
    dtype: str = "float64",
    threshold: float = 1e-8,
) -> Array:
    """Probabilities of the bins of reconstructed energy at pixels.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    energy : MapAxis, or Quantity of n_energy + 1 edges
    energy_true : MapAxis, or Quantity of n_energy_true centres
    offset, fov_lon, fov_lat, dtype : see the module
    threshold : float, smaller probabilities are zero

    Returns
    -------
    kernel : array, shape (n_energy_true, n_energy, *pixels), no unit; zero outside the offsets of the table
    """
    place = {"offset": offset, "fov_lon": fov_lon, "fov_lat": fov_lat}
    return _shaped(
        lazy_edisp_kernel(edisp, energy, energy_true, **place, dtype=dtype, threshold=threshold), offset, fov_lon
    )


def project_background(
    bkg: IRF,
    energy: MapAxis | u.Quantity,
    offset: Array | None = None,
    *,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
    dtype: str = "float64",
    factor: Array | None = None,
) -> Array:
    """Background rate at pixels, integrated over energy bins by the trapezoidal rule in the logarithms.

    Parameters
    ----------
    bkg : Background2D or Background3D
    energy : MapAxis, or Quantity of n_energy + 1 edges
    offset, fov_lon, fov_lat, dtype : see the module; for ``FOVALIGN = REVERSE_LON_RADEC`` with ``fov_lon`` turned about
    factor : array of float64, shape of the pixels, such as their solid angle; it costs little here

    Returns
    -------
    rate : array, shape (n_energy, *pixels), unit s-1 sr-1, times the factor
        Zero where the pixel, or all of a bin, is outside the axes. Bins that reach beyond the energies of the table, or
        into an empty part of it, are integrated between its nodes, see `lightpool.irf.projection.wide_bins`.
    """
    nodes = background_table(bkg, energy)
    place = place_of(nodes.table, offset, fov_lon, fov_lat)
    images, factors = as_images(*place), () if factor is None else as_images(factor)
    integrate = _integrals_on_host if device_of(place[0]).is_host else _integrals
    integrals = integrate(nodes, images, factors, dtype)
    if nodes.split is not None:
        _replace_split_bins(integrals, nodes.split, integrate(nodes.split.nodes, images, factors, dtype), images)
    return array_namespace(integrals).reshape(integrals, (nodes.energy.size - 1, *place[0].shape))


def _replace_split_bins(integrals: Array, split: SplitRates, parts: Array, place: Images) -> None:
    """Put sums of parts in place of integrals, in the pixels where a bin has to be split."""
    xp = array_namespace(integrals)
    weights = pixel_weights(split.marks, *place)
    marked = xp.reshape(weights.touched(beside(weights, split.marks, "values")), (-1, *place[0].shape))
    for row, (number, part) in enumerate(zip(split.numbers, split.parts, strict=True)):
        total = xp.sum(parts[part, ...], axis=0)
        integrals[number, ...] = xp.where(marked[row, ...], total, integrals[number, ...])


def _integrals_on_host(nodes: BackgroundNodes, place: Images, factors: Images, dtype: str) -> Array:
    """Integrals over the energy bins, made in pieces, and only in the window where they are not zero."""
    table = nodes.table
    wanted = pixel_weights(table, *place).inside.reshape(place[0].shape)
    for factor in factors:
        finite = np.isfinite(factor)
        wanted = wanted if finite.all() else wanted | ~finite
    integrals = np.empty((nodes.energy.size - 1, *wanted.shape), dtype)
    rows, columns = _zero_around(integrals, wanted)
    width = columns.stop - columns.start
    # Whole parts: one that is not full costs nearly as much as one that is.
    for block in blocks(rows.stop - rows.start, _N_PARTS * max(_N_INTEGRATED // width, 1)):
        part = slice(rows.start + block.start, rows.start + block.stop), columns
        weights = pixel_weights(table, *(x[part] for x in place), dtype=dtype)
        scale = weights.inside.reshape(-1, width)
        for factor in factors:
            scale = scale * factor[part].astype(dtype, copy=False)
        _integrate_rows(nodes, weights, scale, integrals[:, *part])
    return integrals


def _zero_around(integrals: Array, wanted: Array) -> tuple[slice, slice]:
    """Rows and columns of the pixels that are wanted; the pixels around them are set to zero."""
    rows, columns = (np.flatnonzero(wanted.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        integrals[...] = 0
        return slice(0, 0), slice(0, 1)
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    integrals[:, : rows[0]], integrals[:, rows[-1] + 1 :] = 0, 0
    integrals[:, window[0], : columns[0]], integrals[:, window[0], columns[-1] + 1 :] = 0, 0
    return window


def _integrate_rows(nodes: BackgroundNodes, weights: Weights, scale: Array, integrals: Array) -> None:
    """Integrals over the energy bins times a scale of shape (ny, nx), a few rows at a time."""
    table, width = nodes.table, scale.shape[1]
    hole = None if table.holes is None else weights.touched(beside(weights, table, "holes"))
    for part, sums in weights.parts(beside(weights, table, "values"), width * max(_N_INTEGRATED // width, 1)):
        found = _integrated(nodes, np.ascontiguousarray(sums), None if hole is None else hole[:, part])
        rows = slice(part.start // width, part.stop // width)
        with quiet_on_windows():
            np.multiply(found.reshape(len(found), -1, width), scale[rows], out=integrals[:, rows])


def _integrals(nodes: BackgroundNodes, place: Images, factors: Images, dtype: str) -> Array:
    """Integrals over the energy bins, shape (n_energy, ny, nx)."""
    weights, table = pixel_weights(nodes.table, *place, dtype=dtype), nodes.table
    if can_fuse(weights, table) and table.values_scale == "log":
        integrals, factors = fused_integrals(nodes, weights, *factors[:1]), factors[1:]
    else:
        n_pixel, n_bytes = weights.coords[0].shape[0], 8 * _N_WORK * (nodes.energy.size - 1)
        integrals = in_blocks(lambda block: _masked(nodes, weights.select(block)), n_pixel, n_bytes, weights.device, -1)
    integrals = array_namespace(integrals).reshape(integrals, (nodes.energy.size - 1, *place[0].shape))
    for factor in factors:
        integrals *= as_dtype(factor, dtype)
    return integrals


def _masked(nodes: BackgroundNodes, weights: Weights) -> Array:
    table = nodes.table
    sums = weights.apply(beside(weights, table, "values"))
    hole = None if table.holes is None else weights.touched(beside(weights, table, "holes"))
    return _integrated(nodes, sums, hole) * as_dtype(weights.inside, weights.dtype)


def _integrated(nodes: BackgroundNodes, values: Array, hole: Array | None) -> Array:
    """Integrals over the energy bins of interpolated values, shape (n_edge, P), without meaning outside the axes."""
    device, table, xp = device_of(values), nodes.table, array_namespace(values)
    if table.values_scale == "log":
        values = values if hole is None else xp.where(hole, -1e30, values)
        return integrate_exponential(values, nodes.on(device, "log_energy"), nodes.on(device, "floor"))
    rate = values * values if table.values_scale == "sqrt" else clip_at_zero(values, xp)
    rate = rate if hole is None else xp.where(hole, xp.zeros_like(rate), rate)
    return trapezoid_loglog(rate, nodes.on(device, "energy"), 0)


def _shaped(lazy: LazyArray, offset: Array | None, fov_lon: Array | None) -> Array:
    """Array with the pixels in the shape of their place."""
    place = fov_lon if fov_lon is not None else offset
    assert place is not None  # place_of has seen to that
    values = lazy.values()
    return array_namespace(values).reshape(values, (*lazy.shape[:-2], *place.shape))
