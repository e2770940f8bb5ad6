"""Slices, sums and new binnings of the axes of maps."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import astropy.units as u
import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, is_bool
from lightpool.arrays.kernels.reductions import operation_name, pad, reduce_groups, reduce_over
from lightpool.errors import GeometryError
from lightpool.maps.access import MapAccess
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.geoms.bin_volumes import along_axis
from lightpool.maps.map_data import as_quantity, unit_factor

__all__ = ["MapReshaping"]


class MapReshaping(MapAccess):
    """Work along the axes of a map that are not on the sky."""

    def rename_axes(self, names: str | Sequence[str], new_names: str | Sequence[str]) -> Self:
        """Map with other names of its axes."""
        return self._init_copy(geom=self._geom.rename_axes(names=names, new_names=new_names))

    def slice_by_idx(self, slices: dict[str, Any]) -> Self:
        """Part of the map; the data are shared where the array library allows it.

        Parameters
        ----------
        slices : dict of axis name to int, which drops the axis, or slice
        """
        geom = self._geom.slice_by_idx(slices)
        index = tuple(slices.get(axis.name, slice(None)) for axis in self._geom.axes)
        return self._init_copy(
            geom=geom, data=self._data[(*index[::-1], ..., slice(None), slice(None))], meta=self.unread_meta
        )

    def slice_by_energy(self, energy_min: Any = None, energy_max: Any = None) -> Self:
        """Part of the map between two energies, rounded to the bins of the first energy axis."""
        axis = next(axis for axis in self._geom.axes if axis.name in ("energy", "energy_true"))
        lower = axis.edges[0] if energy_min is None else u.Quantity(energy_min)
        upper = axis.edges[-1] if energy_max is None else u.Quantity(energy_max)
        pix = np.clip(axis.coord_to_pix(u.Quantity([lower, upper])), -0.5, axis.nbin - 0.5)
        start, stop = np.round(pix + 0.5).astype(int)
        if start >= stop:
            raise GeometryError(f"no bin of the axis lies between {lower} and {upper}; its edges are {axis.edges}")
        return self.slice_by_idx({axis.name: slice(int(start), int(stop))})

    def get_image_by_coord(self, coords: Any) -> Self:
        """Image plane at coordinates of the axes, a tuple or a dictionary by axis name."""
        if isinstance(coords, tuple):
            coords = dict(zip(self._geom.axes.names, coords, strict=True))
        return self.get_image_by_idx(self._geom.axes.coord_to_idx(coords))

    def get_image_by_pix(self, pix: Any) -> Self:
        """Image plane at pixel coordinates of the axes."""
        return self.get_image_by_idx(tuple(np.floor(np.asarray(p, dtype=float) + 0.5).astype(int) for p in pix))

    def get_image_by_idx(self, idx: Any) -> Self:
        """Image plane at indices of the axes, in the order of the axes."""
        if len(idx) != len(self._geom.axes):
            raise ValueError(
                f"Tuple length must equal number of non-spatial dimensions, got {len(idx)} for the axes "
                f"{self._geom.axes.names}"
            )
        index = tuple(int(np.asarray(i).item()) for i in idx)
        return self._init_copy(geom=self._geom.to_image(), data=self._data[(*index[::-1], ...)], meta=self.unread_meta)

    def iter_by_axis(self, axis_name: str, keepdims: bool = False) -> Iterator[Self]:
        """Map at each bin of an axis."""
        for i in range(self._geom.axes[axis_name].nbin):
            yield self.slice_by_idx({axis_name: slice(i, i + 1) if keepdims else i})

    def iter_by_image(self, keepdims: bool = False) -> Iterator[Self]:
        """Image planes as maps."""
        names = self._geom.axes.names
        for index in np.ndindex(tuple(self._geom.axes.shape)):
            if keepdims:
                yield self.slice_by_idx({name: slice(i, i + 1) for name, i in zip(names, index, strict=True)})
            else:
                yield self.get_image_by_idx(index)

    def iter_by_image_data(self) -> Iterator[tuple[Array, tuple[int, ...]]]:
        """Image planes as arrays, with their index in the data."""
        for index in self.iter_by_image_index():
            yield self._data[(*index, ...)], index

    def iter_by_image_index(self) -> Iterator[tuple[int, ...]]:
        """Index in the data of each image plane."""
        for index in np.ndindex(tuple(self._geom.axes.shape)):
            yield index[::-1]

    def split_by_axis(self, axis_name: str) -> list[Self]:
        """Split the map into one for each bin of an axis."""
        return list(self.iter_by_axis(axis_name))

    def reorder_axes(self, axes_names: Sequence[str]) -> Self:
        """Map with its axes in another order."""
        axes = self._geom.axes
        if set(axes.names) != set(axes_names):
            raise ValueError(f"{axes.names} is not compatible with {list(axes_names)}")
        geom = self._geom.to_image().to_cube([axes[name] for name in axes_names])
        order = [axes.index_data(name) for name in axes_names][::-1]
        n_dim = self._data.ndim
        return self._init_copy(geom=geom, data=self._xp.permute_dims(self._data, (*order, n_dim - 2, n_dim - 1)))

    def to_cube(self, axes: Sequence[Any]) -> Self:
        """Map with further axes of one bin each."""
        for axis in axes:
            if axis.nbin > 1:
                raise ValueError(f"axis {axis.name!r} should have only one bin, it has {axis.nbin}")
        geom = self._geom.to_cube(list(axes))
        return self._init_copy(geom=geom, data=self._xp.reshape(self._data, tuple(geom.data_shape)))

    @classmethod
    def from_stack(cls, maps: Sequence[Any], axis: Any = None, axis_name: str | None = None) -> Any:
        """Map of several maps, put one after the other along an axis.

        Parameters
        ----------
        maps : sequence of Map, aligned but for the axis
        axis : MapAxis, optional
            New axis, one bin for each map; it becomes the last one.
        axis_name : str, optional
            Axis that the maps have; by default their last one.
        """
        first = maps[0]
        if axis is None and axis_name is None:
            if first.geom.is_image:
                raise ValueError("Map.from_stack requires that maps have at least one non-spatial axis")
            axis_name = first.geom.axes.names[-1]
        if axis_name is not None:
            axis = MapAxis.from_stack(axes=[m.geom.axes[axis_name] for m in maps])
        images = [m.geom.drop(axis_name=axis_name) if axis_name else m.geom for m in maps]
        for m, image in zip(maps, images, strict=True):
            if image != images[0]:
                raise GeometryError(f"Image geometries not aligned: {m.geom} and {first.geom}")
        geom = images[0].to_cube(axes=[axis])
        xp = first._xp
        parts = []
        for m in maps:
            factor = unit_factor(m.unit, first.unit)
            values = m.data if factor == 1 else apply_operator("multiply", m.data, factor)
            position = m.geom.axes.index_data(axis_name) if axis_name else None
            parts.append(values[None, ...] if position is None else xp.moveaxis(values, position, 0))
        return first._init_copy(geom=geom, data=xp.concat(parts, axis=0), meta={})

    def sum_over_axes(
        self, axes_names: Sequence[str] | None = None, keepdims: bool = True, weights: Any = None
    ) -> Self:
        """Sum over axes; NaN counts as missing.

        Parameters
        ----------
        axes_names : sequence of str, optional
            By default all axes that are not on the sky.
        keepdims : bool
            Whether the axes stay, with one bin.
        weights : Map, optional
            Factors, such as a mask.
        """
        return self.reduce_over_axes(func=np.add, axes_names=axes_names, keepdims=keepdims, weights=weights)

    def reduce_over_axes(
        self, func: Any = np.add, keepdims: bool = False, axes_names: Sequence[str] | None = None, weights: Any = None
    ) -> Self:
        """Reduce axes by a NumPy function such as ``np.add`` or ``np.logical_or``, see `sum_over_axes`."""
        names = self._geom.axes.names if axes_names is None else axes_names
        reduced = self.copy() if len(names) == 0 else self
        for name in names:
            reduced = reduced.reduce(name, func=func, keepdims=keepdims, weights=weights)
            weights = None  # they were applied to the full map
        return reduced

    def reduce(self, axis_name: str, func: Any = np.add, keepdims: bool = False, weights: Any = None) -> Self:
        """Reduce one axis, see `reduce_over_axes`.

        Raises
        ------
        ValueError
            If the function is not one of add, multiply, maximum, minimum, logical_and and logical_or.
        """
        geom = self._geom.squash(axis_name=axis_name) if keepdims else self._geom.drop(axis_name=axis_name)
        data = self._data
        if weights is not None:
            data = apply_operator("multiply", data, self._weights_on_device(weights))
        place = self._geom.axes.index_data(axis_name)
        return self._init_copy(geom=geom, data=reduce_over(data, operation_name(func), place, keepdims=keepdims))

    def resample_axis(self, axis: Any, weights: Any = None, ufunc: Any = np.add) -> Self:
        """Map with wider bins along an axis.

        Parameters
        ----------
        axis : MapAxis
            Axis of the same name; its edges are rounded to those of the map.
        weights : Map, optional
            Factors, such as a mask.
        ufunc : NumPy function, ``np.add`` or one of those of `reduce`
        """
        geom = self._geom.resample_axis(axis)
        old, new = self._geom.axes[axis.name], geom.axes[axis.name]
        index = np.digitize(new.edges.value, old.edges.value) - 1
        data = self._data
        if weights is not None:
            data = apply_operator("multiply", data, self._weights_on_device(weights))
        name = operation_name(ufunc)
        if is_bool(data) and not name.startswith("logical"):
            data = as_dtype(data, "float64")
        stop = np.maximum(index[1:], index[:-1] + 1)
        grouped = reduce_groups(data, name, index[:-1].tolist(), stop.tolist(), self._geom.axes.index_data(axis.name))
        return self._init_copy(geom=geom, data=grouped)

    def pad(
        self,
        pad_width: Any,
        axis_name: str | None = None,
        mode: str = "constant",
        cval: float = 0,
        method: str = "linear",
    ) -> Self:
        """Map with more bins at its ends.

        Parameters
        ----------
        pad_width : int or pair of int
            With an axis: bins before and after. Without: pixels at each side along (lon, lat).
        axis_name : str, optional
            By default the image is padded.
        mode : ``constant``, ``edge``, or ``interp`` (for images), which extrapolates
        cval : number for ``constant``
        method : ``linear`` or ``nearest``, for ``interp``
        """
        if axis_name is None:
            return self._pad_spatial(pad_width, mode=mode, cval=cval, method=method)
        if np.isscalar(pad_width):
            pad_width = (pad_width, pad_width)
        widths = [(0, 0)] * self._data.ndim
        widths[self._geom.axes.index_data(axis_name)] = (int(pad_width[0]), int(pad_width[1]))
        geom = self._geom.pad(pad_width=pad_width, axis_name=axis_name)
        self._require_memory(self.device, geom)
        return self._init_copy(geom=geom, data=pad(self._data, widths, mode=mode, cval=cval))

    def _pad_spatial(self, pad_width: Any, mode: str, cval: float, method: str) -> Self:
        raise TypeError(f"spatial padding is not supported by {type(self).__name__}; pad an axis with axis_name=")

    def cumsum(self, axis_name: str) -> Self:
        """Integral along an axis from its first edge up to each edge; the edges become the nodes of the axis.

        Along ``rad`` it is the integral over rings, with 2 pi rad.
        """
        axis = self._geom.axes[axis_name]
        values = as_dtype(self._data, "float64") * along_axis(axis.bin_width.value, self._geom, axis_name, self.device)
        unit = self._unit * axis.unit
        if axis_name == "rad":
            values = values * along_axis(2 * np.pi * axis.center.value, self._geom, axis_name, self.device)
            unit = unit * axis.unit
        place = self._geom.axes.index_data(axis_name)
        data = self._xp.cumulative_sum(values, axis=place, include_initial=True)
        nodes = MapAxis.from_nodes(axis.edges, name=axis.name, interp=axis.interp)
        geom = self._geom.to_image().to_cube(self._geom.axes.replace(nodes))
        return self._init_copy(geom=geom, data=self._in_own_type(data), unit=unit, meta={})

    def integral(self, axis_name: str, coords: Any, **kwargs: Any) -> u.Quantity:
        """Integral along an axis up to coordinates, interpolated in the cumulative sum; only on the host.

        Parameters
        ----------
        axis_name : str
        coords : dict or MapCoord
        **kwargs : dict, passed to `interp_by_coord`
        """
        total = self.cumsum(axis_name).pad(pad_width=1, axis_name=axis_name, mode="edge")
        return as_quantity(total.interp_by_coord(coords, **kwargs), total.unit)

    def normalize(self, axis_name: str | None = None) -> None:
        """Divide in place by the integral along an axis; bins where it is zero become zero."""
        if axis_name is None:
            raise ValueError(f"axis_name must be given, one of {self._geom.axes.names}")
        total = self.cumsum(axis_name)
        xp = self._xp
        norm = xp.max(total.data, axis=self._geom.axes.index_data(axis_name), keepdims=True)
        normed = self._data / xp.where(norm == 0, float("nan"), norm)
        self._data = xp.where(xp.isfinite(normed), normed, 0.0)
        self._unit = self._unit / total.unit

    def get_spectrum(self, region: Any = None, func: Any = np.nansum, weights: Any = None) -> Any:
        """Spectrum in a region, by default of the whole map, see `WcsNDMap.to_region_nd_map`."""
        if not self._geom.has_energy_axis:
            raise ValueError(f"Energy axis required, the axes are {self._geom.axes.names}")
        return self.to_region_nd_map(region=region, func=func, weights=weights)

    def to_region_nd_map(self, *args: Any, **kwargs: Any) -> Any:
        """Map of a region, see `WcsNDMap.to_region_nd_map`."""
        raise TypeError(f"{type(self).__name__} has no pixels on the sky")
