"""Units of the values of maps: parsed once, factors between them, and values with their unit."""

from functools import lru_cache

import array_api_compat
import astropy.units as u

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import device_of
from lightpool.errors import DeviceError
from lightpool.typing import UnitLike

__all__ = ["as_quantity", "parsed_unit", "unit_factor"]


def parsed_unit(unit: UnitLike) -> u.UnitBase:
    """Return a unit; each text is parsed once."""
    return _unit_of_text(unit) if isinstance(unit, str) else u.Unit(unit)


@lru_cache(maxsize=256)
def _unit_of_text(text: str) -> u.UnitBase:
    return u.Unit(text)  # astropy does not cache parsed strings


@lru_cache(maxsize=256)
def unit_factor(unit: UnitLike, other: UnitLike) -> float:
    """Return the factor that converts values from one unit to another.

    Parameters
    ----------
    unit : Unit or str
        Unit of the values.
    other : Unit or str
        Unit that they are converted to.

    Raises
    ------
    astropy.units.UnitConversionError
        If the units are not equivalent.
    """
    return float(u.Unit(unit).to(u.Unit(other)))


def as_quantity(values: Array, unit: UnitLike) -> u.Quantity:
    """Return an array on the host as a Quantity.

    Parameters
    ----------
    values : array
    unit : Unit or str

    Raises
    ------
    DeviceError
        If the array is on another device: a Quantity is a NumPy array, and there are no implicit copies to the host.
    """
    if not array_api_compat.is_numpy_array(values):
        raise DeviceError(
            f"a Quantity is a NumPy array on the host, but these values are on device '{device_of(values)}'; "
            'copy the map there first with .to("cpu")'
        )
    return u.Quantity(values, unit, copy=None)
