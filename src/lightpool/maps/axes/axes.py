"""The axes of a map besides the two of the sky."""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsIndex, TypeAlias, Unpack, cast, overload

import astropy.units as u
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy, accepted, accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.fits import BinTableHDU, Header
from lightpool.maps.axes import axes_format
from lightpool.maps.axes.axes_format import AnyAxis
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.axes.axis_base import AxisCoord, BinIndex, Tolerances
from lightpool.maps.axes.axis_cards import axes_card
from lightpool.maps.axes.table_columns import AnyTable, read_table
from lightpool.maps.coord import CoordArray, MapCoord
from lightpool.typing import QuantityLike
from lightpool.utils.html import Card, ShownInNotebooks

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["UNIT_STRING_FORMAT", "AxesLike", "MapAxes"]

AxesLike: TypeAlias = "Iterable[AnyAxis | QuantityLike] | None"
"""Axes, or arrays of their edges, in a list; None for no axes."""

QuantityName: TypeAlias = Literal[
    "energy", "energy_true", "offset", "rad", "migra", "fov_lon", "fov_lat", "theta", "lambda", "dnde"
]
"""Names of axes of numbers: an axis of such a name is a `MapAxis`."""

UNIT_STRING_FORMAT = "latex_inline"
"""Format of units in the labels of plots, for `astropy.units.Unit.to_string`."""


