"""Tables of time axes: the formats "gadf", "lightcurve" and "fermi-fgl".

The functions return the arguments of `TimeMapAxis`, so this module knows nothing of the class.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

import astropy.units as u
import numpy as np
from astropy.time import Time

from lightpool.errors import FormatError
from lightpool.maps.axes.axis_format import axis_columns, axis_name, in_order
from lightpool.maps.axes.table_columns import AnyTable, column_values, read_intervals, table_meta
from lightpool.maps.axes.time_reference import time_ref_from_dict

__all__ = ["time_axis_arguments"]

_LIGHTCURVE = {"MJDREFI": 0, "MJDREFF": 0, "TIMESYS": "utc", "TIMEUNIT": "d"}
"""Keywords of the times of light curves, where a table has none."""


class TimeAxisFromTable(TypedDict):
    """Arguments of `TimeMapAxis` as read from a table."""

    edges_min: u.Quantity
    edges_max: u.Quantity
    reference_time: Time
    name: str


def time_axis_arguments(table: AnyTable, layout: str, idx: int) -> TimeAxisFromTable:
    """Read the arguments of `TimeMapAxis` from a table.

    Parameters
    ----------
    table : Table or TableData
    layout : str, ``format`` of `TimeMapAxis.from_table`
    idx : int, number of the axis, from 0, in the format "gadf"

    Raises
    ------
    FormatError
        If a column is missing or holds no times.
    """
    if layout == "gadf":
        return _gadf(table, idx)
    if layout == "lightcurve":
        return _lightcurve(table)
    if layout == "fermi-fgl":
        return _fermi_catalogue(table)
    raise ValueError(f"a time axis is read in one of the formats 'gadf', 'lightcurve' and 'fermi-fgl', got {layout!r}")


def _gadf(table: AnyTable, idx: int) -> TimeAxisFromTable:
    columns = axis_columns(table, idx)
    if columns is None or len(columns) != 2:
        raise FormatError(f"axis {idx} of the table has the columns {columns}, but a time axis needs two")
    start, stop, unit = read_intervals(table, *columns)
    return {
        # with several axes in the table, each interval occurs several times
        "edges_min": u.Quantity(in_order(start), unit),
        "edges_max": u.Quantity(in_order(stop), unit),
        "reference_time": time_ref_from_dict(table_meta(table)),
        "name": axis_name(columns),
    }


def _lightcurve(table: AnyTable) -> TimeAxisFromTable:
    """Read the columns time_min and time_max; they count from the reference time of the keywords, in TIMEUNIT."""
    meta = table_meta(table)
    keywords: Mapping[str, Any] = {key: meta.get(key, default) for key, default in _LIGHTCURVE.items()}
    unit = u.Unit(str(keywords["TIMEUNIT"]))
    # without TIMEUNIT: the unit of the reading function would be added to the reference
    reference = time_ref_from_dict({key: value for key, value in keywords.items() if key != "TIMEUNIT"})
    start, stop, given = read_intervals(table, "time_min", "time_max")
    factor = 1.0 if given == u.dimensionless_unscaled else given.to(unit)
    elapsed = [u.Quantity(values * factor, unit) for values in (start, stop)]
    if reference.mjd == 0:
        # dates: added to a time of 1858, dates in UTC would miss the leap seconds since then
        times = [Time(_.to_value("d"), format="mjd", scale=reference.scale) for _ in elapsed]
        # as in Gammapy; seconds since 1858 would be rounded to a microsecond
        reference = Time("2001-01-01T00:00:00", scale=reference.scale)
        reference.format = "mjd"
    else:
        times = [reference + _ for _ in elapsed]
    edges_min, edges_max = ((time - reference).to("s") for time in times)
    return {"edges_min": edges_min, "edges_max": edges_max, "reference_time": reference, "name": "time"}


def _fermi_catalogue(table: AnyTable) -> TimeAxisFromTable:
    """Read the column Hist_Start, the edges of contiguous intervals."""
    meta = dict(table_meta(table))
    # FITS allows D for the exponent of a number (standard 4.0, section 4.2.4)
    meta["MJDREFF"] = float(str(meta.get("MJDREFF", 0.0)).upper().replace("D", "E"))
    edges, unit = column_values(table, "Hist_Start")
    if not unit.is_equivalent("s"):
        raise FormatError(f"column 'Hist_Start' has the unit {str(unit)!r}, but times are expected")
    edges = np.ravel(edges)
    return {
        "edges_min": u.Quantity(edges[:-1], unit),
        "edges_max": u.Quantity(edges[1:], unit),
        "reference_time": time_ref_from_dict(meta),
        "name": "time",
    }
