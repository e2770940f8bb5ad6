"""Files at addresses: copied once, again when they change, in a folder of limited size."""

import logging
import os
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lightpool.errors import ConfigError, DamagedFileError, FormatError, MissingDataError, RemoteFileError
from lightpool.fits import (
    address_exists,
    is_address,
    join_address,
    name_of_place,
    parent_of_place,
    place_of,
    read_bytes,
    readable_path,
    remote_files,
)
from lightpool.fits import remote as remote_module
from lightpool.fits.remote import RemoteCache
from lightpool.utils.secret_texts import hide_secrets

fsspec = pytest.importorskip("fsspec")


@pytest.mark.parametrize(
    ("address", "parts", "expected"),
    [
        ("https://host/store", ("data", "run.fits"), "https://host/store/data/run.fits"),
        ("https://host/store/", ("", "run.fits"), "https://host/store/run.fits"),
        ("https://host", ("run.fits",), "https://host/run.fits"),
        ("https://host/a/index", ("../../b", "run.fits"), "https://host/b/run.fits"),
        ("s3:/bucket/store", ("run.fits",), "s3://bucket/store/run.fits"),
        ("s3://bucket/store", ("https://other/data", "run.fits"), "https://other/data/run.fits"),
        ("zip://store::/data/all.zip", ("data", "run.fits"), "zip://store/data/run.fits::/data/all.zip"),
        ("zip://::https://host/all.zip", ("run.fits",), "zip://run.fits::https://host/all.zip"),
        ("memory://store", ("../x/run.fits",), "memory://x/run.fits"),
    ],
)
def test_a_file_below_an_address_has_an_address(address, parts, expected):
    assert is_address(address)
    assert join_address(address, *parts) == expected
    assert name_of_place(expected) == "run.fits"
    assert join_address(parent_of_place(expected), "run.fits") == expected


@pytest.mark.parametrize(
    "path", ["/data/run.fits", "run.fits", "file:///data/run.fits", "C:/data/run.fits", "a:b.fits"]
)
def test_paths_of_this_machine_are_no_addresses(path):
    assert not is_address(path)
    if not path.startswith("C"):
        assert isinstance(place_of(path), Path)


def test_names_and_passwords_are_not_shown():
    assert hide_secrets("ftp://me:secret@host/run.fits") == "ftp://host/run.fits"
    assert name_of_place("https://host/run.fits?token=secret") == "run.fits"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    cache = RemoteCache(tmp_path / "cache")
    monkeypatch.setattr(remote_files, "WAITS", (0.01,))
    monkeypatch.setattr(remote_module, "REMOTE_CACHE", cache)
    return cache


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def test_a_file_is_copied_once_and_again_when_it_has_changed(cache, memory, monkeypatch):
    memory.pipe("/store/run.fits", b"first")
    address = "memory://store/run.fits"
    path = readable_path(address)
    assert path.read_bytes() == b"first"
    assert path.name == "run.fits"
    fetched = []
    monkeypatch.setattr(RemoteCache, "_copy", lambda *args: fetched.append(args))
    assert readable_path(address) == path
    cache.forget()
    assert readable_path(address) == path
    assert fetched == []
    monkeypatch.undo()
    memory.pipe("/store/run.fits", b"other")
    assert cache.copy_of(address).read_bytes() == b"first"  # asked once in each process
    cache.forget()
    assert cache.copy_of(address).read_bytes() == b"other"


def test_the_copies_that_were_used_last_are_kept(tmp_path, memory):
    cache = RemoteCache(tmp_path, max_bytes=2500)
    for name in "abc":
        memory.pipe(f"/{name}", bytes(1000))
    paths = {}
    for number, name in enumerate("abac"):
        paths[name] = cache.copy_of(f"memory://{name}")
        os.utime(paths[name].parent / "about.json", ns=(number * 10**9, number * 10**9))
    cache._shrink(paths["c"])
    assert [paths[name].exists() for name in "abc"] == [True, False, True]
    assert cache.copy_of("memory://b").stat().st_size == 1000  # copied again
    large = RemoteCache(tmp_path / "other", max_bytes=10)
    assert large.copy_of("memory://a").is_file()  # the last one is kept whatever its size
    cache.clear()
    assert list(tmp_path.glob("*/about.json")) == []


def test_what_killed_processes_left_is_removed_after_a_day(cache, memory):
    memory.pipe("/run.fits", b"content")
    for name, age in ((".old.part", 90000), (".new.part", 60)):
        (cache.folder / name).mkdir(parents=True)
        (cache.folder / name / "run.fits").write_bytes(b"cont")
        os.utime(cache.folder / name, (time.time() - age,) * 2)
    cache.copy_of("memory://run.fits")
    assert [path.name for path in cache.folder.glob(".*.part")] == [".new.part"]


