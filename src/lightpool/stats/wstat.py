"""The W statistic: counts in an ON region, with a background that counts in an OFF region measure."""

from lightpool.arrays import array_namespace
from lightpool.arrays.cuda import statistics as cuda_statistics
from lightpool.arrays.devices.array_types import Array, Namespace
from lightpool.arrays.kernels.clipping import clip

__all__ = ["get_wstat_gof_terms", "get_wstat_mu_bkg", "wstat", "wstat_plain", "wstat_sum"]


def wstat(
    n_on: Array,
    n_off: Array,
    alpha: Array,
    mu_sig: Array,
    mu_bkg: Array | None = None,
    extra_terms: bool = True,
) -> Array:
    """Return minus twice the logarithm of the likelihood of ON and OFF counts.

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
        Whether to add the terms of the counts alone, so that the statistic of a perfect agreement is zero.

    Returns
    -------
    stat : array of float, of the shape that the arguments have together; NaN where ``alpha`` is zero

    Notes
    -----
    Source: appendix B of the XSPEC manual, "Poisson data with Poisson background". With ``mu_on = mu_sig + alpha *
    mu_bkg`` it is ``2 * (mu_on + mu_bkg - n_on * log(mu_on) - n_off * log(mu_bkg))``. The difference
    between no signal and the one that fits best is the squared significance of Li & Ma 1983, ApJ 272, 317, eq. 17.
    """
    if mu_bkg is None and extra_terms and cuda_statistics.are_on_cuda(n_on, n_off, alpha, mu_sig):
        return cuda_statistics.wstat(n_on, n_off, alpha, mu_sig)
    return wstat_plain(n_on, n_off, alpha, mu_sig, mu_bkg, extra_terms)


def wstat_plain(
    n_on: Array,
    n_off: Array,
    alpha: Array,
    mu_sig: Array,
    mu_bkg: Array | None = None,
    extra_terms: bool = True,
) -> Array:
    """Return the statistic with the array API standard alone: the reference implementation of `wstat`.

    Parameters
    ----------
    n_on, n_off, alpha, mu_sig, mu_bkg, extra_terms : see `wstat`
    """
    xp = array_namespace(n_on, n_off, alpha, mu_sig)
    if mu_bkg is None:
        mu_bkg = get_wstat_mu_bkg(n_on, n_off, alpha, mu_sig)
    mu_on = mu_sig + alpha * mu_bkg
    # mu_on + mu_bkg = mu_sig + (1 + alpha) mu_bkg
    stat = 2.0 * (mu_sig + (1.0 + alpha) * mu_bkg - _times_log(n_on, mu_on, xp) - _times_log(n_off, mu_bkg, xp))
    return stat + get_wstat_gof_terms(n_on, n_off) if extra_terms else stat


def get_wstat_mu_bkg(n_on: Array, n_off: Array, alpha: Array, mu_sig: Array) -> Array:
    """Return the expected counts in the OFF region that fit best for a given signal.

    Parameters
    ----------
    n_on, n_off, alpha, mu_sig : array of float
        See `wstat`.

    Returns
    -------
    mu_bkg : array of float
        NaN where ``alpha`` is zero.

    Notes
    -----
    The derivative of the statistic vanishes at the positive root of a quadratic equation, which is
    ``(c + sqrt(c**2 + 4 alpha (alpha + 1) n_off mu_sig)) / (2 alpha (alpha + 1))`` with
    ``c = alpha (n_on + n_off) - (1 + alpha) mu_sig``. Source: appendix B of the XSPEC manual.
    """
    xp = array_namespace(n_on, n_off, alpha, mu_sig)
    c = alpha * (n_on + n_off) - (1.0 + alpha) * mu_sig
    # The argument equals (alpha (n_on - n_off) - (1 + alpha) mu_sig)**2 + 4 alpha**2 n_on n_off: only rounding makes it
    # negative.
    d = xp.sqrt(clip(c**2 + 4.0 * alpha * (alpha + 1.0) * n_off * mu_sig, 0.0))
    is_known = alpha > 0.0
    # `where` evaluates both branches: a divisor of 1 avoids warnings of a division by zero.
    norm = xp.where(is_known, 2.0 * alpha * (alpha + 1.0), xp.ones_like(alpha))
    return xp.where(is_known, (c + d) / norm, xp.full_like(alpha, float("nan")))


def get_wstat_gof_terms(n_on: Array, n_off: Array) -> Array:
    """Return the terms of `wstat` that depend on the counts alone.

    Parameters
    ----------
    n_on, n_off : array of float
        Observed counts in the ON and in the OFF region.
    """
    xp = array_namespace(n_on, n_off)
    return 2.0 * (_times_log(n_on, n_on, xp) - n_on + _times_log(n_off, n_off, xp) - n_off)


def wstat_sum(
    n_on: Array,
    n_off: Array,
    alpha: Array,
    mu_sig: Array,
    mask: Array | None = None,
) -> Array:
    """Return the sum of the W statistic over the bins that a mask keeps; bins without a value count as zero.

    Parameters
    ----------
    n_on, n_off, alpha, mu_sig : array of float, same shape
        See `wstat`.
    mask : array of bool, same shape, optional
        True keeps a bin; all are kept by default.

    Returns
    -------
    stat_sum : array of float, no dimensions
    """
    xp = array_namespace(n_on, n_off, alpha, mu_sig)
    stat = wstat(n_on, n_off, alpha, mu_sig)
    # NaN, such as without alpha, is left out; infinity, of counts that are impossible, is not.
    keep = ~xp.isnan(stat) if mask is None else mask & ~xp.isnan(stat)
    return xp.sum(xp.where(keep, stat, xp.zeros_like(stat)))


def _times_log(n: Array, mu: Array, xp: Namespace) -> Array:
    """Return ``n log(mu)``: zero where ``n`` is zero, minus infinity where counts are impossible (``mu`` is zero)."""
    is_used = n != 0.0
    is_positive = mu > 0.0
    logarithm = xp.log(xp.where(is_positive, mu, xp.ones_like(mu)))
    limit = xp.where(mu == 0.0, xp.full_like(mu, -float("inf")), xp.full_like(mu, float("nan")))
    product = xp.where(is_used, n, xp.ones_like(n)) * xp.where(is_positive, logarithm, limit)
    return xp.where(is_used, product, xp.zeros_like(product))
