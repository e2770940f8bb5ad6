"""Plots of response tables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.visualization import quantity_support
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from numpy.typing import NDArray

from lightpool.plot.axes import format_xaxis, format_yaxis
from lightpool.plot.maps import add_colorbar, energy_text
from lightpool.typing import QuantityLike

if TYPE_CHECKING:
    from lightpool.irf import Background2D, Background3D, EffectiveAreaTable2D, EnergyDispersion2D, RadMax2D
    from lightpool.irf.tables.psf_table import PSF
    from lightpool.maps import MapAxis

__all__ = [
    "peek_aeff",
    "peek_bkg",
    "peek_edisp",
    "peek_psf",
    "plot_aeff",
    "plot_aeff_energy_dependence",
    "plot_aeff_offset_dependence",
    "plot_bkg",
    "plot_bkg_at_energy",
    "plot_bkg_energy_dependence",
    "plot_bkg_offset_dependence",
    "plot_bkg_spectrum",
    "plot_edisp_bias",
    "plot_edisp_migration",
    "plot_psf_radius",
    "plot_psf_radius_vs_energy",
    "plot_psf_vs_rad",
    "plot_rad_max_vs_energy",
]

_ENERGIES = u.Quantity([0.1, 1, 10], "TeV")
_DECADES = 15  # of a logarithmic axis: interpolated logarithms of zero would take all of its height


def _unit(unit: u.UnitBase) -> str:
    return f"[{unit.to_string('latex_inline')}]"


def _curves(
    ax: Axes | None,
    axis: "MapAxis",
    curves: Sequence[tuple[str, u.Quantity]],
    ylabel: str,
    style: Mapping[str, object],
    log: bool = False,
) -> Axes:
    """Draw values at the bin centres of an axis, one curve for each label; a single bin is a point."""
    ax = plt.gca() if ax is None else ax
    marker = {"marker": "o"} if axis.nbin == 1 else {}
    with quantity_support():
        for label, values in curves:
            options: dict[str, Any] = {"label": label, **marker, **style}
            ax.plot(axis.center, values.ravel(), **options)
    format_xaxis(axis, ax)
    ax.yaxis.set_major_formatter(ScalarFormatter())  # that of angles writes the unit at each tick
    if log:
        ax.set_yscale("log")
        highest = max(np.nanmax(line.get_ydata(orig=False)) for line in ax.lines)
        if 0 < ax.get_ylim()[0] < highest / 10.0**_DECADES:
            ax.set_ylim(highest / 10.0**_DECADES, 3 * highest)
    ax.set_ylabel(ylabel)
    ax.legend(loc="best")
    return ax


def _image(
    ax: Axes | None,
    x: "MapAxis",
    y: "MapAxis",
    values: NDArray[np.float64],
    label: str,
    style: Mapping[str, object],
    add_cbar: bool,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
) -> Axes:
    """Draw values of shape (x, y) as coloured bins."""
    ax = plt.gca() if ax is None else ax
    options: dict[str, Any] = {"cmap": "GnBu", "edgecolors": "face", **style}
    with quantity_support():
        mesh = ax.pcolormesh(x.edges, y.edges, values.T, **options)
    format_xaxis(x, ax)
    format_yaxis(y, ax)
    if add_cbar:
        add_colorbar(mesh, ax, axes_loc, **{"label": label, **(kwargs_colorbar or {})})
    return ax


def _each(values: QuantityLike) -> list[u.Quantity]:
    """Return the values of an array one by one; a single value is a list of one."""
    return list(u.Quantity(values).ravel())


def _between(axis: "MapAxis", n: int = 4) -> u.Quantity:
    """Return centres spread over an axis."""
    low, high = axis.center_value[0], axis.center_value[-1]
    values = np.geomspace(low, high, n) if axis.interp == "log" else np.linspace(low, high, n)
    return u.Quantity(values, axis.unit)


def plot_aeff(
    aeff: "EffectiveAreaTable2D",
    ax: Axes | None = None,
    add_cbar: bool = True,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Axes:
    """Draw the effective area as an image over energy and offset.

    Parameters
    ----------
    aeff : EffectiveAreaTable2D
    ax : Axes, optional
        The current axes by default.
    add_cbar : bool
        Whether to add a colour bar.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bar, see `lightpool.plot.maps.add_colorbar`.
    **kwargs
        Keywords of ``Axes.pcolormesh``.
    """
    energy, offset = aeff.axes["energy_true"], aeff.axes["offset"]
    area = aeff.evaluate()
    label = f"Effective Area {_unit(area.unit)}"
    return _image(ax, energy, offset, area.value, label, kwargs, add_cbar, axes_loc, kwargs_colorbar)


def plot_aeff_energy_dependence(
    aeff: "EffectiveAreaTable2D", ax: Axes | None = None, offset: "QuantityLike | None" = None, **kwargs: object
) -> Axes:
    """Draw the effective area against energy, one curve for each offset.

    Parameters
    ----------
    aeff : EffectiveAreaTable2D
    ax : Axes, optional
        The current axes by default.
    offset : Quantity, optional
        Four offsets over the range of the table by default.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    if offset is None:
        axis = aeff.axes["offset"]
        low, high = axis.bounds
        offset = axis.center if axis.nbin == 1 else np.linspace(low, high, 4)
    curves = [(f"offset = {value:.1f}", aeff.evaluate(offset=value)) for value in _each(offset)]
    return _curves(ax, aeff.axes["energy_true"], curves, f"Effective Area {_unit(aeff.unit)}", kwargs)


