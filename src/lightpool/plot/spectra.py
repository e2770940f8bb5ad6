"""Plots of the datasets of a region."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from lightpool.arrays import to_host
from lightpool.maps import Map, RegionNDMap
from lightpool.plot.irf_maps import plot_matrix
from lightpool.plot.style import data_label, foreground

if TYPE_CHECKING:
    from lightpool.datasets.spectrum_dataset import SpectrumBase
    from lightpool.maps import RegionNDMap

__all__ = ["peek", "plot_counts", "plot_excess", "plot_masks"]

Keywords: TypeAlias = Mapping[str, object] | None


def plot_counts(
    dataset: "SpectrumBase",
    ax: Axes | None = None,
    kwargs_counts: Keywords = None,
    kwargs_background: Keywords = None,
    **kwargs: object,
) -> Axes:
    """Draw counts and background as histograms, see `SpectrumDataset.plot_counts`.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff
    ax : Axes, optional
        The current axes by default.
    kwargs_counts, kwargs_background : dict, optional
        Keywords of ``Axes.hist`` for one of the two.
    **kwargs
        Keywords of ``Axes.hist`` for both.
    """
    ax = plt.gca() if ax is None else ax
    if dataset.counts is not None:
        style: dict[str, Any] = {"label": "Counts", **kwargs, **(kwargs_counts or {})}
        _of_region(dataset.counts).plot_hist(ax=ax, **style)
    background = dataset.background
    if background is not None:
        style = {"label": "Background", **kwargs, **(kwargs_background or {})}
        _of_region(background).plot_hist(ax=ax, **style)
    ax.set_ylabel("Counts")
    ax.legend(numpoints=1)
    return ax


def plot_masks(
    dataset: "SpectrumBase", ax: Axes | None = None, kwargs_fit: Keywords = None, kwargs_safe: Keywords = None
) -> Axes:
    """Shade the energies of the two masks, see `SpectrumDataset.plot_masks`.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff
    ax : Axes, optional
        The current axes by default.
    kwargs_fit, kwargs_safe : dict, optional
        Keywords of ``Axes.axvspan`` for each mask.
    """
    ax = plt.gca() if ax is None else ax
    if dataset.mask_fit is not None:
        style: dict[str, Any] = {"label": "Mask fit", "color": "tab:green", **(kwargs_fit or {})}
        dataset.mask_fit.plot_mask(ax=ax, **style)
    if dataset.mask_safe is not None:
        style = {"label": "Mask safe", "color": foreground(), **(kwargs_safe or {})}
        dataset.mask_safe.plot_mask(ax=ax, **style)
    handles, labels = ax.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))  # a mask with gaps is drawn in several pieces
    ax.legend(once.values(), once.keys())
    return ax


def plot_excess(
    dataset: "SpectrumBase",
    ax: Axes | None = None,
    kwargs_excess: Keywords = None,
    kwargs_npred_signal: Keywords = None,
    **kwargs: object,
) -> Axes:
    """Draw the excess with its errors and what models of sources predict, see `SpectrumDataset.plot_excess`.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff
    ax : Axes, optional
        The current axes by default.
    kwargs_excess : dict, optional
        Keywords of ``Axes.errorbar`` for the excess.
    kwargs_npred_signal : dict, optional
        Keywords of ``Axes.hist`` for the predicted signal.
    **kwargs
        Keywords for both.
    """
    ax = plt.gca() if ax is None else ax
    excess = dataset.excess
    if excess is not None:
        yerr = to_host(dataset.statistic.per_bin.error)  # host: Matplotlib draws NumPy arrays
        style: dict[str, Any] = {"label": "Excess counts", "yerr": yerr, **kwargs, **(kwargs_excess or {})}
        excess.plot(ax=ax, **style)
    predicted = cast("RegionNDMap", dataset.npred_signal())
    # without a model of a source it is zero, which a logarithmic scale does not show
    if np.any(to_host(predicted.data) != 0):  # host: Matplotlib draws NumPy arrays
        style = {"label": "Predicted signal counts", **kwargs, **(kwargs_npred_signal or {})}
        predicted.plot_hist(ax=ax, **style)
    ax.set_ylabel("Counts")
    ax.legend(numpoints=1)
    return ax


def peek(dataset: "SpectrumBase", figsize: tuple[float, float] = (16, 4)) -> None:
    """Draw three panels: counts and masks, exposure, and energy dispersion; a panel whose map is missing stays empty.

    Parameters
    ----------
    dataset : SpectrumDataset or SpectrumDatasetOnOff
    figsize : tuple of float
        Width and height in inches.
    """
    figure = plt.figure(figsize=figsize)
    ax_counts, ax_exposure, ax_edisp = (figure.add_subplot(1, 3, number) for number in (1, 2, 3))
    ax_counts.set_title("Counts")
    plot_counts(dataset, ax_counts)
    plot_masks(dataset, ax_counts)
    ax_exposure.set_title("Exposure")
    if dataset.exposure is not None:
        dataset.exposure.plot(ax=ax_exposure, ls="-", markersize=0, xerr=None)
        ax_exposure.set_ylabel(data_label(dataset.exposure.unit, "Exposure"))
    ax_edisp.set_title("Energy Dispersion")
    if dataset.edisp is not None:
        kernel = dataset.central_edisp_kernel()
        plot_matrix(kernel, ax=ax_edisp, add_cbar=True)
    figure.tight_layout()


def _of_region(data: Map) -> RegionNDMap:
    """Return the map of a spectrum as what it is."""
    assert isinstance(data, RegionNDMap)
    return data
