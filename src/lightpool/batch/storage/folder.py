"""The folder of a reduction: settings, finished chunks, results. It stays consistent even after a power failure.

::

    FOLDER/*.fits.gz                 results, one file per stack (spectra: one set of OGIP files)
    FOLDER/outcomes.ecsv             outcome of each observation
    FOLDER/datasets.ecsv             values of each dataset of an observation, such as its safe energies
    FOLDER/*-theta-squared.ecsv      tables of counts over the squared angle, if requested
    FOLDER/exclusions/*.fits         exclusion masks of significant pixels, if requested
    FOLDER/provenance.json           provenance of the results as PROV-JSON; it is in the result files too
    FOLDER/observations/             datasets of single observations, if requested
    FOLDER/state/lock                locked while a reduction is running
    FOLDER/state/files.json          results, and all files that reductions wrote here
    FOLDER/state/plan.json           settings, version, observations of each chunk
    FOLDER/state/inputs/             copies of the files named in the settings, made when the reduction began
    FOLDER/state/chunks/KEY.zip      sums of a finished chunk; KEY.fits for background models
    FOLDER/state/chunks/KEY.json     its observations, outcomes, input files, checksums; written last
    FOLDER/state/chunks/KEY.begun    exists while a single process reduces the chunk; remains if it is killed
"""

import hashlib
import io
import json
import logging
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

from astropy.table import Table

from lightpool.batch.storage.files import InputFile, changed_while_in_use, sha256_of, write_aside
from lightpool.batch.storage.outcomes import Outcome
from lightpool.batch.storage.partial import Partial
from lightpool.batch.storage.partial_of_settings import load_partial
from lightpool.batch.storage.partial_stack import PartialStack
from lightpool.batch.storage.partial_sums import PartialSums
from lightpool.batch.storage.records import ChunkRecord, read_json
from lightpool.config.batch_settings import BatchSettings
from lightpool.config.kinds import settings_from_dict
from lightpool.errors import DamagedFileError, LightpoolError, ResumeError
from lightpool.fits import name_of_place, read_bytes

__all__ = ["BatchFolder", "ChunkRecord"]

log = logging.getLogger(__name__)

MAX_INPUT_BYTES = 2**32
"""Largest size of an exclusion mask, or of a file of regions or time intervals."""

BEGUN = "begun"
"""Suffix of the file that exists while a chunk is being reduced."""

_SUMS = (PartialStack.suffix, PartialSums.suffix)
"""Suffixes of the files of sums."""


