"""The HDU index: which file and HDU holds which data of which observation."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from lightpool.data.files.hdu_location import HDULocation
from lightpool.data.tables.index_tables import read_index_table, with_whole_obs_ids
from lightpool.data.tables.obs_ids import obs_id_numbers
from lightpool.errors import FormatError
from lightpool.fits import (
    FileKind,
    Place,
    TableData,
    parent_of_place,
    parsing,
    place_of,
)
from lightpool.typing import PathInput
from lightpool.utils.secret_texts import hide_secrets

__all__ = ["HDUIndexTable", "HDULookup", "look_up", "obs_ids_of", "read_hdu_index", "rows_of"]

log = logging.getLogger(__name__)

_COLUMNS = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
_ONE_FILE = ("events", "gti")
Rows: TypeAlias = slice | list[int] | NDArray[np.intp]


@dataclass(frozen=True)
class HDULookup:
    """Rows of an HDU index as plain lists.

    Attributes
    ----------
    rows : dict of OBS_ID to dict of HDU_TYPE to positions in ``names``
    names : list of (HDU_CLASS, FILE_DIR, FILE_NAME, HDU_NAME)
    base_dir : str
    """

    rows: dict[int, dict[str, list[int]]]
    names: list[tuple[str, ...]]
    base_dir: str

    def location(self, row: int, hdu_class: str | None = None) -> HDULocation:
        """Return the location of a row.

        Parameters
        ----------
        row : int, position in ``names``
        hdu_class : str, optional
            Another class that is read from the same HDU, such as ``pointing`` from EVENTS.
        """
        known, file_dir, file_name, hdu_name = self.names[row]
        return HDULocation(hdu_class or known, self.base_dir, file_dir, file_name, hdu_name)

    def choose(self, obs_id: int, kind: str, rows: list[int]) -> HDULocation:
        """Return the location of the first of several rows, see `HDUIndexTable.hdu_location`.

        Parameters
        ----------
        obs_id : int
        kind : str, HDU_TYPE
        rows : list of int, positions in ``names``

        Raises
        ------
        FormatError
            If the rows name different HDUs of a kind of which an observation has one.
        """
        if len(rows) > 1 and len({self.names[row] for row in rows}) > 1:
            named = "; ".join("{} in {}/{}[{}]".format(*self.names[row]) for row in rows)
            if kind in _ONE_FILE:
                raise FormatError(
                    f"HDU index of {hide_secrets(self.base_dir)}: OBS_ID {obs_id} has {len(rows)} different {kind} "
                    f"HDUs: {named}; "
                    "an observation has one: give each file its own OBS_ID, or remove the wrong rows"
                )
            log.warning(
                f"Found multiple HDU matching: OBS_ID = {obs_id}, HDU_TYPE = {kind}: {named}. Taking the first."
            )
        return self.location(rows[0])


def read_hdu_index(filename: PathInput, hdu: str | int | None = None) -> TableData:
    """Read the columns of an HDU index, see `HDUIndexTable.read`; ``meta["BASE_DIR"]`` is the folder of the file.

    Parameters
    ----------
    filename : str or path-like
    hdu : str or int, optional; the first table by default

    Raises
    ------
    FormatError
        If a column is missing or a row names no file.
    """
    data = read_index_table(filename, hdu, _COLUMNS, "HDUIndexTable.read", FileKind.HDU_INDEX)
    where = f"{data.source}, HDU {data.name!r}"
    missing = [name for name in _COLUMNS if name not in data]
    if missing:
        raise FormatError(
            f"{where} is not an HDU index: columns {', '.join(missing)} are missing; it has {', '.join(data.columns)}"
        )
    empty = np.flatnonzero((data.columns["FILE_NAME"] == "") | (data.columns["HDU_NAME"] == ""))
    if empty.size:
        row = int(empty[0])
        raise FormatError(
            f"{where}: row {row} names no file or no HDU: "
            f"{', '.join(f'{name} = {data.columns[name][row]!r}' for name in _COLUMNS)}; "
            "fill it in, or remove the row"
        )
    data = with_whole_obs_ids(data)
    data.meta["BASE_DIR"] = parent_of_place(place_of(filename))
    return data


def rows_of(index: "TableData | HDUIndexTable", obs_ids: Iterable[int]) -> NDArray[np.intp]:
    """Return the numbers of the rows of some observations.

    Parameters
    ----------
    index : HDU index
    obs_ids : iterable of int
    """
    return np.flatnonzero(np.isin(_numbers(index), np.fromiter(obs_ids, dtype=np.int64)))


def obs_ids_of(index: "TableData | HDUIndexTable") -> NDArray[np.integer[Any]]:
    """Return the observation IDs, sorted, each once."""
    return np.unique(_numbers(index))


def _numbers(index: "TableData | HDUIndexTable") -> NDArray[np.integer[Any]]:
    """Return the observation IDs of all rows."""
    return obs_id_numbers(index.columns["OBS_ID"], f"HDU index of {hide_secrets(str(base_dir(index)))}")


def look_up(index: "TableData | HDUIndexTable", rows: Rows = slice(None)) -> HDULookup:
    """Return the rows of an HDU index by observation, as plain lists.

    Parameters
    ----------
    index : HDU index
    rows : list of row numbers; all by default
    """
    numbers: list[int] = _numbers(index)[rows].tolist()
    found: dict[int, dict[str, list[int]]] = {}
    for row, (obs_id, kind) in enumerate(zip(numbers, _text(index, "HDU_TYPE", rows), strict=True)):
        found.setdefault(obs_id, {}).setdefault(kind, []).append(row)
    names = list(zip(*(_text(index, name, rows) for name in _COLUMNS[2:]), strict=True))
    folder = base_dir(index)
    return HDULookup(found, names, folder if isinstance(folder, str) else folder.as_posix())


def _text(index: "TableData | HDUIndexTable", name: str, rows: Rows = slice(None)) -> list[str]:
    values = index.columns[name][rows]
    # The usual case in one call of NumPy, because a loop over many rows is slow.
    if values.dtype.kind == "U" and not isinstance(values, np.ma.MaskedArray):
        stripped: list[str] = np.strings.strip(np.asarray(values)).tolist()
        return stripped
    return ["" if value is None else str(value).strip() for value in values.tolist()]


def base_dir(index: "TableData | HDUIndexTable") -> Place:
    """Return the folder that FILE_DIR is relative to, or its address."""
    return place_of(str(index.meta.get("BASE_DIR", "")))


class HDUIndexTable(Table):
    """HDU index table, columns OBS_ID, HDU_TYPE, HDU_CLASS, FILE_DIR, FILE_NAME and HDU_NAME.

    FILE_DIR is relative to ``meta["BASE_DIR"]``, the folder of the index.
    """

    VALID_HDU_TYPE = ["events", "gti", "aeff", "edisp", "psf", "bkg", "rad_max", "pointing"]  # noqa: RUF012
    """Values of HDU_TYPE."""

    VALID_HDU_CLASS = [  # noqa: RUF012
        "events",
        "gti",
        "aeff_2d",
        "edisp_2d",
        "psf_table",
        "psf_3gauss",
        "psf_king",
        "bkg_2d",
        "bkg_3d",
        "rad_max_2d",
        "pointing",
    ]
    """Values of HDU_CLASS."""

    @classmethod
    def read(cls, filename: PathInput, hdu: str | int | None = None, **kwargs: object) -> "HDUIndexTable":
        """Read from a FITS file.

        Parameters
        ----------
        filename : str or path-like
        hdu : str or int, optional; the first table by default
        **kwargs : not used; Gammapy has them

        Raises
        ------
        FormatError
            If a column is missing or a row names no file.
        """
        with parsing(filename):
            return cls.from_table_data(read_hdu_index(filename, hdu))

    @classmethod
    def empty(cls) -> "HDUIndexTable":
        """Return an index without rows."""
        return cls(names=list(_COLUMNS), dtype=["i8", "U1", "U1", "U1", "U1", "U1"])

    @classmethod
    def from_table_data(cls, data: TableData) -> "HDUIndexTable":
        """Create from the columns that `read_hdu_index` returns."""
        return data.to_table(cls)

    @property
    def base_dir(self) -> Place:
        """Folder that FILE_DIR is relative to; the text of its address if it is on another machine."""
        return base_dir(self)

    @property
    def shown_dir(self) -> str:
        """The same as text without passwords, for messages."""
        return hide_secrets(str(self.base_dir))

    def lookup(self) -> HDULookup:
        """Return all rows by observation, as plain lists, for many queries in a row."""
        return look_up(self)

    def hdu_location(
        self, obs_id: int, hdu_type: str | None = None, hdu_class: str | None = None, warn_missing: bool = True
    ) -> HDULocation | None:
        """Return the location of an HDU; None if the index does not list it.

        If several rows match, the first counts, with a warning; several ``events`` or ``gti`` rows that name different
        HDUs are an error.

        Parameters
        ----------
        obs_id : int
        hdu_type, hdu_class : str; at least one of them
        warn_missing : bool
        """
        self._check_selection(obs_id, hdu_type, hdu_class)
        rows = self.row_idx(obs_id, hdu_type, hdu_class)
        if not rows:
            if warn_missing:
                log.warning(f"No HDU found matching: OBS_ID = {obs_id}, HDU_TYPE = {hdu_type}, HDU_CLASS = {hdu_class}")
            return None
        return look_up(self, rows).choose(obs_id, hdu_type or str(hdu_class), list(range(len(rows))))

    def _check_selection(self, obs_id: int, hdu_type: str | None, hdu_class: str | None) -> None:
        if hdu_type is None and hdu_class is None:
            raise ValueError("You have to specify `hdu_type` or `hdu_class`.")
        if hdu_type and hdu_type not in self.VALID_HDU_TYPE:
            raise ValueError(f"Invalid hdu_type: {hdu_type}. Valid values are: {self.VALID_HDU_TYPE}")
        if hdu_class and hdu_class not in self.VALID_HDU_CLASS:
            raise ValueError(f"Invalid hdu_class: {hdu_class}. Valid values are: {self.VALID_HDU_CLASS}")
        if obs_id not in _numbers(self):
            raise IndexError(f"No entry available with OBS_ID = {obs_id}")

    def row_idx(self, obs_id: int, hdu_type: str | None = None, hdu_class: str | None = None) -> list[int]:
        """Return the numbers of the rows that match.

        Parameters
        ----------
        obs_id : int
        hdu_type, hdu_class : str, optional
        """
        mask = _numbers(self) == obs_id
        for name, wanted in (("HDU_TYPE", hdu_type), ("HDU_CLASS", hdu_class)):
            if wanted:
                mask &= np.array([value == wanted for value in _text(self, name)], dtype=bool)
        return [int(row) for row in np.flatnonzero(mask)]

    def location_info(self, idx: int) -> HDULocation:
        """Return the location of a row."""
        return look_up(self, [int(range(len(self))[idx])]).location(0)

    @property
    def obs_id_unique(self) -> NDArray[np.integer[Any]]:
        """Observation IDs, sorted, each once."""
        return obs_ids_of(self)

    @property
    def hdu_type_unique(self) -> list[str]:
        """HDU types, sorted, each once."""
        return sorted(set(_text(self, "HDU_TYPE")))

    @property
    def hdu_class_unique(self) -> list[str]:
        """HDU classes, sorted, each once."""
        return sorted(set(_text(self, "HDU_CLASS")))

    def summary(self) -> str:
        """Return a summary as text."""
        obs_id = self.obs_id_unique
        span = f"{obs_id[0]} -- {obs_id[-1]}" if len(obs_id) else "none"
        return (
            "HDU index table:\n"
            f"BASE_DIR: {self.shown_dir}\n"
            f"Rows: {len(self)}\n"
            f"OBS_ID: {span}\n"
            f"HDU_TYPE: {self.hdu_type_unique}\n"
            f"HDU_CLASS: {self.hdu_class_unique}\n"
        )
