"""Sky projections of FITS: from pixels to directions and back, in array code.

The header's numbers are looked at on the host, once (`Projection`); pixels and directions stay on their device.
Angles outside this module's header numbers are in radians, pixel centres are whole numbers that start at 0.

Source: Calabretta & Greisen 2002, A&A 395, 1077, called CG below; the rules for points that do not project are those
of wcslib.
"""

import math
from dataclasses import InitVar, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import is_cupy_namespace, is_numpy_array

from lightpool.arrays.cuda import directions as cuda_directions
from lightpool.arrays.devices.array_types import Array, HostFloats, Namespace
from lightpool.arrays.devices.devices import Device, array_namespace, find_device
from lightpool.arrays.kernels.native_coordinates import (
    CYLINDRICAL,
    PROJECTION_CODES,
    angles_to_plane,
    plane_to_angles,
    plane_to_vector,
    vectors_to_plane,
)
from lightpool.arrays.kernels.sphere import lonlat, rotate, unit_vectors

__all__ = [
    "PROJECTION_CODES",
    "Projection",
    "pixel_directions",
    "pixel_directions_plain",
    "pixel_to_sky",
    "sky_to_pixel",
]

Pair = tuple[float, float]
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Projection:
    """The numbers in a FITS header that fix a celestial projection; longitude is the first axis.

    Attributes
    ----------
    code : str, one of `PROJECTION_CODES`
    crpix : pair of float
        Pixel of the reference point, counted from 1 as in FITS.
    crval : pair of float, unit deg
        Longitude and latitude of the reference point.
    cd : 2 x 2 numbers, unit deg
        Matrix from pixels to the plane of projection; or give ``cdelt`` (deg) and, where it is not 1, ``pc``.
    lonpole : float, unit deg
        Native longitude of the celestial pole; by default 0 or 180 as CG prescribe, from ``crval``.
    latpole : float, unit deg
        Which of two possible latitudes the native pole has: the one nearer to this.
    """

    code: str
    crpix: Pair
    crval: Pair
    cd: tuple[Pair, Pair] | None = None
    lonpole: float | None = None
    latpole: float | None = None
    cdelt: InitVar[Any] = None
    pc: InitVar[Any] = None

    def __post_init__(self, cdelt: Any, pc: Any) -> None:
        if self.code not in PROJECTION_CODES:
            raise ValueError(f"projection code is {self.code!r}, expected one of {', '.join(PROJECTION_CODES)}")
        if (self.cd is None) == (cdelt is None):
            raise ValueError(f"expected either cd or cdelt for the size of pixels, got cd={self.cd} and cdelt={cdelt}")
        matrix = self.cd if cdelt is None else np.diag(np.asarray(cdelt, float)) @ (np.eye(2) if pc is None else pc)
        fields = {
            "crpix": _floats(self.crpix),
            "crval": _floats(self.crval),
            "cd": tuple(_floats(row) for row in np.asarray(matrix)),
            "lonpole": self._default_lonpole() if self.lonpole is None else float(self.lonpole),
            "latpole": 90.0 if self.latpole is None else float(self.latpole),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        if not abs(np.linalg.det(self.cd_rad)) > 0:
            raise ValueError(f"the matrix from pixels to the plane is {self.cd} deg, expected one with an inverse")

    def _default_lonpole(self) -> float:
        fiducial_lat = 0.0 if self.code in CYLINDRICAL else 90.0
        return 180.0 if float(self.crval[1]) < fiducial_lat else 0.0

    @cached_property
    def cd_rad(self) -> HostFloats:
        """Matrix from pixels to the plane of projection, shape (2, 2), unit rad."""
        return np.deg2rad(np.asarray(self.cd, dtype=np.float64))

    @cached_property
    def pole(self) -> tuple[float, float]:
        """Celestial longitude and latitude of the native pole, unit deg.

        Raises
        ------
        ValueError
            If ``crval``, ``lonpole`` and ``latpole`` contradict each other.
        """
        if self.code not in CYLINDRICAL:
            return self.crval
        assert self.lonpole is not None
        lat_pole = self._latitude_of_pole(self.lonpole)
        return self._longitude_of_pole(self.lonpole, lat_pole), lat_pole

    def _latitude_of_pole(self, lonpole: float) -> float:
        """Latitude of the native pole of a projection whose reference point is (0, 0); CG eq. 8.

        Where CG leave the latitude to LATPOLE alone, on the equator with LONPOLE 90, wcslib still lets LATPOLE choose
        between 90 and -90 only, and so do we.
        """
        assert self.latpole is not None
        sin_lat = math.sin(math.radians(self.crval[1]))
        cos_pole = _cos_deg(lonpole)
        ratio = sin_lat / abs(cos_pole)
        if abs(ratio) > 1 + _TOLERANCE:
            raise self._contradiction()
        middle = 0.0 if cos_pole > 0 else 180.0
        half = math.degrees(math.acos(min(max(ratio, -1.0), 1.0)))
        if lonpole == 0:
            half = 90.0 - self.crval[1]  # exact where the arc cosine would round
        candidates = [math.remainder(middle + sign * half, 360.0) for sign in (1, -1)]
        possible = [lat for lat in candidates if abs(lat) < 90 + _TOLERANCE]
        if not possible:
            raise self._contradiction()
        latpole = self.latpole
        return min(max(min(possible, key=lambda lat: abs(lat - latpole)), -90.0), 90.0)

    def _longitude_of_pole(self, lonpole: float, lat_pole: float) -> float:
        """Longitude of the native pole of a projection whose reference point is (0, 0); CG eq. 10."""
        lon, lat = self.crval
        if abs(_cos_deg(lat)) < _TOLERANCE:
            return lon
        if abs(_cos_deg(lat_pole)) < _TOLERANCE:
            return lon + lonpole - 180.0 if lat_pole > 0 else lon - lonpole
        x = -math.tan(math.radians(lat_pole)) * math.tan(math.radians(lat))
        y = math.sin(math.radians(lonpole)) / math.cos(math.radians(lat))
        return lon - math.degrees(math.atan2(y, x))

    def _contradiction(self) -> ValueError:
        return ValueError(
            f"crval={self.crval}, lonpole={self.lonpole} and latpole={self.latpole} deg contradict each other: "
            f"{self.code} has no native pole for them; leave lonpole and latpole out, or see Calabretta & Greisen 2002"
        )

    @cached_property
    def matrix(self) -> HostFloats:
        """Rotation from native to celestial unit vectors, shape (3, 3); CG eq. 2."""
        lon_pole, lat_pole = map(math.radians, self.pole)
        assert self.lonpole is not None
        lonpole = math.radians(self.lonpole)
        sin_lat, cos_lat = math.sin(lat_pole), math.cos(lat_pole)
        tilt = np.array([[-sin_lat, 0.0, cos_lat], [0.0, -1.0, 0.0], [cos_lat, 0.0, sin_lat]])
        return np.asarray(_turn(lon_pole) @ tilt @ _turn(-lonpole))

    @cached_property
    def lon_shift(self) -> float | None:
        """Celestial minus native longitude, unit rad, where the poles coincide and native angles are at hand."""
        if self.code not in CYLINDRICAL or self.pole[1] != 90.0:
            return None
        assert self.lonpole is not None
        return math.radians(math.remainder(self.pole[0] - self.lonpole + 180.0, 360.0))


def _floats(values: Any) -> Pair:
    first, second = values
    return float(first), float(second)


def _cos_deg(angle: float) -> float:
    return math.cos(math.radians(angle))


def _turn(angle: float) -> HostFloats:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _pixel_to_plane(projection: Projection, x: Array, y: Array) -> tuple[Array, Array]:
    """Coordinates in the plane of projection, unit rad; an unrotated grid keeps its row and its column apart."""
    (xx, xy), (yx, yy) = projection.cd_rad.tolist()
    dx, dy = x - (projection.crpix[0] - 1.0), y - (projection.crpix[1] - 1.0)
    u = xx * dx if xy == 0 else xx * dx + xy * dy
    v = yy * dy if yx == 0 else yx * dx + yy * dy
    return u, v


def _plane_to_pixel(projection: Projection, u: Array, v: Array) -> tuple[Array, Array]:
    (xx, xy), (yx, yy) = np.linalg.inv(projection.cd_rad).tolist()
    x = xx * u if xy == 0 else xx * u + xy * v
    y = yy * v if yx == 0 else yx * u + yy * v
    return x + (projection.crpix[0] - 1.0), y + (projection.crpix[1] - 1.0)


def pixel_to_sky(projection: Projection, x: Array, y: Array) -> tuple[Array, Array]:
    """Directions of pixels.

    Parameters
    ----------
    projection : Projection
    x, y : arrays of float64 that broadcast together
        Pixel numbers, whole at pixel centres, from 0.

    Returns
    -------
    lon, lat : arrays of float64, the broadcast shape, unit rad, lon in [0, 2 pi]
        NaN where the pixel lies outside the projected sky.
    """
    xp = array_namespace(x, y)
    if projection.lon_shift is None:
        return lonlat(_directions(projection, x, y, xp=xp))
    u, v = _pixel_to_plane(projection, x, y)
    phi, theta, bad = plane_to_angles(projection.code, u, v)
    lon = xp.remainder(phi + projection.lon_shift, xp.full_like(phi, 2 * math.pi))
    nan = xp.full_like(bad, math.nan, dtype=xp.float64)
    return xp.where(bad, nan, lon), xp.where(bad, nan, theta)


def _directions(projection: Projection, x: Array, y: Array, *, xp: Namespace) -> Array:
    u, v = _pixel_to_plane(projection, x, y)
    if projection.code not in CYLINDRICAL:
        vectors, bad = plane_to_vector(projection.code, u, v)
        vectors = rotate(projection.matrix, vectors)
    else:
        phi, theta, bad = plane_to_angles(projection.code, u, v)
        if projection.lon_shift is None:
            vectors = rotate(projection.matrix, unit_vectors(phi, theta))
        else:
            vectors = unit_vectors(phi + projection.lon_shift, theta)
    if bad is None or (is_numpy_array(bad) and not bad.any()):
        return vectors
    return xp.where(bad[None, ...], xp.full_like(vectors, math.nan), vectors)


def sky_to_pixel(projection: Projection, lon: Array, lat: Array) -> tuple[Array, Array]:
    """Pixels of directions; the inverse of `pixel_to_sky`.

    Parameters
    ----------
    projection : Projection
    lon, lat : arrays of float64 of one shape, unit rad, any turn

    Returns
    -------
    x, y : arrays of float64, shape of ``lon``
        Pixel numbers, not rounded; NaN where the direction does not project.
    """
    xp = array_namespace(lon, lat)
    if projection.lon_shift is not None:
        phi = lon - projection.lon_shift
        phi = phi - 2 * math.pi * xp.round(phi / (2 * math.pi))
        return _plane_to_pixel(projection, *angles_to_plane(projection.code, phi, lat))
    native = rotate(projection.matrix.T, unit_vectors(lon, lat))
    if projection.code not in CYLINDRICAL:
        return _plane_to_pixel(projection, *vectors_to_plane(projection.code, native))
    x, y, z = native[0, ...], native[1, ...], native[2, ...]
    phi, theta = xp.atan2(y, x), xp.atan2(z, xp.hypot(x, y))
    return _plane_to_pixel(projection, *angles_to_plane(projection.code, phi, theta))


def pixel_directions(
    projection: Projection,
    shape: tuple[int, int],
    device: str | Device | None = None,
    first: tuple[int, int] = (0, 0),
) -> Array:
    """Make the unit vectors of the pixel centres of an image.

    Parameters
    ----------
    projection : Projection
    shape : pair of int, (ny, nx)
    device : str, Device or None (the default device)
    first : pair of int, (y, x) of the first pixel
        A part of an image has the same bits as in the whole.

    Returns
    -------
    vectors : array of float64, shape (3, ny, nx); NaN where the pixel lies outside the projected sky
    """
    place = find_device(device)
    if is_cupy_namespace(place.xp):
        return cuda_directions.pixel_directions(projection, shape, place, first)
    return pixel_directions_plain(projection, shape, place, first)


def pixel_directions_plain(
    projection: Projection, shape: tuple[int, int], place: Device, first: tuple[int, int] = (0, 0)
) -> Array:
    """Plain twin of `pixel_directions`, in the array API standard alone."""
    xp = place.xp
    (n_y, n_x), (y_0, x_0) = shape, first
    x = xp.astype(xp.arange(x_0, x_0 + n_x, device=place.handle), xp.float64)[None, :]
    y = xp.astype(xp.arange(y_0, y_0 + n_y, device=place.handle), xp.float64)[:, None]
    return _directions(projection, x, y, xp=xp)
