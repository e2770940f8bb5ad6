"""Maps with HEALPix pixels: their values at positions, and maps of other pixels made of them."""

from collections.abc import Sequence
from typing import Any, Self, Unpack, cast

import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, to_device
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name
from lightpool.arrays.devices.lazy_array import LazyArray
from lightpool.arrays.kernels.accumulation import add_at
from lightpool.errors import GeometryError
from lightpool.maps.access import Interpolation
from lightpool.maps.coord import MapCoord, MapCoordLike
from lightpool.maps.core import Map
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.geoms.hpx_geom import HpxGeom
from lightpool.maps.hpx_images import interpolate_hpx, values_of_places
from lightpool.maps.map_data import MapData
from lightpool.maps.operators import Operand
from lightpool.maps.pixel_values import Pix
from lightpool.maps.stacking import Windows
from lightpool.typing import AngleLike
from lightpool.utils.deviations import deviates

__all__ = ["HpxPixelMap"]


class HpxPixelMap(Map):
    """Values at positions, parts, sums and other pixels of a map with HEALPix pixels, see `lightpool.maps.HpxNDMap`."""

    _geom: HpxGeom

    @property
    def geom(self) -> HpxGeom:  # type: ignore[override]
        """Geometry of the map."""
        return self._geom

    def _empty_data(self, dtype: str, target: Device) -> Array | LazyArray:
        data = super()._empty_data(dtype, target)
        if self._geom.is_regular or not dtype.startswith("float") or isinstance(data, LazyArray):
            return data
        return target.xp.where(_exists(self._geom, target), data, float("nan"))

    # --- values at positions

    def get_by_pix(self, pix: Pix, fill_value: float = np.nan) -> Array:
        """Return the values of pixels.

        Parameters
        ----------
        pix : tuple of arrays (pixel, axes...) that broadcast with each other
        fill_value : number
            Value for pixels that the map does not have.
        """
        return self._values_of(self._geom.data_index(self._geom.pix_to_idx(pix)), fill_value)

    def get_by_idx(self, idx: Pix) -> Array:
        """Return the values of pixels.

        Raises
        ------
        IndexError
            If the map does not have a pixel.
        """
        index = self._geom.data_index(idx)
        if np.any(index[0] < 0):
            raise IndexError(f"pixel {idx} is not on the map; `get_by_pix` returns a fill value there")
        return self._values_of(index, np.nan)

    def set_by_pix(self, pix: Pix, vals: Operand) -> None:
        """Set pixels; those that the map does not have are ignored.

        Parameters
        ----------
        pix : tuple of arrays (pixel, axes...) that broadcast with each other
        vals : array, Quantity or number
        """
        self.set_by_idx(self._geom.pix_to_idx(pix), vals)

    def set_by_idx(self, idx: Pix, vals: Operand) -> None:
        """Set pixels; those that the map does not have are ignored.

        Parameters
        ----------
        idx : tuple of arrays (pixel, bins...) that broadcast with each other
        vals : array, Quantity or number
        """
        super().set_by_idx(self._geom.data_index(idx), vals)

    def fill_by_pix(self, pix: Pix, weights: Operand | None = None) -> None:
        """Add 1, or a weight, to each pixel.

        Parameters
        ----------
        pix : tuple of arrays (pixel, axes...) that broadcast with each other
        weights : array or Quantity, optional
        """
        self.fill_by_idx(self._geom.pix_to_idx(pix), weights)

    def fill_by_idx(self, idx: Pix, weights: Operand | None = None) -> None:
        """Add 1, or a weight, to each pixel; a pixel that occurs several times is filled as often.

        Parameters
        ----------
        idx : tuple of arrays (pixel, bins...) that broadcast with each other
            Pixels that the map does not have are ignored.
        weights : array or Quantity, optional
        """
        super().fill_by_idx(self._geom.data_index(idx), weights)

    def interp_by_coord(
        self,
        coords: MapCoordLike,
        method: str = "linear",
        fill_value: float | None = None,
        values_scale: str = "lin",
    ) -> Array:
        """Interpolate the values at coordinates.

        Between four pixels the interpolation is bilinear in longitude and latitude, along the rings of pixels; at the
        border of a map, the pixel that contains the position takes the place of those that are missing.

        Parameters
        ----------
        coords : tuple, dict or MapCoord
        method : ``linear`` or ``nearest``
        fill_value : number, optional
            Value at positions outside the map, by default NaN; along the axes the outermost bins are extrapolated.
        values_scale : ``lin``, ``log`` or ``sqrt``
            Scale on which the values are interpolated.
        """
        outside = np.nan if fill_value is None else fill_value
        if method == "nearest":
            return self.get_by_coord(coords, fill_value=outside)
        if method != "linear":
            raise ValueError(f"interpolation method {method!r} is not known; it must be 'linear' or 'nearest'")
        known = MapCoord.create(coords, frame=self._geom.frame, axis_names=self._geom.axes.names)
        return interpolate_hpx(self._geom, self.data, known, outside, values_scale)

    def interp_by_pix(
        self, pix: Pix, method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> Array:
        """Raise `NotImplementedError`: numbers of pixels are no coordinates; see `interp_by_coord`.

        Parameters
        ----------
        pix, method, fill_value, values_scale : see `interp_by_coord`
        """
        raise NotImplementedError("there is nothing between two numbers of HEALPix pixels; use interp_by_coord")

    def _values_on_geom(
        self, geom: Geom, preserve_counts: bool, fill_value: float | None, **kwargs: Unpack[Interpolation]
    ) -> Array:
        coords = geom.get_coord(sparse=True)
        if self.is_mask:
            values = self.get_by_coord(coords, fill_value=float(bool(fill_value)))
            return as_dtype(values, "bool")
        if not preserve_counts:
            return self._in_own_type(self.interp_by_coord(coords, fill_value=fill_value, **kwargs))
        self._check_first_axis(geom)
        # counts per sr are interpolated, then multiplied with the solid angles of the new pixels
        density = apply_operator("divide", self.data, self._geom.solid_angle_array(self.device))
        source = type(self)(self._geom, data=density, device=self.device)
        values = source.interp_by_coord(coords, fill_value=fill_value, **kwargs)
        return self._in_own_type(apply_operator("multiply", values, geom.solid_angle_array(self.device)))

    # --- parts, sums and other pixels

    def cutout(
        self,
        position: SkyCoord,
        width: "AngleLike | tuple[AngleLike, AngleLike]",
        mode: str = "trim",
        odd_npix: bool = False,
        min_npix: int = 1,
    ) -> Self:
        """Return a copy of a disc of the map.

        Parameters
        ----------
        position : SkyCoord
            Centre.
        width : Angle, Quantity or str; a number is in deg
            Diameter.
        mode, odd_npix, min_npix : see `HpxGeom.cutout`; pixels that the map does not have are zero

        Raises
        ------
        NoOverlapError
            If the cutout lies outside the map.
        """
        geom = self._geom.cutout(position=position, width=width, mode=mode, odd_npix=odd_npix, min_npix=min_npix)
        self._require_memory(self.device, geom)
        places = geom.place_in(self._geom)
        return self._copied_values_on(geom, places)

    def _copied_values_on(self, geom: HpxGeom, places: Any) -> Self:
        if places is None:
            return self._init_copy(geom=geom)
        return self._made_of(values_of_places(self.data, places, 0 if not self.is_mask else False), geom)

    def stack_product(
        self,
        maps: Sequence[MapData],
        weights: MapData | None = None,
        nan_to_num: bool = True,
        factors: Sequence[Array] = (),
    ) -> None:
        """Add the product of several maps in place, see `Map.stack_product`.

        Parameters
        ----------
        maps, weights, nan_to_num, factors : see `Map.stack_product`
        """
        geom = maps[0].geom
        places = geom.place_in(self._geom) if isinstance(geom, HpxGeom) else None
        if places is None:
            super().stack_product(maps, weights, nan_to_num, factors)
            return
        self.require_stackable(maps, weights)
        # the pixels of a cutout are scattered over the data: they are summed there first
        part = type(self)(geom, dtype=dtype_name(self.data), unit=self._unit, device=self.device)
        part.stack_product(maps, weights, nan_to_num, factors)
        total = self._array_to_change()
        summed = add_at(total, places, part.data)
        if summed is not total:
            self._replace(summed)

    def _windows_of(self, geom: Geom, weights_geom: Geom | None) -> Windows:
        if not isinstance(geom, HpxGeom):
            raise GeometryError(
                f"Can only stack equivalent maps or cutout of the same map; got a {type(geom).__name__} to stack on a "
                "HpxGeom; use `interp_to_geom` to convert one to the other"
            )
        if not (weights_geom is None or _have_same_pixels(geom, weights_geom)):
            raise GeometryError("Incompatible spatial geoms between map and weights")
        places = geom.place_in(self._geom)
        if places is not None and np.any(places < 0):
            deviates("HEALPix cutout over the border of a map in a stack")
        return [((...,), (...,))]

    def _pad_spatial(self, pad_width: int | tuple[int, int], mode: str, cval: float, method: str) -> Self:
        if mode != "constant":
            raise ValueError(f"pixels around a HEALPix map are padded in mode 'constant', got {mode!r}")
        padded = self._on_pixels_of(self._geom.pad(pad_width))
        is_new = to_device(~self._geom.contains(padded.geom.get_coord()), self.device)
        is_new = is_new & _exists(padded.geom, self.device)
        xp = self._xp
        return padded.copy(data=xp.where(is_new, xp.full_like(padded.data, cval), padded.data))

    def crop(self, crop_width: "int | tuple[int, int] | AngleLike") -> Self:
        """Return the map without the pixels at its border, and so on ``crop_width`` times, a whole number."""
        if not isinstance(crop_width, int | tuple | np.integer):
            raise TypeError(f"pixels around a HEALPix map are cropped by a number of them, got {crop_width!r}")
        return self._on_pixels_of(self._geom.crop(cast("int | tuple[int, int]", crop_width)))

    def _on_pixels_of(self, geom: HpxGeom) -> Self:
        """Return a map of other pixels of the same grid with the values that this map has there."""
        new = self._init_copy(geom=geom, data=None)
        index = geom.get_idx(flat=True)
        place = self._geom.data_index(index)
        kept = place[0] >= 0
        new.set_by_idx(tuple(i[kept] for i in index), self._values_of(tuple(i[kept] for i in place), np.nan))
        return new.copy(data=as_dtype(new.data, dtype_name(self.data)))

    def upsample(
        self, factor: int | None, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None
    ) -> Self:
        """Return the map with smaller pixels.

        Parameters
        ----------
        factor : int
            Into how many pixels along each side each is divided, a power of two.
        order : int
            0: the parts of a pixel have the same value.
        preserve_counts : bool
            Whether to share the values among the parts (counts) or to keep them (rates).
        axis_name : None
            Bins of axes are not divided.
        """
        if axis_name is not None:
            raise NotImplementedError("HpxNDMap.upsample does not divide bins of axes")
        if order != 0:
            raise ValueError(f"HpxNDMap.upsample repeats the values of pixels (order 0), got order {order}")
        if factor is None or factor == 1:
            return self
        geom = self._geom.upsample(factor)
        self._require_memory(self.device, geom)
        data = self.get_by_coord(geom.get_coord())
        if preserve_counts and not self.is_mask:
            data = apply_operator("divide", data, factor**2)
        return self._init_copy(geom=geom, data=as_dtype(data, dtype_name(self.data)))

    def downsample(
        self,
        factor: int | None,
        preserve_counts: bool = True,
        axis_name: str | None = None,
        weights: Operand | None = None,
    ) -> Self:
        """Return the map with larger pixels, or wider bins of an axis.

        Parameters
        ----------
        factor : int
            How many pixels along each side, a power of two, or bins are merged into one.
        preserve_counts : bool
            Whether to sum the values (counts) or to average them (rates).
        axis_name : str, optional
            By default the pixels on the sky are merged.
        weights : Map or array, optional
            Factors, such as a mask; averages are divided by their sum.
        """
        if factor is None or factor == 1:
            return self
        geom = self._geom.downsample(factor, axis_name)
        data = as_dtype(self.data, "float64")
        factors: Any = 1.0 if weights is None else self._weights_on_device(weights)
        data = data if weights is None else apply_operator("multiply", data, factors)
        summed = self._summed_on(geom, data)
        if preserve_counts:
            total = summed.data > 0 if self.is_mask else summed.data
        else:
            ones = self._xp.ones_like(data)
            norm = self._summed_on(geom, ones if weights is None else apply_operator("multiply", ones, factors)).data
            empty = norm == 0
            total = self._xp.where(empty, 0.0, summed.data / self._xp.where(empty, 1.0, norm))
        return self._init_copy(geom=geom, data=as_dtype(total, dtype_name(self.data)))

    def _of_planes(self, geom: Geom, data: Array) -> Array:
        # the pixels of each plane come first, behind them are places of planes that have more
        return data if self._geom.is_regular else data[..., : geom.data_shape[-1]]

    def _summed_on(self, geom: HpxGeom, data: Array) -> Self:
        """Return a map of other pixels with the sum of those of this one whose centres they contain."""
        new = type(self)(geom, dtype="float64", device=self.device)
        exists = self._geom.get_coord(sparse=self._geom.is_regular)
        new.fill_by_coord(exists, weights=data)
        return new

    def to_nside(self, nside: int, preserve_counts: bool = True) -> Self:
        """Return the map with pixels of another size.

        Parameters
        ----------
        nside : int
        preserve_counts : bool
            Whether values are counts, which are divided and summed, or rates, which are kept and averaged.
        """
        old = self._geom.sky.nside
        if nside > old:
            return self.upsample(nside // old, preserve_counts=preserve_counts)
        return self.downsample(old // nside, preserve_counts=preserve_counts) if nside < old else self.copy()

    def to_swapped(self) -> Self:
        """Return the map with its pixels in the other scheme, NESTED or RING."""
        geom = self._geom.to_swapped()
        new = self._init_copy(geom=geom, data=None)
        index = self._geom.get_idx(flat=True)
        plane = self._geom.pixels.nside
        nside = plane if plane.size == 1 else self._geom.nside[tuple(np.asarray(i, dtype=np.int64) for i in index[1:])]
        pix = self._geom.swapped_numbers(np.asarray(index[0], dtype=np.int64), nside)
        new.set_by_idx((pix, *index[1:]), self.get_by_idx(index))
        return new.copy(data=as_dtype(new.data, dtype_name(self.data)))


def _exists(geom: HpxGeom, target: Device) -> Array:
    """Return where the data of a geometry have a pixel, which they have not behind those of a short plane."""
    return to_device(np.asarray(geom.get_idx()[0]) >= 0, target)


def _have_same_pixels(geom: HpxGeom, other: Geom) -> bool:
    if isinstance(other, HpxGeom) and geom.is_regular and other.is_regular and geom.sky is other.sky:
        return True
    return geom.to_image() == other.to_image()
