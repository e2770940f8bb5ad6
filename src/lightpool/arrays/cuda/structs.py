"""Structures that kernels take by value, as NumPy types; each is that of the same name in the sources.

All members have eight bytes, so that nothing is padded.
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
    """Structure of size 1; members that are not given are 0, those of arrays may be given in part."""
    packed: NDArray[Any] = np.zeros((), dtype=np.dtype(list(fields)))
    for name, value in values.items():
        member = np.asarray(value)
        if member.ndim == 0:
            packed[name] = value
        else:
            packed[name][tuple(map(slice, member.shape))] = value
    return packed


def projection_struct(projection: Projection, first: tuple[float, float]) -> NDArray[Any]:
    """Projection, with the pixel (x, y) that is counted as the first."""
    shift = projection.lon_shift
    return struct(
        _PROJECTION,
        code=PROJECTION_CODES.index(projection.code),
        shifts=shift is not None,
        lon_shift=0.0 if shift is None else shift,
        rotation=projection.matrix.ravel(),
        to_plane=projection.cd_rad.ravel(),
        to_pixel=np.linalg.inv(projection.cd_rad).ravel(),
        reference=np.asarray(projection.crpix) - 1.0,
        first=first,
    )
