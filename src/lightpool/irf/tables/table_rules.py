"""What the axes and columns of a response table must be: one rule for every class, in files and in memory."""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError, WrongUnitError
from lightpool.fits import parse_unit
from lightpool.maps import MapAxes, MapAxis
from lightpool.maps.axes.table_columns import edges_from_lo_hi, is_unit_of_kind
from lightpool.utils.remembered import Remembered

__all__ = [
    "POINT_TOLERANCE",
    "ColumnRule",
    "axes_of_table",
    "axis_of_bins",
    "check_axes",
    "check_unit",
    "column_unit",
    "is_given",
    "is_widened",
    "n_not_finite",
    "unit_text",
    "values_in_order",
    "warn_of_holes",
    "with_width",
]

log = logging.getLogger(__name__)

POINT_TOLERANCE = 0.1 * u.deg
"""A table at a single position in the field of view, without a width, is valid within this distance of it."""


@dataclass(frozen=True)
class AxisRule:
    """What an axis must be.

    Attributes
    ----------
    unit : str, one that the unit of the axis must convert to
    lowest : float, smallest lower edge in a file
    is_log : bool, whether the axis is logarithmic, so that the smallest lower edge itself is not allowed
    """

    unit: str
    lowest: float = -np.inf
    is_log: bool = False


_CHECKED = Remembered[tuple[tuple[object, ...], MapAxes]](256)
"""Axes of tables by what `axes_of_table` was given; the tables of many runs have the same ones."""

_AXES = {
    "energy": AxisRule("TeV", 0.0, is_log=True),
    "energy_true": AxisRule("TeV", 0.0, is_log=True),
    "offset": AxisRule("deg", 0.0),
    "rad": AxisRule("deg", 0.0),
    "migra": AxisRule("", 0.0),
    "fov_lon": AxisRule("deg"),
    "fov_lat": AxisRule("deg"),
    "rho": AxisRule("deg", 0.0),
    "phi": AxisRule("deg"),
}


_WIDENED = ("offset", "fov_lon", "fov_lat", "rho")


@dataclass(frozen=True)
class ColumnRule:
    """What a column of values must be.

    Attributes
    ----------
    spellings : tuple of str, names that the column may have; the first one is written
    unit : str, one that the unit of the column must convert to
    assumed : str or None, the unit of a column that has none; None where a missing unit is an error
    warns : bool, whether an assumed unit is worth a warning
    replaces_unknown : bool, whether a unit that is not known is replaced by the assumed one, with a warning
    any_unit : bool, whether the column may have any unit
    """

    spellings: tuple[str, ...]
    unit: str
    assumed: str | None = None
    warns: bool = False
    replaces_unknown: bool = False
    any_unit: bool = False


def axes_of_table(axes: MapAxes | Iterable[MapAxis], names: list[str], label: str) -> MapAxes:
    """Return the axes of a response table, after checking that they are those that it must have.

    Parameters
    ----------
    axes : MapAxes or iterable of MapAxis
    names : list of str, of the axes in their order
    label : str, what the axes belong to, for error messages

    Raises
    ------
    FormatError
        See `check_axes`.
    ValueError
        If there are others, or their order is another one.
    """
    parts = cast("tuple[MapAxis, ...]", tuple(axes))
    # Axes of the package do not change, so that those that were checked remain valid.
    if any(type(axis) is not MapAxis for axis in parts):
        return _checked_axes(parts, names, label)
    # With the parts, so that no other axis gets the identity of one of them.
    key = (label, *names, *map(id, parts))
    return _CHECKED.get(key, lambda: (parts, _checked_axes(parts, names, label)))[1]


def _checked_axes(parts: Sequence[MapAxis], names: list[str], label: str) -> MapAxes:
    found = MapAxes(parts)
    found.assert_names(names)
    check_axes(found, label)
    # Only an axis of one bin can be a point without a width.
    if 1 in found.shape:
        found = MapAxes([with_width(cast(MapAxis, axis)) for axis in found])
    return found


def check_axes(axes: Iterable[object], label: str) -> None:
    """Check units, finiteness and order of the axes of a response table.

    Parameters
    ----------
    axes : MapAxes or sequence of MapAxis; those whose names have no rule are not looked at
    label : str, what the axes belong to, for error messages

    Raises
    ------
    FormatError
        If a unit is of another kind, or nodes are not finite or not ascending.
    """
    for axis in axes:
        rule = _AXES.get(axis.name) if isinstance(axis, MapAxis) else None
        if rule is None or not isinstance(axis, MapAxis):
            continue
        what = f"{label}, axis {axis.name!r}"
        check_unit(axis.unit, rule.unit, what)
        _check_nodes(axis.center_value if axis.node_type == "center" else axis.edges_value, what)


