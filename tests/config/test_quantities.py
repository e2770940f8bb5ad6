"""Numbers with units in settings: how they may be written, and what is refused."""

import astropy.units as u
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lightpool.config.quantities import (
    AngleText,
    DurationText,
    EnergyText,
    NonNegativeAngleText,
    PositiveAngleText,
    TimeText,
)

KINDS = {
    "angle": AngleText,
    "size": PositiveAngleText,
    "distance": NonNegativeAngleText,
    "energy": EnergyText,
    "duration": DurationText,
    "time": TimeText,
}
UNITS = {"angle": "deg", "size": "arcmin", "distance": "mas", "energy": "GeV", "duration": "min"}


def read(kind, value):
    return TypeAdapter(KINDS[kind]).validate_python(value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("angle", "1e-1 deg", 0.1 * u.deg),
        ("angle", "1e-1deg", 0.1 * u.deg),
        ("angle", "3.6e5 mas", 0.1 * u.deg),
        ("angle", "-.5E+1 deg", -5 * u.deg),
        ("angle", "+5. deg", 5 * u.deg),
        ("angle", "5 °", 5 * u.deg),
        ("angle", "5 µas", 5 * u.uas),
        ("angle", "-00d30m36s", -0.51 * u.deg),
        ("angle", "05h34m31.9s", 83.632916666667 * u.deg),
        ("energy", "1e4 GeV", 10 * u.TeV),
        ("energy", "1.5E1 TeV", 15 * u.TeV),
        ("energy", "1eV", 1 * u.eV),
        ("energy", "1e3eV", 1 * u.keV),
        ("duration", "6e1 s", 1 * u.min),
    ],
)
def test_numbers_may_be_written_in_many_ways(kind, text, value):
    assert u.isclose(u.Quantity(read(kind, text)), value, rtol=1e-14)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("angle", "1 3 deg", "two numbers"),
        ("angle", "5 deg 3 arcmin", "expected an angle"),
        ("angle", "1,5 deg", "use a decimal point"),
        ("angle", "5", "without a unit"),
        ("angle", 5, "without a unit"),
        ("angle", "deg", "expected an angle"),
        ("angle", "nan deg", "not a finite number"),
        ("angle", "-inf deg", "not a finite number"),
        ("angle", "1e400 deg", "too large"),
        ("angle", "5 TeV", "expected an angle"),
        ("angle", "5 xyz", "whose unit is unknown"),
        ("angle", "5h", "expected an angle"),
        ("angle", "05:34:31.9", "05h34m31.9s or 83d37m58.8s"),
        ("angle", "5d70m", "which is not an angle"),
        ("angle", "0x5 deg", "expected an angle"),
        ("angle", "５ deg", "expected an angle"),  # noqa: RUF001 (a digit of another script)
        ("angle", "--5 deg", "expected an angle"),
        ("angle", 1000 * "9" + " deg", "too large"),
        ("size", "0 deg", "more than zero"),
        ("distance", "-1e-3 deg", "zero or more"),
        ("energy", "-1 TeV", "more than zero"),
        ("energy", "1 TEV", "whose unit is unknown"),
        ("energy", "nan TeV", "not a finite number"),
        ("duration", "0 s", "more than zero"),
        ("time", "nan", "expected a time"),
        ("time", "2004-13-01", "expected a time"),
        ("time", "99999-01-01", "expected a time"),
    ],
)
def test_what_is_no_quantity_says_what_was_expected(kind, value, message):
    with pytest.raises(ValidationError, match=message):
        read(kind, value)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([*UNITS]), st.floats(1e-300, 1e300), st.sampled_from(["r", "e", ".17g", "f"]))
def test_every_finite_number_is_read_and_read_again(kind, number, style):
    text = f"{repr(number) if style == 'r' else format(number, style)} {UNITS[kind]}"
    if float(text.split()[0]) == 0:
        return
    once = read(kind, text)
    assert u.Quantity(once) == float(text.split()[0]) * u.Unit(UNITS[kind])
    assert read(kind, once) == once


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([*KINDS]), st.text("0123456789eE.+-:hdms °'\",TVGaeg_", max_size=12))
def test_any_other_text_is_read_as_a_quantity_or_refused(kind, text):
    try:
        found = read(kind, text)
    except ValidationError:
        return
    assert kind == "time" or u.Quantity(found).isscalar
