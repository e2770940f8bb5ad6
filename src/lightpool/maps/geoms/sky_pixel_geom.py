"""Geometry with sky pixels: what is known of its pixels."""

import copy
import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device
from lightpool.arrays.kernels.events import EDGE
from lightpool.arrays.projection_parameters import Projection
from lightpool.bridge import accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.maps.axes.axes import AxesLike, MapAxes
from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.maps.coord import CoordArray, MapCoord, MapCoordLike
from lightpool.maps.geoms import image_masks
from lightpool.maps.geoms.cutouts import Slices
from lightpool.maps.geoms.geom import INVALID, Geom, pix_to_idx
from lightpool.maps.geoms.geom_card import geom_card
from lightpool.maps.geoms.sky_window import SkyWindow
from lightpool.maps.wcs_header import NpixLike, SizeLike, binsz_deg, lonlat_deg, npix_pair
from lightpool.utils.html import Card, times

if TYPE_CHECKING:
    from regions import RectangleSkyRegion

__all__ = ["SkyPixelGeom"]


class SkyPixelGeom(Geom):
    """Sky pixels and non-spatial axes: coordinates, areas and angles. `WcsGeom` adds how one is made from another.

    Parameters
    ----------
    wcs, npix, cdelt, axes : see `WcsGeom`
    """

    _consumed = ("cdelt", "crpix")
    _window: SkyWindow
    _cdelt: tuple[float, float]
    _cutout_info: dict[str, Slices] | None

    @accepts_gammapy
    def __init__(
        self,
        wcs: WCS,
        npix: "NpixLike | None" = None,
        cdelt: "SizeLike | None" = None,
        crpix: object = None,
        axes: AxesLike = None,
    ) -> None:
        if npix is None:
            if wcs.array_shape is None:
                raise GeometryError("npix is not given, and the WCS does not know the shape of its array either")
            npix = tuple(wcs.array_shape[::-1])
        size = None if cdelt is None else binsz_deg(cdelt)
        self._set(SkyWindow.from_wcs(wcs, npix_pair(npix)), size, axes)

    def _set(
        self,
        window: SkyWindow,
        cdelt: tuple[float, float] | None,
        axes: AxesLike,
        cutout_info: dict[str, Slices] | None = None,
    ) -> None:
        self._keep(
            _window=window,
            _cdelt=cdelt or binsz_deg(tuple(window.grid.scales_deg.tolist())),
            _axes=MapAxes.from_default(axes, n_spatial_axes=2),
            _cutout_info=cutout_info,
        )

    @classmethod
    def _from_window(
        cls,
        window: SkyWindow,
        cdelt: tuple[float, float],
        axes: AxesLike,
        cutout_info: dict[str, Slices] | None = None,
    ) -> Self:
        geom = cls.__new__(cls)
        geom._set(window, cdelt, axes, cutout_info)
        return geom

    def on_window(self, window: SkyWindow, cutout_info: dict[str, Slices] | None = None) -> Self:
        """Return a geometry with the same axes and pixel size on another window of its grid.

        Parameters
        ----------
        window : SkyWindow
        cutout_info : dict of slices, see `WcsGeom.cutout_info`
        """
        return self._from_window(window, self._cdelt, self._axes, cutout_info)

    def _with_axes(self, axes: AxesLike) -> Self:
        return self._from_window(self._window, self._cdelt, axes, self._cutout_info)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        # the window is never changed, so copies share it and what was computed on it
        return self._with_axes(copy.deepcopy(self._axes, memo))

    def copy(
        self,
        wcs: WCS | None = None,
        npix: "NpixLike | None" = None,
        cdelt: "SizeLike | None" = None,
        axes: AxesLike = None,
    ) -> Self:
        """Return a copy with some of the arguments of the constructor replaced.

        Parameters
        ----------
        wcs, npix, cdelt, axes : see `WcsGeom`
        """
        new_axes = self._axes if axes is None else axes
        if wcs is None and npix is None and cdelt is None:
            return self._with_axes(new_axes)
        return type(self)(wcs or self.wcs, npix or self.npix_image, cdelt=cdelt or self._cdelt, axes=new_axes)

    # The image part

    @property
    def window(self) -> SkyWindow:
        """The image part: a rectangle of pixels on a grid, which maps cut out of one map share."""
        return self._window

    @property
    def cdelt(self) -> tuple[float, float]:
        """Pixel size in longitude and latitude that the geometry was made with, deg."""
        return self._cdelt

    @property
    def wcs(self) -> WCS:
        """WCS; it must not be changed."""
        return self._window.wcs

    @property
    def frame(self) -> str:
        """Name of the frame, ``icrs`` or ``galactic``."""
        return self._window.grid.frame

    @property
    def projection(self) -> str:
        """Code of the projection, such as ``CAR``."""
        return str(self._window.grid.wcs.wcs.ctype[0])[5:]  # after four characters and a hyphen, as in RA---TAN

    @property
    def npix_image(self) -> tuple[int, int]:
        """Number of pixels in longitude and latitude, two whole numbers."""
        return self._window.box.nx, self._window.box.ny

    @property
    def npix(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number of pixels in longitude and latitude, arrays of one number each."""
        n_lon, n_lat = self.npix_image
        return np.array([n_lon]), np.array([n_lat])

    @property
    def width(self) -> u.Quantity:
        """Width in longitude and latitude, shape (2, 1), unit deg."""
        return u.Quantity([[n * size] for n, size in zip(self.npix_image, self._cdelt, strict=True)], "deg")

    @property
    def pixel_scales(self) -> Angle:
        """Pixel size in longitude and latitude at the reference pixel."""
        return Angle(self._window.grid.scales_deg, "deg")

    @property
    def pixel_area(self) -> float:
        """Product of the pixel sizes, deg2; see `solid_angle` for the area on the sky."""
        return self._cdelt[0] * self._cdelt[1]

    @property
    def is_allsky(self) -> bool:
        """Whether the map is 360 deg wide and 180 deg high."""
        sizes = [n * size for n, size in zip(self.npix_image, self._cdelt, strict=True)]
        return all(math.isclose(*_, rel_tol=1e-5) for _ in zip(sizes, (360.0, 180.0), strict=True))

    @cached_property
    def center_skydir(self) -> SkyCoord:
        """Sky position of the centre."""
        return SkyCoord(*self._center_deg, unit="deg", frame=self.frame)

    @property
    def _center_deg(self) -> tuple[float, float]:
        """Longitude and latitude of the centre in the frame of the map, deg."""
        lon, lat = self._window.plane.to_sky(*self.center_pix[:2])
        return float(lon), float(lat)

    @property
    def footprint(self) -> SkyCoord:
        """Sky positions of the four corner pixels."""
        n_x, n_y = self.npix_image
        lon, lat = self._window.plane.to_sky([0, 0, n_x - 1, n_x - 1], [0, n_y - 1, n_y - 1, 0])
        return SkyCoord(lon, lat, frame=self.frame, unit="deg")

    @property
    def footprint_rectangle_sky_region(self) -> "RectangleSkyRegion":
        """Rectangle of the width of the map around its centre."""
        width, height = self.width.reshape((2, -1)).max(axis=1)  # of the largest plane, where they differ
        return image_masks.rectangle_region(self.center_skydir, width, height)

    # Coordinates

    def html_card(self) -> Card:
        """Return what notebooks show of the geometry."""
        lon_ref, lat_ref = self.wcs.wcs.crval
        rows = {
            "projection": self.projection,
            "width": lambda: f"{times(f'{size:.5g}' for size in self.width.value.reshape((2, -1))[:, 0])} deg",
            "pixel size": lambda: f"{times(f'{size:.5g}' for size in self.pixel_scales.deg)} deg",
            "wcs ref": f"{lon_ref:.4f} deg, {lat_ref:.4f} deg",
            "pixels": None if self.is_regular else "differ between the planes; size and width are those of the first",
        }
        return geom_card(self, rows)

    def coord_to_pix(self, coords: MapCoordLike) -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates (lon, lat, axes...) of map coordinates, see `MapCoord.create`."""
        coords = MapCoord.create(coords, frame=self.frame, axis_names=self.axes.names)
        if coords.size == 0:
            return tuple(np.array([]) for _ in range(coords.ndim))
        lon, lat = (u.Quantity(_, "deg").value for _ in (coords.lon, coords.lat))
        return (*self._window.plane.from_sky(lon, lat), *self.axes.coord_to_pix(coords))

    def pix_of_centers(self, geom: Geom) -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates of the bin centres of another geometry; see `Geom.pix_of_centers`."""
        axes = [axis for axis in self.axes if isinstance(axis, NodeAxis)]
        shares_axes = len(axes) == len(self.axes) == len(geom.axes)
        # the same objects: equality has a tolerance, so the centres of equal axes are not always whole pixels
        shares_axes = shares_axes and all(a is b for a, b in zip(axes, geom.axes, strict=True))
        if not (shares_axes and isinstance(geom, SkyPixelGeom) and geom.is_regular and geom.frame == self.frame):
            return super().pix_of_centers(geom)
        lon, lat = geom.window.lonlat()
        image = self._window.plane.from_sky(lon, lat)
        # (n, 1, 1) for the first axis, (n, 1, 1, 1) for the second: in the data the axes are in reversed order
        shapes = [(-1,) + (1,) * (number + 2) for number in range(len(axes))]
        return (*image, *(axis.center_pix.reshape(shape) for axis, shape in zip(axes, shapes, strict=True)))

    def pix_to_coord(self, pix: Sequence[ArrayLike]) -> tuple[CoordArray, ...]:
        """Return the map coordinates (lon and lat in deg, axes...) of pixel coordinates; NaN off the sky."""
        lon, lat = self._window.plane.to_sky(pix[0], pix[1])
        return (u.Quantity(lon, "deg"), u.Quantity(lat, "deg"), *self.axes.pix_to_coord(tuple(pix[2:])))

    def pix_to_idx(self, pix: Sequence[ArrayLike], clip: bool = False) -> tuple[NDArray[np.int64], ...]:
        """Return the pixel indices of pixel coordinates.

        Parameters
        ----------
        pix : sequence of arrays (lon, lat, axes...)
        clip : bool, whether coordinates outside get the index of the nearest pixel instead of -1
        """
        # EDGE on the sky only: pixel coordinates on axes are corrected for rounding already
        idx = [*(pix_to_idx(_, EDGE) for _ in pix[:2]), *(pix_to_idx(_) for _ in pix[2:])]
        for i, n in enumerate(self.npix_image):
            idx[i] = np.clip(idx[i], 0, n - 1) if clip else np.where((idx[i] < 0) | (idx[i] >= n), INVALID, idx[i])
        return (*idx[:2], *self.axes.pix_to_idx(tuple(idx[2:]), clip=clip))

    def contains(self, coords: MapCoordLike) -> NDArray[np.bool_]:
        """Return whether map coordinates lie on the map."""
        return self.contains_pix(self.coord_to_pix(coords))

    def get_pix(self, idx: Sequence[int] | None = None, mode: str = "center") -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates of all pixels, or of one image plane; NaN off the sky.

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

    def get_idx(self, idx: Sequence[int] | None = None, flat: bool = False) -> tuple[NDArray[np.int64], ...]:
        """Return the indices of all pixels, or of one image plane; -1 off the sky.

        Parameters
        ----------
        idx : tuple of int
            Indices of a plane on the non-spatial axes; all planes by default.
        flat : bool
            Whether to return vectors, without the pixels off the sky.
        """
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
        """Return the map coordinates of all pixels, or of one image plane.

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
        # (1, ..., ny, nx): the image is the same in all bins of the axes
        shape = (1,) * (len(pix) - 2) + lon.shape
        data = (lon.reshape(shape), lat.reshape(shape), *self.axes.pix_to_coord(tuple(pix[2:])))
        coords = MapCoord.create(data, frame=self.frame, axis_names=self.axes.names)
        if frame is not None and frame != self.frame:
            coords = coords.to_frame(frame)
        return coords if sparse else coords.broadcasted

    def _pix_sparse(self, idx: Sequence[int] | None, mode: str, axis_name: Sequence[str]) -> list[NDArray[np.float64]]:
        if mode not in ("center", "edges"):
            raise ValueError(f"mode must be 'center' or 'edges', got {mode!r}")
        edges = [mode == "edges" and name in axis_name for name in self.axes_names]
        sizes = self.data_shape[::-1]
        # n + 1 edges, or n centres
        pix = [np.arange(-0.5, n) if edge else np.arange(float(n)) for n, edge in zip(sizes, edges, strict=True)]
        if idx is not None:
            pix[2:] = [np.array([float(_)]) for _ in np.atleast_1d(idx)]
        # lon varies along the last dimension, lat along the one before, then the axes
        return [_.reshape((1,) * (len(pix) - 1 - i) + (-1,) + (1,) * i) for i, _ in enumerate(pix)]

    def _image_coord(self, mode: str, axis_name: Sequence[str]) -> NDArray[np.float64]:
        """Return longitude and latitude of centres or corners in deg, shape (2, ny, nx)."""
        if mode == "center" or not {"lon", "lat"} & set(axis_name):
            return self._window.lonlat()
        pix = (_.reshape(_.shape[-2:]) for _ in self._pix_sparse(None, mode, axis_name)[:2])
        x, y = np.broadcast_arrays(*pix)
        return np.stack(self._window.plane.to_sky(x, y))

    # Sky areas and angles

    def solid_angle(self) -> u.Quantity:
        """Return the solid angle of the pixels in sr, with one bin on each axis; NaN where a corner is off the sky."""
        # a copy, since the array of the window is shared
        return u.Quantity(self._window.solid_angle("cpu"), "sr", copy=True).reshape(self.data_shape_image)

    def bin_volume(self) -> u.Quantity:
        """Return the solid angle times the bin widths of the non-spatial axes."""
        volume = self.solid_angle()
        return volume if self.is_image else volume * self.axes.bin_volume()

    def separation(self, center: SkyCoord) -> Angle:
        """Return the angle between the pixel centres and a position, shape (ny, nx)."""
        lon, lat = (float(np.deg2rad(_)) for _ in lonlat_deg(center, self.frame))
        return Angle(np.rad2deg(np.asarray(self._window.separation(lon, lat, "cpu"))), "deg")

    @property
    def sky_projection(self) -> Projection | None:
        """Projection as array code; None for a projection that `lightpool.arrays` lacks: then wcslib does the work."""
        return self._window.grid.projection

    def directions(self, device: str | Device | None = None) -> Array:
        """Return the unit vectors of the pixel centres in the frame of the map, shape (3, ny, nx); NaN off the sky."""
        return self._window.directions(device)

    def solid_angle_array(self, device: str | Device | None = None) -> Array:
        """Return the solid angle of the pixels in sr, a plain array on a device, shape (ny, nx); do not change it."""
        return self._window.solid_angle(device)

    def separation_array(self, lon: float, lat: float, device: str | Device | None = None) -> Array:
        """Return the angle between the pixel centres and a position.

        Parameters
        ----------
        lon, lat : float, rad in the frame of the map
        device : str or Device, by default the default device

        Returns
        -------
        separation : array of float64, shape (ny, nx), rad; do not change it
        """
        return self._window.separation(lon, lat, device)

    def offset_vectors(self, pointing: SkyCoord | tuple[float, float], device: str | Device | None = None) -> Array:
        """Return the unit vectors of the pixel centres in the field of view of a pointing.

        The frame is that of `lightpool.arrays.fov_matrix`, with the axis of longitude along ICRS parallels.

        Parameters
        ----------
        pointing : SkyCoord, or a pair of float (right ascension, declination) in deg
        device : str or Device, by default the default device

        Returns
        -------
        vectors : array of float64, shape (3, ny, nx)
        """
        lonlat = pointing if isinstance(pointing, tuple) else lonlat_deg(pointing, "icrs")
        return self._window.field_of_view(*lonlat, device)

    def pixel_numbers_on(self, geom: "SkyPixelGeom", device: str | Device | None = None) -> Array:
        """Find the pixels of the image of another geometry that contain the pixel centres.

        Parameters
        ----------
        geom : WcsGeom
        device : str or Device, by default the default device

        Returns
        -------
        numbers : array of int64, shape (ny, nx); do not change it
            Pixels are counted along the rows; outside the image it is the number after the last one.
        """
        return self._window.numbers_on(geom.window, device)

    @property
    def first_pixel(self) -> tuple[int, int]:
        """Number (y, x) of the first pixel in the plane of `sky_projection`."""
        return self._window.box.y0, self._window.box.x0

    @property
    def turn_of_columns(self) -> tuple[float, float] | None:
        """Middle of the map along x and columns of a whole turn; None unless it reaches over the native longitudes."""
        return self._window.turn

    def sky_to_pix_array(self, lon: Array, lat: Array) -> tuple[Array, Array]:
        """Return the pixel coordinates of sky positions; NaN off the projection.

        Parameters
        ----------
        lon, lat : arrays of float64 on any device, rad in the frame of the map
        """
        return self._window.sky_to_pixel(lon, lat)
