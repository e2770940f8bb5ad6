"""The Cash statistic: counts with a known expectation."""

from lightpool.arrays import array_namespace
from lightpool.arrays.cuda import statistics as cuda_statistics
from lightpool.arrays.devices.array_types import Array

__all__ = ["TRUNCATION_VALUE", "cash", "cash_plain", "cash_sum"]

TRUNCATION_VALUE = 1e-25
"""Smallest expectation whose logarithm is taken; the value is Sherpa's and Gammapy's."""


def cash(n_on: Array, mu_on: Array, truncation_value: float = TRUNCATION_VALUE) -> Array:
    """Return minus twice the logarithm of the Poisson likelihood, without the term of the counts alone.

    Parameters
    ----------
    n_on : array of float
        Observed counts.
    mu_on : array of float, shape that broadcasts with ``n_on``
        Expected counts. Those below ``truncation_value`` are raised to it; NaN stays NaN.
    truncation_value : float
        Positive: the logarithm of zero would be minus infinity.

    Returns
    -------
    stat : array of float, ``2 * (mu_on - n_on * log(mu_on))``

    Notes
    -----
    Source: Cash 1979, ApJ 228, 939.
    """
    if not truncation_value > 0:
        raise ValueError(f"truncation_value must be positive, got {truncation_value}")
    if cuda_statistics.are_on_cuda(n_on, mu_on):
        return cuda_statistics.cash(n_on, mu_on, truncation_value)
    return cash_plain(n_on, mu_on, truncation_value)


def cash_plain(n_on: Array, mu_on: Array, truncation_value: float = TRUNCATION_VALUE) -> Array:
    """Return the statistic with the array API standard alone: the reference implementation of `cash`.

    Parameters
    ----------
    n_on, mu_on, truncation_value : see `cash`
    """
    xp = array_namespace(n_on, mu_on)
    # `<=` is False for NaN, which stays; in `cash_sum`, `>` is False for NaN, which becomes the truncation value.
    mu_on = xp.where(mu_on <= truncation_value, xp.full_like(mu_on, truncation_value), mu_on)
    return 2 * (mu_on - n_on * xp.log(mu_on))


def cash_sum(n_on: Array, mu_on: Array, mask: Array | None = None) -> Array:
    """Return the sum of the Cash statistic over the bins that a mask keeps.

    Parameters
    ----------
    n_on, mu_on : array of float, same shape
        Observed and expected counts. An expectation that is NaN counts as the truncation value, as in Gammapy.
    mask : array of bool, the same shape, optional
        True keeps a bin; all are kept by default.

    Returns
    -------
    stat_sum : array of float, no dimensions
    """
    xp = array_namespace(n_on, mu_on)
    mu_on = xp.where(mu_on > TRUNCATION_VALUE, mu_on, xp.full_like(mu_on, TRUNCATION_VALUE))
    stat = cash(n_on, mu_on)
    if mask is not None:
        stat = xp.where(mask, stat, xp.zeros_like(stat))
    return xp.sum(stat)
