"""Maps on a WCS grid in FITS files: Gammapy's layout "gadf", an image HDU and a table of the bins of its axes."""

import json
import logging
import math
from typing import Any, Protocol, TypeAlias, TypedDict, cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.array_types import Array
from lightpool.arrays.devices.devices import to_host
from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, Column, FileKind, HDUList, Header, ImageHDU, PrimaryHDU
from lightpool.maps.geoms.wcs_geom import WcsGeom
from lightpool.typing import PathInput

__all__ = [
    "MAP_KINDS",
    "AnyHDU",
    "MapValues",
    "WcsMapArguments",
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

HostArray: TypeAlias = NDArray[Any]
AnyHDU: TypeAlias = PrimaryHDU | ImageHDU | BinTableHDU

_EXPOSURE_OF_FERMI, _DIFFUSE_OF_FERMI = u.Unit("cm2 s"), u.Unit("cm-2 s-1 MeV-1 sr-1")
"""Units of cubes from gtexpcube2, which have a table GTI, and of templates of diffuse emission, which have none."""

_TRANSIT = u.def_unit("transit", u.sday, format={"fits": "transit"})

_NAMES_WITH_UNIT = ("exposure", "psf", "flux", "dnde")
"""An HDU with one of these in its name holds values that are meaningless without a unit."""

MAP_KINDS = (FileKind.MAP, FileKind.PSF_MAP, FileKind.EDISP_MAP, FileKind.HEALPIX)
"""Kinds of files whose maps `Map.read` reads, or rejects with a specific message."""

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


def _unit_of_map(hdulist: HDUList, hdu: AnyHDU, format: str) -> u.UnitBase:
    """Return the unit of the values in an HDU; Fermi cubes with a table ENERGIES do not state theirs."""
    unit = unit_from_header(hdu.header)
    if format == "fgst-template" and unit.is_equivalent(""):
        return _EXPOSURE_OF_FERMI if "GTI" in hdulist else _DIFFUSE_OF_FERMI
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
    column = next((name for name in ("DATA", "VALUE") if name in hdu.columns.names), None)
    return None if column is None else {"E": "single", "D": "double"}.get(str(hdu.columns[column].format)[-1])


def verify_checksums(hdulist: HDUList, filename: PathInput) -> None:
    """Verify the checksums of all HDUs that have one.

    Parameters
    ----------
    hdulist : HDUList
    filename : str or Path
        Name of the file, for the message.

    Raises
    ------
    FormatError
        If one is wrong.
    """
    for hdu in hdulist:
        # 0 is a failure, 1 a success, 2 no keyword
        if hdu.verify_datasum() == 0 or hdu.verify_checksum() == 0:
            raise FormatError(
                f"checksum of HDU {hdu.name!r} of {filename} does not agree with its data; the file is damaged"
            )


def find_hdu(hdulist: HDUList, hdu: str | int | None = None) -> AnyHDU:
    """Find an HDU.

    Parameters
    ----------
    hdulist : HDUList
    hdu : str or int, optional
        Name or number; by default the first HDU with data.

    Raises
    ------
    FormatError
        If it does not exist.
    """
    names = [h.name for h in hdulist]
    if hdu is None:
        for candidate in hdulist:
            if candidate.header.get("NAXIS", 0) > 0:
                first: AnyHDU = candidate
                return first
        raise FormatError(f"No Image or BinTable HDU found; the HDUs are {names}")
    try:
        found: AnyHDU = hdulist[hdu]
    except (KeyError, IndexError) as error:
        raise FormatError(f"there is no HDU {hdu!r}; the HDUs are {names}") from error
    return found


def find_map_type(hdulist: HDUList, hdu: str | int | None = None) -> str:
    """Find the kind of the map in an HDU, ``wcs`` or ``region``, from its header.

    Parameters
    ----------
    hdulist : HDUList
    hdu : str or int, optional
        Name or number; by default the first HDU with data.

    Raises
    ------
    FormatError
        If it is a HEALPix map.
    """
    header = find_hdu(hdulist, hdu).header
    if header.get("PIXTYPE") == "HEALPIX":
        raise FormatError(f"HDU {hdu!r} holds a HEALPix map; only maps on a WCS grid and region maps can be read")
    return "wcs" if "CTYPE1" in header else "region"


def find_bands_hdu(hdulist: HDUList, hdu: AnyHDU) -> str | None:
    """Find the name of the HDU with the bins of the axes of a map; None if there is none.

    Parameters
    ----------
    hdulist : HDUList
    hdu : HDU of the map
    """
    if "BANDSHDU" in hdu.header:
        return str(hdu.header["BANDSHDU"])
    if not isinstance(hdu, BinTableHDU):
        is_cube = hdu.header.get("NAXIS") == 3
    else:
        is_cube = hdu.header.get("INDXSCHM", "") in ("EXPLICIT", "IMPLICIT", "") and len(hdu.columns.names) > 1
    if is_cube:
        # cubes of the Fermi tools do not name their table of energies
        return next((name for name in ("EBOUNDS", "ENERGIES") if name in hdulist), None)
    return None


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
    data_hdu = find_hdu(hdulist, hdu)
    bands_name = find_bands_hdu(hdulist, data_hdu) if hdu_bands is None else hdu_bands
    bands = None if bands_name is None else cast(BinTableHDU, find_hdu(hdulist, bands_name))
    if format is None:
        # the name of the table of bins tells which program wrote the file
        names = {"ENERGIES": "fgst-template", "EBOUNDS": "fgst-ccube"}
        format = "gadf" if bands is None else names.get(bands.name, "gadf")
    geom = WcsGeom.from_header(data_hdu.header, bands, format=format)
    data = _from_sparse(data_hdu, geom) if isinstance(data_hdu, BinTableHDU) else native(data_hdu.data)
    if any(name in data_hdu.name.lower() for name in MASK_NAMES):
        # written as integers, since FITS has no images of bool
        data = data.astype(bool)
    return {
        "geom": geom,
        "data": data,
        "meta": meta_from_header(data_hdu.header),
        "unit": _unit_of_map(hdulist, data_hdu, format),
    }


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
        If the format is not ``gadf``, or sparse data are requested in the primary HDU.
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
    # FITS has no images of bool
    data = data.astype(np.int64) if m.is_mask else data
    if sparse:
        hdus = [PrimaryHDU(), _sparse_hdu(data, name, header)]
    elif name == "PRIMARY":
        hdus = [PrimaryHDU(data, header=header)]
    else:
        hdus = [PrimaryHDU(), ImageHDU(data, header=header, name=name)]
    return HDUList(hdus if bands is None else [*hdus, bands])


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
