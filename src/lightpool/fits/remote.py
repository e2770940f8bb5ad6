"""Local copies of files that are somewhere else, in a folder of limited size that many processes may share.

A file is copied as a whole when it is first read. The copy is used again as long as the file has the same size, date
and tag; this is asked once in each process. The copies that were not used for the longest time are removed when all
copies together exceed the limit. The copy of another version has another name, so that a copy never changes.
"""

import hashlib
import json
import logging
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from lightpool.errors import ConfigError, MissingDataError, RemoteFileError
from lightpool.fits.addresses import Place, is_address, name_of_place, tidy_address
from lightpool.fits.gzip_file import max_file_bytes
from lightpool.fits.paths import expanded_text, make_path, required_path, unset_variables
from lightpool.fits.remote_files import RemoteFile, describe
from lightpool.utils.file_locks import lock, unlock
from lightpool.utils.secret_texts import hide_secrets, private_parts

__all__ = [
    "CACHE_FOLDER_VARIABLE",
    "CACHE_SIZE_VARIABLE",
    "REMOTE_CACHE",
    "RemoteCache",
    "RemoteCopy",
    "address_exists",
    "place_of",
    "readable_path",
]

CACHE_FOLDER_VARIABLE = "LIGHTPOOL_CACHE"
"""Environment variable with the folder for copies of remote files."""

CACHE_SIZE_VARIABLE = "LIGHTPOOL_CACHE_GB"
"""Environment variable with the size, in GB, that the copies may have together."""

_DEFAULT_GB = 10.0
_ABOUT = "about.json"
_N_LOCK = 256
_LEFT_AFTER = 86400.0
"""Seconds after which a copy that is not complete is that of a process that was killed."""

log = logging.getLogger(__name__)


def place_of(path: str | PathLike[str]) -> Place:
    """Return an address as it is, with variables expanded, and anything else as a path.

    Raises
    ------
    ConfigError
        If a variable in place of a password or a token is not set.
    """
    text = os.fspath(path) if isinstance(path, str | PathLike) else ""
    if not is_address(text):
        expanded = expanded_text(text) if isinstance(path, str) and text.startswith("$") else text
        return tidy_address(expanded) if is_address(expanded) else required_path(path)
    if unset := [name for start, stop in private_parts(text) for name in unset_variables(text[start:stop])]:
        raise ConfigError(
            f"{hide_secrets(text)}: the environment variable {', '.join(unset)} is not set; set it, on all machines "
            "that read the file"
        )
    return tidy_address(expanded_text(text))


def readable_path(path: str | PathLike[str]) -> Path:
    """Return the path of a file to read; of an address, the path of its copy, which is made if need be.

    Raises
    ------
    MissingDataError
        If there is no file at an address.
    RemoteFileError
        If an address cannot be reached.
    ConfigError
        If a package for this kind of address is not installed.
    """
    place = place_of(path)
    return REMOTE_CACHE.copy_of(place) if isinstance(place, str) else place


def address_exists(address: str) -> bool:
    """Return whether there is a file at an address; errors as for `readable_path`."""
    try:
        return bool(REMOTE_CACHE.describe(address).info.get("type", "file") == "file")
    except MissingDataError:
        return False
    except RemoteFileError:
        if REMOTE_CACHE.has_copy(address):  # which is then read, with a warning
            return True
        raise


def place_exists(place: Place) -> bool:
    """Return whether there is a file under a path or at an address."""
    return address_exists(place) if isinstance(place, str) else place.is_file()


@dataclass(frozen=True)
class RemoteCopy:
    """A copy of one version of a file.

    Attributes
    ----------
    path : Path
    identity : str
        What the server said about this version, as JSON; empty if it said no more than the size.
    """

    path: Path
    identity: str


