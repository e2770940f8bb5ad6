"""Batches whose data store, masks and lists are at addresses: the results are those of the folder, nothing is lost."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import astropy.units as u
import pytest
from click.testing import CliRunner
from loopback_server import serving
from small_reductions import MAP, bits_of

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.execution.executors import ProcessExecutor
from lightpool.batch.storage.files import InputFile
from lightpool.batch.storage.provenance import read_provenance
from lightpool.cli import main
from lightpool.config import Settings
from lightpool.data import GTI, DataStore
from lightpool.errors import ConfigError, InputChangedError, RemoteFileError
from lightpool.fits import remote, remote_files

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTPOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_files, "WAITS", (0.01, 0.01))
    monkeypatch.setattr(remote_files, "_last_failure", {})
    remote.REMOTE_CACHE.forget()
    yield tmp_path / "cache"
    remote.REMOTE_CACHE.forget()


@pytest.fixture
def served(crab_store, tmp_path):
    """A server of a copy of the data store, in its folder ``store``, with a mask, intervals and a list of runs."""
    folder = tmp_path / "served"
    shutil.copytree(crab_store, folder / "store")
    (folder / "crab.reg").write_text("icrs; circle(83.633, 22.0145, 0.3)")
    (folder / "runs.txt").write_text("1 2 3 4")
    reference = DataStore.from_dir(crab_store).obs(1).tstart
    GTI.create([0] * u.s, [1e9] * u.s, reference_time=reference).write(folder / "all.fits")
    with serving(folder) as server:
        server.folder = folder
        yield server


def sections(root):
    """Sections of settings with all kinds of files in a folder, or at an address."""
    return {
        "observations": {"datastore": f"{root}/store", "obs_ids_file": f"{root}/runs.txt"},
        "targets": [MAP | {"exclusion_file": f"{root}/crab.reg"}],
        "groups": [{"name": "all"}, {"name": "part", "by": "gti", "file": f"{root}/all.fits"}],
    }


@pytest.mark.slow
def test_results_are_those_of_the_folder_and_the_inputs_are_recorded(settings_of, served):
    here = run_batch(make_plan(settings_of("here", **sections(served.folder))))
    there = run_batch(make_plan(settings_of("there", **sections(served.address))))
    assert bits_of(there.folder) == bits_of(here.folder) != {}
    inputs = {file.path: file for file in read_provenance(there.files[0]).inputs}
    expected = {file.path: file for file in read_provenance(here.files[0]).inputs}
    assert {path.replace(served.address, str(served.folder)) for path in inputs} == set(expected)
    run = f"{served.address}/store/data/run_000001.fits.gz"
    assert inputs[run].sha256 == InputFile.of(served.folder / "store" / "data" / "run_000001.fits.gz").sha256
    # Each file once; of the runs that nobody asked for nothing.
    assert {name: n for name, n in served.sent.items() if "run_" in name} == {
        f"/store/data/run_00000{number}.fits.gz": 1 for number in (1, 2, 3, 4)
    }
    # The data store may be moved to a server: nothing is reduced again.
    moved = Settings.from_dict(
        settings_of("here", **sections(served.folder)).to_dict()
        | {"observations": sections(served.address)["observations"]}
    )
    assert run_batch(plan_to_resume(moved), resume=True).n_reused == 2


@pytest.mark.slow
def test_workers_share_the_copies_and_a_small_cache_is_enough(settings_of, served, cache, monkeypatch):
    settings = settings_of("there", **sections(served.address))
    here = run_batch(make_plan(settings_of("here", **sections(served.folder))))
    result = run_batch(make_plan(settings), ProcessExecutor(2))
    assert bits_of(result.folder) == bits_of(here.folder)
    assert served.sent["/store/hdu-index.fits.gz"] == 1
    shutil.rmtree(cache)
    monkeypatch.setenv("LIGHTPOOL_CACHE_GB", "1e-6")  # less than one file
    small = run_batch(make_plan(settings_of("small", **sections(served.address))), ProcessExecutor(2))
    assert bits_of(small.folder) == bits_of(here.folder)
    assert len(list(cache.glob("*/about.json"))) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["zip", "memory", "zip-http"])
def test_other_addresses_give_the_same_results(settings_of, served, crab_store, tmp_path, scheme):
    address = "memory://store"
    if scheme == "memory":
        system = fsspec.filesystem("memory")
        for path in crab_store.rglob("*.fits*"):
            system.pipe(f"/store/{path.relative_to(crab_store)}", path.read_bytes())
    else:
        with zipfile.ZipFile(served.folder / "all.zip", "w") as archive:
            for path in crab_store.rglob("*.fits*"):
                archive.write(path, f"store/{path.relative_to(crab_store)}")
        place = served.folder if scheme == "zip" else served.address
        address = f"zip://store::{place}/all.zip"
    chosen = {"obs_ids": [1, 2]}
    here = run_batch(make_plan(settings_of("here", observations={"datastore": str(crab_store)} | chosen)))
    there = run_batch(make_plan(settings_of("there", observations={"datastore": address} | chosen)))
    assert bits_of(there.folder) == bits_of(here.folder)
    if scheme == "memory":
        system.store.clear()


@pytest.mark.slow
def test_index_files_have_addresses_of_their_own(settings_of, served, crab_store):
    index = served.folder / "index"
    index.mkdir()
    for name in ("hdu", "obs"):
        shutil.move(served.folder / "store" / f"{name}-index.fits.gz", index / f"{name}-2.fits.gz")
    asked = {f"{name}_index": f"{served.address}/index/{name}-2.fits.gz" for name in ("hdu", "obs")}
    for store in (f"{served.address}/store", str(served.folder / "store")):
        plan = make_plan(
            settings_of(observations={"datastore": store, "obs_ids": [1], "select": "OBS_ID > 0", **asked})
        )
        result = run_batch(plan, restart=True)
        assert result.n_failed == 0
        repeated = read_provenance(result.files[0]).to_repeat()
        assert repeated.observations.hdu_index == asked["hdu_index"]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["during", "between"])
def test_a_file_that_changes_on_the_server_is_noticed(settings_of, served, when):
    settings = settings_of(observations={"datastore": f"{served.address}/store", "obs_ids": [1, 2, 3, 4]})
    data = served.folder / "store" / "data"

    name = "run_000001.fits.gz" if when == "during" else "run_000003.fits.gz"

    def change(*_):
        shutil.copy(data / "run_000005.fits.gz", data / name)

    if when == "during":
        with pytest.raises(InputChangedError, match="run_000001"):
            run_batch(make_plan(settings), progress=change)
    else:
        run_batch(make_plan(settings))
        change()
    result = run_batch(plan_to_resume(settings), resume=True)
    assert result.n_reused == 1
    recorded = {file.path: file.sha256 for file in read_provenance(result.files[0]).inputs}
    assert recorded[f"{served.address}/store/data/{name}"] == InputFile.of(data / name).sha256


@pytest.mark.slow
def test_a_file_with_another_date_and_the_same_bytes_has_not_changed(settings_of, served):
    settings = settings_of(observations={"datastore": f"{served.address}/store", "obs_ids": [1, 2]})
    run_batch(make_plan(settings))
    for path in (served.folder / "store" / "data").iterdir():
        os.utime(path, (1e9, 1e9))
    assert run_batch(plan_to_resume(settings), resume=True).n_reused == 1


@pytest.mark.slow
def test_a_server_without_dates_is_asked_for_the_whole_file_in_each_process(settings_of, served):
    served.has_tags = False
    settings = settings_of(observations={"datastore": f"{served.address}/store", "obs_ids": [1, 2]})
    run_batch(make_plan(settings))
    data = served.folder / "store" / "data"
    changed = (data / "run_000004.fits.gz").read_bytes()[: (data / "run_000001.fits.gz").stat().st_size]
    (data / "run_000001.fits.gz").write_bytes(changed.ljust((data / "run_000001.fits.gz").stat().st_size, b"\0"))
    result = run_batch(plan_to_resume(settings), resume=True)
    assert result.n_reused == 0


@pytest.mark.slow
def test_a_server_that_dies_is_named_and_the_reduction_goes_on_later(settings_of, served):
    settings = settings_of(
        observations={"datastore": f"{served.address}/store", "obs_ids": [1, 2, 3, 4]},
        run={"chunk_size": 2, "read_ahead": 0},
    )

    def die(*_):
        served.down = True

    result = run_batch(make_plan(settings), progress=die)
    assert [outcome.status for outcome in result.outcomes] == ["done", "done", "failed", "failed"]
    assert "RemoteFileError" in result.outcomes[2].error
    assert "503" in result.outcomes[2].error
    # What is done stays, also if the server is still down.
    records = sorted((result.folder / "state" / "chunks").glob("*.json"))
    before = [path.read_bytes() for path in records]
    shutil.rmtree(os.environ["LIGHTPOOL_CACHE"])
    with pytest.raises(RemoteFileError, match="503"):
        run_batch(plan_to_resume(settings), resume=True)
    assert [path.read_bytes() for path in records] == before
    served.down = False
    again = run_batch(plan_to_resume(settings), resume=True)
    assert (again.n_reused, again.n_failed) == (1, 0)
    whole = settings_of("whole", observations={"datastore": str(served.folder / "store"), "obs_ids": [1, 2, 3, 4]})
    assert bits_of(again.folder) == bits_of(run_batch(make_plan(whole)).folder)


@pytest.mark.slow
def test_answers_that_break_off_are_asked_for_again(settings_of, served):
    name = "/store/data/run_000001.fits.gz"
    served.broken[name] = 2
    asked = {"datastore": f"{served.address}/store", "obs_ids": [1]}
    assert run_batch(make_plan(settings_of("twice", observations=asked))).n_failed == 0
    assert served.sent[name] == 3
    shutil.rmtree(os.environ["LIGHTPOOL_CACHE"])
    served.broken[name] = 99
    result = run_batch(make_plan(settings_of("always", observations=asked)))
    assert result.n_failed == 1
    assert name in result.outcomes[0].error


def test_a_missing_file_fails_its_observation_and_a_redirection_is_followed(settings_of, served):
    data = served.folder / "store" / "data"
    shutil.move(data / "run_000002.fits.gz", served.folder / "elsewhere.fits.gz")
    served.moved["/store/data/run_000002.fits.gz"] = "/elsewhere.fits.gz"
    (data / "run_000003.fits.gz").unlink()
    result = run_batch(make_plan(settings_of(observations={"datastore": f"{served.address}/store", "obs_ids": [2, 3]})))
    assert [outcome.status for outcome in result.outcomes] == ["done", "failed"]
    assert "no file" in result.outcomes[1].error


def everything_in(folder):
    """All bytes of the results, unpacked, in the files of a folder."""
    import gzip

    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield path, gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    yield from ((path, archive.read(name)) for name in archive.namelist())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["password", "token"])
@pytest.mark.parametrize("is_right", [True, False])
def test_passwords_and_tokens_are_in_no_result(settings_of, served, tmp_path, monkeypatch, kind, is_right):
    secret = "QxyzzyQ17"
    served.allowed = (f"me:{secret}",) if kind == "password" else (f"token={secret}",)
    monkeypatch.setenv("SECRET", secret)
    host = served.address.removeprefix("http://")
    ask = (
        (lambda path: f"http://$WHO:$SECRET@{host}/{path}")
        if kind == "password"
        else (lambda path: f"http://{host}/{path}?token=$SECRET")
    )
    monkeypatch.setenv("WHO", "me")
    data = settings_of(
        observations={"datastore": ask("store"), "obs_ids": [1, 2]},
        targets=[MAP | {"exclusion_file": ask("crab.reg")}],
        output={"folder": str(tmp_path / "out"), "observations": True},
    ).to_dict()
    path = tmp_path / "settings.yaml"
    path.write_text(json.dumps(data))
    if not is_right:
        # From the second question about events on, the secret is refused.
        (served.folder / "store" / "data" / "run_000002.fits.gz").write_bytes(b"no FITS file")
    log = tmp_path / "log.txt"
    done = CliRunner().invoke(main, ["reduce", str(path), "--log-file", str(log), "--verbose"])
    assert done.exit_code == (0 if is_right else 3), done.output
    report = CliRunner().invoke(main, ["report", str(tmp_path / "out")])
    assert report.exit_code == 0, report.output
    plan = CliRunner().invoke(main, ["plan", str(path)])
    for text in (done.output, log.read_text(), report.output, plan.output):
        assert secret not in text
    for file, content in everything_in(tmp_path / "out"):
        assert secret.encode() not in content, file
    assert "run_000001" in json.dumps(json.loads((tmp_path / "out" / "provenance.json").read_text()))
    again = CliRunner().invoke(main, ["reduce", str(path), "--resume"])
    assert again.exit_code == done.exit_code, again.output
    assert secret not in again.output
    monkeypatch.setenv("SECRET", "wrong-Q17")
    served.sent.clear()
    refused = CliRunner().invoke(main, ["reduce", str(path), "--restart"])
    assert "wrong-Q17" not in refused.output
    monkeypatch.delenv("SECRET")
    unset = CliRunner().invoke(main, ["reduce", str(path), "--resume"])
    assert unset.exit_code == 2
    assert "SECRET is not set" in unset.output


@pytest.mark.parametrize(
    "address",
    [
        "https://me:QxyzzyQ@host/store",
        "https://QxyzzyQ@host/store",
        "ftp://me:QxyzzyQ@host/store",
        "https://host/store?token=QxyzzyQ",
        "https://host/store?X-Amz-Signature=QxyzzyQ&x=1",
        "https://host/store?a=1&sig=QxyzzyQ",
        "https://host/store?code=QxyzzyQ0123456789abcdef",
        "zip://store::https://me:QxyzzyQ@host/all.zip",
    ],
)
def test_a_secret_in_the_settings_is_refused_without_being_shown(settings_of, address):
    with pytest.raises(ConfigError, match="password or a token") as caught:
        settings_of(observations={"datastore": address})
    assert "QxyzzyQ" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["https://host/store?download=1", "sftp://me@host/store", "https://host/a?file=data/run_1.fits", "s3://a@b/store"],
)
def test_other_queries_and_users_are_no_secrets(settings_of, address):
    assert settings_of(observations={"datastore": address}).observations.datastore == address


def test_results_are_not_written_to_addresses(settings_of, tmp_path):
    with pytest.raises(ConfigError, match=r"output.folder: s3://bucket/out is on another machine.*nothing is written"):
        settings_of(output={"folder": "s3://bucket/out"})
    (tmp_path / "crab.yaml").write_text(settings_of().to_yaml())
    done = CliRunner().invoke(main, ["reduce", str(tmp_path / "crab.yaml"), "-o", "https://host/out"])
    assert done.exit_code == 2
    assert "nothing is written" in re.sub(r"\s+", " ", done.output.replace("│", ""))


def test_a_store_at_an_address_is_checked(served):
    done = CliRunner().invoke(main, ["check", f"{served.address}/store", "--workers", "2"])
    assert done.exit_code == 0, done.output
    assert "6 runs checked, 0 errors" in done.output
    (served.folder / "store" / "data" / "run_000002.fits.gz").unlink()
    remote.REMOTE_CACHE.clear()
    done = CliRunner().invoke(main, ["check", f"{served.address}/store"])
    assert done.exit_code == 4
    assert "data/run_000002.fits.gz" in done.output


@pytest.mark.slow
def test_a_reduction_that_is_killed_goes_on(settings_of, served, tmp_path):
    settings = settings_of(observations={"datastore": f"{served.address}/store"}, run={"chunk_size": 1})
    path = tmp_path / "settings.yaml"
    path.write_text(settings.to_yaml())
    process = subprocess.Popen([sys.executable, "-m", "lightpool", "reduce", str(path), "--workers", "2"])
    folder = Path(settings.output.folder) / "state" / "chunks"
    while process.poll() is None and not list(folder.glob("*.json")):
        time.sleep(0.05)
    process.kill()
    process.wait()
    again = run_batch(plan_to_resume(settings), resume=True)
    assert again.n_reused >= 1
    here = settings_of("here", observations={"datastore": str(served.folder / "store")}, run={"chunk_size": 1})
    assert bits_of(again.folder) == bits_of(run_batch(make_plan(here)).folder)
