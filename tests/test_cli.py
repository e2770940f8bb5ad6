"""The command line, as a newcomer types it."""

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


def test_an_unknown_device_is_one_line_that_says_what_is_there(run, tmp_path):
    done = run("demo", "--output", tmp_path, "--device", "gpu")
    assert done.exit_code == 1
    assert "device 'gpu' is not known" in done.output
    assert "Here there is: cpu" in done.output
    assert "Traceback" not in done.output


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
    assert "--resume goes on" in done.output


def test_version(run):
    assert lightpool.__version__ in run("--version").output
