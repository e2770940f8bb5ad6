"""What the functions that read an axis from a table return."""

from typing import NotRequired, TypedDict

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

__all__ = ["AxisArguments"]


class AxisArguments(TypedDict):
    """Arguments of `lightpool.maps.MapAxis` as read from a table."""

    nodes: NDArray[np.float64]
    unit: u.UnitBase | str
    name: str
    interp: str
    node_type: NotRequired[str]
