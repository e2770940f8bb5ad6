"""Directions on the celestial sphere, as unit vectors and as angles in radians."""

import math
from collections.abc import Sequence
from typing import Any, cast, overload

import array_api_compat
import numpy as np

from lightpool.arrays.cuda import directions as cuda_directions
from lightpool.arrays.devices.array_types import Array, HostFloats, Namespace
from lightpool.arrays.devices.blocks import BLOCK, blocks
from lightpool.arrays.devices.device_tables import constant
from lightpool.arrays.devices.devices import array_namespace, device_of, to_device

__all__ = [
    "ICRS_TO_FK5",
    "ICRS_TO_GALACTIC",
    "angular_separation",
    "fov_lonlat",
    "fov_matrix",
    "fov_polar",
    "frame_matrix",
    "lonlat",
    "rotate",
    "separation_of_vectors",
    "unit_vectors",
]

# The images of the three axes, as astropy 8.0 transforms them.
ICRS_TO_GALACTIC: HostFloats = np.array(
    [
        [-0.05487565771259163, -0.8734370519556159, -0.48383507361671546],
        [0.4941094371927268, -0.4448297212232952, 0.7469821839866676],
        [-0.8676661375596576, -0.19807633727300053, 0.4559838136873016],
    ]
)
ICRS_TO_FK5: HostFloats = np.array(
    [
        [0.9999999999999921, -1.1102233297408327e-07, -4.411804498096771e-08],
        [1.1102233723050035e-07, 0.9999999999999889, 9.647792246010129e-08],
        [4.411803426976326e-08, -9.647792751958126e-08, 0.9999999999999943],
    ]
)
_FROM_ICRS = {"icrs": np.eye(3), "galactic": ICRS_TO_GALACTIC, "fk5": ICRS_TO_FK5}


def frame_matrix(from_frame: str, to_frame: str) -> HostFloats:
    """Return the rotation from one sky frame to another, on the host.

    Parameters
    ----------
    from_frame, to_frame : str
        ``icrs``, ``galactic`` or ``fk5`` (equinox J2000).

    Returns
    -------
    matrix : NumPy array of float64, shape (3, 3), for `rotate`

    Raises
    ------
    ValueError
        If a frame is none of the three.
    """
    for name in (from_frame, to_frame):
        if name not in _FROM_ICRS:
            raise ValueError(f"sky frame is {name!r}, expected one of {', '.join(map(repr, _FROM_ICRS))}")
    if from_frame == to_frame:
        return np.eye(3)
    # By way of ICRS; the inverse of a rotation is its transpose.
    return cast(HostFloats, _FROM_ICRS[to_frame] @ _FROM_ICRS[from_frame].T)


@overload
def unit_vectors(lon: HostFloats, lat: HostFloats) -> HostFloats: ...
@overload
def unit_vectors(lon: Array, lat: Array) -> Array: ...
def unit_vectors(lon: Array, lat: Array) -> Array:
    """Convert directions to unit vectors.

    Parameters
    ----------
    lon, lat : arrays of float64 that broadcast together, unit rad

    Returns
    -------
    vectors : array of float64, shape (3, ...), followed by the broadcast shape
    """
    xp = array_namespace(lon, lat)
    cos_lat, sin_lat, cos_lon, sin_lon = xp.cos(lat), xp.sin(lat), xp.cos(lon), xp.sin(lon)
    if array_api_compat.is_numpy_namespace(xp):
        # Each component is written to its place: stacking three arrays would copy them.
        vectors = np.empty((3, *np.broadcast_shapes(lon.shape, lat.shape)))
        np.multiply(cast(HostFloats, cos_lat), cast(HostFloats, cos_lon), out=vectors[0, ...])
        np.multiply(cast(HostFloats, cos_lat), cast(HostFloats, sin_lon), out=vectors[1, ...])
        vectors[2, ...] = cast(HostFloats, sin_lat)
        return vectors
    return xp.stack(xp.broadcast_arrays(cos_lat * cos_lon, cos_lat * sin_lon, sin_lat), axis=0)


