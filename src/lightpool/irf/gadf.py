"""Response tables in GADF files: https://gamma-astro-data-formats.readthedocs.io, sections "irfs"."""

import logging
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError, MissingColumnError, WrongUnitError
from lightpool.fits import (
    BinTableHDU,
    FitsFile,
    HDUList,
    PrimaryHDU,
    TableData,
    match_name,
    parse_unit,
    read_fits,
    table_to_hdu,
    write_fits,
)
from lightpool.irf.fov import FoVAlignment
from lightpool.maps import MapAxes, MapAxis

if TYPE_CHECKING:
    from lightpool.irf.core import IRF

    T = TypeVar("T", bound="IRF")

__all__ = [
    "LAYOUTS",
    "Layout",
    "irf_from_hdulist",
    "irf_from_table",
    "irf_to_hdu",
    "irf_to_hdulist",
    "irf_to_table",
    "read_axes",
    "read_irf",
    "read_values",
    "write_irf",
]

log = logging.getLogger(__name__)

FORMAT = "gadf-dl3"
# Names of the columns that hold an axis; where there are two, the first is written.
_STEMS = {
    "energy": ("ENERG",),
    "energy_true": ("ENERG", "ETRUE"),
    "offset": ("THETA",),
    "rad": ("RAD",),
    "migra": ("MIGRA",),
    "fov_lon": ("DETX",),
    "fov_lat": ("DETY",),
}
_MAX_AXES = 256
_KNOWN_AXES: dict[Hashable, MapAxis] = {}
_KEYWORDS = {
    "HDUCLASS": "GADF",
    "HDUDOC": "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats",
    "HDUVERS": "0.2",
    "HDUCLAS1": "RESPONSE",
}


@dataclass(frozen=True)
class Layout:
    """How a class of table looks in a file.

    Attributes
    ----------
    hdu : str, name of the HDU
    columns : dict of our name to the spellings of the column; the first one is written
    kind : str, keyword HDUCLAS2
    hdu_class : str, keyword HDUCLAS4
    assumed_unit : str, of a column that has none; None where a missing unit is an error
    any_order : bool, whether files are around whose dimensions run the other way
    """

    hdu: str
    columns: dict[str, tuple[str, ...]]
    kind: str
    hdu_class: str
    assumed_unit: str | None = None
    any_order: bool = False


_GAUSS = ("sigma_1", "sigma_2", "sigma_3", "scale", "ampl_2", "ampl_3")
LAYOUTS = {
    "aeff_2d": Layout("EFFECTIVE AREA", {"data": ("EFFAREA",)}, "EFF_AREA", "AEFF_2D"),
    "edisp_2d": Layout("ENERGY DISPERSION", {"data": ("MATRIX",)}, "EDISP", "EDISP_2D", ""),
    "psf_table": Layout("PSF_2D_TABLE", {"data": ("RPSF",)}, "RPSF", "PSF_TABLE", "sr-1"),
    "psf_3gauss": Layout("PSF_2D_GAUSS", {name: (name.upper(),) for name in _GAUSS}, "RPSF", "PSF_3GAUSS", ""),
    "psf_king": Layout("PSF_2D_KING", {"gamma": ("GAMMA",), "sigma": ("SIGMA",)}, "RPSF", "PSF_KING", ""),
    "bkg_2d": Layout("BACKGROUND", {"data": ("BKG", "BGD")}, "BKG", "BKG_2D", "s-1 MeV-1 sr-1", True),
    "bkg_3d": Layout("BACKGROUND", {"data": ("BKG", "BGD")}, "BKG", "BKG_3D", "s-1 MeV-1 sr-1", True),
    "rad_max_2d": Layout("RAD_MAX", {"data": ("RAD_MAX",)}, "RAD_MAX", "RAD_MAX_2D"),
}


def _check_format(name: str) -> None:
    if name != FORMAT:
        raise ValueError(f"format of a response table must be {FORMAT!r}, got {name!r}")


def read_irf(cls: "type[T]", filename: Any, hdu: str | int | None = None, format: str = FORMAT) -> "T":
    """Read a table of a class from a file, see `IRF.read`."""
    file = filename if isinstance(filename, FitsFile) else read_fits(filename)
    return irf_from_table(cls, file.table(LAYOUTS[cls.tag].hdu if hdu is None else hdu), format)


