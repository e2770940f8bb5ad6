"""Small plots of maps for notebooks: the sky, and the values along the energy."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.maps.map_card import MapToShow, values_to_show
from lightpool.plot.previews import Curves, Panel, Sky, draw
from lightpool.utils.html import Picture

if TYPE_CHECKING:
    from lightpool.maps import HpxGeom

__all__ = ["along_axis", "axis_title", "draw_map", "panels_of_map", "sky_panel", "unit_text"]

_NAMES = {"energy": "Energy", "energy_true": "True energy"}


def unit_text(unit: object, quantity: str = "") -> str:
    """Return a label with a unit in brackets; only what is there."""
    text = str(unit)
    return " ".join([*([quantity] if quantity else []), *([f"[{text}]"] if text else [])])


def axis_title(axis: NodeAxis) -> str:
    """Return the label of an axis."""
    return unit_text(axis.unit, _NAMES.get(axis.name, axis.name))


def draw_map(data: MapToShow) -> list[Picture]:
    """Return a small plot of a map on the host; none if there is nothing to draw."""
    return draw(panels_of_map(data))


def panels_of_map(data: MapToShow, title: str = "") -> list[Panel]:
    """Return the sky and the spectrum of a map.

    Parameters
    ----------
    data : Map
    title : str
        What the values are.
    """
    values = values_to_show(data)
    if values is None:
        return []
    panels: list[Panel] = []
    if not data.geom.is_region:
        panels += sky_panel(data, title)
    for axis in sorted(data.geom.axes, key=lambda each: each.name not in _NAMES):
        if isinstance(axis, NodeAxis) and axis.nbin > 1 and data.geom.is_regular:
            return [*panels, along_axis(data, axis, title)]
    return panels


def _is_summed(data: MapToShow) -> bool:
    """Return whether values are numbers of something, which are summed over bins; others are averaged."""
    return str(data.unit) == "" and not data.is_mask


def _total(data: MapToShow, values: NDArray[Any], axis: tuple[int, ...]) -> NDArray[Any]:
    if not axis:
        return np.asarray(values, dtype=float)
    if not _is_summed(data):
        return np.asarray(values.mean(axis=axis, dtype=float))
    summed: NDArray[Any] = values.sum(axis=axis, dtype=float)
    if not np.isfinite(summed).all():  # corners that are not on the sky, or bins without a value
        known = np.isfinite(values)
        summed = np.where(known.any(axis=axis), np.where(known, values, 0.0).sum(axis=axis), np.nan)
    return summed


def _how(data: MapToShow, over: str) -> str:
    return f"{'sum' if _is_summed(data) else 'mean'} over {over}"


def sky_panel(data: MapToShow, title: str = "") -> list[Panel]:
    """Return the image of a map, as a list of one; empty if it has none.

    Parameters
    ----------
    data : Map
    title : str
    """
    geom, values = data.geom, values_to_show(data)
    if values is None or not geom.is_regular:
        return []
    n_axes = len(geom.axes)
    image = _total(data, values, tuple(range(n_axes)))
    over = [axis.name for axis in geom.axes if axis.nbin > 1]
    how = _how(data, ", ".join(over)) if over else ""
    words = ", ".join(text for text in (title, how) if text)
    limits = (0.0, 1.0) if data.is_mask else None
    is_galactic, label = geom.frame == "galactic", str(data.unit)
    if geom.is_hpx:
        pixels, plane = _on_plane(cast("HpxGeom", geom), image)
        wcs = None if geom.is_allsky else plane.wcs
        return [Sky(pixels, wcs, words, label, is_galactic, _is_summed(data), limits)]
    return [Sky(image, None if geom.is_allsky else geom.wcs, words, label, is_galactic, _is_summed(data), limits)]


def _on_plane(geom: "HpxGeom", image: NDArray[Any]) -> tuple[NDArray[Any], Any]:
    """Return the values of HEALPix pixels at those of a plane, NaN where there are none, and the plane."""
    flat = geom.to_image()
    plane = flat.to_wcs_geom(proj="AIT" if geom.is_allsky else "TAN", width_pix=150)
    coords = plane.get_coord(frame=geom.frame)
    shape = plane.data_shape[-2:]
    lon, lat = (np.asarray(each.value if hasattr(each, "value") else each) for each in (coords.lon, coords.lat))
    known = np.isfinite(lon) & np.isfinite(lat)
    index = np.asarray(flat.data_index(flat.coord_to_idx({"lon": lon[known], "lat": lat[known]}))[-1])
    pixels = np.full(known.shape, np.nan)
    pixels[known] = np.where(index >= 0, image.reshape(-1)[np.maximum(index, 0)], np.nan)
    return pixels.reshape(shape), plane


def along_axis(data: MapToShow, axis: NodeAxis, title: str = "") -> Curves:
    """Return the values of a map along one axis, summed over all else, or averaged.

    Parameters
    ----------
    data : Map
    axis : MapAxis
    title : str
    """
    values = values_to_show(data)
    assert values is not None  # asked before
    dimension = data.geom.axes.index_data(axis.name)
    others = tuple(i for i in range(values.ndim) if i != dimension)
    line = _total(data, values, others)
    is_sum = values.size > line.size
    words = ", ".join(text for text in (title, _how(data, "all else") if is_sum else "") if text)
    return Curves(axis.edges.value, [("", line)], words, axis_title(axis), unit_text(data.unit), axis.interp == "log")
