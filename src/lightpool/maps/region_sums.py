"""Values of the pixels in a mask, reduced to one for each plane."""

from typing import Any

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace, device_of
from lightpool.arrays.devices.dtypes import as_dtype, is_floating
from lightpool.arrays.kernels.reductions import operation_name, sum_over
from lightpool.errors import DeviceError

__all__ = ["reduce_in_mask"]

_NUMBERS = {"add": ("sum", 0.0), "multiply": ("prod", 1.0), "maximum": ("max", -np.inf), "minimum": ("min", np.inf)}


def reduce_in_mask(values: Array, inside: Array, func: Any) -> Array:
    """Reduce the pixels inside a mask, plane by plane.

    Parameters
    ----------
    values : array of shape (..., ny, nx)
    inside : mask of a shape that broadcasts to it
    func : NumPy function
        One of ``sum, mean, prod, max, min``, their ``nan`` versions, ``any`` and ``all``; on the host any function
        of a flat array.

    Returns
    -------
    reduced : array of shape (...)
    """
    name = getattr(func, "__name__", "")
    xp = array_namespace(values)
    if name in ("mean", "nanmean"):
        return _mean(as_dtype(values, "float64"), inside, skip_nan=name == "nanmean")
    try:
        operation = operation_name(name.removeprefix("nan"))
    except ValueError:
        return _each_plane(values, xp.broadcast_to(inside, values.shape), func)
    if operation == "logical_and":
        return xp.all(as_dtype(values, "bool") | ~inside, axis=(-2, -1))
    if operation == "logical_or":
        return xp.any(as_dtype(values, "bool") & inside, axis=(-2, -1))
    if not is_floating(values):
        values = as_dtype(values, "float64")
    function, neutral = _NUMBERS[operation]
    if name.startswith("nan"):
        inside = inside & ~xp.isnan(values)
    values = xp.where(inside, values, neutral)
    return sum_over(values, (-2, -1)) if function == "sum" else getattr(xp, function)(values, axis=(-2, -1))


def _mean(values: Array, inside: Array, *, skip_nan: bool) -> Array:
    xp = array_namespace(values)
    counted = inside & ~xp.isnan(values) if skip_nan else inside
    total = xp.sum(xp.where(counted, values, 0.0), axis=(-2, -1))
    n_pixel = xp.sum(as_dtype(counted, "float64"), axis=(-2, -1))
    is_known = n_pixel > 0.0
    return xp.where(is_known, total / xp.where(is_known, n_pixel, 1.0), np.nan)


def _each_plane(values: Array, inside: Array, func: Any) -> Array:
    if not device_of(values).is_host:
        raise DeviceError(
            f"{func!r} works on NumPy arrays, but the map is on device '{device_of(values)}'; use one of sum, mean, "
            'prod, max, min, any and all, or copy the map first with .to("cpu")'
        )
    planes = values.reshape(-1, *values.shape[-2:])
    masks = inside.reshape(planes.shape)
    reduced = [func(plane[mask]) for plane, mask in zip(planes, masks, strict=True)]
    return np.asarray(reduced).reshape(values.shape[:-2])
