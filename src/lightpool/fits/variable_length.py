"""Columns of variable length: a row holds the number of values, and their position in the heap after the rows.

Source: FITS standard 4.0, section 7.3.5.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightpool.arrays.devices.memory import require_memory
from lightpool.errors import FormatError
from lightpool.fits.columns import ColumnForm, physical

__all__ = ["CellPositions", "find_cells", "read_cells"]

CellPositions = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Number of values of each row's cell, and the byte of the heap that it begins at; each of shape (n_row,)."""


def find_cells(form: ColumnForm, raw: NDArray[Any], heap_size: int, where: str) -> CellPositions:
    """Read the descriptors of a column, and check that all cells are inside the heap.

    Parameters
    ----------
    form : ColumnForm
    raw : array of int, shape (n_row, 2): number of values and first byte; (n_row, 0) for a column without cells
    heap_size : int, bytes
    where : str, the file, HDU and column, which begin the message of an error

    Raises
    ------
    FormatError
        If a cell is outside.
    """
    pairs = raw.astype(np.int64) if raw.shape[1] else np.zeros((raw.shape[0], 2), np.int64)
    n_value, first = pairs[:, 0], np.where(pairs[:, 0] == 0, 0, pairs[:, 1])  # that of an empty cell means nothing
    n_byte = _bytes_of(form, np.clip(n_value, 0, 8 * heap_size + 1))  # nothing over this fits, nor overflows
    is_outside = (n_value < 0) | (first < 0) | (first > heap_size) | (n_byte > heap_size - np.clip(first, 0, heap_size))
    if is_outside.any():
        row = int(np.argmax(is_outside))
        raise FormatError(
            f"{where}: row {row} says that it has {n_value[row]} values from byte {first[row]} of the heap, which has "
            f"{heap_size} bytes (PCOUNT, THEAP)"
        )
    return n_value, first


def _bytes_of(form: ColumnForm, n_value: NDArray[np.int64]) -> NDArray[np.int64]:
    return -(-n_value // 8) if form.letter == "X" else n_value * np.dtype(form.stored_in_heap).itemsize


def read_cells(form: ColumnForm, positions: CellPositions, buffer: bytes, start: int, where: str) -> NDArray[Any]:
    """Return the values of a column, one array for each row; text is an array of characters, as astropy has it.

    Parameters
    ----------
    form : ColumnForm
    positions : CellPositions, see `find_cells`
    buffer : bytes, of the file
    start : int, first byte of the heap
    where : str, the file, HDU and column, which begin the message of an error

    Returns
    -------
    values : array of object, shape (n_row,)

    Raises
    ------
    OutOfMemoryError
        If the cells, which may overlap in the heap, take more memory than is free.
    """
    n_value, first = positions
    advice = "check that the cells do not overlap, which no program writes on purpose"
    require_memory(_bytes_in_memory(form, n_value), "cpu", what=f"{where}: its cells", advice=advice)
    dtype, n_byte = np.dtype(form.stored_in_heap), _bytes_of(form, n_value)
    cells = np.empty(len(n_value), dtype=object)
    for row, (count, begin, size) in enumerate(zip(n_value.tolist(), first.tolist(), n_byte.tolist(), strict=True)):
        raw = np.frombuffer(buffer, dtype, size // dtype.itemsize, start + begin)
        cells[row] = _cell(form, raw, count)
    return cells


def _bytes_in_memory(form: ColumnForm, n_value: NDArray[np.int64]) -> int:
    # Bytes in memory: a character takes 4 in NumPy, and scaled numbers become float64.
    widened = {"X": 1, "A": 4, "L": 1}.get(form.letter) or max(8, np.dtype(form.stored_in_heap).itemsize)
    return int(n_value.sum(dtype=np.float64)) * widened


def _cell(form: ColumnForm, raw: NDArray[Any], count: int) -> NDArray[Any]:
    if form.letter == "X":
        return np.unpackbits(raw)[:count].astype(bool)
    if form.letter == "A":
        # The code points of the first 256 characters are their Latin-1 bytes.
        return raw.view(np.uint8).astype(np.uint32).view("U1")
    return physical(form, raw)
