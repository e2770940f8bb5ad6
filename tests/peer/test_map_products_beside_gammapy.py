"""Products, histograms, reprojected maps and files of OGIP and Fermi have the numbers of Gammapy."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion

pytestmark = pytest.mark.peer

CENTRE = SkyCoord(83.63, 22.01, unit="deg")
REGION = CircleSkyRegion(CENTRE, 0.3 * u.deg)
DIRECTIONS = (("lightpool", "gammapy"), ("gammapy", "lightpool"))


def both(make):
    """The results of a function of each package of maps, Gammapy's first."""
    return make(import_module("gammapy.maps")), make(import_module("lightpool.maps"))


def sky_map(maps, npix=(20, 16), **kwargs):
    axis = maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    geom = maps.WcsGeom.create(npix=npix, binsz=0.1, skydir=CENTRE, axes=[axis], **kwargs)
    return maps.Map.from_geom(geom, data=np.random.default_rng(3).uniform(1, 2, geom.data_shape), unit="s")


def spectrum(maps, name="energy", nbin=3, data=None, unit=""):
    axis = maps.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=nbin, name=name)
    values = np.arange(1.0, nbin + 1) if data is None else data
    m = maps.RegionNDMap.create(REGION, axes=[axis], unit=unit, dtype="float64")
    m.data = np.asarray(values).reshape(m.geom.data_shape)
    return m


def test_products_of_maps_are_those_of_gammapy():
    def make(maps):
        factor = maps.RegionNDMap.create(
            REGION,
            axes=[sky_map(maps).geom.axes["energy"], maps.MapAxis.from_edges([0, 1, 2], name="x")],
            dtype="float64",
        )
        factor.data = np.arange(6.0).reshape(2, 3, 1, 1)
        return sky_map(maps).dot(factor)

    its, mine = both(make)
    assert mine.geom.axes.names == its.geom.axes.names
    assert_allclose(mine.data, its.data, rtol=1e-12)


@pytest.mark.parametrize("preserve_counts", [True, False])
def test_reprojected_maps_agree(preserve_counts):
    def make(maps):
        target = maps.WcsGeom.create(npix=(9, 8), binsz=0.17, skydir=CENTRE, frame="galactic", proj="TAN")
        return sky_map(maps).reproject_to_geom(target, preserve_counts=preserve_counts)

    its, mine = both(make)
    # Gammapy shares counts out by solid angles of the large pixels, and takes pixel edges where wcslib rounds them
    assert_allclose(mine.data.sum(), its.data.sum(), rtol=1e-5)
    difference = np.abs(mine.data - its.data) / np.abs(its.data)
    assert np.nanmedian(difference) < 1e-5
    assert np.nanmax(difference) < 0.02


def test_histograms_agree():
    def make(maps):
        axis = maps.MapAxis.from_edges(np.linspace(1, 2, 11), name="value", unit="s")
        m = sky_map(maps)
        return [m.to_region_nd_map_histogram(REGION, axis), m.to_region_nd_map_histogram(REGION, nbin=20, density=True)]

    for its, mine in zip(*both(make), strict=True):
        assert mine.geom.axes.names == its.geom.axes.names
        assert mine.unit == its.unit
        assert_allclose(mine.data, its.data, rtol=1e-9)


def test_containment_agrees():
    def make(maps):
        geom = maps.WcsGeom.create(npix=61, binsz=0.02, skydir=CENTRE, proj="TAN")
        # beside the centre, so that no pixels have the same value
        peak = SkyCoord(83.6371, 22.0053, unit="deg")
        m = maps.Map.from_geom(geom, data=np.exp(-0.5 * (geom.separation(peak).to_value("deg") / 0.2) ** 2))
        return maps.containment_radius(m), maps.containment_region(m).vertices

    its, mine = both(make)
    assert_allclose(mine[0].deg, its[0].deg, rtol=1e-9)
    assert mine[1].separation(np.ravel(its[1])).max() < 1e-9 * u.deg


def test_random_coordinates_agree():
    its, mine = both(lambda maps: sky_map(maps).sample_coord(50, random_state=7))
    for name in ("lon", "lat", "energy"):
        assert_allclose(mine[name].value, its[name].value, rtol=1e-9)


@pytest.mark.parametrize(("writer", "reader"), DIRECTIONS)
@pytest.mark.parametrize(("format", "name", "unit"), [("ogip", "energy", ""), ("ogip-arf", "energy_true", "m2")])
def test_files_of_spectra_are_read_by_both(tmp_path, writer, reader, format, name, unit):
    written = spectrum(import_module(f"{writer}.maps"), name, unit=unit)
    written.write(tmp_path / "map.fits", format=format)
    maps = import_module(f"{reader}.maps")
    read = maps.RegionNDMap.read(tmp_path / "map.fits", format=format)
    assert_array_equal(read.data[:, 0, 0], [1, 2, 3])
    assert read.unit == unit
    assert read.geom.axes[0] == spectrum(maps, name).geom.axes[0]


@pytest.mark.parametrize(("writer", "reader"), DIRECTIONS)
def test_counts_cubes_of_fermi_are_read_by_both(tmp_path, writer, reader):
    sky_map(import_module(f"{writer}.maps")).write(tmp_path / "map.fits", format="fgst-ccube")
    maps = import_module(f"{reader}.maps")
    read = maps.Map.read(tmp_path / "map.fits")
    assert_allclose(read.data, sky_map(maps).data)
    assert read.geom.axes["energy"] == sky_map(maps).geom.axes["energy"]


def test_templates_of_fermi_are_read_by_gammapy(tmp_path):
    maps = import_module("lightpool.maps")
    axis = maps.MapAxis.from_nodes([1, 10, 100] * u.GeV, name="energy_true", interp="log")
    m = maps.WcsNDMap.create(npix=4, axes=[axis], unit="cm-2 s-1 MeV-1 sr-1")
    m.write(tmp_path / "map.fits", format="fgst-template")
    read = import_module("gammapy.maps").Map.read(tmp_path / "map.fits")
    assert_allclose(read.geom.axes["energy_true"].center.to_value("GeV"), [1, 10, 100])
    assert read.unit == m.unit


def test_exposures_of_fermi_agree(shared):
    path = shared / "data" / "fermi-3fhl-gc" / "fermi-3fhl-gc-exposure-cube.fits.gz"
    its, mine = both(lambda maps: maps.Map.read(path))
    assert mine.unit == its.unit
    assert_array_equal(mine.data, its.data)


def test_light_curves_agree():
    table = Table({"e_min": [[1.0, 3.0]] * 3 * u.TeV, "e_max": [[3.0, 10.0]] * 3 * u.TeV})
    table["time_min"], table["time_max"] = [0.0, 24, 48], [12.0, 36, 60]
    table["dnde"] = np.arange(6.0).reshape(3, 2) * u.Unit("cm-2 s-1 TeV-1")
    table.meta.update({"MJDREFI": 53778, "MJDREFF": 0.25, "TIMESYS": "tt", "TIMEUNIT": "h"})
    its, mine = both(lambda maps: maps.RegionNDMap.from_table(table, format="lightcurve", colname="dnde"))
    assert mine.geom.axes.names == its.geom.axes.names
    assert mine.unit == its.unit
    assert_array_equal(mine.data, its.data)
    assert_allclose(mine.geom.axes["time"].time_min.mjd, its.geom.axes["time"].time_min.mjd, rtol=1e-14)
