"""Event counting in the bins of a sky map, in one launch."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.cuda.loader import contiguous, grid_for, launch, zeros
from lightpool.arrays.cuda.structs import projection_struct, struct
from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import device_of
from lightpool.arrays.projection_parameters import Projection

__all__ = ["MAX_AXES", "count_events"]

MAX_AXES = 3
"""Axes besides the two of the sky."""

_EVENT_MAP = [
    ("n_event", "i8"),
    ("n_x", "i8"),
    ("n_y", "i8"),
    ("n_axis", "i8"),
    ("n_bin", "i8", MAX_AXES),
    ("turns", "i8"),
    ("turn", "f8", 9),
    ("middle", "f8"),
    ("period", "f8"),
]


def count_events(
    lon: Array,
    lat: Array,
    values: Sequence[Array],
    edges: Sequence[Array],
    projection: Projection,
    shape: tuple[int, int],
    first: tuple[int, int],
    turn: NDArray[np.float64] | None,
    turn_of_columns: tuple[float, float] | None,
    weights: Array | None,
) -> Array:
    """Count events, as `lightpool.arrays.kernels.events.count_events`.

    Parameters
    ----------
    lon, lat, values, edges, projection, shape, first, turn, weights : see there; at most `MAX_AXES` axes
    turn_of_columns : pair of float or None
        The parameter ``columns`` there.
    """
    n_bin = [axis.shape[0] - 1 for axis in edges]
    counts = zeros((*n_bin[::-1], *shape), "float64", lon)
    event_map = struct(
        _EVENT_MAP,
        n_event=lon.shape[0],
        n_x=shape[1],
        n_y=shape[0],
        n_axis=len(n_bin),
        n_bin=n_bin,
        turns=turn is not None,
        turn=np.zeros(9) if turn is None else turn.ravel(),  # not read if `turns` is 0
        middle=0.0 if turn_of_columns is None else turn_of_columns[0],
        period=0.0 if turn_of_columns is None else turn_of_columns[1],  # 0: no shift
    )
    columns: list[Any] = []
    for column, borders in zip(values, edges, strict=True):
        columns += [contiguous(column), constant(borders, device_of(lon), dtype="float64")]
    columns += [None] * (2 * MAX_AXES - len(columns))
    weights = None if weights is None else contiguous(weights, "float64")
    sky = projection_struct(projection, (first[1], first[0]))
    if math.prod(counts.shape):
        arguments = [contiguous(lon), contiguous(lat), *columns, weights, sky, event_map, counts]
        launch("events", "count_events", grid_for(lon.shape[0]), arguments, counts)
    return counts
