"""Axes: of numbers, time intervals and labels.

The nodes of an axis are kept bit for bit, both ways. Gammapy computes edges from the nodes through a logarithm and
back, which rounds, and lightpool keeps them as given. An axis from Gammapy keeps the edges that Gammapy computed, so
both put an event on an edge into the same bin; an axis that goes to Gammapy gets the edges that Gammapy computes.
"""

from collections.abc import Sequence
from weakref import WeakValueDictionary

import numpy as np
from gammapy.maps import LabelMapAxis as GammapyLabelMapAxis
from gammapy.maps import MapAxes as GammapyMapAxes
from gammapy.maps import MapAxis as GammapyMapAxis
from gammapy.maps import TimeMapAxis as GammapyTimeMapAxis

from lightpool.gammapy.conversion.internals import internal
from lightpool.gammapy.conversion.kinds import require_class
from lightpool.gammapy.conversion.registry import from_gammapy, to_gammapy
from lightpool.gammapy.conversion.twins import Twins
from lightpool.maps import LabelMapAxis, MapAxes, MapAxis, TimeMapAxis
from lightpool.maps.axes.axes_format import AnyAxis
from lightpool.typing import GammapyObject

__all__ = [
    "axes_from_gammapy",
    "axes_to_gammapy",
    "axis_from_gammapy",
    "axis_to_gammapy",
    "one_axis_from_gammapy",
    "some_axes_from_gammapy",
]

_TWINS: Twins[GammapyObject] = Twins()

_EQUAL: WeakValueDictionary[tuple[object, ...], MapAxis] = WeakValueDictionary()
"""Converted axes by their content: each copy of a dataset of Gammapy has new axes, whose edges need not be computed."""


@to_gammapy.register
def axis_to_gammapy(axis: MapAxis) -> GammapyMapAxis:
    """Return an axis of numbers as one of Gammapy."""
    found = _TWINS.get(axis)
    if found is not None:
        return found
    twin = GammapyMapAxis(
        axis.nodes_value,
        interp=axis.interp,
        name=axis.name,
        node_type=axis.node_type,
        unit=axis.unit,
        boundary_type=axis.boundary_type,
    )
    # a spare for its edges, which are not those of Gammapy
    return _TWINS.put_pair(axis, twin, axis.copy())


@from_gammapy.register(GammapyMapAxis)
def axis_from_gammapy(axis: GammapyMapAxis) -> MapAxis:
    """Return an axis of numbers of Gammapy as one of lightpool."""
    found: MapAxis | None = _TWINS.get(axis)
    # a geometry of Gammapy gives a name to an axis that has none
    if found is not None and found.name == axis.name:
        return found
    require_class(axis, GammapyMapAxis)
    # Gammapy has no public name for nodes and boundary type
    nodes, boundary_type = internal(axis, "_nodes"), internal(axis, "_boundary_type")
    content = (np.asarray(nodes).tobytes(), str(np.asarray(nodes).dtype), axis.interp, axis.name)
    key = (*content, axis.node_type, axis.unit, boundary_type)
    same = _EQUAL.get(key)
    if same is not None:
        # a copy: each is converted back to its own original
        twin = same.copy()
        _TWINS.put_pair(axis, twin)
        return twin
    twin = MapAxis(nodes, axis.interp, axis.name, axis.node_type, axis.unit, boundary_type)
    edges = axis.edges.value
    if not np.array_equal(edges, twin.edges_value):
        twin = twin.with_rounded_edges(edges)
    _EQUAL[key] = twin
    _TWINS.put_pair(axis, twin)
    return twin


@to_gammapy.register
def time_axis_to_gammapy(axis: TimeMapAxis) -> GammapyTimeMapAxis:
    """Return an axis of time intervals as one of Gammapy."""
    twin = _TWINS.get(axis)
    if twin is None:
        twin = GammapyTimeMapAxis(axis.edges_min, axis.edges_max, axis.reference_time, axis.name, axis.interp)
        _TWINS.put_pair(axis, twin)
    # can be changed at any time
    twin.time_format = axis.time_format
    return twin


@from_gammapy.register(GammapyTimeMapAxis)
def time_axis_from_gammapy(axis: GammapyTimeMapAxis) -> TimeMapAxis:
    """Return an axis of time intervals of Gammapy as one of lightpool."""
    twin: TimeMapAxis | None = _TWINS.get(axis)
    if twin is None:
        require_class(axis, GammapyTimeMapAxis)
        twin = TimeMapAxis(axis.edges_min, axis.edges_max, axis.reference_time, axis.name, axis.interp)
        _TWINS.put_pair(axis, twin)
    twin.time_format = axis.time_format
    return twin


@to_gammapy.register
def label_axis_to_gammapy(axis: LabelMapAxis) -> GammapyLabelMapAxis:
    """Return an axis of labels as one of Gammapy."""
    found = _TWINS.get(axis)
    if found is not None:
        return found
    return _TWINS.put_pair(axis, GammapyLabelMapAxis(axis.center, axis.name))


@from_gammapy.register(GammapyLabelMapAxis)
def label_axis_from_gammapy(axis: GammapyLabelMapAxis) -> LabelMapAxis:
    """Return an axis of labels of Gammapy as one of lightpool."""
    found: LabelMapAxis | None = _TWINS.get(axis)
    if found is not None and found.name == axis.name:
        return found
    require_class(axis, GammapyLabelMapAxis)
    twin = LabelMapAxis(axis.center, axis.name)
    _TWINS.put_pair(axis, twin)
    return twin


@to_gammapy.register
def axes_to_gammapy(axes: MapAxes) -> GammapyMapAxes:
    """Return several axes as those of Gammapy."""
    found = _TWINS.get(axes)
    if found is not None:
        return found
    twin = GammapyMapAxes([to_gammapy(axis) for axis in axes], n_spatial_axes=axes.n_spatial_axes)
    return _TWINS.put_pair(axes, twin)


@from_gammapy.register(GammapyMapAxes)
def axes_from_gammapy(axes: GammapyMapAxes) -> MapAxes:
    """Return several axes of Gammapy as those of lightpool."""
    found: MapAxes | None = _TWINS.get(axes)
    if found is not None and found.names == axes.names:
        return found
    require_class(axes, GammapyMapAxes)
    # Gammapy has no public name for the number of sky axes
    n_spatial = internal(axes, "_n_spatial_axes")
    twin = MapAxes(some_axes_from_gammapy(axes), n_spatial)
    _TWINS.put_pair(axes, twin)
    return twin


def one_axis_from_gammapy(axis: GammapyObject) -> AnyAxis:
    """Return an axis of Gammapy of any kind as one of lightpool."""
    found = from_gammapy(axis)
    if not isinstance(found, AnyAxis):
        raise TypeError(f"expected an axis of Gammapy, got a {type(axis).__name__}")
    return found


def some_axes_from_gammapy(axes: Sequence[GammapyObject]) -> list[AnyAxis]:
    """Return a list of axes of Gammapy as axes of lightpool."""
    return [one_axis_from_gammapy(axis) for axis in axes]
