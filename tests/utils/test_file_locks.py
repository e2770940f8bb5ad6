"""Locks on files keep other processes out, also on Windows, whose functions are replaced here by some like them."""

import errno
import os
import sys
from types import ModuleType

import pytest

from lightpool.batch.storage.lock import locked
from lightpool.errors import FolderInUseError
from lightpool.fits.remote import RemoteCache
from lightpool.utils.file_locks import lock, unlock


@pytest.fixture
def windows(monkeypatch):
    """The module `msvcrt`: a lock holds for an open file and bytes from its position on, which no other may read."""
    msvcrt = ModuleType("msvcrt")
    msvcrt.LK_LOCK, msvcrt.LK_NBLCK, msvcrt.LK_UNLCK = 1, 2, 0
    msvcrt.held, msvcrt.n_timeout = {}, 0

    def locking(descriptor, mode, n_byte):
        place = (os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR))
        assert place[1] > 10_000, "the content could not be read"
        assert n_byte == 1
        if mode == msvcrt.LK_UNLCK:
            if msvcrt.held.pop(place, None) is None:
                raise PermissionError(errno.EACCES, "not locked")
        elif mode == msvcrt.LK_LOCK and place in msvcrt.held:
            msvcrt.n_timeout += 1
            if msvcrt.n_timeout == 2:  # the other process ends
                del msvcrt.held[place]
            raise OSError(errno.EDEADLK, "ten seconds have passed")
        elif place in msvcrt.held:
            raise PermissionError(errno.EACCES, "Permission denied")
        else:
            msvcrt.held[place] = descriptor

    msvcrt.locking = locking
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setitem(sys.modules, "fcntl", None)  # there is none
    monkeypatch.setattr(sys, "platform", "win32")
    return msvcrt


@pytest.fixture(params=["here", "windows"])
def system(request):
    if request.param == "windows":
        request.getfixturevalue("windows")


def test_a_file_that_is_locked_cannot_be_locked_again_until_it_is_unlocked(system, tmp_path):
    with open(tmp_path / "lock", "ab") as one, open(tmp_path / "lock", "ab") as other:
        lock(one, wait=False)
        with pytest.raises(BlockingIOError):
            lock(other, wait=False)
        unlock(one)
        lock(other, wait=True)
        unlock(other)
        unlock(other)


def test_on_windows_a_lock_is_waited_for_longer_than_the_system_does(windows, tmp_path):
    with open(tmp_path / "lock", "ab") as one, open(tmp_path / "lock", "ab") as other:
        lock(one, wait=False)
        lock(other, wait=True)
    assert windows.n_timeout == 2


def test_a_second_reduction_in_a_folder_is_refused_and_one_after_the_other_is_not(system, tmp_path):
    path = tmp_path / "out/state/lock"
    for _ in range(2):
        with locked(path):
            assert path.read_text(encoding="utf-8").startswith(f"process {os.getpid()} on")
            with (
                pytest.raises(
                    FolderInUseError, match=rf"another reduction is running in .*out \(process {os.getpid()} on"
                ),
                locked(path),
            ):
                pass


def test_a_file_system_without_locks_is_told(windows, monkeypatch, tmp_path, caplog):
    def refuse(*args):
        raise OSError(errno.EINVAL, "no locks")

    monkeypatch.setattr(windows, "locking", refuse)
    with locked(tmp_path / "out/state/lock"):
        assert "cannot be locked" in caplog.text


def test_one_process_at_a_time_copies_a_remote_file(system, tmp_path):
    cache = RemoteCache(tmp_path)
    with cache._only_one("0a"):
        (path,) = tmp_path.glob(".lock-*")
        with open(path, "ab") as other, pytest.raises(BlockingIOError):
            lock(other, wait=False)
    with open(path, "ab") as other:
        lock(other, wait=False)
