"""Where a tabulated spectrum reaches a value."""

from typing import Any

import numpy as np

__all__ = ["first_crossing"]

_N_SAMPLE = 100


def first_crossing(energy: np.ndarray[Any, Any], values: np.ndarray[Any, Any], level: float) -> float:
    """Lowest energy at which a spectrum crosses a level.

    Parameters
    ----------
    energy : array of float, shape (n,), ascending
    values : array of float, shape (n,), at least one above zero
        Interpolated linearly in their logarithm over the logarithm of the energy; zeros are tiny numbers there.
    level : float

    Returns
    -------
    energy : float, the unit of ``energy``
        The first crossing between the first energy with a positive value and the last energy, seen on a grid of 100
        equal steps in log energy; the former energy if there is none.
    """
    from scipy.optimize import brentq

    log_energy = np.log(energy)
    log_values = np.log(np.maximum(values, np.finfo(values.dtype).tiny))
    start = float(log_energy[np.flatnonzero(values > 0)[0]])

    def above(x: float) -> float:
        return float(np.interp(x, log_energy, log_values)) - float(np.log(level))

    grid = np.linspace(start, log_energy[-1], _N_SAMPLE + 1)
    sign = np.sign([above(x) for x in grid])
    changes = np.flatnonzero(sign[:-1] != sign[1:])
    if not changes.size:
        return float(np.exp(start))
    return float(np.exp(brentq(above, grid[changes[0]], grid[changes[0] + 1], xtol=1e-14)))
