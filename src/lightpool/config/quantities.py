"""Values with units in a settings file: texts such as ``5 deg`` that are checked for the kind of their unit."""

import re
from typing import Annotated, Any

import astropy.units as u
from astropy.time import Time
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

__all__ = ["AngleText", "DurationText", "EnergyText", "PositiveAngleText", "TimeText"]


def _quantity_text(kind: str, unit: str, example: str) -> tuple[Any, ...]:
    def check(value: Any) -> str:
        wanted = f"expected {kind} with its unit, such as {example!r}"
        if isinstance(value, u.Quantity):
            value = f"{value.value:.17g} {value.unit}"
        if not isinstance(value, str):
            raise ValueError(f"got {value!r} without a unit, {wanted}")
        try:
            quantity = u.Quantity(_with_space(value))
        except (TypeError, ValueError) as error:
            raise ValueError(f"got {value!r}, {wanted}") from error
        if not quantity.isscalar or not quantity.unit.is_equivalent(unit):
            raise ValueError(f"got {value!r}, {wanted}")
        return " ".join(_with_space(value).split())

    return BeforeValidator(check), WithJsonSchema({"type": "string", "examples": [example]})


def _with_space(text: str) -> str:
    """``5deg`` as ``5 deg``: one spelling for one value."""
    return re.sub(r"^(\s*[-+]?[\d.]+(?:[eE][-+]?\d+)?)(?=[^\s\d.])", r"\1 ", text)


def _positive(value: str) -> str:
    """Refuse a quantity that is not above zero."""
    if not u.Quantity(value).value > 0:
        raise ValueError(f"got {value!r}, expected more than zero")
    return value


def _time(value: str) -> str:
    """Refuse a text that is no time."""
    try:
        Time(value)
    except ValueError as error:
        raise ValueError(f"got {value!r}, expected a time, such as '2004-03-26T00:00:00'") from error
    return value


AngleText = Annotated[str, *_quantity_text("an angle", "deg", "0.5 deg")]
EnergyText = Annotated[str, *_quantity_text("an energy", "TeV", "1 TeV"), AfterValidator(_positive)]
DurationText = Annotated[str, *_quantity_text("a time", "s", "30 min"), AfterValidator(_positive)]
TimeText = Annotated[str, AfterValidator(_time)]
PositiveAngleText = Annotated[AngleText, AfterValidator(_positive)]
