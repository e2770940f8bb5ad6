"""Files of somebody else that have the names of results: a reduction does not write over them."""

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
    """Refuse to begin where a result would replace a file that no reduction wrote.

    Parameters
    ----------
    folder : BatchFolder
    settings : Settings
    may_be_ours : bool
        Whether a reduction may have worked in the folder. Then only that is refused which can be no result: inputs,
        such as the index files of the store.

    Raises
    ------
    ResumeError
        It names the file. Nothing is written.
    """
    inputs = {path.resolve() for path in settings.files}
    for path in _with_names_of_results(folder, settings):
        if path.resolve() in inputs or _is_no_result(path):
            reason = "is no result of a reduction"
        elif not may_be_ours:
            reason = "was there before any reduction of this folder"
        else:
            continue
        raise ResumeError(
            f"{path} {reason}, and a result of that name would replace it. Move it, or take another output folder or "
            "another name for the target" + ("" if "before" not in reason else "; --restart replaces it")
        )


def _with_names_of_results(folder: BatchFolder, settings: Settings) -> Iterator[Path]:
    """Files that are there and have names that results may have."""
    names, ending = StackNames(settings), ".fits.gz" if settings.output.compress else ".fits"
    for path in sorted(folder.path.glob(f"*{ending}")):
        if names.may_name(path.name.removesuffix(ending)):
            yield path
    if settings.output.observations:
        for path in sorted(folder.observations.glob(f"*{ending}")):
            stem = re.sub(r"^(pha_)?\d+-", "", path.name.removesuffix(ending))
            if names.may_name(stem):
                yield path
    for name in ("outcomes.ecsv", "provenance.json"):
        if (folder.path / name).exists():
            yield folder.path / name


def _is_no_result(path: Path) -> bool:
    """Whether a file holds something else than a dataset; a damaged one may have been a result."""
    if path.suffix not in (".fits", ".gz"):
        return False
    with suppress(LightpoolError, OSError):
        kinds = file_kinds(read_fits(path))
        return bool(kinds) and not kinds[0].is_dataset and kinds[0] not in _PARTS_OF_SETS
    return False
