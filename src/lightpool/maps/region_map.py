"""Maps of one region of the sky."""

from typing import Any, Self

import numpy as np

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name
from lightpool.arrays.kernels.reductions import block_sum
from lightpool.errors import GeometryError
from lightpool.fits import HDUList
from lightpool.maps.core import Map
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.region_map_format import region_map_arguments, region_map_hdulist
from lightpool.maps.upsampling import repeated, upsampled

__all__ = ["RegionNDMap"]


class RegionNDMap(Map):
    """Map whose one pixel on the sky is a region of any shape, with any number of further axes.

    Parameters
    ----------
    geom : RegionGeom
    data : array, Quantity or number, optional
        The two dimensions of the sky may be left out.
    dtype : str, optional
        Data type of an empty map, or of one that is made of a number; by default that of the default precision.
    meta : dict, optional
    unit : str or Unit
    device : str or Device, optional
        Where the data live; by default where they are, and the default device for host data and empty maps.
    """

    geom_class = RegionGeom

    def _reshaped(self, array: Array, shape: tuple[int, ...]) -> Array:
        if tuple(array.shape) == shape[:-2]:
            return array[..., None, None]
        return array

    @classmethod
    def create(  # type: ignore[override]
        cls,
        region: Any,
        axes: Any = None,
        dtype: Any = None,
        meta: dict[str, Any] | None = None,
        unit: Any = "",
        wcs: Any = None,
        binsz_wcs: Any = "0.1 deg",
        data: Any = None,
        device: Any = None,
    ) -> Self:
        """Make an empty map of a region.

        Parameters
        ----------
        region : SkyRegion or str, in the words of ds9
        axes : sequence of MapAxis, optional
        dtype : str, optional
        meta : dict, optional
        unit : str or Unit
        wcs : WCS, optional
            Projection in which the region is drawn.
        binsz_wcs : Quantity or str
            Pixel size of the projection where none is given.
        data : array, optional
        device : str or Device, optional
        """
        geom = RegionGeom.create(region=region, axes=axes, wcs=wcs, binsz_wcs=binsz_wcs)
        return cls(geom, data=data, dtype=dtype, meta=meta, unit=unit, device=device)

    def interp_by_pix(
        self, pix: Any, method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> Array:
        """Values interpolated along the axes; the position on the sky does not matter."""
        on_sky = [np.zeros(np.shape(p)) for p in pix[:2]]
        options: dict[str, Any] = {"method": method, "fill_value": fill_value, "values_scale": values_scale}
        return super().interp_by_pix((*on_sky, *pix[2:]), **options)

    def _blocks(self, factor: int, axis_name: str | None) -> list[int]:
        blocks = [1] * self._data.ndim
        blocks[self._geom.axes.index_data(axis_name or self._geom.axes.names[0])] = factor
        return blocks

    def downsample(
        self, factor: int | None, preserve_counts: bool = True, axis_name: str | None = None, weights: Any = None
    ) -> Self:
        """Map with bins of an axis put together; a mask stays True where all of them are.

        Parameters
        ----------
        factor : int
        preserve_counts : bool
            Whether to add up (counts) or to take the mean (rates).
        axis_name : str, optional
            By default the first one.
        weights : Map or array, optional
            Factors.
        """
        if factor is None or factor == 1:
            return self
        name = axis_name or self._geom.axes.names[0]
        blocks = self._blocks(factor, name)
        data = self._data
        if weights is not None:
            data = apply_operator("multiply", data, self._weights_on_device(weights))
        summed = block_sum(data, blocks)
        if self.is_mask:
            data = summed == factor
        elif preserve_counts:
            data = summed
        else:
            data = as_dtype(summed, "float64") / block_sum(as_dtype(~self._xp.isnan(data), "float64"), blocks)
        geom = self._geom.downsample(factor=factor, axis_name=name)
        return self._init_copy(geom=geom, data=as_dtype(data, dtype_name(self._data)))

    def upsample(
        self, factor: int | None, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None
    ) -> Self:
        """Map with each bin of an axis cut into several.

        Parameters
        ----------
        factor : int
        order : int, 0 repeats the values, 1 interpolates between them
        preserve_counts : bool
            Whether to share the values out (counts) or to keep them (rates).
        axis_name : str, optional
            By default the first one.
        """
        if factor is None or factor == 1:
            return self
        if order not in (0, 1):
            raise ValueError(f"order of the interpolation must be 0 or 1, got {order}")
        name = axis_name or self._geom.axes.names[0]
        geom = self._geom.upsample(factor=factor, axis_name=name)
        self._require_memory(self.device, geom)
        blocks = self._blocks(factor, name)
        data = repeated(self._data, blocks) if order == 0 else upsampled(self._data, blocks)
        if preserve_counts and not self.is_mask:
            data = apply_operator("divide", data, factor)
        return self._init_copy(geom=geom, data=self._in_own_type(data))

    def _windows_of(self, geom: Any, weights_geom: Any) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        if tuple(geom.data_shape) != tuple(self._data.shape):
            raise GeometryError(
                f"Can only stack region maps of one shape, got {tuple(geom.data_shape)} on {tuple(self._data.shape)}"
            )
        return [((...,), (...,))]

    def get_spectrum(self, *args: Any, **kwargs: Any) -> Self:
        """Return the map itself: it is a spectrum."""
        return self

    def to_region_nd_map(self, *args: Any, **kwargs: Any) -> Self:
        """Return the map itself."""
        return self

    def cutout(self, *args: Any, **kwargs: Any) -> Self:
        """Return the map itself: a region is not cut."""
        return self

    @classmethod
    def _from_hdulist(cls, hdulist: HDUList, **kwargs: Any) -> "RegionNDMap":
        return cls(**region_map_arguments(hdulist, **kwargs))

    def to_hdulist(
        self,
        format: str = "gadf",
        hdu: str | None = None,
        hdu_bands: str | None = None,
        hdu_region: str | None = None,
    ) -> HDUList:
        """HDUs of the map in Gammapy's layout: tables of values, bins and region; reads the data.

        Parameters
        ----------
        format : ``gadf``
        hdu : str, optional
            Name of the data, by default ``SKYMAP``.
        hdu_bands, hdu_region : str, optional
            Names of the other tables; by default that of the data with ``_BANDS`` and ``_REGION``.
        """
        return region_map_hdulist(self, hdu=hdu, hdu_bands=hdu_bands, hdu_region=hdu_region, format=format)

    def plot(self, ax: Any = None, axis_name: str | None = None, **kwargs: Any) -> Any:
        """Draw the values along an axis, one line for each bin of the other axes; reads the data.

        Parameters
        ----------
        ax : matplotlib axes, optional
        axis_name : str, optional
            May be left out where there is one axis.
        **kwargs : dict, passed to ``errorbar`` of matplotlib
        """
        from lightpool.plot.maps import plot_region_map  # matplotlib is heavy and optional

        return plot_region_map(self, ax=ax, axis_name=axis_name, **kwargs)

    def plot_region(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the outlines of the region on the sky, see `RegionGeom.plot_region`."""
        return self._geom.plot_region(ax, **kwargs)

    def plot_hist(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the values of a map with one axis as a histogram; reads the data.

        Parameters
        ----------
        ax : matplotlib axes, optional
        **kwargs : dict, passed to ``hist`` of matplotlib
        """
        from lightpool.plot.maps import plot_region_hist  # matplotlib is heavy and optional

        return plot_region_hist(self, ax=ax, **kwargs)

    def plot_mask(self, ax: Any = None, **kwargs: Any) -> Any:
        """Shade the energies where the mask is True; reads the data.

        Parameters
        ----------
        ax : matplotlib axes, optional
        **kwargs : dict, passed to ``axvspan`` of matplotlib
        """
        from lightpool.plot.maps import plot_region_mask  # matplotlib is heavy and optional

        return plot_region_mask(self, ax=ax, **kwargs)
