"""Reading, setting, filling and interpolating maps at coordinates, pixel coordinates and pixel indices."""

import logging
from collections.abc import Sequence
from typing import Self, TypedDict, Unpack

import astropy.units as u
import numpy as np

from lightpool.arrays.devices.array_types import Array, Scalar
from lightpool.arrays.devices.devices import Device, device_of, require_device, to_device
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name, is_floating
from lightpool.bridge import accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.maps.coord import MapCoordLike
from lightpool.maps.event_counts import Events, event_counts
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.map_data import MapData, Values, is_off_host
from lightpool.maps.operators import Operand
from lightpool.maps.pixel_values import (
    HostArray,
    Pix,
    count_pixels,
    interpolate_pixels,
    is_inside,
    nearest_index,
    put_pixels,
    take_pixels,
)

__all__ = ["Interpolation", "MapAccess"]

log = logging.getLogger(__name__)


class Interpolation(TypedDict, total=False):
    """How `MapAccess.interp_by_pix` interpolates."""

    method: str
    values_scale: str


class MapAccess(MapData):
    """Access to the values of a map by position.

    Coordinates are those of `MapCoord`: a tuple (lon, lat, axis 0, ...), a dictionary or a `MapCoord`. Pixel
    coordinates and indices are tuples in the same order. They are on the host; values are returned on the device of
    the map.
    """

    def get_by_coord(self, coords: MapCoordLike, fill_value: float = np.nan) -> Array:
        """Return the values of the pixels that contain coordinates.

        Parameters
        ----------
        coords : tuple, dict or MapCoord
        fill_value : number
            Value for coordinates outside the map.
        """
        return self.get_by_pix(self._geom.coord_to_pix(coords), fill_value=fill_value)

    def get_by_pix(self, pix: Pix, fill_value: float = np.nan) -> Array:
        """Return the values of the pixels that contain pixel coordinates.

        Parameters
        ----------
        pix : tuple of arrays that broadcast with each other
        fill_value : number
            Value for pixel coordinates outside the map.

        Returns
        -------
        values : array
            Its data type is that of the map if all pixel coordinates are inside, else that of the fill value.
        """
        # a plane that is smaller than others ends before the data do
        index = nearest_index(pix) if self._geom.is_regular else self._geom.pix_to_idx(pix)
        return self._values_of(index, fill_value)

    def _values_of(self, index: Sequence[HostArray], fill_value: float) -> Array:
        """Return the values of pixels; ``fill_value`` outside the map."""
        index = np.broadcast_arrays(*index)
        values = take_pixels(self.data, index)
        # on the host, as the indices are, so that `all` does not wait for the device
        inside = is_inside(index, self.data.shape)
        if inside.all():
            return values
        if isinstance(fill_value, float) and not is_floating(values):
            values = as_dtype(values, "float64")
        xp = self._xp
        fill = xp.full_like(values, fill_value)
        return xp.where(to_device(inside, self.device), values, fill)

    def get_by_idx(self, idx: Pix) -> Array:
        """Return the values of pixels; negative indices count from the end.

        Raises
        ------
        IndexError
            If an index is outside the map.
        """
        index = [self._counted_from_start(i, n) for i, n in zip(nearest_index(idx), self.data.shape[::-1], strict=True)]
        return take_pixels(self.data, np.broadcast_arrays(*index))

    def _counted_from_start(self, index: HostArray, length: int) -> HostArray:
        if np.any((index < -length) | (index >= length)):
            raise IndexError(
                f"pixel index {index} is outside the map of shape {tuple(self.data.shape[::-1])}; "
                "`get_by_pix` returns a fill value there"
            )
        return np.where(index < 0, index + length, index)

    def set_by_coord(self, coords: MapCoordLike, vals: Operand) -> None:
        """Set the pixels that contain coordinates; coordinates outside the map are ignored.

        Parameters
        ----------
        coords : tuple, dict or MapCoord
        vals : array, Quantity or number
            Values that broadcast to the coordinates.
        """
        self.set_by_pix(self._geom.coord_to_pix(coords), vals)

    def set_by_pix(self, pix: Pix, vals: Operand) -> None:
        """Set the pixels that contain pixel coordinates; those outside the map are ignored.

        Parameters
        ----------
        pix : tuple of arrays that broadcast with each other
        vals : array, Quantity or number
            Values that broadcast to the pixel coordinates.
        """
        self.set_by_idx(nearest_index(pix), vals)

    def set_by_idx(self, idx: Pix, vals: Operand) -> None:
        """Set pixels; indices outside the map, including negative ones, are ignored.

        Parameters
        ----------
        idx : tuple of arrays that broadcast with each other
        vals : array, Quantity or number
            Values that broadcast to the indices. They are converted to the unit of the map; a map without a unit gets
            the plain numbers, with a warning.
        """
        if isinstance(vals, u.Quantity) and self._unit == "" and not vals.unit.is_equivalent(""):
            log.warning("values in %r are set as plain numbers, because the map has no unit", str(vals.unit))
            vals = vals.value
        # a new array: the array API standard has no assignment at integer indices
        self._replace(put_pixels(self._array(), np.broadcast_arrays(*nearest_index(idx)), self._plain(vals)))

    def fill_by_coord(self, coords: MapCoordLike, weights: Operand | None = None) -> None:
        """Add 1, or a weight, to the pixel that contains each coordinate.

        Parameters
        ----------
        coords : tuple, dict or MapCoord
        weights : array or Quantity, optional
            A weight for each coordinate.
        """
        self.fill_by_idx(self._geom.coord_to_idx(coords), weights=weights)

    def fill_by_pix(self, pix: Pix, weights: Operand | None = None) -> None:
        """Add 1, or a weight, to the pixel that contains each pixel coordinate.

        Parameters
        ----------
        pix : tuple of arrays that broadcast with each other
        weights : array or Quantity, optional
            A weight for each pixel coordinate.
        """
        self.fill_by_idx(nearest_index(pix), weights=weights)

    def fill_by_idx(self, idx: Pix, weights: Operand | None = None) -> None:
        """Add 1, or a weight, to each pixel; a pixel that occurs several times is filled as often.

        Parameters
        ----------
        idx : tuple of arrays that broadcast with each other
            Indices outside the map are ignored.
        weights : array or Quantity, optional
            A weight for each index.
        """
        index = _sent_together(nearest_index(idx), self.device)
        self._add_counts(count_pixels(index, self.data.shape, self._weights_of_entries(weights)))

    @accepts_gammapy
    def fill_events(self, events: Events, weights: Operand | None = None) -> None:
        """Count events in the pixels and bins that contain them, on the device of the map.

        Parameters
        ----------
        events : EventList
        weights : array of shape (n_event,), optional
        """
        self._add_counts(event_counts(events, self._geom, self.device, self._weights_of_entries(weights)))

    def _weights_of_entries(self, weights: Operand | None) -> Array | None:
        return None if weights is None else to_device(self._plain(weights), self.device)

    def _add_counts(self, counts: Array) -> None:
        self._replace(apply_operator("add", self._array(), as_dtype(counts, dtype_name(self._stored))))

    def _plain(self, values: Operand) -> Values:
        """Return values as plain numbers in the unit of the map."""
        if isinstance(values, u.Quantity):
            return values.to_value(self._unit)
        if isinstance(values, MapData):
            return values.data
        return values

    def interp_by_coord(
        self,
        coords: MapCoordLike,
        method: str = "linear",
        fill_value: float | None = None,
        values_scale: str = "lin",
    ) -> Array:
        """Interpolate the values at coordinates.

        Parameters
        ----------
        coords : tuple, dict or MapCoord
        method : ``linear`` or ``nearest``
        fill_value : number, optional
            Value outside the map; by default the outermost bins are extrapolated.
        values_scale : ``lin``, ``log`` or ``sqrt``
            Scale on which the values are interpolated.
        """
        pix = self._geom.coord_to_pix(coords)
        return self.interp_by_pix(pix, method=method, fill_value=fill_value, values_scale=values_scale)

    def interp_by_pix(
        self, pix: Pix, method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> Array:
        """Interpolate the values at pixel coordinates.

        Parameters
        ----------
        pix : tuple of arrays that broadcast with each other
        method, fill_value, values_scale
            As in `interp_by_coord`.
        """
        return interpolate_pixels(self.data, pix, method=method, fill_value=fill_value, values_scale=values_scale)

    def _values_on_geom(
        self, geom: Geom, preserve_counts: bool, fill_value: float | None, **kwargs: Unpack[Interpolation]
    ) -> Array:
        """Return the values at the bin centres of another geometry, see `Map.interp_to_geom`."""
        if self.is_mask and fill_value is not None:
            return self._mask_on(geom, bool(fill_value))
        touched = self._touched_on(geom) if self.is_mask and not (preserve_counts or kwargs) else None
        if touched is not None:
            return touched
        data = self.data
        if preserve_counts:
            self._check_first_axis(geom)
            # counts per sr are interpolated, then multiplied with the solid angles of the new pixels
            data = apply_operator("divide", data, self._geom.solid_angle_array(self.device))
        source = type(self)(self._geom, data=data, device=self.device)
        if self._geom.is_regular:
            values = source.interp_by_pix(self._geom.pix_of_centers(geom), fill_value=fill_value, **kwargs)
        else:
            values = source.interp_by_coord(geom.get_coord(), fill_value=fill_value, **kwargs)
        values = as_dtype(values, "bool") if self.is_mask else values
        if preserve_counts:
            values = apply_operator("multiply", values, geom.solid_angle_array(self.device))
        return self._in_own_type(values)

    def _touched_on(self, geom: Geom) -> Array | None:
        """Return what `_values_on_geom` interpolates of a mask without a fill value, if there is a faster way."""
        return None

    def _mask_on(self, geom: Geom, fill_value: bool) -> Array:
        """Return the values of the mask at the pixel centres of another geometry.

        Pixel centres often lie exactly on the edge between two pixels of the mask. The rounding of wcslib then decides,
        as in Gammapy, so that masks, and background norms fitted outside an exclusion region, are the same.
        """
        index = nearest_index(self._geom.pix_of_centers(geom), edge=0.0)
        return as_dtype(self._values_of(index, fill_value), "bool")

    def _check_first_axis(self, geom: Geom) -> None:
        if geom.ndim > 2 and geom.axes[0] != self._geom.axes[0]:
            raise GeometryError(
                f"Energy axes do not match, expected: \n {self._geom.axes[0]}, but got: \n {geom.axes[0]}; "
                "counts are only preserved if the axes are equal"
            )

    def resample(
        self, geom: Geom, weights: Operand | None = None, preserve_counts: bool = True, smooth: bool = False
    ) -> Self:
        """Return a map of another geometry to which each pixel of this one is added at its centre.

        Parameters
        ----------
        geom : Geom
        weights : array or Map, optional
            Factors, of the shape of this map.
        preserve_counts : bool
            Whether to sum the values (counts) or to average them (rates).
        smooth : bool
            Whether to average also if counts are preserved; the averages are then scaled to the total of the sums.

        Returns
        -------
        resampled : Map of floats, as parts of whole numbers and of masks are none; float32 if this one is
        """
        coords = self._geom.get_coord(sparse=True)
        # sparse: each index has length 1 on the dimensions that it does not depend on
        index = [to_device(np.ascontiguousarray(i), self.device) for i in geom.data_index(geom.coord_to_idx(coords))]
        values = self.data
        if weights is not None:
            values = apply_operator("multiply", values, self._weights_on_device(weights))
        shape = tuple(geom.data_shape)
        total = count_pixels(index, shape, as_dtype(values, "float64"))
        if not preserve_counts or smooth:
            spread = count_pixels(index, shape, self._xp.ones_like(values, dtype=self._xp.float64))
            # pixels that nothing was added to stay zero
            mean = apply_operator("divide", total, self._xp.where(spread > 0, spread, 1.0))
            total = mean * self._share(total, mean) if preserve_counts else mean
        return self._init_copy(geom=geom, data=self._in_own_type(total))

    def _share(self, total: Array, mean: Array) -> Array:
        xp = self._xp
        total, mean = (xp.where(xp.isnan(values), 0.0, values) for values in (total, mean))
        # NaN or infinity if the averages add up to zero
        share = xp.sum(total) / xp.sum(mean)
        return xp.where(xp.isfinite(share), share, 0.0)

    def _weights_on_device(self, weights: Operand) -> Array | Scalar:
        """Return weights given as a map, an array or a number, on the device of this map."""
        plain = self._plain(weights)
        if isinstance(plain, bool | int | float):
            return plain
        if is_off_host(plain):
            require_device(self.device, device_of(plain))
            return plain
        return to_device(plain, self.device)


def _sent_together(index: Sequence[HostArray], device: Device) -> list[Array]:
    """Return indices on a device; those of the same shape and type are sent as one array."""
    if device.is_host or len({(i.shape, i.dtype) for i in index}) > 1:
        return [to_device(np.ascontiguousarray(i), device) for i in index]
    # one transfer instead of one for each dimension
    together = to_device(np.stack(index), device)
    return [together[number, ...] for number in range(len(index))]
