"""Values with units in a settings file: texts such as ``5 deg``, whose unit is checked."""

import math
import re
import warnings
from typing import Annotated, TypeGuard

import astropy.units as u
from astropy.coordinates import Angle
from astropy.time import Time
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

__all__ = [
    "AngleText",
    "DurationText",
    "EnergyText",
    "NonNegativeAngleText",
    "PositiveAngleText",
    "TimeText",
    "angle_text",
    "is_quantity",
    "positive_quantity",
]

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
# Units of one name: angles, energies and times need no products of units.
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*([A-Za-z]+|[°'\"])\s*")
_SIGNS = {"°": "deg", "'": "arcmin", '"': "arcsec"}
_SEXAGESIMAL = re.compile(r"\s*[-+]?\d+\s*([hd°])\s*(?:\d+(?:\.\d+)?\s*['m]\s*(?:\d+(?:\.\d*)?\s*[\"s]\s*)?)?")


def _quantity_text(kind: str, unit: str, example: str) -> tuple[BeforeValidator, WithJsonSchema]:
    def check(value: object) -> str:
        return _checked(value, unit, f"expected {kind} with its unit, such as {example!r}")

    return BeforeValidator(check), WithJsonSchema({"type": "string", "examples": [example]})


def _checked(value: object, unit: str, wanted: str) -> str:
    """Return the standard spelling, ``1.5 TeV``, of a number with a unit."""
    if isinstance(value, u.Quantity):
        value = f"{value.value:.17g} {value.unit}"
    if not isinstance(value, str):
        raise ValueError(f"got {value!r} without a unit, {wanted}")
    if unit == "deg" and (found := _sexagesimal(value)) is not None:
        return found
    # Unicode has two letters: the micro sign and the Greek mu.
    match = _QUANTITY.fullmatch(value.replace("µ", "u").replace("μ", "u"))
    if match is None:
        raise ValueError(f"got {_brief(value)}{_why_no_quantity(value)}, {wanted}")
    number, name = match[1], _SIGNS.get(match[2], match[2])
    try:
        found_unit = u.Unit(name)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"got {_brief(value)}, whose unit is unknown, {wanted}") from error
    if not found_unit.is_equivalent(unit):
        raise ValueError(f"got {_brief(value)}, {wanted}")
    # A number may be finite in its own unit and overflow in the unit in which it is used.
    if not math.isfinite(float(number)) or not math.isfinite(float(number) * found_unit.to(unit)):
        raise ValueError(f"got {_brief(value)}, which is too large, {wanted}")
    return f"{number} {name}"


def _why_no_quantity(value: str) -> str:
    """Explain why a text is not a number with a unit."""
    if re.fullmatch(rf"\s*{_NUMBER}\s*", value):
        return " without a unit"
    if re.match(r"\s*[-+]?(nan|inf)", value, re.IGNORECASE):
        return ", which is not a finite number"
    if re.match(r"\s*[-+]?\d+,\d", value):
        return " with a comma; use a decimal point"
    if re.match(rf"\s*{_NUMBER}\s+[-+.\d]", value):
        return " with two numbers"
    if re.match(r"\s*[-+]?\d+:\d", value):
        return "; write hours or degrees explicitly, such as 05h34m31.9s or 83d37m58.8s"
    return ""


def _brief(value: str) -> str:
    shown = repr(value)
    return shown if len(shown) < 60 else f"{shown[:56]}...'"


def _sexagesimal(value: str) -> str | None:
    """Convert ``05h34m31.9s`` or ``22d00m52s`` to degrees; return None for any other text."""
    match = _SEXAGESIMAL.fullmatch(value)
    if match is None or not re.search(r"[m']", value):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # astropy only warns about 61 minutes
            angle = Angle(re.sub(r"\s", "", value).replace("°", "d"))
    except (ValueError, Warning) as error:
        raise ValueError(f"got {value!r}, which is not an angle: {error}") from error
    return f"{_rounded(float(angle.deg))} deg"


def _rounded(degrees: float) -> str:
    """Round an angle to 1e-12 deg, without further digits: 83.6333, not 83.633300000000006."""
    return f"{round(degrees, 12):.15g}"


def angle_text(value: object, *, in_hours: bool | None) -> object:
    """Convert an angle with colons, such as ``05:34:31.9``, to one with letters; return anything else unchanged.

    Parameters
    ----------
    value : object
        Value in a settings file.
    in_hours : bool or None
        Whether numbers with colons are hours; None if this is ambiguous.
    """
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([-+]?\d+:\d+(?::\d+(?:\.\d*)?)?)\s*(\S*)\s*", value)
    if match is None:
        return value
    text, unit = match.groups()
    if unit:
        known = {"h": True, "hour": True, "hourangle": True, "d": False, "deg": False, "degree": False, "°": False}
        if unit not in known:
            raise ValueError(f"got {value!r}, expected the unit hourangle or deg, or 05h34m31.9s or 83d37m58.8s")
        in_hours = known[unit]
    if in_hours is None:
        raise ValueError(f"got {value!r}, which may be hours or degrees; write 05h34m31.9s or 83d37m58.8s")
    if in_hours and abs(int(text.split(":")[0])) >= 24:
        raise ValueError(f"got {value!r}, which is read as hours and must be below 24; for degrees write 83d37m58.8s")
    hours, minutes, *seconds = text.split(":")
    letters = "hms" if in_hours else "dms"
    return "".join(part + letter for part, letter in zip((hours, minutes, *seconds), letters, strict=False))


def positive_quantity(text: str, unit: str) -> u.Quantity:
    """Return the quantity of a text, as an option of a command has it; a plain number has the unit.

    Parameters
    ----------
    text : str
    unit : {"deg", "TeV"}

    Raises
    ------
    ValueError
        If it is not a positive angle or energy.
    """
    if re.fullmatch(rf"\s*{_NUMBER}\s*", text):
        text = f"{text.strip()} {unit}"
    kind = "an angle" if unit == "deg" else "an energy"
    return u.Quantity(_positive(_checked(text, unit, f"expected {kind}, such as '0.5 {unit}'")))


def is_quantity(value: object) -> TypeGuard[str]:
    """Return whether a value of the settings is the text of a number with a unit."""
    return isinstance(value, str) and re.fullmatch(rf"{_NUMBER} \S+", value) is not None


def _positive(value: str) -> str:
    """Check that a quantity is positive."""
    if not u.Quantity(value).value > 0:
        raise ValueError(f"got {value!r}, expected more than zero")
    return value


def _not_negative(value: str) -> str:
    """Check that a quantity is not negative."""
    if u.Quantity(value).value < 0:
        raise ValueError(f"got {value!r}, expected zero or more")
    return value


def _time(value: str) -> str:
    """Check that a text is a time."""
    try:
        Time(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"got {_brief(value)}, expected a time, such as '2004-03-26T00:00:00'") from error
    return value


AngleText = Annotated[str, *_quantity_text("an angle", "deg", "0.5 deg")]
EnergyText = Annotated[str, *_quantity_text("an energy", "TeV", "1 TeV"), AfterValidator(_positive)]
DurationText = Annotated[str, *_quantity_text("a time", "s", "30 min"), AfterValidator(_positive)]
TimeText = Annotated[str, AfterValidator(_time)]
PositiveAngleText = Annotated[AngleText, AfterValidator(_positive)]
NonNegativeAngleText = Annotated[AngleText, AfterValidator(_not_negative)]
