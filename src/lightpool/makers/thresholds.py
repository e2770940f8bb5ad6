"""Energy thresholds: where a tabulated spectrum reaches a value."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_crossing"]

_N_SAMPLE = 100


def first_crossing(energy: NDArray[np.floating], values: NDArray[np.floating], level: float) -> float:
    """Return the lowest energy at which a spectrum crosses a level.

    Parameters
    ----------
    energy : array of float, shape (n,), ascending
    values : array of float, shape (n,), at least one above zero
        Interpolated linearly in log value against log energy, with zeros replaced by the smallest positive number.
    level : float
        Positive.

    Returns
    -------
    energy : float, unit of ``energy``
        The first crossing between the lowest energy with a positive value and the highest energy, as seen on a grid of
        100 equal steps in log energy; the lowest energy with a positive value if there is none.
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
