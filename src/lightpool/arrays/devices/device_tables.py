"""Small tables on devices: cached by content, so that no table is copied twice, and copied together.

Copying a few numbers takes as long as copying a hundred thousand. So tables that are known to be needed soon are
announced, and are copied with the first table that is needed: those of an observation cross in one array.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import array_api_compat
import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, find_device, to_device
from lightpool.arrays.devices.staging import Uploads
from lightpool.arrays.devices.streams import require_one_stream

__all__ = ["MAX_CONSTANT_BYTES", "MAX_KEPT_BYTES", "Constant", "announce_constants", "constant", "forget_constants"]

MAX_CONSTANT_BYTES = 2**22
"""A larger array is not a small table: it is copied by itself each time."""

MAX_KEPT_BYTES = 2**26
"""Most bytes that are kept on one device."""

_LONG = 256
"""Longer contents, in bytes, are identified by a checksum of 128 bits."""

HostArray = np.ndarray[Any, Any]
Content = tuple[str, tuple[int, ...], bytes]
"""Data type, shape and bytes or their checksum."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A small table: an array on the host that is never changed.

    Attributes
    ----------
    values : NumPy array
    """

    values: HostArray

    @cached_property
    def content(self) -> Content:
        """Data type, shape and bytes, or their checksum: what identifies it on devices."""
        data = self.values.tobytes()
        short = data if len(data) <= _LONG else hashlib.blake2b(data, digest_size=16).digest()
        return self.values.dtype.str, self.values.shape, short

    def on(self, device: Device) -> Array:
        """Return a read-only array on a device; it is copied only if no array of this content is there."""
        if device.is_host or not self.is_small:
            return to_device(self.values, device)
        return _shelf_on(device).find(self)

    @property
    def is_small(self) -> bool:
        """Whether it is small enough to be kept on devices."""
        return 0 < self.values.nbytes <= MAX_CONSTANT_BYTES


def constant(x: object, device: str | Device | None = None, *, dtype: str | None = None) -> Array:
    """Return a read-only array on a device; it is copied only if no array of this content is there.

    Parameters
    ----------
    x : array on the host, or one that is on the device already and is returned itself
    device : str, Device or None (the default device)
    dtype : str, optional
        Name of the data type, that of ``x`` by default.

    Returns
    -------
    values : array of the shape of ``x``; on the host ``x`` itself
    """
    target = find_device(device)
    if not target.is_host and array_api_compat.is_numpy_array(x):
        x = Constant(x).on(target)
    return to_device(x, target, dtype=dtype)


def announce_constants(constants: Iterable[Constant], device: str | Device | None = None) -> None:
    """Announce constants that will be needed: they are copied together with the next one that is.

    This only reduces the number of transfers. Constants that are there already, and large ones, are left out.

    Parameters
    ----------
    constants : iterable of Constant
    device : str, Device or None (the default device)
    """
    target = find_device(device)
    if not target.is_host:
        _shelf_on(target).announce([each for each in constants if each.is_small])


def forget_constants(device: str | Device | None = None) -> None:
    """Drop the constants that are kept on a device; arrays in use stay alive as long as they are used."""
    with _lock:
        _shelves.pop(find_device(device).name, None)


class _Shelf:
    """Constants on one device, in packs as they were copied: a pack is one array, its constants are views of it."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._packs: OrderedDict[Content, dict[Content, Array]] = OrderedDict()  # the latest used last
        self._bytes: dict[Content, int] = {}
        self._pack_of: dict[Content, Content] = {}
        self._announced: dict[Content, HostArray] = {}
        self._lock = threading.Lock()

    def find(self, wanted: Constant) -> Array:
        """Return the constant of this content; if it is not there, it is copied together with what was announced."""
        require_one_stream(self._device)
        content = wanted.content
        # Held during the copy too, so that two threads do not copy the same content.
        with self._lock:
            if content not in self._pack_of:
                self._announced[content] = wanted.values
                self._send()
            name = self._pack_of[content]
            self._packs.move_to_end(name)
            return self._packs[name][content]

    def announce(self, constants: list[Constant]) -> None:
        """Remember what to copy with the next constant."""
        with self._lock:
            self._announced |= {each.content: each.values for each in constants if each.content not in self._pack_of}
            if sum(x.nbytes for x in self._announced.values()) > MAX_CONSTANT_BYTES:
                self._send()  # so that the host does not hold an unlimited amount

    def _send(self) -> None:
        announced, self._announced = self._announced, {}
        for dtype in dict.fromkeys(content[0] for content in announced):
            # One pack for each data type, as a pack is one array.
            some = {content: x for content, x in announced.items() if content[0] == dtype}
            values = list(some.values())
            whole = values[0].reshape(-1) if len(values) == 1 else np.concatenate([x.reshape(-1) for x in values])
            self._keep(some, Uploads(self._device).send(whole).receive())  # the host does not wait for it
        while sum(self._bytes.values()) > MAX_KEPT_BYTES and len(self._packs) > 1:
            name, pack = self._packs.popitem(last=False)  # as a whole: its constants share the memory of one array
            del self._bytes[name]
            for content in pack:
                del self._pack_of[content]

    def _keep(self, arrays: dict[Content, HostArray], whole: Array) -> None:
        xp, start, name = self._device.xp, 0, next(iter(arrays))
        pack: dict[Content, Array] = {}
        for content, x in arrays.items():
            pack[content] = xp.reshape(whole[start : start + x.size], x.shape)
            start += x.size
            self._pack_of[content] = name
        self._packs[name], self._bytes[name] = pack, sum(x.nbytes for x in arrays.values())


_lock = threading.Lock()
_shelves: dict[str, _Shelf] = {}


def _shelf_on(device: Device) -> _Shelf:
    with _lock:
        if device.name not in _shelves:
            _shelves[device.name] = _Shelf(device)
        return _shelves[device.name]