def plot_aeff_offset_dependence(
    aeff: "EffectiveAreaTable2D", ax: Axes | None = None, energy: "QuantityLike | None" = None, **kwargs: object
) -> Axes:
    """Draw the effective area relative to its maximum against offset, one curve for each energy where there is any.

    Parameters
    ----------
    aeff : EffectiveAreaTable2D
    ax : Axes, optional
        The current axes by default.
    energy : Quantity, optional
        True energies; four over the range of the table by default.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    curves = []
    for value in _each(_between(aeff.axes["energy_true"]) if energy is None else energy):
        area = aeff.evaluate(energy_true=value)
        # not where it is zero at all offsets: there is nothing to divide by
        if area.max() > 0:
            curves.append((f"energy = {energy_text(value)}", area / area.max()))
    ax = _curves(ax, aeff.axes["offset"], curves, "Relative Effective Area", kwargs)
    ax.set_ylim(0, 1.1)
    return ax


def peek_aeff(aeff: "EffectiveAreaTable2D", figsize: tuple[float, float] = (15, 5)) -> None:
    """Draw curves over energy, over offset unless the response is point-like, and the image.

    Parameters
    ----------
    aeff : EffectiveAreaTable2D
    figsize : tuple of float
        Width and height in inches.
    """
    n_plot = 2 if aeff.is_pointlike else 3
    figure, axes = _panels(n_plot, figsize)
    plot_aeff_energy_dependence(aeff, ax=axes[0])
    if not aeff.is_pointlike:
        plot_aeff_offset_dependence(aeff, ax=axes[1])
    plot_aeff(aeff, ax=axes[-1])
    figure.tight_layout()


def plot_edisp_bias(
    edisp: "EnergyDispersion2D",
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
    edisp : EnergyDispersion2D
    ax : Axes, optional
        The current axes by default.
    offset : Quantity, optional
        1 deg by default.
    add_cbar : bool
        Whether to add a colour bar.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bar, see `lightpool.plot.maps.add_colorbar`.
    **kwargs
        Keywords of ``Axes.pcolormesh``.
    """
    offset = edisp.default_offset if offset is None else u.Quantity(offset)
    # shape (n_energy_true, n_migra) at the first offset
    density = edisp.evaluate(offset=offset.ravel()[:1]).value[..., 0]
    style = {"norm": PowerNorm(gamma=0.5)} | kwargs
    energy, migra = edisp.axes["energy_true"], edisp.axes["migra"]
    return _image(ax, energy, migra, density, "Probability density", style, add_cbar, axes_loc, kwargs_colorbar)


