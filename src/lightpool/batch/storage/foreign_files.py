"""Protect files that have the names of results but were not written by a reduction."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lightpool.batch.storage.folder import BatchFolder
from lightpool.batch.storage.stack_names import StackNames
from lightpool.config.settings import Settings
from lightpool.errors import LightpoolError, ResumeError
from lightpool.fits import FileKind, file_kinds, read_fits

__all__ = ["refuse_to_replace"]

_PARTS_OF_SETS = {FileKind.ARF, FileKind.RMF, FileKind.BACKGROUND_PHA}


def refuse_to_replace(folder: BatchFolder, settings: Settings, *, may_be_ours: bool) -> None:
    """Refuse to start if a result would replace a file that no reduction wrote.

    Parameters
    ----------
    folder : BatchFolder
    settings : Settings
    may_be_ours : bool
        Whether an earlier reduction may have written to the folder. In that case only files that cannot be results
        are protected: inputs, such as the index files of the data store.

    Raises
    ------
    ResumeError
        Names the file. Nothing is written.
    """
    inputs = {path.resolve() for path in settings.files if isinstance(path, Path)}
    for path in _with_names_of_results(folder, settings):
        if path.resolve() in inputs or _is_no_result(path):
            reason, advice = "is not the result of a reduction", ""
        elif not may_be_ours:
            reason, advice = "existed before any reduction in this folder", "; --restart replaces it"
        else:
            continue
        raise ResumeError(
            f"{path} {reason}, and a result of the same name would replace it. Move it, choose another output folder, "
            f"or rename the target{advice}"
        )


def _with_names_of_results(folder: BatchFolder, settings: Settings) -> Iterator[Path]:
    """Yield existing files whose names may be those of results."""
    names, ending = StackNames(settings), ".fits.gz" if settings.output.compress else ".fits"
    for path in sorted(folder.path.glob(f"*{ending}")):
        if names.may_name(path.name.removesuffix(ending)):
            yield path
    if settings.output.observations:
        for path in sorted(folder.observations.glob(f"*{ending}")):
            # Without the observation number, see `StackNames.of_observation`.
            stem = re.sub(r"^(pha_)?\d+-", "", path.name.removesuffix(ending))
            if names.may_name(stem):
                yield path
    tables = "-theta-squared.ecsv"
    for path in sorted(folder.path.glob(f"*{tables}")):
        if names.may_name(path.name.removesuffix(tables)):
            yield path
    for name in ("outcomes.ecsv", "datasets.ecsv", "provenance.json"):
        if (folder.path / name).exists():
            yield folder.path / name


def _is_no_result(path: Path) -> bool:
    """Return whether a file holds something other than a dataset; a damaged file may have been a result."""
    if path.suffix not in (".fits", ".gz"):
        return False
    with suppress(LightpoolError, OSError):
        kinds = file_kinds(read_fits(path))
        return bool(kinds) and not kinds[0].is_dataset and kinds[0] not in _PARTS_OF_SETS
    return False
