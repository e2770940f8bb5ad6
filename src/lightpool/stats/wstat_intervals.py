"""Profile likelihood intervals of the excess of ON over OFF counts, and the excess that has a given significance."""

from lightpool.arrays import array_namespace
from lightpool.arrays.cuda import statistics as cuda_statistics
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.kernels.clipping import clip, sign
from lightpool.stats.roots import find_root
from lightpool.stats.wstat import wstat

__all__ = ["wstat_error", "wstat_error_plain", "wstat_excess", "wstat_excess_plain"]


def wstat_error(n_on: Array, n_off: Array, alpha: Array, mu_sig: Array, n_sigma: float, *, is_upper: bool) -> Array:
    """Return the distance from the excess to an end of its interval, where the statistic is ``n_sigma**2`` higher.

    Parameters
    ----------
    n_on, n_off, alpha, mu_sig : arrays of float64, same shape
        See `lightpool.stats.wstat`.
    n_sigma : float
    is_upper : bool
        The upper end; the lower one otherwise.

    Returns
    -------
    distance : array of float64
        ``n_on`` where there is no lower end.
    """
    if cuda_statistics.are_on_cuda(n_on, n_off, alpha, mu_sig):
        return cuda_statistics.wstat_error(n_on, n_off, alpha, mu_sig, n_sigma, is_upper=is_upper)
    return wstat_error_plain(n_on, n_off, alpha, mu_sig, n_sigma, is_upper=is_upper)


def wstat_error_plain(
    n_on: Array, n_off: Array, alpha: Array, mu_sig: Array, n_sigma: float, *, is_upper: bool
) -> Array:
    """Find an end with the array API standard alone: the reference implementation of `wstat_error`.

    Parameters
    ----------
    n_on, n_off, alpha, mu_sig, n_sigma, is_upper : see `wstat_error`
    """
    xp = array_namespace(n_on)
    n_sig = n_on - alpha * n_off - mu_sig
    level = wstat(n_on, n_off, alpha, n_sig + mu_sig) + n_sigma**2
    # Gammapy's bound; the 1 is for bins without counts, whose error is 0.
    reach = 2.0 * n_sigma * (xp.sqrt(n_on + alpha**2 * n_off) + 1.0)

    def above(excess: Array) -> Array:
        return wstat(n_on, n_off, alpha, excess + mu_sig) - level

    if is_upper:
        # Without counts the statistic rises by 2 per count, so for many sigma the bound needs the square.
        return find_root(above, n_sig, n_sig + reach + n_sigma**2) - n_sig
    distance = n_sig - find_root(above, n_sig - reach, n_sig)
    # Without a root it is `n_on`, as in Gammapy.
    return xp.where(xp.isnan(distance), n_on, distance)


def wstat_excess(n_off: Array, alpha: Array, significance: float) -> Array:
    """Return the excess that would have a given significance; NaN if no deficit is that significant.

    Parameters
    ----------
    n_off, alpha : arrays of float64, same shape
        See `lightpool.stats.wstat`.
    significance : float
        In standard deviations; a negative one asks for a deficit.
    """
    if cuda_statistics.are_on_cuda(n_off, alpha):
        return cuda_statistics.wstat_excess(n_off, alpha, significance)
    return wstat_excess_plain(n_off, alpha, significance)


def wstat_excess_plain(n_off: Array, alpha: Array, significance: float) -> Array:
    """Find the excess with the array API standard alone: the reference implementation of `wstat_excess`.

    Parameters
    ----------
    n_off, alpha, significance : see `wstat_excess`
    """
    xp = array_namespace(n_off)
    n_bkg = alpha * n_off
    zero = xp.zeros_like(n_bkg)

    def above(n_sig: Array) -> Array:
        # Counts are those expected with this excess, so that the best signal is the excess itself.
        null = wstat(n_sig + n_bkg, n_off, alpha, zero)
        best = wstat(n_sig + n_bkg, n_off, alpha, n_sig)
        return sign(n_sig) * xp.sqrt(clip(null - best, 0.0)) - significance

    if significance < 0:
        # A deficit cannot be larger than the background.
        return find_root(above, -n_bkg, zero)
    # Bound for a well-known background, times the most that an uncertain one (a large alpha) can add.
    spread = significance**2 + significance * xp.sqrt(n_bkg)
    return find_root(above, zero, 4.0 * (1.0 + alpha) * spread)
