"""Parts of metadata: who created a product, which observation, where and when; each checks its values.

A value that is set is checked and converted, as text of a time to a time. Values of a header that are not valid stay as
they are in the header, so that a wrong keyword that nobody needs does not make a file unreadable.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Self, TypeAlias, TypeVar

import astropy.units as u
import numpy as np
import yaml
from astropy.coordinates import AltAz, BaseCoordinateFrame, EarthLocation, SkyCoord
from astropy.time import Time

from lightpool import __version__
from lightpool.attributes import KnownAttributes
from lightpool.bridge import gammapy_bridge
from lightpool.data.observatories import observatory_locations
from lightpool.data.tables.obs_ids import obs_id_of
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import FormatError
from lightpool.fits import has_time_reference, header_number, seconds_since_reference
from lightpool.typing import JSONValue, MetaValue
from lightpool.utils.on_demand import Deferred, DeferredAttribute

__all__ = [
    "Check",
    "CreatorMetaData",
    "MetaData",
    "ObsInfoMetaData",
    "PointingInfoMetaData",
    "TargetMetaData",
    "TimeInfoMetaData",
    "as_fraction",
    "as_location",
    "as_mapping",
    "as_text",
    "as_time",
    "part_of",
    "reference_keywords",
    "require_gadf",
]

Check: TypeAlias = Callable[[Any], object]
"""Returns the value to keep for a value that is set; raises an error for one that is not valid."""

T = TypeVar("T", bound="MetaData")


class MetaData(KnownAttributes):
    """Base of metadata: values with names, each checked when it is set; any of them may be None."""

    _tag: ClassVar[str] = ""
    _checks: ClassVar[Mapping[str, Check]] = {}

    def __new__(cls, *args: object, **kwargs: object) -> Self:  # noqa: D102
        unknown = sorted(set(kwargs) - set(cls._checks))
        if unknown:
            raise ValueError(
                f"{cls.__name__} has no value {', '.join(map(repr, unknown))}; it has {', '.join(cls._checks)}"
            )
        return super().__new__(cls)

    @classmethod
    def unchecked(cls, **values: object) -> Self:
        """Create from values that are taken as they are: those of a header need not be valid."""
        meta = cls.__new__(cls)
        meta.__dict__.update(values)
        return meta

    def __setattr__(self, name: str, value: object) -> None:
        check = self._checks.get(name)
        if check is not None and value is not None and not isinstance(value, Deferred):
            try:
                value = check(value)
            except (AttributeError, TypeError, ValueError, u.UnitsError) as error:
                raise ValueError(f"{type(self).__name__}.{name} cannot be {value!r}: {error}") from error
        super().__setattr__(name, value)

    @property
    def tag(self) -> str:
        """Kind of metadata."""
        return self._tag

    def to_yaml(self) -> str:
        """Return all values as YAML text."""
        text: str = yaml.dump({"metadata": _plain(self)}, sort_keys=False, indent=4, width=80, default_flow_style=False)
        return text


# -- values as plain text and numbers


def _plain(value: object) -> JSONValue:
    if isinstance(value, MetaData):
        return {name: _plain(getattr(value, name)) for name in value._checks}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Time):
        return _plain(np.asarray(value.value).tolist())
    if isinstance(value, EarthLocation):
        lon, lat, height = value.lon, value.lat, value.height
        return f"lon: {lon.value} {lon.unit}, lat : {lat.value} {lat.unit}, height : {height.value} {height.unit}"
    if isinstance(value, SkyCoord):
        lon, lat = value.spherical.lon, value.spherical.lat
        return f"lon: {lon.value} {lon.unit}, lat: {lat.value} {lat.unit}, frame: {value.frame.name} "
    if isinstance(value, np.generic):
        value = value.item()  # for NumPy's numbers YAML has no text
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


# -- checks of values


def as_text(value: object) -> str:
    """Return a text; anything else is an error."""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


def as_mapping(value: object) -> object:
    """Return a dictionary; anything else is an error."""
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a dict, got {type(value).__name__}")
    return value


def as_time(value: Time | str) -> Time:
    """Return a time, also of its text in ISO 8601."""
    return value if isinstance(value, Time) else Time(value)


def as_fraction(value: float) -> float:
    """Return a number from 0 to 1."""
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError("expected 0 to 1: dead time over observation time")
    return number


def as_location(value: EarthLocation | str) -> EarthLocation:
    """Return a position on the Earth; the name of an observatory is one too."""
    if isinstance(value, EarthLocation):
        return value
    if isinstance(value, str) and value in observatory_locations:
        return observatory_locations[value]
    known = ", ".join(observatory_locations)
    raise ValueError(f"expected an EarthLocation or the name of an observatory: {known}")


def as_icrs(value: SkyCoord | BaseCoordinateFrame | str) -> SkyCoord:
    """Return one position in ICRS."""
    return _one(value).icrs


def as_altaz(value: SkyCoord | AltAz) -> SkyCoord:
    """Return one position in altitude and azimuth."""
    position = _one(value)
    if position.frame.name != "altaz":
        raise ValueError(f"expected altitude and azimuth (frame 'altaz'), got the frame {position.frame.name!r}")
    return position


def _one(value: SkyCoord | BaseCoordinateFrame | str) -> SkyCoord:
    position = value if isinstance(value, SkyCoord) else SkyCoord(value)
    if not position.isscalar:
        raise ValueError(f"expected one position, got {position.shape}")
    return position


def part_of(kind: type[T]) -> Callable[[object], T]:
    """Return the check of a value that is itself metadata: of a class, or a dict of its values."""

    def check(value: object) -> T:
        if isinstance(value, Mapping):
            return kind(**value)
        if type(value).__module__.startswith("gammapy.") and "gammapy" in sys.modules:
            value = gammapy_bridge().from_gammapy(value)
        if not isinstance(value, kind):
            raise TypeError(f"expected a {kind.__name__} or a dict of its values, got {type(value).__name__}")
        return value

    return check


def require_gadf(format: str) -> None:
    """Raise a ValueError if a format of headers is not "gadf"."""
    if format != "gadf":
        raise ValueError(f"metadata and headers: format {format!r} is not supported, expected 'gadf'")


def reference_keywords(time: Time, scale: str) -> dict[str, MetaValue]:
    """Return MJDREFI, MJDREFF and TIMESYS of a reference time in a time scale."""
    reference = TimeReference.from_time(getattr(time, scale)).to_header()
    return {"MJDREFI": reference["MJDREFI"], "MJDREFF": reference["MJDREFF"], "TIMESYS": scale}


def _known(values: Mapping[str, MetaValue]) -> dict[str, MetaValue]:
    return {key: value for key, value in values.items() if value is not None}


# -- the parts


def _now() -> Time:
    return Time.now()


def _date_of(text: str) -> Time | str:
    """Return the time of a keyword; its text if it is not the text of a time."""
    with suppress(ValueError):
        return Time(text)
    return text


@dataclass
class CreatorMetaData(MetaData):
    """Who created a product, and when.

    Attributes
    ----------
    creator : str, the software
    date : `astropy.time.Time`, now by default
    origin : str or None, the organisation
    """

    _tag: ClassVar[str] = "creator"
    _checks: ClassVar[Mapping[str, Check]] = {"creator": as_text, "date": as_time, "origin": as_text}

    creator: str | None = f"lightpool {__version__}"
    date: Time | str | None = field(default_factory=_now)
    origin: str | None = None

    def to_header(self, format: str = "gadf") -> dict[str, MetaValue]:
        """Return the keywords CREATOR, CREATED and ORIGIN that are known."""
        require_gadf(format)
        date = self.date.iso if isinstance(self.date, Time) else self.date
        return _known({"CREATOR": self.creator, "CREATED": date, "ORIGIN": self.origin})

    @classmethod
    def from_header(cls, header: Mapping[str, Any], format: str = "gadf") -> "CreatorMetaData":
        """Read CREATOR, CREATED and ORIGIN.

        Parameters
        ----------
        header : mapping of keyword to value
        format : {"gadf"}
        """
        require_gadf(format)
        date = header.get("CREATED")
        # Hardly anybody reads the date, and to make a time of its text takes longer than all else here.
        date = Deferred(partial(_date_of, date)) if isinstance(date, str) else date
        return cls.unchecked(creator=header.get("CREATOR"), date=date, origin=header.get("ORIGIN"))

    def update_time(self) -> None:
        """Set the date to now."""
        self.date = _now()


_DATE = DeferredAttribute[Time | str | None]()
_DATE.__set_name__(CreatorMetaData, "date")
CreatorMetaData.date = _DATE  # type: ignore[assignment]  # after the dataclass took the default of the field


@dataclass
class ObsInfoMetaData(MetaData):
    """Number of an observation, and the telescope that made it.

    Attributes
    ----------
    obs_id : int
    telescope, instrument, sub_array, observation_mode : str or None
    """

    _tag: ClassVar[str] = "obs_info"
    _checks: ClassVar[Mapping[str, Check]] = {
        "obs_id": partial(obs_id_of, where="ObsInfoMetaData"),
        "telescope": as_text,
        "instrument": as_text,
        "sub_array": as_text,
        "observation_mode": as_text,
    }

    obs_id: int
    telescope: str | None = None
    instrument: str | None = None
    sub_array: str | None = None
    observation_mode: str | None = None

    @classmethod
    def from_header(cls, header: Mapping[str, Any], format: str = "gadf") -> "ObsInfoMetaData":
        """Read OBS_ID, TELESCOP, INSTRUME and OBS_MODE.

        Parameters
        ----------
        header : mapping of keyword to value
        format : {"gadf"}
        """
        require_gadf(format)
        keys = {"telescope": "TELESCOP", "instrument": "INSTRUME", "observation_mode": "OBS_MODE"}
        values: dict[str, object] = {name: header.get(key) for name, key in keys.items()}
        obs_id: Any = header.get("OBS_ID", 0)
        with suppress(FormatError):  # HAWC has texts, such as "chunks 103 - 133"
            obs_id = obs_id_of(obs_id, "header")
        return cls.unchecked(obs_id=obs_id, sub_array=None, **values)

    def to_header(self, format: str = "gadf") -> dict[str, MetaValue]:
        """Return the keywords TELESCOP, INSTRUME, OBS_MODE and OBS_ID that are known."""
        require_gadf(format)
        values = {"TELESCOP": self.telescope, "INSTRUME": self.instrument, "OBS_MODE": self.observation_mode}
        return _known({**values, "OBS_ID": self.obs_id})


def _radec(header: Mapping[str, Any], suffix: str) -> SkyCoord | None:
    lon, lat = header.get(f"RA_{suffix}"), header.get(f"DEC_{suffix}")
    if lon is None or lat is None:
        return None
    try:
        return SkyCoord(float(lon), float(lat), unit="deg", frame="icrs")
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"header: RA_{suffix} = {lon!r}, DEC_{suffix} = {lat!r}, expected a direction on the sky in deg; "
            "correct or remove them"
        ) from error


def _degrees(position: SkyCoord | AltAz | None, names: Mapping[str, str]) -> dict[str, MetaValue]:
    if position is None:
        return {}
    return {key: float(getattr(position, name).deg) for key, name in names.items()}


@dataclass
class PointingInfoMetaData(MetaData):
    """Mean pointing of an observation in ICRS and in altitude and azimuth; None where the header has none."""

    _tag: ClassVar[str] = "pointing"
    _checks: ClassVar[Mapping[str, Check]] = {"radec_mean": as_icrs, "altaz_mean": as_altaz}

    radec_mean: SkyCoord | None = None
    altaz_mean: SkyCoord | AltAz | None = None

    @classmethod
    def from_header(cls, header: Mapping[str, Any], format: str = "gadf") -> "PointingInfoMetaData":
        """Read RA_PNT, DEC_PNT, ALT_PNT and AZ_PNT.

        Parameters
        ----------
        header : mapping of keyword to value
        format : {"gadf"}
        """
        require_gadf(format)
        alt, az = header.get("ALT_PNT"), header.get("AZ_PNT")
        altaz = None if alt is None or az is None else AltAz(alt=float(alt) * u.deg, az=float(az) * u.deg)
        return cls(_radec(header, "PNT"), altaz)

    def to_header(self, format: str = "gadf") -> dict[str, MetaValue]:
        """Return the keywords RA_PNT, DEC_PNT, ALT_PNT and AZ_PNT that are known."""
        require_gadf(format)
        radec = _degrees(self.radec_mean, {"RA_PNT": "ra", "DEC_PNT": "dec"})
        return radec | _degrees(self.altaz_mean, {"ALT_PNT": "alt", "AZ_PNT": "az"})


@dataclass
class TargetMetaData(MetaData):
    """Name of the target, and its position in ICRS."""

    _tag: ClassVar[str] = "target"
    _checks: ClassVar[Mapping[str, Check]] = {"name": as_text, "position": as_icrs}

    name: str | None = None
    position: SkyCoord | None = None

    @classmethod
    def from_header(cls, header: Mapping[str, Any], format: str = "gadf") -> "TargetMetaData":
        """Read OBJECT, RA_OBJ and DEC_OBJ.

        Parameters
        ----------
        header : mapping of keyword to value
        format : {"gadf"}
        """
        require_gadf(format)
        return cls.unchecked(name=header.get("OBJECT"), position=_radec(header, "OBJ"))

    def to_header(self, format: str = "gadf") -> dict[str, MetaValue]:
        """Return the keywords OBJECT, RA_OBJ and DEC_OBJ that are known."""
        require_gadf(format)
        return _known({"OBJECT": self.name}) | _degrees(self.position, {"RA_OBJ": "ra", "DEC_OBJ": "dec"})


@dataclass
class TimeInfoMetaData(MetaData):
    """Start, stop and reference time."""

    _tag: ClassVar[str] = "time_info"
    _checks: ClassVar[Mapping[str, Check]] = {
        "time_start": as_time,
        "time_stop": as_time,
        "reference_time": as_time,
    }

    time_start: Time | None = None
    time_stop: Time | None = None
    reference_time: Time | None = None

    @classmethod
    def from_header(cls, header: Mapping[str, Any], format: str = "gadf") -> "TimeInfoMetaData":
        """Read the reference time, TSTART and TSTOP; all None where there is no reference.

        Parameters
        ----------
        header : mapping of keyword to value
        format : {"gadf"}
        """
        require_gadf(format)
        if not has_time_reference(header):
            return cls()
        header = seconds_since_reference(header)
        reference = TimeReference.from_header(header)
        times = [
            reference.to_time(header_number(header, key, "header")) if key in header else None
            for key in ("TSTART", "TSTOP")
        ]
        return cls(times[0], times[1], reference.time)

    def to_header(self, format: str = "gadf") -> dict[str, MetaValue]:
        """Return the keywords of the reference time in TT, TSTART and TSTOP."""
        require_gadf(format)
        if self.reference_time is None:
            return {}
        reference = TimeReference.from_time(self.reference_time.tt)
        values = reference_keywords(self.reference_time, "tt")
        for key, time in (("TSTART", self.time_start), ("TSTOP", self.time_stop)):
            if time is not None:
                values[key] = float(reference.seconds(time))
        return values