def plot_edisp_migration(
    edisp: "EnergyDispersion2D",
    ax: Axes | None = None,
    offset: "QuantityLike | None" = None,
    energy_true: "QuantityLike | None" = None,
    **kwargs: object,
) -> Axes:
    """Draw the probability density against migra, one curve for each offset and true energy.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    ax : Axes, optional
        The current axes by default.
    offset : Quantity, optional
        1 deg by default.
    energy_true : Quantity, optional
        0.1, 1 and 10 TeV by default.
    **kwargs
        Keywords of ``Axes.plot``.
    """
    offsets = _each(edisp.default_offset if offset is None else offset)
    migra = edisp.axes["migra"]
    curves = [
        (f"offset = {o:.1f}\nenergy = {energy_text(e)}", edisp.evaluate(offset=o, energy_true=e, migra=migra.center))
        for e in _each(_ENERGIES if energy_true is None else energy_true)
        for o in offsets
    ]
    return _curves(ax, migra, curves, "Probability density", kwargs)


def peek_edisp(edisp: "EnergyDispersion2D", figsize: tuple[float, float] = (15, 5)) -> None:
    """Draw the bias, the migration and the matrix of the kernel.

    Parameters
    ----------
    edisp : EnergyDispersion2D
    figsize : tuple of float
        Width and height in inches.
    """
    figure, axes = _panels(3, figsize)
    plot_edisp_bias(edisp, ax=axes[0])
    plot_edisp_migration(edisp, ax=axes[1])
    edisp.to_edisp_kernel(offset=edisp.default_offset[0]).plot_matrix(ax=axes[2])
    figure.tight_layout()


def plot_psf_radius_vs_energy(
    psf: "PSF", ax: Axes | None, fraction: float | Sequence[float], offset: QuantityLike, **kwargs: object
) -> Axes:
    """Draw the containment radius against energy, one curve for each offset and fraction.

    Parameters
    ----------
    psf : PSF
    ax : Axes or None
        The current axes if None.
    fraction : float or sequence of float
        Fractions of the events inside the radius, 0 to 1.
    offset : Quantity
    **kwargs
        Keywords of ``Axes.plot``.
    """
    energy = psf.axes["energy_true"]
    curves = [
        (f"{o}, {100 * f:.1f}%", psf.containment_radius(energy_true=energy.center, offset=o, fraction=f))
        for o in _each(offset)
        for f in np.atleast_1d(np.asarray(fraction))
    ]
    return _curves(ax, energy, curves, f"Containment radius {_unit(curves[0][1].unit)}", kwargs)


def plot_psf_radius(
    psf: "PSF",
    ax: Axes | None,
    fraction: float,
    add_cbar: bool,
    axes_loc: Mapping[str, object] | None = None,
    kwargs_colorbar: Mapping[str, object] | None = None,
    **kwargs: object,
) -> Axes:
    """Draw the containment radius as an image over energy and offset.

    Parameters
    ----------
    psf : PSF
    ax : Axes or None
        The current axes if None.
    fraction : float
        Fraction of the events inside the radius, 0 to 1.
    add_cbar : bool
        Whether to add a colour bar.
    axes_loc, kwargs_colorbar : dict, optional
        Position and keywords of the colour bar, see `lightpool.plot.maps.add_colorbar`.
    **kwargs
        Keywords of ``Axes.pcolormesh``.
    """
    energy, offset = psf.axes["energy_true"], psf.axes["offset"]
    radius = psf.containment_radius(energy_true=energy.center[:, np.newaxis], offset=offset.center, fraction=fraction)
    label = f"Containment radius R{100 * fraction:.0f} ({radius.unit})"
    return _image(ax, energy, offset, radius.value, label, kwargs, add_cbar, axes_loc, kwargs_colorbar)


def plot_psf_vs_rad(
    psf: "PSF", ax: Axes | None, offset: QuantityLike, energy_true: "QuantityLike", **kwargs: object
) -> Axes:
    """Draw the profile against the distance from the centre, one curve for each offset and energy.

    Parameters
    ----------
    psf : PSF
    ax : Axes or None
        The current axes if None.
    offset, energy_true : Quantity
    **kwargs
        Keywords of ``Axes.plot``.
    """
    rad = psf.rad_axis()
    curves = [
        (f"Offset: {o:.1f}, Energy: {energy_text(e)}", psf.evaluate(rad=rad.center, energy_true=e, offset=o))
        for o in _each(offset)
        for e in _each(energy_true)
    ]
    return _curves(ax, rad, curves, f"PSF {_unit(curves[0][1].unit)}", kwargs, log=True)


