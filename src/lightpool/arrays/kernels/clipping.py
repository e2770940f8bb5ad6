"""Limits and signs of values, without waiting for the device.

`clip` of array-api-compat reads and writes through boolean masks, and so does its `sign` on CuPy: the length of what is
read depends on the values, so the host would wait until the device has done all that is queued.
"""

from typing import overload

from array_api_compat import is_cupy_array

from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.devices import array_namespace

__all__ = ["clip", "sign"]


@overload
def clip(x: HostFloats, low: float | None = None, high: float | None = None) -> HostFloats: ...
@overload
def clip(x: Array, low: float | None = None, high: float | None = None) -> Array: ...
def clip(x: Array, low: float | None = None, high: float | None = None) -> Array:
    """Raise values below a limit to it, and lower those above another one; NaN stays NaN.

    Parameters
    ----------
    x : array of float or int, any shape
    low, high : float, optional
    """
    xp = array_namespace(x)
    if low is not None:
        x = xp.where(x < low, low, x)
    if high is not None:
        x = xp.where(x > high, high, x)
    return x if x.ndim else x[()]  # NumPy has numbers for arrays without dimensions


def sign(x: Array) -> Array:
    """Return 1, -1 or 0 with the sign of each value; NaN stays NaN.

    Parameters
    ----------
    x : array of float, any shape
    """
    xp = array_namespace(x)
    if not is_cupy_array(x):
        return xp.sign(x)
    return xp.where(x > 0.0, 1.0, xp.where(x < 0.0, -1.0, xp.where(x == 0.0, 0.0, x)))
