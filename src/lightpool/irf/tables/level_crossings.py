"""Energies at which a tabulated spectrum crosses a level."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["level_crossings"]

Floats = NDArray[np.floating]
_N_INTERVAL = 100


def level_crossings(energy: Floats, values: Floats, level: float, lower: float, upper: float) -> list[float]:
    """Return the energies between two limits at which a spectrum crosses a level.

    Parameters
    ----------
    energy : array of float, shape (n,), ascending
    values : array of float, shape (n,)
        Interpolated in its logarithm over the logarithm of the energy; values that are not positive count as the
        smallest positive number of their type.
    level : float
    lower, upper : float, limits, unit of ``energy``

    Returns
    -------
    crossings : list of float, ascending
        Seen on a grid of 100 intervals that are equal in the logarithm: of two crossings in one interval there is none.
    """
    from scipy.optimize import brentq

    # The smallest positive number stands for zero, which has no logarithm, as in `scale_table`.
    log_energy, log_values = np.log(energy), np.log(np.maximum(values, np.finfo(values.dtype).tiny))

    def excess(x: float) -> float:
        return float(np.exp(np.interp(np.log(x), log_energy, log_values)) - level)

    search = np.exp(np.linspace(np.log(lower), np.log(upper), _N_INTERVAL + 1))
    sign = np.sign(np.exp(np.interp(np.log(search), log_energy, log_values)) - level)
    brackets = np.nonzero(sign[:-1] != sign[1:])[0]
    # Bracketing on a grid first, because `brentq` finds one root of a function that changes its sign.
    # Relative to the energy, whatever its unit; the default would be 2e-12 of the unit.
    return [float(brentq(excess, search[k], search[k + 1], xtol=1e-14 * search[k])) for k in brackets]
