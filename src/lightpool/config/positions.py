"""Sky positions in a settings file: in degrees, in hours and minutes, or by the name of a source."""

from typing import Any, Literal

import astropy.units as u
from astropy.coordinates import SkyCoord
from pydantic import ConfigDict, ValidationError, ValidationInfo, field_validator, model_validator

from lightpool.config.position_texts import coordinates_of_text
from lightpool.config.quantities import AngleText, PositiveAngleText, angle_text
from lightpool.config.section import Section
from lightpool.config.sources import SOURCE_NAMES, known_source, similar_names
from lightpool.errors import ConfigError

__all__ = ["Circle", "Point", "Position", "parse_position", "position_of_text"]

Frame = Literal["icrs", "galactic", "fk5", "fk4"]
"""The frames of `FRAMES`."""


def position_of_text(text: object) -> dict[str, str] | None:
    """Return the coordinates in a text, or those of a source in the built-in list; None if the text is another name.

    Parameters
    ----------
    text : object
        Value in a settings file, or an option of a command.

    Raises
    ------
    ValueError
        If the text is empty or begins like coordinates and is not a position.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"got the name {text!r}, expected one such as 'Crab'")
    if (known := known_source(text)) is not None:
        return {"lon": f"{known[0]} deg", "lat": f"{known[1]} deg", "frame": "icrs"}
    return coordinates_of_text(text)


def _coordinates_of(text: object) -> dict[str, str]:
    """Return the coordinates in a text or, of a name, from the built-in list or the Sesame name resolver.

    Raises
    ------
    ValueError
        If the text is neither a position nor a name that is known.
    """
    if (position := position_of_text(text)) is not None:
        return position
    from astropy.coordinates.name_resolve import NameResolveError
    from astropy.utils.data import conf

    try:
        # s; without a network the error comes soon.
        with conf.set_temp("remote_timeout", 5):
            found = SkyCoord.from_name(str(text))
    except (NameResolveError, OSError, ValueError) as error:
        similar = similar_names(str(text))
        raise ValueError(
            f"the position of {text!r} is not in the built-in list, and the name resolver, which needs a network, did "
            f"not find it ({_first_line(error)}); give coordinates such as '83.63 22.01' or '05:34:31.9 +22:00:52'. "
            + (f"Similar names: {', '.join(similar)}" if similar else f"Known sources: {', '.join(SOURCE_NAMES)}")
        ) from error
    return {"lon": f"{found.ra.deg:.9g} deg", "lat": f"{found.dec.deg:.9g} deg", "frame": "icrs"}


def _first_line(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0].removesuffix("See errors per URL below: ").strip(" .")
    return line[:100] or type(error).__name__


def _with_name(schema: dict[str, Any]) -> None:
    """Allow the name of a source instead of coordinates in the JSON schema, for editors."""
    schema["properties"] = {"name": {"type": "string", "description": "Name of a source, instead of lon and lat."}} | (
        schema["properties"]
    )
    schema["required"] = [key for key in schema.get("required", []) if key not in ("lon", "lat")]


class Position(Section):
    """A sky position: coordinates, ``name: Crab``, just the name, or a text such as ``05:34:31.9 +22:00:52``."""

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


def parse_position(text: str | dict[str, str]) -> Position:
    """Return the position of a text, as an option of a command has it.

    Parameters
    ----------
    text : str or dict of str
        Coordinates, or the name of a source; or what `position_of_text` returned for it.

    Raises
    ------
    ConfigError
        If it is neither; says what is wrong.
    """
    try:
        return Position.model_validate(text)
    except ValidationError as error:
        raise ConfigError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from error
