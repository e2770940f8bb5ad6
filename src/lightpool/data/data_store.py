"""A folder of observations with its two index files."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightpool.attributes import KnownAttributes
from lightpool.data.checkers import Checker
from lightpool.data.obs_table import ObservationTable, read_obs_index
from lightpool.data.observation import Observation
from lightpool.data.observation_card import store_card
from lightpool.data.observations import Observations
from lightpool.data.store.checks import check_data_store
from lightpool.data.store.copy_files import copy_files, require_another_folder, write_index
from lightpool.data.store.hdu_index import HDUIndexTable, HDULookup, look_up, obs_ids_of, read_hdu_index, rows_of
from lightpool.data.store.index_from_events import CalDBIRF, IndexMaker
from lightpool.data.store.required_hdus import (
    ALL_HDUS,
    ALL_IRFS,
    REQUIRED_IRFS,
    MissingRequiredHDU,
    MissingRequiredHDUError,
    require_listed,
    required_hdus,
    sufficient_arguments,
)
from lightpool.data.tables.obs_ids import obs_id_of
from lightpool.data.tables.part_names import PARTS_IN_FILES
from lightpool.errors import MissingDataError
from lightpool.fits import Place, TableData, make_path, missing_file_hint, place_below, place_exists, place_of
from lightpool.typing import PathInput
from lightpool.utils.html import Card, ShownInNotebooks

__all__ = [
    "ALL_HDUS",
    "ALL_IRFS",
    "REQUIRED_IRFS",
    "CalDBIRF",
    "DataStore",
    "DataStoreChecker",
    "DataStoreMaker",
    "MissingRequiredHDU",
    "MissingRequiredHDUError",
]

log = logging.getLogger(__name__)


class DataStore(KnownAttributes, ShownInNotebooks):
    """A store of observations.

    Parameters
    ----------
    hdu_table : `HDUIndexTable`; without it there are no observations
    obs_table : `ObservationTable`, optional; not all stores have one
        Kept sorted by OBS_ID, each once, see `ObservationTable.without_duplicates`.
    """

    DEFAULT_HDU_TABLE = "hdu-index.fits.gz"
    """Name of the HDU index file; without ``.gz`` if that does not exist."""

    DEFAULT_OBS_TABLE = "obs-index.fits.gz"
    """Name of the observation index file; without ``.gz`` if that does not exist."""

    def __init__(self, hdu_table: HDUIndexTable | None = None, obs_table: ObservationTable | None = None) -> None:
        self._hdu_index: HDUIndexTable | TableData = HDUIndexTable.empty() if hdu_table is None else hdu_table
        self._obs_index: ObservationTable | TableData | None = (
            None if obs_table is None else obs_table.without_duplicates()
        )

    @classmethod
    def _from_data(cls, hdu_index: TableData, obs_index: TableData | None) -> "DataStore":
        """Create from columns; the tables are created on demand, which takes longer than reading the columns."""
        store = cls.__new__(cls)
        store._hdu_index, store._obs_index = hdu_index, obs_index
        if obs_index is not None and len(np.unique(obs_index.columns["OBS_ID"])) < len(obs_index):
            store._obs_index = ObservationTable.from_table_data(obs_index).without_duplicates()  # warns now
        return store

    @property
    def hdu_table(self) -> HDUIndexTable:
        """The HDU index; changes of the table take effect from now on."""
        if isinstance(self._hdu_index, TableData):
            self._hdu_index = HDUIndexTable.from_table_data(self._hdu_index)
        return self._hdu_index

    @hdu_table.setter
    def hdu_table(self, table: HDUIndexTable) -> None:
        self._hdu_index = table

    @property
    def obs_table(self) -> ObservationTable | None:
        """The observation index, sorted by OBS_ID; None if there is none."""
        if isinstance(self._obs_index, TableData):
            self._obs_index = ObservationTable.from_table_data(self._obs_index).without_duplicates()
        return self._obs_index

    @obs_table.setter
    def obs_table(self, table: ObservationTable | None) -> None:
        self._obs_index = table

    def __str__(self) -> str:
        return self._text()

    def html_card(self) -> Card:
        """Return what notebooks show of the store."""
        return store_card(type(self).__name__, self._hdu_index, self._obs_index)

    @property
    def obs_ids(self) -> NDArray[np.integer[Any]]:
        """Observation IDs of the HDU index, sorted, each once."""
        return obs_ids_of(self._hdu_index)

    # -- opening

    @classmethod
    def from_file(
        cls, filename: PathInput, hdu_hdu: str | int = "HDU_INDEX", hdu_obs: str | int | None = "OBS_INDEX"
    ) -> "DataStore":
        """Open from one FITS file with both indices.

        Parameters
        ----------
        filename : str or path-like
        hdu_hdu, hdu_obs : str or int, HDUs of the indices; ``hdu_obs`` may be None
        """
        obs_index = read_obs_index(filename, hdu_obs) if hdu_obs else None
        return cls._from_data(read_hdu_index(filename, hdu_hdu), obs_index)

    @classmethod
    def from_dir(
        cls,
        base_dir: PathInput,
        hdu_table_filename: PathInput | None = None,
        obs_table_filename: PathInput | None = None,
    ) -> "DataStore":
        """Open from a folder, or from the address of one, such as ``https://host/store`` or ``zip://store::data.zip``.

        Parameters
        ----------
        base_dir : str or path-like; files at an address are copied when they are read, see `lightpool.fits.remote`
        hdu_table_filename, obs_table_filename : str or path-like
            Index files, relative to ``base_dir``, to the working folder, or absolute. By default
            ``hdu-index.fits.gz`` and ``obs-index.fits.gz``, or the same without ``.gz``. Without an observation index
            there is no `obs_table`.

        Raises
        ------
        MissingDataError
            If the folder, a named index file, or the HDU index does not exist.
        FormatError
            If a file is not what it should be.
        """
        base = place_of(base_dir)
        if isinstance(base, Path) and not base.is_dir():
            raise MissingDataError(f"no folder {base}: {missing_file_hint(base)}")
        hdu_path = _index_path(base, hdu_table_filename, cls.DEFAULT_HDU_TABLE)
        if not place_exists(hdu_path):
            raise MissingDataError(
                f"File not found: {hdu_path}; a data store needs its HDU index. Name it with hdu_table_filename=, "
                "or use DataStore.from_events_files"
            )
        hdu_index = read_hdu_index(hdu_path)
        hdu_index.meta["BASE_DIR"] = str(base)
        obs_path = _index_path(base, obs_table_filename, cls.DEFAULT_OBS_TABLE)
        if not place_exists(obs_path) and obs_table_filename is not None:
            raise MissingDataError(f"File not found : {obs_path}: {missing_file_hint(obs_path)}")
        if not place_exists(obs_path):
            log.info(f"Cannot find default obs-index table {obs_path}.")
            return cls._from_data(hdu_index, None)
        return cls._from_data(hdu_index, read_obs_index(obs_path))

    @classmethod
    def from_events_files(
        cls, events_paths: Sequence[PathInput], irfs_paths: PathInput | Sequence[PathInput] | None = None
    ) -> "DataStore":
        """Open from event files without index files: the index tables are created from the headers.

        Parameters
        ----------
        events_paths : list of str or path-like
        irfs_paths : str or path-like for all, or a list with one for each, optional
            Files with the response. By default the calibration database that the header names (keywords TELESCOP,
            CALDB, IRF and the variable ``$CALDB``), or, without these keywords, the event files themselves.
        """
        maker = IndexMaker(events_paths, irfs_paths)
        return cls(maker.make_hdu_table(), maker.make_obs_table())

    # -- observations

    def obs(
        self,
        obs_id: int,
        required_irf: str | Iterable[str] = "full-enclosure",
        require_events: bool = True,
        *,
        index: HDULookup | None = None,
    ) -> Observation:
        """Return one observation; no file is opened.

        Parameters
        ----------
        obs_id : int
        required_irf : "full-enclosure", "point-like", "all-optional", or list of aeff, edisp, psf, bkg, rad_max
        require_events : bool, whether events and GTI must be listed as well
        index : HDULookup, optional
            The HDU index as `look_up` returns it, for callers that get many observations one by one.

        Raises
        ------
        ValueError
            If the ID is not in the HDU index, or ``required_irf`` is not known.
        MissingRequiredHDUError
            If the HDU index does not list what is required.
        """
        obs_id = obs_id_of(obs_id, "DataStore.obs")
        if index is None:
            index = look_up(self._hdu_index, rows_of(self._hdu_index, [obs_id]))
        return self._obs(obs_id, index, required_hdus(required_irf, require_events))

    def _obs(self, obs_id: int, index: HDULookup, required: set[str]) -> Observation:
        if obs_id not in index.rows:
            raise ValueError(f"OBS_ID = {obs_id} not in HDU index table.")
        listed = index.rows[int(obs_id)]
        require_listed(obs_id, required, set(listed))
        kinds = [kind for kind in PARTS_IN_FILES if kind in listed]
        parts: dict[str, Any] = {kind: index.choose(obs_id, kind, listed[kind]) for kind in kinds}
        if "events" in parts:
            # Both are read from the header of the events.
            parts["pointing"] = index.location(listed["events"][0], "pointing")
            parts["meta"] = index.location(listed["events"][0], "observation_metadata")
        return Observation(obs_id=int(obs_id), **parts)

    def get_observations(
        self,
        obs_id: Iterable[int] | None = None,
        skip_missing: bool = False,
        required_irf: str | Iterable[str] = "full-enclosure",
        require_events: bool = True,
        selection: ArrayLike | None = None,
    ) -> Observations:
        """Return observations; no file is opened.

        Parameters
        ----------
        obs_id : iterable of int; all, sorted, by default
        skip_missing : bool, skip IDs that the HDU index does not list, with a warning instead of an error
        required_irf : "full-enclosure", "point-like", "all-optional", or list of aeff, edisp, psf, bkg, rad_max
            Observations without these are skipped, with a warning that names them.
        require_events : bool, the same for events and GTI
        selection : boolean mask over `obs_ids`, optional

        Raises
        ------
        ValueError
            If an ID is not in the HDU index, or ``required_irf`` is not known.
        """
        required = required_hdus(required_irf, require_events)
        allowed = self.obs_ids if selection is None else np.asarray(self.obs_ids)[np.asarray(selection)]
        wanted = [obs_id_of(number, "get_observations") for number in (allowed if obs_id is None else obs_id)]
        index = look_up(self._hdu_index, rows_of(self._hdu_index, wanted))
        chosen = self._known(wanted, index.rows, skip_missing)
        if selection is not None:
            keep = set(allowed.tolist())
            chosen = [number for number in chosen if number in keep]
        found = []
        for number in chosen:
            try:
                found.append(self._obs(number, index, required))
            except MissingRequiredHDUError as error:
                log.warning(f"Skipping run with missing HDUs; {error}")
        if chosen and not found:
            listed = set.intersection(*(set(index.rows[number]) for number in chosen))
            log.warning(
                f"No observation is left: none of the {len(chosen)} in {self.hdu_table.shown_dir} has all of "
                f"{', '.join(sorted(required))}; pass {sufficient_arguments(required, listed)}"
            )
        log.info(f"Observations selected: {len(found)} out of {len(wanted)}.")
        return Observations(found)

    def _known(self, wanted: list[int], rows: dict[int, Any], skip_missing: bool) -> list[int]:
        missing = [number for number in wanted if number not in rows]
        if missing and not skip_missing:
            raise ValueError(
                f"Missing obs_id: {missing if len(missing) > 1 else missing[0]!r} not in the HDU index of "
                f"{self.hdu_table.shown_dir}, which lists {len(self.obs_ids)}; pass skip_missing=True to skip them"
            )
        for number in missing:
            log.warning(f"Skipping missing obs_id: {number!r}")
        twice = sorted(number for number, n in Counter(wanted).items() if n > 1)
        if twice:
            log.warning(f"List of obs_id is not unique! Multiples are: {twice}")
        return [number for number in wanted if number in rows]

    def get_observation_groups(
        self,
        key: str,
        obs_id: Iterable[int] | None = None,
        skip_missing: bool = False,
        required_irf: str | Iterable[str] = "full-enclosure",
        require_events: bool = True,
        selection: ArrayLike | None = None,
    ) -> dict[str, Observations]:
        """Return observations grouped by the value of a column of the observation table.

        Parameters
        ----------
        key : str, name of the column
        obs_id, skip_missing, required_irf, require_events : as for `get_observations`
        selection : boolean mask over the observation table, optional

        Returns
        -------
        groups : dict of ``KEY_VALUE`` to Observations
        """
        if self.obs_table is None:
            raise ValueError("obs_table attribute must not be None to select groups of observations")
        table = self.obs_table if selection is None else self.obs_table[np.asarray(selection)]
        if obs_id is not None:
            wanted = {obs_id_of(number, "get_observation_groups") for number in obs_id}
            table = table[[number in wanted for number in table["OBS_ID"].tolist()]]
        values = np.asarray(table.column_for(key, "group observations by it"))
        numbers = np.asarray(table["OBS_ID"])
        return {
            f"{key}_{value}": self.get_observations(
                numbers[values == value].tolist(), skip_missing, required_irf, require_events
            )
            for value in np.unique(values)
        }

    # -- text, checks, copies

    def _text(self) -> str:
        observations = "No observation index table." if self.obs_table is None else self.obs_table.summary()
        return f"Data store:\n{self.hdu_table.summary()}\n\n{observations}"

    def info(self, show: bool = True) -> str | None:
        """Print a summary, or return it if ``show`` is False."""
        if not show:
            return self._text()
        print(self._text())  # noqa: T201
        return None

    def check(self, checks: str | Sequence[str] = "all") -> Iterator[dict[str, Any]]:
        """Look for faults in index tables and files, see `lightpool.data.store.checks.check_data_store`."""
        return check_data_store(self, checks)

    def copy_obs(
        self,
        obs_id: Iterable[int] | ObservationTable,
        outdir: PathInput,
        hdu_class: Sequence[str] | None = None,
        verbose: bool = False,
        overwrite: bool = False,
    ) -> None:
        """Copy the files of some observations into another folder, with index files that name the copies.

        Nothing is written outside of that folder, see `lightpool.data.store.copy_files.copy_files`.

        Parameters
        ----------
        obs_id : sequence of int, or `ObservationTable`
        outdir : str or path-like, an existing folder
        hdu_class : sequence of str, only these classes
        verbose : bool, log each file
        overwrite : bool, replace existing files
        """
        target = make_path(outdir)
        if not target.is_dir():
            raise MissingDataError(f"Not a directory: outdir={target}; make it first")
        wanted = obs_id["OBS_ID"].tolist() if isinstance(obs_id, ObservationTable) else list(obs_id)
        numbers = [obs_id_of(number, "copy_obs") for number in wanted]
        if unknown := sorted(set(numbers) - set(self.obs_ids.tolist())):
            raise ValueError(f"OBS_ID {unknown} not in the HDU index of {self.hdu_table.shown_dir}; nothing is copied")
        mask = np.zeros(len(self.hdu_table), dtype=bool)
        mask[rows_of(self.hdu_table, numbers)] = True
        if hdu_class is not None:
            mask &= np.isin([str(name).strip() for name in self.hdu_table["HDU_CLASS"].tolist()], list(hdu_class))
        index = self.hdu_table[mask]
        names = (self.DEFAULT_HDU_TABLE, *((self.DEFAULT_OBS_TABLE,) if self.obs_table is not None else ()))
        base = index.base_dir
        own_folder = base if "BASE_DIR" in index.meta and isinstance(base, Path) else None
        # Before any file is copied, so that a refusal leaves the folder as it was.
        require_another_folder(own_folder, target, names, overwrite)
        locations = [index.location_info(row) for row in range(len(index))]
        copies = copy_files(locations, target, overwrite, verbose)
        for column, name in enumerate(("FILE_DIR", "FILE_NAME")):
            # Without rows there is nothing to assign, and the column keeps its type.
            index[name] = [copied[column] for copied in copies] or index[name]
        write_index(index, target / self.DEFAULT_HDU_TABLE, "HDU_INDEX")
        if self.obs_table is not None:
            table = self.obs_table.select_obs_id(numbers)
            write_index(table, target / self.DEFAULT_OBS_TABLE, "OBS_INDEX")


class DataStoreMaker(IndexMaker):
    """Creates a data store of event files without index files, in steps; see `DataStore.from_events_files`."""

    def run(self) -> DataStore:
        """Return the data store."""
        return DataStore(self.make_hdu_table(), self.make_obs_table())


class DataStoreChecker(Checker):
    """Checks a data store, see `DataStore.check`.

    Parameters
    ----------
    data_store : `DataStore`
    """

    CHECKS: ClassVar[dict[str, str]] = {
        "obs_table": "check_obs_table",
        "hdu_table": "check_hdu_table",
        "observations": "check_observations",
        "consistency": "check_consistency",
    }

    def __init__(self, data_store: DataStore) -> None:
        self.data_store = data_store

    def check_obs_table(self) -> Iterator[dict[str, Any]]:
        """Yield the faults of the observation table."""
        return self.data_store.check(["obs_table"])

    def check_hdu_table(self) -> Iterator[dict[str, Any]]:
        """Yield the faults of the HDU index, and the files and HDUs that are missing."""
        return self.data_store.check(["hdu_table"])

    def check_observations(self) -> Iterator[dict[str, Any]]:
        """Yield the faults of the files of all observations."""
        return self.data_store.check(["observations"])

    def check_consistency(self) -> Iterator[dict[str, Any]]:
        """Yield the contradictions between the two index tables."""
        return self.data_store.check(["consistency"])


def _index_path(base: Place, filename: PathInput | None, default: str) -> Place:
    if filename is None:
        packed = place_below(base, default)
        plain = place_below(base, default.removesuffix(".gz"))
        return packed if place_exists(packed) or not place_exists(plain) else plain
    path = place_of(filename)
    if isinstance(path, str) or path.is_absolute() or (isinstance(base, Path) and not (base / path).exists()):
        return path
    return place_below(base, path.as_posix())
