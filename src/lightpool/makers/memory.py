"""An upper limit on the memory of a reduction, from geometries alone."""

import math
from collections.abc import Sequence

from lightpool.arrays.devices.blocks import MOST_BYTES
from lightpool.datasets import MapDataset, MemoryEstimate
from lightpool.irf import IRFMap
from lightpool.makers.core import Maker
from lightpool.maps import Map
from lightpool.maps.geoms.pixel_grid import MAX_FILLED_PIXELS
from lightpool.maps.geoms.pixel_store import MAX_STORED_BYTES

__all__ = ["reduction_memory"]

_KEPT_PER_PIXEL = 64
"""Bytes that a geometry keeps per pixel: directions, solid angle, offsets, coordinates in the field of view."""

_WORK_PER_PIXEL = 128
"""Bytes of temporary arrays per pixel while these are computed."""

_BACKGROUND_WORK = 12  # arrays of its size while a background is made on a device other than the host
_RESPONSE_WORK = 4  # the same for a response, and for a response times exposure that is added to a stack
_RESPONSES = ("exposure", "psf", "psf exposure", "edisp", "edisp exposure")


def reduction_memory(
    dataset: MapDataset, window: MapDataset, makers: Sequence[Maker], *, n_kept: int
) -> MemoryEstimate:
    """Return the memory of a reduction in one process, part by part.

    Parameters
    ----------
    dataset : MapDataset
        The reference, which becomes the stack.
    window : MapDataset
        Outline of the cutout in which an observation is reduced.
    makers : sequence of Maker
    n_kept : int
        Number of datasets that are kept if they are not stacked, otherwise 0.

    Returns
    -------
    estimate : MemoryEstimate
    """
    is_host, one, whole = dataset.device.is_host, window.memory.parts, dataset.memory.parts
    bins = {name: n_bytes for name, n_bytes in one.items() if name not in _RESPONSES}
    responses = {name: n_bytes for name, n_bytes in one.items() if name in _RESPONSES}
    pixels = [_pixels(dataset, window, name) for name in ("counts", "psf") if getattr(dataset, name) is not None]
    counts, response = max(bins.values(), default=0), max(responses.values(), default=0)
    # On the host, responses that are only stacked are computed window by window and never in memory as a whole; on
    # other devices they are, up to a limit.
    made = sum(bins.values()) + (0 if is_host else sum(min(n_bytes, MOST_BYTES) for n_bytes in responses.values()))
    # With the first observation a response is replaced by its sums, while response times exposure is added to them.
    sums = 0 if n_kept else max((whole.get(name, 0) for name in ("psf", "edisp")), default=0)
    work = [
        _in_blocks(_WORK_PER_PIXEL * max(pixels, default=0)),
        max((maker.n_work_maps for maker in makers), default=0) * counts,
        sums + (0 if is_host else _in_blocks(_RESPONSE_WORK * response)),
        0 if is_host else _in_blocks(_BACKGROUND_WORK * counts),
    ]
    parts = {"reference" if n_kept else "stack": dataset.memory.n_bytes}
    if n_kept:
        parts["datasets"] = n_kept * window.memory.n_bytes
    parts["observation"] = made
    parts["pixels"] = sum(min(_KEPT_PER_PIXEL * n_pixel, MAX_STORED_BYTES) for n_pixel in pixels)
    parts["work"] = max(work)
    return MemoryEstimate(parts)


def _in_blocks(n_bytes: int) -> int:
    return min(n_bytes, MOST_BYTES)


def _pixels(dataset: MapDataset, window: MapDataset, name: str) -> int:
    """Return the number of pixels whose angles are computed at a time: all of a small map, even for a cutout."""
    whole, part = (_n_pixel(getattr(each, name)) for each in (dataset, window))
    return whole if whole <= MAX_FILLED_PIXELS else part


def _n_pixel(data: Map | IRFMap) -> int:
    return math.prod(data.geom.data_shape[len(data.geom.axes) :])
