"""Files of results, which Gammapy reads."""

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

    A model of the background is applied, so that the files add up to what the datasets do.

    Parameters
    ----------
    dataset : MapDataset or SpectrumDataset, on any device
    folder : Path, made if it is not there
    name : str, of the file, without its ending
    compress : bool
    more : sequence of BinTableHDU, put behind those of the dataset
    spectrum_format : {"ogip", "xspec", "gadf"}, layout of a spectrum with OFF counts

    Returns
    -------
    files : list of Path; of a set, the one that names the others comes first
    """
    is_pha = isinstance(dataset, SpectrumDatasetOnOff) and spectrum_format != "gadf"
    path = folder / f"{'pha_' if is_pha else ''}{name}{'.fits.gz' if compress else '.fits'}"
    return write_files(dataset.with_predicted_background(), path, more, overwrite=True, format=spectrum_format)


def write_files(
    dataset: MapDataset, path: Path, more: Sequence[BinTableHDU], *, overwrite: bool, format: str
) -> list[Path]:
    """Write a dataset to a file, and for the OGIP formats the other files of a spectrum beside it."""
    if isinstance(dataset, SpectrumDatasetOnOff) and format != "gadf":
        files = {path.parent / part: hdus for part, hdus in to_ogip_hdulists(dataset, path, format).items()}
    else:
        files = {path: dataset.to_hdulist()}
    if not overwrite and (there := [part for part in files if part.exists()]):
        raise FileExistsError(f"{there[0]} is there already; --overwrite replaces it")
    files[path] += [hdu.copy() for hdu in more]
    path.parent.mkdir(parents=True, exist_ok=True)
    for part, hdus in reversed(files.items()):  # the one that names the others comes last
        write_fits(hdus, part, overwrite=True)
    return list(files)


def files_of(file: FitsFile) -> list[Path]:
    """Paths of the files of a dataset, given the one that `read_dataset` reads, which comes first."""
    return [Path(file.source), *(companion_files(file).values() if FileKind.PHA in file_kinds(file) else ())]


def find_format(file: FitsFile) -> str:
    """Format in which a dataset is written as it was: one of those of `SpectrumDatasetOnOff.write`."""
    return find_ogip_format(file) if FileKind.PHA in file_kinds(file) else "gadf"
