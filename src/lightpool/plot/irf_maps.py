"""Plots of the reduced responses."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

from lightpool.irf.reduced.edisp_kernel_map import EDispKernelMap
from lightpool.maps import MapAxis
from lightpool.plot.axes import axis_label
from lightpool.plot.maps import add_colorbar, energy_text
from lightpool.plot.sky_panels import draw_on_sky
from lightpool.plot.style import data_label, use_distinct_colors
from lightpool.typing import QuantityLike
from lightpool.utils.quantities import each

if TYPE_CHECKING:
    from lightpool.irf.reduced.edisp_map import EDispMap
    from lightpool.irf.reduced.energy_dispersion import EDispKernel
    from lightpool.irf.reduced.psf_kernel import PSFKernel
    from lightpool.irf.reduced.psf_map import PSFMap

__all__ = [
    "central_kernel",
    "peek_edisp_kernel",
    "peek_psf_kernel",
    "peek_psf_map",
    "plot_bias",
    "plot_containment_radius_vs_energy",
    "plot_kernel",
    "plot_matrix",
    "plot_psf_vs_rad",
]


_ENERGIES = u.Quantity((0.1, 1, 10), "TeV")


def _scale(axis: "MapAxis") -> str:
    return "log" if axis.interp == "log" else "linear"


def plot_containment_radius_vs_energy(
    psf: "PSFMap", ax: Axes | None = None, fraction: float | Sequence[float] = (0.68, 0.95), **kwargs: object
) -> Axes:
    """Draw the containment radii at the centre of the map against energy, one line for each fraction.

    Parameters
    ----------
    psf : PSFMap
    ax : Axes, optional
        The current axes by default.
    fraction : float or sequence of float
        Fractions of the events inside the radius, 0 to 1.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    ax = plt.gca() if ax is None else ax
    use_distinct_colors(ax)
    style: dict[str, Any] = kwargs
    energy_axis = cast("MapAxis", psf.geom.axes[psf.energy_name])
    unit = psf.geom.axes["rad"].unit
    for share in np.atleast_1d(np.asarray(fraction)):
        radius = psf.containment_radius(share, energy_axis.center)
        ax.plot(energy_axis.center_value, radius.value, label=f"{100 * share:.1f} % containment", **style)
    ax.set_xscale(_scale(energy_axis))
    ax.set_xlabel(axis_label(energy_axis))
    ax.set_ylabel(f"Containment radius [{unit.to_string('latex_inline')}]")
    ax.legend(loc="best")
    return ax


