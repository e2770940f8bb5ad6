"""Paths as users write them: ``~`` and environment variables such as ``$GAMMAPY_DATA`` are expanded."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import overload

__all__ = ["errors_named", "make_path", "missing_file_hint"]


@overload
def make_path(path: None) -> None: ...
@overload
def make_path(path: str | PathLike[str]) -> Path: ...


def make_path(path: str | PathLike[str] | None) -> Path | None:
    """Path with ``~`` and environment variables expanded; None stays None.

    A variable that is not set stays in the path as it is; `missing_file_hint` names it when the file is then not found.
    """
    if path is None:
        return None
    return Path(os.path.expandvars(path)).expanduser()


def missing_file_hint(path: str | PathLike[str]) -> str:
    """Advice about a path that leads nowhere, as a sentence for an error message."""
    unset = [name for name in re.findall(r"\$\{?(\w+)\}?", os.fspath(path)) if name not in os.environ]
    if unset:
        return f"the environment variable {', '.join(unset)} is not set; set it to the folder with the data"
    parent = Path(path).parent
    if not parent.is_dir():
        return f"the folder {parent} is not there either; check the path and its environment variables"
    return f"the folder {parent} is there; check the file name, or fetch the file again"


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Let errors of writing, such as a full disk, name the file: the system names none after it is open."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        if error.errno is None:
            raise OSError(
                f"{path} cannot be written ({error}); is the disk full?"
            ) from error  # NumPy counts bytes only
        raise OSError(error.errno, error.strerror, str(path)) from error
