"""Write result files, which Gammapy can read."""

from collections.abc import Sequence
from pathlib import Path

from lightpool.datasets import MapDataset, SpectrumDatasetOnOff, read_dataset
from lightpool.datasets.formats.ogip import companion_files, find_ogip_format
from lightpool.datasets.formats.ogip_write import to_ogip_hdulists
from lightpool.fits import BinTableHDU, FileKind, FitsFile, file_kinds, write_fits

__all__ = ["files_of", "find_format", "read_dataset", "write_dataset", "write_files"]


def write_dataset(
    dataset: MapDataset,
    folder: Path,
    name: str,
    *,
    compress: bool = True,
    more: Sequence[BinTableHDU] = (),
    spectrum_format: str = "ogip",
) -> list[Path]:
    """Write a dataset: maps to one file, a spectrum with OFF counts to a set of OGIP files.

    A background model is evaluated before writing, so that the sum of the files is the sum of the datasets.

    Parameters
    ----------
    dataset : MapDataset or SpectrumDataset
        On any device.
    folder : Path
        Created if missing.
    name : str
        Name of the file without its suffix.
    compress : bool
    more : sequence of BinTableHDU
        Appended to the HDUs of the dataset.
    spectrum_format : {"ogip", "xspec", "gadf"}
        Layout of a spectrum with OFF counts.

    Returns
    -------
    files : list of Path
        For a set of OGIP files, the PHA file, which names the others, comes first.
    """
    is_pha = isinstance(dataset, SpectrumDatasetOnOff) and spectrum_format != "gadf"
    path = folder / f"{'pha_' if is_pha else ''}{name}{'.fits.gz' if compress else '.fits'}"
    return write_files(dataset.with_predicted_background(), path, more, overwrite=True, format=spectrum_format)


def write_files(
    dataset: MapDataset, path: Path, more: Sequence[BinTableHDU], *, overwrite: bool, format: str
) -> list[Path]:
    """Write a dataset to a file and, for the OGIP formats, the other files of a spectrum next to it.

    Parameters
    ----------
    dataset : MapDataset or SpectrumDataset
    path : Path
    more : sequence of BinTableHDU
        Appended to the HDUs of the dataset.
    overwrite : bool
    format : {"ogip", "xspec", "gadf"}
        Layout of a spectrum with OFF counts; ignored for other datasets.

    Returns
    -------
    files : list of Path, ``path`` first

    Raises
    ------
    FileExistsError
        If one of the files exists and ``overwrite`` is not set.
    """
    if isinstance(dataset, SpectrumDatasetOnOff) and format != "gadf":
        files = {path.parent / part: hdus for part, hdus in to_ogip_hdulists(dataset, path, format).items()}
    else:
        files = {path: dataset.to_hdulist()}
    if not overwrite and (existing := [part for part in files if part.exists()]):
        raise FileExistsError(f"{existing[0]} exists; --overwrite replaces it")
    files[path] += [hdu.copy() for hdu in more]
    path.parent.mkdir(parents=True, exist_ok=True)
    for part, hdus in reversed(files.items()):  # the PHA file, which names the others, is written last
        write_fits(hdus, part, overwrite=True)
    return list(files)


def files_of(file: FitsFile) -> list[Path]:
    """Return the paths of all files of a dataset; the one that was opened comes first."""
    return [Path(file.source), *(companion_files(file).values() if FileKind.PHA in file_kinds(file) else ())]


def find_format(file: FitsFile) -> str:
    """Return the format of a file, one of those of `SpectrumDatasetOnOff.write`."""
    return find_ogip_format(file) if FileKind.PHA in file_kinds(file) else "gadf"
