"""The folder of a reduction: settings, finished chunks, results. What is in it is whole, whenever the power fails.

::

    FOLDER/*.fits.gz                 results, one file per stack (spectra: one set of OGIP files)
    FOLDER/outcomes.ecsv             what became of each observation
    FOLDER/provenance.json           where the results come from, as PROV-JSON; they tell it too
    FOLDER/observations/             datasets of single observations, if asked for
    FOLDER/state/lock                held while a reduction works here
    FOLDER/state/files.json          results, and all files that reductions wrote here
    FOLDER/state/plan.json           settings, version, observations of each chunk
    FOLDER/state/inputs/             files that the settings name, as they were when the reduction began
    FOLDER/state/chunks/KEY.zip      sums of a finished chunk
    FOLDER/state/chunks/KEY.json     its observations, outcomes, input files, checksums; written last
    FOLDER/state/chunks/KEY.begun    there while a single process does it; stays if that process is killed
"""

import hashlib
import json
import logging
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightpool.batch.storage.code_version import code_version
from lightpool.batch.storage.files import InputFile, changed_while_in_use, sha256_of, write_aside
from lightpool.batch.storage.outcomes import Outcome
from lightpool.batch.storage.partial_stack import PartialStack
from lightpool.batch.storage.records import ChunkRecord, read_json
from lightpool.config.settings import Settings
from lightpool.errors import DamagedFileError, LightpoolError, ResumeError
from lightpool.fits import read_bytes

__all__ = ["BatchFolder", "ChunkRecord"]

log = logging.getLogger(__name__)

MAX_INPUT_BYTES = 2**32
"""Of an exclusion mask or a file of regions or time intervals."""

