import logging
import os
import shutil

import numpy as np
import pytest
from made_up_stores import event_columns, events_hdu, gti_hdu, header_with, irf_hdus, write

from lightpool.data import FILE_CACHE, DataStore, FileCache, HDULocation, MissingRequiredHDUError
from lightpool.data.data_store import DataStoreMaker
from lightpool.errors import FormatError, LightpoolError, MissingDataError


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_a_folder_is_opened_by_its_index_files(three, suffix):
    data_store = DataStore.from_dir(three.finish(suffix))
    assert data_store.obs_ids.tolist() == [1, 2, 3]
    assert data_store.get_observations().ids == ["1", "2", "3"]
    assert len(data_store.obs_table) == 3


def test_variables_in_paths_are_expanded(three, monkeypatch):
    monkeypatch.setenv("LIGHTPOOL_DATA", str(three.finish().parent))
    data_store = DataStore.from_dir("$LIGHTPOOL_DATA/store")
    assert len(data_store.obs(1).events) == 10
    for row in three.hdu_rows:
        row["FILE_DIR"] = "$LIGHTPOOL_DATA/store/data"
    assert len(DataStore.from_dir(three.finish()).obs(2).events) == 10


def test_folders_may_be_relative_to_the_index(three):
    for row in three.hdu_rows:
        row["FILE_DIR"] = "../store/data"
    assert len(DataStore.from_dir(three.finish()).obs(2).events) == 10


def test_index_files_can_be_named(three, tmp_path):
    folder = three.finish(".fits")
    (folder / "hdu-index.fits").rename(folder / "other.fits")
    (folder / "obs-index.fits").rename(tmp_path / "observations.fits")
    data_store = DataStore.from_dir(folder, "other.fits", tmp_path / "observations.fits")
    assert len(data_store.obs_table) == 3
    assert len(data_store.obs(1).events) == 10
    assert DataStore.from_dir(folder, "other.fits").obs_table is None


def test_both_indices_can_lie_in_one_file(three, tmp_path):
    from astropy.io import fits

    folder = three.finish(".fits")
    hdus = [fits.open(folder / name)[1] for name in ("hdu-index.fits", "obs-index.fits")]
    data_store = DataStore.from_file(write(folder / "both.fits", *hdus))
    assert len(data_store.obs(3).events) == 10
    assert len(data_store.obs_table) == 3


def test_the_summary_is_that_of_gammapy(three, capsys):
    folder = three.finish()
    expected = (
        f"Data store:\nHDU index table:\nBASE_DIR: {folder}\nRows: 18\nOBS_ID: 1 -- 3\n"
        "HDU_TYPE: ['aeff', 'bkg', 'edisp', 'events', 'gti', 'psf']\n"
        "HDU_CLASS: ['aeff_2d', 'bkg_3d', 'edisp_2d', 'events', 'gti', 'psf_table']\n\n\n"
        "Observation table:\nObservatory name: 'N/A'\nNumber of observations: 3\n"
    )
    data_store = DataStore.from_dir(folder)
    assert str(data_store) == data_store.info(show=False) == expected
    data_store.info()
    assert capsys.readouterr().out == expected + "\n"


def test_no_file_is_opened_before_its_data_are_asked_for(three):
    data_store = DataStore.from_dir(three.finish())
    for path in (three.folder / "data").iterdir():
        path.unlink()
    observations = data_store.get_observations()
    assert observations[0].available_irfs == ["aeff", "edisp", "psf", "bkg"]


def test_many_observations_are_chosen_without_a_look_at_their_files(three):
    one = list(three.hdu_rows)
    for number in range(4, 300):
        three.hdu_rows += [row | {"OBS_ID": number, "FILE_NAME": f"not_there_{number}.fits"} for row in one[:6]]
    data_store = DataStore.from_dir(three.finish())
    observations = data_store.get_observations([299, 5, 100])
    assert observations.ids == ["299", "5", "100"]
    assert observations[0].available_hdus == ["events", "gti", "aeff", "edisp", "psf", "bkg"]
    assert data_store.get_observations().ids == [str(number) for number in range(1, 300)]
    assert data_store.obs(77).obs_id == 77
    with pytest.raises(MissingDataError, match=r"observation 299, events: no file .*not_there_299\.fits"):
        _ = observations[0].events


