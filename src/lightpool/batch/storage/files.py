"""Write files atomically, and recognise input files that have changed."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from lightpool.errors import InputChangedError
from lightpool.fits import file_status, open_file
from lightpool.fits.paths import errors_named

__all__ = ["InputFile", "Inputs", "changed_while_in_use", "require_unchanged", "sha256_of", "write_aside"]


@contextmanager
def write_aside(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file next to a path; once it is written and synced to disk, rename it to the path.

    If anything fails before that, a file that already exists under that name is left as it was.

    Parameters
    ----------
    path : Path
        Final name of the file. Missing parent folders are created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    aside.unlink(missing_ok=True)
    try:
        with errors_named(path), aside.open("xb") as file:  # x: never follow a link of this name
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class InputFile:
    """Identity of an input file.

    Attributes
    ----------
    path : str
    size : int, bytes
    mtime_ns : int
        Modification time.
    sha256 : str
    ctime_ns : int
        Time of the last change of contents or metadata; 0 if unknown.
    inode : int
        Inode number; 0 if unknown.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    ctime_ns: int = 0
    inode: int = 0

    @classmethod
    def of(cls, path: Path) -> Self:
        """Record the present state of a file."""
        found = file_status(path)  # before its bytes are read, so that a change meanwhile is noticed later
        return cls(str(path), found.st_size, found.st_mtime_ns, sha256_of(path), found.st_ctime_ns, found.st_ino)

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is still the same; its bytes are compared only if its times or inode differ."""
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

    def to_dict(self) -> dict[str, str | int]:
        """Return a JSON-compatible dict."""
        return dict(vars(self))


def require_unchanged(files: Iterable[InputFile]) -> None:
    """Check that files have not changed since they were read.

    Raises
    ------
    InputChangedError
        If some have; the error names all of them.
    """
    if changed := [file.path for file in files if not file.is_unchanged]:
        raise changed_while_in_use(changed)


def changed_while_in_use(paths: Iterable[str]) -> InputChangedError:
    """Return the error that names files that changed while a reduction was using them."""
    return InputChangedError(
        f"input files changed during the reduction: {', '.join(sorted(set(paths)))}. Results from two versions of a "
        "file are never mixed; use --resume to reduce the affected observations again"
    )


class Inputs:
    """All files that a reduction has read so far, each in a single version.

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
        """Add the files that another chunk has read.

        Raises
        ------
        InputChangedError
            If another chunk has read a different version of one of them.
        """
        files = list(files)
        known = [self._files.setdefault(file.path, file) for file in files]
        if other := [file.path for file, first in zip(files, known, strict=True) if file.sha256 != first.sha256]:
            raise changed_while_in_use(other)
