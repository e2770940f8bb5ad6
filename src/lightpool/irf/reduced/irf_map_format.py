"""FITS layout of the reduced responses, which Gammapy calls ``gadf``.

It has an image HDU with the response (``PSF`` or ``EDISP``), one with its exposure (``PSF_EXPOSURE``), and for each of
them a table with the bins of its axes (``PSF_BANDS``, ``PSF_EXPOSURE_BANDS``).
"""

from dataclasses import dataclass

import astropy.units as u

from lightpool.arrays import to_host
from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import BinTableHDU, FileKind, FitsFile, HDUList, PrimaryHDU, require_map
from lightpool.irf.tables.table_rules import check_axes, check_unit
from lightpool.maps import Map, MapAxis, RegionGeom
from lightpool.maps.fits_format import native

__all__ = [
    "IRF_MAP_HDU_SPECIFICATION",
    "ResponseParts",
    "irf_map_from_hdulist",
    "irf_map_to_hdulist",
    "require_response",
]


@dataclass(frozen=True)
class _Layout:
    """How a kind of response is written.

    Attributes
    ----------
    class_name : str
    hdu : str, name of the HDU of the response; that of the exposure has ``_exposure`` appended
    axes : list of str, the first axes of the map in this order
    unit : str, that the unit of the map must convert to
    """

    class_name: str
    hdu: str
    axes: list[str]
    unit: str


GTPSF = "gtpsf"
"""Format of the tables of the Fermi tool of this name."""

_LAYOUTS = {
    "psf_map": _Layout("PSFMap", "psf", ["rad", "energy_true"], "sr-1"),
    "psf_map_reco": _Layout("RecoPSFMap", "psf", ["rad", "energy"], "sr-1"),
    "edisp_map": _Layout("EDispMap", "edisp", ["migra", "energy_true"], ""),
    "edisp_kernel_map": _Layout("EDispKernelMap", "edisp", ["energy", "energy_true"], ""),
}
"""Layout of each kind of response by the tag of its class."""


IRF_MAP_HDU_SPECIFICATION = {tag: layout.hdu for tag, layout in _LAYOUTS.items()}
"""Names of the HDUs of responses by the tags of their classes."""


@dataclass(frozen=True)
class ResponseParts:
    """A response that was found in a file.

    Attributes
    ----------
    tag : str, of the class that fits the axes
    irf_map : Map
    exposure : Map or None
    """

    tag: str
    irf_map: Map
    exposure: Map | None


def irf_map_from_hdulist(
    tag: str,
    class_name: str,
    hdulist: HDUList,
    hdu: str | int | None = None,
    hdu_bands: str | None = None,
    exposure_hdu: str | int | None = None,
    exposure_hdu_bands: str | None = None,
    format: str = "gadf",
) -> ResponseParts:
    """Read the maps of a response from HDUs; errors as in `IRFMap.from_hdulist`.

    Parameters
    ----------
    tag : str, of the requested class
    class_name : str, its name, for messages
    hdulist : HDUList
    hdu, exposure_hdu : name or number of the image HDUs, by default those of the tag; the exposure may be missing
    hdu_bands, exposure_hdu_bands : name of the tables with the axes, by default as the image headers say
    format : {"gadf", "gtpsf"}
    """
    if format == GTPSF:
        return _from_gtpsf(tag, class_name, hdulist)
    _check_format(format)
    layout = _LAYOUTS[tag]
    name: str | int = layout.hdu if hdu is None else hdu
    if name not in hdulist:
        names = ", ".join(item.name for item in hdulist)
        raise MissingDataError(f"{class_name} expected an HDU {name!r}, there are: {names}; name it by hdu=")
    irf_map = Map.from_hdulist(hdulist, hdu=name, hdu_bands=hdu_bands, format=format)
    exposure_name = f"{layout.hdu}_exposure" if exposure_hdu is None else exposure_hdu
    exposure = None
    if exposure_name in hdulist:
        exposure = Map.from_hdulist(hdulist, hdu=exposure_name, hdu_bands=exposure_hdu_bands, format=format)
    found = _tag_of(tag, class_name, irf_map)
    label = f"{class_name if found == tag else _LAYOUTS[found].class_name} in the HDU {name!r}"
    check_axes(irf_map.geom.axes, label)
    check_unit(irf_map.unit, _LAYOUTS[found].unit, f"{label}, the map")
    if exposure is not None:
        check_axes(exposure.geom.axes, f"exposure in the HDU {exposure_name!r}")
        if str(exposure.unit):  # it is only a weight, so it may have no unit
            check_unit(exposure.unit, "m2 s", f"exposure in the HDU {exposure_name!r}")
    return ResponseParts(found, irf_map, exposure)


