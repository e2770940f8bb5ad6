"""Maps on a WCS grid in FITS files: Gammapy's layout "gadf", an image HDU and a table of the bins of its axes."""

import json
import logging
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, Column, FileKind, HDUList, Header, ImageHDU, PrimaryHDU
from lightpool.maps.geoms.wcs_geom import WcsGeom

__all__ = [
    "MAP_KINDS",
    "find_bands_hdu",
    "find_hdu",
    "find_map_type",
    "meta_from_header",
    "meta_to_text",
    "native",
    "precision_in_file",
    "unit_from_header",
    "verify_checksums",
    "wcs_map_arguments",
    "wcs_map_hdulist",
]

log = logging.getLogger(__name__)

HostArray = np.ndarray[Any, Any]

_EXPOSURE_OF_FERMI, _DIFFUSE_OF_FERMI = u.Unit("cm2 s"), u.Unit("cm-2 s-1 MeV-1 sr-1")
"""Units of cubes of gtexpcube2, which have a table GTI, and of templates of diffuse emission, which have none."""

_NAMES_WITH_UNIT = ("exposure", "psf", "flux", "dnde")
"""An HDU with one of these in its name holds values that mean nothing without a unit."""

MAP_KINDS = (FileKind.MAP, FileKind.PSF_MAP, FileKind.EDISP_MAP, FileKind.HEALPIX)
"""Kinds of files whose maps `Map.read` reads, or refuses with a reason of its own."""

MASK_NAMES = ("mask", "is_ul", "success")
"""An HDU with one of these in its name holds True and False, written as 1 and 0."""


def meta_to_text(meta: dict[str, Any]) -> str:
    """Metadata as JSON, for the keyword META; quantities become strings."""

    def plain(value: Any) -> Any:
        if isinstance(value, u.Quantity):
            return value.to_string()
        raise TypeError(f"metadata must be made of numbers, strings, lists, dictionaries and quantities, got {value!r}")

    return json.dumps(meta, default=plain)


def meta_from_header(header: Header) -> dict[str, Any]:
    """Metadata from the keyword META; strings and numbers that read as a quantity become one, as in Gammapy."""
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
    """Read the keyword BUNIT, without photons and counts; a unit that is not known is left out with a warning."""
    text = header.get("BUNIT", "")
    try:
        unit = u.Unit(text)
    except ValueError:
        log.warning("Invalid value BUNIT=%r in FITS header. Setting empty unit.", text)
        return u.dimensionless_unscaled
    counted = (u.ph, u.ct)
    if not any(base in counted for base in unit.bases):
        return unit
    kept = [base**power for base, power in zip(unit.bases, unit.powers, strict=True) if base not in counted]
    return u.Unit(np.prod(kept)) if kept else u.dimensionless_unscaled


def _unit_of_map(hdulist: HDUList, hdu: Any, format: str) -> u.UnitBase:
    """Unit of the values in an HDU; the cubes of the Fermi tools with ENERGIES have one that they do not say."""
    unit = unit_from_header(hdu.header)
    if format == "fgst-template" and unit.is_equivalent(""):
        return _EXPOSURE_OF_FERMI if "GTI" in hdulist else _DIFFUSE_OF_FERMI
    if "BUNIT" not in hdu.header and any(name in hdu.name.lower() for name in _NAMES_WITH_UNIT):
        log.warning(
            "HDU %r has no keyword BUNIT, so its unit is not known and its values are taken as plain numbers; write "
            "BUNIT into the file, such as 'm2 s' for an exposure, or multiply the map by its unit",
            hdu.name,
        )
    return unit


def native(values: Any) -> HostArray:
    """Values in the byte order of this machine, a copy."""
    array = np.asarray(values)
    return array.astype(array.dtype.newbyteorder("="))


def precision_in_file(hdu: Any) -> str | None:
    """Precision of the map in an HDU, ``single`` or ``double``, without reading it; None for whole numbers."""
    if hdu.is_image:
        return {-32: "single", -64: "double"}.get(hdu.header["BITPIX"])
    column = next((name for name in ("DATA", "VALUE") if name in hdu.columns.names), None)
    return None if column is None else {"E": "single", "D": "double"}.get(str(hdu.columns[column].format)[-1])


def verify_checksums(hdulist: HDUList, filename: str | Path) -> None:
    """Check the checksums that HDUs carry.

    Raises
    ------
    FormatError
        If one does not agree.
    """
    for hdu in hdulist:
        if hdu.verify_datasum() == 0 or hdu.verify_checksum() == 0:
            raise FormatError(
                f"checksum of HDU {hdu.name!r} of {filename} does not agree with its data; the file is damaged"
            )


def find_hdu(hdulist: HDUList, hdu: str | int | None = None) -> Any:
    """HDU by name or number, by default the first one with data.

    Raises
    ------
    FormatError
        If there is none.
    """
    names = [h.name for h in hdulist]
    if hdu is None:
        for candidate in hdulist:
            if candidate.header.get("NAXIS", 0) > 0:
                return candidate
        raise FormatError(f"No Image or BinTable HDU found; the HDUs are {names}")
    try:
        return hdulist[hdu]
    except (KeyError, IndexError) as error:
        raise FormatError(f"there is no HDU {hdu!r}; the HDUs are {names}") from error