class BatchFolder:
    """Folder of a reduction.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    state, chunks, observations, exclusions : Path
        Its sub-folders.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state"
        self.chunks = self.state / "chunks"
        self.observations = path / "observations"
        self.exclusions = path / "exclusions"

    def name(self, file: Path) -> str:
        """Return the path of a file relative to this folder, which stays valid if the folder is moved."""
        return file.relative_to(self.path).as_posix()

    # --- all writing and removing goes through here

    def path_inside(self, name: str) -> Path:
        """Return the path of a relative name, to write or remove it, after checking that it stays in this folder.

        The folder may come from somebody else: names in its files may point outside, and folders in it may be links.

        Raises
        ------
        ResumeError
            If the path points outside this folder.
        """
        path = self.path / name
        try:
            inside = path.parent.resolve() / path.name  # a link is itself written or removed, not its target
            is_inside = path.name != ".." and "\0" not in name and self.path.resolve() in inside.parents
            if is_inside and not (path.is_symlink() and path.is_dir()):
                return path
        except (OSError, RuntimeError, ValueError):  # circular links, a zero byte
            pass
        raise ResumeError(
            f"{str(path)!r} points outside {self.path}: nothing is written or removed there. Choose another output "
            "folder"
        )

    def write(self, name: str, text: str) -> None:
        """Write a text file atomically.

        Parameters
        ----------
        name : str
            Path relative to this folder.
        text : str
        """
        with write_aside(self.path_inside(name)) as file:
            file.write(text.encode())

    def write_table(self, name: str, table: Table) -> Path:
        """Write a table as ECSV, atomically, and return its path.

        Parameters
        ----------
        name : str
            Path relative to this folder.
        table : Table
        """
        text = io.StringIO()
        table.write(text, format="ascii.ecsv")
        self.write(name, text.getvalue())
        return self.path / name

    def remove(self, name: str) -> None:
        """Remove a file if it exists; ``name`` is relative to this folder."""
        path = self.path_inside(name)
        if not path.is_dir():
            path.unlink(missing_ok=True)

    # --- the plan

    @property
    def is_begun(self) -> bool:
        """Whether a reduction has begun here."""
        return (self.state / "plan.json").exists()

    def write_plan(self, settings: BatchSettings, chunks: Sequence[Sequence[int]], version: str) -> None:
        """Write what the reduction is going to do.

        Parameters
        ----------
        settings : BatchSettings
        chunks : sequence of sequences of int
            Observations of each chunk.
        version : str
            See `version_for`.
        """
        data = {"version": version, "settings": settings.to_dict(), "chunks": [list(chunk) for chunk in chunks]}
        self.write("state/plan.json", json.dumps(data, indent=1))

    def read_plan(self) -> tuple[BatchSettings, list[list[int]], str]:
        """Read the settings, the observations of each chunk and the version of the reduction in this folder.

        Raises
        ------
        ResumeError
            If the file is not what `write_plan` writes.
        """
        path = self.state / "plan.json"
        try:
            data = read_json(path, dict)
            return settings_from_dict(data["settings"]), _checked_chunks(data["chunks"]), str(data["version"])
        except (OSError, ValueError, KeyError) as error:
            problem = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ResumeError(
                f"{path} cannot be used ({problem}); choose another output folder, or use --restart"
            ) from error

    def keep_inputs(self, files: Iterable[InputFile]) -> dict[str, str]:
        """Copy the files named in the settings, so that all chunks read the same contents.

        Returns
        -------
        copies : dict of str to str
            Path of the copy of each path.

        Raises
        ------
        InputChangedError
            If a file has changed since its checksum was computed.
        """
        copies = {}
        for file in files:
            # The suffix decides how a file is read; the checksum distinguishes files and versions.
            copy = self.path_inside(f"state/inputs/{file.sha256[:16]}-{name_of_place(file.path)[-40:]}")
            with write_aside(copy) as stream:
                stream.write(read_bytes(file.path, most=MAX_INPUT_BYTES))
            if sha256_of(copy) != file.sha256:
                raise changed_while_in_use([file.path])
            copies[file.path] = str(copy)
        for other in self.path_inside("state/inputs").glob("*"):
            if str(other) not in copies.values():
                self.remove(f"state/inputs/{other.name}")
        return copies

    def clear(self) -> None:
        """Discard the finished chunks and the plan, but not the results."""
        shutil.rmtree(self.path_inside("state/chunks"), ignore_errors=True)
        shutil.rmtree(self.path_inside("state/inputs"), ignore_errors=True)
        self.remove("state/plan.json")

    def remove_leftovers(self) -> None:
        """Remove temporary files of workers that were killed."""
        for folder in ("", "observations", "exclusions", "state", "state/inputs", "state/chunks"):
            for part in (self.path / folder).glob(".*.part"):
                self.remove(f"{folder}/{part.name}" if folder else part.name)

    # --- results

    def write_files(self, results: Iterable[str], files: Iterable[str]) -> None:
        """Record the names of the results, and of all files that reductions wrote.

        Parameters
        ----------
        results, files : iterable of str
            Paths relative to this folder.
        """
        data = {"results": list(results), "files": sorted(set(files))}
        self.write("state/files.json", json.dumps(data, indent=1))

    def _files(self) -> dict[str, list[str]]:
        """Return the names of files that reductions wrote, without those that no reduction can have written."""
        path = self.state / "files.json"
        found: dict[str, list[str]] = {"results": [], "files": []}
        if not path.exists():
            return found
        try:
            data = read_json(path, dict)
            return {key: self._own(path, data[key]) for key in found}
        except (OSError, ValueError, KeyError) as error:
            log.warning("%s cannot be used (%s): files of earlier reductions are kept", path, error)
            return found

    def _own(self, origin: Path, names: object) -> list[str]:
        """Select the names that may be result files: in this folder, or in those of observations and exclusions."""
        if not isinstance(names, list | dict):
            raise ValueError(f"got a {type(names).__name__}, expected a list of names")
        own = [name for name in names if self._is_own(name)]
        if foreign := [str(name)[:80] for name in names if not self._is_own(name)]:
            log.warning("%s names files that are not results and are left alone: %s", origin, ", ".join(foreign[:5]))
        return own

    def _is_own(self, name: object) -> TypeGuard[str]:
        if not isinstance(name, str) or Path(name).parent not in (Path(), Path("observations"), Path("exclusions")):
            return False
        try:
            return not self.path_inside(name).is_dir()
        except (ResumeError, OSError, ValueError):
            return False

    def results(self) -> list[Path]:
        """Return the existing files of the stacks, in the order of the stacks; of an OGIP set, the PHA file."""
        return [path for name in self._files()["results"] if (path := self.path / name).is_file()]

    def files_so_far(self) -> set[str]:
        """Return the names of the files that reductions wrote here, including those of finished chunks."""
        found = set(self._files()["files"])
        for path in self.chunks.glob("*.json"):
            with suppress(OSError, ValueError):  # the files that it names will not be removed
                found.update(self._trusted_record(path.stem).files)
        return found

    def keep_only(self, results: Iterable[str], files: Iterable[str], keys: Iterable[str]) -> None:
        """Remove files that only earlier reductions wrote, and chunks that are not in the plan.

        Parameters
        ----------
        results : iterable of str
            Names of the files of the stacks.
        files : iterable of str
            Names of all files that this reduction wrote.
        keys : iterable of str
            Keys of its chunks.
        """
        results, ours, wanted = list(results), set(files), set(keys)
        former = set(self._files()["files"])
        # Before anything is removed: after a crash, the names of the remaining files are still known.
        self.write_files(results, former | ours)
        for name in former - ours:
            self.remove(name)
        for name in ("observations", "exclusions"):
            with suppress(OSError):  # missing, or not empty
                self.path_inside(name).rmdir()
        paths = [path for suffix in ("json", *_SUMS, BEGUN) for path in self.chunks.glob(f"*.{suffix}")]
        for path in paths:  # a record is removed before its sums, so that no record is left without them
            if path.stem not in wanted or path.suffix == f".{BEGUN}":
                self.remove(f"state/chunks/{path.name}")
        self.write_files(results, ours)

    # --- chunks

    @staticmethod
    def key(settings: BatchSettings, obs_ids: Sequence[int], version: str) -> str:
        """Return the name of a chunk, which is the same for the same settings, version and observations.

        Parameters
        ----------
        settings : BatchSettings
        obs_ids : sequence of int
        version : str
            See `version_for`.
        """
        text = json.dumps([settings.hash(), version, list(obs_ids)])
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def save_chunk(
        self,
        key: str,
        obs_ids: Sequence[int],
        partial: Partial,
        outcomes: Sequence[Outcome],
        inputs: Sequence[InputFile],
        index: str,
        files: Mapping[str, str],
        version: str,
    ) -> ChunkRecord:
        """Write the sums of a chunk, then its record: a chunk with a record is complete.

        Parameters
        ----------
        key : str
            Name of the chunk, see `key`.
        obs_ids : sequence of int
        partial : Partial
        outcomes : sequence of Outcome
        inputs : sequence of InputFile
            The files that were read.
        index : str
            See `Sources.index_hash`.
        files : mapping of str to str
            Names of the written datasets of single observations, with their SHA-256.
        version : str
            Of the code of this process, see `version_for`.
        """
        path = self.path_inside(f"state/chunks/{key}.{partial.suffix}")
        partial.save(path)
        record = ChunkRecord(
            key=key,
            obs_ids=tuple(obs_ids),
            outcomes=tuple(outcomes),
            inputs=tuple(inputs),
            index=index,
            sha256=sha256_of(path),
            files=dict(files),
            version=version,
        )
        self.write(f"state/chunks/{key}.json", record.to_json())
        return record

    def record(self, key: str) -> ChunkRecord | None:
        """Read the record of a finished chunk; None if there is no valid one."""
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
            raise ValueError("it belongs to another chunk, or names files that are not results")
        return record

    def begin_chunk(self, key: str) -> None:
        """Mark a chunk as being reduced by this process, see `was_begun`."""
        path = self.path_inside(f"state/chunks/{key}.{BEGUN}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(exist_ok=False)

    def end_chunk(self, key: str) -> None:
        """Remove the mark of `begin_chunk`."""
        self.remove(f"state/chunks/{key}.{BEGUN}")

    def was_begun(self, key: str) -> bool:
        """Return whether a process died or was killed while it reduced a chunk."""
        return (self.chunks / f"{key}.{BEGUN}").exists()

    def holds(self, record: ChunkRecord) -> bool:
        """Return whether the sums of a finished chunk exist and are undamaged."""
        path = self._sums(record)
        return path.is_file() and sha256_of(path) == record.sha256

    def _sums(self, record: ChunkRecord) -> Path:
        """Return the file with the sums of a chunk, whichever kind they are; the first name if there is none."""
        paths = [self.chunks / f"{record.key}.{suffix}" for suffix in _SUMS]
        return next((path for path in paths if path.is_file()), paths[0])

    def holds_observations(self, record: ChunkRecord, *, compress: bool) -> bool:
        """Return whether the datasets of the single observations of a finished chunk exist.

        Parameters
        ----------
        record : ChunkRecord
        compress : bool
            Whether they must be compressed, or must not be.
        """
        if not record.files:
            return all(outcome.status != "done" for outcome in record.outcomes)
        return all(name.endswith(".gz") == compress and (self.path / name).is_file() for name in record.files)

    def load_chunk(self, record: ChunkRecord, settings: BatchSettings) -> Partial:
        """Read the sums of a finished chunk.

        Parameters
        ----------
        record : ChunkRecord
        settings : BatchSettings
            Those of the reduction.

        Raises
        ------
        DamagedFileError
            If the file is missing or damaged.
        """
        path = self._sums(record)
        try:
            if sha256_of(path) != record.sha256:
                raise DamagedFileError(f"{path} is damaged: its checksum does not match")
            return load_partial(path, settings)
        except DamagedFileError:
            raise
        except (LightpoolError, OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile) as error:
            raise DamagedFileError(f"{path} cannot be read: {error}") from error


def _checked_chunks(chunks: list[list[int]]) -> list[list[int]]:
    """Return the chunks of a plan after checking that they are lists of numbers without repeats."""
    if not isinstance(chunks, list) or not all(isinstance(chunk, list) for chunk in chunks):
        raise ValueError("its chunks are not lists of observation numbers")
    numbers = [obs_id for chunk in chunks for obs_id in chunk]
    if not all(type(obs_id) is int for obs_id in numbers):
        raise ValueError("its chunks are not lists of observation numbers")
    if len(set(numbers)) < len(numbers):
        raise ValueError("an observation is in two chunks")
    return chunks
