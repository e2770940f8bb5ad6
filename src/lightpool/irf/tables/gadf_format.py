"""Response tables in GADF files: https://gamma-astro-data-formats.readthedocs.io, sections "irfs"."""

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError, MissingColumnError
from lightpool.fits import (
    BinTableHDU,
    FileKind,
    FitsFile,
    HDUList,
    PrimaryHDU,
    TableData,
    header_number,
    match_name,
    parsing,
    read_fits,
    require_kind,
    table_to_hdu,
    write_fits,
)
from lightpool.irf.tables.fov_alignment import FoVAlignment
from lightpool.irf.tables.layouts import COMMON_IRF_HEADERS, IRF_DL3_AXES_SPECIFICATION, Layout, axis_stems, layout_of
from lightpool.irf.tables.table_rules import (
    axis_of_bins,
    column_unit,
    n_not_finite,
    values_in_order,
    warn_of_holes,
)
from lightpool.maps import MapAxes, MapAxis
from lightpool.maps.axes.table_columns import read_intervals
from lightpool.typing import MetaValue, PathInput, UnitLike
from lightpool.utils.remembered import Remembered

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = [
    "AnyTable",
    "ResponseTable",
    "TableValues",
    "Units",
    "UnitsLike",
    "has_directional_cut",
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

AnyTable: TypeAlias = "Table | TableData"
TableValues: TypeAlias = NDArray[Any] | u.Quantity | Mapping[str, NDArray[Any] | u.Quantity]
"""Values of a table; of a parametric one, an array of records or a mapping with an entry for each parameter."""
UnitsLike: TypeAlias = "UnitLike | Mapping[str, UnitLike]"
Units: TypeAlias = u.UnitBase | Mapping[str, u.UnitBase]


class ResponseTable(Protocol):
    """What a file needs of a class of response tables."""

    tag: ClassVar[str]
    required_axes: ClassVar[list[str]]
    meta: dict[str, MetaValue]

    def __init__(
        self,
        axes: MapAxes,
        data: TableValues | float = ...,
        unit: UnitsLike = ...,
        is_pointlike: bool = ...,
        fov_alignment: FoVAlignment | str = ...,
        meta: dict[str, MetaValue] | None = ...,
    ) -> None: ...
    @property
    def map_axes(self) -> list[MapAxis]:
        """Axes."""

    @property
    def data(self) -> NDArray[Any]:
        """Values, or records of the parameters."""

    @property
    def is_pointlike(self) -> bool:
        """Whether a directional cut was applied."""

    @property
    def has_offset_axis(self) -> bool:
        """Whether the table depends on the offset."""

    @property
    def fov_alignment(self) -> FoVAlignment:
        """Orientation of the field of view."""

    @classmethod
    def values_from_file(cls, table: AnyTable, axes: MapAxes) -> tuple[TableValues, Units]:
        """Return values and units from a table in a file.

        Parameters
        ----------
        table : astropy table or TableData
        axes : MapAxes of the table
        """

    def values_for_file(self) -> Mapping[str, u.Quantity]:
        """Return the quantities to write, by our names."""


T = TypeVar("T", bound=ResponseTable)

FORMAT = "gadf-dl3"
# Axes that are kept for later files, see `_known_axis`.
_MAX_AXES = 256
_KNOWN_AXES: dict[Hashable, MapAxis] = {}
_AXES = Remembered[tuple[tuple[MapAxis, ...], MapAxes]](256)


def _check_format(name: str) -> None:
    if name != FORMAT:
        raise ValueError(f"format of a response table must be {FORMAT!r}, got {name!r}")


def read_irf(cls: type[T], filename: PathInput | FitsFile, hdu: str | int | None = None, format: str = FORMAT) -> T:
    """Read a table of a class from a file.

    Parameters
    ----------
    cls : class of response tables
    filename : str, path or `~lightpool.fits.FitsFile`
    hdu : str, int or None, the HDU; by default the one with the name of the class
    format : {"gadf-dl3"}
    """
    file = filename if isinstance(filename, FitsFile) else read_fits(filename)
    with parsing(file.source):
        return irf_from_table(cls, file.table(_find_table(cls, file) if hdu is None else hdu), format)


def _find_table(cls: type[ResponseTable], file: FitsFile) -> str | int:
    """Find the HDU with the table of a class: the one with the name that `IRF.write` gives, or the first by keyword."""
    name = layout_of(cls.tag).hdu
    if name in file:
        return name
    require_kind(file, f"{cls.__name__}.read", FileKind.IRF, takes_unknown=True)
    classes = [str(file.values(number).get("HDUCLAS4", "")).strip().lower() for number in range(len(file.names))]
    return classes.index(cls.tag) if cls.tag in classes else name


def irf_from_hdulist(cls: type[T], hdulist: HDUList, hdu: str | int | None = None, format: str = FORMAT) -> T:
    """Make a table of a class from HDUs in memory.

    Parameters
    ----------
    cls : class of response tables
    hdulist : HDUList
    hdu, format : see `read_irf`
    """
    from astropy.table import Table

    found = hdulist[layout_of(cls.tag).hdu if hdu is None else hdu]
    table = Table.read(found)
    # The name of the HDU is used in messages, see `where`.
    table.meta.setdefault("EXTNAME", found.name)
    return irf_from_table(cls, table, format)


def irf_from_table(cls: type[T], table: AnyTable, format: str = FORMAT) -> T:
    """Make a table of a class from the one row of a table.

    Parameters
    ----------
    cls : class of response tables
    table : astropy table or TableData
    format : {"gadf-dl3"}

    Raises
    ------
    FormatError
        If a column is missing, or has a unit or a shape that does not fit.
    """
    _check_format(format)
    axes = read_axes(cls.required_axes, table)
    data, unit = cls.values_from_file(table, axes)
    irf = cls(
        axes=axes,
        data=data,
        unit=unit,
        meta=keywords_of(table),
        is_pointlike=has_directional_cut(table.meta),
        fov_alignment=_alignment(table),
    )
    warn_of_holes(n_not_finite(irf.data), axes.shape, where(table))
    return irf


def keywords_of(table: AnyTable) -> dict[str, MetaValue]:
    """Return the keywords of a table, with its thresholds checked: they are used long after the file is closed.

    Raises
    ------
    FormatError
        If LO_THRES or HI_THRES exists and is no finite number.
    """
    meta: dict[str, MetaValue] = dict(table.meta)
    for key in ("LO_THRES", "HI_THRES"):
        if meta.get(key) is not None:
            meta[key] = header_number(meta, key, where(table), unit="energy in TeV")
    return meta


def has_directional_cut(keywords: Mapping[str, object]) -> bool:
    """Return whether the keywords of a table say that a directional cut was applied."""
    return str(keywords.get("HDUCLAS3", "")).strip().upper() == "POINT-LIKE"


def where(table: AnyTable) -> str:
    """Return the name of the table in an error message."""
    if isinstance(table, TableData):
        return f"{table.source}, HDU {table.name!r}"
    return f"table {table.meta.get('EXTNAME', 'of an unnamed HDU')!r}"


def _alignment(table: AnyTable) -> FoVAlignment:
    # RADEC by default, as in Gammapy.
    value = str(table.meta.get("FOVALIGN", "RADEC")).strip().upper()
    try:
        return FoVAlignment(value)
    except ValueError as error:
        known = ", ".join(FoVAlignment)
        raise FormatError(f"{where(table)}: FOVALIGN is {value!r}, expected one of {known}") from error


def read_axes(names: list[str], table: AnyTable) -> MapAxes:
    """Return the axes of a table.

    Parameters
    ----------
    names : list of str, in the order of the result
    table : astropy table or TableData
    """
    if len(table) == 0:
        raise FormatError(f"{where(table)}: a response table has one row, this one has none")
    axes = tuple(_read_axis(name, table) for name in names)
    # With the axes, so that no other axis gets the identity of one of them.
    return _AXES.get(tuple(map(id, axes)), lambda: (axes, MapAxes(axes)))[1]


def _read_axis(name: str, table: AnyTable) -> MapAxis:
    found = _axis_columns(name, table)
    label = f"{where(table)}: axis {name!r} in the columns {', '.join(found)}"
    try:
        return _known_axis(name, found, table, label)
    except FormatError as error:
        text = str(error)
        raise type(error)(text if text.startswith(label) else f"{label}: {text}") from error
    except ValueError as error:
        raise FormatError(f"{label}: {error}") from error


def _axis_columns(name: str, table: AnyTable) -> tuple[str, ...]:
    """Return the names of the columns with the lower and upper edges of an axis."""
    if isinstance(table, TableData):
        # The names belong to the key: tables with columns of their own may have the header of a file.
        return table.cards.once(("axis", name, *table.columns), lambda: _find_axis_columns(name, table))
    return _find_axis_columns(name, table)


def _find_axis_columns(name: str, table: AnyTable) -> tuple[str, ...]:
    columns = {column.upper() for column in table.columns}
    for stem in axis_stems(name):
        if {f"{stem}_LO", f"{stem}_HI"} <= columns:
            return tuple(_find_column(table, (f"{stem}_{end}",)) for end in ("LO", "HI"))
    wanted = " or ".join(f"{stem}_LO and {stem}_HI" for stem in axis_stems(name))
    raise MissingColumnError(
        f"{where(table)}: no columns {wanted} for the axis {name!r}; it has {', '.join(table.columns)}"
    )


def _known_axis(name: str, columns: tuple[str, ...], table: AnyTable, label: str) -> MapAxis:
    """Return an axis of a table. Recent axes are kept, because runs of one telescope share most of them."""
    if not isinstance(table, TableData):
        return _axis(name, columns, table, label)
    # The content of the columns, not their identity: each file has arrays of its own.
    key = (name, *((table.units[_], table.columns[_].dtype.str, table.columns[_].tobytes()) for _ in columns))
    if key not in _KNOWN_AXES:
        while len(_KNOWN_AXES) >= _MAX_AXES:
            # The oldest goes first: a dict keeps the order of insertion.
            _KNOWN_AXES.pop(next(iter(_KNOWN_AXES)), None)
        _KNOWN_AXES[key] = _axis(name, columns, table, label)
    return _KNOWN_AXES[key]


def _axis(name: str, columns: tuple[str, ...], table: AnyTable, label: str) -> MapAxis:
    low, high, unit = read_intervals(table, *columns)
    # The only row; in a column of single numbers it has no dimension.
    known = (axis.get("interp", "lin") for axis in IRF_DL3_AXES_SPECIFICATION.values() if axis["name"] == name)
    return axis_of_bins(np.atleast_1d(low[0]), np.atleast_1d(high[0]), unit, name, label, next(known, "lin"))


def read_values(table: AnyTable, name: str, axes: MapAxes, layout: Layout) -> tuple[NDArray[np.number], u.UnitBase]:
    """Return the values of a column, in the order of the axes and in native bytes, and their unit.

    Parameters
    ----------
    table : astropy table or TableData
    name : str, ours, of a column of the layout
    axes : MapAxes
    layout : Layout
    """
    rule = layout.columns[name]
    column = _find_column(table, rule.spellings)
    label = f"{where(table)}, column {column!r}"
    values = np.asarray(table.column(column) if isinstance(table, TableData) else table[column])
    if len(values) != 1:
        raise FormatError(f"{label}: a response table has one row, this one has {len(values)}")
    if values.dtype.kind not in "fiu":
        raise FormatError(f"{label}: expected numbers, got the type {values.dtype}")
    values = values_in_order(values[0], tuple(axes.shape), axes.names, label, any_order=layout.any_order)
    text = table.units[column] if isinstance(table, TableData) else str(table[column].unit or "")
    # FITS is big-endian, and other array libraries refuse arrays in a foreign byte order.
    return values.astype(values.dtype.newbyteorder("="), copy=False), column_unit(text, rule, label)


def _find_column(table: AnyTable, spellings: tuple[str, ...]) -> str:
    """Return the name of a column as the table spells it."""
    matches = (match_name(spelling, table.columns, where(table)) for spelling in spellings)
    name = next((match for match in matches if match is not None), None)
    if name is None:
        raise MissingColumnError(
            f"{where(table)}: no column {' or '.join(spellings)}; it has {', '.join(table.columns)}"
        )
    return name


def irf_to_table(irf: ResponseTable, format: str = FORMAT) -> "Table":
    """Return an astropy table of one row.

    Parameters
    ----------
    irf : response table
    format : {"gadf-dl3"}
    """
    from astropy.table import Table

    _check_format(format)
    layout = layout_of(irf.tag)
    table = Table()
    for axis in irf.map_axes:
        stem = axis_stems(axis.name)[0]
        # Two equal columns stand for nodes. One row, with vectors in its cells.
        low, high = (axis.edges[:-1], axis.edges[1:]) if axis.node_type == "edges" else (axis.center, axis.center)
        table[f"{stem}_LO"], table[f"{stem}_HI"] = low[np.newaxis], high[np.newaxis]
    for name, values in irf.values_for_file().items():
        # One row. FITS writes the last axis first, as `values_in_order` reads it.
        table[layout.columns[name].spellings[0]] = values.T[np.newaxis]
    # The HDU gets its own name, which the keyword of the source must not replace.
    table.meta = {key: value for key, value in irf.meta.items() if key != "EXTNAME"}
    table.meta.update({**COMMON_IRF_HEADERS, **layout.keywords})
    table.meta["HDUCLAS2"] = layout.kind
    table.meta["HDUCLAS3"] = "POINT-LIKE" if irf.is_pointlike else "FULL-ENCLOSURE"
    table.meta["HDUCLAS4"] = layout.hdu_class
    # An offset has no direction, so only tables in (fov_lon, fov_lat) need the keyword.
    if not irf.has_offset_axis:
        table.meta["FOVALIGN"] = str(irf.fov_alignment)
    return table


def irf_to_hdu(irf: ResponseTable, format: str = FORMAT) -> BinTableHDU:
    """Return a table HDU with the name of the format.

    Parameters
    ----------
    irf : response table
    format : {"gadf-dl3"}
    """
    return table_to_hdu(irf_to_table(irf, format), name=layout_of(irf.tag).hdu)


def irf_to_hdulist(irf: ResponseTable, format: str = FORMAT) -> HDUList:
    """Return the HDUs of a file that holds one table.

    Parameters
    ----------
    irf : response table
    format : {"gadf-dl3"}
    """
    return HDUList([PrimaryHDU(), irf_to_hdu(irf, format)])


def write_irf(
    irf: ResponseTable, filename: PathInput, overwrite: bool = False, format: str = FORMAT, checksum: bool = False
) -> None:
    """Write a table to a file of its own.

    Parameters
    ----------
    irf : response table
    filename : str or path
    overwrite : bool, whether an existing file is replaced
    format : {"gadf-dl3"}
    checksum : bool, whether the HDUs get checksums
    """
    write_fits(irf_to_hdulist(irf, format), filename, overwrite=overwrite, checksum=checksum)
