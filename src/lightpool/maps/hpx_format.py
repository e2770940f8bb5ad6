"""Maps with HEALPix pixels in FITS files: a table with a column for each image plane, or of pixels and their values.

The layouts of several programs are in `lightpool.maps.geoms.hpx_geom_format`.
"""

from typing import Any, Protocol, TypedDict, cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, Column, HDUList, Header, PrimaryHDU
from lightpool.maps.fits_format import (
    EXPOSURE_OF_FERMI,
    MASK_NAMES,
    MapValues,
    meta_from_header,
    meta_to_text,
    native,
    unit_from_header,
)
from lightpool.maps.geoms.hpx_geom import HpxGeom
from lightpool.maps.geoms.hpx_geom_format import LAYOUTS, HpxLayout, find_layout, layout_by_name
from lightpool.maps.geoms.map_hdus import find_bands_hdu, find_hdu

__all__ = ["hpx_map_arguments", "hpx_map_hdu", "hpx_map_hdulist", "table_arguments"]

HostArray = NDArray[Any]


class HpxMapValues(MapValues, Protocol):
    """What is written of a `HpxNDMap`."""

    @property
    def geom(self) -> HpxGeom:
        """Geometry."""


class HpxMapArguments(TypedDict):
    """Arguments of `HpxNDMap` that a file holds."""

    geom: HpxGeom
    data: HostArray
    meta: dict[str, Any]
    unit: u.UnitBase


def hpx_map_arguments(
    hdulist: HDUList,
    hdu: str | int | None = None,
    hdu_bands: str | int | None = None,
    format: str | None = None,
    colname: str | None = None,
) -> HpxMapArguments:
    """Read the arguments of `HpxNDMap` from a file.

    Parameters
    ----------
    hdulist : HDUList
    hdu : str or int, optional
        By default the first table.
    hdu_bands, format, colname : see `lightpool.maps.Map.read`

    Raises
    ------
    FormatError
        If the HDU is no table of HEALPix pixels, or its columns do not fit to its keywords.
    """
    table = _table(hdulist, hdu)
    bands_name = find_bands_hdu(hdulist, table) if hdu_bands is None else hdu_bands
    bands = None if bands_name is None else cast(BinTableHDU, find_hdu(hdulist, bands_name))
    read = table_arguments(table, bands, format, colname)
    layout_name = find_layout(table.header) if format is None else format.lower()
    if layout_name == "fgst-bexpcube" and "GTI" in hdulist:
        # cubes from gtexpcube2 do not state their unit
        read["unit"] = EXPOSURE_OF_FERMI
    return read


def table_arguments(
    table: BinTableHDU, bands: BinTableHDU | None, format: str | None = None, colname: str | None = None
) -> HpxMapArguments:
    """Read the arguments of `HpxNDMap` from a table.

    Parameters
    ----------
    table, bands : BinTableHDU, of the values and of the axes
    format : str, see `lightpool.maps.Map.read`
    colname : str, optional
        Column of the values; by default all those that belong to the layout.
    """
    format = find_layout(table.header) if format is None else format.lower()
    layout = layout_by_name(format)
    geom = HpxGeom.from_hdu(table, bands, format=format)
    names = list(table.columns.names)
    if str(table.header.get("INDXSCHM", "")).upper() == "SPARSE" and colname is None:
        data = _from_sparse(table, geom)
    else:
        columns = [colname] if colname is not None else _value_columns(layout, names, geom)
        data = _without_sentinels(_from_columns(table, geom, columns), table)
    if any(name in table.name.lower() for name in MASK_NAMES):
        data = data.astype(bool)
    unit = _unit_of_values(table, colname)
    return {"geom": geom, "data": data, "meta": meta_from_header(table.header), "unit": unit}


def _unit_of_values(table: BinTableHDU, colname: str | None) -> u.UnitBase:
    """Return the unit in the keyword BUNIT, or in that of the columns of values."""
    if "BUNIT" in table.header:
        return unit_from_header(table.header)
    names = [name for name in table.columns.names if name != "PIX"] if colname is None else [colname]
    units = {table.columns[name].unit for name in names if name in table.columns.names}
    text = units.pop() if len(units) == 1 else None
    return unit_from_header(Header({"BUNIT": text or ""}))


