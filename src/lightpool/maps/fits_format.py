"""Maps on a WCS grid in FITS files: Gammapy's layout "gadf", an image HDU and a table of the bins of its axes."""

import json
import logging
import math
from typing import Any, Protocol, TypeAlias, TypedDict

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import to_host
from lightpool.errors import FormatError
from lightpool.fits import (
    BinTableHDU,
    Column,
    FileKind,
    HDUList,
    Header,
    ImageHDU,
    PrimaryHDU,
    column_names_of_hdu,
    image_values,
)
from lightpool.maps.geoms.map_hdus import AnyHDU, data_and_bands, find_hdu, layout_of_bands
from lightpool.maps.geoms.wcs_geom import WcsGeom

__all__ = [
    "EXPOSURE_OF_FERMI",
    "MAP_KINDS",
    "MapValues",
    "WcsMapArguments",
    "find_map_type",
    "meta_from_header",
    "meta_to_text",
    "native",
    "precision_in_file",
    "unit_from_header",
    "wcs_hdu_arguments",
    "wcs_map_arguments",
    "wcs_map_hdu",
    "wcs_map_hdulist",
]

log = logging.getLogger(__name__)

HostArray: TypeAlias = NDArray[Any]

EXPOSURE_OF_FERMI, _DIFFUSE_OF_FERMI = u.Unit("cm2 s"), u.Unit("cm-2 s-1 MeV-1 sr-1")
"""Units of cubes from gtexpcube2, which have a table GTI, and of templates of diffuse emission, which have none."""

_TRANSIT = u.def_unit("transit", u.sday, format={"fits": "transit"})

_WRITTEN = ("gadf", "fgst-ccube", "fgst-template", "fgst-bexpcube")
"""Formats in which maps are written."""

_NAMES_WITH_UNIT = ("exposure", "psf", "flux", "dnde")
"""An HDU with one of these in its name holds values that are meaningless without a unit."""

MAP_KINDS = (FileKind.MAP, FileKind.PSF_MAP, FileKind.EDISP_MAP, FileKind.HEALPIX)
"""Kinds of files whose maps `Map.read` reads."""

MASK_NAMES = ("mask", "is_ul", "success")
"""An HDU with one of these in its name is a mask, written as 1 and 0."""


