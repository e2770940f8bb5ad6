"""Likelihood intervals of counts, and the excess over a known background that has a given significance."""

import math

import numpy as np

from lightpool.arrays import array_namespace
from lightpool.arrays.cuda import statistics as cuda_statistics
from lightpool.arrays.devices.array_types import Array, Namespace
from lightpool.stats.roots import find_root

__all__ = [
    "excess_of_significance",
    "excess_of_significance_plain",
    "likelihood_interval",
    "likelihood_interval_plain",
]

EPSILON = float(np.finfo(np.float64).eps)
N_NEWTON = 6
"""Newton steps; four reach rounding for 1e-9 to 1e15 counts and 0.001 to 30 sigma."""


def likelihood_interval(n_on: Array, n_sigma: float) -> tuple[Array, Array]:
    """Return the distances from the observed counts down and up to the ends of the interval of their expectation.

    Parameters
    ----------
    n_on : array of float
        Observed counts.
    n_sigma : float
        The Cash statistic at the ends is ``n_sigma**2`` above its minimum.

    Returns
    -------
    lower, upper : arrays of float, the shape of ``n_on``
        Zero and ``n_sigma**2 / 2`` where there are no counts.

    Notes
    -----
    With the expectation ``n_on * exp(v)``, the statistic of Cash 1979, ApJ 228, 939, is ``n_sigma**2`` above its
    minimum where ``exp(v) - 1 - v = n_sigma**2 / (2 n_on)``. The left side is convex, with one root on each side
    of zero. Newton's method started beyond a root converges to it monotonically, so a fixed number of steps suffices.
    """
    level = 0.5 * float(n_sigma) ** 2
    if cuda_statistics.are_on_cuda(n_on):
        return cuda_statistics.cash_errors(n_on, level)
    return likelihood_interval_plain(n_on, level)


def likelihood_interval_plain(n_on: Array, level: float) -> tuple[Array, Array]:
    """Find the ends with the array API standard alone: the reference implementation of `likelihood_interval`.

    Parameters
    ----------
    n_on : array of float
    level : float
        Half the rise of the statistic, ``n_sigma**2 / 2``.
    """
    xp = array_namespace(n_on)
    has_counts = n_on > 0.0
    counts = xp.where(has_counts, n_on, xp.ones_like(n_on))
    rise = level / counts
    root = xp.sqrt(2.0 * rise)
    # Both starts lie beyond their roots: exp(root) > 1 + root + root**2 / 2, and root**2 / 2 is `rise`.
    down, up = -(rise + root), xp.log1p(rise + root)
    for _ in range(N_NEWTON):
        down, up = _newton(down, rise, xp), _newton(up, rise, xp)
    lower = xp.where(has_counts, -counts * xp.expm1(down), xp.zeros_like(n_on))
    upper = xp.where(has_counts, counts * xp.expm1(up), xp.full_like(n_on, level))
    return lower, upper


def _newton(v: Array, rise: Array, xp: Namespace) -> Array:
    # The derivative of exp(v) - 1 - v; it is zero only at v = 0, the root for `n_sigma` 0.
    slope = xp.expm1(v)
    is_steep = slope != 0.0
    step = (_expm1_minus(v, xp) - rise) / xp.where(is_steep, slope, xp.ones_like(slope))
    return xp.where(is_steep, v - step, v)


def _expm1_minus(v: Array, xp: Namespace) -> Array:
    """Return ``exp(v) - 1 - v``; for small v as a series, since the difference cancels."""
    # Horner's scheme for v**2 / 2! to v**12 / 12!; at |v| = 0.1 the next term is far below rounding.
    series = xp.zeros_like(v)
    for k in range(12, 1, -1):
        series = (series + 1.0 / math.factorial(k)) * v
    return xp.where(xp.abs(v) < 0.1, series * v, xp.expm1(v) - v)


def excess_of_significance(mu_bkg: Array, significance: float) -> Array:
    """Return the excess over a known background that has a given significance.

    Parameters
    ----------
    mu_bkg : array of float
        Expected background.
    significance : float
        In standard deviations; a negative one asks for a deficit.

    Returns
    -------
    excess : array of float
        NaN where there is no background, or where even zero counts are a less significant deficit.

    Notes
    -----
    With ``mu_bkg * exp(z)`` counts, the test statistic of Cash 1979, ApJ 228, 939, is ``significance**2`` where
    ``1 + (z - 1) exp(z) = significance**2 / (2 mu_bkg)``.
    """
    if cuda_statistics.are_on_cuda(mu_bkg):
        return cuda_statistics.cash_excess(mu_bkg, float(significance))
    return excess_of_significance_plain(mu_bkg, significance)


def excess_of_significance_plain(mu_bkg: Array, significance: float) -> Array:
    """Find the excess with the array API standard alone: the reference implementation of `excess_of_significance`.

    Parameters
    ----------
    mu_bkg, significance : see `excess_of_significance`
    """
    xp = array_namespace(mu_bkg)
    has_background = mu_bkg > 0.0
    background = xp.where(has_background, mu_bkg, xp.ones_like(mu_bkg))
    level = 0.5 * float(significance) ** 2 / background
    zero = xp.zeros_like(background)
    if significance < 0:
        # At z = -745, exp(z) is zero.
        z = find_root(lambda z: 1.0 + (z - 1.0) * xp.exp(z) - level, xp.full_like(background, -745.0), zero)
    else:
        # (z - 1) exp(z) + 1 is at least z**2 / 2, and it is at least exp(z) from z = 2 on.
        upper = xp.minimum(xp.sqrt(2.0 * level), 2.0 + xp.log1p(level)) + EPSILON
        z = find_root(lambda z: 1.0 + (z - 1.0) * xp.exp(z) - level, zero, upper)
    excess = background * xp.expm1(z)
    return xp.where(has_background, excess, xp.full_like(excess, float("nan")))
