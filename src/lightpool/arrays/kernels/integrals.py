"""Integrals of tabulated functions."""

from collections.abc import Callable
from typing import Any, TypeAlias, cast, overload

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array, HostFloats, Namespace
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import array_namespace, device_of
from lightpool.arrays.devices.dtypes import as_dtype, dtype_name

__all__ = ["integrate_exponential", "integrate_exponential_plain", "trapezoid_loglog", "trapezoid_loglog_plain"]

Floats: TypeAlias = NDArray[np.floating[Any]]

_NEVER = -1e30
"""Exponent that represents the value zero, also in float32."""

_NEAR = {"float64": 1e-3, "float32": 0.3}
"""Below this difference of two exponents, the difference of the two exponentials loses digits."""

_LEAST = 1e-30
"""Smallest integral in float32 that is not zero: what is positive in float64 must not underflow."""

_NEARLY_ZERO = 1e-30
"""A difference of exponents at which (exp(t) - 1) / t is 1."""


@overload
def integrate_exponential(exponent: HostFloats, points: HostFloats, floor: HostFloats) -> HostFloats: ...
@overload
def integrate_exponential(exponent: Array, points: Array, floor: Array) -> Array: ...
def integrate_exponential(exponent: Array, points: Array, floor: Array) -> Array:
    """Integrate an exponential function whose exponent is linear between its points.

    With logarithms of energies as points, and those of energy times flux as exponents, it is `trapezoid_loglog` of a
    flux, without its logarithms.

    Parameters
    ----------
    exponent : array of float64 or float32, shape (n, ...), finite
    points : array of float64, shape (n,) or one that broadcasts with ``exponent``, ascending
    floor : array of float64, shape (n,) or one that broadcasts with ``exponent``
        An exponent up to this one means that the function is zero; the integrals on both sides of it are zero then.

    Returns
    -------
    integrals : array of the type of ``exponent``, shape (n - 1, ...)
        In float32 at least 1e-30 where they are not zero, so that they are zero where those in float64 are.

    Notes
    -----
    With s the points, u the exponents and t = u2 - u1, the integral is (s2 - s1) (exp(u2) - exp(u1)) / t. Where t is
    small, the difference of the exponentials loses digits, and exp(u1) (expm1(t) / t) is used instead.
    """
    xp = array_namespace(exponent)
    if not array_api_compat.is_numpy_namespace(xp):
        return integrate_exponential_plain(exponent, points, floor)
    steps, floor = _steps(points, exponent, xp), _floor(floor, exponent, xp)
    return _integrate_numpy(cast(Floats, exponent), cast(Floats, steps), cast(Floats, floor))


def _integrate_numpy(exponent: Floats, steps: Floats, floor: Floats) -> Floats:
    # Order C, so that `reshape(-1)` below returns views, to which values can be assigned.
    values = np.exp(exponent, order="C")
    t = np.subtract(exponent[1:], exponent[:-1], order="C")
    integral = np.abs(t)  # reused for the result: fresh memory costs more than the arithmetic
    near = np.flatnonzero(integral < _NEAR[dtype_name(exponent)])
    np.subtract(values[1:], values[:-1], out=integral)
    if near.size:
        t_near = t.reshape(-1)[near]
        t_near = np.where(t_near == 0, t.dtype.type(_NEARLY_ZERO), t_near)  # at 0 the limit, 1
        # The quotient first: a small exponential times a small t may vanish, though the integral does not.
        integral.reshape(-1)[near] = values[:-1].reshape(-1)[near] * (np.expm1(t_near) / t_near)
        t.reshape(-1)[near] = 1.0
    integral /= t
    integral *= steps
    if integral.dtype == np.float32:
        np.maximum(integral, np.float32(_LEAST), out=integral)  # before the zeros are set, which must stay zero
    # A mask is made only if an exponent may be below its floor, which is rare.
    if exponent.size and exponent.min() <= floor.max():
        zero = exponent <= floor
        integral[zero[1:] | zero[:-1]] = 0.0
    return integral


