"""Background models of many runs by the batch engine: the same bits in any way, and no second pass over events."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.execution.background_work import BackgroundWork
from lightpool.batch.execution.chunk import run_chunk
from lightpool.batch.execution.executors import ProcessExecutor
from lightpool.cli import main
from lightpool.config.background import BackgroundSettings
from lightpool.data import DataStore
from lightpool.errors import ConfigError, ResumeError
from lightpool.makers import BackgroundModel, BackgroundModelMaker, BackgroundSums, SkyExclusion
from lightpool.maps import MapAxis, WcsGeom

REGION = {"lon": "83.633 deg", "lat": "22.0145 deg", "radius": "0.3 deg"}
RADIAL = {
    "energy_axis": {"min": "1 TeV", "max": "10 TeV", "nbin": 4},
    "axes": {"offset": {"max": "2 deg", "nbin": 4}},
    "exclusion": [REGION],
    "oversampling": 4,
}
FLAT = RADIAL | {"axes": {name: {"min": "-2 deg", "max": "2 deg", "nbin": 4} for name in ("fov_lon", "fov_lat")}}


@pytest.fixture
def settings_of(crab_store, tmp_path):
    def make(folder="out", **sections):
        data = {
            "observations": {"datastore": str(crab_store)},
            "background": RADIAL,
            "run": {"chunk_size": 2},
            "output": {"folder": str(tmp_path / folder), "compress": False},
        }
        for name, section in sections.items():
            data[name] = section if isinstance(section, list) else data.get(name, {}) | section
        return BackgroundSettings.from_dict(data)

    return make


def bits_of(settings):
    """Hashes of all tables, by name; provenance tells the time and is left out."""
    folder, found = Path(settings.output.folder), {}
    for path in sorted([*folder.glob("*.fits"), *folder.glob("observations/*.fits")]):
        with fits.open(path) as hdus:
            for hdu in hdus[1:]:
                found[f"{path.name}[{hdu.name}]"] = hashlib.sha256(np.ascontiguousarray(hdu.data).tobytes()).hexdigest()
    for name in ("groups.ecsv", "runs.ecsv"):
        found[name] = (folder / name).read_text()
    return found


_opened: list[list[str]] = []


def _audit(event, arguments):
    if event == "open" and _opened:
        _opened[-1].append(os.fspath(arguments[0]) if isinstance(arguments[0], str | os.PathLike) else "")


sys.addaudithook(_audit)  # hooks cannot be removed


@contextmanager
def opened_files():
    """Names of all files that this process opens in a with block, by whatever function."""
    _opened.append([])
    yield _opened[-1]
    _opened.pop()


def reduced(settings, executor=None, **options):
    return run_batch(make_plan(settings), executor, **options)


@pytest.mark.slow
def test_the_sums_are_those_of_the_maker(settings_of, crab_store):
    settings = settings_of(background=FLAT)
    result = reduced(settings)
    assert result.n_failed == 0
    names = [path.name for path in result.files]
    assert names == ["sums.fits", "groups.ecsv", "runs.ecsv", "bkg-all.fits"]
    axes = [MapAxis.from_bounds(-2, 2, nbin=4, unit="deg", name=name) for name in ("fov_lon", "fov_lat")]
    maker = BackgroundModelMaker(
        MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4),
        axes,
        exclusion="icrs; circle(83.633, 22.0145, 0.3)",
        oversampling=4,
    )
    expected = maker.run_all(DataStore.from_dir(crab_store).get_observations())
    found = BackgroundSums.read(result.files[0])
    np.testing.assert_array_equal(found.counts(), expected.counts())
    np.testing.assert_array_equal(found.excluded, expected.excluded)
    assert set(expected.runs) < set(found.runs)  # and the columns of the index
    model = BackgroundModel.read(result.files[-1])
    assert model.n_run == 6
    np.testing.assert_array_equal(model.counts.ravel(), expected.total_counts().ravel())


def test_sums_know_the_index_but_what_is_measured_counts(settings_of, crab_store):
    sums = BackgroundSums.read(reduced(settings_of()).files[0])
    index = DataStore.from_dir(crab_store).obs_table
    np.testing.assert_array_equal(sums.runs["N_TELS"], index["N_TELS"])
    assert set(np.char.strip(np.asarray(sums.runs["OBJECT"]).astype(str))) == {"simulated source"}
    # the index has the values that were drawn, whatever the position of the source in the sky
    assert not np.allclose(sums.runs["ZEN_PNT"], index["ZEN_PNT"], atol=0.01)


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bits(settings_of):
    sections = {"groups": [{"by": "zenith", "n_bin": 2}], "background": FLAT}
    one, two, other = (
        settings_of(name, **sections, output={"tables": "normalised_runs"}) for name in ("one", "two", "x")
    )
    other = settings_of("x", **sections, output={"tables": "normalised_runs"}, run={"chunk_size": 5})
    reduced(one)
    reduced(two, ProcessExecutor(2))
    reduced(other)
    assert bits_of(one) == bits_of(two) == bits_of(other)
    assert len(bits_of(one)) > 40


@pytest.mark.slow
def test_killed_and_resumed_it_gives_the_same_bits(settings_of, tmp_path):
    whole, killed = settings_of("whole"), settings_of("killed", run={"chunk_size": 1})
    reduced(whole)
    config = tmp_path / "killed.yaml"
    config.write_text(killed.to_yaml())
    chunks = Path(killed.output.folder) / "state/chunks"
    command = [sys.executable, "-m", "lightpool", "background", str(config), "--resume"]
    process = subprocess.Popen(command)
    while process.poll() is None and not list(chunks.glob("*.json")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    n_before = len(list(chunks.glob("*.json")))
    assert 1 <= n_before < 6
    assert run_batch(plan_to_resume(killed), resume=True).n_reused == n_before
    assert bits_of(killed) == bits_of(whole)


def test_other_groups_and_tables_need_no_second_pass(settings_of, crab_store, monkeypatch):
    """No file with events is opened, not even to compare it: its size and times are those of before."""
    reduced(settings_of())
    again = settings_of(
        groups=[{"by": "zenith", "n_bin": 2, "spacing": "cos_zenith"}],
        tables={"energy_axis": {"edges": ["1 TeV", "10 TeV"]}},
        output={"tables": "runs"},
    )
    monkeypatch.setattr(BackgroundWork, "make", lambda *_: pytest.fail("a run was summed again"))
    with opened_files() as opened:
        result = run_batch(plan_to_resume(again), resume=True)
    inside = {Path(name).name for name in opened if Path(name).is_relative_to(crab_store)}
    assert inside == {"hdu-index.fits.gz", "obs-index.fits.gz"}
    assert result.n_reused == 3
    names = sorted(path.name for path in Path(again.output.folder).glob("bkg-*"))
    assert len(names) == 2
    assert all(name.startswith("bkg-zenith_") for name in names)  # the former table is removed
    assert len(list(Path(again.output.folder).glob("observations/bkg-*.fits"))) == 6
    monkeypatch.undo()
    other = settings_of(groups=[{"by": "azimuth", "n_sector": 1}])
    assert run_batch(plan_to_resume(other), resume=True).n_reused == 3
    assert not (Path(other.output.folder) / "observations").exists()


def test_other_bins_and_kinds_of_results_do_not_resume(settings_of, crab_store, tmp_path):
    reduced(settings_of())
    with pytest.raises(ResumeError, match=r"different settings: background.oversampling was 4, now 5"):
        plan_to_resume(settings_of(background={"oversampling": 5}))
    config = tmp_path / "reduce.yaml"
    target = {
        "name": "crab",
        "kind": "map",
        "center": "Crab",
        "width": "2 deg",
        "binsz": "0.5 deg",
        "energy": {"min": "1 TeV", "max": "10 TeV", "nbin": 2},
        "makers": [{"type": "MapDatasetMaker"}],
    }
    data = {
        "observations": {"datastore": str(crab_store)},
        "targets": [target],
        "output": {"folder": str(tmp_path / "out")},
    }
    config.write_text(json.dumps(data))
    done = CliRunner().invoke(main, ["reduce", str(config), "--resume"])
    assert done.exit_code == 2
    assert "those of `lightpool background`, now those of `lightpool reduce`" in done.output


def test_a_changed_mask_is_noticed(settings_of, tmp_path):
    geom = WcsGeom.create(skydir=(83.633, 22.0145), width=1, binsz=0.05)
    path = tmp_path / "mask.fits"
    for radius, n_reused in ((0.2, 0), (0.3, 0), (0.3, 3)):
        if n_reused == 0:
            (geom.region_mask(f"icrs; circle(83.633, 22.0145, {radius})", inside=False) * 1.0).write(
                path, overwrite=True
            )
        settings = settings_of(background={"exclusion": [{"mask": str(path)}]})
        result = run_batch(plan_to_resume(settings), resume=True)
        assert result.n_reused == n_reused
    expected = SkyExclusion.from_regions("icrs; circle(83.633, 22.0145, 0.3)")
    assert not expected.is_empty
    assert BackgroundSums.read(result.files[0]).excluded.sum() > 0


def damaged_store(crab_store, tmp_path, obs_id):
    """A copy of the index whose observation has a file of events that is cut off."""
    folder = tmp_path / "damaged"
    store = DataStore.from_dir(crab_store)
    folder.mkdir()
    store.copy_obs([1, 2, 3, 4, 5, 6], folder)
    path = DataStore.from_dir(folder).hdu_table.hdu_location(obs_id, "events").path()
    os.truncate(path, path.stat().st_size // 3)
    return folder


def test_a_run_that_fails_is_reported_and_the_others_count(settings_of, crab_store, tmp_path):
    settings = settings_of(observations={"datastore": str(damaged_store(crab_store, tmp_path, 3))})
    config = tmp_path / "damaged.yaml"
    config.write_text(settings.to_yaml())
    done = CliRunner().invoke(main, ["background", str(config)])
    assert done.exit_code == 3, done.output
    outcomes = Table.read(Path(settings.output.folder) / "outcomes.ecsv")
    assert list(outcomes["STATUS"]) == ["done", "done", "failed", "done", "done", "done"]
    runs = Table.read(Path(settings.output.folder) / "runs.ecsv")
    assert list(runs["OBS_ID"]) == [1, 2, 4, 5, 6]
    np.testing.assert_allclose(runs["NORM"], 1, atol=0.5)


def test_without_any_run_there_is_no_table(settings_of, crab_store, tmp_path, caplog):
    folder = damaged_store(crab_store, tmp_path, 3)
    result = reduced(settings_of(observations={"datastore": str(folder), "obs_ids": [3]}))
    assert result.files == []
    assert result.n_failed == 1
    assert "no background model is written: no run could be summed" in caplog.text


def test_runs_in_no_group_are_reported(settings_of, caplog):
    settings = settings_of(groups=[{"by": "column", "column": "OBS_ID", "edges": [0, 2.5, 4.5]}])
    result = reduced(settings)
    assert "2 runs in no group and in no model: 5, 6" in caplog.text
    runs = Table.read(result.files[2])
    assert list(np.ma.filled(runs["GROUP"], "") == "") == [False] * 4 + [True] * 2
    groups = Table.read(result.files[1])
    assert list(groups["N_RUN"]) == [2, 2]
    assert list(groups["OBS_IDS"]) == ["1, 2", "3, 4"]


def test_columns_are_checked_before_the_events_are_read(settings_of):
    with pytest.raises(ConfigError, match=r"groups.0: the observation index has no column 'MUONEFF'; it has "):
        make_plan(settings_of(groups=[{"by": "column", "column": "MUONEFF"}]))


def test_groups_that_cannot_be_made_cost_no_sums(settings_of):
    settings = settings_of(groups=[{"by": "zenith", "edges": [80, 85]}])
    with pytest.raises(ConfigError, match=r"sums, which are saved: none of the 6 runs is in a group"):
        reduced(settings)
    assert run_batch(plan_to_resume(settings_of()), resume=True).n_reused == 3


def test_files_of_others_are_not_replaced(settings_of):
    settings = settings_of()
    folder = Path(settings.output.folder)
    folder.mkdir()
    (folder / "runs.ecsv").write_text("mine")
    with pytest.raises(ResumeError, match=r"runs\.ecsv existed before any reduction"):
        reduced(settings)
    assert (folder / "runs.ecsv").read_text() == "mine"
    reduced(settings, restart=True)
    assert (folder / "runs.ecsv").read_text() != "mine"


@pytest.mark.slow
def test_an_interrupted_pass_keeps_its_chunks(settings_of):
    settings = settings_of()

    class Stopped:
        def run(self, tasks):
            yield run_chunk(tasks[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reduced(settings, Stopped())
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 1


def test_the_command_line_plans_and_makes_models(settings_of, tmp_path):
    settings = settings_of(background=FLAT, groups=[{"by": "azimuth"}])
    config = tmp_path / "background.yaml"
    config.write_text(settings.to_yaml())
    plan = CliRunner().invoke(main, ["plan", str(config)])
    assert plan.exit_code == 0, plan.output
    assert "bins: 4 energy x 4 fov_lon x 4 fov_lat, along ALTAZ" in plan.output
    assert "excluded regions and files: 1" in plan.output
    done = CliRunner().invoke(main, ["background", str(config), "--output", str(tmp_path / "there")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "there/bkg-north.fits").exists()
    again = CliRunner().invoke(main, ["background", str(config), "--output", str(tmp_path / "there")])
    assert again.exit_code == 2
    assert "use --resume to continue it" in again.output


def test_template_and_schema_are_written_for_background_models():
    template = CliRunner().invoke(main, ["config", "--background"])
    assert "lightpool background FILE" in template.output
    schema = json.loads(CliRunner().invoke(main, ["config", "--background", "--schema"]).output)
    assert {"observations", "background", "groups", "tables", "run", "output"} == set(schema["properties"])
