"""Responses at the pixels of a map, in array code on the device of the pixels.

Every function takes a table (host), the energies (host) and the place of the pixels in the field of view: ``offset``
for a table that depends on it, else ``fov_lon`` and ``fov_lat``; arrays of float64 in rad of any shape, below called
``*pixels``. The weights of the pixels, the tables and the result have the data type ``dtype``, float64 or float32.

Gammapy sets negative interpolated values to zero before it normalises, which the algebra of node tables cannot see. A
weight is negative only beyond the outer nodes, so on the host those few pixels are evaluated anew, with the clip.
Elsewhere, finding them would mean to read the offsets back: all pixels go the direct way.
"""

from collections.abc import Callable, Hashable
from typing import Any

import astropy.units as u
import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from lightpool.arrays import device_of, integrate_exponential, trapezoid_loglog
from lightpool.arrays.blocks import blocks
from lightpool.arrays.promotion import as_dtype
from lightpool.arrays.typing import Array, Namespace
from lightpool.irf.core import IRF
from lightpool.irf.nodes import (
    BackgroundNodes,
    DensityNodes,
    KernelNodes,
    Movable,
    NodeTable,
    aeff_nodes,
    background_nodes,
    edisp_kernel_nodes,
    edisp_nodes,
    psf_nodes,
)
from lightpool.irf.psf_parametric import ParametricPSF
from lightpool.irf.psf_profiles import project_parametric
from lightpool.irf.weights import PlaneWeights, Weights, pixel_weights
from lightpool.maps import MapAxis

__all__ = ["project_aeff", "project_background", "project_edisp", "project_edisp_kernel", "project_psf"]

_PER_SR = u.sr**-1
_MAX_DIRECT = 2**24
"""Values in memory at once where migra bins and pixels meet (128 MiB)."""


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
    centers = _centers(energy_true)
    nodes = aeff.derived(("aeff", _key(centers)), lambda: aeff_nodes(aeff, centers))
    weights = pixel_weights(nodes, offset, fov_lon, fov_lat, dtype)
    return _shaped(_positive(nodes, weights, factor), offset, fov_lon)


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
    centers, axis, factor = _centers(energy_true), _axis(rad, "rad"), float(_PER_SR.to(unit))
    if isinstance(psf, ParametricPSF):
        values = project_parametric(psf, centers, axis, offset, fov_lon, fov_lat, dtype)
        values *= factor
        return _shaped(values, offset, fov_lon)
    nodes = psf.derived(("psf", _key(centers), _key(axis)), lambda: psf_nodes(psf, centers, axis))
    weights = pixel_weights(nodes.table, offset, fov_lon, fov_lat, dtype)
    return _shaped(_normalised(nodes, weights, factor), offset, fov_lon)


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
    centers, axis = _centers(energy_true), _axis(migra, "migra")
    nodes = edisp.derived(("edisp", _key(centers), _key(axis)), lambda: edisp_nodes(edisp, centers, axis))
    weights = pixel_weights(nodes.table, offset, fov_lon, fov_lat, dtype)
    return _shaped(_normalised(nodes, weights), offset, fov_lon)


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
    edges, centers = _edges(energy), _centers(energy_true)
    key = ("edisp kernel", _key(edges), _key(centers))
    nodes = edisp.derived(key, lambda: edisp_kernel_nodes(edisp, edges, centers))
    weights = pixel_weights(nodes.kernel, offset, fov_lon, fov_lat, dtype)
    kernel = _kernel(nodes, weights)
    if weights.device.is_host:
        np.copyto(kernel, 0.0, where=kernel < threshold)
    else:
        xp = array_namespace(kernel)
        kernel = xp.where(kernel < threshold, xp.zeros_like(kernel), kernel)
    return _shaped(kernel, offset, fov_lon)


