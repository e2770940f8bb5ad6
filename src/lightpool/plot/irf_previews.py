"""Small plots of response tables and reduced responses for notebooks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.irf.reduced.irf_map_card import ResponseToShow
from lightpool.irf.tables.irf_card import TableToShow, unit_of
from lightpool.maps import Map, MapAxis
from lightpool.maps.map_card import values_to_show
from lightpool.plot.map_previews import axis_title, unit_text
from lightpool.plot.previews import Curves, Mesh, Panel, draw
from lightpool.utils.html import Picture

__all__ = ["draw_irf", "draw_response_map"]

_MOST_LINES = 4
_FIELD = ("fov_lon", "fov_lat")
_PLACE = ("phi", "rho", "offset", *_FIELD)
"""Axes that are dropped first where there are more than two."""


def draw_irf(table: TableToShow) -> list[Picture]:
    """Return a small plot of a response table; none if there is nothing to draw.

    Parameters
    ----------
    table : IRF
    """
    if table.data.dtype.names:  # parameters of a profile, each with a unit of its own
        name = next((each for each in table.data.dtype.names if each.startswith("sigma")), table.data.dtype.names[0])
        return draw(_panels(table.data[name], table.map_axes, name, unit_text(unit_of(table.unit, name))))
    return draw(_panels(np.asarray(table.data, dtype=float), table.map_axes, "", unit_text(table.unit)))


def draw_response_map(response: ResponseToShow) -> list[Picture]:
    """Return a small plot of a reduced response in its middle; none if there is nothing to draw.

    Parameters
    ----------
    response : PSFMap, EDispMap or EDispKernelMap
    """
    mean, _ = response.known_maps
    values = None if mean is None else values_to_show(mean)
    if mean is None or values is None or not mean.geom.is_regular:
        return []
    axes = [axis for axis in mean.geom.axes if isinstance(axis, MapAxis)]
    if len(axes) < len(mean.geom.axes):
        return []
    pixel = _middle(mean, values)
    # as in tables, the first axis comes first
    return draw(_panels(np.asarray(pixel.T, dtype=float), axes, "in the middle of the map", unit_text(mean.unit)))


def _middle(data: Map, values: NDArray[Any]) -> NDArray[Any]:
    """Return the values in the middle pixel, shape of the axes."""
    n_axes = len(data.geom.axes)
    pixels = values.reshape(*values.shape[:n_axes], -1)
    shape = values.shape[n_axes:]
    middle = int(np.ravel_multi_index(tuple(n // 2 for n in shape), shape))
    return np.asarray(pixels[..., middle])


def _panels(values: NDArray[Any], axes: list[MapAxis], title: str, label: str) -> list[Panel]:
    """Return the panels that suit the number of axes and what they are."""
    names = [axis.name for axis in axes]
    if set(_FIELD) <= set(names) and len(axes) == 3:
        return _field_panels(values, axes, title, label)
    while values.ndim > 2:  # at one place of the field of view: in its middle, or near it
        name = next((each for each in _PLACE if each in names), names[-1])
        drop = names.index(name)
        bin_ = axes[drop].nbin // 2 if name in _FIELD else 0
        title = _words(title, f"{name} {axes[drop].center[bin_]:.3g}")
        values = np.take(values, bin_, axis=drop)
        axes = [axis for axis in axes if axis.name != name]
        names = [axis.name for axis in axes]
    if values.ndim == 1:
        return [Curves(axes[0].edges.value, [("", values)], title, axis_title(axes[0]), label, _is_log(axes[0]))]
    first = next((name for name in ("rad", "energy_true") if name in names), names[0])
    if first != names[0]:
        values, axes = values.T, axes[::-1]
    if first != "rad" and axes[1].name in ("migra", "energy", "fov_lat"):
        return [_mesh(values, axes, title, label)]
    return [_curves(values, axes, title, label)]


def _words(*texts: str) -> str:
    return ", ".join(text for text in texts if text)


def _is_log(axis: MapAxis) -> bool:
    return axis.interp == "log" and bool(axis.edges.value[0] > 0)


def _mesh(values: NDArray[Any], axes: list[MapAxis], title: str, label: str) -> Mesh:
    x, y = axes
    edges = (x.edges.value, y.edges.value)
    return Mesh(*edges, values.T, title, axis_title(x), axis_title(y), label, _is_log(x), _is_log(y))


def _curves(values: NDArray[Any], axes: list[MapAxis], title: str, label: str) -> Curves:
    """Return the values along the first axis, for some bins of the second."""
    x, other = axes
    chosen = np.unique(np.linspace(0, other.nbin - 1, _MOST_LINES).astype(int))
    center = other.center
    lines = [(f"{other.name} {center[i]:.3g}", values[:, i]) for i in chosen]
    return Curves(x.edges.value, lines, title, axis_title(x), label, _is_log(x))


def _field_panels(values: NDArray[Any], axes: list[MapAxis], title: str, label: str) -> list[Panel]:
    """Return the mean over the field of view for each energy, and the field of view at the first energy with values."""
    names = [axis.name for axis in axes]
    energy = next(i for i, name in enumerate(names) if name not in _FIELD)
    lon, lat = (names.index(name) for name in _FIELD)
    cube = np.transpose(values, (energy, lon, lat))
    spectrum = cube.mean(axis=(1, 2))
    filled = np.flatnonzero(np.isfinite(spectrum) & (spectrum > 0))
    i = int(filled[len(filled) // 2]) if filled.size else 0
    words = _words(title, f"{names[energy]} {axes[energy].center[i]:.3g}")
    axis = axes[energy]
    return [
        _mesh(cube[i], [axes[lon], axes[lat]], words, label),
        Curves(axis.edges.value, [("", spectrum)], "mean of the field", axis_title(axis), label, _is_log(axis)),
    ]
