"""Maps of the sky on a WCS grid."""

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, to_device, to_host
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name
from lightpool.arrays.devices.lazy_array import LazyArray, lazy_zeros
from lightpool.arrays.kernels.reductions import block_sum, pad
from lightpool.errors import GeometryError
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.coord import MapCoordLike
from lightpool.maps.core import Map
from lightpool.maps.filters import ImageFilters
from lightpool.maps.geoms.bin_volumes import bin_volume_of
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.geoms.planes_geom import PlanesWcsGeom
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.joined_planes import slices_of_planes
from lightpool.maps.mask_at_centers import mask_at_centers
from lightpool.maps.operators import Operand
from lightpool.maps.pixel_values import Pix, interpolate_pixels
from lightpool.maps.plane_maps import empty_planes, interpolated_scattered, moved_planes
from lightpool.maps.region_histograms import bins_of_values, histograms_in_mask
from lightpool.maps.region_map import RegionNDMap
from lightpool.maps.region_values import contains_pixels, reduced_to_region, region_geom_of, scattered_mask
from lightpool.maps.stacking import Windows
from lightpool.maps.touched_mask import touched_mask
from lightpool.maps.upsampling import repeated, upsampled
from lightpool.maps.wcs_core import WcsMap
from lightpool.typing import AngleLike, Axes, Figure, RegionLike

__all__ = ["WcsNDMap"]


