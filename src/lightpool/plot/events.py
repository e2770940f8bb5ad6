"""Plots of event lists."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.coordinates import SkyCoord
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from lightpool.maps import MapAxis, WcsGeom, WcsNDMap
from lightpool.plot.axes import format_xaxis, format_yaxis
from lightpool.plot.maps import add_colorbar
from lightpool.plot.style import fit_alone

if TYPE_CHECKING:
    from lightpool.data.event_list import EventList

__all__ = [
    "event_image",
    "no_events",
    "peek_events",
    "plot_event_energy",
    "plot_event_energy_offset",
    "plot_event_image",
    "plot_event_offset2",
    "plot_event_time",
]

_HELD = 99  # percent of the events that the width of the sky image holds: single events may lie far off


def _axes(ax: Axes | None) -> Axes:
    return plt.gca() if ax is None else ax


def _energies(events: "EventList") -> NDArray[np.float64]:
    energy = events.energy.value
    return np.asarray(energy[np.isfinite(energy) & (energy > 0)], dtype=float)


def _energy_axis(events: "EventList") -> MapAxis | None:
    energy = _energies(events)
    # an axis needs two different edges
    if energy.size == 0 or energy.min() == energy.max():
        return None
    return MapAxis.from_energy_bounds(energy.min(), energy.max(), nbin=50, unit=events.energy.unit)


def _center(events: "EventList", center: SkyCoord | None = None) -> SkyCoord:
    if center is not None:
        return center
    found: SkyCoord = events.pointing_radec if events.is_pointed_observation else events.galactic_median
    return found


def _offsets(events: "EventList", center: SkyCoord) -> NDArray[np.float64]:
    """Return the separations from a centre in deg, finite ones only."""
    offset = center.separation(events.radec).deg
    return np.asarray(offset[np.isfinite(offset)])


def no_events(ax: Axes) -> Axes:
    """Say on axes that there is nothing to draw."""
    ax.text(0.5, 0.5, "too few events", ha="center", va="center", transform=ax.transAxes)
    return ax


def plot_event_energy(events: "EventList", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Draw the counts against energy.

    Parameters
    ----------
    events : EventList
    ax : Axes, optional
        The current axes by default.
    **kwargs
        Keywords of ``Axes.hist``.
    """
    ax, axis = _axes(ax), _energy_axis(events)
    if axis is None:
        return no_events(ax)
    options: dict[str, Any] = {"log": True, "histtype": "step", "bins": axis.edges.value} | kwargs
    ax.hist(_energies(events), **options)
    format_xaxis(axis, ax)
    ax.set_ylabel("Counts")
    return ax


