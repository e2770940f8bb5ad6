"""Files of results, which Gammapy reads."""

from pathlib import Path

from lightpool.datasets import MapDataset, SpectrumDatasetOnOff

__all__ = ["write_dataset"]


def write_dataset(dataset: MapDataset, folder: Path, name: str, *, compress: bool = True) -> Path:
    """Write a dataset: maps to one file, a spectrum with OFF counts to a set of OGIP files.

    Parameters
    ----------
    dataset : MapDataset or SpectrumDataset, on any device
    folder : Path, made if it is not there
    name : str, of the file, without its ending
    compress : bool

    Returns
    -------
    path : Path of the file; of a set, the one that names the others
    """
    folder.mkdir(parents=True, exist_ok=True)
    ending = ".fits.gz" if compress else ".fits"
    if isinstance(dataset, SpectrumDatasetOnOff):
        path = folder / f"pha_{name}{ending}"
        dataset.write(path, overwrite=True, format="ogip")
    else:
        path = folder / f"{name}{ending}"
        dataset.write(path, overwrite=True)
    return path
