"""Values over the axes of response tables, as curves and as images."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.visualization import quantity_support
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from numpy.typing import NDArray

from lightpool.plot.axes import format_xaxis, format_yaxis
from lightpool.plot.maps import add_colorbar
from lightpool.plot.style import fit_alone, use_distinct_colors

if TYPE_CHECKING:
    from lightpool.maps import MapAxis

__all__ = ["draw_curves", "draw_image", "draw_mesh", "panels_in_a_row", "spread_over", "unit_text"]

_DECADES = 10  # of a logarithmic axis: interpolated logarithms of zero would take all of its height


def unit_text(unit: u.UnitBase) -> str:
    """Return a unit in brackets, for the label of an axis."""
    return f"[{unit.to_string('latex_inline')}]"


def draw_curves(
    ax: Axes | None,
    axis: "MapAxis",
    curves: Sequence[tuple[str, u.Quantity]],
    ylabel: str,
    style: Mapping[str, object],
    log: bool = False,
) -> Axes:
    """Draw values at the bin centres of an axis, one curve for each label; a single bin is a point.

    Parameters
    ----------
    ax : Axes or None (the current ones)
    axis : MapAxis
    curves : sequence of (label, values), values of as many elements as the axis has bins
    ylabel : str
    style : mapping, keywords of ``Axes.plot``
    log : bool, whether the ordinate is logarithmic
    """
    is_given = ax is not None
    ax = plt.gca() if ax is None else ax
    use_distinct_colors(ax)
    marker = {"marker": "o"} if axis.nbin == 1 else {}
    with quantity_support():
        for label, values in curves:
            options: dict[str, Any] = {"label": label, **marker, **style}
            ax.plot(axis.center, values.ravel(), **options)
    format_xaxis(axis, ax)
    ax.yaxis.set_major_formatter(ScalarFormatter())  # that of angles writes the unit at each tick
    if log:
        ax.set_yscale("log")
        highest = max(np.nanmax(line.get_ydata(orig=False)) for line in ax.lines)
        if 0 < ax.get_ylim()[0] < highest / 10.0**_DECADES:
            ax.set_ylim(highest / 10.0**_DECADES, 3 * highest)
    ax.set_ylabel(ylabel)
    ax.legend(loc="best")
    if not is_given:
        fit_alone(ax)
    return ax


def draw_image(
    ax: Axes | None,
    x: "MapAxis",
    y: "MapAxis",
    values: NDArray[np.float64],
    label: str,
    style: Mapping[str, object],
    add_cbar: bool,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
) -> Axes:
    """Draw values as coloured bins of two axes.

    Parameters
    ----------
    ax : Axes or None (the current ones)
    x, y : MapAxis
    values : array of float, shape (n_x, n_y)
    label, style, add_cbar, axes_loc, kwargs_colorbar : as for `draw_mesh`
    """
    is_given = ax is not None
    with quantity_support():
        ax = draw_mesh(ax, x.edges, y.edges, values.T, label, style, add_cbar, axes_loc, kwargs_colorbar)
    format_xaxis(x, ax)
    format_yaxis(y, ax)
    if not is_given:
        fit_alone(ax)
    return ax


def draw_mesh(
    ax: Axes | None,
    x: u.Quantity | NDArray[np.float64],
    y: u.Quantity | NDArray[np.float64],
    values: NDArray[np.float64],
    label: str,
    style: Mapping[str, object],
    add_cbar: bool,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
) -> Axes:
    """Draw values as coloured quadrilaterals between corners, with a colour bar.

    Parameters
    ----------
    ax : Axes or None (the current ones)
    x, y : corners, edges of each axis or of shape (n_y + 1, n_x + 1)
    values : array of float, shape (n_y, n_x)
    label : str, of the colour bar
    style : mapping, keywords of ``Axes.pcolormesh``
    add_cbar : bool, whether to add a colour bar
    axes_loc, kwargs_colorbar : its position and keywords, see `lightpool.plot.maps.add_colorbar`
    """
    ax = plt.gca() if ax is None else ax
    options: dict[str, Any] = {"cmap": "GnBu", "edgecolors": "face", **style}
    mesh = ax.pcolormesh(x, y, values, **options)
    if add_cbar:
        add_colorbar(mesh, ax, axes_loc, **{"label": label, **(kwargs_colorbar or {})})
    return ax


def spread_over(axis: "MapAxis", n: int = 4) -> u.Quantity:
    """Return ``n`` coordinates spread from the first to the last centre of an axis; a single one is in the middle.

    Parameters
    ----------
    axis : MapAxis
    n : int
    """
    low, high = axis.center_value[0], axis.center_value[-1]
    steps = np.linspace(0, 1, n) if n > 1 else np.array([0.5])
    values = low * (high / low) ** steps if axis.interp == "log" else low + (high - low) * steps
    return u.Quantity(values, axis.unit)


def panels_in_a_row(n_column: int, figsize: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes in one row.

    Parameters
    ----------
    n_column : int, number of axes
    figsize : width and height in inches
    """
    figure = plt.figure(figsize=figsize)
    return figure, [figure.add_subplot(1, n_column, number) for number in range(1, n_column + 1)]
