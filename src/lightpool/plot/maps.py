"""Plots of maps. The data are read back to the host once for each plot."""

from collections.abc import Mapping
from itertools import product
from math import floor, log10
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.visualization import quantity_support, simple_norm
from astropy.visualization.wcsaxes import CoordinatesMap, WCSAxes
from astropy.visualization.wcsaxes.frame import EllipticalFrame
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colorizer import ColorizingArtist
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from mpl_toolkits.axes_grid1.axes_divider import make_axes_locatable
from numpy.typing import NDArray

from lightpool.arrays.devices.devices import to_host
from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.plot.style import data_label, fit_alone, foreground

if TYPE_CHECKING:
    from lightpool.maps import LabelMapAxis, Map, MapAxis, RegionNDMap, TimeMapAxis, WcsGeom, WcsNDMap

__all__ = [
    "add_colorbar",
    "bin_text",
    "energy_text",
    "label_sky_axes",
    "plot_grid",
    "plot_map",
    "plot_mask",
    "plot_region_hist",
    "plot_region_map",
    "plot_region_mask",
]

MASK_COLORS = ListedColormap(["black", "white"], name="mask")
_Errors: TypeAlias = NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]
# from one to the next by a factor of 1000, as `energy_text` counts
_ENERGY_UNITS = (u.eV, u.keV, u.MeV, u.GeV, u.TeV, u.PeV)