def with_width(axis: MapAxis) -> MapAxis:
    """Return an axis of the field of view whose only point has become a bin of half width `POINT_TOLERANCE`.

    Point-like responses are made for one offset, from which the pointing of a run differs a little. Any other axis is
    returned itself.
    """
    if axis.name not in _WIDENED or axis.nbin > 1 or axis.edges_value[0] < axis.edges_value[1]:
        return axis
    tolerance, position = float(POINT_TOLERANCE.to_value(axis.unit)), float(axis.center_value[0])
    lower = max(position - tolerance, 0.0) if axis.name in ("offset", "rho") else position - tolerance
    return MapAxis([lower, position + tolerance], interp=axis.interp, name=axis.name, unit=axis.unit)


def is_widened(axis: MapAxis) -> bool:
    """Return whether an axis may be one that `with_width` has made of a point."""
    if axis.name not in _WIDENED or axis.nbin > 1:
        return False
    upper = 2 * float(POINT_TOLERANCE.to_value(axis.unit))
    width = float(axis.edges_value[1] - axis.edges_value[0])
    # Narrower where the lower edge is limited to 0.
    return 0.45 * upper <= width <= 1.05 * upper


@lru_cache(maxsize=512)
def is_given(unit: u.UnitBase) -> bool:
    """Return whether a unit is another one than that of plain numbers."""
    return bool(unit != u.dimensionless_unscaled)


@lru_cache(maxsize=512)
def unit_text(unit: u.UnitBase) -> str:
    """Return a unit as text."""
    return str(unit)


def check_unit(unit: u.UnitBase, expected: str, what: str) -> None:
    """Check that a unit converts to another one.

    Parameters
    ----------
    unit : Unit
    expected : str, the unit that it must convert to
    what : str, what has the unit, for the error message

    Raises
    ------
    WrongUnitError
        If it does not convert.
    """
    if not is_unit_of_kind(unit, expected):
        wanted = f"one that converts to {expected!r}" if expected else "no unit"
        raise WrongUnitError(f"{what} has the unit {str(unit)!r}, expected {wanted}")


def axis_of_bins(
    low: NDArray[Any], high: NDArray[Any], unit: u.UnitBase, name: str, label: str, interp: str = "lin"
) -> MapAxis:
    """Return an axis from the lower and upper edges of its bins as a file has them; points have two equal ones.

    Parameters
    ----------
    low, high : ndarray, shape (n_bin,), in the same unit
    unit : Unit
    name : str, of the axis
    label : str, file and columns, for error messages
    interp : {"lin", "log"}, scale of an axis that has no rule, as that of a class of a user

    Raises
    ------
    FormatError
        If the unit is of another kind, there is no bin, the lengths differ, an edge is not finite or too low, a lower
        edge is above its upper edge, or the bins do not ascend or leave gaps.
    """
    rule = _AXES.get(name)
    if rule is None:  # an axis of a class of a user
        rule = AxisRule(str(unit), is_log=interp == "log", lowest=0.0 if interp == "log" else -np.inf)
    check_unit(unit, rule.unit, label)
    if low.ndim != 1 or low.shape != high.shape or low.size == 0:
        raise FormatError(f"{label}: got {low.size} lower and {high.size} upper edges, expected one of each per bin")
    for edges in (low, high):
        _check_nodes(edges, label)
    if low[0] < rule.lowest or (rule.is_log and low[0] == rule.lowest):
        wanted = "more than zero, because it is logarithmic" if rule.is_log else f"at least {rule.lowest:g}"
        raise FormatError(f"{label}: the axis begins at {low[0]:g}, expected {wanted}")
    swapped = low > high
    if swapped.any():
        number = int(np.argmax(swapped))
        raise FormatError(
            f"{label}: bin {number} begins at {low[number]:g} and ends at {high[number]:g}, expected a lower edge "
            "below its upper edge; check whether the two columns are swapped"
        )
    # Relative: an absolute tolerance would depend on the unit of the axis.
    are_points = bool(np.allclose(high, low, atol=0))
    if are_points and low.size == 1 and name in ("energy_true", "rad", "migra"):
        raise FormatError(f"{label}: the only bin begins and ends at {low[0]:g}, expected a bin that has a width")
    nodes = high if are_points else edges_from_lo_hi(low, high, label)
    # Points are nodes to interpolate between; their edges follow from the nodes.
    node_type, interp = "center" if are_points else "edges", "log" if rule.is_log else "lin"
    return MapAxis(nodes, interp=interp, name=name, node_type=node_type, unit=unit)


