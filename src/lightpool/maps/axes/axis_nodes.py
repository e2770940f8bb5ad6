"""The numbers that an axis is made of: checked on the host, or spaced between bounds."""

import operator

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.typing import QuantityLike, UnitLike

__all__ = ["BOUNDARY_TYPES", "ENERGY_NAMES", "INTERPOLATIONS", "NODE_TYPES", "node_values", "spaced_nodes"]

INTERPOLATIONS = ("lin", "log", "sqrt")
NODE_TYPES = ("edges", "center")
BOUNDARY_TYPES = ("monotonic", "periodic")
ENERGY_NAMES = ("energy", "energy_true")


def node_values(nodes: QuantityLike, unit: UnitLike, label: str) -> tuple[NDArray[np.float64], u.UnitBase]:
    """Return plain values and the unit of nodes that are given with or without a unit of their own.

    Parameters
    ----------
    nodes : sequence of float, or Quantity, or sequence of Quantity
    unit : Unit or str, unit of nodes that have none
    label : str, what the nodes belong to, for error messages

    Returns
    -------
    values : array of float64, shape (n_node,), a copy that cannot be written to
    unit : Unit

    Raises
    ------
    ValueError
        If the values are not one-dimensional, not numbers, repeated or not sorted.
    """
    if isinstance(nodes, list | tuple) and any(isinstance(node, u.Quantity) for node in nodes):
        # converts each node to the unit of the first one
        nodes = u.Quantity(nodes)
    if getattr(nodes, "unit", None) is not None:
        quantity = u.Quantity(nodes)
        unit, nodes = quantity.unit, quantity.value
    # a copy, so that the caller's array can still be written to
    values = np.array(nodes, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{label} needs a sequence of at least one node, got an array of shape {values.shape}")
    if np.any(np.isnan(values)):
        raise ValueError(f"{label} got nodes {values}, but a node must be a number, not NaN")
    steps = np.diff(values)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError(
            f"{label} got nodes {values}, but they must be unique and sorted; np.unique(nodes) sorts and drops repeats"
        )
    values.flags.writeable = False
    return values, u.Unit(unit)


def check_choice(value: object, choices: tuple[str, ...], what: str) -> str:
    """Return the value if it is one of the choices.

    Parameters
    ----------
    value : str
    choices : tuple of str
    what : str, name of the argument, for the error message

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if value not in choices:
        raise ValueError(f"{what} must be one of {list(choices)}, got {value!r}")
    return str(value)


def spaced_nodes(lower: float, upper: float, n_node: int, interp: str) -> NDArray[np.float64]:
    """Return nodes at equal distances on a scale.

    Parameters
    ----------
    lower, upper : float
        First and last node.
    n_node : int
    interp : {"lin", "log", "sqrt"}
        The scale.

    Returns
    -------
    nodes : array of float64, shape (n_node,)

    Raises
    ------
    ValueError
        If the scale is not defined at a bound.
    """
    if interp == "log":
        if not (lower > 0 and upper > 0):
            raise ValueError(f"bounds of an axis with interp='log' must be positive, got {lower} and {upper}")
        # unlike powers of ten of equal steps, its ends are exactly the bounds
        return np.geomspace(lower, upper, n_node)
    if interp == "sqrt":
        if lower < 0 or upper < 0:
            raise ValueError(f"bounds of an axis with interp='sqrt' must not be negative, got {lower} and {upper}")
        return np.asarray(np.linspace(lower**0.5, upper**0.5, n_node) ** 2.0)
    return np.linspace(lower, upper, n_node)


def check_energy_name(name: str | None) -> str:
    """Return the name of an energy axis: ``energy`` if none is given; `ValueError` if it is not one of the two."""
    if name is None:
        return "energy"
    if name not in ENERGY_NAMES:
        raise ValueError(f"an energy axis is named 'energy' or 'energy_true', got {name!r}")
    return name


def check_energy_unit(energy: u.Quantity, what: str) -> None:
    """Raise `ValueError` if a quantity is not an energy.

    Parameters
    ----------
    energy : Quantity
    what : str, name of the function, for the error message
    """
    if not energy.unit.is_equivalent("TeV"):
        raise ValueError(
            f"{what} got the unit {str(energy.unit)!r}, but an energy is needed; "
            "give a quantity such as '1 TeV' or the argument unit='TeV'"
        )


def energy_bounds(
    energy_min: QuantityLike,
    energy_max: QuantityLike,
    nbin: float,
    unit: "UnitLike | None",
    per_decade: bool,
    strict_bounds: bool,
) -> tuple[float, float, int, u.UnitBase]:
    """Return bounds in one unit, and the number of bins between them.

    Parameters
    ----------
    energy_min, energy_max, nbin, unit, per_decade, strict_bounds : see `MapAxis.from_energy_bounds`

    Returns
    -------
    lower, upper : float, unit ``unit``
        The upper bound is lowered if ``per_decade`` is set, ``strict_bounds`` is not, and the bins do not fit.
    nbin : int
    unit : Unit, by default that of ``energy_max``
    """
    energy_min, energy_max = u.Quantity(energy_min, unit), u.Quantity(energy_max, unit)
    for energy in (energy_min, energy_max):
        check_energy_unit(energy, "MapAxis.from_energy_bounds")
    if unit is None:
        unit = energy_max.unit
        energy_min = energy_min.to(unit)
    if per_decade:
        decades = float(np.log10((energy_max / energy_min).to_value("")))
        if strict_bounds:
            nbin = float(np.ceil(decades * nbin))
        else:
            n_per_decade = nbin
            nbin = float(np.floor(decades * n_per_decade))
            if decades % (1 / n_per_decade) != 0:
                # the end of the last whole bin
                energy_max = energy_min * 10 ** (nbin / n_per_decade)
    return float(energy_min.value), float(energy_max.value), int(nbin), u.Unit(unit)


def pad_widths(pad_width: int | tuple[int, int]) -> tuple[int, int]:
    """Read how many bins to add at the lower and at the upper end, from one number or from a tuple of two."""
    low, high = pad_width if isinstance(pad_width, tuple) else (pad_width, pad_width)
    return operator.index(low), operator.index(high)