def _without_sentinels(data: HostArray, table: BinTableHDU) -> HostArray:
    """Replace the value that stands for pixels without data, which healpy and others write, by NaN."""
    sentinel = table.header.get("BAD_DATA")
    if sentinel is None or not np.issubdtype(data.dtype, np.floating):
        return data
    # the keyword has fewer digits than the values
    return np.where(np.isclose(data, float(sentinel), rtol=1e-5, atol=0.0), np.nan, data)


def _table(hdulist: HDUList, hdu: str | int | None) -> BinTableHDU:
    tables = [h for h in hdulist if isinstance(h, BinTableHDU)]
    found = find_hdu(hdulist, hdu) if hdu is not None or not tables else tables[0]
    if not isinstance(found, BinTableHDU):
        raise FormatError(
            f"HEALPix maps are in tables, but HDU {hdu!r} is none; the HDUs are {[h.name for h in hdulist]}"
        )
    return found


def _value_columns(layout: HpxLayout, names: list[str], geom: HpxGeom) -> list[str]:
    """Return the names of the columns of values, in the order of the image planes."""
    found = [name for name in names if name != "PIX" and name.startswith(layout.column or "")]
    if len(found) not in (1, geom.pixels.n_plane):
        raise FormatError(
            f"the table has {len(found)} columns {layout.column or ''}* for the {geom.pixels.n_plane} image planes of "
            f"its axes {geom.axes.names}; its columns are {names}"
        )
    return found


def _from_columns(table: BinTableHDU, geom: HpxGeom, names: list[str]) -> HostArray:
    for name in names:
        if name not in table.columns.names:
            raise FormatError(f"there is no column {name!r}; the columns are {list(table.columns.names)}")
    columns = [native(table.data[name]) for name in names]
    n_column = geom.data_shape[-1]
    if len(columns) == 1:
        # one column of the whole map: a vector of planes in each row, or several pixels in each
        values = columns[0]
        n_plane = geom.pixels.n_plane
        planes = values.T if values.ndim == 2 and values.shape == (n_column, n_plane) else values
        columns = list(np.reshape(planes, (n_plane, -1)))
    for name, column in zip(names, columns, strict=False):
        if column.size != n_column:
            raise FormatError(
                f"column {name!r} has {column.size} values, but the region {geom.region!r} has {n_column} pixels of "
                f"nside {int(geom.nside.max())}"
            )
    order = _order_of_rows(table, geom)
    data = np.stack([np.ravel(column)[order] for column in columns])
    return data.reshape(geom.data_shape)


def _order_of_rows(table: BinTableHDU, geom: HpxGeom) -> slice | HostArray:
    """Return how the rows are ordered by pixel; a file may list pixels in any order."""
    scheme = str(table.header.get("INDXSCHM", "")).upper()
    if scheme not in ("EXPLICIT", "PARTIAL") or "PIX" not in table.columns.names:
        return slice(None)
    pix = np.asarray(table.data["PIX"], dtype=np.int64)
    if geom.is_regular and not np.array_equal(np.sort(pix), geom.pixels.of_plane(0)):
        return slice(None)
    return np.argsort(pix, kind="stable")


def _from_sparse(table: BinTableHDU, geom: HpxGeom) -> HostArray:
    names = list(table.columns.names)
    missing = [name for name in ("PIX", "VALUE") if name not in names]
    if missing:
        raise FormatError(f"a sparse HEALPix map needs the columns PIX and VALUE; {missing} are missing in {names}")
    values = native(table.data["VALUE"])
    pix = np.asarray(table.data["PIX"], dtype=np.int64)
    channel = np.asarray(table.data["CHANNEL"], dtype=np.int64) if "CHANNEL" in names else np.zeros_like(pix)
    shape = geom.axes.shape[::-1]
    bins = np.unravel_index(channel, shape)[::-1] if shape else ()
    place, *bins_found = geom.data_index((pix, *bins))
    data = np.zeros(geom.data_shape, dtype=values.dtype)
    if not geom.is_regular and np.issubdtype(data.dtype, np.floating):
        data[np.asarray(geom.get_idx()[0]) < 0] = np.nan
    kept = place >= 0
    data[(*(b[kept] for b in reversed(bins_found)), place[kept])] = values[kept]
    return data


