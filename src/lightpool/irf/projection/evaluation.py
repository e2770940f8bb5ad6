"""Responses that are evaluated at every pixel, because their class evaluates them in a way of its own.

The algebra of node tables is that of `lightpool.irf.IRF.evaluate`: linear between the nodes, zero outside. A class that
a user derives may evaluate itself as it likes, from a formula or in other coordinates; its ``evaluate`` is called on
the host, for all energies of a block of pixels at once, as Gammapy calls it.
"""

from collections.abc import Sequence
from typing import Protocol, cast
from weakref import WeakKeyDictionary

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import to_host
from lightpool.arrays.devices.array_types import Array
from lightpool.irf.tables.irf import IRF
from lightpool.irf.tables.psf_parametric import ParametricPSF

__all__ = [
    "evaluate_at",
    "evaluated_density",
    "evaluated_integrals",
    "evaluated_kernel",
    "evaluated_values",
    "evaluates_itself",
    "is_of_another_kind",
]

Floats = NDArray[np.float64]
Wanted = dict[str, u.Quantity]

_METHODS = ("evaluate", "evaluate_direct", "evaluate_parameters", "integrate_log_log")
_BLOCK = 2**20
"""Values that are evaluated at once."""


def evaluates_itself(irf: IRF) -> bool:
    """Return whether a response cannot be projected from a node table: its class, or its settings, are others.

    Parameters
    ----------
    irf : IRF
    """
    if is_of_another_kind(type(irf)):
        return True
    if isinstance(irf, ParametricPSF):
        return False
    settings = irf.interp_kwargs
    return settings.get("method", "linear") != "linear" or settings.get("fill_value", 0.0) != 0.0


_known_classes: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def is_of_another_kind(kind: type) -> bool:
    """Return whether a class has methods of evaluation that are not those of the package.

    Parameters
    ----------
    kind : type
    """
    known = _known_classes.get(kind)
    if known is None:
        methods = (getattr(kind, name, None) for name in _METHODS)
        known = any(method is not None and not method.__module__.startswith("lightpool.") for method in methods)
        _known_classes[kind] = known
    return known


class _Evaluates(Protocol):
    """A response whose ``evaluate`` need not have the argument ``method``."""

    def evaluate(self, **coords: u.Quantity) -> u.Quantity: ...


def evaluate_at(irf: IRF, **coords: u.Quantity) -> u.Quantity:
    """Evaluate a response, also one of a class of a user.

    Parameters
    ----------
    irf : IRF
    **coords : Quantity by name of coordinate
    """
    return u.Quantity(cast(_Evaluates, irf).evaluate(**coords))


def evaluated_values(
    irf: IRF, field: tuple[str, ...], coords: Sequence[Array], wanted: Wanted, unit: u.UnitBase
) -> Floats:
    """Return a response at pixels, on the host; what is not finite is zero.

    Parameters
    ----------
    irf : IRF
    field : names of the coordinates in the field of view
    coords : arrays of float64 of one shape, unit rad, for each of them
    wanted : dict of Quantity, one-dimensional, by name of the other coordinates
    unit : Unit of the result

    Returns
    -------
    values : ndarray of float64, shape (n_first, ..., P)
    """
    # host: the class is one of the user, which takes quantities
    places = {name: u.Quantity(np.ravel(to_host(x)), "rad") for name, x in zip(field, coords, strict=True)}
    n_pixel, shape = next(iter(places.values())).size, tuple(x.size for x in wanted.values())
    grid = dict(zip(wanted, np.ix_(*(x.value for x in wanted.values())), strict=True))
    others = {name: u.Quantity(x[..., np.newaxis], wanted[name].unit) for name, x in grid.items()}
    values = np.empty((*shape, n_pixel))
    step = max(1, _BLOCK // max(1, int(np.prod(shape))))
    for start in range(0, n_pixel, step):
        part = slice(start, start + step)
        here = {name: x[part] for name, x in places.items()}
        found = evaluate_at(irf, **others, **here).to_value(unit)
        values[..., part] = np.where(np.isfinite(found), found, 0.0)
    return values


def evaluated_density(values: Floats, widths: Floats, integral: float = 1.0) -> Floats:
    """Normalise a density over its second axis, in place; where its integral is zero it becomes zero.

    Parameters
    ----------
    values : ndarray, shape (n_energy_true, n_bin, P)
    widths : ndarray, shape (n_bin,), of the bins
    integral : float, what the integral becomes
    """
    norm = np.einsum("ebp,b->ep", values, widths)
    inverse = np.divide(integral, norm, out=np.zeros_like(norm), where=norm >= np.finfo(float).smallest_normal)
    values *= inverse[:, np.newaxis]
    return values


def evaluated_kernel(density: Floats, shares: Floats, threshold: float) -> Floats:
    """Return the probabilities of the bins of reconstructed energy.

    Parameters
    ----------
    density : ndarray, shape (n_energy_true, n_migra, P), normalised
    shares : ndarray, shape (n_energy_true, n_energy, n_migra), what a density of 1 adds to each bin
    threshold : float, smaller probabilities are zero
    """
    kernel: Floats = np.matmul(shares, density)
    kernel[kernel < threshold] = 0.0
    return kernel


def evaluated_integrals(
    irf: IRF, field: tuple[str, ...], coords: Sequence[Array], energy: u.Quantity, unit: u.UnitBase
) -> Floats:
    """Return a rate at pixels, integrated over the bins between energies, on the host.

    Parameters
    ----------
    irf : BackgroundIRF
    field, coords : see `evaluated_values`
    energy : Quantity, shape (n_energy + 1,), edges
    unit : Unit of the result

    Returns
    -------
    values : ndarray of float64, shape (n_energy, P)
    """
    places = {name: u.Quantity(np.ravel(to_host(x)), "rad") for name, x in zip(field, coords, strict=True)}  # host
    found = irf.integrate_log_log("energy", "linear", energy=energy[:, np.newaxis], **places)
    values = found.to_value(unit)
    return np.where(np.isfinite(values), values, 0.0)
