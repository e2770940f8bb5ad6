"""Plots of effective areas."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lightpool.irf.tables.places import Place, directions_of, places_at
from lightpool.plot.field_of_view import default_offsets, draw_at_energies, draw_field_of_view, offset_axis
from lightpool.plot.maps import energy_text
from lightpool.plot.tables import draw_curves, draw_image, panels_in_a_row, spread_over, unit_text
from lightpool.typing import QuantityLike
from lightpool.utils.quantities import each

if TYPE_CHECKING:
    from lightpool.irf.tables.effective_area import EffectiveArea

__all__ = [
    "peek_aeff",
    "plot_aeff",
    "plot_aeff_at_energy",
    "plot_aeff_energy_dependence",
    "plot_aeff_offset_dependence",
]


def plot_aeff(
    aeff: "EffectiveArea",
    ax: Axes | None = None,
    add_cbar: bool = True,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Axes:
    """Draw the effective area as an image over energy and offset; over the field of view if it is not symmetric.

    The latter is at the middle of the energies, which the title names.

    Parameters
    ----------
    aeff : EffectiveArea
    ax : Axes, optional
        The current axes by default.
    add_cbar : bool
        Whether to add a colour bar.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bar, see `lightpool.plot.maps.add_colorbar`.
    **kwargs
        Keywords of ``Axes.pcolormesh``.
    """
    energy = aeff.axes["energy_true"]
    label = f"Effective Area {unit_text(aeff.unit)}"
    if aeff.has_offset_axis:
        area, offset = aeff.evaluate().value, aeff.axes["offset"]
        return draw_image(ax, energy, offset, area, label, kwargs, add_cbar, axes_loc, kwargs_colorbar)
    (middle,) = spread_over(energy, 1)
    values_at = partial(_area_at, aeff, middle)
    ax = draw_field_of_view(ax, aeff, values_at, label, kwargs, add_cbar, axes_loc, kwargs_colorbar)
    ax.set_title(energy_text(middle))
    return ax


def _area_at(aeff: "EffectiveArea", energy: u.Quantity, place: Place) -> u.Quantity:
    return aeff.evaluate(energy_true=energy, **place)


def plot_aeff_at_energy(
    aeff: "EffectiveArea",
    energy: QuantityLike,
    add_cbar: bool = True,
    ncols: int = 3,
    figsize: tuple[float, float] | None = None,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> NDArray[np.object_]:
    """Draw the effective area in the field of view, one image for each energy.

    Parameters
    ----------
    aeff : EffectiveArea
        With axes in longitude and latitude, or in offset and angle around the pointing.
    energy : Quantity
        True energies.
    add_cbar, ncols, figsize, axes_loc, kwargs_colorbar
        See `lightpool.plot.field_of_view.draw_at_energies`.
    **kwargs
        Keywords of ``Axes.pcolormesh``.

    Returns
    -------
    axes : array of Axes, shape (n_row, n_column)
    """
    return draw_at_energies(
        aeff,
        energy,
        partial(_area_at, aeff),
        label=f"Effective Area {unit_text(aeff.unit)}",
        style=kwargs,
        add_cbar=add_cbar,
        ncols=ncols,
        figsize=figsize,
        axes_loc=axes_loc,
        kwargs_colorbar=kwargs_colorbar,
    )


def plot_aeff_energy_dependence(
    aeff: "EffectiveArea", ax: Axes | None = None, offset: "QuantityLike | None" = None, **kwargs: object
) -> Axes:
    """Draw the effective area against energy, one curve for each offset and direction.

    Parameters
    ----------
    aeff : EffectiveArea
    ax : Axes, optional
        The current axes by default.
    offset : Quantity, optional
        Offsets over the range of the table by default.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    curves = [
        (f"offset = {value:.1f}{direction}", aeff.evaluate(**place))
        for value, direction, place in places_at(aeff, default_offsets(aeff) if offset is None else offset)
    ]
    return draw_curves(ax, aeff.axes["energy_true"], curves, f"Effective Area {unit_text(aeff.unit)}", kwargs)


def plot_aeff_offset_dependence(
    aeff: "EffectiveArea", ax: Axes | None = None, energy: "QuantityLike | None" = None, **kwargs: object
) -> Axes:
    """Draw the effective area relative to its maximum against offset, one curve for each energy and direction.

    Energies without any effective area are left out.

    Parameters
    ----------
    aeff : EffectiveArea
    ax : Axes, optional
        The current axes by default.
    energy : Quantity, optional
        True energies; by default four over the range of the table, or one for four directions.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    curves = []
    axis = offset_axis(aeff)
    energies = spread_over(aeff.axes["energy_true"], 4 if aeff.has_offset_axis else 1) if energy is None else energy
    for value in each(energies):
        areas = {
            name: aeff.evaluate(energy_true=value, **place_at(axis.center))
            for name, place_at in directions_of(aeff).items()
        }
        highest = max(area.max() for area in areas.values())
        # not where it is zero at all offsets: there is nothing to divide by
        if highest > 0:
            curves += [(f"energy = {energy_text(value)} {name}", area / highest) for name, area in areas.items()]
    ax = draw_curves(ax, axis, curves, "Relative Effective Area", kwargs)
    ax.set_ylim(0, 1.1)
    return ax


def peek_aeff(aeff: "EffectiveArea", figsize: tuple[float, float] = (15, 5)) -> None:
    """Draw curves over energy, over offset unless the response is point-like, and the image.

    Parameters
    ----------
    aeff : EffectiveArea
    figsize : tuple of float
        Width and height in inches.
    """
    n_plot = 2 if aeff.is_pointlike else 3
    figure, axes = panels_in_a_row(n_plot, figsize)
    plot_aeff_energy_dependence(aeff, ax=axes[0])
    if not aeff.is_pointlike:
        plot_aeff_offset_dependence(aeff, ax=axes[1])
    plot_aeff(aeff, ax=axes[-1])
    figure.tight_layout()
