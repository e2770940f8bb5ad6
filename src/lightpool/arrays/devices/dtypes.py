"""Element-wise arithmetic with NumPy's rules for mixed data types, which the array API standard leaves out."""

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, overload

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array, DType, Scalar
from lightpool.arrays.devices.devices import array_namespace

__all__ = [
    "ARITHMETIC",
    "COMPARISONS",
    "LOGIC",
    "HasDType",
    "apply_operator",
    "as_dtype",
    "dtype_name",
    "is_bool",
    "is_floating",
]

Operator: TypeAlias = Callable[[Array, Array | Scalar], Array]
"""A function of an array and an array or number."""

ARITHMETIC: dict[str, Operator] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
}
COMPARISONS: dict[str, Operator] = {
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}
LOGIC: dict[str, Operator] = {
    "logical_and": operator.and_,
    "logical_or": operator.or_,
    "logical_xor": operator.xor,
}
_ON_MASKS: dict[str, Operator] = {"add": operator.or_, "multiply": operator.and_}


class HasDType(Protocol):
    """What has a data type: an array, or a `LazyArray`."""

    @property
    def dtype(self) -> DType:
        """Data type in the library of the array."""


def dtype_name(x: HasDType) -> str:
    """Return the name of the data type, such as ``float64``: the same in all libraries."""
    return _dtype_name(x.dtype)


# NumPy composes the text anew each time, and this is asked for hundreds of times a run.
# By type: data types of different libraries must not be compared.
@lru_cache(maxsize=64, typed=True)
def _dtype_name(dtype: DType) -> str:
    return str(getattr(dtype, "__name__", dtype)).rpartition(".")[2]  # NumPy has scalar classes as well as data types


def is_bool(x: HasDType) -> bool:
    """Return whether the array is a mask."""
    return dtype_name(x) == "bool"


def is_floating(x: HasDType) -> bool:
    """Return whether the array holds real floating-point numbers."""
    return dtype_name(x).startswith("float")


@overload
def as_dtype(x: NDArray[Any], name: str) -> NDArray[Any]: ...
@overload
def as_dtype(x: Array, name: str) -> Array: ...
def as_dtype(x: Array, name: str) -> Array:
    """Convert an array to a data type; an array that has this type already is returned itself.

    Parameters
    ----------
    x : array of any shape
    name : str
        Name of the data type, such as ``float64``.
    """
    if type(x) is np.ndarray and _dtype_name(x.dtype) == name:
        return x
    xp = array_namespace(x)
    return xp.astype(x, getattr(xp, name), copy=False)


def apply_operator(name: str, x: Array, y: Array | Scalar) -> Array:
    """Apply an operator to an array and an array or a plain number, in the data type that NumPy would choose.

    Parameters
    ----------
    name : str, a key of `ARITHMETIC`, `COMPARISONS` or `LOGIC`
    x : array of any shape
    y : array on the device of ``x`` whose shape broadcasts with it, or a Python number

    Returns
    -------
    result : array; bool for comparisons and logic. Masks add up to their union and multiply to their intersection.

    Raises
    ------
    TypeError
        If ``y`` is something else, or two masks are subtracted.
    """
    if not (isinstance(y, bool | int | float) or array_api_compat.is_array_api_obj(y)):
        raise TypeError(f"expected an array or a number, got {y!r} of type {type(y).__name__}")
    if name in LOGIC:
        other = bool(y) if isinstance(y, bool | int | float) else as_dtype(y, "bool")
        return LOGIC[name](as_dtype(x, "bool"), other)
    common = _common_dtype(x, y)
    if common == "bool":
        if name in _ON_MASKS:
            return _ON_MASKS[name](*_both_as(x, y, common))
        if name == "subtract":
            raise TypeError("masks cannot be subtracted; use ^ for the difference of two masks")
        # The standard compares and divides numbers only: masks become 0 and 1.
        common = "uint8" if name in COMPARISONS else "float64"
    if name == "divide" and not common.startswith("float"):
        common = "float64"
    return (ARITHMETIC | COMPARISONS)[name](*_both_as(x, y, common))


def _common_dtype(x: Array, y: Array | Scalar) -> str:
    # A Python number does not widen the type: float32 plus 0.1 stays float32.
    if isinstance(y, bool | int | float):
        return np.result_type(np.dtype(dtype_name(x)), y).name
    return _common_name(dtype_name(x), dtype_name(y))


@lru_cache(maxsize=256)
def _common_name(one: str, other: str) -> str:
    return np.result_type(np.dtype(one), np.dtype(other)).name


def _both_as(x: Array, y: Array | Scalar, name: str) -> tuple[Array, Array | Scalar]:
    if isinstance(y, bool | int | float):
        number: Scalar = np.dtype(name).type(y).item()
        return as_dtype(x, name), number
    return as_dtype(x, name), as_dtype(y, name)
