"""Maps of one region of the sky."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

import astropy.units as u
import numpy as np
from astropy.wcs import WCS
from numpy.typing import DTypeLike

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name
from lightpool.arrays.kernels.reductions import block_sum
from lightpool.bridge import accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.fits import HDUList, parsing, read_fits
from lightpool.maps.axes.axes_format import AnyAxis
from lightpool.maps.axes.table_columns import AnyTable
from lightpool.maps.core import Map
from lightpool.maps.geoms.geom import Geom
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.map_data import Values
from lightpool.maps.operators import Operand
from lightpool.maps.pixel_values import Pix
from lightpool.maps.region_map_format import (
    map_of_column,
    region_map_arguments,
    region_map_hdulist,
    region_map_table,
)
from lightpool.maps.stacking import Windows
from lightpool.maps.upsampling import repeated, upsampled
from lightpool.typing import AngleLike, Axes, PathInput, RegionLike, SkyAxes, UnitLike

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["RegionNDMap"]


class RegionNDMap(Map):
    """Map with any number of axes whose single sky pixel is a region of any shape.

    Parameters
    ----------
    geom : RegionGeom
    data : array, Quantity or number, optional
        The two dimensions of the sky may be omitted.
    dtype : str, optional
        Data type of an empty map, or of one filled with a number; by default that of the default precision.
    meta : dict, optional
        Metadata.
    unit : str or Unit
        Ignored if the data are a Quantity.
    device : str or Device, optional
        Device of the data; by default that of the array, and the default device for host data and empty maps.
    """

    geom_class = RegionGeom
    _geom: RegionGeom

    @property
    def geom(self) -> RegionGeom:
        """Geometry of the map."""
        return self._geom

    def _reshaped(self, array: Array, shape: tuple[int, ...]) -> Array:
        if tuple(array.shape) == shape[:-2]:
            # without the dimensions of the sky
            return array[..., None, None]
        return array

    @classmethod
    @accepts_gammapy
    def create(  # type: ignore[override]
        cls,
        region: RegionLike,
        axes: Sequence[AnyAxis] | None = None,
        dtype: DTypeLike | None = None,
        meta: dict[str, Any] | None = None,
        unit: UnitLike = "",
        wcs: WCS | None = None,
        binsz_wcs: AngleLike = "0.1 deg",
        data: Values | None = None,
        device: str | Device | None = None,
    ) -> Self:
        """Make an empty map of a region.

        Parameters
        ----------
        region : SkyRegion, or str in DS9 format
        axes : sequence of MapAxis, optional
        dtype : str, optional
        meta : dict, optional
        unit : str or Unit
        wcs : WCS, optional
            Projection in which the region is drawn.
        binsz_wcs : Quantity or str
            Pixel size of the default projection.
        data : array, optional
        device : str or Device, optional
        """
        geom = RegionGeom.create(region=region, axes=axes, wcs=wcs, binsz_wcs=binsz_wcs)
        return cls(geom, data=data, dtype=dtype, meta=meta, unit=unit, device=device)

    def interp_by_pix(
        self, pix: Pix, method: str = "linear", fill_value: float | None = None, values_scale: str = "lin"
    ) -> Array:
        """Interpolate the values along the axes; the position on the sky is ignored.

        Parameters
        ----------
        pix : tuple of arrays that broadcast with each other
        method, fill_value, values_scale
            As in `interp_by_coord`.
        """
        on_sky = [np.zeros(np.shape(p)) for p in pix[:2]]
        return super().interp_by_pix((*on_sky, *pix[2:]), method, fill_value, values_scale)

    def get_by_idx(self, idxs: Pix) -> Array:
        """Return the values of bins, see `Map.get_by_idx`.

        Parameters
        ----------
        idxs : tuple of arrays (lon, lat, axes...)
        """
        return super().get_by_idx(idxs)

    def set_by_idx(self, idx: Pix, value: Operand) -> None:
        """Set bins, see `Map.set_by_idx`.

        Parameters
        ----------
        idx : tuple of arrays (lon, lat, axes...)
        value : array, Quantity or number
        """
        super().set_by_idx(idx, value)

    def crop(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise `NotImplementedError`: a region has one pixel.

        Parameters
        ----------
        *args, **kwargs
            Those of `WcsNDMap.crop`.
        """
        raise NotImplementedError("Crop is not supported by RegionNDMap, which has one pixel; see slice_by_idx")

    def iter_by_axis_data(self, axis_name: str) -> Iterator[tuple[tuple[int | slice, ...], Array | u.Quantity]]:
        """Iterate over the values along an axis, at each bin of the other axes.

        Parameters
        ----------
        axis_name : str

        Yields
        ------
        index : tuple of int and one slice, into the data
        values : Quantity, or for a map that is not on the host an array, shape (nbin,)
        """
        dimension, shape = self._geom.axes.index_data(axis_name), list(self._geom.data_shape)
        shape[dimension] = 1
        values: Array | u.Quantity = self.quantity if self.device.is_host else self.data
        for place in np.ndindex(*shape):
            index: tuple[int | slice, ...] = (*place[:dimension], slice(None), *place[dimension + 1 :])
            yield index, values[index]

    def _blocks(self, factor: int, axis_name: str | None) -> list[int]:
        blocks = [1] * self.data.ndim
        blocks[self._geom.axes.index_data(axis_name or self._geom.axes.names[0])] = factor
        return blocks

    def downsample(
        self,
        factor: int | None,
        preserve_counts: bool = True,
        axis_name: str | None = None,
        weights: Operand | None = None,
    ) -> Self:
        """Return the map with wider bins along an axis; a mask is True where all merged bins are.

        Parameters
        ----------
        factor : int
            How many bins are merged into one.
        preserve_counts : bool
            Whether to sum the values (counts) or to average them (rates).
        axis_name : str, optional
            By default the first one.
        weights : Map or array, optional
            Factors.
        """
        if factor is None or factor == 1:
            return self
        name = axis_name or self._geom.axes.names[0]
        blocks = self._blocks(factor, name)
        data = self.data
        if weights is not None:
            data = apply_operator("multiply", data, self._weights_on_device(weights))
        summed = block_sum(data, blocks)
        if self.is_mask:
            # the sum counts the bins that are True
            data = summed == factor
        elif preserve_counts:
            data = summed
        else:
            # divided by the number of bins that are not NaN
            data = as_dtype(summed, "float64") / block_sum(as_dtype(~self._xp.isnan(data), "float64"), blocks)
        geom = self._geom.downsample(factor=factor, axis_name=name)
        return self._init_copy(geom=geom, data=as_dtype(data, dtype_name(self.data)))

    def upsample(
        self, factor: int | None, order: int = 0, preserve_counts: bool = True, axis_name: str | None = None
    ) -> Self:
        """Return the map with narrower bins along an axis.

        Parameters
        ----------
        factor : int
            Into how many bins each is divided.
        order : int
            0 repeats the values, 1 interpolates between them.
        preserve_counts : bool
            Whether to share the values among the parts (counts) or to keep them (rates).
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
        data = repeated(self.data, blocks) if order == 0 else upsampled(self.data, blocks)
        if preserve_counts and not self.is_mask:
            data = apply_operator("divide", data, factor)
        return self._init_copy(geom=geom, data=self._in_own_type(data))

    def _windows_of(self, geom: Geom, weights_geom: Geom | None) -> Windows:
        if tuple(geom.data_shape) != tuple(self.data.shape):
            raise GeometryError(
                f"Can only stack region maps of one shape, got {tuple(geom.data_shape)} on {tuple(self.data.shape)}"
            )
        if not geom.is_region or geom.axes != self._geom.axes:
            raise GeometryError(
                f"Can only stack region maps with equal axes; got\n{geom}\nto stack on\n{self._geom}\nuse "
                "`resample_axis` or `interp_to_geom` to give them the same bins"
            )
        return [((...,), (...,))]

    def get_spectrum(self, *args: object, **kwargs: object) -> Self:
        """Return the map itself: it is a spectrum already.

        Parameters
        ----------
        *args, **kwargs
            Those of `WcsNDMap.get_spectrum`; ignored.
        """
        return self

    def to_region_nd_map(self, *args: object, **kwargs: object) -> Self:
        """Return the map itself.

        Parameters
        ----------
        *args, **kwargs
            Those of `WcsNDMap.to_region_nd_map`; ignored.
        """
        return self

    def cutout(self, *args: object, **kwargs: object) -> Self:
        """Return the map itself: a region is not cut.

        Parameters
        ----------
        *args, **kwargs
            Those of `WcsNDMap.cutout`; ignored.
        """
        return self

    @classmethod
    def _from_hdulist(
        cls,
        hdulist: HDUList,
        hdu: str | int | None,
        hdu_bands: str | int | None,
        format: str | None,
        colname: str | None,
        device: str | Device | None,
    ) -> "RegionNDMap":
        return cls(**region_map_arguments(hdulist, hdu, format), device=device)

    @classmethod
    def from_hdulist(  # type: ignore[override]
        cls,
        hdulist: HDUList,
        format: str | None = "gadf",
        ogip_column: str | None = None,
        hdu: str | int | None = None,
        device: str | Device | None = None,
        **kwargs: object,
    ) -> "RegionNDMap":
        """Make a map from HDUs.

        Parameters
        ----------
        hdulist : HDUList
        format : ``gadf``, ``ogip`` (counts), or ``ogip-arf`` (effective areas)
        ogip_column : str, optional
            Column of the values in the OGIP formats; ``COUNTS`` or ``SPECRESP`` by default. ``QUALITY`` becomes a mask
            that is True for good channels.
        hdu : str or int, optional
            HDU of the values; by default ``SKYMAP``, ``SPECTRUM`` or ``SPECRESP``.
        device : str or Device, optional
            By default the default device.
        **kwargs : without effect
        """
        return cls(**region_map_arguments(hdulist, hdu, format, ogip_column), device=device)

    @classmethod
    def read(  # type: ignore[override]
        cls,
        filename: PathInput,
        format: str | None = "gadf",
        ogip_column: str | None = None,
        hdu: str | int | None = None,
        checksum: bool = False,
        device: str | Device | None = None,
    ) -> "RegionNDMap":
        """Read a map from a FITS file.

        Parameters
        ----------
        filename : str or Path
        format, ogip_column, hdu, device
            As in `from_hdulist`.
        checksum : bool
            Whether to verify the checksums in the file.
        """
        file = read_fits(filename)
        with parsing(filename):
            hdulist = file.hdulist
            if checksum:
                file.verify_checksums()
            return cls.from_hdulist(hdulist, format=format, ogip_column=ogip_column, hdu=hdu, device=device)

    @classmethod
    def from_table(
        cls, table: AnyTable, format: str = "", colname: str | None = None, device: str | Device | None = None
    ) -> "RegionNDMap":
        """Make a map of a column of a table of flux points, a light curve or a profile; its region is not known.

        Parameters
        ----------
        table : Table
        format : ``gadf-sed``, ``lightcurve`` or ``profile``
        colname : str
        device : str or Device, optional
            By default the default device.
        """
        return cls(**map_of_column(table, format, colname), device=device)

    def to_table(self, format: str = "gadf") -> "Table":
        """Return a table of the values; reads the data to the host.

        Parameters
        ----------
        format : ``gadf``, ``ogip`` (counts), ``ogip-arf`` or ``ogip-arf-sherpa`` (effective areas)
        """
        return region_map_table(self, format)

    def to_hdulist(
        self,
        format: str = "gadf",
        hdu: str | None = None,
        hdu_bands: str | None = None,
        hdu_region: str | None = None,
    ) -> HDUList:
        """Return the HDUs of the map: tables of the values, the bins and the region.

        Parameters
        ----------
        format : ``gadf``, ``ogip``, ``ogip-sherpa``, ``ogip-arf`` or ``ogip-arf-sherpa``
            With ``-sherpa``, energies are in keV and areas in cm2.
        hdu : str, optional
            Name of the data, by default ``SKYMAP``; the OGIP formats have names of their own.
        hdu_bands, hdu_region : str, optional
            Names of the other tables; by default the name of the data followed by ``_BANDS`` and ``_REGION``.
        """
        return region_map_hdulist(self, hdu=hdu, hdu_bands=hdu_bands, hdu_region=hdu_region, format=format)

    def plot(self, ax: "Axes | None" = None, axis_name: str | None = None, **kwargs: object) -> Axes:
        """Plot the values along an axis, one line for each bin of the other axes; reads the data to the host.

        Parameters
        ----------
        ax : matplotlib axes, optional
        axis_name : str, optional
            Not needed if the map has one axis.
        **kwargs : dict, passed to ``errorbar`` of matplotlib
        """
        from lightpool.plot.maps import plot_region_map  # matplotlib is heavy and optional

        return plot_region_map(self, ax=ax, axis_name=axis_name, **kwargs)

    def plot_region(self, ax: "SkyAxes | None" = None, **kwargs: object) -> Axes:
        """Plot the outline of the region on the sky.

        Parameters
        ----------
        ax : WCSAxes, optional
        **kwargs : dict, passed to `RegionGeom.plot_region`
        """
        options: dict[str, Any] = kwargs
        axes: Axes = self._geom.plot_region(ax, **options)
        return axes

    def plot_hist(self, ax: "Axes | None" = None, **kwargs: object) -> Axes:
        """Plot the values of a map with one axis as a histogram; reads the data to the host.

        Parameters
        ----------
        ax : matplotlib axes, optional
        **kwargs : dict, passed to ``hist`` of matplotlib
        """
        from lightpool.plot.maps import plot_region_hist  # matplotlib is heavy and optional

        return plot_region_hist(self, ax=ax, **kwargs)

    def plot_mask(self, ax: "Axes | None" = None, **kwargs: object) -> Axes:
        """Shade the energies where the mask is True; reads the data to the host.

        Parameters
        ----------
        ax : matplotlib axes, optional
        **kwargs : dict, passed to ``axvspan`` of matplotlib
        """
        from lightpool.plot.maps import plot_region_mask  # matplotlib is heavy and optional

        return plot_region_mask(self, ax=ax, **kwargs)
