"""Pointing tables: directions between the times of their rows."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from lightpool.data import PointingInfo
from lightpool.errors import LightpoolError, MissingColumnError

META = {
    "MJDREFI": 51910,
    "MJDREFF": 0.000742870370370241,
    "TIMESYS": "TT",
    "GEOLON": 16.5,
    "GEOLAT": -23.27,
    "GEOALT": 1835.0,
}


def pointing_table(with_altaz=True):
    """A telescope that moves by 1 deg from row to row, over the meridian of 0 deg, at constant altitude."""
    columns = {"TIME": [100.0, 200, 300], "RA_PNT": [359.0, 0, 1], "DEC_PNT": [10.0, 10, 10]}
    if with_altaz:
        columns |= {"ALT_PNT": [60.0, 60, 60], "AZ_PNT": [10.0, 20, 30]}
    return Table(columns, meta=dict(META), units=dict.fromkeys(columns, u.deg) | {"TIME": u.s})


def test_between_two_rows_the_direction_is_between_theirs():
    pointing = PointingInfo(pointing_table())
    found = pointing.get_icrs(pointing.time[0] + [0, 50, 125] * u.s)
    expected = SkyCoord([359, 359.5, 0.25], [10, 10, 10], unit="deg")
    # On the chord between two rows, 1e-3 deg from the parallel.
    assert np.all(found.separation(expected) < 1e-3 * u.deg)
    assert found.obstime.shape == (3,)
    middle = pointing.radec.cartesian.xyz[:, :2].mean(axis=1)
    one = pointing.get_icrs(pointing.time[0] + 50 * u.s)
    assert one.shape == ()
    np.testing.assert_allclose(one.cartesian.xyz.value, middle.value / np.linalg.norm(middle.value), rtol=1e-12)


def test_at_the_times_of_the_rows_it_is_that_of_the_rows():
    pointing = PointingInfo(pointing_table())
    assert np.all(pointing.get_icrs(pointing.time).separation(pointing.radec) < 1e-9 * u.deg)
    altaz = pointing.get_altaz(pointing.time)
    np.testing.assert_allclose(altaz.az.deg, [10, 20, 30], rtol=1e-12)
    np.testing.assert_allclose(pointing.altaz_interpolate(pointing.time).alt.deg, pointing.altaz.alt.deg, rtol=1e-12)


def test_without_columns_altitude_and_azimuth_are_computed():
    pointing = PointingInfo(pointing_table(with_altaz=False))
    time = pointing.time[1]
    expected = pointing.radec[1].transform_to(pointing.get_altaz(time).frame)
    assert pointing.get_altaz(time).separation(expected) < 1e-9 * u.deg


def test_a_time_outside_of_the_table_is_refused():
    pointing = PointingInfo(pointing_table())
    for time in (pointing.time[0] - 1 * u.s, pointing.time[-1] + 1 * u.s, Time("2030-01-01")):
        with pytest.raises(ValueError, match="none at"):
            pointing.get_icrs(time)
        with pytest.raises(ValueError, match="none at"):
            pointing.get_altaz(time)


def test_what_is_missing_is_named():
    table = pointing_table()
    table.remove_column("RA_PNT")
    with pytest.raises(MissingColumnError, match="RA_PNT"):
        PointingInfo(table)
    table = pointing_table()
    del table.meta["GEOLAT"]
    with pytest.raises(LightpoolError, match="GEOLAT"):
        _ = PointingInfo(table).location


def test_a_table_of_a_file_says_what_it_holds(tmp_path):
    table = pointing_table()
    table.meta["EXTNAME"] = "POINTING"
    table.write(tmp_path / "pointing.fits")
    pointing = PointingInfo.read(tmp_path / "pointing.fits")
    assert pointing.duration.to_value("s") == pytest.approx(200)
    text = str(pointing)
    assert "Table length: 3" in text
    assert "RADEC: 359 10 deg" in text
    assert pointing.time_ref.mjd == pytest.approx(51910.000742870370)
