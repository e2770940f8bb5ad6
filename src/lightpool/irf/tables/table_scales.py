"""Scales of table values, on the host."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["scale_table", "tiny_of", "unscale_table"]

LOG_ZERO = float(np.log(2 * np.finfo(np.float64).tiny))
"""A logarithm up to this one means the value zero."""


def tiny_of(data: NDArray[Any]) -> float:
    """Return the smallest normal number of the table's own type, which stands for zero in a logarithm.

    It differs between single and double precision tables, and determines how a value falls off towards an empty
    neighbour, so the type must be the table's own for the numbers to agree with Gammapy.
    """
    return _tiny(data.dtype)


@lru_cache(maxsize=32)
def _tiny(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype if np.issubdtype(dtype, np.floating) else np.float32).tiny)


def scale_table(data: NDArray[Any], scale: str) -> NDArray[np.float64]:
    """Return values in the scale in which they are interpolated, always float64.

    Parameters
    ----------
    data : ndarray
    scale : {"lin", "log", "sqrt"}

    Notes
    -----
    The logarithm is taken in the table's own type, as in Gammapy: that of a single precision table is good to a
    relative 1e-6 of the value, and its rounding belongs to the numbers that must agree.
    """
    values = np.asarray(data, dtype=np.float64)
    if scale in ("lin", "linear"):
        return values
    if scale == "log":
        table = np.asarray(data) if np.issubdtype(np.asarray(data).dtype, np.floating) else values
        return np.log(np.maximum(table, table.dtype.type(tiny_of(data)))).astype(np.float64)
    if scale == "sqrt":
        return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))
    raise ValueError(f"values_scale is {scale!r}, expected 'lin', 'log' or 'sqrt'")


def unscale_table(values: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Return values from their scale, the inverse of `scale_table`.

    Parameters
    ----------
    values : ndarray
    scale : {"lin", "log", "sqrt"}
    """
    if scale == "log":
        return np.where(values <= LOG_ZERO, 0.0, np.exp(values))
    return values**2 if scale == "sqrt" else values
