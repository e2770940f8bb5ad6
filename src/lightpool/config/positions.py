"""Sky positions in a settings file: in degrees, in hours and minutes, or by the name of a source."""

import re
from typing import Any, Literal

import astropy.units as u
from astropy.coordinates import SkyCoord
from pydantic import ConfigDict, ValidationInfo, field_validator, model_validator

from lightpool.config.quantities import AngleText, PositiveAngleText, angle_text
from lightpool.config.section import Section

__all__ = ["Circle", "Point", "Position"]

Frame = Literal["icrs", "galactic", "fk5", "fk4"]
"""Frames of a position: FK5 of J2000 and FK4 of B1950. Frames fixed to the horizon, such as AltAz, are not possible."""

_SOURCES = {
    "1ES 0229+200": (38.202563, 20.288191),
    "1ES 1959+650": (299.999384, 65.148514),
    "3C 273": (187.277915, 2.052388),
    "3C 279": (194.046527, -5.789314),
    "BL Lac": (330.680381, 42.277772),
    "Cas A": (350.85, 58.815),
    "Cen A": (201.365063, -43.019113),
    "Crab": (83.633083, 22.0145),
    "Geminga": (98.475637, 17.770253),
    "LS 5039": (276.562732, -14.848417),
    "LS I +61 303": (40.131935, 61.229333),
    "M 82": (148.968458, 69.679703),
    "M 87": (187.70593, 12.391123),
    "Mrk 421": (166.113808, 38.208833),
    "Mrk 501": (253.467569, 39.760169),
    "NGC 1275": (49.950667, 41.511696),
    "NGC 253": (11.888058, -25.28822),
    "PG 1553+113": (238.92935, 11.190102),
    "PKS 1510-089": (228.210554, -9.099951),
    "PKS 2155-304": (329.716938, -30.225588),
    "Sgr A*": (266.416837, -29.00781),
    "Vela": (128.836061, -45.176431),
}
"""Gamma-ray sources, deg, ICRS, from SIMBAD; for the Crab nebula, Geminga and Vela the positions of the pulsars."""

_OTHER_NAMES = {
    "crab nebula": "Crab",
    "crab pulsar": "Crab",
    "m1": "Crab",
    "galactic centre": "Sgr A*",
    "galactic center": "Sgr A*",
    "gc": "Sgr A*",
    "markarian 421": "Mrk 421",
    "markarian 501": "Mrk 501",
    "mkn 421": "Mrk 421",
    "mkn 501": "Mrk 501",
    "cassiopeia a": "Cas A",
    "centaurus a": "Cen A",
    "vela pulsar": "Vela",
}


def _key(name: str) -> str:
    return re.sub(r"[\s_]+", "", name).lower()


_KNOWN = {_key(name): position for name, position in _SOURCES.items()}
_KNOWN |= {_key(other): _SOURCES[name] for other, name in _OTHER_NAMES.items()}


def _coordinates_of(name: object) -> dict[str, str]:
    """Return the coordinates of a source, from the list above or, with a network, from the Sesame name resolver.

    Raises
    ------
    ValueError
        If neither knows the name.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"got the name {name!r}, expected one such as 'Crab'")
    if _key(name) in _KNOWN:
        lon, lat = _KNOWN[_key(name)]
        return {"lon": f"{lon} deg", "lat": f"{lat} deg", "frame": "icrs"}
    from astropy.coordinates.name_resolve import NameResolveError
    from astropy.utils.data import conf

    try:
        # s; without a network the error comes soon.
        with conf.set_temp("remote_timeout", 5):
            found = SkyCoord.from_name(name)
    except (NameResolveError, OSError, ValueError) as error:
        raise ValueError(
            f"the position of {name!r} is not in the built-in list, and the name resolver did not find it "
            f"({_first_line(error)}); give lon and lat. Known sources: {', '.join(_SOURCES)}"
        ) from error
    return {"lon": f"{found.ra.deg:.9g} deg", "lat": f"{found.dec.deg:.9g} deg", "frame": "icrs"}


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:100] or type(error).__name__


def _with_name(schema: dict[str, Any]) -> None:
    """Allow the name of a source instead of coordinates in the JSON schema, for editors."""
    schema["properties"] = {"name": {"type": "string", "description": "Name of a source, instead of lon and lat."}} | (
        schema["properties"]
    )
    schema["required"] = [key for key in schema.get("required", []) if key not in ("lon", "lat")]


class Position(Section):
    """A sky position: coordinates, ``name: Crab``, or just the name."""

    model_config = ConfigDict(json_schema_extra=_with_name)

    # Before `lon`: fields are validated in their order, and the validator of `lon` needs the frame.
    frame: Frame = "icrs"
    """Frame of the coordinates."""
    lon: AngleText
    """Longitude: right ascension, or galactic."""
    lat: AngleText
    """Latitude: declination, or galactic."""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, data: object) -> object:
        # A name alone cannot be a circle: it has no radius.
        if isinstance(data, str) and cls is Position:
            return _coordinates_of(data)
        if isinstance(data, dict) and "name" in data:
            if given := [key for key in ("lon", "lat", "frame") if key in data]:
                raise ValueError(f"got both a name and {', '.join(given)}; give only one of them")
            return _coordinates_of(data["name"]) | {key: value for key, value in data.items() if key != "name"}
        if isinstance(data, dict) and isinstance(data.get("frame"), str):
            return data | {"frame": data["frame"].lower()}
        return data

    @field_validator("lon", mode="before")
    @classmethod
    def _right_ascension_in_hours(cls, value: object, info: ValidationInfo) -> object:
        return angle_text(value, in_hours=None if info.data.get("frame") == "galactic" else True)

    @field_validator("lat", mode="before")
    @classmethod
    def _latitude_in_degrees(cls, value: object) -> object:
        return angle_text(value, in_hours=False)

    @field_validator("lat")
    @classmethod
    def _on_the_sphere(cls, value: str) -> str:
        if abs(u.Quantity(value).to_value("deg")) > 90:
            raise ValueError(f"got {value!r}, expected -90 deg to 90 deg")
        return value

    @field_validator("lon")
    @classmethod
    def _once_around(cls, value: str) -> str:
        if abs(u.Quantity(value).to_value("deg")) > 360:
            raise ValueError(f"got {value!r}, expected 0 deg to 360 deg, or -180 deg to 180 deg")
        return value

    @property
    def skycoord(self) -> SkyCoord:
        """The position, converted to ICRS unless its frame is galactic, because maps use these two frames."""
        position = SkyCoord(u.Quantity(self.lon), u.Quantity(self.lat), frame=self.frame)
        return position if self.frame in ("icrs", "galactic") else position.icrs


class Circle(Position):
    """A circle on the sky."""

    radius: PositiveAngleText
    """Angular radius."""


class Point(Position):
    """A point on the sky; the directional cut of point-like responses determines the size of the region."""
