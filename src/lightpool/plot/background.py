"""Plots of background rates."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from lightpool.irf import Background2D
from lightpool.plot.field_of_view import draw_at_energies
from lightpool.plot.maps import energy_text
from lightpool.plot.tables import draw_curves, draw_image, spread_over, unit_text
from lightpool.typing import QuantityLike
from lightpool.utils.quantities import each

if TYPE_CHECKING:
    from lightpool.irf import BackgroundIRF

__all__ = [
    "peek_bkg",
    "plot_bkg",
    "plot_bkg_at_energy",
    "plot_bkg_energy_dependence",
    "plot_bkg_offset_dependence",
    "plot_bkg_spectrum",
]


def plot_bkg(
    bkg: Background2D,
    ax: Axes | None = None,
    add_cbar: bool = True,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Axes:
    """Draw the rate as an image over energy and offset.

    Parameters
    ----------
    bkg : Background2D
    ax : Axes, optional
        The current axes by default.
    add_cbar : bool
        Whether to add a colour bar.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bar, see `lightpool.plot.maps.add_colorbar`.
    **kwargs
        Keywords of ``Axes.pcolormesh``.
    """
    style = {"norm": LogNorm()} | kwargs
    energy, offset = bkg.axes["energy"], bkg.axes["offset"]
    # a logarithmic scale has no zero
    values = np.where(bkg.data > 0, bkg.data, np.nan)
    label = f"Background rate {unit_text(bkg.unit)}"
    return draw_image(ax, energy, offset, values, label, style, add_cbar, axes_loc, kwargs_colorbar)


def plot_bkg_at_energy(
    bkg: "BackgroundIRF",
    energy: QuantityLike,
    add_cbar: bool = True,
    ncols: int = 3,
    figsize: tuple[float, float] | None = None,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> NDArray[np.object_]:
    """Draw the rate in the field of view, one image for each energy.

    Parameters
    ----------
    bkg : Background2D or Background3D
    energy : Quantity
    add_cbar : bool
        Whether to add a colour bar to each image.
    ncols : int
        Maximum number of columns.
    figsize : tuple of float, optional
        Width and height in inches.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bars, see `lightpool.plot.maps.add_colorbar`.
    **kwargs
        Keywords of ``Axes.pcolormesh``.

    Returns
    -------
    axes : array of Axes, shape (n_row, n_column)
    """
    table = bkg.to_3d() if isinstance(bkg, Background2D) else bkg
    return draw_at_energies(
        table,
        energy,
        lambda value, place: table.evaluate(energy=value, **place),
        label=f"Background {unit_text(bkg.unit)}",
        style=kwargs,
        add_cbar=add_cbar,
        ncols=ncols,
        figsize=figsize,
        axes_loc=axes_loc,
        kwargs_colorbar=kwargs_colorbar,
    )


def plot_bkg_offset_dependence(
    bkg: Background2D, ax: Axes | None = None, energy: "QuantityLike | None" = None, **kwargs: object
) -> Axes:
    """Draw the rate against offset, one curve for each energy.

    Parameters
    ----------
    bkg : Background2D
    ax : Axes, optional
        The current axes by default.
    energy : Quantity, optional
        Four energies over the range of the table by default.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    energies = each(spread_over(bkg.axes["energy"]) if energy is None else energy)
    curves = [(f"energy = {energy_text(value)}", bkg.evaluate(energy=value)) for value in energies]
    return draw_curves(ax, bkg.axes["offset"], curves, f"Background rate {unit_text(bkg.unit)}", kwargs, log=True)


def plot_bkg_energy_dependence(
    bkg: Background2D, ax: Axes | None = None, offset: "QuantityLike | None" = None, **kwargs: object
) -> Axes:
    """Draw the rate against energy, one curve for each offset.

    Parameters
    ----------
    bkg : Background2D
    ax : Axes, optional
        The current axes by default.
    offset : Quantity, optional
        Four offsets over the range of the table by default.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    offsets = each(spread_over(bkg.axes["offset"]) if offset is None else offset)
    curves = [(f"offset = {value:.2f}", bkg.evaluate(offset=value)) for value in offsets]
    return draw_curves(ax, bkg.axes["energy"], curves, f"Background rate {unit_text(bkg.unit)}", kwargs, log=True)


def plot_bkg_spectrum(bkg: Background2D, ax: Axes | None = None, **kwargs: object) -> Axes:
    """Draw the rate in the whole field of view against energy.

    Parameters
    ----------
    bkg : Background2D
    ax : Axes, optional
        The current axes by default.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    energy = bkg.axes["energy"]
    unit = u.Unit("s-1") / energy.unit
    rate = bkg.integral(axis_name="offset", offset=bkg.axes["offset"].bounds[1]).to(unit)
    return draw_curves(
        ax, energy, [("integrated spectrum", rate)], f"Background rate {unit_text(unit)}", kwargs, log=True
    )


def peek_bkg(bkg: Background2D, figsize: tuple[float, float] = (10, 8)) -> None:
    """Draw curves over offset and energy, the rate in the whole field of view, and the image.

    Parameters
    ----------
    bkg : Background2D
    figsize : tuple of float
        Width and height in inches.
    """
    figure = plt.figure(figsize=figsize)
    plot_bkg_offset_dependence(bkg, ax=figure.add_subplot(2, 2, 1))
    plot_bkg_spectrum(bkg, ax=figure.add_subplot(2, 2, 2))
    plot_bkg_energy_dependence(bkg, ax=figure.add_subplot(2, 2, 3))
    plot_bkg(bkg, ax=figure.add_subplot(2, 2, 4))
    figure.tight_layout()
