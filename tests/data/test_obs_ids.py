"""Observation IDs that are written as text."""

import numpy as np
import pytest
from astropy.io import fits
from made_up_stores import events_hdu, gti_hdu, header_with, write

from lightpool.data import DataStore, HDUIndexTable, Observation, ObservationTable
from lightpool.errors import FormatError


def _as_text(path, width=8, text="{:d}"):
    with fits.open(path) as hdus:
        table = hdus[1]
        columns = [column for column in table.columns if column.name != "OBS_ID"]
        values = np.array([text.format(number) for number in table.data["OBS_ID"]])
        header = table.header
    columns.insert(0, fits.Column("OBS_ID", f"{width}A", array=values))
    for key in [key for key in header if key.startswith(("TTYPE", "TFORM", "TUNIT"))]:
        del header[key]
    write(path, fits.BinTableHDU.from_columns(columns, header=header, name=header["EXTNAME"]))


@pytest.mark.parametrize("text", ["{:d}", "  {:d}  ", "{:05d}", "+{:d}"])
@pytest.mark.parametrize("files", [["hdu-index.fits"], ["obs-index.fits"], ["hdu-index.fits", "obs-index.fits"]])
def test_ids_that_are_text_in_an_index_are_numbers(store, files, text, caplog):
    for obs_id in (1, 2, 3):
        store.add(obs_id, OBS_ID=text.format(obs_id))
    folder = store.finish(".fits")
    for name in files:
        _as_text(folder / name, text=text)
    found = DataStore.from_dir(folder)
    assert found.obs_ids.tolist() == found.obs_table["OBS_ID"].tolist() == [1, 2, 3]
    assert found.get_observations().ids == ["1", "2", "3"]
    assert found.get_observations(found.obs_table.select_expression("ZEN_PNT > 15")["OBS_ID"]).ids == ["2", "3"]
    assert found.get_observations(["1", 2]).ids == ["1", "2"]
    assert found.obs("3").obs_id == 3
    assert found.obs_table.select_obs_id(["2"])["OBS_ID"].tolist() == [2]
    observation = found.obs(2)
    assert observation.meta.obs_info.obs_id == 2
    assert "says OBS_ID" not in caplog.text
    assert not [each for each in found.check() if each["code"] in ("obs-id", "index-differs")]


@pytest.mark.parametrize("name", ["hdu-index.fits", "obs-index.fits"])
def test_an_id_that_is_no_number_is_refused_with_its_row(three, name):
    folder = three.finish(".fits")
    _as_text(folder / name, text="run_{:d}")
    with pytest.raises(
        FormatError, match=rf"{name}, HDU '..._INDEX', row 0: OBS_ID = 'run_1', expected a whole number"
    ):
        DataStore.from_dir(folder)


@pytest.mark.parametrize("value", ["23", " 0023 ", 23.0])
def test_an_id_in_the_header_may_be_text(tmp_path, value):
    path = write(tmp_path / "run.fits", events_hdu(header=header_with(OBS_ID=value)), gti_hdu())
    assert Observation.read(path).obs_id == 23
    assert DataStore.from_events_files([path]).obs_ids.tolist() == [23]


@pytest.mark.parametrize("value", ["Crab_1", "", 23.5, "1e3"])
def test_an_id_in_the_header_that_is_no_number_is_refused(tmp_path, value):
    path = write(tmp_path / "run.fits", events_hdu(header=header_with(OBS_ID=value)), gti_hdu())
    for read in (Observation.read, lambda path: DataStore.from_events_files([path])):
        with pytest.raises(FormatError, match=r"run\.fits, HDU 'EVENTS': OBS_ID = .*expected a whole number"):
            read(path)


def test_ids_of_tables_in_memory_may_be_text(three):
    folder = three.finish(".fits")
    hdu_table, obs_table = (
        kind.read(folder / name)
        for kind, name in ((HDUIndexTable, "hdu-index.fits"), (ObservationTable, "obs-index.fits"))
    )
    for table in (hdu_table, obs_table):
        table["OBS_ID"] = table["OBS_ID"].astype(str)
    store = DataStore(hdu_table, obs_table)
    assert store.get_observations(store.obs_table["OBS_ID"]).ids == ["1", "2", "3"]
    assert store.hdu_table.hdu_location(2, "events").file_name == "run_2.fits"
    assert store.obs_table.select_obs_id(3)["ZEN_PNT"].tolist() == [30]