def find_map_type(hdulist: HDUList, hdu: str | int | None = None) -> str:
    """Kind of the map in an HDU, ``wcs`` or ``region``, from its header.

    Raises
    ------
    FormatError
        If it is a HEALPix map.
    """
    header = find_hdu(hdulist, hdu).header
    if header.get("PIXTYPE") == "HEALPIX":
        raise FormatError(f"HDU {hdu!r} holds a HEALPix map; only maps on a WCS grid and region maps can be read")
    return "wcs" if "CTYPE1" in header else "region"


def find_bands_hdu(hdulist: HDUList, hdu: Any) -> str | None:
    """Name of the HDU with the bins of the axes of the map in an HDU, or None."""
    if "BANDSHDU" in hdu.header:
        return str(hdu.header["BANDSHDU"])
    is_cube = hdu.is_image and hdu.header.get("NAXIS") == 3
    if isinstance(hdu, BinTableHDU):
        is_cube = hdu.header.get("INDXSCHM", "") in ("EXPLICIT", "IMPLICIT", "") and len(hdu.columns) > 1
    if is_cube:
        return next((name for name in ("EBOUNDS", "ENERGIES") if name in hdulist), None)
    return None


def wcs_map_arguments(
    hdulist: HDUList,
    hdu: str | int | None = None,
    hdu_bands: str | int | None = None,
    format: str | None = None,
    device: Any = None,
) -> dict[str, Any]:
    """Arguments of `WcsNDMap` for the map in an HDU; arguments as in `Map.read`."""
    data_hdu = find_hdu(hdulist, hdu)
    bands_name = find_bands_hdu(hdulist, data_hdu) if hdu_bands is None else hdu_bands
    bands = None if bands_name is None else find_hdu(hdulist, bands_name)
    if format is None:
        names = {"ENERGIES": "fgst-template", "EBOUNDS": "fgst-ccube"}
        format = "gadf" if bands is None else names.get(bands.name, "gadf")
    geom = WcsGeom.from_header(data_hdu.header, bands, format=format)
    is_table = isinstance(data_hdu, BinTableHDU)
    data = _from_sparse(data_hdu, geom) if is_table else native(data_hdu.data)
    if any(name in data_hdu.name.lower() for name in MASK_NAMES):
        data = data.astype(bool)
    return {
        "geom": geom,
        "data": data,
        "meta": meta_from_header(data_hdu.header),
        "unit": _unit_of_map(hdulist, data_hdu, format),
        "device": device,
    }


def _from_sparse(hdu: Any, geom: WcsGeom) -> HostArray:
    n_pixel = int(np.prod(geom.data_shape[-2:]))
    place = np.asarray(hdu.data["PIX"], dtype=np.int64)
    if "CHANNEL" in hdu.columns.names:
        place = place + n_pixel * np.asarray(hdu.data["CHANNEL"], dtype=np.int64)
    values = native(hdu.data["VALUE"])
    data = np.zeros(geom.data_shape, dtype=values.dtype)
    data.reshape(-1)[place] = values
    return data


def wcs_map_hdulist(
    m: Any,
    hdu: str | None = None,
    hdu_bands: str | None = None,
    sparse: bool = False,
    format: str = "gadf",
) -> HDUList:
    """HDUs of a `WcsNDMap`; arguments as in its ``to_hdulist``.

    Raises
    ------
    FormatError
        If the format is another one than ``gadf``, or sparse data are to go into the primary HDU.
    """
    if format != "gadf":
        raise FormatError(f"maps are written in format 'gadf', got {format!r}")
    name = ("SKYMAP" if sparse else "PRIMARY") if hdu is None else hdu.upper()
    if sparse and name == "PRIMARY":
        raise FormatError("Sparse maps cannot be written to the PRIMARY HDU; choose another name with hdu=")
    header = m.geom.to_header()
    bands = None
    if len(m.geom.axes) > 0:
        bands = m.geom.to_bands_hdu(hdu_bands=hdu_bands or f"{name}_BANDS", format=format)
        header["BANDSHDU"] = bands.name
    header["META"] = meta_to_text(m.meta)
    header["BUNIT"] = m.unit.to_string("fits")
    data = to_host(m.data)  # host: FITS is written from NumPy
    data = data.astype(np.int64) if m.is_mask else data
    if sparse:
        hdus = [PrimaryHDU(), _sparse_hdu(data, name, header)]
    elif name == "PRIMARY":
        hdus = [PrimaryHDU(data, header=header)]
    else:
        hdus = [PrimaryHDU(), ImageHDU(data, header=header, name=name)]
    return HDUList(hdus if bands is None else [*hdus, bands])


def _sparse_hdu(data: HostArray, name: str, header: Header) -> BinTableHDU:
    """Table of the pixels that are not zero: PIX in the image, CHANNEL of the image plane, VALUE."""
    planes = data.reshape(-1, data.shape[-2] * data.shape[-1])
    channel, pix = np.nonzero(planes)
    columns = [Column("PIX", "J", array=pix)]
    if data.ndim > 2:
        columns.append(Column("CHANNEL", "I" if len(planes) < 2**15 else "J", array=channel))
    values = planes[channel, pix]
    is_single = values.dtype == np.float32
    columns.append(Column("VALUE", "E" if is_single else "D", array=values if is_single else values.astype(float)))
    return BinTableHDU.from_columns(columns, header=header, name=name)
