"""Input of observations: their files, their rows of the index, and the files named in the settings."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lightpool.batch.groups import Division, Row
from lightpool.batch.storage.files import InputFile, in_threads, require_unchanged
from lightpool.config.batch_settings import BatchSettings
from lightpool.config.build import build_off_runs, build_store
from lightpool.config.settings import Settings
from lightpool.data import DataStore, Observation
from lightpool.data.files.file_cache import FILE_CACHE
from lightpool.data.store.hdu_index import HDULookup, look_up
from lightpool.errors import RemoteFileError
from lightpool.fits import Place, is_address
from lightpool.fits.remote import REMOTE_CACHE
from lightpool.utils.secret_texts import hide_secrets

__all__ = ["Sources", "stamp_of"]


class Sources:
    """The data store and the other input files of a reduction.

    Parameters
    ----------
    settings : BatchSettings
    """

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings
        self._store = build_store(settings.observations)
        self._pinned: dict[Place, InputFile] = {}
        self._pinned_before: dict[Place, InputFile] = {}

    @cached_property
    def _lookup(self) -> HDULookup:
        """Rows of the HDU index by observation, found once because there may be many observations."""
        return look_up(self._store.hdu_table)

    def find(self, obs_id: int) -> Observation | Exception:
        """Return an observation without opening its files, or the error if it cannot be found."""
        try:
            return self._store.obs(obs_id, self._settings.observations.required_irf, index=self._lookup)
        except (LookupError, ValueError, OSError) as error:
            return error

    def find_again(self, obs_id: int) -> Observation | Exception:
        """Return an observation whose files will be reopened, ignoring cached ones; see `find`."""
        observation = self.find(obs_id)
        if isinstance(observation, Observation):
            with suppress(OSError, ValueError):  # the error will be raised when the file is read
                for path in observation.places:
                    self._pinned.pop(path, None)
                    if isinstance(path, str):
                        REMOTE_CACHE.discard(path)  # the copy may be damaged
                    FILE_CACHE.forget(path)
                self.pin(observation)
        return observation

    def pin(self, observation: Observation) -> None:
        """Record the state of the files of an observation before they are read.

        Raises
        ------
        OSError, FormatError
            If one of them cannot be read.
        """
        for path in [*observation.places, *self._off_places]:
            if path not in self._pinned:
                known = self._pinned_before.get(path)  # responses that many observations share
                self._pinned[path] = known if known is not None and _is_still(known, path) else InputFile.of(path)

    @cached_property
    def _off_places(self) -> list[Place]:
        """Files of the OFF runs of all targets, any of which the result of an observation may depend on."""
        return sorted({place for off_runs in self._off_runs for off in off_runs for place in off.places}, key=str)

    @cached_property
    def _off_runs(self) -> list[list[Observation]]:
        return _off_runs_of(self._settings)

    def forget_pins(self) -> None:
        """Let `pin` record the state of files again."""
        self._pinned_before, self._pinned = self._pinned, {}

    @cached_property
    def _row_of(self) -> dict[int, int]:
        table = self._store.obs_table
        return {} if table is None else {int(obs_id): row for row, obs_id in enumerate(table["OBS_ID"])}

    @cached_property
    def _values(self) -> dict[str, NDArray[Any]]:
        """Columns of the observation index with one value per row, as arrays: reading values from tables is slow."""
        table = self._store.obs_table
        assert table is not None  # no row is looked up without an index
        return {name: table[name].value for name in table.colnames if table[name].ndim == 1}

    def row(self, obs_id: int | None) -> Row:
        """Return the row of the observation index of an observation; empty if it has none."""
        number = None if obs_id is None else self._row_of.get(obs_id)
        return {} if number is None else {name: values[number] for name, values in self._values.items()}

    def _paths(self, obs_ids: Sequence[int]) -> list[Place]:
        found = [self.find(obs_id) for obs_id in obs_ids]
        paths = {path for each in found if not isinstance(each, Exception) for path in each.places}
        return sorted(paths.union(self._settings.files, self._off_places), key=str)

    def addresses(self, obs_ids: Sequence[int]) -> dict[str, str]:
        """Return the addresses with passwords and tokens of the files of observations, by the paths without them."""
        places = [place for place in self._paths(obs_ids) if isinstance(place, str)]
        return {shown: place for place in places if (shown := hide_secrets(place)) != place}

    def input_files(self, obs_ids: Sequence[int]) -> list[InputFile]:
        """Return the files from which observations were reduced, without missing ones.

        Raises
        ------
        InputChangedError
            If one of them has changed since before it was read.
        """
        paths = self._paths(obs_ids)
        files = [
            self._pinned.get(path) or InputFile.of(path)
            for path in paths
            if path in self._pinned or (isinstance(path, Path) and path.is_file())
        ]
        # Files at addresses were read from copies that never change.
        require_unchanged(file for file in files if not is_address(file.path))
        return files

    def compare(
        self, obs_ids: Sequence[int], before: Sequence[InputFile]
    ) -> tuple[list[InputFile], list[str], list[str]]:
        """Compare the present files of observations with those from which they were reduced.

        A file under another path is the same if its contents are: a data store may be moved.

        Parameters
        ----------
        obs_ids : sequence of int
        before : sequence of InputFile
            Files from which the observations were reduced.

        Returns
        -------
        files : list of InputFile
            The unchanged files.
        changed : list of str
            Paths of files that have changed, or are new.
        missing : list of str
            Paths of files from which the observations were reduced, and that are not there now.

        Raises
        ------
        RemoteFileError
            If a server does not answer.
        """
        known = {file.path: file for file in before}
        sums = {file.sha256 for file in before}
        paths = self._paths(obs_ids)
        gone = [path for path in paths if isinstance(path, Path) and str(path) in known and not path.exists()]
        paths = [path for path in paths if path not in gone]

        def same(path: Place) -> InputFile | None:
            shown = hide_secrets(str(path))
            file = known.get(shown)
            if file is None and (isinstance(path, str) or path.is_file()):
                try:
                    file = InputFile.of(path)
                except RemoteFileError:
                    raise
                except (OSError, ValueError):
                    pass
            if file is None or file.sha256 not in sums:
                return None
            return file if (file.is_unchanged_at(path) if isinstance(path, str) else file.is_unchanged) else None

        found = in_threads(same, paths) if any(isinstance(path, str) for path in paths) else list(map(same, paths))
        changed = [hide_secrets(str(path)) for path, file in zip(paths, found, strict=True) if file is None]
        return [file for file in found if file is not None], changed, list(map(str, gone))

    def index_hash(self, obs_ids: Sequence[int]) -> str:
        """Return a hash of the index entries of observations, as far as results depend on them."""
        rows = [list(self._index_rows(obs_id)) for obs_id in obs_ids]
        # Without OFF runs as before, so that chunks of older reductions can be used.
        rows += [[["OFF", *(str(off.obs_id) for off in off_runs)]] for off_runs in self._off_runs if off_runs]
        text = json.dumps(rows)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def divisions(self) -> list[Division]:
        """Ways to group the observations."""
        # Groups of background models are made of the sums of runs.
        groups = self._settings.groups if isinstance(self._settings, Settings) else []
        return [Division(each, self._store.obs_table) for each in groups]

    def _index_rows(self, obs_id: int) -> Iterator[list[str]]:
        observation = self.find(obs_id)
        if isinstance(observation, Exception):
            yield [str(obs_id), str(observation)]
            return
        for part, where in sorted(observation.locations.items()):
            yield [str(obs_id), part, where.hdu_class, where.file_dir, where.file_name, where.hdu_name]
        row = self.row(obs_id)
        yield [f"{name} {value!r}" for name, value in row.items() if name in self._settings.index_columns]
        yield [division.label(row) for division in self.divisions if division.labels]


def _is_still(file: InputFile, place: Place) -> bool:
    """Return whether the file that this process reads at a place is the one that was recorded before."""
    if isinstance(place, str):
        return bool(file.identity) and REMOTE_CACHE.version_of(place).identity == file.identity
    return file.is_unchanged


def _off_runs_of(settings: BatchSettings) -> list[list[Observation]]:
    """Return the OFF runs of each target; background models have no targets."""
    return [build_off_runs(target) for target in settings.targets] if isinstance(settings, Settings) else []


def stamp_of(settings: BatchSettings) -> tuple[tuple[str | int, ...], ...]:
    """Return sizes and times of the index files and of the files named in the settings, to notice that they changed.

    Those at addresses are asked for once in each process, and left out here.
    """
    asked, paths = settings.observations, list(settings.files)
    if not is_address(asked.datastore):
        base = Path(asked.datastore)
        index = (DataStore.DEFAULT_HDU_TABLE, DataStore.DEFAULT_OBS_TABLE)
        paths += [base / name for each in index for name in (each, each.removesuffix(".gz"))]
        paths += [base / name for name in (asked.hdu_index, asked.obs_index) if name and not is_address(name)]
    paths += [place for off_runs in _off_runs_of(settings) for off in off_runs for place in off.places]
    found = [(path, path.stat()) for path in paths if isinstance(path, Path) and path.is_file()]
    return tuple((str(path), each.st_size, each.st_mtime_ns, each.st_ctime_ns, each.st_ino) for path, each in found)
