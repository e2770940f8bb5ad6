"""Where the telescopes pointed: a fixed direction on the sky, or a fixed direction above the ground."""

import math
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import partial
from typing import Any, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import (
    ICRS,
    AltAz,
    BaseCoordinateFrame,
    EarthLocation,
    Latitude,
    Longitude,
    SkyCoord,
    SphericalRepresentation,
    UnitSphericalRepresentation,
)
from astropy.time import Time

from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy
from lightpool.data.pointing_table import PointingInfo
from lightpool.errors import FormatError
from lightpool.fits import FileKind, Header, header_number, read_fits, require_kind
from lightpool.maps.geoms.geom_card import position_text
from lightpool.typing import PathInput
from lightpool.utils.html import Card, Section, ShownInNotebooks, fields
from lightpool.utils.on_demand import Deferred, DeferredAttribute

__all__ = ["FixedPointingInfo", "PointingInfo", "PointingMode"]


class PointingMode(Enum):
    """How the telescopes pointed.

    ``POINTING``: at a fixed position in ICRS. ``DRIFT``: at a fixed position in altitude and azimuth.

    GADF 0.2 does not fix the values of OBS_MODE, and files hold others (H.E.S.S.: WOBBLE): all but DRIFT mean POINTING.
    """

    POINTING = auto()
    DRIFT = auto()

    @staticmethod
    def from_gadf_string(val: str) -> "PointingMode":
        """Return the mode that a value of the keyword OBS_MODE means."""
        return PointingMode.DRIFT if val.strip().upper() == "DRIFT" else PointingMode.POINTING


