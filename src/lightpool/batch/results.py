"""Files of results, which Gammapy reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightpool.config.settings import Settings
from lightpool.datasets import MapDataset, SpectrumDatasetOnOff
from lightpool.datasets.ogip import to_ogip_hdulists
from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, write_fits

__all__ = ["read_dataset", "result_files", "stack_files", "write_dataset"]


def write_dataset(
    dataset: MapDataset, folder: Path, name: str, *, compress: bool = True, more: Sequence[BinTableHDU] = ()
) -> Path:
    """Write a dataset: maps to one file, a spectrum with OFF counts to a set of OGIP files.

    Parameters
    ----------
    dataset : MapDataset or SpectrumDataset, on any device
    folder : Path, made if it is not there
    name : str, of the file, without its ending
    compress : bool
    more : sequence of BinTableHDU, put behind those of the dataset

    Returns
    -------
    path : Path of the file; of a set, the one that names the others
    """
    ending = ".fits.gz" if compress else ".fits"
    if isinstance(dataset, SpectrumDatasetOnOff):
        path = folder / f"pha_{name}{ending}"
        files = {folder / part: hdus for part, hdus in to_ogip_hdulists(dataset, path).items()}
    else:
        path = folder / f"{name}{ending}"
        files = {path: dataset.to_hdulist()}
    files[path] += [hdu.copy() for hdu in more]
    folder.mkdir(parents=True, exist_ok=True)
    for part, hdus in reversed(files.items()):  # the one that names the others comes last
        write_fits(hdus, part, overwrite=True)
    return path


def result_files(settings: Settings) -> list[Path]:
    """Files of the stacks that are in the folder of results, sorted; of a set, the one that names the others."""
    folder = Path(settings.output.folder)
    names = [f"{start}{target.name}{end}" for target in settings.targets for start in ("", "pha_") for end in ".-"]
    others = tuple(f"{part}.fits{zipped}" for part in ("_arf", "_bkg", "_rmf") for zipped in ("", ".gz"))
    found = [path for path in folder.glob("*.fits*") if path.name.startswith(tuple(names))]
    return sorted(
        (path for path in found if not path.name.endswith(others)), key=lambda path: path.name.partition(".")[0]
    )


def read_dataset(path: Path) -> MapDataset:
    """Read a file that `write_dataset` wrote: of a set, the one called ``pha_...``."""
    if path.name.startswith("pha_"):
        return SpectrumDatasetOnOff.read(path)
    return MapDataset.read(path)


def stack_files(paths: Sequence[Path], output: Path, *, overwrite: bool = False) -> MapDataset:
    """Add up datasets of files and write the sum.

    Parameters
    ----------
    paths : sequence of Path, of datasets of the same kind and geometry
    output : Path
    overwrite : bool

    Returns
    -------
    stack : MapDataset or SpectrumDatasetOnOff

    Raises
    ------
    FormatError
        If two files do not fit together.
    """
    first = read_dataset(paths[0])
    name = output.name.partition(".")[0]
    stack: MapDataset = type(first).from_geoms(**first.geoms, name=name).to(first.device)
    for path in paths:
        dataset = first if path == paths[0] else read_dataset(path)
        try:
            stack.stack(dataset)
        except (TypeError, ValueError) as error:
            raise FormatError(f"{path} cannot be added to {paths[0]}: {error}") from error
    options: dict[str, Any] = {"format": "ogip"} if isinstance(stack, SpectrumDatasetOnOff) else {}
    stack.write(output, overwrite=overwrite, **options)
    return stack
