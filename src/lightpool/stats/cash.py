"""The Cash statistic: counts with a known expectation."""

from dataclasses import dataclass

import numpy as np

from lightpool.arrays import array_namespace, to_host
from lightpool.arrays.typing import Array, Namespace

__all__ = ["TRUNCATION_VALUE", "CashCountsStatistic", "cash", "cash_sum"]

TRUNCATION_VALUE = 1e-25
"""Smallest expectation whose logarithm is taken; the value is Sherpa's and Gammapy's."""


def cash(
    n_on: Array, mu_on: Array, truncation_value: float = TRUNCATION_VALUE, *, xp: Namespace | None = None
) -> Array:
    """Twice the negative logarithm of the Poisson likelihood, without the term of the counts alone.

    Parameters
    ----------
    n_on : array of float
        Observed counts.
    mu_on : array of float, shape that broadcasts with ``n_on``
        Expected counts; smaller ones than ``truncation_value`` are raised to it, NaN stays.
    truncation_value : float, positive

    Returns
    -------
    stat : array of float, ``2 * (mu_on - n_on * log(mu_on))``

    Notes
    -----
    Source: Cash 1979, ApJ 228, 939.
    """
    if not truncation_value > 0:
        raise ValueError(f"truncation_value must be positive, got {truncation_value}")
    xp = array_namespace(n_on, mu_on) if xp is None else xp
    mu_on = xp.where(mu_on <= truncation_value, xp.full_like(mu_on, truncation_value), mu_on)
    return 2 * (mu_on - n_on * xp.log(mu_on))


def cash_sum(n_on: Array, mu_on: Array, mask: Array | None = None, *, xp: Namespace | None = None) -> Array:
    """Sum of the Cash statistic over the bins that a mask keeps.

    Parameters
    ----------
    n_on, mu_on : arrays of float, same shape
        An expectation that is NaN counts as the truncation value, as in Gammapy's sum.
    mask : array of bool, the same shape, optional

    Returns
    -------
    stat_sum : array of float, no dimensions
    """
    xp = array_namespace(n_on, mu_on) if xp is None else xp
    mu_on = xp.where(mu_on > TRUNCATION_VALUE, mu_on, xp.full_like(mu_on, TRUNCATION_VALUE))
    stat = cash(n_on, mu_on, xp=xp)
    if mask is not None:
        stat = xp.where(mask, stat, xp.zeros_like(stat))
    return xp.sum(stat)


@dataclass(frozen=True, eq=False)
class CashCountsStatistic:
    """Excess and significance of counts over a known background, bin by bin.

    Attributes
    ----------
    n_on : array of float, observed counts
    mu_bkg : array of float, same shape, expected background
    """

    n_on: Array
    mu_bkg: Array

    def __post_init__(self) -> None:
        for name in ("n_on", "mu_bkg"):
            if isinstance(getattr(self, name), int | float):
                object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))

    @property
    def n_bkg(self) -> Array:
        """Expected background."""
        return self.mu_bkg

    @property
    def n_sig(self) -> Array:
        """Excess."""
        return self.n_on - self.mu_bkg

    @property
    def error(self) -> Array:
        """Error of the excess, the square root of the counts."""
        return array_namespace(self.n_on).sqrt(self.n_on)

    @property
    def stat_null(self) -> Array:
        """Statistic without a signal."""
        return cash(self.n_on, self.mu_bkg)

    @property
    def stat_max(self) -> Array:
        """Statistic with the signal that fits best."""
        return cash(self.n_on, self.n_on)

    @property
    def ts(self) -> Array:
        """Test statistic of the excess, never negative."""
        difference = self.stat_null - self.stat_max
        return array_namespace(difference).clip(difference, min=0.0)

    @property
    def sqrt_ts(self) -> Array:
        """Significance in standard deviations, with the sign of the excess."""
        xp = array_namespace(self.n_on)
        return xp.sign(self.n_sig) * xp.sqrt(self.ts)

    @property
    def p_value(self) -> Array:
        """One-sided probability of a larger excess by chance; on the host."""
        from scipy.stats import chi2

        return 0.5 * chi2.sf(to_host(self.ts), 1)

    def sum(self) -> "CashCountsStatistic":
        """Statistic of all bins together."""
        xp = array_namespace(self.n_on)
        return CashCountsStatistic(xp.sum(self.n_on), xp.sum(self.mu_bkg))
