"""Files of results, which Gammapy reads."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lightpool.batch.code_version import code_version
from lightpool.batch.files import InputFile, sha256_of, write_aside
from lightpool.batch.outcomes import Outcome
from lightpool.batch.provenance import Provenance, prov_document, read_provenance
from lightpool.datasets import MapDataset, SpectrumDatasetOnOff
from lightpool.datasets.ogip import ogip_filenames, to_ogip_hdulists
from lightpool.errors import FormatError
from lightpool.fits import BinTableHDU, write_fits

__all__ = ["read_dataset", "stack_files", "write_dataset"]


def write_dataset(
    dataset: MapDataset, folder: Path, name: str, *, compress: bool = True, more: Sequence[BinTableHDU] = ()
) -> list[Path]:
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
    files : list of Path; of a set, the one that names the others comes first
    """
    start = "pha_" if isinstance(dataset, SpectrumDatasetOnOff) else ""
    return _write(dataset, folder / f"{start}{name}{'.fits.gz' if compress else '.fits'}", more, overwrite=True)


def _write(dataset: MapDataset, path: Path, more: Sequence[BinTableHDU], *, overwrite: bool) -> list[Path]:
    if isinstance(dataset, SpectrumDatasetOnOff):
        files = {path.parent / part: hdus for part, hdus in to_ogip_hdulists(dataset, path).items()}
    else:
        files = {path: dataset.to_hdulist()}
    if not overwrite and (there := [part for part in files if part.exists()]):
        raise FileExistsError(f"{there[0]} is there already; --overwrite replaces it")
    files[path] += [hdu.copy() for hdu in more]
    path.parent.mkdir(parents=True, exist_ok=True)
    for part, hdus in reversed(files.items()):  # the one that names the others comes last
        write_fits(hdus, part, overwrite=True)
    return list(files)


def _files_of(path: Path) -> list[Path]:
    """Files of a dataset by the one that `read_dataset` is given."""
    others = ogip_filenames(path).values() if path.name.startswith("pha_") else ()
    return [path, *(part for name in others if (part := path.with_name(name)).is_file())]


def read_dataset(path: Path) -> MapDataset:
    """Read a file that `write_dataset` wrote: of a set, the one called ``pha_...``."""
    if path.name.startswith("pha_"):
        return SpectrumDatasetOnOff.read(path)
    return MapDataset.read(path)


def stack_files(paths: Sequence[Path], output: Path, *, overwrite: bool = False) -> MapDataset:
    """Add up datasets of files and write the sum, which tells its files, and a PROV-JSON document beside it.

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
    FileExistsError
        If a file of the sum is there already, and ``overwrite`` is not set.
    """
    begun = datetime.now(UTC)
    first = read_dataset(paths[0])
    name = output.name.partition(".")[0]
    stack: MapDataset = type(first).from_geoms(**first.geoms, name=name).to(first.device)
    for path in paths:
        dataset = first if path == paths[0] else read_dataset(path)
        try:
            stack.stack(dataset)
        except (TypeError, ValueError) as error:
            raise FormatError(f"{path} cannot be added to {paths[0]}: {error}") from error
    inputs = [InputFile.of(part.absolute()) for path in paths for part in _files_of(path)]
    provenance = Provenance.now(None, _outcomes_of(paths), inputs, begun, code_version())
    files = _write(stack, output, provenance.to_hdus(), overwrite=overwrite)
    document = prov_document(provenance, {file.name: sha256_of(file) for file in files})
    beside = output.with_name(f"{output.name.removesuffix('.gz').removesuffix('.fits')}.provenance.json")
    with write_aside(beside) as file:
        file.write(json.dumps(document, indent=1).encode())
    return stack


def _outcomes_of(paths: Sequence[Path]) -> Iterator[Outcome]:
    """Outcomes that files tell, each once: files of one reduction share theirs."""
    seen = set()
    for path in paths:
        try:
            outcomes = read_provenance(path).outcomes
        except FormatError:  # a file of another program
            continue
        for outcome in outcomes:
            text = str(outcome)
            if text not in seen:
                seen.add(text)
                yield outcome
