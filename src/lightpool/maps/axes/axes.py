"""The axes of a map beside the two of the sky."""

import html
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, overload

import numpy as np

from lightpool.attributes import KnownAttributes
from lightpool.errors import GeometryError
from lightpool.fits import BinTableHDU, Header
from lightpool.maps.axes import axes_format
from lightpool.maps.axes.axes_format import AnyAxis
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.axes.table_columns import read_table

__all__ = ["UNIT_STRING_FORMAT", "MapAxes"]

UNIT_STRING_FORMAT = "latex_inline"
"""Format of units in the labels of plots, for `astropy.units.Unit.to_string`."""


class MapAxes(KnownAttributes, Sequence[AnyAxis]):
    """Axes with different names, found by name or number.

    The first axis is the last one of the data: data of a map have the shape ``axes.shape[::-1]`` (and the sky).

    Parameters
    ----------
    axes : sequence of MapAxis, LabelMapAxis or TimeMapAxis
    n_spatial_axes : int, optional
        Number of sky axes that follow in the data, for the shapes of `get_coord` and `bin_volume`.
    """

    _consumed = ("axes", "n_spatial_axes")
    _axes: tuple[AnyAxis, ...]
    _n_spatial_axes: int | None

    def __init__(self, axes: Iterable[AnyAxis], n_spatial_axes: int | None = None) -> None:
        self._keep(_axes=tuple(axes), _n_spatial_axes=n_spatial_axes)
        names = self.names
        for axis in self._axes:
            if names.count(axis.name) > 1:
                raise GeometryError(f"axes must have different names, got {names}; see axis.rename")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._axes, self._n_spatial_axes)

    @classmethod
    def from_default(cls, axes: Any, n_spatial_axes: int | None = None) -> Self:
        """Axes from a list that may hold plain arrays of edges or be None; axes without a name are numbered."""
        if isinstance(axes, AnyAxis):
            raise TypeError(f"axes must be a list of axes, got the axis {axes.name!r}; write axes=[axis]")
        given = [ax if isinstance(ax, AnyAxis) else MapAxis(ax) for ax in (axes if axes is not None else [])]
        named = [ax if ax.name else ax.rename(f"axis{number}") for number, ax in enumerate(given)]
        return cls(named, n_spatial_axes=n_spatial_axes)

    # --- as a sequence

    def __len__(self) -> int:
        return len(self._axes)

    @overload
    def __getitem__(self, idx: int | str) -> Any: ...
    @overload
    def __getitem__(self, idx: "slice | list[str] | list[int]") -> Self: ...
    def __getitem__(self, idx: Any) -> Any:
        """One axis by number or name, or several by a slice or a list."""
        if isinstance(idx, str):
            for axis in self._axes:
                if axis.name == idx:
                    return axis
            raise KeyError(f"there is no axis {idx!r}; the axes are {self.names}")
        if isinstance(idx, slice):
            return type(self)(self._axes[idx])
        if isinstance(idx, list):
            return type(self)([self[item] for item in idx])
        try:
            return self._axes[operator.index(idx)]
        except TypeError:
            raise TypeError(f"axes are found by number, name, slice or list, got {idx!r}") from None

    def __add__(self, other: Iterable[AnyAxis]) -> Self:
        return type(self)([*self, *other])

    @property
    def names(self) -> list[str]:
        """Names of the axes."""
        return [axis.name for axis in self._axes]

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of bins, in the order of the axes."""
        return tuple(axis.nbin for axis in self._axes)

    @property
    def reverse(self) -> Self:
        """The axes in reverse order."""
        return self[::-1]

    @property
    def primary_axis(self) -> Any:
        """The axis with most bins."""
        return self._axes[int(np.argmax(self.shape))]

    @property
    def is_flat(self) -> bool:
        """Whether all axes have one bin."""
        return all(nbin == 1 for nbin in self.shape)

    @property
    def is_unidimensional(self) -> bool:
        """Whether at most one axis has several bins."""
        return sum(nbin > 1 for nbin in self.shape) <= 1

    def index(self, axis_name: str, *args: Any) -> int:
        """Find the number of an axis."""
        if axis_name not in self.names:
            raise ValueError(f"there is no axis {axis_name!r}; the axes are {self.names}")
        return self.names.index(axis_name)

    def index_data(self, axis_name: str) -> int:
        """Find the number of the dimension of the data that belongs to an axis."""
        return len(self) - self.index(axis_name) - 1

    def assert_names(self, required_names: Sequence[str], allow_extra: bool = False) -> None:
        """Raise `ValueError` unless the axes have these names in this order; ``allow_extra``: and others after them."""
        names = self.names[: len(required_names)] if allow_extra else self.names
        if names != list(required_names):
            raise ValueError(f"expected the axes {list(required_names)} in this order, got {self.names}")

    # --- coordinates

    @property
    def iter_with_reshape(self) -> Iterator[tuple[tuple[int, ...], AnyAxis]]:
        """Each axis with the shape to which its values are brought so that they meet those of other axes."""
        for number, axis in enumerate(self._axes):
            shape = [1] * len(self)
            shape[number] = -1
            if self._n_spatial_axes:
                shape = shape[::-1] + [1] * self._n_spatial_axes
            yield tuple(shape), axis

    def get_coord(self, mode: str = "center", axis_name: str | None = None) -> dict[str, Any]:
        """Centres of all axes by name, shaped for broadcasting; ``mode="edges"``: edges of the axis ``axis_name``."""
        return {
            axis.name: (axis.edges if mode == "edges" and axis.name == axis_name else axis.center).reshape(shape)
            for shape, axis in self.iter_with_reshape
        }

    def bin_volume(self) -> Any:
        """Products of the bin widths of all axes."""
        volume: Any = np.array(1)
        for shape, axis in self.iter_with_reshape:
            volume = volume * axis.bin_width.reshape(shape)
        return volume

    @property
    def center_coord(self) -> tuple[Any, ...]:
        """Coordinates of the middle of all axes."""
        return tuple(axis.pix_to_coord((axis.nbin - 1.0) / 2.0) for axis in self._axes)

    def coord_to_idx(self, coord: Mapping[str, Any], clip: bool = True) -> tuple[Any, ...]:
        """Bins of coordinates by name; outside the nearest one, or -1 with ``clip=False``."""
        return tuple(axis.coord_to_idx(coord[axis.name], clip=clip) for axis in self._axes)

    def coord_to_pix(self, coord: Mapping[str, Any]) -> tuple[Any, ...]:
        """Pixel coordinates of coordinates by name."""
        return tuple(axis.coord_to_pix(coord[axis.name]) for axis in self._axes)

    def pix_to_coord(self, pix: Sequence[Any]) -> tuple[Any, ...]:
        """Coordinates at pixel coordinates, one for each axis."""
        return tuple(axis.pix_to_coord(p) for axis, p in zip(self._axes, pix, strict=True))

    def pix_to_idx(self, pix: Sequence[Any], clip: bool = False) -> tuple[Any, ...]:
        """Pixel coordinates where they are inside, elsewhere -1, or the nearest bin with ``clip``."""
        return tuple(axis.pix_to_idx(p, clip=clip) for axis, p in zip(self._axes, pix, strict=True))

    # --- other axes from these

    def _changed(self, axis_name: str, method: str, *args: Any, **kwargs: Any) -> Self:
        self.index(axis_name)
        return type(self)(getattr(ax, method)(*args, **kwargs) if ax.name == axis_name else ax for ax in self._axes)

    def upsample(self, factor: int, axis_name: str) -> Self:
        """Axes with finer bins on one of them, see `MapAxis.upsample`."""
        return self._changed(axis_name, "upsample", factor=factor)

    def downsample(self, factor: int, axis_name: str) -> Self:
        """Axes with coarser bins on one of them, see `MapAxis.downsample`."""
        return self._changed(axis_name, "downsample", factor=factor)

    def resample(self, axis: MapAxis) -> Self:
        """Axes with the bins of one of them grouped, see `MapAxis.resample`."""
        return self._changed(axis.name, "resample", axis)

    def squash(self, axis_name: str) -> Self:
        """Axes with one bin on one of them."""
        return self._changed(axis_name, "squash")

    def pad(self, axis_name: str, pad_width: int | tuple[int, int]) -> Self:
        """Axes with more bins on one of them, see `MapAxis.pad`."""
        return self._changed(axis_name, "pad", pad_width)

    def replace(self, axis: AnyAxis) -> Self:
        """Axes with the one of the same name replaced."""
        self.index(axis.name)
        return type(self)(axis if ax.name == axis.name else ax for ax in self._axes)

    def drop(self, axis_name: str) -> Self:
        """Axes without one of them."""
        self.index(axis_name)
        return type(self)(ax for ax in self._axes if ax.name != axis_name)

    def slice_by_idx(self, slices: Mapping[str, Any]) -> Self:
        """Axes with some of their bins; an axis with a number in place of a slice is dropped.

        Parameters
        ----------
        slices : dict of axis name to slice or int; axes that are not named stay
        """
        for name in slices:
            self.index(name)
        chosen = ((ax, slices.get(ax.name, slice(None))) for ax in self._axes)
        return type(self)(
            ax if part == slice(None) else ax.slice(part) for ax, part in chosen if isinstance(part, slice)
        )

    def rename_axes(self, names: str | Sequence[str], new_names: str | Sequence[str]) -> Self:
        """Axes with some of them renamed; one name or lists of the same length."""
        names = [names] if isinstance(names, str) else list(names)
        new_names = [new_names] if isinstance(new_names, str) else list(new_names)
        for name in names:
            self.index(name)
        renamed = dict(zip(names, new_names, strict=True))
        return type(self)(ax.rename(renamed[ax.name]) if ax.name in renamed else ax for ax in self._axes)

    def copy(self) -> Self:
        """Axes with the same content."""
        return type(self)([axis.copy() for axis in self._axes], n_spatial_axes=self._n_spatial_axes)

    # --- comparison

    def is_allclose(self, other: "MapAxes", **kwargs: Any) -> bool:
        """Whether other axes are of the same kind and, with ``kwargs`` of `numpy.allclose`, have the same bins."""
        if not isinstance(other, MapAxes):
            raise TypeError(f"MapAxes cannot be compared with {other!r} of type {type(other).__name__}")
        return len(self) == len(other) and all(
            type(mine) is type(its) and mine.is_allclose(its, **kwargs) for mine, its in zip(self, other, strict=True)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MapAxes) and self._axes == other._axes

    def __hash__(self) -> int:
        return hash(self._axes)

    # --- tables and text

    def to_header(self, format: str = "gadf") -> Header:
        """FITS keywords of all axes."""
        return axes_format.axes_header(self, format)

    def to_table(self, format: str = "gadf") -> Any:
        """Table of the bins; formats "gadf", "gadf-dl3", "ogip", "ogip-sherpa", "ogip-arf", "fgst-ccube"..."""
        return axes_format.axes_table(self, format)

    def to_table_hdu(self, format: str | None = "gadf", hdu_bands: str | None = None) -> BinTableHDU:
        """FITS table of the bins with its keywords, named ``hdu_bands`` (by default "BANDS") in the format "gadf"."""
        return axes_format.axes_table_hdu(self, format or "gadf", hdu_bands)

    @classmethod
    def from_table(cls, table: Any, format: str = "gadf") -> Self:
        """Axes from a table (astropy's, or `lightpool.fits.TableData`); formats as in `to_table`."""
        return cls(axes_format.axes_from_table(table, format))

    @classmethod
    def from_table_hdu(cls, hdu: BinTableHDU | None, format: str = "gadf") -> Self:
        """Axes from a FITS table; None gives no axes."""
        return cls([]) if hdu is None else cls.from_table(read_table(hdu), format=format)

    def __repr__(self) -> str:
        return f"MapAxes({', '.join(f'{axis.name}: {axis.nbin}' for axis in self._axes)})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"
