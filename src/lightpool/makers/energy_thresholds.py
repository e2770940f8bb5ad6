"""Energy thresholds: where a tabulated spectrum reaches a value, and a record of those that a reduction has chosen."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import DeferredNumber
from lightpool.irf.tables.level_crossings import level_crossings
from lightpool.utils.deviations import deviates

__all__ = ["EnergyThreshold", "first_crossing", "is_recorded", "record_threshold", "recorded_thresholds"]


class EnergyThreshold(NamedTuple):
    """The energies that a method of `SafeMaskMaker` has found, before they are rounded to the edges of bins.

    Attributes
    ----------
    method : str
    energy_min, energy_max : float, unit TeV, or None
        Lowest and highest energy; None if the method does not limit it. On a device it may be a number that is read
        when its value is needed.
    """

    method: str
    energy_min: "float | DeferredNumber | None" = None
    energy_max: "float | DeferredNumber | None" = None


_RECORD: ContextVar[list[EnergyThreshold] | None] = ContextVar("thresholds", default=None)


@contextmanager
def recorded_thresholds() -> Iterator[list[EnergyThreshold]]:
    """Record the thresholds that `SafeMaskMaker` chooses within a ``with`` statement, in this thread.

    The mask itself shows them only after they were rounded to bins, and without their methods.

    Yields
    ------
    thresholds : list of EnergyThreshold
        In the order in which they were chosen.
    """
    found: list[EnergyThreshold] = []
    token = _RECORD.set(found)
    try:
        yield found
    finally:
        _RECORD.reset(token)


def record_threshold(threshold: EnergyThreshold) -> None:
    """Add a threshold to the record of this thread, if there is one.

    Parameters
    ----------
    threshold : EnergyThreshold
    """
    record = _RECORD.get()
    if record is not None:
        record.append(threshold)


def is_recorded() -> bool:
    """Return whether somebody wants to know the thresholds."""
    return _RECORD.get() is not None


def first_crossing(energy: NDArray[np.floating], values: NDArray[np.floating], level: float) -> float:
    """Return the energy from which on a spectrum is above a level.

    Parameters
    ----------
    energy : array of float, shape (n,), ascending
    values : array of float, shape (n,), at least one above zero
    level : float

    Returns
    -------
    energy : float, unit of ``energy``
        The lowest energy with a positive value if the spectrum is above the level there, otherwise the first crossing
        above it, see `level_crossings`, or the same energy if there is none.
    """
    # Up to the first positive value the interpolated logarithm rises from that of the smallest float: no real crossing.
    begin = int(np.flatnonzero(values > 0)[0])
    start = float(energy[begin])
    crossings = level_crossings(energy, values, level, start, float(energy[-1]))
    if crossings and values[begin] > level:
        # The first crossing is where an effective area ends, such as that of a table which ends below the axis.
        deviates("aeff-max of an effective area that falls")
        return start
    return crossings[0] if crossings else start