class WcsNDMap(ImageFilters, WcsMap):
    """Map with pixels on the sky and any number of further axes.

    Parameters
    ----------
    geom : WcsGeom
    data : array, Quantity or number, optional
        By default zeros, and NaN where a pixel of an all-sky projection is not on the sky.
    dtype : str, optional
        Data type of an empty map, or of one filled with a number; by default that of the default precision.
    meta : dict, optional
        Metadata.
    unit : str or Unit
        Ignored if the data are a Quantity.
    device : str or Device, optional
        Device of the data; by default that of the array, and the default device for host data and empty maps.
    """

    geom_class = WcsGeom

    def _empty_data(self, dtype: str, target: Device) -> Array | LazyArray:
        if not ((self._geom.is_allsky or not self._geom.is_regular) and dtype.startswith("float")):
            self._require_memory(target, dtype=dtype)
            return lazy_zeros(self._geom.data_shape, dtype, target)
        xp = target.xp
        self._require_memory(target, dtype=dtype)
        data = xp.zeros(self._geom.data_shape, dtype=getattr(xp, dtype), device=target.handle)
        if isinstance(self._geom, PlanesWcsGeom):
            return empty_planes(data, self._geom)
        on_sky = np.isfinite(np.asarray(self._geom.to_image().get_coord().lon))
        return xp.where(to_device(on_sky, target), data, float("nan"))

    def cutout(
        self,
        position: SkyCoord,
        width: "AngleLike | tuple[AngleLike, AngleLike]",
        mode: str = "trim",
        odd_npix: bool = False,
        min_npix: int = 1,
    ) -> Self:
        """Return a copy of a rectangle of the map.

        Its values are copied when they are first used, or before those of the map change.

        Parameters
        ----------
        position : SkyCoord
            Centre.
        width : Angle, Quantity or str, or a pair of them for (lon, lat); a number is in deg
        mode : ``trim``, ``partial`` or ``strict``
            Beyond the border of the map: cut the rectangle, fill it with zeros, or raise an error.
        odd_npix : bool
            Whether to round the number of pixels up to an odd one.
        min_npix : int
            Minimum number of pixels.

        Raises
        ------
        NoOverlapError
            If the cutout lies outside the map.
        """
        geom = self._geom.cutout(position=position, width=width, mode=mode, odd_npix=odd_npix, min_npix=min_npix)
        self._require_memory(self.device, geom)
        return self._made_of(self._window(geom, self._parts_of(geom)), geom)

    def _windows_of(self, geom: Geom, weights_geom: Geom | None) -> Windows:
        if not (weights_geom is None or _have_same_pixels(geom, weights_geom)):
            raise GeometryError("Incompatible spatial geoms between map and weights")
        # the same pixels: no need for slices
        if self._geom == geom:
            return [((...,), (...,))]
        if not isinstance(geom, WcsGeom) or not self._geom.is_aligned(geom):
            raise GeometryError(
                "Can only stack equivalent maps or cutout of the same map; got\n"
                f"{geom}\nto stack on\n{self._geom}\nuse `interp_to_geom` to convert one to the other"
            )
        return self._parts_of(geom)

    def _parts_of(self, geom: WcsGeom) -> Windows:
        return [((..., *parent), (..., *cutout)) for parent, cutout in geom.overlap_on(self._geom)]

    def _mask_on(self, geom: Geom, fill_value: bool) -> Array:
        shared = [axis for axis in geom.axes if axis.name in self._geom.axes.names]
        is_regular = self._geom.is_regular and geom.is_regular
        if not (isinstance(geom, WcsGeom) and is_regular) or shared != list(self._geom.axes):
            return super()._mask_on(geom, fill_value)
        # one bin on the axes that the mask lacks, so that it broadcasts to the new geometry
        leading = [axis.nbin if axis in shared else 1 for axis in geom.axes][::-1]
        planes = self._xp.reshape(self.data, (*leading, *self.data.shape[-2:]))
        return mask_at_centers(planes, self._geom.to_image(), geom.to_image(), fill_value)

    def _touched_on(self, geom: Geom) -> Array | None:
        axes = [axis for axis in self._geom.axes if isinstance(axis, MapAxis)]
        # the same objects: bins of axes that are equal within a tolerance may lie elsewhere
        if len(axes) != len(self._geom.axes) or any(a is not b for a, b in zip_longest(self._geom.axes, geom.axes)):
            return None
        values = self._array()
        is_regular = self._geom.is_regular and geom.is_regular
        if not (isinstance(values, np.ndarray) and isinstance(geom, WcsGeom) and is_regular):
            return None
        return touched_mask(values, self._geom.window, geom.window, [axis.center_pix for axis in axes])

    def interp_by_coord(
        self,
        coords: MapCoordLike,
        method: str = "linear",
        fill_value: float | None = None,
        values_scale: str = "lin",
    ) -> Array:
        """Interpolate the values at coordinates.

        Where the pixels differ by plane, it is between all pixels of the map as points, on the host; then
        ``fill_value`` and ``values_scale`` have no effect, and beyond the pixels the nearest one counts.

        Parameters
        ----------
        coords, method, fill_value, values_scale
            As in `Map.interp_by_coord`.
        """
        if isinstance(self._geom, PlanesWcsGeom):
            return interpolated_scattered(self.data, self._geom, coords, method)
        return super().interp_by_coord(coords, method, fill_value, values_scale)

    def interp_by_pix(
        self, pix: Pix, method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> Array:
        """Interpolate the values at pixel coordinates.

        A map that covers the full circle in longitude is also interpolated between its last and first columns.

        Parameters
        ----------
        pix : tuple of arrays that broadcast with each other
        method, fill_value, values_scale
            As in `interp_by_coord`.
        """
        if not self._geom.is_regular:
            raise ValueError("interp_by_pix only supported for regular geom; interp_by_coord is for planes that differ")
        plane = self._geom.window.plane
        if not plane.is_closed:
            return super().interp_by_pix(pix, method, fill_value, values_scale)
        # one more column at each end, of the other end; so pixel x becomes x + 1
        data = self._xp.concat([self.data[..., -1:], self.data, self.data[..., :1]], axis=-1)
        pix = [plane.wrapped(np.asarray(pix[0], dtype=float)) + 1.0, *pix[1:]]
        return interpolate_pixels(data, pix, method=method, fill_value=fill_value, values_scale=values_scale)

    def crop(self, crop_width: "int | tuple[int, int] | AngleLike") -> Self:
        """Return the map without some pixels at its borders.

        Parameters
        ----------
        crop_width : int or Quantity, or a pair of them for (lon, lat)
        """
        n_pixel: object = crop_width
        if isinstance(crop_width, u.Quantity | str):
            pixels = u.Quantity(crop_width) / self._geom.pixel_scales
            n_pixel = np.round(pixels.to_value("")).astype(int)
        width_x, width_y = _pair(n_pixel)
        geom = self._geom.crop((width_x, width_y))
        if isinstance(self._geom, PlanesWcsGeom):
            return self._on_planes(geom, (-width_x, -width_y))
        n_y, n_x = self.data.shape[-2:]
        part = self.data[..., width_y : n_y - width_y, width_x : n_x - width_x]
        return self._init_copy(geom=geom, data=self._xp.asarray(part, copy=True))

    def _pad_spatial(self, pad_width: int | tuple[int, int], mode: str, cval: float, method: str) -> Self:
        width_x, width_y = _pair(pad_width)
        geom = self._geom.pad((width_x, width_y))
        self._require_memory(self.device, geom)
        if isinstance(self._geom, PlanesWcsGeom):
            return self._padded_planes(geom, (width_x, width_y), mode, cval, method)
        if mode != "interp":
            widths = [(0, 0)] * (self.data.ndim - 2) + [(width_y, width_y), (width_x, width_x)]
            return self._init_copy(geom=geom, data=pad(self.data, widths, mode=mode, cval=cval))
        n_dim = self.data.ndim
        # sparse pixel coordinates on the wider map, (x, y, axes...), each along its own dimension of the data
        pix = [np.arange(n, dtype=float).reshape([-1 if d == i else 1 for d in range(n_dim)][::-1])
               for i, n in enumerate(geom.data_shape[::-1])]  # fmt: skip
        data = interpolate_pixels(self.data, [pix[0] - width_x, pix[1] - width_y, *pix[2:]], method=method)
        return self._init_copy(geom=geom, data=as_dtype(data, dtype_name(self.data)))

    def _on_planes(self, geom: WcsGeom, more: tuple[int, int], cval: float = 0.0) -> Self:
        """Return the map on larger or smaller planes."""
        assert isinstance(self._geom, PlanesWcsGeom)
        empty = type(self)(geom, dtype=dtype_name(self.data), device=self.device)
        return self._init_copy(geom=geom, data=moved_planes(self.data, self._geom, empty.data, more, cval))

    def _padded_planes(self, geom: WcsGeom, more: tuple[int, int], mode: str, cval: float, method: str) -> Self:
        if mode not in ("constant", "interp"):
            raise ValueError(f"planes that differ are padded by the modes 'constant' and 'interp', got {mode!r}")
        padded = self._on_planes(geom, more, cval)
        coords = geom.get_coord().flat
        new = coords.apply_mask(geom.contains(coords) & ~self._geom.contains(coords))
        if mode == "interp" and new.size:
            padded.set_by_coord(new, self.interp_by_coord(new, method=method))
        return padded

    def _of_planes(self, geom: Geom, data: Array) -> Array:
        # planes that differ are the first pixels of an array that holds the largest one
        n_x, n_y = geom.npix_image
        return data if self._geom.is_regular else data[..., :n_y, :n_x]

    def downsample(
        self,
        factor: int | None,
        preserve_counts: bool = True,
        axis_name: str | None = None,
        weights: Operand | None = None,
    ) -> Self:
        """Return the map with wider pixels, or wider bins of an axis.

        Parameters
        ----------
        factor : int
            How many pixels along each side, or bins, are merged into one.
        preserve_counts : bool
            Whether to sum the values (counts) or to average them (rates).
        axis_name : str, optional
            By default the pixels on the sky are merged.
        weights : Map or array, optional
            Factors, such as a mask; averages are divided by their sum.
        """
        if factor is None or factor == 1:
            return self
        geom = self._geom.downsample(factor, axis_name=axis_name)
        blocks = self._blocks(factor, axis_name)
        data = self.data
        factors = None if weights is None else self._weights_on_device(weights)
        if factors is not None:
            data = apply_operator("multiply", data, factors)
        summed = block_sum(data, blocks)
        if not preserve_counts:
            xp = self._xp
            ones = xp.ones_like(self.data, dtype=xp.float64)
            norm = block_sum(ones if factors is None else apply_operator("multiply", ones, factors), blocks)
            empty = norm == 0
            mean = apply_operator("divide", summed, xp.where(empty, 1.0, as_dtype(norm, "float64")))
            # all weights are zero
            summed = xp.where(empty, 0.0, mean)
        return self._init_copy(geom=geom, data=as_dtype(summed, dtype_name(self.data)))

    def _blocks(self, factor: int, axis_name: str | None) -> list[int]:
        blocks = [1] * self.data.ndim
        if axis_name is None:
            blocks[-2:] = [factor, factor]
        else:
            blocks[self._geom.axes.index_data(axis_name)] = factor
        return blocks

    def upsample(
        self, factor: int | None, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None
    ) -> Self:
        """Return the map with narrower pixels, or narrower bins of an axis.

        Parameters
        ----------
        factor : int
            Into how many pixels along each side, or bins, each is divided.
        order : int
            0 repeats the values, 1 interpolates between them.
        preserve_counts : bool
            Whether to share the values among the parts (counts) or to keep them (rates).
        axis_name : str, optional
            By default the pixels on the sky are divided.
        """
        if factor is None or factor == 1:
            return self
        if order not in (0, 1):
            raise ValueError(f"order of the interpolation must be 0 or 1, got {order}")
        geom = self._geom.upsample(factor, axis_name=axis_name)
        self._require_memory(self.device, geom)
        data, volumes = self.data, None
        blocks = self._blocks(factor, axis_name)
        if preserve_counts:
            # Not the volume of the wide bins: the solid angle of a pixel is not exactly the sum of those of its parts.
            volumes = self._xp.broadcast_to(bin_volume_of(geom, self.device), tuple(geom.data_shape))
            data = apply_operator("divide", data, block_sum(volumes, blocks))
        data = repeated(data, blocks) if order == 0 else upsampled(data, blocks)
        if volumes is not None:
            data = apply_operator("multiply", data, volumes)
        return self._init_copy(geom=geom, data=as_dtype(data, dtype_name(self.data)))

    def mask_contains_region(self, region: RegionLike) -> bool:
        """Return whether the mask is True at any pixel of a region; reads one value to the host.

        Parameters
        ----------
        region : SkyRegion or PixelRegion
        """
        if not self.is_mask:
            raise ValueError("mask_contains_region is only supported for boolean masks")
        if not self._geom.is_image:
            raise ValueError("Method only supported for 2D images")
        inside = to_device(contains_pixels(region, self._geom), self.device)
        return bool(to_host(self._xp.any(self.data & inside)))  # host: the answer is a Python bool

    def cutout_and_mask_region(self, region: "RegionLike | None" = None) -> tuple[Self, Self]:
        """Return a cutout that contains a region, by default the whole map, and the mask of the region on its image."""
        if region is None:
            region = self._geom.footprint_rectangle_sky_region
        geom = region_geom_of(region, self._geom.to_image())
        if geom.is_drawn:
            cutout = self.cutout(position=geom.center_skydir, width=geom.width)
            image = cutout.geom.to_image()
            mask = image.region_mask_array([geom.known_region], device=self.device)
        else:
            # the pixels of the region may lie anywhere on the map, so that no cutout is smaller
            cutout, image = self.copy(), self._geom.to_image()
            mask = scattered_mask(image, geom, self.device)
        return cutout, type(self)(image, data=mask, device=self.device)

    def to_region_nd_map(
        self,
        region: "RegionLike | None" = None,
        func: Callable[..., object] = np.nansum,
        weights: Map | None = None,
        method: str = "nearest",
    ) -> RegionNDMap:
        """Return the values in a region: its pixels reduced to one value, or the value at a point.

        Parameters
        ----------
        region : SkyRegion or SkyCoord, optional
            By default the whole map.
        func : NumPy function, such as ``np.nansum``, ``np.mean``, ``np.any``
        weights : WcsNDMap, optional
            Factors, or a mask, of the same geometry.
        method : ``nearest`` or ``linear``
            How the value at a point is found.
        """
        if not (weights is None or isinstance(weights, WcsNDMap)):
            raise GeometryError("Incompatible spatial geoms between map and weights")
        if not self._geom.is_regular:
            known = self._geom.footprint_rectangle_sky_region if region is None else region
            axis_name, planes = slices_of_planes(self._geom)
            parts = [
                self.slice_by_idx(plane).to_region_nd_map(
                    known, func, None if weights is None else weights.slice_by_idx(plane), method
                )
                for plane in planes
            ]
            return RegionNDMap.from_stack(parts, axis_name=axis_name)
        geom, data = reduced_to_region(self, region, func, weights, method)
        return RegionNDMap(geom, data=data, unit=self._unit, meta=dict(self.unread_meta), device=self.device)

    def to_region_nd_map_histogram(
        self,
        region: "RegionLike | None" = None,
        bins_axis: MapAxis | None = None,
        nbin: int = 100,
        density: bool = False,
    ) -> RegionNDMap:
        """Return histograms of the values in a region, one for each image; the bins are the first axis.

        Parameters
        ----------
        region : SkyRegion, optional
            By default the whole map.
        bins_axis : MapAxis, optional
            Bins of the values; by default ``nbin`` equal ones, from minus to plus the largest absolute value.
        nbin : int
        density : bool
            Whether the integral of each histogram is 1.
        """
        if region is not None and region_geom_of(region, self._geom.to_image()).is_all_point_sky_regions:
            raise ValueError("Histogram method not supported for point regions")
        part, mask = self.cutout_and_mask_region(region)
        if bins_axis is None:
            bins_axis = bins_of_values(part.data, mask.data, nbin, self._unit)
        if not bins_axis.unit.is_equivalent(self._unit):
            raise ValueError(
                f"Unit of bins_axis must be equivalent to unit of map, got {bins_axis.unit} and {self._unit}"
            )
        values = part.to_unit(bins_axis.unit).data
        counts = histograms_in_mask(values, mask.data, bins_axis, density)
        geom = RegionGeom.create(region, axes=[bins_axis, *self._geom.axes], wcs=self._geom.wcs)
        unit = u.dimensionless_unscaled / bins_axis.unit if density else ""
        return RegionNDMap(geom, data=counts, unit=unit, device=self.device)

    def get_spectrum(
        self, region: "RegionLike | None" = None, func: Callable[..., object] = np.nansum, weights: Map | None = None
    ) -> RegionNDMap:
        """Return the spectrum in a region, by default of the whole map.

        Parameters
        ----------
        region, func, weights
            As in `to_region_nd_map`.
        """
        if not self._geom.has_energy_axis:
            raise ValueError(f"Energy axis required, the axes are {self._geom.axes.names}")
        return self.to_region_nd_map(region=region, func=func, weights=weights)

    def plot(
        self,
        ax: "Axes | None" = None,
        fig: "Figure | None" = None,
        add_cbar: bool = False,
        stretch: str = "linear",
        axes_loc: Mapping[str, object] | None = None,
        kwargs_colorbar: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> Axes:
        """Plot an image on the sky; reads the data to the host.

        Parameters
        ----------
        ax : WCSAxes, optional
        fig : Figure, optional
            Figure of new axes.
        add_cbar : bool
            Whether to add a colour bar.
        stretch : ``linear``, ``sqrt``, ``log``, ... of `astropy.visualization.simple_norm`
        axes_loc : dict, optional
            Position of the colour bar, for ``append_axes`` of matplotlib.
        kwargs_colorbar : dict, optional
            Options of the colour bar.
        **kwargs : dict, passed to ``imshow`` of matplotlib

        Returns
        -------
        ax : WCSAxes
        """
        from lightpool.plot.maps import plot_map  # matplotlib is heavy and optional

        return plot_map(self, ax, fig, add_cbar, stretch, axes_loc, kwargs_colorbar, **kwargs)

    def plot_mask(self, ax: "Axes | None" = None, **kwargs: object) -> Axes:
        """Shade the pixels where the mask is False; reads the data to the host.

        Parameters
        ----------
        ax : WCSAxes, optional
        **kwargs : dict, passed to ``contourf`` of matplotlib
        """
        from lightpool.plot.maps import plot_mask  # matplotlib is heavy and optional

        return plot_mask(self, ax=ax, **kwargs)


def _have_same_pixels(geom: Geom, other: Geom) -> bool:
    if isinstance(geom, WcsGeom) and isinstance(other, WcsGeom) and geom.window == other.window:
        return True
    return geom.to_image() == other.to_image()


def _pair(width: object) -> tuple[int, int]:
    """Return a number of pixels as a pair (lon, lat)."""
    width_x, width_y = np.broadcast_to(np.asarray(width), (2,))
    return int(width_x), int(width_y)
