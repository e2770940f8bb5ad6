"""Records of finished chunks; they are checked when read, because disks fail and files are edited."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lightpool.batch.storage.files import InputFile
from lightpool.batch.storage.outcomes import Outcome
from lightpool.fits import read_bytes

__all__ = ["ChunkRecord", "read_json"]

_MAX_BYTES = 2**30

T = TypeVar("T", dict[str, Any], list[Any])


def read_json(path: Path, kind: type[T]) -> T:
    """Read a JSON file and check the type of its outermost value.

    Parameters
    ----------
    path : Path
    kind : type
        Expected type, such as ``dict``.

    Raises
    ------
    OSError, FormatError
        If the file cannot be read.
    ValueError
        If it is not JSON, or contains a value of another type.
    """
    try:
        data = json.loads(read_bytes(path, most=_MAX_BYTES))
    except RecursionError as error:
        raise ValueError("its values are nested too deeply") from error
    if not isinstance(data, kind):
        raise ValueError(f"it holds a {type(data).__name__}, expected a {kind.__name__}")
    return data


@dataclass(frozen=True, kw_only=True)
class ChunkRecord:
    """Record of a finished chunk.

    Attributes
    ----------
    key : str
        See `BatchFolder.key`.
    obs_ids : tuple of int
    outcomes : tuple of Outcome
    inputs : tuple of InputFile
        The files that were read.
    index : str
        See `Sources.index_hash`.
    sha256 : str
        Of the file with the sums.
    files : dict of str to str
        Datasets of single observations that were written: names, see `BatchFolder.name`, and SHA-256.
    version : str
        Version of the code of the process that reduced the chunk.
    """

    key: str
    obs_ids: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    inputs: tuple[InputFile, ...]
    index: str
    sha256: str
    files: dict[str, str]
    version: str

    def to_json(self) -> str:
        """Return the record as JSON with a checksum."""
        data = {
            "key": self.key,
            "obs_ids": self.obs_ids,
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
            "inputs": [file.to_dict() for file in self.inputs],
            "index": self.index,
            "sha256": self.sha256,
            "files": self.files,
            "version": self.version,
        }
        # On one line: with indentation, `json` encodes in Python instead of C.
        return json.dumps(data | {"checksum": _checksum(data)})

    @classmethod
    def from_json(cls, path: Path) -> "ChunkRecord":
        """Read a file that contains the output of `to_json`.

        Raises
        ------
        OSError, FormatError
            If it cannot be read.
        ValueError
            If it is not as it was written.
        """
        data = read_json(path, dict)
        if data.pop("checksum", None) != _checksum(data):
            raise ValueError("its checksum is missing or does not match")
        try:
            return cls(
                key=data["key"],
                obs_ids=tuple(data["obs_ids"]),
                outcomes=tuple(Outcome.from_dict(each) for each in data["outcomes"]),
                inputs=tuple(InputFile(**each) for each in data["inputs"]),
                **{name: data[name] for name in ("index", "sha256", "files", "version")},
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"it was written by another version: {error}") from error


def _checksum(data: dict[str, Any]) -> str:
    """Return the SHA-256 of values, independent of the order of keys and of white space."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
