"""Copies of observations stay in the folder that was named."""

import os

import pytest
from made_up_stores import events_hdu, gti_hdu, header_with, write

from lightpool.data import DataStore
from lightpool.errors import FormatError, MissingDataError


def _files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def target(tmp_path):
    """Folder for the copies, in a folder in which nothing else may appear."""
    folder = tmp_path / "beside" / "copy"
    folder.mkdir(parents=True)
    return folder


def _elsewhere(store, place):
    """Move the file of observation 2 to another place, of which the index tells."""
    folder, name = os.path.split(place)
    path = store.folder / "data" / "run_2.fits"
    there = store.folder / place if not os.path.isabs(place) else store.folder.parent / place.lstrip("/")
    there.parent.mkdir(parents=True, exist_ok=True)
    path.rename(there)
    for row in store.hdu_rows:
        if row["OBS_ID"] == 2:
            row |= {"FILE_DIR": folder if not os.path.isabs(place) else str(there.parent), "FILE_NAME": name}


PLACES = {
    "data/run_2.fits": "data/run_2.fits",
    "run_2.fits": "run_2.fits",
    "data/./sub/../run_2.fits": "data/run_2.fits",
    "../elsewhere/run_2.fits": "files/run_2.fits",
    "data/../../run_2.fits": "files/run_2.fits",
    "../../store_of_others/run_1.fits": "files/run_1.fits",
    "/anywhere/run_2.fits": "files/run_2.fits",
    "/anywhere/run_1.fits": "files/run_1.fits",
}


@pytest.mark.parametrize(("place", "copied"), PLACES.items())
def test_nothing_is_written_outside_of_the_folder_and_the_copies_are_found(three, target, place, copied):
    _elsewhere(three, place)
    store = DataStore.from_dir(three.finish())
    store.copy_obs([1, 2], target)
    assert _files(target.parent) == sorted(
        f"copy/{name}" for name in ("data/run_1.fits", copied, "hdu-index.fits.gz", "obs-index.fits.gz")
    )
    copy = DataStore.from_dir(target)
    assert copy.obs_ids.tolist() == [1, 2]
    for obs_id in (1, 2):
        assert copy.obs(obs_id).events.table.meta["OBS_ID"] == obs_id
        assert all(path.is_relative_to(target) for path in copy.obs(obs_id).files)


def test_files_of_one_name_stay_two_files(three, target):
    _elsewhere(three, "../a/run.fits")
    other = three.folder.parent / "b" / "run.fits"
    other.parent.mkdir()
    (three.folder / "data" / "run_3.fits").rename(other)
    for row in three.hdu_rows:
        if row["OBS_ID"] == 3:
            row |= {"FILE_DIR": "../b", "FILE_NAME": "run.fits"}
    DataStore.from_dir(three.finish()).copy_obs([1, 2, 3], target)
    assert {"files/run.fits", "files/run_2.fits"} < set(_files(target))
    copy = DataStore.from_dir(target)
    assert [copy.obs(obs_id).events.table.meta["OBS_ID"] for obs_id in (1, 2, 3)] == [1, 2, 3]


def test_a_folder_that_is_a_link_to_another_place_is_refused(three, target):
    (target / "data").symlink_to(three.folder.parent, target_is_directory=True)
    before = _files(three.folder.parent)
    with pytest.raises(ValueError, match=r"leads out of outdir=.*through a link"):
        DataStore.from_dir(three.finish()).copy_obs([1], target)
    assert {*_files(three.folder.parent)} - {*before} == {"store/hdu-index.fits.gz", "store/obs-index.fits.gz"}


@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_is_a_link_to_another_place_is_replaced_not_followed(three, target, there):
    outside = three.folder.parent / "precious.txt"
    if there:
        outside.write_text("precious")
    (target / "data").mkdir()
    (target / "data/run_1.fits").symlink_to(outside)
    store = DataStore.from_dir(three.finish())
    with pytest.raises(FileExistsError, match=r"run_1\.fits already exists and differs from"):
        store.copy_obs([1], target)
    store.copy_obs([1], target, overwrite=True)
    assert outside.read_text() == "precious" if there else not outside.exists()
    assert not (target / "data/run_1.fits").is_symlink()
    assert len(DataStore.from_dir(target).obs(1).events) == 10


def test_a_copy_that_is_there_is_kept_and_another_file_of_its_name_is_not_taken_for_it(three, target):
    store = DataStore.from_dir(three.finish())
    store.copy_obs([1], target)
    with pytest.raises(FileExistsError, match=r"hdu-index\.fits\.gz already exists; pass overwrite=True"):
        store.copy_obs([1, 2], target)
    (target / "hdu-index.fits.gz").unlink()
    (target / "obs-index.fits.gz").unlink()
    store.copy_obs([1, 2], target)
    write(three.folder / "data/run_1.fits", events_hdu(header=header_with(OBJECT="Other")), gti_hdu())
    (target / "hdu-index.fits.gz").unlink()
    (target / "obs-index.fits.gz").unlink()
    with pytest.raises(FileExistsError, match=r"run_1\.fits already exists and differs from"):
        store.copy_obs([1], target)
    assert "Other" not in DataStore.from_events_files([target / "data/run_2.fits"]).obs_table["OBJECT"]


def test_a_store_is_not_copied_over_itself(three):
    store = DataStore.from_dir(three.finish())
    with pytest.raises(ValueError, match="is the folder of the store itself"):
        store.copy_obs([1], three.folder / "data" / "..", overwrite=True)
    assert DataStore.from_dir(three.folder).obs_ids.tolist() == [1, 2, 3]


def test_a_store_without_index_files_is_copied(three, target, monkeypatch):
    three.finish()
    monkeypatch.chdir(target)
    store = DataStore.from_events_files([three.folder / "data/run_1.fits", three.folder / "data/run_2.fits"])
    store.copy_obs(["1", 2], ".")
    assert _files(target) == ["files/run_1.fits", "files/run_2.fits", "hdu-index.fits.gz", "obs-index.fits.gz"]
    assert len(DataStore.from_dir(target).obs(2).events) == 10


def test_what_cannot_be_copied_is_refused(three, target):
    folder = three.finish()
    store = DataStore.from_dir(folder)
    with pytest.raises(ValueError, match=r"OBS_ID \[7\] not in the HDU index"):
        store.copy_obs([1, 7], target)
    assert _files(target) == []
    (folder / "data/run_1.fits").unlink()
    with pytest.raises(MissingDataError, match=r"no file .*run_1\.fits"):
        store.copy_obs([1], target)
    os.mkfifo(folder / "data/run_1.fits")
    with pytest.raises((FormatError, MissingDataError), match=r"run_1\.fits"):
        store.copy_obs([1], target)
