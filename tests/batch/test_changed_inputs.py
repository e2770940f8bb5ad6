"""What is recorded is what was used: files that change while a reduction runs are named, and versions never mix."""

import os
import shutil
import time
from pathlib import Path

import astropy.units as u
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner
from small_reductions import MAP, bits_of

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.execution import reduce_chunk as reduce_module
from lightpool.batch.execution.chunk import ChunkTask, run_chunk
from lightpool.batch.storage.code_version import code_version, package_versions
from lightpool.batch.storage.files import InputFile
from lightpool.batch.storage.provenance import read_provenance
from lightpool.cli import main
from lightpool.data import GTI, DataStore
from lightpool.errors import InputChangedError, VersionMismatchError
from lightpool.maps import Map, WcsGeom
from lightpool.simulate import simulate_store


@pytest.fixture
def store(crab_store, tmp_path):
    return Path(shutil.copytree(crab_store, tmp_path / "store"))


def after(n_chunk, change):
    """Progress function that changes something after some chunks."""
    seen = []

    def tell(record):
        seen.append(record)
        if len(seen) == n_chunk:
            change()

    return tell


def regions(path, radius):
    path.write_text(f"icrs; circle(83.633, 22.0145, {radius})")


def mask(path, radius):
    geom = WcsGeom.create(skydir=(83.633, 22.0145), width=2, binsz=0.1)
    Map.from_geom(geom, data=(geom.separation(geom.center_skydir).deg > radius).astype(int)).write(path, overwrite=True)


def catalog(path, radius):
    Table({"RA": [83.633], "DEC": [22.0145], "SIZE": [radius]}).write(path, overwrite=True)


def intervals(path, start, crab_store):
    reference = DataStore.from_dir(crab_store).get_observations([1])[0].tstart
    GTI.create([start] * u.s, [start + 500] * u.s, reference_time=reference).write(path, overwrite=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["regions", "mask", "intervals", "catalog"])
@pytest.mark.parametrize("n_chunk", [1, 3])
def test_a_file_of_the_settings_counts_as_it_was_when_the_reduction_began(
    settings_of, tmp_path, crab_store, kind, n_chunk, caplog
):
    path = tmp_path / ("exclusion.reg" if kind == "regions" else f"{kind}.fits")
    sections = {"targets": [MAP | {"exclusion_file": str(path)}]}
    if kind == "intervals":
        sections = {"groups": [{"name": "part", "by": "gti", "file": str(path)}]}
    if kind == "catalog":
        sections = {
            "targets": [MAP | {"exclusion": [{"catalog": str(path), "radius_column": "SIZE", "radius": "0.1 deg"}]}]
        }
    writers = {"regions": regions, "mask": mask, "catalog": catalog}
    write = writers.get(kind, lambda *args: intervals(*args, crab_store))
    write(path, 0.2)
    before = bits_of(run_batch(make_plan(settings_of("before", **sections))).folder)
    settings = settings_of(**sections)
    result = run_batch(make_plan(settings), progress=after(n_chunk, lambda: write(path, 0.5)))
    assert bits_of(result.folder) == before
    assert f"{path} has changed since the reduction began" in caplog.text
    used = {file.path: file.sha256 for file in read_provenance(result.files[0]).inputs}
    assert used[str(path)] != InputFile.of(path).sha256
    caplog.clear()
    result = run_batch(plan_to_resume(settings), resume=True)
    assert result.n_reused == 0
    assert "has changed since the reduction began" not in caplog.text
    fresh = settings_of("fresh", **sections)
    assert bits_of(result.folder) == bits_of(run_batch(make_plan(fresh)).folder) != before


def test_a_file_that_is_written_again_as_it_was_is_no_change(settings_of, tmp_path, store):
    path = tmp_path / "exclusion.reg"
    regions(path, 0.2)

    def again():
        path.unlink()
        regions(path, 0.2)
        data = store / "data" / "run_000001.fits.gz"
        copy = data.read_bytes()
        data.unlink()
        data.write_bytes(copy)

    settings = settings_of(targets=[MAP | {"exclusion_file": str(path)}], observations={"datastore": str(store)})
    assert run_batch(make_plan(settings), progress=after(1, again)).n_failed == 0


def test_events_that_are_replaced_after_they_were_read_are_named(settings_of, store, tmp_path):
    other = simulate_store(tmp_path / "other", 6, seed=77, ontime=60)
    name = "data/run_000002.fits.gz"

    def replace():
        status = (store / name).stat()
        (store / name).write_bytes((other / name).read_bytes()[: status.st_size].ljust(status.st_size, b"\0"))
        os.utime(store / name, ns=(status.st_atime_ns, status.st_mtime_ns))  # neither size nor time tell

    settings = settings_of(observations={"datastore": str(store), "obs_ids": [1, 2, 3]})
    with pytest.raises(InputChangedError, match=r"run_000002.fits.gz"):
        run_batch(make_plan(settings), progress=after(1, replace))


