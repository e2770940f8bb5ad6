"""Axes of tables of flux points, light curves and flux profiles: the formats "gadf-sed", "lightcurve" and "profile".

The functions return the arguments of `MapAxis`, so this module knows nothing of the class.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError
from lightpool.maps.axes.axis_arguments import AxisArguments
from lightpool.maps.axes.table_columns import (
    AnyTable,
    column_names,
    column_text,
    column_values,
    edges_from_lo_hi,
    is_unit_of_kind,
    read_intervals,
)

__all__ = ["FLUX_TABLE_READERS", "dataset_labels", "flux_table_formats"]


def flux_table_formats(table: AnyTable) -> list[str]:
    """Return the formats of axes that a table of flux points holds, in the order in which its values have them.

    Parameters
    ----------
    table : Table or TableData
    """
    names = column_names(table)
    energy = {"e_min", "e_max"} <= set(names) or "e_ref" in names
    found = {
        "gadf-sed-norm": "norm_scan" in names,
        "gadf-sed-energy": energy,
        "gadf-sed-counts": "counts" in names or "datasets" in names,
    }
    return [layout for layout, is_there in found.items() if is_there]


def dataset_labels(table: AnyTable) -> NDArray[np.str_] | None:
    """Return the names of the datasets, sorted, each once; None if the table does not have them.

    Parameters
    ----------
    table : Table or TableData
    """
    labels = column_text(table, "datasets")
    return None if labels is None else np.unique(labels)


def _common_row(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the row that all rows of a table have in common, as energies of a light curve; a column as it is."""
    return values[0] if values.ndim == 2 and np.all(values == values[0]) else values


def _energies(table: AnyTable) -> AxisArguments:
    names = column_names(table)
    if {"e_min", "e_max"} <= set(names):
        low, high, unit = read_intervals(table, "e_min", "e_max")
        nodes, node_type = edges_from_lo_hi(_common_row(low), _common_row(high), "columns e_min, e_max"), "edges"
    elif "e_ref" in names:
        values, unit = column_values(table, "e_ref")
        nodes, node_type = np.atleast_1d(_common_row(values)), "center"
    else:
        raise FormatError(f"the table needs the columns 'e_min' and 'e_max', or 'e_ref'; its columns are {names}")
    if not is_unit_of_kind(unit, "TeV"):
        raise FormatError(f"the energies of the table have the unit {str(unit)!r}, which is none of energy")
    return {"nodes": nodes, "unit": unit, "node_type": node_type, "interp": "log", "name": "energy"}


def _norms(table: AnyTable) -> AxisArguments:
    values, _ = column_values(table, "norm_scan")
    # the first of the flux points, whose norms are those of all of them
    nodes = _common_row(values[0])
    return {"nodes": nodes, "unit": "", "node_type": "center", "interp": "lin", "name": "norm"}


def _datasets(table: AnyTable) -> AxisArguments:
    counts, _ = column_values(table, "counts")
    edges = np.arange(counts.shape[-1] + 1) - 0.5
    return {"nodes": edges, "unit": "", "node_type": "edges", "interp": "lin", "name": "dataset"}


def _distances(table: AnyTable) -> AxisArguments:
    values, unit = column_values(table, "x_ref")
    return {"nodes": values, "unit": unit, "node_type": "center", "interp": "lin", "name": "projected-distance"}


FLUX_TABLE_READERS: dict[str, Callable[[AnyTable], AxisArguments]] = {
    "gadf-sed-energy": _energies,
    "gadf-sed-norm": _norms,
    "gadf-sed-counts": _datasets,
    "profile": _distances,
}
"""What reads one axis, by format."""
