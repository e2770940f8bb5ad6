"""Errors that occur while a file is parsed, with the name of the file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from lightpool.errors import (
    ConfigError,
    DeviceError,
    FormatError,
    LightpoolError,
    MissingDataError,
    OutOfMemoryError,
    RemoteFileError,
    UnreadableFileError,
)

__all__ = ["parsing"]

_KEPT = (
    ConfigError,
    FormatError,
    MissingDataError,
    UnreadableFileError,
    OutOfMemoryError,
    DeviceError,
    RemoteFileError,
)


@contextmanager
def parsing(source: str | PathLike[str]) -> Iterator[None]:
    """Convert any error inside a ``with`` block, in which a file is parsed, to an error that names the file.

    Header cards and tables hold arbitrary values. The libraries that make coordinates, regions, units and times from
    them raise errors of many kinds, none of which says where the value came from.

    Parameters
    ----------
    source : str or path-like, the file, with the HDU if it is known

    Raises
    ------
    FormatError
        In place of an error of another kind, which is its ``__cause__``. Errors of the package that name the file
        already are passed on; to others that say what is missing, or that memory is short, the name is added.
    """
    try:
        yield
    except _KEPT as error:
        if _names(error, source):
            raise
        raise type(error)(f"{source}: {error}") from error
    except MemoryError as error:
        raise OutOfMemoryError(f"{source}: there is not enough memory to read it ({error})") from error
    except LightpoolError as error:
        raise FormatError(str(error) if _names(error, source) else f"{source}: {error}") from error
    except Exception as error:
        raise FormatError(f"{source} cannot be read: {type(error).__name__}: {error}") from error


def _names(error: Exception, source: str | PathLike[str]) -> bool:
    file = os.fspath(source).partition(", HDU ")[0]
    # By the name alone, because a message may write the folder in another way.
    return os.path.basename(file) in str(error)
