"""Energies at which a piecewise norm of the background is given, chosen so that the counts determine it."""

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.datasets.models.spectral_norms import (
    NormSpectralModel,
    PiecewiseNormSpectralModel,
    PowerLawNormSpectralModel,
)

__all__ = ["intervals_by_counts", "norm_by_counts"]


def intervals_by_counts(
    counts: NDArray[np.float64], template: NDArray[np.float64], min_counts: float
) -> list[tuple[int, int]]:
    """Join energy bins, from the lowest upwards, until each interval has enough counts.

    Parameters
    ----------
    counts, template : array of float, shape (n_energy,)
        Counts and background. Bins without background are in no interval of their own, and their counts are not used.
    min_counts : float, positive

    Returns
    -------
    intervals : list of (first, stop)
        Numbers of bins, ascending and without gaps. What is left at the upper end belongs to the last interval. There
        is one interval if all counts together are too few, and none without background.
    """
    used = np.flatnonzero(template > 0)
    if not used.size:
        return []
    first, found, total = int(used[0]), [], 0.0
    for number in used.tolist():
        total += float(counts[number])
        if total >= min_counts:
            found.append((first, number + 1))
            first, total = number + 1, 0.0
    stop = int(used[-1]) + 1
    if not found:
        return [(first, stop)]
    found[-1] = (found[-1][0], stop)
    return found


def norm_by_counts(
    edges: u.Quantity, counts: NDArray[np.float64], template: NDArray[np.float64], min_counts: float
) -> NormSpectralModel:
    """Return a norm with as many nodes in energy as the counts determine, all norms being one.

    Parameters
    ----------
    edges : Quantity, shape (n_energy + 1,)
        Edges of the energy bins.
    counts, template : array of float, shape (n_energy,)
    min_counts : float
        See `intervals_by_counts`.

    Returns
    -------
    model : PiecewiseNormSpectralModel or PowerLawNormSpectralModel
        With a node in the middle, in the logarithm of energy, of each interval: a node stands for the counts of its
        interval, so that the fit is determined. A single interval needs no nodes: the norm is the same everywhere.
    """
    intervals = intervals_by_counts(counts, template, min_counts)
    if len(intervals) < 2:
        return PowerLawNormSpectralModel()
    values = edges.to_value("TeV")
    nodes = [np.sqrt(values[first] * values[stop]) for first, stop in intervals]
    return PiecewiseNormSpectralModel(energy=u.Quantity(nodes, "TeV"))
