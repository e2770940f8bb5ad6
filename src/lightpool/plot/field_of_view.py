"""Response tables over the field of view, whatever their coordinates there are."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, cast

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lightpool.irf.tables.places import Place
from lightpool.maps import MapAxis
from lightpool.plot.axes import axis_label
from lightpool.plot.maps import energy_text
from lightpool.plot.tables import draw_mesh
from lightpool.typing import QuantityLike
from lightpool.utils.quantities import each

if TYPE_CHECKING:
    from lightpool.irf import IRF

__all__ = ["default_offsets", "draw_at_energies", "draw_field_of_view", "offset_axis"]


_TURN_BINS = 72  # parts of a circle that is drawn as a polygon
_OFFSET_BINS = 30


def _extent(table: "IRF") -> u.Quantity:
    """Return the largest offset along the axes of the field of view."""
    axes = [cast(MapAxis, table.axes[name]) for name in table.field_arguments if name != "phi"]
    return u.Quantity([np.abs(axis.edges).max() for axis in axes]).max()


def offset_axis(table: "IRF") -> MapAxis:
    """Return the offsets at which a table is drawn: its own axis, or small steps up to its largest offset."""
    for name in ("offset", "rho"):
        if name in table.field_arguments:
            return cast(MapAxis, table.axes[name]).copy(name="offset")
    extent = _extent(table)
    return MapAxis.from_bounds(0, float(extent.value), nbin=_OFFSET_BINS, unit=extent.unit, name="offset")


def default_offsets(table: "IRF", n_offset: int = 4) -> u.Quantity:
    """Return offsets over the range of a table: two if it depends on the direction, so that there are few curves.

    Parameters
    ----------
    table : IRF
    n_offset : int
        Number of offsets of a table that is symmetric around the pointing; that of its only bin if there is one.
    """
    if not table.has_offset_axis:
        return u.Quantity([0 * u.deg, _extent(table) / 2])
    axis = table.axes["offset"]
    return axis.center if axis.nbin == 1 else u.Quantity(np.linspace(axis.bounds[0], axis.bounds[1], n_offset))


def draw_field_of_view(
    ax: Axes | None,
    table: "IRF",
    values_at: Callable[[Place], u.Quantity],
    label: str,
    style: Mapping[str, object],
    add_cbar: bool = True,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
) -> Axes:
    """Draw values as an image over longitude and latitude in the field of view.

    Parameters
    ----------
    ax : Axes or None
        The current axes if None.
    table : IRF
        With axes in longitude and latitude, or in offset and angle around the pointing.
    values_at : callable
        Returns the values, shape (n_lat, n_lon), at a place of this shape.
    label : str
        Of the colour bar.
    style : dict
        Keywords of ``Axes.pcolormesh``.
    add_cbar : bool
        Whether to add a colour bar.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bar, see `lightpool.plot.maps.add_colorbar`.
    """
    lon, lat, place = _mesh(table)
    values = np.asarray(values_at(place).value).reshape(lon.shape[0] - 1, lon.shape[1] - 1)
    ax = draw_mesh(ax, lon, lat, values, label, style, add_cbar, axes_loc, kwargs_colorbar)
    ax.set_xlabel(axis_label(_degrees("fov_lon")))
    ax.set_ylabel(axis_label(_degrees("fov_lat")))
    ax.set_aspect("equal", "box")
    return ax


def draw_at_energies(
    table: "IRF",
    energies: QuantityLike,
    values_at: Callable[[u.Quantity, Place], u.Quantity],
    label: str,
    style: Mapping[str, object],
    add_cbar: bool = True,
    ncols: int = 3,
    figsize: tuple[float, float] | None = None,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
) -> NDArray[np.object_]:
    """Draw images in the field of view in a new figure, one for each energy.

    Parameters
    ----------
    table : IRF
    energies : Quantity
    values_at : callable
        Returns the values at an energy and a place, see `draw_field_of_view`.
    label, style, add_cbar, axes_loc, kwargs_colorbar
        See `draw_field_of_view`.
    ncols : int
        Maximum number of columns.
    figsize : tuple of float, optional
        Width and height in inches.

    Returns
    -------
    axes : array of Axes, shape (n_row, n_column)
    """
    values = each(energies)
    columns = min(ncols, len(values))
    rows = -(-len(values) // columns)  # rounded up
    size = (12, 12 * rows / columns / (1.15 if add_cbar else 1)) if figsize is None else figsize
    grid = {"hspace": 0.3, "wspace": 0.8}
    _, axes = plt.subplots(ncols=columns, nrows=rows, figsize=size, squeeze=False, gridspec_kw=grid)
    panels: list[Axes] = list(axes.flat)
    for ax, energy in zip(panels, values, strict=False):
        values_of = partial(values_at, energy)
        draw_field_of_view(ax, table, values_of, label, style, add_cbar, axes_loc, kwargs_colorbar)
        ax.set_title(energy_text(energy))
    for ax in panels[len(values) :]:
        ax.remove()
    return axes


def _degrees(name: str) -> MapAxis:
    return MapAxis.from_edges([0, 1], unit="deg", name=name)


def _mesh(table: "IRF") -> tuple[NDArray[np.float64], NDArray[np.float64], Place]:
    """Return longitude and latitude of the corners in deg, shape (n_y + 1, n_x + 1), and the centres of the pixels."""
    if "phi" in table.field_arguments:
        rho, phi = (cast(MapAxis, table.axes[name]) for name in ("rho", "phi"))
        fine = phi.upsample(max(_TURN_BINS // phi.nbin, 1))
        radius, angle = np.meshgrid(rho.edges.to_value("deg"), fine.edges.to_value("rad"))
        place: Place = {"rho": rho.center[np.newaxis, :], "phi": fine.center[:, np.newaxis]}
        return radius * np.sin(angle), radius * np.cos(angle), place
    lon, lat = table.axes["fov_lon"], table.axes["fov_lat"]
    x, y = np.meshgrid(lon.edges.to_value("deg"), lat.edges.to_value("deg"))
    return x, y, {"fov_lon": lon.center[np.newaxis, :], "fov_lat": lat.center[:, np.newaxis]}
