"""A substitute for a GPU: array-api-strict's ``device1`` with the last implicit ways to the host closed.

Arrays on ``device1`` already cannot become NumPy arrays or be combined with arrays of another device. ``float(x)``,
``int(x)``, ``bool(x)``, indexing a list by ``x`` and the exchange by DLPack still work there, while on a GPU each of
them waits for the device and copies implicitly. So does everything whose shape depends on values: reading and writing
through boolean masks, ``nonzero`` and the like, and ``clip``, which array-api-compat builds from masks. `close_holes`
makes all of them raise errors too.
"""

from collections.abc import Callable
from typing import Protocol, cast

from lightpool.arrays.devices.array_types import Array, DType, Handle, Index, Namespace
from lightpool.errors import DeviceError

__all__ = ["DEVICE_NAME", "StrictArray", "StrictLibrary", "close_holes"]

DEVICE_NAME = "device1"
_HOLES = ("__bool__", "__int__", "__float__", "__complex__", "__index__", "__dlpack__")
_WAITING_FUNCTIONS = ("nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values", "clip")
_closed: set[int] = set()


class StrictLibrary(Protocol):
    """What array-api-strict has beyond the standard."""

    def Device(self, name: str) -> Handle:  # noqa: N802
        """Return the device of a name."""


class StrictArray(Array, Protocol):
    """An array of array-api-strict."""

    def to_device(self, device: Handle, /) -> Array:
        """Copy the array to a device."""


def close_holes(xp: Namespace) -> None:
    """Make arrays on ``device1`` refuse every implicit way to the host; calling it again changes nothing."""
    if id(xp) in _closed:
        return
    _closed.add(id(xp))
    array_type = type(xp.zeros(1))
    open_device = cast(StrictLibrary, xp).Device("CPU_DEVICE")
    for name in _HOLES:
        setattr(array_type, name, _refusing(getattr(array_type, name), name, open_device))
    for name in ("__getitem__", "__setitem__"):
        setattr(array_type, name, _refusing_masks(getattr(array_type, name), xp.bool, open_device))
    for name in _WAITING_FUNCTIONS:
        setattr(xp, name, _refusing(getattr(xp, name), name, open_device))


def _refusing(method: Callable[..., object], name: str, open_device: Handle) -> Callable[..., object]:
    def refuse(self: Array, *args: object, **kwargs: object) -> object:
        if self.device != open_device:
            raise DeviceError(
                f"{name} would make the host wait for an array on {self.device} implicitly; "
                "use lightpool.arrays.to_host where a transfer is meant"
            )
        return method(self, *args, **kwargs)

    return refuse


def _refusing_masks(method: Callable[..., object], bool_: DType, open_device: Handle) -> Callable[..., object]:
    def refuse(self: Array, key: Index, *value: object) -> object:
        parts = key if isinstance(key, tuple) else (key,)
        if self.device != open_device and any(getattr(part, "dtype", None) == bool_ for part in parts):
            raise DeviceError(
                f"a boolean mask as an index makes the host wait for {self.device}, because the shape of the result "
                "depends on its values; use `where`"
            )
        return method(self, key, *value)

    return refuse
