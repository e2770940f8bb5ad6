"""Stack dataset files, such as those of several nights."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lightpool.batch.storage.code_version import code_version
from lightpool.batch.storage.files import InputFile, sha256_of, write_aside
from lightpool.batch.storage.outcomes import Outcome
from lightpool.batch.storage.provenance import Provenance, prov_document, read_provenance
from lightpool.batch.storage.results import files_of, find_format, write_files
from lightpool.datasets import MapDataset, read_dataset
from lightpool.datasets.observations import SeenDatasets
from lightpool.errors import FormatError
from lightpool.fits import FileKind, file_kinds, read_fits
from lightpool.utils.pbar import tracked

__all__ = ["stack_files"]

log = logging.getLogger(__name__)

_PARTS = {FileKind.ARF, FileKind.RMF, FileKind.BACKGROUND_PHA}
_DUPLICATES = "its data would be counted twice. Omit it, or allow it with --allow-duplicates (allow_duplicates=True)"


@dataclass
class _Sum:
    """The stack so far, and the files in it."""

    name: str
    allow_duplicates: bool
    stack: MapDataset | None = None
    format: str = "gadf"
    paths: list[Path] = field(default_factory=list)
    inputs: dict[Path, InputFile] = field(default_factory=dict)
    parts: dict[Path, FileKind] = field(default_factory=dict)
    _seen: SeenDatasets = field(default_factory=SeenDatasets)

    def add(self, path: Path) -> None:
        """Add the dataset of a file; ARF, RMF and background files are set aside, as the PHA file refers to them."""
        file = read_fits(path)
        kinds = file_kinds(file)
        if kinds and kinds[0] in _PARTS:
            self.parts[path.resolve()] = kinds[0]
            return
        dataset = read_dataset(file)
        if self.stack is not None and type(dataset) is not type(self.stack):
            raise FormatError(
                f"{path} contains {kinds[0].what} and {self.paths[0]} a {type(self.stack).__name__}, which cannot be "
                "stacked together; all files must contain the same kind of dataset"
            )
        inputs = {part.resolve(): InputFile.of(part.absolute()) for part in files_of(file)}
        if not self.allow_duplicates:
            self._refuse_duplicates(path, inputs[path.resolve()], dataset)
        if self.stack is None:
            # Empty, so that the first dataset too is stacked inside its safe mask only.
            self.stack = type(dataset).from_geoms(**dataset.geoms, name=self.name).to(dataset.device)
            self.format = find_format(file)
        try:
            self.stack.stack(dataset)
        except (TypeError, ValueError) as error:
            raise FormatError(f"{path} cannot be added to {self.paths[0]}: {error}") from error
        self.paths.append(path)
        self.inputs |= inputs

    def _refuse_duplicates(self, path: Path, first: InputFile, dataset: MapDataset) -> None:
        if path.resolve() in self.inputs:
            raise FormatError(f"{path} is given twice, or under two names: {_DUPLICATES}")
        if same := [known.path for known in self.inputs.values() if known.sha256 == first.sha256]:
            raise FormatError(f"{path} is a copy of {same[0]}: {_DUPLICATES}")
        reason = self._seen.add(str(path), dataset)
        if reason is not None:
            raise FormatError(f"{path} contains {reason}: {_DUPLICATES}")

    def finish(self) -> MapDataset:
        """Return the stack; FormatError if it is empty, or if a part belongs to none of the added spectra."""
        stray = [path for path in self.parts if path not in self.inputs]
        if stray:
            raise FormatError(
                f"{stray[0]} contains {self.parts[stray[0]].what}, but none of the given PHA files refers to it; give "
                "the PHA files of the spectra, with which their other files are read"
            )
        if self.stack is None:
            raise FormatError("none of the files contains a dataset that can be stacked")
        if self.parts:
            log.info("%d files belong to the given spectra and are read with them", len(self.parts))
        return self.stack


def stack_files(
    paths: Sequence[Path], output: Path, *, overwrite: bool = False, allow_duplicates: bool = False
) -> MapDataset:
    """Stack the datasets of files and write the result, with a PROV-JSON document next to it.

    The contents of each file determine how it is read. The stack has the format of the first file.

    Parameters
    ----------
    paths : sequence of Path
        Files of datasets of the same kind and geometry. The ARF, RMF and background files of spectra may be among
        them, and are read with their PHA files.
    output : Path
    overwrite : bool
    allow_duplicates : bool
        Whether the same observation may be added more than once.

    Returns
    -------
    stack : MapDataset, MapDatasetOnOff, SpectrumDataset or SpectrumDatasetOnOff

    Raises
    ------
    FormatError
        If a file contains no dataset, if two datasets are incompatible, or if the same data are given twice.
    FileExistsError
        If a file of the stack exists and ``overwrite`` is not set.
    """
    begun = datetime.now(UTC)
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output} exists; --overwrite replaces it")
    total = _Sum(output.name.partition(".")[0], allow_duplicates)
    with tracked(paths, "files") as items:
        for path in items:
            total.add(path)
    stack = total.finish()
    provenance = Provenance.now(None, _outcomes_of(total.paths), total.inputs.values(), begun, code_version())
    files = write_files(stack, output, provenance.to_hdus(), overwrite=overwrite, format=total.format)
    document = prov_document(provenance, {file.name: sha256_of(file) for file in files})
    document_path = output.with_name(f"{output.name.removesuffix('.gz').removesuffix('.fits')}.provenance.json")
    with write_aside(document_path) as stream:
        stream.write(json.dumps(document, indent=1).encode())
    return stack


def _outcomes_of(paths: Sequence[Path]) -> Iterator[Outcome]:
    """Yield the outcomes recorded in files, each once: the files of one reduction have the same outcomes."""
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