@overload
def lonlat(vectors: HostFloats) -> tuple[HostFloats, HostFloats]: ...
@overload
def lonlat(vectors: Array) -> tuple[Array, Array]: ...
def lonlat(vectors: Array) -> tuple[Array, Array]:
    """Convert vectors of any length to longitude and latitude.

    Parameters
    ----------
    vectors : array of float64, shape (3, ...)

    Returns
    -------
    lon, lat : arrays of float64, shape (...), unit rad, lon in [0, 2 pi]
    """
    xp = array_namespace(vectors)
    x, y, z = vectors[0, ...], vectors[1, ...], vectors[2, ...]
    lon = xp.atan2(y, x)
    # A longitude just below 0 is rounded to 2 pi, which is therefore in the range.
    return xp.where(lon < 0, lon + 2 * math.pi, lon), xp.atan2(z, xp.hypot(x, y))


def angular_separation(lon1: Array | float, lat1: Array | float, lon2: Array | float, lat2: Array | float) -> Array:
    """Compute the angle between directions, accurately at all distances.

    Parameters
    ----------
    lon1, lat1, lon2, lat2 : arrays of float64 that broadcast together, or numbers (not all four), unit rad

    Returns
    -------
    separation : array of float64, unit rad, in [0, pi]

    Notes
    -----
    Source: Vincenty 1975, Survey Review 23, 88, for a sphere.
    """
    xp = array_namespace(lon1, lat1, lon2, lat2)
    cos1, sin1 = _cos_sin(lat1, xp)
    cos2, sin2 = _cos_sin(lat2, xp)
    cos_lon, sin_lon = _cos_sin(lon2 - lon1, xp)
    # The second direction, as seen from the first: components to the east and to the north.
    across = cos2 * sin_lon
    along = cos1 * sin2 - sin1 * cos2 * cos_lon
    return xp.atan2(xp.hypot(*xp.broadcast_arrays(across, along)), sin1 * sin2 + cos1 * cos2 * cos_lon)


def _cos_sin(angle: Array | float, xp: Namespace) -> tuple[Any, Any]:
    if isinstance(angle, int | float):
        return math.cos(angle), math.sin(angle)
    return xp.cos(angle), xp.sin(angle)


@overload
def separation_of_vectors(v: HostFloats, w: HostFloats) -> HostFloats: ...
@overload
def separation_of_vectors(v: Array, w: Array) -> Array: ...
def separation_of_vectors(v: Array, w: Array) -> Array:
    """Compute the angle between unit vectors, accurately at all distances.

    Parameters
    ----------
    v : array of float64, shape (3, ...)
    w : array of float64, shape (3,) for one direction, or (3, ...) that broadcasts with ``v``
        A NumPy array is copied to the device of ``v``; a single direction is passed as three numbers, without a
        transfer.

    Returns
    -------
    separation : array of float64, shape (...), unit rad, in [0, pi]

    Notes
    -----
    The angle is ``2 atan2(|v - w|, |v + w|)``: the arc cosine of the inner product would lose half of the digits of a
    small one.
    """
    xp = array_namespace(v)
    if isinstance(w, np.ndarray) and w.ndim == 1:
        if array_api_compat.is_cupy_namespace(xp):
            return cuda_directions.separation(v, w)
        if array_api_compat.is_numpy_namespace(xp):
            return _separation_numpy(cast(HostFloats, v), w)
        components: Sequence[Array | float] = [float(component) for component in w]
    else:
        there = to_device(w, device_of(v), dtype="float64")
        components = [there[i, ...] for i in range(3)]
    pairs = list(zip((v[i, ...] for i in range(3)), components, strict=True))
    return 2 * xp.atan2(_length([a - b for a, b in pairs], xp), _length([a + b for a, b in pairs], xp))