def test_a_table_of_an_index_that_was_changed_counts(three):
    data_store = DataStore.from_dir(three.finish())
    data_store.hdu_table["OBS_ID"][data_store.hdu_table["OBS_ID"] == 3] = 30
    assert data_store.obs_ids.tolist() == [1, 2, 30]
    assert data_store.get_observations([30, 1]).ids == ["30", "1"]
    assert len(data_store.obs(30).events) == 10
    data_store.obs_table = data_store.obs_table[:1]
    assert data_store.obs_table["OBS_ID"].tolist() == [1]


def test_a_file_is_opened_once_for_all_its_parts(three, monkeypatch):
    three.pack(three.folder / "data" / "run_1.fits")
    observation = DataStore.from_dir(three.finish()).obs(1)
    from lightpool.data.files import file_cache

    opened = []

    def counting(path):
        opened.append(path)
        return read_fits(path)

    read_fits = file_cache.read_fits
    monkeypatch.setattr(file_cache, "read_fits", counting)
    for name in ("events", "gti", "aeff", "edisp", "psf", "bkg", "meta", "pointing"):
        assert getattr(observation, name) is not None
    assert len(opened) == 1
    assert np.shares_memory(observation.aeff.data, observation.aeff.data)


def test_a_file_that_has_changed_is_read_again(three):
    path = three.folder / "data" / "run_1.fits"
    observation = DataStore.from_dir(three.finish()).obs(1)
    assert len(observation.events) == 10
    write(path, events_hdu(event_columns(4)), gti_hdu(), *irf_hdus())
    os.utime(path, ns=(1, 1))
    assert len(observation.events) == 4


def test_the_cache_stays_below_its_limit(three):
    paths = sorted((three.folder / "data").iterdir())
    size = paths[0].stat().st_size
    cache = FileCache(max_bytes=2 * size)
    for path in paths:
        cache.open(path)
    assert len(cache) == 2
    assert cache.open(paths[2]) is cache.open(paths[2])
    small = FileCache(max_bytes=1)
    assert small.open(paths[0]) is small.open(paths[0])


def test_what_was_made_of_a_file_counts_too(three):
    first, second, third = sorted((three.folder / "data").iterdir())
    cache = FileCache()
    entry = cache.open(first)
    assert entry.n_bytes == entry.file.size
    table = np.zeros(10_000)
    entry.get("table", lambda: {"values": table, "again": [table[:5], (table,)], "text": "kept", "number": 1})
    assert entry.n_bytes == entry.file.size + 80_000
    cache.max_bytes = cache.open(second).file.size + entry.n_bytes
    cache.open(third)
    assert cache.open(first) is not entry


# -- which observations


def test_observations_come_in_the_order_asked_for(three):
    data_store = DataStore.from_dir(three.finish())
    assert data_store.get_observations([3, 1]).ids == ["3", "1"]
    assert data_store.get_observations(selection=np.array([True, False, True])).ids == ["1", "3"]
    assert data_store.get_observations([3, 2], selection=np.array([True, False, True])).ids == ["3"]


def test_an_observation_that_is_not_there_is_an_error_or_left_out(three, caplog):
    data_store = DataStore.from_dir(three.finish())
    with pytest.raises(ValueError, match="Missing obs_id: 7 not in the HDU index"):
        data_store.get_observations([1, 7])
    assert data_store.get_observations([1, 7], skip_missing=True).ids == ["1"]
    assert "Skipping missing obs_id: 7" in caplog.text
    with pytest.raises(ValueError, match="OBS_ID = 7 not in HDU index table"):
        data_store.obs(7)


def test_an_id_asked_for_twice_is_told(three, caplog):
    assert DataStore.from_dir(three.finish()).get_observations([1, 1]).ids == ["1", "1"]
    assert "List of obs_id is not unique! Multiples are: [1]" in caplog.text


@pytest.mark.parametrize(
    ("missing", "accepted"),
    [
        ("bkg", ["point-like", "all-optional", ["aeff"], ["aeff", "psf"], []]),
        ("edisp", ["all-optional", ["aeff"], ["aeff", "psf"], []]),
        ("gti", []),
    ],
)
def test_observations_need_the_hdus_that_are_required(three, missing, accepted, caplog):
    three.hdu_rows = [row for row in three.hdu_rows if row["OBS_ID"] != 2 or row["HDU_TYPE"] != missing]
    data_store = DataStore.from_dir(three.finish())
    for required in ("full-enclosure", "point-like", "all-optional", ["aeff"], ["aeff", "psf"], []):
        ids = data_store.get_observations(required_irf=required).ids
        assert ids == (["1", "2", "3"] if required in accepted else ["1", "3"]), required
    assert f"Required HDUs ['{missing}'] not found in observation 2" in caplog.text
    with pytest.raises(MissingRequiredHDUError, match=f"Required HDUs \\['{missing}'\\] not found in observation 2"):
        data_store.obs(2)
    assert data_store.get_observations(required_irf=[], require_events=False).ids == ["1", "2", "3"]


