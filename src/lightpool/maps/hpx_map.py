"""Maps of the sky with HEALPix pixels."""

from collections.abc import Callable, Sequence
from typing import Any, Self, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import ArrayLike, DTypeLike

from lightpool.arrays.devices.devices import Device
from lightpool.arrays.devices.dtypes import apply_operator, as_dtype, dtype_name, is_bool
from lightpool.arrays.kernels.accumulation import add_at
from lightpool.bridge import accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.fits import BinTableHDU, HDUList
from lightpool.maps.axes.axes import AxesLike
from lightpool.maps.coord import MapCoord
from lightpool.maps.core import Map
from lightpool.maps.geoms.hpx_geom import HpxGeom
from lightpool.maps.geoms.hpx_host import swapped_numbers
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.hpx_filters import HpxFilters
from lightpool.maps.hpx_format import hpx_map_arguments, hpx_map_hdu, hpx_map_hdulist, table_arguments
from lightpool.maps.hpx_images import HpxToWcsMapping
from lightpool.maps.joined_planes import slices_of_planes
from lightpool.maps.map_data import Values
from lightpool.maps.region_map import RegionNDMap
from lightpool.maps.region_values import reduce_in_mask
from lightpool.maps.regions import region_classes
from lightpool.maps.wcs_header import SizeLike, SkyDirLike
from lightpool.maps.wcs_map import WcsNDMap
from lightpool.typing import AngleLike, Axes, FrameLike, RegionLike, UnitLike

__all__ = ["HpxMap", "HpxNDMap"]


