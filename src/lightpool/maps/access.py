"""Reading, setting, filling and interpolating maps at coordinates, pixel coordinates and pixel indices."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import array_api_compat
import astropy.units as u
import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, device_of, require_device, to_device
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name, is_floating
from lightpool.errors import GeometryError
from lightpool.maps.event_counts import event_counts
from lightpool.maps.geoms.bin_volumes import solid_angle_of
from lightpool.maps.map_data import MapData
from lightpool.maps.pixel_values import (
    count_pixels,
    interpolate_pixels,
    is_inside,
    nearest_index,
    put_pixels,
    take_pixels,
)

if TYPE_CHECKING:
    from lightpool.maps.core import Map

__all__ = ["MapAccess"]


class MapAccess(MapData):
    """Values of a map at places.

    Coordinates are those of `MapCoord`: a tuple (lon, lat, axis 0, ...), a dictionary or a `MapCoord`. Pixel
    coordinates and indices are tuples in the same order. They live on the host; values come back on the device of
    the map.
    """

    def get_by_coord(self, coords: Any, fill_value: float = np.nan) -> Array:
        """Values of the pixels that contain coordinates; ``fill_value`` outside the map."""
        return self.get_by_pix(self._geom.coord_to_pix(coords), fill_value=fill_value)

    def get_by_pix(self, pix: Any, fill_value: float = np.nan) -> Array:
        """Values of the pixels that contain pixel coordinates; ``fill_value`` outside the map.

        Where all places are inside, the values have the data type of the map, else that of the fill value.
        """
        return self._values_of(nearest_index(pix), fill_value)

    def _values_of(self, index: Sequence[Any], fill_value: float) -> Array:
        """Values of pixels; ``fill_value`` outside the map."""
        index = np.broadcast_arrays(*index)
        values = take_pixels(self._data, index)
        inside = is_inside(index, self._data.shape)
        if inside.all():
            return values
        if isinstance(fill_value, float) and not is_floating(values):
            values = as_dtype(values, "float64")
        xp = self._xp
        fill = xp.full_like(values, fill_value)
        return xp.where(to_device(inside, self.device), values, fill)

    def get_by_idx(self, idx: Any) -> Array:
        """Values of pixels; negative indices count from the end.

        Raises
        ------
        IndexError
            If an index is outside the map.
        """
        index = [
            self._counted_from_start(i, n) for i, n in zip(nearest_index(idx), self._data.shape[::-1], strict=True)
        ]
        return take_pixels(self._data, np.broadcast_arrays(*index))

    def _counted_from_start(self, index: Any, length: int) -> Any:
        if np.any((index < -length) | (index >= length)):
            raise IndexError(
                f"pixel index {index} is outside the map of shape {tuple(self._data.shape[::-1])}; "
                "`get_by_pix` gives a fill value there"
            )
        return np.where(index < 0, index + length, index)

    def set_by_coord(self, coords: Any, vals: Any) -> None:
        """Set the pixels that contain coordinates; coordinates outside the map are left out."""
        self.set_by_pix(self._geom.coord_to_pix(coords), vals)

    def set_by_pix(self, pix: Any, vals: Any) -> None:
        """Set the pixels that contain pixel coordinates; those outside the map are left out."""
        self.set_by_idx(nearest_index(pix), vals)

    def set_by_idx(self, idx: Any, vals: Any) -> None:
        """Set pixels; indices outside the map, negative ones too, are left out."""
        self._data = put_pixels(self._data, np.broadcast_arrays(*nearest_index(idx)), self._plain(vals))

    def fill_by_coord(self, coords: Any, weights: Any = None) -> None:
        """Add 1, or the weight, to the pixel that contains each coordinate."""
        self.fill_by_idx(self._geom.coord_to_idx(coords), weights=weights)

    def fill_by_pix(self, pix: Any, weights: Any = None) -> None:
        """Add 1, or the weight, to the pixel that contains each pixel coordinate."""
        self.fill_by_idx(nearest_index(pix), weights=weights)

    def fill_by_idx(self, idx: Any, weights: Any = None) -> None:
        """Add 1, or the weight, to each pixel; a pixel may be named more than once."""
        index = _sent_together(nearest_index(idx), self.device)
        self._add_counts(count_pixels(index, self._data.shape, self._weights_of_entries(weights)))

    def fill_events(self, events: Any, weights: Any = None) -> None:
        """Count events in the pixels and bins they fall into, on the device of the map.

        Parameters
        ----------
        events : EventList
        weights : array of shape (n_event,), optional
        """
        self._add_counts(event_counts(events, self._geom, self.device, self._weights_of_entries(weights)))

    def _weights_of_entries(self, weights: Any) -> Any:
        return None if weights is None else to_device(self._plain(weights), self.device)

    def _add_counts(self, counts: Array) -> None:
        self._data = apply_operator("add", self._data, as_dtype(counts, dtype_name(self._data)))

    def _plain(self, values: Any) -> Any:
        """Values without their unit, in the unit of the map."""
        if isinstance(values, u.Quantity):
            return values.to_value(self._unit)
        if isinstance(values, MapData):
            return values._data
        return values

    def interp_by_coord(
        self, coords: Any, method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> Array:
        """Values interpolated at coordinates.

        Parameters
        ----------
        coords : tuple, dict or MapCoord
        method : ``linear`` or ``nearest``
        fill_value : number, optional
            Value outside the map; without it the outermost bins are extrapolated.
        values_scale : ``lin``, ``log`` or ``sqrt``
        """
        pix = self._geom.coord_to_pix(coords)
        return self.interp_by_pix(pix, method=method, fill_value=fill_value, values_scale=values_scale)

    def interp_by_pix(
        self, pix: Any, method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> Array:
        """Values interpolated at pixel coordinates; arguments as in `interp_by_coord`."""
        return interpolate_pixels(self._data, pix, method=method, fill_value=fill_value, values_scale=values_scale)

    def interp_to_geom(
        self, geom: Any, preserve_counts: bool = False, fill_value: float | None = 0, **kwargs: Any
    ) -> "Map":
        """Map of another geometry with the values of this one.

        Masks take the value of the pixel that contains each new pixel centre; without ``fill_value`` every new pixel
        that touches a True one becomes True.

        Parameters
        ----------
        geom : Geom
        preserve_counts : bool
            Whether the values are per pixel, like counts, and are to be scaled by the solid angles.
        fill_value : number, optional
            Value outside this map; None extrapolates.
        **kwargs : dict, passed to `interp_by_pix`
        """
        self._require_memory(self.device, geom)
        if self.is_mask and fill_value is not None:
            return self._from_geom(
                geom, data=self._mask_on(geom, bool(fill_value)), unit=self._unit, device=self.device
            )
        data = self._data
        if preserve_counts:
            self._check_first_axis(geom)
            data = apply_operator("divide", data, solid_angle_of(self._geom, self.device))
        source = type(self)(self._geom, data=data, device=self.device)
        values = source.interp_by_pix(self._geom.pix_of_centers(geom), fill_value=fill_value, **kwargs)
        values = as_dtype(values, "bool") if self.is_mask else values
        if preserve_counts:
            values = apply_operator("multiply", values, solid_angle_of(geom, self.device))
        return self._from_geom(geom, data=self._in_own_type(values), unit=self._unit, device=self.device)

    def _mask_on(self, geom: Any, fill_value: bool) -> Array:
        """Value of the mask at the pixel centres of another geometry.

        Centres on the edge between two pixels are common. wcslib's rounding decides about them, as in Gammapy: masks
        are the same as there, and so are norms of a background outside an exclusion.
        """
        index = nearest_index(self._geom.pix_of_centers(geom), edge=0.0)
        return as_dtype(self._values_of(index, fill_value), "bool")

    def _from_geom(self, geom: Any, **kwargs: Any) -> "Map":
        raise TypeError(f"{type(self).__name__} cannot make maps of other geometries")

    def _check_first_axis(self, geom: Any) -> None:
        if geom.ndim > 2 and geom.axes[0] != self._geom.axes[0]:
            raise GeometryError(
                f"Energy axes do not match, expected: \n {self._geom.axes[0]}, but got: \n {geom.axes[0]}; "
                "counts are only kept where the axes are the same"
            )

    def resample(self, geom: Any, weights: Any = None, preserve_counts: bool = True, smooth: bool = False) -> Self:
        """Map of another geometry to whose pixels the pixels of this one are added.

        Parameters
        ----------
        geom : Geom
        weights : array or Map, optional
            Factors, of the shape of this map.
        preserve_counts : bool
            Whether to add up (counts) or to take the mean (rates).
        smooth : bool
            Whether to take the mean first, scaled to the sum where counts are kept.
        """
        coords = self._geom.get_coord(sparse=True)
        index = [to_device(np.ascontiguousarray(i), self.device) for i in geom.coord_to_idx(coords)]
        values = self._data
        if weights is not None:
            values = apply_operator("multiply", values, self._weights_on_device(weights))
        shape = tuple(geom.data_shape)
        total = count_pixels(index, shape, as_dtype(values, "float64"))
        if not preserve_counts or smooth:
            spread = count_pixels(index, shape, self._xp.ones_like(values, dtype=self._xp.float64))
            mean = apply_operator("divide", total, self._xp.where(spread > 0, spread, 1.0))
            total = mean * self._share(total, mean) if preserve_counts else mean
        return self._init_copy(geom=geom, data=as_dtype(total, dtype_name(self._data)))

    def _share(self, total: Array, mean: Array) -> Array:
        xp = self._xp
        share = xp.sum(total) / xp.sum(mean)
        return xp.where(xp.isfinite(share), share, 0.0)

    def _weights_on_device(self, weights: Any) -> Any:
        """Weights given as a map, an array or a number, on the device of this map."""
        weights = self._plain(weights)
        if isinstance(weights, bool | int | float):
            return weights
        on_device = array_api_compat.is_array_api_obj(weights) and not array_api_compat.is_numpy_array(weights)
        if on_device:
            require_device(self.device, device_of(weights))
            return weights
        return to_device(weights, self.device)

    def coadd(self, map_in: Any, weights: Any = None) -> None:
        """Add the values of another map to the pixels of this one that contain its pixel centres.

        Parameters
        ----------
        map_in : Map, in an equivalent unit
        weights : Map or array, optional
        """
        other = map_in if weights is None else map_in * weights
        index = self._geom.coord_to_idx(other.geom.get_coord(sparse=True))
        self.fill_by_idx(index, weights=other.to_unit(self._unit).data)


def _sent_together(index: Sequence[Any], device: Device) -> list[Array]:
    """Indices on a device; those of one shape and type cross as one array."""
    if device.is_host or len({(i.shape, i.dtype) for i in index}) > 1:
        return [to_device(np.ascontiguousarray(i), device) for i in index]
    together = to_device(np.stack(index), device)
    return [together[number, ...] for number in range(len(index))]
