"""Plots of the report of a reduction, each small enough for the screen of a telephone."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import matplotlib.dates as mdates
import numpy as np
from astropy.table import Table
from astropy.time import Time
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, Locator
from numpy.typing import ArrayLike

from lightpool.arrays import to_host
from lightpool.plot.significance import plot_significance_distribution, plot_significance_map
from lightpool.plot.style import data_label, foreground
from lightpool.plot.theta_squared import plot_theta_squared_table

if TYPE_CHECKING:
    from lightpool.datasets import SpectrumDataset, SpectrumDatasetOnOff
    from lightpool.maps import HpxNDMap, RegionNDMap, WcsNDMap

__all__ = [
    "plot_image",
    "plot_night_rates",
    "plot_over_time",
    "plot_significance_growth",
    "plot_significances",
    "plot_spectrum",
    "plot_theta_squared",
    "plot_theta_squared_of_table",
]

_SIZE = (5.4, 4.0)
"""Inches; at 390 pixels of width the letters are still readable."""

_WIDE = 90.0
"""Width in deg of a HEALPix map beyond which it is drawn in a projection of all the sky."""

_RASTER_WIDTH = 600
"""Square pixels across the picture of a HEALPix map."""


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="tight")
    # without pyplot, which would keep each figure in memory until it is closed
    return figure, figure.add_subplot()


def _legend(ax: Axes, n_column: int = 2) -> None:
    """Put the legend above the axes, where it covers nothing."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=n_column, frameon=False, fontsize=9)


def _raster_of(image: "WcsNDMap | HpxNDMap") -> "WcsNDMap":
    """Return an image of square pixels; those of HEALPix pixels repeat their values and are NaN beside the map."""
    if not image.geom.is_hpx:
        return cast("WcsNDMap", image)
    width = float(image.geom.width.to_value("deg"))
    proj = "AIT" if width > _WIDE else "TAN"
    raster = cast("HpxNDMap", image).to_wcs(normalize=False, proj=proj, oversample=None, width_pix=_RASTER_WIDTH)
    return raster.reduce_over_axes()


def _raster_of_mask(mask: "WcsNDMap | HpxNDMap") -> "WcsNDMap":
    """Return a mask as an image of square pixels, True beside the map."""
    if not mask.geom.is_hpx:
        return cast("WcsNDMap", mask)
    raster = _raster_of(mask * 1.0)
    return raster.copy(data=raster.data != 0)


def plot_image(image: "WcsNDMap | HpxNDMap", stretch: str = "linear", label: str = "Data") -> Figure:
    """Draw an image with its colour bar.

    Parameters
    ----------
    image : WcsNDMap or HpxNDMap
        Without non-spatial axes, on the host.
    stretch : str
        Stretch of the colours.
    label : str
        What the values are, for the colour bar, which has their unit too.
    """
    figure = Figure(figsize=_SIZE, layout="tight")
    raster = _raster_of(image)
    bar = {"label": data_label(image.unit, label)}
    raster.plot(ax=figure.add_subplot(projection=raster.geom.wcs), add_cbar=True, stretch=stretch, kwargs_colorbar=bar)
    return figure


def plot_significances(sqrt_ts: "WcsNDMap | HpxNDMap", exclusion: "WcsNDMap | HpxNDMap | None" = None) -> list[Figure]:
    """Draw the map of significances and, where any is outside the exclusion, their distribution.

    Parameters
    ----------
    sqrt_ts : WcsNDMap or HpxNDMap
        Image of significances, NaN where they are undefined.
    exclusion : WcsNDMap or HpxNDMap of bool, optional
        On the same pixels; False where gamma rays are expected.
    """
    sky, raster = Figure(figsize=_SIZE, layout="tight"), _raster_of(sqrt_ts)
    drawn = None if exclusion is None else _raster_of_mask(exclusion)
    plot_significance_map(raster, drawn, ax=sky.add_subplot(projection=raster.geom.wcs))
    known = np.isfinite(to_host(sqrt_ts.data))  # host: Matplotlib draws NumPy arrays
    if not (known if exclusion is None else known & to_host(exclusion.data)).any():
        return [sky]
    figure, ax = _figure()
    plot_significance_distribution(sqrt_ts, exclusion, ax=ax)
    _legend(ax, 1)
    return [sky, figure]


def plot_spectrum(dataset: "SpectrumDataset | SpectrumDatasetOnOff", background: "RegionNDMap | None") -> Figure:
    """Draw the counts of a spectrum and its background, in the safe energies.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff
        On the host.
    background : RegionNDMap or None
        Not drawn if None.
    """
    figure, ax = _figure()
    edges = dataset.required("counts").geom.axes["energy"].edges.to_value("TeV")
    # host: Matplotlib draws NumPy arrays
    safe = np.ones(edges.size - 1, bool) if dataset.mask_safe is None else to_host(dataset.mask_safe.data)[:, 0, 0]
    counts = np.where(safe, to_host(dataset.required("counts").data)[:, 0, 0], 0.0)
    # the geometric mean: the middle on a logarithmic axis
    center = np.sqrt(edges[1:] * edges[:-1])
    ax.stairs(counts, edges, label="counts", lw=1.5, color="crimson")
    ax.errorbar(center, counts, np.sqrt(counts), fmt="none", color="crimson", lw=1)
    if background is not None:
        ax.stairs(
            np.where(safe, to_host(background.data)[:, 0, 0], 0.0), edges, label="background", fill=True, alpha=0.5
        )
    is_log = counts.max() > 0
    ax.set(xscale="log", yscale="log" if is_log else "linear", xlabel="energy [TeV]", ylabel="counts in a bin")
    if is_log:
        ax.set_ylim(0.05, 3 * counts.max())
    _legend(ax)
    return figure


