"""Geometry of maps with sky pixels."""

import copy
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS

from lightpool.arrays.devices import Device
from lightpool.arrays.projections import Projection
from lightpool.arrays.typing import Array
from lightpool.errors import GeometryError
from lightpool.maps import masks
from lightpool.maps.axes import MapAxes
from lightpool.maps.coord import MapCoord
from lightpool.maps.cutouts import cutout_origin, overlap_slices, trim_window
from lightpool.maps.geom import INVALID, Geom, HostArray, full_data, pix_to_idx
from lightpool.maps.pixels import SkyWindow
from lightpool.maps.wcs_header import (
    all_sky_npix,
    binsz_deg,
    create_wcs,
    header_npix,
    lonlat_deg,
    npix_pair,
    pixel_scales_deg,
    resampled_wcs,
    width_deg,
    world_to_pixel,
)

if TYPE_CHECKING:
    from lightpool.maps.core import Map

__all__ = ["WcsGeom"]

log = logging.getLogger(__name__)


class WcsGeom(Geom):
    """Geometry of a map with sky pixels and any number of non-spatial axes; it is never changed after it was made.

    Maps that are cut out, padded or cropped, and copies with other axes, share the pixel directions, solid angles and
    separations of the geometry that they come from (see `lightpool.maps.pixels`).

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

    def __init__(self, wcs: WCS, npix: Any = None, cdelt: Any = None, axes: Any = None) -> None:
        if npix is None:
            if wcs.array_shape is None:
                raise GeometryError("npix is not given, and the WCS does not know the shape of its array either")
            npix = tuple(wcs.array_shape[::-1])
        size = None if cdelt is None else binsz_deg(cdelt)
        self._set(SkyWindow.from_wcs(wcs, npix_pair(npix)), size, axes)

    def _set(self, window: SkyWindow, cdelt: tuple[float, float] | None, axes: Any) -> None:
        self._window = window
        self._cdelt = cdelt or tuple(float(_) for _ in pixel_scales_deg(window.grid.wcs))
        self._axes = MapAxes.from_default(axes, n_spatial_axes=2)
        self._cutout_info: dict[str, Any] | None = None

    @classmethod
    def _from_window(cls, window: SkyWindow, cdelt: tuple[float, float], axes: Any) -> Self:
        geom = cls.__new__(cls)
        geom._set(window, cdelt, axes)
        return geom

    def _with_axes(self, axes: Any) -> Self:
        geom = self._from_window(self._window, self._cdelt, axes)
        geom._cutout_info = self._cutout_info
        return geom

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._with_axes(copy.deepcopy(self._axes, memo))

    def copy(self, wcs: WCS | None = None, npix: Any = None, cdelt: Any = None, axes: Any = None) -> Self:
        """Copy, with some of the arguments of the constructor replaced."""
        new_axes = self._axes if axes is None else axes
        if wcs is None and npix is None and cdelt is None:
            return self._with_axes(new_axes)
        return type(self)(wcs or self.wcs, npix or self._npix_image, cdelt=cdelt or self._cdelt, axes=new_axes)

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
    def from_header(cls, header: Mapping[str, Any], hdu_bands: Any = None, format: str = "gadf") -> Self:  # noqa: A002
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

    def to_bands_hdu(self, hdu_bands: str | None = None, format: str = "gadf") -> Any:  # noqa: A002
        """Table HDU of the non-spatial axes, see `MapAxes.to_table_hdu`."""
        return self.axes.to_table_hdu(format=format, hdu_bands=hdu_bands)

    # The image part

    @property
    def wcs(self) -> WCS:
        """WCS; not to be changed."""
        return self._window.wcs

    @property
    def frame(self) -> str:
        """Name of the frame, ``icrs`` or ``galactic``."""
        return self._window.grid.frame

    @property
    def projection(self) -> str:
        """Code of the projection, such as ``CAR``."""
        return str(self._window.grid.wcs.wcs.ctype[0])[5:]

    @property
    def _npix_image(self) -> tuple[int, int]:
        return self._window.box.nx, self._window.box.ny

    @property
    def npix(self) -> tuple[HostArray, HostArray]:
        """Number of pixels in longitude and latitude, arrays of one number each."""
        n_lon, n_lat = self._npix_image
        return np.array([n_lon]), np.array([n_lat])

    @property
    def width(self) -> u.Quantity:
        """Width in longitude and latitude, shape (2, 1), unit deg."""
        return u.Quantity([[n * size] for n, size in zip(self._npix_image, self._cdelt, strict=True)], "deg")

    @property
    def _scales(self) -> HostArray:
        return pixel_scales_deg(self._window.grid.wcs)

    @property
    def pixel_scales(self) -> Angle:
        """Pixel size in longitude and latitude at the reference pixel."""
        return Angle(self._scales, "deg")

    @property
    def pixel_area(self) -> float:
        """Product of the pixel sizes, deg2; see `solid_angle` for the area on the sky."""
        return self._cdelt[0] * self._cdelt[1]

    @property
    def is_allsky(self) -> bool:
        """Whether the map is 360 deg wide and 180 deg high."""
        return bool(np.allclose(self.width.value.ravel(), [360.0, 180.0]))

    @cached_property
    def center_skydir(self) -> SkyCoord:
        """Sky position of the centre."""
        lon, lat = self.wcs.wcs_pix2world(*self.center_pix[:2], 0)
        return SkyCoord(float(lon), float(lat), unit="deg", frame=self.frame)

    @property
    def footprint(self) -> SkyCoord:
        """Sky positions of the four corner pixels."""
        return SkyCoord(self.wcs.calc_footprint(), frame=self.frame, unit="deg")

    @property
    def footprint_rectangle_sky_region(self) -> Any:
        """Rectangle of the width of the map around its centre."""
        return masks.rectangle_region(self.center_skydir, *self.width.ravel())

    # Coordinates

    def coord_to_pix(self, coords: Any) -> tuple[HostArray, ...]:
        """Pixel coordinates (lon, lat, axes...) of map coordinates, see `MapCoord.create`."""
        coords = MapCoord.create(coords, frame=self.frame, axis_names=self.axes.names)
        if coords.size == 0:
            return tuple(np.array([]) for _ in range(coords.ndim))
        lon, lat = (u.Quantity(_, "deg").value for _ in (coords.lon, coords.lat))
        return (*self.wcs.wcs_world2pix(lon, lat, 0), *self.axes.coord_to_pix(coords))

    def pix_to_coord(self, pix: Sequence[Any]) -> tuple[Any, ...]:
        """Map coordinates (lon and lat in deg, axes...) of pixel coordinates; NaN off the sky."""
        lon, lat = self.wcs.wcs_pix2world(pix[0], pix[1], 0)
        return (u.Quantity(lon, "deg"), u.Quantity(lat, "deg"), *self.axes.pix_to_coord(tuple(pix[2:])))

    def pix_to_idx(self, pix: Sequence[Any], clip: bool = False) -> tuple[HostArray, ...]:
        """Pixel indices of pixel coordinates, -1 outside the geometry unless clipped."""
        idx = [pix_to_idx(_) for _ in pix]
        for i, n in enumerate(self._npix_image):
            idx[i] = np.clip(idx[i], 0, n - 1) if clip else np.where((idx[i] < 0) | (idx[i] >= n), INVALID, idx[i])
        return (*idx[:2], *self.axes.pix_to_idx(tuple(idx[2:]), clip=clip))

    def contains(self, coords: Any) -> HostArray:
        """Whether map coordinates lie on the map."""
        return self.contains_pix(self.coord_to_pix(coords))

    def get_pix(self, idx: Sequence[int] | None = None, mode: str = "center") -> tuple[HostArray, ...]:
        """Pixel coordinates of all pixels, or of one image plane; NaN off the sky.

        Parameters
        ----------
        idx : tuple of int
            Indices of a plane on the non-spatial axes; all planes by default.
        mode : ``center`` or ``edges``
            Whether to take the pixel centres or the corners.
        """
        pix = np.broadcast_arrays(*self._pix_sparse(idx, mode, ("lon", "lat")))
        off_sky = np.isnan(np.broadcast_to(self._image_coord(mode, ("lon", "lat"))[0], pix[0].shape))
        return tuple(np.where(off_sky, np.nan, _) for _ in pix)

    def get_idx(self, idx: Sequence[int] | None = None, flat: bool = False) -> tuple[HostArray, ...]:
        """Indices of all pixels or of one plane, -1 off the sky; flat leaves those out and gives vectors."""
        pix = self.get_pix(idx)
        return tuple(pix_to_idx(_[np.isfinite(_)] if flat else _) for _ in pix)

    def get_coord(
        self,
        idx: Sequence[int] | None = None,
        mode: str = "center",
        frame: str | None = None,
        sparse: bool = False,
        axis_name: str | Sequence[str] | None = None,
    ) -> MapCoord:
        """Map coordinates of all pixels, or of one image plane.

        Parameters
        ----------
        idx : tuple of int
            Indices of a plane on the non-spatial axes; all planes by default.
        mode : ``center`` or ``edges``
            Whether to take centres, or edges on the axes of ``axis_name``.
        frame : str
            Frame of the coordinates; that of the map by default.
        sparse : bool
            Whether arrays keep length 1 on the dimensions that they do not depend on.
        axis_name : str or list of str
            Axes whose edges are taken; longitude and latitude by default.

        Returns
        -------
        coord : MapCoord
        """
        names = (
            ("lon", "lat") if axis_name is None else (axis_name,) if isinstance(axis_name, str) else tuple(axis_name)
        )
        pix = self._pix_sparse(idx, mode, names)
        lon, lat = (u.Quantity(_, "deg", copy=False) for _ in self._image_coord(mode, names))
        shape = (1,) * (len(pix) - 2) + lon.shape
        data = (lon.reshape(shape), lat.reshape(shape), *self.axes.pix_to_coord(tuple(pix[2:])))
        coords = MapCoord.create(data, frame=self.frame, axis_names=self.axes.names)
        if frame is not None and frame != self.frame:
            coords = coords.to_frame(frame)
        return coords if sparse else coords.broadcasted

    def _pix_sparse(self, idx: Sequence[int] | None, mode: str, axis_name: Sequence[str]) -> list[HostArray]:
        if mode not in ("center", "edges"):
            raise ValueError(f"mode must be 'center' or 'edges', got {mode!r}")
        edges = [mode == "edges" and name in axis_name for name in self.axes_names]
        sizes = self.data_shape[::-1]
        pix = [np.arange(-0.5, n) if edge else np.arange(float(n)) for n, edge in zip(sizes, edges, strict=True)]
        if idx is not None:
            pix[2:] = [np.array([float(_)]) for _ in np.atleast_1d(idx)]
        return [_.reshape((-1,) + (1,) * i) for i, _ in enumerate(pix)]

    def _image_coord(self, mode: str, axis_name: Sequence[str]) -> HostArray:
        """Longitude and latitude of centres or corners in deg, shape (2, ny, nx)."""
        if mode == "center" or not {"lon", "lat"} & set(axis_name):
            return self._window.lonlat()
        x, y = np.broadcast_arrays(*self.to_image()._pix_sparse(None, mode, axis_name))
        return np.stack(self.wcs.wcs_pix2world(x, y, 0))

    # Sky areas and angles

    def solid_angle(self) -> u.Quantity:
        """Solid angle of the pixels in sr, with one bin on each non-spatial axis; NaN where a corner is off the sky."""
        return u.Quantity(self._window.solid_angle("cpu"), "sr", copy=True).reshape(self.data_shape_image)

    def bin_volume(self) -> u.Quantity:
        """Solid angle times the bin widths of the non-spatial axes."""
        volume = self.solid_angle()
        return volume if self.is_image else volume * self.axes.bin_volume()

    def separation(self, center: SkyCoord) -> Angle:
        """Angle between the pixel centres and a position, shape (ny, nx)."""
        lon, lat = lonlat_deg(center, self.frame)
        return Angle(np.rad2deg(self._window.separation(np.deg2rad(lon), np.deg2rad(lat), "cpu")), "deg")

    @property
    def sky_projection(self) -> Projection | None:
        """Projection as array code; None for a projection that `lightpool.arrays` lacks: then wcslib does the work."""
        return self._window.grid.projection

    def directions(self, device: str | Device | None = None) -> Array:
        """Unit vectors of the pixel centres in the frame of the map, shape (3, ny, nx); NaN off the sky."""
        return self._window.directions(device)

    def solid_angle_array(self, device: str | Device | None = None) -> Array:
        """Solid angle of the pixels in sr as a plain array on a device, shape (ny, nx); not to be changed."""
        return self._window.solid_angle(device)

    def separation_array(self, lon: float, lat: float, device: str | Device | None = None) -> Array:
        """Angle to a position (rad, in the frame of the map) in rad, shape (ny, nx), on a device; not to be changed."""
        return self._window.separation(lon, lat, device)

    def offset_vectors(self, pointing: SkyCoord, device: str | Device | None = None) -> Array:
        """Unit vectors of the pixel centres in the field of view of a pointing, shape (3, ny, nx).

        The frame is that of `lightpool.arrays.fov_matrix`, with the axis of longitude along ICRS parallels.
        """
        return self._window.field_of_view(*lonlat_deg(pointing, "icrs"), device)

    def sky_to_pix_array(self, lon: Array, lat: Array) -> tuple[Array, Array]:
        """Pixel coordinates of positions (rad, in the frame of the map), arrays on any device; NaN off the map plane."""
        return self._window.sky_to_pixel(lon, lat)

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
            size = masks.round_up_to_odd(size)
        npix = [int(np.round(_)) for _ in size]
        x, y = world_to_pixel(self.wcs, position, self.frame)
        origin = cutout_origin((float(x), float(y)), npix)
        (x0, y0), (n_lon, n_lat) = trim_window(origin, npix, self._npix_image, mode)
        geom = self._from_window(self._window.moved(x0, y0, n_lon, n_lat), self._cdelt, self._axes)
        geom._cutout_info = overlap_slices((x0, y0), (n_lon, n_lat), self._npix_image)
        return geom

    @property
    def cutout_info(self) -> dict[str, tuple[slice, slice]] | None:
        """Slices (y, x) ``parent-slices`` and ``cutout-slices`` of a cutout on the map that it was cut from, or None."""
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
        """
        origin = self._origin_on(geom)
        trim_window(origin, self._npix_image, geom._npix_image, mode)
        slices = overlap_slices(origin, self._npix_image, geom._npix_image)
        if mode == "trim":
            slices["cutout-slices"] = tuple(slice(0, _.stop - _.start) for _ in slices["parent-slices"])  # type: ignore[assignment]
        return slices

    def _origin_on(self, geom: "WcsGeom") -> tuple[int, int]:
        if self._window.grid is geom._window.grid:
            box, parent = self._window.box, geom._window.box
            return box.x0 - parent.x0, box.y0 - parent.y0
        if self.to_image().is_aligned(geom.to_image()):
            x0, y0 = np.rint(geom.wcs.wcs.crpix - self.wcs.wcs.crpix).astype(int).tolist()
            return x0, y0
        x, y = world_to_pixel(geom.wcs, self.center_skydir, geom.frame)
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
            raise GeometryError(
                f"the map has {self._npix_image[0]} x {self._npix_image[1]} pixels, not a multiple of factor {factor!r}; "
                "pad it before"
            )
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
        return self._recreated(binsz=self.pixel_scales.max(), npix=masks.round_up_to_odd(self._n_wide(width)))

    def to_even_npix(self) -> Self:
        """Geometry with an even number of square pixels."""
        n_wide = self._n_wide(self.width.max())
        return self._recreated(binsz=self.pixel_scales.max(), npix=masks.round_up_to_even(n_wide))

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

        image = masks.region_mask_image(regions, self.wcs, self._npix_image, self._window.lonlat()[0])
        return Map.from_geom(self, data=full_data(self, image == inside, device), unit="")

    def region_weights(self, regions: Any, oversampling_factor: int = 10, device: str | Device | None = None) -> "Map":
        """Part of each pixel that lies in any of some regions, from a mask with smaller pixels."""
        from lightpool.maps.core import Map  # see region_mask

        fine = self.to_image().upsample(oversampling_factor)
        image = masks.region_mask_image(regions, fine.wcs, fine._npix_image, fine._window.lonlat()[0])
        return Map.from_geom(self, data=full_data(self, masks.block_mean(image, oversampling_factor), device), unit="")

    def boundary_mask(self, width: Any, device: str | Device | None = None) -> "Map":
        """Mask of the pixels that are at least a width (number of pixels, or angle; or a pair) away from the border."""
        from lightpool.maps.core import Map  # see region_mask

        structure = masks.binary_structure(2 * u.Quantity(width), self._scales, kernel="box")
        image = masks.without_border(self._npix_image, structure.shape)
        return Map.from_geom(self, data=full_data(self, image, device), unit="")

    def binary_structure(self, width: Any, kernel: str = "disk") -> HostArray:
        """Footprint for `WcsNDMap.binary_erode` and `WcsNDMap.binary_dilate`, with one bin on each non-spatial axis.

        Parameters
        ----------
        width : float, str or Quantity
            Number of pixels, or an angle: radius of a disk, or side of a box; rounded up to an odd number of pixels.
        kernel : ``disk`` or ``box``
        """
        structure = masks.binary_structure(width, self._scales, kernel=kernel)
        return structure.reshape((1,) * len(self.axes) + structure.shape)

    # Comparison

    def is_aligned(self, other: "WcsGeom", tolerance: float = 1e-6) -> bool:
        """Whether the axes are equal, and the pixels fall on those of another geometry."""
        if any(axis != other_axis for axis, other_axis in zip(self.axes, other.axes, strict=False)):
            return False
        if self._window.grid is other._window.grid:
            return True
        # 2: the reference pixels may differ by whole numbers
        return bool(self.wcs.wcs.compare(other.wcs.wcs, cmp=2, tolerance=tolerance))

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
        # 1: times, names and the like are not compared
        return bool(self.wcs.wcs.compare(other.wcs.wcs, cmp=1, tolerance=rtol_wcs))

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
