"""Integrals of tabulated functions."""

from lightpool.arrays.devices import array_namespace, device_of, to_device
from lightpool.arrays.typing import Array, Namespace

__all__ = ["trapezoid_loglog"]


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
    x = to_device(x, device_of(y), dtype="float64")
    axis = axis % y.ndim
    if x.ndim == 1:
        x = xp.reshape(x, tuple(-1 if i == axis else 1 for i in range(y.ndim)))
    y1, y2 = _neighbours(y, axis)
    some = (y1 != 0) & (y2 != 0)
    log_y = xp.log(xp.where(y != 0, y, xp.ones_like(y))) if log_y is None else log_y
    log1, log2 = _neighbours(log_y, axis)
    log_x1, log_x2 = _neighbours(xp.log(x), axis)
    x1, x2 = _neighbours(x, axis)
    width = log_x2 - log_x1
    t = log2 - log1 + width
    low = x1 * y1
    near = xp.abs(t) < 1
    t_near = xp.where(near & (t != 0), t, xp.full_like(t, 1e-300))  # at 0 the limit, 1
    growth = xp.expm1(t_near) / t_near
    t_far = xp.where(near, xp.ones_like(t), t)
    integral = width * xp.where(near, low * growth, (x2 * y2 - low) / t_far)
    return xp.where(some, integral, xp.zeros_like(integral))


def _neighbours(values: Array, axis: int) -> tuple[Array, Array]:
    """All but the last and all but the first along an axis."""
    before = (slice(None),) * axis
    return values[(*before, slice(None, -1), ...)], values[(*before, slice(1, None), ...)]
