"""Geometry of maps with sky pixels."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device
from lightpool.errors import GeometryError
from lightpool.maps.axes.axes import MapAxes
from lightpool.maps.geoms import image_masks
from lightpool.maps.geoms.cutouts import Slices, cutout_origin, overlap_parts, trim_window
from lightpool.maps.geoms.geom import HostArray, full_data
from lightpool.maps.geoms.sky_pixel_geom import SkyPixelGeom
from lightpool.maps.wcs_header import (
    all_sky_npix,
    binsz_deg,
    create_wcs,
    header_npix,
    lonlat_deg,
    npix_pair,
    resampled_wcs,
    same_wcs,
    width_deg,
    world_to_pixel,
)

if TYPE_CHECKING:
    from lightpool.maps.core import Map

__all__ = ["WcsGeom"]

log = logging.getLogger(__name__)


class WcsGeom(SkyPixelGeom):
    """Geometry of a map with sky pixels and any number of non-spatial axes; it is never changed after it was made.

    Maps that are cut out, padded or cropped, and copies with other axes, share the pixel directions, solid angles and
    separations of the geometry that they come from (see `lightpool.maps.geoms.pixel_grid`).

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        Longitude and latitude; kept, and not to be changed afterwards.
    npix : tuple of int
        Number of pixels in longitude and latitude; that of ``wcs`` by default.
    cdelt : tuple of float
        Pixel size in deg in longitude and latitude; that of ``wcs`` by default.
    axes : list of MapAxis
        Non-spatial axes.
    """

    @classmethod
    def create(
        cls,
        npix: Any = None,
        binsz: Any = 0.5,
        proj: str = "CAR",
        frame: Any = "icrs",
        refpix: Sequence[float] | None = None,
        axes: Any = None,
        skydir: Any = None,
        width: Any = None,
    ) -> Self:
        """Make a geometry from the size of its pixels and either their number or the width of the map.

        Parameters
        ----------
        npix : int or tuple of int
            Number of pixels (lon, lat). With neither ``npix`` nor ``width`` the map shows all the sky.
        binsz : float, str, Quantity, or tuple of them
            Pixel size (lon, lat); numbers are in deg.
        proj : str
            Three-letter code of the projection, such as ``CAR`` or ``TAN``.
        frame : str
            ``icrs`` or ``galactic``.
        refpix : tuple of float
            Reference pixel of the projection, counted from 1; the centre of the map by default.
        axes : list of MapAxis
            Non-spatial axes.
        skydir : SkyCoord, or tuple (lon, lat) in deg in the frame of the map
            Sky position of the reference pixel; (0, 0) by default.
        width : float, str, Quantity, or tuple of them
            Width (lon, lat) of the map; numbers are in deg. It is rounded to whole pixels.

        Returns
        -------
        geom : WcsGeom

        Raises
        ------
        GeometryError
            If a size is not positive, one value for each image plane is given, or projection or frame are not known.
        """
        size = binsz_deg(binsz)
        if npix is not None:
            n_lon, n_lat = npix_pair(npix)
        elif width is not None:
            n_lon, n_lat = (int(np.rint(w / s)) for w, s in zip(width_deg(width), size, strict=True))
        else:
            n_lon, n_lat = all_sky_npix(size)
        if n_lon < 1 or n_lat < 1:
            raise GeometryError(
                f"the map would have {n_lon} x {n_lat} pixels: width {width} with a pixel size of {size} deg"
            )
        if refpix is None:
            refpix = ((n_lon + 1) / 2.0, (n_lat + 1) / 2.0)
        wcs = create_wcs(frame, proj, lonlat_deg(skydir, frame), refpix, (-size[0], size[1]), (n_lon, n_lat))
        return cls(wcs, (n_lon, n_lat), cdelt=size, axes=axes)

    @classmethod
    def from_aligned(cls, geom: "WcsGeom", skydir: Any, width: Any) -> Self:
        """Make a geometry whose pixels are those of another one, around a position (SkyCoord, or lon, lat in deg)."""
        npix = [int(np.round(w / s)) for w, s in zip(width_deg(width), geom._scales, strict=True)]
        x, y = (float(np.ravel(_)[0]) for _ in geom.to_image().coord_to_pix(skydir))
        x0, y0 = (-int(np.floor(-pos + n / 2.0)) for pos, n in zip((x, y), npix, strict=True))
        return cls._from_window(geom._window.moved(x0, y0, npix[0], npix[1]), geom._cdelt, geom.axes)

    @classmethod
    def from_header(cls, header: Mapping[str, Any], hdu_bands: Any = None, format: str = "gadf") -> Self:
        """Make a geometry from the header of an image HDU.

        Parameters
        ----------
        header : Header
            With the keywords of a celestial WCS, and WCSSHAPE or NAXIS1 and NAXIS2.
        hdu_bands : BinTableHDU
            Table of the non-spatial axes.
        format : str
            Format of that table, see `MapAxes.from_table_hdu`.
        """
        if hdu_bands is not None and "NPIX" in hdu_bands.columns.names:
            raise GeometryError(
                f"table {hdu_bands.name!r} has a column NPIX: one pixelisation for each image plane is not supported"
            )
        wcs = WCS(header, naxis=2).sub(2)
        npix = header_npix(header)
        wcs.array_shape = npix[::-1]
        return cls(wcs, npix, axes=MapAxes.from_table_hdu(hdu_bands, format=format))

    def to_header(self) -> Any:
        """Header with the keywords of the WCS, of the axes, and WCSSHAPE."""
        header = self.wcs.to_header()
        header.update(self.axes.to_header())
        header["WCSSHAPE"] = "(" + ",".join(str(_) for _ in self.data_shape[::-1]) + ")"
        return header

    def to_bands_hdu(self, hdu_bands: str | None = None, format: str = "gadf") -> Any:
        """Table HDU of the non-spatial axes, see `MapAxes.to_table_hdu`."""
        return self.axes.to_table_hdu(format=format, hdu_bands=hdu_bands)

    # Other geometries

    def cutout(
        self, position: SkyCoord, width: Any, mode: str = "trim", odd_npix: bool = False, min_npix: int = 1
    ) -> Self:
        """Geometry of the part of the map around a position.

        Parameters
        ----------
        position : SkyCoord
            Centre; the nearest pixels are taken.
        width : float, str, Quantity, or tuple of them
            Width (lon, lat); numbers are in deg.
        mode : ``trim``, ``partial`` or ``strict``
            What to do with a window beyond the border: cut it there, keep all of it, or raise an error.
        odd_npix : bool
            Whether to round the number of pixels up to an odd one.
        min_npix : int
            Least number of pixels.

        Returns
        -------
        geom : WcsGeom
            Its `cutout_info` says where it lies on this geometry.

        Raises
        ------
        NoOverlapError
            If the window is wholly outside the map.
        """
        if not isinstance(position, SkyCoord) or not position.isscalar:
            raise TypeError(f"position must be a SkyCoord of one position, got {position!r}")
        size = np.clip(np.array(width_deg(width)) / self._scales, min_npix, None)
        if odd_npix:
            size = image_masks.round_up_to_odd(size)
        npix = tuple(int(np.round(_)) for _ in size)

        def first_and_number() -> tuple[tuple[int, int], tuple[int, int]]:
            x, y = world_to_pixel(self.wcs, position, self.frame)
            x = self._window.plane.wrapped(x)
            origin, is_closed = cutout_origin((float(x), float(y)), npix), self._window.plane.is_closed
            return trim_window(origin, npix, self._npix_image, mode, is_closed=is_closed)

        kind = "cutout", self._window.box, npix, mode
        (x0, y0), (n_lon, n_lat) = self._window.grid.latest(position, kind, first_and_number)
        geom = self._from_window(self._window.moved(x0, y0, n_lon, n_lat), self._cdelt, self._axes)
        parts = overlap_parts((x0, y0), (n_lon, n_lat), self._npix_image, self._window.plane.whole_period)
        geom._cutout_info = parts[0] if len(parts) == 1 else None
        return geom

    @property
    def cutout_info(self) -> dict[str, tuple[slice, slice]] | None:
        """Slices (y, x) ``parent-slices`` and ``cutout-slices`` on the map that this one was cut from.

        None for a geometry that was not cut out, or is on both ends of the other one, see `cutout_parts`.
        """
        return self._cutout_info

    def cutout_slices(self, geom: "WcsGeom", mode: str = "partial") -> dict[str, tuple[slice, slice]]:
        """Slices (y, x) of the pixels shared with a larger geometry.

        Parameters
        ----------
        geom : WcsGeom
            Parent geometry.
        mode : ``trim``, ``partial`` or ``strict``
            As in `cutout`.

        Returns
        -------
        slices : dict with ``parent-slices`` and ``cutout-slices``

        Raises
        ------
        NoOverlapError
            If they share no pixel.
        GeometryError
            If they share pixels at both ends of the parent, across the seam of an all-sky map, see `cutout_parts`.
        """
        plane = geom._window.plane
        trim_window(self._origin_on(geom), self._npix_image, geom._npix_image, mode, is_closed=plane.is_closed)
        parts = self.cutout_parts(geom)
        if len(parts) > 1:
            raise GeometryError(
                "the cutout lies on both ends of the map, so it has no single slices; `cutout_parts` gives those of "
                "each end"
            )
        slices = dict(parts[0])
        if mode == "trim":
            slices["cutout-slices"] = tuple(slice(0, _.stop - _.start) for _ in slices["parent-slices"])  # type: ignore[assignment]
        return slices

    def cutout_parts(self, geom: "WcsGeom") -> list[dict[str, Slices]]:
        """Slices as of `cutout_slices`, one entry for each part of the larger geometry.

        There is one part, unless the larger geometry has a seam, where the sky repeats itself, inside this one.
        """
        plane = geom._window.plane
        period = None if plane.has_repeats or self._window.plane.has_repeats else plane.whole_period
        return overlap_parts(self._origin_on(geom), self._npix_image, geom._npix_image, period)

    def _origin_on(self, geom: "WcsGeom") -> tuple[int, int]:
        if self._window.grid is geom._window.grid:
            box, parent = self._window.box, geom._window.box
            return box.x0 - parent.x0, box.y0 - parent.y0
        if self.to_image().is_aligned(geom.to_image()):
            x0, y0 = np.rint(geom.wcs.wcs.crpix - self.wcs.wcs.crpix).astype(int).tolist()
            return x0, y0
        x, y = world_to_pixel(geom.wcs, self.center_skydir, geom.frame)
        x = geom._window.plane.wrapped(x)
        return cutout_origin((float(x), float(y)), self._npix_image)

    def _pad_spatial(self, pad_width: Any) -> Self:
        return self._grown(*npix_pair(pad_width, "pad_width"))

    def crop(self, crop_width: Any) -> Self:
        """Geometry with fewer pixels (int, or pair lon, lat) at each border."""
        n_lon, n_lat = npix_pair(crop_width, "crop_width")
        if 2 * n_lon >= self._npix_image[0] or 2 * n_lat >= self._npix_image[1]:
            raise GeometryError(f"cropping {(n_lon, n_lat)} pixels leaves none of {self._npix_image}")
        return self._grown(-n_lon, -n_lat)

    def _grown(self, more_lon: int, more_lat: int) -> Self:
        n_lon, n_lat = self._npix_image
        window = self._window.moved(-more_lon, -more_lat, n_lon + 2 * more_lon, n_lat + 2 * more_lat)
        return self._from_window(window, self._cdelt, self._axes)

    def downsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Geometry whose pixels, or bins of an axis, are ``factor`` times as large.

        Raises
        ------
        GeometryError
            If the number of pixels is not a multiple of the factor.
        """
        if axis_name is not None:
            return self._with_axes(self.axes.downsample(factor=factor, axis_name=axis_name))
        if any(n % factor for n in self._npix_image):
            n_lon, n_lat = self._npix_image
            raise GeometryError(f"{n_lon} x {n_lat} pixels are not a multiple of factor {factor!r}; pad the map before")
        n_lon, n_lat = (n // factor for n in self._npix_image)
        wcs = resampled_wcs(self.wcs, factor, (n_lon, n_lat))
        size = (self._cdelt[0] * factor, self._cdelt[1] * factor)
        return type(self)(wcs, (n_lon, n_lat), cdelt=size, axes=self._axes)

    def upsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Geometry whose pixels, or bins of an axis, are ``factor`` times as small."""
        if axis_name is not None:
            return self._with_axes(self.axes.upsample(factor=factor, axis_name=axis_name))
        size = (self._cdelt[0] / factor, self._cdelt[1] / factor)
        return self._from_window(self._window.upsampled(factor), size, self._axes)

    def to_binsz(self, binsz: Any) -> Self:
        """Geometry of the same width around the same centre with another pixel size (numbers in deg)."""
        return self._recreated(binsz=binsz, width=self.width)

    def to_odd_npix(self, max_radius: Any = None) -> Self:
        """Geometry with an odd number of square pixels, as for PSF kernels.

        Parameters
        ----------
        max_radius : Quantity
            Half the width; that of the longer side of the map by default.
        """
        width = self.width.max() if max_radius is None else 2 * u.Quantity(max_radius)
        return self._recreated(binsz=self.pixel_scales.max(), npix=image_masks.round_up_to_odd(self._n_wide(width)))

    def to_even_npix(self) -> Self:
        """Geometry with an even number of square pixels."""
        n_wide = self._n_wide(self.width.max())
        return self._recreated(binsz=self.pixel_scales.max(), npix=image_masks.round_up_to_even(n_wide))

    def _n_wide(self, width: u.Quantity) -> float:
        return float((width / self.pixel_scales.max()).to_value(""))

    def _recreated(self, **kwargs: Any) -> Self:
        return self.create(skydir=self.center_skydir, proj=self.projection, frame=self.frame, axes=self._axes, **kwargs)

    # Masks

    def region_mask(self, regions: Any, inside: bool = True, device: str | Device | None = None) -> "Map":
        """Mask of the pixels whose centre lies in any of some regions.

        Parameters
        ----------
        regions : str, Region, SkyCoord, or list of them
            Sky or pixel regions; a string is in DS9 format. A point takes the (up to four) pixels next to it.
        inside : bool
            Whether pixels in the regions are True, or those outside.
        device : str or Device
            Where the mask is made; the default device by default.

        Returns
        -------
        mask : WcsNDMap of bool
        """
        from lightpool.maps.core import Map  # a map has a geometry, so the module of maps imports this one

        return Map.from_geom(self, data=self.region_mask_array(regions, inside, device), unit="", device=device)

    def region_mask_array(self, regions: Any, inside: bool = True, device: str | Device | None = None) -> Array:
        """Return the mask of `region_mask` as an array, shape ``data_shape``.

        Parameters
        ----------
        regions, inside, device
            As in `region_mask`.
        """
        image = image_masks.region_mask_image(regions, self._window.plane, self._npix_image, self._window.lonlat())
        mask: Array = full_data(self, image == inside, device)
        return mask

    def region_weights(self, regions: Any, oversampling_factor: int = 10, device: str | Device | None = None) -> "Map":
        """Part of each pixel that lies in any of some regions, from a mask with smaller pixels."""
        from lightpool.maps.core import Map  # see region_mask

        fine = self.to_image().upsample(oversampling_factor)
        image = image_masks.region_mask_image(regions, fine._window.plane, fine._npix_image, fine._window.lonlat())
        return Map.from_geom(
            self,
            data=full_data(self, image_masks.block_mean(image, oversampling_factor), device),
            unit="",
            device=device,
        )

    def boundary_mask(self, width: Any, device: str | Device | None = None) -> "Map":
        """Mask of the pixels that are at least a width (number of pixels, or angle; or a pair) away from the border."""
        from lightpool.maps.core import Map  # see region_mask

        structure = image_masks.binary_structure(2 * u.Quantity(width), self._scales, kernel="box")
        image = image_masks.without_border(self._npix_image, structure.shape)
        return Map.from_geom(self, data=full_data(self, image, device), unit="", device=device)

    def binary_structure(self, width: Any, kernel: str = "disk") -> HostArray:
        """Footprint for `WcsNDMap.binary_erode` and `WcsNDMap.binary_dilate`, with one bin on each non-spatial axis.

        Parameters
        ----------
        width : float, str or Quantity
            Number of pixels, or an angle: radius of a disk, or side of a box; rounded up to an odd number of pixels.
        kernel : ``disk`` or ``box``
        """
        structure = image_masks.binary_structure(width, self._scales, kernel=kernel)
        return structure.reshape((1,) * len(self.axes) + structure.shape)

    # Comparison

    def is_aligned(self, other: "WcsGeom", tolerance: float = 1e-6) -> bool:
        """Whether the axes are equal, and the pixels fall on those of another geometry."""
        if any(axis != other_axis for axis, other_axis in zip(self.axes, other.axes, strict=False)):
            return False
        return self._window.grid.is_aligned(other._window.grid, tolerance)

    def is_allclose(
        self, other: "WcsGeom", rtol_axes: float = 1e-6, atol_axes: float = 1e-6, rtol_wcs: float = 1e-6
    ) -> bool:
        """Whether another geometry has the same shape, axes and WCS within tolerances."""
        if not isinstance(other, WcsGeom):
            raise TypeError(f"cannot compare a {type(self).__name__} with a {type(other).__name__}")
        if self.data_shape != other.data_shape:
            log.debug("shapes differ: %s and %s", self.data_shape, other.data_shape)
            return False
        if not self.axes.is_allclose(other.axes, rtol=rtol_axes, atol=atol_axes):
            log.debug("axes differ")
            return False
        if self._window == other._window:
            return True
        return self.frame == other.frame and same_wcs(self.wcs, other.wcs, rtol_wcs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WcsGeom) and self.is_allclose(other)

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        centre = self.center_skydir.data
        lon_ref, lat_ref = self.wcs.wcs.crval
        width, height = self.width.ravel()
        return (
            f"{type(self).__name__}\n\n"
            f"\taxes       : {self.axes_names}\n"
            f"\tshape      : {self.data_shape[::-1]}\n"
            f"\tndim       : {self.ndim}\n"
            f"\tframe      : {self.frame}\n"
            f"\tprojection : {self.projection}\n"
            f"\tcenter     : {centre.lon.deg:.1f} deg, {centre.lat.deg:.1f} deg\n"
            f"\twidth      : {width:.1f} x {height:.1f}\n"
            f"\twcs ref    : {lon_ref:.1f} deg, {lat_ref:.1f} deg\n"
        )