def plot_map(
    m: "WcsNDMap",
    ax: Axes | None = None,
    fig: Figure | None = None,
    add_cbar: bool = False,
    stretch: str = "linear",
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Axes:
    """Draw an image on the sky, see `WcsNDMap.plot`.

    Parameters
    ----------
    m : WcsNDMap
        An image.
    ax : WCSAxes, optional
        New axes by default.
    fig : Figure, optional
        Figure of the new axes, the current one by default.
    add_cbar : bool
        Whether to add a colour bar.
    stretch : str
        Stretch of the colours, see `astropy.visualization.simple_norm`.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bar, see `add_colorbar`.
    **kwargs
        Keywords of ``Axes.imshow``.
    """
    data = _image_data(m)
    is_given = ax is not None
    ax = _sky_axes(m.geom, fig) if ax is None else ax
    style: dict[str, Any] = {"interpolation": "nearest", "origin": "lower", "cmap": "afmhot"} | kwargs
    if m.is_mask:
        style = {"vmin": 0, "vmax": 1} | style | {"cmap": MASK_COLORS}
    finite = data[np.isfinite(data)]
    if finite.size > 0 and "norm" not in style:
        style["norm"] = simple_norm(finite, stretch, vmin=style.pop("vmin", None), vmax=style.pop("vmax", None))
    image = ax.imshow(data, **style)
    if add_cbar:
        # labels of an ellipse are outside of it
        place = {"pad": "15%", **(axes_loc or {})} if _is_ellipse(m.geom) else axes_loc
        add_colorbar(image, ax, place, **{"label": data_label(m.unit), **(kwargs_colorbar or {})})
    label_sky_axes(ax, m.geom)
    if not is_given:
        fit_alone(ax)
    return ax


def plot_mask(m: "WcsNDMap", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Shade the pixels where a mask is False, see `WcsNDMap.plot_mask`.

    Parameters
    ----------
    m : WcsNDMap of bool
        An image.
    ax : WCSAxes, optional
        New axes on the current figure by default.
    **kwargs
        Keywords of ``Axes.contourf``.
    """
    if not m.is_mask:
        raise ValueError("`.plot_mask()` only supports maps containing boolean values.")
    data = _image_data(m)
    ax = _sky_axes(m.geom, None) if ax is None else ax
    style: dict[str, Any] = {"alpha": 0.5, "colors": "w"} | kwargs
    # False is 0 and True is 1: only False lies between the levels
    ax.contourf(data, levels=[0, 0.5], **style)
    label_sky_axes(ax, m.geom)
    return ax


def _image_data(m: "WcsNDMap") -> NDArray[np.float64]:
    if not m.geom.is_flat:
        raise TypeError(
            f"only an image can be drawn, the axes {m.geom.axes.names} have {m.geom.axes.shape} bins; "
            "`sum_over_axes`, `slice_by_idx` or `plot_grid` help"
        )
    return to_host(m.data).reshape(m.geom.data_shape[-2:]).astype(float)  # host: matplotlib draws NumPy arrays


def _sky_axes(geom: "WcsGeom", fig: Figure | None) -> Axes:
    fig = plt.gcf() if fig is None else fig
    frame: dict[str, Any] = {"frame_class": EllipticalFrame} if _is_ellipse(geom) else {}
    return fig.add_subplot(1, 1, 1, projection=geom.wcs, **frame)


def _is_ellipse(geom: "WcsGeom") -> bool:
    return geom.is_allsky and geom.projection == "AIT"


def label_sky_axes(ax: Axes, geom: "WcsGeom") -> None:
    """Label the axes of an image of the sky, and keep their limits.

    Parameters
    ----------
    ax : WCSAxes or Axes
    geom : WcsGeom
    """
    coords: CoordinatesMap | None = getattr(ax, "coords", None)  # plain axes, without a sky, have none
    if coords is not None and not _is_ellipse(geom):  # an ellipse leaves no room for labels
        is_galactic = geom.frame == "galactic"
        coords[0].set_axislabel("Galactic Longitude" if is_galactic else "Right Ascension")
        coords[1].set_axislabel("Galactic Latitude" if is_galactic else "Declination")
    if coords is not None and geom.is_allsky:
        _format_all_sky(ax, coords, geom)
    if coords is None and not ax.get_xlabel() and not ax.get_ylabel():
        ax.set(xlabel="Longitude [pixels]", ylabel="Latitude [pixels]")
    ax.autoscale(enable=False)  # otherwise a later scatter changes the limits


def _format_all_sky(ax: Axes, coords: CoordinatesMap, geom: "WcsGeom") -> None:
    coords.frame.set_linewidth(0)
    image = geom.to_image()
    # the ends of the sky on the pixels; longitude grows to the left
    left, right = (float(image.coord_to_pix({"lon": lon, "lat": 0.0})[0][0]) for lon in (180.0, -180.0))
    bottom, top = (float(image.coord_to_pix({"lon": 0.0, "lat": lat})[1][0]) for lat in (-90.0, 90.0))
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.text(0, 1.1, f"{geom.frame} coords", va="bottom", transform=ax.transAxes)
    lon, lat = coords
    lon.set_ticks(spacing=45 * u.deg, color="w", alpha=0.8)
    lat.set_ticks(spacing=15 * u.deg)
    lon.set_ticks_visible(False)
    for coordinate in (lon, lat):
        coordinate.set_major_formatter("d")
        coordinate.grid(alpha=0.2, linestyle="solid", color="w")
    lon.set_ticklabel(color="w", alpha=0.8)


def add_colorbar(
    image: ColorizingArtist, ax: Axes, axes_loc: Mapping[str, object] | None = None, **kwargs: object
) -> Colorbar:
    """Add a colour bar of the height of the axes to their right.

    Parameters
    ----------
    image : ColorizingArtist
        Image, mesh or contours whose colours are explained.
    ax : Axes
        Axes of the image.
    axes_loc : dict, optional
        Arguments of ``append_axes``, such as ``position``, ``size`` and ``pad``.
    **kwargs
        Keywords of ``Figure.colorbar``.

    Returns
    -------
    colorbar : Colorbar
    """
    position: dict[str, Any] = {"position": "right", "size": "5%", "pad": "2%", "axes_class": Axes, **(axes_loc or {})}
    style: dict[str, Any] = {"orientation": "vertical"} | kwargs
    bar_axes: Axes = make_axes_locatable(ax).append_axes(**position)
    bar_axes.set_label("<colorbar>")  # as Matplotlib calls them
    bar = ax.figure.colorbar(image, cax=bar_axes, **style)
    # `plt.title` and the like are for the image, not for the colour bar that was added last
    ax.figure.sca(ax)
    return bar


def energy_text(energy: u.Quantity) -> str:
    """Return an energy in the unit that suits it, with few digits: ``1.00 TeV``, ``12.6 GeV``."""
    step = floor(log10(energy.to_value("eV")) / 3)  # a new unit every three decades
    unit = _ENERGY_UNITS[min(max(step, 0), len(_ENERGY_UNITS) - 1)]
    value = energy.to_value(unit)
    digits = (2, 1, 0)[min(max(floor(log10(value)), 0), 2)]
    return f"{value:0.{digits}f} {unit}"


def plot_grid(
    m: "Map", figsize: tuple[float, float] | None = None, ncols: int = 3, **kwargs: object
) -> NDArray[np.object_]:
    """Draw one image for each bin of the axis, see `WcsNDMap.plot_grid`.

    Parameters
    ----------
    m : Map
        Map of the sky with one axis.
    figsize : tuple of float, optional
        Width and height in inches.
    ncols : int
        Maximum number of columns.
    **kwargs
        Keywords of `plot_map`.

    Returns
    -------
    axes : array of WCSAxes, shape (n_row, n_column)
    """
    if m.geom.is_region or m.geom.is_hpx:
        raise TypeError(f"a grid of images needs pixels on a WCS, got a {type(m).__name__}; see `plot`, or `to_wcs`")
    if len(m.geom.axes) != 1:
        raise ValueError(f"Grid plotting is only supported for one non spatial axis, got {m.geom.axes.names}")
    axis = m.geom.axes[0]
    columns = min(ncols, axis.nbin)
    rows = 1 + (axis.nbin - 1) // columns
    fig = plt.figure(figsize=(12, 12 * rows / columns) if figsize is None else figsize)
    # colour bars and their labels need room
    grid = fig.add_gridspec(rows, columns, hspace=0.25, wspace=0.45 if kwargs.get("add_cbar") else 0.1)
    axes = np.empty((rows, columns), dtype=object)
    # copied once, not for each image
    host = m.to("cpu")
    style: dict[str, Any] = kwargs
    for i in range(rows * columns):
        # planes may have pixels of their own
        image = cast("WcsNDMap", host.get_image_by_idx((min(i, axis.nbin - 1),)))
        ax = cast(WCSAxes, fig.add_subplot(grid[i // columns, i % columns], projection=image.geom.wcs))
        axes[i // columns, i % columns] = ax
        if i >= axis.nbin:
            ax.set_visible(False)
            continue
        plot_map(image, ax=ax, **style)
        ax.set_title(f"{axis.name.capitalize()} {bin_text(axis, i)}")
        _label_outer_axes(ax, is_left=i % columns == 0, is_lowest=i // columns == rows - 1)
    return axes


def bin_text(axis: "MapAxis | LabelMapAxis | TimeMapAxis", i: int) -> str:
    """Return a short text for a bin of an axis.

    Parameters
    ----------
    axis : MapAxis, LabelMapAxis or TimeMapAxis
    i : int
    """
    if not isinstance(axis, NodeAxis):
        return str(axis.as_plot_labels[i])
    text = energy_text if axis.name in ("energy", "energy_true") else "{:.1f}".format
    if axis.node_type == "edges":
        return f"{text(axis.edges[i])} - {text(axis.edges[i + 1])}"
    return text(axis.center[i])


def _label_outer_axes(ax: WCSAxes, *, is_left: bool, is_lowest: bool) -> None:
    lon, lat = ax.coords[0], ax.coords[1]
    lon.set_ticks_position("b")
    lat.set_ticks_position("l")
    for coordinate, is_outer in ((lat, is_left), (lon, is_lowest)):
        if not is_outer:
            coordinate.set_ticklabel_visible(False)
            coordinate.set_axislabel("")


def plot_region_map(m: "RegionNDMap", ax: Axes | None = None, axis_name: str | None = None, **kwargs: object) -> Axes:
    """Draw the values along an axis, see `RegionNDMap.plot`.

    Parameters
    ----------
    m : RegionNDMap
    ax : Axes, optional
        The current axes by default.
    axis_name : str, optional
        Name of the axis; the only one with more than one bin by default. Each bin of the others is a line.
    **kwargs
        Keywords of ``Axes.errorbar``; ``yerr`` and ``uplims`` have the shape of the data.
    """
    axes = m.geom.axes
    if axis_name is None:
        wide = [axis.name for axis in axes if axis.nbin > 1] or axes.names[:1]
        if len(wide) != 1:
            raise ValueError(f"axis_name must be given for a map with several axes, one of {axes.names}")
        axis_name = wide[0]
    axis = axes[axis_name]
    dimension = axes.index_data(axis_name)
    lines = np.moveaxis(to_host(m.data), dimension, -1)  # host: matplotlib draws NumPy arrays
    style: dict[str, Any] = {"marker": "o", "markersize": 4, "ls": "None", "xerr": axis.as_plot_xerr} | kwargs
    label: str | None = style.pop("label", None)
    errors: dict[str, _Errors] = {name: style.pop(name) for name in ("yerr", "uplims") if style.get(name) is not None}
    others = [other for other in axes if other.name != axis_name]
    is_given = ax is not None
    with quantity_support():
        ax = plt.gca() if ax is None else ax
        named = ax.get_ylabel()
        # reversed: in the order of the data
        indices = product(*(range(other.nbin) for other in others[::-1]))
        for index in indices:
            name = " ".join(other.as_plot_labels[i] for other, i in zip(others, index[::-1], strict=True))
            # of `lines`, shape (other axes..., 1, 1, n): the axis that is drawn was moved to the end
            pixel = (*index, 0, 0)
            bars: dict[str, Any] = {key: _along(value, dimension, pixel) for key, value in errors.items()}
            y = u.Quantity(lines[pixel], m.unit)
            ax.errorbar(x=axis.as_plot_center, y=y, label=name if label is None else label, **bars, **style)
    axis.format_plot_xaxis(ax=ax)
    if "energy" in axis_name:
        ax.set_yscale("log", nonpositive="clip")
    _label_values(ax, m, named)
    if not is_given:
        fit_alone(ax)
    return ax


def _label_values(ax: Axes, m: "RegionNDMap", named: str) -> None:
    """Label the ordinate, in the unit in which it is drawn, unless somebody has."""
    unit = getattr(ax.yaxis, "units", None)  # Matplotlib keeps whatever the unit converter of the drawn values set
    if not named:
        ax.set_ylabel(data_label(unit if isinstance(unit, u.UnitBase) else m.unit))


def _along(value: _Errors, dimension: int, pixel: tuple[int, ...]) -> _Errors:
    """Return the error bars of one line, out of those of a map; a pair is lower and upper."""
    if isinstance(value, tuple):
        lower, upper = value
        return np.moveaxis(lower, dimension, -1)[pixel], np.moveaxis(upper, dimension, -1)[pixel]
    line: NDArray[np.float64] = np.moveaxis(value, dimension, -1)[pixel]
    return line


def plot_region_hist(m: "RegionNDMap", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Draw the values as a histogram, see `RegionNDMap.plot_hist`.

    Parameters
    ----------
    m : RegionNDMap
        Map with one axis.
    ax : Axes, optional
        The current axes by default.
    **kwargs
        Keywords of ``Axes.hist``.
    """
    if len(m.geom.axes) != 1:
        raise ValueError(f"Plotting is only supported for maps with one axis, got {m.geom.axes.names}")
    axis = m.geom.axes[0]
    style: dict[str, Any] = {"histtype": "step", "lw": 1} | kwargs
    with quantity_support():
        ax = plt.gca() if ax is None else ax
        named = ax.get_ylabel()
        weights = to_host(m.data)[:, 0, 0]  # host: matplotlib draws NumPy arrays
        edges: Any = axis.as_plot_edges  # Matplotlib converts quantities
        ax.hist(axis.as_plot_center, bins=edges, weights=weights, **style)
    if m.unit != "" or not named:
        ax.set_ylabel(data_label(m.unit))
    axis.format_plot_xaxis(ax=ax)
    ax.set_yscale("log")
    return ax


def plot_region_mask(m: "RegionNDMap", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Shade the energies where a mask is True, see `RegionNDMap.plot_mask`.

    Parameters
    ----------
    m : RegionNDMap of bool
        Mask with an axis ``energy``.
    ax : Axes, optional
        The current axes by default.
    **kwargs
        Keywords of ``Axes.axvspan``.
    """
    if not m.is_mask:
        raise ValueError("This is not a mask and cannot be plotted")
    style: dict[str, Any] = {"color": foreground(), "alpha": 0.05, "label": "mask"} | kwargs
    ax = plt.gca() if ax is None else ax
    edges: Any = m.geom.axes["energy"].edges  # Matplotlib converts quantities
    # +1 where a range of True bins starts, -1 after its end; zeros at both ends close all ranges
    steps = np.diff(to_host(m.data).reshape(-1).astype(int), prepend=0, append=0)  # host: matplotlib draws NumPy arrays
    with quantity_support():
        for start, stop in zip(np.flatnonzero(steps > 0), np.flatnonzero(steps < 0), strict=True):
            ax.axvspan(edges[start], edges[stop], **style)
    return ax
