"""Pictures of response tables."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.visualization import quantity_support
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.ticker import ScalarFormatter

from lightpool.plot.axes import format_xaxis, format_yaxis
from lightpool.plot.maps import add_colorbar, energy_text

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


_DECADES = 15  # of a logarithmic axis: interpolated logarithms of zero would take all of its height


def _unit(unit: u.UnitBase) -> str:
    return f"[{unit.to_string('latex_inline')}]"


def _curves(
    ax: Any, axis: "MapAxis", curves: list[tuple[str, u.Quantity]], ylabel: str, log: bool = False, **kwargs: Any
) -> Any:
    """Draw values at the bin centres of an axis, one curve for each label; a single bin is a point."""
    ax = plt.gca() if ax is None else ax
    style = {"marker": "o"} if axis.nbin == 1 else {}
    with quantity_support():
        for label, values in curves:
            ax.plot(axis.center, values.ravel(), **({"label": label} | style | kwargs))
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
    ax: Any,
    x: "MapAxis",
    y: "MapAxis",
    values: Any,
    label: str,
    add_cbar: bool,
    axes_loc: dict[str, Any] | None = None,
    kwargs_colorbar: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Draw values of shape (x, y) as coloured bins."""
    ax = plt.gca() if ax is None else ax
    kwargs = {"cmap": "GnBu", "edgecolors": "face"} | kwargs
    with quantity_support():
        mesh = ax.pcolormesh(x.edges, y.edges, values.T, **kwargs)
    format_xaxis(x, ax)
    format_yaxis(y, ax)
    if add_cbar:
        add_colorbar(mesh, ax, axes_loc=axes_loc, **({"label": label} | (kwargs_colorbar or {})))
    return ax


def _between(axis: "MapAxis", n: int = 4) -> u.Quantity:
    """Centres spread over an axis."""
    low, high = axis.center_value[0], axis.center_value[-1]
    return (np.geomspace(low, high, n) if axis.interp == "log" else np.linspace(low, high, n)) * axis.unit


def plot_aeff(aeff: "EffectiveAreaTable2D", ax: Any = None, add_cbar: bool = True, **kwargs: Any) -> Any:
    """Effective area over energy and offset."""
    energy, offset = aeff.axes["energy_true"], aeff.axes["offset"]
    area = aeff.evaluate()
    return _image(ax, energy, offset, area.value, f"Effective Area {_unit(area.unit)}", add_cbar, **kwargs)


def plot_aeff_energy_dependence(aeff: "EffectiveAreaTable2D", ax: Any = None, offset: Any = None, **kwargs: Any) -> Any:
    """Effective area against energy, one curve for each offset."""
    if offset is None:
        axis = aeff.axes["offset"]
        low, high = axis.bounds
        offset = axis.center if axis.nbin == 1 else np.linspace(low, high, 4)
    curves = [(f"offset = {value:.1f}", aeff.evaluate(offset=value)) for value in np.atleast_1d(u.Quantity(offset))]
    return _curves(ax, aeff.axes["energy_true"], curves, f"Effective Area {_unit(aeff.unit)}", **kwargs)


def plot_aeff_offset_dependence(aeff: "EffectiveAreaTable2D", ax: Any = None, energy: Any = None, **kwargs: Any) -> Any:
    """Effective area against offset relative to its maximum, one curve for each energy where there is any."""
    energy = _between(aeff.axes["energy_true"]) if energy is None else np.atleast_1d(u.Quantity(energy))
    curves = []
    for value in energy:
        area = aeff.evaluate(energy_true=value)
        if area.max() > 0:
            curves.append((f"energy = {energy_text(value)}", area / area.max()))
    ax = _curves(ax, aeff.axes["offset"], curves, "Relative Effective Area", **kwargs)
    ax.set_ylim(0, 1.1)
    return ax


def peek_aeff(aeff: "EffectiveAreaTable2D", figsize: tuple[float, float] = (15, 5)) -> None:
    """Curves over energy, over offset unless the response is point-like, and the image."""
    n_plot = 2 if aeff.is_pointlike else 3
    figure, axes = plt.subplots(ncols=n_plot, figsize=figsize)
    plot_aeff_energy_dependence(aeff, ax=axes[0])
    if not aeff.is_pointlike:
        plot_aeff_offset_dependence(aeff, ax=axes[1])
    plot_aeff(aeff, ax=axes[-1])
    figure.tight_layout()


