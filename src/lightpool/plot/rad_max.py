"""Plots of directional cuts."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from lightpool.plot.tables import draw_curves, unit_text

if TYPE_CHECKING:
    from lightpool.irf import RadMax2D

__all__ = ["plot_rad_max_vs_energy"]


def plot_rad_max_vs_energy(rad_max: "RadMax2D", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Draw the radius of the directional cut against energy, one curve for each offset.

    Parameters
    ----------
    rad_max : RadMax2D
    ax : Axes, optional
        The current axes by default.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    curves = [(f"Offset {value:.2f}", rad_max.evaluate(offset=value)) for value in rad_max.axes["offset"].center]
    ax = draw_curves(ax, rad_max.axes["energy"], curves, f"Rad max. {unit_text(rad_max.unit)}", kwargs)
    ax.set_ylim(0, None)
    return ax
