"""Options and paths of the commands: what contradicts itself is wrong use, what a shell left unexpanded is expanded."""

import pytest
from click.testing import CliRunner

import lightpool
from lightpool.batch import run_batch
from lightpool.cli import main
from lightpool.data import DataStore
from lightpool.datasets import MapDataset
from lightpool.errors import ConfigError, RemoteFileError
from lightpool.maps import Map, WcsGeom


@pytest.fixture
def run():
    yield lambda *args: CliRunner().invoke(main, [str(arg) for arg in args])
    lightpool.set_default_device(None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume", "--restart"], "--resume and --restart are mutually exclusive"),
        (["--workers", "2", "--cluster", "local:2"], "--workers and --cluster are mutually exclusive"),
        (["--workers", "0"], "0 is not in the range x>=1"),
        (["--workers", "-1"], "-1 is not in the range x>=1"),
        (["--on-error", "ignore"], "is not one of"),
        (["--log-file", "SETTINGS"], "is the settings file"),
    ],
)
def test_options_that_contradict_each_other_are_wrong_use(run, tmp_path, options, message):
    path = tmp_path / "crab.yaml"
    path.write_text("observations: {}")
    done = run("reduce", path, *(str(path) if option == "SETTINGS" else option for option in options))
    assert done.exit_code == 2
    assert message in done.output
    assert path.read_text() == "observations: {}"


def test_resume_and_restart_are_mutually_exclusive_in_python_too():
    with pytest.raises(ConfigError, match="resume and restart are mutually exclusive"):
        run_batch(None, resume=True, restart=True)


def test_paths_of_commands_are_expanded_where_the_shell_has_not(run, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NIGHT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    for path, made in (("~/a.yaml", "home/a.yaml"), ("$NIGHT/b.yaml", "b.yaml"), ("${NIGHT}/c.yaml", "c.yaml")):
        assert run("config", "-o", path).exit_code == 0
        assert (tmp_path / made).exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b.yaml", "c.yaml", "home"]


COMMANDS_WITH_PATHS = [
    ("plan", "PATH"),
    ("reduce", "PATH"),
    ("reduce", "--from", "PATH"),
    ("stack", "PATH", "-o", "x"),
    ("report", "PATH"),
    ("check", "PATH"),
    ("simulate", "PATH"),
    ("demo", "-o", "PATH"),
    ("info", "PATH"),
    ("config", "-o", "PATH"),
]
NOWHERE = [(command, "$NOT_SET_HERE/x", "NOT_SET_HERE is not set") for command in COMMANDS_WITH_PATHS]
NOWHERE += [
    (command, "s3://bucket/x", "is on another machine")
    for command in COMMANDS_WITH_PATHS
    if command[0] != "check"  # a data store may be there
]


@pytest.mark.parametrize(("command", "path", "message"), NOWHERE)
def test_a_path_that_leads_nowhere_is_wrong_use_of_every_command(run, monkeypatch, tmp_path, command, path, message):
    monkeypatch.chdir(tmp_path)
    done = run(*(path if word == "PATH" else word for word in command))
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["nothing://host/run.fits", "root://host//run.fits"])
@pytest.mark.parametrize("read", [DataStore.from_dir, DataStore.from_file, MapDataset.read, Map.read])
def test_addresses_that_cannot_be_read_are_refused_with_advice(read, address):
    with pytest.raises((RemoteFileError, ConfigError), match=f"{address.split('/')[0]}.*(download|install)"):
        read(address)


def test_nothing_is_written_to_addresses():
    geom = WcsGeom.create(npix=2)
    with pytest.raises(RemoteFileError, match=r"on another machine.*nothing is written"):
        Map.from_geom(geom).write("s3://bucket/map.fits")


def test_an_address_of_a_file_here_is_its_path(crab_store):
    assert len(DataStore.from_dir(f"file://{crab_store}").obs_table) == len(DataStore.from_dir(crab_store).obs_table)