def plot_theta_squared(counts: ArrayLike, counts_off: ArrayLike, maximum: float, radius: float | None) -> Figure:
    """Draw counts over the squared angle from a source, and those from the mirror position.

    Parameters
    ----------
    counts, counts_off : array of int, shape (n_bin,)
        Counts around the source and around the mirror position.
    maximum : float, unit deg2
        Upper edge of the last bin; the first one begins at zero.
    radius : float or None, unit deg
        Radius of the circle around the source, which is marked.
    """
    figure, ax = _figure()
    counts, counts_off = np.asarray(counts), np.asarray(counts_off)
    edges = np.linspace(0, maximum, len(counts) + 1)
    center, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    ax.stairs(counts_off, edges, fill=True, color="lightsteelblue", label="OFF, mirror position")
    ax.errorbar(center, counts_off, np.sqrt(counts_off), fmt="none", color="slategray", lw=1)
    ax.errorbar(center, counts, np.sqrt(counts), half, fmt="o", ms=3, color="crimson", label="ON")
    if radius is not None and radius**2 < maximum:
        ax.axvline(radius**2, color=foreground(), ls="--", lw=1, label=f"{radius:.3g} deg")
    ax.set(xlabel=r"$\theta^2$ [deg$^2$]", ylabel="counts in a bin", xlim=(0, maximum))
    ax.set_ylim(bottom=0)
    _legend(ax, 3)
    return figure


def plot_theta_squared_of_table(table: Table) -> Figure:
    """Draw a table of counts over the squared angle, with the significance of each bin.

    Parameters
    ----------
    table : Table
        Result of `lightpool.makers.ThetaSquaredTable.run`.
    """
    figure = Figure(figsize=(6.4, 5))
    plot_theta_squared_table(table, figure)
    return figure


def plot_night_rates(
    nights: Sequence[str], rates: Sequence[float], errors: Sequence[float], mean: float | None
) -> Figure:
    """Draw the excess per minute of each night, with errors, and their mean.

    Parameters
    ----------
    nights : sequence of str
        Dates.
    rates, errors : sequence of float
        Excess per minute of each night and its error.
    mean : float or None
        Excess per minute of all nights; not drawn if None.
    """
    figure, ax = _figure()
    ax.errorbar(Time(list(nights)).to_datetime(), rates, errors, fmt="o", ms=4, color="crimson", capsize=2)
    if mean is not None:
        ax.axhline(mean, color="slategray", lw=1, label=f"all: {mean:.3g} per minute")
        _legend(ax)
    ax.axhline(0, color=foreground(), lw=0.6)
    ax.set(ylabel="excess per minute", xlabel="night")
    _dates(ax, len(nights))
    return figure


def plot_significance_growth(livetimes: Sequence[float], significances: Sequence[float]) -> Figure:
    """Draw the significance of the first observation, the first two, and so on.

    Parameters
    ----------
    livetimes : sequence of float, unit h
        Cumulative livetimes.
    significances : sequence of float
        Significances of all observations so far.
    """
    figure, ax = _figure()
    # the significance of a steady source grows with the square root of time, here a straight line
    root = np.sqrt(np.asarray(livetimes, dtype=float))
    ax.plot(root, significances, "o-", ms=4, color="crimson", label="observations in their order")
    if root[-1] > 0:
        steady = [0, root[-1]], [0, significances[-1]]
        ax.plot(*steady, "--", color="slategray", lw=1, label="steady source and background")
    ax.set(xlabel=r"square root of the livetime [h$^{1/2}$]", ylabel="significance of all so far", xlim=(0, None))
    _legend(ax, 1)
    return figure


def plot_over_time(starts: Sequence[str], values: Sequence[float | None], label: str) -> Figure:
    """Draw a number of each observation over time.

    Parameters
    ----------
    starts : sequence of str
        Start times in UTC.
    values : sequence of float or None
        The numbers; observations without one are left out.
    label : str
        Label of the numbers.
    """
    figure, ax = _figure()
    known = [(start, value) for start, value in zip(starts, values, strict=True) if value is not None]
    ax.plot(Time([start for start, _ in known]).to_datetime(), [value for _, value in known], "o", ms=4)
    ax.set(ylabel=label, xlabel="start (UTC)")
    _dates(ax, len(known))
    return figure


_date_locator: Callable[..., Locator] = mdates.AutoDateLocator
_date_formatter: Callable[[Locator], Formatter] = mdates.ConciseDateFormatter


def _dates(ax: Axes, n_date: int) -> None:
    locator = _date_locator(minticks=2, maxticks=6, interval_multiples=False)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(_date_formatter(locator))
    ax.margins(x=0.08)
    if n_date == 1:  # else the axis spans years around it
        date = float(np.asarray(ax.lines[0].get_xdata(orig=False))[0])
        ax.set_xlim(date - 1, date + 1)
    ax.grid(alpha=0.3)
