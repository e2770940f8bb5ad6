"""Plots of point spread functions."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from matplotlib.axes import Axes

from lightpool.irf.tables.places import Place, places_at
from lightpool.plot.field_of_view import draw_field_of_view
from lightpool.plot.maps import energy_text
from lightpool.plot.tables import draw_curves, draw_image, panels_in_a_row, spread_over, unit_text
from lightpool.typing import QuantityLike
from lightpool.utils.quantities import each

if TYPE_CHECKING:
    from lightpool.irf.tables.psf_table import PSF

__all__ = ["peek_psf", "plot_psf_radius", "plot_psf_radius_vs_energy", "plot_psf_vs_rad"]


def plot_psf_radius_vs_energy(
    psf: "PSF", ax: Axes | None, fraction: float | Sequence[float], offset: QuantityLike, **kwargs: object
) -> Axes:
    """Draw the containment radius against energy, one curve for each offset, direction and fraction.

    Parameters
    ----------
    psf : PSF
    ax : Axes or None
        The current axes if None.
    fraction : float or sequence of float
        Fractions of the events inside the radius, 0 to 1.
    offset : Quantity
    **kwargs
        Keywords of ``Axes.plot``.
    """
    energy = psf.axes["energy_true"]
    curves = [
        (
            f"{o}{direction}, {100 * f:.1f}%",
            psf.containment_radius(energy_true=energy.center, fraction=f, **place),
        )
        for o, direction, place in places_at(psf, offset)
        for f in np.atleast_1d(np.asarray(fraction))
    ]
    return draw_curves(ax, energy, curves, f"Containment radius {unit_text(curves[0][1].unit)}", kwargs)


def plot_psf_radius(
    psf: "PSF",
    ax: Axes | None,
    fraction: float,
    add_cbar: bool,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Axes:
    """Draw the containment radius as an image over energy and offset; over the field of view if it is not symmetric.

    The latter is at the middle of the energies, which the title names.

    Parameters
    ----------
    psf : PSF
    ax : Axes or None
        The current axes if None.
    fraction : float
        Fraction of the events inside the radius, 0 to 1.
    add_cbar : bool
        Whether to add a colour bar.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bar, see `lightpool.plot.maps.add_colorbar`.
    **kwargs
        Keywords of ``Axes.pcolormesh``.
    """
    energy, unit = psf.axes["energy_true"], psf.rad_axis().unit
    label = f"Containment radius R{100 * fraction:.0f} {unit_text(unit)}"
    if psf.has_offset_axis:
        offset = psf.axes["offset"]
        radius = psf.containment_radius(fraction, energy_true=energy.center[:, np.newaxis], offset=offset.center).value
        return draw_image(ax, energy, offset, radius, label, kwargs, add_cbar, axes_loc, kwargs_colorbar)
    (middle,) = spread_over(energy, 1)
    values_at = partial(_radius_at, psf, fraction, middle)
    ax = draw_field_of_view(ax, psf, values_at, label, kwargs, add_cbar, axes_loc, kwargs_colorbar)
    ax.set_title(energy_text(middle))
    return ax


def _radius_at(psf: "PSF", fraction: float, energy: u.Quantity, place: Place) -> u.Quantity:
    return psf.containment_radius(fraction, energy_true=energy, **place)


def plot_psf_vs_rad(
    psf: "PSF", ax: Axes | None, offset: QuantityLike, energy_true: "QuantityLike", **kwargs: object
) -> Axes:
    """Draw the profile against the distance from the centre, one curve for each offset, direction and energy.

    Parameters
    ----------
    psf : PSF
    ax : Axes or None
        The current axes if None.
    offset, energy_true : Quantity
    **kwargs
        Keywords of ``Axes.plot``.
    """
    rad = psf.rad_axis()
    curves = [
        (
            f"Offset: {o:.1f}{direction}, Energy: {energy_text(e)}",
            psf.evaluate(rad=rad.center, energy_true=e, **place),
        )
        for o, direction, place in places_at(psf, offset)
        for e in each(energy_true)
    ]
    return draw_curves(ax, rad, curves, f"PSF {unit_text(curves[0][1].unit)}", kwargs, log=True)


def peek_psf(psf: "PSF", figsize: tuple[float, float] = (15, 5)) -> None:
    """Draw the containment radii of 68 % and 95 % over energy and offset or the field of view, and against energy.

    Parameters
    ----------
    psf : PSF
    figsize : tuple of float
        Width and height in inches.
    """
    figure, axes = panels_in_a_row(3, figsize)
    # the third panel is for the curves
    for ax, fraction in zip(axes, (0.68, 0.95), strict=False):
        plot_psf_radius(psf, ax, fraction, add_cbar=True)
    plot_psf_radius_vs_energy(psf, axes[2], (0.68, 0.95), u.Quantity((0, 1), "deg"))
    figure.tight_layout()