def hpx_map_hdulist(m: HpxMapValues, hdu: str | None, hdu_bands: str | None, sparse: bool, format: str) -> HDUList:
    """Make the HDUs of a map.

    Parameters
    ----------
    m : HpxNDMap
    hdu, hdu_bands, sparse, format : see `HpxNDMap.to_hdulist`
    """
    name = (hdu or "SKYMAP").upper()
    bands = None
    if len(m.geom.axes):
        bands = m.geom.to_bands_hdu(hdu_bands=hdu_bands or f"{name}_BANDS", format=format)
    table = hpx_map_hdu(m, name, None if bands is None else bands.name, sparse, format)
    hdus = [PrimaryHDU(), table]
    return HDUList(hdus if bands is None else [*hdus, bands])


def hpx_map_hdu(
    m: HpxMapValues, hdu: str | None, hdu_bands: str | None, sparse: bool, format: str | None
) -> BinTableHDU:
    """Make the table of the values of a map.

    Parameters
    ----------
    m : HpxNDMap
    hdu, hdu_bands, sparse, format : see `HpxNDMap.to_hdulist`

    Raises
    ------
    FormatError
        If the layout is not one that is written.
    """
    layout = layout_by_name(format)
    if layout.name not in ("gadf", "fgst-ccube", "fgst-template", "fgst-bexpcube"):
        raise FormatError(
            f"HEALPix maps are not written in the layout {format!r}; it is one of {sorted(LAYOUTS)} to read"
        )
    geom = m.geom
    # Planes with pixels of their own have no common list of pixels, so each value is written with its pixel.
    every = not (geom.is_regular or geom.is_allsky)
    header = geom.to_header(format=format, indxschm="SPARSE" if sparse or every else None)
    if not geom.is_regular and geom.is_allsky and not sparse:
        header["INDXSCHM"] = "IMPLICIT"
    if len(geom.axes):
        header["BANDSHDU"] = hdu_bands or layout.bands
    header["META"] = meta_to_text(m.meta)
    header["BUNIT"] = m.unit.to_string("fits")
    data = to_host(m.data)  # host: FITS is written from NumPy
    data = data.astype(np.int16) if m.is_mask else data
    columns = (
        _sparse_columns(data, geom, every=every and not sparse) if sparse or every else _columns(data, geom, layout)
    )
    name = hdu if hdu is not None else layout.hdu
    return BinTableHDU.from_columns(columns, header=header, name=name)


def _columns(data: HostArray, geom: HpxGeom, layout: HpxLayout) -> list[Column]:
    columns = [] if geom.is_allsky else [_pix_column(geom.pixels.of_plane(0))]
    planes = data.reshape(-1, data.shape[-1])
    columns += [
        Column(f"{layout.column}{number + layout.first}", _code(plane), array=plane)
        for number, plane in enumerate(planes)
    ]
    return columns


def _sparse_columns(data: HostArray, geom: HpxGeom, *, every: bool) -> list[Column]:
    """Return columns of the pixels above zero, or of every pixel."""
    index = geom.get_idx()
    exists = np.asarray(index[0]) >= 0
    with np.errstate(invalid="ignore"):
        kept = np.nonzero(exists if every else exists & np.isfinite(data) & (data > 0))
    columns = [_pix_column(np.broadcast_to(np.asarray(index[0]), data.shape)[kept])]
    if data.ndim > 1:
        n_plane = geom.pixels.n_plane
        channel = np.ravel_multi_index(kept[:-1], data.shape[:-1])
        # 16 bits where the numbers fit
        columns.append(Column("CHANNEL", "I" if n_plane < 2**15 else "J", array=channel))
    values = data[kept]
    return [*columns, Column("VALUE", _code(values), array=values)]


def _pix_column(pix: HostArray) -> Column:
    # 32 bits where the numbers fit
    return Column("PIX", "J" if not pix.size or pix.max() < 2**31 else "K", array=pix)


def _code(values: HostArray) -> str:
    """Return the FITS code of a data type."""
    return {"float32": "E", "int16": "I", "int32": "J", "int64": "K"}.get(values.dtype.name, "D")