def irf_from_hdulist(cls: "type[T]", hdulist: Any, hdu: str | int | None = None, format: str = FORMAT) -> "T":
    """Make a table of a class from HDUs in memory."""
    from astropy.table import Table

    found = hdulist[LAYOUTS[cls.tag].hdu if hdu is None else hdu]
    table = Table.read(found)
    table.meta.setdefault("EXTNAME", found.name)
    return irf_from_table(cls, table, format)


def irf_from_table(cls: "type[T]", table: Any, format: str = FORMAT) -> "T":
    """Make a table of a class from the one row of an astropy table or a `TableData`.

    Raises
    ------
    FormatError
        If a column is missing, or has a unit or a shape that does not fit.
    """
    _check_format(format)
    axes = read_axes(cls.required_axes, table)
    arguments = cls._values_from_file(table, axes)
    return cls(
        axes=axes,
        meta=dict(table.meta),
        is_pointlike=table.meta.get("HDUCLAS3") == "POINT-LIKE",
        fov_alignment=_alignment(table),
        **arguments,
    )


def where(table: Any) -> str:
    """Name of the table in an error message."""
    if isinstance(table, TableData):
        return f"{table.source}, HDU {table.name!r}"
    return f"table {table.meta.get('EXTNAME', 'of an unnamed HDU')!r}"


def _alignment(table: Any) -> FoVAlignment:
    value = str(table.meta.get("FOVALIGN", "RADEC")).strip().upper()
    try:
        return FoVAlignment(value)
    except ValueError as error:
        known = ", ".join(FoVAlignment)
        raise FormatError(f"{where(table)}: FOVALIGN is {value!r}, expected one of {known}") from error


def read_axes(names: list[str], table: Any) -> MapAxes:
    """Axes of a table, in the order of the names."""
    if len(table) == 0:
        raise FormatError(f"{where(table)}: a response table has one row, this one has none")
    return MapAxes([_read_axis(name, table) for name in names])


def _read_axis(name: str, table: Any) -> MapAxis:
    columns = list(table.columns)
    for stem in _STEMS[name]:
        if f"{stem}_LO" in columns and f"{stem}_HI" in columns:
            try:
                return _known_axis(name, stem, table)
            except ValueError as error:
                raise FormatError(
                    f"{where(table)}: axis {name!r} in the columns {stem}_LO, {stem}_HI: {error}"
                ) from error
    wanted = " or ".join(f"{stem}_LO and {stem}_HI" for stem in _STEMS[name])
    raise MissingColumnError(f"{where(table)}: no columns {wanted} for the axis {name!r}; it has {', '.join(columns)}")


def _known_axis(name: str, stem: str, table: Any) -> MapAxis:
    """Axis of a table. The last ones are kept: runs of one telescope share most of them, and all they work out."""
    if not isinstance(table, TableData):
        return _axis(name, stem, table)
    columns = (f"{stem}_LO", f"{stem}_HI")
    key = (name, stem, *((table.units[_], table.columns[_].dtype.str, table.columns[_].tobytes()) for _ in columns))
    if key not in _KNOWN_AXES:
        while len(_KNOWN_AXES) >= _MAX_AXES:
            _KNOWN_AXES.pop(next(iter(_KNOWN_AXES)), None)
        _KNOWN_AXES[key] = _axis(name, stem, table)
    return _KNOWN_AXES[key]


def _axis(name: str, stem: str, table: Any) -> MapAxis:
    return MapAxis.from_table(table, format=FORMAT, column_prefix=stem).copy(name=name)


