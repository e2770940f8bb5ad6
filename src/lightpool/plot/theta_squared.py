"""The theta-squared plot: counts against the squared distance from a source."""

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightpool.plot.style import foreground

__all__ = ["plot_theta_squared_table"]


def plot_theta_squared_table(table: Table, figure: Figure | None = None) -> tuple[Axes, Axes]:
    """Draw ON and scaled OFF counts, and the significance of their difference below.

    Parameters
    ----------
    table : Table
        Result of `lightpool.makers.ThetaSquaredTable.run`.
    figure : Figure, optional
        A new one of pyplot by default.

    Returns
    -------
    counts, significance : Axes
    """
    low, high = (table[name].quantity.to_value("deg2") for name in ("theta2_min", "theta2_max"))
    center, half = (low + high) / 2, (high - low) / 2
    alpha = np.asarray(table["alpha"], dtype=float)
    counts, off = (np.asarray(table[name], dtype=float) for name in ("counts", "counts_off"))

    figure = plt.figure(figsize=(7, 6)) if figure is None else figure
    axes = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (3, 1), "hspace": 0.06})
    panels: tuple[Axes, Axes] = tuple(axes)
    top, bottom = panels
    top.errorbar(center, counts, np.sqrt(counts), half, fmt="o", ms=3, color="crimson", label="ON")
    top.stairs(alpha * off, np.append(low, high[-1]), fill=True, color="lightsteelblue", label="OFF, scaled")
    # the error of OFF counts is scaled with them
    top.errorbar(center, alpha * off, alpha * np.sqrt(off), fmt="none", color="slategray")
    excess, total = (counts - alpha * off).sum(), (alpha * off).sum()
    top.set(ylabel="Counts", title=f"Excess {excess:.0f} on a background of {total:.0f}")
    top.legend()
    bottom.errorbar(center, np.asarray(table["sqrt_ts"], dtype=float), xerr=half, fmt="o", ms=3, color=foreground())
    bottom.axhline(0, color="gray", lw=0.8)
    bottom.set(xlabel=r"$\theta^2$ [deg$^2$]", ylabel="Significance", xlim=(0, high[-1]))
    figure.align_ylabels()
    return top, bottom
