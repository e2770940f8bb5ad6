"""Plots of significances: the map with contours, and their distribution against that of an empty sky."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import GeometryError
from lightpool.plot.maps import add_colorbar, plot_map
from lightpool.plot.style import foreground

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable

    from lightpool.maps import HpxNDMap, WcsNDMap

__all__ = ["plot_significance", "plot_significance_distribution", "plot_significance_map"]

LEVELS = (5.0, 10.0, 20.0, 40.0)
_BIN_WIDTH = 0.2
_COLOR_RANGE = (-5.0, 15.0)


def plot_significance(
    sqrt_ts: "WcsNDMap",
    exclusion_mask: "WcsNDMap | None" = None,
    levels: Sequence[float] = LEVELS,
    figure: Figure | None = None,
) -> tuple[Axes, Axes]:
    """Draw the map and the distribution of significances side by side.

    Parameters
    ----------
    sqrt_ts : WcsNDMap
        One image of significances, NaN where they are undefined; copied from its device.
    exclusion_mask : WcsNDMap of bool, optional
        On the same pixels; False where gamma rays are expected.
    levels : sequence of float
        Significances of the contours.
    figure : Figure, optional
        A new one by default.

    Returns
    -------
    map, distribution : Axes
    """
    figure = plt.figure(figsize=(12.5, 5)) if figure is None else figure
    left = figure.add_subplot(1, 2, 1, projection=sqrt_ts.geom.wcs)
    right = figure.add_subplot(1, 2, 2)
    plot_significance_map(sqrt_ts, exclusion_mask, levels, ax=left)
    plot_significance_distribution(sqrt_ts, exclusion_mask, ax=right)
    figure.subplots_adjust(wspace=0.4)
    return left, right


def plot_significance_map(
    sqrt_ts: "WcsNDMap",
    exclusion_mask: "WcsNDMap | None" = None,
    levels: Sequence[float] = LEVELS,
    ax: Axes | None = None,
    **kwargs: object,
) -> Axes:
    """Draw an image of significances with contours, and the border of an exclusion as a dashed line.

    Parameters
    ----------
    sqrt_ts, exclusion_mask, levels : see `plot_significance`
    ax : WCSAxes, optional
        New axes on the current figure by default.
    **kwargs
        Keywords of ``Axes.imshow``.

    Returns
    -------
    ax : WCSAxes
    """
    low, high = _COLOR_RANGE
    style: dict[str, Any] = {"cmap": "magma", "vmin": low, "vmax": high} | kwargs
    ax = plot_map(sqrt_ts, ax=ax, **style)
    data = to_host(sqrt_ts.data).reshape(sqrt_ts.geom.data_shape[-2:])  # host: matplotlib draws NumPy arrays
    add_colorbar(ax.images[-1], ax, label="Significance", extend="both")
    # levels above all values would make matplotlib warn
    top = np.max(data, where=np.isfinite(data), initial=-np.inf)
    shown = sorted(level for level in levels if level < top)
    if shown:
        ax.contour(data, levels=shown, colors=[_contrast(ax.images[-1], level) for level in shown], linewidths=0.8)
        text = f"contours: {', '.join(f'{level:g}' for level in shown)}"
        box = {"facecolor": "black", "edgecolor": "none", "alpha": 0.6}
        ax.text(0.03, 0.03, text, color="white", fontsize=8, transform=ax.transAxes, bbox=box)
    if exclusion_mask is not None:
        mask = _mask_on(sqrt_ts, exclusion_mask)[0]
        if not mask.all():
            ax.contour(mask.astype(float), levels=[0.5], colors="cyan", linewidths=1.2, linestyles="dashed")
    return ax


def _contrast(image: "ScalarMappable", value: float) -> str:
    """Return white or black, which is seen on the colour of a value."""
    # an array: stretches of astropy take no numbers
    red, green, blue, _ = image.to_rgba(np.array([value]))[0]
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5 else "white"


def plot_significance_distribution(
    sqrt_ts: "WcsNDMap | HpxNDMap", exclusion_mask: "WcsNDMap | HpxNDMap | None" = None, ax: Axes | None = None
) -> Axes:
    """Draw the distribution of significances, of all pixels and outside an exclusion, and the Gaussian of an empty sky.

    Significances above 15 are beyond its right end.

    Parameters
    ----------
    sqrt_ts : WcsNDMap or HpxNDMap
        Any number of images.
    exclusion_mask : see `plot_significance`
    ax : Axes, optional
        The current axes by default.

    Returns
    -------
    ax : Axes
        Its legend shows mean and width outside the exclusion, or of all pixels.
    """
    planes = to_host(sqrt_ts.data)  # host: matplotlib draws NumPy arrays
    known = np.isfinite(planes)
    outside = known if exclusion_mask is None else known & _mask_on(sqrt_ts, exclusion_mask)
    if not outside.any():
        raise ValueError("no pixel outside the exclusion has a significance, so there is no distribution to draw")
    ax = plt.gca() if ax is None else ax
    every, kept = planes[known], planes[outside]
    edges = _bin_edges(every)
    if exclusion_mask is not None:
        ax.hist(every, bins=edges, histtype="step", color="gray", label="All pixels")
    which = "All pixels" if exclusion_mask is None else "Outside the exclusion"
    text = f"{which}: mean {kept.mean():.2f}, width {kept.std():.2f}"
    ax.hist(kept, bins=edges, color="cornflowerblue", alpha=0.7, label=text)
    x = np.linspace(-5, 5, 201)
    # scaled to the number of pixels in a bin
    gauss = kept.size * _BIN_WIDTH * np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    ax.plot(x, gauss, color=foreground(), lw=1.2, label="Gaussian of mean 0, width 1")
    ax.set(yscale="log", xlabel="Significance", ylabel="Pixels", xlim=(edges[0], edges[-1]))
    ax.set_ylim(0.5, 8 * gauss.max())  # with room for the legend
    ax.legend(loc="upper right", fontsize=8)
    return ax


def _bin_edges(values: NDArray[np.float64]) -> list[float]:
    """Return edges of bins around zero, up to the ends of the values, but at least -5 to 5 and at most 15."""
    first = np.floor(min(values.min(), -5.0) / _BIN_WIDTH)
    last = np.ceil(np.clip(values.max(), 5.0, _COLOR_RANGE[1]) / _BIN_WIDTH)
    # half a bin lower, so that one bin is centred on zero
    edges: list[float] = (_BIN_WIDTH * (np.arange(first, last + 2) - 0.5)).tolist()
    return edges


def _mask_on(sqrt_ts: "WcsNDMap | HpxNDMap", mask: "WcsNDMap | HpxNDMap") -> NDArray[np.bool_]:
    """Return a mask on the host, with the axes of the significances."""
    if not mask.is_mask or mask.geom.to_image() != sqrt_ts.geom.to_image():
        raise GeometryError(
            "exclusion_mask must be a map of bool on the pixels of the significances; `interp_to_geom` brings it there"
        )
    return np.broadcast_to(to_host(mask.data), sqrt_ts.data.shape)  # host: matplotlib draws NumPy arrays
