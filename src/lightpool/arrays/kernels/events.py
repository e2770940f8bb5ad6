"""Event counting in the bins of a sky map."""

import operator
from collections.abc import Sequence
from functools import reduce
from typing import cast

import numpy as np
from array_api_compat import is_cupy_namespace, is_numpy_namespace
from numpy.typing import NDArray

from lightpool.arrays.cuda import events as cuda_events
from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.devices import array_namespace
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.kernels.binning import bin_index
from lightpool.arrays.kernels.histogram import flat_index, histogram
from lightpool.arrays.kernels.lazy_counts import LazyCounts
from lightpool.arrays.kernels.projections import sky_to_pixel
from lightpool.arrays.kernels.sphere import lonlat, rotate, unit_vectors
from lightpool.arrays.projection_parameters import Projection

__all__ = ["EDGE", "bins_of_events", "count_events", "count_events_plain", "on_turn", "pixel_number"]

EDGE = 1e-8
"""Distance, in pixels, within which a coordinate counts as on the edge of two pixels, and belongs to the upper one.

Coordinates on an edge are common: a source at the reference position of a map with an even number of pixels, or pixel
centres of another map. Rounding, at most 1e-10 of a pixel, would put them on either side, depending on the
trigonometric functions of the processor or of wcslib. Steps of single precision, in which files store coordinates, are
a thousand times larger.
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
    """Count events, or sum their weights, in the pixels of an image and the bins of further axes.

    Parameters
    ----------
    lon, lat : arrays of float64, shape (n_event,), unit rad
    values : sequence of arrays of float64, shape (n_event,)
        Coordinate of the events on each axis.
    edges : sequence of arrays of float64, shape (n_bin + 1,), ascending
        Edges of each axis. A NumPy array is copied to the device of the events.
    projection : Projection
    shape : pair of int, (ny, nx)
    first : pair of int, (y, x) of the first pixel
    turn : NumPy array of float64, shape (3, 3), optional
        Rotation from the frame of the event directions to that of the projection.
    columns : pair of float, optional
        Middle of the image along x, counted from its first pixel, and number of columns of a full turn. For images that
        extend beyond the end of the native longitudes; see `on_turn`.
    weights : array of float64, shape (n_event,), optional

    Returns
    -------
    counts : array of float64, shape (n_bin of the last axis, ..., n_bin of the first axis, ny, nx)
        Events that are outside, or whose direction does not project, are dropped. Pixels are half-open, as bins are.
    """
    xp = array_namespace(lon)
    if is_cupy_namespace(xp) and len(values) <= cuda_events.MAX_AXES:
        return cuda_events.count_events(lon, lat, values, edges, projection, shape, first, turn, columns, weights)
    if is_numpy_namespace(xp) and values:
        # Most events are below the energy range of the map: do not project those.
        inside = _inside_edges(cast("Sequence[HostFloats]", values), cast("Sequence[HostFloats]", edges))
        lon, lat, *values = (column[inside] for column in (lon, lat, *values))
        weights = None if weights is None else weights[inside]
    return count_events_plain(
        lon, lat, values, edges, projection, shape, first=first, turn=turn, columns=columns, weights=weights
    )


def bins_of_events(
    lon: HostFloats,
    lat: HostFloats,
    values: Sequence[HostFloats],
    edges: Sequence[HostFloats],
    projection: Projection,
    shape: tuple[int, int],
    dtype: str = "float64",
    *,
    first: tuple[int, int] = (0, 0),
    turn: HostFloats | None = None,
    columns: tuple[float, float] | None = None,
) -> LazyCounts:
    """Find the bins that `count_events` counts the events in, on the host, without an array of all bins.

    Parameters
    ----------
    lon, lat, values, edges, projection, shape, first, turn, columns : see `count_events`; NumPy arrays
    dtype : ``float64`` or ``float32``, of the counts

    Returns
    -------
    counts : LazyCounts, of the shape of the counts
    """
    inside = _inside_edges(values, edges) if values else slice(None)
    lon, lat, *values = (column[inside] for column in (lon, lat, *values))
    index, n_bin = _places(lon, lat, values, edges, projection, shape, first, turn, columns)
    return LazyCounts.of(cast(NDArray[np.int64], flat_index(index, n_bin)), n_bin, dtype)


def _inside_edges(values: Sequence[HostFloats], edges: Sequence[HostFloats]) -> NDArray[np.intp]:
    """Return the numbers of the events inside the outer edges of all axes; to find the bins of all takes longer."""
    found = ((column >= borders[0]) & (column < borders[-1]) for column, borders in zip(values, edges, strict=True))
    return np.flatnonzero(reduce(operator.and_, found))


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
    """Count events with the array API standard alone: the reference implementation of `count_events`.

    Parameters
    ----------
    lon, lat, values, edges, projection, shape, first, turn, columns, weights : see `count_events`
    """
    index, n_bin = _places(lon, lat, values, edges, projection, shape, first, turn, columns)
    return histogram(index, n_bin, weights)


def _places(
    lon: Array,
    lat: Array,
    values: Sequence[Array],
    edges: Sequence[Array],
    projection: Projection,
    shape: tuple[int, int],
    first: tuple[int, int],
    turn: HostFloats | None,
    columns: tuple[float, float] | None,
) -> tuple[list[Array], tuple[int, ...]]:
    """Return the bin of each event along each dimension of a map, -1 outside, and the shape of the map."""
    bins = [bin_index(column, borders) for column, borders in zip(values, edges, strict=True)]
    if turn is not None:
        lon, lat = lonlat(rotate(turn, unit_vectors(lon, lat)))  # from the frame of the events to that of the map
    x, y = sky_to_pixel(projection, lon, lat)
    x, y = x - float(first[1]), y - float(first[0])
    if columns is not None:
        x = on_turn(x, *columns)
    image = [pixel_number(y, shape[0]), pixel_number(x, shape[1])]
    n_bin = tuple(borders.shape[0] - 1 for borders in edges)
    # The order of the axes of a map: the last one first, then rows and columns.
    return [*bins[::-1], *image], (*n_bin[::-1], *shape)


def on_turn(x: Array, middle: float, period: float) -> Array:
    """Shift pixel coordinates by full turns of the sky, as close to the middle of an image as possible.

    Parameters
    ----------
    x : array of float64, any shape
        Pixel coordinates along the longitude.
    middle : float
        Pixel coordinate of the middle of the image.
    period : float
        Number of pixels of a full turn.
    """
    xp = array_namespace(x)
    # With EDGE, rounding does not decide on which side a coordinate half a turn from the middle lands.
    turns = xp.floor((x - (middle - EDGE)) / period + 0.5)
    return x - period * turns


def pixel_number(pix: Array, length: int) -> Array:
    """Return the pixel of each pixel coordinate.

    Parameters
    ----------
    pix : array of float64, any shape
    length : int
        Number of pixels.

    Returns
    -------
    number : array of int64, shape of ``pix``
        -1 outside and for NaN. Coordinates on the edge between two pixels are treated as `EDGE` describes.
    """
    xp = array_namespace(pix)
    nearest = xp.floor(pix + (0.5 + EDGE))
    inside = (nearest >= 0) & (nearest < length)  # False for NaN too
    return as_dtype(xp.where(inside, nearest, -1.0), "int64")
