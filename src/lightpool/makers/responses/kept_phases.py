"""The part of the time of an observation that its filters of phases keep."""

from lightpool.data import Observation
from lightpool.utils.deviations import deviates

__all__ = ["kept_phases"]


def kept_phases(observation: Observation) -> float:
    """Return the fraction of background and exposure that belongs to the phases which the filters of a run keep.

    Its events and its livetime are those of these phases only. Gammapy predicts the background of the whole time beside
    them, and takes the whole of an exposure that is given as a map.

    Parameters
    ----------
    observation : Observation
    """
    fraction = observation.obs_filter.livetime_fraction
    if fraction != 1:
        deviates("background or map of the exposure of an interval of phases")
    return fraction
