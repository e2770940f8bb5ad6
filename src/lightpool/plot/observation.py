"""Plots of observations: events, and responses as tables or as maps on the sky."""

from typing import TYPE_CHECKING, TypeAlias

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from lightpool.irf import (
    IRF,
    Background2D,
    Background3D,
    EDispKernelMap,
    EDispMap,
    IRFMap,
    PSFMap,
    RadMax2D,
)
from lightpool.irf.tables.edisp_table import EnergyDispersionTable
from lightpool.irf.tables.effective_area import EffectiveArea
from lightpool.irf.tables.psf_table import PSF
from lightpool.maps import Map
from lightpool.plot.events import event_image, no_events
from lightpool.plot.irf_maps import central_kernel
from lightpool.plot.maps import bin_text
from lightpool.plot.sky_panels import draw_on_sky
from lightpool.plot.style import data_label

if TYPE_CHECKING:
    from lightpool.data.event_list import EventList
    from lightpool.data.observation import Observation

__all__ = ["peek_observation"]

Response: TypeAlias = "IRF | IRFMap | Map"

_TITLES = {
    "aeff": "Effective area",
    "bkg": "Background rate",
    "edisp": "Energy dispersion",
    "events": "Events",
    "psf": "Point spread function",
    "rad_max": "Rad max",
}


def peek_observation(observation: "Observation", figsize: tuple[float, float] = (15, 10)) -> None:
    """Draw the sky map of the events and a plot of each response.

    A response that is a map on the sky is drawn at the middle of its energies or, if it depends on more than the
    energy, at the centre of the map.

    Parameters
    ----------
    observation : Observation
    figsize : tuple of float
        Width and height in inches.
    """
    names = sorted(set(_TITLES) & set(observation.available_hdus))
    # up to three plots in one row, more in two
    n_row, n_column = (1, max(len(names), 1)) if len(names) < 4 else (2, -(-len(names) // 2))
    figure = plt.figure(figsize=figsize)
    grid = figure.add_gridspec(n_row, n_column, wspace=0.55, hspace=0.3)
    for panel, name in zip([grid[i] for i in range(len(names))], names, strict=True):
        part = getattr(observation, name)
        if name == "events":
            _draw_events(figure, panel, part)
        elif isinstance(part, Map):
            _draw_map(figure, panel, part, _TITLES[name])
        else:
            ax: Axes = figure.add_subplot(panel)
            _draw_response(ax, part)
            ax.set_title(_TITLES[name])


def _draw_events(figure: Figure, panel: SubplotSpec, events: "EventList | None") -> None:
    if events:
        label = {"label": "Counts per pixel"}
        draw_on_sky(
            figure, panel, event_image(events), _TITLES["events"], stretch="sqrt", vmin=0, kwargs_colorbar=label
        )
    else:
        no_events(figure.add_subplot(panel)).set_title(_TITLES["events"])


def _draw_map(figure: Figure, panel: SubplotSpec, response: Map, title: str) -> None:
    """Draw the middle bin of each axis; all of them for a region."""
    if response.geom.is_region:
        response.plot(ax=figure.add_subplot(panel)).set_title(title)
        return
    axes = response.geom.axes
    middle = {axis.name: axis.nbin // 2 for axis in axes}
    bins = "\n".join(bin_text(axis, middle[axis.name]) for axis in axes)
    label = data_label(response.unit, title)
    image = response.slice_by_idx(middle)
    draw_on_sky(figure, panel, image, f"{title}\n{bins}", kwargs_colorbar={"label": label})


def _draw_response(ax: Axes, response: Response) -> None:
    if isinstance(response, EffectiveArea):
        # an image of the field of view shows one energy only
        (response.plot if response.has_offset_axis else response.plot_energy_dependence)(ax=ax)
    elif isinstance(response, EnergyDispersionTable):
        response.plot_bias(ax=ax, add_cbar=True)
    elif isinstance(response, PSF | PSFMap):
        response.plot_containment_radius_vs_energy(ax=ax)
    elif isinstance(response, Background2D | Background3D):
        (response if isinstance(response, Background2D) else response.to_2d()).plot(ax=ax)
    elif isinstance(response, RadMax2D):
        response.plot_rad_max_vs_energy(ax=ax)
    elif isinstance(response, EDispMap | EDispKernelMap):
        central_kernel(response).plot_matrix(ax=ax, add_cbar=True)
    else:  # of a class that a user has added
        ax.set_axis_off()
        ax.text(0.5, 0.5, f"no plot of {type(response).__name__}", ha="center", va="center", transform=ax.transAxes)