def _from_gtpsf(tag: str, class_name: str, hdulist: HDUList) -> ResponseParts:
    """Read a PSF and its exposure from the tables of the Fermi tool gtpsf, which hold at one position."""
    if tag != "psf_map":
        raise FormatError(f"the format 'gtpsf' holds a PSF in true energy, which a {class_name} is not; read a PSFMap")
    missing = [name for name in ("PSF", "THETA") if name not in hdulist]
    if missing:
        names = ", ".join(item.name for item in hdulist)
        raise MissingDataError(f"the format 'gtpsf' needs the HDUs PSF and THETA, there are: {names}")
    table = hdulist["PSF"]
    rad = MapAxis.from_table_hdu(hdulist["THETA"], format=GTPSF)
    energy_true = MapAxis.from_table_hdu(table, format=GTPSF)
    geom = RegionGeom.create(region=None, axes=[rad, energy_true])
    spelled = {name.upper(): name for name in table.columns.names}
    values, exposures = (native(table.data.field(spelled[name])) for name in ("PSF", "EXPOSURE"))
    psf: Map = Map.from_geom(geom, data=values.reshape(geom.data_shape), unit="sr-1")
    weight = geom.squash("rad")
    exposure: Map = Map.from_geom(weight, data=exposures.reshape(weight.data_shape), unit="cm2 s")
    check_axes(geom.axes, "PSF in the format 'gtpsf'")
    return ResponseParts(tag, psf, exposure)


def _to_gtpsf(tag: str, irf_map: Map, exposure: Map | None) -> HDUList:
    if tag != "psf_map" or not isinstance(irf_map.geom, RegionGeom) or exposure is None:
        raise FormatError(
            f"the format 'gtpsf' holds a PSF in true energy at one position with its exposure, got a "
            f"{_LAYOUTS[tag].class_name} on a {type(irf_map.geom).__name__}; use to_region_nd_map(position) of a PSFMap"
        )
    axes = irf_map.geom.axes
    table = axes["energy_true"].to_table(format=GTPSF)
    table["Exposure"] = u.Quantity(to_host(exposure.data).reshape(-1), exposure.unit).to("cm2 s")  # host: a file
    table["Psf"] = u.Quantity(to_host(irf_map.data)[..., 0, 0], irf_map.unit).to("sr-1")  # host: a file
    rad = axes["rad"].to_table_hdu(format=GTPSF)
    return HDUList([PrimaryHDU(), rad, BinTableHDU(table, name="PSF")])


def require_response(file: FitsFile, tag: str, class_name: str) -> None:
    """Raise FormatError if a file has no response of the requested kind.

    Parameters
    ----------
    file : FitsFile
    tag : str, of the requested class
    class_name : str, its name, for messages
    """
    name = _LAYOUTS[tag].hdu
    require_map(file, name, f"{class_name}.read", FileKind.PSF_MAP if name == "psf" else FileKind.EDISP_MAP)


def irf_map_to_hdulist(tag: str, irf_map: Map, exposure: Map | None, format: str = "gadf") -> HDUList:
    """Return the HDUs of a response and its exposure, after an empty primary one.

    Parameters
    ----------
    tag : str, of the class of the response
    irf_map, exposure : Map
    format : {"gadf", "gtpsf"}
    """
    if format == GTPSF:
        return _to_gtpsf(tag, irf_map, exposure)
    _check_format(format)
    hdu = _LAYOUTS[tag].hdu
    hdulist = irf_map.to_hdulist(hdu=hdu, format=format)
    if exposure is not None:
        hdulist.extend(exposure.to_hdulist(hdu=f"{hdu}_exposure", format=format)[1:])  # without its primary HDU
    return hdulist


def _check_format(format: str) -> None:
    if format != "gadf":
        raise FormatError(f"response maps got format {format!r}, expected 'gadf', or 'gtpsf' for a PSF")


def _tag_of(tag: str, class_name: str, irf_map: Map) -> str:
    """Return the tag of the class that fits the axes in the file, which are more specific than the name of the HDU."""
    names = list(irf_map.geom.axes.names)
    if tag == "psf_map" and "energy" in names:
        return "psf_map_reco"
    if tag == "edisp_map" and names[0] == "energy":
        return "edisp_kernel_map"
    axes = _LAYOUTS[tag].axes
    if names[: len(axes)] != axes:
        raise FormatError(f"{class_name} got a map with the axes {names}, expected {axes}")
    return tag
