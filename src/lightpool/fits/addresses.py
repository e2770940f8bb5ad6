"""Addresses of files that are not in a folder of this machine: ``https://...``, ``s3://...``, ``zip://in::archive.zip``.

They are texts and stay texts, because `pathlib` makes one slash of two.
"""

import os
import posixpath
import re
from os import PathLike
from pathlib import Path
from typing import TypeAlias

__all__ = [
    "Place",
    "folder_and_name",
    "is_address",
    "join_address",
    "name_of_place",
    "parent_of_place",
    "place_below",
    "tidy_address",
]

Place: TypeAlias = Path | str
"""The path of a file on this machine, or the address of another one."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(/?)")  # a drive of Windows has one letter
_WITHOUT_HOST = ("zip", "tar", "memory")


def is_address(path: str | PathLike[str] | None) -> bool:
    """Return whether this is an address, and not the path of a file on this machine; ``file://`` is a path."""
    if path is None:
        return False
    match = _SCHEME.match(os.fspath(path))
    return match is not None and match[1].lower() != "file"


def tidy_address(address: str | PathLike[str]) -> str:
    """Return an address with both slashes, one of which `pathlib` takes away, and no slash at its end."""
    text = _SCHEME.sub(lambda match: f"{match[1]}://", os.fspath(address), count=1)
    inner, separator, outer = text.partition("::")
    return inner.rstrip("/") + separator + outer if not inner.endswith("://") else text


def _split(address: str) -> tuple[str, str, str]:
    """Return the scheme with the host, the path below it, and what follows: ``?`` of a server, and ``::``."""
    inner, separator, outer = tidy_address(address).partition("::")
    scheme, _, rest = inner.partition("://")
    has_host = scheme.lower() not in _WITHOUT_HOST
    host, slash, path = rest.partition("/") if has_host else ("", "", rest)
    mark = query = ""
    if scheme.lower() in ("http", "https"):
        host, mark, query = host.partition("?")
        if not mark:
            path, mark, query = path.partition("?")
    return f"{scheme}://{host}{slash}", path, mark + query + separator + outer


def join_address(address: str, *parts: str) -> str:
    """Return the address of a file below another address; ``..`` leads up, and ``?`` of a server stays at the end.

    Parameters
    ----------
    address : str, of a folder
    *parts : str, relative; one that is an address itself takes the place of all before it
    """
    for part in parts:
        if is_address(part):
            address = tidy_address(part)
        elif part:
            root, path, outer = _split(address)
            root = root if root.endswith("/") else f"{root}/"
            address = root + posixpath.normpath(posixpath.join("/", path, part)).lstrip("/") + outer
    return address


def place_below(folder: Place, name: str) -> Place:
    """Return the path or the address of a file in a folder.

    Parameters
    ----------
    folder : Path, or str if it is an address
    name : str
    """
    return join_address(folder, name) if isinstance(folder, str) else folder / name


def parent_of_place(place: Place) -> str:
    """Return the text of the folder that a file is in."""
    if isinstance(place, str) and is_address(place):
        root, path, outer = _split(place)
        return root + posixpath.dirname(path) + outer
    return Path(place).parent.as_posix()


def name_of_place(place: Place) -> str:
    """Return the name of a file without its folder, and without what follows a question mark in an address."""
    if isinstance(place, str) and is_address(place):
        return posixpath.basename(_split(place)[1].partition("?")[0])
    return Path(place).name


def folder_and_name(place: Place) -> tuple[str, str]:
    """Return FILE_DIR and FILE_NAME of an index for a file; an address with a question mark is not split."""
    if isinstance(place, str) and "?" in place:
        return "", place
    return parent_of_place(place), name_of_place(place)
