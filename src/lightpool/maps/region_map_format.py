"""Region maps in FITS files: Gammapy's layout "gadf", a table of the values, one of the bins and one of the region."""

from typing import Any, Protocol, TypedDict

import astropy.units as u
import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, HDUList, PrimaryHDU
from lightpool.maps.fits_format import MapValues, find_hdu, meta_from_header, meta_to_text, native
from lightpool.maps.geoms.region_geom import RegionGeom

__all__ = ["RegionMapArguments", "region_map_arguments", "region_map_hdulist"]


class RegionMapValues(MapValues, Protocol):
    """What is written of a `RegionNDMap`."""

    @property
    def geom(self) -> RegionGeom:
        """Geometry."""


class RegionMapArguments(TypedDict):
    """Arguments of `RegionNDMap` that a file holds."""

    geom: RegionGeom
    data: NDArray[Any]
    meta: dict[str, Any]
    unit: u.UnitBase


def _check_format(format: str | None) -> None:
    if format not in (None, "gadf"):
        raise FormatError(f"region maps are read and written in format 'gadf', got {format!r}")


def region_map_arguments(
    hdulist: HDUList, hdu: str | int | None = None, format: str | None = "gadf"
) -> RegionMapArguments:
    """Read the arguments of `RegionNDMap` from an HDU.

    Parameters
    ----------
    hdulist : HDUList
    hdu : str or int, optional
        Name or number; by default ``SKYMAP``.
    format : ``gadf`` or None
    """
    _check_format(format)
    name = find_hdu(hdulist, "SKYMAP" if hdu is None else hdu).name
    table: BinTableHDU = hdulist[name]
    if "DATA" not in table.columns.names:
        raise FormatError(f"HDU {name!r} must have a column DATA, its columns are {table.columns.names}")
    geom = RegionGeom.from_hdulist(hdulist, format="gadf", hdu=name)
    data = native(table.data["DATA"]).reshape(geom.data_shape)
    unit = u.Unit(table.columns["DATA"].unit or "")
    return {"geom": geom, "data": data, "meta": meta_from_header(table.header), "unit": unit}


def region_map_hdulist(
    m: RegionMapValues,
    hdu: str | None = None,
    hdu_bands: str | None = None,
    hdu_region: str | None = None,
    format: str = "gadf",
) -> HDUList:
    """Make the HDUs of a region map.

    Parameters
    ----------
    m : RegionNDMap
    hdu, hdu_bands, hdu_region, format
        As in `RegionNDMap.to_hdulist`.
    """
    _check_format(format)
    name = "SKYMAP" if hdu is None else hdu.upper()
    data = to_host(m.data)  # host: FITS is written from NumPy
    table = Table()
    table["CHANNEL"] = np.arange(len(data), dtype=np.int16)
    table["DATA"] = data
    if not m.is_mask:
        table["DATA"].unit = m.unit
    table.meta.update(m.geom.axes.to_header())
    table.meta["META"] = meta_to_text(m.meta)
    hdus = HDUList([PrimaryHDU(), BinTableHDU(table, name=name)])
    geom_hdus = m.geom.to_hdulist(
        format=format, hdu_bands=hdu_bands or f"{name}_BANDS", hdu_region=hdu_region or f"{name}_REGION"
    )
    # a file has one primary HDU
    hdus.extend(h for h in geom_hdus if not isinstance(h, PrimaryHDU))
    return hdus
