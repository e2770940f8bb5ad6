"""Integrals of tabulated functions."""

from collections.abc import Callable

import array_api_compat
import numpy as np

from lightpool.arrays.devices import array_namespace, device_of, to_device
from lightpool.arrays.typing import Array, Namespace

__all__ = ["integrate_exponential", "integrate_exponential_plain", "trapezoid_loglog", "trapezoid_loglog_plain"]

_NEVER = -1e300
"""An exponent that stands for zero."""

_NEAR = 1e-3
"""Below this difference of two exponents, the difference of the two exponentials loses digits."""


def integrate_exponential(exponent: Array, points: Array, floor: Array, *, xp: Namespace | None = None) -> Array:
    """Integrals of an exponential function whose exponent is linear between its points.

    With logarithms of energies as points, and those of energy times flux as exponents, it is `trapezoid_loglog` of a
    flux, without its logarithms.

    Parameters
    ----------
    exponent : array of float64, shape (n, ...), finite
    points : array of float64, shape (n,) or one that broadcasts with ``exponent``, ascending
    floor : array of float64, likewise
        An exponent up to this one means that the function is zero; the integrals beside it are zero then.

    Returns
    -------
    integrals : array of float64, shape (n - 1, ...)

    Notes
    -----
    With t the difference of the exponents u, the integral is (s2 - s1) (exp(u2) - exp(u1)) / t.
    """
    xp = array_namespace(exponent) if xp is None else xp
    if not array_api_compat.is_numpy_namespace(xp):
        return integrate_exponential_plain(exponent, points, floor, xp=xp)
    points, floor = _column(points, exponent, xp), _column(floor, exponent, xp)
    values = np.exp(exponent)
    t = np.diff(exponent, axis=0)
    integral = np.diff(values, axis=0)
    size = np.abs(t)
    if integral.size and size.min() < _NEAR:
        near = size < _NEAR
        t_near = np.where(t[near] == 0, 1e-300, t[near])
        integral[near] = values[:-1][near] * np.expm1(t_near)
        t[near] = t_near
    integral /= t
    integral *= np.diff(points, axis=0)
    zero = exponent <= floor
    if zero.any():
        integral[zero[1:] | zero[:-1]] = 0.0
    return integral


def integrate_exponential_plain(exponent: Array, points: Array, floor: Array, *, xp: Namespace | None = None) -> Array:
    """Plain twin of `integrate_exponential`, in the array API standard alone."""
    xp = array_namespace(exponent) if xp is None else xp
    points, floor = (_column(v, exponent, xp) for v in (points, floor))
    (u1, u2), (s1, s2) = _neighbours(exponent, 0), _neighbours(points, 0)
    t = u2 - u1
    near = xp.abs(t) < _NEAR
    t_near = xp.where(near & (t != 0), t, xp.full_like(t, 1e-300))  # at 0 the limit, 1
    growth = xp.exp(u1) * xp.expm1(t_near) / t_near
    integral = (s2 - s1) * xp.where(near, growth, (xp.exp(u2) - xp.exp(u1)) / xp.where(near, xp.ones_like(t), t))
    low, high = _neighbours(exponent > floor, 0)
    return xp.where(low & high, integral, xp.zeros_like(integral))


def _column(points: Array, values: Array, xp: Namespace) -> Array:
    """Points beside the values; a row of them becomes a column."""
    points = to_device(points, device_of(values), dtype="float64")
    return xp.reshape(points, (-1,) + (1,) * (values.ndim - 1)) if points.ndim == 1 else points


def trapezoid_loglog(y: Array, x: Array, axis: int = -1, *, xp: Namespace | None = None) -> Array:
    """Integrals of a function between its points, taken as a power law in each interval.

    Parameters
    ----------
    y : array of float64, any shape
        Values, not negative. An interval where one of the two values is 0 has the integral 0.
    x : array of float64, shape (n,) with n the length of ``y`` along ``axis``, or a shape that broadcasts with ``y``
        Positive, ascending along ``axis``. A NumPy array is copied to the device of ``y``.
    axis : int

    Returns
    -------
    integrals : array of float64, shape of ``y`` with n - 1 in place of n
        One for each interval: add them up for the whole.

    Notes
    -----
    With t = log(x2 y2 / x1 y1), the integral is log(x2 / x1) (x2 y2 - x1 y1) / t: it has no special case but t = 0
    (index 1), where it is x1 y1 log(x2 / x1).
    """
    return _loglog(integrate_exponential, y, x, axis, xp)


def trapezoid_loglog_plain(y: Array, x: Array, axis: int = -1, *, xp: Namespace | None = None) -> Array:
    """Plain twin of `trapezoid_loglog`, in the array API standard alone."""
    return _loglog(integrate_exponential_plain, y, x, axis, xp)


def _loglog(integrate: Callable[..., Array], y: Array, x: Array, axis: int, xp: Namespace | None) -> Array:
    xp = array_namespace(y) if xp is None else xp
    x = to_device(x, device_of(y), dtype="float64")
    x = xp.moveaxis(x, axis, 0) if x.ndim > 1 else _column(x, y, xp)
    y = xp.moveaxis(y, axis, 0)
    exponent = xp.where(y != 0, xp.log(x * xp.where(y != 0, y, xp.ones_like(y))), _NEVER)
    return xp.moveaxis(integrate(exponent, xp.log(x), xp.full_like(x, _NEVER), xp=xp), 0, axis)


def _neighbours(values: Array, axis: int) -> tuple[Array, Array]:
    """All but the last and all but the first along an axis."""
    before = (slice(None),) * axis
    return values[(*before, slice(None, -1), ...)], values[(*before, slice(1, None), ...)]
