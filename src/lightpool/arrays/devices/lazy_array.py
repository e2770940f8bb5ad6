"""Arrays whose elements are computed window by window, when they are needed.

This is the way to handle a map that is larger than what is needed of it, or that is only added to another one. See
`LazyArray`, which explains it with an example. Two related concepts have classes of their own: a value that is created
as a whole on demand is a `lightpool.utils.on_demand.Deferred`, and numbers that a device has not finished computing are
`lightpool.arrays.DeferredNumbers`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import TypeAlias

from lightpool.arrays.devices.array_types import Array, DType
from lightpool.arrays.devices.blocks import blocks
from lightpool.arrays.devices.devices import Device

__all__ = ["LazyArray", "PartIndex", "lazy_zeros"]

PartIndex: TypeAlias = tuple[slice, EllipsisType, slice, slice]
"""Index of a part in the window of a `LazyArray`: along the first axis, everything between, rows and columns."""


@dataclass(frozen=True, eq=False)
class LazyArray:
    """A cube of images whose pixels are computed when they are needed, a few rows at a time.

    A projected PSF has tens of millions of elements, and all that happens to it is that it is multiplied by the
    exposure and added to a stack. Written as an array, it would fill fresh memory, which costs several times what the
    arithmetic does, only to be read once. A `LazyArray` describes such an array instead: its shape, its data type, its
    device, and a function that computes any rows and columns of it.

    - `parts` computes the array piece by piece. Each piece is small enough for the processor's cache, so whoever
      consumes it right away never touches main memory. `lightpool.arrays.add_product` does this: a `LazyArray` can be
      one of its factors.
    - Indexing with ``[..., rows, columns]`` selects a window. Nothing is computed by this, and what lies outside of the
      window never is: adding an observation to its window of a large stack costs as much as the window.
    - `values` computes the whole window as an array, for consumers that need one.
    - Nothing is kept. Each call of `parts` or `values` computes anew, and gives the same values. Whoever needs the
      values more than once calls `values` and keeps the result; `lightpool.maps.Map.data` does.
    - The object is immutable and ``compute`` must not change what it reads, so threads may share it.
    - Pieces have other shapes than the whole, and BLAS rounds by the shapes of its matrices. The last bits of a pixel
      may therefore differ between a window and the whole; they are the same for the same window.

    `is_finite` and `is_zero` state what is known without computing: a sum skips its search for values that are not
    finite in the first case, and the whole work in the second.

    Attributes
    ----------
    shape : tuple of int, (..., ny, nx)
        Shape of the whole array, also where a window was selected.
    device : Device
    height : int
        Number of rows of pixels that are computed at a time.
    compute : function (slice, slice, mask or None) -> iterator of (slice, array)
        Computes a rectangle of the images, given by slices of rows and columns. It yields slices along the first axis,
        which together cover it, and the values there: new arrays of shape (..., rows, columns), which the consumer may
        overwrite. Where a mask, an array of bool of shape (rows, columns), is False, the values are zero.
    dtype : data type in the library of the device
    is_finite : bool
        Whether all values are known to be finite.
    is_zero : bool
        Whether all values are known to be zero.
    window : pair of slice
        Rows and columns that are selected.

    Examples
    --------
    The product of a spectrum and an image, two rows at a time:

    >>> import numpy as np
    >>> from lightpool.arrays import LazyArray, add_product, find_device
    >>> spectrum, image = np.array([1.0, 10.0]), np.arange(12.0).reshape(4, 3)
    >>> def compute(rows, columns, mask):
    ...     print("computing rows", rows.start, "to", rows.stop - 1)
    ...     part = image[rows, columns] if mask is None else np.where(mask, image[rows, columns], 0.0)
    ...     yield slice(None), spectrum[:, None, None] * part
    >>> cube = LazyArray((2, 4, 3), find_device("cpu"), 2, compute, np.dtype("float64"))
    >>> cube[..., 1:4, :2].values()[1]
    computing rows 1 to 2
    computing rows 3 to 3
    array([[ 30.,  40.],
           [ 60.,  70.],
           [ 90., 100.]])
    >>> total = np.zeros((2, 4, 3))
    >>> add_product(total, [cube, 2.0])
    computing rows 0 to 1
    computing rows 2 to 3
    >>> total[0, -1]
    array([18., 20., 22.])
    """

    shape: tuple[int, ...]
    device: Device
    height: int
    compute: Callable[[slice, slice, Array | None], Iterator[tuple[slice, Array]]]
    dtype: DType
    is_finite: bool = False
    is_zero: bool = False
    window: tuple[slice, slice] = (slice(None), slice(None))

    def __getitem__(self, index: object) -> "LazyArray":
        """Select a window of the images; the index is (...,) or (..., rows, columns)."""
        if index == (...,):
            return self
        if (
            not isinstance(index, tuple)
            or len(index) != 3
            or index[0] is not ...
            or self.window != (slice(None), slice(None))
        ):
            raise IndexError(f"expected an index of rows and columns of the whole, (..., rows, columns), got {index!r}")
        return replace(self, window=(index[1], index[2]))

    def parts(self, mask: Array | None = None) -> Iterator[tuple[PartIndex, Array]]:
        """Compute the window piece by piece: yield pairs of an index in the window and the values there.

        Parameters
        ----------
        mask : NumPy array of bool, shape of the window, optional
            Where it is False, the values are zero, which can take less time than a multiplication. Only on the host.
        """
        (top, bottom, _), (left, right, _) = (x.indices(n) for x, n in zip(self.window, self.shape[-2:], strict=True))
        columns = slice(left, right)
        for rows in blocks(bottom - top, self.height):
            kept = None if mask is None else mask[rows]
            for lead, values in self.compute(slice(top + rows.start, top + rows.stop), columns, kept):
                yield (lead, ..., rows, slice(None)), values

    def values(self) -> Array:
        """Compute the whole window as an array."""
        xp, handle = self.device.xp, self.device.handle
        lengths = (len(range(*s.indices(n))) for s, n in zip(self.window, self.shape[-2:], strict=True))
        shape = (*self.shape[:-2], *lengths)
        values = None
        for index, part in self.parts():
            if tuple(part.shape) == shape:  # the only part: no copy is needed
                return part
            if values is None:
                values = xp.empty(shape, dtype=self.dtype, device=handle)
            values[index] = part
        return xp.zeros(shape, dtype=self.dtype, device=handle) if values is None else values


def lazy_zeros(shape: tuple[int, ...], dtype: str, device: Device) -> LazyArray:
    """Return zeros that take neither memory nor time until they are used: most empty maps are overwritten as a whole.

    Parameters
    ----------
    shape : tuple of int, (..., ny, nx)
    dtype : str, name of the data type
    device : Device
    """
    xp, (n_y, n_x) = device.xp, shape[-2:]
    kind = getattr(xp, dtype)

    def compute(rows: slice, columns: slice, _: Array | None) -> Iterator[tuple[slice, Array]]:
        part = (len(range(*rows.indices(n_y))), len(range(*columns.indices(n_x))))
        yield slice(None), xp.zeros((*shape[:-2], *part), dtype=kind, device=device.handle)

    return LazyArray(tuple(shape), device, max(n_y, 1), compute, kind, is_finite=True, is_zero=True)
