"""Pictures of the report of a reduction: a stack, and the observations over time."""

from collections.abc import Sequence
from typing import Any

import matplotlib.dates as mdates
import numpy as np
from astropy.time import Time
from matplotlib.figure import Figure

from lightpool.plot.significance import plot_significance_distribution, plot_significance_map

__all__ = ["plot_observations", "plot_spectrum", "plot_stack"]

_PANELS = (
    ("norm", "background norm"),
    ("energy_min", "lowest safe energy [TeV]"),
    ("counts_rate", "counts per second"),
    ("seconds", "time to reduce [s]"),
)


def plot_stack(dataset: Any, sqrt_ts: Any, radius: Any, exclusion: Any = None) -> Figure:
    """Draw counts, exposure, excess and significance of a stack of maps.

    Parameters
    ----------
    dataset : MapDataset, on the host
    sqrt_ts : WcsNDMap, image of significances, NaN where there is none
    radius : Angle, of the circle in which the significances are taken
    exclusion : WcsNDMap of bool, on the same pixels; False where gamma rays are expected

    Returns
    -------
    figure : Figure
    """
    figure = Figure(figsize=(13, 8.5))
    images = {
        "Counts": (dataset.counts.reduce_over_axes(), "sqrt"),
        "Exposure, mean over energy": (_mean_exposure(dataset), "linear"),
        "Excess": (dataset.excess.reduce_over_axes(), "linear"),
    }
    for number, (title, (image, stretch)) in enumerate(images.items(), start=1):
        if image is not None:
            ax = figure.add_subplot(2, 3, number, projection=image.geom.wcs)
            image.plot(ax=ax, add_cbar=True, stretch=stretch)
            ax.set_title(title)
    ax = figure.add_subplot(2, 3, 4, projection=sqrt_ts.geom.wcs)
    plot_significance_map(sqrt_ts, exclusion, ax=ax)
    ax.set_title(f"Significance, circles of {radius:.2f}")
    plot_significance_distribution(sqrt_ts, exclusion, ax=figure.add_subplot(2, 3, 5))
    figure.tight_layout(w_pad=2)
    return figure


def plot_spectrum(dataset: Any) -> Figure:
    """Draw the counts of a spectrum and what is expected of the background.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff, on the host
    """
    figure = Figure(figsize=(7.5, 4))
    ax = figure.add_subplot()
    edges = dataset.counts.geom.axes["energy"].edges.to_value("TeV")
    counts = dataset.counts.data[:, 0, 0]
    ax.stairs(counts, edges, label="counts", lw=1.5)
    if dataset.background is not None:
        ax.stairs(dataset.background.data[:, 0, 0], edges, label="background", lw=1.5)
    ax.set(xscale="log", yscale="log" if counts.max() > 0 else "linear", xlabel="energy [TeV]", ylabel="counts")
    ax.legend()
    figure.tight_layout()
    return figure


def _mean_exposure(dataset: Any) -> Any:
    if dataset.exposure is None:
        return None
    exposure = dataset.exposure
    return exposure.reduce_over_axes() * (1 / exposure.geom.axes["energy_true"].nbin)


def plot_observations(rows: Sequence[dict[str, Any]]) -> Figure:
    """Draw background norms, thresholds, rates and durations of observations over time.

    Parameters
    ----------
    rows : sequence of dict
        One per observation: ``start`` (UTC), and as far as they are known ``norm, energy_min, counts_rate, seconds``.

    Returns
    -------
    figure : Figure
    """
    figure = Figure(figsize=(13, 6.5))
    when = Time([row["start"] for row in rows]).to_datetime()
    for number, (name, label) in enumerate(_PANELS, start=1):
        ax = figure.add_subplot(2, 2, number)
        values = np.array([np.nan if row.get(name) is None else row[name] for row in rows], dtype=float)
        ax.plot(when, values, "o", ms=4)
        ax.set_ylabel(label)
        locator = mdates.AutoDateLocator(minticks=2, maxticks=6, interval_multiples=False)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
        ax.grid(alpha=0.3)
        if not np.isfinite(values).any():
            ax.text(0.5, 0.5, "not known", ha="center", va="center", transform=ax.transAxes)
    figure.tight_layout()
    return figure
