"""The built-in list of gamma-ray sources."""

import re

import pytest
from astropy.coordinates import SkyCoord

from lightpool.config.sources import _SOURCES, SOURCE_NAMES, known_source, name_key, similar_names


def names_with_coordinates():
    """Names in which an observer has written right ascension and declination, with these coordinates."""
    for name, entry in _SOURCES.items():
        for text in (name, *entry[2:]):
            match = re.search(r"(J?)(\d\d)(\d\d)(?:\.\d)?([+-]\d\d)(\d*)$", text)
            if match is not None:
                is_j2000, hours, minutes, degrees, rest = match.groups()
                # two digits more are minutes of arc, one digit is a tenth of a degree
                arcmin = int(rest) * (6 if len(rest) == 1 or "HESS" in text else 1) if rest else 30
                sign = -1 if degrees.startswith("-") else 1
                position = SkyCoord(
                    (int(hours) + (int(minutes) + 0.5) / 60) * 15,
                    int(degrees) + sign * arcmin / 60,
                    unit="deg",
                    frame="fk5" if is_j2000 else "fk4",
                )
                yield pytest.param(known_source(name), position.icrs, id=text)


@pytest.mark.parametrize(("known", "position"), list(names_with_coordinates()))
def test_a_source_is_where_its_name_says(known, position):
    # names are written with minutes of time and minutes or tenths of a degree, and before the position was well known
    assert SkyCoord(*known, unit="deg").separation(position).deg < 0.7


def test_many_names_tell_their_position():
    assert len(list(names_with_coordinates())) > 60


def test_no_name_stands_for_two_sources():
    texts = [str(text) for name, entry in _SOURCES.items() for text in (name, *entry[2:])]
    assert len(set(map(name_key, texts))) == len(texts)


@pytest.mark.parametrize("name", ["crab", "CRAB NEBULA", "M1", "m 1", "CrabNebula", "Taurus_A"])
def test_one_source_has_several_names(name):
    assert known_source(name) == known_source("Crab")


def test_the_minus_sign_of_typesetting_is_that_of_the_keyboard():
    assert (
        known_source("PKS 2155\N{MINUS SIGN}304")
        == known_source("PKS 2155\N{EN DASH}304")
        == known_source("pks2155-304")
    )


def test_a_name_that_is_spelled_wrongly_has_similar_ones():
    assert similar_names("Mkr 421")[0] == "Mrk 421"
    assert similar_names("zzz") == []
    assert known_source("Mkr 421") is None


def test_the_list_has_the_sources_of_the_textbooks():
    assert {"Crab", "Vela", "Sgr A*", "Mrk 421", "Mrk 501", "M 87", "PKS 2155-304", "RX J1713.7-3946"} <= set(
        SOURCE_NAMES
    )
