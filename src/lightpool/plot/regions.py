"""Regions drawn on the sky."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt

from lightpool.maps.core import Map
from lightpool.maps.regions.sky_regions import all_parts, is_point, region_to_pixel

if TYPE_CHECKING:
    from lightpool.maps.geoms.region_geom import RegionGeom

__all__ = ["plot_off_regions", "plot_region"]


def plot_region(
    geom: "RegionGeom",
    ax: Any = None,
    kwargs_point: dict[str, Any] | None = None,
    path_effect: Any = None,
    **kwargs: Any,
) -> Any:
    """Draw the outlines of a region, see `RegionGeom.plot_region`."""
    region = geom._known_region()
    if ax is None:
        ax = plt.gca()
        if not hasattr(ax, "wcs"):
            ax.remove()
            ax = Map.from_geom(geom.to_wcs_geom().to_image(), device="cpu").plot(vmin=-1, vmax=0)
    color = kwargs.pop("color", kwargs.pop("c", None)) or kwargs.pop("ec", None)
    style = {"facecolor": "none", "edgecolor": color or "C0"} | kwargs
    point = {"marker": "*", "color": style["edgecolor"]} | (kwargs_point or {})
    point.setdefault("markeredgecolor", point["color"])
    for part in all_parts(region):
        artist = region_to_pixel(part, ax.wcs).as_artist(**(point if is_point(part) else style))
        if path_effect is not None:
            artist.set_path_effects([path_effect])
        ax.add_artist(artist)
    return ax


def plot_off_regions(datasets: Iterable[Any], ax: Any = None, **kwargs: Any) -> Any:
    """Draw the OFF regions of spectra, each run in a colour of its own.

    Parameters
    ----------
    datasets : Datasets, or SpectrumDatasetOnOff in any sequence
        Those without OFF regions are left out.
    ax : WCSAxes, optional
        By default the current axes, which must show the sky.
    **kwargs : dict, passed to `RegionGeom.plot_region`

    Returns
    -------
    ax : WCSAxes
    """
    ax = plt.gca() if ax is None else ax
    if not hasattr(ax, "wcs"):
        raise TypeError("OFF regions are drawn on axes that show the sky; plot a map before, or give its axes")
    for number, dataset in enumerate(datasets):
        if dataset.counts_off is None:
            continue
        style = {"edgecolor": f"C{number % 10}"} | kwargs
        dataset.counts_off.geom.plot_region(ax, **style)
        ax.plot([], [], color=style["edgecolor"], label=dataset.name)
    ax.legend()
    return ax
