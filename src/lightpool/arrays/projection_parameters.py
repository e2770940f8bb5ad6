"""The parameters of a sky projection, as a FITS header gives them.

They are checked and completed on the host, once for each geometry. `lightpool.arrays.kernels.projections` and the CUDA
kernels use them.

Source: Calabretta & Greisen 2002, A&A 395, 1077, called CG below; the rules for points that do not project are those
of wcslib.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass
from functools import cached_property

import numpy as np

from lightpool.arrays.devices.array_types import HostFloats

__all__ = ["CYLINDRICAL", "PROJECTION_CODES", "Projection"]

PROJECTION_CODES = ("CAR", "TAN", "AIT", "SIN", "ARC", "ZEA", "STG", "MOL", "SFL")
"""Codes of the projections, as in CTYPE. The CUDA sources number them in this order."""

CYLINDRICAL = frozenset({"CAR", "AIT", "MOL", "SFL"})
"""Codes whose reference point is at native (0, 0); that of the others is the native pole."""

Pair = tuple[float, float]
_TOLERANCE = 1e-10  # as in `celset` of wcslib


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
    cdelt: InitVar[Sequence[float] | HostFloats | None] = None
    pc: InitVar[Sequence[Sequence[float]] | HostFloats | None] = None

    def __post_init__(
        self,
        cdelt: Sequence[float] | HostFloats | None,
        pc: Sequence[Sequence[float]] | HostFloats | None,
    ) -> None:
        if self.code not in PROJECTION_CODES:
            raise ValueError(f"projection code is {self.code!r}, expected one of {', '.join(PROJECTION_CODES)}")
        if (self.cd is None) == (cdelt is None):
            raise ValueError(f"expected either cd or cdelt for the size of pixels, got cd={self.cd} and cdelt={cdelt}")
        # CDi_j is CDELTi times PCi_j.
        matrix = self.cd if cdelt is None else np.diag(np.asarray(cdelt, float)) @ (np.eye(2) if pc is None else pc)
        fields = {
            "crpix": _floats(self.crpix),
            "crval": _floats(self.crval),
            "cd": tuple(_floats(row) for row in np.asarray(matrix)),
            "lonpole": self._default_lonpole() if self.lonpole is None else float(self.lonpole),
            "latpole": 90.0 if self.latpole is None else float(self.latpole),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)  # frozen: this is the only way to complete the values
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
        """Return the latitude of the native pole of a projection whose reference point is (0, 0); CG eq. 8.

        Where CG leave the latitude to LATPOLE alone, on the equator with LONPOLE 90, wcslib still lets LATPOLE choose
        between 90 and -90 only, and so do we.
        """
        assert self.latpole is not None
        sin_lat = math.sin(math.radians(self.crval[1]))
        cos_pole = _cos_deg(lonpole)
        ratio = sin_lat / abs(cos_pole)
        if abs(ratio) > 1 + _TOLERANCE:
            raise self._contradiction()
        middle = 0.0 if cos_pole > 0 else 180.0  # arg(cos(lonpole), 0) of CG eq. 8
        half = math.degrees(math.acos(min(max(ratio, -1.0), 1.0)))
        if lonpole == 0:
            half = 90.0 - self.crval[1]  # exact where the arc cosine would round
        # Both solutions of CG eq. 8, in [-180, 180] deg. One that is beyond a pole is no latitude.
        candidates = [math.remainder(middle + sign * half, 360.0) for sign in (1, -1)]
        possible = [lat for lat in candidates if abs(lat) < 90 + _TOLERANCE]
        if not possible:
            raise self._contradiction()
        latpole = self.latpole
        # Rounding may have led beyond a pole.
        return min(max(min(possible, key=lambda lat: abs(lat - latpole)), -90.0), 90.0)

    def _longitude_of_pole(self, lonpole: float, lat_pole: float) -> float:
        """Return the longitude of the native pole of a projection whose reference point is (0, 0); CG eq. 10."""
        lon, lat = self.crval
        # Two cases in which eq. 10 is undefined: the reference point or the native pole is at a celestial pole.
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
        """Celestial minus native longitude, unit rad, where the poles coincide and native angles are computed."""
        if self.code not in CYLINDRICAL or self.pole[1] != 90.0:
            return None
        assert self.lonpole is not None
        # CG eq. 2 with the native pole at latitude 90 deg.
        return math.radians(math.remainder(self.pole[0] - self.lonpole + 180.0, 360.0))


def _floats(values: Iterable[float]) -> Pair:
    first, second = values
    return float(first), float(second)


def _cos_deg(angle: float) -> float:
    return math.cos(math.radians(angle))


def _turn(angle: float) -> HostFloats:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
