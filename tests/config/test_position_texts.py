"""Positions in one text, as options of commands and settings have them."""

import pytest
from astropy.coordinates import SkyCoord

from lightpool.config.position_texts import coordinates_of_text
from lightpool.config.positions import Position, parse_position
from lightpool.errors import ConfigError

CRAB = SkyCoord("05h34m31s", "22d00m52s")


@pytest.mark.parametrize(
    "text",
    [
        "83.62917 22.01444",
        "83.62917,22.01444",
        "RA 83.62917 deg, Dec +22.01444 deg",
        "ra=83.62917 dec=22.01444",
        "RA: 05:34:31 Dec: +22:00:52",
        "RA 05 34 31 DEC +22 00 52",
        "icrs RA=83.62917,Dec=22.01444",
        " 83.62917 , +22.01444 ",
        "83.62917;22.01444",
        "83.62917+22.01444",
        "(83.62917, 22.01444)",
        "83.62917d 22.01444d",
        "83.62917 deg, 22.01444 deg",
        "83.62917° 22.01444°",
        "8.362917e1 22.01444",
        "5.5752778hourangle 22.01444deg",
        "5.5752778h 22.01444d",
        "5017.7502 arcmin 1320.8664 arcmin",
        "301065arcsec,79252arcsec",
        "05:34:31 +22:00:52",
        "5:34:31 22:00:52",
        "05:34:31.0, 22:00:52.0",
        "05h34m31s +22d00m52s",
        "05H34M31S +22D00M52S",
        "05h34m31s+22d00m52s",
        "05h 34m 31s, +22d 00m 52s",
        "05h34m31s 22°00'52\"",
        "05h34m31s 22°00\N{PRIME}52\N{DOUBLE PRIME}",
        "05 34 31 +22 00 52",
        "05 34 31.0, 22 00 52.0",
        "icrs 83.62917 22.01444",
        "ICRS: 83.62917 22.01444",
        "83.62917 22.01444 (icrs)",
        "galactic 184.5555 -5.7886",
        "l=184.5555 b=-5.7886",
        "L = 184.5555 deg, B = -5.7886 deg",
        "GLON 184.5555 GLAT -5.7886",
        "Gal 184.5555,-5.7886",
        "184.5555 -5.7886 galactic",
        "fk5 83.62917 22.01444",
        "fk5 J2000 05:34:31 +22:00:52",
        "J2000.0 05:34:31 +22:00:52",
        "fk4 05:31:30.0 +21:58:54",
        "B1950 05:31:30.0 +21:58:54",
    ],
)
def test_one_place_may_be_written_in_many_ways(text):
    assert Position.model_validate(text).skycoord.icrs.separation(CRAB).arcsec < 60


def test_a_southern_declination_between_zero_and_one_degree_keeps_its_sign():
    for text in ("12 34 56 -00 30 00", "12:34:56 -00:30:00", "12h34m56s \N{MINUS SIGN}00d30m00s"):
        assert Position.model_validate(text).skycoord.dec.deg == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("83.63", "as it has 1 number"),
        ("83.63 22.01 5", "as it has 3 numbers"),
        ("05h34m31s", "as it has 3 numbers"),
        ("83,63 22,01", "commas in place of decimal points"),
        ("83.63m 22.01m", "no unit of angles"),
        ("galactic 184.55", "as it has 1 number"),
        ("fk5 J1975 83.63 22.01", "'j1975' is not possible"),
        ("J2050 83.63 22.01", "'j2050' is not possible"),
        ("altaz 30 50", "'altaz' is not possible"),
        ("ecliptic 84.1 -1.3", "'ecliptic' is not possible"),
        ("icrs galactic 1 2", "two frames, galactic and icrs"),
        ("fk5 l=184.56 b=-5.78", "two frames, fk5 and galactic"),
        ("83.63 92", "-90 deg to 90 deg"),
        ("400 22", "0 deg to 360 deg"),
        ("0229+200", "-90 deg to 90 deg"),
        ("25:00:00 +10:00:00", "must be below 24"),
        ("05:34:61 +22:00:00", "is not an angle"),
        ("galactic 05:34:31 +22:00:52", "hours or degrees"),
        ("", "expected one such as 'Crab'"),
    ],
)
def test_a_text_that_is_no_position_says_why(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_position(text)


@pytest.mark.parametrize(
    "text",
    [
        "3C 273",
        "1ES 0229+200",
        "4U 1636-53",
        "2HWC J1825-134",
        "47 Tuc",
        "30 Dor C",
        "Crab",
        "L 1527",
        "RA 12",
        "l=1 dec=2",
    ],
)
def test_names_with_digits_are_names(text):
    assert coordinates_of_text(text) is None


def test_names_that_begin_with_the_name_of_a_frame_are_names():
    assert coordinates_of_text("Galactic Centre") is None
    assert Position.model_validate("Galactic Centre") == Position.model_validate("Sgr A*")


def test_the_frame_of_a_text_is_that_of_the_map():
    assert Position.model_validate("galactic 184.55 -5.78").skycoord.frame.name == "galactic"
    assert Position.model_validate("B1950 82.88 21.98").skycoord.frame.name == "icrs"
