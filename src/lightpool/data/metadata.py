"""Metadata of observations, event lists and GTIs, from the keywords of their headers.

The values are created on demand: coordinates and times of 10^5 observations take long to create.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar, Self

import astropy.units as u
from astropy.coordinates import EarthLocation
from astropy.time import Time

from lightpool.data.metadata_base import (
    Check,
    HeaderMetaData,
    MetaData,
    as_fraction,
    as_location,
    as_mapping,
    as_text,
    as_time,
    part_of,
    require_gadf,
)
from lightpool.data.metadata_parts import (
    CreatorMetaData,
    ObsInfoMetaData,
    PointingInfoMetaData,
    TargetMetaData,
    TimeInfoMetaData,
    reference_keywords,
)
from lightpool.data.tables.time_reference import TimeReference
from lightpool.errors import FormatError
from lightpool.fits import has_time_reference, header_number, parsing
from lightpool.typing import MetaValue
from lightpool.utils.on_demand import Deferred, DeferredAttribute

__all__ = [
    "CreatorMetaData",
    "EventListMetaData",
    "GTIMetaData",
    "MetaData",
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


class ObservationMetaData(HeaderMetaData):
    """Metadata of an observation, from the header of its event list.

    Each value is checked when it is set: a location may be the name of an observatory, a time its text, and a part, as
    ``target``, a dict of its values.

    Parameters
    ----------
    obs_info : `ObsInfoMetaData`
    pointing : `PointingInfoMetaData`
    target : `TargetMetaData`
    location : `astropy.coordinates.EarthLocation`, or the name of an observatory
    deadtime_fraction : float, 0 to 1
    time_info : `TimeInfoMetaData`
    creation : `CreatorMetaData`
    optional : dict of further keywords

    Raises
    ------
    ValueError
        If a value is not valid.
    """

    _tag: ClassVar[str] = "observation"
    _checks: ClassVar[Mapping[str, Check]] = {
        "obs_info": part_of(ObsInfoMetaData),
        "pointing": part_of(PointingInfoMetaData),
        "target": part_of(TargetMetaData),
        "location": as_location,
        "deadtime_fraction": as_fraction,
        "time_info": part_of(TimeInfoMetaData),
        "creation": part_of(CreatorMetaData),
        "optional": as_mapping,
    }

    obs_info = DeferredAttribute[ObsInfoMetaData | None]()
    pointing = DeferredAttribute[PointingInfoMetaData | None]()
    target = DeferredAttribute[TargetMetaData | None]()
    location = DeferredAttribute[EarthLocation | None]()
    time_info = DeferredAttribute[TimeInfoMetaData | None]()
    creation = DeferredAttribute[CreatorMetaData | None]()
    optional = DeferredAttribute[dict[str, MetaValue] | None]()

    def __init__(
        self,
        obs_info: ObsInfoMetaData | Mapping[str, object] | None = None,
        pointing: PointingInfoMetaData | Mapping[str, object] | None = None,
        target: TargetMetaData | Mapping[str, object] | None = None,
        location: EarthLocation | str | None = None,
        deadtime_fraction: float = 0.0,
        time_info: TimeInfoMetaData | Mapping[str, object] | None = None,
        creation: CreatorMetaData | Mapping[str, object] | None = None,
        optional: dict[str, MetaValue] | None = None,
    ) -> None:
        self.deadtime_fraction = deadtime_fraction
        for name, value in (
            ("obs_info", obs_info),
            ("pointing", pointing),
            ("target", target),
            ("location", location),
            ("time_info", time_info),
            ("creation", creation),
            ("optional", optional),
        ):
            setattr(self, name, value)  # the check of each makes the value of it
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
        ValueError
            For another format.
        """
        require_gadf(format)
        meta, kept = cls.__new__(cls), dict(header)
        values = {name: Deferred(partial(_from_header, read, kept, where)) for name, read in _READERS.items()}
        # Not by assignment, which would mark the metadata as changed.
        meta.__dict__.update(values, deadtime_fraction=deadtime_fraction(header, where))
        return meta

    def _keywords(self) -> dict[str, MetaValue]:
        values: dict[str, MetaValue] = {}
        if (place := self.location) is not None:
            values |= {"GEOLON": float(place.lon.deg), "GEOLAT": float(place.lat.deg)}
            values["ALTITUDE"] = float(place.height.to_value("m"))
        values["DEADC"] = 1 - self.deadtime_fraction
        for part in (self.obs_info, self.pointing, self.target, self.time_info, self.creation):
            values |= {} if part is None else part.to_header()
        return values

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
class GTIMetaData(HeaderMetaData):
    """Reference time and creation of a GTI."""

    _tag: ClassVar[str] = "GTI"
    _checks: ClassVar[Mapping[str, Check]] = {"reference_time": as_time, "creation": part_of(CreatorMetaData)}

    reference_time: Time | None = None
    creation: CreatorMetaData | None = None

    @classmethod
    def _of_keywords(cls, header: Mapping[str, Any]) -> Self:
        """Read the reference time, None if there is none, and the creation keywords."""
        reference = TimeReference.from_header(header).time if has_time_reference(header) else None
        return cls(reference, CreatorMetaData.from_header(header))

    def _keywords(self) -> dict[str, MetaValue]:
        """Return the keywords of the creation and of the reference time, in its own time scale."""
        values = {} if self.creation is None else self.creation.to_header()
        if self.reference_time is not None:
            values |= reference_keywords(self.reference_time, self.reference_time.scale)
        return values


@dataclass
class EventListMetaData(HeaderMetaData):
    """Event class, creation and versions of an event list."""

    _tag: ClassVar[str] = "eventlist"
    _checks: ClassVar[Mapping[str, Check]] = {
        "event_class": as_text,
        "creation": part_of(CreatorMetaData),
        "optional": as_mapping,
    }

    event_class: str | None = None
    creation: CreatorMetaData | None = None
    optional: dict[str, MetaValue] | None = None

    @classmethod
    def _of_keywords(cls, header: Mapping[str, Any]) -> Self:
        """Read EV_CLASS, the creation keywords and DST_VER, ANA_VER, CAL_VER."""
        optional = {key: header[key] for key in ("DST_VER", "ANA_VER", "CAL_VER") if key in header}
        creation = CreatorMetaData.from_header(header)
        return cls.unchecked(event_class=header.get("EV_CLASS"), creation=creation, optional=optional)

    def _keywords(self) -> dict[str, MetaValue]:
        """Return the keywords of the event class and the creation."""
        values: dict[str, MetaValue] = {} if self.event_class is None else {"EV_CLASS": self.event_class}
        return values | (self.creation.to_header() if self.creation is not None else {})
