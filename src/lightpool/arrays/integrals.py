"""Integrals of tabulated functions."""

import math

import array_api_compat
import numpy as np

from lightpool.arrays.blocks import BLOCK, blocks
from lightpool.arrays.devices import array_namespace, device_of, to_device
from lightpool.arrays.typing import Array, Namespace

__all__ = ["trapezoid_loglog", "trapezoid_loglog_plain"]


def trapezoid_loglog(
    y: Array, x: Array, axis: int = -1, *, log_y: Array | None = None, xp: Namespace | None = None
) -> Array:
    """Integrals of a function between its points, taken as a power law in each interval.

    Parameters
    ----------
    y : array of float64, any shape
        Values, not negative. An interval where one of the two values is 0 has the integral 0.
    x : array of float64, shape (n,) with n the length of ``y`` along ``axis``, or a shape that broadcasts with ``y``
        Positive, ascending along ``axis``. A NumPy array is copied to the device of ``y``.
    axis : int
    log_y : array of float64, shape of ``y``
        Natural logarithm of ``y``, where it is at hand; taking it costs most of the time.

    Returns
    -------
    integrals : array of float64, shape of ``y`` with n - 1 in place of n
        One for each interval: add them up for the whole.

    Notes
    -----
    With t = log(x2 y2 / x1 y1), the integral is log(x2 / x1) (x2 y2 - x1 y1) / t: it has no special case but t = 0
    (index 1), where it is x1 y1 log(x2 / x1).
    """
    xp = array_namespace(y) if xp is None else xp
    axis = axis % y.ndim
    if not array_api_compat.is_numpy_namespace(xp):
        return trapezoid_loglog_plain(y, x, axis, log_y=log_y, xp=xp)
    x = _along(x, y, axis, xp)
    shape = (*y.shape[:axis], y.shape[axis] - 1, *y.shape[axis + 1 :])
    integral = np.empty((math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])))
    folded = (integral.shape[0], y.shape[axis], integral.shape[2])
    parts = [None if v is None else np.broadcast_to(v, y.shape).reshape(folded) for v in (y, log_y)]
    x = x.reshape(-1) if x.size == folded[1] else np.broadcast_to(x, y.shape).reshape(folded)
    size = 4 * BLOCK  # few enough steps of Python, and still in the cache
    for leading in blocks(folded[0], size // math.prod(folded[1:]) if integral.size else 1):
        for trailing in blocks(folded[2], size // folded[1]):
            piece = (leading, slice(None), trailing)
            part_y, part_log = (None if v is None else v[piece] for v in parts)
            part_x = x[:, None] if x.ndim == 1 else x[piece]
            integral[piece] = _piece_numpy(part_y, part_x, part_log)
    return integral.reshape(shape)


def _piece_numpy(y: Array, x: Array, log_y: Array | None) -> Array:
    """Integrals along axis -2 of y."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_y = np.log(y) if log_y is None else log_y
        log_x = np.log(x)
        width = log_x[..., 1:, :] - log_x[..., :-1, :]
        t = log_y[..., 1:, :] - log_y[..., :-1, :]
        t += width
        product = x * y
        integral = product[..., 1:, :] - product[..., :-1, :]
        integral /= t
        near = np.abs(t) < 1e-3
    if near.any():
        t_near = np.where(t[near] == 0, 1e-300, t[near])
        integral[near] = product[..., :-1, :][near] * np.expm1(t_near) / t_near
    integral *= width
    if not y.all():
        zero = y == 0
        integral[zero[..., :-1, :] | zero[..., 1:, :]] = 0.0
    return integral


def trapezoid_loglog_plain(
    y: Array, x: Array, axis: int = -1, *, log_y: Array | None = None, xp: Namespace | None = None
) -> Array:
    """Plain twin of `trapezoid_loglog`, in the array API standard alone."""
    xp = array_namespace(y) if xp is None else xp
    axis = axis % y.ndim
    x = _along(x, y, axis, xp)
    y1, y2 = _neighbours(y, axis)
    some = (y1 != 0) & (y2 != 0)
    if log_y is None:
        log_y = xp.log(xp.where(y != 0, y, xp.ones_like(y)))
    log_y = xp.where(y != 0, log_y, xp.zeros_like(y))
    log1, log2 = _neighbours(log_y, axis)
    log_x1, log_x2 = _neighbours(xp.log(x), axis)
    x1, x2 = _neighbours(x, axis)
    width = log_x2 - log_x1
    t = log2 - log1 + width
    low = x1 * y1
    near = xp.abs(t) < 1e-3
    t_near = xp.where(near & (t != 0), t, xp.full_like(t, 1e-300))  # at 0 the limit, 1
    growth = xp.expm1(t_near) / t_near
    t_far = xp.where(near, xp.ones_like(t), t)
    integral = width * xp.where(near, low * growth, (x2 * y2 - low) / t_far)
    return xp.where(some, integral, xp.zeros_like(integral))


def _along(x: Array, y: Array, axis: int, xp: Namespace) -> Array:
    """Put points beside the values, and a row of points along their axis."""
    x = to_device(x, device_of(y), dtype="float64")
    if x.ndim == 1:
        return xp.reshape(x, tuple(-1 if i == axis else 1 for i in range(y.ndim)))
    return x


def _neighbours(values: Array, axis: int) -> tuple[Array, Array]:
    """All but the last and all but the first along an axis."""
    before = (slice(None),) * axis
    return values[(*before, slice(None, -1), ...)], values[(*before, slice(1, None), ...)]
