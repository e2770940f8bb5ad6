"""Pictures of the datasets of a region."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt

from lightpool.arrays import to_host
from lightpool.plot.irf_maps import plot_matrix

if TYPE_CHECKING:
    from lightpool.datasets.spectrum_dataset import SpectrumBase

__all__ = ["peek", "plot_counts", "plot_excess", "plot_masks"]

Keywords = dict[str, Any] | None


def plot_counts(
    dataset: "SpectrumBase",
    ax: Any = None,
    kwargs_counts: Keywords = None,
    kwargs_background: Keywords = None,
    **kwargs: Any,
) -> Any:
    """Draw counts and background as histograms, see `SpectrumDataset.plot_counts`."""
    ax = plt.gca() if ax is None else ax
    if dataset.counts is not None:
        dataset.counts.plot_hist(ax=ax, **({"label": "Counts"} | kwargs | (kwargs_counts or {})))
    background = dataset.background
    if background is not None:
        background.plot_hist(ax=ax, **({"label": "Background"} | kwargs | (kwargs_background or {})))
    ax.set_ylabel("Counts")
    ax.legend(numpoints=1)
    return ax


def plot_masks(
    dataset: "SpectrumBase", ax: Any = None, kwargs_fit: Keywords = None, kwargs_safe: Keywords = None
) -> Any:
    """Shade the energies of the two masks, see `SpectrumDataset.plot_masks`."""
    ax = plt.gca() if ax is None else ax
    if dataset.mask_fit is not None:
        dataset.mask_fit.plot_mask(ax=ax, **({"label": "Mask fit", "color": "tab:green"} | (kwargs_fit or {})))
    if dataset.mask_safe is not None:
        dataset.mask_safe.plot_mask(ax=ax, **({"label": "Mask safe", "color": "black"} | (kwargs_safe or {})))
    handles, labels = ax.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))  # a mask with gaps is drawn in several pieces
    ax.legend(once.values(), once.keys())
    return ax


def plot_excess(
    dataset: "SpectrumBase",
    ax: Any = None,
    kwargs_excess: Keywords = None,
    kwargs_npred_signal: Keywords = None,
    **kwargs: Any,
) -> Any:
    """Draw the excess with its errors, see `SpectrumDataset.plot_excess`."""
    ax = plt.gca() if ax is None else ax
    excess = dataset.excess
    if excess is not None:
        yerr = to_host(dataset._counts_statistic.error)  # host: Matplotlib draws NumPy arrays
        excess.plot(ax=ax, **({"label": "Excess counts", "yerr": yerr} | kwargs | (kwargs_excess or {})))
    signal = {"label": "Predicted signal counts"} | kwargs | (kwargs_npred_signal or {})
    predicted: Any = dataset.npred_signal()
    predicted.plot_hist(ax=ax, **signal)
    ax.set_ylabel("Counts")
    ax.legend(numpoints=1)
    return ax


def peek(dataset: "SpectrumBase", figsize: tuple[float, float] = (16, 4)) -> Any:
    """Three panels: counts and masks, exposure, and energy dispersion; a panel whose map is missing stays empty.

    Returns
    -------
    figure : Figure of Matplotlib
    """
    figure, (ax_counts, ax_exposure, ax_edisp) = plt.subplots(1, 3, figsize=figsize)
    ax_counts.set_title("Counts")
    plot_counts(dataset, ax_counts)
    plot_masks(dataset, ax_counts)
    ax_exposure.set_title("Exposure")
    if dataset.exposure is not None:
        dataset.exposure.plot(ax=ax_exposure, ls="-", markersize=0, xerr=None)
    ax_edisp.set_title("Energy Dispersion")
    if dataset.edisp is not None:
        with_kernels = "energy" in dataset.edisp.geom.axes.names
        kernel = dataset.edisp.get_edisp_kernel(energy_axis=None if with_kernels else dataset._geom.axes["energy"])
        plot_matrix(kernel, ax=ax_edisp, add_cbar=True)
    return figure
