"""Files that are there as a whole or not at all, and files that are known again."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from lightpool.errors import InputChangedError
from lightpool.fits import file_status, open_file
from lightpool.fits.paths import errors_named

__all__ = ["InputFile", "Inputs", "changed_while_in_use", "require_unchanged", "sha256_of", "write_aside"]


@contextmanager
def write_aside(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside a path; when it is written and on the disk, it gets the name of the path.

    Whatever happens before leaves what was under that name as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    aside.unlink(missing_ok=True)
    try:
        with errors_named(path), aside.open("xb") as file:  # x: a link of this name would lead elsewhere
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of the bytes of a file, as text."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class InputFile:
    """A file that was read.

    Attributes
    ----------
    path : str
    size : int, bytes
    mtime_ns : int, time of the last change of its bytes
    sha256 : str, of its bytes
    ctime_ns : int, time of the last change of its bytes or properties; 0 if not known
    inode : int, its number in the file system; 0 if not known
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    ctime_ns: int = 0
    inode: int = 0

    @classmethod
    def of(cls, path: Path) -> Self:
        """What a file is now."""
        found = file_status(path)  # before its bytes are read: a change meanwhile shows later
        return cls(str(path), found.st_size, found.st_mtime_ns, sha256_of(path), found.st_ctime_ns, found.st_ino)

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is still the same; its bytes are looked at only where times or number differ."""
        path = Path(self.path)
        try:
            found = file_status(path)
            same = (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)
            if same and (found.st_ctime_ns, found.st_ino) == (
                self.ctime_ns or found.st_ctime_ns,
                self.inode or found.st_ino,
            ):
                return True
            return found.st_size == self.size and sha256_of(path) == self.sha256
        except (OSError, ValueError):
            return False

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return asdict(self)


def require_unchanged(files: Iterable[InputFile]) -> None:
    """Check that files are what they were when they were read.

    Raises
    ------
    InputChangedError
        If one is not; all of them are named.
    """
    if changed := [file.path for file in files if not file.is_unchanged]:
        raise changed_while_in_use(changed)


def changed_while_in_use(paths: Iterable[str]) -> InputChangedError:
    """Error that names files that changed while a reduction used them."""
    return InputChangedError(
        f"changed while they were in use: {', '.join(sorted(set(paths)))}. Results of two versions are not mixed: "
        "--resume reduces again what was made of the old one"
    )


class Inputs:
    """All files that a reduction has read so far, each in one version.

    Parameters
    ----------
    files : iterable of InputFile
    """

    def __init__(self, files: Iterable[InputFile] = ()) -> None:
        self._files: dict[str, InputFile] = {}
        self.add(files)

    def __iter__(self) -> Iterator[InputFile]:
        return iter(self._files.values())

    def add(self, files: Iterable[InputFile]) -> None:
        """Take in what one more chunk has read; InputChangedError if it was not what another one has read."""
        files = list(files)
        known = [self._files.setdefault(file.path, file) for file in files]
        if other := [file.path for file, first in zip(files, known, strict=True) if file.sha256 != first.sha256]:
            raise changed_while_in_use(other)
