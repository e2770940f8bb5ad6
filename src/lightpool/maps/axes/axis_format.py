"""Tables and FITS keywords of one axis of numbers.

The functions that read return the arguments of `MapAxis`, so this module knows nothing of the class.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, Header
from lightpool.maps.axes.axis_arguments import AxisArguments
from lightpool.maps.axes.flux_table_format import FLUX_TABLE_READERS
from lightpool.maps.axes.node_axis import NodeAxis
from lightpool.maps.axes.table_columns import (
    AnyTable,
    column_names,
    column_values,
    edges_from_lo_hi,
    is_unit_of_kind,
    read_intervals,
    table_meta,
)

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["DL3_AXES", "axis_arguments", "axis_header", "axis_table", "axis_table_hdu", "integer_type"]


_Columns: TypeAlias = dict[str, u.Quantity | NDArray[np.integer[Any]]]
_Scalar = TypeVar("_Scalar", bound=np.generic)

DL3_AXES = {
    "THETA": ("offset", "lin", "deg"),
    "ENERG": ("energy_true", "log", "TeV"),
    "ETRUE": ("energy_true", "log", "TeV"),
    "RAD": ("rad", "lin", "deg"),
    "DETX": ("fov_lon", "lin", "deg"),
    "DETY": ("fov_lat", "lin", "deg"),
    "MIGRA": ("migra", "lin", ""),
}
"""Stem of the column names in GADF response tables: our name of the axis, its scale, a unit of its kind."""

# HDUCLAS2 of the GADF tables whose columns ENERG_LO and ENERG_HI hold reconstructed energies
_IN_RECO_ENERGY = {"BKG", "RAD_MAX"}

_EBOUNDS_CARDS = {
    "EXTNAME": ("EBOUNDS", "Name of this binary table extension"),
    "TELESCOP": ("unknown", "Mission/satellite name"),
    "INSTRUME": ("unknown", "Instrument/detector"),
    "FILTER": ("None", "Filter information"),
    "CHANTYPE": ("PHA", "Type of channels (PHA, PI etc)"),
    "HDUCLASS": ("OGIP", "Organisation devising file format"),
    "HDUCLAS1": ("RESPONSE", "File relates to response of instrument"),
    "HDUCLAS2": ("EBOUNDS", "This is an EBOUNDS extension"),
    "HDUVERS": ("1.2.0", "Version of file format"),
}


# --- writing


def integer_type(largest: int) -> type[np.int16] | type[np.int32]:
    """Return the type of a column of channel numbers: 2 or 4 bytes, as CAL/GEN/92-002 and OGIP/92-007a allow."""
    return np.int16 if largest <= np.iinfo(np.int16).max else np.int32


def axis_header(axis: NodeAxis, layout: str, idx: int) -> Header:
    """Return the keywords of an axis.

    Parameters
    ----------
    axis : NodeAxis
    layout : str, ``format`` of `MapAxis.to_header`
    idx : int, number of the axis in the format "gadf"
    """
    header = Header()
    if layout in ("ogip", "ogip-sherpa"):
        for key, card in _EBOUNDS_CARDS.items():
            header[key] = card
            if key == "CHANTYPE":
                header["DETCHANS"] = axis.nbin, "Total number of detector PHA channels"
        # readers of OGIP files assume that channels count from 1 unless this keyword says otherwise
        header["TLMIN1"] = 0, "First channel"
        header["TLMAX1"] = axis.nbin - 1, "Last channel"
    elif layout in ("gadf", "fgst-ccube", "fgst-template", "fgst-bexpcube"):
        center, lower, upper = gadf_columns(axis.name)
        header[f"AXCOLS{idx}"] = center if axis.node_type == "center" else f"{lower},{upper}"
        header[f"INTERP{idx}"] = axis.interp
    else:
        raise _unknown(layout, ["gadf", "ogip", "ogip-sherpa", "fgst-ccube", "fgst-template"])
    return header


def gadf_columns(name: str) -> tuple[str, str, str]:
    """Return the names of the columns of centres, lower and upper edges of an axis in the format "gadf"."""
    stem = name.upper()
    # the edges of reconstructed energy have the column names of an OGIP table EBOUNDS
    return (stem, "E_MIN", "E_MAX") if stem == "ENERGY" else (stem, f"{stem}_MIN", f"{stem}_MAX")


def axis_table(axis: NodeAxis, layout: str) -> "Table":
    """Return a table of the bins of an axis.

    Parameters
    ----------
    axis : NodeAxis
    layout : str, ``format`` of `MapAxis.to_table`
    """
    from astropy.table import Table

    if layout not in _WRITERS:
        raise _unknown(layout, list(_WRITERS))
    return Table(_WRITERS[layout](axis))


def axis_table_hdu(axis: NodeAxis, layout: str) -> BinTableHDU:
    """Return a FITS table of the bins of an axis.

    Parameters
    ----------
    axis : NodeAxis
    layout : str, ``format`` of `MapAxis.to_table_hdu`
    """
    hdu = BinTableHDU(axis_table(axis, layout), name="THETA" if layout == "gtpsf" else None)
    if layout in ("ogip", "ogip-sherpa"):
        hdu.header.update(axis_header(axis, layout, 0))
    return hdu


def _ebounds(axis: NodeAxis, unit: str | None = None) -> _Columns:
    axis.assert_name("energy")
    edges = axis.edges if unit is None else axis.edges.to(unit)
    channels: NDArray[np.integer[Any]] = np.arange(axis.nbin).astype(integer_type(axis.nbin))
    return {"CHANNEL": channels, "E_MIN": edges[:-1], "E_MAX": edges[1:]}


def _energ(axis: NodeAxis, unit: str | None = None) -> _Columns:
    axis.assert_name("energy_true")
    edges = axis.edges if unit is None else axis.edges.to(unit)
    return {"ENERG_LO": edges[:-1], "ENERG_HI": edges[1:]}


def _sed(axis: NodeAxis) -> _Columns:
    if not axis.is_energy_axis:
        return {}
    return {"e_ref": axis.center, "e_min": axis.edges_min, "e_max": axis.edges_max}


def _dl3(axis: NodeAxis) -> _Columns:
    stem = dl3_stem(axis.name)
    # two equal columns stand for centres
    lower, upper = (axis.edges_min, axis.edges_max) if axis.node_type == "edges" else (axis.center, axis.center)
    # shape (1, n): a GADF response table has one row, with vectors in its cells
    return {f"{stem}_LO": lower[np.newaxis], f"{stem}_HI": upper[np.newaxis]}


def dl3_stem(name: str) -> str:
    """Return the stem of the column names of an axis in GADF response tables."""
    # both energies are written as ENERG; the class of the table tells which it is, see `_IN_RECO_ENERGY`
    if name == "energy":
        return "ENERG"
    for stem, (known, _, _) in DL3_AXES.items():
        if known == name:
            return stem
    known_names = ["energy", *dict.fromkeys(known for known, _, _ in DL3_AXES.values())]
    raise ValueError(f"the format 'gadf-dl3' has no column for an axis named {name!r}; it has {known_names}")


def _gtpsf(axis: NodeAxis) -> _Columns:
    if axis.name == "energy_true":
        return {"Energy": axis.center.to("MeV")}
    if axis.name == "rad":
        return {"Theta": axis.center.to("deg")}
    raise ValueError(f"the format 'gtpsf' has columns for 'energy_true' and 'rad', got an axis named {axis.name!r}")


_WRITERS: dict[str, Callable[[NodeAxis], _Columns]] = {
    "ogip": _ebounds,
    "ogip-sherpa": lambda axis: _ebounds(axis, "keV"),
    "ogip-arf": _energ,
    "ogip-arf-sherpa": lambda axis: _energ(axis, "keV"),
    "gadf-sed": _sed,
    "gadf-dl3": _dl3,
    "gtpsf": _gtpsf,
}


# --- reading


def axis_arguments(table: AnyTable, layout: str, idx: int, column_prefix: str) -> AxisArguments:
    """Read the arguments of `MapAxis` from a table.

    Parameters
    ----------
    table : Table or TableData
    layout : str, ``format`` of `MapAxis.from_table`
    idx : int, number of the axis, from 0, in the format "gadf"
    column_prefix : str, stem of the column names in the format "gadf-dl3"

    Raises
    ------
    FormatError
        If a column is missing or has a unit of another kind.
    """
    if layout in ("ogip", "ogip-sherpa", "fgst-ccube"):
        return _energy_arguments(table, "E_MIN", "E_MAX", "energy")
    if layout in ("ogip-arf", "ogip-arf-sherpa"):
        return _energy_arguments(table, "ENERG_LO", "ENERG_HI", "energy_true")
    if layout in ("fgst-template", "fgst-bexpcube"):
        return _fermi_arguments(table)
    if layout == "gadf":
        return _gadf_arguments(table, idx)
    if layout == "gadf-dl3":
        return _dl3_arguments(table, column_prefix)
    if layout == "gtpsf":
        return _gtpsf_arguments(table)
    if layout in FLUX_TABLE_READERS:
        return FLUX_TABLE_READERS[layout](table)
    known = ["ogip", "ogip-arf", "fgst-ccube", "fgst-template", "fgst-bexpcube", "gadf", "gadf-dl3", "gtpsf"]
    raise _unknown(layout, [*known, *FLUX_TABLE_READERS])


def _energy_arguments(table: AnyTable, lower: str, upper: str, name: str) -> AxisArguments:
    low, high, unit = read_intervals(table, lower, upper)
    _check_unit(unit, lower, "TeV")
    edges = edges_from_lo_hi(low, high, f"columns {lower}, {upper}")
    return {"nodes": edges, "unit": unit, "name": name, "interp": "log"}


def _fermi_arguments(table: AnyTable) -> AxisArguments:
    for name in ("Energy", "ENERGY", "energy"):
        if name in column_names(table):
            nodes, _ = column_values(table, name)
            return {"nodes": nodes, "unit": "MeV", "name": "energy_true", "interp": "log", "node_type": "center"}
    raise FormatError(f"the table has no column 'Energy'; its columns are {column_names(table)}")


def _gtpsf_arguments(table: AnyTable) -> AxisArguments:
    """Read the energies (MeV) of the table PSF, or the angles (deg) of the table THETA, of the tool gtpsf."""
    names = column_names(table)
    if "Energy" in names:
        nodes, _ = column_values(table, "Energy")
        return {"nodes": nodes, "unit": "MeV", "name": "energy_true", "interp": "log", "node_type": "center"}
    if "Theta" in names:
        nodes, _ = column_values(table, "Theta")
        return {"nodes": nodes, "unit": "deg", "name": "rad", "interp": "lin", "node_type": "center"}
    raise FormatError(f"the table needs a column 'Energy' or 'Theta'; its columns are {names}")


def axis_columns(table: AnyTable, idx: int) -> list[str] | None:
    """Return the names of the columns of an axis in the format "gadf"; None if there is no such axis.

    Parameters
    ----------
    table : Table or TableData
    idx : int, number of the axis, from 0
    """
    # keywords count from 1
    columns = table_meta(table).get(f"AXCOLS{idx + 1}")
    return None if columns is None else [name.strip() for name in str(columns).split(",")]


def axis_name(columns: list[str]) -> str:
    """Return the name of an axis from its columns in the format "gadf"."""
    if columns[0] == "E_MIN":
        return "energy"
    name = columns[0].replace("_MIN", "").lower()
    return "rad" if name == "theta" else name  # as files of early Gammapy versions call it


def _gadf_arguments(table: AnyTable, idx: int) -> AxisArguments:
    columns = axis_columns(table, idx)
    if columns is None:
        raise FormatError(f"the table has no keyword AXCOLS{idx + 1}, which names the columns of axis {idx}")
    is_edges = len(columns) == 2
    if is_edges:
        low, high, unit = read_intervals(table, *columns)
        # each bin occurs once for every bin of the other axes
        nodes = edges_from_lo_hi(in_order(low), in_order(high), f"columns {', '.join(columns)}")
    else:
        nodes, unit = column_values(table, columns[0])
        nodes = in_order(nodes)
    return {
        "nodes": nodes,
        "unit": unit,
        "node_type": "edges" if is_edges else "center",
        "interp": table_meta(table).get(f"INTERP{idx + 1}", "lin"),
        "name": axis_name(columns),
    }


def in_order(values: NDArray[_Scalar]) -> NDArray[_Scalar]:
    """Return the values without repeats, in the order of their first appearance."""
    _, first = np.unique(values, return_index=True)
    order: NDArray[np.intp] = np.sort(first)
    return values[order]


def _dl3_arguments(table: AnyTable, column_prefix: str) -> AxisArguments:
    if column_prefix not in DL3_AXES:
        raise ValueError(f"column_prefix must be one of {list(DL3_AXES)}, got {column_prefix!r}")
    name, interp, unit = DL3_AXES[column_prefix]
    if column_prefix == "ENERG" and table_meta(table).get("HDUCLAS2") in _IN_RECO_ENERGY:
        name = "energy"
    columns = f"{column_prefix}_LO", f"{column_prefix}_HI"
    low, high, unit_read = read_intervals(table, *columns)
    _check_unit(unit_read, columns[0], unit)
    # the only row; a table with one bin may hold a number instead of a vector
    low, high = np.atleast_1d(low[0]), np.atleast_1d(high[0])
    if np.allclose(high, low, atol=0):  # relative: in a large unit all edges are small
        return {"nodes": high, "node_type": "center", "unit": unit_read, "interp": interp, "name": name}
    edges = edges_from_lo_hi(low, high, f"columns {', '.join(columns)}")
    return {"nodes": edges, "unit": unit_read, "interp": interp, "name": name}


def _check_unit(unit: u.UnitBase, column: str, example: str) -> None:
    if not is_unit_of_kind(unit, example):
        wanted = f"a unit such as {example!r}" if example else "no unit"
        raise FormatError(f"column {column!r} has the unit {str(unit)!r}, but {wanted} is expected")


def _unknown(layout: str, known: list[str]) -> ValueError:
    return ValueError(f"the format {layout!r} is not known; choose one of {known}")
