"""The files of some observations copied into another folder, and never out of it."""

import filecmp
import logging
import os
import posixpath
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from lightpool.data.files.hdu_location import HDULocation
from lightpool.errors import MissingDataError
from lightpool.fits import HDUList, PrimaryHDU, file_status, table_to_hdu, write_fits

__all__ = ["copy_files", "require_another_folder", "write_index"]

log = logging.getLogger(__name__)

_OTHERS = "files"
"""Folder of the copies of files that lie outside of the folder of their store."""


def require_another_folder(source: Path | None, target: Path, names: tuple[str, ...], overwrite: bool) -> None:
    """Refuse to copy observations over the index of their own store, or over another index without leave.

    Raises
    ------
    ValueError
        If both folders are the same.
    FileExistsError
        If there is an index already and ``overwrite`` is False.
    """
    if source is not None and target.resolve() == source.resolve():
        raise ValueError(
            f"outdir={target} is the folder of the store itself: its index would lose the other observations; choose "
            "another folder"
        )
    for name in names:
        if os.path.lexists(target / name) and not overwrite:
            raise FileExistsError(
                f"{target / name} is there already; pass overwrite=True to replace it, or choose another folder"
            )


def copy_files(locations: list[HDULocation], target: Path, overwrite: bool, verbose: bool) -> list[tuple[str, str]]:
    """Copy the files of HDUs into a folder.

    A file keeps its place relative to the folder of the index. One whose place is outside of that (an absolute path, or
    ``..``) goes to the folder ``files``, and no two files share a name.

    Parameters
    ----------
    locations : list of HDULocation
    target : Path, an existing folder
    overwrite : bool, replace files that are there
    verbose : bool, log each file

    Returns
    -------
    places : list of (FILE_DIR, FILE_NAME) of the copy, for each location

    Raises
    ------
    MissingDataError
        If a file is not there.
    FileExistsError
        If another file has the name of a copy already, and ``overwrite`` is False.
    ValueError
        If a folder in ``target`` is a link that leads out of it.
    """
    place_of: dict[Path, PurePosixPath] = {}
    taken: set[str] = set()
    for location in locations:
        source = _source(location)
        if source not in place_of:
            place = _free(_place(location), lambda name: name in taken)
            taken.add(str(place).lower())  # some file systems ignore case
            place_of[source] = place
    for source, place in place_of.items():
        _copy(source, target, place, overwrite, verbose)
    places = [place_of[_source(location)] for location in locations]
    return [("" if str(place.parent) == "." else str(place.parent), place.name) for place in places]


def _source(location: HDULocation) -> Path:
    return location.path().resolve()


def _place(location: HDULocation) -> PurePosixPath:
    """Place of the copy, relative to the folder of the index, without any way out of it."""
    place = posixpath.normpath(posixpath.join(location.file_dir, location.file_name))
    leads_out = place.startswith(("/", "../", "~")) or place in ("", ".", "..") or "$" in place or "\\" in place
    return PurePosixPath(_OTHERS, posixpath.basename(location.path().name)) if leads_out else PurePosixPath(place)


def _free(place: PurePosixPath, is_taken: Callable[[str], bool]) -> PurePosixPath:
    """Return the place, or the first with a number that no other file has."""
    stem, dot, rest = place.name.partition(".")
    free, number = place, 1
    while is_taken(str(free).lower()):
        number += 1
        free = place.with_name(f"{stem}_{number}{dot}{rest}")
    return free


def _copy(source: Path, target: Path, place: PurePosixPath, overwrite: bool, verbose: bool) -> None:
    copy = target / place
    if not copy.parent.resolve().is_relative_to(target.resolve()):
        raise ValueError(
            f"{copy.parent} leads out of outdir={target}, to {copy.parent.resolve()}, through a link; nothing is "
            "written outside of it: remove the link, or choose another folder"
        )
    file_status(source)  # an error for what is no regular file
    if os.path.lexists(copy) and not overwrite:
        if copy.is_file() and filecmp.cmp(source, copy, shallow=False):
            return
        raise FileExistsError(
            f"{copy} is there already and is not {source}; pass overwrite=True to replace it, or choose another folder"
        )
    if verbose:
        log.info(f"{source} -> {copy}")
    copy.parent.mkdir(exist_ok=True, parents=True)
    part = copy.with_name(f".{secrets.token_hex(8)}.part")
    try:
        shutil.copy2(source, part)
        os.replace(part, copy)  # replaces a link itself, not the file that it names
    except FileNotFoundError as error:
        raise MissingDataError(f"no file {source}: it went away while it was copied") from error
    finally:
        part.unlink(missing_ok=True)


def write_index(table: Any, path: Path, name: str) -> None:
    """Write an index table; an index that is there is replaced."""
    plain = table.copy()
    for key in ("BASE_DIR", "EXTNAME", "FILENAME"):
        plain.meta.pop(key, None)
    write_fits(HDUList([PrimaryHDU(), table_to_hdu(plain, name=name)]), path, overwrite=True)
