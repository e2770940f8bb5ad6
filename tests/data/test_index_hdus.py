"""Index files with several tables, as HAWC publishes them, and stores without an observation index or responses."""

import numpy as np
import pytest
from astropy.io import fits
from made_up_stores import table_hdu

from lightpool.data import DataStore, HDUIndexTable, ObservationTable
from lightpool.data.io import ObservationTableReader
from lightpool.errors import MissingDataError


@pytest.fixture
def by_bin(three):
    """Index files with a table for each observation, in HDU 1, 2 and 3."""
    folder = three.finish()
    for name, rows in (("hdu-index", three.hdu_rows), ("obs-index", three.obs_rows)):
        tables = [table_hdu("", [row for row in rows if row["OBS_ID"] == number]) for number in (1, 2, 3)]
        fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(folder / f"{name}-bins.fits")
        fits.HDUList([fits.PrimaryHDU(), tables[1]]).writeto(folder / f"{name}-one.fits")
    return folder


def test_the_table_of_a_bin_is_read_by_its_number(by_bin):
    index = HDUIndexTable.read(by_bin / "hdu-index-bins.fits", hdu=2)
    table = ObservationTable.read(by_bin / "obs-index-bins.fits", hdu=2)
    assert set(index["OBS_ID"]) == set(table["OBS_ID"]) == {2}
    store = DataStore(hdu_table=index, obs_table=table)
    assert store.get_observations().ids == ["2"]
    with pytest.raises(MissingDataError, match="9"):
        HDUIndexTable.read(by_bin / "hdu-index-bins.fits", hdu=9)


def test_the_only_table_of_a_file_is_that_of_any_bin_with_a_warning(by_bin, caplog):
    index = HDUIndexTable.read(by_bin / "hdu-index-one.fits", hdu=2)
    table = ObservationTable.read(by_bin / "obs-index-one.fits", hdu=2)
    assert set(index["OBS_ID"]) == set(table["OBS_ID"]) == {2}
    assert caplog.text.count("only table") == 2
    assert len(ObservationTableReader().read(by_bin / "obs-index-one.fits", hdu=7)) == 1


def test_a_store_needs_no_observation_index(by_bin):
    store = DataStore(hdu_table=HDUIndexTable.read(by_bin / "hdu-index-one.fits"))
    assert store.obs_table is None
    assert len(store.get_observations()[0].events) == 10
    assert "No observation index" in str(store)


def test_an_index_of_events_alone_gives_events(by_bin):
    index = HDUIndexTable.read(by_bin / "hdu-index-bins.fits", hdu=3)
    events = index[index["HDU_TYPE"] == "events"]
    store = DataStore(hdu_table=events)
    assert len(store.get_observations()) == 0  # without responses, as in Gammapy
    observation = store.get_observations(required_irf="all-optional", require_events=False)[0]
    assert observation.available_hdus == ["events"]
    assert len(observation.events) == 10
    assert np.isfinite(observation.pointing_radec.ra.deg)


def test_a_store_without_an_index_is_empty():
    store = DataStore()
    assert store.obs_ids.tolist() == []
    assert len(store.get_observations()) == 0
    with pytest.raises(ValueError, match="5"):
        store.obs(5)
