"""What observations are read from: their files, what the index says of them, and files that the settings name."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from lightpool.batch.files import InputFile, sha256_of
from lightpool.config.settings import Settings
from lightpool.data import DataStore

__all__ = ["Sources", "stamp_of"]


class Sources:
    """Data store of some settings, and the other files that a reduction reads.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = DataStore.from_dir(settings.observations.datastore)

    def find(self, obs_id: int) -> Any:
        """Observation, or the error that there is none."""
        try:
            return self._store.obs(obs_id, required_irf=self._settings.observations.required_irf)
        except (LookupError, ValueError, OSError) as error:
            return error

    @cached_property
    def _row_of(self) -> dict[int, int]:
        table = self._store.obs_table
        return {} if table is None else {int(obs_id): row for row, obs_id in enumerate(table["OBS_ID"])}

    def row(self, obs_id: Any) -> dict[str, Any]:
        """What the observation index says of an observation, column by column."""
        if obs_id not in self._row_of:
            return {}
        table: Any = self._store.obs_table
        return {name: table[name][self._row_of[obs_id]] for name in table.colnames if table[name].ndim == 1}

    def _paths(self, obs_ids: Sequence[int]) -> list[Path]:
        found = [self.find(obs_id) for obs_id in obs_ids]
        paths = {path for each in found if not isinstance(each, Exception) for path in each.files}
        return sorted(paths.union(self._settings.files))

    def input_files(self, obs_ids: Sequence[int]) -> list[InputFile]:
        """Files that observations are reduced with, as they are now; without those that are not there."""
        return [InputFile.of(path) for path in self._paths(obs_ids) if path.is_file()]

    def changed(self, obs_ids: Sequence[int], before: Sequence[InputFile]) -> list[str]:
        """Paths of the files that are not those that observations were reduced with.

        A file under another path is the same if its bytes are: a store may move.
        """
        known = {file.path: file for file in before}
        sums = {file.sha256 for file in before}

        def is_known(path: Path) -> bool:
            if str(path) in known:
                return known[str(path)].is_unchanged
            return path.is_file() and sha256_of(path) in sums

        return [str(path) for path in self._paths(obs_ids) if not is_known(path)]

    def index_hash(self, obs_ids: Sequence[int]) -> str:
        """Text that changes with what the index says of observations, as far as a reduction goes by it."""
        text = json.dumps([list(self._index_rows(obs_id)) for obs_id in obs_ids])
        return hashlib.sha256(text.encode()).hexdigest()

    def _index_rows(self, obs_id: int) -> Iterator[list[str]]:
        observation = self.find(obs_id)
        if isinstance(observation, Exception):
            yield [str(obs_id), str(observation)]
            return
        for part, where in sorted(observation.locations.items()):
            yield [str(obs_id), part, where.hdu_class, where.file_dir, where.file_name, where.hdu_name]
        expressions = [groups.expression for groups in self._settings.groups if groups.by == "observations"]
        names = {name for expression in expressions for name in re.findall(r"\w+", expression or "")}
        yield [f"{name} {value!r}" for name, value in self.row(obs_id).items() if name in names]


def stamp_of(settings: Settings) -> tuple[tuple[str, int, int], ...]:
    """Sizes and times of the index files, and of the files that the settings name: what is kept of them grows old."""
    base, index = Path(settings.observations.datastore), (DataStore.DEFAULT_HDU_TABLE, DataStore.DEFAULT_OBS_TABLE)
    paths = [base / name for each in index for name in (each, each.removesuffix(".gz"))]
    found = [(path, path.stat()) for path in [*paths, *settings.files] if path.is_file()]
    return tuple((str(path), each.st_size, each.st_mtime_ns) for path, each in found)
