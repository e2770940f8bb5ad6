"""Counts of events that fill a small part of the bins of a map, as the bins of the events."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import find_device
from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.arrays.kernels.histogram import sum_by_bin

__all__ = ["LazyCounts"]

Indices: TypeAlias = NDArray[np.int64]
Places: TypeAlias = tuple[NDArray[np.intp], ...]
"""Indices of some bins along each dimension."""

_N_BIN_PER_EVENT = 8
"""With fewer bins for each event, an array of counts is made and added faster than events are sorted."""


@dataclass(frozen=True, eq=False)
class LazyCounts(LazyArray):
    """Counts on the host that are known by the bins of the events; an array is made of them when somebody needs one.

    Most observations have a few thousand events, and most maps have a million bins. What is done with the counts of one
    observation, to sum them in masks and to add them to a stack, then takes less time event by event.

    Attributes
    ----------
    index : NumPy array of int64, shape (n_event,)
        Number of the bin of each event in the flattened array; events outside are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from lightpool.arrays.kernels.lazy_counts import LazyCounts
    >>> counts = LazyCounts.of(np.array([5, 1, 5]), (2, 1, 3))
    >>> counts.values().tolist()
    [[[0.0, 1.0, 0.0]], [[0.0, 0.0, 2.0]]]
    >>> counts.sums_in_masks([np.array([[[True, True, True]], [[True, False, True]]])]).tolist()
    [1.0, 2.0]
    """

    index: Indices = field(kw_only=True)

    @classmethod
    def of(cls, index: Indices, shape: tuple[int, ...], dtype: str = "float64") -> Self:
        """Return the counts of events.

        Parameters
        ----------
        index : NumPy array of int64, shape (n_event,), numbers of bins; those outside of the array are dropped
        shape : tuple of int, (..., ny, nx)
        dtype : ``float64`` or ``float32``
        """
        kept = index[(index >= 0) & (index < math.prod(shape))]

        def compute(rows: slice, columns: slice, mask: Array | None) -> Iterator[tuple[slice, Array]]:
            counts = sum_by_bin(kept, None, math.prod(shape)).reshape(shape).astype(dtype, copy=False)
            part = np.ascontiguousarray(counts[..., rows, columns])
            yield slice(None), part if mask is None else part * cast(NDArray[np.bool_], mask)

        return cls(
            tuple(shape), find_device("cpu"), max(shape[-2], 1), compute, np.dtype(dtype), is_finite=True, index=kept
        )

    @property
    def is_sparse(self) -> bool:
        """Whether there are so few events that sums over them are faster than sums over the bins."""
        return self.index.size * _N_BIN_PER_EVENT <= math.prod(self.shape)

    @cached_property
    def occupied(self) -> tuple[Places, NDArray[Any]]:
        """Bins of the window that hold events, each of them once, and their counts in the data type of the array."""
        number, counts = np.unique(self.index, return_counts=True)
        *planes, row, column = np.unravel_index(number, self.shape)
        (top, bottom, _), (left, right, _) = (x.indices(n) for x, n in zip(self.window, self.shape[-2:], strict=True))
        inside = (row >= top) & (row < bottom) & (column >= left) & (column < right)
        places = (*(axis[inside] for axis in planes), row[inside] - top, column[inside] - left)
        return places, counts[inside].astype(cast(np.dtype[Any], self.dtype))

    def sums_in_masks(self, masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
        """Return the counts of each image in the pixels that all masks keep.

        Parameters
        ----------
        masks : sequence of arrays of bool, of the shape of the window

        Returns
        -------
        sums : array of float64, of the shape of the array without rows and columns
        """
        places, counts = self.occupied
        for mask in masks:
            counts = np.where(mask[places], counts, 0)
        planes = self.shape[:-2]
        number = np.ravel_multi_index(places[:-2], planes) if planes else np.zeros(counts.size, dtype=np.intp)
        sums: NDArray[np.float64] = sum_by_bin(number.astype(np.int64, copy=False), counts, math.prod(planes))
        return sums.reshape(planes)
