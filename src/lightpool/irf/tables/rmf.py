"""OGIP response files (RMF): the energy dispersion matrix with runs of channels in place of zeros.

Source: George et al. 2007, OGIP memo CAL/GEN/92-002.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import (
    BinTableHDU,
    Column,
    FileKind,
    FitsFile,
    HDUList,
    Header,
    PrimaryHDU,
    parsing,
    read_fits,
    require_kind,
)
from lightpool.fits.content_kinds import find_matrix
from lightpool.irf.tables.table_rules import check_axes, n_not_finite
from lightpool.maps import MapAxes, MapAxis
from lightpool.maps.axes.axis_format import integer_type
from lightpool.typing import PathInput

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["read_rmf", "rmf_from_hdulist", "rmf_to_hdulist", "rmf_to_table"]

Matrix = NDArray[np.floating]


class Record(Protocol):
    """One row of a FITS table."""

    def field(self, name: str, /) -> NDArray[np.generic]:
        """Return the value of a column."""


UNITS: dict[str, u.UnitBase | None] = {"ogip": None, "xspec": u.keV, "ogip-sherpa": u.keV}
"""Unit of the energies in each format; None keeps that of the axes."""


def rmf_from_hdulist(
    hdulist: HDUList, hdu1: str | int = "MATRIX", hdu2: str | int = "EBOUNDS"
) -> tuple[MapAxes, NDArray[np.float64]]:
    """Return axes and matrix from the HDUs of a response file.

    Parameters
    ----------
    hdulist : HDUList
    hdu1, hdu2 : name or number of the HDUs with the matrix and with the bins of reconstructed energy

    Returns
    -------
    axes : MapAxes, ``energy_true`` and ``energy``
    matrix : ndarray, shape (n_energy_true, n_energy)

    Raises
    ------
    MissingDataError
        If an HDU is missing.
    FormatError
        If a run of channels leaves the matrix, an axis does not ascend or has no energies, or a value is not finite.
    """
    if hdu1 == "MATRIX":  # or SPECRESP MATRIX, as the standard has it where the effective area may be in it
        hdu1 = find_matrix(hdu.name for hdu in hdulist) or hdu1
    for name in (hdu1, hdu2):
        if name not in hdulist:
            names = ", ".join(item.name for item in hdulist)
            raise MissingDataError(
                f"a response file expected an HDU {name!r}, there are: {names}; name it by hdu1, hdu2"
            )
    matrix, ebounds = hdulist[hdu1], hdulist[hdu2]
    energy = MapAxis.from_table_hdu(ebounds, format="ogip")
    energy_true = MapAxis.from_table_hdu(matrix, format="ogip-arf")
    n_channel = int(matrix.header.get("DETCHANS", energy.nbin))
    first = _first_channel(matrix, ebounds)
    values = np.zeros((len(matrix.data), n_channel))
    for row, record in zip(values, matrix.data, strict=True):
        _fill_row(row, record, first)
    axes = MapAxes([energy_true, energy])
    check_axes(axes, f"response file, HDUs {matrix.name!r} and {ebounds.name!r}")
    if n_bad := n_not_finite(values):
        raise FormatError(f"response file, HDU {matrix.name!r}: {n_bad} of {values.size} probabilities are not finite")
    return axes, values


def read_rmf(
    filename: PathInput | FitsFile, hdu1: str | int = "MATRIX", hdu2: str | int = "EBOUNDS"
) -> tuple[MapAxes, NDArray[np.float64]]:
    """Return axes and matrix of a response file.

    Parameters
    ----------
    filename : str, path or `~lightpool.fits.FitsFile`
    hdu1, hdu2 : see `rmf_from_hdulist`
    """
    file = filename if isinstance(filename, FitsFile) else read_fits(filename)
    if hdu1 == "MATRIX":
        require_kind(file, "EDispKernel.read", FileKind.RMF)
    with parsing(file.source):
        return rmf_from_hdulist(file.hdulist, hdu1, hdu2)


def rmf_to_hdulist(axes: MapAxes, matrix: Matrix, format: str = "ogip") -> HDUList:
    """Return the HDUs of a response file.

    Parameters
    ----------
    axes : MapAxes, ``energy_true`` and ``energy``
    matrix : ndarray, shape (n_energy_true, n_energy)
    format : "ogip", or "xspec" (also called "ogip-sherpa") with energies in keV
    """
    unit = _unit_of(axes, format)
    edges = axes["energy_true"].edges.to_value(unit)
    # 16 bits if all channel numbers fit, else 32 bits.
    letter = "I" if integer_type(axes["energy"].nbin) is np.int16 else "J"
    runs = [_runs(row) for row in matrix]
    columns = [
        Column("ENERG_LO", "E", unit=unit.to_string(), array=edges[:-1]),
        Column("ENERG_HI", "E", unit=unit.to_string(), array=edges[1:]),
        Column("N_GRP", "I", array=np.array([len(start) for start, _ in runs], dtype=np.int16)),
        Column("F_CHAN", f"P{letter}()", array=_objects([start for start, _ in runs])),
        Column("N_CHAN", f"P{letter}()", array=_objects([length for _, length in runs])),
        Column("MATRIX", "PE()", array=_objects([row[row != 0] for row in matrix])),
    ]
    header = Header()
    header.update(_keywords(axes, matrix))
    matrix_hdu = BinTableHDU.from_columns(columns, header=header, name="MATRIX")
    ebounds = axes["energy"].to_table_hdu(format="ogip-sherpa" if format == "xspec" else format)
    return HDUList([PrimaryHDU(), matrix_hdu, ebounds])


def rmf_to_table(axes: MapAxes, matrix: Matrix, format: str = "ogip") -> "Table":
    """Return the table of the matrix HDU of a response file.

    Parameters
    ----------
    axes, matrix, format : see `rmf_to_hdulist`
    """
    from astropy.table import Table

    unit = _unit_of(axes, format)
    edges = axes["energy_true"].edges.to(unit)
    runs = [_runs(row) for row in matrix]
    columns = {
        "ENERG_LO": edges[:-1],
        "ENERG_HI": edges[1:],
        "N_GRP": np.array([len(start) for start, _ in runs], dtype=np.int16),
        "F_CHAN": _objects([start for start, _ in runs]),
        "N_CHAN": _objects([length for _, length in runs]),
        "MATRIX": _objects([row[row != 0] for row in matrix]),
    }
    meta = {"name": "MATRIX", **{key.lower(): value for key, value in _keywords(axes, matrix).items()}}
    return Table(columns, meta=meta)


def _unit_of(axes: MapAxes, format: str) -> u.UnitBase:
    if format not in UNITS:
        raise FormatError(f"energy dispersion matrix got format {format!r}, expected one of {', '.join(UNITS)}")
    return UNITS[format] or axes["energy_true"].unit


def _keywords(axes: MapAxes, matrix: Matrix) -> dict[str, str | int | float]:
    runs = [_runs(row) for row in matrix]
    return {
        "TELESCOP": "unknown",
        "INSTRUME": "unknown",
        "FILTER": "None",
        "CHANTYPE": "PHA",
        "HDUCLASS": "OGIP",
        "HDUCLAS1": "RESPONSE",
        "HDUCLAS2": "RSP_MATRIX",
        "HDUCLAS3": "REDIST",
        "HDUVERS": "1.3.0",
        "LO_THRES": 0.0,
        "DETCHANS": axes["energy"].nbin,
        # Numbers of runs and of stored probabilities in the whole matrix.
        "NUMGRP": sum(len(start) for start, _ in runs),
        "NUMELT": int(np.count_nonzero(matrix)),
        # F_CHAN is the fourth column; our channels begin at 0.
        "TLMIN4": 0,
        "TLMAX4": axes["energy"].nbin - 1,
    }


def _runs(row: NDArray[np.floating]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return first channels and lengths of the runs of nonzero values; one run of length zero if there is none."""
    kind = integer_type(len(row))
    # A False at both ends makes every run begin and end with a change.
    is_used = np.concatenate([[False], row != 0, [False]])
    borders = np.nonzero(is_used[1:] != is_used[:-1])[0]
    if borders.size == 0:
        return np.zeros(1, dtype=kind), np.zeros(1, dtype=kind)
    return borders[::2].astype(kind), (borders[1::2] - borders[::2]).astype(kind)


