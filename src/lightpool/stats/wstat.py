"""The W statistic: counts in an ON region, with a background that counts in an OFF region measure."""

from lightpool.arrays import array_namespace
from lightpool.arrays.devices.array_types import Array, Namespace

__all__ = ["get_wstat_gof_terms", "get_wstat_mu_bkg", "wstat", "wstat_sum"]


def wstat(
    n_on: Array,
    n_off: Array,
    alpha: Array,
    mu_sig: Array,
    mu_bkg: Array | None = None,
    extra_terms: bool = True,
    *,
    xp: Namespace | None = None,
) -> Array:
    """Twice the negative logarithm of the likelihood of ON and OFF counts.

    Parameters
    ----------
    n_on, n_off : arrays of float
        Observed counts in the ON and in the OFF region.
    alpha : array of float
        Acceptance of the ON region over that of the OFF region.
    mu_sig : array of float
        Expected counts of the signal in the ON region.
    mu_bkg : array of float, optional
        Expected counts in the OFF region; by default those that fit best, see `get_wstat_mu_bkg`.
    extra_terms : bool
        Whether to add the terms of the counts alone, so that a perfect agreement gives zero.

    Returns
    -------
    stat : array of float, of the shape that the arguments have together; NaN where ``alpha`` is zero

    Notes
    -----
    Source: appendix B of the XSPEC manual, "Poisson data with Poisson background".
    """
    xp = array_namespace(n_on, n_off, alpha, mu_sig) if xp is None else xp
    if mu_bkg is None:
        mu_bkg = get_wstat_mu_bkg(n_on, n_off, alpha, mu_sig, xp=xp)
    mu_on = mu_sig + alpha * mu_bkg
    stat = 2.0 * (mu_sig + (1.0 + alpha) * mu_bkg - _times_log(n_on, mu_on, xp) - _times_log(n_off, mu_bkg, xp))
    return stat + get_wstat_gof_terms(n_on, n_off, xp=xp) if extra_terms else stat


def get_wstat_mu_bkg(n_on: Array, n_off: Array, alpha: Array, mu_sig: Array, *, xp: Namespace | None = None) -> Array:
    """Counts in the OFF region that fit best for a given signal; arguments as in `wstat`.

    NaN where ``alpha`` is zero.
    """
    xp = array_namespace(n_on, n_off, alpha, mu_sig) if xp is None else xp
    c = alpha * (n_on + n_off) - (1.0 + alpha) * mu_sig
    # Below zero by rounding only: for a signal above zero it is a sum of such, for one below zero a square.
    d = xp.sqrt(xp.clip(c**2 + 4.0 * alpha * (alpha + 1.0) * n_off * mu_sig, min=0.0))
    is_known = alpha > 0.0
    norm = xp.where(is_known, 2.0 * alpha * (alpha + 1.0), xp.ones_like(alpha))
    return xp.where(is_known, (c + d) / norm, xp.full_like(alpha, float("nan")))


def get_wstat_gof_terms(n_on: Array, n_off: Array, *, xp: Namespace | None = None) -> Array:
    """Terms of `wstat` that depend on the counts alone."""
    xp = array_namespace(n_on, n_off) if xp is None else xp
    return 2.0 * (_times_log(n_on, n_on, xp) - n_on + _times_log(n_off, n_off, xp) - n_off)


def wstat_sum(
    n_on: Array,
    n_off: Array,
    alpha: Array,
    mu_sig: Array,
    mask: Array | None = None,
    *,
    xp: Namespace | None = None,
) -> Array:
    """Sum of the W statistic over the bins that a mask keeps; bins without a value count as zero.

    Parameters
    ----------
    n_on, n_off, alpha, mu_sig : arrays of float, same shape, see `wstat`
    mask : array of bool, same shape, optional

    Returns
    -------
    stat_sum : array of float, no dimensions
    """
    xp = array_namespace(n_on, n_off, alpha, mu_sig) if xp is None else xp
    stat = wstat(n_on, n_off, alpha, mu_sig, xp=xp)
    keep = ~xp.isnan(stat) if mask is None else mask & ~xp.isnan(stat)
    return xp.sum(xp.where(keep, stat, xp.zeros_like(stat)))


def _times_log(n: Array, mu: Array, xp: Namespace) -> Array:
    """``n log(mu)``, zero where ``n`` is zero, infinite where counts are expected to be impossible."""
    is_used = n != 0.0
    is_positive = mu > 0.0
    logarithm = xp.log(xp.where(is_positive, mu, xp.ones_like(mu)))
    limit = xp.where(mu == 0.0, xp.full_like(mu, -float("inf")), xp.full_like(mu, float("nan")))
    product = xp.where(is_used, n, xp.ones_like(n)) * xp.where(is_positive, logarithm, limit)
    return xp.where(is_used, product, xp.zeros_like(product))
