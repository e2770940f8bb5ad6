"""Files are opened for reading only if they are regular ones, and no more of them is read than was agreed."""

import os
import socket

import pytest

from lightpool.data.files.file_cache import FileCache
from lightpool.datasets.formats.yaml_format import read_yaml
from lightpool.errors import FormatError, MissingDataError, UnreadableFileError
from lightpool.fits import file_status, open_file, read_bytes, read_fits, read_text
from lightpool.fits.files import MAX_TEXT_BYTES

READERS = [open_file, file_status, read_bytes, read_text, read_fits, read_yaml, FileCache().open]


@pytest.fixture(params=["pipe", "socket", "device", "folder", "link to a pipe"])
def no_file(request, tmp_path, monkeypatch):
    """Path to something that is no regular file, and the word for it."""
    path = tmp_path / "run.fits"
    if request.param == "device":
        return "/dev/zero", "a device"
    if request.param == "folder":
        path.mkdir()
    elif request.param == "socket":
        monkeypatch.chdir(tmp_path)  # the name of a socket has at most 108 characters
        socket.socket(socket.AF_UNIX).bind(path.name)
    elif request.param == "pipe":
        os.mkfifo(path)
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to("pipe")
    return path, {"folder": "a folder", "socket": "a socket"}.get(request.param, "a named pipe")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are a thing of Unix")
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file_is_refused_at_once(no_file, reader):
    path, kind = no_file
    with pytest.raises(FormatError, match=kind) as caught:
        reader(path)
    assert str(path) in str(caught.value)
    assert "expected a regular file" in str(caught.value)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["absent", "x" * 300, "a\0b", "file/below", "loop"])
def test_a_path_that_leads_nowhere_is_missing_data(tmp_path, name, reader):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(MissingDataError, match="no file"):
        reader(tmp_path / name)


def test_a_file_without_permission_says_so(tmp_path, monkeypatch):
    path = tmp_path / "run.fits"
    path.write_bytes(b"SIMPLE")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("io.open", refuse)  # the user root may read everything
    with pytest.raises(UnreadableFileError, match=r"run\.fits cannot be read: Permission denied"):
        read_fits(path)


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "runs.txt"
    with path.open("wb") as file:
        file.truncate(MAX_TEXT_BYTES + 1)  # takes no room on the disk
    with pytest.raises(FormatError, match=r"runs\.txt has more than 67.1 MB, which is the limit; check the path"):
        read_text(path)
    assert read_bytes(path, most=MAX_TEXT_BYTES + 1)[-1:] == b"\0"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="only Linux has such files")
def test_a_file_that_does_not_know_its_size_is_read_to_its_end():
    assert b"\n" in read_bytes("/proc/self/status")
    with pytest.raises(FormatError, match="has more than 10 B"):
        read_bytes("/proc/self/status", most=10)


def test_text_has_its_line_ends_turned_and_must_be_text(tmp_path):
    path = tmp_path / "regions.reg"
    path.write_bytes(b"icrs\r\ncircle\r\n")
    assert read_text(path) == "icrs\ncircle\n"
    path.write_bytes(b"\xff\xfe\0")
    with pytest.raises(FormatError, match=r"regions\.reg is not text in UTF-8"):
        read_text(path)