class RemoteCache:
    """A folder with copies of files.

    Parameters
    ----------
    folder : path-like, optional
        By default that of the variable ``LIGHTPOOL_CACHE``, or a folder for caches of this user.
    max_bytes : int, optional
        By default ``LIGHTPOOL_CACHE_GB``, or 10 GB. The copy made last is kept whatever its size.
    """

    def __init__(self, folder: str | PathLike[str] | None = None, max_bytes: int | None = None) -> None:
        self._folder = None if folder is None else make_path(folder)
        self._max_bytes = max_bytes
        self._known: dict[str, RemoteCopy] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """The folder of the copies."""
        given = os.environ.get(CACHE_FOLDER_VARIABLE, "").strip()
        return self._folder or (make_path(given) if given else _user_folder())

    @property
    def max_bytes(self) -> int:
        """The size that all copies may have together."""
        text = os.environ.get(CACHE_SIZE_VARIABLE, "").strip()
        try:
            return self._max_bytes if self._max_bytes is not None else int(float(text or _DEFAULT_GB) * 1e9)
        except (ValueError, OverflowError) as error:
            raise ConfigError(f"{CACHE_SIZE_VARIABLE} = {text!r}, expected a number of GB such as 20") from error

    def copy_of(self, address: str) -> Path:
        """Return the path of the copy of a file, see `version_of`."""
        return self.version_of(address).path

    def version_of(self, address: str, *, most: int | None = -1) -> RemoteCopy:
        """Return the copy of a file, which is made if there is none, or the file has changed.

        Threads and processes that ask for one file at the same time wait for one copy. Where the file cannot be reached
        now, an earlier copy is used, with a warning.

        Parameters
        ----------
        address : str
        most : int, optional
            Bytes of the largest file, None for no limit; `lightpool.fits.gzip_file.max_file_bytes` by default.
        """
        most = max_file_bytes() if most == -1 else most
        with self._lock:
            lock = self._locks.setdefault(address, threading.Lock())
        with lock:
            known = self._known.get(address)
            if known is None or not known.path.is_file():
                known = self._known[address] = self._found(address, most)
            else:
                _touch(known.path)
            return known

    def identity_of(self, address: str) -> str:
        """Return what the server says now about a file, as `RemoteCopy.identity`; nothing is copied.

        Raises
        ------
        MissingDataError, RemoteFileError
            If it cannot be reached.
        """
        return self.describe(address).identity or ""

    def describe(self, address: str) -> RemoteFile:
        """Ask what is known about a file; an archive that it is in is copied, because parts of it cannot be read.

        Parameters
        ----------
        address : str

        Raises
        ------
        MissingDataError, RemoteFileError, ConfigError
            As for `readable_path`.
        """
        inner, separator, outer = address.partition("::")
        if not is_address(outer):
            return describe(address)
        return describe(inner + separator + str(self.version_of(outer, most=None).path), name=address)

    def _found(self, address: str, most: int | None) -> RemoteCopy:
        digest = _digest(address)
        try:
            file = self.describe(address)
        except RemoteFileError as error:
            earlier = self._earlier(digest)
            if earlier is None:
                raise
            log.warning(f"{error}. The copy that was made earlier is used")
            return earlier
        # Without identity nobody can tell whether a copy is that of this version: it is made again in each process.
        version = secrets.token_hex(6) if file.identity is None else hashlib.sha256(file.identity.encode()).hexdigest()
        copy = RemoteCopy(self.folder / f"{digest}-{version[:12]}" / (_name(address)), file.identity or "")
        if not _is_whole(copy.path):  # also in a folder that others may only read
            with self._only_one(digest):
                if not _is_whole(copy.path):
                    self._copy(file, copy, most)
        _touch(copy.path)
        self._shrink(copy.path)
        return copy

    def has_copy(self, address: str) -> bool:
        """Return whether there is a copy of any version of a file."""
        return self._earlier(_digest(address)) is not None

    def _earlier(self, digest: str) -> RemoteCopy | None:
        """Return the copy that was made or used last of a file, of any version."""
        found = []
        for about in self.folder.glob(f"{digest}-*/{_ABOUT}"):
            with suppress(OSError, ValueError, KeyError):
                facts = json.loads(about.read_text(encoding="utf-8"))
                copy = RemoteCopy(about.parent / facts["name"], facts["identity"])
                if _is_whole(copy.path):
                    found.append((about.stat().st_mtime_ns, str(copy.path), copy))
        return max(found)[2] if found else None

    def _copy(self, file: RemoteFile, copy: RemoteCopy, most: int | None) -> None:
        shown, folder = hide_secrets(file.address), copy.path.parent
        part = folder.with_name(f".{secrets.token_hex(4)}.part")
        log.info(f"copying {shown} to {copy.path}")
        try:
            part.mkdir(parents=True)
            file.download(part / copy.path.name, most=most)
            size = (part / copy.path.name).stat().st_size
            about = {"address": shown, "name": copy.path.name, "bytes": size, "identity": copy.identity}
            (part / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)  # a damaged one
            os.replace(part, folder)  # with its description, at once
        finally:
            shutil.rmtree(part, ignore_errors=True)

    @contextmanager
    def _only_one(self, digest: str) -> Iterator[None]:
        """Let one process at a time copy a file; a few files are locks for all, because there may be many copies."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            opened = open(self.folder / f".lock-{int(digest, 16) % _N_LOCK:02x}", "ab")  # noqa: SIM115 (closed below)
        except OSError as error:
            raise ConfigError(
                f"copies of remote files cannot be written to the folder {self.folder}: {error}; set the environment "
                f"variable {CACHE_FOLDER_VARIABLE} to a folder that can be written"
            ) from error
        with opened as file:
            with suppress(OSError):  # some network file systems have no locks: the file is copied twice
                lock(file, wait=True)
            try:
                yield
            finally:
                unlock(file)

    def _shrink(self, newest: Path) -> None:
        """Remove the copies that were not used for the longest time until all fit, and what killed processes left."""
        copies = []
        for part in self.folder.glob(".*.part"):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > _LEFT_AFTER:
                    shutil.rmtree(part, ignore_errors=True)
        for about in self.folder.glob(f"*/{_ABOUT}"):
            with suppress(OSError):  # another process may remove it meanwhile
                size = sum(file.stat().st_size for file in about.parent.iterdir())
                copies.append((about.stat().st_mtime_ns, size, about.parent))
        total = sum(size for _, size, _ in copies)
        for _, size, folder in sorted(copies):
            if total <= self.max_bytes:
                return
            if folder != newest.parent:
                _remove(folder)
                total -= size

    def discard(self, address: str) -> None:
        """Remove the copy of a file that this process uses, so that it is copied again.

        Parameters
        ----------
        address : str
        """
        with self._lock:
            known = self._known.pop(address, None)
        if known is not None:
            _remove(known.path.parent)

    def clear(self) -> None:
        """Remove all copies."""
        with self._lock:
            self._known.clear()
        for about in self.folder.glob(f"*/{_ABOUT}"):
            _remove(about.parent)

    def forget(self, address: str | None = None) -> None:
        """Ask again, for each file that is read from now on, whether it has changed.

        Parameters
        ----------
        address : str, optional
            Only for this file.
        """
        with self._lock:
            if address is None:
                self._known.clear()
            else:
                self._known.pop(address, None)


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:24]


def _name(address: str) -> str:
    name = name_of_place(address)[-100:]
    return "file" if name in ("", ".", "..", _ABOUT) else name


def _is_whole(copy: Path) -> bool:
    """Return whether a copy is there, with the size that it had."""
    try:
        about = json.loads((copy.parent / _ABOUT).read_text(encoding="utf-8"))
        return bool(copy.stat().st_size == about["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _remove(folder: Path) -> None:
    """Remove a copy; its description first, without which it is not used."""
    with suppress(OSError):
        (folder / _ABOUT).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _touch(copy: Path) -> None:
    with suppress(OSError):  # a folder that others may only read
        os.utime(copy.parent / _ABOUT)


def _user_folder() -> Path:
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "lightpool" / "files"


REMOTE_CACHE = RemoteCache()
"""The copies that all readers use."""