BEGUN = "begun"
"""Ending of the file that is there while a chunk is done."""


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

    # --- all that is written or removed goes through here

    def place(self, name: str) -> Path:
        """Path of a name in this folder, for writing, or for removing what is there.

        The folder may come from somebody else: names in its files may lead out of it, and folders in it may be links.

        Raises
        ------
        ResumeError
            If it leads out of this folder.
        """
        path = self.path / name
        try:
            inside = path.parent.resolve() / path.name  # of a link the link itself is meant, not what it leads to
            is_inside = path.name != ".." and "\0" not in name and self.path.resolve() in inside.parents
            if is_inside and not (path.is_symlink() and path.is_dir()):
                return path
        except (OSError, RuntimeError, ValueError):  # links in a circle, a zero byte
            pass
        raise ResumeError(
            f"{str(path)!r} leads out of {self.path}: nothing is written or removed there. Take another output folder"
        )

    def write(self, name: str, text: str) -> None:
        """Write a text file, as a whole or not at all."""
        with write_aside(self.place(name)) as file:
            file.write(text.encode())

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        path = self.place(name)
        if not path.is_dir():
            path.unlink(missing_ok=True)

    # --- the plan

    @property
    def is_begun(self) -> bool:
        """Whether a reduction has begun here."""
        return (self.state / "plan.json").exists()

    def write_plan(self, settings: Settings, chunks: Sequence[Sequence[int]], version: str) -> None:
        """Write down what is going to be done."""
        data = {"version": version, "settings": settings.to_dict(), "chunks": [list(chunk) for chunk in chunks]}
        self.write("state/plan.json", json.dumps(data, indent=1))

    def read_plan(self) -> tuple[Settings, list[list[int]], str]:
        """Settings, observations of each chunk, and version of the program, of the reduction that has begun here.

        Raises
        ------
        ResumeError
            If the file is not what `write_plan` writes.
        """
        path = self.state / "plan.json"
        try:
            data = read_json(path, dict)
            return Settings.from_dict(data["settings"]), _checked_chunks(data["chunks"]), str(data["version"])
        except (OSError, ValueError, KeyError) as error:
            problem = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ResumeError(
                f"{path} cannot be used ({problem}); reduce into another folder, or with --restart"
            ) from error

    def keep_inputs(self, files: Iterable[InputFile]) -> dict[str, str]:
        """Copy files that the settings name, so that all chunks read the same whatever becomes of them.

        Returns
        -------
        copies : dict of path to the path of its copy

        Raises
        ------
        InputChangedError
            If one of them has changed since it was looked at.
        """
        copies = {}
        for file in files:
            path = Path(file.path)
            # The end of the name decides how a file is read; the sum keeps files and versions apart.
            copy = self.place(f"state/inputs/{file.sha256[:16]}-{path.name[-40:]}")
            with write_aside(copy) as stream:
                stream.write(read_bytes(path, most=MAX_INPUT_BYTES))
            if sha256_of(copy) != file.sha256:
                raise changed_while_in_use([file.path])
            copies[file.path] = str(copy)
        for other in self.place("state/inputs").glob("*"):
            if str(other) not in copies.values():
                self.remove(f"state/inputs/{other.name}")
        return copies

    def clear(self) -> None:
        """Forget what is done, not the results."""
        shutil.rmtree(self.place("state/chunks"), ignore_errors=True)
        shutil.rmtree(self.place("state/inputs"), ignore_errors=True)
        self.remove("state/plan.json")

    def remove_leftovers(self) -> None:
        """Remove files that a killed worker began to write."""
        for folder in ("", "observations", "state", "state/inputs", "state/chunks"):
            for part in (self.path / folder).glob(".*.part"):
                self.remove(f"{folder}/{part.name}" if folder else part.name)

    # --- results

    def write_files(self, results: Iterable[str], files: Iterable[str]) -> None:
        """Write down the names of the results, and of all files that are ours."""
        data = {"results": list(results), "files": sorted(set(files))}
        self.write("state/files.json", json.dumps(data, indent=1))

    def _files(self) -> dict[str, list[str]]:
        """Names of files of ours; without those that no reduction can have written."""
        path = self.state / "files.json"
        found: dict[str, list[str]] = {"results": [], "files": []}
        if not path.exists():
            return found
        try:
            data = read_json(path, dict)
            return {key: self._own(path, data[key]) for key in found}
        except (OSError, ValueError, KeyError) as error:
            log.warning("%s cannot be used (%s): files of former reductions stay", path, error)
            return found

    def _own(self, origin: Path, names: Any) -> list[str]:
        """Names of a list that are files of results, in this folder or in that of the observations."""
        if not isinstance(names, list | dict):
            raise ValueError(f"got a {type(names).__name__}, expected a list of names")
        own = [name for name in names if self._is_own(name)]
        if foreign := [str(name)[:80] for name in names if not self._is_own(name)]:
            log.warning("%s names what is no file of results, which is left alone: %s", origin, ", ".join(foreign[:5]))
        return own

    def _is_own(self, name: Any) -> bool:
        if not isinstance(name, str) or Path(name).parent not in (Path(), Path("observations")):
            return False
        try:
            return not self.place(name).is_dir()
        except (ResumeError, OSError, ValueError):
            return False

    def results(self) -> list[Path]:
        """Files of the stacks that are there, in the order of the stacks; of a set, the one that names the others."""
        return [path for name in self._files()["results"] if (path := self.path / name).is_file()]

    def files_so_far(self) -> set[str]:
        """Names of the files that reductions wrote here, with those of finished chunks."""
        found = set(self._files()["files"])
        for path in self.chunks.glob("*.json"):
            with suppress(OSError, ValueError):  # what it names is not removed then
                found.update(self._trusted_record(path.stem).files)
        return found

    def keep_only(self, results: Iterable[str], files: Iterable[str], keys: Iterable[str]) -> None:
        """Remove files that former reductions wrote and this one did not, and chunks that are not in its plan."""
        results, ours, wanted = list(results), set(files), set(keys)
        former = set(self._files()["files"])
        self.write_files(results, former | ours)
        for name in former - ours:
            self.remove(name)
        with suppress(OSError):  # not there, or not empty
            self.place("observations").rmdir()
        paths = [path for ending in ("json", "zip", BEGUN) for path in self.chunks.glob(f"*.{ending}")]
        for path in paths:  # a record goes before its sums
            if path.stem not in wanted or path.suffix == f".{BEGUN}":
                self.remove(f"state/chunks/{path.name}")
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
        path = self.place(f"state/chunks/{key}.zip")
        partial.save(path)
        record = ChunkRecord(
            key=key,
            obs_ids=tuple(obs_ids),
            outcomes=tuple(outcomes),
            inputs=tuple(inputs),
            index=index,
            sha256=sha256_of(path),
            files=dict(files),
            version=code_version(),
        )
        self.write(f"state/chunks/{key}.json", record.to_json())
        return record

    def record(self, key: str) -> ChunkRecord | None:
        """Record of a finished chunk, None if there is none that can be trusted."""
        if not (self.chunks / f"{key}.json").exists():
            return None
        try:
            return self._trusted_record(key)
        except (OSError, ValueError) as error:
            log.warning("%s is not used: %s", self.chunks / f"{key}.json", error)
            return None

    def _trusted_record(self, key: str) -> ChunkRecord:
        record = ChunkRecord.from_json(self.chunks / f"{key}.json")
        if record.key != key or not all(map(self._is_own, record.files)):
            raise ValueError("it is that of another chunk, or names files of others")
        return record

    def begin_chunk(self, key: str) -> None:
        """Take down that a chunk is being done in a process that ends with it, see `was_begun`."""
        place = self.place(f"state/chunks/{key}.{BEGUN}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.touch(exist_ok=False)

    def end_chunk(self, key: str) -> None:
        """Take back what `begin_chunk` took down."""
        self.remove(f"state/chunks/{key}.{BEGUN}")

    def was_begun(self, key: str) -> bool:
        """Whether a process died or was killed while it did a chunk."""
        return (self.chunks / f"{key}.{BEGUN}").exists()

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
        except (LightpoolError, OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile) as error:
            raise DamagedFileError(f"{path} cannot be read: {error}") from error


def _checked_chunks(chunks: Any) -> list[list[int]]:
    """Chunks of a plan: lists of numbers, each number once."""
    if not isinstance(chunks, list) or not all(isinstance(chunk, list) for chunk in chunks):
        raise ValueError("its chunks are not lists of observation numbers")
    numbers = [obs_id for chunk in chunks for obs_id in chunk]
    if not all(type(obs_id) is int for obs_id in numbers):
        raise ValueError("its chunks are not lists of observation numbers")
    if len(set(numbers)) < len(numbers):
        raise ValueError("an observation is in two of its chunks")
    return chunks
