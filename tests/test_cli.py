"""The command line, as a newcomer types it."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

import lightpool
from lightpool.cli import main
from lightpool.data import DataStore
from lightpool.datasets import MapDataset


@pytest.fixture
def run():
    yield lambda *args: CliRunner().invoke(main, [str(arg) for arg in args])
    lightpool.set_default_device(None)


def test_demo_makes_a_store_a_dataset_and_a_picture(run, tmp_path):
    done = run("demo", "--output", tmp_path, "--seed", 3)
    assert done.exit_code == 0, done.output
    assert "Total counts" in done.output
    assert "lightpool simulate FOLDER" in done.output
    assert len(DataStore.from_dir(tmp_path / "dl3").obs_table) == 4
    assert MapDataset.read(tmp_path / "dataset.fits.gz").info_dict()["excess"] > 500
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")


def test_simulate_makes_as_many_runs_as_asked_for(run, tmp_path):
    done = run("simulate", tmp_path / "store", "--n-obs", 3, "--flux", 0, "--ontime", 60)
    assert done.exit_code == 0, done.output
    observations = DataStore.from_dir(tmp_path / "store").get_observations()
    assert observations.ids == ["1", "2", "3"]
    again = run("simulate", tmp_path / "store")
    assert again.exit_code == 1
    assert "overwrite" in again.output


def test_simulate_makes_point_like_runs(run, tmp_path):
    done = run("simulate", tmp_path / "store", "--n-obs", 1, "--flux", 0, "--ontime", 60, "--point-like")
    assert done.exit_code == 0, done.output
    (observation,) = DataStore.from_dir(tmp_path / "store").get_observations(required_irf="point-like")
    assert observation.aeff.is_pointlike
    assert observation.rad_max is not None


def test_an_unknown_device_is_one_line_that_says_what_is_there(run, tmp_path):
    done = run("demo", "--output", tmp_path, "--device", "gpu")
    assert done.exit_code == 2
    assert "device 'gpu' is not known" in done.output
    assert "Available devices: cpu" in done.output
    assert "Traceback" not in done.output


@pytest.mark.slow
def test_a_result_is_repeated_with_its_own_observations_and_changed_inputs_are_named(run, tmp_path):
    store, other = tmp_path / "store", tmp_path / "other"
    assert run("simulate", store, "--n-obs", 2, "--ontime", 60).exit_code == 0
    assert run("config", "-o", tmp_path / "crab.yaml").exit_code == 0
    text = (tmp_path / "crab.yaml").read_text().replace("hess-dl3-dr1", str(store)).replace("0.02 deg", "0.2 deg")
    (tmp_path / "crab.yaml").write_text(text.replace("  cone:", "  # cone:"))
    assert run("reduce", tmp_path / "crab.yaml").exit_code == 0
    assert run("simulate", store, "--n-obs", 3, "--ontime", 60, "--overwrite").exit_code == 0
    result = tmp_path / "crab" / "crab.fits.gz"
    done = run("reduce", "--from", result, "-o", tmp_path / "again")
    assert done.exit_code == 0, done.output
    assert MapDataset.read(tmp_path / "again" / "crab.fits.gz").meta_table["OBS_ID"][0].tolist() == [1, 2]
    before, after = (MapDataset.read(path) for path in (result, tmp_path / "again" / "crab.fits.gz"))
    assert (before.counts.data == after.counts.data).all()
    assert run("simulate", other, "--n-obs", 1, "--ontime", 60, "--seed", 5).exit_code == 0
    (other / "data" / "run_000001.fits.gz").replace(store / "data" / "run_000001.fits.gz")
    done = run("reduce", "--from", result, "-o", tmp_path / "changed", "--log-file", tmp_path / "log")
    assert done.exit_code == 0, done.output
    assert "run_000001.fits.gz" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("command", ["reduce", "check", "simulate", "report"])
def test_an_interrupt_ends_each_command_with_the_exit_code_of_shells(run, monkeypatch, command):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.commands[command], "invoke", interrupt)
    done = run(command, "x")
    assert done.exit_code == 130
    assert "Interrupted." in done.output


def test_an_interrupted_reduction_says_how_it_goes_on(run, monkeypatch, crab_store, tmp_path):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("lightpool.batch.run_batch", interrupt)
    assert run("config", "-o", tmp_path / "crab.yaml").exit_code == 0
    text = (tmp_path / "crab.yaml").read_text().replace("datastore: hess-dl3-dr1", f"datastore: {crab_store}")
    (tmp_path / "crab.yaml").write_text(text)
    done = run("reduce", tmp_path / "crab.yaml")
    assert done.exit_code == 130
    assert "use --resume to continue" in done.output


def test_the_command_prints_its_version(run):
    assert lightpool.__version__ in run("--version").output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell with pipes")
def test_a_command_whose_output_nobody_reads_ends_without_a_word(crab_store, tmp_path):
    command = f"'{sys.executable}' -m lightpool quicklook '{crab_store}' --source Crab -o '{tmp_path}/out' | true"
    done = subprocess.run(["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.split() == ["1"]


def test_the_package_is_the_command_too():
    done = subprocess.run([sys.executable, "-m", "lightpool", "--version"], capture_output=True, text=True, check=True)
    assert lightpool.__version__ in done.stdout
