"""Integrals along the ``rad`` and ``migra`` axes of a response, in array code.

A response is a density that is constant inside a bin. Its integral up to an edge is a sum, and between two edges it is
linear in the coordinate, or in the logarithm of it, as the axis says.
"""

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import array_namespace, device_of, scale_values, to_device
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.kernels.clipping import clip

__all__ = ["closest_radius", "finite_or_zero", "integral_weights", "kernel_weights", "ring_areas"]

Floats = NDArray[np.float64]


def finite_or_zero(x: Array) -> Array:
    """Return values with NaN and infinities replaced by zero."""
    xp = array_namespace(x)
    return xp.where(xp.isfinite(x), x, xp.zeros_like(x))


def ring_areas(edges: Floats, centers: Floats) -> Floats:
    """Return the solid angle of the rings of a ``rad`` axis, flat-sky: width times circumference at the centre.

    Parameters
    ----------
    edges : array of float, shape (n_rad + 1,)
    centers : array of float, shape (n_rad,), same unit

    Returns
    -------
    area : array of float, shape (n_rad,), in the square of the unit
    """
    return np.asarray(2 * np.pi * centers * np.diff(edges))


def integral_weights(x: Floats, edges: Floats, scale: str) -> Floats:
    """Return the share of each bin that lies below a coordinate: zero before the first edge, one after the last.

    Parameters
    ----------
    x : array of float, any shape
    edges : array of float, shape (n_bin + 1,), ascending
    scale : "lin", "log" or "sqrt", of the axis

    Returns
    -------
    share : array of float, shape ``(*x.shape, n_bin)``
        Times bin content, summed over the last axis: the integral to ``x``.
    """
    nodes, points = scale_values(edges, scale), scale_values(x, scale)
    share = (points[..., np.newaxis] - nodes[:-1]) / np.diff(nodes)
    return np.asarray(np.clip(share, 0.0, 1.0))


def kernel_weights(energy_edges: Floats, energy_true: Floats, migra_edges: Floats, scale: str) -> Floats:
    """Return the weights that integrate a density in ``migra`` into bins of reconstructed energy.

    Parameters
    ----------
    energy_edges : array of float, shape (n_energy + 1,)
    energy_true : array of float, shape (n_energy_true,), same unit
    migra_edges : array of float, shape (n_migra + 1,)
    scale : of the migra axis, see `integral_weights`

    Returns
    -------
    weights : array of float, shape (n_energy_true, n_energy, n_migra)
    """
    # (n_energy_true, n_energy + 1, n_migra)
    share = integral_weights(energy_edges / energy_true[:, np.newaxis], migra_edges, scale)
    return np.asarray(np.diff(share, axis=1) * np.diff(migra_edges))


def closest_radius(contained: Array, nodes: Floats, lower: float, rad: Floats, fraction: Array) -> Array:
    """Find the radius of a fine grid at which the containment is closest to a fraction; the smallest of several.

    Parameters
    ----------
    contained : array of float, shape ``(n_rad, *shape)``, integral of the PSF up to each of ``nodes``
    nodes : array of float, shape (n_rad,), ascending, at least two
    lower : float, lower edge of the table; below it the containment counts as zero
    rad : array of float, shape (n_fine,), ascending, the radii to choose from
    fraction : array of float, shape ``shape`` or one that broadcasts to it

    Returns
    -------
    radius : array of float, shape ``shape``, on the device of ``contained``

    Notes
    -----
    The grid is processed node by node, so that an array of all fine radii times all pixels is never made.
    """
    xp = array_namespace(contained)
    device = device_of(contained)
    tail = (1,) * (contained.ndim - 1)
    # Lower node of each fine radius; beyond the outer nodes the containment is extrapolated.
    start = np.clip(np.searchsorted(nodes, rad, side="right") - 1, 0, len(nodes) - 2)
    weight = (rad - nodes[start]) / (nodes[start + 1] - nodes[start])
    best = xp.full(contained.shape[1:], xp.inf, dtype=contained.dtype, device=device.handle)
    index = xp.zeros(contained.shape[1:], dtype=xp.int64, device=device.handle)
    for node in np.unique(start):
        # `rad` ascends, so the radii of a node are neighbours, and `here[0]` is the number of the first one.
        (here,) = np.nonzero(start == node)
        upper = xp.reshape(to_device(weight[here], device), (-1, *tail))
        valid = xp.reshape(to_device((rad[here] >= lower).astype(np.float64), device), (-1, *tail))
        values = contained[int(node), ...] * (1.0 - upper) + contained[int(node) + 1, ...] * upper
        # Extrapolated containments are not below zero, as when a table is evaluated.
        distance = xp.abs(clip(values, 0.0) * valid - fraction)
        smallest = xp.min(distance, axis=0)
        # Strictly smaller: of equal distances, the first and so the smallest radius stays.
        better = smallest < best
        index = xp.where(better, xp.argmin(distance, axis=0) + int(here[0]), index)
        best = xp.where(better, smallest, best)
    flat = xp.take(to_device(rad, device), xp.reshape(index, (-1,)))
    return xp.reshape(flat, contained.shape[1:])
