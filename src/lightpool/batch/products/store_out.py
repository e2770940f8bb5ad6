"""Index files of a data store that name the old event and response files and new background tables."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from astropy.table import Table

from lightpool.data import DataStore
from lightpool.data.files.hdu_location import HDULocation
from lightpool.errors import ConfigError, LightpoolError, ResumeError
from lightpool.fits import BinTableHDU, HDUList, PrimaryHDU, read_fits, table_to_hdu, write_fits
from lightpool.utils.secret_texts import hide_secrets

__all__ = ["NewTable", "refuse_foreign_index", "write_store"]

log = logging.getLogger(__name__)

_CREATOR = "lightpool background"
_COLUMNS = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
_DOCUMENT = "https://gamma-astro-data-formats.readthedocs.io"
_MAX_LISTED = 20

_Row: TypeAlias = tuple[int, str, str, str, str, str]


@dataclass(frozen=True)
class NewTable:
    """File of a background table, with its HDU_CLASS."""

    path: Path
    hdu_class: str


def refuse_foreign_index(folder: Path) -> None:
    """Refuse to replace index files that other programs wrote, such as those of the data store itself.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    ResumeError
        Names the file.
    """
    for name in (DataStore.DEFAULT_HDU_TABLE, DataStore.DEFAULT_OBS_TABLE):
        path = folder / name
        if path.exists() and not _is_ours(path):
            raise ResumeError(
                f"{path} is an index that `lightpool background` did not write, and would be replaced; choose another "
                "folder for store_out"
            )


def _is_ours(path: Path) -> bool:
    with suppress(LightpoolError, OSError, ValueError):
        return str(read_fits(path).values(1).get("CREATOR", "")).strip() == _CREATOR
    return False


def write_store(
    store: DataStore, folder: Path, obs_ids: Sequence[int], tables: Mapping[int, NewTable], *, keep_old: bool
) -> None:
    """Write the HDU index and the observation index of some observations of a data store.

    Parameters
    ----------
    store : DataStore
    folder : Path
        Created if missing.
    obs_ids : sequence of int
    tables : mapping of int to NewTable
        New background tables by observation number.
    keep_old : bool
        Whether observations without a new table keep their old one, or have none.

    Raises
    ------
    ConfigError
        If the data store is at an address with a password, which an index file would contain.
    """
    refuse_foreign_index(folder)
    rows: list[_Row] = []
    without = []
    start = os.path.realpath(folder)
    known = store.hdu_table.lookup()
    for obs_id in dict.fromkeys(obs_ids):
        new = tables.get(obs_id)
        for hdu_type, numbers in known.rows.get(obs_id, {}).items():
            if hdu_type != "bkg" or (new is None and keep_old):
                rows += [(obs_id, hdu_type, *_named(known.location(number), start)) for number in numbers]
        if new is None:
            without.append(obs_id)
        else:
            path = os.path.realpath(new.path)
            rows.append((obs_id, "bkg", new.hdu_class, _folder_of(path, start), os.path.basename(path), "BACKGROUND"))
    if without:
        log.warning(
            "%d observations in %s have no new background table and %s: %s",
            len(without),
            folder,
            "keep their old one" if keep_old else "none at all",
            ", ".join(map(str, without[:_MAX_LISTED])) + (", ..." if len(without) > _MAX_LISTED else ""),
        )
    folder.mkdir(parents=True, exist_ok=True)
    # The HDU index, with which a store can be used, comes last.
    for name, hdu in _indices(store, rows, set(obs_ids)):
        write_fits(HDUList([PrimaryHDU(), hdu]), folder / name, overwrite=True)


def _named(location: HDULocation, start: str) -> tuple[str, str, str, str]:
    """Return HDU_CLASS, FILE_DIR, FILE_NAME and HDU_NAME of an HDU for an index in another folder."""
    place = location.place
    if isinstance(place, str):
        if hide_secrets(place) != place:
            raise ConfigError(
                f"output.store_out: the address {hide_secrets(place)} has a password or a token, which an index file "
                "would contain; copy the data store, or set it up in the configuration of fsspec"
            )
        file_dir, _, file_name = place.rpartition("/")
        return location.hdu_class, file_dir, file_name, location.hdu_name
    path = os.path.realpath(place)
    return location.hdu_class, _folder_of(path, start), os.path.basename(path), location.hdu_name


def _folder_of(path: str, start: str) -> str:
    """Return the folder of a file, relative to the index if they have a folder in common other than the root."""
    folder = os.path.dirname(path)
    with suppress(ValueError):  # other drives
        if os.path.commonpath([folder, start]) != os.path.abspath(os.sep):
            return Path(os.path.relpath(folder, start)).as_posix()
    return folder


def _indices(store: DataStore, rows: Sequence[_Row], obs_ids: set[int]) -> Iterator[tuple[str, BinTableHDU]]:
    if store.obs_table is None:
        log.warning("the data store has no observation index, so no new one is written")
    else:
        table = store.obs_table
        some = table[np.isin(np.asarray(table["OBS_ID"]), list(obs_ids))]
        hdu = table_to_hdu(some, "OBS_INDEX")
        yield DataStore.DEFAULT_OBS_TABLE, _marked(hdu, "OBS")
    types = [np.int64, *[str] * (len(_COLUMNS) - 1)]
    hdu = table_to_hdu(Table(rows=list(rows) or None, names=_COLUMNS, dtype=types), "HDU_INDEX")
    yield DataStore.DEFAULT_HDU_TABLE, _marked(hdu, "HDU")


def _marked(hdu: BinTableHDU, kind: str) -> BinTableHDU:
    hdu.header["HDUCLASS"], hdu.header["HDUDOC"], hdu.header["HDUVERS"] = "GADF", _DOCUMENT, "0.3"
    hdu.header["HDUCLAS1"], hdu.header["HDUCLAS2"], hdu.header["CREATOR"] = "INDEX", kind, _CREATOR
    return hdu
