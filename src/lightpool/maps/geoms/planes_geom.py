"""Geometry of maps whose pixels differ by image plane."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device, array_namespace, device_of, find_device, to_device
from lightpool.arrays.devices.dtypes import as_dtype
from lightpool.arrays.kernels.events import EDGE
from lightpool.errors import GeometryError
from lightpool.fits import BinTableHDU
from lightpool.maps.axes.axes import AxesLike, MapAxes
from lightpool.maps.axes.axis_base import BinIndex
from lightpool.maps.coord import CoordArray, MapCoord, MapCoordLike
from lightpool.maps.geoms.geom import INVALID, pix_to_idx
from lightpool.maps.geoms.plane_pixels import PlanePixels
from lightpool.maps.geoms.planes_class import register_planes_geom
from lightpool.maps.geoms.sky_window import SkyWindow
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.wcs_header import NpixLike, SizeLike, npix_pair

__all__ = ["PlanesWcsGeom"]

log = logging.getLogger(__name__)


class PlanesWcsGeom(WcsGeom):
    """Geometry with a pixel size and a number of pixels of its own in each image plane; `WcsGeom.create` makes it.

    All planes are centred on one position, in one projection. Maps have the number of pixels of the largest plane; the
    pixels of a smaller one come first, and the others belong to no position. Such maps are created, filled, read,
    interpolated, plotted and written, and are targets of a reduction without cutouts.
    """

    is_regular = False
    _planes: PlanePixels

    @classmethod
    def from_planes(cls, wcs: WCS, planes: PlanePixels, axes: AxesLike) -> Self:
        """Make a geometry.

        Parameters
        ----------
        wcs : WCS, of pixels of any size
        planes : PlanePixels
        axes : list of MapAxis, with as many bins as there are planes
        """
        known = MapAxes.from_default(axes, n_spatial_axes=2)
        if known.shape != planes.shape:
            raise GeometryError(f"the pixels are given for {planes.shape} bins, but the axes have {known.shape}")
        window = SkyWindow.from_wcs(wcs, planes.most)
        return cls._from_window(window, window.grid.scales, known)._holding(planes)

    def _holding(self, planes: PlanePixels) -> Self:
        self._keep(_planes=planes)
        return self

    def _made(self, planes: PlanePixels, axes: AxesLike) -> Self:
        return self.from_planes(self._window.grid.wcs, planes, axes)

    def _with_axes(self, axes: AxesLike) -> Any:
        known = MapAxes.from_default(axes, n_spatial_axes=2)
        if known.shape == self._planes.shape:
            return self._made(self._planes, known)
        if len(known) > 0 and known.shape[: len(self.axes)] == self._planes.shape:
            return self._made(self._planes.repeated(known.shape[len(self.axes) :]), known)
        if known.shape and np.prod(known.shape) >= self._planes.npix[0].size:
            self._refused()
        if len(known) > 0:
            log.warning(
                "the planes of the map have pixels of different size; on the axes %s, pixels of the first plane are "
                "taken for all",
                known.names,
            )
        return self.image_class(self._window.grid.wcs, self._planes.most, axes=known)

    @property
    def image_class(self) -> type[WcsGeom]:
        """Class of geometries with the same pixels in all planes."""
        return WcsGeom

    def copy(
        self,
        wcs: WCS | None = None,
        npix: "NpixLike | None" = None,
        cdelt: "SizeLike | None" = None,
        axes: AxesLike = None,
    ) -> Self:
        """Return a copy.

        Parameters
        ----------
        wcs : WCS, in which the planes are drawn
        npix, cdelt : None, the planes stay as they are
        axes : list of MapAxis, with as many bins
        """
        if npix is not None or cdelt is not None:
            raise GeometryError("npix and cdelt of a geometry with different planes are not replaced; make another one")
        return self.from_planes(wcs or self._window.grid.wcs, self._planes, self._axes if axes is None else axes)

    @classmethod
    def create(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a geometry, see `WcsGeom.create`.

        Parameters
        ----------
        *args, **kwargs : see `WcsGeom.create`
        """
        return WcsGeom.create(*args, **kwargs)

    def to_binsz(self, binsz: SizeLike) -> Any:
        """Return a geometry with the widths of the planes and another pixel size (numbers in deg)."""
        return self._recreated(binsz=binsz, width=tuple(self.width))

    # --- what is known of the pixels

    @property
    def planes(self) -> PlanePixels:
        """Number and size of the pixels of each plane."""
        return self._planes

    @property
    def npix(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number of pixels in longitude and latitude, arrays of the shape of the axes."""
        return self._planes.npix

    @property
    def width(self) -> u.Quantity:
        """Width in longitude and latitude, shape (2, n of the first axis, ...), unit deg."""
        return u.Quantity(np.stack([n * s for n, s in zip(self._planes.npix, self._planes.size, strict=True)]), "deg")

    @property
    def pixel_area(self) -> Any:
        """Product of the pixel sizes, deg2, array of the shape of the axes."""
        return self._planes.size[0] * self._planes.size[1]

    @property
    def is_allsky(self) -> bool:
        """Whether all planes are 360 deg wide and 180 deg high."""
        return bool(np.allclose(self.width[0].value, 360.0) and np.allclose(self.width[1].value, 180.0))

    @cached_property
    def center_skydir(self) -> SkyCoord:
        """Sky position of the centre of all planes."""
        return SkyCoord(*self._window.grid.wcs.wcs.crval, unit="deg", frame=self.frame)

    @property
    def center_coord(self) -> tuple[CoordArray, ...]:
        """Map coordinates of the centre, longitude first."""
        centre = self.center_skydir.data
        return (centre.lon, centre.lat, *self.axes.center_coord)

    def image_at(self, index: Sequence[int]) -> Any:
        """Return the image geometry of one plane.

        Parameters
        ----------
        index : indices of the axes
        """
        wcs = self._planes.wcs_of(tuple(index), self._window.grid.wcs)
        assert wcs.array_shape is not None
        return self.image_class(wcs, wcs.array_shape[::-1])

    def slice_by_idx(self, slices: Mapping[str, BinIndex]) -> Any:
        """Slice non-spatial axes by name; an axis with a whole number is dropped; without axes, one plane is left."""
        axes = self.axes.slice_by_idx(slices)
        planes = self._planes.sliced(self.axes.names, slices)
        if planes.npix[0].size > 1:
            return self._made(planes, axes)
        index = [int(np.arange(axis.nbin)[slices.get(axis.name, slice(None))].item()) for axis in self.axes]
        return self.image_at(index).to_cube(list(axes))

    # --- coordinates

    def _image_pix(self, pix: Sequence[ArrayLike]) -> PlanePixels:
        return self._planes.of([pix_to_idx(_) for _ in pix[2:]])

    def coord_to_pix(self, coords: MapCoordLike) -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates (lon, lat, axes...) of map coordinates, see `MapCoord.create`."""
        coords = MapCoord.create(coords, frame=self.frame, axis_names=self.axes.names)
        if coords.size == 0:
            return tuple(np.array([]) for _ in range(coords.ndim))
        lon, lat = (u.Quantity(_, "deg").value for _ in (coords.lon, coords.lat))
        planes = self._planes.of(self.axes.coord_to_idx(coords, clip=True))
        # of the grid, which has no border: the planes may be larger than that of the WCS
        image = planes.from_reference(*self._window.grid.plane.from_sky(lon, lat), self._window.grid.wcs)
        return (*image, *self.axes.coord_to_pix(coords))

    def pix_of_centers(self, geom: Any) -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates of the bin centres of another geometry; see `Geom.pix_of_centers`."""
        return self.coord_to_pix(geom.get_coord(sparse=True))

    def pix_to_coord(self, pix: Sequence[ArrayLike]) -> tuple[CoordArray, ...]:
        """Return the map coordinates (lon and lat in deg, axes...) of pixel coordinates; NaN off the sky."""
        x, y = self._image_pix(pix).to_reference(pix[0], pix[1], self._window.grid.wcs)
        lon, lat = self._window.grid.plane.to_sky(x, y)
        return (u.Quantity(lon, "deg"), u.Quantity(lat, "deg"), *self.axes.pix_to_coord(tuple(pix[2:])))

    def pix_to_idx(self, pix: Sequence[ArrayLike], clip: bool = False) -> tuple[NDArray[np.int64], ...]:
        """Return the pixel indices of pixel coordinates.

        Parameters
        ----------
        pix : sequence of arrays (lon, lat, axes...)
        clip : bool, whether coordinates outside get the index of the nearest pixel of their plane instead of -1
        """
        # all as of an array that holds all planes, then those that lie beyond a smaller plane
        bins = self.axes.pix_to_idx(tuple(pix_to_idx(_) for _ in pix[2:]), clip=clip)
        planes = self._planes.of(bins)
        idx = []
        for values, n in zip(super().pix_to_idx(pix, clip=clip)[:2], planes.npix, strict=True):
            idx.append(np.clip(values, 0, n - 1) if clip else np.where(values < n, values, INVALID))
        return (*idx, *bins)

    def get_pix(self, idx: Sequence[int] | None = None, mode: str = "center") -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates of all pixels, or of one image plane; NaN off the sky.

        Parameters
        ----------
        idx, mode : see `WcsGeom.get_pix`
        """
        pix = np.broadcast_arrays(*self._pix_sparse(idx, mode, ("lon", "lat")))
        off_sky = np.isnan(np.asarray(self.pix_to_coord(pix)[0]))
        return tuple(np.where(off_sky, np.nan, _) for _ in pix)

    def get_coord(
        self,
        idx: Sequence[int] | None = None,
        mode: str = "center",
        frame: str | None = None,
        sparse: bool = False,
        axis_name: str | Sequence[str] | None = None,
    ) -> MapCoord:
        """Return the map coordinates of all pixels, or of one image plane.

        Parameters
        ----------
        idx, mode, frame, sparse, axis_name : see `WcsGeom.get_coord`
        """
        names = ("lon", "lat") if axis_name is None else (axis_name,) if isinstance(axis_name, str) else axis_name
        data = self.pix_to_coord(self._pix_sparse(idx, mode, names))
        coords = MapCoord.create(data, frame=self.frame, axis_names=self.axes.names)
        if frame is not None and frame != self.frame:
            coords = coords.to_frame(frame)
        return coords if sparse else coords.broadcasted

    # --- areas

    def plane_index_array(self, lon: Array, lat: Array, bins: Sequence[Array]) -> tuple[Array, Array]:
        """Return the pixels (x, y) of sky positions on their planes, arrays of int64; -1 outside.

        Parameters
        ----------
        lon, lat : arrays of float64 on any device, rad in the frame of the map
        bins : arrays of int64 on that device, the bin on each axis; -1 outside
        """
        xp, device = array_namespace(lon), device_of(lon)
        plane = xp.zeros_like(lon, dtype=xp.int64)
        for bin_number, n_bin in zip(bins, self._planes.shape, strict=True):
            plane = plane * n_bin + xp.where(bin_number < 0, 0, bin_number)
        reference = self._window.grid.wcs.wcs
        pixels = []
        for number, pix in enumerate(self._window.grid.sky_to_pixel(lon, lat)):
            # of the planes, in the order in which `plane` counts them
            scale = np.ravel(self._planes.size[number]) / abs(reference.cdelt[number])
            n_pixel, middle = np.ravel(self._planes.npix[number]), np.ravel(self._planes.crpix[number]) - 1.0
            scales, middles, lengths = (
                xp.take(to_device(np.ascontiguousarray(_, dtype=float), device), plane)
                for _ in (scale, middle, n_pixel)
            )
            nearest = xp.floor((pix - float(reference.crpix[number] - 1.0)) / scales + middles + (0.5 + EDGE))
            inside = (nearest >= 0) & (nearest < lengths)  # False for NaN too
            pixels.append(as_dtype(xp.where(inside, nearest, -1.0), "int64"))
        return pixels[0], pixels[1]

    def solid_angle(self) -> u.Quantity:
        """Return the solid angle of the pixels in sr, of the shape of the data; NaN where a corner is off the sky."""
        return u.Quantity(np.asarray(self.solid_angle_array("cpu")), "sr", copy=True)

    def solid_angle_array(self, device: str | Device | None = None) -> Array:
        """Return the solid angle of the pixels in sr, a plain array on a device, of the shape of the data."""
        target = find_device(device)
        known: dict[tuple[Any, ...], Array] = {}
        planes = []
        for index in np.ndindex(self._planes.shape[::-1]):
            plane = self._planes.of([np.asarray(i) for i in index[::-1]])
            key = tuple(_.item() for _ in (*plane.npix, *plane.size))
            if key not in known:
                wcs = self._planes.wcs_of(index[::-1], self._window.grid.wcs)
                known[key] = SkyWindow.from_wcs(wcs, self.npix_image).solid_angle(target)
            planes.append(known[key])
        return target.xp.reshape(target.xp.stack(planes), self.data_shape)

    # --- other geometries

    def _grown(self, more_lon: int, more_lat: int) -> Self:
        return self._made(self._planes.grown(more_lon, more_lat), self._axes)

    def crop(self, crop_width: int | tuple[int, int]) -> Self:
        """Return a geometry with fewer pixels (int, or pair lon, lat) at each border of each plane."""
        n_lon, n_lat = npix_pair(crop_width, "crop_width")
        return self._grown(-n_lon, -n_lat)

    def downsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return a geometry with larger pixels.

        Parameters
        ----------
        factor : int, how many times as large
        axis_name : None, bins of axes are not joined
        """
        return self._made(self._planes.scaled(_only_pixels(factor, axis_name)), self._axes)

    def upsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return a geometry with smaller pixels.

        Parameters
        ----------
        factor : int, how many times as small
        axis_name : None, bins of axes are not divided
        """
        return self._made(self._planes.scaled(1 / _only_pixels(factor, axis_name)), self._axes)

    def to_bands_hdu(self, hdu_bands: str | None = None, format: str = "gadf") -> BinTableHDU:
        """Return a table HDU of the non-spatial axes, with the pixels of each plane.

        Parameters
        ----------
        hdu_bands : str, name of the HDU
        format : str, see `MapAxes.to_table_hdu`
        """
        table = super().to_bands_hdu(hdu_bands=hdu_bands, format=format)
        columns = [*table.columns, *self._planes.columns]
        return BinTableHDU.from_columns(columns, header=table.header, name=table.name)

    def is_allclose(
        self, other: WcsGeom, rtol_axes: float = 1e-6, atol_axes: float = 1e-6, rtol_wcs: float = 1e-6
    ) -> bool:
        """Return whether another geometry has the same planes, axes and WCS within tolerances.

        Parameters
        ----------
        other, rtol_axes, atol_axes, rtol_wcs : see `WcsGeom.is_allclose`
        """
        if not isinstance(other, PlanesWcsGeom) or not self._planes.is_allclose(other.planes, rtol_wcs):
            return False
        return super().is_allclose(other, rtol_axes, atol_axes, rtol_wcs)

    def is_aligned(self, other: WcsGeom, tolerance: float = 1e-6) -> bool:
        """Return whether the planes and axes are those of another geometry; parts of planes are not aligned.

        Parameters
        ----------
        other : WcsGeom
        tolerance : float
        """
        return self.is_allclose(other, rtol_wcs=tolerance)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WcsGeom) and self.is_allclose(other)

    def __hash__(self) -> int:
        return id(self)

    # --- what needs the same pixels in all planes

    def _refused(self, *args: object, **kwargs: object) -> NoReturn:
        raise GeometryError(
            "this needs the same pixels in all planes, but the planes of this geometry have pixels of different size; "
            "take one plane with slice_by_idx, or make a geometry with one binsz"
        )

    cutout = cutout_slices = cutout_parts = overlap_on = _refused
    directions = separation_array = offset_vectors = pixel_numbers_on = sky_to_pix_array = _refused
    region_mask = region_mask_array = region_weights = boundary_mask = _refused
    resample_axis = _refused


def _only_pixels(factor: int, axis_name: str | None) -> int:
    if axis_name is not None:
        raise NotImplementedError(
            f"bins of axis {axis_name!r} are neither joined nor divided while their pixels differ; take planes with "
            "slice_by_idx"
        )
    return factor


register_planes_geom(PlanesWcsGeom)
