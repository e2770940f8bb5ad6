"""Axes of an angle around the pointing: where they cover a full turn, their last bin lies beside the first one."""

from typing import Any

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.maps import MapAxis

__all__ = ["is_full_turn", "with_turn", "wrapped"]

_TOLERANCE = 1e-6
"""A full turn in a file may be rounded by this fraction of a turn, as in a column of float32."""


def is_full_turn(axis: MapAxis) -> bool:
    """Return whether the bins of an axis of an angle cover a full turn, each direction once."""
    low, high = axis.edges_value[[0, -1]] * axis.unit.to(u.cycle)
    return bool(abs(high - low - 1) < _TOLERANCE)


def wrapped(angle: NDArray[np.floating], axis: MapAxis) -> NDArray[np.float64]:
    """Return angles, in the unit of an axis that covers a full turn, between the edges of the axis.

    Parameters
    ----------
    angle : ndarray of float
    axis : MapAxis
    """
    low, turn = axis.edges_value[0], float(u.cycle.to(axis.unit))
    # Rounding, in the axis or of the remainder, must not put an angle beyond the last edge.
    return np.asarray(np.minimum(low + np.mod(angle - low, turn), axis.edges_value[-1]), dtype=np.float64)


def with_turn(
    values: NDArray[Any], dim: int, nodes: NDArray[np.float64], turn: float
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return values and nodes with the last node before the first one, and the first behind the last.

    Parameters
    ----------
    values : ndarray
    dim : int, dimension of the angle
    nodes : ndarray, shape (n_node,)
    turn : float, a full turn in the unit of the nodes
    """
    values = np.concatenate([np.take(values, [-1], axis=dim), values, np.take(values, [0], axis=dim)], axis=dim)
    return values, np.concatenate([nodes[-1:] - turn, nodes, nodes[:1] + turn])
