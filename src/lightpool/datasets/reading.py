"""Read a dataset of any kind, which the contents of the file determine."""

from typing import Any

from lightpool.datasets.dataset import find_dataset_class
from lightpool.datasets.map_dataset import MapDataset
from lightpool.errors import FormatError
from lightpool.fits import DATASET_KINDS, FileKind, FitsFile, file_kinds, read_fits
from lightpool.fits.content_kinds import description
from lightpool.typing import PathInput

__all__ = ["dataset_class", "read_dataset"]


def dataset_class(file: FitsFile) -> type[Any]:
    """Return the class of the dataset in a file.

    Raises
    ------
    FormatError
        If the file holds no dataset; it says what it is.
    """
    kinds = file_kinds(file)
    first = kinds[0] if kinds else None
    if first is FileKind.PHA:
        return find_dataset_class("SpectrumDatasetOnOff")
    name = next((name for name, kind in DATASET_KINDS.items() if kind is first), None)
    if name is None:
        raise FormatError(f"{file.source} holds {description(file, kinds)}; expected a dataset (maps or a spectrum)")
    return find_dataset_class(name)


def read_dataset(filename: PathInput | FitsFile, name: str | None = None) -> MapDataset:
    """Read a dataset of any kind.

    Parameters
    ----------
    filename : str or Path, of a FITS file of maps or a spectrum in the layout of Gammapy, or of a PHA file (OGIP)
    name : str, by default the one in the file

    Returns
    -------
    dataset : MapDataset, MapDatasetOnOff, SpectrumDataset or SpectrumDatasetOnOff, as the contents of the file tell

    Raises
    ------
    FormatError
        If the file holds no dataset; it says what the file is.
    """
    file = filename if isinstance(filename, FitsFile) else read_fits(filename, in_pieces=True)
    dataset: MapDataset = dataset_class(file).read(file, name=name)
    return dataset
