"""Copy the files of some observations into another folder, and never outside of it."""

import filecmp
import logging
import os
import posixpath
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from astropy.table import Table

from lightpool.data.files.hdu_location import HDULocation
from lightpool.errors import MissingDataError
from lightpool.fits import (
    HDUList,
    PrimaryHDU,
    file_status,
    is_address,
    name_of_place,
    table_to_hdu,
    write_fits,
)
from lightpool.utils.pbar import tracked

__all__ = ["copy_files", "require_another_folder", "write_index"]

log = logging.getLogger(__name__)

_OTHERS = "files"
"""Folder of the copies of files outside of the folder of their store."""


def require_another_folder(source: Path | None, target: Path, names: tuple[str, ...], overwrite: bool) -> None:
    """Refuse to overwrite the index of the observations' own store, or another index unless that is allowed.

    Parameters
    ----------
    source : Path or None, folder of the index of the store
    target : Path
    names : tuple of str, names of the index files
    overwrite : bool, replace existing index files

    Raises
    ------
    ValueError
        If both folders are the same.
    FileExistsError
        If an index already exists and ``overwrite`` is False.
    """
    if source is not None and target.resolve() == source.resolve():
        raise ValueError(
            f"outdir={target} is the folder of the store itself: its index would lose the other observations; choose "
            "another folder"
        )
    for name in names:
        if os.path.lexists(target / name) and not overwrite:
            raise FileExistsError(
                f"{target / name} already exists; pass overwrite=True to replace it, or choose another folder"
            )


def copy_files(locations: list[HDULocation], target: Path, overwrite: bool, verbose: bool) -> list[tuple[str, str]]:
    """Copy the files of HDUs into a folder.

    A file keeps its path relative to the folder of the index. A file outside of that folder (an absolute path, or
    ``..``) goes to the folder ``files``, and no two files share a name.

    Parameters
    ----------
    locations : list of HDULocation
    target : Path, an existing folder
    overwrite : bool, replace existing files
    verbose : bool, log each file

    Returns
    -------
    copies : list of (FILE_DIR, FILE_NAME) of the copy, for each location

    Raises
    ------
    MissingDataError
        If a file does not exist.
    FileExistsError
        If another file already has the name of a copy, and ``overwrite`` is False.
    ValueError
        If a folder in ``target`` is a link that leads out of it.
    """
    copy_of: dict[Path, PurePosixPath] = {}
    taken: set[str] = set()
    for location in locations:
        source = _source(location)
        if source not in copy_of:
            path = _free(_relative_path(location), lambda name: name in taken)
            taken.add(str(path).lower())  # some file systems ignore case
            copy_of[source] = path
    with tracked(copy_of.items(), "files") as items:
        for source, path in items:
            _copy(source, target, path, overwrite, verbose)
    copies = [copy_of[_source(location)] for location in locations]
    return [("" if str(path.parent) == "." else str(path.parent), path.name) for path in copies]


def _source(location: HDULocation) -> Path:
    return location.path().resolve()


def _relative_path(location: HDULocation) -> PurePosixPath:
    """Return the path of the copy, relative to the folder of the index and never leading out of it."""
    path = posixpath.normpath(posixpath.join(location.file_dir, location.file_name))
    leads_out = (
        is_address(location.file_dir)
        or path.startswith(("/", "../", "~"))
        or path in ("", ".", "..")
        or "$" in path
        or "\\" in path
    )
    return PurePosixPath(_OTHERS, name_of_place(location.place)) if leads_out else PurePosixPath(path)


def _free(path: PurePosixPath, is_taken: Callable[[str], bool]) -> PurePosixPath:
    """Return the path, or the first one with a number in its name that no other file has."""
    stem, dot, rest = path.name.partition(".")
    free, number = path, 1
    while is_taken(str(free).lower()):
        number += 1
        free = path.with_name(f"{stem}_{number}{dot}{rest}")
    return free


def _copy(source: Path, target: Path, path: PurePosixPath, overwrite: bool, verbose: bool) -> None:
    copy = target / path
    if not copy.parent.resolve().is_relative_to(target.resolve()):
        raise ValueError(
            f"{copy.parent} leads out of outdir={target}, to {copy.parent.resolve()}, through a link; nothing is "
            "written outside of it: remove the link, or choose another folder"
        )
    file_status(source)  # raises an error if it is not a regular file
    if os.path.lexists(copy) and not overwrite:
        if copy.is_file() and filecmp.cmp(source, copy, shallow=False):
            return
        raise FileExistsError(
            f"{copy} already exists and differs from {source}; pass overwrite=True to replace it, or choose another "
            "folder"
        )
    if verbose:
        log.info(f"{source} -> {copy}")
    copy.parent.mkdir(exist_ok=True, parents=True)
    part = copy.with_name(f".{secrets.token_hex(8)}.part")
    try:
        shutil.copy2(source, part)
        os.replace(part, copy)  # replaces a link itself, not the file that it names
    except FileNotFoundError as error:
        raise MissingDataError(f"no file {source}: it disappeared while it was copied") from error
    finally:
        part.unlink(missing_ok=True)


def write_index(table: Table, path: Path, name: str) -> None:
    """Write an index table; an existing index is replaced.

    Parameters
    ----------
    table : `astropy.table.Table`
    path : Path
    name : str, of the HDU
    """
    plain = table.copy()
    for key in ("BASE_DIR", "EXTNAME", "FILENAME"):
        plain.meta.pop(key, None)
    write_fits(HDUList([PrimaryHDU(), table_to_hdu(plain, name=name)]), path, overwrite=True)