def project_background(
    bkg: IRF,
    energy: MapAxis | u.Quantity,
    offset: Array | None = None,
    *,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
    dtype: str = "float64",
) -> Array:
    """Background rate at pixels, integrated over energy bins by the trapezoidal rule in the logarithms.

    Parameters
    ----------
    bkg : Background2D or Background3D
    energy : MapAxis, or Quantity of n_energy + 1 edges
    offset, fov_lon, fov_lat, dtype : see the module; for ``FOVALIGN = REVERSE_LON_RADEC`` with ``fov_lon`` turned about

    Returns
    -------
    rate : array, shape (n_energy, *pixels), unit s-1 sr-1; zero where an edge or the pixel is outside the axes
    """
    edges = _edges(energy)
    nodes = bkg.derived(("background", _key(edges)), lambda: background_nodes(bkg, edges))
    weights = pixel_weights(nodes.table, offset, fov_lon, fov_lat, dtype)
    return _shaped(_integrated(nodes, weights), offset, fov_lon)


def _beside(weights: Weights, nodes: Movable, name: str) -> Array:
    """Array of a table on the device of the pixels, in the data type of their weights."""
    return nodes.on(weights.device, name, weights.dtype)


def _positive(table: NodeTable, weights: Weights, factor: float) -> Array:
    """Values at the pixels times a factor, at least zero; zero where the table holds no number."""
    device = weights.device
    values = weights.apply(_beside(weights, table, "values") * factor)
    xp = array_namespace(values)
    if table.holes is not None:
        values = xp.where(weights.touched(_beside(weights, table, "holes")), xp.zeros_like(values), values)
    if not device.is_host:
        return _clip(values, xp)
    for row in (*table.awkward, *table.dipping):
        np.maximum(values[row], 0, out=values[row])
    return values


def _clip(values: Array, xp: Namespace) -> Array:
    """Values, at least zero."""
    return xp.maximum(values, xp.zeros(1, dtype=values.dtype, device=device_of(values).handle))


def _inverse(norm: Array, xp: Namespace) -> Array:
    """One over the norm, zero where that is not positive."""
    valid = norm > 0
    return xp.where(valid, 1 / xp.where(valid, norm, xp.ones_like(norm)), xp.zeros_like(norm))


def _density(table: NodeTable, weights: Weights, rows: NDArray[np.int64] | slice) -> Array:
    """Density at the pixels for some rows of true energy, clipped at zero."""
    values = weights.apply(_beside(weights, table, "values")[rows, ...])
    xp = array_namespace(values)
    if table.holes is not None:
        values = xp.where(weights.touched(_beside(weights, table, "holes")[rows, ...]), xp.zeros_like(values), values)
    return _clip(values, xp)


def _normalised(nodes: DensityNodes, weights: Weights, integral: float = 1.0) -> Array:
    """Density at the pixels with some integral."""
    device = weights.device
    widths = _beside(weights, nodes, "widths")

    def direct(weights: Weights, rows: NDArray[np.int64] | slice) -> Array:
        values = _density(nodes.table, weights, rows)
        xp = array_namespace(values)
        return values * (integral * _inverse(xp.matmul(widths, values), xp))[:, None, :]

    if not device.is_host:
        return direct(weights, slice(None))
    norm = weights.apply(_beside(weights, nodes.norm, "values"))
    values = weights.apply_scaled(_beside(weights, nodes.table, "values"), integral * _inverse(norm, device.xp))
    return _with_direct(values, direct, nodes.table, weights)


def _with_direct(
    values: Array, direct: Callable[[Weights, Any], Array], table: NodeTable, weights: Weights
) -> NDArray[np.float64]:
    """Values with those pixels and rows put right where something may have to be clipped; on the host."""
    outer = weights.outer_pixels() if table.dipping.size else table.dipping
    if outer.size:
        for row, value in zip(table.dipping, direct(weights.select(outer), table.dipping), strict=True):
            values[row][..., outer] = value
    if table.awkward.size:
        values[table.awkward] = direct(weights, table.awkward)
    return np.asarray(values)