@pytest.mark.parametrize("required", ["everything", ["aeff", "psff"]])
def test_an_unknown_requirement_is_refused(three, required):
    with pytest.raises(ValueError, match=r"required_irf = 'everything'|is not a valid hdu key"):
        DataStore.from_dir(three.finish()).get_observations(required_irf=required)


def test_observations_are_grouped_by_a_column(three):
    groups = DataStore.from_dir(three.finish()).get_observation_groups("N_TELS")
    assert {key: value.ids for key, value in groups.items()} == {"N_TELS_3": ["1", "3"], "N_TELS_4": ["2"]}


# -- faults, each with its rule in docs/reference/data_errors.md


def broken(folder, obs_id, part):
    return getattr(DataStore.from_dir(folder).obs(obs_id), part)


def test_a_missing_folder_or_index_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("LIGHTPOOL_NOWHERE", raising=False)
    with pytest.raises(MissingDataError, match="LIGHTPOOL_NOWHERE is not set"):
        DataStore.from_dir("$LIGHTPOOL_NOWHERE/store")
    with pytest.raises(MissingDataError, match=r"File not found: .*hdu-index\.fits\.gz; a data store needs"):
        DataStore.from_dir(tmp_path)


def test_an_observation_index_that_was_named_must_be_there(three):
    with pytest.raises(MissingDataError, match=r"File not found : no\.fits"):
        DataStore.from_dir(three.finish(), obs_table_filename="no.fits")


def test_a_missing_file_names_observation_part_and_path(three):
    folder = three.finish()
    (folder / "data" / "run_2.fits").unlink()
    with pytest.raises(MissingDataError, match=r"observation 2, aeff: no file .*run_2\.fits: .*check the file name"):
        broken(folder, 2, "aeff")


def test_a_missing_hdu_names_those_there_are(store):
    store.add(5, events_hdu(), gti_hdu())
    with pytest.raises(MissingDataError, match=r"observation 5, bkg: .*no HDU 'BKG'; it has PRIMARY, EVENTS, GTI"):
        broken(store.finish(), 5, "bkg")


def test_a_truncated_gzip_file_is_told(three):
    packed = three.pack(three.folder / "data" / "run_1.fits")
    packed.write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(FormatError, match=r"observation 1, events: .*run_1\.fits\.gz: the gzip data are cut off"):
        broken(three.finish(), 1, "events")


@pytest.mark.parametrize("column", ["FILE_NAME", "HDU_NAME"])
def test_an_index_that_names_no_file_is_refused(three, column):
    three.hdu_rows[8][column] = ""
    with pytest.raises(FormatError, match=rf"row 8 names no file or no HDU: OBS_ID = .*{column} = "):
        DataStore.from_dir(three.finish())


def test_a_file_that_is_no_index_is_refused(three):
    folder = three.finish(".fits")
    with pytest.raises(FormatError, match="is not an HDU index: columns HDU_TYPE"):
        DataStore.from_dir(folder, "obs-index.fits")
    write(folder / "bad.fits", gti_hdu())
    with pytest.raises(FormatError, match=r"holds good time intervals.*expects an observation index"):
        DataStore.from_dir(folder, obs_table_filename="bad.fits")


def test_an_unknown_class_of_response_is_refused(three):
    for row in three.hdu_rows:
        row["HDU_CLASS"] = row["HDU_CLASS"].replace("aeff_2d", "aeff_9d")
    with pytest.raises(FormatError, match="HDU_CLASS is 'aeff_9d', expected one of aeff_2d"):
        broken(three.finish(), 1, "aeff")


def test_rows_of_one_id_that_are_alike_count_once(three, caplog):
    three.hdu_rows += three.hdu_rows[:6]
    three.obs_rows += three.obs_rows[:1]
    data_store = DataStore.from_dir(three.finish())
    assert len(data_store.obs_table) == 3
    assert len(data_store.obs(1).events) == 10
    assert not caplog.text


