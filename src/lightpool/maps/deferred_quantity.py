"""Quantities in the metadata of a map whose values are pending on its device."""

from dataclasses import dataclass
from typing import Any, Self

import astropy.units as u

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, array_namespace, device_of
from lightpool.arrays.devices.pending_numbers import DeferredNumbers

__all__ = ["DeferredQuantity", "read_meta"]


@dataclass(frozen=True, eq=False)
class DeferredQuantity:
    """A sum of quantities, some of which count only if a condition on the device is true.

    The livetime of a stack is an example: that of an observation counts if its mask keeps any bin, which only the
    device knows. Reading that mask for each observation would make the host wait for the device. So the sum is formed
    on the device, and read when it is needed, together with all other numbers that are pending there (see
    `lightpool.arrays.devices.pending_numbers`). Copies share the numbers.

    Attributes
    ----------
    numbers : DeferredNumbers
        The sum, and the number of quantities that were added.
    unit : Unit
        Unit of the sum.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> livetime = DeferredQuantity.total(None, 1 * u.h, np.asarray(True))
    >>> livetime = DeferredQuantity.total(livetime, 30 * u.min, np.asarray(False))
    >>> livetime.read()
    <Quantity 1. h>
    """

    numbers: DeferredNumbers
    unit: u.UnitBase

    @classmethod
    def total(
        cls,
        before: "u.Quantity | DeferredQuantity | None",
        more: "u.Quantity | DeferredQuantity",
        counts: Array,
    ) -> Self:
        """Add a quantity to a sum if a condition is true.

        Parameters
        ----------
        before : Quantity, DeferredQuantity or None
            Sum so far.
        more : Quantity or DeferredQuantity
            What to add.
        counts : array of bool without dimensions
            Whether ``more`` counts; the sum is formed on the device of this array.
        """
        unit = more.unit if before is None else before.unit
        first, second = (_sum_and_number(value, unit, device_of(counts)) for value in (before, more))
        xp = array_namespace(counts)
        # shape (2,): the sum and the number of terms, which both stay if the condition is False
        return cls(DeferredNumbers(xp.where(counts, first + second, first)), unit)

    def read(self) -> u.Quantity | None:
        """Read the sum to the host; None if nothing was added."""
        value, number = self.numbers.numbers
        return value * self.unit if number else None

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


def _sum_and_number(value: u.Quantity | DeferredQuantity | None, unit: u.UnitBase, device: Device) -> Array:
    """Return a sum and the number of its terms as an array on a device, without a copy from the host."""
    xp, handle = device.xp, device.handle
    if isinstance(value, DeferredQuantity):
        array = value.numbers.array
        if device_of(array) == device:
            factor = float(value.unit.to(unit))
            return array if factor == 1 else xp.stack([array[0] * factor, array[1]])
        # the sum is on another device, so it must be read to the host
        value = value.read()
    if value is None:
        return xp.zeros(2, dtype=xp.float64, device=handle)
    total = xp.full((), float(value.to_value(unit)), dtype=xp.float64, device=handle)
    return xp.stack([total, xp.ones((), dtype=xp.float64, device=handle)])


def read_meta(meta: dict[str, Any]) -> None:
    """Replace pending quantities by their values, in place; one without a value is removed."""
    for key, value in list(meta.items()):
        if isinstance(value, DeferredQuantity):
            found = value.read()
            if found is None:
                del meta[key]
            else:
                meta[key] = found
