"""Protect files that have the names of results but were not written by a batch."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from lightpool.config.batch_settings import BatchSettings
from lightpool.errors import LightpoolError, ResumeError
from lightpool.fits import FileKind, file_kinds, read_fits

__all__ = ["refuse_to_replace"]


def refuse_to_replace(
    paths: Iterable[Path], settings: BatchSettings, may_hold: Callable[[FileKind], bool], *, may_be_ours: bool
) -> None:
    """Refuse to start if a result would replace a file that no batch wrote.

    Parameters
    ----------
    paths : iterable of Path
        Existing files whose names may be those of results.
    settings : BatchSettings
    may_hold : callable
        Whether a result may have contents of a kind.
    may_be_ours : bool
        Whether an earlier batch may have written to the folder. In that case only files that cannot be results are
        protected: inputs, such as the index files of the data store.

    Raises
    ------
    ResumeError
        Names the file. Nothing is written.
    """
    inputs = {path.resolve() for path in settings.files if isinstance(path, Path)}
    for path in paths:
        # Masks that were found are maps, and no results by themselves.
        if path.resolve() in inputs or (path.parent.name != "exclusions" and _is_no_result(path, may_hold)):
            reason, advice = "is not the result of a reduction", ""
        elif not may_be_ours:
            reason, advice = "existed before any reduction in this folder", "; --restart replaces it"
        else:
            continue
        raise ResumeError(
            f"{path} {reason}, and a result of the same name would replace it. Move it, choose another output folder, "
            f"or rename the target{advice}"
        )


def _is_no_result(path: Path, may_hold: Callable[[FileKind], bool]) -> bool:
    """Return whether a file holds something other than a result; a damaged file may have been a result."""
    if path.suffix not in (".fits", ".gz"):
        return False
    with suppress(LightpoolError, OSError):
        kinds = file_kinds(read_fits(path))
        return bool(kinds) and not may_hold(kinds[0])
    return False