def _separation_numpy(v: HostFloats, w: HostFloats) -> HostFloats:
    """Compute the angle to one direction by rotating to its axis: BLAS rotates faster than NumPy subtracts and adds."""
    x, y, z = (float(component) for component in w)
    matrix = fov_matrix(math.atan2(y, x), math.atan2(z, math.hypot(x, y)))
    lines = v.reshape(3, 1) if v.ndim == 1 else v
    angle = np.empty(lines.shape[1:])
    # Whole rows of an image, which together have about as many points as a block.
    for block in blocks(lines.shape[1], BLOCK // max(1, math.prod(lines.shape[2:])) + 1):
        part = lines[:, block]
        # The cosine of the angle, and the two components of a vector whose length is its sine.
        along, across, up = matrix @ part.reshape(3, -1)
        across *= across
        up *= up
        across += up
        np.sqrt(across, out=across)
        angle[block] = np.arctan2(across, along, out=across).reshape(part.shape[1:])
    return angle.reshape(v.shape[1:])


def _length(components: list[Array], xp: Namespace) -> Array:
    x, y, z = components
    return xp.sqrt(x * x + y * y + z * z)


@overload
def rotate(matrix: Array, vectors: HostFloats) -> HostFloats: ...
@overload
def rotate(matrix: Array, vectors: Array) -> Array: ...
def rotate(matrix: Array, vectors: Array) -> Array:
    """Rotate vectors.

    Parameters
    ----------
    matrix : array of float64, shape (3, 3); a NumPy array is copied to the device of ``vectors``
    vectors : array of float64, shape (3, ...)

    Returns
    -------
    rotated : array of float64, shape of ``vectors``
    """
    xp = array_namespace(vectors)
    if array_api_compat.is_cupy_namespace(xp) and isinstance(matrix, np.ndarray):
        return cuda_directions.rotate(matrix, vectors)
    matrix = constant(matrix, device_of(vectors), dtype="float64")
    flat = xp.reshape(vectors, (3, math.prod(vectors.shape[1:])))
    return xp.reshape(xp.matmul(matrix, flat), vectors.shape)


def fov_matrix(lon0: float, lat0: float) -> HostFloats:
    """Return the rotation to the field-of-view frame of a pointing, on the host.

    In that frame the x axis is the pointing, y is the direction of increasing longitude and z that of increasing
    latitude.

    Parameters
    ----------
    lon0, lat0 : float, unit rad
        The pointing, in the frame of the vectors to rotate.

    Returns
    -------
    matrix : NumPy array of float64, shape (3, 3), for `rotate`
    """
    cos_lon, sin_lon, cos_lat, sin_lat = math.cos(lon0), math.sin(lon0), math.cos(lat0), math.sin(lat0)
    return np.array(
        [
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],  # the pointing; below, its east and its north
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
        ]
    )


@overload
def fov_lonlat(vectors: HostFloats) -> tuple[HostFloats, HostFloats]: ...
@overload
def fov_lonlat(vectors: Array) -> tuple[Array, Array]: ...
def fov_lonlat(vectors: Array) -> tuple[Array, Array]:
    """Convert vectors that `fov_matrix` has rotated to field-of-view coordinates.

    The longitude has the sign of Gammapy's ``FoVICRSFrame`` and ``FoVAltAzFrame``: it increases against sky longitude.

    Parameters
    ----------
    vectors : array of float64, shape (3, ...), in the field-of-view frame

    Returns
    -------
    fov_lon, fov_lat : arrays of float64, shape (...), unit rad, fov_lon in [-pi, pi]
    """
    xp = array_namespace(vectors)
    if array_api_compat.is_cupy_namespace(xp):
        return cuda_directions.fov_lonlat(vectors)
    x, y, z = vectors[0, ...], vectors[1, ...], vectors[2, ...]
    return xp.atan2(-y, x), xp.atan2(z, xp.sqrt(x * x + y * y))


@overload
def fov_polar(fov_lon: HostFloats, fov_lat: HostFloats) -> tuple[HostFloats, HostFloats]: ...
@overload
def fov_polar(fov_lon: Array, fov_lat: Array) -> tuple[Array, Array]: ...
def fov_polar(fov_lon: Array, fov_lat: Array) -> tuple[Array, Array]:
    """Convert field-of-view longitude and latitude to polar coordinates about the pointing.

    Parameters
    ----------
    fov_lon, fov_lat : arrays of float64 that broadcast with each other, unit rad

    Returns
    -------
    rho, phi : arrays of float64, unit rad
        The offset, and the angle from ``fov_lat`` towards ``fov_lon``, from 0 to 2 pi: 0 where ``fov_lat`` grows, a
        quarter of a turn where ``fov_lon`` does.

    Notes
    -----
    Source: THETA and PHI of https://gamma-astro-data-formats.readthedocs.io, section "Field of view"; PHI runs against
    the position angle on the sky, because the longitude in the field of view runs against that on the sky.
    """
    xp = array_namespace(fov_lon, fov_lat)
    across = xp.cos(fov_lat) * xp.sin(fov_lon)
    up = xp.sin(fov_lat)
    ahead = xp.cos(fov_lat) * xp.cos(fov_lon)
    phi = xp.atan2(across, up)
    phi = xp.where(phi < 0, phi + 2 * math.pi, phi)
    return xp.atan2(xp.sqrt(across * across + up * up), ahead), phi
