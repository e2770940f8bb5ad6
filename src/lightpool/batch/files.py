"""Files that are there as a whole or not at all, and files that are known again."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from lightpool.fits import open_file
from lightpool.fits.paths import errors_named

__all__ = ["InputFile", "sha256_of", "write_aside"]


@contextmanager
def write_aside(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside a path; when it is written and on the disk, it gets the name of the path.

    Whatever happens before leaves what was under that name as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with errors_named(path), aside.open("wb") as file:
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
    mtime_ns : int, time of its last change
    sha256 : str, of its bytes
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """What a file is now."""
        found = path.stat()
        return cls(str(path), found.st_size, found.st_mtime_ns, sha256_of(path))

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is still the same; its bytes are looked at only where its times differ."""
        path = Path(self.path)
        try:
            found = path.stat()
            if (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns):
                return True
            return found.st_size == self.size and sha256_of(path) == self.sha256
        except OSError:
            return False

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return asdict(self)
