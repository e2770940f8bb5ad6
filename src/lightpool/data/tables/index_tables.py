"""Reading of index tables, of observations or of HDUs, as columns."""

from collections.abc import Sequence
from dataclasses import replace

from lightpool.data.tables.gadf_tables import index_hdu
from lightpool.data.tables.obs_ids import obs_id_numbers
from lightpool.fits import FileKind, TableData, read_fits, require_kind
from lightpool.typing import PathInput

__all__ = ["read_index_table", "with_whole_obs_ids"]


def read_index_table(
    filename: PathInput, hdu: str | int | None, columns: Sequence[str], reader: str, kind: FileKind
) -> TableData:
    """Read the columns of an index table.

    Parameters
    ----------
    filename : str or path-like
    hdu : str or int, optional; the first table by default
    columns : sequence of str, names that the format demands; columns in another spelling are renamed
    reader : str, what the caller calls it, for the error about another kind of file
    kind : {FileKind.OBS_INDEX, FileKind.HDU_INDEX}

    Raises
    ------
    FormatError
        If it is a file of another kind.
    """
    file = read_fits(filename)
    if hdu is None:
        # A file with both indices is taken for one of them.
        other = FileKind.HDU_INDEX if kind is FileKind.OBS_INDEX else FileKind.OBS_INDEX
        require_kind(file, reader, kind, other, takes_unknown=True)
    return file.table(index_hdu(file, hdu)).spelled_as(tuple(columns))


def with_whole_obs_ids(data: TableData) -> TableData:
    """Return a table whose OBS_ID are whole numbers, also if the file has texts or floats."""
    found = data.columns["OBS_ID"]
    if found.dtype.kind in "iu":
        return data
    where = f"{data.source}, HDU {data.name!r}"
    return replace(data, columns={**data.columns, "OBS_ID": obs_id_numbers(found, where)})
