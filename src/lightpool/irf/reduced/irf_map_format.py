"""FITS layout of the reduced responses, the one that Gammapy calls ``gadf``.

An image HDU with the response (``PSF`` or ``EDISP``), one with its exposure (``PSF_EXPOSURE``), and for each a table
with the bins of its axes (``PSF_BANDS``, ``PSF_EXPOSURE_BANDS``).
"""

from typing import TYPE_CHECKING, Any

from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import FileKind, HDUList, parsing, read_fits, require_map, write_fits
from lightpool.irf.tables.table_rules import check_axes, check_unit
from lightpool.maps import Map
from lightpool.maps.fits_format import verify_checksums

if TYPE_CHECKING:
    from lightpool.irf.reduced.irf_map import IRFMap

__all__ = ["HDU_NAMES", "irf_map_from_hdulist", "irf_map_to_hdulist", "read_irf_map", "write_irf_map"]

HDU_NAMES = {"psf_map": "psf", "psf_map_reco": "psf", "edisp_map": "edisp", "edisp_kernel_map": "edisp"}
"""Name of the HDU of each kind of response; the exposure is in the same name with ``_exposure``."""

_UNITS = {"psf_map": "sr-1", "psf_map_reco": "sr-1", "edisp_map": "", "edisp_kernel_map": ""}
"""Unit that the map of each kind of response must convert to."""


def irf_map_from_hdulist(
    kind: "type[IRFMap]",
    hdulist: Any,
    hdu: str | int | None = None,
    hdu_bands: str | None = None,
    exposure_hdu: str | int | None = None,
    exposure_hdu_bands: str | None = None,
    format: str = "gadf",
) -> "IRFMap":
    """Response from HDUs.

    Parameters
    ----------
    kind : class that is asked for; a dispersion map whose first axis is ``energy`` becomes an EDispKernelMap, a PSF map
        with an axis ``energy`` a RecoPSFMap
    hdulist : HDUList
    hdu, exposure_hdu : name or number of the image HDUs; by default those of `HDU_NAMES`. The exposure may be missing
    hdu_bands, exposure_hdu_bands : name of the tables with the axes; by default as the image headers say

    Raises
    ------
    MissingDataError
        If the response HDU is not there.
    FormatError
        If the format is not "gadf", the axes of the map are not those of the response, an axis does not ascend, or an
        axis, the response or the exposure has a unit of another kind.
    """
    _check_format(format)
    name: str | int = HDU_NAMES[kind.tag] if hdu is None else hdu
    if name not in hdulist:
        names = ", ".join(item.name for item in hdulist)
        raise MissingDataError(f"{kind.__name__} expected an HDU {name!r}, there are: {names}; name it by hdu=")
    irf_map = Map.from_hdulist(hdulist, hdu=name, hdu_bands=hdu_bands, format=format)
    exposure_name = f"{HDU_NAMES[kind.tag]}_exposure" if exposure_hdu is None else exposure_hdu
    exposure = None
    if exposure_name in hdulist:
        exposure = Map.from_hdulist(hdulist, hdu=exposure_name, hdu_bands=exposure_hdu_bands, format=format)
    made = _kind_of(kind, irf_map)
    label = f"{made.__name__} in the HDU {name!r}"
    check_axes(irf_map.geom.axes, label)
    check_unit(irf_map.unit, _UNITS[made.tag], f"{label}, the map")
    if exposure is not None:
        check_axes(exposure.geom.axes, f"exposure in the HDU {exposure_name!r}")
        if str(exposure.unit):  # as a weight it needs none
            check_unit(exposure.unit, "m2 s", f"exposure in the HDU {exposure_name!r}")
    return made(irf_map, exposure)


def read_irf_map(
    kind: "type[IRFMap]",
    filename: Any,
    hdu: str | int | None = None,
    format: str = "gadf",
    checksum: bool = False,
) -> "IRFMap":
    """Response from a FITS file, whose checksums are verified if asked for, see `irf_map_from_hdulist`."""
    file = read_fits(filename)
    if hdu is None:
        name = HDU_NAMES[kind.tag]
        require_map(file, name, f"{kind.__name__}.read", FileKind.PSF_MAP if name == "psf" else FileKind.EDISP_MAP)
    with parsing(filename):
        hdulist = file.hdulist
        if checksum:
            verify_checksums(hdulist, filename)
        return irf_map_from_hdulist(kind, hdulist, hdu=hdu, format=format)


def irf_map_to_hdulist(irf: "IRFMap", format: str = "gadf") -> HDUList:
    """HDUs of a response and its exposure, after an empty primary one."""
    _check_format(format)
    hdu = HDU_NAMES[irf.tag]
    hdulist = irf._irf_map.to_hdulist(hdu=hdu, format=format)
    if irf.exposure_map is not None:
        hdulist.extend(irf.exposure_map.to_hdulist(hdu=f"{hdu}_exposure", format=format)[1:])
    return hdulist


def write_irf_map(
    irf: "IRFMap",
    filename: Any,
    overwrite: bool = False,
    format: str = "gadf",
    checksum: bool = False,
) -> None:
    """Write a response and its exposure to a FITS file, with checksums if asked for."""
    write_fits(irf_map_to_hdulist(irf, format=format), filename, overwrite=overwrite, checksum=checksum)


def _check_format(format: str) -> None:
    if format != "gadf":
        raise FormatError(f"response maps got format {format!r}, expected 'gadf'; other formats are not supported")


def _kind_of(kind: "type[IRFMap]", irf_map: Map) -> "type[IRFMap]":
    """Class that fits the axes of the file: they tell more than the name of the HDU."""
    names = list(irf_map.geom.axes.names)
    if kind.tag == "psf_map" and "energy" in names:
        return kind.kinds["psf_map_reco"]
    if kind.tag == "edisp_map" and names[0] == "energy":
        return kind.kinds["edisp_kernel_map"]
    if names[: len(kind.required_axes)] != kind.required_axes:
        raise FormatError(f"{kind.__name__} got a map with the axes {names}, expected {kind.required_axes}")
    return kind