class MapAxes(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks, Sequence[AnyAxis]):
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
    _names: list[str]
    _shape: tuple[int, ...]
    _others: "dict[tuple[str, str], MapAxes]"
    """Axes that were made of these."""

    def __init__(self, axes: Iterable[AnyAxis], n_spatial_axes: int | None = None) -> None:
        kept = tuple(accepted(axes))
        names = [axis.name for axis in kept]
        if len(set(names)) < len(names):
            raise GeometryError(f"axes must have different names, got {names}; see axis.rename")
        shape = tuple(axis.nbin for axis in kept)
        self._keep(_axes=kept, _n_spatial_axes=n_spatial_axes, _names=names, _shape=shape, _others={})

    def __reduce__(self) -> tuple[type["MapAxes"], tuple[object, ...]]:
        return type(self), (self._axes, self._n_spatial_axes)

    @classmethod
    def from_default(cls, axes: AxesLike, n_spatial_axes: int | None = None) -> Self:
        """Make axes from a list that may hold plain arrays of edges or be None; axes without a name are numbered.

        Parameters
        ----------
        axes : list of MapAxis, LabelMapAxis, TimeMapAxis, Quantity or array, or None
        n_spatial_axes : int, see `MapAxes`
        """
        if type(axes) is cls and axes._n_spatial_axes == n_spatial_axes and all(axes._names):
            return axes  # they are never changed
        if axes is None:
            return cast(Self, _no_axes(cls, n_spatial_axes))
        axes = accepted(axes)
        if isinstance(axes, AnyAxis):
            raise TypeError(f"axes must be a list of axes, got the axis {axes.name!r}; write axes=[axis]")
        given = [ax if isinstance(ax, AnyAxis) else MapAxis(ax) for ax in (axes if axes is not None else [])]
        named = [ax if ax.name else ax.rename(f"axis{number}") for number, ax in enumerate(given)]
        return cls(named, n_spatial_axes=n_spatial_axes)

    # --- as a sequence

    def __len__(self) -> int:
        return len(self._axes)

    def __iter__(self) -> Iterator[AnyAxis]:
        return iter(self._axes)

    @overload
    def __getitem__(self, idx: QuantityName) -> MapAxis: ...
    @overload
    def __getitem__(self, idx: SupportsIndex | str) -> AnyAxis: ...
    @overload
    def __getitem__(self, idx: slice | list[str] | list[int]) -> Self: ...
    def __getitem__(self, idx: SupportsIndex | str | slice | list[str] | list[int]) -> AnyAxis | Self:
        """Return one axis by number or name, or several by a slice or a list."""
        if isinstance(idx, str):
            if idx in self._names:
                return self._axes[self._names.index(idx)]
            raise KeyError(f"there is no axis {idx!r}; the axes are {self.names}")
        if isinstance(idx, slice):
            return type(self)(self._axes[idx])
        if isinstance(idx, list):
            return type(self)([self[item] for item in idx])
        try:
            # integers of NumPy too
            return self._axes[operator.index(idx)]
        except TypeError:
            raise TypeError(f"axes are found by number, name, slice or list, got {idx!r}") from None

    def __add__(self, other: Iterable[AnyAxis]) -> Self:
        return type(self)([*self, *other])

    @property
    def n_spatial_axes(self) -> int | None:
        """Number of sky axes that follow in the data."""
        return self._n_spatial_axes

    @property
    def names(self) -> list[str]:
        """Names of the axes."""
        return list(self._names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of bins, in the order of the axes."""
        return self._shape

    @property
    def reverse(self) -> Self:
        """The axes in reverse order."""
        return self[::-1]

    @property
    def primary_axis(self) -> AnyAxis:
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

    def index(self, axis_name: str, *args: object) -> int:
        """Return the number of an axis.

        Parameters
        ----------
        axis_name : str
        *args : without effect, other arguments of ``index`` of a sequence
        """
        if axis_name not in self._names:
            raise ValueError(f"there is no axis {axis_name!r}; the axes are {self.names}")
        return self._names.index(axis_name)

    def index_data(self, axis_name: str) -> int:
        """Return the number of the dimension of the data that belongs to an axis."""
        return len(self) - self.index(axis_name) - 1

    def assert_names(self, required_names: Sequence[str], allow_extra: bool = False) -> None:
        """Raise `ValueError` unless the axes have these names in this order.

        Parameters
        ----------
        required_names : sequence of str
        allow_extra : bool, whether others may follow them
        """
        names = self.names[: len(required_names)] if allow_extra else self.names
        if names != list(required_names):
            raise ValueError(f"expected the axes {list(required_names)} in this order, got {self.names}")

    # --- coordinates

    @property
    def iter_with_reshape(self) -> Iterator[tuple[tuple[int, ...], AnyAxis]]:
        """Each axis with the shape in which its values broadcast with those of the other axes."""
        for number, axis in enumerate(self._axes):
            shape = [1] * len(self)
            shape[number] = -1
            if self._n_spatial_axes:
                shape = shape[::-1] + [1] * self._n_spatial_axes
            yield tuple(shape), axis

    def get_coord(self, mode: str = "center", axis_name: str | None = None) -> dict[str, CoordArray]:
        """Return the centres of all axes by name, shaped for broadcasting.

        Parameters
        ----------
        mode : {"center", "edges"}
        axis_name : str, the axis of which to take the edges with ``mode="edges"``
        """
        return {
            axis.name: (axis.edges if mode == "edges" and axis.name == axis_name else axis.center).reshape(shape)
            for shape, axis in self.iter_with_reshape
        }

    def bin_volume(self) -> u.Quantity | NDArray[np.float64]:
        """Return the products of the bin widths of all axes; plain numbers if there are none, or all have labels."""
        volume: u.Quantity | NDArray[Any] = np.array(1)
        for shape, axis in self.iter_with_reshape:
            volume = volume * axis.bin_width.reshape(shape)
        return volume

    @property
    def center_coord(self) -> tuple[CoordArray, ...]:
        """Coordinates of the middle of all axes."""
        return tuple(axis.pix_to_coord((axis.nbin - 1.0) / 2.0) for axis in self._axes)

    def coord_to_idx(
        self, coord: "MapCoord | Mapping[str, AxisCoord]", clip: bool = True
    ) -> tuple[NDArray[np.int64], ...]:
        """Return the bins of coordinates.

        Parameters
        ----------
        coord : MapCoord, or mapping of axis name to coordinates
        clip : bool, whether coordinates outside get the nearest bin instead of -1
        """
        return tuple(axis.coord_to_idx(coord[axis.name], clip=clip) for axis in self._axes)

    def coord_to_pix(self, coord: "MapCoord | Mapping[str, AxisCoord]") -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates of coordinates by name."""
        return tuple(axis.coord_to_pix(coord[axis.name]) for axis in self._axes)

    def pix_to_coord(self, pix: Sequence[ArrayLike]) -> tuple[CoordArray, ...]:
        """Return the coordinates at pixel coordinates, one for each axis."""
        return tuple(axis.pix_to_coord(p) for axis, p in zip(self._axes, pix, strict=True))

    def pix_to_idx(self, pix: Sequence[ArrayLike], clip: bool = False) -> tuple[NDArray[Any], ...]:
        """Return pixel coordinates where they are inside, and -1 elsewhere.

        Parameters
        ----------
        pix : sequence of arrays, one for each axis
        clip : bool, whether coordinates outside become those of the nearest bin instead of -1
        """
        return tuple(axis.pix_to_idx(p, clip=clip) for axis, p in zip(self._axes, pix, strict=True))

    # --- other axes from these

    def _changed(self, axis_name: str, method: str, *args: object, **kwargs: object) -> Self:
        self.index(axis_name)  # raises if there is no such axis
        return type(self)(getattr(ax, method)(*args, **kwargs) if ax.name == axis_name else ax for ax in self._axes)

    def upsample(self, factor: int, axis_name: str) -> Self:
        """Return axes with finer bins on one of them.

        Parameters
        ----------
        factor : int, see `MapAxis.upsample`
        axis_name : str
        """
        return self._changed(axis_name, "upsample", factor=factor)

    def downsample(self, factor: int, axis_name: str) -> Self:
        """Return axes with coarser bins on one of them.

        Parameters
        ----------
        factor : int, see `MapAxis.downsample`
        axis_name : str
        """
        return self._changed(axis_name, "downsample", factor=factor)

    @accepts_gammapy
    def resample(self, axis: MapAxis) -> Self:
        """Return axes with the bins of one of them grouped, see `MapAxis.resample`."""
        return self._changed(axis.name, "resample", axis)

    def squash(self, axis_name: str) -> Self:
        """Return axes with one bin on one of them."""
        return self._once("squash", axis_name, lambda: self._changed(axis_name, "squash"))

    def _once(self, change: str, axis_name: str, make: "Callable[[], MapAxes]") -> Self:
        """Return axes that were changed before again: maps that share axes share those that are made of them."""
        known = self._others.get((change, axis_name))
        if known is None:
            known = self._others.setdefault((change, axis_name), make())
        return cast(Self, known)

    def pad(self, axis_name: str, pad_width: int | tuple[int, int]) -> Self:
        """Return axes with more bins on one of them.

        Parameters
        ----------
        axis_name : str
        pad_width : int or tuple of int, see `MapAxis.pad`
        """
        return self._changed(axis_name, "pad", pad_width)

    @accepts_gammapy
    def replace(self, axis: AnyAxis) -> Self:
        """Return axes with the one of the same name replaced."""
        self.index(axis.name)  # raises if there is no such axis
        return type(self)(axis if ax.name == axis.name else ax for ax in self._axes)

    def drop(self, axis_name: str) -> Self:
        """Return the axes without one of them."""
        self.index(axis_name)  # raises if there is no such axis
        return self._once("drop", axis_name, lambda: type(self)(ax for ax in self._axes if ax.name != axis_name))

    def slice_by_idx(self, slices: Mapping[str, BinIndex]) -> Self:
        """Return axes with some of their bins; an axis with a number in place of a slice is dropped.

        Parameters
        ----------
        slices : dict of axis name to slice or int; axes that are not named stay
        """
        for name in slices:
            self.index(name)  # raises if there is no such axis
        chosen = ((ax, slices.get(ax.name, slice(None))) for ax in self._axes)
        return type(self)(
            ax if part == slice(None) else ax.slice(part) for ax, part in chosen if isinstance(part, slice)
        )

    def rename_axes(self, names: str | Sequence[str], new_names: str | Sequence[str]) -> Self:
        """Return axes with some of them renamed.

        Parameters
        ----------
        names, new_names : one name each, or sequences of the same length
        """
        names = [names] if isinstance(names, str) else list(names)
        new_names = [new_names] if isinstance(new_names, str) else list(new_names)
        for name in names:
            self.index(name)  # raises if there is no such axis
        renamed = dict(zip(names, new_names, strict=True))
        return type(self)(ax.rename(renamed[ax.name]) if ax.name in renamed else ax for ax in self._axes)

    def copy(self) -> Self:
        """Return axes with the same content."""
        return type(self)([axis.copy() for axis in self._axes], n_spatial_axes=self._n_spatial_axes)

    # --- comparison

    def is_allclose(self, other: object, **kwargs: Unpack[Tolerances]) -> bool:
        """Return whether other axes are of the same kind and, up to tolerances, have the same bins.

        Parameters
        ----------
        other : MapAxes
        **kwargs : ``rtol`` and ``atol`` of `numpy.allclose`
        """
        other = other if isinstance(other, MapAxes) else accepted(other)
        if not isinstance(other, MapAxes):
            raise TypeError(f"MapAxes cannot be compared with {other!r} of type {type(other).__name__}")
        if self is other:
            return True
        return len(self) == len(other) and all(
            type(mine) is type(its) and mine.is_allclose(its, **kwargs) for mine, its in zip(self, other, strict=True)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MapAxes) and self._axes == other._axes

    def __hash__(self) -> int:
        return hash(self._axes)

    # --- tables and text

    def to_header(self, format: str = "gadf") -> Header:
        """Return the FITS keywords of all axes."""
        return axes_format.axes_header(self, format)

    def to_table(self, format: str = "gadf") -> "Table":
        """Return a table of the bins; formats "gadf", "gadf-dl3", "ogip", "ogip-sherpa", "ogip-arf", "fgst-ccube"..."""
        return axes_format.axes_table(self, format)

    def to_table_hdu(self, format: str | None = "gadf", hdu_bands: str | None = None) -> BinTableHDU:
        """Return a FITS table of the bins with its keywords.

        Parameters
        ----------
        format : str, see `to_table`
        hdu_bands : str, name of the HDU in the format "gadf", by default "BANDS"
        """
        return axes_format.axes_table_hdu(self, format or "gadf", hdu_bands)

    @classmethod
    def from_table(cls, table: AnyTable, format: str = "gadf") -> Self:
        """Read axes from a table.

        Parameters
        ----------
        table : Table or `lightpool.fits.TableData`
        format : str, see `to_table`
        """
        return cls(axes_format.axes_from_table(table, format))

    @classmethod
    def from_table_hdu(cls, hdu: BinTableHDU | None, format: str = "gadf") -> Self:
        """Read axes from a FITS table.

        Parameters
        ----------
        hdu : BinTableHDU, or None for no axes
        format : str, see `to_table`
        """
        return cls([]) if hdu is None else cls.from_table(read_table(hdu), format=format)

    def __repr__(self) -> str:
        return f"MapAxes({', '.join(f'{axis.name}: {axis.nbin}' for axis in self._axes)})"

    def html_card(self) -> Card:
        """Return what notebooks show of the axes."""
        return axes_card(self._axes, type(self).__name__)


@lru_cache(maxsize=16)
def _no_axes(kind: type[MapAxes], n_spatial_axes: int | None) -> MapAxes:
    """Return the axes of an image, which all images share."""
    return kind((), n_spatial_axes=n_spatial_axes)
