"""Maps in panels of a figure, whatever pixels they have: HEALPix pixels are drawn as square ones."""

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

if TYPE_CHECKING:
    from lightpool.maps import HpxNDMap, Map, WcsNDMap

__all__ = ["Panel", "draw_on_sky", "sky_image"]

Panel: TypeAlias = tuple[int, int, int] | SubplotSpec
"""Rows, columns and number, as ``Figure.add_subplot`` takes them, or a place in a grid."""

_WIDTH_PIX = 1000


def sky_image(m: "Map") -> "WcsNDMap":
    """Return an image in square pixels: the same for the same geometry, so that a mask can be drawn over a map.

    Parameters
    ----------
    m : Map
        An image; values of HEALPix pixels are repeated.
    """
    if not m.geom.is_hpx:
        return cast("WcsNDMap", m)
    pixels = cast("HpxNDMap", m)
    proj = str(m.geom.wcs.wcs.ctype[0])[-3:]
    image = pixels.to_wcs(False, False, proj, 2, _WIDTH_PIX, fill_nan=not m.is_mask)
    return image.copy(data=image.data > 0) if m.is_mask else image


def draw_on_sky(figure: Figure, panel: Panel, m: "Map", title: str, **kwargs: object) -> Axes:
    """Draw an image with a colour bar on new axes of a figure.

    Parameters
    ----------
    figure : Figure
    panel : (int, int, int) or SubplotSpec
        See `Panel`.
    m : Map
        An image.
    title : str
    **kwargs
        Keywords of `WcsNDMap.plot`.
    """
    image = sky_image(m)
    place = panel if isinstance(panel, tuple) else (panel,)
    ax: Axes = figure.add_subplot(*place, projection=image.geom.wcs)
    style: dict[str, Any] = {"add_cbar": True} | kwargs
    image.plot(ax=ax, **style)
    ax.set_title(title)
    return ax
