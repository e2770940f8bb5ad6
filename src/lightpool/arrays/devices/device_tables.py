"""Small tables on devices: kept by content, so that a table that is there does not travel again, and sent together.

A transfer of a few numbers takes as long as one of a hundred thousand. So what is known to be needed soon is announced,
and travels with the first table that is needed: the tables of an observation cross in one array.
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

__all__ = ["MAX_CONSTANT_BYTES", "MAX_KEPT_BYTES", "Constant", "announce_constants", "constant", "forget_constants"]

MAX_CONSTANT_BYTES = 2**22
"""A larger array is no small table: it travels by itself each time."""

MAX_KEPT_BYTES = 2**26
"""What one device keeps at most."""

_LONG = 256
"""Longer contents are known by a checksum of 128 bits."""

HostArray = np.ndarray[Any, Any]
Content = tuple[str, tuple[int, ...], bytes]
"""Data type, shape and bytes or their checksum."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A small table, an array on the host that is not changed any more.

    Attributes
    ----------
    values : ndarray
    """

    values: HostArray

    @cached_property
    def content(self) -> Content:
        """By what devices know it."""
        data = self.values.tobytes()
        short = data if len(data) <= _LONG else hashlib.blake2b(data, digest_size=16).digest()
        return self.values.dtype.str, self.values.shape, short

    def on(self, device: Device) -> Array:
        """Array on a device that nobody writes to; it crosses only if none of this content is there."""
        if device.is_host or not self.is_small:
            return to_device(self.values, device)
        return _shelf_on(device).find(self)

    @property
    def is_small(self) -> bool:
        """Whether devices keep it."""
        return 0 < self.values.nbytes <= MAX_CONSTANT_BYTES


def constant(x: Any, device: str | Device | None = None, *, dtype: str | None = None) -> Array:
    """Array on a device that nobody writes to; it crosses only if no array of this content is there.

    Parameters
    ----------
    x : array on the host, or one that is on the device already and comes back itself
    device : str, Device or None (the default device)
    dtype : name of the data type that is wanted, that of ``x`` by default

    Returns
    -------
    values : array of the shape of ``x``; on the host ``x`` itself
    """
    target = find_device(device)
    if not target.is_host and array_api_compat.is_numpy_array(x):
        x = Constant(x).on(target)
    return to_device(x, target, dtype=dtype)


def announce_constants(constants: Iterable[Constant], device: str | Device | None = None) -> None:
    """Say which constants will be asked for: they travel with the next one that has to.

    Nothing depends on it but the number of transfers. What is there already, and what is large, is left out.
    """
    target = find_device(device)
    if not target.is_host:
        _shelf_on(target).announce([each for each in constants if each.is_small])


def forget_constants(device: str | Device | None = None) -> None:
    """Drop what a device keeps; arrays in use stay alive as long as they are used."""
    with _lock:
        _shelves.pop(find_device(device).name, None)


class _Shelf:
    """Constants on one device, in packs as they travelled: a pack is one array, its constants are views of it."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._packs: OrderedDict[Content, dict[Content, Array]] = OrderedDict()  # the latest used last
        self._bytes: dict[Content, int] = {}
        self._pack_of: dict[Content, Content] = {}
        self._announced: dict[Content, HostArray] = {}
        self._lock = threading.Lock()

    def find(self, wanted: Constant) -> Array:
        """Constant of this content, sent together with what is announced if it is not there."""
        content = wanted.content
        with self._lock:
            if content not in self._pack_of:
                self._announced[content] = wanted.values
                self._send()
            name = self._pack_of[content]
            self._packs.move_to_end(name)
            return self._packs[name][content]

    def announce(self, constants: list[Constant]) -> None:
        """Remember what is to be sent."""
        with self._lock:
            self._announced |= {each.content: each.values for each in constants if each.content not in self._pack_of}
            if sum(x.nbytes for x in self._announced.values()) > MAX_CONSTANT_BYTES:
                self._send()  # it is not held on the host without end

    def _send(self) -> None:
        announced, self._announced = self._announced, {}
        for dtype in dict.fromkeys(content[0] for content in announced):
            some = {content: x for content, x in announced.items() if content[0] == dtype}
            values = list(some.values())
            whole = values[0].reshape(-1) if len(values) == 1 else np.concatenate([x.reshape(-1) for x in values])
            self._keep(some, Uploads(self._device).send(whole).receive())  # the host does not wait for it
        while sum(self._bytes.values()) > MAX_KEPT_BYTES and len(self._packs) > 1:
            name, pack = self._packs.popitem(last=False)
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