def _kernel(nodes: KernelNodes, weights: Weights) -> Array:
    """Probabilities at the pixels, shape (n_energy_true, n_energy, P)."""
    device = weights.device
    density = nodes.density
    widths, shares = _beside(weights, density, "widths"), _beside(weights, nodes, "shares")

    def direct(weights: Weights, rows: NDArray[np.int64] | slice) -> Array:
        numbers = np.arange(len(density.table.values))[rows]
        n_row = max(1, _MAX_DIRECT // max(1, density.widths.size * weights.inside.shape[0]))
        parts = []
        for first in range(0, numbers.size, n_row):
            some = numbers[first : first + n_row] if device.is_host else slice(first, min(first + n_row, numbers.size))
            values = _density(density.table, weights, some)
            xp = array_namespace(values)
            norm = _inverse(xp.matmul(widths, values), xp)
            parts.append(xp.matmul(shares[some, ...], values) * norm[:, None, :])
        return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)

    if not device.is_host:
        return direct(weights, slice(None))
    norm = weights.apply(_beside(weights, density.norm, "values"))
    values = weights.apply_scaled(_beside(weights, nodes.kernel, "values"), _inverse(norm, device.xp))
    return _with_direct(values, direct, density.table, weights)


def _integrated(nodes: BackgroundNodes, weights: Weights) -> Array:
    """Integrals over the energy bins, shape (n_energy, P)."""
    if not weights.device.is_host:
        return _integrals(nodes, weights)
    n_pixel = weights.inside.shape[0]
    integrals = np.empty((nodes.energy.size - 1, n_pixel), weights.dtype)
    for block in blocks(n_pixel):
        integrals[:, block] = _integrals(nodes, weights.select(block))
    return integrals


def _integrals(nodes: BackgroundNodes, weights: Weights) -> Array:
    device, table = weights.device, nodes.table
    is_plane = isinstance(weights, PlaneWeights)
    values = (weights.gather if is_plane else weights.apply)(_beside(weights, table, "values"))  # type: ignore[attr-defined]
    xp = array_namespace(values)
    hole = None if table.holes is None else weights.touched(_beside(weights, table, "holes"))
    if table.values_scale == "log":
        values = values if hole is None else xp.where(hole, -1e30, values)
        integrals = integrate_exponential(values, nodes.on(device, "log_energy"), nodes.on(device, "floor"))
    else:
        rate = values * values if table.values_scale == "sqrt" else _clip(values, xp)
        rate = rate if hole is None else xp.where(hole, xp.zeros_like(rate), rate)
        integrals = trapezoid_loglog(rate, nodes.on(device, "energy"), 0)
    integrals *= as_dtype(weights.inside, weights.dtype)
    return integrals


def _shaped(values: Array, offset: Array | None, fov_lon: Array | None) -> Array:
    place = fov_lon if fov_lon is not None else offset
    assert place is not None  # pixel_weights has seen to that
    return array_namespace(values).reshape(values, (*values.shape[:-1], *place.shape))


def _centers(axis: MapAxis | u.Quantity) -> u.Quantity:
    return axis.center if isinstance(axis, MapAxis) else u.Quantity(axis)


def _edges(axis: MapAxis | u.Quantity) -> u.Quantity:
    return axis.edges if isinstance(axis, MapAxis) else u.Quantity(axis)


def _axis(axis: MapAxis, name: str) -> MapAxis:
    if not isinstance(axis, MapAxis):
        raise TypeError(
            f"{name} must be a MapAxis, got {type(axis).__name__}; its bins have widths that are needed here"
        )
    return axis


def _key(axis: MapAxis | u.Quantity) -> Hashable:
    if isinstance(axis, MapAxis):
        return axis.interp, axis.node_type, str(axis.unit), axis.edges_value.tobytes()
    return str(axis.unit), axis.value.tobytes()
