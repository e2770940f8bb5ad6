"""Maps of the sky on a WCS grid."""

from typing import Any, Self

import astropy.units as u
import numpy as np
from array_api_compat import device as array_device

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, to_device, to_host
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name
from lightpool.arrays.devices.lazy_array import LazyArray, lazy_zeros
from lightpool.arrays.kernels.reductions import block_sum, pad
from lightpool.errors import GeometryError, NoOverlapError
from lightpool.fits import HDUList
from lightpool.maps.core import Map
from lightpool.maps.filters import convolved, dilated, eroded, smoothed
from lightpool.maps.fits_format import wcs_map_arguments, wcs_map_hdulist
from lightpool.maps.geoms.bin_volumes import bin_volume_of
from lightpool.maps.geoms.mask_lookup import MaskLookup
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.pixel_values import interpolate_pixels
from lightpool.maps.region_map import RegionNDMap
from lightpool.maps.regions_on_map import contains_pixels, mask_of_torn, reduced_to_region, region_geom_of
from lightpool.maps.upsampling import repeated, upsampled

__all__ = ["WcsNDMap"]


class WcsNDMap(Map):
    """Map with pixels on the sky and any number of further axes.

    Parameters
    ----------
    geom : WcsGeom
    data : array, Quantity or number, optional
        By default zeros, and NaN where a pixel of an all-sky projection is not on the sky.
    dtype : str, optional
        Data type of an empty map, or of one that is made of a number; by default that of the default precision.
    meta : dict, optional
    unit : str or Unit
    device : str or Device, optional
        Where the data live; by default where they are, and the default device for host data and empty maps.
    """

    geom_class = WcsGeom

    def _empty_data(self, dtype: str, target: Device) -> Array | LazyArray:
        if not (self._geom.is_allsky and dtype.startswith("float")):
            self._require_memory(target, dtype=dtype)
            return lazy_zeros(self._geom.data_shape, dtype, target)
        data = super()._empty_data(dtype, target)
        on_sky = np.isfinite(np.asarray(self._geom.to_image().get_coord().lon))
        xp = target.xp
        return xp.where(to_device(on_sky, target), data, float("nan"))

    def cutout(self, position: Any, width: Any, mode: str = "trim", odd_npix: bool = False, min_npix: int = 1) -> Self:
        """Copy of a rectangle of the map.

        Parameters
        ----------
        position : SkyCoord
            Centre.
        width : Angle, Quantity or str, or a pair of them for (lon, lat); a number is in deg
        mode : ``trim`` cuts at the border of the map, ``partial`` fills with zeros beyond, ``strict`` refuses
        odd_npix : bool
            Whether to make the number of pixels odd.
        min_npix : int
            Least number of pixels.

        Raises
        ------
        NoOverlapError
            If the cutout lies outside the map.
        """
        geom = self._geom.cutout(position=position, width=width, mode=mode, odd_npix=odd_npix, min_npix=min_npix)
        self._require_memory(self.device, geom)
        xp, data = self.device.xp, None
        for slices in geom.cutout_parts(self._geom):
            part = self._held[(..., *slices["parent-slices"])]
            is_view = not isinstance(part, LazyArray)
            part = part if is_view else part.values()
            if tuple(part.shape) == tuple(geom.data_shape):
                return self._init_copy(geom=geom, data=xp.asarray(part, copy=True) if is_view else part)
            if data is None:
                data = xp.zeros(geom.data_shape, dtype=part.dtype, device=array_device(part))
            data[(..., *slices["cutout-slices"])] = part
        return self._init_copy(geom=geom, data=data)

    def _windows_of(self, geom: Any, weights_geom: Any) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        if weights_geom is not None and geom.to_image() != weights_geom.to_image():
            raise GeometryError("Incompatible spatial geoms between map and weights")
        if self._geom == geom:
            return [((...,), (...,))]
        if geom.is_region or not self._geom.is_aligned(geom):
            raise GeometryError(
                "Can only stack equivalent maps or cutout of the same map; got\n"
                f"{geom}\nto stack on\n{self._geom}\n`interp_to_geom` brings one to the other"
            )
        return [
            ((..., *slices["parent-slices"]), (..., *slices["cutout-slices"]))
            for slices in geom.cutout_parts(self._geom)
        ]

    def _mask_on(self, geom: Any, fill_value: bool) -> Array:
        shared = [axis for axis in geom.axes if axis.name in self._geom.axes.names]
        if geom.is_region or shared != list(self._geom.axes):
            return super()._mask_on(geom, fill_value)
        leading = [axis.nbin if axis in shared else 1 for axis in geom.axes][::-1]
        planes = self._xp.reshape(self._data, (*leading, *self._data.shape[-2:]))
        image, new_image = self._geom.to_image(), geom.to_image()
        if not (geom.is_allsky or image.is_allsky) and image.is_aligned(new_image):
            return self._planes_on_same_pixels(planes, geom, fill_value)
        if self.device.is_host:
            lookup = MaskLookup.between(new_image._window, image._window)
            if lookup is not None:
                return lookup.values(planes, fill_value)
        xp, numbers = self._xp, new_image.pixel_numbers_on(image, self.device)
        outside = xp.full((*leading, 1), fill_value, dtype=planes.dtype, device=array_device(planes))
        values = xp.concat([xp.reshape(planes, (*leading, -1)), outside], axis=-1)
        values = xp.take(values, xp.reshape(numbers, (-1,)), axis=-1)
        return xp.reshape(values, (*leading, *numbers.shape))

    def _planes_on_same_pixels(self, planes: Array, geom: Any, fill_value: bool) -> Array:
        shape = (*planes.shape[:-2], *geom.data_shape[-2:])
        out = self._xp.full(shape, fill_value, dtype=planes.dtype, device=array_device(planes))
        try:
            parts = geom.to_image().cutout_parts(self._geom.to_image())
        except NoOverlapError:
            return out
        for slices in parts:
            out[(..., *slices["cutout-slices"])] = planes[(..., *slices["parent-slices"])]
        return out

    def interp_by_pix(
        self, pix: Any, method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> Array:
        """Values interpolated at pixel coordinates; arguments as in `interp_by_coord`.

        A map that goes once around the sky is interpolated between its last and its first column.
        """
        plane = self._geom._window.plane
        if not plane.is_closed:
            return super().interp_by_pix(pix, method, fill_value, values_scale)
        data = self._xp.concat([self._data[..., -1:], self._data, self._data[..., :1]], axis=-1)
        pix = [plane.wrapped(np.asarray(pix[0], dtype=float)) + 1.0, *pix[1:]]
        return interpolate_pixels(data, pix, method=method, fill_value=fill_value, values_scale=values_scale)

    def crop(self, crop_width: Any) -> Self:
        """Map without some pixels at its borders.

        Parameters
        ----------
        crop_width : int or Quantity, or a pair of them for (lon, lat)
        """
        if isinstance(crop_width, u.Quantity | str):
            pixels = u.Quantity(crop_width) / self._geom.pixel_scales
            crop_width = np.round(pixels.to_value("")).astype(int)
        width_x, width_y = (int(width) for width in np.broadcast_to(np.asarray(crop_width), (2,)))
        geom = self._geom.crop((width_x, width_y))
        n_y, n_x = self._data.shape[-2:]
        part = self._data[..., width_y : n_y - width_y, width_x : n_x - width_x]
        return self._init_copy(geom=geom, data=self._xp.asarray(part, copy=True))

    def _pad_spatial(self, pad_width: Any, mode: str, cval: float, method: str) -> Self:
        width_x, width_y = (int(width) for width in np.broadcast_to(np.asarray(pad_width), (2,)))
        geom = self._geom._pad_spatial((width_x, width_y))
        self._require_memory(self.device, geom)
        if mode != "interp":
            widths = [(0, 0)] * (self._data.ndim - 2) + [(width_y, width_y), (width_x, width_x)]
            return self._init_copy(geom=geom, data=pad(self._data, widths, mode=mode, cval=cval))
        n_dim = self._data.ndim
        pix = [np.arange(n, dtype=float).reshape([-1 if d == i else 1 for d in range(n_dim)][::-1])
               for i, n in enumerate(geom.data_shape[::-1])]  # fmt: skip
        data = interpolate_pixels(self._data, [pix[0] - width_x, pix[1] - width_y, *pix[2:]], method=method)
        return self._init_copy(geom=geom, data=as_dtype(data, dtype_name(self._data)))

    def downsample(
        self, factor: int | None, preserve_counts: bool = True, axis_name: str | None = None, weights: Any = None
    ) -> Self:
        """Map with blocks of pixels, or of bins of an axis, put together.

        Parameters
        ----------
        factor : int
        preserve_counts : bool
            Whether to add up (counts) or to take the mean (rates).
        axis_name : str, optional
            By default the pixels on the sky.
        weights : Map or array, optional
            Factors, such as a mask; a mean is divided by their sum.
        """
        if factor is None or factor == 1:
            return self
        geom = self._geom.downsample(factor, axis_name=axis_name)
        blocks = self._blocks(factor, axis_name)
        data = self._data
        if weights is not None:
            weights = self._weights_on_device(weights)
            data = apply_operator("multiply", data, weights)
        summed = block_sum(data, blocks)
        if not preserve_counts:
            xp = self._xp
            ones = xp.ones_like(self._data, dtype=xp.float64)
            norm = block_sum(ones if weights is None else apply_operator("multiply", ones, weights), blocks)
            empty = norm == 0
            mean = apply_operator("divide", summed, xp.where(empty, 1.0, as_dtype(norm, "float64")))
            summed = xp.where(empty, 0.0, mean)
        return self._init_copy(geom=geom, data=as_dtype(summed, dtype_name(self._data)))

    def _blocks(self, factor: int, axis_name: str | None) -> list[int]:
        blocks = [1] * self._data.ndim
        if axis_name is None:
            blocks[-2:] = [factor, factor]
        else:
            blocks[self._geom.axes.index_data(axis_name)] = factor
        return blocks

    def upsample(
        self, factor: int | None, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None
    ) -> Self:
        """Map with each pixel, or each bin of an axis, cut into several.

        Parameters
        ----------
        factor : int
        order : int, 0 repeats the values, 1 interpolates between them
        preserve_counts : bool
            Whether to share the values out (counts) or to keep them (rates).
        axis_name : str, optional
            By default the pixels on the sky.
        """
        if factor is None or factor == 1:
            return self
        if order not in (0, 1):
            raise ValueError(f"order of the interpolation must be 0 or 1, got {order}")
        geom = self._geom.upsample(factor, axis_name=axis_name)
        self._require_memory(self.device, geom)
        data, volumes = self._data, None
        blocks = self._blocks(factor, axis_name)
        if preserve_counts:
            # Not the volume of the large bins: a large pixel is not quite as large as all its parts.
            volumes = self._xp.broadcast_to(bin_volume_of(geom, self.device), tuple(geom.data_shape))
            data = apply_operator("divide", data, block_sum(volumes, blocks))
        data = repeated(data, blocks) if order == 0 else upsampled(data, blocks)
        if volumes is not None:
            data = apply_operator("multiply", data, volumes)
        return self._init_copy(geom=geom, data=as_dtype(data, dtype_name(self._data)))

    def smooth(self, width: Any, kernel: str = "gauss", **kwargs: Any) -> Self:
        """Map with its images smoothed.

        Parameters
        ----------
        width : Quantity, str or float (in pixels)
            Standard deviation of a Gaussian, radius of a disk, side of a box.
        kernel : ``gauss``, ``disk`` or ``box``
        **kwargs : dict
            ``mode``, the rule at the borders as in `scipy.ndimage` (``reflect`` by default), and ``truncate`` for
            the Gaussian.
        """
        if isinstance(width, u.Quantity | str):
            width = (u.Quantity(width) / self._geom.pixel_scales.mean()).to_value("")
        data = smoothed(as_dtype(self._data, "float64"), float(width), kernel, **kwargs)
        return self._init_copy(data=self._in_own_type(data))

    def convolve(self, kernel: Any, method: str = "fft", mode: str = "same") -> Self:
        """Map with its images convolved.

        Parameters
        ----------
        kernel : array or PSFKernel
            An image for all planes, or one for each plane; with a PSFKernel an image becomes a cube.
        method : ``fft``, ``direct`` or ``auto``; all of them are done by Fourier transform
        mode : ``same`` or ``full``
        """
        if method not in ("fft", "direct", "auto"):
            raise ValueError(f"method must be 'fft', 'direct' or 'auto', got {method!r}")
        if mode not in ("same", "full"):
            raise ValueError(f"WcsNDMap.convolve: mode={mode!r} is not supported; it must be 'same' or 'full'")
        geom = self._geom
        kernel_map = getattr(kernel, "psf_kernel_map", None)
        if kernel_map is not None:
            scales, other = geom.pixel_scales.deg, kernel_map.geom.pixel_scales.deg
            if not np.allclose(scales, other, rtol=1e-5):
                raise GeometryError(f"Pixel size of kernel and map not compatible: {other} and {scales} deg")
            kernel = kernel_map.data
            if geom.is_image:
                geom = geom.to_cube(list(kernel_map.geom.axes))
        kernel = to_device(kernel, self.device, dtype="float64")
        if self._geom.is_image and kernel.ndim > 2 and kernel_map is None:
            raise ValueError("Image convolution with 3D kernel requires a PSFKernel object")
        if kernel.ndim > 2 and tuple(geom.data_shape[:-2]) != tuple(kernel.shape[:-2]):
            raise GeometryError(
                f"Incompatible shape between data {tuple(geom.data_shape[:-2])} and kernel {tuple(kernel.shape[:-2])}"
            )
        if mode == "full":
            geom = geom._pad_spatial(tuple((n - 1) // 2 for n in tuple(kernel.shape[-2:])[::-1]))
        data = convolved(as_dtype(self._data, "float64"), kernel, mode)
        return self._init_copy(geom=geom, data=self._in_own_type(data))

    def binary_erode(self, width: Any, kernel: str = "disk", use_fft: bool = True) -> Self:
        """Mask without a margin.

        Parameters
        ----------
        width : Quantity, str or float (in pixels); radius of a disk, side of a box
        kernel : ``disk`` or ``box``
        use_fft : bool, kept for Gammapy's sake; the result does not depend on it
        """
        return self._init_copy(data=eroded(self._mask_data(), self._structure(width, kernel)))

    def binary_dilate(self, width: Any, kernel: str = "disk", use_fft: bool = True) -> Self:
        """Mask with a margin added; arguments as in `binary_erode`."""
        return self._init_copy(data=dilated(self._mask_data(), self._structure(width, kernel)))

    def _structure(self, width: Any, kernel: str) -> np.ndarray[Any, Any]:
        structure = np.asarray(self._geom.binary_structure(width=width, kernel=kernel))
        return structure.reshape(structure.shape[-2:])

    def _mask_data(self) -> Array:
        if not self.is_mask:
            raise ValueError(f"Binary operations only supported for boolean masks, got {dtype_name(self._data)}")
        return self._data

    def mask_contains_region(self, region: Any) -> bool:
        """Whether any True pixel of the mask lies in a region; reads one value.

        Parameters
        ----------
        region : SkyRegion or PixelRegion
        """
        if not self.is_mask:
            raise ValueError("mask_contains_region is only supported for boolean masks")
        if not self._geom.is_image:
            raise ValueError("Method only supported for 2D images")
        inside = to_device(contains_pixels(region, self._geom), self.device)
        return bool(to_host(self._xp.any(self._data & inside)))  # host: the answer is a Python bool

    def mask_nearest_position(self, position: Any) -> Any:
        """Position of the True pixel nearest to a sky position; reads the mask."""
        if not self._geom.is_image:
            raise ValueError("Method only supported for 2D images")
        coords = self._geom.get_coord().skycoord
        separation = coords.separation(position)
        separation[~to_host(self._data)] = np.inf  # host: the answer is a SkyCoord
        return coords.flatten()[np.argmin(separation)]

    def cutout_and_mask_region(self, region: Any = None) -> tuple[Self, Self]:
        """Cutout that holds a region, and the mask of the region on the image of it."""
        if region is None:
            region = self._geom.footprint_rectangle_sky_region
        geom = region_geom_of(region, self._geom.to_image())
        if not geom.is_drawn:
            return self.copy(), mask_of_torn(self, geom)
        cutout = self.cutout(position=geom.center_skydir, width=geom.width)
        return cutout, cutout.geom.to_image().region_mask([geom.region], device=self.device)

    def to_region_nd_map(
        self, region: Any = None, func: Any = np.nansum, weights: Any = None, method: str = "nearest"
    ) -> RegionNDMap:
        """Values in a region: reduced over its pixels, or at a point.

        Parameters
        ----------
        region : SkyRegion or SkyCoord, optional
            By default the whole map.
        func : NumPy function, such as ``np.nansum``, ``np.mean``, ``np.any``
        weights : WcsNDMap, optional
            Factors, or a mask, of the same geometry.
        method : ``nearest`` or ``linear``, how values at a point are found
        """
        return reduced_to_region(self, region, func, weights, method)

    @classmethod
    def _from_hdulist(cls, hdulist: HDUList, **kwargs: Any) -> "WcsNDMap":
        return cls(**wcs_map_arguments(hdulist, **kwargs))

    def to_hdulist(
        self,
        hdu: str | None = None,
        hdu_bands: str | None = None,
        sparse: bool = False,
        format: str = "gadf",
    ) -> HDUList:
        """HDUs of the map in Gammapy's layout: data and, with axes, a table of their bins; reads the data.

        Parameters
        ----------
        hdu : str, optional
            Name of the data; by default ``PRIMARY``, or ``SKYMAP`` for sparse data.
        hdu_bands : str, optional
            Name of the table; by default that of the data with ``_BANDS``.
        sparse : bool
            Whether to write a table of the pixels that are not zero.
        format : ``gadf``
        """
        return wcs_map_hdulist(self, hdu=hdu, hdu_bands=hdu_bands, sparse=sparse, format=format)

    def plot(
        self,
        ax: Any = None,
        fig: Any = None,
        add_cbar: bool = False,
        stretch: str = "linear",
        axes_loc: dict[str, Any] | None = None,
        kwargs_colorbar: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Draw an image on the sky; reads the data.

        Parameters
        ----------
        ax : WCSAxes, optional
        fig : Figure, optional
        add_cbar : bool
            Whether to add a colour bar.
        stretch : ``linear``, ``sqrt``, ``log``, ... of `astropy.visualization.simple_norm`
        axes_loc : dict, optional
            Place of the colour bar, for ``append_axes`` of matplotlib.
        kwargs_colorbar : dict, optional
        **kwargs : dict, passed to ``imshow`` of matplotlib

        Returns
        -------
        ax : WCSAxes
        """
        from lightpool.plot.maps import plot_map  # matplotlib is heavy and optional

        return plot_map(self, ax, fig, add_cbar, stretch, axes_loc, kwargs_colorbar, **kwargs)

    def plot_mask(self, ax: Any = None, **kwargs: Any) -> Any:
        """Shade the pixels where the mask is False; reads the data.

        Parameters
        ----------
        ax : WCSAxes, optional
        **kwargs : dict, passed to ``contourf`` of matplotlib
        """
        from lightpool.plot.maps import plot_mask  # matplotlib is heavy and optional

        return plot_mask(self, ax=ax, **kwargs)

    def plot_grid(self, figsize: Any = None, ncols: int = 3, **kwargs: Any) -> Any:
        """Draw one image for each bin of the axis.

        Parameters
        ----------
        figsize : pair of float, optional
        ncols : int
            Number of columns.
        **kwargs : dict, passed to `WcsNDMap.plot`

        Returns
        -------
        axes : array of matplotlib axes
        """
        from lightpool.plot.maps import plot_grid  # matplotlib is heavy and optional

        return plot_grid(self, figsize=figsize, ncols=ncols, **kwargs)
