"""Energy thresholds: where a tabulated spectrum reaches a value."""

import numpy as np
from numpy.typing import NDArray

from lightpool.irf.tables.level_crossings import level_crossings

__all__ = ["first_crossing"]


def first_crossing(energy: NDArray[np.floating], values: NDArray[np.floating], level: float) -> float:
    """Return the lowest energy at which a spectrum crosses a level.

    Parameters
    ----------
    energy : array of float, shape (n,), ascending
    values : array of float, shape (n,), at least one above zero
    level : float

    Returns
    -------
    energy : float, unit of ``energy``
        The first crossing between the lowest energy with a positive value and the highest energy, see
        `level_crossings`; the lowest energy with a positive value if there is none.
    """
    # Up to the first positive value the interpolated logarithm rises from that of the smallest float: no real crossing.
    start = float(energy[np.flatnonzero(values > 0)[0]])
    crossings = level_crossings(energy, values, level, start, float(energy[-1]))
    return crossings[0] if crossings else start
