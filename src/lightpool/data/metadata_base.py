"""Base of metadata: values with names, and the checks that convert what is set.

A value that is set is checked and converted, as text of a time to a time. Values of a header that are not valid stay as
they are in the header, so that a wrong keyword that nobody needs does not make a file unreadable.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeAlias, TypeVar

import astropy.units as u
import numpy as np
import yaml
from astropy.coordinates import AltAz, BaseCoordinateFrame, EarthLocation, SkyCoord
from astropy.time import Time

from lightpool.attributes import KnownAttributes
from lightpool.bridge import gammapy_bridge
from lightpool.data.observatories import observatory_locations
from lightpool.typing import JSONValue, MetaValue
from lightpool.utils.html import MAX_ROWS, Card, Html, Section, ShownInNotebooks, escaped, fields
from lightpool.utils.on_demand import Deferred

__all__ = [
    "Check",
    "HeaderMetaData",
    "MetaData",
    "as_altaz",
    "as_fraction",
    "as_icrs",
    "as_location",
    "as_mapping",
    "as_text",
    "as_time",
    "part_of",
    "require_gadf",
]

Check: TypeAlias = Callable[[Any], object]
"""Returns the value to keep for a value that is set; raises an error for one that is not valid."""

T = TypeVar("T", bound="MetaData")


class MetaData(KnownAttributes, ShownInNotebooks):
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

    def html_card(self) -> Card:
        """Return what notebooks show of the metadata."""
        return Card(
            type(self).__name__, "", [self.tag], [Section("Values", lambda: _shown(_plain(self)), is_open=True)]
        )

    def to_yaml(self) -> str:
        """Return all values as YAML text."""
        text: str = yaml.dump({"metadata": _plain(self)}, sort_keys=False, indent=4, width=80, default_flow_style=False)
        return text


class HeaderMetaData(MetaData):
    """Metadata that have FITS keywords of their own."""

    @classmethod
    def from_header(cls, header: Mapping[str, Any], format: str = "gadf") -> Self:
        """Read the keywords of these metadata; what has no keyword is None.

        Parameters
        ----------
        header : mapping of keyword to value
        format : {"gadf"}
        """
        require_gadf(format)
        return cls._of_keywords(header)

    def to_header(self, format: str = "gadf") -> dict[str, MetaValue]:
        """Return the keywords of the values that are known.

        Parameters
        ----------
        format : {"gadf"}
        """
        require_gadf(format)
        return self._keywords()

    @classmethod
    def _of_keywords(cls, header: Mapping[str, Any]) -> Self:
        raise NotImplementedError

    def _keywords(self) -> dict[str, MetaValue]:
        raise NotImplementedError


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


def _shown(value: JSONValue) -> Html:
    """Return plain values as tables of those that are known."""
    if isinstance(value, dict):
        return fields({name: _shown(each) for name, each in value.items() if each is not None})
    if isinstance(value, list):
        return Html("<br>".join(_shown(each) for each in value[:MAX_ROWS])) if value else Html("")
    return escaped(value)


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
