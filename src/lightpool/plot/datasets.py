"""Plots of datasets."""

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightpool.arrays import to_host
from lightpool.plot.axes import axis_label
from lightpool.plot.irf_maps import plot_containment_radius_vs_energy, plot_matrix
from lightpool.plot.sky_panels import draw_on_sky, sky_image
from lightpool.plot.style import data_label

if TYPE_CHECKING:
    from lightpool.datasets import MapDataset
    from lightpool.maps import Map, MapAxis

__all__ = ["peek_map_dataset", "plot_residuals_spatial"]


def peek_map_dataset(dataset: "MapDataset", figsize: tuple[float, float] = (13, 7)) -> None:
    """Draw six panels: exposure, counts and prediction on the sky; exposure, PSF and energy dispersion at the centre.

    A panel whose map is missing says so. Pixels outside the safe mask are hatched.

    Parameters
    ----------
    dataset : MapDataset
    figsize : tuple of float
        Width and height in inches.
    """
    figure = plt.figure(figsize=figsize)
    _draw_exposure(figure, dataset)
    _draw_counts(figure, 2, dataset, dataset.counts, "Counts")
    _draw_counts(figure, 3, dataset, None if dataset.background is None else dataset.npred(), "Predicted counts")
    _draw_exposure_profile(figure.add_subplot(2, 3, 4), dataset)
    _draw_psf(figure.add_subplot(2, 3, 5), dataset)
    _draw_edisp(figure.add_subplot(2, 3, 6), dataset)
    figure.tight_layout(w_pad=2)


def _missing(ax: Axes) -> None:
    ax.set_axis_off()
    ax.text(0.5, 0.5, "not in this dataset", ha="center", va="center", transform=ax.transAxes)


def _draw_counts(figure: Figure, panel: int, dataset: "MapDataset", data: "Map | None", title: str) -> None:
    if data is None:
        ax = figure.add_subplot(2, 3, panel)
        ax.set_title(title)
        _missing(ax)
        return
    image = data.reduce_over_axes()
    ax = draw_on_sky(figure, (2, 3, panel), image, title, stretch="sqrt", kwargs_colorbar={"label": title})
    _hatch(ax, dataset)


def _hatch(ax: Axes, dataset: "MapDataset") -> None:
    mask = dataset.mask_safe_image
    if mask is not None:
        sky_image(mask).plot_mask(ax=ax, hatches=["///"], colors="w")


def _draw_exposure(figure: Figure, dataset: "MapDataset") -> None:
    if dataset.exposure is None:
        ax = figure.add_subplot(2, 3, 1)
        ax.set_title("Exposure")
        _missing(ax)
        return
    axis = _exposure_axis(dataset.exposure)
    i_energy = axis.nbin // 2
    image = dataset.exposure.slice_by_idx({axis.name: i_energy}).reduce_over_axes()
    label = data_label(image.unit, "Exposure")
    title = f"Exposure at {axis.center[i_energy]:.2f}"
    _hatch(draw_on_sky(figure, (2, 3, 1), image, title, kwargs_colorbar={"label": label}), dataset)


def _exposure_axis(exposure: "Map") -> "MapAxis":
    """Return the energies of an exposure: in images made by other programs they may be reconstructed ones."""
    axes = exposure.geom.axes
    return axes["energy_true" if "energy_true" in axes.names else "energy"]


def _draw_exposure_profile(ax: Axes, dataset: "MapDataset") -> None:
    ax.set_title("Exposure at the centre")
    if dataset.exposure is None:
        _missing(ax)
        return
    axis = _exposure_axis(dataset.exposure)
    geom = dataset.exposure.geom
    if geom.is_hpx:
        found = dataset.exposure.get_by_coord({"skycoord": geom.center_skydir, axis.name: axis.center})
        profile = np.asarray(to_host(found), float)  # host: Matplotlib draws NumPy arrays
    else:
        n_lat, n_lon = geom.data_shape[-2:]
        profile = _spectrum(dataset.exposure, axis.name, n_lat // 2, n_lon // 2)
    ax.step(axis.center_value, profile, where="mid")
    ax.set_xscale("log")
    # a logarithmic scale needs a positive value
    if np.any(profile > 0):
        ax.set_yscale("log")
    ax.set_xlabel(axis_label(axis))
    ax.set_ylabel(data_label(dataset.exposure.unit, "Exposure"))


def _spectrum(data: "Map", axis_name: str, i_lat: int = 0, i_lon: int = 0) -> NDArray[np.float64]:
    """Return the values of one pixel along an axis, summed over the others."""
    dimension = data.geom.axes.index_data(axis_name)
    pixel = to_host(data.data[..., i_lat, i_lon])  # host: Matplotlib draws NumPy arrays
    return np.asarray(pixel.sum(axis=tuple(i for i in range(pixel.ndim) if i != dimension)))


def _draw_psf(ax: Axes, dataset: "MapDataset") -> None:
    ax.set_title("PSF at the centre")
    if dataset.psf is None:
        _missing(ax)
    else:
        plot_containment_radius_vs_energy(dataset.psf, ax=ax)


def _draw_edisp(ax: Axes, dataset: "MapDataset") -> None:
    ax.set_title("Energy dispersion at the centre")
    if dataset.edisp is None:
        _missing(ax)
        return
    kernel = dataset.central_edisp_kernel()
    plot_matrix(kernel, ax=ax)


def plot_residuals_spatial(residuals: "Map", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Draw residuals in diverging colours, from -5 to 5 by default, see `MapDataset.plot_residuals_spatial`.

    Parameters
    ----------
    residuals : WcsNDMap
        An image.
    ax : WCSAxes, optional
        New axes on the current figure by default.
    **kwargs
        Keywords of `WcsNDMap.plot`.
    """
    options: dict[str, Any] = {"add_cbar": True, "cmap": "coolwarm", "vmin": -5, "vmax": 5} | kwargs
    options = {"kwargs_colorbar": {"label": "Residuals"}} | options
    drawn: Axes = residuals.plot(ax=ax, **options)
    return drawn
