"""Pictures of the reduced responses."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import PowerNorm

from lightpool.plot.axes import axis_label
from lightpool.plot.maps import add_colorbar, energy_text

if TYPE_CHECKING:
    from lightpool.irf.reduced.psf_kernel import PSFKernel
    from lightpool.irf.reduced.psf_map import PSFMap
    from lightpool.irf.tables.edisp_kernel import EDispKernel
    from lightpool.maps import MapAxis

__all__ = [
    "peek_edisp_kernel",
    "peek_psf_kernel",
    "peek_psf_map",
    "plot_bias",
    "plot_containment_radius_vs_energy",
    "plot_kernel",
    "plot_matrix",
    "plot_psf_vs_rad",
]


def _scale(axis: "MapAxis") -> str:
    return "log" if axis.interp == "log" else "linear"


def plot_containment_radius_vs_energy(
    psf: "PSFMap", ax: Any = None, fraction: Any = (0.68, 0.95), **kwargs: Any
) -> Any:
    """Containment radii at the centre of the map against energy, one line for each fraction."""
    ax = plt.gca() if ax is None else ax
    energy_axis, unit = psf.geom.axes[psf.energy_name], psf.geom.axes["rad"].unit
    for share in np.atleast_1d(fraction):
        radius = psf.containment_radius(share, energy_axis.center)
        ax.plot(energy_axis.center_value, radius.value, label=f"{100 * share:.1f} % containment", **kwargs)
    ax.set_xscale(_scale(energy_axis))
    ax.set_xlabel(axis_label(energy_axis))
    ax.set_ylabel(f"Containment radius [{unit.to_string('latex_inline')}]")
    ax.legend(loc="best")
    return ax


def plot_psf_vs_rad(psf: "PSFMap", ax: Any = None, energy: Any = (0.1, 1, 10) * u.TeV, **kwargs: Any) -> Any:
    """Profiles at the centre of the map against the distance to the source, one line for each energy."""
    ax = plt.gca() if ax is None else ax
    rad_axis = psf.geom.axes["rad"]
    for value in np.atleast_1d(u.Quantity(energy)):
        ax.plot(rad_axis.center_value, psf.profile(value).value, label=energy_text(value), **kwargs)
    ax.set_yscale("log")
    ax.set_xlabel(axis_label(rad_axis))
    ax.set_ylabel(f"PSF [{psf.psf_map.unit.to_string('latex_inline')}]")
    ax.legend(loc="best")
    return ax


def peek_psf_map(psf: "PSFMap", figsize: tuple[float, float] = (12, 10)) -> None:
    """Containment radii, profiles, exposure and a map of the containment radius at 1 TeV."""
    figure = plt.figure(figsize=figsize)
    ax = figure.add_subplot(2, 2, 1)
    ax.set_title("Containment radius at the centre")
    plot_containment_radius_vs_energy(psf, ax=ax)
    ax = figure.add_subplot(2, 2, 2)
    ax.set_title("PSF at the centre")
    ax.set_ylim(1e-4, 1e4)
    plot_psf_vs_rad(psf, ax=ax)
    if psf.geom.is_region:
        return
    projection = {"projection": psf.geom.wcs}
    if psf.exposure_map is not None:
        ax = figure.add_subplot(2, 2, 3, **projection)
        ax.set_title("Exposure")
        psf.exposure_map.reduce_over_axes().plot(ax=ax, add_cbar=True)
    ax = figure.add_subplot(2, 2, 4, **projection)
    ax.set_title("68 % containment radius at 1 TeV")
    psf.containment_radius_map(1 * u.TeV).plot(ax=ax, add_cbar=True)
    figure.tight_layout()


def plot_kernel(kernel: "PSFKernel", ax: Any = None, energy: Any = None, add_cbar: bool = False, **kwargs: Any) -> Any:
    """Image of the bin whose centre is nearest to an energy, or the sum over energy."""
    ax = plt.gca() if ax is None else ax
    if energy is None:
        image = kernel.to_image(keepdims=False).psf_kernel_map
    else:
        axis = next(axis for axis in kernel.psf_kernel_map.geom.axes if "energy" in axis.name)
        index = int(np.argmin(np.abs(axis.center - u.Quantity(energy)).value))
        image = kernel.psf_kernel_map.get_image_by_idx((index,))
    image.plot(ax=ax, add_cbar=add_cbar, **kwargs)
    return ax


def peek_psf_kernel(kernel: "PSFKernel", figsize: tuple[float, float] = (15, 5)) -> None:
    """Sum over energy, and the image at 1 TeV."""
    figure = plt.figure(figsize=figsize)
    projection = {"projection": kernel.psf_kernel_map.geom.wcs}
    ax = figure.add_subplot(1, 2, 1, **projection)
    ax.set_title("PSF kernel, all energies")
    plot_kernel(kernel, ax=ax, add_cbar=True)
    ax = figure.add_subplot(1, 2, 2, **projection)
    ax.set_title("PSF kernel at 1 TeV")
    plot_kernel(kernel, ax=ax, energy=1 * u.TeV, add_cbar=True)
    figure.tight_layout()


def plot_matrix(
    kernel: "EDispKernel",
    ax: Any = None,
    add_cbar: bool = False,
    axes_loc: dict[str, Any] | None = None,
    kwargs_colorbar: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Matrix as an image over true (abscissa) and reconstructed energy."""
    ax = plt.gca() if ax is None else ax
    true, reco = kernel.axes["energy_true"], kernel.axes["energy"]
    kwargs.setdefault("cmap", "GnBu")
    kwargs.setdefault("norm", PowerNorm(gamma=0.5, vmin=0, vmax=1))
    image = ax.pcolormesh(true.edges_value, reco.edges_value, kernel.data.T, **kwargs)
    if add_cbar:
        add_colorbar(image, ax, axes_loc=axes_loc, **({"label": "Probability"} | (kwargs_colorbar or {})))
    ax.set_xscale(_scale(true))
    ax.set_yscale(_scale(reco))
    ax.set_xlabel(axis_label(true))
    ax.set_ylabel(axis_label(reco))
    return ax


def plot_bias(kernel: "EDispKernel", ax: Any = None, **kwargs: Any) -> Any:
    """Bias against true energy."""
    ax = plt.gca() if ax is None else ax
    axis = kernel.axes["energy_true"]
    ax.plot(axis.center_value, kernel.get_bias(axis.center).value, **kwargs)
    ax.set_xscale("log")
    ax.set_xlabel(axis_label(axis))
    ax.set_ylabel("(Energy - true energy) / true energy")
    return ax


def peek_edisp_kernel(kernel: "EDispKernel", figsize: tuple[float, float] = (15, 5)) -> None:
    """Bias and matrix side by side."""
    figure, axes = plt.subplots(nrows=1, ncols=2, figsize=figsize)
    plot_bias(kernel, ax=axes[0])
    plot_matrix(kernel, ax=axes[1])
    figure.tight_layout()
