"""Parts of the metadata of an observation: who created it, its number, target and pointing, and the time."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Self

import astropy.units as u
from astropy.coordinates import AltAz, SkyCoord
from astropy.time import Time

from lightpool import __version__
from lightpool.data.metadata_base import Check, HeaderMetaData, as_altaz, as_icrs, as_text, as_time
from lightpool.data.tables.obs_ids import obs_id_of
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import FormatError
from lightpool.fits import has_time_reference, header_number, seconds_since_reference
from lightpool.typing import MetaValue
from lightpool.utils.on_demand import Deferred, DeferredAttribute

__all__ = [
    "CreatorMetaData",
    "ObsInfoMetaData",
    "PointingInfoMetaData",
    "TargetMetaData",
    "TimeInfoMetaData",
    "reference_keywords",
]


def reference_keywords(time: Time, scale: str) -> dict[str, MetaValue]:
    """Return MJDREFI, MJDREFF and TIMESYS of a reference time.

    Parameters
    ----------
    time : Time
    scale : str, the time scale of TIMESYS, such as ``tt``
    """
    reference = TimeReference.from_time(getattr(time, scale)).to_header()
    return {"MJDREFI": reference["MJDREFI"], "MJDREFF": reference["MJDREFF"], "TIMESYS": scale}


def _known(values: Mapping[str, MetaValue]) -> dict[str, MetaValue]:
    return {key: value for key, value in values.items() if value is not None}


def _now() -> Time:
    return Time.now()


def _date_of(text: str) -> Time | str:
    """Return the time of a keyword; its text if it is not the text of a time."""
    with suppress(ValueError):
        return Time(text)
    return text


@dataclass
class CreatorMetaData(HeaderMetaData):
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

    def _keywords(self) -> dict[str, MetaValue]:
        """Return the keywords CREATOR, CREATED and ORIGIN that are known."""
        date = self.date.iso if isinstance(self.date, Time) else self.date
        return _known({"CREATOR": self.creator, "CREATED": date, "ORIGIN": self.origin})

    @classmethod
    def _of_keywords(cls, header: Mapping[str, Any]) -> Self:
        """Read CREATOR, CREATED and ORIGIN."""
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
class ObsInfoMetaData(HeaderMetaData):
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
    def _of_keywords(cls, header: Mapping[str, Any]) -> Self:
        """Read OBS_ID, TELESCOP, INSTRUME and OBS_MODE."""
        keys = {"telescope": "TELESCOP", "instrument": "INSTRUME", "observation_mode": "OBS_MODE"}
        values: dict[str, object] = {name: header.get(key) for name, key in keys.items()}
        obs_id: Any = header.get("OBS_ID", 0)
        with suppress(FormatError):  # HAWC has texts, such as "chunks 103 - 133"
            obs_id = obs_id_of(obs_id, "header")
        return cls.unchecked(obs_id=obs_id, sub_array=None, **values)

    def _keywords(self) -> dict[str, MetaValue]:
        """Return the keywords TELESCOP, INSTRUME, OBS_MODE and OBS_ID that are known."""
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
class PointingInfoMetaData(HeaderMetaData):
    """Mean pointing of an observation in ICRS and in altitude and azimuth; None where the header has none."""

    _tag: ClassVar[str] = "pointing"
    _checks: ClassVar[Mapping[str, Check]] = {"radec_mean": as_icrs, "altaz_mean": as_altaz}

    radec_mean: SkyCoord | None = None
    altaz_mean: SkyCoord | AltAz | None = None

    @classmethod
    def _of_keywords(cls, header: Mapping[str, Any]) -> Self:
        """Read RA_PNT, DEC_PNT, ALT_PNT and AZ_PNT."""
        alt, az = header.get("ALT_PNT"), header.get("AZ_PNT")
        altaz = None if alt is None or az is None else AltAz(alt=float(alt) * u.deg, az=float(az) * u.deg)
        return cls(_radec(header, "PNT"), altaz)

    def _keywords(self) -> dict[str, MetaValue]:
        """Return the keywords RA_PNT, DEC_PNT, ALT_PNT and AZ_PNT that are known."""
        radec = _degrees(self.radec_mean, {"RA_PNT": "ra", "DEC_PNT": "dec"})
        return radec | _degrees(self.altaz_mean, {"ALT_PNT": "alt", "AZ_PNT": "az"})


@dataclass
class TargetMetaData(HeaderMetaData):
    """Name of the target, and its position in ICRS."""

    _tag: ClassVar[str] = "target"
    _checks: ClassVar[Mapping[str, Check]] = {"name": as_text, "position": as_icrs}

    name: str | None = None
    position: SkyCoord | None = None

    @classmethod
    def _of_keywords(cls, header: Mapping[str, Any]) -> Self:
        """Read OBJECT, RA_OBJ and DEC_OBJ."""
        return cls.unchecked(name=header.get("OBJECT"), position=_radec(header, "OBJ"))

    def _keywords(self) -> dict[str, MetaValue]:
        """Return the keywords OBJECT, RA_OBJ and DEC_OBJ that are known."""
        return _known({"OBJECT": self.name}) | _degrees(self.position, {"RA_OBJ": "ra", "DEC_OBJ": "dec"})


@dataclass
class TimeInfoMetaData(HeaderMetaData):
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
    def _of_keywords(cls, header: Mapping[str, Any]) -> Self:
        """Read the reference time, TSTART and TSTOP; all None where there is no reference."""
        if not has_time_reference(header):
            return cls()
        header = seconds_since_reference(header)
        reference = TimeReference.from_header(header)
        times = [
            reference.to_time(header_number(header, key, "header")) if key in header else None
            for key in ("TSTART", "TSTOP")
        ]
        return cls(times[0], times[1], reference.time)

    def _keywords(self) -> dict[str, MetaValue]:
        """Return the keywords of the reference time in TT, TSTART and TSTOP."""
        if self.reference_time is None:
            return {}
        reference = TimeReference.from_time(self.reference_time.tt)
        values = reference_keywords(self.reference_time, "tt")
        for key, time in (("TSTART", self.time_start), ("TSTOP", self.time_stop)):
            if time is not None:
                values[key] = float(reference.seconds(time))
        return values
