"""Write files atomically, and recognise input files that have changed."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Self, TypeVar

from lightpool.errors import InputChangedError, RemoteFileError
from lightpool.fits import Place, file_status, is_address, open_file, place_of
from lightpool.fits.paths import errors_named
from lightpool.fits.remote import REMOTE_CACHE
from lightpool.utils.secret_texts import hide_secrets

__all__ = [
    "InputFile",
    "Inputs",
    "changed_files",
    "changed_while_in_use",
    "in_threads",
    "require_unchanged",
    "sha256_of",
    "write_aside",
]

log = logging.getLogger(__name__)

S = TypeVar("S")
T = TypeVar("T")

_N_QUESTION = 16
"""Files at addresses about which servers are asked at the same time."""


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


def sha256_of(path: Place) -> str:
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
    identity : str
        Of a file at an address: what its server said about this version, see `lightpool.fits.remote.RemoteCopy`.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    ctime_ns: int = 0
    inode: int = 0
    identity: str = ""

    @classmethod
    def of(cls, path: Place) -> Self:
        """Record the present state of a file; of one at an address, that of its copy, without passwords in its path."""
        if is_address(path):
            place = place_of(path)
            # The identity first: if this version is removed meanwhile, and another one read, that is noticed later.
            identity = REMOTE_CACHE.version_of(str(place)).identity
            size = file_status(place).st_size
            return cls(hide_secrets(str(path)), size, 0, sha256_of(place), identity=identity)
        found = file_status(path)  # before its bytes are read, so that a change meanwhile is noticed later
        return cls(str(path), found.st_size, found.st_mtime_ns, sha256_of(path), found.st_ctime_ns, found.st_ino)

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is still the same; its bytes are compared only if its times or inode differ."""
        if is_address(self.path):
            return self.is_unchanged_at(self.path)
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

    def is_unchanged_at(self, address: str) -> bool:
        """Return whether the file at an address is still the same; the server is asked now.

        Parameters
        ----------
        address : str; with the password, if there is one, which ``path`` does not have

        Raises
        ------
        RemoteFileError
            If the server does not answer: nobody knows.
        """
        place = str(place_of(address))
        try:
            if self.identity and REMOTE_CACHE.identity_of(place) == self.identity:
                return True
            REMOTE_CACHE.forget(place)
            return sha256_of(place) == self.sha256
        except RemoteFileError:
            raise
        except (OSError, ValueError):
            return False

    def to_dict(self) -> dict[str, str | int]:
        """Return a JSON-compatible dict."""
        return dict(vars(self))


def in_threads(ask: Callable[[S], T], about: Sequence[S]) -> list[T]:
    """Call a function for each of many things at the same time, because servers need some time to answer.

    Parameters
    ----------
    ask : callable
    about : sequence
        Its argument in each call.
    """
    with ThreadPoolExecutor(_N_QUESTION) as pool:
        return list(pool.map(ask, about))


def changed_files(files: Iterable[InputFile], addresses: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Return the paths of the files that have changed since they were recorded.

    Of a file on a server that does not answer nobody knows: it is not among them, and a warning names one of these.

    Parameters
    ----------
    files : iterable of InputFile
    addresses : mapping of str to str
        Addresses with the passwords that the paths do not have.
    """

    def is_changed(file: InputFile) -> bool | RemoteFileError:
        try:
            address = addresses.get(file.path)
            return not (file.is_unchanged if address is None else file.is_unchanged_at(address))
        except RemoteFileError as error:
            return error

    files = list(files)
    is_remote = any(is_address(file.path) for file in files)
    found = in_threads(is_changed, files) if is_remote else list(map(is_changed, files))
    unknown = [each for each in found if isinstance(each, RemoteFileError)]
    if unknown:
        log.warning(
            "it is not known whether %d input files have changed since they were read: %s", len(unknown), unknown[0]
        )
    return [file.path for file, changed in zip(files, found, strict=True) if changed is True]


def require_unchanged(files: Iterable[InputFile], addresses: Mapping[str, str] = MappingProxyType({})) -> None:
    """Check that files have not changed since they were read.

    Parameters
    ----------
    files, addresses : as for `changed_files`

    Raises
    ------
    InputChangedError
        If some have; the error names all of them.
    """
    if changed := changed_files(files, addresses):
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
