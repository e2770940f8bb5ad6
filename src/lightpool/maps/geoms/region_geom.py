"""Geometry of maps with one pixel on the sky, the region."""

import copy
import logging
import math
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Self, TypedDict, Unpack, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import Device, full_on
from lightpool.arrays.kernels.sphere import angular_separation, fov_matrix, frame_matrix, rotate, unit_vectors
from lightpool.bridge import accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.fits import HDUList
from lightpool.maps.axes.axes import AxesLike, MapAxes
from lightpool.maps.coord import CoordArray, MapCoord, MapCoordLike
from lightpool.maps.geoms import region_geom_format
from lightpool.maps.geoms.geom import Geom, pix_to_idx
from lightpool.maps.geoms.region_card import region_card
from lightpool.maps.geoms.region_on_wcs import RegionOnWcs, state_of_union
from lightpool.maps.geoms.region_pixels import coord_and_weights, solid_angle_of
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.periodic_wcs import Plane
from lightpool.maps.regions.region_contents import Positions
from lightpool.maps.regions.region_extent import (
    angles_from,
    bounding_box,
    bounding_rectangle,
    is_drawn,
)
from lightpool.maps.regions.shape_unions import ShapeUnion
from lightpool.maps.regions.sky_regions import (
    on_sky,
    parse_regions,
    region_center,
    regions_to_compound_region,
)
from lightpool.maps.wcs_header import SizeLike, frame_of_wcs, pixel_scales_deg, width_deg
from lightpool.typing import Axes, PathEffect, RegionLike
from lightpool.utils.deviations import deviates, deviations_are_heard
from lightpool.utils.html import Card

if TYPE_CHECKING:
    from regions import Region, SkyRegion

__all__ = ["RegionGeom"]

log = logging.getLogger(__name__)

_WIDEST_TAN = 60.0
"""Angle from its centre in deg up to which a region is drawn on a tangential projection."""

_PLANE = 1.5
"""Angle in deg up to which areas are those of the plane, as in Gammapy: that of a circle is wrong by 6e-5 then."""


_BINSZ = Angle(0.1, "deg")
"""Pixel size by default; text takes long to parse."""


class RegionGeomOptions(TypedDict, total=False):
    """Arguments of `RegionGeom` besides the region."""

    axes: AxesLike
    wcs: WCS | None
    binsz_wcs: SizeLike


class RegionGeomArguments(RegionGeomOptions, total=False):
    """All arguments of `RegionGeom`."""

    region: "Region | None"