@pytest.mark.slow
@pytest.mark.parametrize("read_ahead", [0, 2])
def test_events_that_are_replaced_between_reading_and_the_end_of_their_chunk_are_named(
    settings_of, store, tmp_path, monkeypatch, read_ahead
):
    other = simulate_store(tmp_path / "other", 6, seed=77, ontime=60)
    name = "data/run_000001.fits.gz"
    plain = reduce_module.Reducer._try

    def replaced(self, partial, obs_id, observation):
        done = plain(self, partial, obs_id, observation)
        if obs_id == 1:
            shutil.copy(other / name, store / name)
        return done

    monkeypatch.setattr(reduce_module.Reducer, "_try", replaced)
    settings = settings_of(observations={"datastore": str(store), "obs_ids": [1, 2]}, run={"read_ahead": read_ahead})
    with pytest.raises(InputChangedError, match=r"run_000001.fits.gz"):
        run_batch(make_plan(settings))
    monkeypatch.undo()
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 0


def test_an_index_that_says_something_else_ends_the_reduction_and_new_rows_do_not(settings_of, store):
    def edit(change):
        with fits.open(store / "hdu-index.fits.gz", mode="update") as hdus:
            change(hdus[1].data)
        time.sleep(0.01)

    def other_response(rows):
        rows["FILE_NAME"][(rows["OBS_ID"] == 5) & (rows["HDU_TYPE"] == "aeff")] = "run_000004.fits.gz"

    def elsewhere(rows):
        rows["FILE_NAME"][rows["OBS_ID"] == 6] = "run_000004.fits.gz"

    settings = settings_of(observations={"datastore": str(store), "obs_ids": [1, 2, 3, 4, 5]})
    with pytest.raises(InputChangedError, match=r"index of .*store changed during the reduction"):
        run_batch(make_plan(settings), progress=after(1, lambda: edit(other_response)))
    result = run_batch(plan_to_resume(settings), resume=True, progress=after(1, lambda: edit(elsewhere)))
    assert result.n_failed == 0


def test_a_change_has_an_exit_code_of_its_own(settings_of, store, tmp_path, monkeypatch):
    settings = settings_of(observations={"datastore": str(store), "obs_ids": [1, 2]})
    (tmp_path / "crab.yaml").write_text(settings.to_yaml())
    plain = reduce_module.Reducer._try

    def changed(self, *args):
        done = plain(self, *args)
        shutil.copy(store / "data" / "run_000003.fits.gz", store / "data" / "run_000001.fits.gz")
        return done

    monkeypatch.setattr(reduce_module.Reducer, "_try", changed)
    done = CliRunner().invoke(main, ["reduce", str(tmp_path / "crab.yaml")])
    assert done.exit_code == 6
    assert "run_000001.fits.gz" in done.output


def test_settings_are_read_once_and_recorded_as_they_were_used(settings_of, tmp_path):
    (tmp_path / "crab.yaml").write_text(settings_of().to_yaml())
    settings = type(settings_of()).read(tmp_path / "crab.yaml")
    change = after(1, lambda: (tmp_path / "crab.yaml").write_text("nothing: of this"))
    result = run_batch(make_plan(settings), progress=change)
    assert read_provenance(result.files[0]).settings.hash() == settings.hash()


def test_a_worker_with_other_code_or_packages_is_refused(settings_of):
    settings = settings_of().to_dict()
    with pytest.raises(VersionMismatchError, match=r"lightpool 0.0\+source.other, here"):
        run_chunk(ChunkTask(0, "key", (1,), settings, "0.0+source.other"))
    packages = package_versions() | {"numpy": "0.9"}
    with pytest.raises(VersionMismatchError, match=r"numpy 0.9, here"):
        run_chunk(ChunkTask(0, "key", (1,), settings, code_version(), packages))


def test_what_a_file_was_is_known_by_its_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    known = InputFile.of(path)
    os.utime(path, ns=(0, 0))
    assert known.is_unchanged
    status = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not known.is_unchanged
    path.unlink()
    assert not known.is_unchanged


@pytest.mark.slow
def test_files_that_cannot_be_found_for_a_while_cost_no_finished_work(settings_of, store, caplog):
    settings = settings_of(observations={"datastore": str(store)})
    before = bits_of(run_batch(make_plan(settings)).folder)
    data, away = store / "data", store / "away"
    data.rename(away)
    result = run_batch(plan_to_resume(settings), resume=True)
    assert (result.n_failed, bits_of(result.folder)) == (0, before)
    assert result.n_reused > 0
    assert "the sums of before are used" in caplog.text
    away.rename(data)
    caplog.clear()
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == result.n_reused
    assert not caplog.records
    changed = simulate_store(store.parent / "other", 6, seed=77, ontime=60) / "data/run_000002.fits.gz"
    shutil.copy(changed, data / changed.name)
    assert run_batch(plan_to_resume(settings), resume=True).n_reused < result.n_reused
