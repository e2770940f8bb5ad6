"""Scales of axis points and of table values: interpolation is linear after scaling."""

from typing import overload

from lightpool.arrays.devices.array_types import Array, HostFloats
from lightpool.arrays.devices.devices import array_namespace
from lightpool.arrays.kernels.clipping import clip, sign

__all__ = ["scale_values", "unscale_values"]


@overload
def scale_values(x: HostFloats, scale: str) -> HostFloats: ...
@overload
def scale_values(x: Array, scale: str) -> Array: ...
def scale_values(x: Array, scale: str) -> Array:
    """Convert values to the scale on which they are interpolated.

    Parameters
    ----------
    x : array of float, any shape
    scale : str
        ``lin``, ``log`` (natural logarithm; values below the smallest normal number of the data type are raised to it)
        or ``sqrt`` (odd in ``x``).

    Returns
    -------
    scaled : array, shape and data type of ``x``

    Raises
    ------
    ValueError
        If the scale is not one of the three.
    """
    xp = array_namespace(x)
    if scale in ("lin", "linear"):
        return x
    if scale == "log":
        tiny = float(xp.finfo(x.dtype).smallest_normal)
        return xp.log(clip(x, tiny))  # as Gammapy's LogScale; 0 comes back as 0 from `unscale_values`
    if scale == "sqrt":
        return sign(x) * xp.sqrt(xp.abs(x))
    raise ValueError(_unknown(scale))


@overload
def unscale_values(x: HostFloats, scale: str) -> HostFloats: ...
@overload
def unscale_values(x: Array, scale: str) -> Array: ...
def unscale_values(x: Array, scale: str) -> Array:
    """Convert scaled values back; the inverse of `scale_values`.

    Parameters
    ----------
    x : array of float, any shape
    scale : str
        ``lin``, ``log`` (values within twice the smallest normal number become 0) or ``sqrt`` (the sign is lost).

    Raises
    ------
    ValueError
        If the scale is not one of the three.
    """
    xp = array_namespace(x)
    if scale in ("lin", "linear"):
        return x
    if scale == "log":
        tiny = float(xp.finfo(x.dtype).smallest_normal)
        values = xp.exp(x)
        # `scale_values` raises 0 to the smallest normal number; the factor of 2 is Gammapy's.
        return xp.where(values <= 2 * tiny, xp.zeros_like(values), values)
    if scale == "sqrt":
        return x * x
    raise ValueError(_unknown(scale))


def _unknown(scale: str) -> str:
    return f"scale is {scale!r}, expected one of 'lin', 'log', 'sqrt'"
