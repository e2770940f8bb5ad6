"""Arrays that are worked out when they are asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.blocks import blocks
from lightpool.arrays.devices.devices import Device

__all__ = ["LazyArray", "lazy_zeros"]

Index = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class LazyArray:
    """A cube of images, not worked out yet.

    What is only added to something else need never stand in memory as a whole: `parts` gives it piece by piece. What
    lies outside of the window is not worked out; its pixels may have other last bits than in the whole, because BLAS
    rounds by the shapes of its matrices.

    Attributes
    ----------
    shape : tuple of int, (..., ny, nx), of all images
    device : Device
    height : int, how many rows of pixels are worked out at once
    compute : function of slices of rows and columns of pixels, and a mask of bool (rows, columns) or None
        Gives pairs of a slice along the first axis and the values there, a new array (..., rows, columns), which may be
        written to. Together the slices cover the axis. Where the mask is False, the values are zero.
    dtype : data type in the library of the device
    is_finite : bool, whether it is known that all values are finite
    is_zero : bool, whether it is known that all values are zero
    window : slices of rows and columns, the part of the images that is wanted
    """

    shape: tuple[int, ...]
    device: Device
    height: int
    compute: Callable[[slice, slice, Array | None], Iterator[tuple[slice, Array]]]
    dtype: Any
    is_finite: bool = False
    is_zero: bool = False
    window: tuple[slice, slice] = (slice(None), slice(None))

    def __getitem__(self, index: Any) -> "LazyArray":
        """Window of the images; the index is (...,) or (..., rows, columns)."""
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

    def parts(self, mask: Array | None = None) -> Iterator[tuple[Index, Array]]:
        """Give pairs of an index in the window and the values there; together they cover it.

        Parameters
        ----------
        mask : NumPy array of bool, shape of the window, optional
            Where it is False, zero is given; that can take less time than multiplying. Only on the host.
        """
        (top, bottom, _), (left, right, _) = (x.indices(n) for x, n in zip(self.window, self.shape[-2:], strict=True))
        columns = slice(left, right)
        for rows in blocks(bottom - top, self.height):
            kept = None if mask is None else mask[rows]
            for lead, values in self.compute(slice(top + rows.start, top + rows.stop), columns, kept):
                yield (lead, ..., rows, slice(None)), values

    def values(self) -> Array:
        """All of the window, an array."""
        xp, handle = self.device.xp, self.device.handle
        lengths = (len(range(*s.indices(n))) for s, n in zip(self.window, self.shape[-2:], strict=True))
        shape = (*self.shape[:-2], *lengths)
        values = None
        for index, part in self.parts():
            if tuple(part.shape) == shape:
                return part
            if values is None:
                values = xp.empty(shape, dtype=self.dtype, device=handle)
            values[index] = part
        return xp.zeros(shape, dtype=self.dtype, device=handle) if values is None else values


def lazy_zeros(shape: tuple[int, ...], dtype: str, device: Device) -> LazyArray:
    """Zeros that take neither memory nor time before somebody asks for them: most empty maps are filled as a whole.

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