def plot_psf_vs_rad(psf: "PSFMap", ax: Axes | None = None, energy: QuantityLike = _ENERGIES, **kwargs: object) -> Axes:
    """Draw profiles at the centre of the map against the distance to the source, one line for each energy.

    Parameters
    ----------
    psf : PSFMap
    ax : Axes, optional
        The current axes by default.
    energy : Quantity
        Energies on the energy axis of the map.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    ax = plt.gca() if ax is None else ax
    use_distinct_colors(ax)
    style: dict[str, Any] = kwargs
    rad_axis = psf.geom.axes["rad"]
    for value in each(energy):
        ax.plot(rad_axis.center_value, psf.profile(value).value, label=energy_text(value), **style)
    ax.set_yscale("log")
    ax.set_xlabel(axis_label(rad_axis))
    ax.set_ylabel(f"PSF [{psf.psf_map.unit.to_string('latex_inline')}]")
    ax.legend(loc="best")
    return ax


def peek_psf_map(psf: "PSFMap", figsize: tuple[float, float] = (12, 10)) -> None:
    """Draw containment radii, profiles, the exposure and a map of the containment radius at 1 TeV.

    Parameters
    ----------
    psf : PSFMap
    figsize : tuple of float
        Width and height in inches.
    """
    figure = plt.figure(figsize=figsize)
    ax = figure.add_subplot(2, 2, 1)
    ax.set_title("Containment radius at the centre")
    plot_containment_radius_vs_energy(psf, ax=ax)
    ax = figure.add_subplot(2, 2, 2)
    ax.set_title("PSF at the centre")
    ax.set_ylim(1e-4, 1e4)
    plot_psf_vs_rad(psf, ax=ax)
    # a region has no images to draw
    if psf.geom.is_region:
        return
    if psf.exposure_map is not None:
        exposure = psf.exposure_map.reduce_over_axes()
        label = {"label": data_label(exposure.unit, "Exposure")}
        draw_on_sky(figure, (2, 2, 3), exposure, "Exposure, sum over energy", kwargs_colorbar=label)
    radius = psf.containment_radius_map(1 * u.TeV)
    label = {"label": data_label(radius.unit, "Containment radius")}
    draw_on_sky(figure, (2, 2, 4), radius, "68 % containment radius at 1 TeV", kwargs_colorbar=label)
    figure.tight_layout()


def plot_kernel(
    kernel: "PSFKernel",
    ax: Axes | None = None,
    energy: "QuantityLike | None" = None,
    add_cbar: bool = False,
    **kwargs: object,
) -> Axes:
    """Draw the image of the bin whose centre is nearest to an energy, or the sum over energy.

    Parameters
    ----------
    kernel : PSFKernel
    ax : Axes, optional
        The current axes by default.
    energy : Quantity, optional
        All energies by default.
    add_cbar : bool
        Whether to add a colour bar.
    **kwargs
        Keywords of `WcsNDMap.plot`.
    """
    ax = plt.gca() if ax is None else ax
    if energy is None:
        image = kernel.to_image(keepdims=False).psf_kernel_map
    else:
        axis = next(axis for axis in kernel.psf_kernel_map.geom.axes if "energy" in axis.name)
        index = int(np.argmin(abs(axis.center - u.Quantity(energy)).value))
        image = kernel.psf_kernel_map.get_image_by_idx((index,))
    style: dict[str, Any] = {"kwargs_colorbar": {"label": "Part of the events per pixel"}} | kwargs
    image.plot(ax=ax, add_cbar=add_cbar, **style)
    return ax


def peek_psf_kernel(kernel: "PSFKernel", figsize: tuple[float, float] = (15, 5)) -> None:
    """Draw the sum over energy, and the image at 1 TeV.

    Parameters
    ----------
    kernel : PSFKernel
    figsize : tuple of float
        Width and height in inches.
    """
    figure = plt.figure(figsize=figsize)
    wcs = kernel.psf_kernel_map.geom.wcs
    ax = figure.add_subplot(1, 2, 1, projection=wcs)
    ax.set_title("PSF kernel, all energies")
    plot_kernel(kernel, ax=ax, add_cbar=True)
    ax = figure.add_subplot(1, 2, 2, projection=wcs)
    ax.set_title("PSF kernel at 1 TeV")
    plot_kernel(kernel, ax=ax, energy=1 * u.TeV, add_cbar=True)
    figure.tight_layout()


def plot_matrix(
    kernel: "EDispKernel",
    ax: Axes | None = None,
    add_cbar: bool = False,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Axes:
    """Draw the matrix as an image over true (abscissa) and reconstructed energy.

    Parameters
    ----------
    kernel : EDispKernel
    ax : Axes, optional
        The current axes by default.
    add_cbar : bool
        Whether to add a colour bar.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bar, see `lightpool.plot.maps.add_colorbar`.
    **kwargs
        Keywords of ``Axes.pcolormesh``.
    """
    ax = plt.gca() if ax is None else ax
    true, reco = kernel.axes["energy_true"], kernel.axes["energy"]
    style: dict[str, Any] = {"cmap": "GnBu", "norm": PowerNorm(gamma=0.5, vmin=0, vmax=1)} | kwargs
    # transposed: pcolormesh takes (n_y, n_x), the kernel is (n_energy_true, n_energy)
    image = ax.pcolormesh(true.edges_value, reco.edges_value, kernel.data.T, **style)
    if add_cbar:
        add_colorbar(image, ax, axes_loc, **{"label": "Probability", **(kwargs_colorbar or {})})
    ax.set_xscale(_scale(true))
    ax.set_yscale(_scale(reco))
    ax.set_xlabel(axis_label(true))
    ax.set_ylabel(axis_label(reco))
    return ax


def plot_bias(kernel: "EDispKernel", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Draw the bias against true energy.

    Parameters
    ----------
    kernel : EDispKernel
    ax : Axes, optional
        The current axes by default.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    ax = plt.gca() if ax is None else ax
    axis = kernel.axes["energy_true"]
    style: dict[str, Any] = kwargs
    ax.plot(axis.center_value, kernel.get_bias(axis.center).value, **style)
    ax.set_xscale("log")
    ax.set_xlabel(axis_label(axis))
    ax.set_ylabel("(Energy - true energy) / true energy")
    return ax


def central_kernel(edisp: "EDispMap | EDispKernelMap") -> "EDispKernel":
    """Return the matrix at the centre of a map; that of a map in migra has bins of energy as many as of true energy.

    Parameters
    ----------
    edisp : EDispMap or EDispKernelMap
    """
    if isinstance(edisp, EDispKernelMap):
        return edisp.get_edisp_kernel()
    axis = edisp.geom.axes["energy_true"]
    energy_axis = MapAxis.from_energy_bounds(axis.edges.min(), axis.edges.max(), nbin=axis.nbin, name="energy")
    return edisp.get_edisp_kernel(energy_axis=energy_axis)


def peek_edisp_kernel(kernel: "EDispKernel", figsize: tuple[float, float] = (15, 5)) -> None:
    """Draw the bias and the matrix side by side.

    Parameters
    ----------
    kernel : EDispKernel
    figsize : tuple of float
        Width and height in inches.
    """
    figure = plt.figure(figsize=figsize)
    plot_bias(kernel, ax=figure.add_subplot(1, 2, 1))
    plot_matrix(kernel, ax=figure.add_subplot(1, 2, 2))
    figure.tight_layout()
