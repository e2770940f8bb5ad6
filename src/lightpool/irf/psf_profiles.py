"""Parametric point spread functions at the pixels of a map, in array code."""

from typing import Any

import astropy.units as u
import numpy as np
from array_api_compat import array_namespace

from lightpool.arrays import to_device
from lightpool.arrays.typing import Array
from lightpool.irf.nodes import NodeTable, parameter_nodes
from lightpool.irf.psf_parametric import EnergyDependentMultiGaussPSF, ParametricPSF, PSFKing
from lightpool.irf.weights import Weights, pixel_weights
from lightpool.maps import MapAxis

__all__ = ["project_parametric"]


def project_parametric(
    psf: ParametricPSF,
    energy_true: u.Quantity,
    rad: MapAxis,
    offset: Array | None = None,
    fov_lon: Array | None = None,
    fov_lat: Array | None = None,
) -> Array:
    """Profile at pixels, normalised over ``rad``.

    The parameters are interpolated at each pixel; the profile is not linear in them.

    Parameters
    ----------
    psf : EnergyDependentMultiGaussPSF or PSFKing
    energy_true : Quantity, shape (n_energy_true,), centres
    rad : MapAxis of n_rad bins
    offset : array of P pixels, unit rad; or ``fov_lon`` and ``fov_lat``

    Returns
    -------
    psf : array, shape (n_energy_true, n_rad, P), unit sr-1; zero where the parameters are those of no profile
    """
    key = ("psf parameters", str(energy_true.unit), energy_true.value.tobytes())
    nodes = psf.derived(key, lambda: parameter_nodes(psf, energy_true))
    weights = pixel_weights(next(iter(nodes.values())), offset, fov_lon, fov_lat)
    center = to_device(rad.center.to_value("rad"), weights.device)
    areas = to_device(2 * np.pi * rad.center.to_value("rad") * rad.bin_width.to_value("rad"), weights.device)
    if isinstance(psf, EnergyDependentMultiGaussPSF):
        profile = _gauss_profile(nodes, weights, center)
    elif isinstance(psf, PSFKing):
        profile = _king_profile(nodes, weights, center)
    else:
        raise TypeError(f"no projection for a {type(psf).__name__}; psf.to_psf3d() makes a table of it")
    xp = array_namespace(profile)
    norm = xp.matmul(areas, profile)
    valid = norm > 0
    inverse = xp.where(valid, 1 / xp.where(valid, norm, xp.ones_like(norm)), xp.zeros_like(norm))
    return profile * inverse[:, None, :]


def _parameter(table: NodeTable, weights: Weights) -> Array:
    """Parameter at the pixels, at least zero, zero where it is not known; shape (n_energy_true, P)."""
    values = weights.apply(table.on(weights.device))
    xp = array_namespace(values)
    valid = values > 0
    if table.holes is not None:
        valid = valid & ~weights.touched(table.on(weights.device, "holes"))
    return xp.where(valid, values, xp.zeros_like(values))


def _gauss_profile(nodes: dict[str, NodeTable], weights: Weights, rad: Array) -> Array:
    """Sum of the Gaussians, each with its amplitude at the centre, up to a factor for each pixel and energy."""
    components = [i for i in (1, 2, 3) if i == 1 or _is_used(nodes[f"ampl_{i}"])]
    valid: Any = _parameter(nodes["scale"], weights) > 0
    xp = array_namespace(valid)
    square = -0.5 * rad**2
    profile: Any = None
    for i in components:
        sigma = _parameter(nodes[f"sigma_{i}"], weights)
        valid = valid & (sigma > 0)
        steepness = 1 / xp.where(sigma > 0, sigma, xp.ones_like(sigma)) ** 2
        part = xp.exp(square[None, :, None] * steepness[:, None, :])
        if i > 1:
            part = part * _parameter(nodes[f"ampl_{i}"], weights)[:, None, :]
        profile = part if profile is None else profile + part
    return profile * xp.astype(valid, xp.float64)[:, None, :]


def _is_used(table: NodeTable) -> bool:
    return bool(np.any(table.values != 0)) or table.holes is not None


def _king_profile(nodes: dict[str, NodeTable], weights: Weights, rad: Array) -> Array:
    """King profile, up to a factor for each pixel and energy."""
    gamma, sigma = (_parameter(nodes[name], weights) for name in ("gamma", "sigma"))
    xp = array_namespace(gamma)
    valid = (gamma > 1) & (sigma > 0)
    one = xp.ones_like(gamma)
    gamma, sigma = xp.where(valid, gamma, one), xp.where(valid, sigma, one)
    scaled = rad[None, :, None] ** 2 / (2 * gamma * sigma**2)[:, None, :]
    # Gammapy's normalisation turns a profile of slope 1 or less into zeros or numbers without meaning.
    return xp.exp(-gamma[:, None, :] * xp.log1p(scaled)) * xp.astype(valid, xp.float64)[:, None, :]
