"""Roots of many functions of one variable at once, in a fixed number of steps."""

from collections.abc import Callable

from lightpool.arrays import array_namespace
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.kernels.clipping import sign

__all__ = ["N_STEP", "find_root"]

N_STEP = 64
"""Number of steps: smooth functions converge to rounding in about ten, and 64 bisections always do."""


def find_root(function: Callable[[Array], Array], lower: Array, upper: Array, n_step: int = N_STEP) -> Array:
    """Return the root of a function between two bounds, element by element.

    Parameters
    ----------
    function : callable
        Maps an array to one of the same shape; each element depends only on the same element of the argument.
    lower, upper : array of float, same shape
        Bounds between which each element has one root.
    n_step : int
        Number of steps, the same for all elements: checking for convergence would copy from the device.

    Returns
    -------
    root : array of float, NaN where the signs at the bounds do not differ

    Notes
    -----
    Source: Chandrupatla 1997, Adv. Eng. Software 28, 145: inverse quadratic interpolation where it can be trusted,
    bisection elsewhere.
    """
    xp = array_namespace(lower, upper)
    # a is the newest point, b the other end of the bracket, c the end that was replaced last.
    a, b = upper, lower
    fa, fb = function(a), function(b)
    c, fc = a, fa
    is_bracket = (sign(fa) * sign(fb)) <= 0.0  # False for NaN
    # The first step is a bisection.
    t = xp.full_like(a, 0.5)
    for _ in range(n_step):
        x = a + t * (b - a)
        fx = function(x)
        # The new point replaces the end with its sign. Both cases are computed, as elements may differ.
        is_same = sign(fx) == sign(fa)
        c, fc = xp.where(is_same, a, b), xp.where(is_same, fa, fb)
        b, fb = xp.where(is_same, b, a), xp.where(is_same, fb, fa)
        a, fa = x, fx
        t = _step(a, b, c, fa, fb, fc)
    # The end with the smaller value: the newest point need not be the better one.
    root = xp.where(xp.abs(fa) < xp.abs(fb), a, b)
    return xp.where(is_bracket, root, xp.full_like(root, float("nan")))


def _step(a: Array, b: Array, c: Array, fa: Array, fb: Array, fc: Array) -> Array:
    """Return the fraction of the way from the newest point a to b; the root is between them, c is the point before."""
    xp = array_namespace(a, fa)
    half = xp.full_like(a, 0.5)
    # Once converged, points and values coincide, and the quotients would be 0 / 0.
    is_distinct = (fa != fb) & (fb != fc) & (fa != fc) & (a != b) & (b != c)

    def quotient(x: Array, y: Array) -> Array:
        return x / xp.where(is_distinct, y, xp.ones_like(y))

    xi, phi = quotient(a - b, c - b), quotient(fa - fb, fc - fb)
    # Chandrupatla's criterion: inverse quadratic interpolation is monotonic between a and b.
    is_trusted = is_distinct & (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
    first = quotient(fa, fb - fa) * quotient(fc, fb - fc)
    second = quotient(c - a, b - a) * quotient(fa, fc - fa) * quotient(fb, fc - fb)
    return xp.where(is_trusted, first + second, half)
