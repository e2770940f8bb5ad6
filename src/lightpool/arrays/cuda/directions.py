"""Directions of pixels, and quantities that are computed from directions."""

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.cuda.loader import contiguous, empty, grid_for, launch
from lightpool.arrays.cuda.structs import projection_struct, struct
from lightpool.arrays.devices.array_types import Array, CudaDevice
from lightpool.arrays.devices.devices import Device
from lightpool.arrays.projection_parameters import Projection

__all__ = ["fov_lonlat", "pixel_directions", "rotate", "separation", "solid_angles"]


def pixel_directions(projection: Projection, shape: tuple[int, int], device: Device, first: tuple[int, int]) -> Array:
    """Compute the unit vectors of pixel centres, as `lightpool.arrays.pixel_directions`.

    Parameters
    ----------
    projection : Projection
    shape : pair of int, (ny, nx)
    device : Device
    first : pair of int, (y, x) of the first pixel
    """
    with cast(CudaDevice, device.handle):
        vectors = device.xp.empty((3, *shape), dtype="float64")
    args = [projection_struct(projection, (first[1], first[0])), *map(np.int64, shape), vectors]
    launch("directions", "pixel_directions", grid_for(math.prod(shape)), args, vectors)
    return vectors


def rotate(matrix: NDArray[np.float64], vectors: Array) -> Array:
    """Rotate vectors, as `lightpool.arrays.rotate`.

    Parameters
    ----------
    matrix : NumPy array of float64, shape (3, 3)
        It is passed to the kernel by value, without a transfer.
    vectors : array of float64, shape (3, ...)
    """
    vectors = contiguous(vectors)
    turned, n = empty(vectors.shape, "float64", vectors), math.prod(vectors.shape[1:])
    rotation = struct([("matrix", "f8", 9)], matrix=matrix.ravel())
    launch("directions", "rotate", grid_for(n), [vectors, rotation, np.int64(n), turned], vectors)
    return turned


def fov_lonlat(vectors: Array) -> tuple[Array, Array]:
    """Convert rotated vectors to field-of-view coordinates, as `lightpool.arrays.fov_lonlat`."""
    vectors, shape = contiguous(vectors), vectors.shape[1:]
    lon, lat = (empty(shape, "float64", vectors) for _ in range(2))
    launch("directions", "fov_lonlat", grid_for(lon.size), [vectors, np.int64(lon.size), lon, lat], vectors)
    return lon, lat


def separation(vectors: Array, centre: NDArray[np.float64]) -> Array:
    """Compute the angle to one direction, as `lightpool.arrays.separation_of_vectors`.

    Parameters
    ----------
    vectors : array of float64, shape (3, ...)
    centre : NumPy array of float64, shape (3,)
        It is passed to the kernel by value, without a transfer.
    """
    vectors, shape = contiguous(vectors), vectors.shape[1:]
    angle = empty(shape, "float64", vectors)
    triple = struct([(name, "f8") for name in "xyz"], **dict(zip("xyz", centre.tolist(), strict=True)))
    launch("directions", "separation", grid_for(angle.size), [vectors, triple, np.int64(angle.size), angle], vectors)
    return angle


def solid_angles(corners: Array) -> Array:
    """Compute the solid angles of pixels, as `lightpool.arrays.kernels.solid_angles.solid_angles`."""
    corners = contiguous(corners)
    n_y, n_x = corners.shape[1] - 1, corners.shape[2] - 1
    area = empty((n_y, n_x), "float64", corners)
    launch("directions", "solid_angles", grid_for(area.size), [corners, np.int64(n_y), np.int64(n_x), area], corners)
    return area
