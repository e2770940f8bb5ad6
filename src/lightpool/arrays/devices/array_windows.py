"""Windows of an array that are copied when somebody needs them, or before the array changes.

A cutout of a map is a copy: what happens to the map afterwards does not change it. But most cutouts are never read,
because what is computed for their pixels replaces all their values. So the copy waits. `ArrayWindows` belongs to the
owner of the array, who knows all about it: nobody else holds the array, and before its elements change in place, before
it is handed to somebody who could do that, and when it is no longer needed, the owner calls `copy_now`.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from weakref import WeakSet

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device
from lightpool.arrays.devices.lazy_array import LazyArray

__all__ = ["ArrayWindows", "LazyWindow", "WindowParts", "copied_window"]

WindowParts: TypeAlias = Sequence[tuple[tuple[Any, ...], tuple[Any, ...]]]
"""Pairs of an index of the array and one of the window: the elements that they share."""


@dataclass(frozen=True, eq=False)
class LazyWindow(LazyArray):
    """A window of an array: a `LazyArray` whose elements are only copied."""


def copied_window(source: Array | LazyArray, shape: tuple[int, ...], parts: WindowParts, device: Device) -> Array:
    """Return a window of an array as a new array.

    Parameters
    ----------
    source : array
    shape : tuple of int, of the window
    parts : pairs of indices; the window is zero elsewhere
    device : Device
    """
    xp = device.xp
    values = None
    for here, there in parts:
        found = source[here]
        part = found.values() if isinstance(found, LazyArray) else found
        if tuple(part.shape) == tuple(shape):
            # lazy values were computed for this window, so they need no copy
            return part if isinstance(found, LazyArray) else xp.asarray(part, copy=True)
        if values is None:
            values = xp.zeros(shape, dtype=part.dtype, device=device.handle)
        values[there] = part
    assert values is not None  # there is a part
    return values


class _Window:
    """A window that is a copy, or will be one.

    Parameters
    ----------
    source : array
    shape : tuple of int, of the window
    parts : pairs of indices; the window is zero elsewhere
    device : Device
    """

    def __init__(self, source: Array, shape: tuple[int, ...], parts: WindowParts, device: Device) -> None:
        self._source: Array | None = source
        self._copied: Array | None = None
        self._shape, self._parts, self._device = shape, parts, device
        # Held while elements are read: the owner waits for it before they change. One that the same thread may take
        # again, because the memory that a copy takes can start a garbage collection, and that `ArrayWindows.__del__`.
        self._lock = threading.RLock()

    def compute(self, rows: slice, columns: slice, mask: Array | None) -> Iterator[tuple[slice, Array]]:
        """Copy some rows and columns, see `LazyArray`."""
        xp = self._device.xp
        with self._lock:
            source, values = self._source, self._copied
            if source is not None:
                values = copied_window(source, self._shape, self._parts, self._device)
            else:
                values = xp.asarray(values, copy=True)
        values = values[..., rows, columns]
        yield slice(None), values if mask is None else xp.where(mask, values, xp.zeros_like(values))

    def copy_now(self) -> None:
        """Copy the elements, if they were not."""
        with self._lock:
            source = self._source
            if source is not None:
                self._copied = copied_window(source, self._shape, self._parts, self._device)
                self._source = None


class ArrayWindows:
    """The windows of an array that were not copied yet. Those that nobody holds are forgotten.

    Parameters
    ----------
    source : array, which nobody but the caller holds
    device : Device

    Examples
    --------
    >>> import numpy as np
    >>> from lightpool.arrays import find_device
    >>> from lightpool.arrays.devices.array_windows import ArrayWindows
    >>> image = np.arange(6.0).reshape(2, 3)
    >>> windows = ArrayWindows(image, find_device("cpu"))
    >>> column = windows.window((2, 1), [((..., slice(0, 2), slice(1, 2)), (...,))])
    >>> windows.copy_now()
    >>> image += 10.0
    >>> column.values()
    array([[1.],
           [4.]])
    """

    def __init__(self, source: Array, device: Device) -> None:
        self._source, self._device = source, device
        self._waiting: WeakSet[_Window] = WeakSet()
        self._lock = threading.RLock()

    def window(self, shape: tuple[int, ...], parts: WindowParts) -> LazyWindow:
        """Return a window.

        Parameters
        ----------
        shape : tuple of int, of the window
        parts : pairs of indices; the window is zero elsewhere
        """
        window = _Window(self._source, tuple(shape), parts, self._device)
        self._waiting.add(window)
        dtype: Any = self._source.dtype
        return LazyWindow(tuple(shape), self._device, max(shape[-2], 1), window.compute, dtype)

    def copy_now(self) -> None:
        """Copy all windows that somebody holds."""
        with self._lock:  # so that a second thread waits until all are copied
            for window in list(self._waiting):
                window.copy_now()
                self._waiting.discard(window)

    def __del__(self) -> None:
        # The owner has another array, or is gone: a window must not keep an array that is many times as large.
        if not sys.is_finalizing():
            self.copy_now()
