"""Region maps in tables and FITS files.

The layout "gadf" has a table of the values, one of the bins and one of the region. The OGIP layouts are those of
spectra (counts, OGIP/92-007) and of effective areas (CAL/GEN/92-002). Tables of flux points are read too.
"""

from typing import Any, NotRequired, Protocol, TypedDict

import astropy.units as u
import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, HDUList, PrimaryHDU, parse_unit
from lightpool.maps.axes.axes import MapAxes
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.axes.axis_format import integer_type
from lightpool.maps.axes.table_columns import AnyTable, column_names, column_values, table_meta
from lightpool.maps.fits_format import MapValues, meta_from_header, meta_to_text, native
from lightpool.maps.geoms.map_hdus import find_hdu
from lightpool.maps.geoms.region_geom import RegionGeom

__all__ = ["RegionMapArguments", "map_of_column", "region_map_arguments", "region_map_hdulist", "region_map_table"]

_COLUMNS = {"gadf": ("SKYMAP", "DATA"), "ogip": ("SPECTRUM", "COUNTS"), "ogip-arf": ("SPECRESP", "SPECRESP")}
"""HDU and column of the values, by format."""

_OGIP_WRITTEN = ("ogip", "ogip-sherpa", "ogip-arf", "ogip-arf-sherpa")

_SPECTRUM_CARDS = {
    "TELESCOP": "unknown",
    "INSTRUME": "unknown",
    "FILTER": "None",
    "EXPOSURE": 0.0,
    "CORRFILE": "none",
    "CORRSCAL": 1.0,
    "BACKFILE": "none",
    "RESPFILE": "none",
    "ANCRFILE": "none",
    "HDUCLASS": "OGIP",
    "HDUCLAS1": "SPECTRUM",
    "HDUVERS": "1.2.1",
    "POISSERR": True,
    "CHANTYPE": "PHA",
    "QUALITY": 0,
    "BACKSCAL": 1.0,
    "GROUPING": 0,
    "AREASCAL": 1.0,
}
_AREA_CARDS = {
    "TELESCOP": "unknown",
    "INSTRUME": "unknown",
    "FILTER": "None",
    "HDUCLASS": "OGIP",
    "HDUCLAS1": "RESPONSE",
    "HDUCLAS2": "SPECRESP",
    "HDUVERS": "1.1.0",
}
_AXES_OF_FLUX_TABLES = {"gadf-sed": [], "lightcurve": ["time"], "profile": ["projected-distance"]}
"""Axes after that of energy, by format."""

_FIRST_AXIS = {"stat_scan": "norm", "counts": "dataset", "npred": "dataset", "npred_excess": "dataset"}
"""Axes before that of energy, by column."""


class RegionMapValues(MapValues, Protocol):
    """What is written of a `RegionNDMap`."""

    @property
    def geom(self) -> RegionGeom:
        """Geometry."""


class RegionMapArguments(TypedDict):
    """Arguments of `RegionNDMap` that a file or a table holds."""

    geom: RegionGeom
    data: NDArray[Any]
    meta: NotRequired[dict[str, Any]]
    unit: u.UnitBase


# --- reading


def region_map_arguments(
    hdulist: HDUList, hdu: str | int | None = None, format: str | None = "gadf", column: str | None = None
) -> RegionMapArguments:
    """Read the arguments of `RegionNDMap` from an HDU.

    Parameters
    ----------
    hdulist : HDUList
    hdu : str or int, optional
        Name or number; by default that of the format.
    format : ``gadf`` (also if it is None), ``ogip`` or ``ogip-arf``
    column : str, optional
        Column of the values; by default that of the format.
    """
    layout = "gadf" if format is None else format.removesuffix("-sherpa")  # the files state their units
    if layout not in _COLUMNS:
        raise FormatError(f"region maps are read in one of the formats {list(_COLUMNS)}, got {format!r}")
    default_hdu, default_column = _COLUMNS[layout]
    column = default_column if column is None or layout == "gadf" else column
    name = find_hdu(hdulist, default_hdu if hdu is None else hdu).name
    table: BinTableHDU = hdulist[name]
    if column not in table.columns.names:
        raise FormatError(f"HDU {name!r} must have a column {column}, its columns are {table.columns.names}")
    geom = RegionGeom.from_hdulist(hdulist, format=layout, hdu=name)
    data = native(table.data[column])
    if data.size != np.prod(geom.data_shape):
        raise FormatError(
            f"column {column} of HDU {name!r} has {data.size} values, but the axes have {geom.axes.shape} bins"
        )
    data = data.reshape(geom.data_shape)
    if column == "QUALITY":
        # OGIP: 0 is good
        return {"geom": geom, "data": data == 0, "unit": u.dimensionless_unscaled}
    unit = parse_unit(table.columns[column].unit or "", f"column {column} of HDU {name!r}")
    unit = u.dimensionless_unscaled if unit == u.ct else unit
    return {"geom": geom, "data": data, "meta": meta_from_header(table.header), "unit": unit}


