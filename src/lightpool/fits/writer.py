"""Write FITS files: completely or not at all; HDUs from tables."""

import os
import secrets
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING

from astropy.io import fits

from lightpool.errors import MissingDataError
from lightpool.fits.gzip_file import gzip_stream
from lightpool.fits.paths import errors_named, missing_file_hint, required_path

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["table_to_hdu", "write_fits"]


def table_to_hdu(table: "Table", name: str | None = None) -> fits.BinTableHDU:
    """Return a table HDU with a name, which `astropy.io.fits.table_to_hdu` sets only since version 7.1.

    Parameters
    ----------
    table : `astropy.table.Table`
    name : str, optional
    """
    hdu = fits.table_to_hdu(table)
    if name is not None:
        hdu.name = name
    return hdu


def write_fits(
    hdulist: fits.HDUList, path: str | PathLike[str], overwrite: bool = False, checksum: bool = False
) -> Path:
    """Write an HDU list; a reader sees the old file or the new one, never an incomplete one.

    The bytes are written to a file next to the target, which is then renamed. The same content is written as the same
    bytes, compressed ones as long as the compressor is the same: isal, or zlib where that is not installed.

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
        If the file exists and ``overwrite`` is False.
    MissingDataError
        If its folder does not exist.
    """
    target = required_path(path)
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} already exists; pass overwrite=True to replace it, or choose another name")
    if not target.parent.is_dir():
        raise MissingDataError(f"cannot write {target}: {missing_file_hint(target)}")
    # In the folder of the target, because a file is renamed atomically only within one file system.
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with errors_named(target), open(part, "wb") as stream:
            _write(hdulist, stream, target.suffix == ".gz", checksum)
            stream.flush()
            # Without it a crash after the renaming could leave an empty file under the final name.
            os.fsync(stream.fileno())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _write(hdulist: fits.HDUList, stream: IO[bytes], compress: bool, checksum: bool) -> None:
    if not compress:
        hdulist.writeto(stream, checksum=checksum, output_verify="fix+ignore")
        return
    with gzip_stream(stream) as packed:
        hdulist.writeto(packed, checksum=checksum, output_verify="fix+ignore")