def integrate_exponential_plain(exponent: Array, points: Array, floor: Array) -> Array:
    """Integrate with the array API standard alone: the reference implementation of `integrate_exponential`.

    Parameters
    ----------
    exponent, points, floor : see `integrate_exponential`
    """
    xp = array_namespace(exponent)
    steps, floor = _steps(points, exponent, xp), _floor(floor, exponent, xp)
    u1, u2 = _neighbours(exponent, 0)
    t = u2 - u1
    near = xp.abs(t) < _NEAR[dtype_name(exponent)]
    t_near = xp.where(near & (t != 0), t, xp.full_like(t, _NEARLY_ZERO))  # at 0 the limit, 1
    growth = xp.exp(u1) * (xp.expm1(t_near) / t_near)  # in this order, see `_integrate_numpy`
    integral = steps * xp.where(near, growth, (xp.exp(u2) - xp.exp(u1)) / xp.where(near, xp.ones_like(t), t))
    if dtype_name(exponent) == "float32":
        integral = xp.maximum(integral, xp.full_like(integral, _LEAST))
    low, high = _neighbours(exponent > floor, 0)
    return xp.where(low & high, integral, xp.zeros_like(integral))


def _steps(points: Array, exponent: Array, xp: Namespace) -> Array:
    """Return the distances between points, computed in float64, then converted to the type of the exponents."""
    low, high = _neighbours(_column(points, exponent, xp), 0)
    return as_dtype(high - low, dtype_name(exponent))


def _floor(floor: Array, exponent: Array, xp: Namespace) -> Array:
    return as_dtype(_column(floor, exponent, xp), dtype_name(exponent))


def _column(points: Array, values: Array, xp: Namespace) -> Array:
    """Return points in float64 on the device of the values; one dimension becomes a column."""
    points = constant(points, device_of(values), dtype="float64")
    return xp.reshape(points, (-1,) + (1,) * (values.ndim - 1)) if points.ndim == 1 else points


@overload
def trapezoid_loglog(y: HostFloats, x: HostFloats, axis: int = -1) -> HostFloats: ...
@overload
def trapezoid_loglog(y: Array, x: Array, axis: int = -1) -> Array: ...
def trapezoid_loglog(y: Array, x: Array, axis: int = -1) -> Array:
    """Integrate a function between its points, as a power law in each interval.

    Parameters
    ----------
    y : array of float64 or float32, any shape
        Values, not negative. An interval where one of the two values is 0 has the integral 0.
    x : array of float64, shape (n,) with n the length of ``y`` along ``axis``, or a shape that broadcasts with ``y``
        Positive, ascending along ``axis``. A NumPy array is copied to the device of ``y``.
    axis : int

    Returns
    -------
    integrals : array of the type of ``y``, shape of ``y`` with n - 1 instead of n
        One for each interval; add them up for the whole.

    Notes
    -----
    With t = log(x2 y2 / x1 y1), the integral is log(x2 / x1) (x2 y2 - x1 y1) / t. The only special case is t = 0
    (spectral index 1), where it is x1 y1 log(x2 / x1).
    """
    return _loglog(integrate_exponential, y, x, axis)


def trapezoid_loglog_plain(y: Array, x: Array, axis: int = -1) -> Array:
    """Integrate with the array API standard alone: the reference implementation of `trapezoid_loglog`.

    Parameters
    ----------
    y, x, axis : see `trapezoid_loglog`
    """
    return _loglog(integrate_exponential_plain, y, x, axis)


def _loglog(integrate: Callable[..., Array], y: Array, x: Array, axis: int) -> Array:
    xp = array_namespace(y)
    x = constant(x, device_of(y), dtype="float64")
    x = xp.moveaxis(x, axis, 0) if x.ndim > 1 else _column(x, y, xp)
    y = xp.moveaxis(y, axis, 0)
    factor = as_dtype(x, dtype_name(y))
    # The integral of y over x is that of x y over log(x), which is an exponential where y is a power law. Zeros are
    # replaced before the logarithm, so that it neither warns nor returns an infinity.
    exponent = xp.where(y != 0, xp.log(factor * xp.where(y != 0, y, xp.ones_like(y))), _NEVER)
    return xp.moveaxis(integrate(exponent, xp.log(x), xp.full_like(x, _NEVER)), 0, axis)


def _neighbours(values: Array, axis: int) -> tuple[Array, Array]:
    """Return all but the last and all but the first values along an axis."""
    before = (slice(None),) * axis
    return values[(*before, slice(None, -1), ...)], values[(*before, slice(1, None), ...)]