def test_a_copy_whose_size_has_changed_is_made_again(cache, memory):
    memory.pipe("/run.fits", b"content")
    path = cache.copy_of("memory://run.fits")
    path.write_bytes(b"cut")
    cache.forget()
    assert cache.copy_of("memory://run.fits").read_bytes() == b"content"


def test_what_is_not_there_or_too_large_is_refused(cache, memory, monkeypatch):
    memory.pipe("/run.fits", bytes(3000))
    with pytest.raises(MissingDataError, match="memory://none"):
        readable_path("memory://none.fits")
    assert not address_exists("memory://none.fits")
    assert address_exists("memory://run.fits")
    with pytest.raises(RemoteFileError, match="nothing"):
        readable_path("nothing://host/run.fits")
    monkeypatch.setenv("LIGHTPOOL_MAX_FILE_GB", "1e-6")
    with pytest.raises(FormatError, match="more than 1 kB"):
        readable_path("memory://run.fits")
    monkeypatch.setenv("LIGHTPOOL_CACHE_GB", "much")
    with pytest.raises(ConfigError, match="LIGHTPOOL_CACHE_GB"):
        _ = cache.max_bytes


def test_without_the_package_its_command_is_shown(cache, monkeypatch):
    def refuse(name, **kwargs):
        raise ConfigError(f"install it with: pip install lightpool[{kwargs['extra']}]")

    monkeypatch.setattr(remote_files, "require_package", refuse)
    with pytest.raises(ConfigError, match=r"lightpool\[remote\]"):
        readable_path("https://host/run.fits")


def test_the_folder_is_that_of_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTPOOL_CACHE", str(tmp_path / "mine"))
    assert RemoteCache().folder == tmp_path / "mine"
    monkeypatch.delenv("LIGHTPOOL_CACHE")
    assert RemoteCache().folder.parts[-2:] == ("lightpool", "files")


def test_a_folder_that_cannot_be_written_is_named_and_its_copies_are_used(tmp_path, memory):
    memory.pipe("/store/run.fits", b"content")
    address = "memory://store/run.fits"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="set the environment variable LIGHTPOOL_CACHE"):
        RemoteCache(tmp_path / "file").copy_of(address)
    shared = tmp_path / "shared"
    copy = RemoteCache(shared).copy_of(address)
    for lock in shared.glob(".lock-*"):  # cannot be opened for writing
        lock.unlink()
        lock.mkdir()
    assert RemoteCache(shared).copy_of(address) == copy
    memory.pipe("/store/run.fits", b"more content")
    with pytest.raises(ConfigError, match="LIGHTPOOL_CACHE"):
        RemoteCache(shared).copy_of(address)


def test_a_copy_that_is_cut_off_is_not_kept(cache, memory, monkeypatch):
    memory.pipe("/run.fits", b"all of it")
    monkeypatch.setattr(type(memory), "get_file", lambda self, path, part: Path(part).write_bytes(b"all"))
    with pytest.raises(DamagedFileError, match="9 bytes, but 3"):
        readable_path("memory://run.fits")
    assert list(cache.folder.rglob("*run.fits")) == []


def test_files_in_archives_are_read(tmp_path, cache):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("store/run.txt", "in the archive")
    address = join_address(f"zip://store::{tmp_path}/all.zip", "run.txt")
    assert read_bytes(address) == b"in the archive"
    with pytest.raises(MissingDataError):
        read_bytes(f"zip://store/none.txt::{tmp_path}/all.zip")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """A server of a folder, on the loopback interface."""
    pytest.importorskip("aiohttp")
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield folder, server
    server.shutdown()
    server.server_close()
    thread.join()


def test_files_of_a_server_are_read_and_outlive_it(server, cache, caplog):
    folder, running = server
    (folder / "run.txt").write_bytes(b"from afar")
    address = f"http://127.0.0.1:{running.server_port}/run.txt"
    assert read_bytes(address) == b"from afar"
    with pytest.raises(MissingDataError, match="none"):
        read_bytes(address.replace("run", "none"))
    (folder / "run.txt").write_bytes(b"from afar, again")
    cache.forget()
    assert read_bytes(address) == b"from afar, again"
    running.shutdown()
    running.server_close()
    cache.forget()
    with caplog.at_level(logging.WARNING):
        assert read_bytes(address) == b"from afar, again"
    assert "earlier is used" in caplog.text
    assert address_exists(address)
    cache.clear()
    for read in (read_bytes, address_exists):
        with pytest.raises(RemoteFileError, match="cannot be read"):
            read(address)
