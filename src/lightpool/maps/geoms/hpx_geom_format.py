"""HEALPix geometries in the headers of FITS tables, in the layouts of several programs.

Source: gamma-astro-data-formats 0.3, HEALPix sky maps; the Fermi tools and GALPROP write similar tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, Column, Header
from lightpool.maps.axes.axes import MapAxes
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.geoms.hpx_host import Pixels
from lightpool.maps.geoms.hpx_pixels import HpxPixels
from lightpool.maps.geoms.hpx_regions import EXPLICIT

__all__ = [
    "LAYOUTS",
    "HpxLayout",
    "bands_hdu",
    "find_layout",
    "geom_arguments",
    "geom_header",
    "listed_pixels",
]


@dataclass(frozen=True)
class HpxLayout:
    """How a program writes HEALPix maps.

    Attributes
    ----------
    name : str, in the keyword HPX_CONV
    column : str, with which the names of the columns of values begin; None if they may have any name
    first : int, number of the first of these columns
    hdu, bands : str or None, names of the table of values and of that of the axes
    frame : str, keyword of the frame
    axes : str, format of the axes, see `MapAxes.from_table_hdu`
    """

    name: str
    column: str | None = "CHANNEL"
    first: int = 1
    hdu: str | None = "SKYMAP"
    bands: str = "EBOUNDS"
    frame: str = "COORDSYS"
    axes: str = "gadf"


LAYOUTS = {
    "gadf": HpxLayout("gadf", bands="BANDS"),
    "fgst-ccube": HpxLayout("fgst-ccube", axes="fgst-ccube"),
    "fgst-ltcube": HpxLayout("fgst-ltcube", "COSBINS", hdu="EXPOSURE", bands="CTHETABOUNDS", axes="fgst-ltcube"),
    "fgst-bexpcube": HpxLayout("fgst-bexpcube", "ENERGY", hdu="HPXEXPOSURES", bands="ENERGIES", axes="fgst-bexpcube"),
    "fgst-srcmap": HpxLayout("fgst-srcmap", hdu=None, axes="fgst-ccube"),
    "fgst-template": HpxLayout("fgst-template", "ENERGY", bands="ENERGIES", axes="fgst-template"),
    "fgst-srcmap-sparse": HpxLayout("fgst-srcmap-sparse", None, hdu=None, axes="fgst-ccube"),
    "galprop": HpxLayout("galprop", "Bin", hdu="SKYMAP2", bands="ENERGIES", frame="COORDTYPE", axes="fgst-template"),
    "galprop2": HpxLayout("galprop", "Bin", hdu="SKYMAP2", bands="ENERGIES", axes="fgst-template"),
    "healpy": HpxLayout("healpy", None, hdu=None),
}
"""Layouts by name."""

_FRAMES = {"GAL": "galactic", "G": "galactic", "galactic": "galactic", "CEL": "icrs", "C": "icrs", "icrs": "icrs"}
_CODES = {"icrs": "CEL", "galactic": "GAL"}


class GeomArguments(TypedDict):
    """Arguments of `HpxGeom`."""

    nside: ArrayLike
    nest: bool
    frame: str
    region: str | None
    axes: MapAxes


class HpxGeomValues(Protocol):
    """What is written of a geometry."""

    @property
    def nside(self) -> Pixels: ...
    @property
    def order(self) -> Pixels: ...
    @property
    def npix_max(self) -> Pixels: ...
    @property
    def ordering(self) -> str: ...
    @property
    def frame(self) -> str: ...
    @property
    def region(self) -> str | None: ...
    @property
    def axes(self) -> MapAxes: ...
    @property
    def pixels(self) -> HpxPixels: ...


def layout_by_name(format: str | None) -> HpxLayout:
    """Return a layout; None stands for ``gadf``.

    Raises
    ------
    FormatError
        If it is not known.
    """
    layout = LAYOUTS.get((format or "gadf").lower())
    if layout is None:
        raise FormatError(f"the layout {format!r} of HEALPix maps is not known; choose one of {sorted(LAYOUTS)}")
    return layout


def find_layout(header: Header | Mapping[str, Any]) -> str:
    """Find the name of the layout of a table of HEALPix pixels.

    Parameters
    ----------
    header : Header

    Raises
    ------
    FormatError
        If it is not known.
    """
    if "HPX_CONV" in header:
        return str(header["HPX_CONV"]).lower()
    name = header.get("EXTNAME")
    if name == "HPXEXPOSURES":
        return "fgst-bexpcube"
    if name == "SKYMAP2":
        return "galprop" if "COORDTYPE" in header else "galprop2"
    if name == "xtension":
        return "healpy"
    columns = [str(header.get(f"TTYPE{number}", "")) for number in (1, 2)]
    column = columns[1] if columns[0] == "PIX" else columns[0]
    known = {"KEY": "fgst-srcmap-sparse", "ENERGY1": "fgst-template", "COSBINS": "fgst-ltcube", "Bin0": "galprop"}
    if column in known:
        return known[column]
    if column in ("CHANNEL0", "CHANNEL1"):
        return "fgst-ccube" if name == "SKYMAP" else "fgst-srcmap"
    raise FormatError(
        f"HDU {name!r} holds a HEALPix map in a layout that is not known: there is no keyword HPX_CONV, and the first "
        f"column is {column!r}; name the layout with format=, one of {sorted(LAYOUTS)}"
    )


def geom_arguments(
    header: Header | Mapping[str, Any], hdu_bands: BinTableHDU | None, format: str | None
) -> GeomArguments:
    """Read the arguments of `HpxGeom` from a header.

    Parameters
    ----------
    header, hdu_bands, format : see `HpxGeom.from_header`

    Raises
    ------
    FormatError
        If a keyword is missing or has another value than those of HEALPix.
    """
    layout = layout_by_name(find_layout(header) if format is None else format)
    if header.get("PIXTYPE") != "HEALPIX":
        raise FormatError(f"Invalid header PIXTYPE: {header.get('PIXTYPE')} (must be HEALPIX)")
    ordering = str(header.get("ORDERING", "")).upper()
    if ordering not in ("RING", "NESTED", "NEST"):
        raise FormatError(f"Invalid header ORDERING: {header.get('ORDERING')} (must be RING or NESTED)")
    axes = MapAxes.from_table_hdu(hdu_bands, format=layout.axes)
    nside: ArrayLike
    if hdu_bands is not None and "NSIDE" in hdu_bands.columns.names:
        nside = np.asarray(hdu_bands.data["NSIDE"], dtype=np.int64).reshape(axes.shape)
    elif "NSIDE" in header:
        nside = int(header["NSIDE"])
    elif "ORDER" in header:
        nside = 2 ** int(header["ORDER"])
    else:
        raise FormatError("a HEALPix map needs the keyword NSIDE or ORDER; the header has neither")
    code = header.get(layout.frame, header.get("COORDSYS", "icrs"))
    if code not in _FRAMES:
        raise FormatError(f"the frame {code!r} of a HEALPix map is not known; expected one of {sorted(_FRAMES)}")
    region = header.get("HPX_REG", header.get("HPXREGION"))
    region = None if region is None or str(region).lower() in ("", "all", "allsky") else str(region)
    return {"nside": nside, "nest": ordering != "RING", "frame": _FRAMES[code], "region": region, "axes": axes}


def listed_pixels(hdu: BinTableHDU, axes: MapAxes) -> tuple[Pixels, ...] | None:
    """Return the pixels that a table lists, and their bins if it lists some for each image plane.

    It is None if the table has the pixels of a region, or all.

    Parameters
    ----------
    hdu : BinTableHDU
    axes : MapAxes

    Raises
    ------
    FormatError
        If the region is a list of pixels, and the table has none.
    """
    scheme = str(hdu.header.get("INDXSCHM", "")).upper()
    is_listed = "PIX" in hdu.columns.names and scheme in ("EXPLICIT", "PARTIAL", "SPARSE")
    if str(hdu.header.get("HPX_REG", "")).lower() == EXPLICIT and not is_listed:
        raise FormatError(
            f"HDU {hdu.name!r} says HPX_REG = 'explicit' and INDXSCHM = {scheme!r}, but does not list the pixels "
            "of its region, so it is not known where they are on the sky; write INDXSCHM = 'EXPLICIT' and a column PIX"
        )
    if not is_listed or (scheme == "SPARSE" and str(hdu.header.get("HPX_REG", "")).lower() != EXPLICIT):
        return None
    pix = np.asarray(hdu.data["PIX"], dtype=np.int64)
    if scheme != "SPARSE" or "CHANNEL" not in hdu.columns.names:
        return (pix,)
    bins = np.unravel_index(np.asarray(hdu.data["CHANNEL"], dtype=np.int64), axes.shape[::-1])
    return (pix, *bins[::-1])


def geom_header(geom: HpxGeomValues, format: str | None, indxschm: str | None) -> Header:
    """Return the keywords of a geometry.

    Parameters
    ----------
    geom : HpxGeom
    format, indxschm : see `HpxGeom.to_header`
    """
    layout = layout_by_name(format)
    header = Header()
    if layout.name.startswith("fgst"):
        header["TELESCOP"], header["INSTRUME"] = "GLAST", "LAT"
    if indxschm is None:
        regular = geom.pixels.is_regular
        indxschm = "IMPLICIT" if geom.region is None else "EXPLICIT" if regular else "LOCAL"
    header[layout.frame] = _CODES[geom.frame]
    header["PIXTYPE"] = "HEALPIX"
    header["ORDERING"] = geom.ordering
    header["INDXSCHM"] = indxschm
    header["ORDER"] = int(np.max(geom.order))
    header["NSIDE"] = int(np.max(geom.nside))
    header["FIRSTPIX"] = 0
    header["LASTPIX"] = int(np.max(geom.npix_max)) - 1
    header["HPX_CONV"] = layout.name.upper()
    if geom.frame == "icrs":
        header["EQUINOX"] = (2000.0, "Equinox of RA & DEC specifications")
    if geom.region is not None:
        header["HPX_REG"] = geom.region
    return header


def bands_hdu(geom: HpxGeomValues, hdu_bands: str | None, format: str) -> BinTableHDU:
    """Return the table of the axes of a geometry, with its nside if that differs between planes.

    Parameters
    ----------
    geom : HpxGeom
    hdu_bands, format : see `HpxGeom.to_bands_hdu`
    """
    layout = layout_by_name(format)
    table = geom.axes.to_table_hdu(format=layout.axes, hdu_bands=hdu_bands)
    if layout.axes == "fgst-template" and isinstance(axis := geom.axes[0], MapAxis):
        # the Fermi tools know this table by its only column
        energies = Column("Energy", "D", unit="MeV", array=axis.center.to_value("MeV"))
        table = BinTableHDU.from_columns([energies], name=layout.bands)
    if geom.nside.size == 1:
        return table
    # of several axes the last one varies fastest, as Gammapy writes and reads them
    nside = Column("NSIDE", "J", array=np.ravel(geom.nside))
    columns = [*table.columns, nside]
    return BinTableHDU.from_columns(columns, header=table.header, name=table.name)
