"""What all plots share: labels of values, colours that everybody can tell apart, and room for labels."""

import astropy.units as u
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lightpool.maps.axes.axes import UNIT_STRING_FORMAT

__all__ = ["data_label", "fit_alone", "foreground", "use_distinct_colors"]

COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Colours that people with any kind of colour vision can tell apart: Okabe & Ito 2008, without black and yellow."""


def data_label(unit: u.UnitBase, name: str = "Data") -> str:
    """Return the label of values, with their unit in brackets if they have one.

    Parameters
    ----------
    unit : Unit
    name : str
        What they are.
    """
    text = unit.to_string(UNIT_STRING_FORMAT)
    return f"{name} [{text}]" if unit != "" else name


def foreground() -> str:
    """Return the colour of the axes in the present style of Matplotlib: black, or white on dark backgrounds."""
    return to_hex(mpl.rcParams["axes.edgecolor"])


def use_distinct_colors(ax: Axes) -> None:
    """Draw the next curves in `COLORS`, unless axes have curves already or the user has chosen other colours.

    Parameters
    ----------
    ax : Axes
    """
    if not ax.lines and mpl.rcParams["axes.prop_cycle"] == mpl.rcParamsDefault["axes.prop_cycle"]:
        ax.set_prop_cycle(color=list(COLORS))


def fit_alone(ax: Axes) -> None:
    """Move axes and their colour bar so that all labels are on the figure, if there is nothing else on it.

    Parameters
    ----------
    ax : Axes
        Axes that no user has placed.
    """
    figure = ax.figure
    bars = [other for other in figure.axes if other is not ax and other.get_subplotspec() is not ax.get_subplotspec()]
    if (
        not isinstance(figure, Figure)
        or ax.get_subplotspec() is None
        or figure.get_layout_engine() is not None
        or len(bars) > 1
    ):
        return
    if not bars or bars[0].get_label() == "<colorbar>":
        figure.tight_layout()
