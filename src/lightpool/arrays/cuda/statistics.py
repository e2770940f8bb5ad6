"""Statistics of counts, and the ends of their intervals, each in one launch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import is_cupy_array

from lightpool.arrays.cuda.loader import contiguous, empty, grid_for, launch
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace

__all__ = [
    "are_on_cuda",
    "cash",
    "cash_errors",
    "cash_excess",
    "cash_summary",
    "wstat",
    "wstat_error",
    "wstat_excess",
    "wstat_summary",
]


def are_on_cuda(*arrays: object) -> bool:
    """Return whether all are arrays of CuPy, for which the other functions of this module are."""
    return all(map(is_cupy_array, arrays))


def cash(n_on: Array, mu_on: Array, truncation_value: float) -> Array:
    """Return the Cash statistic, as `lightpool.stats.cash`."""
    return _launched("cash_of", (n_on, mu_on), (np.float64(truncation_value),))[0]


def cash_errors(n_on: Array, level: float) -> tuple[Array, Array]:
    """Return the distances to the ends of intervals, as `lightpool.stats.poisson.likelihood_interval`.

    Parameters
    ----------
    n_on : array
    level : float
        Half the rise of the statistic.
    """
    lower, upper = _launched("cash_errors", (n_on,), (np.float64(level),), n_result=2)
    return lower, upper


def cash_excess(mu_bkg: Array, significance: float) -> Array:
    """Return the excess of a significance, as `lightpool.stats.poisson.excess_of_significance`."""
    return _launched("cash_excess", (mu_bkg,), (np.float64(significance),))[0]


def cash_summary(n_on: Array, mu_bkg: Array, truncation_value: float) -> tuple[Array, ...]:
    """Return excess, error, test statistic and significance, as `lightpool.stats.CashCountsStatistic.summary`.

    Parameters
    ----------
    n_on, mu_bkg : array
    truncation_value : float, see `lightpool.stats.cash`
    """
    return tuple(_launched("cash_summary", (n_on, mu_bkg), (np.float64(truncation_value),), n_result=4))


def wstat(n_on: Array, n_off: Array, alpha: Array, mu_sig: Array) -> Array:
    """Return the W statistic with the background that fits best, as `lightpool.stats.wstat`."""
    return _launched("wstat_of", (n_on, n_off, alpha, mu_sig))[0]


def wstat_summary(n_on: Array, n_off: Array, alpha: Array, mu_sig: Array) -> tuple[Array, ...]:
    """Return background, excess, error, test statistic and significance, see `lightpool.stats.WStatCountsStatistic`.

    Parameters
    ----------
    n_on, n_off, alpha, mu_sig : array
    """
    return tuple(_launched("wstat_summary", (n_on, n_off, alpha, mu_sig), n_result=5))


def wstat_error(n_on: Array, n_off: Array, alpha: Array, mu_sig: Array, n_sigma: float, *, is_upper: bool) -> Array:
    """Return the distance to an end of intervals, as `lightpool.stats.wstat_intervals.wstat_error`."""
    numbers = (np.float64(n_sigma), np.bool_(is_upper))
    return _launched("wstat_error", (n_on, n_off, alpha, mu_sig), numbers)[0]


def wstat_excess(n_off: Array, alpha: Array, significance: float) -> Array:
    """Return the excess of a significance, as `lightpool.stats.wstat_intervals.wstat_excess`."""
    return _launched("wstat_excess", (n_off, alpha), (np.float64(significance),))[0]


def _launched(name: str, arrays: Sequence[Array], numbers: Sequence[Any] = (), n_result: int = 1) -> list[Array]:
    """Return what a kernel makes of arrays, element by element, in the shape that they have together."""
    together = [contiguous(x, "float64") for x in array_namespace(*arrays).broadcast_arrays(*arrays)]
    first = together[0]
    results = [empty(first.shape, "float64", first) for _ in range(n_result)]
    launch("statistics", name, grid_for(first.size), [*together, np.int64(first.size), *numbers, *results], first)
    return list(results)
