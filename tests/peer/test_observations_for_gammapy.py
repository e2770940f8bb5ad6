"""Observations that lightpool has written are read by Gammapy."""

import gammapy.irf as their_irf
import gammapy.maps as their_maps
import pytest
from gammapy.data import Observation as TheirObservation
from numpy.testing import assert_allclose, assert_array_equal

from lightpool.data import DataStore, HDUIndexTable, Observation, ObservationTable

pytestmark = [pytest.mark.peer, pytest.mark.reference, pytest.mark.slow]


@pytest.fixture(scope="module")
def hess(shared):
    return DataStore.from_dir(shared / "data/hess-dl3-dr1").obs(23523)


@pytest.fixture(scope="module")
def hawc(shared):
    folder = shared / "data/hawc/crab_events_pass4"
    store = DataStore(
        hdu_table=HDUIndexTable.read(folder / "hdu-index-table-NN-Crab.fits.gz", hdu=6),
        obs_table=ObservationTable.read(folder / "obs-index-table-NN-Crab.fits.gz", hdu=1),
    )
    return store.get_observations()[0]


def assert_same_events(found, written):
    assert_array_equal(found.events.table["ENERGY"], written.events.table["ENERGY"])
    assert_allclose(found.gti.time_sum.to_value("s"), written.gti.time_sum.to_value("s"), rtol=1e-12)
    assert int(found.obs_id) == written.obs_id


def test_tables_are_read(hess, tmp_path):
    hess.write(tmp_path / "run.fits", checksum=True)
    found = TheirObservation.read(tmp_path / "run.fits", checksum=True)
    assert_same_events(found, hess)
    assert found.pointing.fixed_icrs.separation(hess.pointing.fixed_icrs).arcsec < 1e-6
    assert found.available_irfs == hess.available_irfs
    for name in hess.available_irfs:
        assert_allclose(getattr(found, name).data, getattr(hess, name).data)


def test_maps_on_the_sky_are_read_by_their_names(hawc, tmp_path, caplog):
    path = tmp_path / "run.fits"
    hawc.write(path)
    found = TheirObservation.read(path)
    assert_same_events(found, hawc)
    assert "unknown class HDUCLAS2=EFF_AREA, HDUCLAS4=MAP" in caplog.text
    area = their_maps.Map.read(path, hdu="aeff")
    assert area.unit == hawc.aeff.unit
    assert_array_equal(area.data, hawc.aeff.data)
    psf = their_irf.RecoPSFMap.read(path, hdu="psf")
    assert_array_equal(psf.psf_map.data, hawc.psf.psf_map.data)
    again = Observation.read(path)
    assert again.obs_id == hawc.obs_id
    assert_array_equal(again.bkg.data, hawc.bkg.data)