class MapValues(Protocol):
    """What is written of a map, apart from its geometry."""

    @property
    def data(self) -> Array:
        """Values."""

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the values."""

    @property
    def meta(self) -> dict[str, Any]:
        """Metadata."""

    @property
    def is_mask(self) -> bool:
        """Whether the map is a mask."""


class WcsMapValues(MapValues, Protocol):
    """What is written of a `WcsNDMap`."""

    @property
    def geom(self) -> WcsGeom:
        """Geometry."""


class WcsMapArguments(TypedDict):
    """Arguments of `WcsNDMap` that a file holds."""

    geom: WcsGeom
    data: HostArray
    meta: dict[str, Any]
    unit: u.UnitBase


def meta_to_text(meta: dict[str, Any]) -> str:
    """Return metadata as JSON, for the keyword META; quantities become strings."""

    def plain(value: object) -> str:
        if isinstance(value, u.Quantity):
            return value.to_string()
        raise TypeError(f"metadata must be made of numbers, strings, lists, dictionaries and quantities, got {value!r}")

    return json.dumps(meta, default=plain)


def meta_from_header(header: Header) -> dict[str, Any]:
    """Read metadata from the keyword META; strings and numbers that are valid quantities become one, as in Gammapy."""
    text = header.get("META")
    if not text:
        return {}
    try:
        return dict(json.loads(text, object_hook=_with_quantities))
    except (ValueError, TypeError) as error:
        raise FormatError(f"keyword META must hold a JSON object, got {text!r} ({error})") from error


def _with_quantities(data: dict[str, Any]) -> dict[str, Any]:
    for key, value in data.items():
        try:
            data[key] = u.Quantity(value)
        except TypeError:
            continue
    return data


def unit_from_header(header: Header) -> u.UnitBase:
    """Read the keyword BUNIT, without photons and counts; an unknown unit becomes dimensionless, with a warning."""
    text = header.get("BUNIT", "")
    try:
        unit = u.Unit(text)
    except ValueError:
        if "transit" in text:  # responses of HAWC and SWGO are given for each transit of a source
            with u.add_enabled_units([_TRANSIT]):
                return u.Unit(text)
        log.warning("Invalid value BUNIT=%r in FITS header. Setting empty unit.", text)
        return u.dimensionless_unscaled
    counted = (u.ph, u.ct)
    if not any(base in counted for base in unit.bases):
        return unit
    # as in Gammapy, photons and counts are pure numbers
    kept = [base**power for base, power in zip(unit.bases, unit.powers, strict=True) if base not in counted]
    return math.prod(kept, start=u.dimensionless_unscaled)


def _unit_of_map(hdu: AnyHDU, format: str, has_gti: bool) -> u.UnitBase:
    """Return the unit of the values in an HDU; Fermi cubes with a table ENERGIES do not state theirs."""
    unit = unit_from_header(hdu.header)
    if format in ("fgst-template", "fgst-bexpcube") and unit.is_equivalent(""):
        is_exposure = has_gti or format == "fgst-bexpcube"
        # gtexpcube2 writes this name of the axis; templates of diffuse emission have other ones
        if not is_exposure and hdu.header.get("CTYPE3") == "log_Energy":
            log.warning(
                "HDU %r has neither BUNIT nor good time intervals beside it, but the axis 'log_Energy' of exposures of "
                "the Fermi tools; its values are read as an exposure in cm2 s. Otherwise write BUNIT into the file",
                hdu.name,
            )
            is_exposure = True
        return EXPOSURE_OF_FERMI if is_exposure else _DIFFUSE_OF_FERMI
    if "BUNIT" not in hdu.header and any(name in hdu.name.lower() for name in _NAMES_WITH_UNIT):
        log.warning(
            "HDU %r has no keyword BUNIT, so its unit is unknown and its values are read as dimensionless; write BUNIT "
            "into the file, such as 'm2 s' for an exposure, or multiply the map by its unit",
            hdu.name,
        )
    return unit


def native(values: HostArray) -> HostArray:
    """Return a copy of the values in the byte order of this machine."""
    array = np.asarray(values)
    return array.astype(array.dtype.newbyteorder("="))


def precision_in_file(hdu: AnyHDU) -> str | None:
    """Return the precision of the map in an HDU, ``single`` or ``double``, without reading it; None for integers."""
    if not isinstance(hdu, BinTableHDU):
        # BITPIX of floating-point images (FITS standard 4.0, section 4.4.1.1)
        return {-32: "single", -64: "double"}.get(hdu.header["BITPIX"])
    column = next((name for name in ("DATA", "VALUE") if name in column_names_of_hdu(hdu)), None)
    return None if column is None else {"E": "single", "D": "double"}.get(str(hdu.columns[column].format)[-1])


def find_map_type(hdulist: HDUList, hdu: str | int | None = None) -> str:
    """Find the kind of the map in an HDU, ``wcs``, ``hpx`` or ``region``, from its header.

    Parameters
    ----------
    hdulist : HDUList
    hdu : str or int, optional
        Name or number; by default the first HDU with data.
    """
    header = find_hdu(hdulist, hdu).header
    if header.get("PIXTYPE") == "HEALPIX":
        return "hpx"
    return "wcs" if "CTYPE1" in header else "region"


def wcs_map_arguments(
    hdulist: HDUList,
    hdu: str | int | None = None,
    hdu_bands: str | int | None = None,
    format: str | None = None,
) -> WcsMapArguments:
    """Read the arguments of `WcsNDMap` from an HDU.

    Parameters
    ----------
    hdulist : HDUList
    hdu, hdu_bands, format
        As in `Map.read`.
    """
    data, bands = data_and_bands(hdulist, hdu, hdu_bands)
    return wcs_hdu_arguments(data, bands, format, has_gti="GTI" in hdulist)


def wcs_hdu_arguments(
    hdu: AnyHDU, hdu_bands: BinTableHDU | None = None, format: str | None = None, *, has_gti: bool = False
) -> WcsMapArguments:
    """Read the arguments of `WcsNDMap` from an HDU.

    Parameters
    ----------
    hdu : HDU of the data
    hdu_bands : BinTableHDU, optional
        Table of the axes.
    format : str, optional
        As in `Map.read`.
    has_gti : bool
        Whether there is a table GTI in the same file.
    """
    format = layout_of_bands(hdu_bands) if format is None else format
    geom = WcsGeom.from_header(hdu.header, hdu_bands, format=format)
    # masks are written as integers, since FITS has no images of bool
    dtype = bool if any(name in hdu.name.lower() for name in MASK_NAMES) else None
    if isinstance(hdu, BinTableHDU):
        data = _from_sparse(hdu, geom)
        data = data if dtype is None else data.astype(dtype)
    else:
        data = image_values(hdu, dtype)
    meta, unit = meta_from_header(hdu.header), _unit_of_map(hdu, format, has_gti)
    return {"geom": geom, "data": data, "meta": meta, "unit": unit}


def _from_sparse(hdu: BinTableHDU, geom: WcsGeom) -> HostArray:
    n_pixel = math.prod(geom.data_shape[-2:])
    index = np.asarray(hdu.data["PIX"], dtype=np.int64)
    if "CHANNEL" in hdu.columns.names:
        # PIX counts within one image
        index = index + n_pixel * np.asarray(hdu.data["CHANNEL"], dtype=np.int64)
    values = native(hdu.data["VALUE"])
    data = np.zeros(geom.data_shape, dtype=values.dtype)
    data.reshape(-1)[index] = values
    return data


def wcs_map_hdulist(
    m: WcsMapValues,
    hdu: str | None = None,
    hdu_bands: str | None = None,
    sparse: bool = False,
    format: str = "gadf",
) -> HDUList:
    """Make the HDUs of a map on a WCS grid.

    Parameters
    ----------
    m : WcsNDMap
    hdu, hdu_bands, sparse, format
        As in `WcsNDMap.to_hdulist`.

    Raises
    ------
    FormatError
        If the format is not known or has no such axes, or sparse data are requested in the primary HDU.
    """
    if format not in _WRITTEN:
        raise FormatError(f"maps are written in one of the formats {list(_WRITTEN)}, got {format!r}")
    name = ("SKYMAP" if sparse else "PRIMARY") if hdu is None else hdu.upper()
    axes = m.geom.axes
    if format != "gadf" and axes.names not in (["energy"], ["energy_true"]):
        raise FormatError(f"the format {format!r} has one axis, 'energy' or 'energy_true', got {axes.names}")
    bands = None
    if len(axes) > 0:
        bands = m.geom.to_bands_hdu(hdu_bands=hdu_bands or f"{name}_BANDS", format=format)
    data = wcs_map_hdu(m, name, hdu_bands=None if bands is None else bands.name, sparse=sparse)
    hdus = [data] if name == "PRIMARY" else [PrimaryHDU(), data]
    return HDUList(hdus if bands is None else [*hdus, bands])


def wcs_map_hdu(m: WcsMapValues, name: str, hdu_bands: str | None = None, sparse: bool = False) -> AnyHDU:
    """Make the HDU of the values of a map on a WCS grid.

    Parameters
    ----------
    m : WcsNDMap
    name : str, in upper case
    hdu_bands : str, optional
        Name of the table of the axes.
    sparse : bool
        Whether to make a table of the pixels that are not zero.

    Raises
    ------
    FormatError
        If sparse data are requested in the primary HDU.
    """
    if sparse and name == "PRIMARY":
        raise FormatError("Sparse maps cannot be written to the PRIMARY HDU; choose another name with hdu=")
    header = m.geom.to_header()
    if hdu_bands is not None:
        header["BANDSHDU"] = hdu_bands
    header["META"] = meta_to_text(m.meta)
    header["BUNIT"] = m.unit.to_string("fits")
    data = to_host(m.data)  # host: FITS is written from NumPy
    # FITS has no images of bool
    data = data.astype(np.int64) if m.is_mask else data
    if sparse:
        return _sparse_hdu(data, name, header)
    return PrimaryHDU(data, header=header) if name == "PRIMARY" else ImageHDU(data, header=header, name=name)


def _sparse_hdu(data: HostArray, name: str, header: Header) -> BinTableHDU:
    """Make a table of the pixels that are not zero: PIX in the image, CHANNEL of the image, VALUE."""
    planes = data.reshape(-1, data.shape[-2] * data.shape[-1])
    channel, pix = np.nonzero(planes)
    columns = [Column("PIX", "J", array=pix)]
    if data.ndim > 2:
        # 16 bits where the numbers fit
        columns.append(Column("CHANNEL", "I" if len(planes) < 2**15 else "J", array=channel))
    values = planes[channel, pix]
    is_single = values.dtype == np.float32
    columns.append(Column("VALUE", "E" if is_single else "D", array=values if is_single else values.astype(float)))
    return BinTableHDU.from_columns(columns, header=header, name=name)
