"""Region maps in OGIP files and in tables of flux points."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from regions import CircleSkyRegion

from lightpool.arrays.devices.devices import to_host
from lightpool.errors import FormatError
from lightpool.maps import MapAxis, RegionNDMap

REGION = CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.2 * u.deg)
ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
TRUE = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4, name="energy_true")
VALUES = np.array([3.0, 0.0, 7.0, 1.0])


@pytest.mark.parametrize("format", ["ogip", "ogip-sherpa"])
def test_counts_come_back_from_an_ogip_file(backend, tmp_path, format):
    counts = RegionNDMap.create(REGION, axes=[ENERGY], data=VALUES, meta={"exposure": 1200.0})
    counts.write(tmp_path / "pha.fits", format=format)
    with fits.open(tmp_path / "pha.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SPECTRUM", "EBOUNDS", "REGION"]
        assert hdus["SPECTRUM"].data["COUNTS"].dtype == ">i4"
        assert hdus["SPECTRUM"].header["HDUCLAS1"] == "SPECTRUM"
        assert hdus["SPECTRUM"].header["EXPOSURE"] == 1200
        assert hdus["EBOUNDS"].columns["E_MIN"].unit == ("keV" if format == "ogip-sherpa" else "TeV")
    read = RegionNDMap.read(tmp_path / "pha.fits", format="ogip")
    assert_array_equal(to_host(read.data)[:, 0, 0], VALUES)
    assert read.geom.axes == counts.geom.axes
    assert read.geom.region.center.separation(REGION.center) < 1e-6 * u.deg
    assert read.unit == ""


def test_numbers_that_are_no_counts_are_not_truncated():
    npred = RegionNDMap.create(REGION, axes=[ENERGY], data=VALUES + 0.25)
    assert_array_equal(npred.to_table(format="ogip")["COUNTS"], VALUES + 0.25)


def test_the_quality_of_channels_is_a_mask_of_the_good_ones():
    hdus = RegionNDMap.create(REGION, axes=[ENERGY], data=VALUES).to_hdulist(format="ogip")
    table = Table.read(hdus["SPECTRUM"])
    table["QUALITY"] = [0, 1, 0, 5]
    hdus["SPECTRUM"] = fits.BinTableHDU(table, name="SPECTRUM")
    mask = RegionNDMap.from_hdulist(hdus, format="ogip", ogip_column="QUALITY")
    assert mask.is_mask
    assert to_host(mask.data)[:, 0, 0].tolist() == [True, False, True, False]
    with pytest.raises(FormatError, match="RATE"):
        RegionNDMap.from_hdulist(hdus, format="ogip", ogip_column="RATE")


@pytest.mark.parametrize("format", ["ogip-arf", "ogip-arf-sherpa"])
def test_effective_areas_come_back_with_their_unit(backend, tmp_path, format):
    area = RegionNDMap.create(REGION, axes=[TRUE], data=VALUES, unit="m2")
    area.write(tmp_path / "arf.fits", format=format)
    with fits.open(tmp_path / "arf.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SPECRESP"]
    read = RegionNDMap.read(tmp_path / "arf.fits", format="ogip-arf")
    assert read.unit == ("cm2" if format == "ogip-arf-sherpa" else "m2")
    assert_allclose(to_host(read.to_unit("m2").data)[:, 0, 0], VALUES)
    assert read.geom.axes == area.geom.axes


def test_columns_of_a_light_curve_are_maps():
    table = Table({"e_min": [[1.0, 3.0]] * 3 * u.TeV, "e_max": [[3.0, 10.0]] * 3 * u.TeV})
    table["time_min"], table["time_max"] = [58000.0, 58001, 58002], [58000.5, 58001.5, 58002.5]
    table["dnde"] = np.arange(6.0).reshape(3, 2) * u.Unit("cm-2 s-1 TeV-1")
    table["is_ul"] = np.arange(6).reshape(3, 2) > 3
    table["stat_scan"] = np.arange(12.0).reshape(3, 2, 2)
    table["norm_scan"] = np.broadcast_to([0.5, 2.0], (3, 2, 2))
    table.meta["TIMESYS"] = "tt"
    flux = RegionNDMap.from_table(table, format="lightcurve", colname="dnde")
    assert flux.geom.axes.names == ["energy", "time"]
    assert flux.unit == "cm-2 s-1 TeV-1"
    assert_array_equal(to_host(flux.data)[..., 0, 0], np.arange(6.0).reshape(3, 2))
    assert RegionNDMap.from_table(table, format="lightcurve", colname="is_ul").is_mask
    scan = RegionNDMap.from_table(table, format="lightcurve", colname="stat_scan")
    assert scan.geom.axes.names == ["norm", "energy", "time"]
    with pytest.raises(FormatError, match="colname must be one of"):
        RegionNDMap.from_table(table, format="lightcurve")
    with pytest.raises(FormatError, match="gadf-sed"):
        RegionNDMap.from_table(table, format="gadf")


def test_values_along_one_axis_are_taken_one_after_the_other():
    m = RegionNDMap.create(REGION, axes=[ENERGY, MapAxis.from_edges([0, 1, 2], name="x")], unit="s")
    m.data = np.arange(8.0).reshape(2, 4)
    found = list(m.iter_by_axis_data("energy"))
    assert [index for index, _ in found] == [(0, slice(None), 0, 0), (1, slice(None), 0, 0)]
    assert_array_equal(found[1][1], np.arange(4.0, 8.0) * u.s)
    with pytest.raises(NotImplementedError, match="Crop"):
        m.crop(1)


def test_bins_are_read_and_set_by_their_index(backend):
    m = RegionNDMap.create(REGION, axes=[ENERGY])
    m.set_by_idx((0, 0, 2), value=3.0)
    assert to_host(m.get_by_idx(idxs=(0, 0, 2))).item() == 3
    assert to_host(m.data).sum() == 3
    with pytest.raises(TypeError, match="RegionNDMap"):
        m.plot_grid()
