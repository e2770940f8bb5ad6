"""Event lists, pointings, metadata and stores of `lightpool.data` beside Gammapy's."""

import astropy.units as u
import gammapy.data as theirs
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from gammapy.data import ivoa as their_ivoa
from gammapy.utils import coordinates as their_coordinates
from gammapy.utils import metadata as their_metadata

import lightpool.data as ours
from lightpool.data import ivoa as our_ivoa
from lightpool.data import metadata as our_metadata
from lightpool.utils import coordinates as our_coordinates

pytestmark = [pytest.mark.peer, pytest.mark.reference]


@pytest.fixture(scope="module")
def hess(shared):
    return shared / "data/hess-dl3-dr1/data/hess_dl3_dr1_obs_id_023523.fits.gz"


@pytest.mark.parametrize("kind", ["ObservationMetaData", "EventListMetaData", "GTIMetaData"])
def test_metadata_of_a_header_become_the_same_header(hess, kind):
    header = fits.getheader(hess, "GTI" if kind == "GTIMetaData" else "EVENTS")
    found = getattr(ours, kind).from_header(header).to_header()
    expected = getattr(theirs, kind).from_header(header).to_header()
    for values in (found, expected):  # who wrote it, and now
        values.pop("CREATOR", None)
        values.pop("CREATED", None)
    assert set(found) == set(expected)
    for key, value in expected.items():
        # Gammapy rounds the reference time to 2e-7 s.
        assert found[key] == (pytest.approx(value, rel=1e-9, abs=1e-11) if isinstance(value, float) else value)


def test_yaml_of_metadata_is_the_same():
    values = {
        "obs_info": {"obs_id": 5, "telescope": "HESS"},
        "location": "hess",
        "time_info": {"time_start": Time(53000, format="mjd", scale="tt")},
        "target": {"name": "Crab", "position": SkyCoord(83.6, 22.0, unit="deg")},
        "creation": {"creator": "me", "date": "2020-01-01"},
        "optional": {"N_TELS": 4},
        "deadtime_fraction": 0.07,
    }
    found = ours.ObservationMetaData(**values).to_yaml()
    their_values = dict(values)
    assert found == theirs.ObservationMetaData(**their_values).to_yaml()
    assert our_metadata.CreatorMetaData._tag == their_metadata.CreatorMetaData._tag


def test_a_pointing_table_gives_the_same_directions(shared):
    path = shared / "data/tests/pointing_table.fits.gz"
    found, expected = ours.PointingInfo.read(path), theirs.PointingInfo.read(path)
    assert str(found) == str(expected)
    time = expected.time[0] + [0.0, 3.7, 1585.9] * u.s
    assert found.get_icrs(time).separation(expected.get_icrs(time)).max() < 1e-8 * u.deg
    # Gammapy interpolates over dates, which are good to 40 microseconds.
    found_altaz, expected_altaz = found.altaz_interpolate(time), expected.altaz_interpolate(time)
    assert abs(found_altaz.alt - expected_altaz.alt).max() < 1e-6 * u.deg
    assert abs(found_altaz.az - expected_altaz.az).max() < 1e-6 * u.deg
    assert found.altaz_from_table.separation(expected.altaz_from_table).max() == 0
    # `get_altaz` of Gammapy 2.1 fails; the columns of this table are those at the telescope.
    at_rows = found.get_altaz(found.time)
    assert abs(at_rows.alt - found.table["ALT_PNT"].quantity).max() < 1e-9 * u.deg


@pytest.mark.parametrize("kwargs", [{"position": SkyCoord(83.6, 22.0, unit="deg")}, {"fixed_offset": 0.7 * u.deg}, {}])
def test_features_of_responses_are_the_same(shared, kwargs):
    folder, numbers = shared / "data/hess-dl3-dr1", [23523, 23592, 20275]
    found, expected = (
        package.get_irfs_features(
            package.DataStore.from_dir(folder).get_observations(numbers), energy_true="1 TeV", **kwargs
        )
        for package in (ours, theirs)
    )
    assert found.colnames == expected.colnames
    for name in expected.colnames:
        assert found[name].unit == expected[name].unit
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9)


@pytest.mark.parametrize("alignment", ["RADEC", "ALTAZ"])
def test_frames_of_the_field_of_view_are_the_same(shared, alignment):
    folder = shared / "data/hess-dl3-dr1"
    observations = [package.DataStore.from_dir(folder).obs(23523) for package in (ours, theirs)]
    time = observations[1].tmid + [-500, 500] * u.s
    position = SkyCoord([84.0, 82.0], [22.5, 21.0], unit="deg")
    found, expected = (position.transform_to(each.get_fov_frame(time, alignment)) for each in observations)
    np.testing.assert_allclose(found.fov_lon.deg, expected.fov_lon.deg, rtol=1e-9)
    np.testing.assert_allclose(found.fov_lat.deg, expected.fov_lat.deg, rtol=1e-9)


def test_conversions_to_the_field_of_view_are_the_same():
    arguments = (84 * u.deg, [22.0, 23.0] * u.deg, 83 * u.deg, 22 * u.deg)
    for name in ("sky_to_fov", "fov_to_sky"):
        found, expected = (getattr(package, name)(*arguments) for package in (our_coordinates, their_coordinates))
        np.testing.assert_allclose(u.Quantity(found).value, u.Quantity(expected).value, rtol=1e-9)


def test_a_store_of_hawc_is_the_same(shared):
    folder = shared / "data/hawc/crab_events_pass4"
    observations = []
    for package in (ours, theirs):
        index = package.HDUIndexTable.read(folder / "hdu-index-table-NN-Crab.fits.gz", hdu=6)
        table = package.ObservationTable.read(folder / "obs-index-table-NN-Crab.fits.gz", hdu=6)
        observations.append(package.DataStore(hdu_table=index, obs_table=table).get_observations()[0])
    found, expected = observations
    assert found.available_hdus == expected.available_hdus
    assert found.meta.obs_info.obs_id == expected.meta.obs_info.obs_id
    assert found.pointing.mode.name == expected.pointing.mode.name == "DRIFT"
    np.testing.assert_allclose(found.aeff.data, expected.aeff.data, rtol=1e-9)
    np.testing.assert_allclose(found.events.energy.value, expected.events.energy.value, rtol=0)
    assert found.gti.time_sum.to_value("s") == pytest.approx(expected.gti.time_sum.to_value("s"), rel=1e-12)


def test_obscore_tables_are_the_same(shared):
    arguments = (str(shared / "data/hess-dl3-dr1"), [23523, 20275], "ivo://padc.obspm/hess", "https://host/")
    found, expected = (package.to_obscore_table(*arguments) for package in (our_ivoa, their_ivoa))
    assert found.colnames == expected.colnames
    for name in expected.colnames:
        assert found[name].unit == expected[name].unit
        assert found[name].meta == expected[name].meta
        if expected[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-9)
        elif expected[name].dtype.kind == "i":
            assert found[name].tolist() == expected[name].tolist()
        else:  # Gammapy cuts long texts
            assert [text[: len(cut)] for text, cut in zip(found[name], expected[name], strict=True)] == list(
                expected[name]
            )
    empty, theirs_empty = our_ivoa.empty_obscore_table(), their_ivoa.empty_obscore_table()
    assert [empty[name].dtype for name in empty.colnames] == [theirs_empty[name].dtype for name in empty.colnames]
