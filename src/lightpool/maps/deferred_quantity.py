"""Quantities in the metadata of a map that wait on its device until somebody asks for them."""

from dataclasses import dataclass
from typing import Any, Self

import astropy.units as u

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, array_namespace, device_of
from lightpool.arrays.devices.pending_numbers import DeferredNumbers

__all__ = ["DeferredQuantity", "read_meta"]


@dataclass(frozen=True, eq=False)
class DeferredQuantity:
    """A sum of quantities, some of which count only if something on the device is true.

    Attributes
    ----------
    numbers : DeferredNumbers, the sum and how many quantities were added
    unit : Unit of the sum
    """

    numbers: DeferredNumbers
    unit: u.UnitBase

    @classmethod
    def total(cls, before: Any, more: Any, counts: Array) -> Self:
        """Sum of two quantities, or the first of them.

        Parameters
        ----------
        before : Quantity, DeferredQuantity or None (no sum yet)
        more : Quantity or DeferredQuantity
        counts : array of bool without dimensions, whether ``more`` counts
        """
        unit = more.unit if before is None else before.unit
        first, second = (_sum_and_number(value, unit, device_of(counts)) for value in (before, more))
        xp = array_namespace(counts)
        return cls(DeferredNumbers(xp.where(counts, first + second, first)), unit)

    def read(self) -> u.Quantity | None:
        """Read the sum; None if nothing was added."""
        value, number = self.numbers.numbers
        return value * self.unit if number else None

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def _sum_and_number(value: Any, unit: u.UnitBase, device: Device) -> Array:
    """Array of two numbers on a device, made there."""
    xp, place = device.xp, {"dtype": device.xp.float64, "device": device.handle}
    if isinstance(value, DeferredQuantity):
        array = value.numbers.array
        if device_of(array) == device:
            factor = float(value.unit.to(unit))
            return array if factor == 1 else xp.stack([array[0] * factor, array[1]])
        value = value.read()
    if value is None:
        return xp.zeros(2, **place)
    return xp.stack([xp.full((), float(value.to_value(unit)), **place), xp.ones((), **place)])


def read_meta(meta: dict[str, Any]) -> None:
    """Put quantities in place of those that wait; one that has no value is taken out."""
    for key, value in list(meta.items()):
        if isinstance(value, DeferredQuantity):
            found = value.read()
            if found is None:
                del meta[key]
            else:
                meta[key] = found