def _objects(arrays: Sequence[NDArray[np.generic]]) -> NDArray[np.object_]:
    """Make an array of arrays of different lengths, as a column of variable length needs it."""
    column = np.empty(len(arrays), dtype=object)
    for i, values in enumerate(arrays):  # one by one: NumPy makes a matrix of arrays of one length
        column[i] = values
    return column


def _first_channel(matrix: BinTableHDU, ebounds: BinTableHDU) -> int:
    """Return the number of the first channel, which files are free to choose: TLMIN of F_CHAN, else CHANNEL."""
    number = [name.upper() for name in matrix.columns.names].index("F_CHAN") + 1
    if f"TLMIN{number}" in matrix.header:
        return int(matrix.header[f"TLMIN{number}"])
    names = [name.upper() for name in ebounds.columns.names]
    return int(ebounds.data["CHANNEL"][0]) if "CHANNEL" in names else 1


def _fill_row(row: NDArray[np.float64], record: Record, first: int) -> None:
    values = np.atleast_1d(record.field("MATRIX"))
    starts = np.atleast_1d(record.field("F_CHAN")).astype(int) - first
    lengths = np.atleast_1d(record.field("N_CHAN")).astype(int)
    done = 0
    # Columns of fixed length are padded, so only the first N_GRP runs count.
    for start, length in list(zip(starts, lengths, strict=True))[: int(record.field("N_GRP"))]:
        if length and not 0 <= start <= start + length <= len(row):
            raise FormatError(
                f"the response matrix has a run of {length} channels from {start + first}, but {len(row)} channels "
                f"from {first}; check DETCHANS and the TLMIN of F_CHAN"
            )
        row[start : start + length] = values[done : done + length]
        done += length
