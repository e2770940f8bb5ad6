"""Pictures of maps. The data are read back to the host once for each picture."""

from itertools import product
from math import floor, log10
from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.visualization import quantity_support, simple_norm
from astropy.visualization.wcsaxes.frame import EllipticalFrame
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from mpl_toolkits.axes_grid1.axes_divider import make_axes_locatable

from lightpool.arrays.devices.devices import to_host

if TYPE_CHECKING:
    from lightpool.maps import RegionNDMap, WcsNDMap

__all__ = [
    "add_colorbar",
    "energy_text",
    "plot_grid",
    "plot_map",
    "plot_mask",
    "plot_region_hist",
    "plot_region_map",
    "plot_region_mask",
]

MASK_COLORS = ListedColormap(["black", "white"], name="mask")
_ENERGY_UNITS = (u.eV, u.keV, u.MeV, u.GeV, u.TeV, u.PeV)


def plot_map(
    m: "WcsNDMap",
    ax: Any = None,
    fig: Any = None,
    add_cbar: bool = False,
    stretch: str = "linear",
    axes_loc: dict[str, Any] | None = None,
    kwargs_colorbar: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Draw an image on the sky, see `WcsNDMap.plot`."""
    data = _image_data(m)
    ax = _sky_axes(m.geom, fig) if ax is None else ax
    kwargs.setdefault("interpolation", "nearest")
    kwargs.setdefault("origin", "lower")
    kwargs.setdefault("cmap", "afmhot")
    if m.is_mask:
        kwargs.setdefault("vmin", 0)
        kwargs.setdefault("vmax", 1)
        kwargs["cmap"] = MASK_COLORS
    finite = data[np.isfinite(data)]
    if finite.size > 0 and "norm" not in kwargs:
        kwargs["norm"] = simple_norm(finite, stretch, vmin=kwargs.pop("vmin", None), vmax=kwargs.pop("vmax", None))
    image = ax.imshow(data, **kwargs)
    if add_cbar:
        add_colorbar(image, ax, axes_loc=axes_loc, **({"label": str(m.unit)} | (kwargs_colorbar or {})))
    return _finished(ax, m.geom)


def plot_mask(m: "WcsNDMap", ax: Any = None, **kwargs: Any) -> Any:
    """Shade the pixels where a mask is False, see `WcsNDMap.plot_mask`."""
    if not m.is_mask:
        raise ValueError("`.plot_mask()` only supports maps containing boolean values.")
    data = _image_data(m)
    ax = _sky_axes(m.geom, None) if ax is None else ax
    kwargs.setdefault("alpha", 0.5)
    kwargs.setdefault("colors", "w")
    ax.contourf(data, levels=[0, 0.5], **kwargs)
    return _finished(ax, m.geom)


def _image_data(m: "WcsNDMap") -> np.ndarray[Any, Any]:
    if not m.geom.is_flat:
        raise TypeError(
            f"only an image can be drawn, the axes {m.geom.axes.names} have {m.geom.axes.shape} bins; "
            "`sum_over_axes`, `slice_by_idx` or `plot_grid` help"
        )
    return to_host(m.data).reshape(m.geom.data_shape[-2:]).astype(float)  # host: matplotlib draws NumPy arrays


def _sky_axes(geom: Any, fig: Any) -> Any:
    fig = plt.gcf() if fig is None else fig
    frame = {"frame_class": EllipticalFrame} if geom.projection == "AIT" else {}
    return fig.add_subplot(1, 1, 1, projection=geom.wcs, **frame)


def _finished(ax: Any, geom: Any) -> Any:
    if not geom.is_allsky or geom.projection != "AIT":  # there is no room beside an ellipse
        _label_sky_axes(ax, geom.frame)
    if geom.is_allsky:
        _format_all_sky(ax, geom)
    ax.autoscale(enable=False)  # otherwise a later scatter changes the limits
    return ax


def _label_sky_axes(ax: Any, frame: str) -> None:
    if not hasattr(ax, "coords"):
        return  # plain axes, without a sky
    names = ("Galactic Longitude", "Galactic Latitude") if frame == "galactic" else ("Right Ascension", "Declination")
    for coordinate, name in zip(ax.coords, names, strict=True):
        coordinate.set_axislabel(name)


def _format_all_sky(ax: Any, geom: Any) -> None:
    ax.coords.frame.set_linewidth(0)
    image = geom.to_image()
    left, right = (float(image.coord_to_pix({"lon": lon, "lat": 0.0})[0][0]) for lon in (180.0, -180.0))
    bottom, top = (float(image.coord_to_pix({"lon": 0.0, "lat": lat})[1][0]) for lat in (-90.0, 90.0))
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.text(0, top, f"{geom.frame} coords", va="bottom")
    lon, lat = ax.coords
    lon.set_ticks(spacing=45 * u.deg, color="w", alpha=0.8)
    lat.set_ticks(spacing=15 * u.deg)
    lon.set_ticks_visible(False)
    for coordinate in (lon, lat):
        coordinate.set_major_formatter("d")
        coordinate.grid(alpha=0.2, linestyle="solid", color="w")
    lon.set_ticklabel(color="w", alpha=0.8)


def add_colorbar(image: Any, ax: Any, axes_loc: dict[str, Any] | None = None, **kwargs: Any) -> Any:
    """Add a colour bar of the height of the picture beside it.

    Parameters
    ----------
    image : image of matplotlib
    ax : matplotlib axes of the picture
    axes_loc : dict, optional
        Arguments of ``append_axes``, such as ``position``, ``size`` and ``pad``.
    **kwargs : dict, passed to ``colorbar`` of matplotlib

    Returns
    -------
    colorbar : Colorbar
    """
    place = {"position": "right", "size": "5%", "pad": "2%", "axes_class": Axes} | (axes_loc or {})
    kwargs.setdefault("orientation", "vertical")
    bar_axes = make_axes_locatable(ax).append_axes(**place)
    return ax.figure.colorbar(image, cax=bar_axes, **kwargs)


def energy_text(energy: u.Quantity) -> str:
    """Energy in the unit that suits it, with few digits: ``1.00 TeV``, ``12.6 GeV``."""
    step = floor(log10(energy.to_value("eV")) / 3)  # a new unit every three decades
    unit = _ENERGY_UNITS[min(max(step, 0), len(_ENERGY_UNITS) - 1)]
    value = energy.to_value(unit)
    digits = (2, 1, 0)[min(max(floor(log10(value)), 0), 2)]
    return f"{value:0.{digits}f} {unit}"


def plot_grid(m: "WcsNDMap", figsize: Any = None, ncols: int = 3, **kwargs: Any) -> Any:
    """Draw one image for each bin of the axis, see `Map.plot_grid`."""
    if len(m.geom.axes) != 1:
        raise ValueError(f"Grid plotting is only supported for one non spatial axis, got {m.geom.axes.names}")
    axis = m.geom.axes[0]
    columns = min(ncols, axis.nbin)
    rows = 1 + (axis.nbin - 1) // columns
    fig = plt.figure(figsize=(12, 12 * rows / columns) if figsize is None else figsize)
    axes = fig.subplots(
        ncols=columns,
        nrows=rows,
        squeeze=False,
        subplot_kw={"projection": m.geom.wcs},
        gridspec_kw={"hspace": 0.25, "wspace": 0.1},
    )
    host = m.to("cpu")
    for i, ax in enumerate(axes.flat):
        if i >= axis.nbin:
            ax.set_visible(False)
            continue
        plot_map(host.get_image_by_idx((i,)), ax=ax, **kwargs)
        ax.set_title(f"{axis.name.capitalize()} {_bin_text(axis, i)}")
        _label_outer_axes(ax, is_left=i % columns == 0, is_lowest=i // columns == rows - 1)
    return axes


def _bin_text(axis: Any, i: int) -> str:
    is_energy = axis.name in ("energy", "energy_true")
    if axis.node_type == "edges":
        text = energy_text if is_energy else "{:.1f}".format
        return f"{text(axis.edges[i])} - {text(axis.edges[i + 1])}"
    if axis.node_type == "center":
        return energy_text(axis.center[i]) if is_energy else f"{axis.center[i]:.1f}"
    return str(axis.as_plot_labels[i])


def _label_outer_axes(ax: Any, *, is_left: bool, is_lowest: bool) -> None:
    lon, lat = ax.coords[0], ax.coords[1]
    lon.set_ticks_position("b")
    lat.set_ticks_position("l")
    for coordinate, is_outer in ((lat, is_left), (lon, is_lowest)):
        if not is_outer:
            coordinate.set_ticklabel_visible(False)
            coordinate.set_axislabel("")


def plot_region_map(m: "RegionNDMap", ax: Any = None, axis_name: str | None = None, **kwargs: Any) -> Any:
    """Draw the values along an axis, see `RegionNDMap.plot`."""
    axes = m.geom.axes
    if axis_name is None:
        wide = [axis.name for axis in axes if axis.nbin > 1] or axes.names[:1]
        if len(wide) != 1:
            raise ValueError(f"axis_name must be given for a map with several axes, one of {axes.names}")
        axis_name = wide[0]
    axis = axes[axis_name]
    place = axes.index_data(axis_name)
    lines = np.moveaxis(to_host(m.data), place, -1)  # host: matplotlib draws NumPy arrays
    errors = {name: kwargs.pop(name) for name in ("yerr", "uplims") if kwargs.get(name) is not None}
    others = [other for other in axes if other.name != axis_name]
    with quantity_support():
        ax = plt.gca() if ax is None else ax
        kwargs = {"marker": "o", "markersize": 4, "ls": "None", "xerr": axis.as_plot_xerr} | kwargs
        label = kwargs.pop("label", None)
        indices = product(*(range(other.nbin) for other in others[::-1]))
        for index in indices:
            name = " ".join(other.as_plot_labels[i] for other, i in zip(others, index[::-1], strict=True))
            where = (*index, 0, 0)
            bars = {key: _along(value, place, where) for key, value in errors.items()}
            y = u.Quantity(lines[where], m.unit)
            ax.errorbar(x=axis.as_plot_center, y=y, label=name if label is None else label, **bars, **kwargs)
    axis.format_plot_xaxis(ax=ax)
    if "energy" in axis_name:
        ax.set_yscale("log", nonpositive="clip")
    return ax


def _along(value: Any, place: int, where: tuple[int, ...]) -> Any:
    """Error bars of one line, out of those of a map; a pair is lower and upper."""
    if isinstance(value, tuple):
        return tuple(_along(part, place, where) for part in value)
    return np.moveaxis(value, place, -1)[where]


def plot_region_hist(m: "RegionNDMap", ax: Any = None, **kwargs: Any) -> Any:
    """Draw the values as a histogram, see `RegionNDMap.plot_hist`."""
    if len(m.geom.axes) != 1:
        raise ValueError(f"Plotting is only supported for maps with one axis, got {m.geom.axes.names}")
    axis = m.geom.axes[0]
    kwargs.setdefault("histtype", "step")
    kwargs.setdefault("lw", 1)
    with quantity_support():
        ax = plt.gca() if ax is None else ax
        weights = to_host(m.data)[:, 0, 0]  # host: matplotlib draws NumPy arrays
        ax.hist(axis.as_plot_center, bins=axis.as_plot_edges, weights=weights, **kwargs)
    if m.unit != u.dimensionless_unscaled:
        ax.set_ylabel(f"Data [{m.unit.to_string('latex_inline')}]")
    axis.format_plot_xaxis(ax=ax)
    ax.set_yscale("log")
    return ax


def plot_region_mask(m: "RegionNDMap", ax: Any = None, **kwargs: Any) -> Any:
    """Shade the energies where a mask is True, see `RegionNDMap.plot_mask`."""
    if not m.is_mask:
        raise ValueError("This is not a mask and cannot be plotted")
    style = {"color": "k", "alpha": 0.05, "label": "mask"} | kwargs
    ax = plt.gca() if ax is None else ax
    edges = m.geom.axes["energy"].edges
    steps = np.diff(to_host(m.data).reshape(-1).astype(int), prepend=0, append=0)  # host: matplotlib draws NumPy arrays
    with quantity_support():
        for start, stop in zip(np.flatnonzero(steps > 0), np.flatnonzero(steps < 0), strict=True):
            ax.axvspan(edges[start], edges[stop], **style)
    return ax