class FixedPointingInfo(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks):
    """A pointing that does not change during an observation.

    Parameters
    ----------
    fixed_icrs : `astropy.coordinates.SkyCoord` in ICRS, for `PointingMode.POINTING`
    fixed_altaz : `astropy.coordinates.SkyCoord` or `AltAz`, for `PointingMode.DRIFT`

    Raises
    ------
    ValueError
        If both or none are given, the frame is another one, or a coordinate is not finite.
    """

    _coordinate = DeferredAttribute[SkyCoord | BaseCoordinateFrame]()
    _is_of_degrees: bool = False

    def __init__(self, fixed_icrs: SkyCoord | None = None, fixed_altaz: SkyCoord | AltAz | None = None) -> None:
        if (fixed_icrs is None) == (fixed_altaz is None):
            raise ValueError(
                "give one of fixed_icrs and fixed_altaz: a pointing is fixed on the sky or above the ground"
            )
        name, coordinate = ("fixed_icrs", fixed_icrs) if fixed_altaz is None else ("fixed_altaz", fixed_altaz)
        self._mode = PointingMode.POINTING if fixed_altaz is None else PointingMode.DRIFT
        self._degrees = _degrees(coordinate, name, "icrs" if fixed_altaz is None else "altaz")
        self._coordinate = cast("SkyCoord | AltAz", coordinate)

    @classmethod
    def from_degrees(cls, lon: float, lat: float, mode: PointingMode = PointingMode.POINTING) -> "FixedPointingInfo":
        """Create from angles; the coordinate object is created on demand.

        Parameters
        ----------
        lon, lat : float, in deg: right ascension and declination, or azimuth and altitude in mode DRIFT
        mode : PointingMode
        """
        if not (-360 <= lon <= 360 and -90 <= lat <= 90):
            raise ValueError(
                f"a pointing needs a longitude from -360 to 360 deg and a latitude from -90 to 90 deg, got {lon}, {lat}"
            )
        # Without __init__, which would need the coordinate object.
        pointing = cls.__new__(cls)
        pointing._mode, pointing._degrees = mode, (float(lon), float(lat))
        pointing._is_of_degrees = True
        pointing._coordinate = Deferred(partial(_coordinate, *pointing._degrees, mode))
        return pointing

    @classmethod
    def from_fits_header(cls, header: Mapping[str, Any], *, where: str = "header") -> "FixedPointingInfo":
        """Read OBS_MODE, and RA_PNT and DEC_PNT or, for DRIFT, AZ_PNT and ALT_PNT.

        Parameters
        ----------
        header : mapping of keyword to value
        where : str, the file and HDU, which begin the message of an error

        Raises
        ------
        FormatError
            If the keywords are missing or are not angles.
        """
        mode = PointingMode.from_gadf_string(str(header.get("OBS_MODE", "POINTING")))
        keys = ("RA_PNT", "DEC_PNT") if mode is PointingMode.POINTING else ("AZ_PNT", "ALT_PNT")
        try:
            return cls.from_degrees(header_number(header, keys[0], where), header_number(header, keys[1], where), mode)
        except ValueError as error:
            found = ", ".join(f"{key} = {header.get(key)!r}" for key in keys)
            wanted = f"Keywords {' / '.join(keys)} are required for pointing-mode {mode.name}"
            raise FormatError(f"{where}: {wanted}, in deg, on the sphere; found {found}") from error

    @classmethod
    def read(cls, filename: PathInput, hdu: str | int = "EVENTS") -> "FixedPointingInfo":
        """Read from the header of an HDU.

        Parameters
        ----------
        filename : str or path-like
        hdu : str or int
        """
        file = read_fits(filename)
        if hdu == "EVENTS":
            require_kind(file, f"{cls.__name__}.read", FileKind.EVENTS)
        return cls.from_fits_header(file.values(hdu), where=f"{file.source}, HDU {hdu!r}")

    def to_fits_header(self, format: str = "gadf", version: str = "0.3", time_ref: Time | None = None) -> Header:
        """Return a header with OBS_MODE and the pointing in deg.

        Parameters
        ----------
        format : {"gadf"}
        version : {"0.2", "0.3"}
        time_ref : `astropy.time.Time`; not used, Gammapy has it

        Raises
        ------
        ValueError
            For another format, another version, or DRIFT in version 0.2, which does not know it.
        """
        if format != "gadf":
            raise ValueError(f'Only the "gadf" format supported, got {format}')
        if version not in ("0.2", "0.3"):
            raise ValueError(f"Unsupported version {version} for format {format}")
        if self.mode is PointingMode.DRIFT and version == "0.2":
            raise ValueError("mode=DRIFT is only supported by GADF 0.3")
        header = Header()
        for key, value in self.keywords.items():
            header[key] = (value, "deg") if key.endswith("_PNT") else value
        return header

    @property
    def keywords(self) -> dict[str, str | float]:
        """OBS_MODE, and RA_PNT and DEC_PNT or AZ_PNT and ALT_PNT in deg."""
        keys = ("RA_PNT", "DEC_PNT") if self.mode is PointingMode.POINTING else ("AZ_PNT", "ALT_PNT")
        return {"OBS_MODE": self.mode.name, **dict(zip(keys, self._degrees, strict=True))}

    @property
    def mode(self) -> PointingMode:
        """Whether the pointing is fixed on the sky or above the ground."""
        return self._mode

    @property
    def lonlat(self) -> tuple[float, float]:
        """The fixed angles in rad: (ra, dec), or (az, alt) in mode DRIFT."""
        return math.radians(self._degrees[0]), math.radians(self._degrees[1])

    @property
    def icrs_degrees(self) -> tuple[float, float] | None:
        """The angles of `fixed_icrs` in deg, the longitude in [0, 360); None in mode DRIFT."""
        lon, lat = self._degrees
        return (lon % 360, lat) if self._mode is PointingMode.POINTING else None

    @property
    def given_degrees(self) -> tuple[float, float] | None:
        """`icrs_degrees`, if the pointing was made of them and not of a position, which may have another unit."""
        return self.icrs_degrees if self._is_of_degrees else None

    @property
    def fixed_icrs(self) -> SkyCoord | None:
        """Position in ICRS; None in mode DRIFT."""
        return cast(SkyCoord, self._coordinate) if self._mode is PointingMode.POINTING else None

    @property
    def fixed_altaz(self) -> SkyCoord | AltAz | None:
        """Position in altitude and azimuth; None in mode POINTING."""
        return cast("SkyCoord | AltAz", self._coordinate) if self._mode is PointingMode.DRIFT else None

    def get_icrs(self, obstime: Time | None = None, location: EarthLocation | None = None) -> SkyCoord:
        """Return the pointing in ICRS at a time.

        Parameters
        ----------
        obstime : `astropy.time.Time`; needed in mode DRIFT
        location : `astropy.coordinates.EarthLocation`; needed in mode DRIFT

        Returns
        -------
        position : SkyCoord, shape of ``obstime``
        """
        if self._mode is PointingMode.POINTING:
            is_waiting = isinstance(vars(self)["_coordinate"], Deferred)  # the position itself is not needed here
            return _at(_direction(*self._degrees) if is_waiting else self._coordinate.data, location, obstime)
        if obstime is None or location is None:
            raise ValueError("the ICRS pointing of a DRIFT observation depends on obstime and location: give both")
        return self.get_altaz(obstime, location).icrs

    def get_altaz(self, obstime: Time | None = None, location: EarthLocation | None = None) -> SkyCoord:
        """Return the pointing in altitude and azimuth at a time.

        Parameters
        ----------
        obstime : `astropy.time.Time`
        location : `astropy.coordinates.EarthLocation`

        Returns
        -------
        position : SkyCoord, shape of ``obstime``
        """
        if obstime is None or location is None:
            raise ValueError("the pointing in altitude and azimuth depends on obstime and location: give both")
        frame = AltAz(location=location, obstime=obstime)
        fixed = self._coordinate
        if self._mode is PointingMode.POINTING:
            return cast(SkyCoord, fixed).transform_to(frame)
        fixed = cast(AltAz, fixed)
        return SkyCoord(alt=fixed.alt, az=fixed.az, frame=frame)

    def html_card(self) -> Card:
        """Return what notebooks show of the pointing."""
        position = self._coordinate

        def direction() -> str:
            if isinstance(position, SkyCoord):
                return position_text(position)
            horizontal = cast(AltAz, position)
            return f"altitude {horizontal.alt.deg:.4f} deg, azimuth {horizontal.az.deg:.4f} deg"

        rows = {"mode": self.mode.name, "coordinates": None if position is None else direction}
        return Card(type(self).__name__, "", [self.mode.name], [Section("Direction", lambda: fields(rows), "", True)])

    def __str__(self) -> str:
        return f"FixedPointingInfo:\n\nmode:        {self.mode}\ncoordinates: {self._coordinate}"


