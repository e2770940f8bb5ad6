"""Structures that kernels take by value, as NumPy data types; each has the name and layout of the one in the sources.

All members have eight bytes, so there is no padding.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.projection_parameters import PROJECTION_CODES, Projection

__all__ = ["projection_struct", "struct"]

_PROJECTION = [
    ("code", "i8"),
    ("shifts", "i8"),
    ("lon_shift", "f8"),
    ("rotation", "f8", 9),
    ("to_plane", "f8", 4),
    ("to_pixel", "f8", 4),
    ("reference", "f8", 2),
    ("first", "f8", 2),
]


def struct(fields: Sequence[tuple[Any, ...]], **values: Any) -> NDArray[Any]:
    """Return a structure of size 1.

    Parameters
    ----------
    fields : sequence of tuple
        Name, data type and shape of each member, as for `numpy.dtype`.
    **values : number or sequence of numbers
        Values of members. Members that are not given are 0; arrays may be given in part.
    """
    packed: NDArray[Any] = np.zeros((), dtype=np.dtype(list(fields)))
    for name, value in values.items():
        member = np.asarray(value)
        if member.ndim == 0:
            packed[name] = value
        else:
            packed[name][tuple(map(slice, member.shape))] = value
    return packed


def projection_struct(projection: Projection, first: tuple[float, float]) -> NDArray[Any]:
    """Return the structure ``Projection`` of the sources.

    Parameters
    ----------
    projection : Projection
    first : pair of float
        Pixel (x, y) of the map that is pixel (0, 0) of the kernel.
    """
    shift = projection.lon_shift
    return struct(
        _PROJECTION,
        code=PROJECTION_CODES.index(projection.code),
        shifts=shift is not None,
        lon_shift=0.0 if shift is None else shift,
        rotation=projection.matrix.ravel(),
        to_plane=projection.cd_rad.ravel(),
        to_pixel=np.linalg.inv(projection.cd_rad).ravel(),
        reference=np.asarray(projection.crpix) - 1.0,  # CRPIX counts from 1
        first=first,
    )
