"""The folder of a reduction: settings, finished chunks, results. What is in it is whole, whenever the power fails.

::

    FOLDER/*.fits.gz                 results, one file per stack (spectra: one set of OGIP files)
    FOLDER/outcomes.ecsv             what became of each observation
    FOLDER/provenance.json           where the results come from, as PROV-JSON; they tell it too
    FOLDER/observations/             datasets of single observations, if asked for
    FOLDER/state/lock                held while a reduction works here
    FOLDER/state/files.json          results, and all files that reductions wrote here
    FOLDER/state/plan.json           settings, version, observations of each chunk
    FOLDER/state/chunks/KEY.zip      sums of a finished chunk
    FOLDER/state/chunks/KEY.json     its observations, outcomes, input files, checksum; written last
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lightpool.batch.files import InputFile, sha256_of, write_aside
from lightpool.batch.outcomes import Outcome
from lightpool.batch.partial import PartialStack
from lightpool.config.settings import Settings
from lightpool.errors import DamagedFileError, ResumeError

__all__ = ["BatchFolder", "ChunkRecord"]


@dataclass(frozen=True, kw_only=True)
class ChunkRecord:
    """What is known of a finished chunk.

    Attributes
    ----------
    key : str, see `BatchFolder.key`
    obs_ids : tuple of int
    outcomes : tuple of Outcome
    inputs : tuple of InputFile, the files that were read
    index : str, see `Sources.index_hash`
    sha256 : str, of the file with the sums
    files : dict of str to str
        Datasets of single observations that were written: names, see `BatchFolder.name`, and SHA-256.
    """

    key: str
    obs_ids: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    inputs: tuple[InputFile, ...]
    index: str
    sha256: str
    files: dict[str, str]

    def to_json(self) -> str:
        """Text of the record."""
        data = {
            "key": self.key,
            "obs_ids": self.obs_ids,
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
            "inputs": [file.to_dict() for file in self.inputs],
            "index": self.index,
            "sha256": self.sha256,
            "files": self.files,
        }
        return json.dumps(data, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "ChunkRecord":
        """Record of what `to_json` gives."""
        data = json.loads(text)
        return cls(
            key=data["key"],
            obs_ids=tuple(data["obs_ids"]),
            outcomes=tuple(Outcome.from_dict(each) for each in data["outcomes"]),
            inputs=tuple(InputFile(**each) for each in data["inputs"]),
            index=data["index"],
            sha256=data["sha256"],
            files=data["files"],
        )


class BatchFolder:
    """Folder of a reduction.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state"
        self.chunks = self.state / "chunks"
        self.observations = path / "observations"

    def name(self, file: Path) -> str:
        """Name of a file in this folder, the same wherever the folder is."""
        return file.relative_to(self.path).as_posix()

    # --- the plan

    @property
    def is_begun(self) -> bool:
        """Whether a reduction has begun here."""
        return (self.state / "plan.json").exists()

    def write_plan(self, settings: Settings, chunks: Sequence[Sequence[int]], version: str) -> None:
        """Write down what is going to be done."""
        data = {"version": version, "settings": settings.to_dict(), "chunks": [list(chunk) for chunk in chunks]}
        with write_aside(self.state / "plan.json") as file:
            file.write(json.dumps(data, indent=1).encode())

    def read_plan(self) -> tuple[Settings, list[list[int]], str]:
        """Settings, observations of each chunk, and version of the program, of the reduction that has begun here."""
        path = self.state / "plan.json"
        try:
            data = json.loads(path.read_bytes())
            return Settings.from_dict(data["settings"]), data["chunks"], data["version"]
        except (OSError, ValueError, KeyError) as error:
            raise ResumeError(
                f"{path} cannot be read ({error}); reduce into another folder, or with --restart"
            ) from error

    def clear(self) -> None:
        """Forget what is done, not the results."""
        shutil.rmtree(self.chunks, ignore_errors=True)
        (self.state / "plan.json").unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove files that a killed worker began to write."""
        for folder in (self.path, self.observations, self.state, self.chunks):
            for part in folder.glob(".*.part"):
                part.unlink(missing_ok=True)

    # --- results

    def write_files(self, results: Iterable[str], files: Iterable[str]) -> None:
        """Write down the names of the results, and of all files that are ours."""
        data = {"results": list(results), "files": sorted(set(files))}
        with write_aside(self.state / "files.json") as file:
            file.write(json.dumps(data, indent=1).encode())

    def _files(self) -> dict[str, list[str]]:
        try:
            found: dict[str, list[str]] = json.loads((self.state / "files.json").read_bytes())
        except (OSError, ValueError):
            return {"results": [], "files": []}
        return found

    def results(self) -> list[Path]:
        """Files of the stacks that are there, in the order of the stacks; of a set, the one that names the others."""
        return [path for name in self._files()["results"] if (path := self.path / name).is_file()]

    def files_so_far(self) -> set[str]:
        """Names of the files that reductions wrote here, with those of finished chunks."""
        records = [self.record(path.stem) for path in self.chunks.glob("*.json")]
        return set(self._files()["files"]).union(*(record.files for record in records if record is not None))

    def keep_only(self, results: Iterable[str], files: Iterable[str], keys: Iterable[str]) -> None:
        """Remove files that former reductions wrote and this one did not, and chunks that are not in its plan."""
        results, ours, wanted = list(results), set(files), set(keys)
        former = set(self._files()["files"])
        self.write_files(results, former | ours)
        for name in former - ours:
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):  # not there, or not empty
            self.observations.rmdir()
        for path in [*self.chunks.glob("*.json"), *self.chunks.glob("*.zip")]:  # a record goes before its sums
            if path.stem not in wanted:
                path.unlink(missing_ok=True)
        self.write_files(results, ours)

    # --- chunks

    @staticmethod
    def key(settings: Settings, obs_ids: Sequence[int], version: str) -> str:
        """Name of a chunk: the same for the same settings, version and observations."""
        text = json.dumps([settings.hash(), version, list(obs_ids)])
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def save_chunk(
        self,
        key: str,
        obs_ids: Sequence[int],
        partial: PartialStack,
        outcomes: Sequence[Outcome],
        inputs: Sequence[InputFile],
        index: str,
        files: Mapping[str, str],
    ) -> ChunkRecord:
        """Write the sums of a chunk, then its record: a chunk with a record is whole."""
        path = self.chunks / f"{key}.zip"
        partial.save(path)
        record = ChunkRecord(
            key=key,
            obs_ids=tuple(obs_ids),
            outcomes=tuple(outcomes),
            inputs=tuple(inputs),
            index=index,
            sha256=sha256_of(path),
            files=dict(files),
        )
        with write_aside(self.chunks / f"{key}.json") as file:
            file.write(record.to_json().encode())
        return record

    def record(self, key: str) -> ChunkRecord | None:
        """Record of a finished chunk, None if there is none that can be read."""
        try:
            return ChunkRecord.from_json((self.chunks / f"{key}.json").read_text())
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def holds(self, record: ChunkRecord) -> bool:
        """Whether the sums of a finished chunk are there as they were written."""
        path = self.chunks / f"{record.key}.zip"
        return path.is_file() and sha256_of(path) == record.sha256

    def holds_observations(self, record: ChunkRecord, *, compress: bool) -> bool:
        """Whether the datasets of the observations of a finished chunk are there."""
        if not record.files:
            return all(outcome.status != "done" for outcome in record.outcomes)
        return all(name.endswith(".gz") == compress and (self.path / name).is_file() for name in record.files)

    def load_chunk(self, record: ChunkRecord, settings: Settings) -> PartialStack:
        """Sums of a finished chunk.

        Raises
        ------
        DamagedFileError
            If the file is missing or is not the one that was written.
        """
        path = self.chunks / f"{record.key}.zip"
        try:
            if sha256_of(path) != record.sha256:
                raise DamagedFileError(f"{path} is not the file that was written: its checksum differs")
            return PartialStack.load(path, settings)
        except DamagedFileError:
            raise
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DamagedFileError(f"{path} cannot be read: {error}") from error
