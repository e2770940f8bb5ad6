"""A folder of results may be damaged, or come from somebody else: nothing outside of it is touched."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_reductions import MAP, SPECTRUM, bits_of

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.storage.folder import BatchFolder
from lightpool.batch.storage.lock import locked
from lightpool.errors import LightpoolError, ResumeError
from lightpool.maps import Map, WcsGeom


@pytest.fixture
def done(settings_of, tmp_path):
    """A finished reduction of two runs, with a file beside its folder that must stay."""
    settings = settings_of(observations={"obs_ids": [1, 2]}, output={"observations": True})
    run_batch(make_plan(settings))
    (tmp_path / "victim.txt").write_text("precious")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".old.part").write_text("precious")
    (tmp_path / "elsewhere" / "lock").write_text("precious")
    return settings


def outside(tmp_path):
    return {path.name: path.read_text() for path in [tmp_path / "victim.txt", *(tmp_path / "elsewhere").iterdir()]}


def again(settings, **how):
    return run_batch(plan_to_resume(settings) if how.get("resume") else make_plan(settings), **how)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["resume", "restart"])
def test_names_that_lead_out_of_the_folder_are_left_alone(done, tmp_path, caplog, how):
    folder = BatchFolder(Path(done.output.folder))
    leading_out = [
        "../victim.txt",
        str(tmp_path / "victim.txt"),
        "observations/../../victim.txt",
        "",
        ".",
        "..",
        "state",
    ]
    leading_out += ["state/plan.json", "a/b.fits", 7, None, ["x"], "a\0b"]
    path = folder.state / "files.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": leading_out, "results": leading_out}))
    assert folder.results() == []
    before = outside(tmp_path)
    result = again(done, **{how: True})
    assert outside(tmp_path) == before
    assert result.n_failed == 0
    assert "are left alone: ../victim.txt" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("how", ["resume", "restart"])
@pytest.mark.parametrize("name", ["state", "state/chunks", "observations"])
def test_folders_that_are_links_are_refused(done, tmp_path, how, name):
    folder, before = Path(done.output.folder), outside(tmp_path)
    (folder / name).rename(folder / "moved")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    if name == "observations":
        (tmp_path / "elsewhere" / "1-crab.fits").write_text("precious")
        before = outside(tmp_path)
    with pytest.raises(LightpoolError, match=r"points outside .*out: nothing is written or removed there"):
        again(done, **{how: True})
    assert outside(tmp_path) == before


def test_a_lock_that_is_a_link_is_refused_and_not_followed(done, tmp_path):
    lock, before = Path(done.output.folder) / "state" / "lock", outside(tmp_path)
    lock.unlink()
    lock.symlink_to(tmp_path / "victim.txt")
    with pytest.raises(ResumeError, match="is a link or a folder, but must be a regular file"):
        again(done, resume=True)
    assert outside(tmp_path) == before
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(ResumeError, match="not a regular file"), locked(lock):
        pass


def test_a_folder_that_is_reached_by_a_link_is_as_good_as_any(done, tmp_path):
    (tmp_path / "link").symlink_to(done.output.folder)
    linked = done.with_options(folder=tmp_path / "link")
    assert again(linked, resume=True).n_reused == 1


WRONG = [
    "",
    "{",
    "null",
    "[]",
    "7",
    '"text"',
    "[" * 100_000,
    "{}",
    '{"files": 7, "results": null}',
    "\xff\xfe",
    '{"key": {}}',
]


@pytest.mark.slow
@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("name", ["files.json", "chunks"])
def test_state_files_of_another_shape_are_not_used(done, text, name):
    folder = Path(done.output.folder)
    bits = bits_of(folder)
    path = folder / "state" / name
    if path.is_dir():
        path = next(path.glob("*.json"))
    path.write_text(text, encoding="latin-1")
    result = again(done, resume=True)
    assert result.n_reused == (1 if name == "files.json" else 0)
    assert bits_of(folder) == bits


def changed(data, **values):
    return json.dumps(data | values)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        *(lambda data, text=text: text for text in WRONG),
        lambda data: changed(data, chunks=None),
        lambda data: changed(data, chunks=[1, 2]),
        lambda data: changed(data, chunks=[["1"], [True]]),
        lambda data: changed(data, chunks=[[1, 2], [2]]),
        lambda data: changed(data, settings=[]),
        lambda data: changed(data, settings={}),
        lambda data: json.dumps({key: value for key, value in data.items() if key != "version"}),
    ],
)
def test_a_plan_of_another_shape_is_an_error_and_a_restart_does_without(done, make):
    path = Path(done.output.folder) / "state" / "plan.json"
    path.write_text(make(json.loads(path.read_text())), encoding="latin-1")
    with pytest.raises(ResumeError, match=r"plan.json cannot be used"):
        plan_to_resume(done)


@pytest.mark.slow
def test_a_record_without_its_checksum_or_with_changed_values_is_not_trusted(done, caplog):
    folder = Path(done.output.folder)
    path = next((folder / "state" / "chunks").glob("*.json"))
    data = json.loads(path.read_text())
    for changes in ({"checksum": None}, {"files": {}}, {"outcomes": []}, {"files": {"../victim.txt": "0"}}):
        path.write_text(json.dumps(data | changes))
        assert again(done, resume=True).n_reused == 0
        assert f"{path} is not used: its checksum is missing" in caplog.text
        caplog.clear()
    assert again(done, resume=True).n_reused == 1


IN_THE_WAY = [
    "crab.fits",
    "crab-nights-2020-01-01.fits",
    "outcomes.ecsv",
    "datasets.ecsv",
    "crab-theta-squared.ecsv",
    "provenance.json",
    "pha_spectrum_arf.fits",
    "observations/1-crab.fits",
    "observations/pha_12-spectrum_rmf.fits",
]
BESIDE = ["crab.fits.gz", "crabs.fits", "Crab2.fits", "pha_other.fits", "notes.txt", "observations/x-crab.fits"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*IN_THE_WAY, *BESIDE])
def test_a_file_of_somebody_else_is_not_replaced_by_a_result(settings_of, tmp_path, name):
    groups = [{"name": "all"}, {"name": "nights", "by": "night"}]
    options = {"observations": {"obs_ids": [1]}, "output": {"observations": True}, "groups": groups}
    settings = settings_of(targets=[MAP, SPECTRUM], **options)
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    if name in IN_THE_WAY:
        with pytest.raises(ResumeError, match=f"{path.name} existed before any reduction"):
            run_batch(make_plan(settings))
        assert not (tmp_path / "out" / "state" / "plan.json").exists()
    else:
        run_batch(make_plan(settings))
    assert path.read_text() == "precious"
    if name == IN_THE_WAY[0]:
        assert run_batch(make_plan(settings), restart=True).n_failed == 0


@pytest.mark.parametrize("how", [{}, {"restart": True}, {"resume": True}])
def test_the_index_of_the_store_and_other_inputs_are_never_replaced(settings_of, crab_store, tmp_path, how):
    store = tmp_path / "store"
    shutil.copytree(crab_store, store)
    before = {path.name: path.read_bytes() for path in store.glob("*.fits*")}
    options = {"observations": {"datastore": str(store), "obs_ids": [1]}}
    settings = settings_of("store", targets=[MAP | {"name": "obs-index"}], output={"compress": True}, **options)
    with pytest.raises(ResumeError, match=r"obs-index\.fits\.gz is not the result of a reduction"):
        run_batch(make_plan(settings), **how)
    assert {path.name: path.read_bytes() for path in store.glob("*.fits*")} == before
    mask = tmp_path / "out" / "crab.fits"
    mask.parent.mkdir()
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=3, binsz=0.1)
    Map.from_geom(geom, data=np.ones(geom.data_shape, dtype=bool)).write(mask)
    settings = settings_of(targets=[MAP | {"exclusion_file": str(mask)}], **options)
    with pytest.raises(ResumeError, match=r"crab\.fits is not the result of a reduction"):
        run_batch(make_plan(settings), **how)
