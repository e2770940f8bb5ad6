"""Rectangles of pixels, and a store of arrays on them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

import array_api_compat

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace, device_of
from lightpool.arrays.devices.streams import require_one_stream

__all__ = ["MAX_STORED_BYTES", "Box", "PixelStore"]

MAX_STORED_BYTES = 2**28  # 256 MiB
"""Maximum size of all arrays that one grid keeps."""


class Box(NamedTuple):
    """A rectangle of whole pixels: the first one, which may be negative, and how many."""

    x0: int
    y0: int
    nx: int
    ny: int

    @property
    def n_pixel(self) -> int:
        """Number of pixels."""
        return self.nx * self.ny

    def holds(self, other: "Box") -> bool:
        """Return whether all pixels of another box lie in this one."""
        return (
            self.x0 <= other.x0
            and self.y0 <= other.y0
            and other.x0 + other.nx <= self.x0 + self.nx
            and other.y0 + other.ny <= self.y0 + self.ny
        )

    def around(self, other: "Box") -> "Box":
        """Return the smallest box that holds this one and another, which may have no pixel."""
        if not other.n_pixel:
            return self
        x0, y0 = min(self.x0, other.x0), min(self.y0, other.y0)
        x1, y1 = max(self.x0 + self.nx, other.x0 + other.nx), max(self.y0 + self.ny, other.y0 + other.ny)
        return Box(x0, y0, x1 - x0, y1 - y0)

    def grown(self, values: Array, outer: "Box", compute: Callable[["Box"], Array]) -> Array:
        """Return an array on an outer box, from the one on this box and up to four strips around it.

        Parameters
        ----------
        values : array on this box, shape (..., ny, nx)
        outer : Box
        compute : function that makes the array on a strip
        """
        xp = array_namespace(values)
        left, below = self.x0 - outer.x0, self.y0 - outer.y0
        right, above = outer.nx - self.nx - left, outer.ny - self.ny - below
        # strips to the left and right are as high as this box, those below and above as wide as the outer one
        columns = [Box(outer.x0, self.y0, left, self.ny), self, Box(self.x0 + self.nx, self.y0, right, self.ny)]
        middle = xp.concat([values if box is self else compute(box) for box in columns if box.n_pixel], axis=-1)
        rows = [Box(outer.x0, outer.y0, outer.nx, below), self, Box(outer.x0, self.y0 + self.ny, outer.nx, above)]
        return xp.concat([middle if box is self else compute(box) for box in rows if box.n_pixel], axis=-2)

    def cut(self, values: Array, inner: "Box") -> Array:
        """Return the part of an array that lies on an inner box.

        Parameters
        ----------
        values : array on this box, shape (..., ny, nx)
        inner : Box
        """
        if self == inner:
            return values
        x, y = inner.x0 - self.x0, inner.y0 - self.y0
        # perhaps a view of the shared array, so callers must not write to it
        return values[..., y : y + inner.ny, x : x + inner.nx]


class PixelStore:
    """Arrays on boxes, the latest used ones up to a number of bytes; a box is cut from one that holds it."""

    def __init__(self, max_bytes: int = MAX_STORED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._arrays: OrderedDict[tuple[Hashable, Box], Array] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, kind: Hashable, box: Box) -> Array | None:
        """Return an array on a box, or None if there is none.

        Parameters
        ----------
        kind : hashable, what the array holds
        box : Box
        """
        with self._lock:
            for key in reversed(self._arrays):
                if key[0] == kind and key[1].holds(box):
                    require_one_stream(device_of(self._arrays[key]))
                    self._arrays.move_to_end(key)
                    return key[1].cut(self._arrays[key], box)
        return None

    def has_room(self, n_bytes: int) -> bool:
        """Return whether an array of this size can be kept at all."""
        return n_bytes <= self._max_bytes

    def latest(self, kind: Hashable) -> tuple[Box, Array] | None:
        """Return the box and the array of a kind that was used last, or None."""
        with self._lock:
            return next(((key[1], values) for key, values in reversed(self._arrays.items()) if key[0] == kind), None)

    def put(self, kind: Hashable, box: Box, values: Array) -> None:
        """Keep an array in place of those on boxes inside, and forget the longest unused ones beyond the limit.

        An array beyond the limit by itself is not kept, and nothing is forgotten for it.

        Parameters
        ----------
        kind : hashable, what the array holds
        box : Box
        values : array, shape (..., ny, nx)
        """
        if not self.has_room(_n_bytes(values)):
            return
        require_one_stream(device_of(values))
        with self._lock:
            # from now on these are cut from the new array
            for key in [key for key in self._arrays if key[0] == kind and box.holds(key[1])]:
                del self._arrays[key]
            self._arrays[kind, box] = values
            self._arrays.move_to_end((kind, box))
            while sum(_n_bytes(_) for _ in self._arrays.values()) > self._max_bytes:
                self._arrays.popitem(last=False)

    def __len__(self) -> int:
        return len(self._arrays)


def _n_bytes(values: Array) -> int:
    # all arrays are of float64 or int64
    return 8 * int(array_api_compat.size(values) or 0)
