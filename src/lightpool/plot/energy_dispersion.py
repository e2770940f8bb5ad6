"""Plots of energy dispersions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import astropy.units as u
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

from lightpool.irf.reduced.energy_dispersion import edisp_kernel_at
from lightpool.irf.tables.places import first_place, places_at
from lightpool.plot.maps import energy_text
from lightpool.plot.tables import draw_curves, draw_image, panels_in_a_row
from lightpool.typing import QuantityLike
from lightpool.utils.quantities import each

if TYPE_CHECKING:
    from lightpool.irf.tables.edisp_table import EnergyDispersionTable

__all__ = ["peek_edisp", "plot_edisp_bias", "plot_edisp_migration"]

_ENERGIES = u.Quantity([0.1, 1, 10], "TeV")


def plot_edisp_bias(
    edisp: "EnergyDispersionTable",
    ax: Axes | None = None,
    offset: "QuantityLike | None" = None,
    add_cbar: bool = False,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Axes:
    """Draw the probability density as an image over true energy and migra at one offset.

    Parameters
    ----------
    edisp : EnergyDispersionTable
    ax : Axes, optional
        The current axes by default.
    offset : Quantity, optional
        1 deg by default, or 0 if the table depends on the direction.
    add_cbar : bool
        Whether to add a colour bar.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bar, see `lightpool.plot.maps.add_colorbar`.
    **kwargs
        Keywords of ``Axes.pcolormesh``.
    """
    density = edisp.evaluate(**first_place(edisp, edisp.default_offset if offset is None else offset)).value
    density = density.reshape(density.shape[:2])  # (n_energy_true, n_migra)
    style = {"norm": PowerNorm(gamma=0.5)} | kwargs
    energy, migra = edisp.axes["energy_true"], edisp.axes["migra"]
    return draw_image(ax, energy, migra, density, "Probability density", style, add_cbar, axes_loc, kwargs_colorbar)


def plot_edisp_migration(
    edisp: "EnergyDispersionTable",
    ax: Axes | None = None,
    offset: "QuantityLike | None" = None,
    energy_true: "QuantityLike | None" = None,
    **kwargs: object,
) -> Axes:
    """Draw the probability density against migra, one curve for each offset, direction and true energy.

    Parameters
    ----------
    edisp : EnergyDispersionTable
    ax : Axes, optional
        The current axes by default.
    offset : Quantity, optional
        1 deg by default, or 0 if the table depends on the direction.
    energy_true : Quantity, optional
        0.1, 1 and 10 TeV by default.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    offset = edisp.default_offset if offset is None else offset
    migra = edisp.axes["migra"]
    curves = [
        (
            f"offset = {o:.1f}{direction}\nenergy = {energy_text(e)}",
            edisp.evaluate(energy_true=e, migra=migra.center, **place),
        )
        for e in each(_ENERGIES if energy_true is None else energy_true)
        for o, direction, place in places_at(edisp, offset)
    ]
    return draw_curves(ax, migra, curves, "Probability density", kwargs)


def peek_edisp(edisp: "EnergyDispersionTable", figsize: tuple[float, float] = (15, 5)) -> None:
    """Draw the bias, the migration and the matrix of the kernel.

    Parameters
    ----------
    edisp : EnergyDispersionTable
    figsize : tuple of float
        Width and height in inches.
    """
    figure, axes = panels_in_a_row(3, figsize)
    plot_edisp_bias(edisp, ax=axes[0])
    plot_edisp_migration(edisp, ax=axes[1])
    place = cast("dict[str, u.Quantity]", first_place(edisp, edisp.default_offset))
    edisp_kernel_at(edisp, place).plot_matrix(ax=axes[2])
    figure.tight_layout()
