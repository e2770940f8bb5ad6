"""Paths as users write them: ``~`` and environment variables such as ``$GAMMAPY_DATA`` are expanded."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import overload
from urllib.parse import unquote

from lightpool.errors import RemoteFileError
from lightpool.utils.secret_texts import hide_secrets

__all__ = [
    "errors_named",
    "expanded_path",
    "expanded_text",
    "make_path",
    "missing_file_hint",
    "require_variables",
    "required_path",
    "unset_variables",
]

_TO_EXPAND = re.compile("[~$%:]")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@overload
def make_path(path: None) -> None: ...
@overload
def make_path(path: str | PathLike[str]) -> Path: ...


def make_path(path: str | PathLike[str] | None) -> Path | None:
    """Return a path with ``~`` and environment variables expanded; None stays None.

    A variable that is not set stays in the path; `missing_file_hint` names it if the file is then not found. A leading
    ``file://`` is removed.

    Raises
    ------
    RemoteFileError
        If it is an address such as ``https://...`` or ``s3://...``.
    """
    if path is None:
        return None
    text = os.fspath(path)
    if _TO_EXPAND.search(text) is None:  # nearly all paths, and each file has many uses
        return path if isinstance(path, Path) else _path(text)
    return Path(expanded_text(_local(text)))


def required_path(path: str | PathLike[str]) -> Path:
    """Return a path as `make_path` does, of a file that must have a name.

    Raises
    ------
    ValueError
        If it is None.
    RemoteFileError
        If it is an address.
    """
    given: str | PathLike[str] | None = path
    if given is None:
        raise ValueError("the filename is None, expected a str or a Path: give the file to read or to write")
    return make_path(path)


def expanded_text(path: str) -> str:
    """Return the text of a path with ``~`` and environment variables expanded, as far as they are known."""
    return path if _TO_EXPAND.search(path) is None else os.path.expanduser(os.path.expandvars(path))


@lru_cache(maxsize=1024)
def _path(text: str) -> Path:
    return Path(text)


def _local(path: str) -> str:
    """Return the path of a file on this machine."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/(/?)", path)  # pathlib makes one slash of two
    if match is None:
        return path
    if match[1].lower() == "file":
        host, slash, rest = path[match.end() :].partition("/") if match[2] else ("", "/", path[match.end() :])
        if slash and host in ("", "localhost"):
            return "/" + unquote(rest).lstrip("/")
        raise RemoteFileError(f"{path} is on another machine, {host!r}; mount its folder, and give that path")
    raise RemoteFileError(
        f"{hide_secrets(path)} is on another machine, and here a path of this one is needed: data can be read from "
        "addresses, but nothing is written to them; download it, or mount the storage as a folder (with rclone or "
        "s3fs, for instance), and give that path"
    )


def expanded_path(path: str | PathLike[str]) -> Path:
    """Return a path with ``~`` and environment variables expanded; unlike in `make_path`, all must be known.

    Raises
    ------
    ValueError
        If a variable is not set or empty, a user is not known, or the name is not valid.
    """
    text = os.fspath(path)
    require_variables(text)
    if not text.strip() or "\0" in text:
        raise ValueError(f"got {text!r}, expected the path of a file or folder")
    found = make_path(text)
    if str(found).startswith("~"):
        raise ValueError(f"got {text!r}, but the home folder of this user is not known; write the folder")
    return found


def require_variables(text: str) -> None:
    """Raise a ValueError if a variable in the text of a path or an address is not set, or is empty."""
    for name in _VARIABLE.findall(text):
        if not os.environ.get(name):
            state = "is empty" if name in os.environ else "is not set"
            raise ValueError(f"got {text!r}, but the environment variable {name} {state}; set it, or write the folder")


def unset_variables(text: str) -> list[str]:
    """Return the names of the variables in a text that are not set."""
    return [name for name in _VARIABLE.findall(text) if name not in os.environ]


def missing_file_hint(path: str | PathLike[str]) -> str:
    """Return advice about a path that does not exist, as a sentence for an error message."""
    if unset := unset_variables(os.fspath(path)):
        return f"the environment variable {', '.join(unset)} is not set; set it to the folder with the data"
    parent = Path(path).parent
    if not parent.is_dir():
        return f"the folder {parent} does not exist either; check the path and its environment variables"
    return f"the folder {parent} exists; check the file name, or download the file again"


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Add the name of the file to errors of writing, such as a full disk: the system does not name an open file."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        if error.errno is None:
            raise OSError(
                f"{path} cannot be written ({error}); is the disk full?"
            ) from error  # NumPy counts bytes only
        raise OSError(error.errno, error.strerror, str(path)) from error