def peek_psf(psf: "PSF", figsize: tuple[float, float] = (15, 5)) -> None:
    """Draw the containment radii of 68 % and 95 % over energy and offset, and against energy.

    Parameters
    ----------
    psf : PSF
    figsize : tuple of float
        Width and height in inches.
    """
    figure, axes = _panels(3, figsize)
    # the third panel is for the curves
    for ax, fraction in zip(axes, (0.68, 0.95), strict=False):
        plot_psf_radius(psf, ax, fraction, add_cbar=True)
    plot_psf_radius_vs_energy(psf, axes[2], (0.68, 0.95), u.Quantity((0, 1), "deg"))
    figure.tight_layout()


def plot_bkg(
    bkg: "Background2D",
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
    label = f"Background rate {_unit(bkg.unit)}"
    return _image(ax, energy, offset, values, label, style, add_cbar, axes_loc, kwargs_colorbar)


def plot_bkg_at_energy(
    bkg: "Background3D",
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
    bkg : Background3D
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
    energies = _each(energy)
    columns = min(ncols, len(energies))
    rows = -(-len(energies) // columns)  # rounded up
    size = (12, 12 * rows / columns / (1.15 if add_cbar else 1)) if figsize is None else figsize
    grid = {"hspace": 0.3, "wspace": 0.8}
    _, axes = plt.subplots(ncols=columns, nrows=rows, figsize=size, squeeze=False, gridspec_kw=grid)
    panels: list[Axes] = list(axes.flat)
    lon, lat = bkg.axes["fov_lon"], bkg.axes["fov_lat"]
    label = f"Background {_unit(bkg.unit)}"
    for ax, value in zip(panels, energies, strict=False):
        rate = bkg.evaluate(energy=value).value[0]
        _image(ax, lon, lat, rate, label, kwargs, add_cbar, axes_loc, kwargs_colorbar)
        ax.set_title(energy_text(value))
        ax.set_aspect("equal", "box")
    for ax in panels[len(energies) :]:
        ax.remove()
    return axes


def plot_bkg_offset_dependence(
    bkg: "Background2D", ax: Axes | None = None, energy: "QuantityLike | None" = None, **kwargs: object
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
    energies = _each(_between(bkg.axes["energy"]) if energy is None else energy)
    curves = [(f"energy = {energy_text(value)}", bkg.evaluate(energy=value)) for value in energies]
    return _curves(ax, bkg.axes["offset"], curves, f"Background rate {_unit(bkg.unit)}", kwargs, log=True)


def plot_bkg_energy_dependence(
    bkg: "Background2D", ax: Axes | None = None, offset: "QuantityLike | None" = None, **kwargs: object
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
    offsets = _each(_between(bkg.axes["offset"]) if offset is None else offset)
    curves = [(f"offset = {value:.2f}", bkg.evaluate(offset=value)) for value in offsets]
    return _curves(ax, bkg.axes["energy"], curves, f"Background rate {_unit(bkg.unit)}", kwargs, log=True)


def plot_bkg_spectrum(bkg: "Background2D", ax: Axes | None = None, **kwargs: object) -> Axes:
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
    return _curves(ax, energy, [("integrated spectrum", rate)], f"Background rate {_unit(unit)}", kwargs, log=True)


def peek_bkg(bkg: "Background2D", figsize: tuple[float, float] = (10, 8)) -> None:
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
    ax = _curves(ax, rad_max.axes["energy"], curves, f"Rad max. {_unit(rad_max.unit)}", kwargs)
    ax.set_ylim(0, None)
    return ax


def _panels(n_column: int, figsize: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes in one row."""
    figure = plt.figure(figsize=figsize)
    return figure, [figure.add_subplot(1, n_column, number) for number in range(1, n_column + 1)]
