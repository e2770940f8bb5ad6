"""Small plots for notebooks, as PNG images in the size of a few lines of text.

Figures are made without pyplot, so that the figures, the backend and the settings of the user stay as they are. Their
background is transparent and their text grey, so that they are readable on light and dark pages.
"""

import io
import math
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import astropy.units as u
import numpy as np
from astropy.visualization.wcsaxes import WCSAxes
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightpool.typing import Wcs
from lightpool.utils.html import PIXEL_RATIO, Picture

__all__ = ["Curves", "Mesh", "Panel", "Sky", "draw", "is_log"]

Floats: TypeAlias = NDArray[np.floating]

_GREY = "#7a7a7a"  # has the same contrast, of more than 4, with white and with the background of dark notebooks
_COLORS = ("#2f8fd5", "#e5801c", "#3c9f46", "#9a6ac0", "#808080", "#c65353")
_STYLE: dict[str, Any] = {
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 7.5,
    "axes.titley": 1.0,  # Matplotlib takes long to find a place that is always this one
    "text.color": _GREY,
    "axes.labelcolor": _GREY,
    "axes.edgecolor": _GREY,
    "axes.facecolor": "none",
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "axes.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.0,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}
_DPI = 96 * PIXEL_RATIO
_WIDTH, _HEIGHT = 3.1, 2.1
"""Size of a panel, inches."""
_HIGHEST = 1e100
_one_at_a_time = threading.Lock()
"""Settings of Matplotlib and filters of warnings are those of all threads: only one of them may change them."""
_DECADES = 1e7
"""Ratio of the highest to the lowest value on a logarithmic axis."""
_MOST_PIXELS = 100
"""Pixels of an image each way; of larger ones, neighbours are joined."""


@dataclass(frozen=True)
class Sky:
    """An image on the sky.

    Attributes
    ----------
    values : array, shape (ny, nx)
    wcs : Wcs, or None for an image of all the sky, which is drawn without coordinates
    title, label : str
        Label of the colour bar.
    is_galactic : bool
    is_counts : bool
        Whether the colours follow the square roots, so that a bright source does not hide the rest.
    limits : pair of float, optional
        Ends of the colours.
    """

    values: NDArray[Any]
    wcs: "Wcs | None"
    title: str
    label: str = ""
    is_galactic: bool = False
    is_counts: bool = False
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Curves:
    """Values along one quantity.

    Attributes
    ----------
    x : array, shape (n,) or, for steps, (n + 1,)
    lines : sequence of (label, array of shape (n,))
    title, x_label, y_label : str
    x_is_log : bool
    """

    x: Floats
    lines: Sequence[tuple[str, Floats]]
    title: str
    x_label: str
    y_label: str = ""
    x_is_log: bool = False


@dataclass(frozen=True)
class Mesh:
    """Values in bins of two quantities.

    Attributes
    ----------
    x, y : arrays of edges, shape (nx + 1,) and (ny + 1,)
    values : array, shape (ny, nx)
    title, x_label, y_label, label : str
    x_is_log, y_is_log : bool
    """

    x: Floats
    y: Floats
    values: Floats
    title: str
    x_label: str
    y_label: str
    label: str = ""
    x_is_log: bool = False
    y_is_log: bool = False


Panel: TypeAlias = Sky | Curves | Mesh


def draw(panels: Sequence[Panel]) -> list[Picture]:
    """Return an image for each panel that has a finite value.

    Parameters
    ----------
    panels : sequence of Sky, Curves or Mesh
    """
    with _one_at_a_time, rc_context(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # about ranges without an extent, and directions outside of a projection
        rcdefaults()  # settings of the user, such as fonts of LaTeX, suit figures of other sizes
        rcParams.update(cast(Any, _STYLE))
        return [Picture(_png(panel), panel.title) for panel in panels if _has_values(panel)]


def _png(panel: Panel) -> bytes:
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI)
    FigureCanvasAgg(figure)
    _draw_panel(figure, panel)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def is_log(values: Floats) -> bool:
    """Return whether positive values differ so much that a logarithmic scale shows them better."""
    positive = values[np.isfinite(values) & (values > 0)]
    return bool(positive.size) and bool(positive.max() > 50 * positive.min()) and not np.any(values < 0)


def _has_values(panel: Panel) -> bool:
    """Return whether there is a finite value, and none for which Matplotlib finds no scale."""
    arrays = [line for _, line in panel.lines] if isinstance(panel, Curves) else [panel.values]
    finite = [array[np.isfinite(array)] for array in arrays]
    return any(each.size for each in finite) and not any(np.any(np.abs(each) > _HIGHEST) for each in finite)


def _draw_panel(figure: Figure, panel: Panel) -> None:
    left, bottom, top = 0.58, 0.42, 0.24  # inches
    right = 0.12 if isinstance(panel, Curves) else 0.62  # with room for a colour bar
    size = (1 - (left + right) / _WIDTH, 1 - (bottom + top) / _HEIGHT)
    box = (left / _WIDTH, bottom / _HEIGHT, *size)
    if isinstance(panel, Sky):
        ax = _draw_sky(figure, panel, box)
    else:
        ax = figure.add_axes(box)
        if isinstance(panel, Curves):
            _draw_curves(ax, panel)
        else:
            _draw_mesh(figure, ax, panel)
            ax.set_ylabel(panel.y_label, labelpad=1)
        ax.set_xlabel(panel.x_label, labelpad=1)
        ax.tick_params(width=0.6, length=2.5)
    ax.set_title(panel.title, pad=3, loc="left")


def _draw_sky(figure: Figure, panel: Sky, box: tuple[float, float, float, float]) -> Axes:
    values, joined = _joined(np.asarray(panel.values, dtype=float))
    ny, nx = (joined * n for n in values.shape)
    power = _power(values)
    low, high = (None, None) if panel.limits is None else panel.limits
    ax: Axes = Axes(figure, box) if panel.wcs is None else WCSAxes(figure, box, wcs=panel.wcs)
    figure.add_axes(ax)
    image = ax.imshow(
        values / 10.0**power,
        origin="lower",
        interpolation="nearest",
        cmap="afmhot",
        norm=PowerNorm(0.5) if panel.is_counts and np.nanmin(values) >= 0 else Normalize(low, high),
        extent=(-0.5, nx - 0.5, -0.5, ny - 0.5),
    )
    if isinstance(ax, WCSAxes):
        names = ("Gal. Lon. [deg]", "Gal. Lat. [deg]") if panel.is_galactic else ("RA [deg]", "Dec [deg]")
        coordinates: list[Any] = list(ax.coords)
        for coordinate, name in zip(coordinates, names, strict=False):
            coordinate.set_format_unit(u.deg, decimal=True, show_decimal_unit=False)
            coordinate.set_ticks(number=4)
            coordinate.set_axislabel(name, minpad=0.5)
            coordinate.set_ticks_position("lb"[list(names).index(name) == 0])
    else:
        ax.set_axis_off()
    _add_colorbar(figure, ax, image, _with_power(panel.label, power))
    return ax


def _joined(values: Floats) -> tuple[Floats, int]:
    """Return an image of few pixels, the means of those that are joined, and how many are joined each way."""
    n = -(-max(values.shape) // _MOST_PIXELS)
    if n == 1:
        return values, 1
    ny, nx = (-(-size // n) for size in values.shape)
    full = np.full((ny * n, nx * n), np.nan)
    full[: values.shape[0], : values.shape[1]] = values
    blocks = full.reshape(ny, n, nx, n)
    number = np.isfinite(blocks).sum(axis=(1, 3))
    total = np.where(np.isfinite(blocks), blocks, 0.0).sum(axis=(1, 3))
    return np.where(number > 0, total / np.maximum(number, 1), np.nan), n


def _power(values: Floats) -> int:
    """Return a power of ten to divide values by, so that numbers at an axis are short; 0 where they are."""
    finite = np.abs(values[np.isfinite(values)])
    highest = float(finite.max()) if finite.size else 0.0
    return 0 if highest == 0 or 1e-2 <= highest < 1e4 else math.floor(math.log10(highest))


def _with_power(label: str, power: int) -> str:
    return label if power == 0 else f"1e{power} {label}".strip()


def _draw_curves(ax: Axes, panel: Curves) -> None:
    values = np.concatenate([np.ravel(line) for _, line in panel.lines])
    power = 0 if is_log(values) else _power(values)
    ax.set_ylabel(_with_power(panel.y_label, power), labelpad=1)
    for (label, whole), color in zip(panel.lines, _COLORS * len(panel.lines), strict=False):
        line = whole / 10.0**power
        if len(panel.x) == len(line) + 1:
            ax.stairs(line, panel.x, color=color, label=label, baseline=None)
        else:
            ax.plot(panel.x, line, color=color, label=label, linewidth=1.2)
    if panel.x_is_log:
        ax.set_xscale("log")
    if is_log(values):
        ax.set_yscale("log", nonpositive="clip")
        highest = float(np.nanmax(values[np.isfinite(values)]))
        ax.set_ylim(bottom=max(ax.get_ylim()[0], highest / _DECADES))
    ax.grid(color=_GREY, alpha=0.25, linewidth=0.5)
    if any(label for label, _ in panel.lines):
        ax.legend(handlelength=1.2, borderaxespad=0.2, labelspacing=0.25)


def _draw_mesh(figure: Figure, ax: Axes, panel: Mesh) -> None:
    finite = panel.values[np.isfinite(panel.values)]
    norm = "log" if is_log(finite) and finite.max() > 1e3 * max(finite.min(), 0.0) and np.all(finite > 0) else None
    power = _power(panel.values) if norm is None else 0
    mesh = ax.pcolormesh(panel.x, panel.y, panel.values / 10.0**power, cmap="afmhot", norm=norm, rasterized=True)
    if panel.x_is_log:
        ax.set_xscale("log")
    if panel.y_is_log:
        ax.set_yscale("log")
    _add_colorbar(figure, ax, mesh, _with_power(panel.label, power))


def _add_colorbar(figure: Figure, ax: Axes, image: ScalarMappable, label: str) -> None:
    ax.apply_aspect()  # an image keeps the ratio of its sides, so it is narrower than its box
    box = ax.get_position()
    bar = figure.add_axes((box.x1 + 0.06 / figure.get_figwidth(), box.y0, 0.08 / figure.get_figwidth(), box.height))
    colorbar = figure.colorbar(image, cax=bar)
    colorbar.set_label(label, labelpad=2)
    colorbar.ax.tick_params(width=0.6, length=2)
    colorbar.outline.set_linewidth(0.4)
