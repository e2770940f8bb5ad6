"""Units of maps in files: none is lost in silence."""

import logging

import astropy.units as u
import numpy as np
import pytest

from lightpool.fits import BinTableHDU, Column, HDUList, ImageHDU, PrimaryHDU
from lightpool.maps import Map

CARDS = {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "CRPIX1": 3.0, "CRPIX2": 2.5, "CDELT1": -0.5, "CDELT2": 0.5}


def fermi_cube(tables, **cards):
    cube = PrimaryHDU(np.ones((3, 4, 5), "f4"))
    cube.header.update(CARDS | cards)
    hdus = [cube]
    if "ENERGIES" in tables:
        energies = Column("Energy", "D", array=np.array([1e3, 1e4, 1e5]))
        hdus.append(BinTableHDU.from_columns([energies], name="ENERGIES"))
    if "EBOUNDS" in tables:
        columns = [
            Column(n, "D", unit="keV", array=10.0 ** (np.arange(3) + i)) for i, n in enumerate(("E_MIN", "E_MAX"))
        ]
        hdus.append(BinTableHDU.from_columns(columns, name="EBOUNDS"))
    if "GTI" in tables:
        columns = [Column(name, "D", unit="s", array=[0.0]) for name in ("START", "STOP")]
        hdus.append(BinTableHDU.from_columns(columns, name="GTI"))
    return HDUList(hdus)


@pytest.mark.parametrize(
    ("tables", "cards", "unit"),
    [
        (["ENERGIES", "GTI"], {}, "cm2 s"),
        (["ENERGIES"], {}, "cm-2 s-1 MeV-1 sr-1"),
        (["ENERGIES"], {"BUNIT": ""}, "cm-2 s-1 MeV-1 sr-1"),
        (["ENERGIES", "GTI"], {"BUNIT": "m2 s"}, "m2 s"),
        (["EBOUNDS", "GTI"], {}, ""),
    ],
)
def test_cubes_of_the_fermi_tools_have_the_units_of_their_kind(tables, cards, unit):
    assert Map.from_hdulist(fermi_cube(tables, **cards)).unit == u.Unit(unit)


@pytest.mark.parametrize(("name", "is_reported"), [("EXPOSURE", True), ("PSF_EXPOSURE", True), ("COUNTS", False)])
def test_an_exposure_without_a_unit_is_reported(name, is_reported, caplog):
    image = ImageHDU(np.ones((4, 5)), name=name)
    image.header.update(CARDS)
    with caplog.at_level(logging.WARNING):
        Map.from_hdulist(HDUList([PrimaryHDU(), image]))
    assert (f"HDU '{name}' has no keyword BUNIT" in caplog.text) == is_reported