def read_values(
    table: Any, spellings: tuple[str, ...], axes: MapAxes, layout: Layout, default: u.UnitBase | None
) -> tuple[NDArray[Any], u.UnitBase]:
    """Values of a column, in the order of the axes and in native bytes, and their unit.

    Parameters
    ----------
    table : astropy table or TableData
    spellings : tuple of str, the names that the column may have
    axes : MapAxes
    layout : Layout
    default : Unit, one that the column's must be convertible to; None takes any
    """
    matches = (match_name(spelling, table.columns, where(table)) for spelling in spellings)
    name = next((match for match in matches if match is not None), None)
    if name is None:
        raise MissingColumnError(
            f"{where(table)}: no column {' or '.join(spellings)}; it has {', '.join(table.columns)}"
        )
    label = f"{where(table)}, column {name!r}"
    values = np.asarray(table.column(name) if isinstance(table, TableData) else table[name])
    if len(values) != 1:
        raise FormatError(f"{label}: a response table has one row, this one has {len(values)}")
    if values.dtype.kind not in "fiu":
        raise FormatError(f"{label}: expected numbers, got the type {values.dtype}")
    values = _in_order(values[0], tuple(axes.shape), axes.names, layout.any_order, label)
    return values.astype(values.dtype.newbyteorder("="), copy=False), _unit(table, name, layout, default, label)


def _in_order(
    values: NDArray[Any], shape: tuple[int, ...], names: list[str], any_order: bool, label: str
) -> NDArray[Any]:
    """Values with the dimensions of the axes; the format writes the last axis first."""
    if values.ndim != len(shape) and values.size == np.prod(shape):
        values = values.reshape(shape[::-1])  # TDIM may be missing where an axis has one bin
    if values.shape == shape[::-1]:
        if any_order and shape == shape[::-1] and max(shape) > 1:
            log.warning(
                "%s: the shape %s does not tell the order of its axes; taken as the format writes it", label, shape
            )
        return values.T
    if any_order and values.shape == shape:
        return values
    raise FormatError(
        f"{label}: its shape is {values.shape[::-1]}, but the axes {names} of the table have {shape} bins"
    )


def _unit(table: Any, name: str, layout: Layout, default: u.UnitBase | None, label: str) -> u.UnitBase:
    text = table.units[table.find_name(name)] if isinstance(table, TableData) else str(table[name].unit or "")
    if not text.strip():
        if layout.assumed_unit is None:
            raise WrongUnitError(f"{label} has no unit (TUNIT); expected one such as '{default}'")
        if layout.assumed_unit and default is not None:
            log.warning("%s has no unit, taken as %s", label, layout.assumed_unit)
        return u.Unit(layout.assumed_unit if default is not None else "")
    try:
        unit = parse_unit(text, label)
    except FormatError:
        if not layout.any_order:
            raise
        log.warning("%s: unit %r is not known, taken as %s", label, text, layout.assumed_unit)
        return u.Unit(layout.assumed_unit)
    if default is not None and not unit.is_equivalent(default):
        raise WrongUnitError(f"{label} has the unit {text!r}, expected one that converts to '{default}'")
    return unit


def irf_to_table(irf: "IRF", format: str = FORMAT) -> Any:
    """Astropy table of one row."""
    from astropy.table import Table

    _check_format(format)
    layout = LAYOUTS[irf.tag]
    table = Table()
    for axis in irf._bins:
        part = axis.to_table(format=FORMAT)
        for column in part.colnames:
            table[column] = part[column]
    for name, values in irf._values_for_file().items():
        table[layout.columns[name][0]] = values.T[np.newaxis]
    table.meta = {key: value for key, value in irf.meta.items() if key != "EXTNAME"}
    table.meta.update(_KEYWORDS)
    table.meta["HDUCLAS2"] = layout.kind
    table.meta["HDUCLAS3"] = "POINT-LIKE" if irf.is_pointlike else "FULL-ENCLOSURE"
    table.meta["HDUCLAS4"] = layout.hdu_class
    if not irf.has_offset_axis:
        table.meta["FOVALIGN"] = str(irf.fov_alignment)
    return table


def irf_to_hdu(irf: "IRF", format: str = FORMAT) -> BinTableHDU:
    """Table HDU with the name of the format."""
    return table_to_hdu(irf_to_table(irf, format), name=LAYOUTS[irf.tag].hdu)


def irf_to_hdulist(irf: "IRF", format: str = FORMAT) -> HDUList:
    """HDUs of a file that holds one table."""
    return HDUList([PrimaryHDU(), irf_to_hdu(irf, format)])


def write_irf(irf: "IRF", filename: Any, overwrite: bool = False, format: str = FORMAT, checksum: bool = False) -> None:
    """Write a table to a file of its own."""
    write_fits(irf_to_hdulist(irf, format), filename, overwrite=overwrite, checksum=checksum)
