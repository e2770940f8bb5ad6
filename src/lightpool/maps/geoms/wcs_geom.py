"""Geometry of maps with sky pixels."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeAlias, TypedDict, Unpack, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device
from lightpool.bridge import accepted, accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.fits import BinTableHDU, HDUList, Header, column_names_of_hdu
from lightpool.maps.axes.axes import AxesLike, MapAxes
from lightpool.maps.geoms import image_masks
from lightpool.maps.geoms.cut_window import CutWindow, named_slices
from lightpool.maps.geoms.cutouts import Slices, cutout_origin, overlap_parts, trim_window
from lightpool.maps.geoms.geom import full_data
from lightpool.maps.geoms.map_hdus import data_and_bands, layout_of_bands
from lightpool.maps.geoms.plane_pixels import PlanePixels, differs_by_plane, is_pair
from lightpool.maps.geoms.planes_class import planes_geom
from lightpool.maps.geoms.sky_pixel_geom import SkyPixelGeom
from lightpool.maps.map_kinds import make_map
from lightpool.maps.wcs_header import (
    NpixLike,
    SizeLike,
    SkyDirLike,
    all_sky_npix,
    binsz_deg,
    create_wcs,
    header_npix,
    lonlat_deg,
    npix_pair,
    resampled_wcs,
    same_wcs,
    wcs_of_header,
    wcslib_to_pixel,
    width_deg,
    world_to_pixel,
)
from lightpool.typing import FrameLike, QuantityLike, RegionLike

__all__ = ["WcsGeom"]

log = logging.getLogger(__name__)

ALIGNED = 1e-6
"""Tolerance of the numbers of the WCS of geometries whose pixels are the same."""

_Position: TypeAlias = SkyCoord | tuple[float, float]


class _SizeOfPixels(TypedDict, total=False):
    binsz: SizeLike
    npix: NpixLike
    width: SizeLike


class WcsGeom(SkyPixelGeom):
    """Geometry of a map with sky pixels and any number of non-spatial axes; it is never changed after it was made.

    Maps that are cut out, padded or cropped, and copies with other axes, share the pixel directions, solid angles and
    separations of the geometry that they come from (see `lightpool.maps.geoms.pixel_grid`).

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        Longitude and latitude; it is kept and must not be changed afterwards.
    npix : tuple of int
        Number of pixels in longitude and latitude; that of ``wcs`` by default.
    cdelt : tuple of float
        Pixel size in deg in longitude and latitude; that of ``wcs`` by default.
    crpix : without effect
        The reference pixel is that of ``wcs``.
    axes : list of MapAxis
        Non-spatial axes.
    """

    @classmethod
    @accepts_gammapy
    def create(
        cls,
        npix: "NpixLike | None" = None,
        binsz: SizeLike = 0.5,
        proj: str = "CAR",
        frame: FrameLike = "icrs",
        refpix: Sequence[float] | None = None,
        axes: AxesLike = None,
        skydir: SkyDirLike = None,
        width: "SizeLike | None" = None,
    ) -> Self:
        """Make a geometry from the size of its pixels and either their number or the width of the map.

        Lists or arrays, also in tuples, have a value for each bin of the axes: then planes differ, see `PlanesWcsGeom`.

        Parameters
        ----------
        npix : int or tuple of int
            Number of pixels (lon, lat). With neither ``npix`` nor ``width`` the map shows all the sky.
        binsz : float, str, Quantity, or tuple of them
            Pixel size (lon, lat); numbers are in deg.
        proj : str, three-letter code of the projection, such as ``CAR`` or ``TAN``
        frame : str, ``icrs`` or ``galactic``
        refpix : tuple of float, reference pixel of the projection, counted from 1; by default the centre
        axes : list of MapAxis, non-spatial axes
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
            If a size is not positive, or projection or frame are not known.
        """
        if any(map(differs_by_plane, (npix, binsz, None if is_pair(width) else width))):
            planes = PlanePixels.from_arguments(npix, binsz, width, MapAxes.from_default(axes).shape)
            wcs = planes.first_wcs(frame, proj, lonlat_deg(skydir, frame))
            return cast(Self, planes_geom().from_planes(wcs, planes, axes))
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
            # the middle: FITS counts pixel centres from 1
            refpix = ((n_lon + 1) / 2.0, (n_lat + 1) / 2.0)
        # negative: longitude grows to the left
        wcs = create_wcs(frame, proj, lonlat_deg(skydir, frame), refpix, (-size[0], size[1]), (n_lon, n_lat))
        return cls(wcs, (n_lon, n_lat), cdelt=size, axes=axes)

    @classmethod
    @accepts_gammapy
    def from_aligned(cls, geom: "WcsGeom", skydir: SkyCoord | tuple[float, float], width: SizeLike) -> Self:
        """Make a geometry whose pixels are those of another one.

        Parameters
        ----------
        geom : WcsGeom
        skydir : SkyCoord, or tuple (lon, lat) in deg in the frame of the map
            Centre; the nearest pixels are taken.
        width : float, str, Quantity, or tuple of them
            Width (lon, lat); numbers are in deg.
        """
        npix = [int(np.round(w / s)) for w, s in zip(width_deg(width), geom.window.grid.scales_deg, strict=True)]
        x, y = (float(np.ravel(_)[0]) for _ in geom.to_image().coord_to_pix(skydir))
        x0, y0 = (-int(np.floor(-pos + n / 2.0)) for pos, n in zip((x, y), npix, strict=True))
        return cls._from_window(geom.window.moved(x0, y0, npix[0], npix[1]), geom.cdelt, geom.axes)

    @classmethod
    def from_header(
        cls, header: Header | Mapping[str, Any], hdu_bands: BinTableHDU | None = None, format: str = "gadf"
    ) -> Self:
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
        wcs = wcs_of_header(header)
        if hdu_bands is not None and "NPIX" in column_names_of_hdu(hdu_bands):
            axes = MapAxes.from_table_hdu(hdu_bands, format=format)
            return cast(Self, planes_geom().from_planes(wcs, PlanePixels.from_table(hdu_bands, axes.shape), axes))
        npix = header_npix(header)
        wcs.array_shape = npix[::-1]
        return cls(wcs, npix, axes=MapAxes.from_table_hdu(hdu_bands, format=format))

    def to_header(self) -> Header:
        """Return a header with the keywords of the WCS, of the axes, and WCSSHAPE."""
        header = self.wcs.to_header()
        header.update(self.axes.to_header())
        header["WCSSHAPE"] = "(" + ",".join(str(_) for _ in self.data_shape[::-1]) + ")"
        return header

    @classmethod
    def from_hdulist(cls, hdulist: HDUList, hdu: str | int | None = None, hdu_bands: str | int | None = None) -> Self:
        """Make a geometry from the HDUs of a map.

        Parameters
        ----------
        hdulist : HDUList
        hdu : str or int, optional
            HDU of the data; by default the first one with data.
        hdu_bands : str or int, optional
            Table of the axes; by default the one that belongs to the data.
        """
        data, bands = data_and_bands(hdulist, hdu, hdu_bands)
        return cls.from_header(data.header, bands, format=layout_of_bands(bands))

    # Other geometries

    def cutout(
        self, position: _Position, width: SizeLike, mode: str = "trim", odd_npix: bool = False, min_npix: int = 1
    ) -> Self:
        """Return the geometry of the part of the map around a position.

        Parameters
        ----------
        position : SkyCoord, or longitude and latitude in deg in the frame of the map
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
            If the window is entirely outside the map.
        """
        if not (isinstance(position, tuple) or (isinstance(position, SkyCoord) and position.isscalar)):
            raise TypeError(f"position must be a SkyCoord of one position, got {position!r}")
        size = [max(w / s, min_npix) for w, s in zip(width_deg(width), self._window.grid.scales, strict=True)]
        n_lon, n_lat = (round(float(_)) for _ in (image_masks.round_up_to_odd(np.array(size)) if odd_npix else size))
        grid, kind = self._window.grid, ("cutout", self._window.box, n_lon, n_lat, mode)  # all but the position

        def cut_at_position() -> CutWindow:
            lonlat = lonlat_deg(position, self.frame)
            return grid.remembered((kind, lonlat), lambda: self._cut(lonlat, (n_lon, n_lat), mode))

        # first by the object: its numbers take astropy longer than all else here
        return grid.latest(position, kind, cut_at_position).of(self)

    def _cut(self, lonlat: tuple[float, float], npix: tuple[int, int], mode: str) -> CutWindow:
        x, y = wcslib_to_pixel(self.wcs.wcs, *lonlat)
        x = self._window.plane.wrapped(x)
        origin, is_closed = cutout_origin((float(x), float(y)), npix), self._window.plane.is_closed
        (x0, y0), npix = trim_window(origin, npix, self.npix_image, mode, is_closed=is_closed)
        parts = overlap_parts((x0, y0), npix, self.npix_image, self._window.plane.whole_period)
        return CutWindow(self._window.moved(x0, y0, *npix), named_slices(*parts[0]) if len(parts) == 1 else None)

    @property
    def cutout_info(self) -> dict[str, Slices] | None:
        """Slices (y, x) ``parent-slices`` and ``cutout-slices`` on the map that this one was cut from.

        None for a geometry that was not cut out, or is on both ends of the other one, see `cutout_parts`.
        """
        return None if self._cutout_info is None else dict(self._cutout_info)

    def cutout_slices(self, geom: "WcsGeom", mode: str = "partial") -> dict[str, Slices]:
        """Return slices (y, x) of the pixels shared with a larger geometry.

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
        plane = geom.window.plane
        trim_window(self._origin_on(geom), self.npix_image, geom.npix_image, mode, is_closed=plane.is_closed)
        parts = self.cutout_parts(geom)
        if len(parts) > 1:
            raise GeometryError(
                "the cutout lies on both ends of the map, so it has no single slices; `cutout_parts` returns those of "
                "each end"
            )
        slices = parts[0]
        if mode == "trim":
            # a trimmed cutout begins with the first pixel that is shared
            rows, columns = (slice(0, _.stop - _.start) for _ in slices["parent-slices"])
            slices["cutout-slices"] = rows, columns
        return slices

    def cutout_parts(self, geom: "WcsGeom") -> list[dict[str, Slices]]:
        """Return slices as `cutout_slices` does, one entry for each part of the larger geometry.

        There is one part, unless the larger geometry has a seam, where the sky repeats itself, inside this one.
        """
        return [named_slices(*part) for part in self.overlap_on(geom)]

    def overlap_on(self, geom: "WcsGeom") -> tuple[tuple[Slices, Slices], ...]:
        """Return the slices (y, x) of `cutout_parts` as pairs: on the larger geometry, and on this one."""
        plane = geom.window.plane
        period = None if plane.has_repeats or self._window.plane.has_repeats else plane.whole_period
        return overlap_parts(self._origin_on(geom), self.npix_image, geom.npix_image, period)

    def _origin_on(self, geom: "WcsGeom") -> tuple[int, int]:
        if self._window.grid is geom.window.grid:
            box, parent = self._window.box, geom.window.box
            return box.x0 - parent.x0, box.y0 - parent.y0
        if self._window.grid.is_aligned(geom.window.grid, ALIGNED):
            # aligned WCS differ in the reference pixel alone, by whole numbers
            x0, y0 = np.rint(geom.window.reference_pixel - self._window.reference_pixel).astype(int).tolist()
            return x0, y0
        x, y = world_to_pixel(geom.wcs, self.center_skydir, geom.frame)
        x = geom.window.plane.wrapped(x)
        return cutout_origin((float(x), float(y)), self.npix_image)

    def _pad_spatial(self, pad_width: int | tuple[int, int]) -> Self:
        return self._grown(*npix_pair(pad_width, "pad_width"))

    def crop(self, crop_width: int | tuple[int, int]) -> Self:
        """Return a geometry with fewer pixels (int, or pair lon, lat) at each border."""
        n_lon, n_lat = npix_pair(crop_width, "crop_width")
        if 2 * n_lon >= self.npix_image[0] or 2 * n_lat >= self.npix_image[1]:
            raise GeometryError(f"cropping {(n_lon, n_lat)} pixels leaves none of {self.npix_image}")
        return self._grown(-n_lon, -n_lat)

    def _grown(self, more_lon: int, more_lat: int) -> Self:
        n_lon, n_lat = self.npix_image
        window = self._window.moved(-more_lon, -more_lat, n_lon + 2 * more_lon, n_lat + 2 * more_lat)
        return self._from_window(window, self._cdelt, self._axes)

    def downsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return a geometry with larger pixels, or bins of an axis.

        Parameters
        ----------
        factor : int, how many times as large
        axis_name : str, by default the pixels are made larger

        Raises
        ------
        GeometryError
            If the number of pixels is not a multiple of the factor.
        """
        if axis_name is not None:
            return super().downsample(factor, axis_name)
        if any(n % factor for n in self.npix_image):
            n_lon, n_lat = self.npix_image
            raise GeometryError(f"{n_lon} x {n_lat} pixels are not a multiple of factor {factor!r}; pad the map before")
        n_lon, n_lat = (n // factor for n in self.npix_image)
        wcs = resampled_wcs(self.wcs, factor, (n_lon, n_lat))
        size = (self._cdelt[0] * factor, self._cdelt[1] * factor)
        return type(self)(wcs, (n_lon, n_lat), cdelt=size, axes=self._axes)

    def upsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return a geometry with smaller pixels, or bins of an axis.

        Parameters
        ----------
        factor : int, how many times as small
        axis_name : str, by default the pixels are made smaller
        """
        if axis_name is not None:
            return super().upsample(factor, axis_name)
        size = (self._cdelt[0] / factor, self._cdelt[1] / factor)
        return self._from_window(self._window.upsampled(factor), size, self._axes)

    def to_binsz(self, binsz: SizeLike) -> Self:
        """Return a geometry of the same width around the same centre with another pixel size (numbers in deg)."""
        return self._recreated(binsz=binsz, width=self.width)

    def to_odd_npix(self, max_radius: "QuantityLike | None" = None) -> Self:
        """Return a geometry with an odd number of square pixels, as for PSF kernels.

        Parameters
        ----------
        max_radius : Quantity
            Half the width; that of the longer side of the map by default.
        """
        width = self.width.max() if max_radius is None else 2 * u.Quantity(max_radius)
        return self._recreated(binsz=self.pixel_scales.max(), npix=image_masks.round_up_to_odd(self._n_wide(width)))

    def to_even_npix(self) -> Self:
        """Return a geometry with an even number of square pixels."""
        n_wide = self._n_wide(self.width.max())
        return self._recreated(binsz=self.pixel_scales.max(), npix=image_masks.round_up_to_even(n_wide))

    def _n_wide(self, width: u.Quantity) -> float:
        return float((width / self.pixel_scales.max()).to_value(""))

    def _recreated(self, **kwargs: Unpack[_SizeOfPixels]) -> Self:
        lon, lat = self._center_deg
        # in these frames the same numbers, without an object of astropy
        skydir: SkyDirLike = (lon % 360.0, lat) if self.frame in ("icrs", "galactic") else self.center_skydir
        return self.create(skydir=skydir, proj=self.projection, frame=self.frame, axes=self._axes, **kwargs)

    # Masks

    def region_mask(self, regions: "RegionLike | None", inside: bool = True, device: str | Device | None = None) -> Any:
        """Return a mask of the pixels whose centre lies in any of some regions.

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
        return make_map(self, self.region_mask_array(regions, inside, device), device)

    def region_mask_array(
        self, regions: "RegionLike | None", inside: bool = True, device: str | Device | None = None
    ) -> Array:
        """Return the mask of `region_mask` as an array, shape ``data_shape``.

        Parameters
        ----------
        regions, inside, device
            As in `region_mask`.
        """
        image = image_masks.region_mask_image(regions, self._window.plane, self.npix_image, self._window.lonlat)
        return full_data(self, image == inside, device)  # `image == inside` inverts the mask if `inside` is False

    def region_weights(
        self, regions: "RegionLike | None", oversampling_factor: int = 10, device: str | Device | None = None
    ) -> Any:
        """Return the part of each pixel that lies in any of some regions, from a mask with smaller pixels.

        Parameters
        ----------
        regions, device : see `region_mask`
        oversampling_factor : int, how many times as small

        Returns
        -------
        weights : WcsNDMap, from 0 to 1
        """
        fine = self.to_image().upsample(oversampling_factor)
        image = image_masks.region_mask_image(regions, fine.window.plane, fine.npix_image, fine.window.lonlat)
        return make_map(self, full_data(self, image_masks.block_mean(image, oversampling_factor), device), device)

    def boundary_mask(self, width: QuantityLike, device: str | Device | None = None) -> Any:
        """Return a mask of the pixels that are at least a width away from the border.

        Parameters
        ----------
        width : float, str or Quantity, or pair (lon, lat) of them
            Number of pixels, or an angle.
        device : str or Device
            Where the mask is made; the default device by default.

        Returns
        -------
        mask : WcsNDMap of bool
        """
        scales = self._window.grid.scales_deg
        # twice: the width is on both sides of a pixel
        structure = image_masks.binary_structure(2 * u.Quantity(width), scales, kernel="box")
        image = image_masks.without_border(self.npix_image, structure.shape)
        return make_map(self, full_data(self, image, device), device)

    def binary_structure(self, width: QuantityLike, kernel: str = "disk") -> NDArray[np.float64]:
        """Return a footprint for `WcsNDMap.binary_erode` and `WcsNDMap.binary_dilate`: one bin on each other axis.

        Parameters
        ----------
        width : float, str or Quantity
            Number of pixels, or an angle: radius of a disk, or side of a box; rounded up to an odd number of pixels.
        kernel : ``disk`` or ``box``
        """
        structure = image_masks.binary_structure(width, self._window.grid.scales_deg, kernel=kernel)
        return structure.reshape((1,) * len(self.axes) + structure.shape)

    # Comparison

    def is_aligned(self, other: "WcsGeom", tolerance: float = ALIGNED) -> bool:
        """Return whether the axes are equal, and the pixels fall on those of another geometry.

        Parameters
        ----------
        other : WcsGeom
        tolerance : float, of the numbers of the WCS, relative
        """
        other = other if isinstance(other, WcsGeom) else accepted(other)
        if not other.is_regular:
            return False
        # not strict, as in Gammapy: an image is aligned with a cube
        if self.axes is not other.axes and any(
            axis != other_axis for axis, other_axis in zip(self.axes, other.axes, strict=False)
        ):
            return False
        return self._window.grid.is_aligned(other.window.grid, tolerance)

    def is_allclose(
        self, other: "WcsGeom", rtol_axes: float = 1e-6, atol_axes: float = 1e-6, rtol_wcs: float = 1e-6
    ) -> bool:
        """Return whether another geometry has the same shape, axes and WCS within tolerances.

        Parameters
        ----------
        other : WcsGeom
        rtol_axes, atol_axes : float, of the edges of axes, see `numpy.allclose`
        rtol_wcs : float, of the numbers of the WCS
        """
        if not isinstance(other, WcsGeom):
            raise TypeError(f"cannot compare a {type(self).__name__} with a {type(other).__name__}")
        if self.is_regular != other.is_regular:
            return False
        if self.data_shape != other.data_shape:
            log.debug("shapes differ: %s and %s", self.data_shape, other.data_shape)
            return False
        if not self.axes.is_allclose(other.axes, rtol=rtol_axes, atol=atol_axes):
            log.debug("axes differ")
            return False
        # the same pixels of one grid, so that no WCS need be compared
        if self._window == other.window:
            return True
        return self.frame == other.frame and same_wcs(self.wcs, other.wcs, rtol_wcs)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        other = other if isinstance(other, WcsGeom) else accepted(other)
        return isinstance(other, WcsGeom) and self.is_allclose(other)

    def __hash__(self) -> int:
        return id(self)  # equality has tolerances, which no hash of the numbers fits

    def __str__(self) -> str:
        centre = self.center_skydir.data
        lon_ref, lat_ref = self.wcs.wcs.crval
        width, height = self.width.reshape((2, -1))[:, 0]  # of the first plane, where they differ
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
