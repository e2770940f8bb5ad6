"""Geometry of maps with HEALPix pixels."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import Device
from lightpool.bridge import accepted, accepts_gammapy
from lightpool.errors import GeometryError
from lightpool.fits import BinTableHDU, Header
from lightpool.maps.axes.axes import AxesLike
from lightpool.maps.axes.axis_base import BinIndex
from lightpool.maps.coord import CoordArray
from lightpool.maps.geoms import hpx_geom_format
from lightpool.maps.geoms.cutouts import CUTOUT_MODES, no_overlap_error, partial_overlap_error
from lightpool.maps.geoms.geom import full_data
from lightpool.maps.geoms.geom_card import geom_card
from lightpool.maps.geoms.hpx_host import Pixels, corners_of, neighbours_of, swapped_numbers
from lightpool.maps.geoms.hpx_pixel_geom import HpxPixelGeom
from lightpool.maps.geoms.hpx_pixels import HpxPixels, in_other_grid
from lightpool.maps.geoms.hpx_regions import (
    EXPLICIT,
    HpxRegion,
    is_power_of_two,
    nearest_nside,
    pixel_size,
    region_of_disc,
)
from lightpool.maps.geoms.region_geom import RegionGeom
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.maps.map_kinds import make_map
from lightpool.maps.wcs_header import SizeLike, SkyDirLike, binsz_deg, lonlat_deg, width_deg
from lightpool.typing import FrameLike, RegionLike
from lightpool.utils.html import Card

__all__ = ["HpxGeom"]

log = logging.getLogger(__name__)

_WIDE = 90.0
"""Images of a wider part of the sky, in deg, are cut to what is on the sky, and drawn in a projection of all of it."""


class HpxGeom(HpxPixelGeom):
    """Geometry with HEALPix pixels, of all the sky or a part of it; it is never changed after it was made.

    Pixels are numbered as on all the sky. The data of a map hold those of the region in ascending order, in their last
    dimension. Each image plane may have pixels of its own: then the last dimension is as long as the longest list, and
    the data of the other planes end with NaN.

    Parameters
    ----------
    nside : int, or array of int
        Number of pixels along the side of one of the 12 faces of the sky, so there are 12 nside**2. An array, of the
        shape of the axes, gives each image plane its own. In the NESTED scheme a power of two.
    nest : bool
        Whether pixels are numbered in the NESTED scheme, or in the RING scheme.
    frame : ``icrs`` or ``galactic``
    region : str or tuple of arrays, optional
        Part of the sky: ``DISK(lon,lat,radius)``, ``DISK_INC(lon,lat,radius,factor)`` (angles in deg),
        ``HPX_PIXEL(NESTED,nside,pixel)``, or a list of pixels: a tuple with one array of pixel numbers, for all planes,
        or with another one for each axis, of bins.
    axes : list of MapAxis
        Non-spatial axes.

    Notes
    -----
    Source: Gorski et al. 2005, ApJ 622, 759.
    """

    @classmethod
    @accepts_gammapy
    def create(
        cls,
        nside: ArrayLike | None = None,
        binsz: "SizeLike | NDArray[np.float64] | None" = None,
        nest: bool = True,
        frame: FrameLike = "icrs",
        region: "str | tuple[ArrayLike, ...] | None" = None,
        axes: AxesLike = None,
        skydir: SkyDirLike = None,
        width: "SizeLike | None" = None,
    ) -> Self:
        """Make a geometry from the size of its pixels and, for a part of the sky, a region or the width of a disc.

        Parameters
        ----------
        nside, nest, frame, region, axes : see `HpxGeom`
        binsz : float, str, Quantity, or array of them
            Pixel size; numbers are in deg. The power of two whose pixels are nearest to it becomes ``nside``.
        skydir : SkyCoord, or tuple (lon, lat) in deg in the frame of the map
            Centre of the disc; (0, 0) by default.
        width : float, str or Quantity
            Diameter of the disc; a number is in deg.
        """
        if nside is None and binsz is None:
            raise ValueError("Either nside or binsz must be defined.")
        if nside is None:
            nside = nearest_nside(u.Quantity(cast(ArrayLike, binsz), "deg").value)
        lon, lat = lonlat_deg(skydir, frame)
        if region is None and width is not None:
            region = region_of_disc(lon, lat, max(width_deg(width)) / 2)
        return cls(nside, nest=nest, frame=frame, region=region, axes=axes)

    @classmethod
    def from_header(
        cls, header: Header | Mapping[str, Any], hdu_bands: BinTableHDU | None = None, format: str | None = None
    ) -> Self:
        """Make a geometry from the header of a table of HEALPix pixels.

        Parameters
        ----------
        header : Header
        hdu_bands : BinTableHDU
            Table of the non-spatial axes.
        format : str
            Layout, see `lightpool.maps.HpxNDMap.read`; by default it is found from the header.
        """
        return cls(**hpx_geom_format.geom_arguments(header, hdu_bands, format))

    @classmethod
    def from_hdu(cls, hdu: BinTableHDU, hdu_bands: BinTableHDU | None = None, format: str | None = None) -> Self:
        """Make a geometry from a table of HEALPix pixels, with those that its column PIX names.

        Parameters
        ----------
        hdu : BinTableHDU
        hdu_bands, format : see `from_header`
        """
        arguments = hpx_geom_format.geom_arguments(hdu.header, hdu_bands, format)
        listed = hpx_geom_format.listed_pixels(hdu, arguments["axes"])
        if listed is None:
            return cls(**arguments)
        if arguments["region"] not in (None, EXPLICIT):
            geom = cls(**arguments)
            if geom.is_regular and np.array_equal(geom.pixels.of_plane(0), np.unique(listed[0])):
                return geom
        return cls(
            arguments["nside"], arguments["nest"], frame=arguments["frame"], region=listed, axes=arguments["axes"]
        )

    def to_header(self, format: str | None = "gadf", indxschm: str | None = None) -> Header:
        """Return the keywords of the pixels.

        Parameters
        ----------
        format : str, see `lightpool.maps.HpxNDMap.to_hdulist`
        indxschm : ``IMPLICIT`` (all pixels), ``EXPLICIT`` or ``SPARSE`` (those of a column PIX)
        """
        return hpx_geom_format.geom_header(self, format, indxschm)

    def to_bands_hdu(self, hdu_bands: str | None = None, format: str = "gadf") -> BinTableHDU:
        """Return a table HDU of the non-spatial axes, with nside if the planes have different ones.

        Parameters
        ----------
        hdu_bands : str, name of the HDU
        format : str, see `MapAxes.to_table_hdu`
        """
        return hpx_geom_format.bands_hdu(self, hdu_bands, format)

    @staticmethod
    def get_index_list(nside: int, nest: bool, region: str) -> Pixels:
        """Return the pixels in a region, ascending.

        Parameters
        ----------
        nside, nest, region : see `HpxGeom`
        """
        return HpxRegion.parse(region).pixels(int(nside), nest=nest)

    @property
    def wcs(self) -> WCS:
        """WCS of an image of the geometry; regions are drawn in it."""
        width = float(self.width.value)
        return self.to_image().to_wcs_geom(proj="AIT" if width > _WIDE else "TAN").wcs

    @property
    def center_coord(self) -> tuple[CoordArray, ...]:
        """Map coordinates of the centre: longitude and latitude in deg, and the middle of the axes."""
        center = self.center_skydir.data
        lon, lat = center.lon.deg, center.lat.deg
        return (u.Quantity(lon, "deg"), u.Quantity(lat, "deg"), *self.axes.center_coord)

    @property
    def center_pix(self) -> tuple[NDArray[np.float64], ...]:  # type: ignore[override]
        """Pixel coordinates of the centre."""
        return self.coord_to_pix(self.center_coord)

    # --- other axes

    def slice_by_idx(self, slices: Mapping[str, BinIndex]) -> Self:
        """Slice non-spatial axes by name; an axis with a whole number is dropped."""
        axes = self.axes.slice_by_idx(slices)
        if self.is_regular:
            return self._with_axes(axes)
        planes = np.arange(self._pixels.n_plane).reshape(self.axes.shape)
        chosen = planes[tuple(slices.get(name, slice(None)) for name in self.axes.names)]
        return self._from_pixels(self._pixels.select(np.ravel(chosen)), self.frame, self.region, axes)

    def rename_axes(self, names: str | Sequence[str], new_names: str | Sequence[str]) -> Self:
        """Return a geometry with some axes renamed.

        Parameters
        ----------
        names, new_names : one name each, or sequences of the same length
        """
        return self._with_axes(self.axes.rename_axes(names=names, new_names=new_names))

    # --- other pixels

    def _with_pixels(self, pixels: HpxPixels, region: str | None) -> Self:
        return self._from_pixels(pixels.simplified(), self.frame, region, self._axes)

    def cutout(
        self,
        position: SkyCoord,
        width: SizeLike,
        mode: str = "trim",
        odd_npix: bool = False,
        min_npix: int = 1,
    ) -> Self:
        """Return the geometry of a disc.

        Parameters
        ----------
        position : SkyCoord
            Centre.
        width : float, str or Quantity
            Diameter; a number is in deg.
        mode : ``trim``, ``partial`` or ``strict``
            Pixels of the disc that this geometry does not have are left out, kept, or an error.
        odd_npix, min_npix : without effect; a disc that contains no pixel centre has the pixels that it touches

        Raises
        ------
        NoOverlapError
            If they share no pixel.
        """
        if mode not in CUTOUT_MODES:
            raise ValueError(f"mode must be one of {CUTOUT_MODES}, got {mode!r}")
        sky = self.sky
        lon, lat = lonlat_deg(position, self.frame)
        cut = sky.cutout(float(lon), float(lat), max(width_deg(width)) / 2, mode)
        n_outside = int((cut.places < 0).sum())
        if n_outside == cut.places.size:
            raise no_overlap_error(f"the cutout of {width} around {position.to_string()} lies outside the map")
        if n_outside and mode == "strict":
            raise partial_overlap_error(
                f"{n_outside} of {cut.places.size} pixels of the cutout are not on the map; modes 'trim' and "
                "'partial' allow that"
            )
        pixels = cut.sky.pixels.repeated(self._pixels.n_plane)
        return self._from_pixels(pixels, self.frame, cut.region, self._axes, cut.sky)

    def place_in(self, parent: "HpxGeom") -> Pixels | None:
        """Return where the pixels are in the data of another geometry, -1 if it lacks them; None if it has the same.

        Raises
        ------
        GeometryError
            If the grids differ.
        """
        has_same_axes = all(mine == its for mine, its in zip(self.axes, parent.axes, strict=False))
        if has_same_axes and self.has_pixels_of(parent):
            return None
        if not (parent.is_aligned(self) and self.is_regular and parent.is_regular):
            raise GeometryError(
                f"Can only stack equivalent maps or cutout of the same map; got\n{self}\nto stack on\n{parent}\nuse "
                "`interp_to_geom` to convert one to the other"
            )
        return self.sky.places_in(parent.sky)

    def has_pixels_of(self, other: "HpxGeom") -> bool:
        """Return whether the planes of another geometry have the same pixels, whatever its axes are.

        Parameters
        ----------
        other : HpxGeom, with as many planes
        """
        if self.is_regular and other.is_regular and self.sky is other.sky:
            return self._pixels.n_plane == other.pixels.n_plane
        return self.frame == other.frame and self._pixels.has_same_as(other.pixels)

    def to_nside(self, nside: int) -> Self:
        """Return a geometry of the same region with pixels of another size.

        Parameters
        ----------
        nside : int
        """
        old = self.sky.nside
        if self.region != EXPLICIT:
            return type(self)(int(nside), self.nest, frame=self.frame, region=self.region, axes=self._axes)
        pix = in_other_grid(self._pixels.of_plane(0), old, int(nside), nest=self.nest)
        return self._with_pixels(self._pixels.changed([pix], np.array([int(nside)])), EXPLICIT)

    def to_binsz(self, binsz: SizeLike) -> Self:
        """Return a geometry of the same region with another pixel size (numbers in deg)."""
        return self.to_nside(int(nearest_nside(max(binsz_deg(binsz)))[0]))

    def to_swapped(self) -> Self:
        """Return a geometry of the same pixels with their numbers in the other scheme."""
        if self.region != EXPLICIT:
            return type(self)(self.nside, not self.nest, frame=self.frame, region=self.region, axes=self._axes)
        assert self._pixels.lists is not None
        lists = [
            self.swapped_numbers(pix, int(self._pixels.nside_of(plane))) for plane, pix in enumerate(self._pixels.lists)
        ]
        pixels = HpxPixels(self._pixels.nside, not self.nest, tuple(np.sort(_) for _ in lists), self._pixels.n_plane)
        return self._with_pixels(pixels, EXPLICIT)

    def swapped_numbers(self, pix: Pixels, nside: "Pixels | int") -> Pixels:
        """Return the numbers of pixels in the other scheme.

        Parameters
        ----------
        pix : array of int64
        nside : int or array of int64
        """
        return swapped_numbers(pix, nside, nest=self.nest)

    def upsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return a geometry with smaller pixels, or bins of an axis.

        Parameters
        ----------
        factor : int, how many times as small; for pixels a power of two
        axis_name : str, by default the pixels are made smaller
        """
        if axis_name is not None:
            return super().upsample(factor, axis_name)
        return self._resized(_checked_factor(factor), 1)

    def downsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return a geometry with larger pixels, or bins of an axis.

        Parameters
        ----------
        factor : int, how many times as large; for pixels a power of two
        axis_name : str, by default the pixels are made larger
        """
        if axis_name is not None:
            return super().downsample(factor, axis_name)
        if np.any(self._pixels.nside % _checked_factor(factor)):
            raise GeometryError(f"nside {self.nside.tolist()} is not a multiple of factor {factor!r}")
        return self._resized(1, int(factor))

    def _resized(self, smaller: int, larger: int) -> Self:
        nside = self._pixels.nside * smaller // larger
        if self._pixels.lists is None:
            return self._with_pixels(HpxPixels(nside, self.nest, None, self._pixels.n_plane), None)
        old, new = (np.broadcast_to(n, (len(self._pixels.lists),)).tolist() for n in (self._pixels.nside, nside))
        lists = [in_other_grid(p, a, b, nest=self.nest) for p, a, b in zip(self._pixels.lists, old, new, strict=True)]
        return self._with_pixels(self._pixels.changed(lists, nside), EXPLICIT)

    def _pad_spatial(self, pad_width: int | tuple[int, int]) -> Self:
        """Return a geometry with the neighbours of its pixels, and so on ``pad_width`` times."""

        def grown(pix: Pixels, around: Pixels) -> Pixels:
            return np.unique(np.concatenate([pix, around[around >= 0]]))

        return self._at_border(pad_width, grown, "pad")

    def crop(self, crop_width: int | tuple[int, int]) -> Self:
        """Return a geometry without the pixels at its border, and so on ``crop_width`` times."""

        def shrunk(pix: Pixels, around: Pixels) -> Pixels:
            is_inner = np.all(np.isin(around, pix) | (around < 0), axis=0)
            return pix[is_inner]

        return self._at_border(crop_width, shrunk, "crop")

    def _at_border(self, width: int | tuple[int, int], change: Any, what: str) -> Self:
        if self._pixels.lists is None:
            raise GeometryError(f"Cannot {what} an all-sky map.")
        n_time = int(np.max(width))
        lists = []
        for number, pix in enumerate(self._pixels.lists):
            nside = int(self._pixels.nside_of(number))
            for _ in range(n_time):
                pix = change(pix, neighbours_of(pix, nside, nest=self.nest))
            lists.append(pix)
        return self._with_pixels(self._pixels.changed(lists), EXPLICIT) if n_time else self

    # --- images of the sky

    def to_wcs_geom(self, proj: str = "AIT", oversample: float | None = 2, width_pix: int | None = None) -> WcsGeom:
        """Return a geometry of square pixels that shows all pixels of this one.

        Parameters
        ----------
        proj : str
            Three-letter code of the projection.
        oversample : float, optional
            How many pixels are about as wide as one of this geometry.
        width_pix : int, optional
            Largest number of pixels along a side; the number of them without ``oversample``.
        """
        size = pixel_size(self.nside)
        width = float(self.width.value) + float(np.max(size))
        if oversample is None and width_pix is None:
            raise ValueError("Either oversample or width_pix must be defined.")
        binsz = float(np.min(size)) / oversample if oversample is not None else 0.0
        if width_pix is not None and (oversample is None or int(width / binsz) > width_pix):
            binsz = width / width_pix
        sides = (min(360.0, width), min(180.0, width)) if width > _WIDE else (width, width)
        return WcsGeom.create(
            width=sides, binsz=binsz, frame=self.frame, axes=self._axes, skydir=self.center_skydir, proj=proj
        )

    def to_wcs_tiles(self, nside_tiles: int = 4, margin: "SizeLike" = "0 deg") -> list[WcsGeom]:
        """Return geometries of square pixels in a tangential projection, one around each of larger HEALPix pixels.

        Parameters
        ----------
        nside_tiles : int
            nside of these pixels.
        margin : Quantity or str
            By how much the width of a tile is larger than its pixel.
        """
        nside = self.sky.nside
        if nside_tiles >= nside:
            raise ValueError(f"nside_tiles must be < {nside}")
        if not self.is_allsky:
            raise ValueError("to_wcs_tiles() is only supported for all sky geoms")
        tiles = self.to_image().to_nside(nside_tiles)
        binsz = float(np.rad2deg(np.sqrt(self.sky.solid_angle)))
        extra = u.Quantity(cast(Any, margin)).to_value("deg")
        corners = np.rad2deg(corners_of(tiles.pixels.of_plane(0), nside_tiles, nest=self.nest))
        centers = np.rad2deg(tiles.sky.lonlat())
        geoms = []
        for number in range(tiles.sky.n_pix):
            corner = SkyCoord(*corners[..., number], unit="deg", frame=self.frame)
            width = float(corner.separation(corner[:, None]).deg.max()) + extra
            skydir = float(centers[0, number]), float(centers[1, number])
            geoms.append(
                WcsGeom.create(skydir=skydir, width=width, binsz=binsz, frame=self.frame, proj="TAN", axes=self._axes)
            )
        return geoms

    def region_mask(self, regions: "RegionLike | None", inside: bool = True, device: str | Device | None = None) -> Any:
        """Return a mask of the pixels whose centre lies in any of some regions.

        Parameters
        ----------
        regions : str, Region, SkyCoord, or list of them
            Sky regions; a string is in DS9 format.
        inside : bool
            Whether pixels in the regions are True, or those outside.
        device : str or Device
            Where the mask is made; the default device by default.

        Returns
        -------
        mask : HpxNDMap of bool
        """
        return make_map(self, self.region_mask_array(regions, inside, device), device)

    def region_mask_array(
        self, regions: "RegionLike | None", inside: bool = True, device: str | Device | None = None
    ) -> Array:
        """Return the mask of `region_mask` as an array, shape ``data_shape``.

        Parameters
        ----------
        regions, inside, device
            As in `region_mask`; None stands for all pixels.
        """
        if regions is None:
            image = np.ones(self.sky.n_pix, dtype=bool)
        else:
            lon, lat = np.rad2deg(self.sky.lonlat())
            image = RegionGeom.from_regions(regions).contains(SkyCoord(lon, lat, unit="deg", frame=self.frame))
        return full_data(self, image == inside, device)

    # --- comparison

    def is_aligned(self, other: "HpxGeom") -> bool:
        """Return whether the axes are equal, and pixels of the same number are the same.

        Parameters
        ----------
        other : HpxGeom
        """
        # not strict, as in Gammapy: an image is aligned with a cube
        if any(axis != other_axis for axis, other_axis in zip(self.axes, other.axes, strict=False)):
            return False
        return self.frame == other.frame and self.nest == other.nest and np.array_equal(self.nside, other.nside)

    def is_allclose(self, other: "HpxGeom", rtol_axes: float = 1e-6, atol_axes: float = 1e-6) -> bool:
        """Return whether another geometry has the same pixels, and the same axes within tolerances.

        Parameters
        ----------
        other : HpxGeom
        rtol_axes, atol_axes : float, of the edges of axes, see `numpy.allclose`
        """
        if not isinstance(other, HpxGeom):
            raise TypeError(f"cannot compare a {type(self).__name__} with a {type(other).__name__}")
        if self.data_shape != other.data_shape or self.frame != other.frame:
            log.debug("shapes or frames differ: %s and %s", self.data_shape, other.data_shape)
            return False
        return self._pixels.has_same_as(other.pixels) and self.axes.is_allclose(
            other.axes, rtol=rtol_axes, atol=atol_axes
        )

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        other = other if isinstance(other, HpxGeom) else accepted(other)
        return isinstance(other, HpxGeom) and self.is_allclose(other)

    def __hash__(self) -> int:
        return id(self)  # equality has tolerances, which no hash of the numbers fits

    def html_card(self) -> Card:
        """Return what notebooks show of the geometry."""
        rows = {
            "projection": self.projection,
            "nside": ", ".join(map(str, np.unique(self.nside))),
            "nested": self.nest,
            "region": "all the sky" if self.region is None else self.region,
            "width": lambda: f"{self.width.value:.5g} deg",
            "pixel size": lambda: f"{self.pixel_scales.value.flat[0]:.4g} deg",
        }
        return geom_card(self, rows)

    def __str__(self) -> str:
        centre = self.center_skydir.data
        return (
            f"{type(self).__name__}\n\n"
            f"\taxes       : {self.axes_names}\n"
            f"\tshape      : {self.data_shape[::-1]}\n"
            f"\tndim       : {self.ndim}\n"
            f"\tnside      : {self.nside.flat[0]}\n"
            f"\tnested     : {self.nest}\n"
            f"\tframe      : {self.frame}\n"
            f"\tprojection : {self.projection}\n"
            f"\tcenter     : {centre.lon.deg:.1f} deg, {centre.lat.deg:.1f} deg\n"
        )


def _checked_factor(factor: int) -> int:
    if factor != int(factor) or not is_power_of_two(int(factor)):
        raise GeometryError(f"the factor by which pixels are divided or joined must be a power of two, got {factor!r}")
    return int(factor)
