"""Parametric point spread functions at the pixels of a map, in array code."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from lightpool.arrays import array_namespace, constant
from lightpool.arrays.cuda import responses
from lightpool.arrays.devices.array_types import Array
from lightpool.irf.projection.node_tables import NodeTable
from lightpool.irf.projection.weights import Weights, can_fuse, kernel_coordinates, on_device_of
from lightpool.irf.tables.psf_parametric import EnergyDependentMultiGaussPSF, ParametricPSF, PSFKing
from lightpool.maps import MapAxis

__all__ = ["project_profile", "without_norm"]

_Profile: TypeAlias = Callable[[list[Array], Array], Array]


def project_profile(
    psf: ParametricPSF, tables: dict[str, NodeTable], rad: MapAxis, weights: Weights, integral: float = 1.0
) -> Iterator[tuple[slice, Array]]:
    """Yield a profile at pixels, normalised over ``rad``, for some true energies at a time.

    The parameters are interpolated at each pixel; the profile is not linear in them.

    Parameters
    ----------
    psf : EnergyDependentMultiGaussPSF or PSFKing
    tables : its parameters, see `~lightpool.irf.projection.tables_at_energies.parameter_nodes`
    rad : MapAxis of n_rad bins
    weights : of P pixels, for the nodes of the tables; they have the data type of parameters and result
    integral : float, sum of the profile times the areas of the rings in sr, where it is not zero

    Yields
    ------
    rows : slice of true energies
    values : array, shape (n_row, n_rad, P); zero where the parameters are not valid
    """
    for rows, values in _profiles(psf, tables, rad, weights):
        values *= integral  # in place: the array is new
        yield rows, values


def without_norm(tables: dict[str, NodeTable], weights: Weights) -> Array:
    """Return where a King profile cannot be normalised because gamma is 1 or less; shape (n_energy_true, P).

    Parameters
    ----------
    tables : its parameters
    weights : of P pixels
    """
    gamma, sigma = (_parameter(tables[name], weights) for name in ("gamma", "sigma"))
    return (gamma <= 1) & (sigma > 0)


def _profiles(
    psf: ParametricPSF, tables: dict[str, NodeTable], rad: MapAxis, weights: Weights
) -> Iterator[tuple[slice, Array]]:
    radius, width = rad.center.to_value("rad"), rad.bin_width.to_value("rad")
    # Areas of flat rings, as in `psf_nodes`.
    area = 2 * np.pi * radius * width
    kind, used = _kind_and_tables(psf, tables)
    if can_fuse(weights, *(table for table in used if table is not None)):
        rows = [constant(x, weights.device) for x in (radius, area)]
        yield slice(None), _fused(kind, used, rows[0], rows[1], weights)
        return
    center, areas = (constant(x.astype(weights.dtype), weights.device) for x in (radius, area))
    if kind == "gauss":
        parameters, profile = _gauss_parameters(tables, weights), _gauss_profile
    else:
        parameters, profile = _king_parameters(tables, weights), _king_profile
    if not weights.device.is_host:
        yield slice(None), _normalised(profile, parameters, center, areas)
        return
    for i in range(parameters[0].shape[0]):  # plane by plane, so that the many steps stay in the processor's cache
        row = slice(i, i + 1)
        yield row, _normalised(profile, [x[row] for x in parameters], center, areas)


def _kind_and_tables(psf: ParametricPSF, tables: dict[str, NodeTable]) -> tuple[str, list[NodeTable | None]]:
    """Return the kind of profile and its parameter tables in the order of a fused kernel; None for what is not used."""
    if isinstance(psf, PSFKing):
        return "king", [tables["gamma"], tables["sigma"]]
    if not isinstance(psf, EnergyDependentMultiGaussPSF):
        raise TypeError(f"no projection for a {type(psf).__name__}; psf.to_psf3d() makes a table of it")
    used: list[NodeTable | None] = [tables["scale"], tables["sigma_1"]]
    for i in (2, 3):
        is_used = _is_used(tables[f"ampl_{i}"])
        used += [tables[f"{name}_{i}"] if is_used else None for name in ("sigma", "ampl")]
    return "gauss", used


def _fused(kind: str, used: list[NodeTable | None], rad: Array, areas: Array, weights: Weights) -> Array:
    """Compute the profile in one kernel launch; ``used`` has the order of `lightpool.arrays.cuda.responses`."""
    known = [table for table in used if table is not None]
    pixels = kernel_coordinates(weights, known[0])
    if kind == "king":
        parameters = [on_device_of(weights, table, "values") for table in known]
        return responses.project_king(parameters, rad, areas, pixels)
    gaussians = [None if table is None else on_device_of(weights, table, "values") for table in used]
    return responses.project_gauss(gaussians, rad, areas, pixels)


def _normalised(profile: _Profile, parameters: list[Array], rad: Array, areas: Array) -> Array:
    values = profile(parameters, rad)
    xp = array_namespace(values)
    norm = xp.matmul(areas, values)  # (n_row, P)
    valid = (norm > 0) & parameters[0]
    # The inner `where` keeps NumPy from warning of a division by zero.
    inverse = xp.where(valid, 1 / xp.where(valid, norm, xp.ones_like(norm)), xp.zeros_like(norm))
    return values * inverse[:, None, :]


def _parameter(table: NodeTable, weights: Weights) -> Array:
    """Return a parameter at the pixels, at least zero, zero where it is not known; shape (n_energy_true, P)."""
    values = weights.apply(on_device_of(weights, table, "values"))
    xp = array_namespace(values)
    valid = values > 0
    if table.holes is not None:
        valid = valid & ~weights.touched(on_device_of(weights, table, "holes"))
    return xp.where(valid, values, xp.zeros_like(values))


def _gauss_parameters(nodes: dict[str, NodeTable], weights: Weights) -> list[Array]:
    """Return where the parameters are valid, then the steepness and amplitude of each Gaussian that is used."""
    # The factor `scale` cancels in the normalisation, but where it is zero there is no profile.
    valid: Any = _parameter(nodes["scale"], weights) > 0
    xp = array_namespace(valid)
    parameters = []
    for i in (1, 2, 3):
        if i > 1 and not _is_used(nodes[f"ampl_{i}"]):
            continue
        sigma = _parameter(nodes[f"sigma_{i}"], weights)
        valid = valid & (sigma > 0)
        steepness = -0.5 / xp.where(sigma > 0, sigma, xp.ones_like(sigma)) ** 2
        parameters += [steepness, xp.ones_like(sigma) if i == 1 else _parameter(nodes[f"ampl_{i}"], weights)]
    return [valid, *parameters]


def _is_used(table: NodeTable) -> bool:
    return bool(np.any(table.values != 0)) or table.holes is not None


def _gauss_profile(parameters: list[Array], rad: Array) -> Array:
    """Sum the Gaussians, up to a factor for each pixel and energy."""
    xp = array_namespace(rad)
    # GADF PSF_3GAUSS: exp(-rad**2 / 2 sigma_1**2) + ampl_2 exp(-rad**2 / 2 sigma_2**2) + ampl_3 ...
    square = (rad * rad)[None, :, None]
    profile = xp.exp(square * parameters[1][:, None, :])  # the amplitude of the first is 1
    for steepness, amplitude in zip(parameters[3::2], parameters[4::2], strict=True):
        profile = profile + xp.exp(square * steepness[:, None, :]) * amplitude[:, None, :]
    return profile


def _king_parameters(nodes: dict[str, NodeTable], weights: Weights) -> list[Array]:
    """Return where the parameters are valid, then minus gamma, and the scale of the squared distance.

    Gammapy's normalisation turns a profile of gamma 1 or less into zeros or numbers without meaning.
    """
    gamma, sigma = (_parameter(nodes[name], weights) for name in ("gamma", "sigma"))
    xp = array_namespace(gamma)
    valid = (gamma > 1) & (sigma > 0)
    one = xp.ones_like(gamma)
    gamma, sigma = xp.where(valid, gamma, one), xp.where(valid, sigma, one)
    return [valid, -gamma, 0.5 / (gamma * sigma**2)]


def _king_profile(parameters: list[Array], rad: Array) -> Array:
    """Compute the King profile, up to a factor for each pixel and energy."""
    xp = array_namespace(rad)
    _, minus_gamma, scale = parameters
    # GADF PSF_KING: (1 + rad**2 / (2 gamma sigma**2))**-gamma; `log1p` keeps the digits at small distances.
    return xp.exp(minus_gamma[:, None, :] * xp.log1p((rad * rad)[None, :, None] * scale[:, None, :]))
