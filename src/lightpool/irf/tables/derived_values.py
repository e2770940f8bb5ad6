"""What is computed from a response table is remembered while its values and the way of interpolation stay the same."""

import zlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lightpool.utils.remembered import Remembered

__all__ = ["DerivedValues", "TableState", "state_of_table"]

_MAX_SIZE = 32

TableState: TypeAlias = tuple[int, dict[str, object]]
"""A checksum of the values, and the arguments of the interpolation."""


class DerivedValues(Remembered[Any]):
    """Results derived from one state of a table, each under its key; each has the type that its ``make`` returns.

    Copies and pickles of a table have results of their own, and begin without any.

    Parameters
    ----------
    state : TableState, see `state_of_table`
    """

    def __init__(self, state: TableState) -> None:
        super().__init__(_MAX_SIZE)
        self.state = state

    def __reduce__(self) -> "tuple[type[DerivedValues], tuple[TableState]]":
        return DerivedValues, (self.state,)


def state_of_table(data: NDArray[np.generic], interp_kwargs: Mapping[str, object]) -> TableState:
    """Return what changes with the values of a table and with the way it is interpolated.

    Parameters
    ----------
    data : ndarray, the values; those that nobody can write to need no checksum
    interp_kwargs : mapping, copied, because the caller may change it in place
    """
    return 0 if _is_fixed(data) else _checksum(data), dict(interp_kwargs)


def _is_fixed(data: object) -> bool:
    """Return whether neither an array nor the array that it is a view of is writable."""
    # A read-only view says nothing of the array behind it.
    while isinstance(data, np.ndarray):
        if data.flags.writeable:
            return False
        data = data.base
    return data is None or isinstance(data, bytes)


def _checksum(data: NDArray[np.generic]) -> int:
    """Compute a checksum of the bytes, without a copy of a transposed table."""
    if not data.flags.c_contiguous:
        # Tables from files are transposed, see `values_in_order`, so this is the common case.
        data = data.T if data.flags.f_contiguous else np.ascontiguousarray(data)
    buffer: Any = data
    return zlib.crc32(memoryview(buffer).cast("B"))