def map_of_column(table: AnyTable, format: str, column: str | None) -> RegionMapArguments:
    """Read the arguments of `RegionNDMap` from a column of a table of flux points.

    Parameters
    ----------
    table : Table or TableData
    format : ``gadf-sed``, ``lightcurve`` or ``profile``
    column : str
    """
    if format not in _AXES_OF_FLUX_TABLES:
        raise FormatError(f"maps are made of tables in one of the formats {list(_AXES_OF_FLUX_TABLES)}, got {format!r}")
    if column is None or column not in column_names(table):
        raise FormatError(f"colname must be one of the columns {column_names(table)}, got {column!r}")
    first = [_FIRST_AXIS[column]] if column in _FIRST_AXIS else []
    axes = MapAxes.from_table(table, format=format)[[*first, "energy", *_AXES_OF_FLUX_TABLES[format]]]
    geom = RegionGeom.create(region=None, axes=list(axes))
    values = np.asarray(table.columns[column])
    if values.dtype.kind == "b":
        data, unit = values, u.dimensionless_unscaled
    else:
        data, unit = column_values(table, column)
    return {"geom": geom, "data": data.reshape(geom.data_shape), "meta": dict(table_meta(table)), "unit": unit}


# --- writing


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
    table = region_map_table(m, format)
    if format in _OGIP_WRITTEN:
        name = "SPECRESP" if "arf" in format else "SPECTRUM"
    else:
        name = "SKYMAP" if hdu is None else hdu.upper()
    hdus = HDUList([PrimaryHDU(), BinTableHDU(table, name=name)])
    if "arf" in format:  # the energies are in the table itself
        return hdus
    geom_hdus = m.geom.to_hdulist(
        format=format, hdu_bands=hdu_bands or f"{name}_BANDS", hdu_region=hdu_region or f"{name}_REGION"
    )
    # a file has one primary HDU
    hdus.extend(h for h in geom_hdus if not isinstance(h, PrimaryHDU))
    return hdus


def region_map_table(m: RegionMapValues, format: str) -> Table:
    """Make the table of the values of a region map.

    Parameters
    ----------
    m : RegionNDMap
    format : see `RegionNDMap.to_hdulist`
    """
    data = to_host(m.data)  # host: FITS is written from NumPy
    if format == "gadf":
        table = Table({"CHANNEL": np.arange(len(data), dtype=np.int16), "DATA": data})
        if not m.is_mask:
            table["DATA"].unit = m.unit
        table.meta.update(m.geom.axes.to_header())
        table.meta["META"] = meta_to_text(m.meta)
        return table
    if format not in _OGIP_WRITTEN:
        raise FormatError(f"region maps are written in one of the formats {['gadf', *_OGIP_WRITTEN]}, got {format!r}")
    # as in Gammapy, what is not known counts as nothing
    values = u.Quantity(np.nan_to_num(data[..., 0, 0]), m.unit)
    axis = _only_energy_axis(m.geom, format)
    table = _area_table(values, axis, format) if "arf" in format else _spectrum_table(values, axis)
    known = {key.upper(): value for key, value in m.meta.items()}
    table.meta.update({key: known.get(key, value) for key, value in table.meta.items()})
    return table


def _only_energy_axis(geom: RegionGeom, format: str) -> MapAxis:
    name = "energy_true" if "arf" in format else "energy"
    axis = geom.axes[0] if len(geom.axes) == 1 else None
    if not isinstance(axis, MapAxis) or axis.name != name:
        raise FormatError(
            f"Writing to format '{format}' only supports a single energy axis, {name!r}. Got {geom.axes.names}"
        )
    return axis


def _spectrum_table(values: u.Quantity, axis: MapAxis) -> Table:
    counts = values.to_value("")
    # the standard has whole counts, but models of them are written too
    whole = np.all(counts == np.rint(counts)) and np.all(np.abs(counts) < 2**31)
    table = Table({"CHANNEL": np.arange(axis.nbin).astype(integer_type(axis.nbin))})
    table["COUNTS"] = counts.astype(np.int32 if whole else np.float64)
    # readers assume that channels count from 1 unless the first one is stated
    channels = {"DETCHANS": axis.nbin, "TLMIN1": 0, "TLMAX1": axis.nbin - 1}
    table.meta.update(_SPECTRUM_CARDS | channels)
    return table


def _area_table(values: u.Quantity, axis: MapAxis, format: str) -> Table:
    table = axis.to_table(format=format)
    table["SPECRESP"] = values.to("cm2") if format == "ogip-arf-sherpa" else values
    table.meta.update(_AREA_CARDS)
    return table