class RegionGeom(RegionOnWcs, Geom):
    """Geometry whose only sky pixel is a region, with any number of non-spatial axes.

    Parameters
    ----------
    region : SkyRegion, PixelRegion or None
        The region; for several regions, their union, see `from_regions`. A region in pixels is converted to the sky
        with ``wcs``. None stands for an unknown region.
    axes : list of MapAxis
        Non-spatial axes.
    wcs : WCS
        Pixels on which the region is drawn; by default a tangential projection at its centre.
    binsz_wcs : float, str or Quantity
        Pixel size of the default ``wcs``; numbers are in deg.
    """

    is_region = True
    is_allsky = False
    projection = "TAN"

    @accepts_gammapy
    def __init__(
        self,
        region: "Region | None",
        axes: AxesLike = None,
        wcs: WCS | None = None,
        binsz_wcs: SizeLike = "0.1 deg",
    ) -> None:
        on_sphere = None if region is None else on_sky([region], wcs)[0]
        self._region = on_sphere
        self._axes = MapAxes.from_default(axes, n_spatial_axes=2)
        self._binsz_wcs = Angle(binsz_wcs, "deg")
        # None only together with a region of None, which no method that needs the pixels takes
        self._wcs = cast(WCS, wcs)
        if wcs is None and on_sphere is not None:
            self._wcs, self.projection, self._bounding_rectangle = _default_pixels(on_sphere, self._binsz_wcs)

    @classmethod
    def from_union(cls, union: ShapeUnion, axes: AxesLike, plane: Plane) -> Self:
        """Make a geometry from a union of shapes; `region` is made when somebody asks for it.

        Parameters
        ----------
        union : ShapeUnion, in the frame of the plane, one shape at least
        axes : see above
        plane : Plane, the pixels on which the region is drawn
        """
        geom = cls(None, axes=axes, wcs=plane.wcs, binsz_wcs=_BINSZ)
        vars(geom).update(state_of_union(union, plane))
        return geom

    @classmethod
    def create(cls, region: "RegionLike | None", **kwargs: Unpack[RegionGeomOptions]) -> Self:
        """Make a geometry from a region, a DS9 string, a position, or a list of them.

        Parameters
        ----------
        region : str, SkyRegion, PixelRegion, SkyCoord, or list of them, see `from_regions`
        **kwargs : dict
            For the constructor.
        """
        return cls.from_regions(regions=region, **kwargs)

    @classmethod
    def from_regions(cls, regions: "RegionLike | None", **kwargs: Unpack[RegionGeomOptions]) -> Self:
        """Make a geometry from the union of regions.

        Parameters
        ----------
        regions : str, SkyRegion, PixelRegion, SkyCoord, or list of them
            A string is in DS9 format, a position makes a point. Regions in pixels need a ``wcs``.
        **kwargs : dict
            For the constructor.
        """
        parsed = on_sky(parse_regions(regions), kwargs.get("wcs"))
        return cls(region=regions_to_compound_region(parsed) if parsed else None, **kwargs)

    @classmethod
    def from_hdulist(cls, hdulist: HDUList, format: str = "ogip", hdu: str | None = None) -> Self:
        """Make a geometry from the HDUs of a file.

        Parameters
        ----------
        hdulist : HDUList
        format : ``gadf``, ``ogip`` or ``ogip-arf``
        hdu : first part of the names of the HDUs in the format ``gadf``
        """
        region, wcs, axes = region_geom_format.read_region_hdus(hdulist, format, hdu)
        return cls(region=region, wcs=wcs, axes=axes)

    def to_hdulist(
        self,
        format: str = "ogip",
        hdu_bands: str | None = None,
        hdu_region: str | None = None,
    ) -> HDUList:
        """Return the HDUs of axes and region.

        Parameters
        ----------
        format : ``gadf``, ``ogip`` or ``ogip-sherpa``
        hdu_bands, hdu_region : names of the HDUs; the OGIP formats call the region ``REGION``
        """
        return region_geom_format.make_region_hdus(self._region, self._wcs, self._axes, format, hdu_bands, hdu_region)

    def _with_axes(self, axes: AxesLike) -> Self:
        geom = type(self)(None, axes=axes, wcs=self._wcs, binsz_wcs=self._binsz_wcs)
        # what depends on the region alone is not computed again
        known = ("_region", "_found", "_bounding_rectangle", "_center_lonlat", "_plane")
        vars(geom).update({name: self.__dict__[name] for name in known if name in self.__dict__})
        return geom

    def copy(self, **kwargs: Unpack[RegionGeomArguments]) -> Self:
        """Return a copy with some of the arguments of the constructor replaced."""
        given: RegionGeomArguments = {
            "region": self._region,
            "axes": self._axes,
            "wcs": self._wcs,
            "binsz_wcs": self._binsz_wcs,
        }
        return type(self)(**(given | kwargs))

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self.copy(region=copy.deepcopy(self._region, memo), axes=copy.deepcopy(self._axes, memo))

    # The region

    @property
    def frame(self) -> str:
        """Name of the frame, ``icrs`` or ``galactic``."""
        if self._found_shapes is not None:
            return self._found_shapes.frame
        if self._region is None:
            return "icrs"
        # polygons and compound regions have no centre of their own
        center = getattr(self._region, "center", None)
        return frame_of_wcs(self._wcs) if center is None else str(center.frame.name)

    @property
    def binsz_wcs(self) -> Angle:
        """Pixel size of `wcs` in longitude and latitude."""
        return Angle(pixel_scales_deg(self._wcs), "deg")

    @cached_property
    def _bounding_rectangle(self) -> tuple[SkyCoord, NDArray[np.float64]]:
        """Centre, and width and height in deg, of the pixels that the region touches.

        For a region that the pixels cannot show, those of a box around it on the sphere.
        """
        return bounding_rectangle(self.known_region, self._wcs)

    @property
    def width(self) -> u.Quantity:
        """Width and height of the rectangle of pixels around the region, deg."""
        return u.Quantity(self._bounding_rectangle[1], "deg")

    @property
    def center_skydir(self) -> SkyCoord:
        """Centre of the rectangle of pixels around the region."""
        if self._region is None:
            return SkyCoord(np.nan * u.deg, np.nan * u.deg)
        return self._bounding_rectangle[0]

    @property
    def npix_image(self) -> tuple[int, int]:
        """Number of pixels in longitude and latitude: one."""
        return 1, 1

    @property
    def npix(self) -> tuple[list[int], list[int]]:
        """Number of pixels in longitude and latitude: one."""
        return [1], [1]

    def separation(self, position: SkyCoord) -> Angle:
        """Return the angle between the centre of the region and positions."""
        return self.center_skydir.separation(position)

    def solid_angle(self) -> u.Quantity:
        """Return the solid angle of the region in sr.

        That of parts that may overlap is counted on small pixels; that of others is a sum.
        """
        return solid_angle_of(self)

    @property
    def is_drawn(self) -> bool:
        """Whether the region has its shape on `wcs`; else its pixels are not those around its centre."""
        return is_drawn(self.known_region, self._wcs)

    @cached_property
    def is_small(self) -> bool:
        """Whether the region is drawn in its shape, and is so small that areas are those of the plane."""
        region = self.known_region
        if not self.is_drawn:
            return False
        return angles_from(bounding_box(region, self.frame)[0], region) <= _PLANE

    def part(self, regions: "Sequence[SkyRegion]") -> "RegionGeom":
        """Return the geometry of some parts of the region, with pixels of the same size around them."""
        return RegionGeom(regions_to_compound_region(regions), axes=self._axes, binsz_wcs=self.binsz_wcs)

    def bin_volume(self) -> u.Quantity:
        """Return the solid angle times the bin widths of the non-spatial axes, in the shape of the data."""
        volume = self.solid_angle() * np.ones(self.data_shape)
        return volume if self.is_image else volume * self.axes.bin_volume()

    # The centre as a map of one pixel, on a device

    @cached_property
    def _center_lonlat(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude of the centre in the frame of the geometry, shape (1, 1), rad."""
        centre = self.center_skydir
        if centre.frame.name != self.frame:  # to transform costs milliseconds, also to the same frame
            centre = centre.transform_to(self.frame)
        return np.full((1, 1), centre.data.lon.rad), np.full((1, 1), centre.data.lat.rad)

    def directions(self, device: str | Device | None = None) -> Array:
        """Return the unit vector of the centre in the frame of the geometry, shape (3, 1, 1)."""
        return constant(unit_vectors(*self._center_lonlat), device)

    def separation_array(self, lon: float, lat: float, device: str | Device | None = None) -> Array:
        """Return the angle between the centre and a position.

        Parameters
        ----------
        lon, lat : float, rad in the frame of the geometry
        device : str or Device, by default the default device

        Returns
        -------
        separation : array of float64, shape (1, 1), rad
        """
        lon_0, lat_0 = self._center_lonlat
        return full_on((1, 1), _separation(float(lon_0[0, 0]), float(lat_0[0, 0]), lon, lat), device)

    def offset_vectors(self, pointing: SkyCoord | tuple[float, float], device: str | Device | None = None) -> Array:
        """Return the unit vector of the centre in the field of view of a pointing.

        Parameters
        ----------
        pointing : SkyCoord, or a pair of float (right ascension, declination) in deg
        device : str or Device, by default the default device

        Returns
        -------
        vector : array of float64, shape (3, 1, 1), see `WcsGeom.offset_vectors`
        """
        matrix = fov_matrix(*_radec_rad(pointing)) @ frame_matrix(self.frame, "icrs")
        return constant(rotate(matrix, unit_vectors(*self._center_lonlat)), device)

    def solid_angle_array(self, device: str | Device | None = None) -> Array:
        """Return the solid angle of the region in sr, shape (1, 1), on a device."""
        if deviations_are_heard() and not self.is_small:
            deviates("solid angle of a region larger than 1.5 deg, or of parts far apart")
        return full_on((1, 1), float(self.solid_angle().to_value("sr")), device)

    # Coordinates

    def contains(self, coords: MapCoordLike) -> NDArray[np.bool_]:
        """Return whether positions lie in the region; a point contains every position, as in Gammapy."""
        position = MapCoord.create(coords, frame=self.frame, axis_names=self.axes.names).skycoord
        if self.is_all_point_sky_regions:
            return np.ones(position.shape, dtype=bool)
        frame = frame_of_wcs(self._wcs)
        if position.frame.name != frame:
            position = position.transform_to(frame)
        return self._contains_lonlat(position.data.lon.deg, position.data.lat.deg)

    def contains_wcs_pix(self, pix: Sequence[ArrayLike]) -> NDArray[np.bool_]:
        """Return whether pixel coordinates on `wcs` lie in the region; a point contains every position."""
        region = self.known_region
        if self.is_all_point_sky_regions:
            return np.ones(np.shape(pix[0]), dtype=bool)
        x, y = np.broadcast_arrays(*pix[:2])
        return Positions(self._plane, x, y, lambda: self._wcs.wcs_pix2world(x, y, 0)).inside(region)

    def coord_to_pix(self, coords: MapCoordLike) -> tuple[NDArray[np.float64], ...]:
        """Return the pixel coordinates of map coordinates: 0 in the region, NaN outside, then those on the axes.

        Coordinates without a position mean the centre of the region.
        """
        if isinstance(coords, tuple) and len(coords) == len(self.axes):
            centre = self.center_skydir.transform_to(self.frame)
            coords = (centre.data.lon, centre.data.lat, *coords)
        elif isinstance(coords, dict) and not {"lon", "lat", "skycoord"} & set(coords):
            coords = {"skycoord": self.center_skydir, **coords}
        coords = MapCoord.create(coords, frame=self.frame, axis_names=self.axes.names)
        # a region that is not known is taken to hold every position
        image = np.zeros(1) if self._region is None else np.where(self.contains(coords), 0.0, np.nan)
        return (image, image.copy(), *self.axes.coord_to_pix(coords))

    def pix_to_coord(self, pix: Sequence[ArrayLike]) -> tuple[CoordArray, ...]:
        """Return the map coordinates of pixel coordinates; NaN for positions beyond half a pixel."""
        centre = self.center_skydir.data
        lon, lat = (
            u.Quantity(np.where(np.abs(p) < 0.5, angle.deg, np.nan), "deg")
            for p, angle in zip(pix[:2], (centre.lon, centre.lat), strict=True)
        )
        return (lon, lat, *self.axes.pix_to_coord(tuple(pix[2:])))

    def pix_to_idx(self, pix: Sequence[ArrayLike], clip: bool = False) -> tuple[NDArray[np.int64], ...]:
        """Return the pixel indices of pixel coordinates; -1 outside the region.

        Parameters
        ----------
        pix : sequence of arrays (lon, lat, axes...)
        clip : bool, whether coordinates outside the axes get the index of the nearest bin instead of -1
        """
        idx = [pix_to_idx(_) for _ in pix]
        return (*idx[:2], *self.axes.pix_to_idx(tuple(idx[2:]), clip=clip))

    def get_idx(self) -> tuple[NDArray[np.int64], ...]:
        """Return the indices of all bins."""
        idx = np.meshgrid(*[np.arange(n) for n in self.data_shape], indexing="ij")
        return tuple(idx[::-1])

    def get_coord(
        self, mode: str = "center", frame: str | None = None, sparse: bool = False, axis_name: str | None = None
    ) -> MapCoord:
        """Return the map coordinates of all bins.

        Parameters
        ----------
        mode : ``center`` or ``edges``
            Whether to take the centres, or the edges of the axis ``axis_name``.
        frame : str
            Frame of the coordinates; that of the region by default.
        sparse : bool
            Whether arrays keep length 1 on the dimensions that they do not depend on.
        axis_name : str
            Axis whose edges are taken.
        """
        if mode == "edges" and axis_name is None:
            raise ValueError("mode 'edges' needs the name of an axis")
        data = {"skycoord": self.center_skydir.reshape((1, 1)), **self.axes.get_coord(mode, axis_name)}
        coords = MapCoord.create(data, frame=self.frame).to_frame(frame or self.frame)
        return coords if sparse else coords.broadcasted

    def get_wcs_coord_and_weights(self, factor: int = 10) -> tuple[MapCoord, NDArray[np.float64]]:
        """Return the coordinates of the pixels that the region touches, and the part of each that lies in it.

        Parameters
        ----------
        factor : int
            The part is counted on pixels that are this number of times as small.

        Returns
        -------
        coord : MapCoord
            Longitude and latitude of shape (n_pixel,), coordinates of axes of shape (..., 1).
        weights : array, shape (n_pixel,)
        """
        return coord_and_weights(self, factor)

    # Other geometries

    def to_wcs_geom(self, width_min: "SizeLike | None" = None) -> WcsGeom:
        """Return the geometry of the pixels of `wcs` around the region.

        Parameters
        ----------
        width_min : float, str, Quantity, or tuple of them
            Least width (lon, lat); numbers are in deg.
        """
        width = self.width.value
        if width_min is not None:
            width = np.maximum(width, width_deg(width_min))
        # partial: the pixels may reach beyond those of `wcs`, for a union too, whose centre is not that of its pixels
        geom = WcsGeom(self._wcs).cutout(self.center_skydir, tuple(width.tolist()), mode="partial")
        return geom.to_cube(self.axes)

    def to_binsz_wcs(self, binsz: SizeLike) -> Self:
        """Return the geometry of the same region drawn on pixels of another size (numbers in deg)."""
        return type(self)(self._region, axes=self._axes, binsz_wcs=binsz)

    def to_binsz(self, binsz: SizeLike) -> Self:
        """Return the geometry itself: a region has no pixels."""
        return self

    def _pad_spatial(self, pad_width: int | tuple[int, int]) -> Self:
        raise GeometryError(f"a region has no pixels to pad by {pad_width!r}; name an axis")

    def crop(self, crop_width: int | tuple[int, int]) -> Self:
        """Raise `GeometryError`: a region has no pixels to crop."""
        raise GeometryError(f"a region has no pixels to crop by {crop_width!r}")

    def union(self, other: "RegionGeom") -> None:
        """Unite the region with that of another geometry with equal axes, in place."""
        if self != other:
            raise GeometryError("geometries with different axes cannot be united")
        if other.region is not None:
            parts = [region for region in (self._region, other.region) if region is not None]
            self._region = regions_to_compound_region(parts)
            # cached for the former region
            self.__dict__.pop("_bounding_rectangle", None)
            self.__dict__.pop("_center_lonlat", None)

    def plot_region(
        self,
        ax: "Axes | None" = None,
        kwargs_point: dict[str, object] | None = None,
        path_effect: "PathEffect | None" = None,
        **kwargs: object,
    ) -> Axes:
        """Draw the outlines of the region.

        Parameters
        ----------
        ax : WCSAxes, optional
            By default the current axes if they show the sky, else new ones of the size of the region.
        kwargs_point : dict, optional
            For ``Line2D`` of matplotlib, with which points are drawn.
        path_effect : path effect of matplotlib, optional
        **kwargs : dict, passed to ``as_artist`` of the pixel region, such as ``edgecolor``

        Returns
        -------
        ax : WCSAxes
        """
        from lightpool.plot.regions import plot_region  # matplotlib is heavy and optional

        return plot_region(self, ax=ax, kwargs_point=kwargs_point, path_effect=path_effect, **kwargs)

    def is_allclose(self, other: "RegionGeom", rtol_axes: float = 1e-6, atol_axes: float = 1e-6) -> bool:
        """Return whether another geometry has equal axes within tolerances; regions are not compared, as in Gammapy.

        Parameters
        ----------
        other : RegionGeom
        rtol_axes, atol_axes : float, of the edges of axes, see `numpy.allclose`
        """
        if not isinstance(other, RegionGeom):
            raise TypeError(f"cannot compare a {type(self).__name__} with a {type(other).__name__}")
        if self.data_shape != other.data_shape:
            log.debug("shapes differ: %s and %s", self.data_shape, other.data_shape)
            return False
        return self.axes.is_allclose(other.axes, rtol=rtol_axes, atol=atol_axes)

    @accepts_gammapy
    def __eq__(self, other: object) -> bool:
        return isinstance(other, RegionGeom) and self.is_allclose(other)

    def __hash__(self) -> int:
        return id(self)  # equality has tolerances, which no hash of the numbers fits

    def html_card(self) -> Card:
        """Return what notebooks show of the geometry."""
        return region_card(self)

    def __str__(self) -> str:
        centre = self.center_skydir
        return (
            f"{type(self).__name__}\n\n"
            f"\tregion     : {type(self._region).__name__}\n"
            f"\taxes       : {self.axes_names}\n"
            f"\tshape      : {self.data_shape[::-1]}\n"
            f"\tndim       : {self.ndim}\n"
            f"\tframe      : {centre.frame.name}\n"
            f"\tcenter     : {centre.data.lon.deg:.1f} deg, {centre.data.lat.deg:.1f} deg\n"
        )


@lru_cache(maxsize=64)  # all maps and checks of a run ask for the same one
def _separation(lon_0: float, lat_0: float, lon: float, lat: float) -> float:
    return float(np.asarray(angular_separation(np.asarray([lon_0]), np.asarray([lat_0]), lon, lat))[0])


def _default_pixels(region: "SkyRegion", binsz: Angle) -> tuple[WCS, str, tuple[SkyCoord, NDArray[np.float64]]]:
    """Return the pixels on which a region is drawn by default, their projection, and `bounding_rectangle` on them."""
    center, projection = region_center(region), RegionGeom.projection
    # TAN stretches the sky towards its horizon and shows nothing beyond it
    if angles_from(center, region) > _WIDEST_TAN:
        center, _ = bounding_box(region, center.frame.name)
        projection = "ZEA"  # which shows all the sky
    size = tuple(np.broadcast_to(binsz.deg, 2).tolist())
    frame = center.frame.name
    # of all the sky: width and centre are found on it, once
    wcs = WcsGeom.create(binsz=size, skydir=center, proj=projection, frame=frame).wcs
    rectangle = bounding_rectangle(region, wcs)
    geom = WcsGeom.create(width=tuple(rectangle[1].tolist()), binsz=size, skydir=center, proj=projection, frame=frame)
    return geom.wcs, projection, rectangle


def _radec_rad(position: SkyCoord | tuple[float, float]) -> tuple[float, float]:
    """Return right ascension and declination in rad of a position, or of a pair of them in deg."""
    if isinstance(position, tuple):
        return math.radians(position[0]), math.radians(position[1])
    return float(position.icrs.ra.rad), float(position.icrs.dec.rad)
