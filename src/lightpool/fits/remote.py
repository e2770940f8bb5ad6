"""Local copies of files that are somewhere else, in a folder of limited size; the only module that imports fsspec.

A file is copied as a whole when it is first read. The copy is used again as long as the file has the same size, date
and tag; this is asked once in each process. The copies that were not used for the longest time are removed when all
copies together exceed the limit.
"""

import hashlib
import json
import logging
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any

from lightpool.errors import ConfigError, DamagedFileError, MissingDataError, RemoteFileError
from lightpool.fits.addresses import Place, hide_password, is_address, name_of_place, tidy_address
from lightpool.fits.gzip_file import max_file_bytes, too_large
from lightpool.fits.paths import expanded_text, make_path, required_path
from lightpool.utils.optional_packages import install_command, require_package

__all__ = [
    "CACHE_FOLDER_VARIABLE",
    "CACHE_SIZE_VARIABLE",
    "REMOTE_CACHE",
    "RemoteCache",
    "address_exists",
    "place_of",
    "readable_path",
]

CACHE_FOLDER_VARIABLE = "LIGHTPOOL_CACHE"
"""Environment variable with the folder for copies of remote files."""

CACHE_SIZE_VARIABLE = "LIGHTPOOL_CACHE_GB"
"""Environment variable with the size, in GB, that the copies may have together."""

_DEFAULT_GB = 10.0
_IDENTITY = (
    "size",
    "ETag",
    "etag",
    "Last-Modified",
    "LastModified",
    "last_modified",
    "mtime",
    "created",
    "Content-MD5",
    "Digest",
    "date_time",
    "CRC",
)
"""What file systems say about a file that changes with its content."""

_ABOUT = "about.json"

log = logging.getLogger(__name__)


def place_of(path: str | PathLike[str]) -> Place:
    """Return an address as it is, with variables expanded, and anything else as a path."""
    return tidy_address(expanded_text(os.fspath(path))) if is_address(path) else required_path(path)


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
        return bool(_described(address)[2].get("type", "file") == "file")
    except MissingDataError:
        return False


def _described(address: str) -> tuple[Any, str, Mapping[str, Any]]:
    """Return the file system of an address, the path in it, and what it says about the file."""
    core = require_package("fsspec.core", extra="remote", purpose=f"reading {hide_password(address)}")
    with _errors_of(address):
        system, path = core.url_to_fs(address)
        system.invalidate_cache()  # a listing of a folder that changed since
        return system, path, system.info(path)


@contextmanager
def _errors_of(address: str) -> Iterator[None]:
    """Turn the errors of file systems, which are of many classes, into those of this package."""
    shown = hide_password(address)
    try:
        yield
    except (FileNotFoundError, KeyError) as error:
        if not _is_absent(error):
            raise _unreadable(shown, error.__cause__ or error) from error
        raise MissingDataError(f"no file {shown}: check the address") from error
    except ImportError as error:
        raise ConfigError(
            f"{shown} needs a package that is not installed ({error}); install it with: {install_command('remote')}"
        ) from error
    except (MissingDataError, RemoteFileError, DamagedFileError):
        raise
    except Exception as error:
        raise _unreadable(shown, error) from error


def _is_absent(error: Exception) -> bool:
    """Return whether there is no file; fsspec says so too if a server does not answer, or refuses to."""
    cause = error.__cause__
    return not isinstance(cause, OSError) and getattr(cause, "status", 404) in (404, 410)


def _unreadable(shown: str, error: BaseException) -> RemoteFileError:
    return RemoteFileError(
        f"{shown} cannot be read: {type(error).__name__}: {error}; check the address, the network and the credentials, "
        "or download the file and give its path"
    )


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
        self._known: dict[str, Path] = {}
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
        """Return the path of the copy of a file, which is made if there is none, or the file has changed.

        Threads that ask for one file at the same time wait for one copy. Where the file cannot be reached now, an
        earlier copy is used, with a warning.

        Parameters
        ----------
        address : str
        """
        with self._lock:
            lock = self._locks.setdefault(address, threading.Lock())
        with lock:
            known = self._known.get(address)
            if known is not None and known.is_file():
                _touch(known)
                return known
            self._known[address] = path = self._fetched(address)
            return path

    def _place(self, address: str) -> Path:
        digest = hashlib.sha256(address.encode()).hexdigest()[:24]
        return self.folder / digest / (name_of_place(address) or "file")

    def _fetched(self, address: str) -> Path:
        copy = self._place(address)
        earlier = _read_about(copy)
        try:
            system, path, info = _described(address)
        except RemoteFileError as error:
            if earlier is None:
                raise
            log.warning(f"{error}. The copy that was made earlier is used")
            return copy
        about = {"address": hide_password(address), **{key: str(info[key]) for key in _IDENTITY if info.get(key)}}
        if earlier == about:
            _touch(copy)
            return copy
        self._copy(system, path, info, address, copy, about)
        self._shrink(copy)
        return copy

    def _copy(
        self, system: Any, path: str, info: Mapping[str, Any], address: str, copy: Path, about: Mapping[str, str]
    ) -> None:
        size, most, shown = info.get("size"), max_file_bytes(), hide_password(address)
        if size is not None and size > most:
            raise too_large(shown, most)
        copy.parent.mkdir(parents=True, exist_ok=True)
        part = copy.with_name(f".{secrets.token_hex(4)}.part")
        log.info(f"copying {shown} to {copy}")
        try:
            with _errors_of(address):
                system.get_file(path, str(part))
            found = part.stat().st_size
            if size is not None and found != size:
                raise DamagedFileError(f"{shown} has {size} bytes, but {found} bytes arrived; read it again")
            # Without its description a copy is not used, so it is never described by that of another one.
            (copy.parent / _ABOUT).unlink(missing_ok=True)
            os.replace(part, copy)
            note = copy.with_name(f".{secrets.token_hex(4)}.part")
            note.write_text(json.dumps(about), encoding="utf-8")
            os.replace(note, copy.parent / _ABOUT)
        finally:
            part.unlink(missing_ok=True)

    def _shrink(self, newest: Path) -> None:
        """Remove the copies that were not used for the longest time until all fit."""
        copies = []
        for about in self.folder.glob(f"*/{_ABOUT}"):
            with suppress(OSError):  # another process may remove it meanwhile
                size = sum(file.stat().st_size for file in about.parent.iterdir())
                copies.append((about.stat().st_mtime_ns, size, about.parent))
        total = sum(size for _, size, _ in copies)
        for _, size, folder in sorted(copies):
            if total <= self.max_bytes:
                return
            if folder != newest.parent:
                shutil.rmtree(folder, ignore_errors=True)
                total -= size

    def clear(self) -> None:
        """Remove all copies."""
        with self._lock:
            self._known.clear()
        for about in self.folder.glob(f"*/{_ABOUT}"):
            shutil.rmtree(about.parent, ignore_errors=True)

    def forget(self) -> None:
        """Ask again, for each file that is read from now on, whether it has changed."""
        with self._lock:
            self._known.clear()


def _read_about(copy: Path) -> dict[str, str] | None:
    """Return the description of a copy, or None if it is not there as a whole."""
    try:
        about: dict[str, str] = json.loads((copy.parent / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return about if copy.is_file() else None


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
