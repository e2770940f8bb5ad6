"""Regions drawn on the sky."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import matplotlib.pyplot as plt
from astropy.visualization.wcsaxes import WCSAxes
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patheffects import AbstractPathEffect

from lightpool.maps.core import Map
from lightpool.maps.regions.sky_regions import all_parts, is_point, region_to_pixel

if TYPE_CHECKING:
    from lightpool.maps.geoms.region_geom import RegionGeom

__all__ = ["plot_region"]


def plot_region(
    geom: "RegionGeom",
    ax: Axes | None = None,
    kwargs_point: Mapping[str, object] | None = None,
    path_effect: AbstractPathEffect | None = None,
    **kwargs: object,
) -> Axes:
    """Draw the outlines of a region, see `RegionGeom.plot_region`.

    Parameters
    ----------
    geom : RegionGeom
    ax : WCSAxes, optional
        The current axes by default if they show the sky, otherwise new ones that fit the region.
    kwargs_point : dict, optional
        Keywords of ``Line2D``, with which points are drawn.
    path_effect : AbstractPathEffect, optional
    **kwargs
        Keywords of ``as_artist`` of the pixel region, such as ``edgecolor``.
    """
    region = geom.known_region
    if ax is None:
        ax = plt.gca()
        if not hasattr(ax, "wcs"):
            ax.remove()
            # an empty map, whose zeros are at the upper end of the colours
            ax = Map.from_geom(geom.to_wcs_geom().to_image(), device="cpu").plot(vmin=-1, vmax=0)
    # short and long names of matplotlib for the colour of the outline
    color = kwargs.pop("color", kwargs.pop("c", None)) or kwargs.pop("ec", None)
    style: dict[str, Any] = {"facecolor": "none", "edgecolor": color or "C0"} | kwargs
    point: dict[str, Any] = {"marker": "*", "color": style["edgecolor"], **(kwargs_point or {})}
    point.setdefault("markeredgecolor", point["color"])
    wcs = cast(WCSAxes, ax).wcs
    for part in all_parts(region):
        artist: Artist = region_to_pixel(part, wcs).as_artist(**(point if is_point(part) else style))
        if path_effect is not None:
            artist.set_path_effects([path_effect])
        ax.add_artist(artist)
    return ax
