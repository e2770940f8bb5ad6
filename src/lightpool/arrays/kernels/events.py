"""Events counted into the bins of a sky map."""

import operator
from collections.abc import Sequence
from functools import reduce
from typing import TypeAlias, cast

import numpy as np
from array_api_compat import is_cupy_namespace, is_numpy_namespace
from numpy.typing import NDArray

from lightpool.arrays.cuda import events as cuda_events
from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.devices import array_namespace
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.kernels.binning import bin_index
from lightpool.arrays.kernels.histogram import histogram
from lightpool.arrays.kernels.projections import sky_to_pixel
from lightpool.arrays.kernels.sphere import lonlat, rotate, unit_vectors
from lightpool.arrays.projection_parameters import Projection

__all__ = ["EDGE", "count_events", "count_events_plain", "on_turn", "pixel_number"]

Mask: TypeAlias = NDArray[np.bool_]

EDGE = 1e-8
"""What is nearer to the edge between two pixels, in pixels, lies on it and belongs to the upper one.

Positions on an edge are common: a source at the reference position of a map with an even number of pixels, pixel
centres of another map. Rounding, 1e-10 of a pixel at most, would put them on either side, and on another one with the
trigonometric functions of another processor or of wcslib. Steps of single precision, in which files hold positions, are
a thousand times as large.
"""


def count_events(
    lon: Array,
    lat: Array,
    values: Sequence[Array],
    edges: Sequence[Array],
    projection: Projection,
    shape: tuple[int, int],
    *,
    first: tuple[int, int] = (0, 0),
    turn: HostFloats | None = None,
    columns: tuple[float, float] | None = None,
    weights: Array | None = None,
) -> Array:
    """Count events, or add up their weights, in the pixels of an image and the bins of further axes.

    Parameters
    ----------
    lon, lat : arrays of float64, shape (n_event,), unit rad
    values : for each axis an array of float64, shape (n_event,)
    edges : for each axis an array of float64, shape (n_bin + 1,), ascending
        A NumPy array is copied to the device of the events.
    projection : Projection
    shape : pair of int, (ny, nx)
    first : pair of int, (y, x) of the first pixel
    turn : NumPy array of float64, shape (3, 3), optional
        Rotation from the frame of the positions to that of the projection.
    columns : pair of float, optional
        Middle of the image along x, counted from its first pixel, and columns of a whole turn, for an image that
        reaches over the end of the native longitudes; see `on_turn`.
    weights : array of float64, shape (n_event,), optional

    Returns
    -------
    counts : array of float64, shape (n_bin of the last axis, ..., n_bin of the first axis, ny, nx)
        Events outside, or where the direction does not project, are left out. Pixels are half-open as bins are.
    """
    xp = array_namespace(lon)
    if is_cupy_namespace(xp) and len(values) <= cuda_events.MAX_AXES:
        return cuda_events.count_events(lon, lat, values, edges, projection, shape, first, turn, columns, weights)
    if is_numpy_namespace(xp) and values:
        bins = [bin_index(column, borders) for column, borders in zip(values, edges, strict=True)]
        inside = np.flatnonzero(cast(Mask, reduce(operator.and_, (index >= 0 for index in bins))))
        # Most events lie below the energies of the map: what does not count need not be projected.
        lon, lat, *bins = (column[inside] for column in (lon, lat, *bins))
        weights = None if weights is None else weights[inside]
        return _count_in_bins(lon, lat, bins, edges, projection, shape, first, turn, columns, weights)
    return count_events_plain(
        lon, lat, values, edges, projection, shape, first=first, turn=turn, columns=columns, weights=weights
    )


def count_events_plain(
    lon: Array,
    lat: Array,
    values: Sequence[Array],
    edges: Sequence[Array],
    projection: Projection,
    shape: tuple[int, int],
    *,
    first: tuple[int, int] = (0, 0),
    turn: HostFloats | None = None,
    columns: tuple[float, float] | None = None,
    weights: Array | None = None,
) -> Array:
    """Plain twin of `count_events`, in many steps; counts are added up by `histogram`."""
    bins = [bin_index(column, borders) for column, borders in zip(values, edges, strict=True)]
    return _count_in_bins(lon, lat, bins, edges, projection, shape, first, turn, columns, weights)


def _count_in_bins(
    lon: Array,
    lat: Array,
    bins: Sequence[Array],
    edges: Sequence[Array],
    projection: Projection,
    shape: tuple[int, int],
    first: tuple[int, int],
    turn: HostFloats | None,
    columns: tuple[float, float] | None,
    weights: Array | None,
) -> Array:
    if turn is not None:
        lon, lat = lonlat(rotate(turn, unit_vectors(lon, lat)))
    x, y = sky_to_pixel(projection, lon, lat)
    x, y = x - float(first[1]), y - float(first[0])
    if columns is not None:
        x = on_turn(x, *columns)
    image = [pixel_number(y, shape[0]), pixel_number(x, shape[1])]
    n_bin = tuple(borders.shape[0] - 1 for borders in edges)
    return histogram([*bins[::-1], *image], (*n_bin[::-1], *shape), weights)


def on_turn(x: Array, middle: float, period: float) -> Array:
    """Pixel coordinates moved by whole turns of the sky, as near to the middle of an image as that allows."""
    xp = array_namespace(x)
    turns = xp.floor((x - (middle - EDGE)) / period + 0.5)
    return x - period * turns


def pixel_number(pix: Array, length: int) -> Array:
    """Pixel that each pixel coordinate falls into, int64; -1 outside and for NaN; edges as `EDGE` says."""
    xp = array_namespace(pix)
    nearest = xp.floor(pix + (0.5 + EDGE))
    inside = (nearest >= 0) & (nearest < length)  # False for NaN too
    return as_dtype(xp.where(inside, nearest, -1.0), "int64")