def plot_event_time(events: "EventList", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Draw the counts against the time since the first event.

    Parameters
    ----------
    events : EventList
    ax : Axes, optional
        The current axes by default.
    **kwargs
        Keywords of ``Axes.errorbar``.
    """
    ax = _axes(ax)
    time = events.arrays["time"]
    time = time[np.isfinite(time)]
    if time.size == 0:
        return no_events(ax)
    counts, edges = np.histogram(time - time.min(), bins=20)
    half = np.diff(edges) / 2
    options: dict[str, Any] = {"fmt": "none"} | kwargs
    ax.errorbar(edges[:-1] + half, counts, xerr=half, yerr=np.sqrt(counts), **options)
    ax.set_xlabel("Time [s]")
    ax.set_ylabel("Counts")
    return ax


def plot_event_offset2(
    events: "EventList",
    ax: Axes | None = None,
    center: SkyCoord | None = None,
    max_percentile: float = 98,
    **kwargs: object,
) -> Axes:
    """Draw the counts against the squared offset in deg2.

    Parameters
    ----------
    events : EventList
    ax : Axes, optional
        The current axes by default.
    center : SkyCoord, optional
        Position from which offsets are measured; the pointing by default.
    max_percentile : float
        Percentage of the events inside the plotted range.
    **kwargs
        Keywords of ``Axes.hist``; ``bins`` may be a Quantity.
    """
    ax = _axes(ax)
    if len(events) == 0:
        return no_events(ax)
    offset2 = _offsets(events, _center(events, center)) ** 2
    limit = float(np.percentile(offset2, q=max_percentile))
    options: dict[str, Any] = {"histtype": "step", "bins": 30, "range": (0.0, limit)} | kwargs
    if isinstance(options["bins"], u.Quantity):
        options["bins"] = options["bins"].to_value("deg2")
    ax.hist(offset2, **options)
    ax.set_xlabel(r"Offset$^2$ [$\mathrm{deg^{2}}$]")
    ax.set_ylabel("Counts")
    return ax


def plot_event_energy_offset(
    events: "EventList", ax: Axes | None = None, center: SkyCoord | None = None, **kwargs: object
) -> Axes:
    """Draw the counts against energy and offset.

    Parameters
    ----------
    events : EventList
    ax : Axes, optional
        The current axes by default.
    center : SkyCoord, optional
        Position from which offsets are measured; the pointing by default.
    **kwargs
        Keywords of ``Axes.pcolormesh``.
    """
    is_given = ax is not None
    ax, axis = _axes(ax), _energy_axis(events)
    if axis is None:
        return no_events(ax)
    offset = _center(events, center).separation(events.radec).deg
    good = np.isfinite(offset)
    # twice the offset that most events are within, so that single events far off do not stretch the axis
    limit = min(offset[good].max(), 2 * np.percentile(offset[good], _HELD))
    offset_axis = MapAxis.from_bounds(0, float(limit), nbin=30, unit="deg", name="offset")
    edges = axis.edges.value, offset_axis.edges.value
    counts = np.histogram2d(events.energy.value[good], offset[good], bins=edges)[0]
    options: dict[str, Any] = {"norm": LogNorm()} | kwargs
    # transposed: pcolormesh takes (n_y, n_x)
    add_colorbar(ax.pcolormesh(*edges, counts.T, **options), ax, label="Counts")
    format_xaxis(axis, ax)
    format_yaxis(offset_axis, ax)
    if not is_given:
        fit_alone(ax)
    return ax


def event_image(events: "EventList", allsky: bool = False) -> WcsNDMap:
    """Return a smoothed counts map in Galactic coordinates.

    Parameters
    ----------
    events : EventList
    allsky : bool
        Whether the map covers the whole sky, or only the region around the pointing.
    """
    if allsky:
        geom = WcsGeom.create(npix=(360, 180), binsz=1.0, proj="AIT", frame="galactic")
    else:
        center = _center(events)
        # twice the radius; at least 0.5 deg, and at most 120 deg, since TAN shows less than a hemisphere
        width = float(np.clip(2 * np.percentile(_offsets(events, center), _HELD), 0.5, 120))
        geom = WcsGeom.create(skydir=center, width=width, binsz=0.05, proj="TAN", frame="galactic")
    image = WcsNDMap(geom, device="cpu")
    image.fill_by_coord({"skycoord": events.radec})
    return image.smooth(width=0.5)  # pixels


def plot_event_image(events: "EventList", ax: Axes | None = None, allsky: bool = False) -> Axes:
    """Draw a smoothed counts map of the sky.

    Parameters
    ----------
    events : EventList
    ax : WCSAxes, optional
        New axes on the current figure by default.
    allsky : bool
        See `event_image`.
    """
    drawn: Axes = event_image(events, allsky=allsky).plot(ax=ax, stretch="sqrt")
    return drawn


def peek_events(events: "EventList", allsky: bool = False) -> None:
    """Draw energies, times and the sky, and offsets unless ``allsky``.

    Parameters
    ----------
    events : EventList
    allsky : bool
    """
    n_column = 2 if allsky else 3
    figure = plt.figure(figsize=(8, 8) if allsky else (12, 8))
    grid = figure.add_gridspec(nrows=2, ncols=n_column, wspace=0.4)
    plot_event_energy(events, ax=figure.add_subplot(grid[1, 0]))
    plot_event_time(events, ax=figure.add_subplot(grid[1, 1]))
    if not allsky:
        plot_event_offset2(events, ax=figure.add_subplot(grid[0, 1]))
        plot_event_energy_offset(events, ax=figure.add_subplot(grid[0, 2]))
    if len(events) == 0:
        no_events(figure.add_subplot(grid[0, 0]))
        return
    image = event_image(events, allsky=allsky)
    panel = grid[0, :] if allsky else grid[0, 0]
    image.plot(ax=figure.add_subplot(panel, projection=image.geom.wcs), stretch="sqrt", vmin=0)
