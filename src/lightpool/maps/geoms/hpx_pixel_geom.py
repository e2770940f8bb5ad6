"""Geometry with HEALPix pixels: what is known of its pixels."""

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self, TypeAlias, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import Device, find_device
from lightpool.arrays.kernels.sphere import lonlat, unit_vectors
from lightpool.bridge import accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.maps.axes.axes import AxesLike, MapAxes
from lightpool.maps.coord import CoordArray, MapCoord, MapCoordLike
from lightpool.maps.geoms.geom import INVALID, Geom
from lightpool.maps.geoms.hpx_host import centers_of, pixels_around, pixels_at
from lightpool.maps.geoms.hpx_pixels import HpxPixels
from lightpool.maps.geoms.hpx_regions import EXPLICIT, HpxRegion, is_power_of_two, pixel_size
from lightpool.maps.geoms.hpx_sky import HpxSky
from lightpool.maps.wcs_header import lonlat_deg
from lightpool.typing import FrameLike

__all__ = ["HpxPixelGeom"]

Index: TypeAlias = tuple[NDArray[np.int64], ...]


class HpxPixelGeom(Geom):
    """HEALPix pixels and non-spatial axes: coordinates, areas, angles. `HpxGeom` adds how one is made from another.

    Parameters
    ----------
    nside, nest, frame, region, axes : see `HpxGeom`
    """

    is_hpx = True
    _nside: NDArray[np.int64]
    _frame: str
    _region: str | None
    _pixels: HpxPixels
    _sky: HpxSky | None

    @accepts_gammapy
    def __init__(
        self,
        nside: ArrayLike,
        nest: bool = True,
        frame: FrameLike = "icrs",
        region: "str | tuple[ArrayLike, ...] | None" = None,
        axes: AxesLike = None,
    ) -> None:
        if frame not in ("icrs", "galactic"):
            raise GeometryError(f"frame of a HEALPix geometry must be 'icrs' or 'galactic', got {frame!r}")
        known_axes = MapAxes.from_default(axes, n_spatial_axes=1)
        numbers = np.array(nside, ndmin=1)
        if not np.issubdtype(numbers.dtype, np.integer) and np.any(numbers != np.floor(numbers)):
            raise GeometryError(f"nside must be a whole number, got {nside!r}")
        pixels = HpxPixels.of(numbers.astype(np.int64), bool(nest), region, known_axes.shape).simplified()
        self._set(pixels, str(frame), EXPLICIT if isinstance(region, tuple) else region, known_axes)

    def _set(self, pixels: HpxPixels, frame: str, region: str | None, axes: MapAxes, sky: HpxSky | None = None) -> None:
        shape = axes.shape if pixels.nside.size > 1 else (1,)
        if sky is None and pixels.is_regular:
            sky = HpxSky(pixels.repeated(1), frame)
        self._keep(
            _nside=pixels.nside.reshape(shape), _frame=frame, _region=region, _axes=axes, _pixels=pixels, _sky=sky
        )

    @classmethod
    def _from_pixels(
        cls, pixels: HpxPixels, frame: str, region: str | None, axes: AxesLike, sky: HpxSky | None = None
    ) -> Self:
        geom = cls.__new__(cls)
        geom._set(pixels, frame, region, MapAxes.from_default(axes, n_spatial_axes=1), sky)
        return geom

    def _with_axes(self, axes: AxesLike) -> Self:
        new = MapAxes.from_default(axes, n_spatial_axes=1)
        if self._sky is not None:
            pixels = self._sky.pixels.repeated(int(np.prod(new.shape)))
            return self._from_pixels(pixels, self._frame, self._region, new, self._sky)
        if new.shape == self.axes.shape:
            return self._from_pixels(self._pixels, self._frame, self._region, new)
        # planes with pixels of their own do not belong to other axes: those of all planes together do
        pixels = self._pixels.united()
        return self._from_pixels(pixels.repeated(int(np.prod(new.shape))), self._frame, self._region, new)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        # pixels are never changed, so copies share them and what was computed on them
        return self._from_pixels(self._pixels, self._frame, self._region, copy.deepcopy(self._axes, memo), self._sky)

    # --- the image part

    @property
    def pixels(self) -> HpxPixels:
        """Numbers of the pixels of each plane; they must not be changed."""
        return self._pixels

    @property
    def sky(self) -> HpxSky:
        """The image part.

        Raises
        ------
        GeometryError
            If the planes do not have the same pixels.
        """
        if self._sky is None:
            raise GeometryError(
                "the image planes of this HEALPix geometry have different pixels, and this needs planes with the same "
                "ones; `to_image` returns a geometry of one plane"
            )
        return self._sky

    @property
    def nside(self) -> NDArray[np.int64]:
        """Number of pixels along the side of one of the 12 faces of the sky, of all planes or of each one."""
        return self._nside

    @property
    def nest(self) -> bool:
        """Whether pixels are numbered in the NESTED scheme, otherwise in the RING scheme."""
        return self._pixels.nest

    @property
    def ordering(self) -> str:
        """Name of the scheme in which pixels are numbered, ``NESTED`` or ``RING``."""
        return "NESTED" if self.nest else "RING"

    @property
    def order(self) -> NDArray[np.int64]:
        """Base-2 logarithm of nside; -1 where it is not a power of two."""
        return np.where(is_power_of_two(self._nside), np.round(np.log2(self._nside)).astype(np.int64), -1)

    @property
    def npix(self) -> NDArray[np.int64]:
        """Number of pixels of each plane, in the order of the axes."""
        return np.array(self._pixels.n_pix).reshape(self.axes.shape or (1,))

    @property
    def npix_max(self) -> NDArray[np.int64]:
        """Number of pixels on all the sky of each plane, in the order of the axes."""
        return np.array(self._pixels.n_all).reshape(self.axes.shape or (1,))

    @property
    def frame(self) -> str:
        """Name of the frame, ``icrs`` or ``galactic``."""
        return self._frame

    @property
    def projection(self) -> str:
        """``HPX``."""
        return "HPX"

    @property
    def region(self) -> str | None:
        """Text of the region, see `HpxGeom`; ``explicit`` for a list of pixels, None for all the sky."""
        return self._region

    @property
    def is_allsky(self) -> bool:
        """Whether the geometry has all pixels of the sky."""
        return self._region is None

    @property
    def is_regular(self) -> bool:  # type: ignore[override]
        """Whether all image planes have the same pixels."""
        return self._pixels.is_regular

    @property
    def ndim(self) -> int:
        """Number of coordinates: two on the sky, and one for each axis."""
        return len(self.axes) + 2

    @property
    def axes_names(self) -> list[str]:
        """``skycoord`` and the names of the axes."""
        return ["skycoord", *self.axes.names]

    @cached_property
    def _n_column(self) -> int:
        return int(np.max(self._pixels.n_pix, initial=0))

    @property
    def npix_image(self) -> tuple[int, int]:
        """Length of the last dimension of the data, and 1."""
        return self._n_column, 1

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of the data: axes in reversed order, then the pixels."""
        return (*self.axes.shape[::-1], self._n_column)

    @property
    def data_shape_axes(self) -> tuple[int, ...]:
        """Shape of the data with one pixel."""
        return (*self.axes.shape[::-1], 1)

    @property
    def data_shape_image(self) -> tuple[int, ...]:
        """Shape of the data with one bin on each non-spatial axis."""
        return (1,) * len(self.axes) + (self._n_column,)

    @cached_property
    def _center(self) -> tuple[float, float, float]:
        """Longitude and latitude of the centre, and the angle from there to the farthest pixel, deg."""
        if self._region is None:
            return 0.0, 0.0, 180.0
        if self._region != EXPLICIT:
            region = HpxRegion.parse(self._region)
            return region.lon, region.lat, region.radius
        positions = [
            centers_of(self._pixels.of_plane(_), int(self._pixels.nside_of(_)), nest=self.nest)
            for _ in range(self._pixels.n_plane if not self.is_regular else 1)
        ]
        directions = unit_vectors(*np.concatenate(positions, axis=1))
        if not directions.size:
            return 0.0, 0.0, 0.0
        middle = directions.mean(axis=1)
        lon, lat = (float(np.rad2deg(_)) for _ in lonlat(middle))
        unit = middle / np.linalg.norm(middle)
        chord = np.linalg.norm(directions - unit[:, None], axis=0).max()
        return lon, lat, float(np.rad2deg(2.0 * np.arcsin(min(chord / 2.0, 1.0))))

    @property
    def center_skydir(self) -> SkyCoord:
        """Sky position of the centre."""
        lon, lat, _ = self._center
        return SkyCoord(lon, lat, unit="deg", frame=self._frame)

    @property
    def width(self) -> u.Quantity:
        """Diameter of the region, deg; 360 deg for all the sky."""
        return u.Quantity(2.0 * self._center[2], "deg")

    @property
    def pixel_scales(self) -> u.Quantity:
        """Size of the pixels of each plane, rounded, deg."""
        return u.Quantity(pixel_size(self._nside), "deg")

    # --- coordinates: the first pixel coordinate is the number of the pixel on all the sky

    def _plane(self, bins: Sequence[ArrayLike]) -> NDArray[np.int64]:
        """Return the number of the image plane of bins on the axes; of bins outside, the nearest plane."""
        if not len(self.axes):
            return np.zeros(1, dtype=np.int64)
        within = [np.clip(np.asarray(b), 0, n - 1) for b, n in zip(bins, self.axes.shape, strict=True)]
        return np.asarray(np.ravel_multi_index(tuple(np.broadcast_arrays(*within)), self.axes.shape))

    def _nside_at(self, bins: Sequence[ArrayLike]) -> NDArray[np.int64]:
        return self._pixels.nside if self._pixels.nside.size == 1 else self._pixels.nside_of(self._plane(bins))

    def _coord(self, coords: MapCoordLike) -> MapCoord:
        return MapCoord.create(coords, frame=self._frame, axis_names=self.axes.names)

    def coord_to_pix(self, coords: MapCoordLike) -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates (pixel, axes...) of map coordinates, see `MapCoord.create`.

        The number of the pixel is a whole number: that on all the sky, whatever the region is. It is -1, as are the
        other coordinates, where a position is not finite.
        """
        coords = self._coord(coords)
        lon, lat = (np.deg2rad(u.Quantity(_, "deg").value) for _ in (coords.lon, coords.lat))
        bins = self.axes.coord_to_idx(coords, clip=True) if self._pixels.nside.size > 1 else ()
        lon, lat, *_ = np.broadcast_arrays(lon, lat, *bins)
        number = pixels_at(lon, lat, self._nside_at(bins), nest=self.nest)
        number, *pix = np.broadcast_arrays(number, *self.axes.coord_to_pix(coords))
        outside = number < 0
        return (number.copy(), *(np.where(outside, float(INVALID), p) for p in pix))

    def pix_of_bins(self, lon: ArrayLike, lat: ArrayLike, bins: Sequence[NDArray[np.int64]]) -> Index:
        """Return the indices (pixel, bins...) of positions in bins; -1 outside the axes.

        Parameters
        ----------
        lon, lat : array of float, rad in the frame of the geometry
        bins : sequence of arrays of int64, one for each axis
        """
        return (pixels_at(lon, lat, self._nside_at(bins), nest=self.nest), *bins)

    def pix_to_coord(self, pix: Sequence[ArrayLike]) -> tuple[CoordArray, ...]:
        """Return the map coordinates (lon and lat in deg, axes...) of pixel coordinates; NaN for pixel -1."""
        number = np.round(np.asarray(pix[0], dtype=float)).astype(np.int64)
        bins = [np.asarray(np.round(np.asarray(p, dtype=float)), dtype=np.int64) for p in pix[1:]]
        outside = number < 0
        position = np.rad2deg(centers_of(np.where(outside, 0, number), self._nside_at(bins), nest=self.nest))
        lon, lat = (np.where(outside, np.nan, _) for _ in position)
        others = self.axes.pix_to_coord([np.where(outside, np.nan, p) if outside.any() else p for p in pix[1:]])
        return (u.Quantity(lon, "deg"), u.Quantity(lat, "deg"), *others)

    def pix_to_idx(self, pix: Sequence[ArrayLike], clip: bool = False) -> Index:
        """Return the indices (pixel, axes...) of pixel coordinates; -1 outside the geometry.

        Parameters
        ----------
        pix : sequence of arrays (pixel, axes...), or of the axes alone
        clip : bool, whether coordinates outside the axes get the nearest bin instead of -1
        """
        if len(pix) == len(self.axes):
            return self.axes.pix_to_idx([_whole(p) for p in pix], clip=clip)
        number, *bins = (_whole(p) for p in pix)
        if clip:
            return (np.maximum(number, 0), *self.axes.pix_to_idx(bins, clip=True))
        bins = list(self.axes.pix_to_idx(bins, clip=False))
        inside = self._pixels.to_local(number, self._plane(bins)) >= 0
        return (np.where(inside, number, INVALID), *bins)

    def global_to_local(
        self, idx_global: "int | Sequence[ArrayLike] | NDArray[np.int64]", ravel: bool = False
    ) -> "Index | NDArray[np.int64]":
        """Return where pixels are in the data.

        Parameters
        ----------
        idx_global : tuple of arrays of int (pixel, bins...), with the number of the pixel on all the sky
            A number, a tuple of numbers, or an array are pixels of all planes, counted plane by plane.
        ravel : bool, whether to return the number in the flattened data of all planes, plane by plane

        Returns
        -------
        idx_local : tuple of arrays of int (place in the data, bins...); all are -1 for pixels that are not there
        """
        if isinstance(idx_global, int | np.ndarray) or isinstance(idx_global[0], int):
            parts = _pixel_and_bins(cast(ArrayLike, idx_global), self.npix_max.ravel(), self.axes.shape)
        else:
            parts = tuple(np.asarray(part) for part in idx_global)
        number, *bins = np.broadcast_arrays(*(np.atleast_1d(np.asarray(_, dtype=np.int64)) for _ in parts))
        is_image = not bins
        plane = np.zeros(1, dtype=np.int64) if is_image else self._plane(bins)
        local = self._pixels.to_local(number, plane)
        outside = local < 0
        for b, n in zip(bins, self.axes.shape, strict=False):
            outside = outside | (b < 0) | (b >= n)
        local = np.where(outside, INVALID, local)
        if ravel:
            starts = np.cumsum(self._pixels.n_pix) - self._pixels.n_pix
            return np.where(outside, INVALID, local + starts[plane])
        return (local, *(np.where(outside, INVALID, b) for b in bins))

    def local_to_global(self, idx_local: Sequence[ArrayLike]) -> Index:
        """Return the pixels at places in the data.

        Parameters
        ----------
        idx_local : tuple of arrays of int (place in the data, bins...)

        Returns
        -------
        idx_global : tuple of arrays of int (pixel, bins...), with the number of the pixel on all the sky
        """
        local, *bins = (np.asarray(_, dtype=np.int64) for _ in idx_local)
        return (self._pixels.to_global(local, self._plane(bins) if bins else np.zeros(1, np.int64)), *bins)

    def data_index(self, idx: Sequence[ArrayLike]) -> Index:
        """Return the indices in the data of pixel indices, see `Geom.data_index`."""
        return cast(Index, self.global_to_local([_whole(_) for _ in idx]))

    def get_idx(
        self,
        idx: Sequence[int] | None = None,
        local: bool = False,
        flat: bool = False,
        sparse: bool = False,
        mode: str = "center",
        axis_name: str | None = None,
    ) -> tuple[NDArray[Any], ...]:
        """Return the indices (pixel, axes...) of all pixels, or of one image plane.

        Parameters
        ----------
        idx : tuple of int
            Indices of a plane on the non-spatial axes; all planes by default.
        local : bool
            Whether pixels are numbered by their place in the data instead of on all the sky.
        flat : bool
            Whether to return vectors, without the places of planes that have fewer pixels than others.
        sparse : bool
            Whether arrays keep length 1 on the dimensions that they do not depend on.
        mode : ``center`` or ``edges``
            Whether the axis ``axis_name`` has the indices of its bins, or the pixel coordinates of their edges.
        axis_name : str
        """
        if idx is not None and np.any(np.atleast_1d(idx) >= np.array(self.axes.shape)):
            raise GeometryError(f"Image index out of range: {idx!r}; the axes have {self.axes.shape} bins")
        bins: list[NDArray[Any]] = []
        for number, axis in enumerate(self.axes):
            here = np.arange(axis.nbin) if idx is None else np.atleast_1d(np.atleast_1d(idx)[number])
            bins.append(np.arange(-0.5, axis.nbin) if mode == "edges" and axis.name == axis_name else here.astype(int))
        n_dim = len(bins) + 1
        # (n_pix,) for the pixels, (n, 1) for the first axis, (n, 1, 1) for the second
        place = np.arange(self._n_column).reshape((1,) * (n_dim - 1) + (-1,))
        bins = [b.reshape((1,) * (n_dim - 2 - i) + (-1,) + (1,) * (i + 1)) for i, b in enumerate(bins)]
        plane = self._plane([np.floor(b).astype(np.int64) for b in bins]) if bins else np.zeros(1, np.int64)
        exists = place < self._pixels.n_pix[plane]
        pix = np.where(exists, place, INVALID) if local else self._pixels.to_global(place, plane)
        if self.is_regular and sparse:
            return (place if local else self._pixels.to_global(place, np.zeros(1, np.int64)), *bins)
        found = [np.array(_) for _ in np.broadcast_arrays(pix, *bins)]
        if not self.is_regular:
            found = [found[0], *(np.where(found[0] < 0, INVALID, b) for b in found[1:])]
        if flat:
            return tuple(b[found[0] >= 0] for b in found)
        return tuple(found)

    @property
    def ipix(self) -> tuple[NDArray[Any], ...]:
        """Indices (pixel, axes...) of all pixels."""
        return self.get_idx()

    def get_coord(
        self,
        idx: Sequence[int] | None = None,
        flat: bool = False,
        sparse: bool = False,
        mode: str = "center",
        axis_name: str | None = None,
        frame: str | None = None,
    ) -> MapCoord:
        """Return the map coordinates of all pixels, or of one image plane.

        Parameters
        ----------
        idx, flat, sparse, mode, axis_name : see `get_idx`
        frame : str
            Frame of the coordinates; that of the map by default.
        """
        if mode == "edges" and axis_name is None:
            raise ValueError("mode 'edges' needs the name of an axis")
        data = self.pix_to_coord(self.get_idx(idx, flat=flat, sparse=sparse, mode=mode, axis_name=axis_name))
        coords = MapCoord.create(data, frame=self._frame, axis_names=self.axes.names)
        return coords.to_frame(frame) if frame is not None and frame != self._frame else coords

    def contains(self, coords: MapCoordLike) -> NDArray[np.bool_]:
        """Return whether map coordinates lie in the geometry."""
        return self.contains_pix(self.coord_to_pix(coords))

    def interp_weights(
        self, coords: MapCoordLike, idxs: Sequence[ArrayLike] | None = None
    ) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
        """Return the four pixels around positions, and their weights in a bilinear interpolation.

        Parameters
        ----------
        coords : MapCoord, dict or tuple
        idxs : sequence of arrays of int
            Bins on the axes, by default those that contain the coordinates.

        Returns
        -------
        pix : list of arrays of int, shape (4, ...): place in the data, and bins
            A pixel outside the geometry is replaced by that which contains the position; -1 if this is outside too.
        weights : array of float, shape (4, ...)
        """
        coords = self._coord(coords).broadcasted
        lon, lat = (np.deg2rad(u.Quantity(_, "deg").value) for _ in (coords.lon, coords.lat))
        bins = [np.asarray(_) for _ in (self.axes.coord_to_idx(coords, clip=True) if idxs is None else idxs)]
        finite = np.isfinite(lon) & np.isfinite(lat)
        lon, lat = np.where(finite, lon, 0.0), np.where(finite, lat, 0.0)
        nside, plane = self._nside_at(bins), self._plane(bins)
        pix, weights = pixels_around(lon, lat, nside, nest=self.nest)
        local = self._pixels.to_local(pix, plane)
        if not self.is_allsky:
            own = pixels_at(lon, lat, nside, nest=self.nest)
            local = np.where(local < 0, self._pixels.to_local(own, plane), local)
        local = np.where(finite, local, INVALID)
        return [local, *(np.broadcast_to(b, local.shape) for b in bins)], np.where(finite, weights, 0.0)

    # --- sky areas and angles

    def solid_angle(self) -> u.Quantity:
        """Return the solid angle of a pixel in sr, in the shape of `nside`."""
        return u.Quantity(4.0 * np.pi / (12.0 * self._nside.astype(float) ** 2), "sr")

    def bin_volume(self) -> u.Quantity:
        """Return the solid angle times the bin widths of the non-spatial axes, in the shape of the data."""
        area = self.solid_angle()
        area = area.T[..., None] if area.size > 1 else area
        volume = area if self.is_image else area * self.axes.bin_volume()
        return volume * np.ones(self.data_shape)

    def separation(self, center: SkyCoord) -> Angle:
        """Return the angle between the pixel centres and a position, shape (n_pix,)."""
        lon, lat = (float(np.deg2rad(_)) for _ in lonlat_deg(center, self._frame))
        image = self.to_image()
        return Angle(np.rad2deg(np.asarray(image.sky.separation(lon, lat, find_device("cpu")))), "deg")

    def directions(self, device: str | Device | None = None) -> Array:
        """Return the unit vectors of the pixel centres in the frame of the map, shape (3, n_pix); read-only."""
        return self.sky.directions(find_device(device))

    def separation_array(self, lon: float, lat: float, device: str | Device | None = None) -> Array:
        """Return the angle between the pixel centres and a position, shape (n_pix,), rad; do not change it.

        Parameters
        ----------
        lon, lat : float, rad in the frame of the map
        device : str or Device, by default the default device
        """
        return self.sky.separation(float(lon), float(lat), find_device(device))

    def offset_vectors(self, pointing: SkyCoord | tuple[float, float], device: str | Device | None = None) -> Array:
        """Return the unit vectors of the pixel centres in the field of view of a pointing, shape (3, n_pix).

        Parameters
        ----------
        pointing : SkyCoord, or a pair of float (right ascension, declination) in deg
        device : str or Device, by default the default device
        """
        lon, lat = (float(np.deg2rad(_)) for _ in lonlat_deg(pointing, "icrs"))
        return self.sky.field_of_view(lon, lat, find_device(device))

    def solid_angle_array(self, device: str | Device | None = None) -> Array:
        """Return the solid angle of the pixels in sr as a plain array.

        Its shape is (n_pix,), or that of the data with one pixel if each image plane has pixels of its own.
        """
        if self._sky is None:
            area = np.broadcast_to(self.solid_angle().value, self.axes.shape)
            return constant(np.ascontiguousarray(area.T[..., None]), device)
        return self._sky.solid_angles(find_device(device))


def _whole(values: ArrayLike) -> NDArray[np.int64]:
    """Return the whole numbers next to pixel coordinates, in one dimension at least; -1 for what is not finite."""
    array = np.atleast_1d(np.asarray(values))
    if np.issubdtype(array.dtype, np.integer):
        return array
    finite = np.isfinite(array)
    return np.where(finite, np.floor(np.where(finite, array, 0.0) + 0.5), INVALID).astype(np.int64)


def _pixel_and_bins(numbers: ArrayLike, n_pixel: NDArray[np.int64], shape: tuple[int, ...]) -> Index:
    """Return the index (pixel, bins...) of pixels that are counted plane by plane.

    Parameters
    ----------
    numbers : int or array of int
    n_pixel : array of int, shape (n_plane,), on all the sky
    shape : tuple of int, bins of each axis
    """
    numbers = np.atleast_1d(np.asarray(numbers, dtype=np.int64))
    starts = np.cumsum(n_pixel) - n_pixel
    plane = np.maximum(np.searchsorted(starts, numbers, side="right") - 1, 0)
    return (numbers - starts[plane], *(np.unravel_index(plane, shape) if shape else ()))