class HpxMap(HpxFilters):
    """Base class of maps with HEALPix pixels; `HpxNDMap` is the only one."""

    @classmethod
    @accepts_gammapy
    def create(  # type: ignore[override]
        cls,
        nside: ArrayLike | None = None,
        binsz: "SizeLike | None" = None,
        nest: bool = True,
        map_type: str = "hpx",
        frame: FrameLike = "icrs",
        data: Values | None = None,
        skydir: SkyDirLike = None,
        width: "SizeLike | None" = None,
        dtype: DTypeLike | None = None,
        region: "str | tuple[ArrayLike, ...] | None" = None,
        axes: AxesLike = None,
        meta: dict[str, Any] | None = None,
        unit: UnitLike = "",
        device: str | Device | None = None,
    ) -> "HpxNDMap":
        """Make an empty map.

        Parameters
        ----------
        nside, binsz, nest, frame, skydir, width, region, axes : see `HpxGeom.create`
        map_type : ``hpx``
        data : array, optional
        dtype : str, optional
            Data type, by default that of the default precision.
        meta : dict, optional
        unit : str or Unit
        device : str or Device, optional
            By default the default device.
        """
        if map_type != "hpx":
            raise ValueError(f"Unrecognized map type: {map_type!r}")
        geom = HpxGeom.create(
            nside=nside, binsz=binsz, nest=nest, frame=frame, region=region, axes=axes, skydir=skydir, width=width
        )
        kind = cls if issubclass(cls, HpxNDMap) else HpxNDMap
        return kind(geom, data=data, dtype=dtype, meta=meta, unit=unit, device=device)

    @classmethod
    def from_hdulist(  # type: ignore[override]
        cls,
        hdu_list: HDUList,
        hdu: str | int | None = None,
        hdu_bands: str | int | None = None,
        format: str | None = None,
        colname: str | None = None,
        device: str | Device | None = None,
    ) -> "HpxNDMap":
        """Make a map from HDUs.

        Parameters
        ----------
        hdu_list : HDUList
        hdu, hdu_bands, format, colname, device
            As in `Map.read`.
        """
        return HpxNDMap(**hpx_map_arguments(hdu_list, hdu, hdu_bands, format, colname), device=device)

    def to_wcs(
        self,
        sum_bands: bool = False,
        normalize: bool = True,
        proj: str = "AIT",
        oversample: float | None = 2,
        width_pix: int | None = None,
        hpx2wcs: HpxToWcsMapping | None = None,
        fill_nan: bool = True,
    ) -> WcsNDMap:
        """Return a map of square pixels, each with the value of the HEALPix pixel that contains its centre.

        Parameters
        ----------
        sum_bands : bool
            Whether the axes are summed over first.
        normalize : bool
            Whether the content of a HEALPix pixel is divided among the square ones, so that sums stay the same.
        proj, oversample, width_pix : see `HpxGeom.to_wcs_geom`
        hpx2wcs : HpxToWcsMapping, optional
            Which pixels belong together; by default those of the geometry that these arguments describe.
        fill_nan : bool
            Whether square pixels without a HEALPix pixel are NaN, or zero.
        """
        if sum_bands and not self._geom.is_image:
            summed = self.sum_over_axes(keepdims=not self._geom.is_regular)
            mapping = hpx2wcs if self._geom.is_regular else None
            return summed.to_wcs(False, normalize, proj, oversample, width_pix, mapping, fill_nan)
        if hpx2wcs is None:
            image = self._geom.to_wcs_geom(proj=proj, oversample=oversample, width_pix=width_pix).to_image()
            hpx2wcs = HpxToWcsMapping.create(self._geom, image)
        data = hpx2wcs.to_image(self.data, normalize, fill_nan)
        return WcsNDMap(hpx2wcs.wcs.to_cube(list(self._geom.axes)), data=data, unit=self._unit, device=self.device)

    def to_hdu(
        self, hdu: str | None = None, hdu_bands: str | None = None, sparse: bool = False, format: str | None = None
    ) -> BinTableHDU:
        """Return the table of the values.

        Parameters
        ----------
        hdu, hdu_bands, sparse, format : see `to_hdulist`
        """
        return hpx_map_hdu(self, hdu=hdu, hdu_bands=hdu_bands, sparse=sparse, format=format)

    def to_hdulist(
        self, hdu: str | None = "SKYMAP", hdu_bands: str | None = None, sparse: bool = False, format: str = "gadf"
    ) -> HDUList:
        """Return the HDUs of the map: a table of the values, and one of the axes.

        Parameters
        ----------
        hdu : str
            Name of the table of the values.
        hdu_bands : str, optional
            Name of the table of the axes, by default the name of the other one followed by ``_BANDS``.
        sparse : bool
            Whether only pixels above zero are written, with their numbers.
        format : ``gadf``, ``fgst-ccube`` or ``fgst-template``
        """
        return hpx_map_hdulist(self, hdu=hdu, hdu_bands=hdu_bands, sparse=sparse, format=format)


