"""Cubes of the Fermi tools: counts, exposures and templates; their files often lack the unit."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import FormatError
from lightpool.maps import Map, MapAxis, WcsGeom, WcsNDMap

EDGES = MapAxis.from_energy_bounds("10 GeV", "1 TeV", nbin=3)
NODES = MapAxis.from_nodes([10, 100, 1000] * u.GeV, name="energy_true", interp="log")


def cube(axis, unit=""):
    geom = WcsGeom.create(npix=(5, 4), binsz=0.5, frame="galactic", proj="AIT", axes=[axis])
    return Map.from_geom(geom, data=np.arange(60.0).reshape(geom.data_shape), unit=unit)


def without_unit(hdus):
    del hdus[0].header["BUNIT"]
    return hdus


def test_counts_are_written_with_their_channels_in_kev(backend, tmp_path):
    cube(EDGES).write(tmp_path / "counts.fits", format="fgst-ccube")
    with fits.open(tmp_path / "counts.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "EBOUNDS"]
        assert hdus["EBOUNDS"].columns.names == ["CHANNEL", "E_MIN", "E_MAX"]
        assert hdus["EBOUNDS"].columns["E_MIN"].unit == "keV"
        assert_allclose(hdus["EBOUNDS"].data["E_MIN"][0], 1e7)
    read = Map.read(tmp_path / "counts.fits")
    assert read.geom.axes == cube(EDGES).geom.axes
    assert_array_equal(to_host(read.data), np.arange(60.0).reshape(3, 4, 5))


@pytest.mark.parametrize("format", ["fgst-template", "fgst-bexpcube"])
def test_values_at_energies_are_written_with_them_in_mev(tmp_path, format):
    cube(NODES, "cm2 s").write(tmp_path / "map.fits", format=format)
    with fits.open(tmp_path / "map.fits") as hdus:
        assert_allclose(hdus["ENERGIES"].data["Energy"], [1e4, 1e5, 1e6])
    read = Map.read(tmp_path / "map.fits")
    assert read.unit == "cm2 s"
    assert read.geom.axes == cube(NODES).geom.axes


def test_the_unit_of_an_exposure_without_one_is_inferred_or_requested(caplog):
    hdus = without_unit(cube(NODES, "cm2 s").to_hdulist(format="fgst-template"))
    # a template of diffuse emission, unless something tells that it is not
    assert Map.from_hdulist(hdus).unit == "cm-2 s-1 MeV-1 sr-1"
    assert Map.from_hdulist(hdus, format="fgst-bexpcube").unit == "cm2 s"
    assert not caplog.records
    hdus[0].header["CTYPE3"] = "log_Energy"
    assert Map.from_hdulist(hdus).unit == "cm2 s"
    assert "read as an exposure in cm2 s" in caplog.text  # Gammapy takes it for diffuse emission
    del hdus[0].header["CTYPE3"]
    hdus.append(fits.BinTableHDU(name="GTI"))
    assert Map.from_hdulist(hdus).unit == "cm2 s"
    # what a file states counts
    hdus[0].header["BUNIT"] = "m2 s"
    assert Map.from_hdulist(hdus, format="fgst-bexpcube").unit == "m2 s"


def test_other_axes_than_energy_are_refused():
    with pytest.raises(FormatError, match="one axis, 'energy' or 'energy_true'"):
        cube(MapAxis.from_edges([0, 1, 2, 3], name="rad", unit="deg")).to_hdulist(format="fgst-ccube")


def test_one_hdu_holds_values_unit_and_metadata(backend):
    m = cube(EDGES, "s")
    m.meta["origin"] = "a test"
    hdu, bands = m.to_hdu(hdu_bands="BINS"), m.geom.to_bands_hdu(hdu_bands="BINS")
    assert hdu.name == "SKYMAP"
    assert hdu.header["BANDSHDU"] == "BINS"
    for one in (hdu, m.to_hdu(sparse=True)):
        read = WcsNDMap.from_hdu(one, bands)
        assert read.unit == "s"
        assert read.meta == {"origin": "a test"}
        assert read.geom == m.geom
        assert_array_equal(to_host(read.data), np.arange(60.0).reshape(3, 4, 5))


@pytest.mark.reference
def test_cubes_around_the_galactic_centre_have_their_units(shared):
    folder = shared / "data" / "fermi-3fhl-gc"
    exposure = Map.read(folder / "fermi-3fhl-gc-exposure-cube.fits.gz")
    assert exposure.unit == "cm2 s"
    assert exposure.geom.axes["energy_true"].nbin == 12
    counts = Map.read(folder / "fermi-3fhl-gc-counts-cube.fits.gz")
    assert_allclose(counts.geom.axes["energy"].edges[0].to_value("GeV"), 10, rtol=1e-6)