# astropy supports this function of NumPy for its own classes.
_broadcast_to = cast("Callable[..., UnitSphericalRepresentation]", np.broadcast_to)


def _coordinate(lon: float, lat: float, mode: PointingMode) -> SkyCoord | AltAz:
    if mode is PointingMode.DRIFT:
        return AltAz(lon * u.deg, lat * u.deg)
    # Made from its parts, a position takes a third of the time.
    return SkyCoord(ICRS(_direction(lon, lat), copy=False), copy=False)


def _direction(lon: float, lat: float) -> UnitSphericalRepresentation:
    return UnitSphericalRepresentation(Longitude(lon, u.deg), Latitude(lat, u.deg), copy=False)


def _at(data: UnitSphericalRepresentation, location: EarthLocation | None, obstime: Time | None) -> SkyCoord:
    """Return a position in ICRS, repeated for each time, with the time and the observatory as attributes."""
    shape = () if obstime is None else np.shape(obstime)
    if shape != ():
        data = _broadcast_to(data, shape, subok=True) if data.shape == () else data
    if not isinstance(data, UnitSphericalRepresentation) or data.differentials:
        return SkyCoord(data, location=location, obstime=obstime)
    # The same position made from its parts, in a third of the time; SkyCoord(data) has a distance of 1.
    position = SkyCoord(ICRS(data.represent_as(SphericalRepresentation), copy=False), copy=False)
    position.location, position.obstime = location, obstime
    return position


def _degrees(coordinate: object, name: str, frame: str) -> tuple[float, float]:
    if not isinstance(coordinate, SkyCoord | BaseCoordinateFrame):
        raise TypeError(f"{name} must be a SkyCoord or a frame with coordinates, got {type(coordinate).__name__}")
    found = coordinate.frame.name if isinstance(coordinate, SkyCoord) else coordinate.name
    if found != frame:
        raise ValueError(f"{name} is in frame {found!r}, expected {frame!r}; convert it with .transform_to")
    if coordinate.shape != ():
        raise ValueError(f"{name} holds positions of shape {coordinate.shape}, expected one; take one by its index")
    lon, lat = float(coordinate.spherical.lon.deg), float(coordinate.spherical.lat.deg)
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise ValueError(f"{name} holds {lon}, {lat} deg, expected finite angles")
    return lon, lat