class HpxNDMap(HpxMap):
    """Map with HEALPix pixels and any number of further axes.

    The data have the pixels of the geometry in their last dimension. Pixel coordinates and indices are tuples (pixel,
    axes...) with the number of the pixel on all the sky.

    Parameters
    ----------
    geom : HpxGeom
    data : array, Quantity or number, optional
        By default zeros, and NaN behind the pixels of image planes that have fewer than others.
    dtype : str, optional
        Data type of an empty map, or of one filled with a number; by default that of the default precision.
    meta : dict, optional
        Metadata.
    unit : str or Unit
        Ignored if the data are a Quantity.
    device : str or Device, optional
        Device of the data; by default that of the array, and the default device for host data and empty maps.
    """

    geom_class = HpxGeom

    # --- images of the sky and regions

    def to_wcs_tiles(
        self,
        nside_tiles: int = 4,
        margin: AngleLike = "0 deg",
        method: str = "nearest",
        oversampling_factor: int = 1,
    ) -> list[WcsNDMap]:
        """Return maps of square pixels, one around each of larger HEALPix pixels.

        Parameters
        ----------
        nside_tiles, margin : see `HpxGeom.to_wcs_tiles`
        method : ``nearest`` or ``linear``
        oversampling_factor : int
            How many times as small the pixels are.
        """
        tiles = []
        for geom in self._geom.to_wcs_tiles(nside_tiles=nside_tiles, margin=margin):
            fine = geom.upsample(oversampling_factor) if oversampling_factor > 1 else geom
            tiles.append(cast(WcsNDMap, self.interp_to_geom(fine, method=method)))
        return tiles

    @classmethod
    def from_wcs_tiles(cls, wcs_tiles: Sequence[WcsNDMap], nest: bool = True) -> Self:
        """Make a map of all the sky from maps of square pixels around each of larger HEALPix pixels.

        Parameters
        ----------
        wcs_tiles : list of WcsNDMap, one for each pixel of a HEALPix grid
        nest : bool
        """
        first = wcs_tiles[0]
        nside_tiles = int(np.sqrt(len(wcs_tiles) / 12))
        if 12 * nside_tiles**2 != len(wcs_tiles):
            raise GeometryError(f"expected 12, 48, 192, ... tiles, one for each HEALPix pixel, got {len(wcs_tiles)}")
        frame, axes = first.geom.frame, first.geom.axes
        geom = HpxGeom.create(binsz=first.geom.pixel_scales[0], frame=frame, nest=nest, axes=axes)
        pix = geom.sky.pixels.of_plane(0)
        parts = (geom.sky.nside // nside_tiles) ** 2
        tile_of = (pix if nest else swapped_numbers(pix, geom.sky.nside, nest=False)) // parts
        tiles = HpxGeom(nside_tiles, nest=True, frame=frame)
        xp = first.device.xp
        data = xp.zeros(geom.data_shape, dtype=xp.float64, device=first.device.handle)
        for tile in wcs_tiles:
            number = tiles.coord_to_idx(tile.geom.center_skydir)[0]
            places = np.flatnonzero(tile_of == number)
            coords = _on_axes(geom.to_image().get_coord().skycoord[places], geom)
            data = add_at(data, places, as_dtype(tile.interp_by_coord(coords), "float64"))
        return cls(geom, data=data, unit=first.unit, device=first.device)

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
        weights : HpxNDMap, optional
            Factors, or a mask, of the same geometry.
        method : ``nearest`` or ``linear``
            How the value at a point is found.
        """
        if weights is not None and self._geom != weights.geom:
            raise GeometryError("Incompatible spatial geoms between map and weights")
        if not self._geom.is_regular:
            known = self._whole_region().region if region is None else region
            axis_name, planes = slices_of_planes(self._geom)
            parts = [
                self.slice_by_idx(plane).to_region_nd_map(
                    known, func, None if weights is None else weights.slice_by_idx(plane), method
                )
                for plane in planes
            ]
            return RegionNDMap.from_stack(parts, axis_name=axis_name)
        if isinstance(region, SkyCoord):
            region = region_classes.PointSkyRegion(region)
        geom = RegionGeom.from_regions(region, axes=self._geom.axes) if region is not None else self._whole_region()
        if region is not None and geom.is_all_point_sky_regions:
            coords = _on_axes(geom.center_skydir.reshape((1,)), self._geom)
            values = self.interp_by_coord(coords, method=method)
            if weights is not None:
                values = values * as_dtype(weights.interp_by_coord(coords, method=method), dtype_name(values))
        else:
            image = self._geom.to_image()
            inside = image.region_mask_array(geom.known_region if region is not None else None, device=self.device)
            values = self.data
            if weights is not None:
                values = apply_operator("multiply", values, weights.data)
            # with rows of one pixel line, as images of square pixels are reduced
            values = reduce_in_mask(values[..., None, :], inside[None, :], func)
        values = self._xp.reshape(values, geom.data_shape)
        values = as_dtype(values, "bool") if self.is_mask and is_bool(self.data) else values
        return RegionNDMap(geom, data=values, unit=self._unit, meta=dict(self.unread_meta), device=self.device)

    def _whole_region(self) -> RegionGeom:
        radius = self._geom.width / 2 if not self._geom.is_allsky else u.Quantity(180, "deg")
        circle = region_classes.CircleSkyRegion(self._geom.center_skydir, radius)
        return RegionGeom(circle, axes=self._geom.axes, binsz_wcs=max(1.0, float(radius.value) / 50))

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

    # --- files and plots

    @classmethod
    def _from_hdulist(
        cls,
        hdulist: HDUList,
        hdu: str | int | None,
        hdu_bands: str | int | None,
        format: str | None,
        colname: str | None,
        device: str | Device | None,
    ) -> "HpxNDMap":
        return cls(**hpx_map_arguments(hdulist, hdu, hdu_bands, format, colname), device=device)

    @classmethod
    def from_hdu(
        cls,
        hdu: BinTableHDU,
        hdu_bands: BinTableHDU | None = None,
        format: str | None = None,
        colname: str | None = None,
        device: str | Device | None = None,
    ) -> Self:
        """Make a map from a table.

        Parameters
        ----------
        hdu, hdu_bands : BinTableHDU, of the values and of the axes
        format : str, see `to_hdulist`
        colname : str, optional
            Column of the values; by default all those that belong to the layout.
        device : str or Device, optional
        """
        return cls(**table_arguments(hdu, hdu_bands, format, colname), device=device)

    def plot(  # type: ignore[override]
        self,
        method: str = "raster",
        ax: "Axes | None" = None,
        normalize: bool = False,
        proj: str = "AIT",
        oversample: float | None = 2,
        width_pix: int | None = 1000,
        **kwargs: Any,
    ) -> Axes:
        """Plot the sum over the axes on the sky; reads the data to the host.

        Parameters
        ----------
        method : ``raster``, an image of square pixels, or ``poly``, the outlines of all pixels
        ax : WCSAxes, optional
        normalize : bool
            Whether the content of a HEALPix pixel is divided among the square ones.
        proj, oversample, width_pix : see `HpxGeom.to_wcs_geom`
        **kwargs : dict, passed to `WcsNDMap.plot`

        Returns
        -------
        ax : WCSAxes
        """
        if method == "raster":
            m = self.to_wcs(True, normalize, proj, oversample, width_pix)
            return m.sum_over_axes(keepdims=False).plot(ax, **kwargs)
        if method != "poly":
            raise ValueError(f"Invalid method: {method!r}; it must be 'raster' or 'poly'")
        from lightpool.plot.healpix import plot_pixels  # matplotlib is heavy and optional

        return plot_pixels(self, proj=proj, ax=ax)

    def plot_mask(  # type: ignore[override]
        self,
        method: str = "raster",
        ax: "Axes | None" = None,
        proj: str = "AIT",
        oversample: float | None = 2,
        width_pix: int | None = 1000,
        **kwargs: Any,
    ) -> Axes:
        """Shade the pixels where the mask is False; reads the data to the host.

        Parameters
        ----------
        method : ``raster``
        ax : WCSAxes, optional
        proj, oversample, width_pix : see `HpxGeom.to_wcs_geom`
        **kwargs : dict, passed to `WcsNDMap.plot_mask`
        """
        if not self.is_mask:
            raise ValueError("`.plot_mask()` only supports maps containing boolean values.")
        if method != "raster":
            raise ValueError(f"Invalid method: {method!r}; it must be 'raster'")
        m = self.reduce_over_axes(np.logical_or).to_wcs(False, False, proj, oversample, width_pix, fill_nan=False)
        return m.copy(data=m.data > 0).plot_mask(ax=ax, **kwargs)


def _on_axes(position: SkyCoord, geom: HpxGeom) -> MapCoord:
    """Return coordinates of positions, shape (n,), at the centres of all bins, shape (..., n)."""
    return MapCoord.create({"skycoord": position, **geom.axes.get_coord()}, frame=geom.frame)
