"""From sums of counts and exposure to rates: energy bins, the rate at a bin's centre, fits and extrapolation."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import HostFloats

__all__ = [
    "LogFit",
    "PowerLaw",
    "centre_factors",
    "fit_log_rate",
    "fit_power_law",
    "fit_shapes",
    "merged_edges",
    "sum_between",
]

_MOST_STEPS = 60
_RIDGE = 1e-9
_EVENTS_PER_PARAMETER = 20
_STEEPEST = 12.0


def merged_edges(counts: HostFloats, edges: HostFloats, min_counts: float, max_ratio: float) -> NDArray[np.int64]:
    """Return which edges remain when bins of energy are merged until each has a number of events.

    From the highest energy down, where events run out. Bins below the first event stay as they are: merged with others
    they would spread the rate at the threshold over energies without any.

    Parameters
    ----------
    counts : array, shape (n_bin,)
    edges : array, shape (n_bin + 1,)
    min_counts : float
    max_ratio : float
        Largest ratio of the edges of a merged bin; bins of fewer events remain where it would be larger.

    Returns
    -------
    kept : array of int, ascending, from 0 to n_bin
    """
    n_bin = len(counts)
    first = int(np.argmax(counts > 0)) if np.any(counts > 0) else n_bin
    kept, total, total_of_last = [n_bin], 0.0, 0.0
    for i in range(n_bin - 1, first - 1, -1):
        total += float(counts[i])
        full = i > 0 and edges[kept[-1]] / edges[i - 1] > max_ratio
        if total >= min_counts or full or i == first:
            kept.append(i)
            total_of_last, total = total, 0.0
    # What is left above the threshold joins its neighbour, if that is not too wide.
    if len(kept) > 2 and total_of_last < min_counts and edges[kept[-3]] / edges[kept[-1]] <= max_ratio:
        del kept[-2]
    return np.unique([*range(first), *kept])


def sum_between(values: HostFloats, kept: NDArray[np.int64]) -> HostFloats:
    """Return the sums of the first axis of an array between edges.

    Parameters
    ----------
    values : array, shape (n_bin, ...)
    kept : array of int, shape (n_merged + 1,)
    """
    inner = np.add.reduceat(values, kept[:-1], axis=0)
    return np.asarray(inner)


def centre_factors(spectrum: HostFloats, edges: HostFloats, relative: HostFloats | None = None) -> HostFloats:
    """Return the mean rate in each bin of energy over the rate at its centre, for power laws between the centres.

    Tables are interpolated between the logarithmic centres of their bins. With the mean rate of a bin at its centre,
    the integral over the bin would be too large where the spectrum is steep or the bin wide.

    Parameters
    ----------
    spectrum : array, shape (n_bin,), mean rate in each bin
    edges : array, shape (n_bin + 1,)
    relative : array, shape (n_bin,), optional
        Relative statistical errors of the rates. A change of the slope at a centre counts as far as it exceeds what
        they make of a straight line: followed exactly, fluctuations of bins would grow by half.
    """
    centres, width = np.sqrt(edges[1:] * edges[:-1]), np.diff(edges)
    errors = np.zeros(len(spectrum)) if relative is None else relative
    factors = np.ones(len(spectrum))
    for _ in range(_MOST_STEPS):
        rate = spectrum / factors
        new = np.ones(len(spectrum))
        for i in np.flatnonzero(spectrum > 0).tolist():
            lower, upper = _slopes(i, np.log(centres), rate, errors)
            parts = _power_integral(edges[i], centres[i], centres[i], lower)
            parts += _power_integral(centres[i], edges[i + 1], centres[i], upper)
            new[i] = parts / width[i]
        done = np.allclose(new, factors, rtol=1e-10)
        factors = new
        if done:
            break
    return factors


def _slopes(i: int, x: HostFloats, rate: HostFloats, errors: HostFloats) -> tuple[float, float]:
    """Return the slopes of the logarithm of a rate below and above a bin; 0 and 0 if no neighbour has a rate."""
    sides: list[tuple[float, float]] = []
    for other in (i - 1, i + 1):
        if 0 <= other < len(x) and rate[other] > 0:
            step = float(x[other] - x[i])
            slope = float(np.log(rate[other] / rate[i])) / step
            sides.append((float(np.clip(slope, -_STEEPEST, _STEEPEST)), step))
    if len(sides) < 2:
        slope = sides[0][0] if sides else 0.0
        return slope, slope
    (below, down), (above, up) = sides
    middle, half = (below + above) / 2, (above - below) / 2
    variance = (errors[i - 1] / down) ** 2 + (errors[i + 1] / up) ** 2 + (errors[i] * (1 / up - 1 / down)) ** 2
    # Nothing of it up to two standard deviations, and nearly all of it far above.
    half *= max(0.0, 1 - variance / half**2) if half else 0.0
    return middle - half, middle + half


def _power_integral(low: float, high: float, centre: float, slope: float) -> float:
    """Return the integral of (x / centre)**slope."""
    power = slope + 1
    if abs(power) < 1e-9:
        return float(centre * np.log(high / low))
    return float(centre / power * ((high / centre) ** power - (low / centre) ** power))


@dataclass(frozen=True, eq=False)
class LogFit:
    """A fit of the logarithm of a rate by a linear function.

    Attributes
    ----------
    values : array, shape (n_parameter,)
    covariance : array, shape (n_parameter, n_parameter)
    """

    values: HostFloats
    covariance: HostFloats

    def rate(self, design: HostFloats) -> tuple[HostFloats, HostFloats]:
        """Return rates and their statistical errors.

        Parameters
        ----------
        design : array, shape (n_point, n_parameter)
        """
        rate = np.exp(design @ self.values)
        relative = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", design, self.covariance, design), 0.0))
        return rate, rate * relative


def fit_log_rate(counts: HostFloats, exposure: HostFloats, design: HostFloats) -> LogFit | None:
    """Fit the logarithm of a rate to counts by the maximum of the Poisson likelihood, which has one maximum.

    Parameters
    ----------
    counts, exposure : arrays, shape (n_bin,)
        Bins without exposure have no weight.
    design : array, shape (n_bin, n_parameter)
        Its first column is 1.

    Returns
    -------
    fit : LogFit, or None if there are no counts, or they do not determine the parameters
    """
    seen = exposure > 0
    counts, exposure, design = counts[seen], exposure[seen], design[seen]
    total = counts.sum()
    if not total > 0 or len(counts) < design.shape[1]:
        return None
    values = np.zeros(design.shape[1])
    values[0] = np.log(total / exposure.sum())

    def likelihood(at: HostFloats) -> float:
        logs = np.clip(design @ at, -700, 700)
        return float(counts @ logs - exposure @ np.exp(logs))

    best = likelihood(values)
    for _ in range(_MOST_STEPS):
        expected = exposure * np.exp(np.clip(design @ values, -700, 700))
        curvature = design.T @ (expected[:, np.newaxis] * design)
        curvature += _RIDGE * total * np.eye(len(values))
        step = np.linalg.solve(curvature, design.T @ (counts - expected))
        size = 1.0
        while size > 1e-6 and not likelihood(values + size * step) >= best - 1e-12 * abs(best):
            size /= 2
        values = values + size * step
        new = likelihood(values)
        if abs(new - best) < 1e-9 and np.abs(step).max() < 1e-6:
            break
        best = new
    else:
        return None
    covariance: HostFloats = np.asarray(np.linalg.inv(curvature), dtype=np.float64)
    return LogFit(values, covariance)


def fit_shapes(counts: HostFloats, exposure: HostFloats, design: HostFloats) -> tuple[HostFloats, HostFloats]:
    """Fit a smooth rate to each bin of energy; NaN where that is impossible.

    Where a bin of energy has few events, its neighbours on both sides are added until there are enough for the shape,
    and only the height is that of the bin.

    Parameters
    ----------
    counts : array, shape (n_energy, n_field)
    exposure : array, shape (n_field,), time x solid angle x 1
    design : array, shape (n_field, n_parameter), see `fit_log_rate`

    Returns
    -------
    rate, error : arrays, shape (n_energy, n_field)
    """
    n_energy = len(counts)
    rate, error = np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    enough = _EVENTS_PER_PARAMETER * design.shape[1]
    for i in range(n_energy):
        own = counts[i]
        if not own.sum() > 0:
            rate[i], error[i] = 0.0, 0.0
            continue
        low, high = i, i + 1
        while counts[low:high].sum() < enough and (low > 0 or high < n_energy):
            low, high = max(0, low - 1), min(n_energy, high + 1)
        fit = fit_log_rate(counts[low:high].sum(axis=0), exposure, design)
        if fit is None:
            continue
        rate[i], error[i] = fit.rate(design)
        if high - low > 1:
            scale = own.sum() / (rate[i] @ exposure)
            relative = np.hypot(error[i] / rate[i], 1 / np.sqrt(own.sum()))
            rate[i] = scale * rate[i]
            error[i] = relative * rate[i]
    return rate, error


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """A power law fitted to counts.

    Attributes
    ----------
    norm : float, rate at ``reference``
    index : float, positive for a falling rate
    reference : float, energy
    covariance : array, shape (2, 2), of the logarithm of the norm and of the index
    """

    norm: float
    index: float
    reference: float
    covariance: HostFloats

    def rate(self, energy: HostFloats) -> tuple[HostFloats, HostFloats]:
        """Return rates and their relative statistical errors."""
        log = np.log(energy / self.reference)
        (a, b), (_, c) = self.covariance
        rate = self.norm * np.exp(-self.index * log)
        return rate, np.sqrt(np.maximum(a - 2 * b * log + c * log**2, 0.0))

    def mean_rate(self, edges: HostFloats) -> HostFloats:
        """Return the mean rate between edges."""
        integrals = [_power_integral(low, high, self.reference, -self.index) for low, high in pairwise(edges.tolist())]
        return self.norm * np.array(integrals) / np.diff(edges)


def fit_power_law(counts: HostFloats, exposure: float, edges: HostFloats) -> PowerLaw | None:
    """Fit a power law to counts in bins of energy by the maximum of the Poisson likelihood.

    Parameters
    ----------
    counts : array, shape (n_bin,)
        Bins without counts are part of the fit.
    exposure : float
    edges : array, shape (n_bin + 1,)

    Returns
    -------
    power_law : PowerLaw, or None if fewer than two bins have counts, or the fit does not converge
    """
    if np.count_nonzero(counts) < 2:
        return None
    centres, width = np.sqrt(edges[1:] * edges[:-1]), np.diff(edges)
    reference = float(np.exp(np.average(np.log(centres), weights=counts)))
    index = 2.5
    for _ in range(_MOST_STEPS):
        # The logarithm of the mean rate in a bin, linear in the index about its present value.
        law = PowerLaw(1.0, index, reference, np.zeros((2, 2)))
        mean = law.mean_rate(edges)
        step = 1e-4
        more = PowerLaw(1.0, index + step, reference, np.zeros((2, 2))).mean_rate(edges)
        slope = np.log(more / mean) / step
        design = np.stack([np.ones(len(counts)), slope], axis=1)
        fit = fit_log_rate(counts, exposure * width * mean, design)
        if fit is None:
            return None
        index = float(np.clip(index + fit.values[1], -1, _STEEPEST))
        if abs(fit.values[1]) < 1e-8:
            return PowerLaw(float(np.exp(fit.values[0])), index, reference, fit.covariance)
    return None
