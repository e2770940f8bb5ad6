"""Response files of the Fermi tool gtdrm: the energy dispersion matrix with a row of all channels for each energy."""

import numpy as np
from numpy.typing import NDArray

from lightpool.errors import FormatError, MissingDataError
from lightpool.fits import BinTableHDU, Column, FitsFile, HDUList, Header, PrimaryHDU, parsing, read_fits
from lightpool.irf.tables.table_rules import check_axes
from lightpool.maps import MapAxes, MapAxis
from lightpool.typing import PathInput

__all__ = ["drm_to_hdulist", "read_drm"]


def read_drm(filename: PathInput | FitsFile, checksum: bool = False) -> tuple[MapAxes, NDArray[np.float32]]:
    """Return axes and matrix of a file.

    The reconstructed energies are the middle of the true ones, as many as the file says in DETCHANS.

    Parameters
    ----------
    filename : str, path or `~lightpool.fits.FitsFile`
    checksum : bool, whether to compare the checksums in the headers

    Returns
    -------
    axes : MapAxes, ``energy_true`` and ``energy``
    matrix : ndarray of float32, shape (n_energy_true, n_energy)

    Raises
    ------
    MissingDataError
        If there is no HDU DRM.
    FormatError
        If the rows have not DETCHANS values, these cannot be the middle ones, or a checksum is wrong.
    """
    file = filename if isinstance(filename, FitsFile) else read_fits(filename)
    if "DRM" not in file:
        raise MissingDataError(f"{file.source}: format 'gtdrm' needs an HDU 'DRM', there are {', '.join(file.names)}")
    with parsing(file.source):
        hdu = file.hdulist[file.number("DRM")]
        if checksum:
            file.verify_checksums()
        table = file.table("DRM").spelled_as(["ENERG_LO", "ENERG_HI", "MATRIX"])
        low, high = (np.asarray(table.columns[name], dtype=np.float64) for name in ("ENERG_LO", "ENERG_HI"))
        # In MeV, which the files do not always say.
        edges = np.append(low, high[-1])
        true = MapAxis.from_edges(edges, unit="MeV", name="energy_true", interp="log")
        rows = [np.ravel(row) for row in hdu.data.field("MATRIX")]
    where, n_energy = f"{file.source}, HDU 'DRM'", int(hdu.header.get("DETCHANS", len(rows[0]) if rows else 0))
    if any(len(row) != n_energy for row in rows):
        lengths = sorted({len(row) for row in rows})
        raise FormatError(f"{where}: rows of MATRIX have {lengths} values, expected DETCHANS = {n_energy}")
    rest, odd = divmod(true.nbin - n_energy, 2)
    if rest < 0 or odd:
        raise FormatError(
            f"{where}: {true.nbin} true energies and DETCHANS = {n_energy}, expected as many further true energies "
            "below the reconstructed ones as above"
        )
    energy = MapAxis.from_edges(edges[rest : rest + n_energy + 1], unit="MeV", name="energy", interp="log")
    axes = MapAxes([true, energy])
    check_axes(axes, where)
    return axes, np.stack(rows).astype(np.float32)


def drm_to_hdulist(axes: MapAxes, matrix: NDArray[np.floating]) -> HDUList:
    """Return the HDUs of a file.

    Parameters
    ----------
    axes : MapAxes, ``energy_true`` and ``energy``
    matrix : ndarray, shape (n_energy_true, n_energy)

    Raises
    ------
    FormatError
        If the reconstructed energies are not the middle of the true ones, which is all that the format can say.
    """
    true, energy = (axes[name].edges.to_value("MeV") for name in ("energy_true", "energy"))
    rest, odd = divmod(len(true) - len(energy), 2)
    if rest < 0 or odd or not np.allclose(true[rest : len(true) - rest], energy, rtol=1e-6):
        raise FormatError(
            "the format 'gtdrm' has reconstructed energies that are the middle ones of the true energies, got "
            f"{len(energy) - 1} from {energy[0]:g} to {energy[-1]:g} MeV and {len(true) - 1} from {true[0]:g} to "
            f"{true[-1]:g} MeV; write 'ogip' instead"
        )
    n_true, n_energy = matrix.shape
    ones = np.ones(n_true, dtype=np.int16)
    columns = [
        Column("ENERG_LO", "D", "MeV", array=true[:-1]),
        Column("ENERG_HI", "D", "MeV", array=true[1:]),
        Column("N_GRP", "I", array=ones),
        Column("F_CHAN", "I", array=ones),
        Column("N_CHAN", "I", array=ones * n_energy),
        Column("MATRIX", f"{n_energy}D", array=np.asarray(matrix, dtype=np.float64)),
    ]
    header = Header()
    header.update({"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": "RSP_MATRIX", "DETCHANS": n_energy})
    ebounds = BinTableHDU.from_columns(
        [
            Column("CHANNEL", "I", array=np.arange(1, n_energy + 1, dtype=np.int16)),
            Column("E_MIN", "D", "keV", array=energy[:-1] * 1e3),
            Column("E_MAX", "D", "keV", array=energy[1:] * 1e3),
        ],
        name="EBOUNDS",
    )
    return HDUList([PrimaryHDU(), BinTableHDU.from_columns(columns, header=header, name="DRM"), ebounds])
