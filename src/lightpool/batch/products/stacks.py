"""Stacks of datasets as the results of a batch."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lightpool.batch.products.found_exclusions import write_exclusions
from lightpool.batch.products.theta_squared import write_theta_squared
from lightpool.batch.products.unreached_targets import warn_of_unreached_targets
from lightpool.batch.storage.folder import BatchFolder
from lightpool.batch.storage.outcomes import Outcome, dataset_table
from lightpool.batch.storage.partial_stack import PartialStack
from lightpool.batch.storage.provenance import Provenance
from lightpool.batch.storage.results import write_dataset
from lightpool.batch.storage.stack_names import StackNames
from lightpool.config.settings import Settings
from lightpool.datasets import MapDataset, SpectrumDatasetOnOff
from lightpool.fits import FileKind

__all__ = ["StackProduct"]

log = logging.getLogger(__name__)

_DATASETS, _THETA_SQUARED = "datasets.ecsv", "-theta-squared.ecsv"
_PARTS_OF_SETS = {FileKind.ARF, FileKind.RMF, FileKind.BACKGROUND_PHA}


class StackProduct:
    """One file for each stack, or one set of OGIP files; see `Product`.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._names = settings, StackNames(settings)

    def existing(self, folder: BatchFolder) -> Iterator[Path]:
        """Yield existing files whose names may be those of results.

        Parameters
        ----------
        folder : BatchFolder
        """
        if (folder.path / _DATASETS).exists():
            yield folder.path / _DATASETS
        for path in sorted(folder.path.glob(f"*{_THETA_SQUARED}")):
            if self._names.may_name(path.name.removesuffix(_THETA_SQUARED)):
                yield path
        finds = any(getattr(target, "find_exclusion", None) is not None for target in self._settings.targets)
        for path in sorted(folder.exclusions.glob("*.fits")) if finds else ():
            if self._names.may_name(path.name.removesuffix(".fits")):
                yield path
        output = self._settings.output
        ending = ".fits.gz" if output.compress else ".fits"
        for path in sorted(folder.path.glob(f"*{ending}")):
            if self._names.may_name(path.name.removesuffix(ending)):
                yield path
        if output.observations:
            for path in sorted(folder.observations.glob(f"*{ending}")):
                # Without the observation number, see `StackNames.of_observation`.
                stem = re.sub(r"^(pha_)?\d+-", "", path.name.removesuffix(ending))
                if self._names.may_name(stem):
                    yield path

    def may_hold(self, kind: FileKind) -> bool:
        """Return whether a file may hold a stack, or a part of a set.

        Parameters
        ----------
        kind : FileKind
        """
        return kind.is_dataset or kind in _PARTS_OF_SETS

    def require_usable(self) -> None:
        """Check nothing: stacks are written to the folder of the results alone."""

    def write_beside(
        self, folder: BatchFolder, outcomes: Sequence[Outcome], sums: PartialStack | None
    ) -> dict[str, str]:
        """Write the tables of theta squared and of single datasets, and exclusions that were found.

        Parameters
        ----------
        folder : BatchFolder
        outcomes : sequence of Outcome
        sums : PartialStack or None
        """
        folder.write_table(_DATASETS, dataset_table(outcomes))
        files = write_theta_squared(folder, self._settings, outcomes)
        return files | write_exclusions(folder, self._settings, sums)

    def write(
        self, folder: BatchFolder, provenance: Provenance, sums: PartialStack | None, single: Mapping[str, str]
    ) -> list[list[Path]]:
        """Write the files of each stack.

        Parameters
        ----------
        folder : BatchFolder
        provenance : Provenance
        sums : PartialStack or None
        single : mapping of str to str
        """
        more, options = provenance.to_hdus(), self._settings.output.file_options
        done = {} if sums is None else {self._names.of(key): sums[key] for key in sums}
        sets = [
            write_dataset(stack, folder.path, name, more=more, **options)
            for name, stack in done.items()
            if _has_contents(name, stack)
        ]
        warn_of_unreached_targets(self._settings, sums or (), provenance.outcomes)
        return sets


def _has_contents(name: str, stack: MapDataset) -> bool:
    """Return whether a stack can be written; a spectrum without observations lacks the livetime that its files need."""
    livetime = None if stack.exposure is None else stack.exposure.meta.get("livetime")
    if livetime is None and isinstance(stack, SpectrumDatasetOnOff):
        log.warning(
            "%s is not written: no observation contributes to it, so it has no livetime; if datasets.ecsv lists "
            "observations of it, no bin of theirs is safe: look for warnings about OFF regions and at the safe masks",
            name,
        )
        return False
    return True
