"""Data of the tutorials are real where the files are, and simulated with the same numbers where they are not."""

import subprocess
import sys

import astropy.units as u
import pytest

from lightpool.data import DataStore
from lightpool.simulate import example_data
from lightpool.simulate.example_data import EXAMPLES

# 20 runs: more than a second
HESS = pytest.param("hess-dl3-dr1", marks=pytest.mark.slow)


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    """No variable that names a folder with real data."""
    for variable in ("LIGHTPOOL_DATA", "GAMMAPY_DATA"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("name", [HESS, "magic-rad-max", "cta-1dc"])
def test_without_files_runs_are_simulated_once_and_say_so(name):
    data = example_data(name)
    assert data.is_simulated
    assert str(data).startswith("Simulated data of four imaginary telescopes")
    assert EXAMPLES[name].address in str(data)
    assert example_data(name).folder == data.folder
    store = DataStore.from_dir(data.folder)
    kinds = "point-like" if name == "magic-rad-max" else "full-enclosure"
    assert len(store.get_observations(required_irf=kinds)) == len(store.obs_ids)


@pytest.mark.parametrize("name", EXAMPLES)
def test_files_that_are_there_are_taken(name, tmp_path, monkeypatch):
    for variable in ("GAMMAPY_DATA", "LIGHTPOOL_DATA"):  # the latter is taken first
        folder = tmp_path / variable / EXAMPLES[name].folders[-1]
        folder.mkdir(parents=True)
        for index in ("obs", "hdu"):
            (folder / f"{index}-index.fits.gz").touch()
        monkeypatch.setenv(variable, str(tmp_path / variable))
        data = example_data(name)
        assert data.folder == folder
        assert not data.is_simulated
        assert str(data).startswith("Real data")


@pytest.mark.parametrize("value", ["", "no/such/folder"])
def test_a_variable_without_the_files_changes_nothing(value, monkeypatch):
    monkeypatch.setenv("LIGHTPOOL_DATA", value)
    assert example_data("magic-rad-max").is_simulated


def test_an_unknown_name_is_told_which_ones_there_are():
    with pytest.raises(ValueError, match=r"'crab', expected one of hess-dl3-dr1, magic-rad-max, cta-1dc"):
        example_data("crab")


@pytest.mark.reference
@pytest.mark.parametrize("name", [HESS, "magic-rad-max"])
def test_simulated_runs_point_to_where_the_real_ones_do(name, shared, monkeypatch):
    simulated = DataStore.from_dir(example_data(name).folder)
    monkeypatch.setenv("LIGHTPOOL_DATA", str(shared / "data"))
    real = DataStore.from_dir(example_data(name).folder)
    kinds = "point-like" if name == "magic-rad-max" else "full-enclosure"
    for ours in simulated.get_observations(required_irf=kinds):
        theirs = real.obs(ours.obs_id, required_irf=kinds)
        assert ours.pointing_radec.separation(theirs.pointing_radec) < 0.15 * u.deg


@pytest.mark.slow
def test_the_folder_is_removed_when_the_program_ends(tmp_path):
    code = "from lightpool.simulate import example_data; print(example_data('magic-rad-max').folder)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )
    assert str(tmp_path) in done.stdout
    assert not list(tmp_path.iterdir())