def column_unit(text: str, rule: ColumnRule, label: str) -> u.UnitBase:
    """Return the unit of a column of values from the text in the file.

    Parameters
    ----------
    text : str, unit as the file has it
    rule : ColumnRule
    label : str, file and column, for messages

    Raises
    ------
    WrongUnitError
        If it is missing or unknown, unless the rule says what to assume, or is of another kind.
    """
    if not text.strip():
        if rule.assumed is None:
            raise WrongUnitError(f"{label} has no unit (TUNIT); expected one such as '{rule.unit}'")
        if rule.warns:
            log.warning("%s has no unit, taken as %s", label, rule.assumed)
        return u.Unit(rule.assumed)
    try:
        unit = parse_unit(text, label)
    except FormatError:
        if not rule.replaces_unknown:
            raise
        log.warning("%s: unit %r is not known, taken as %s", label, text, rule.assumed)
        return u.Unit(rule.assumed)
    if not rule.any_unit:
        check_unit(unit, rule.unit, label)
    return unit


def values_in_order(
    values: NDArray[Any], shape: tuple[int, ...], names: list[str], label: str, *, any_order: bool
) -> NDArray[Any]:
    """Return values with the dimensions of the axes.

    The format writes the last axis first. Backgrounds of some instruments are written the other way round
    (``any_order``); TDIM tells which, unless the shape reads the same both ways.

    Parameters
    ----------
    values : ndarray, as TDIM shapes it; TDIM may leave out axes of one bin, and may be missing where one order fits
    shape : tuple of int, numbers of bins
    names : list of str, of the axes
    label : str, file and column, for error messages
    any_order : bool, whether files exist whose dimensions run the other way

    Raises
    ------
    FormatError
        If the shape does not fit the axes, or the order of flat values is ambiguous.
    """
    # TDIM names the fastest dimension first, NumPy names it last; so the order of the format is the reversed shape.
    reverse = shape[::-1]
    wide, is_flat = _wide(shape), values.ndim <= 1
    if values.size != np.prod(shape) or not (is_flat or _wide(values.shape) in (wide, wide[::-1])):
        raise FormatError(
            f"{label}: its shape is {values.shape[::-1]}, but the axes {names} of the table have {shape} bins"
        )
    if len(wide) > 1 and is_flat and any_order:
        raise FormatError(
            f"{label} has no TDIM, so that its {values.size} values may be in either of the two orders that files "
            f"have: {names[0]!r} may change fastest, as in the format, or slowest; add TDIM = '{_tdim(shape)}' for the "
            f"first or '{_tdim(reverse)}' for the second"
        )
    # The order of the format, or an order that cannot be told from it.
    if is_flat or _wide(values.shape) == wide[::-1]:
        if is_flat and len(wide) > 1:
            log.warning("%s has no TDIM; its values are taken in the order of the format", label)
        if any_order and len(wide) > 1 and wide == wide[::-1]:
            log.warning(
                "%s: the shape %s does not tell the order of its axes; taken as the format writes it", label, shape
            )
        return values.reshape(reverse).T
    # The other order, which only backgrounds may have.
    if any_order:
        return values.reshape(shape)
    raise FormatError(
        f"{label}: its shape is {values.shape[::-1]}, but the axes {names} of the table have {shape} bins, of which "
        "the format writes the first one first"
    )


def n_not_finite(data: NDArray[Any]) -> int:
    """Return the number of bins in which a value is not finite; parametric tables have several values in a bin."""
    columns = [data[name] for name in data.dtype.names or [...]]
    with np.errstate(over="ignore", invalid="ignore"):
        # Finite values can overflow in the sum; then the exact count below finds no bad ones.
        if all(np.isfinite(column.sum()) for column in columns):  # far faster than a look at each
            return 0
    return int(np.count_nonzero(~np.logical_and.reduce([np.isfinite(column) for column in columns])))


def warn_of_holes(n_bad: int, shape: Iterable[int], label: str) -> None:
    """Warn if bins of a table hold values that are not finite.

    Parameters
    ----------
    n_bad : int, number of such bins
    shape : iterable of int, of the table
    label : str, file and HDU
    """
    if n_bad:
        log.warning(
            "%s: %d of %d values are not finite; the response is zero as far as they are interpolated, a background is "
            "filled in between its neighbours in energy",
            label,
            n_bad,
            math.prod(shape),
        )


def _check_nodes(nodes: NDArray[Any], label: str) -> None:
    if not np.all(np.isfinite(nodes)):
        raise FormatError(f"{label}: got {nodes}, expected finite numbers")
    if not np.all(np.diff(nodes) > 0):
        raise FormatError(f"{label}: got {nodes}, expected ascending values, each once")


def _wide(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the lengths of the dimensions with more than one bin."""
    return tuple(length for length in shape if length > 1)


def _tdim(shape: tuple[int, ...]) -> str:
    return str(shape).replace(" ", "")
