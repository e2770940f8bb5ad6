"""FITS files written whole or not at all."""

import gzip
import os
import secrets
from os import PathLike
from pathlib import Path
from typing import IO, Any

from astropy.io import fits

from lightpool.errors import MissingDataError
from lightpool.fits.paths import errors_named, make_path, missing_file_hint

__all__ = ["write_fits"]

_GZIP_LEVEL = 6


def write_fits(
    hdulist: fits.HDUList, path: str | PathLike[str], overwrite: bool = False, checksum: bool = False
) -> Path:
    """Write an HDU list; a reader sees the old file or the new one, never a part.

    The bytes go to a file beside the target, which then takes its name. The same content gives the same bytes.

    Parameters
    ----------
    hdulist : `astropy.io.fits.HDUList`
    path : str or path-like; a name that ends in ``.gz`` is compressed
    overwrite : bool
    checksum : bool, whether to add CHECKSUM and DATASUM

    Returns
    -------
    path : `pathlib.Path`, with variables expanded

    Raises
    ------
    FileExistsError
        If the file is there and ``overwrite`` is False.
    MissingDataError
        If its folder is not there.
    """
    target = make_path(path)
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} is there already; pass overwrite=True to replace it, or choose another name")
    if not target.parent.is_dir():
        raise MissingDataError(f"cannot write {target}: {missing_file_hint(target)}")
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with errors_named(target), open(part, "wb") as stream:
            _write(hdulist, stream, target.suffix == ".gz", checksum)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _write(hdulist: fits.HDUList, stream: IO[bytes], compress: bool, checksum: bool) -> None:
    if not compress:
        hdulist.writeto(stream, checksum=checksum, output_verify="fix+ignore")
        return
    packed: Any = gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=stream, mtime=0)
    with packed:
        hdulist.writeto(packed, checksum=checksum, output_verify="fix+ignore")
