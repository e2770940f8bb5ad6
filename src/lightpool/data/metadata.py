"""Metadata of observations, event lists and GTIs, from the keywords of their headers.

The values are created on demand: coordinates and times of 10^5 observations take long to create.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import astropy.units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time

from lightpool import __version__
from lightpool.attributes import KnownAttributes
from lightpool.data.tables.obs_ids import obs_id_of
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import FormatError
from lightpool.fits import has_time_reference, header_number, parsing, seconds_since_reference
from lightpool.typing import MetaValue
from lightpool.utils.on_demand import Deferred, DeferredAttribute

__all__ = [
    "CreatorMetaData",
    "EventListMetaData",
    "GTIMetaData",
    "ObsInfoMetaData",
    "ObservationMetaData",
    "PointingInfoMetaData",
    "TargetMetaData",
    "TimeInfoMetaData",
    "deadtime_fraction",
    "earth_location_from_header",
]

_OPTIONAL = [
    "OBSERVER",
    "EV_CLASS",
    "TELAPSE",
    "TELLIST",
    "N_TELS",
    "TASSIGN",
    "DST_VER",
    "ANA_VER",
    "CAL_VER",
    "CONV_DEP",
    "CONV_RA",
    "CONV_DEC",
    "TRGRATE",
    "ZTRGRATE",
    "MUONEFF",
    "BROKPIX",
    "AIRTEMP",
    "PRESSURE",
    "RELHUM",
    "NSBLEVEL",
    "CREATOR",
    "HDUVERS",
]


def _now() -> Time:
    return Time.now()


@dataclass
class CreatorMetaData(KnownAttributes):
    """Who created a product, and when.

    Attributes
    ----------
    creator : str, the software
    date : `astropy.time.Time`, now by default; text as it is in a header
    origin : str or None, the organisation
    """

    creator: str | None = f"lightpool {__version__}"
    date: Time | str | None = field(default_factory=_now)
    origin: str | None = None

    def to_header(self, format: str = "gadf") -> dict[str, MetaValue]:
        """Return the keywords CREATOR, CREATED and ORIGIN that are known."""
        date = self.date if self.date is None or isinstance(self.date, str) else self.date.iso
        values = {"CREATOR": self.creator, "CREATED": date, "ORIGIN": self.origin}
        return {key: value for key, value in values.items() if value is not None}

    @classmethod
    def from_header(cls, header: Mapping[str, Any], format: str = "gadf") -> "CreatorMetaData":
        """Read CREATOR, CREATED and ORIGIN.

        Parameters
        ----------
        header : mapping of keyword to value
        format : {"gadf"}
        """
        return cls(header.get("CREATOR"), header.get("CREATED"), header.get("ORIGIN"))

    def update_time(self) -> None:
        """Set the date to now."""
        self.date = _now()


@dataclass
class ObsInfoMetaData(KnownAttributes):
    """Number of an observation, and the telescope that made it.

    Attributes
    ----------
    obs_id : int
    telescope, instrument, sub_array, observation_mode : str or None
    """

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
        obs_id = obs_id_of(header.get("OBS_ID", 0), "header")
        return cls(obs_id, header.get("TELESCOP"), header.get("INSTRUME"), None, header.get("OBS_MODE"))


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


@dataclass
class PointingInfoMetaData(KnownAttributes):
    """Mean pointing of an observation in ICRS and in altitude and azimuth; None where the header has none."""

    radec_mean: SkyCoord | None = None
    altaz_mean: AltAz | None = None

    @classmethod
    def from_header(cls, header: Mapping[str, Any], format: str = "gadf") -> "PointingInfoMetaData":
        """Read RA_PNT, DEC_PNT, ALT_PNT and AZ_PNT.

        Parameters
        ----------
        header : mapping of keyword to value
        format : {"gadf"}
        """
        alt, az = header.get("ALT_PNT"), header.get("AZ_PNT")
        altaz = None if alt is None or az is None else AltAz(alt=float(alt) * u.deg, az=float(az) * u.deg)
        return cls(_radec(header, "PNT"), altaz)


@dataclass
class TargetMetaData(KnownAttributes):
    """Name of the target, and its position in ICRS."""

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
        return cls(header.get("OBJECT"), _radec(header, "OBJ"))


@dataclass
class TimeInfoMetaData(KnownAttributes):
    """Start, stop and reference time."""

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
        """Return the keywords of the reference time, TSTART and TSTOP."""
        if self.reference_time is None:
            return {}
        reference = TimeReference.from_time(self.reference_time)
        values: dict[str, MetaValue] = {**reference.to_header()}
        for key, time in (("TSTART", self.time_start), ("TSTOP", self.time_stop)):
            if time is not None:
                values[key] = float(reference.seconds(time))
        return values


def earth_location_from_header(header: Mapping[str, Any], where: str = "header") -> EarthLocation:
    """Read the position of the observatory: GEOLON, GEOLAT (deg) and ALTITUDE or GEOALT (m).

    Parameters
    ----------
    header : mapping of keyword to value
    where : str, the file and HDU, which begin the message of an error

    Raises
    ------
    FormatError
        If a keyword is missing or is not a number.
    """
    # GADF calls the height ALTITUDE; some files have GEOALT, which takes precedence, as in Gammapy.
    height = header.get("GEOALT", header.get("ALTITUDE"))
    if height is None or "GEOLON" not in header or "GEOLAT" not in header:
        raise FormatError(
            "the header does not say where the observatory is: it needs GEOLON and GEOLAT (deg) and ALTITUDE (m); "
            "pass location= to the Observation, or add them to the file"
        )
    key = "GEOALT" if "GEOALT" in header else "ALTITUDE"
    return _earth_location(
        header_number(header, "GEOLON", where, low=-360, high=360, unit="deg"),
        header_number(header, "GEOLAT", where, low=-90, high=90, unit="deg"),
        header_number(header, key, where, unit="m"),
    )


@lru_cache(maxsize=64)  # the runs of an observatory share its position
def _earth_location(lon: float, lat: float, height: float) -> EarthLocation:
    return EarthLocation.from_geodetic(lon * u.deg, lat * u.deg, height * u.m)


def deadtime_fraction(header: Mapping[str, Any], where: str = "header") -> float:
    """Return the dead time over the observation time, ``1 - DEADC``.

    Parameters
    ----------
    header : mapping of keyword to value
    where : str, the file and HDU, which begin the message of an error

    Raises
    ------
    FormatError
        If DEADC is missing, or is not a number from 0 to 1.
    """
    try:
        live = header_number(header, "DEADC", where)
    except FormatError as error:
        raise FormatError(
            f"{where}: DEADC = {header.get('DEADC')!r}, expected the live fraction of the time, 0 to 1; without it "
            "there is no exposure. It is LIVETIME / ONTIME: add it to the header"
        ) from error
    if not 0 <= live <= 1:
        raise FormatError(
            f"{where}: DEADC = {live}, expected the live fraction of the time, 0 to 1 (LIVETIME / ONTIME); "
            "correct the header"
        )
    return 1 - live


class ObservationMetaData(KnownAttributes):
    """Metadata of an observation, from the header of its event list.

    Parameters
    ----------
    obs_info : `ObsInfoMetaData`
    pointing : `PointingInfoMetaData`
    target : `TargetMetaData`
    location : `astropy.coordinates.EarthLocation`
    deadtime_fraction : float, 0 to 1
    time_info : `TimeInfoMetaData`
    creation : `CreatorMetaData`
    optional : dict of further keywords
    """

    obs_info = DeferredAttribute[ObsInfoMetaData | None]()
    pointing = DeferredAttribute[PointingInfoMetaData | None]()
    target = DeferredAttribute[TargetMetaData | None]()
    location = DeferredAttribute[EarthLocation | None]()
    time_info = DeferredAttribute[TimeInfoMetaData | None]()
    creation = DeferredAttribute[CreatorMetaData | None]()
    optional = DeferredAttribute[dict[str, MetaValue] | None]()

    def __init__(
        self,
        obs_info: ObsInfoMetaData | None = None,
        pointing: PointingInfoMetaData | None = None,
        target: TargetMetaData | None = None,
        location: EarthLocation | None = None,
        deadtime_fraction: float = 0.0,
        time_info: TimeInfoMetaData | None = None,
        creation: CreatorMetaData | None = None,
        optional: dict[str, MetaValue] | None = None,
    ) -> None:
        if not 0 <= deadtime_fraction <= 1:
            raise ValueError(
                f"deadtime_fraction = {deadtime_fraction}, expected 0 to 1: dead time over observation time"
            )
        self.obs_info, self.pointing, self.target, self.location = obs_info, pointing, target, location
        self.deadtime_fraction, self.time_info = float(deadtime_fraction), time_info
        self.creation, self.optional = creation, optional
        self.__dict__["_is_changed"] = False

    @classmethod
    def from_header(
        cls, header: Mapping[str, Any], format: str = "gadf", *, where: str = "header"
    ) -> "ObservationMetaData":
        """Create from a header; each value is created on demand.

        Parameters
        ----------
        header : mapping of keyword to value
        format : {"gadf"}
        where : str, the file and HDU, which begin the message of an error

        Raises
        ------
        FormatError
            If DEADC is missing or wrong: the exposure depends on it.
        """
        meta, kept = cls.__new__(cls), dict(header)
        values = {name: Deferred(partial(_from_header, read, kept, where)) for name, read in _READERS.items()}
        # Not by assignment, which would mark the metadata as changed.
        meta.__dict__.update(values, deadtime_fraction=deadtime_fraction(header, where))
        return meta

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        self.__dict__["_is_changed"] = True

    @property
    def is_changed(self) -> bool:
        """Whether an attribute was set since it was created."""
        return bool(self.__dict__.get("_is_changed", False))

    def __repr__(self) -> str:
        return f"ObservationMetaData(obs_info={self.obs_info!r}, deadtime_fraction={self.deadtime_fraction!r})"


def _from_header(read: Callable[[Mapping[str, Any]], object], header: Mapping[str, Any], where: str) -> object:
    with parsing(where):
        return read(header)


def _new_creation(header: Mapping[str, Any]) -> CreatorMetaData:
    return CreatorMetaData()


def _optional_keywords(header: Mapping[str, Any]) -> dict[str, MetaValue]:
    return {key: header[key] for key in _OPTIONAL if key in header}


_READERS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "obs_info": ObsInfoMetaData.from_header,
    "pointing": PointingInfoMetaData.from_header,
    "target": TargetMetaData.from_header,
    "location": earth_location_from_header,
    "time_info": TimeInfoMetaData.from_header,
    "creation": _new_creation,
    "optional": _optional_keywords,
}
"""Attributes of `ObservationMetaData`, and the functions that read them from a header."""


@dataclass
class GTIMetaData(KnownAttributes):
    """Reference time and creation of a GTI."""

    reference_time: Time | None = None
    creation: CreatorMetaData | None = None


@dataclass
class EventListMetaData(KnownAttributes):
    """Event class, creation and versions of an event list."""

    event_class: str | None = None
    creation: CreatorMetaData | None = None
    optional: dict[str, MetaValue] | None = None

    @classmethod
    def from_header(cls, header: Mapping[str, Any], format: str = "gadf") -> "EventListMetaData":
        """Read EV_CLASS, the creation keywords and DST_VER, ANA_VER, CAL_VER.

        Parameters
        ----------
        header : mapping of keyword to value
        format : {"gadf"}
        """
        optional = {key: header[key] for key in ("DST_VER", "ANA_VER", "CAL_VER") if key in header}
        return cls(header.get("EV_CLASS"), CreatorMetaData.from_header(header), optional)

    def to_header(self, format: str = "gadf") -> dict[str, MetaValue]:
        """Return the keywords of the event class and the creation."""
        values: dict[str, MetaValue] = {} if self.event_class is None else {"EV_CLASS": self.event_class}
        return values | (self.creation.to_header() if self.creation is not None else {})
