"""Tables and FITS keywords of several axes together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import astropy.units as u
import numpy as np

from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, Header, has_time_reference
from lightpool.maps.axes.axis import MapAxis
from lightpool.maps.axes.axis_format import DL3_AXES, axis_columns, gadf_columns, integer_type
from lightpool.maps.axes.flux_table_format import dataset_labels, flux_table_formats
from lightpool.maps.axes.label_axis import LabelMapAxis
from lightpool.maps.axes.table_columns import (
    AnyTable,
    column_names,
    column_text,
    column_values,
    is_unit_of_kind,
    table_meta,
)
from lightpool.maps.axes.time_axis import TimeMapAxis
from lightpool.maps.axes.time_reference import time_ref_to_dict

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["AnyAxis", "axes_from_table", "axes_header", "axes_table", "axes_table_hdu"]

AnyAxis: TypeAlias = MapAxis | LabelMapAxis | TimeMapAxis
"""The three kinds of axis."""

_FERMI = ("fgst-ccube", "fgst-template", "fgst-bexpcube")
_GADF = ("gadf", *_FERMI)
_OGIP = ("ogip", "ogip-sherpa", "ogip-arf")
_HDU_NAMES = {
    "gadf": "BANDS",
    "ogip": "EBOUNDS",
    "ogip-sherpa": "EBOUNDS",
    "fgst-ccube": "EBOUNDS",
    "fgst-template": "ENERGIES",
    "fgst-bexpcube": "ENERGIES",
}


def axes_header(axes: Sequence[AnyAxis], layout: str) -> Header:
    """Return the keywords of the axes, numbered from 1.

    Parameters
    ----------
    axes : sequence of MapAxis, LabelMapAxis or TimeMapAxis
    layout : str, ``format`` of `MapAxes.to_header`
    """
    header = Header()
    for number, axis in enumerate(axes, start=1):
        header.update(axis.to_header(format=layout, idx=number))
    return header


def axes_table(axes: Sequence[AnyAxis], layout: str) -> "Table":
    """Return a table of the bins of all axes.

    Parameters
    ----------
    axes : sequence of MapAxis, LabelMapAxis or TimeMapAxis
    layout : str, ``format`` of `MapAxes.to_table`
    """
    from astropy.table import Table, hstack

    if layout == "gadf-dl3":
        return hstack([axis.to_table(format=layout) for axis in axes if isinstance(axis, MapAxis)])
    if layout in _OGIP:
        name = "energy_true" if layout == "ogip-arf" else "energy"
        for axis in axes:
            if axis.name == name and isinstance(axis, MapAxis):
                return axis.to_table(format=layout)
        raise ValueError(f"the format {layout!r} needs an axis named {name!r}, got {[axis.name for axis in axes]}")
    if layout not in _GADF:
        raise ValueError(f"the format {layout!r} is not known; choose one of {[*_GADF, 'gadf-dl3', *_OGIP]}")
    if layout in _FERMI:
        return _fermi_table(axes, layout)
    table = Table({"CHANNEL": np.arange(int(np.prod([axis.nbin for axis in axes])))})
    # indexing "xy", as in Gammapy: of two axes the first one varies fastest, as in the data
    centers = np.meshgrid(*[axis.center for axis in axes])
    lower = np.meshgrid(*[axis.edges_min for axis in axes])
    upper = np.meshgrid(*[axis.edges_max for axis in axes])
    for number, axis in enumerate(axes):
        columns = gadf_columns(axis.name)
        table[columns[0]] = np.ravel(centers[number])
        if not isinstance(axis, LabelMapAxis):
            table[columns[1]] = np.ravel(lower[number])
            table[columns[2]] = np.ravel(upper[number])
        if isinstance(axis, TimeMapAxis):
            table.meta.update(time_ref_to_dict(axis.reference_time))
    return table


def _fermi_table(axes: Sequence[AnyAxis], layout: str) -> "Table":
    """Return the table EBOUNDS or ENERGIES, in the units of the Fermi tools: readers may take them for granted."""
    from astropy.table import Table

    if len(axes) != 1 or not isinstance(axes[0], MapAxis) or not axes[0].is_energy_axis:
        names = [axis.name for axis in axes]
        raise ValueError(f"the format {layout!r} has one axis, 'energy' or 'energy_true', got {names}")
    (axis,) = axes
    if layout == "fgst-ccube":
        edges, channels = axis.edges.to("keV"), np.arange(axis.nbin, dtype=integer_type(axis.nbin))
        return Table({"CHANNEL": channels, "E_MIN": edges[:-1], "E_MAX": edges[1:]})
    return Table({"Energy": u.Quantity(axis.center).to("MeV")})


def axes_table_hdu(axes: Sequence[AnyAxis], layout: str, hdu_bands: str | None) -> BinTableHDU:
    """Return a FITS table of the bins of all axes.

    Parameters
    ----------
    axes : sequence of MapAxis, LabelMapAxis or TimeMapAxis
    layout : str, ``format`` of `MapAxes.to_table_hdu`
    hdu_bands : str, optional, name of the HDU in the format "gadf"
    """
    if layout not in _HDU_NAMES:
        raise ValueError(f"the format {layout!r} is not known; choose one of {list(_HDU_NAMES)}")
    name = hdu_bands if layout == "gadf" and hdu_bands is not None else _HDU_NAMES[layout]
    # in Fermi's tables the columns have names of their own
    header = None if layout in _FERMI else axes_header(axes, layout)
    return BinTableHDU(axes_table(axes, layout), name=name, header=header)


def axes_from_table(table: AnyTable, layout: str) -> list[AnyAxis]:
    """Read the axes of a table.

    Parameters
    ----------
    table : Table or TableData
    layout : str, ``format`` of `MapAxes.from_table`
    """
    if layout in ("ogip", "ogip-sherpa", "ogip-arf", "fgst-ccube", "fgst-template", "fgst-bexpcube"):
        return [MapAxis.from_table(table, format=layout)]
    if layout in ("gadf-sed", "lightcurve", "profile"):
        return _axes_of_flux_table(table, layout)
    if layout == "gadf-dl3":
        columns = set(column_names(table))
        stems = [stem for stem in DL3_AXES if {f"{stem}_LO", f"{stem}_HI"} <= columns]
        return [MapAxis.from_table(table, format=layout, column_prefix=stem) for stem in stems]
    if layout != "gadf":
        known = ["gadf", "gadf-dl3", "gadf-sed", "lightcurve", "profile", "ogip", "ogip-sherpa", "ogip-arf"]
        known += ["fgst-ccube", "fgst-template", "fgst-bexpcube"]
        raise ValueError(f"the format {layout!r} is not known; choose one of {known}")
    axes: list[AnyAxis] = []
    # AXCOLS1, AXCOLS2, ... without gaps
    while (columns_of_axis := axis_columns(table, len(axes))) is not None:
        axes.append(_gadf_class(table, columns_of_axis).from_table(table, format="gadf", idx=len(axes)))
    return axes


def _axes_of_flux_table(table: AnyTable, layout: str) -> list[AnyAxis]:
    labels = dataset_labels(table)
    axes: list[AnyAxis] = []
    for each in flux_table_formats(table):
        if each == "gadf-sed-counts" and labels is not None:
            axes.append(LabelMapAxis(labels=labels, name="dataset"))
        else:
            axes.append(MapAxis.from_table(table, format=each))
    if layout == "lightcurve":
        axes.append(TimeMapAxis.from_table(table, format="lightcurve"))
    if layout == "profile":
        axes.append(MapAxis.from_table(table, format="profile"))
    return axes


def _gadf_class(table: AnyTable, columns: list[str]) -> type[MapAxis] | type[LabelMapAxis] | type[TimeMapAxis]:
    for column in columns:
        if column not in column_names(table):
            raise FormatError(f"the header names the column {column!r}, but the table has {column_names(table)}")
    if column_text(table, columns[0]) is not None:
        return LabelMapAxis
    # durations have a unit of time too, but no reference time in the header
    is_time = len(columns) == 2 and is_unit_of_kind(column_values(table, columns[0])[1], "s")
    return TimeMapAxis if is_time and has_time_reference(table_meta(table)) else MapAxis