def plot_edisp_bias(
    edisp: "EnergyDispersion2D", ax: Any = None, offset: Any = None, add_cbar: bool = False, **kwargs: Any
) -> Any:
    """Density over true energy and migra at one offset."""
    offset = edisp._default_offset if offset is None else u.Quantity(offset)
    density = edisp.evaluate(offset=np.atleast_1d(offset)[:1]).value[..., 0]
    kwargs.setdefault("norm", PowerNorm(gamma=0.5))
    energy, migra = edisp.axes["energy_true"], edisp.axes["migra"]
    return _image(ax, energy, migra, density, "Probability density", add_cbar, **kwargs)


def plot_edisp_migration(
    edisp: "EnergyDispersion2D", ax: Any = None, offset: Any = None, energy_true: Any = None, **kwargs: Any
) -> Any:
    """Density over migra, one curve for each offset and true energy."""
    offset = edisp._default_offset if offset is None else np.atleast_1d(u.Quantity(offset))
    energy_true = [0.1, 1, 10] * u.TeV if energy_true is None else np.atleast_1d(u.Quantity(energy_true))
    migra = edisp.axes["migra"]
    curves = [
        (f"offset = {o:.1f}\nenergy = {energy_text(e)}", edisp.evaluate(offset=o, energy_true=e, migra=migra.center))
        for e in energy_true
        for o in offset
    ]
    return _curves(ax, migra, curves, "Probability density", **kwargs)


def peek_edisp(edisp: "EnergyDispersion2D", figsize: tuple[float, float] = (15, 5)) -> None:
    """Bias, migration and the matrix of the kernel."""
    figure, axes = plt.subplots(ncols=3, figsize=figsize)
    plot_edisp_bias(edisp, ax=axes[0])
    plot_edisp_migration(edisp, ax=axes[1])
    edisp.to_edisp_kernel(offset=edisp._default_offset[0]).plot_matrix(ax=axes[2])
    figure.tight_layout()


def plot_psf_radius_vs_energy(psf: "PSF", ax: Any, fraction: Any, offset: Any, **kwargs: Any) -> Any:
    """Containment radius against energy, one curve for each offset and fraction."""
    energy = psf.axes["energy_true"]
    curves = [
        (f"{o}, {100 * f:.1f}%", psf.containment_radius(energy_true=energy.center, offset=o, fraction=f))
        for o in np.atleast_1d(u.Quantity(offset))
        for f in np.atleast_1d(fraction)
    ]
    return _curves(ax, energy, curves, f"Containment radius {_unit(curves[0][1].unit)}", **kwargs)


def plot_psf_radius(psf: "PSF", ax: Any, fraction: float, add_cbar: bool, **kwargs: Any) -> Any:
    """Containment radius over energy and offset."""
    energy, offset = psf.axes["energy_true"], psf.axes["offset"]
    radius = psf.containment_radius(energy_true=energy.center[:, np.newaxis], offset=offset.center, fraction=fraction)
    label = f"Containment radius R{100 * fraction:.0f} ({radius.unit})"
    return _image(ax, energy, offset, radius.value, label, add_cbar, **kwargs)


def plot_psf_vs_rad(psf: "PSF", ax: Any, offset: Any, energy_true: Any, **kwargs: Any) -> Any:
    """Profile against the distance from the centre, one curve for each offset and energy."""
    rad = psf._rad_axis()
    curves = [
        (f"Offset: {o:.1f}, Energy: {energy_text(e)}", psf.evaluate(rad=rad.center, energy_true=e, offset=o))
        for o in np.atleast_1d(u.Quantity(offset))
        for e in np.atleast_1d(u.Quantity(energy_true))
    ]
    return _curves(ax, rad, curves, f"PSF {_unit(curves[0][1].unit)}", log=True, **kwargs)


def peek_psf(psf: "PSF", figsize: tuple[float, float] = (15, 5)) -> None:
    """Containment radii of 68 % and 95 % over energy and offset, and against energy."""
    figure, axes = plt.subplots(ncols=3, figsize=figsize)
    for ax, fraction in zip(axes, (0.68, 0.95), strict=False):
        plot_psf_radius(psf, ax, fraction, add_cbar=True)
    plot_psf_radius_vs_energy(psf, axes[2], (0.68, 0.95), (0, 1) * u.deg)
    figure.tight_layout()


