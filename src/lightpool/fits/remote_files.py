"""Files that are somewhere else: what their servers say about them, and their bytes; the only module with fsspec."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from lightpool.errors import ConfigError, DamagedFileError, MissingDataError, RemoteFileError
from lightpool.fits.addresses import tidy_address
from lightpool.fits.gzip_file import too_large
from lightpool.utils.optional_packages import install_command, require_package
from lightpool.utils.secret_texts import hide_secrets

__all__ = ["RemoteFile", "describe", "list_folder"]

log = logging.getLogger(__name__)

T = TypeVar("T")

WAITS = (0.5, 2.0)
"""Seconds before a file is asked for again, if its server did not answer."""

_DOWN_FOR = 60.0
"""Seconds during which a server that did not answer is asked only once."""

_IDENTITY = (
    "size",
    "ETag",
    "etag",
    "Last-Modified",
    "LastModified",
    "last_modified",
    "modified",
    "modify",
    "mtime",
    "created",
    "Content-MD5",
    "Digest",
    "date_time",
    "CRC",
    "sha",
)
"""What file systems say about a file that changes with its content."""

_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
"""States of HTTP after which the same question may be answered."""

_last_failure: dict[str, float] = {}
_lock = threading.Lock()


class RemoteFile:
    """A file at an address, as its file system describes it now.

    Parameters
    ----------
    address : str
    system : file system of fsspec
    path : str, of the file in it
    info : mapping, what the file system says about it
    """

    def __init__(self, address: str, system: Any, path: str, info: Mapping[str, Any]) -> None:
        self.address, self.info = address, info
        self._system, self._path = system, path

    @property
    def size(self) -> int | None:
        """Bytes, or None if the server does not say."""
        size = self.info.get("size")
        return None if size is None else int(size)

    @property
    def identity(self) -> str | None:
        """What changes with the content of the file, as JSON; None if the server says no more than the size."""
        known = {key: str(self.info[key]) for key in _IDENTITY if self.info.get(key)}
        return json.dumps(known, sort_keys=True) if set(known) - {"size"} else None

    def download(self, path: Path, *, most: int | None) -> None:
        """Write the bytes of the file to a path of this machine.

        Parameters
        ----------
        path : Path
        most : int, bytes; a larger file is refused

        Raises
        ------
        MissingDataError, RemoteFileError
            If they cannot be read, also not after waiting.
        DamagedFileError
            If others than the server promised arrive.
        FormatError
            If the file is larger than files may be.
        """
        if most is not None and self.size is not None and self.size > most:
            raise too_large(hide_secrets(self.address), most)
        _again_if_it_fails(self.address, lambda: self._download(path))

    def _download(self, path: Path) -> None:
        with _errors_of(self.address):
            self._system.get_file(self._path, str(path))
        found = path.stat().st_size
        if self.size is not None and found != self.size:
            raise DamagedFileError(
                f"{hide_secrets(self.address)} has {self.size} bytes, but {found} bytes arrived; read it again"
            )


def describe(address: str, name: str | None = None) -> RemoteFile:
    """Ask what is known about a file.

    Parameters
    ----------
    address : str
    name : str, optional
        For messages, in place of the address.

    Raises
    ------
    MissingDataError
        If there is no file at the address.
    RemoteFileError
        If it cannot be reached, also not after waiting.
    ConfigError
        If a package for this kind of address is not installed.
    """
    return _again_if_it_fails(address, lambda: _described(address, name or address))


def list_folder(address: str) -> list[str]:
    """Return the names of the files in a folder at an address, sorted.

    Raises the errors of `lightpool.fits.remote_files.describe`.

    Parameters
    ----------
    address : str; a web server must show a list of the folder
    """

    def listed() -> list[str]:
        with _errors_of(address):
            system, path = _file_system(address)
            return sorted(
                os.path.basename(str(item["name"])) for item in system.ls(path, detail=True) if item["type"] == "file"
            )

    return _again_if_it_fails(address, listed)


def _described(address: str, name: str) -> RemoteFile:
    with _errors_of(name):
        system, path = _file_system(address)
        return RemoteFile(name, system, path, system.info(path))


def _file_system(address: str) -> tuple[Any, str]:
    core = require_package("fsspec.core", extra="remote", purpose=f"reading {hide_secrets(address)}")
    system, path = core.url_to_fs(address)
    system.invalidate_cache()  # a listing of a folder that changed since
    return system, path


def _again_if_it_fails(address: str, ask: Callable[[], T]) -> T:
    """Return what a function returns, which is called again if the server may answer later."""
    server = tidy_address(address).rpartition("::")[2].partition("://")[2].partition("/")[0]
    for wait in (*WAITS, None):
        try:
            found = ask()
        except (RemoteFileError, DamagedFileError) as error:
            is_down = _may_answer_later(error)
            with _lock:
                # Thousands of files of a server that is down would wait for it one after the other.
                was_down = time.monotonic() - _last_failure.get(server, -_DOWN_FOR) < _DOWN_FOR
                if is_down and wait is None:
                    _last_failure[server] = time.monotonic()
            if wait is None or not is_down or was_down:
                raise
            log.info("%s; asking again in %g s", error, wait)
            time.sleep(wait)
        else:
            with _lock:
                _last_failure.pop(server, None)
            return found
    raise AssertionError  # the last turn returns or raises


def _may_answer_later(error: Exception) -> bool:
    if isinstance(error, DamagedFileError):
        return True
    cause = error.__cause__
    state = getattr(cause, "status", None)
    if state is not None:
        return state in _TEMPORARY
    kind = type(cause)
    return not isinstance(cause, PermissionError) and (
        isinstance(cause, OSError | TimeoutError | EOFError) or kind.__module__.partition(".")[0] == "aiohttp"
    )


@contextmanager
def _errors_of(address: str) -> Iterator[None]:
    """Turn the errors of file systems, which are of many classes, into those of this package."""
    shown = hide_secrets(address)
    try:
        yield
    except (FileNotFoundError, KeyError) as error:
        if not _is_absent(error):
            raise _unreadable(shown, error.__cause__ or error) from (error.__cause__ or error)
        raise MissingDataError(f"no file {shown}: check the address") from None
    except ImportError as error:
        raise ConfigError(
            f"{shown} needs a package that is not installed ({error}); install it with: {install_command('remote')}"
        ) from error
    except (ConfigError, MissingDataError, RemoteFileError, DamagedFileError):
        raise
    except Exception as error:
        raise _unreadable(shown, error) from error


def _is_absent(error: Exception) -> bool:
    """Return whether there is no file; fsspec says so too if a server does not answer, or refuses to."""
    cause = error.__cause__
    return not isinstance(cause, OSError) and getattr(cause, "status", 404) in (404, 410)


def _unreadable(shown: str, error: BaseException) -> RemoteFileError:
    return RemoteFileError(
        f"{shown} cannot be read: {type(error).__name__}: {hide_secrets(str(error))}; check the address, the network "
        "and the credentials, or download the file and give its path"
    )