def test_two_event_files_of_one_id_are_refused(three):
    three.add(3, name="other.fits")
    data_store = DataStore.from_dir(three.finish())
    with pytest.raises(FormatError, match=r"OBS_ID 3 has 2 different events HDUs: .*run_3\.fits.*other\.fits"):
        data_store.obs(3)
    assert data_store.get_observations([1, 2]).ids == ["1", "2"]


def test_of_two_response_classes_of_one_id_the_first_counts(three, caplog):
    row = next(row for row in three.hdu_rows if row["HDU_TYPE"] == "psf")
    three.hdu_rows.append(row | {"HDU_CLASS": "psf_3gauss", "HDU_NAME": "PSF_3GAUSS"})
    observation = DataStore.from_dir(three.finish()).obs(1)
    assert observation.psf.tag == "psf_table"
    assert "Found multiple HDU matching: OBS_ID = 1, HDU_TYPE = psf" in caplog.text


def test_of_differing_rows_of_the_observation_index_the_first_counts(three, caplog):
    three.obs_rows.append(three.obs_rows[0] | {"ZEN_PNT": 50.0})
    table = DataStore.from_dir(three.finish()).obs_table
    assert table["ZEN_PNT"].tolist() == [10, 20, 30]
    assert "OBS_ID [1] occur in rows that differ" in caplog.text


def test_an_index_that_names_the_file_of_another_observation_is_told(store, caplog):
    store.add(4, OBS_ID=44)
    observation = DataStore.from_dir(store.finish()).obs(4)
    assert observation.observation_dead_time_fraction == pytest.approx(0.1)
    assert "observation 4: the header of" in caplog.text
    assert "says OBS_ID 44" in caplog.text


def test_every_fault_is_one_of_the_package_s_errors():
    assert issubclass(MissingRequiredHDUError, MissingDataError)
    assert issubclass(MissingRequiredHDUError, LightpoolError)
    assert issubclass(MissingDataError, OSError)


# -- checks and copies


def test_a_good_store_passes_the_check_of_its_index(three):
    assert list(DataStore.from_dir(three.finish()).check(["hdu_table", "consistency", "obs_table"])) == []


def test_the_check_finds_what_is_wrong(three):
    three.obs_rows.pop()
    folder = three.finish()
    (folder / "data" / "run_2.fits").unlink()
    columns = event_columns()
    columns["ENERGY"][3] = np.nan
    write(folder / "data" / "run_1.fits", events_hdu(columns), gti_hdu([], []), *irf_hdus())
    found = [(record.get("obs_id"), record["msg"]) for record in DataStore.from_dir(folder).check()]
    text = "\n".join(f"{obs_id} {message}" for obs_id, message in found)
    assert "2 no file" in text
    assert "Inconsistent OBS_ID in obs and HDU index tables: [3]" in text
    assert "1 1 of 10 events have no finite direction" in text
    assert "1 there is no good time interval" in text
    with pytest.raises(ValueError, match="check 'nothing' is not known"):
        list(DataStore.from_dir(folder).check(["nothing"]))