def plot_bkg(bkg: "Background2D", ax: Any = None, add_cbar: bool = True, **kwargs: Any) -> Any:
    """Rate over energy and offset."""
    kwargs.setdefault("norm", LogNorm())
    energy, offset = bkg.axes["energy"], bkg.axes["offset"]
    values = np.where(bkg.data > 0, bkg.data, np.nan)
    return _image(ax, energy, offset, values, f"Background rate {_unit(bkg.unit)}", add_cbar, **kwargs)


def plot_bkg_at_energy(
    bkg: "Background3D",
    energy: Any,
    add_cbar: bool = True,
    ncols: int = 3,
    figsize: tuple[float, float] | None = None,
    axes_loc: dict[str, Any] | None = None,
    kwargs_colorbar: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Rate in the field of view, one image for each energy; returns their matplotlib axes."""
    energy = np.atleast_1d(u.Quantity(energy))
    columns = min(ncols, len(energy))
    rows = -(-len(energy) // columns)
    size = (12, 12 * rows / columns / (1.15 if add_cbar else 1)) if figsize is None else figsize
    grid = {"hspace": 0.3, "wspace": 0.8}
    _, axes = plt.subplots(ncols=columns, nrows=rows, figsize=size, squeeze=False, gridspec_kw=grid)
    lon, lat = bkg.axes["fov_lon"], bkg.axes["fov_lat"]
    label = f"Background {_unit(bkg.unit)}"
    for ax, value in zip(axes.flat, energy, strict=False):
        rate = bkg.evaluate(energy=value).value[0]
        _image(ax, lon, lat, rate, label, add_cbar, axes_loc, kwargs_colorbar, **kwargs)
        ax.set_title(energy_text(value))
        ax.set_aspect("equal", "box")
    for ax in axes.flat[len(energy) :]:
        ax.remove()
    return axes


def plot_bkg_offset_dependence(bkg: "Background2D", ax: Any = None, energy: Any = None, **kwargs: Any) -> Any:
    """Rate against offset, one curve for each energy."""
    energy = _between(bkg.axes["energy"]) if energy is None else np.atleast_1d(u.Quantity(energy))
    curves = [(f"energy = {energy_text(value)}", bkg.evaluate(energy=value)) for value in energy]
    return _curves(ax, bkg.axes["offset"], curves, f"Background rate {_unit(bkg.unit)}", log=True, **kwargs)


def plot_bkg_energy_dependence(bkg: "Background2D", ax: Any = None, offset: Any = None, **kwargs: Any) -> Any:
    """Rate against energy, one curve for each offset."""
    offset = _between(bkg.axes["offset"]) if offset is None else np.atleast_1d(u.Quantity(offset))
    curves = [(f"offset = {value:.2f}", bkg.evaluate(offset=value)) for value in offset]
    return _curves(ax, bkg.axes["energy"], curves, f"Background rate {_unit(bkg.unit)}", log=True, **kwargs)


def plot_bkg_spectrum(bkg: "Background2D", ax: Any = None, **kwargs: Any) -> Any:
    """Rate in the whole field of view against energy."""
    energy = bkg.axes["energy"]
    unit = u.Unit("s-1") / energy.unit
    rate = bkg.integral(axis_name="offset", offset=bkg.axes["offset"].bounds[1]).to(unit)
    return _curves(ax, energy, [("integrated spectrum", rate)], f"Background rate {_unit(unit)}", log=True, **kwargs)


def peek_bkg(bkg: "Background2D", figsize: tuple[float, float] = (10, 8)) -> None:
    """Curves over offset and energy, the rate in the whole field of view, and the image."""
    figure, axes = plt.subplots(nrows=2, ncols=2, figsize=figsize)
    plot_bkg_offset_dependence(bkg, ax=axes[0, 0])
    plot_bkg_spectrum(bkg, ax=axes[0, 1])
    plot_bkg_energy_dependence(bkg, ax=axes[1, 0])
    plot_bkg(bkg, ax=axes[1, 1])
    figure.tight_layout()


def plot_rad_max_vs_energy(rad_max: "RadMax2D", ax: Any = None, **kwargs: Any) -> Any:
    """Radius of the directional cut against energy, one curve for each offset."""
    curves = [(f"Offset {value:.2f}", rad_max.evaluate(offset=value)) for value in rad_max.axes["offset"].center]
    ax = _curves(ax, rad_max.axes["energy"], curves, f"Rad max. {_unit(rad_max.unit)}", **kwargs)
    ax.set_ylim(0, None)
    return ax
