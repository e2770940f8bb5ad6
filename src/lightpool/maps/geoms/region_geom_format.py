"""Files of region geometries: a table of the axes, and a table of the region on the pixels of its WCS."""

import logging
from typing import TYPE_CHECKING, cast

from astropy.table import QTable, Table
from astropy.wcs import WCS

from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, HDUList, Header
from lightpool.maps.axes.axes import MapAxes
from lightpool.maps.regions import region_classes
from lightpool.maps.regions.sky_regions import (
    compound_region_to_regions,
    region_to_pixel,
    region_to_sky,
    regions_to_compound_region,
)
from lightpool.maps.wcs_header import header_npix

if TYPE_CHECKING:
    from regions import PixelRegion, SkyRegion

__all__ = ["make_region_hdus", "read_region_hdus"]

log = logging.getLogger(__name__)

_WRITABLE = ("Circle", "CircleAnnulus", "Ellipse", "EllipseAnnulus", "Point", "Polygon", "Rectangle")
"""Kinds of regions that FITS knows, by the first part of the names of their classes."""


def make_region_hdus(
    region: "SkyRegion | None", wcs: WCS, axes: MapAxes, format: str, hdu_bands: str | None, hdu_region: str | None
) -> HDUList:
    """Return the HDUs of axes and region.

    Parameters
    ----------
    region : SkyRegion, or None for a region that is not known
    wcs : WCS, pixels on which the region is drawn
    axes : MapAxes
    format : ``gadf``, ``ogip`` or ``ogip-sherpa``
    hdu_bands, hdu_region : names of the HDUs; the OGIP formats call the region ``REGION``
    """
    hdulist = HDUList()
    hdulist.append(axes.to_table_hdu(hdu_bands=hdu_bands or "HDU_BANDS", format=format))
    if region is not None:
        name = (hdu_region or "HDU_REGION") if format == "gadf" else "REGION"
        hdulist.append(_region_hdu(region, wcs, name))
    return hdulist


def _region_hdu(region: "SkyRegion", wcs: WCS, name: str) -> BinTableHDU:
    try:
        parts = [region_to_pixel(_, wcs) for _ in compound_region_to_regions(region)]
    except ValueError as error:
        raise FormatError(f"the region cannot be written to FITS: {error}") from error
    writable = tuple(getattr(region_classes, f"{kind}PixelRegion") for kind in _WRITABLE)
    for part in parts:
        if not isinstance(part, writable):  # the serializer would leave it out
            raise FormatError(
                f"a {type(part).__name__} cannot be written to FITS, which knows circles, ellipses, rectangles, annuli "
                "of circles and ellipses, points and polygons; a polygon may stand for it"
            )
    table = region_classes.Regions(parts).serialize(format="fits")
    hdu = BinTableHDU(table, name=name)
    # the table holds pixel coordinates, which only this WCS places on the sky
    hdu.header.update(wcs.to_header())
    shape = wcs.array_shape
    if shape is not None:
        # a keyword of Gammapy: NAXIS1 and NAXIS2 of a table are not the size of an image
        hdu.header["WCSSHAPE"] = f"({shape[1]},{shape[0]})"
    return hdu


def read_region_hdus(hdulist: HDUList, format: str, hdu: str | None) -> "tuple[SkyRegion | None, WCS | None, MapAxes]":
    """Read a region (None if there is none), its WCS, and axes.

    Parameters
    ----------
    hdulist : HDUList
    format : ``gadf``, ``ogip`` or ``ogip-arf``
    hdu : first part of the names of the HDUs in the format ``gadf``

    Raises
    ------
    FormatError
        If the format is not known, or there is no table of the axes.
    """
    bands = {"ogip": "EBOUNDS", "ogip-arf": "SPECRESP", "gadf": f"{hdu}_BANDS"}
    if format not in bands:
        raise FormatError(f"format {format!r} is not known, expected one of {list(bands)}")
    if bands[format] not in hdulist:
        raise FormatError(f"no HDU {bands[format]!r} for the axes; there are {[_.name for _ in hdulist]}")
    axes = MapAxes.from_table_hdu(hdulist[bands[format]], format=format)
    name = f"{hdu}_REGION" if format == "gadf" and hdu else "REGION"
    if name not in hdulist:
        return None, None, axes
    region, wcs = _read_region(hdulist[name])
    return region, wcs, axes


def _read_region(hdu: BinTableHDU) -> "tuple[SkyRegion | None, WCS | None]":
    wcs = _wcs_of(hdu.header)
    regions = []
    parsed = cast("list[PixelRegion]", list(region_classes.Regions.parse(data=_table_of(hdu), format="fits")))
    for pixel_region in parsed:
        pixel_region.meta["include"] = True  # the parser leaves it out
        regions.append(region_to_sky(pixel_region, wcs))
    if not regions:
        log.warning("HDU %r holds no region of a known shape, so the region is not known", hdu.name)
        return None, None
    return regions_to_compound_region(regions), wcs


def _table_of(hdu: BinTableHDU) -> Table:
    try:
        return QTable.read(hdu)  # the parser wants angles with units
    except TypeError:  # columns of numbers and columns of text mixed
        return Table.read(hdu)


def _wcs_of(header: Header) -> WCS:
    wcs = WCS(header, naxis=2).sub(2)
    wcs.array_shape = header_npix(header)[::-1]
    return wcs
