"""Slices, sums and new binnings along the axes of maps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Self, TypedDict, Unpack

import astropy.units as u
import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import array_namespace
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name, is_bool
from lightpool.arrays.kernels.reductions import operation_name, pad, reduce_groups, reduce_over
from lightpool.bridge import accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.maps.access import MapAccess
from lightpool.maps.axes.axes_format import AnyAxis
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.axes.axis_base import AxisCoord
from lightpool.maps.axes.label_axis import LabelMapAxis
from lightpool.maps.coord import MapCoordLike
from lightpool.maps.geoms.bin_volumes import along_axis
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.joined_planes import any_of_planes, require_same_pixels, summed_planes
from lightpool.maps.operators import Operand
from lightpool.maps.pixel_values import Pix
from lightpool.maps.units import as_quantity, unit_factor
from lightpool.typing import QuantityLike

__all__ = ["MapReshaping"]


class IntegralOptions(TypedDict, total=False):
    """How `MapReshaping.integral` interpolates."""

    method: str
    fill_value: float | None
    values_scale: str


class MapReshaping(MapAccess):
    """Operations along the non-spatial axes of a map."""

    def rename_axes(self, names: str | Sequence[str], new_names: str | Sequence[str]) -> Self:
        """Return the map with renamed axes.

        Parameters
        ----------
        names : str or sequence of str
            Axes to rename.
        new_names : str or sequence of str
            Their new names.
        """
        return self._init_copy(geom=self._geom.rename_axes(names=names, new_names=new_names))

    def slice_by_idx(self, slices: Mapping[str, int | slice]) -> Self:
        """Return a part of the map; the data are shared if the array library allows it.

        Parameters
        ----------
        slices : dict of axis name to slice, or to int, which drops the axis
        """
        geom = self._geom.slice_by_idx(slices)
        # in the order of the axes, which is reversed in the data; metadata stay unread, so that no device is waited for
        index = tuple(slices.get(axis.name, slice(None)) for axis in self._geom.axes)
        data = self.data[(*index[::-1], ...)]
        return self._init_copy(geom=geom, data=self._of_planes(geom, data), meta=self.unread_meta)

    def _of_planes(self, geom: Geom, data: Array) -> Array:
        """Return the part of some planes of the data that belongs to their geometry: all of it in most cases."""
        return data

    def slice_by_energy(
        self, energy_min: "QuantityLike | None" = None, energy_max: "QuantityLike | None" = None
    ) -> Self:
        """Return the part of the map between two energies, along its first energy axis.

        Parameters
        ----------
        energy_min, energy_max : Quantity, optional
            Rounded to the nearest edges; by default the ends of the axis.
        """
        axis = next(axis for axis in self._geom.axes if axis.name in ("energy", "energy_true"))
        lower = axis.edges[0] if energy_min is None else u.Quantity(energy_min)
        upper = axis.edges[-1] if energy_max is None else u.Quantity(energy_max)
        pix = np.clip(axis.coord_to_pix(u.Quantity([lower, upper])), -0.5, axis.nbin - 0.5)
        # pixel coordinates of edges are -0.5, 0.5, ...: these are the numbers of the nearest edges
        start, stop = np.round(pix + 0.5).astype(int)
        if start >= stop:
            raise GeometryError(f"no bin of the axis lies between {lower} and {upper}; its edges are {axis.edges}")
        return self.slice_by_idx({axis.name: slice(int(start), int(stop))})

    def get_image_by_coord(self, coords: Mapping[str, AxisCoord] | tuple[AxisCoord, ...]) -> Self:
        """Return the image at coordinates of the axes, a tuple or a dictionary by axis name."""
        if isinstance(coords, tuple):
            coords = dict(zip(self._geom.axes.names, coords, strict=True))
        return self.get_image_by_idx(self._geom.axes.coord_to_idx(coords))

    def get_image_by_pix(self, pix: Pix) -> Self:
        """Return the image at pixel coordinates of the axes."""
        return self.get_image_by_idx(tuple(np.floor(np.asarray(p, dtype=float) + 0.5).astype(int) for p in pix))

    def get_image_by_idx(self, idx: Pix) -> Self:
        """Return the image at indices of the axes, in the order of the axes."""
        if len(idx) != len(self._geom.axes):
            raise ValueError(
                f"Tuple length must equal number of non-spatial dimensions, got {len(idx)} for the axes "
                f"{self._geom.axes.names}"
            )
        index = tuple(int(np.asarray(i).item()) for i in idx)
        image = self._geom.image_at(index)
        data = self._of_planes(image, self.data[(*index[::-1], ...)])
        return self._init_copy(geom=image, data=data, meta=self.unread_meta)

    def iter_by_axis(self, axis_name: str, keepdims: bool = False) -> Iterator[Self]:
        """Iterate over the bins of an axis.

        Parameters
        ----------
        axis_name : str
        keepdims : bool
            Whether the maps keep the axis, with one bin.
        """
        for i in range(self._geom.axes[axis_name].nbin):
            yield self.slice_by_idx({axis_name: slice(i, i + 1) if keepdims else i})

    def iter_by_image(self, keepdims: bool = False) -> Iterator[Self]:
        """Iterate over the images as maps; with ``keepdims`` they keep their axes, with one bin each."""
        names = self._geom.axes.names
        for index in np.ndindex(tuple(self._geom.axes.shape)):
            if keepdims:
                yield self.slice_by_idx({name: slice(i, i + 1) for name, i in zip(names, index, strict=True)})
            else:
                yield self.get_image_by_idx(index)

    def iter_by_image_data(self) -> Iterator[tuple[Array, tuple[int, ...]]]:
        """Iterate over the images as arrays, with their index in the data."""
        for index in self.iter_by_image_index():
            yield self.data[(*index, ...)], index

    def iter_by_image_index(self) -> Iterator[tuple[int, ...]]:
        """Iterate over the indices of the images in the data."""
        for index in np.ndindex(tuple(self._geom.axes.shape)):
            yield index[::-1]

    def split_by_axis(self, axis_name: str) -> list[Self]:
        """Split the map into one for each bin of an axis."""
        return list(self.iter_by_axis(axis_name))

    def reorder_axes(self, axes_names: Sequence[str]) -> Self:
        """Return the map with its axes in another order."""
        axes = self._geom.axes
        if set(axes.names) != set(axes_names):
            raise ValueError(f"{axes.names} is not compatible with {list(axes_names)}")
        if not self._geom.is_regular:
            if list(axes_names) == axes.names:
                return self.copy()
            require_same_pixels(self._geom, "another order of the axes")
        geom = self._geom.to_image().to_cube([axes[name] for name in axes_names])
        order = [axes.index_data(name) for name in axes_names][::-1]
        sky = range(len(axes), self.data.ndim)
        return self._init_copy(geom=geom, data=self._xp.permute_dims(self.data, (*order, *sky)))

    @accepts_gammapy
    def to_cube(self, axes: Sequence[AnyAxis]) -> Self:
        """Return the map with further axes of one bin each."""
        for axis in axes:
            if axis.nbin > 1:
                raise ValueError(f"axis {axis.name!r} should have only one bin, it has {axis.nbin}")
        geom = self._geom.to_cube(list(axes))
        if geom.is_regular:
            require_same_pixels(self._geom, "to_cube")
        return self._init_copy(geom=geom, data=self._xp.reshape(self.data, tuple(geom.data_shape)))

    @classmethod
    @accepts_gammapy
    def from_stack(cls, maps: Sequence[Self], axis: AnyAxis | None = None, axis_name: str | None = None) -> Self:
        """Concatenate maps along an axis.

        Parameters
        ----------
        maps : sequence of Map
            Equal in all other axes and on the sky.
        axis : MapAxis, optional
            New axis with one bin for each map; it becomes the last one.
        axis_name : str, optional
            Axis of the maps along which they are concatenated; by default their last one.
        """
        first = maps[0]
        if axis is None and axis_name is None:
            if first.geom.is_image:
                raise ValueError("Map.from_stack requires that maps have at least one non-spatial axis")
            axis_name = first.geom.axes.names[-1]
        if axis_name is not None:
            axis = reduce(_joined, (m.geom.axes[axis_name] for m in maps))
        images = [m.geom.drop(axis_name=axis_name) if axis_name else m.geom for m in maps]
        for m, image in zip(maps, images, strict=True):
            if image != images[0]:
                raise GeometryError(f"Image geometries not aligned: {m.geom} and {first.geom}")
        assert axis is not None  # given, or joined from those of the maps
        geom = images[0].to_cube(axes=[axis])
        xp = array_namespace(first.data)
        parts = []
        for m in maps:
            factor = unit_factor(m.unit, first.unit)
            values = m.data if factor == 1 else apply_operator("multiply", m.data, factor)
            position = m.geom.axes.index_data(axis_name) if axis_name else None
            # the last axis of a map is the first dimension of its data
            parts.append(values[None, ...] if position is None else xp.moveaxis(values, position, 0))
        return type(first)(geom, data=xp.concat(parts, axis=0), unit=first.unit, meta={}, device=first.device)

    def sum_over_axes(
        self, axes_names: Sequence[str] | None = None, keepdims: bool = True, weights: Operand | None = None
    ) -> Self:
        """Sum over axes; NaN is ignored.

        Parameters
        ----------
        axes_names : sequence of str, optional
            By default all non-spatial axes.
        keepdims : bool
            Whether the axes are kept, with one bin.
        weights : Map, optional
            Factors, such as a mask.
        """
        return self.reduce_over_axes(func=np.add, axes_names=axes_names, keepdims=keepdims, weights=weights)

    def reduce_over_axes(
        self,
        func: Callable[..., object] = np.add,
        keepdims: bool = False,
        axes_names: Sequence[str] | None = None,
        weights: Operand | None = None,
    ) -> Self:
        """Reduce axes with a NumPy function.

        Parameters
        ----------
        func : NumPy function, such as ``np.add`` or ``np.logical_or``
        keepdims, axes_names, weights
            As in `sum_over_axes`.
        """
        names = self._geom.axes.names if axes_names is None else axes_names
        reduced = self.copy() if len(names) == 0 else self
        for name in names:
            reduced = reduced.reduce(name, func=func, keepdims=keepdims, weights=weights)
            weights = None  # already applied, to the full map
        return reduced

    def reduce(
        self,
        axis_name: str,
        func: Callable[..., object] = np.add,
        keepdims: bool = False,
        weights: Operand | None = None,
    ) -> Self:
        """Reduce one axis with a NumPy function.

        Planes with pixels of their own can be added up, see `lightpool.maps.joined_planes.summed_planes`, and masks
        combined by a logical or.

        Parameters
        ----------
        axis_name : str
        func : NumPy function, such as ``np.add`` or ``np.logical_or``
        keepdims : bool
            Whether the axis is kept, with one bin.
        weights : Map, optional
            Factors, such as a mask.

        Raises
        ------
        ValueError
            If the function is not one of add, multiply, maximum, minimum, logical_and and logical_or.
        GeometryError
            If the image planes have pixels of their own, which the function would mix.
        """
        data = self.data
        if weights is not None:
            data = apply_operator("multiply", data, self._weights_on_device(weights))
        if not self._geom.is_regular:
            joined = self._joined_planes(axis_name, operation_name(func), data)
            return joined if keepdims else joined.reduce(axis_name, func=func)
        geom = self._geom.squash(axis_name=axis_name) if keepdims else self._geom.drop(axis_name=axis_name)
        dimension = self._geom.axes.index_data(axis_name)
        return self._init_copy(geom=geom, data=reduce_over(data, operation_name(func), dimension, keepdims=keepdims))

    def _joined_planes(self, axis_name: str, operation: str, data: Array) -> Self:
        """Return the planes of an axis as one, see `lightpool.maps.joined_planes`."""
        if operation == "logical_or" and is_bool(data):
            return self._init_copy(geom=(joined := any_of_planes(self, axis_name, data)).geom, data=joined.data)
        if operation != "add":
            require_same_pixels(self._geom, f"the reduction by {operation}")
        joined = summed_planes(self, axis_name, data)
        return self._init_copy(geom=joined.geom, data=as_dtype(joined.data, dtype_name(self.data)))

    def resample_axis(
        self, axis: MapAxis, weights: Operand | None = None, ufunc: Callable[..., object] = np.add
    ) -> Self:
        """Return the map with wider bins along an axis.

        Parameters
        ----------
        axis : MapAxis
            Axis of the same name; its edges are rounded to those of the map.
        weights : Map, optional
            Factors, such as a mask.
        ufunc : NumPy function, ``np.add`` or one of those of `reduce`
        """
        if not self._geom.is_regular:
            return self._resampled_planes(axis, weights, ufunc)
        geom = self._geom.resample_axis(axis)
        old, new = self._geom.axes[axis.name], geom.axes[axis.name]
        # the old bin with which each new bin begins
        index = np.digitize(new.edges.value, old.edges.value) - 1
        data = self.data
        if weights is not None:
            data = apply_operator("multiply", data, self._weights_on_device(weights))
        name = operation_name(ufunc)
        # True counts as 1
        if is_bool(data) and not name.startswith("logical"):
            data = as_dtype(data, "float64")
        # each new bin has at least one of the old ones
        stop = np.maximum(index[1:], index[:-1] + 1)
        grouped = reduce_groups(data, name, index[:-1].tolist(), stop.tolist(), self._geom.axes.index_data(axis.name))
        return self._init_copy(geom=geom, data=grouped)

    def _resampled_planes(self, axis: MapAxis, weights: Operand | None, ufunc: Callable[..., object]) -> Self:
        """Return the map with all bins of an axis in one, the only new binning of planes with pixels of their own."""
        old = self._geom.axes[axis.name]
        if axis.nbin > 1 or not np.allclose(axis.edges.to_value(old.unit), old.edges.value[[0, -1]], rtol=1e-6):
            require_same_pixels(self._geom, "resample_axis")
        return self.reduce(axis.name, func=ufunc, keepdims=True, weights=weights)

    def pad(
        self,
        pad_width: int | tuple[int, int],
        axis_name: str | None = None,
        mode: str = "constant",
        cval: float = 0,
        method: str = "linear",
    ) -> Self:
        """Return the map with more pixels or bins at its ends.

        Parameters
        ----------
        pad_width : int or pair of int
            Bins before and after for an axis; else pixels at each side along (lon, lat).
        axis_name : str, optional
            By default the image is padded.
        mode : ``constant``, ``edge``, or ``interp``, which extrapolates (images only)
        cval : number
            Value of new bins in mode ``constant``.
        method : ``linear`` or ``nearest``
            Method of mode ``interp``.
        """
        if axis_name is None:
            return self._pad_spatial(pad_width, mode=mode, cval=cval, method=method)
        before, after = (pad_width, pad_width) if isinstance(pad_width, int | float | np.number) else pad_width
        widths = [(0, 0)] * self.data.ndim
        widths[self._geom.axes.index_data(axis_name)] = (int(before), int(after))
        geom = self._geom.pad(pad_width=(before, after), axis_name=axis_name)
        self._require_memory(self.device, geom)
        return self._init_copy(geom=geom, data=pad(self.data, widths, mode=mode, cval=cval))

    def _pad_spatial(self, pad_width: int | tuple[int, int], mode: str, cval: float, method: str) -> Self:
        raise TypeError(f"spatial padding is not supported by {type(self).__name__}; pad an axis with axis_name=")

    def cumsum(self, axis_name: str) -> Self:
        """Integrate along an axis from its first edge up to each edge; the edges become the nodes of the axis.

        The integral along ``rad`` is one over rings, with the weight 2 pi rad.
        """
        require_same_pixels(self._geom, "cumsum")
        axis = self._number_axis(axis_name)
        values = as_dtype(self.data, "float64") * along_axis(axis.bin_width.value, self._geom, axis_name, self.device)
        unit = self._unit * axis.unit
        if axis_name == "rad":
            values = values * along_axis(2 * np.pi * axis.center.value, self._geom, axis_name, self.device)
            unit = unit * axis.unit
        dimension = self._geom.axes.index_data(axis_name)
        # from 0 at the first edge: one value more than bins
        data = self._xp.cumulative_sum(values, axis=dimension, include_initial=True)
        nodes = MapAxis.from_nodes(axis.edges, name=axis.name, interp=axis.interp)
        geom = self._geom.to_image().to_cube(self._geom.axes.replace(nodes))
        return self._init_copy(geom=geom, data=self._in_own_type(data), unit=unit, meta={})

    def _number_axis(self, axis_name: str) -> MapAxis:
        axis = self._geom.axes[axis_name]
        if not isinstance(axis, MapAxis):
            raise TypeError(f"axis {axis_name!r} must be a MapAxis to integrate along it, got a {type(axis).__name__}")
        return axis

    def integral(self, axis_name: str, coords: MapCoordLike, **kwargs: Unpack[IntegralOptions]) -> u.Quantity:
        """Integrate along an axis up to coordinates by interpolating the cumulative sum; for maps on the host.

        Parameters
        ----------
        axis_name : str
        coords : dict or MapCoord
        **kwargs : ``method``, ``fill_value`` and ``values_scale`` of `interp_by_coord`
        """
        # constant beyond the ends of the axis, where nothing more is added
        total = self.cumsum(axis_name).pad(pad_width=1, axis_name=axis_name, mode="edge")
        return as_quantity(total.interp_by_coord(coords, **kwargs), total.unit)

    def normalize(self, axis_name: str | None = None) -> None:
        """Divide by the integral along an axis, in place; where it is zero, the values become zero."""
        if axis_name is None:
            raise ValueError(f"axis_name must be given, one of {self._geom.axes.names}")
        require_same_pixels(self._geom, "normalize")
        total = self.cumsum(axis_name)
        xp = self._xp
        # the integral: a cumulative sum of values that are not negative is largest at its end
        norm = xp.max(total.data, axis=self._geom.axes.index_data(axis_name), keepdims=True)
        normed = self.data / xp.where(norm == 0, float("nan"), norm)
        self._replace(xp.where(xp.isfinite(normed), normed, 0.0))
        self._unit = self._unit / total.unit


def _joined(axis: AnyAxis, other: AnyAxis) -> AnyAxis:
    """Return an axis with the bins of two axes of the same class."""
    if isinstance(axis, MapAxis) and isinstance(other, MapAxis):
        return axis.concatenate(other)
    if isinstance(axis, LabelMapAxis) and isinstance(other, LabelMapAxis):
        return axis.concatenate(other)
    raise TypeError(f"a {type(axis).__name__} and a {type(other).__name__} cannot be concatenated")