def test_some_observations_are_copied_into_another_folder(three, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    target = tmp_path / "copy"
    target.mkdir()
    data_store = DataStore.from_dir(three.finish())
    data_store.copy_obs([1, 3], target, verbose=True)
    copy = DataStore.from_dir(target)
    assert copy.obs_ids.tolist() == copy.obs_table["OBS_ID"].tolist() == [1, 3]
    assert len(copy.obs(3).events) == 10
    assert "run_3.fits" in caplog.text
    data_store.copy_obs(data_store.obs_table[:1], target, hdu_class=["events", "gti"], overwrite=True)
    assert DataStore.from_dir(target).hdu_table.hdu_type_unique == ["events", "gti"]
    with pytest.raises(MissingDataError, match="Not a directory"):
        data_store.copy_obs([1], tmp_path / "nowhere")


# -- the HDU index by itself


def test_the_hdu_index_gives_locations(three, caplog):
    table = DataStore.from_dir(three.finish()).hdu_table
    location = table.hdu_location(2, hdu_type="aeff")
    assert location == HDULocation("aeff_2d", str(three.folder), "data", "run_2.fits", "AEFF")
    assert location.path() == three.folder / "data" / "run_2.fits"
    assert location.get_hdu().name == "AEFF"
    assert table.hdu_location(2, hdu_class="bkg_3d") == table.location_info(table.row_idx(2, hdu_type="bkg")[0])
    assert table.hdu_location(2, hdu_type="rad_max") is None
    assert "No HDU found matching" in caplog.text
    with pytest.raises(ValueError, match="Invalid hdu_type: hello"):
        table.hdu_location(2, hdu_type="hello")
    with pytest.raises(ValueError, match="Invalid hdu_class: hello"):
        table.hdu_location(2, hdu_class="hello")
    with pytest.raises(ValueError, match="You have to specify"):
        table.hdu_location(2)
    with pytest.raises(IndexError, match="OBS_ID = 9"):
        table.hdu_location(9, hdu_type="aeff")


def test_a_location_prints_its_fields(capsys):
    HDULocation("aeff_2d", "/base", "data", "run.fits", "AEFF").info()
    assert capsys.readouterr().out.splitlines()[1] == "BASE_DIR = /base"


# -- from event files


def test_indices_are_made_from_event_files(three):
    three.pack(three.folder / "data" / "run_3.fits")
    paths = sorted((three.folder / "data").iterdir())
    data_store = DataStore.from_events_files(paths)
    assert data_store.get_observations().ids == ["1", "2", "3"]
    assert data_store.hdu_table["HDU_TYPE"][:6].tolist() == ["events", "gti", "aeff", "edisp", "psf", "bkg"]
    assert data_store.obs(3).bkg is not None
    assert data_store.obs_table["RA_PNT"].tolist() == [84, 85, 86]
    assert str(data_store.obs_table["TSTART"].unit) == "s"
    assert len(data_store.obs_table.select_observations("EVENT_COUNT == 10")) == 3


def test_response_files_can_be_named(store, caplog):
    events = write(store.folder / "events.fits", events_hdu(), gti_hdu())
    irf = write(store.folder / "irf.fits", *irf_hdus())
    for irfs in (irf, [irf]):
        observation = DataStore.from_events_files([events], irfs).get_observations()[0]
        assert observation.aeff.tag == "aeff_2d"
    assert len(DataStore.from_events_files([events], store.folder / "no.fits").get_observations()) == 0
    assert "observation 1 has no response: no file" in caplog.text
    with pytest.raises(ValueError, match="2 response files for 1 event files"):
        DataStore.from_events_files([events], [irf, irf])


def test_the_calibration_database_is_found(store, monkeypatch):
    monkeypatch.setenv("CALDB", str(store.folder / "caldb"))
    header = header_with(TELESCOP="CTA", CALDB="1dc", IRF="South")
    events = write(store.folder / "events.fits", events_hdu(header=header), gti_hdu())
    irf = irf_hdus()
    irf[0].header["HDUCLAS4"] = "2D"  # as the first CTA data challenge writes it
    write(store.folder / "caldb/data/cta/1dc/bcf/South/irf_file.fits", *irf)
    data_store = DataStore.from_events_files([events])
    assert data_store.hdu_table["HDU_CLASS"].tolist() == ["events", "gti", "aeff_2d", "edisp_2d", "psf_table", "bkg_3d"]
    assert data_store.obs(1).aeff is not None
    # As Gammapy: the variable stays, so that the index is valid where the database is elsewhere.
    assert set(data_store.hdu_table["FILE_DIR"][2:]) == {"$CALDB/data/cta/1dc/bcf/South"}
    assert data_store.obs_table["IRF_FILENAME"][0] == "$CALDB/data/cta/1dc/bcf/South/irf_file.fits"
    shutil.move(store.folder / "caldb", store.folder / "moved")
    monkeypatch.setenv("CALDB", str(store.folder / "moved"))
    FILE_CACHE.clear()
    assert data_store.obs(1).aeff is not None


def test_rows_are_in_the_order_of_gammapy_whatever_that_of_the_file(store):
    irf = irf_hdus()
    events = write(store.folder / "events.fits", *irf[::-1], gti_hdu(), events_hdu())
    for made in (DataStore.from_events_files([events]), DataStoreMaker([events], events).run()):
        assert made.hdu_table["HDU_TYPE"].tolist() == ["events", "gti", "aeff", "edisp", "psf", "bkg"]


def test_drift_scans_have_no_position_on_the_sky(store):
    header = header_with(OBS_MODE="DRIFT", ALT_PNT=70.0, AZ_PNT=180.0)
    paths = [write(store.folder / "a.fits", events_hdu(header=header), gti_hdu(), *irf_hdus())]
    paths.append(write(store.folder / "b.fits", events_hdu(header=header_with(OBS_ID=2)), gti_hdu(), *irf_hdus()))
    table = DataStore.from_events_files(paths).obs_table
    assert table["ZEN_PNT"][0] == 20
    assert np.isnan(table["ZEN_PNT"][1])
    assert np.isnan(table["RA_PNT"][0])


def test_faulty_event_files_are_refused(store):
    good = write(store.folder / "a.fits", events_hdu(), gti_hdu(), *irf_hdus())
    twin = write(store.folder / "b.fits", events_hdu(), gti_hdu())
    later = write(store.folder / "c.fits", events_hdu(header=header_with(OBS_ID=2, MJDREFI=50000)), gti_hdu())
    bare = write(store.folder / "d.fits", events_hdu(header=header_with(OBS_ID=3, LIVETIME=None)), gti_hdu())
    with pytest.raises(FormatError, match=r"OBS_ID 1 is that of two event files: .*a\.fits and .*b\.fits"):
        DataStore.from_events_files([good, twin])
    with pytest.raises(FormatError, match=r"MJDREFI = 51910 in .*50000 in"):
        DataStore.from_events_files([good, later])
    with pytest.raises(FormatError, match=r"d\.fits, HDU 'EVENTS': a keyword is missing or not a number: 'LIVETIME'"):
        DataStore.from_events_files([bare])
    with pytest.raises(TypeError, match="expected a list of paths"):
        DataStore.from_events_files(str(good))
    with pytest.raises(ValueError, match="no event files given"):
        DataStore.from_events_files([])
    with pytest.raises(MissingDataError, match="no file"):
        DataStore.from_events_files([store.folder / "no.fits"])


def test_the_cache_is_shared_by_all_stores():
    assert isinstance(FILE_CACHE, FileCache)


def _without(store, *kinds, of=(1, 2, 3)):
    store.hdu_rows = [row for row in store.hdu_rows if row["OBS_ID"] not in of or row["HDU_TYPE"] not in kinds]
    return DataStore.from_dir(store.finish())


@pytest.mark.parametrize(
    ("absent", "required", "advice"),
    [
        (("psf", "bkg"), "full-enclosure", "required_irf='point-like'"),
        (("bkg",), "full-enclosure", "required_irf='point-like'"),
        (("bkg",), ["bkg"], "required_irf='point-like'"),
        ((), ["aeff", "rad_max"], "required_irf='full-enclosure'"),
        (("aeff",), "point-like", "required_irf='all-optional'"),
        (("aeff", "edisp", "psf", "bkg"), "full-enclosure", "required_irf='all-optional'"),
        (("events",), "full-enclosure", "require_events=False"),
        (("gti",), "all-optional", "require_events=False"),
        (("events", "gti", "bkg"), "full-enclosure", "required_irf='point-like' and require_events=False"),
    ],
)
def test_a_store_in_which_every_run_lacks_something_says_what_to_pass(three, caplog, absent, required, advice):
    store = _without(three, *absent)
    assert len(store.get_observations(required_irf=required)) == 0
    summary = caplog.records[-1].getMessage()
    assert f"none of the 3 in {three.folder} has all of " in summary
    assert summary.endswith(f"; pass {advice}")
    with pytest.raises(MissingRequiredHDUError, match=rf"If what is missing is not needed, pass {advice}$"):
        store.obs(1, required_irf=required)
    options = eval(f"dict({advice.replace(' and ', ', ')})")  # the advice is what helps
    assert store.get_observations(**({"required_irf": required} | options)).ids == ["1", "2", "3"]


def test_a_store_whose_runs_lack_different_things_says_what_fits_all(three, caplog):
    _without(three, "psf", of=(1,))
    store = _without(three, "aeff", of=(2, 3))
    assert len(store.get_observations()) == 0
    assert caplog.records[-1].getMessage().endswith("pass required_irf='all-optional'")


def test_no_summary_where_an_observation_is_left(three, caplog):
    store = _without(three, "psf", of=(1, 2))
    assert store.get_observations().ids == ["3"]
    assert "No observation is left" not in caplog.text


def test_required_responses_must_be_a_name_or_a_list(three):
    store = DataStore.from_dir(three.finish())
    with pytest.raises(ValueError, match=r"required_irf = None, expected one of \['full-enclosure'"):
        store.get_observations(required_irf=None)
